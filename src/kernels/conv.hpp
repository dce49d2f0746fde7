#pragma once
// Convolution  Y[N, M, OH, OW] = act(alpha * (X[N, C, H, W] * W[M, C / groups, KH, KW]) + bias + residual_scale * residual), float32, dense
// NCHW; one spatial dimension is H = 1. Kernels "conv_f32" and "depthwise_f32" (C / groups = 1), as `params.kernel` says:
// operands X, packed weights, bias [M] or null, residual like Y or null, Y. Y overlaps no operand.
#include <cstdint>
#include <span>

#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

namespace saha::kernels {

struct ConvShape {
  std::int64_t batch = 1, in_channels = 0, in_h = 1, in_w = 0, out_channels = 0, out_h = 1, out_w = 0;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0;  ///< what lies beyond the lower and right edge reads as 0, however far the output reaches
  std::int64_t groups = 1;
};

/// Whether points are those of the image, in its order. Internal linkage, so that each level compiles a copy of its own.
[[maybe_unused]] static constexpr bool is_pointwise(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 && s.out_h == s.in_h && s.out_w == s.in_w;
}

enum class ConvMethod : std::int32_t {
  pointwise,  ///< 1x1, stride 1, no padding: a product with the image itself
  panels,     ///< panels of a product are filled from a padded strip of the image
  depthwise,  ///< one input channel for each output channel
};

struct ConvParams {
  ConvShape shape;
  Epilogue epilogue;
  ConvMethod method = ConvMethod::panels;
  std::int32_t direct = 0;                  ///< pointwise: the image is read in place, packing would not pay
  std::int32_t m_block = 0, n_block = 0;    ///< rows (output channels of a group) and columns (output points) of a piece
  std::int32_t c_block = 0;                 ///< input channels between two visits of Y
  std::uint32_t m_blocks = 0, n_blocks = 0;
  std::int32_t strip_width = 0;             ///< elements of a padded row of the strip, all phases
  std::int32_t strip_rows = 0;              ///< most rows of a strip
  std::uint32_t pieces = 0;
  std::uint64_t scratch = 0;
};

ConvParams prepare_conv(Isa isa, const ConvShape& shape, const Epilogue& epilogue);
/// "conv_f32" or "depthwise_f32".
std::string_view kernel(const ConvParams& params);
std::uint64_t scratch_bytes(const ConvParams& params);
std::uint32_t grid(const ConvParams& params);

/// Elements of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_conv_size(Isa isa, const ConvParams& params);
/// Packs dense weights [M, C / groups, KH, KW].
void pack_conv(Isa isa, const ConvParams& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
