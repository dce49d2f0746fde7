// Choice, blocks and packing of convolutions in 16 bits.
#include "kernels/conv_half.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/result.hpp"
#include "kernels/tile_parts.hpp"
#include "kernels/winograd.hpp"
#include "tensor/float_format.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kMaxPieces = 24;
constexpr std::int64_t kBehindRows = 64;     // what whole vectors may write over behind the last row
constexpr std::int64_t kLaneUnits = 16;     // of float16: 32 numbers are summed before float32 takes over
constexpr std::int64_t kFilteredTiles = 32;  // fewer do not pay for weights of minimal filtering, eight times as many bytes

struct Sizes {
  std::int64_t rows;        ///< points that are multiplied at once
  std::int64_t gain;        ///< products in the time of one of float32, without tiles: what the instructions hold
  std::int64_t row_work;    ///< of rounding and copying a number, in multiply-adds of float32
  std::int64_t rows_bytes;  ///< of a piece: a part of a second-level cache, of 2 MiB with tiles
  double piece_products;
};
Sizes sizes(HalfProduct p) {
  switch (p) {
    case HalfProduct::tiles: return {2 * kMostOfTile, 0, 0, 256 << 10, 2e6};
    case HalfProduct::dots: return {8, 2, 4, 256 << 10, 1e6};
    case HalfProduct::matrices: return {8, 4, 8, 128 << 10, 2e6};
    case HalfProduct::lanes: return {8, 2, 8, 128 << 10, 1e6};
  }
  return {};
}
std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }
std::int64_t depth_of(const ConvShape& s) { return s.in_channels / s.groups * s.kernel_h * s.kernel_w; }
/// Units of a block of depth: alike, and even or whole vectors.
std::int64_t block_units(HalfProduct p, std::int64_t pairs) {
  switch (p) {
    case HalfProduct::tiles: return 2 * even_part((pairs + 1) / 2, kMostOfTile / 2);
    case HalfProduct::dots: return pairs;
    case HalfProduct::matrices: return up(pairs, 4);
    case HalfProduct::lanes: return 4 * even_part((pairs + 3) / 4, kLaneUnits / 4);
  }
  return 0;
}
/// 16-bit numbers of a panel of `units`, and what stands behind them in float32 elements.
std::int64_t panel_size(const ConvHalfParams& c) { return c.units * std::int64_t{panel_columns(c.product)} + (c.product == HalfProduct::lanes ? panel_columns(c.product) : 0); }
/// Where number `h` of unit `u` of column `j` lies in a panel.
std::int64_t place(HalfProduct p, std::int64_t columns, std::int64_t u, std::int64_t j, std::int64_t h) {
  if (p == HalfProduct::matrices) return (u / 2 * columns + j) * 4 + u % 2 * 2 + h;
  return p == HalfProduct::lanes ? (2 * u + h) * columns + j : (u * columns + j) * 2 + h;
}
/// Of the power of two that makes the largest finite number of a column lie in [1/2, 1), as far as it and its inverse are normal.
int exponent(const float* column, std::int64_t n) {
  float most = 0;
  for (std::int64_t k = 0; k < n; ++k)
    if (std::isfinite(column[k])) most = std::max(most, std::fabs(column[k]));
  return most == 0 ? 0 : std::clamp(std::ilogb(most) + 1, -126, 127);
}

}  // namespace

bool suits_conv_half(Isa isa, Half half, const ConvShape& s) {
  const auto product = product_of(isa, half);
  const std::int64_t points = s.out_h * s.out_w, depth = depth_of(s), m = s.out_channels / s.groups;
  if (!product || points == 0 || depth == 0) return false;
  if (*product == HalfProduct::tiles) return tile_cycles(points, (depth + 1) / 2) < points * depth;   // float32: 32 multiply-adds a cycle
  const std::int64_t gain = *product == HalfProduct::matrices && points == 1 ? 2 : sizes(*product).gain, unit = block_units(*product, (depth + 1) / 2);
  if (gain == 2 && suits_winograd(s) && s.batch * filter_tiles(s.out_h) * filter_tiles(s.out_w) >= kFilteredTiles) return false;   // minimal filtering gains as much, and more
  return up((depth + 1) / 2, unit) * 2 * up(m, *product == HalfProduct::dots ? kNarrowPanel : panel_columns(*product)) / gain + sizes(*product).row_work * depth < depth * m;
}

ConvHalfParams prepare_conv_half(Isa isa, Half half, const ConvShape& shape, const Epilogue& epilogue) {
  const ConvShape& s = shape;
  SAHA_ASSERT(suits_conv_half(isa, half, shape) && s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvHalfParams c;
  c.shape = shape;
  c.epilogue = epilogue;
  c.product = *product_of(isa, half);
  if (s.batch * s.out_channels == 0) return c;
  const auto [rows, gain, row_work, rows_bytes, piece_products] = sizes(c.product);
  const std::int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, pairs = (depth_of(s) + 1) / 2, columns = panel_columns(c.product);
  c.tile_units = static_cast<std::int32_t>(block_units(c.product, pairs));
  c.units = static_cast<std::int32_t>(up(pairs, c.tile_units));
  c.panels = static_cast<std::int32_t>((m + columns - 1) / columns);
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(double(s.batch) * double(points) * double(s.out_channels) * double(depth_of(s)) / piece_products), 1, kMaxPieces);
  const std::int64_t fitting = std::max<std::int64_t>(rows, rows_bytes / (4 * std::int64_t{c.units}) / rows * rows), fewest = std::max<std::int64_t>(4 * rows, 64);
  const std::int64_t m_wanted = std::max((points + fitting - 1) / fitting, std::min((wanted + s.batch * s.groups - 1) / (s.batch * s.groups), (points + fewest - 1) / fewest));
  c.m_block = static_cast<std::int32_t>(std::min(points, up((points + m_wanted - 1) / m_wanted, rows)));
  c.m_blocks = static_cast<std::uint32_t>((points + c.m_block - 1) / c.m_block);
  if (c.product == HalfProduct::tiles) c.tile_points = even_part(c.m_block, kMostOfTile);
  const std::int64_t n_wanted = std::clamp<std::int64_t>(wanted / (s.batch * s.groups * c.m_blocks), 1, (c.panels + 3) / 4);
  c.n_block = static_cast<std::int32_t>((c.panels + n_wanted - 1) / n_wanted);
  c.n_blocks = static_cast<std::uint32_t>((c.panels + c.n_block - 1) / c.n_block);
  c.pieces = static_cast<std::uint32_t>(s.batch * s.groups) * c.m_blocks * c.n_blocks;
  c.scratch = scratch_of(c);
  return c;
}

std::uint16_t nearest_bfloat(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  return static_cast<std::uint16_t>(std::isnan(v) ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}
std::string_view kernel(const ConvHalfParams& params) { return params.product == HalfProduct::lanes ? "conv_f16" : "conv_bf16"; }
std::uint64_t scratch_of(const ConvHalfParams& c) { return static_cast<std::uint64_t>(up(4 * std::int64_t{c.m_block} * c.units, 64) + kBehindRows); }
std::uint64_t scratch_bytes(const ConvHalfParams& params) { return params.scratch; }
std::uint32_t grid(const ConvHalfParams& params) { return params.pieces; }
std::int64_t packed_conv_half_size(Isa, const ConvHalfParams& c) { return c.shape.groups * c.panels * panel_size(c); }

void pack_conv_half(Isa isa, const ConvHalfParams& c, const float* weights, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_half_size(isa, c));
  const ConvShape& s = c.shape;
  const std::int64_t group_c = s.in_channels / s.groups, taps = s.kernel_h * s.kernel_w, depth = depth_of(s), m = s.out_channels / s.groups, columns = panel_columns(c.product);
  const bool lanes = c.product == HalfProduct::lanes;
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t p = 0; p < c.panels; ++p) {
      float* panel = out.data() + (g * c.panels + p) * panel_size(c);
      auto* numbers = reinterpret_cast<std::uint16_t*>(panel);
      const std::int64_t here = panel_vectors(c.product, m - p * columns) == 1 ? kNarrowPanel : columns;
      for (std::int64_t i = 0; i < here; ++i) {
        const std::int64_t j = p * columns + i;
        const float* column = weights + (g * m + j) * depth;
        const int power = lanes && j < m ? exponent(column, depth) : 0;
        for (std::int64_t u = 0; u < c.units; ++u)
          for (std::int64_t h = 0; h < 2; ++h) {
            const std::int64_t k = 2 * u + h;
            const float v = j < m && k < depth ? column[k % group_c * taps + k / group_c] : 0.f;
            numbers[place(c.product, here, u, i, h)] = lanes ? static_cast<std::uint16_t>(encode(DType::f16, std::ldexp(double(v), -power))) : nearest_bfloat(v);
          }
        if (lanes) panel[c.units * columns + i] = std::ldexp(1.f, power);
      }
    }
}

}  // namespace saha::kernels
