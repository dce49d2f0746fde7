#pragma once
// Convolution of float32 with channels innermost:  Y[N, OH, OW, M] = act(sum over taps and c of X[N, H, W, C] W[M, C / groups, KH, KW] + bias + residual).
// Kernel "conv_last_f32": operands X, packed weights, bias [M] or null, residual like Y or null, Y. Y overlaps no operand.
//
// The depth of the product is cut into runs, which lie together in memory: a row of taps, or one tap where columns are dilated. Every element of Y is one sum over
// the depth in ascending order, cut every `k_block` terms; its bits depend on the params and the level only.
#include <cstdint>
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct ConvLastParams {
  ConvShape shape;
  Epilogue epilogue;                        ///< its bias is per column
  std::int32_t runs = 0, run = 0;           ///< of the depth: how many, and elements of each
  std::int32_t k_block = 0, k_blocks = 0;
  std::int32_t strip_rows = 0, strip_width = 0;  ///< pixels of the padded band that is copied for a block of points; 0: the image is read in place
  std::int32_t m_block = 0, n_block = 0;    ///< channels of a group and points of a piece
  std::uint32_t m_blocks = 0, n_blocks = 0;
  std::uint32_t pieces = 0, blocks = 0;     ///< blocks: by which entry of kernels/blocks.hpp
  std::uint64_t scratch = 0;
};

ConvLastParams prepare_conv_last(Isa isa, const ConvShape& shape, const Epilogue& epilogue, std::uint32_t blocks = 0);
std::uint64_t scratch_bytes(const ConvLastParams& params);
/// That params with these blocks need.
std::uint64_t scratch_of(Isa isa, const ConvLastParams& params);
std::uint32_t grid(const ConvLastParams& params);

/// Elements of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_conv_last_size(Isa isa, const ConvLastParams& params);
/// Packs dense weights [M, C / groups, KH, KW]: group by group, block of depths by block, panel by panel.
void pack_conv_last(Isa isa, const ConvLastParams& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
