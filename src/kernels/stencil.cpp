// When a convolution is done point by point in place; packing of its weights.
#include "kernels/stencil.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace saha::kernels {
namespace {
constexpr std::int64_t kImageBytes = 24 << 10;   // leaves some of a cache of 32 KiB for weights and results
constexpr double kMostProducts = 1.5e6;          // of a piece, as in conv.cpp

std::int64_t width_of(const ConvShape& s) { return s.out_w + (s.kernel_w - 1) * s.dilation_w; }
std::int64_t rows_of(const ConvShape& s) { return s.out_h + (s.kernel_h - 1) * s.dilation_h; }
}  // namespace

bool is_small_image(const ConvShape& s) {
  const std::int64_t channels = s.in_channels / s.groups;
  const bool depthwise = s.in_channels == s.groups && s.groups > 1;
  const double products = double(s.out_channels / s.groups) * double(s.out_h * s.out_w) * double(channels * s.kernel_h * s.kernel_w);
  return s.stride_h == 1 && s.stride_w == 1 && s.kernel_h * s.kernel_w > 1 && !depthwise && s.batch * s.out_channels * s.out_h * s.out_w > 0 && channels > 0 &&
         products <= kMostProducts && double(width_of(s)) * double(rows_of(s)) * double(channels) * 4 <= kImageBytes;
}
bool suits_stencil(Isa isa, const ConvShape& s) {
  const std::int64_t w = lanes(isa), vectors = (s.out_w + w - 1) / w;
  return is_small_image(s) && 3 * vectors * w <= 4 * s.out_w;
}

StencilParams prepare_stencil(Isa isa, const ConvShape& s, const Epilogue& epilogue) {
  SAHA_ASSERT(suits_stencil(isa, s));
  StencilParams p;
  p.shape = s;
  p.epilogue = epilogue;
  p.width = static_cast<std::int32_t>(width_of(s)), p.rows = static_cast<std::int32_t>(rows_of(s));
  p.in_place = s.pad_top == 0 && s.pad_left == 0 && p.width == s.in_w && p.rows <= s.in_h && s.out_w >= lanes(isa);
  p.pieces = static_cast<std::uint32_t>(s.batch * s.groups);
  const std::int64_t taps = (s.kernel_h * s.kernel_w + 15) / 16 * 16, image = p.in_place ? 0 : s.in_channels / s.groups * p.rows * p.width + 2 * lanes(isa);
  p.scratch = static_cast<std::uint64_t>(taps + image) * 4;
  return p;
}

std::uint64_t scratch_bytes(const StencilParams& params) { return params.scratch; }
std::uint32_t grid(const StencilParams& params) { return params.pieces; }

std::int64_t packed_stencil_size(const StencilParams& params) {
  const ConvShape& s = params.shape;
  return s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w;
}

void pack_stencil(Isa isa, const StencilParams& params, const float* weights, std::span<float> out) {
  const ConvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_stencil_size(params));
  const std::int64_t k = s.in_channels / s.groups * s.kernel_h * s.kernel_w, m = s.out_channels / s.groups;
  float* o = out.data();
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t m0 = 0, m1; m0 < m; m0 = m1) {
      m1 = m0 + stencil_block(m - m0, lanes(isa));
      for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t i = m0; i < m1; ++i) *o++ = weights[(g * m + i) * k + p];
    }
}

}  // namespace saha::kernels
