// conv_i8: rows of points, unit by unit, times panels of columns. Pieces are (image, group, block of points, block of panels), panels fastest;
// those of one block of points share its rows. Contract in kernels/conv_i8.hpp.
#include "kernels/loops/integer_tile.hpp"
#include "kernels/loops/point_rows.hpp"
#include "kernels/split.hpp"
#if SAHA_ISA_LEVEL >= 5
#include "kernels/loops/point_tiles.hpp"
#endif

#if defined(SAHA_ISA_BELOW)
namespace saha::kernels::SAHA_ISA_BELOW {
void run_conv_i8(const plan::Call& call);
}
#endif

namespace saha::kernels::SAHA_ISA {
namespace {

#if SAHA_ISA_LEVEL >= 5
struct TileRows : Quads {
  static constexpr Dot kDot = Dot::tiles;
};
#endif
inline void eight(const std::uint8_t* from, bool is_signed, std::int16_t* to) {
  typedef std::uint8_t Unsigned __attribute__((vector_size(8)));
  typedef std::int8_t Signed __attribute__((vector_size(8)));
  typedef std::int16_t Wide __attribute__((vector_size(16)));
  Unsigned v;
  memcpy(&v, from, 8);
  const Wide w = is_signed ? __builtin_convertvector(reinterpret_cast<Signed>(v), Wide) : __builtin_convertvector(v, Wide);
  memcpy(to, &w, 16);
}
/// Bytes as elements of a row: int16, or bytes, flipped.
struct Copy {
  bool is_signed;
  std::uint8_t flip;

  void block(const std::uint8_t* from, std::int16_t* to) const { *reinterpret_cast<UnalignedS*>(to) = widened(load(from), is_signed); }
  void block(const std::uint8_t* from, std::uint8_t* to) const { store(to, load(from) ^ (B{} + flip)); }
  void few(const std::uint8_t* from, int64_t n, std::int16_t* to) const {
    int64_t i = 0;
    if (n >= 8) {  // the few channels of a first layer
      for (; i + 8 <= n; i += 8) eight(from + i, is_signed, to + i);
      return eight(from + n - 8, is_signed, to + n - 8);
    }
    for (; i < n; ++i) to[i] = is_signed ? static_cast<std::int8_t>(from[i]) : from[i];
  }
  void few(const std::uint8_t* from, int64_t n, std::uint8_t* to) const {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i] ^ flip;
  }
  template <class T>
  void operator()(const std::uint8_t* from, int64_t n, T* to) const {
    if (n < kBlock) return few(from, n, to);
    int64_t i = 0;
    for (; i + kBlock <= n; i += kBlock) block(from + i, to + i);
    if (i < n) block(from + n - kBlock, to + n - kBlock);
  }
  static constexpr int64_t kShort = 2 * kBlock;
  template <int kBlocks>
  void blocks(const std::uint8_t* from, std::int16_t* to) const {
    for (int i = 0; i < kBlocks; ++i) block(from + i * kBlock, to + i * kBlock);
  }
  template <int kBlocks>
  void blocks(const std::uint8_t* from, std::uint8_t* to) const {
    constexpr int kBytes = kBlocks * kBlock;
    typedef std::uint8_t All __attribute__((vector_size(kBytes)));
    typedef std::uint8_t Unaligned __attribute__((vector_size(kBytes), aligned(1), may_alias));
    *reinterpret_cast<Unaligned*>(to) = *reinterpret_cast<const Unaligned*>(from) ^ (All{} + flip);
  }
};
/// Rows of the points [m0, m1): for each its taps, row of the kernel by row, channels innermost. Behind the last one kShort elements may be written over.
template <class D>
void fill_rows(const ConvI8Params& c, const std::uint8_t* x, int64_t group, int64_t m0, int64_t m1, typename D::Element* rows) {
  const bool is_signed = c.x_signed && D::kDot != Dot::tiles;   // tiles take bytes as they are
  const int32_t added = added_to_x(D::kDot, is_signed);
  fill_point_rows(c.shape, int64_t{c.units} * D::kPerUnit, x, group, m0, m1, static_cast<typename D::Element>(c.x_zero + added), rows, Copy{is_signed, static_cast<std::uint8_t>(added == 0 ? 0 : 128)});
}

/// Points [m0, m1) of a group of an image, x and y where it begins, and panels [p0, p1).
struct Block {
  const std::uint8_t* x;
  std::uint8_t* y;
  int64_t group, m0, m1, p0, p1;
};
/// f(block) for the pieces of the call, those of one block of points together.
template <class F>
void each_block(const plan::Call& call, int64_t element_bytes, F f) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups;
  each_together(call.begin, call.end, c.m_blocks, c.n_blocks, c.m_at_once, [&](const Together& of) {
    const int64_t group = of.outer % s.groups, image = of.outer / s.groups;
    const int64_t m0 = of.first * c.m_block, p0 = of.second * c.n_block;
    f(Block{x + image * s.in_h * s.in_w * s.in_channels, y + (image * points * s.out_channels + group * m) * element_bytes, group, m0, least(points, m0 + of.firsts * c.m_block), p0,
            least<int64_t>(c.panels, p0 + of.seconds * c.n_block)});
  });
}

#if SAHA_INTRINSICS == 1 || SAHA_ISA_LEVEL == 3 || SAHA_ISA_LEVEL >= 5
/// The points of a block from `from` on, `stride` bytes apart: where they are, if each is one pixel that fills its units and is read as it is, else in scratch.
template <class D>
struct PointRows {
  const plan::Call& call;
  const ConvI8Params& c;
  int64_t channels = c.shape.in_channels / c.shape.groups;
  bool in_place = is_pointwise(c.shape) && 4 * int64_t{c.units} == channels && (D::kDot == Dot::tiles || !c.x_signed);
  int64_t stride = in_place ? c.shape.in_channels : 4 * int64_t{c.units};

  const std::uint8_t* of(const Block& b, int64_t from) const {
    if (in_place) return b.x + b.group * channels + from * stride;
    auto* rows = reinterpret_cast<std::uint8_t*>(call.scratch);
    fill_rows<D>(c, b.x, b.group, from, b.m1, rows);
    return rows;
  }
};
#endif

template <class D>
void convolve(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  const int bytes = stored_bytes(c.store.rule);
  const PutRows put_sums = put_rows_of(c.store.rule);
  const Bounds bounds(c.store);
  const int64_t m = s.out_channels / s.groups;
  each_block(call, bytes, [&](const Block& b) {
    auto* rows = reinterpret_cast<int32_t*>(call.scratch);
    fill_rows<D>(c, b.x, b.group, b.m0, b.m1, reinterpret_cast<typename D::Element*>(rows));
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * c.units * D::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      Ahead ahead(w + c.units * D::kStep, 4 * c.units * D::kStep, (b.m1 - b.m0 + D::kTileRows - 1) / D::kTileRows, requests(c.units));
      for (int64_t i = b.m0; i < b.m1; i += D::kTileRows) {
        const int64_t n = least<int64_t>(D::kTileRows, b.m1 - i);
        I sums[D::kTileRows][2];
        tile_of<D>(n, rows + (i - b.m0) * c.units, c.units, w, load(t), load(t + kRescaleRows * W), ahead, sums);
        put_sums(sums, n, t, bounds, b.y + (i * s.out_channels + p * kBlock) * bytes, s.out_channels * bytes, columns);
      }
    }
  });
}

#if SAHA_ISA_LEVEL == 3
/// As convolve().
void convolve_by_quads(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  const int bytes = stored_bytes(c.store.rule);
  const PutRows put_sums = put_rows_of(c.store.rule);
  const Bounds bounds(c.store);
  const PointRows<Quads> points_of{call, c};
  const int64_t m = s.out_channels / s.groups, units = c.units, stride = points_of.stride;
  const bool near_rule = c.store.rule == Rescaling::real_near && bounds.all_unsigned;
  each_block(call, bytes, [&](const Block& b) {
    const std::uint8_t* rows = points_of.of(b, b.m0);
    const int64_t n = b.m1 - b.m0;
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * units * Quads::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      std::uint8_t* y = b.y + (b.m0 * s.out_channels + p * kBlock) * bytes;
      Ahead ahead(w + units * Quads::kStep, 4 * units * Quads::kStep, (n + kMostRows - 1) / kMostRows, units);
      const RowPanel of{w, t, units, ahead};
      const auto near = [&](int64_t i) { return NearRows{y + i * s.out_channels * bytes, s.out_channels, columns, bounds}; };
      int64_t i = 0;
      if (near_rule && columns <= kHalfOfQuads && n >= kHalfRows) {
        tiles_of_halves(rows, stride, of, near(0), n / kHalfRows);
        if (n % kHalfRows > 0) tiles_of_halves(rows + (n - kHalfRows) * stride, stride, of, near(n - kHalfRows), 1);
        i = n;
      }
      while (i < n) {
        const RowTiles& tile = next_tiles(kRowTiles<Quads>, n - i, n);
        const int64_t at = least(i, n - tile.rows);
        const NearRows to = near(at);
        const bool stores = near_rule && tile.rows == kMostRows;
        const int64_t tiles = stores ? most<int64_t>(1, (n - i) / tile.rows) : 1;
        I sums[kMostRows][2];
        tile.multiply(rows + at * stride, stride, of, stores ? &to : nullptr, sums, tiles);
        if (!stores) put_sums(sums, tile.rows, t, bounds, to.to, s.out_channels * bytes, columns);
        i = at + tiles * tile.rows;
      }
    }
  });
}
#endif

#if SAHA_INTRINSICS == 1
/// As convolve().
void convolve_by_twos(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  const int bytes = stored_bytes(c.store.rule);
  const PutRows put_sums = put_rows_of(c.store.rule);
  const Bounds bounds(c.store);
  const PointRows<Twos> points_of{call, c};
  const int64_t m = s.out_channels / s.groups, units = c.units, stride = points_of.stride;
  const bool near_rule = c.store.rule == Rescaling::real_near;
  each_block(call, bytes, [&](const Block& b) {
    const std::uint8_t* rows = points_of.of(b, b.m0);
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *t = packed + c.tables + panel * 2 * kRescaleRows * W, *table = packed + twos_tables(c) + panel * twos_table_size(c);
      const int32_t* weights = packed + int64_t{table[0]} * W;
      const int64_t size = 4 * units - 2 * table[1] - table[2] - table[3];   // in vectors
      Ahead ahead(weights + size * W, 4 * size * W, (b.m1 - b.m0 + kRows - 1) / kRows, units);
      const Twos w{weights, table, units, ahead};
      const bool near = near_rule && columns == kBlock;
      const auto result = [&](int64_t i) { return b.y + (i * s.out_channels + p * kBlock) * bytes; };
      I sums[kRows][2];
      int64_t i = b.m0;
      const bool halves = near_rule && columns == kHalfPanel;
      const int64_t step = halves ? 2 * kRows : kRows, tiles = near || halves ? (b.m1 - i) / step : 0;
      if (tiles > 0) {
        const auto multiply = halves ? tiles_by_twos<kRows, false, true> : ahead.many() ? tiles_by_twos<kRows, true> : tiles_by_twos<kRows, false>;
        multiply(rows, stride, w, t, {result(i), s.out_channels, bounds}, nullptr, tiles);
        i += tiles * step;
      }
      for (; i < b.m1; i += kRows) {
        const int64_t n = least<int64_t>(kRows, b.m1 - i);
        std::uint8_t* to = result(i);
        tile_of_twos(n, rows + (i - b.m0) * stride, stride, w, t, {near ? to : nullptr, s.out_channels, bounds}, sums);
        if (!near) put_sums(sums, n, t, bounds, to, s.out_channels * bytes, columns);
      }
    }
  });
}
#endif

#if SAHA_ISA_LEVEL >= 5
/// As convolve().
template <TileNumbers N>
void convolve_by_tiles(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  const int bytes = stored_bytes(c.store.rule);
  const PutRows put_sums = put_rows_of(c.store.rule);
  const Bounds bounds(c.store);
  const PointRows<TileRows> points_of{call, c};
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, tile = c.tile_points, stride = points_of.stride;
  alignas(64) int32_t sums[32 * 2 * W];
  Tiles tiles(tile_shapes(c.tile_points, c.tile_units));
  each_block(call, bytes, [&](const Block& b) {
    const int64_t from = least(b.m0, points - tile);
    const std::uint8_t* rows = points_of.of(b, from);
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * c.units * TileRows::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      each_pair_of_tiles<N>(tiles, {c.units, c.tile_units, tile}, rows, stride, from, b.m0, b.m1, w, t, t + kRescaleRows * W, sums, [&](int64_t i, int64_t n, const int32_t* of) {
        put_sums(reinterpret_cast<const I(*)[2]>(of), n, t, bounds, b.y + (i * s.out_channels + p * kBlock) * bytes, s.out_channels * bytes, columns);
      });
    }
  });
}
#endif

}  // namespace

/// What a level adds to the one below it, whose loops take all else.
void run_conv_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
#if SAHA_NEON >= 4
  if (c.dot == Dot::octs) return convolve<Octs>(call);
#endif
#if SAHA_ISA_LEVEL >= 5
  if (c.dot == Dot::tiles) return c.x_signed ? convolve_by_tiles<TileNumbers::signed_bytes>(call) : convolve_by_tiles<TileNumbers::bytes>(call);
#endif
#if SAHA_INTRINSICS == 1
  if (c.dot == Dot::twos) return convolve_by_twos(call);
#endif
#if SAHA_ISA_LEVEL == 3
  if (c.dot == Dot::quads) return convolve_by_quads(call);
#elif SAHA_NEON == 2
  if (c.dot == Quads::kDot) return convolve<Quads>(call);
#endif
#if defined(SAHA_ISA_BELOW)
  SAHA_ISA_BELOW::run_conv_i8(call);
#else
  c.dot == Dot::bytes ? convolve<Bytes>(call) : convolve<Pairs>(call);
#endif
}

namespace {

constexpr Kernel kRowsOfTable[] = {{"conv_i8", run_conv_i8}};

}  // namespace

extern const std::span<const Kernel> kConvI8;
constinit const std::span<const Kernel> kConvI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
