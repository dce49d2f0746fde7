#pragma once
// Register tiles of products of 16-bit numbers: up to kTileRows points, rows of `units` units of two numbers each, times a panel of columns. HalfProduct says in which order and how rounded.
#include <string.h>

#include "kernels/conv_half.hpp"
#include "kernels/loops/ahead.hpp"
#include "kernels/loops/last_tile.hpp"
#if SAHA_NEON == 0
#include "kernels/loops/dots.hpp"
#else
#include "kernels/loops/vec.hpp"
#endif

namespace saha::kernels::SAHA_ISA {

inline constexpr int kTileRows = 8;
template <int R = kTileRows, class F>
void with_rows(int64_t n, F f) {
  if constexpr (R > 0) n == R ? f.template operator()<R>() : with_rows<R - 1>(n, f);
}

#if SAHA_NEON == 0
/// Tiles of R points by N vectors of columns, one after the other. `start`: what sums begin with.
template <int R, int N>
void dot_tiles(const std::uint16_t* x, int64_t tiles, int64_t units, const int32_t* panel, const float* start, const Out& o, int64_t row, int64_t column, int columns, Ahead& ahead) {
  for (; tiles > 0; --tiles, x += 2 * R * units, row += R) {
    Ahead::Part next = ahead.part();
    V acc[R][N];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j) acc[r][j] = load(start + j * W);
    const int32_t* w = panel;
    for (int64_t u = 0; u < units; ++u, w += N * W) {
      next.ask();
      I columns_of[N];
#pragma GCC unroll 2
      for (int j = 0; j < N; ++j) columns_of[j] = load(w + j * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const I v = I{} + unit(x + 2 * (r * units + u));
#pragma GCC unroll 2
        for (int j = 0; j < N; ++j) acc[r][j] = plus_dots(acc[r][j], v, columns_of[j]);
      }
    }
    finish<R, N, false>(acc, o, row, column, columns);
  }
}
/// Rows [0, count), which stand from row `row` on, times one panel.
inline void multiply_dots(const std::uint16_t* x, int64_t count, int64_t units, const int32_t* panel, const Out& out, int64_t row, int64_t column, int columns, Ahead& ahead) {
  const int vectors = panel_vectors(HalfProduct::dots, columns);
  each_even_tiles(count, kTileRows, vectors, out, row, column, columns, [&](int rows, int64_t from, int64_t tiles, const float* start, const Out& o) {
    with_rows(rows, [&]<int R>() { (vectors == 2 ? dot_tiles<R, 2> : dot_tiles<R, 1>)(x + from * 2 * units, tiles, units, panel, start, o, row + from, column, columns, ahead); });
  });
}
#endif

#if SAHA_NEON >= 5
/// Sums of R points, two by two and by two columns, as bfmmla has them; an odd last row is its own partner.
template <int R>
void matrix_tile(const std::uint16_t* x, int64_t units, const int32_t* w, V (&sums)[R][2]) {
  constexpr int kPairs = (R + 1) / 2;
  const auto low = [](auto a, auto b) { return vzip1q_s64(reinterpret_cast<int64x2_t>(a), reinterpret_cast<int64x2_t>(b)); };
  const auto high = [](auto a, auto b) { return vzip2q_s64(reinterpret_cast<int64x2_t>(a), reinterpret_cast<int64x2_t>(b)); };
  float32x4_t acc[kPairs][4];   // of two columns each: [first row, first column], [first row, second column], then the second row's
#pragma GCC unroll 4
  for (int i = 0; i < kPairs; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[i][j] = float32x4_t{};
  const auto add = [&](const int64x2_t (&rows)[kPairs]) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const auto columns = reinterpret_cast<bfloat16x8_t>(load(w + j * W));
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) acc[i][j] = vbfmmlaq_f32(acc[i][j], reinterpret_cast<bfloat16x8_t>(rows[i]), columns);
    }
    w += 4 * W;
  };
  for (int64_t u = 0; u < units; u += 4) {
    int64x2_t first[kPairs], second[kPairs];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      const auto a = vld1q_u16(x + 2 * (2 * i * units + u)), b = vld1q_u16(x + 2 * (least(2 * i + 1, R - 1) * units + u));
      first[i] = low(a, b), second[i] = high(a, b);
    }
    add(first), add(second);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) sums[r][v] = reinterpret_cast<V>(r % 2 == 0 ? low(acc[r / 2][2 * v], acc[r / 2][2 * v + 1]) : high(acc[r / 2][2 * v], acc[r / 2][2 * v + 1]));
}
#endif

#if SAHA_NEON >= 3
/// Adds lane `Lane` of each row times two vectors of columns.
template <int Lane, int R>
inline void add_lane(float16x8_t (&acc)[R][2], const float16x8_t (&x)[R], const std::uint16_t* w) {
  const auto w0 = reinterpret_cast<float16x8_t>(vld1q_u16(w + 16 * Lane)), w1 = reinterpret_cast<float16x8_t>(vld1q_u16(w + 16 * Lane + 8));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    // g++ 12 would spread the lane to a register of its own, for both.
    asm("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(acc[r][0]) : "w"(w0), "x"(x[r]), "i"(Lane));
    asm("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(acc[r][1]) : "w"(w1), "x"(x[r]), "i"(Lane));
  }
}
template <int R, int... K>
inline void add_lanes(float16x8_t (&acc)[R][2], const float16x8_t (&x)[R], const std::uint16_t* w, Lanes<K...>) { (add_lane<K, R>(acc, x, w), ...); }

/// Sums of R points, 16 floats each: of blocks of `block` units in float16, times `scale` and added up in float32.
template <int R>
void lane_tile(const std::uint16_t* x, int64_t units, int64_t block, const std::uint16_t* w, const float* scale, float* sums) {
  for (int i = 0; i < 4 * R; ++i) store(sums + i * W, V{});
  for (int64_t u = 0; u < units;) {
    float16x8_t acc[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = float16x8_t{};
    for (const int64_t end = u + block; u < end; u += 4, w += 8 * 16) {
      float16x8_t v[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) v[r] = reinterpret_cast<float16x8_t>(vld1q_u16(x + 2 * (r * units + u)));
      add_lanes(acc, v, w, MakeLanes<8>::type{});
    }
    asm volatile("" : : : "memory");   // sums stay there: no registers are left for them
    const V scales[2][2] = {{load(scale), load(scale + W)}, {load(scale + 2 * W), load(scale + 3 * W)}};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        float* to = sums + r * 16 + v * 8;
        const V low = load(to), high = load(to + W);
        store(to, fma(vcvt_f32_f16(vget_low_f16(acc[r][v])), scales[v][0], low)), store(to + W, fma(vcvt_high_f32_f16(acc[r][v]), scales[v][1], high));
      }
  }
}
#endif

}  // namespace saha::kernels::SAHA_ISA
