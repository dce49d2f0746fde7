// Choice of the blocks of a convolution with channels innermost; packing of its weights.
#include "kernels/conv_last.hpp"

#include <algorithm>
#include <cmath>

#include "base/result.hpp"
#include "kernels/blocks.hpp"
#include "kernels/last_panels.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {
namespace {

/// A panel of two vectors of 8 lanes and this depth fills half of a first-level cache of 32 KiB; of 16, see depth_of() in gemm.cpp.
constexpr std::int64_t depth_of(int lanes) { return lanes == 16 ? 576 : 288; }
constexpr std::int64_t kPointBytes = 256 << 10;    // of X for a block of points and of depths: half of a second-level cache of 512 KiB
constexpr std::int64_t kStripBytes = 1 << 20;
constexpr double kPieceProducts = 6e5;             // some 12 us of work
constexpr std::int64_t kMaxPieces = 20, kFewChannels = 32, kLongRow = 512;
constexpr std::int64_t kFewPoints = 96;            // below, the weights that a block of points reads cost more than what is computed with them

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }
std::int64_t strip_rows(const ConvShape& s, std::int64_t points) {
  const std::int64_t rows = std::min(s.out_h, (points + s.out_w - 2) / s.out_w + 1);
  return (rows - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1;
}

}  // namespace

ConvLastParams prepare_conv_last(Isa isa, const ConvShape& shape, const Epilogue& epilogue, std::uint32_t blocks) {
  const ConvShape& s = shape;
  const Blocks b = kBlocks[blocks];
  const std::int64_t depth = scaled(depth_of(lanes(isa)), b.depth), most_pieces = scaled(kMaxPieces, b.pieces);
  SAHA_ASSERT(s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvLastParams c;
  c.shape = shape;
  c.epilogue = epilogue;
  c.blocks = blocks;
  c.m_blocks = c.n_blocks = 1;
  c.k_block = c.run = 1;
  if (s.batch * s.out_channels * s.out_h * s.out_w == 0) return c;
  const int w = lanes(isa);
  const std::int64_t taps = s.kernel_h * s.kernel_w, points = s.out_h * s.out_w, group_c = s.in_channels / s.groups, m = s.out_channels / s.groups;
  const bool rows = s.dilation_w == 1;
  c.runs = static_cast<std::int32_t>(rows ? s.kernel_h : taps);
  c.run = static_cast<std::int32_t>(rows ? s.kernel_w * group_c : group_c);
  const std::int64_t k = group_c * taps;
  c.k_blocks = static_cast<std::int32_t>(std::max<std::int64_t>(1, (k + depth - 1) / depth));
  c.k_block = static_cast<std::int32_t>(std::max<std::int64_t>(1, (k + c.k_blocks - 1) / c.k_blocks));
  c.k_blocks = static_cast<std::int32_t>(std::max<std::int64_t>(1, (k + c.k_block - 1) / c.k_block));
  const bool inside = s.pad_top == 0 && s.pad_left == 0 && (s.out_h - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h < s.in_h && (s.out_w - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w < s.in_w;
  const bool in_place = inside && s.groups == 1;
  const std::int64_t width = in_place ? 0 : (s.out_w - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
  const double products = double(m) * double(points) * double(k);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / kPieceProducts, b.pieces)), 1, most_pieces);
  // Whole rows of the image where they are copied: neighbouring blocks copy the rows between them twice.
  const std::int64_t unit = in_place || s.out_w > kLongRow ? 1 : s.out_w, units = (points + unit - 1) / unit;
  const auto n_of = [&](std::int64_t parts) { return std::min(points, (units + parts - 1) / parts * unit); };
  const auto m_of = [&](std::int64_t parts) { return last_block(m, parts, w); };
  const auto fits = [&](std::int64_t parts) { return 4 * n_of(parts) * c.k_block <= kPointBytes && 4 * strip_rows(s, n_of(parts)) * width * group_c <= kStripBytes; };
  std::int64_t fewest = 1;
  for (std::int64_t enough = units; fewest < enough;) {  // a row that does not fit is a block of its own
    const std::int64_t middle = fewest + (enough - fewest) / 2;
    if (fits(middle)) enough = middle;
    else fewest = middle + 1;
  }
  const Cut cut = even_cut(wanted, fewest, std::max(fewest, std::min({units, wanted, points / kFewPoints})), std::max<std::int64_t>(1, m / kFewChannels), [&](std::int64_t nb, std::int64_t mb) {
    return s.batch * s.groups * ((points + n_of(nb) - 1) / n_of(nb)) * ((m + m_of(mb) - 1) / m_of(mb));
  });
  const std::int64_t n_block = n_of(cut.first), m_block = m_of(cut.second);
  c.n_block = static_cast<std::int32_t>(n_block);
  c.n_blocks = static_cast<std::uint32_t>((points + n_block - 1) / n_block);
  c.m_block = static_cast<std::int32_t>(m_block);
  c.m_blocks = static_cast<std::uint32_t>((m + m_block - 1) / m_block);
  c.pieces = static_cast<std::uint32_t>(s.batch * s.groups) * c.n_blocks * c.m_blocks;
  if (!in_place) c.strip_width = static_cast<std::int32_t>(width), c.strip_rows = static_cast<std::int32_t>(strip_rows(s, n_block));
  c.scratch = scratch_of(isa, c);
  return c;
}

std::uint64_t scratch_of(Isa isa, const ConvLastParams& c) {
  const std::int64_t strip = c.strip_width ? 4 * up(strip_rows(c.shape, c.n_block) * c.strip_width * (c.shape.in_channels / c.shape.groups) + lanes(isa), 16) : 0;
  return static_cast<std::uint64_t>(up(16 * (std::int64_t{c.runs} + c.k_blocks) + 4 * (c.k_blocks + 1), 64) + up(8 * std::int64_t{c.n_block}, 64) + strip);
}

std::uint64_t scratch_bytes(const ConvLastParams& params) { return params.scratch; }
std::uint32_t grid(const ConvLastParams& params) { return params.pieces; }

std::int64_t packed_conv_last_size(Isa isa, const ConvLastParams& params) {
  const ConvShape& s = params.shape;
  return s.groups * last_panel_columns(s.out_channels / s.groups, lanes(isa)) * (s.in_channels / s.groups * s.kernel_h * s.kernel_w);
}

void pack_conv_last(Isa isa, const ConvLastParams& params, const float* weights, std::span<float> out) {
  const ConvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_last_size(isa, params));
  const std::int64_t group_c = s.in_channels / s.groups, taps = s.kernel_h * s.kernel_w, k = group_c * taps, m = s.out_channels / s.groups;
  const int w = lanes(isa);
  float* to = out.data();
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t k0 = 0; k0 < k; k0 += params.k_block)
      for (std::int64_t m0 = 0; m0 < m;) {
        const std::int64_t width = last_panel_vectors(m - m0, w) * w;
        for (std::int64_t p = k0; p < std::min(k, k0 + params.k_block); ++p)
          for (std::int64_t j = m0; j < m0 + width; ++j) *to++ = j < m ? weights[((g * m + j) * group_c + p % group_c) * taps + p / group_c] : 0.f;
        m0 += width;
      }
}

}  // namespace saha::kernels
