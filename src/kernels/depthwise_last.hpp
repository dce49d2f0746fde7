#pragma once
// "depthwise_last_f32": convolution of each channel alone, channels innermost, float32:
//   Y[N, OH, OW, C] = act(alpha * sum over taps of X[N, H, W, C] * W[C, 1, KH, KW] + bias[C] + residual_scale * residual),
// operands X, packed weights, bias [C] or null, residual like Y or null, Y. Y overlaps no operand. Taps beyond the image are left out.
#include <cstdint>
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct DepthwiseLastParams {
  ConvShape shape;
  Epilogue epilogue;
  std::int32_t rows = 0;                     ///< of the result in a band
  std::uint32_t bands = 0, parts = 0;        ///< a piece is a band of one part of the channels
  std::uint32_t pieces = 0;
  std::int32_t ring_rows = 0, low_rows = 0;  ///< so many of the image's last rows stand so many rows before where they would: images lie in rings (kernels/row_bands.hpp)
};

/// One output channel for each input channel, and more than one of them.
bool is_depthwise(const ConvShape& shape);
/// `shape` is depthwise.
DepthwiseLastParams prepare_depthwise_last(Isa isa, const ConvShape& shape, const Epilogue& epilogue);
std::uint32_t grid(const DepthwiseLastParams& params);

/// Elements of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_depthwise_last_size(Isa isa, const DepthwiseLastParams& params);
/// Packs dense weights [C, 1, KH, KW], times the epilogue's alpha.
void pack_depthwise_last(Isa isa, const DepthwiseLastParams& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
