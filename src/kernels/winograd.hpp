#pragma once
// Convolutions of 3x3 taps with stride 1 by minimal filtering F(4x4, 3x3) (Winograd 1980; Lavin and Gray 2016), float32, channels innermost: 36 products in place of 144 for each
// 16 results. Kernel "winograd_f32": operands X, transformed weights, bias [M] or null, residual like Y or null, Y. Y overlaps no operand.
//
// The polynomials are evaluated at 0, 3/4, -3/4, 5/4, -5/4 and infinity, whose transforms hardly enlarge roundings: on random data the error is half as large again as that of
// the plain sum, with the usual 0, 1, -1, 2, -2 it is five times as large. A last row or column of tiles with one or two results is F(2, 3) along that axis, at 0, 3/4, -3/4 and infinity, with the same weights.
#include <cstdint>
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct WinogradParams {
  ConvShape shape;
  Epilogue epilogue;
  std::int32_t t_block = 0, m_block = 0;    ///< tiles of 4x4 results and channels of a piece
  std::uint32_t t_blocks = 0, m_blocks = 0;
  std::uint32_t pieces = 0, blocks = 0;     ///< blocks: by which entry of kernels/blocks.hpp
  std::uint64_t scratch = 0;
};

/// Tiles of 4x4 results along an axis. Internal linkage, as what loops include has.
[[maybe_unused]] static constexpr std::int64_t filter_tiles(std::int64_t n) { return (n + 3) / 4; }
/// 3x3, stride 1, without dilation or groups, of 16 channels and more, and transformed weights of `weight_bytes` each fit into 64 MiB.
bool may_filter(const ConvShape& shape, std::int64_t weight_bytes);
/// It may be done, and transforms and weights, four times as many, are expected to pay.
bool suits_filtering(const ConvShape& shape, std::int64_t weight_bytes);
/// The same with weights of float32.
bool may_winograd(const ConvShape& shape);
bool suits_winograd(const ConvShape& shape);
/// `shape` may be filtered.
WinogradParams prepare_winograd(Isa isa, const ConvShape& shape, const Epilogue& epilogue, std::uint32_t blocks = 0);
std::uint64_t scratch_bytes(const WinogradParams& params);
std::uint32_t grid(const WinogradParams& params);

/// Elements of the transformed weights; the buffer is 64-byte aligned.
std::int64_t packed_winograd_size(Isa isa, const WinogradParams& params);
/// Transforms dense weights [M, C, 3, 3], in float64.
void pack_winograd(Isa isa, const WinogradParams& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
