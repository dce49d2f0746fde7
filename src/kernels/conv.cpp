// Choice of the method and the blocks of a convolution; packing of its weights: those of a product for each group and block of depths, or for depthwise
// kernel_h * kernel_w floats for each channel.
#include "kernels/conv.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/gemm.hpp"
#include "kernels/panels.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kDepth = 256;             // as in gemm.cpp
constexpr std::int64_t kScratchBytes = 256 << 10; // panels and strip of a block: half of a second-level cache of 512 KiB
constexpr double kPieceProducts = 1.5e6;
constexpr std::int64_t kMaxPanels = 48, kMaxPieces = 20;

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }

std::int64_t c_depth(const ConvParams& c) { return std::max<std::int64_t>(1, std::int64_t{c.c_block} * c.shape.kernel_h * c.shape.kernel_w); }

std::int64_t strip_rows(const ConvShape& s, std::int64_t points) {
  const std::int64_t rows = std::min(s.out_h, (points + s.out_w - 1) / s.out_w + (s.out_w > 1 ? 1 : 0));
  return (rows - 1) * (s.kernel_h == 1 ? 1 : s.stride_h) + (s.kernel_h - 1) * s.dilation_h + 1;
}

void prepare_depthwise(ConvParams& c, Isa isa) {
  const std::int64_t w = lanes(isa);
  const ConvShape& s = c.shape;
  const std::int64_t planes = s.batch * s.out_channels;
  // A piece is some planes, or a band of rows of a large one.
  const double plane = double(s.out_h * s.out_w) * double(s.kernel_h * s.kernel_w);
  c.m_block = static_cast<std::int32_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(1.5e5 / std::max(plane, 1.0)), 1, std::max<std::int64_t>(1, planes / 8)));
  std::int64_t band = s.out_h;
  const std::int64_t row_bytes = c.strip_width * 4;
  while (band > 8 && strip_rows(s, band * s.out_w) * row_bytes > 48 << 10) band = (band + 1) / 2;
  c.n_block = static_cast<std::int32_t>(band);  // rows of a strip
  c.n_blocks = 1;
  c.m_blocks = static_cast<std::uint32_t>((planes + c.m_block - 1) / c.m_block);
  c.strip_rows = static_cast<std::int32_t>(strip_rows(s, band * s.out_w));
  c.pieces = c.m_blocks;
  c.scratch = static_cast<std::uint64_t>(up(s.kernel_h * s.kernel_w, 16) + 3 * (band * ((s.out_w + w - 1) / w) + 4) + 16 +
                                         std::max<std::int64_t>(std::int64_t{c.strip_rows} * c.strip_width, s.in_w) + 128) * 4;
}

void prepare_product(ConvParams& c, Isa isa) {
  const ConvShape& s = c.shape;
  const std::int64_t w = lanes(isa), panel = 3 * w, taps = s.kernel_h * s.kernel_w, points = s.out_h * s.out_w;
  const std::int64_t group_c = s.in_channels / s.groups, m = s.out_channels / s.groups;
  const std::int64_t c_wanted = std::max<std::int64_t>(1, kDepth / taps), c_blocks = std::max<std::int64_t>(1, (group_c + c_wanted - 1) / c_wanted);
  c.c_block = static_cast<std::int32_t>(std::max<std::int64_t>(1, (group_c + c_blocks - 1) / c_blocks));
  const std::int64_t depth = c.c_block * taps, outer = s.batch * s.groups;
  const double products = double(m) * double(points) * double(group_c * taps);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(products / kPieceProducts), 1, kMaxPieces);
  const auto bytes = [&](std::int64_t n) {
    return 4 * (n * depth + (c.method == ConvMethod::panels ? c.c_block * strip_rows(s, n) * c.strip_width : 0));
  };
  std::int64_t n_block = std::min((kMaxPanels - 3) * panel, std::max(panel, up((points + wanted - 1) / wanted, panel)));
  while (n_block > 2 * panel && bytes(n_block) > kScratchBytes) n_block -= panel;
  while (n_block < points && (points - 1) % n_block + 1 <= w) n_block += panel;
  if (n_block >= points) n_block = points;
  c.n_block = static_cast<std::int32_t>(n_block);
  c.n_blocks = static_cast<std::uint32_t>((points + n_block - 1) / n_block);
  const std::int64_t m_wanted = std::max<std::int64_t>(1, std::min<std::int64_t>(wanted / c.n_blocks, m / 128));
  c.m_block = static_cast<std::int32_t>(up((m + m_wanted - 1) / m_wanted, 16));
  c.m_blocks = static_cast<std::uint32_t>((m + c.m_block - 1) / c.m_block);
  c.direct = m <= 48;
  c.pieces = static_cast<std::uint32_t>(outer) * c.n_blocks * c.m_blocks;
  c.strip_rows = c.method == ConvMethod::panels ? static_cast<std::int32_t>(strip_rows(s, n_block)) : 0;
  const std::int64_t strip = c.method == ConvMethod::panels ? up(std::int64_t{c.c_block} * c.strip_rows * c.strip_width + w, 16) : 0;
  c.scratch = static_cast<std::uint64_t>(up(taps, 16) + strip + (n_block + 2 * w) * depth + 2 * w) * 4;
}

}  // namespace

ConvParams prepare_conv(Isa isa, const ConvShape& shape, const Epilogue& epilogue) {
  const ConvShape& s = shape;
  SAHA_ASSERT(s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvParams c;
  c.shape = shape;
  c.epilogue = epilogue;
  if (s.batch * s.out_channels * s.out_h * s.out_w == 0) {
    c.m_blocks = c.n_blocks = 1;
    return c;
  }
  const std::int64_t phase_width = s.out_w + (s.kernel_w - 1) * s.dilation_w / s.stride_w;
  c.strip_width = static_cast<std::int32_t>(s.kernel_w == 1 ? phase_width : phase_width * s.stride_w);
  if (s.in_channels == s.groups && s.groups > 1) {
    c.method = ConvMethod::depthwise;
    prepare_depthwise(c, isa);
    return c;
  }
  c.method = is_pointwise(s) ? ConvMethod::pointwise : ConvMethod::panels;
  prepare_product(c, isa);
  return c;
}

std::string_view kernel(const ConvParams& params) { return params.method == ConvMethod::depthwise ? "depthwise_f32" : "conv_f32"; }
std::uint64_t scratch_bytes(const ConvParams& params) { return params.scratch; }
std::uint32_t grid(const ConvParams& params) { return params.pieces; }

std::int64_t packed_conv_size(Isa isa, const ConvParams& params) {
  const ConvShape& s = params.shape;
  const std::int64_t taps = s.kernel_h * s.kernel_w;
  if (params.method == ConvMethod::depthwise) return s.out_channels * taps;
  return s.groups * packed_gemm_a_size(isa, s.out_channels / s.groups, s.in_channels / s.groups * taps);
}

void pack_conv(Isa isa, const ConvParams& params, const float* weights, std::span<float> out) {
  const ConvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_size(isa, params));
  const std::int64_t k = s.in_channels / s.groups * s.kernel_h * s.kernel_w, m = s.out_channels / s.groups;
  if (params.method == ConvMethod::depthwise) {
    std::copy_n(weights, s.out_channels * k, out.begin());
    return;
  }
  // Block of depths after block of depths, so that a visit of Y reads its weights as one stream.
  float* o = out.data();
  const std::int64_t depth = c_depth(params);
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t k0 = 0; k0 < k; k0 += depth) {
      const std::int64_t n = std::min(depth, k - k0), size = packed_gemm_a_size(isa, m, n);
      pack_gemm_a(isa, weights + g * m * k + k0, k, 1, m, n, {o, static_cast<std::size_t>(size)});
      o += size;
    }
}

}  // namespace saha::kernels
