#pragma once
// Register tiles of products of stored integers: rows of units of 32 bits, which hold two or four numbers, times a panel of two vectors of columns.
#include "kernels/conv_i8.hpp"
#include "kernels/loops/ahead.hpp"
#include "kernels/loops/rescale.hpp"

namespace saha::kernels::SAHA_ISA {

inline constexpr int kRows = SAHA_NEON > 0 ? 8 : W == 16 ? 12 : 6;  ///< of a tile: with two vectors of sums each, and NEON's vectors of the image, they fill the registers
inline constexpr int kUnits = SAHA_NEON > 0 ? 4 : 1;                 ///< of the image that a vector holds: NEON multiplies by a lane of it, others by a unit in all lanes

// A unit of the weights is two vectors; add<Unit> adds its product with unit `Unit` of x to the sums of both vectors of columns.
struct Pairs {
  using Element = std::int16_t;
  static constexpr Dot kDot = Dot::pairs;
  static constexpr int kPerUnit = 2, kStep = 2 * W;   ///< int32 of a unit of a panel
  static constexpr int kTileRows = kRows;
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
  static constexpr int kStep = W, kTileRows = kFewRows;
  static I weights(const int32_t* w, int v) { return reinterpret_cast<I>(widened(load(reinterpret_cast<const std::uint8_t*>(w) + v * kBlock), true)); }
};
struct Quads {
  using Element = std::uint8_t;
  static constexpr Dot kDot = SAHA_NEON > 0 ? Dot::signed_quads : Dot::quads;
  static constexpr int kPerUnit = 4, kStep = 2 * W, kTileRows = kRows;
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

#if SAHA_NEON >= 4
struct Octs : Quads {
  static constexpr Dot kDot = Dot::octs;
};
/// As tile(), by products of two rows and two columns; an odd last row is its own partner.
template <int R>
void tile_by_two(const int32_t* x, int64_t units, const int32_t* w, I first, I second, I (*sums)[2]) {
  constexpr int kPairs = (R + 1) / 2;
  const auto halves = [](auto a, auto b, auto zip) { return reinterpret_cast<I>(zip(reinterpret_cast<int64x2_t>(a), reinterpret_cast<int64x2_t>(b))); };
  const auto low = [&](auto a, auto b) { return halves(a, b, vzip1q_s64); };
  const auto high = [&](auto a, auto b) { return halves(a, b, vzip2q_s64); };
  I acc[kPairs][4];  // of two columns each: [first row, first column], [first row, second column], then the second row's
  const I begin[2] = {first, second};
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
    I low_rows[kPairs], high_rows[kPairs];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      const I a = load(x + 2 * i * units + u), b = load(x + least(2 * i + 1, R - 1) * units + u);
      low_rows[i] = low(a, b), high_rows[i] = high(a, b);
    }
    add(low_rows), add(high_rows);
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

template <class D, int R, int... K>
inline void add_units(I (&acc)[R][2], const I (&x)[R], const int32_t* w, Lanes<K...>) {
  const auto add = [&]<int Unit>() __attribute__((always_inline)) {
    const I w0 = D::weights(w + Unit * D::kStep, 0), w1 = D::weights(w + Unit * D::kStep, 1);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) D::template add<Unit>(acc[r], x[r], w0, w1);
  };
  (add.template operator()<K>(), ...);
}
/// R rows times one panel of two vectors of columns, whose sums begin with `first` and `second`.
template <class D, int R>
#if SAHA_ISA_LEVEL >= 2
[[gnu::noinline]]   // once for all loops: with VNNI few of them are run
#endif
void tile(const int32_t* x, int64_t units, const int32_t* w, I first, I second, Ahead::Part ahead, I (*sums)[2]) {
  I acc[R][2];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) acc[r][0] = first, acc[r][1] = second;
  int64_t u = 0;
  if constexpr (kUnits > 1) {
    I v[R];
    for (; u + kUnits <= units; u += kUnits, w += kUnits * D::kStep) {
      ahead.ask();
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) v[r] = load(x + r * units + u);
      add_units<D, R>(acc, v, w, AllLanes{});
    }
  }
  for (; u < units; ++u, w += D::kStep) {
    if constexpr (kUnits == 1) ahead.ask();
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
/// Requests of a tile for what comes next.
inline int64_t requests(int64_t units) { return (units + kUnits - 1) / kUnits; }
template <class D, int R = D::kTileRows>
void tile_of(int64_t rows, const int32_t* x, int64_t units, const int32_t* w, I first, I second, Ahead& ahead, I (*sums)[2]) {
  if constexpr (R > 0) {
    if (rows == R) {
#if SAHA_NEON >= 4
      if constexpr (D::kDot == Dot::octs) return ahead.ask(), tile_by_two<R>(x, units, w, first, second, sums);
      else
#endif
        return tile<D, R>(x, units, w, first, second, ahead.part(), sums);
    }
    tile_of<D, R - 1>(rows, x, units, w, first, second, ahead, sums);
  }
}

/// Where a tile of whole blocks is stored by the usual rule, real_near.
struct Near {
  std::uint8_t* to;           ///< of twos, null: its sums are wanted
  int64_t stride;
  const Bounds& bounds;
};

#if SAHA_ISA_LEVEL == 3
inline constexpr int kMostRows = 14;   ///< with two vectors of sums each, two of weights and one of the image they fill the registers
/// Pairs, multiplied and added by one instruction.
struct AddedPairs : Pairs {
  template <int>
  static void add(I (&acc)[2], I x, I w0, I w1) { acc[0] = plus_product(acc[0], x, w0), acc[1] = plus_product(acc[1], x, w1); }
  static I plus_product(I acc, I x, I w) {
#if SAHA_INTRINSICS >= 3
    return reinterpret_cast<I>(_mm512_dpwssd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
#else
    return plus(acc, multiply_pairs(x, w));
#endif
  }
};
/// Lanes of a lower half and of an upper one.
inline I splat_halves(int32_t low, int32_t high) {
#if SAHA_INTRINSICS >= 3
  return reinterpret_cast<I>(_mm512_mask_broadcastd_epi32(reinterpret_cast<__m512i>(splat(low)), 0xff00, _mm_cvtsi32_si128(high)));
#else
  return __builtin_shufflevector(splat(low), splat(high), 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
#endif
}
/// The first n bytes of each half.
inline void store_halves(std::uint8_t* low, std::uint8_t* high, B v, int64_t n) {
#if SAHA_INTRINSICS >= 3
  const auto first = static_cast<__mmask16>(first_bytes(n));
  _mm_mask_storeu_epi8(low, first, _mm256_castsi256_si128(reinterpret_cast<__m256i>(v))), _mm_mask_storeu_epi8(high, first, _mm256_extracti128_si256(reinterpret_cast<__m256i>(v), 1));
#else
  std::uint8_t bytes[kBlock];
  memcpy(bytes, &v, sizeof v);
  memcpy(low, bytes, static_cast<size_t>(n)), memcpy(high, bytes + kBlock / 2, static_cast<size_t>(n));
#endif
}
/// A panel and its constants of rescaling.
struct RowPanel {
  const int32_t *weights, *table;
  int64_t units;
  Ahead& ahead;
};
/// Where the first columns of rows go, as unsigned bytes, 0 to 255, by the rule real_near.
struct NearRows {
  std::uint8_t* to;
  int64_t stride, columns;
  const Bounds& bounds;
};
/// Sums of a tile, which fill the registers: what follows neither begins nor holds its constants before.
template <int R>
inline void keep_places(I (&acc)[R][2]) {
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      I sum = acc[r][v];
      keep_place(sum), acc[r][v] = sum;
    }
}
/// R rows, `stride` bytes apart, times a panel: their sums. By Halves 2 R rows times a panel of half as many columns, which it has twice: each vector has a row and the next one.
template <class D, int R, bool Halves>
inline void multiply_rows(const std::uint8_t* x, int64_t stride, const RowPanel& p, I (&acc)[R][2]) {
  constexpr int kBases = (R * (1 + Halves) + 2) / 3;   // a row is reached from every third by the stride or twice that
  const int32_t* w = p.weights;
  const I first = load(p.table), second = load(p.table + kRescaleRows * W);
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) acc[r][0] = first, acc[r][1] = second;
  const std::uint8_t* base[kBases];
#pragma GCC unroll 6
  for (int i = 0; i < kBases; ++i) base[i] = x + 3 * i * stride;
  Ahead::Part next = p.ahead.part();
  for (int64_t u = p.units; u > 0; --u, w += D::kStep) {
    next.ask();
    const I w0 = load(w), w1 = load(w + W);
    const auto unit = [&](int r) {
      int32_t v;
      memcpy(&v, base[r / 3] + r % 3 * stride, sizeof v);
      return v;
    };
#pragma GCC unroll 14
    for (int r = 0; r < R; ++r) {
      if constexpr (Halves) D::template add<0>(acc[r], splat_halves(unit(2 * r), unit(2 * r + 1)), w0, w1);
      else D::template add<0>(acc[r], splat(unit(r)), w0, w1);
    }
#pragma GCC unroll 6
    for (int i = 0; i < kBases; ++i) {
      const std::uint8_t* on = base[i] + sizeof(int32_t);
      keep_address(on), base[i] = on;
    }
  }
  keep_places(acc);
}
/// `tiles` times R rows, `stride` bytes apart, times a panel: the sums of one tile, or of quads and kMostRows what is stored.
template <class D, int R>
void tiles_of_rows(const std::uint8_t* x, int64_t stride, const RowPanel& p, const NearRows* near, I (*sums)[2], int64_t tiles) {
  for (std::uint8_t* to = near ? near->to : nullptr;; x += R * stride, to += R * near->stride) {
    I acc[R][2];
    multiply_rows<D, R, false>(x, stride, p, acc);
    if (R < kMostRows || D::kDot != Dot::quads || !near) {
#pragma GCC unroll 14
      for (int r = 0; r < R; ++r) sums[r][0] = acc[r][0], sums[r][1] = acc[r][1];
      return;
    }
    const NearRows* rows = near;
    const int32_t* t = p.table;
    keep_address(rows), keep_address(t);
    const int64_t step = rows->stride, columns = rows->columns;   // in registers: bytes that are stored might be those
    std::uint8_t* row = to;
    each_near<R, true>(acc, t, rows->bounds, [&](int, B block) { store_less(row, block, columns), row += step; });
    if (--tiles == 0) return;
  }
}
inline constexpr int kHalfRows = 16;
/// `tiles` times kHalfRows rows, `stride` bytes apart, times a panel of up to kHalfOfQuads columns: what is stored.
inline void tiles_of_halves(const std::uint8_t* x, int64_t stride, const RowPanel& p, const NearRows& near, int64_t tiles) {
  const int64_t step = near.stride, columns = near.columns;
  for (std::uint8_t* to = near.to; tiles > 0; --tiles, x += kHalfRows * stride) {
    I acc[kHalfRows / 2][2];
    multiply_rows<Quads, kHalfRows / 2, true>(x, stride, p, acc);
    each_near<kHalfRows / 2, true>(acc, p.table, near.bounds, [&](int, B block) { store_halves(to, to + step, block, columns), to += 2 * step; });
  }
}
struct RowTiles {
  int64_t rows;
  decltype(&tiles_of_rows<Quads, 1>) multiply;
};
template <class D>
constexpr RowTiles kRowTiles[] = {{kMostRows, tiles_of_rows<D, kMostRows>}, {8, tiles_of_rows<D, 8>}, {4, tiles_of_rows<D, 4>}, {2, tiles_of_rows<D, 2>}, {1, tiles_of_rows<D, 1>}};
/// What the last `rest` of n rows are multiplied by next. A last tile reaches back where a smaller one would not do.
inline const RowTiles& next_tiles(const RowTiles* tiles, int64_t rest, int64_t n) {
  if (rest > tiles->rows && rest <= 2 * tiles[1].rows) ++tiles;
  while (tiles->rows > rest && (tiles[1].rows >= rest || tiles->rows > n)) ++tiles;
  return *tiles;
}
#endif

#if SAHA_INTRINSICS == 1
/// vpmaddubsw adds two products of an unsigned and a signed byte, and saturates at int16. Where weights are so small that it cannot, the image is the unsigned operand. Elsewhere the sizes of the weights are,
/// at most 128, and the image less 128 is the signed one, all its bits flipped where a weight is negative: that never leaves int16 either (conv_i8.cpp, pack_twos).
struct Twos {
  using Element = std::uint8_t;
  static constexpr Dot kDot = Dot::twos;
  static constexpr int kPerUnit = 4;
  const int32_t* weights;
  const int32_t* table;       ///< of the panel
  int64_t units;
  Ahead& ahead;
  static I unit(const std::uint8_t* x) {
    int32_t v;
    memcpy(&v, x, sizeof v);
    return splat(v);
  }
  static I unit(const std::uint8_t* low, const std::uint8_t* high) {
    return reinterpret_cast<I>(_mm256_inserti128_si256(reinterpret_cast<__m256i>(unit(low)), _mm256_castsi256_si128(reinterpret_cast<__m256i>(unit(high))), 1));
  }
  static I multiply(I bytes, I signed_bytes) {
    return multiply_pairs(reinterpret_cast<I>(_mm256_maddubs_epi16(reinterpret_cast<__m256i>(bytes), reinterpret_cast<__m256i>(signed_bytes))), I{} + 0x00010001);
  }
};
/// `tiles` times R rows, `stride` bytes apart, times a panel, whose constants of rescaling are t: what is stored, or the sums of one tile. By Halves 2 R rows times a panel of 8 columns (kHalfPanel), stored:
/// each vector has a row and the next one.
template <int R, bool Asks, bool Halves = false>
[[gnu::noinline]] void tiles_by_twos(const std::uint8_t* x, int64_t stride, const Twos& p, const int32_t* t, const Near& near, I (*sums)[2], int64_t tiles) {
  constexpr int kTileRows = Halves ? 2 * R : R;
  for (std::uint8_t* to = near.to;; x += kTileRows * stride, to += kTileRows * near.stride) {
    I acc[R][2];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) acc[r][0] = load(t), acc[r][1] = load(t + kRescaleRows * W);
    const int32_t *w = p.weights, *place = p.table + kTwosKinds;
    [[maybe_unused]] Ahead::Part next;
    if constexpr (Asks) next = p.ahead.part();
    else p.ahead.ask();
    const auto add = [&]<bool First, bool Second>(const int32_t* end) __attribute__((always_inline)) {   // which vectors are wide
      for (; place < end; ++place, w += (2 + First + Second) * W) {
        if constexpr (Asks) next.ask();
        const std::uint8_t* at = x + *place;
        const I w0 = load(w), w1 = load(w + W), flip0 = load(w + 2 * W), flip1 = load(w + (2 + First) * W);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) {
          const I v = Halves ? Twos::unit(at + 2 * r * stride, at + (2 * r + 1) * stride) : Twos::unit(at + r * stride);
          acc[r][0] = plus(acc[r][0], First ? Twos::multiply(w0, v ^ flip0) : Twos::multiply(v, w0));
          acc[r][1] = plus(acc[r][1], Second ? Twos::multiply(w1, v ^ flip1) : Twos::multiply(v, w1));
        }
      }
    };
    add.template operator()<false, false>(place + p.table[1]);
    add.template operator()<true, false>(place + p.table[2]);
    add.template operator()<false, true>(place + p.table[3]);
    add.template operator()<true, true>(p.table + kTwosKinds + p.units);
    if constexpr (Halves) {
      put_near_halves<R>(acc, t, near.bounds, to, near.stride);
    } else if (to) {
      put_near<R>(acc, t, near.bounds, to, near.stride);
    } else {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sums[r][0] = acc[r][0], sums[r][1] = acc[r][1];
    }
    if (--tiles == 0) return;
  }
}
/// A tile of that many rows.
template <int R = kRows>
void tile_of_twos(int64_t rows, const std::uint8_t* x, int64_t stride, const Twos& p, const int32_t* t, const Near& near, I (*sums)[2]) {
  if constexpr (R > 0) rows == R ? tiles_by_twos<R, false>(x, stride, p, t, near, sums, 1) : tile_of_twos<R - 1>(rows, x, stride, p, t, near, sums);
}
#endif

}  // namespace saha::kernels::SAHA_ISA
