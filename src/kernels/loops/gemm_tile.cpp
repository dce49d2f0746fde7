// The register tile of a product and the walk over the tiles of a block: once a level, for all loops that multiply.
#include "kernels/loops/gemm_tile.hpp"

#include "kernels/loops/ahead.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// acc[i][j] += lane i of a times b[j].
template <int N, int... K>
void multiply_lanes(V (*acc)[N], V a, const V (&b)[N], Lanes<K...>) {
  const auto one = [&]<int I>() __attribute__((always_inline)) {
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) acc[I][j] = fma_lane<I>(a, b[j], acc[I][j]);
  };
  (one.template operator()<K>(), ...);
}

/// R rows by N vectors of columns over `depth`. ByLane: rows of A in groups of W that lie side by side, `row_stride` from one group to the next.
template <int R, int N, bool ByLane>
void tile(const float* a, int64_t row_stride, int64_t a_step, const float* b, int64_t b_step, int64_t depth, const Out& o, int64_t row,
          int64_t column, int columns, Ahead::Part next) {
  V acc[R][N] = {};
  Ahead::each(depth, next, [&](int64_t) __attribute__((always_inline)) {
    V bv[N];
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) bv[j] = load(b + j * W);
    if constexpr (ByLane) {
#pragma GCC unroll 2
      for (int g = 0; g < R / W; ++g) multiply_lanes<N>(acc + g * W, load(a + g * row_stride), bv, AllLanes{});
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i * row_stride]);
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
    }
    a += a_step, b += b_step;
  });
  finish(acc, o, row, column, columns);
}

/// Few columns of a packed A: lanes are rows, so that no lane is idle. Sums of C columns in U interleaved parts, column by column.
template <int C>
void narrow(const float* a, const float* b, int64_t b_step, int64_t depth, float* sums) {
  constexpr int U = C == 1 ? 8 : C == 2 ? 4 : C <= 4 ? 2 : 1;
  V acc[U][C] = {};
  int64_t p = 0;
  for (; p + U <= depth; p += U) {
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) {
      const V av = load(a + u * kPackRows);
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j) acc[u][j] = fma(av, splat(b[u * b_step + j]), acc[u][j]);
    }
    a += U * kPackRows, b += U * b_step;
  }
  for (; p < depth; ++p) {
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j) acc[0][j] = fma(load(a), splat(b[j]), acc[0][j]);
    a += kPackRows, b += b_step;
  }
#pragma GCC unroll 8
  for (int j = 0; j < C; ++j) {
    V s = acc[0][j];
#pragma GCC unroll 8
    for (int u = 1; u < U; ++u) s = s + acc[u][j];
    store(sums + j * W, s);
  }
}

[[gnu::noinline]] void narrow_tile(const float* a, const Panel& panel, int64_t depth, const Out& o, int64_t row, int rows) {
  alignas(64) float columns[W * W], sums[W * W];
  switch (panel.columns) {
    case 1: narrow<1>(a, panel.b, panel.step, depth, columns); break;
    case 2: narrow<2>(a, panel.b, panel.step, depth, columns); break;
#if SAHA_ISA_LEVEL > 0
    case 3: narrow<3>(a, panel.b, panel.step, depth, columns); break;
    case 4: narrow<4>(a, panel.b, panel.step, depth, columns); break;
#endif
#if SAHA_ISA_LEVEL > 1
    case 5: narrow<5>(a, panel.b, panel.step, depth, columns); break;
    case 6: narrow<6>(a, panel.b, panel.step, depth, columns); break;
    case 7: narrow<7>(a, panel.b, panel.step, depth, columns); break;
    case 8: narrow<8>(a, panel.b, panel.step, depth, columns); break;
#endif
    default: __builtin_unreachable();
  }
#pragma GCC unroll 1
  for (int j = 0; j < panel.columns; ++j)
#pragma GCC unroll 1
    for (int i = 0; i < W; ++i) sums[i * W + j] = columns[j * W + i];
  finish_any(sums, W, o, row, rows, panel.column, panel.columns);
}

template <int N>
void tile_rows(const Rows& a, const Panel& q, int64_t depth, const Out& o, int64_t row, int rows, Ahead::Part next) {
  const bool by_lane = kByLane && a.pack_stride != 0;
  const auto some = [&]<int R>(int from) __attribute__((always_inline)) {
    if constexpr (kByLane && R % W == 0) {
      if (by_lane) return tile<R, N, true>(a.at(row + from), a.pack_stride, a.step, q.b, q.step, depth, o, row + from, q.column, q.columns, next);
    }
    tile<R, N, false>(a.at(row + from), a.row, a.step, q.b, q.step, depth, o, row + from, q.column, q.columns, next);
  };
  if (rows == kRows) return some.template operator()<kRows>(0);
  int done = 0;
  if constexpr (kRows == 8) {
    if (rows & 4) some.template operator()<4>(0), done = 4;
  }
  if (rows & 2) some.template operator()<2>(done), done += 2;
  if (rows & 1) some.template operator()<1>(done);
}

void tile_any(const Rows& a, const Panel& q, int64_t depth, const Out& o, int64_t row, int rows, Ahead::Part next) {
  switch (q.vectors) {
    case 3: return tile_rows<3>(a, q, depth, o, row, rows, next);
    case 2: return tile_rows<2>(a, q, depth, o, row, rows, next);
    default: return tile_rows<1>(a, q, depth, o, row, rows, next);
  }
}

}  // namespace

void multiply(const Rows& a, const Panel* panels, int count, int64_t depth, const Out& o, int64_t m0, int64_t m1) {
  int64_t columns = 0;
  for (int j = 0; j < count; ++j) columns += panels[j].columns;
  // The operand that stays in the first-level cache is walked innermost: all of B if it is small, else one panel over a block of rows.
  const bool b_inside = columns * depth <= 4096;
  const int64_t m_block = b_inside ? kRows : most<int64_t>(kPackRows, least<int64_t>(128, 32768 / most<int64_t>(1, depth) / kPackRows * kPackRows));
  for (int64_t i0 = m0; i0 < m1; i0 += m_block) {
    const int64_t i1 = least(m1, i0 + m_block);
    for (int j = 0; j < count; ++j) {
      const Panel& q = panels[j];
      if (a.pack_stride != 0 && q.columns <= W / 2) {
        if (i0 % kPackRows == 0)
          for (int64_t i = i0; i < least(m1, round_up(i1, kPackRows)); i += kPackRows)
            narrow_tile(a.at(i), q, depth, o, i, static_cast<int>(least<int64_t>(kPackRows, m1 - i)));
        continue;
      }
      const bool last = j + 1 == count;   // of this depth: packed panels go on where the first one's depth does
      const Panel& next = panels[last ? 0 : j + 1];
      Ahead ahead(last ? next.b + depth * next.step : next.b, b_inside ? 0 : 4 * depth * next.vectors * W, (i1 - i0 + kRows - 1) / kRows, Ahead::steady_requests(depth));
      const bool later = activates_later(o, q.columns, q.vectors);
      Out changed = o;
      changed.later &= !later;
      for (int64_t i = i0; i < i1; i += kRows) tile_any(a, q, depth, changed, i, static_cast<int>(least<int64_t>(kRows, i1 - i)), ahead.steady());
      if (later) activate_rows(o.c + i0 * o.c_row + q.column, o.c_row, i1 - i0, q.columns, *o.epilogue);
    }
  }
}

}  // namespace saha::kernels::SAHA_ISA
