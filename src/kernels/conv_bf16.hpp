#pragma once
// Convolutions and products in bfloat16, channels innermost, by AMX's tiles:
//   Y[N, OH, OW, M] = act(alpha * (sum over taps and c of X[N, H, W, C] W[M, C / groups, KH, KW]) + bias + residual_scale * residual), X and W rounded to bfloat16 (to nearest, ties to even),
// sums, epilogue, X and Y float32. A product of matrices [P, K] [K, M] is a 1x1 convolution of one row of P points. Denormal numbers of bfloat16, products and sums are taken as 0. Of each
// sum the numbers at even and at odd depths of 32 are added first, in order. Kernel "conv_bf16", of level avx512amx alone: operands X, packed weights, bias [M] or null, residual like Y or null, Y.
// Y overlaps no operand.
#include <cstdint>
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct ConvBf16Params {
  ConvShape shape;
  Epilogue epilogue;                                ///< its bias is per column
  std::int32_t units = 0;                           ///< of a row: pairs of taps * C / groups numbers, rounded up to whole tiles
  std::int32_t panels = 0;                          ///< of 32 output channels of a group
  std::int32_t m_block = 0, n_block = 0;            ///< points and panels of a piece
  std::uint32_t m_blocks = 0, n_blocks = 0, pieces = 0;
  std::uint16_t tile_points = 0, tile_units = 0;    ///< of a register
  std::uint64_t scratch = 0;
};

/// Whether tiles are there, and less work than a sum of float32.
bool suits_conv_bf16(Isa isa, const ConvShape& shape);
ConvBf16Params prepare_conv_bf16(Isa isa, const ConvShape& shape, const Epilogue& epilogue);
std::uint64_t scratch_bytes(const ConvBf16Params& params);
std::uint32_t grid(const ConvBf16Params& params);

/// Float32 elements' worth of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_conv_bf16_size(Isa isa, const ConvBf16Params& params);
/// Packs dense weights [M, C / groups, KH, KW]: group by group, panel by panel, unit by unit, a pair for each column.
void pack_conv_bf16(Isa isa, const ConvBf16Params& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
