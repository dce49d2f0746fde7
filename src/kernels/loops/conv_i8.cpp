// conv_i8: rows of points, unit by unit, times panels of columns. Pieces are (image, group, block of points, block of panels), panels fastest;
// consecutive pieces of one block of points share its rows. Contract in kernels/conv_i8.hpp.
#include "kernels/conv_i8.hpp"

#include "kernels/loops/point_rows.hpp"
#include "kernels/loops/rescale.hpp"
#if SAHA_ISA_LEVEL >= 4
#include "kernels/loops/point_tiles.hpp"
#endif

namespace saha::kernels::SAHA_ISA {
namespace {

inline constexpr int kRows = SAHA_NEON > 0 ? 8 : W == 16 ? 12 : 6;  ///< of a tile: with two vectors of sums each, and NEON's vectors of the image, they fill the registers
inline constexpr int kUnits = SAHA_NEON > 0 ? 4 : 1;                 ///< of the image that a vector holds: NEON multiplies by a lane of it, others by a unit in all lanes

// A unit of the weights is two vectors; add<Unit> adds its product with unit `Unit` of x to the sums of both vectors of columns.
struct Pairs {
  using Element = std::int16_t;
  static constexpr Dot kDot = Dot::pairs;
  static constexpr int kPerUnit = 2, kStep = 2 * W;   ///< int32 of a unit of a panel
  static I weights(const int32_t* w, int v) { return load(w + v * W); }
#if SAHA_NEON > 0
  template <int Unit>
  static void add(I (&acc)[2], I x, I w0, I w1) {
    const auto at = reinterpret_cast<int16x8_t>(x), first = reinterpret_cast<int16x8_t>(w0), second = reinterpret_cast<int16x8_t>(w1);
    acc[0] = vmlal_laneq_s16(acc[0], vget_low_s16(first), at, 2 * Unit), acc[1] = vmlal_high_laneq_s16(acc[1], first, at, 2 * Unit);
    acc[0] = vmlal_laneq_s16(acc[0], vget_low_s16(second), at, 2 * Unit + 1), acc[1] = vmlal_high_laneq_s16(acc[1], second, at, 2 * Unit + 1);
  }
#else
  template <int>
  static void add(I (&acc)[2], I x, I w0, I w1) { acc[0] = plus(acc[0], multiply_pairs(x, w0)), acc[1] = plus(acc[1], multiply_pairs(x, w1)); }
#endif
};
struct Bytes : Pairs {
  static constexpr Dot kDot = Dot::bytes;
  static constexpr int kStep = W;
  static I weights(const int32_t* w, int v) { return reinterpret_cast<I>(widened(load(reinterpret_cast<const std::uint8_t*>(w) + v * kBlock), true)); }
};
inline constexpr bool kHasQuads = SAHA_ISA_LEVEL >= 3 || SAHA_NEON >= 2;
struct Quads {
  using Element = std::uint8_t;
  static constexpr Dot kDot = SAHA_NEON > 0 ? Dot::signed_quads : Dot::quads;
  static constexpr int kPerUnit = 4, kStep = 2 * W;
  static I weights(const int32_t* w, int v) { return load(w + v * W); }
  template <int Unit>
  static void add(I (&acc)[2], I x, I w0, I w1) { acc[0] = plus_product<Unit>(acc[0], x, w0), acc[1] = plus_product<Unit>(acc[1], x, w1); }
  template <int Unit>
  static I plus_product(I acc, I x, I w) {
#if SAHA_INTRINSICS >= 3
    return reinterpret_cast<I>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
#elif SAHA_NEON >= 2
    return vdotq_laneq_s32(acc, reinterpret_cast<int8x16_t>(w), reinterpret_cast<int8x16_t>(x), Unit);
#else
    typedef std::int8_t Signed __attribute__((vector_size(W * 4)));
    typedef std::uint8_t Unsigned __attribute__((vector_size(W * 4)));
    const Unsigned a = reinterpret_cast<Unsigned>(x);
    const Signed b = reinterpret_cast<Signed>(w);
    I sums{};
    for (int i = 0; i < W; ++i)
      for (int j = 0; j < 4; ++j) sums[i] += int32_t{a[4 * i + j]} * b[4 * i + j];
    return plus(acc, sums);
#endif
  }
};

#if SAHA_ISA_LEVEL >= 4
struct TileRows : Quads {
  static constexpr Dot kDot = Dot::tiles;
};
#endif
#if SAHA_NEON >= 3
struct Octs : Quads {
  static constexpr Dot kDot = Dot::octs;
};
/// As tile(), by products of two rows and two columns; an odd last row is its own partner.
template <int R>
void tile_by_two(const int32_t* x, int64_t units, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  constexpr int kPairs = (R + 1) / 2;
  const auto halves = [](auto a, auto b, auto zip) { return reinterpret_cast<I>(zip(reinterpret_cast<int64x2_t>(a), reinterpret_cast<int64x2_t>(b))); };
  const auto low = [&](auto a, auto b) { return halves(a, b, vzip1q_s64); };
  const auto high = [&](auto a, auto b) { return halves(a, b, vzip2q_s64); };
  I acc[kPairs][4];  // of two columns each: [first row, first column], [first row, second column], then the second row's
  const I begin[2] = {load(t), load(t + kRescaleRows * W)};
#pragma GCC unroll 4
  for (int i = 0; i < kPairs; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) acc[i][2 * v] = low(begin[v], begin[v]), acc[i][2 * v + 1] = high(begin[v], begin[v]);
  const auto add = [&](const I (&rows)[kPairs]) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const I columns = load(w + j * W);
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) acc[i][j] = vmmlaq_s32(acc[i][j], reinterpret_cast<int8x16_t>(rows[i]), reinterpret_cast<int8x16_t>(columns));
    }
    w += 2 * Quads::kStep;
  };
  int64_t u = 0;
  for (; u + 4 <= units; u += 4) {
    I first[kPairs], second[kPairs];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      const I a = load(x + 2 * i * units + u), b = load(x + least(2 * i + 1, R - 1) * units + u);
      first[i] = low(a, b), second[i] = high(a, b);
    }
    add(first), add(second);
  }
  if (u < units) {
    I rows[kPairs];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) rows[i] = vcombine_s32(vld1_s32(x + 2 * i * units + u), vld1_s32(x + least(2 * i + 1, R - 1) * units + u));
    add(rows);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) sums[r][v] = r % 2 == 0 ? low(acc[r / 2][2 * v], acc[r / 2][2 * v + 1]) : high(acc[r / 2][2 * v], acc[r / 2][2 * v + 1]);
}
#endif

/// R rows times one panel; sums begin with the first row of each vector's constants.
template <class D, int R, int... K>
inline void add_units(I (&acc)[R][2], const I (&x)[R], const int32_t* w, Lanes<K...>) {
  const auto add = [&]<int Unit>() __attribute__((always_inline)) {
    const I w0 = D::weights(w + Unit * D::kStep, 0), w1 = D::weights(w + Unit * D::kStep, 1);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) D::template add<Unit>(acc[r], x[r], w0, w1);
  };
  (add.template operator()<K>(), ...);
}
template <class D, int R>
void tile(const int32_t* x, int64_t units, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  I acc[R][2];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) acc[r][0] = load(t), acc[r][1] = load(t + kRescaleRows * W);
  int64_t u = 0;
  if constexpr (kUnits > 1) {
    I v[R];
    for (; u + kUnits <= units; u += kUnits, w += kUnits * D::kStep) {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) v[r] = load(x + r * units + u);
      add_units<D, R>(acc, v, w, AllLanes{});
    }
  }
  for (; u < units; ++u, w += D::kStep) {
    const I w0 = D::weights(w, 0), w1 = D::weights(w, 1);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const I v = splat(x[r * units + u]);
      D::template add<0>(acc[r], v, w0, w1);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) sums[r][0] = acc[r][0], sums[r][1] = acc[r][1];
}
template <class D, int R = kRows>
void tile_of(int64_t rows, const int32_t* x, int64_t units, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  if constexpr (R > 0) {
    if (rows == R) {
#if SAHA_NEON >= 3
      if constexpr (D::kDot == Dot::octs) return tile_by_two<R>(x, units, w, t, sums);
      else
#endif
        return tile<D, R>(x, units, w, t, sums);
    }
    tile_of<D, R - 1>(rows, x, units, w, t, sums);
  }
}

inline void eight(const std::uint8_t* from, bool is_signed, std::int16_t* to) {
  typedef std::uint8_t Unsigned __attribute__((vector_size(8)));
  typedef std::int8_t Signed __attribute__((vector_size(8)));
  typedef std::int16_t Wide __attribute__((vector_size(16)));
  Unsigned v;
  memcpy(&v, from, 8);
  const Wide w = is_signed ? __builtin_convertvector(reinterpret_cast<Signed>(v), Wide) : __builtin_convertvector(v, Wide);
  memcpy(to, &w, 16);
}
// A run of bytes as elements of a row: int16, or unsigned bytes.
void copy(const std::uint8_t* from, bool is_signed, int64_t n, std::int16_t* to) {
  const auto block = [&](int64_t i) { *reinterpret_cast<UnalignedS*>(to + i) = widened(load(from + i), is_signed); };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) block(i);
  if (i == n) return;
  if (n >= kBlock) return block(n - kBlock);
  if (n >= 8) {  // the few channels of a first layer
    for (; i + 8 <= n; i += 8) eight(from + i, is_signed, to + i);
    return eight(from + n - 8, is_signed, to + n - 8);
  }
  for (; i < n; ++i) to[i] = is_signed ? static_cast<std::int8_t>(from[i]) : from[i];
}
[[maybe_unused]] void copy(const std::uint8_t* from, bool is_signed, int64_t n, std::uint8_t* to) {
  const std::uint8_t flip = added_to_x(Quads::kDot, is_signed) == 0 ? 0 : 128;
  const auto block = [&](int64_t i) { store(to + i, load(from + i) ^ (B{} + flip)); };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) block(i);
  if (i == n) return;
  if (n >= kBlock) return block(n - kBlock);
  for (; i < n; ++i) to[i] = from[i] ^ flip;
}
/// Rows of the points [m0, m1): for each its taps, row of the kernel by row, channels innermost.
template <class D>
void fill_rows(const ConvI8Params& c, const std::uint8_t* x, int64_t group, int64_t m0, int64_t m1, typename D::Element* rows) {
  const bool is_signed = c.x_signed && D::kDot != Dot::tiles;   // tiles take bytes as they are
  fill_point_rows(c.shape, int64_t{c.units} * D::kPerUnit, x, group, m0, m1, static_cast<typename D::Element>(c.x_zero + added_to_x(D::kDot, is_signed)), rows,
                  [&](const std::uint8_t* from, int64_t n, typename D::Element* to) { copy(from, is_signed, n, to); });
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
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t nb = piece % c.n_blocks, mb = piece / c.n_blocks % c.m_blocks, outer = piece / c.n_blocks / c.m_blocks;
    const std::uint32_t count = least(call.end - piece, c.n_blocks - nb);
    piece += count;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const int64_t m0 = int64_t{mb} * c.m_block, p0 = int64_t{nb} * c.n_block;
    f(Block{x + image * s.in_h * s.in_w * s.in_channels, y + (image * points * s.out_channels + group * m) * element_bytes, group, m0, least(points, m0 + c.m_block), p0,
            least<int64_t>(c.panels, p0 + int64_t{count} * c.n_block)});
  }
}

template <class D, Rescaling R>
void convolve(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  constexpr int kBytes = R == Rescaling::none ? 4 : 1;
  const Bounds bounds(c.store);
  const int64_t m = s.out_channels / s.groups;
  each_block(call, kBytes, [&](const Block& b) {
    auto* rows = reinterpret_cast<int32_t*>(call.scratch);
    fill_rows<D>(c, b.x, b.group, b.m0, b.m1, reinterpret_cast<typename D::Element*>(rows));
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * c.units * D::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      for (int64_t i = b.m0; i < b.m1; i += kRows) {
        const int64_t n = least<int64_t>(kRows, b.m1 - i);
        I sums[kRows][2];
        tile_of<D>(n, rows + (i - b.m0) * c.units, c.units, w, t, sums);
        std::uint8_t* to = b.y + (i * s.out_channels + p * kBlock) * kBytes;
        for (int64_t r = 0; r < n; ++r) put<R>(sums[r][0], sums[r][1], t, bounds, to + r * s.out_channels * kBytes, columns);
      }
    }
  });
}

#if SAHA_ISA_LEVEL >= 4
/// As convolve().
template <Rescaling R, TileNumbers N>
void convolve_by_tiles(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  constexpr int kBytes = R == Rescaling::none ? 4 : 1;
  const Bounds bounds(c.store);
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, channels = s.in_channels / s.groups, tile = c.tile_points;
  const bool in_place = is_pointwise(s) && 4 * int64_t{c.units} == channels;
  const int64_t stride = in_place ? s.in_channels : 4 * int64_t{c.units};
  alignas(64) int32_t sums[32 * 2 * W];
  Tiles tiles(tile_shapes(c.tile_points, c.tile_units));
  each_block(call, kBytes, [&](const Block& b) {
    const int64_t from = least(b.m0, points - tile);
    const std::uint8_t* rows = b.x + b.group * channels + from * stride;
    if (!in_place) {
      fill_rows<TileRows>(c, b.x, b.group, from, b.m1, reinterpret_cast<std::uint8_t*>(call.scratch));
      rows = reinterpret_cast<const std::uint8_t*>(call.scratch);
    }
    for (int64_t p = b.p0; p < b.p1; ++p) {
      const int64_t panel = b.group * c.panels + p, columns = least<int64_t>(kBlock, m - p * kBlock);
      const int32_t *w = packed + panel * c.units * TileRows::kStep, *t = packed + c.tables + panel * 2 * kRescaleRows * W;
      each_pair_of_tiles<N>(tiles, {c.units, c.tile_units, tile}, rows, stride, from, b.m0, b.m1, w, t, t + kRescaleRows * W, sums, [&](int64_t i, int64_t n, const int32_t* of) {
        std::uint8_t* to = b.y + (i * s.out_channels + p * kBlock) * kBytes;
        for (; n > 0; --n, of += 2 * W, to += s.out_channels * kBytes) put<R>(load(of), load(of + W), t, bounds, to, columns);
      });
    }
  });
}
#endif

void run_conv_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  with_rule(c.store.rule, [&]<Rescaling R>() {
#if SAHA_NEON >= 3
    if (c.dot == Dot::octs) return convolve<Octs, R>(call);
#endif
#if SAHA_ISA_LEVEL >= 4
    if (c.dot == Dot::tiles) return c.x_signed ? convolve_by_tiles<R, TileNumbers::signed_bytes>(call) : convolve_by_tiles<R, TileNumbers::bytes>(call);
#endif
    if constexpr (kHasQuads) {
      if (c.dot == Quads::kDot) return convolve<Quads, R>(call);
    }
    c.dot == Dot::bytes ? convolve<Bytes, R>(call) : convolve<Pairs, R>(call);
  });
}

constexpr Kernel kRowsOfTable[] = {{"conv_i8", run_conv_i8}};

}  // namespace

extern const std::span<const Kernel> kConvI8;
constinit const std::span<const Kernel> kConvI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
