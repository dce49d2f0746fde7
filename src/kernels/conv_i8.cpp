// Blocks and packing of convolutions of 8-bit integers. Packed constants: weights, panel after panel of a group, unit by unit, two vectors of
// columns each; then the constants of rescaling, block by block. The zero point of X and, with quads, the offset that makes X unsigned are
// part of what a sum begins with.
#include "kernels/conv_i8.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/result.hpp"
#include "kernels/tile_parts.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kRowsBytes = 96 << 10;     // rows of the image of a piece: they stay in the second-level cache
constexpr double kPieceProducts = 5e5;
constexpr std::int64_t kMaxPieces = 24;
constexpr std::int64_t kFewRows = 2;
constexpr double kTileProducts = 8;               // in the time of one by quads

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }
std::int64_t taps(const ConvShape& s) { return s.kernel_h * s.kernel_w; }
/// int32 elements of the weights of a block of columns.
std::int64_t panel_size(const ConvI8Params& c, std::int64_t block) { return c.units * (c.dot == Dot::bytes ? block / 2 : block); }
/// By cycles for a panel, of which quads take one for each point and unit.
bool suits_tiles(std::int64_t points, std::int64_t depth) { return tile_cycles(points, up(depth, 4) / 4) < points * (up(depth, 4) / 4); }
int numbers_of_unit(Dot d) { return d == Dot::pairs || d == Dot::bytes ? 2 : 4; }
/// How a level multiplies. vpdpbusd, tdpbusd, sdot and smmla take signed bytes for weights; those that are wider without their zero points go by pairs.
Dot dot_of(Isa isa, bool narrow, std::int64_t batch, std::int64_t points, std::int64_t depth) {
  const std::int64_t rows = batch * points;
  if (!narrow || isa == Isa::generic) return Dot::pairs;
  if (isa == Isa::avx512amx && suits_tiles(points, depth)) return Dot::tiles;
  if (isa == Isa::avx512vnni || isa == Isa::avx512amx) return Dot::quads;
  if (isa == Isa::neon_i8mm && rows > 1) return Dot::octs;
  if (isa >= Isa::neon_dot) return Dot::signed_quads;
  return isa == Isa::avx2 || rows <= kFewRows ? Dot::bytes : Dot::pairs;
}
/// What a sum holds of the zero point: the loops read X with added_to_x on it.
std::int64_t offset(const ConvI8Params& c) { return c.x_zero + added_to_x(c.dot, c.x_signed != 0); }
int tile_rows(Isa isa) { return is_neon(isa) ? 8 : lanes(isa) == 16 ? 12 : 6; }  // as in loops/conv_i8.cpp

/// Block `b` of depthwise begins at this channel: the last one reaches back rather than beyond, where there are enough channels.
std::int64_t depthwise_begin(std::int64_t channels, std::int64_t block, std::int64_t b) { return std::max<std::int64_t>(0, std::min(b * block, channels - block)); }

void pack_depthwise(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, std::span<std::int32_t> out) {
  const ConvShape& s = c.shape;
  const int w = lanes(isa), block = block_columns(isa);
  std::int32_t* to = out.data();
  std::vector<std::int16_t> unit(static_cast<std::size_t>(2 * block));
  std::vector<std::int32_t> begin(static_cast<std::size_t>(block));
  for (std::int64_t p = 0; p < c.panels; ++p) {
    const std::int64_t c0 = depthwise_begin(s.out_channels, block, p);
    const int n = static_cast<int>(std::min<std::int64_t>(block, s.out_channels - c0));
    for (std::int64_t u = 0; u < c.units; ++u, to += block) {
      for (int v = 0; v < 2; ++v)
        for (int l = 0; l < w; ++l) {
          const int j = block_column(v, l);
          for (int h = 0; h < 2; ++h)
            unit[static_cast<std::size_t>(pair_place(isa, v, l, h))] = j < n && 2 * u + h < taps(s) ? k.weights[static_cast<std::size_t>((c0 + j) * taps(s) + 2 * u + h)] : std::int16_t{0};
        }
      std::memcpy(to, unit.data(), unit.size() * sizeof(std::int16_t));
    }
    for (int j = 0; j < n; ++j) {
      std::uint32_t sum = 0;
      for (std::int64_t t = 0; t < taps(s); ++t) sum += static_cast<std::uint32_t>(k.weights[static_cast<std::size_t>((c0 + j) * taps(s) + t)]);
      begin[static_cast<std::size_t>(j)] = static_cast<std::int32_t>((k.bias.empty() ? 0u : static_cast<std::uint32_t>(k.bias[static_cast<std::size_t>(c0 + j)])) - static_cast<std::uint32_t>(offset(c)) * sum);
    }
    pack_rescale_block(isa, c.store, k.requant.size() > 1 ? k.requant.subspan(static_cast<std::size_t>(c0), static_cast<std::size_t>(n)) : k.requant, begin, n, out.data() + c.tables + p * rescale_block_size(isa));
  }
}

}  // namespace

ConvI8Params prepare_conv_i8(Isa isa, const ConvShape& shape, const Store& store, bool x_signed, std::int32_t x_zero, std::span<const std::int16_t> weights) {
  const ConvShape& s = shape;
  SAHA_ASSERT(s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvI8Params c;
  c.shape = shape;
  c.store = store;
  c.x_signed = x_signed, c.x_zero = x_zero;
  const std::int64_t points = s.out_h * s.out_w, block = block_columns(isa), depth = s.in_channels / s.groups * taps(s), m = s.out_channels / s.groups;
  c.depthwise = s.groups > 1 && s.in_channels == s.groups && s.out_channels == s.groups;
  if (s.batch * s.out_channels * points == 0) return c;
  const double products = double(s.batch) * double(points) * double(s.out_channels) * double(depth);
  if (c.depthwise) {
    c.units = static_cast<std::int32_t>((taps(s) + 1) / 2);
    c.panels = static_cast<std::int32_t>((s.out_channels + block - 1) / block);
    const auto bands = std::clamp<std::int64_t>(static_cast<std::int64_t>(products / 6e4), 1, std::min<std::int64_t>(kMaxPieces, s.out_h));
    c.m_block = static_cast<std::int32_t>((s.out_h + bands - 1) / bands);
    c.m_blocks = static_cast<std::uint32_t>((s.out_h + c.m_block - 1) / c.m_block);
    c.n_blocks = 1;
    c.pieces = static_cast<std::uint32_t>(s.batch) * c.m_blocks;
    c.scratch = static_cast<std::uint64_t>(up(s.in_channels + block, 64) + 4 * c.units * std::int64_t{sizeof(void*)});
    c.tables = std::int64_t{c.panels} * c.units * block;
    return c;
  }
  const bool narrow = std::all_of(weights.begin(), weights.end(), [](std::int16_t v) { return v >= -128 && v <= 127; });
  c.dot = dot_of(isa, narrow, s.batch, points, depth);
  const bool tiles = c.dot == Dot::tiles;
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(products / (tiles ? kTileProducts * kPieceProducts : kPieceProducts)), 1, kMaxPieces);
  const std::int64_t per_unit = numbers_of_unit(c.dot), rows = tiles ? 2 * kMostOfTile : tile_rows(isa);
  c.units = static_cast<std::int32_t>(up(depth, c.dot == Dot::octs ? 2 * per_unit : per_unit) / per_unit);
  if (tiles) {
    c.tile_units = even_part(c.units, kMostOfTile);
    c.units = static_cast<std::int32_t>(up(c.units, c.tile_units));
  }
  c.panels = static_cast<std::int32_t>((m + block - 1) / block);
  const std::int64_t fitting = std::max<std::int64_t>(rows, kRowsBytes / (std::int64_t{4} * std::max(c.units, 1)) / rows * rows);
  const std::int64_t m_wanted = std::max<std::int64_t>((points + fitting - 1) / fitting, std::min<std::int64_t>((wanted + s.batch * s.groups - 1) / (s.batch * s.groups), (points + 4 * rows - 1) / (4 * rows)));
  c.m_block = static_cast<std::int32_t>(std::min(points, up((points + m_wanted - 1) / m_wanted, rows)));
  c.m_blocks = static_cast<std::uint32_t>((points + c.m_block - 1) / c.m_block);
  if (tiles) c.tile_points = even_part(c.m_block, kMostOfTile);
  const std::int64_t n_wanted = std::clamp<std::int64_t>(wanted / (s.batch * s.groups * c.m_blocks), 1, (c.panels + 3) / 4);
  c.n_block = static_cast<std::int32_t>((c.panels + n_wanted - 1) / n_wanted);
  c.n_blocks = static_cast<std::uint32_t>((c.panels + c.n_block - 1) / c.n_block);
  c.pieces = static_cast<std::uint32_t>(s.batch * s.groups) * c.m_blocks * c.n_blocks;
  c.scratch = static_cast<std::uint64_t>(std::int64_t{4} * c.m_block * c.units + 4 * block);
  c.tables = s.groups * c.panels * panel_size(c, block);
  return c;
}

std::string_view kernel(const ConvI8Params& params) { return params.depthwise ? "depthwise_i8" : "conv_i8"; }
std::uint64_t scratch_bytes(const ConvI8Params& params) { return params.scratch; }
std::uint32_t grid(const ConvI8Params& params) { return params.pieces; }
std::int64_t packed_conv_i8_size(Isa isa, const ConvI8Params& c) { return c.tables + (c.depthwise ? 1 : c.shape.groups) * c.panels * rescale_block_size(isa); }

void pack_conv_i8(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, std::span<std::int32_t> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_i8_size(isa, c));
  if (c.depthwise) return pack_depthwise(isa, c, k, out);
  const ConvShape& s = c.shape;
  const std::int64_t group_c = s.in_channels / s.groups, m = s.out_channels / s.groups, depth = group_c * taps(s), block = block_columns(isa);
  const int w = lanes(isa), per_unit = numbers_of_unit(c.dot);
  std::vector<std::int16_t> column(static_cast<std::size_t>(c.units * per_unit));
  std::vector<std::int32_t> begin(static_cast<std::size_t>(block));
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t p = 0; p < c.panels; ++p) {
      std::int32_t* panel = out.data() + (g * c.panels + p) * panel_size(c, block);
      std::fill_n(panel, panel_size(c, block), 0);
      const int n = static_cast<int>(std::min(block, m - p * block));
      const std::int64_t first = g * m + p * block;
      for (int v = 0; v < 2; ++v)
        for (int l = 0; l < w; ++l) {
          const int j = block_column(v, l);
          if (j >= n) continue;
          const std::int16_t* from = k.weights.data() + (first + j) * depth;
          std::uint32_t sum = 0;
          for (std::int64_t ic = 0; ic < group_c; ++ic)
            for (std::int64_t t = 0; t < taps(s); ++t) {
              const std::int16_t value = from[ic * taps(s) + t];
              column[static_cast<std::size_t>(t * group_c + ic)] = value;
              sum += static_cast<std::uint32_t>(value);
            }
          begin[static_cast<std::size_t>(j)] = static_cast<std::int32_t>((k.bias.empty() ? 0u : static_cast<std::uint32_t>(k.bias[static_cast<std::size_t>(first + j)])) - static_cast<std::uint32_t>(offset(c)) * sum);
          for (std::int64_t u = 0; u < c.units; ++u) {
            const std::int16_t* from_column = column.data() + u * per_unit;
            for (int h = 0; h < per_unit; ++h) {
              const std::int64_t place = c.dot == Dot::octs ? u / 2 * 8 * block + 8 * j + u % 2 * 4 + h : u * per_unit * block + (per_unit == 4 ? 4 * (v * w + l) + h : pair_place(isa, v, l, h));
              if (c.dot == Dot::pairs) reinterpret_cast<std::int16_t*>(panel)[place] = from_column[h];
              else reinterpret_cast<std::int8_t*>(panel)[place] = static_cast<std::int8_t>(from_column[h]);
            }
          }
        }
      pack_rescale_block(isa, c.store, k.requant.size() > 1 ? k.requant.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)) : k.requant, begin, n,
                         out.data() + c.tables + (g * c.panels + p) * rescale_block_size(isa));
    }
}

std::int64_t largest_sum(const ConvShape& s, std::int32_t x_zero, bool x_signed, std::span<const std::int16_t> weights, std::span<const std::int32_t> bias) {
  const std::int64_t lo = x_signed ? -128 : 0, x = std::max(std::abs(lo - x_zero), std::abs(lo + 255 - x_zero));
  const std::int64_t depth = s.in_channels / s.groups * taps(s);
  std::int64_t most = 0;
  for (std::int64_t m = 0; m < s.out_channels; ++m) {
    std::int64_t sum = bias.empty() ? 0 : std::abs(std::int64_t{bias[static_cast<std::size_t>(m)]});
    for (std::int64_t i = 0; i < depth; ++i) sum += x * std::abs(std::int64_t{weights[static_cast<std::size_t>(m * depth + i)]});
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace saha::kernels
