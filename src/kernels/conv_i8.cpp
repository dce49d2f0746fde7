// Blocks and packing of convolutions of 8-bit integers. Packed constants: weights, panel after panel of a group, unit by unit, two vectors of
// columns each; then the constants of rescaling, block by block. The zero point of X and, with quads, the offset that makes X unsigned are
// part of what a sum begins with.
#include "kernels/conv_i8.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "kernels/blocks.hpp"
#include "kernels/tile_parts.hpp"

namespace saha::kernels {
namespace {

constexpr double kPieceProducts = 5e5;
constexpr std::int64_t kMaxPieces = 24;
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
  if (isa >= Isa::avx512vnni && !is_neon(isa)) return Dot::quads;
  if (isa >= Isa::neon_i8mm && rows > 1) return Dot::octs;
  if (isa >= Isa::neon_dot) return Dot::signed_quads;
  if (rows <= kFewRows) return Dot::bytes;
  return isa == Isa::avx2 ? Dot::twos : Dot::pairs;
}
/// Columns of a panel, the numbers of each as rows of points hold them, zeros behind.
struct Panel {
  std::int64_t number, channel;          ///< among those of all groups; of the first column
  int columns;
  std::int64_t depth;                    ///< numbers of a column
  std::vector<std::int16_t> weights;
  std::span<const std::int16_t> column(int j) const { return std::span(weights).subspan(static_cast<std::size_t>(j * depth), static_cast<std::size_t>(depth)); }
};
template <class F>
void each_panel(const ConvI8Params& c, std::int64_t block, std::span<const std::int16_t> weights, F f) {
  const ConvShape& s = c.shape;
  const std::int64_t m = s.out_channels / s.groups, group_c = s.in_channels / s.groups, depth = group_c * taps(s);
  Panel panel{0, 0, 0, c.units * numbers_of_unit(c.dot), std::vector<std::int16_t>(static_cast<std::size_t>(block * c.units * numbers_of_unit(c.dot)))};
  for (; panel.number < s.groups * c.panels; ++panel.number) {
    const std::int64_t p = panel.number % c.panels;
    panel.channel = panel.number / c.panels * m + p * block;
    panel.columns = static_cast<int>(std::min(block, m - p * block));
    for (int j = 0; j < panel.columns; ++j) {
      const std::int16_t* from = weights.data() + (panel.channel + j) * depth;
      std::int16_t* to = panel.weights.data() + j * panel.depth;
      for (std::int64_t ic = 0; ic < group_c; ++ic)
        for (std::int64_t t = 0; t < taps(s); ++t) to[t * group_c + ic] = *from++;
    }
    f(std::as_const(panel));
  }
}
/// The kind of each unit: a vector is wide where one of its columns has two neighbouring numbers whose products with bytes could leave int16 together.
std::vector<char> twos_kinds(const Panel& panel) {
  const auto leaves = [](int a, int b) {
    constexpr int kMost = 32767 / 255;
    return std::max(a, 0) + std::max(b, 0) > kMost || std::min(a, 0) + std::min(b, 0) < -kMost;
  };
  std::vector<char> kinds(static_cast<std::size_t>(panel.depth / 4));
  for (int j = 0; j < panel.columns; ++j) {
    const std::int16_t* w = panel.column(j).data();
    const auto bit = static_cast<char>(1 << (j / 4 % 2));   // of the vector that holds the column: block_column
    for (char& kind : kinds) kind |= leaves(w[0], w[1]) || leaves(w[2], w[3]) ? bit : char{0}, w += 4;
  }
  return kinds;
}
std::int64_t wide_vectors(int kind) { return (kind & 1) + (kind >> 1); }
/// What a sum holds of the zero point: the loops read X with added_to_x on it.
std::int64_t offset(const ConvI8Params& c) { return c.x_zero + added_to_x(c.dot, c.x_signed != 0); }
std::int64_t depthwise_offset(Isa isa, const ConvI8Params& c) { return c.x_zero + (c.x_signed && depthwise_flips(lanes(isa)) ? 128 : 0); }
int tile_rows(Isa isa, Dot d) { return is_neon(isa) ? 8 : lanes(isa) != 16 ? 6 : d == Dot::quads ? 14 : 12; }  // as in loops/integer_tile.hpp
/// Rows of the image of a piece: they stay in the second-level cache.
std::int64_t rows_bytes(Dot d) { return (d == Dot::quads ? 160 : 96) << 10; }

/// As loops/depthwise_i8.cpp has tiles for.
bool depthwise_by_quads(Isa isa, const ConvShape& s, bool narrow) {
  return narrow && isa >= Isa::avx512vnni && !is_neon(isa) && s.kernel_h == s.kernel_w && (s.kernel_h == 3 || s.kernel_h == 5) && s.stride_w <= 2 && s.dilation_w == 1 && s.out_w >= kDepthwiseTile && s.in_channels >= block_columns(isa);
}

/// Block `b` of depthwise begins at this channel: the last one reaches back rather than beyond, where there are enough channels.
std::int64_t depthwise_begin(std::int64_t channels, std::int64_t block, std::int64_t b) { return std::max<std::int64_t>(0, std::min(b * block, channels - block)); }

/// The taps of a window in the order in which depthwise sums take them, two to a unit: columns of all rows but an odd last one, then that one. A row-major place each.
std::vector<std::int64_t> depthwise_taps(const ConvShape& s) {
  std::vector<std::int64_t> order;
  const std::int64_t even = s.kernel_h / 2 * 2;
  for (std::int64_t kx = 0; kx < s.kernel_w; ++kx)
    for (std::int64_t ky = 0; ky < even; ++ky) order.push_back(ky * s.kernel_w + kx);
  for (std::int64_t i = even * s.kernel_w; i < taps(s); ++i) order.push_back(i);
  return order;
}

/// A depthwise block's constants for quads: units, what sums begin with, scales. Each is four vectors of 8 lanes, of which lane l of vector v has channel 16 (l / 4) + 4 v + l % 4: so bytes of four rows are interleaved. A unit is
/// a column of up to four rows. What a fifth row has comes behind, two units for each place that a window can begin at among four columns: those of the four, then those of the next four.
void pack_depthwise_quads(const ConvI8Params& c, const ConvI8Constants& k, std::int64_t c0, int n, std::span<const std::int32_t> begin, std::int32_t* to) {
  const std::int64_t side = c.shape.kernel_h, weights = c.units - kDepthwiseTables;
  const auto tap = [&](std::int64_t u, std::int64_t h) {
    if (u < side) return h < side ? h * side + u : -1;
    const std::int64_t column = (u - side) % 2 * 4 + h - (u - side) / 2;
    return column >= 0 && column < side ? 4 * side + column : -1;
  };
  for (std::int64_t u = 0; u < c.units; ++u)
    for (int i = 0; i < 32; ++i, ++to) {
      const int j = i % 8 / 4 * 16 + i / 8 * 4 + i % 4;
      std::int8_t bytes[4] = {};
      for (int h = 0; h < 4; ++h)
        if (u < weights && j < n && tap(u, h) >= 0) bytes[h] = static_cast<std::int8_t>(k.weights[static_cast<std::size_t>((c0 + j) * side * side + tap(u, h))]);
      std::memcpy(to, bytes, sizeof bytes);
      if (u == weights && j < n) *to = begin[static_cast<std::size_t>(j)];
      if (u > weights && !k.requant.empty()) std::memcpy(to, &k.requant[k.requant.size() > 1 ? static_cast<std::size_t>(c0 + std::min(j, n - 1)) : 0].scale, sizeof *to);
    }
}
void pack_depthwise(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, std::span<std::int32_t> out) {
  const ConvShape& s = c.shape;
  const int w = lanes(isa), block = block_columns(isa);
  std::int32_t* to = out.data();
  std::vector<std::int16_t> unit(static_cast<std::size_t>(2 * block));
  std::vector<std::int32_t> begin(static_cast<std::size_t>(block));
  const std::vector<std::int64_t> order = depthwise_taps(s);
  for (std::int64_t p = 0; p < c.panels; ++p, to += c.units * block) {
    const std::int64_t c0 = depthwise_begin(s.out_channels, block, p);
    const int n = static_cast<int>(std::min<std::int64_t>(block, s.out_channels - c0));
    for (int j = 0; j < n; ++j) {
      std::uint32_t sum = 0;
      for (std::int64_t t = 0; t < taps(s); ++t) sum += static_cast<std::uint32_t>(k.weights[static_cast<std::size_t>((c0 + j) * taps(s) + t)]);
      begin[static_cast<std::size_t>(j)] = static_cast<std::int32_t>((k.bias.empty() ? 0u : static_cast<std::uint32_t>(k.bias[static_cast<std::size_t>(c0 + j)])) - static_cast<std::uint32_t>(depthwise_offset(isa, c)) * sum);
    }
    pack_rescale_block(isa, c.store, k.requant.size() > 1 ? k.requant.subspan(static_cast<std::size_t>(c0), static_cast<std::size_t>(n)) : k.requant, begin, n, out.data() + c.tables + p * rescale_block_size(isa));
    if (c.dot == Dot::quads) {
      pack_depthwise_quads(c, k, c0, n, begin, to);
      continue;
    }
    for (std::int64_t u = 0; u < c.units; ++u) {
      for (int v = 0; v < 2; ++v)
        for (int l = 0; l < w; ++l) {
          const int j = block_column(v, l);
          for (int h = 0; h < 2; ++h)
            unit[static_cast<std::size_t>(pair_place(isa, v, l, h))] = j < n && 2 * u + h < taps(s) ? k.weights[static_cast<std::size_t>((c0 + j) * taps(s) + order[static_cast<std::size_t>(2 * u + h)])] : std::int16_t{0};
        }
      std::memcpy(to + u * block, unit.data(), unit.size() * sizeof(std::int16_t));
    }
  }
}

std::int32_t wrapped(std::int64_t v) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(v)); }
/// What the sums of a panel begin with, where no product but of X with W is summed.
std::vector<std::int32_t> begins(const ConvI8Params& c, const ConvI8Constants& k, const Panel& panel) {
  std::vector<std::int32_t> begin;
  for (int j = 0; j < panel.columns; ++j) {
    std::int64_t sum = 0;
    for (std::int16_t v : panel.column(j)) sum += v;
    begin.push_back(wrapped((k.bias.empty() ? 0 : k.bias[static_cast<std::size_t>(panel.channel + j)]) - offset(c) * sum));
  }
  return begin;
}
/// Where `half` is not 0, columns are there twice, the second time from `half` on.
void pack_rescaling(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, const Panel& panel, std::vector<std::int32_t> begin, int half, std::span<std::int32_t> out) {
  const auto own = k.requant.size() > 1 ? k.requant.subspan(static_cast<std::size_t>(panel.channel), static_cast<std::size_t>(panel.columns)) : k.requant;
  std::vector<Requant> requant(own.begin(), own.end());
  if (half > 0) {
    const auto twice = [half](auto& v) {
      const auto n = static_cast<std::size_t>(half);
      v.resize(2 * n, v.back());
      std::copy_n(v.begin(), n, v.begin() + half);
    };
    twice(begin);
    if (requant.size() > 1) twice(requant);
  }
  pack_rescale_block(isa, c.store, requant, begin, static_cast<int>(begin.size()), out.data() + c.tables + panel.number * rescale_block_size(isa));
}

int column_of(const Panel& panel, int j) { return panel.columns == kHalfPanel ? j % kHalfPanel : j; }
/// A unit is its two vectors of weights, then one for each that is wide: that one has the sizes of its weights, as unsigned bytes, and the other says what X - 128 is flipped by: all bits where a weight is
/// negative. Flipped, x - 128 is 127 - x, one less than its negative.
void pack_twos(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, std::span<std::int32_t> out) {
  const int w = lanes(isa);
  std::fill_n(out.data(), twos_tables(c), 0);
  std::vector<std::int64_t> at(static_cast<std::size_t>(c.units));   // of each unit, in vectors
  std::int64_t first = 0;
  each_panel(c, block_columns(isa), k.weights, [&](const Panel& panel) {
    const std::vector<char> kinds = twos_kinds(panel);
    std::int32_t* table = out.data() + twos_tables(c) + panel.number * twos_table_size(c);
    table[0] = static_cast<std::int32_t>(first);
    std::int32_t* place = table + kTwosKinds;
    for (int kind = 0; kind < kTwosKinds; ++kind) {
      if (kind + 1 < kTwosKinds) table[1 + kind] = static_cast<std::int32_t>(std::ranges::count(kinds, kind));
      for (std::size_t u = 0; u < kinds.size(); ++u)
        if (kinds[u] == kind) at[u] = first, first += 2 + wide_vectors(kind), *place++ = static_cast<std::int32_t>(4 * u);
    }
    std::vector<std::int32_t> begin = begins(c, k, panel);
    for (int v = 0; v < 2; ++v)
      for (int l = 0; l < w; ++l) {
        const int j = column_of(panel, block_column(v, l));
        if (j >= panel.columns) continue;
        const std::int16_t* from = panel.column(j).data();
        std::int64_t more = 0;
        for (std::size_t u = 0; u < kinds.size(); ++u, from += 4) {
          auto* to = reinterpret_cast<std::uint8_t*>(out.data() + at[u] * w) + 4 * l;
          const bool wide = kinds[u] >> v & 1;
          const int flips = v == 0 ? 2 : 1 + static_cast<int>(wide_vectors(kinds[u]));
          for (int h = 0; h < 4; ++h) {
            const int value = from[h];
            to[4 * v * w + h] = static_cast<std::uint8_t>(wide ? std::abs(value) : value);
            if (wide) to[4 * flips * w + h] = value < 0 ? 0x7f : 0x80, more += 128 * value - std::min(value, 0);
          }
        }
        if (block_column(v, l) == j) begin[static_cast<std::size_t>(j)] = wrapped(begin[static_cast<std::size_t>(j)] + more);
      }
    pack_rescaling(isa, c, k, panel, begin, panel.columns == kHalfPanel ? kHalfPanel : 0, out);
  });
}

}  // namespace

ConvI8Params prepare_conv_i8(Isa isa, const ConvShape& shape, const Store& store, bool x_signed, std::int32_t x_zero, std::span<const std::int16_t> weights, std::uint32_t blocks) {
  const ConvShape& s = shape;
  const Blocks b = kBlocks[blocks];
  SAHA_ASSERT(s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvI8Params c;
  c.shape = shape;
  c.store = store;
  c.x_signed = x_signed, c.x_zero = x_zero, c.blocks = blocks;
  const std::int64_t points = s.out_h * s.out_w, block = block_columns(isa), depth = s.in_channels / s.groups * taps(s), m = s.out_channels / s.groups;
  c.depthwise = s.groups > 1 && s.in_channels == s.groups && s.out_channels == s.groups;
  if (s.batch * s.out_channels * points == 0) return c;
  const double products = double(s.batch) * double(points) * double(s.out_channels) * double(depth);
  const bool narrow = std::all_of(weights.begin(), weights.end(), [](std::int16_t v) { return v >= -128 && v <= 127; });
  if (c.depthwise) {
    if (depthwise_by_quads(isa, s, narrow)) c.dot = Dot::quads;
    c.units = static_cast<std::int32_t>(c.dot != Dot::quads ? (taps(s) + 1) / 2 : s.kernel_h + (s.kernel_h > 4 ? 8 : 0) + kDepthwiseTables);
    c.panels = static_cast<std::int32_t>((s.out_channels + block - 1) / block);
    const auto bands = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / 6e4, b.pieces)), 1, std::min(scaled(kMaxPieces, b.pieces), s.out_h));
    c.m_block = static_cast<std::int32_t>((s.out_h + bands - 1) / bands);
    c.m_blocks = static_cast<std::uint32_t>((s.out_h + c.m_block - 1) / c.m_block);
    c.n_blocks = 1;
    c.pieces = static_cast<std::uint32_t>(s.batch) * c.m_blocks;
    c.scratch = static_cast<std::uint64_t>(up(s.in_channels + block, 64) + (depthwise_columns(s) * s.kernel_h + 2 * c.units) * std::int64_t{sizeof(void*)});
    c.tables = std::int64_t{c.panels} * c.units * block;
    return c;
  }
  c.dot = dot_of(isa, narrow, s.batch, points, depth);
  const bool tiles = c.dot == Dot::tiles;
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / (tiles ? kTileProducts * kPieceProducts : kPieceProducts), b.pieces)), 1, scaled(kMaxPieces, b.pieces));
  const std::int64_t per_unit = numbers_of_unit(c.dot), rows = tiles ? 2 * kMostOfTile : tile_rows(isa, c.dot);
  c.units = static_cast<std::int32_t>(up(depth, c.dot == Dot::octs ? 2 * per_unit : per_unit) / per_unit);
  if (tiles) {
    c.tile_units = even_part(c.units, kMostOfTile);
    c.units = static_cast<std::int32_t>(up(c.units, c.tile_units));
  }
  c.panels = static_cast<std::int32_t>((m + block - 1) / block);
  const std::int64_t fitting = std::max<std::int64_t>(rows, scaled(rows_bytes(c.dot), b.depth) / (std::int64_t{4} * std::max(c.units, 1)) / rows * rows);
  const std::int64_t m_wanted = std::max<std::int64_t>((points + fitting - 1) / fitting, std::min<std::int64_t>((wanted + s.batch * s.groups - 1) / (s.batch * s.groups), (points + 4 * rows - 1) / (4 * rows)));
  c.m_block = static_cast<std::int32_t>(std::min(points, up((points + m_wanted - 1) / m_wanted, rows)));
  c.m_blocks = static_cast<std::uint32_t>((points + c.m_block - 1) / c.m_block);
  c.m_at_once = static_cast<std::uint32_t>(std::clamp<std::int64_t>(fitting / c.m_block, 1, c.m_blocks));
  if (tiles) c.tile_points = even_part(c.m_block, kMostOfTile);
  const std::int64_t n_wanted = std::clamp<std::int64_t>(wanted / (s.batch * s.groups * c.m_blocks), 1, (c.panels + 3) / 4);
  c.n_block = static_cast<std::int32_t>((c.panels + n_wanted - 1) / n_wanted);
  c.n_blocks = static_cast<std::uint32_t>((c.panels + c.n_block - 1) / c.n_block);
  c.pieces = static_cast<std::uint32_t>(s.batch * s.groups) * c.m_blocks * c.n_blocks;
  c.scratch = static_cast<std::uint64_t>(std::int64_t{4} * c.m_at_once * c.m_block * c.units + 4 * block);
  c.tables = s.groups * c.panels * panel_size(c, block);
  if (c.dot != Dot::twos) return c;
  std::int64_t wide = 0;
  if (!weights.empty()) each_panel(c, block, weights, [&](const Panel& panel) { for (char kind : twos_kinds(panel)) wide += wide_vectors(kind); });
  return with_wide(isa, c, wide);
}

ConvI8Params with_wide(Isa isa, ConvI8Params c, std::int64_t wide) {
  c.wide = wide;
  c.tables = (2 * c.shape.groups * c.panels * c.units + wide) * lanes(isa) + c.shape.groups * c.panels * twos_table_size(c);
  return c;
}

bool sound_twos(Isa isa, const ConvI8Params& c, std::span<const std::byte> packed) {
  if (packed.size() < static_cast<std::size_t>(packed_conv_i8_size(isa, c)) * sizeof(std::int32_t)) return false;
  const auto number = [&](std::int64_t i) {
    std::int32_t v;
    std::memcpy(&v, packed.data() + static_cast<std::size_t>(twos_tables(c) + i) * sizeof v, sizeof v);
    return v;
  };
  std::int64_t begin = 0, at = 0;
  for (std::int64_t p = 0; p < c.shape.groups * c.panels; ++p, at += twos_table_size(c)) {
    std::int64_t last = c.units;
    bool counts = number(at) == begin;
    for (int kind = 0; kind + 1 < kTwosKinds; ++kind) {
      const std::int64_t n = number(at + 1 + kind);
      counts &= n >= 0 && n <= last;
      begin += n * (2 + wide_vectors(kind)), last -= n;
    }
    if (!counts) return false;
    for (std::int64_t u = 0; u < c.units; ++u)
      if (const std::int32_t place = number(at + kTwosKinds + u); place < 0 || place > 4 * (c.units - 1)) return false;
    begin += last * (2 + wide_vectors(kTwosKinds - 1));
  }
  return begin == 2 * c.shape.groups * c.panels * c.units + c.wide;
}

std::string_view kernel(const ConvI8Params& params) { return params.depthwise ? "depthwise_i8" : "conv_i8"; }
std::uint64_t scratch_bytes(const ConvI8Params& params) { return params.scratch; }
std::uint32_t grid(const ConvI8Params& params) { return params.pieces; }
std::int64_t packed_conv_i8_size(Isa isa, const ConvI8Params& c) { return c.tables + (c.depthwise ? 1 : c.shape.groups) * c.panels * rescale_block_size(isa); }

void pack_conv_i8(Isa isa, const ConvI8Params& c, const ConvI8Constants& k, std::span<std::int32_t> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_i8_size(isa, c));
  if (c.depthwise) return pack_depthwise(isa, c, k, out);
  if (c.dot == Dot::twos) return pack_twos(isa, c, k, out);
  const std::int64_t block = block_columns(isa);
  const int w = lanes(isa), per_unit = numbers_of_unit(c.dot);
  each_panel(c, block, k.weights, [&](const Panel& panel) {
    std::int32_t* to = out.data() + panel.number * panel_size(c, block);
    std::fill_n(to, panel_size(c, block), 0);
    const int half = c.dot == Dot::quads && panel.columns <= kHalfOfQuads ? kHalfOfQuads : 0;
    for (int v = 0; v < 2; ++v)
      for (int l = 0; l < w; ++l) {
        const int column = block_column(v, l), j = half > 0 ? column % half : column;
        if (j >= panel.columns) continue;
        for (std::int64_t u = 0; u < c.units; ++u) {
          const std::int16_t* from = panel.column(j).data() + u * per_unit;
          for (int h = 0; h < per_unit; ++h) {
            const std::int64_t place = c.dot == Dot::octs ? u / 2 * 8 * block + 8 * column + u % 2 * 4 + h : u * per_unit * block + (per_unit == 4 ? 4 * (v * w + l) + h : pair_place(isa, v, l, h));
            if (c.dot == Dot::pairs) reinterpret_cast<std::int16_t*>(to)[place] = from[h];
            else reinterpret_cast<std::int8_t*>(to)[place] = static_cast<std::int8_t>(from[h]);
          }
        }
      }
    pack_rescaling(isa, c, k, panel, begins(c, k, panel), half, out);
  });
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
