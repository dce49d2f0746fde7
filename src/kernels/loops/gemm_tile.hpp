#pragma once
// The register tile of a product and the walk over the tiles of a block. Used by GEMM and by convolution, which differ in how panels of B
// come about.
#include "kernels/epilogue.hpp"
#include "kernels/loops/activate.hpp"
#include "kernels/loops/ahead.hpp"
#include "kernels/loops/vec.hpp"
#include "kernels/panels.hpp"

namespace saha::kernels::SAHA_ISA {

inline constexpr bool kByLane = SAHA_NEON > 0;  ///< a product takes one lane of a vector for all lanes of the other, so that A is loaded by vectors
inline constexpr int kRows = W == 16 || kByLane ? 8 : 4;   ///< rows of a tile: with three vectors of columns it fills the register file
inline constexpr int kPackRows = W;             ///< rows that stand side by side in a packed A
inline constexpr int kMaxPanels = 48;           ///< in a block

/// A from some depth on: row i begins at p + i * row (packed: see at()), the next depth is `step` further.
struct Rows {
  const float* p;
  int64_t row, step;
  int64_t pack_stride;  ///< elements from one group of kPackRows rows to the next; 0: not packed

  const float* at(int64_t i) const { return pack_stride != 0 ? p + i / kPackRows * pack_stride + i % kPackRows : p + i * row; }
};

/// Some columns of B from some depth on.
struct Panel {
  const float* b;
  int64_t step;    ///< from one depth to the next
  int64_t column;  ///< first column in C
  int vectors, columns;
};

/// Where sums go. Pointers are to row 0, column 0 of C.
struct Out {
  float* c;
  int64_t c_row;
  const float* bias;   ///< null: none, or it is in the sums
  const float* residual;
  const Epilogue* epilogue;
  bool first, last;  ///< the first or last block of depths: others add to C, or leave the sums in C as they are
  bool plain;        ///< before the activation the epilogue is no more than bias and residual
  bool clamps;       ///< the activation is clamping to [low, high]
  bool later;        ///< it is another one
  float low, high;
};

inline Out make_out(float* c, int64_t c_row, const float* bias, const float* residual, const Epilogue& e) {
  const bool clamps = e.activation == Activation::relu || e.activation == Activation::clip;
  return {c, c_row, bias, residual, &e, true, true,
          e.alpha == 1 && e.residual_scale == 1,
          clamps, !clamps && e.activation != Activation::none, e.activation == Activation::clip ? e.p0 : 0, e.activation == Activation::clip ? e.p1 : __builtin_inff()};
}

/// Tiles of whole vectors leave the activation to whoever goes over them, for many at once.
inline bool activates_later(const Out& o, int columns, int vectors) { return o.last && o.later && o.plain && columns == vectors * W; }

/// Any epilogue, any number of columns: the sums of a tile come from memory, `stride` apart.
[[gnu::noinline, gnu::noclone]] inline void finish_any(const float* sums, int64_t stride, const Out& o, int64_t row, int rows, int64_t column, int columns) {
  const Epilogue& e = *o.epilogue;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; j += W) {
      const int n = columns - j;
      const int64_t at = (row + i) * o.c_row + column + j;
      V v = load_up_to(sums + i * stride + j, n);
      if (!o.first) v = v + load_up_to(o.c + at, n);
      if (o.last) {
        v = v * splat(e.alpha);
        if (o.bias && e.bias == Bias::per_row) v = v + splat(o.bias[row + i]);
        if (o.bias && e.bias == Bias::per_column) v = v + load_up_to(o.bias + column + j, n);
        if (o.residual) v = fma(load_up_to(o.residual + at, n), splat(e.residual_scale), v);
        v = activate_any(v, e.activation, e.p0, e.p1);
      }
      store_up_to(o.c + at, v, n);
    }
}

/// In the tile itself: beyond a call the sums would live in memory, in the loop that makes them too. What is added, C, bias and residual in this order, is one loop over them, and one place stores: each line of
/// it is R N instructions of every tile. ByRow: a bias may be one per row.
template <int R, int N, bool ByRow = true>
[[gnu::always_inline]] inline void finish(V (&acc)[R][N], const Out& o, int64_t row, int64_t column, int columns) {
  alignas(64) float sums[R * N * W];
  float *c = o.c + row * o.c_row + column, *to = sums;
  int64_t step = N * W;
  const bool here = columns == N * W && (!o.last || o.plain);
  if (here) {
    to = c, step = o.c_row;
    const Bias bias = o.last && o.bias ? o.epilogue->bias : Bias::none;
    const float* const added[] = {o.first ? nullptr : c, bias == Bias::per_column ? o.bias + column : nullptr, o.residual && o.last ? o.residual + row * o.c_row + column : nullptr};
#pragma GCC unroll 1
    for (int k = 0; k < 3; ++k) {
      if (ByRow && k == 1 && bias == Bias::per_row) {
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
          const V b = splat(o.bias[row + i]);
#pragma GCC unroll 3
          for (int j = 0; j < N; ++j) acc[i][j] = acc[i][j] + b;
        }
      }
      const float* p = added[k];
      if (!p) continue;
      const int64_t next = k == 1 ? 0 : o.c_row;
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i, p += next)
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) acc[i][j] = acc[i][j] + load(p + j * W);
    }
    if (o.last && o.clamps) {
      const V low = splat(o.low), high = splat(o.high);
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) acc[i][j] = min(high, max(low, acc[i][j]));
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i, to += step)
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) store(to + j * W, acc[i][j]);
  if (!here) finish_any(sums, N * W, o, row, R, column, columns);
  else if (o.last && o.later) activate_rows(c, o.c_row, R, N * W, *o.epilogue);
}

/// acc[i][j] += lane i of a times b[j].
template <int N, int... K>
inline void multiply_lanes(V (*acc)[N], V a, const V (&b)[N], Lanes<K...>) {
  const auto one = [&]<int I>() __attribute__((always_inline)) {
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) acc[I][j] = fma_lane<I>(a, b[j], acc[I][j]);
  };
  (one.template operator()<K>(), ...);
}

/// R rows by N vectors of columns over `depth`. ByLane: rows of A in groups of W that lie side by side, `row_stride` from one group to the next.
template <int R, int N, bool ByLane>
inline void tile(const float* a, int64_t row_stride, int64_t a_step, const float* b, int64_t b_step, int64_t depth, const Out& o, int64_t row,
                 int64_t column, int columns) {
  V acc[R][N] = {};
#pragma GCC unroll 2
  for (int64_t p = 0; p < depth; ++p) {
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
  }
  finish(acc, o, row, column, columns);
}

/// Few columns of a packed A: lanes are rows, so that no lane is idle. Sums of C columns in U interleaved parts, column by column.
template <int C>
inline void narrow(const float* a, const float* b, int64_t b_step, int64_t depth, float* sums) {
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

[[gnu::noinline]] inline void narrow_tile(const float* a, const Panel& panel, int64_t depth, const Out& o, int64_t row, int rows) {
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
inline void tile_rows(const Rows& a, const Panel& q, int64_t depth, const Out& o, int64_t row, int rows) {
  const bool by_lane = kByLane && a.pack_stride != 0;
  const auto some = [&]<int R>(int from) __attribute__((always_inline)) {
    if constexpr (kByLane && R % W == 0) {
      if (by_lane) return tile<R, N, true>(a.at(row + from), a.pack_stride, a.step, q.b, q.step, depth, o, row + from, q.column, q.columns);
    }
    tile<R, N, false>(a.at(row + from), a.row, a.step, q.b, q.step, depth, o, row + from, q.column, q.columns);
  };
  if (rows == kRows) return some.template operator()<kRows>(0);
  int done = 0;
  if constexpr (kRows == 8) {
    if (rows & 4) some.template operator()<4>(0), done = 4;
  }
  if (rows & 2) some.template operator()<2>(done), done += 2;
  if (rows & 1) some.template operator()<1>(done);
}

inline void tile_any(const Rows& a, const Panel& q, int64_t depth, const Out& o, int64_t row, int rows) {
  switch (q.vectors) {
    case 3: return tile_rows<3>(a, q, depth, o, row, rows);
    case 2: return tile_rows<2>(a, q, depth, o, row, rows);
    default: return tile_rows<1>(a, q, depth, o, row, rows);
  }
}

/// Rows [m0, m1) times all panels. m0 is a multiple of kPackRows where A is packed.
[[gnu::noinline]] inline void multiply(const Rows& a, const Panel* panels, int count, int64_t depth, const Out& o, int64_t m0, int64_t m1) {
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
      Ahead ahead(last ? next.b + depth * next.step : next.b, b_inside ? 0 : 4 * depth * next.vectors * W, (i1 - i0 + kRows - 1) / kRows);
      const bool later = activates_later(o, q.columns, q.vectors);
      Out changed = o;
      changed.later &= !later;
      for (int64_t i = i0; i < i1; i += kRows) {
        ahead.ask();
        tile_any(a, q, depth, changed, i, static_cast<int>(least<int64_t>(kRows, i1 - i)));
      }
      if (later) activate_rows(o.c + i0 * o.c_row + q.column, o.c_row, i1 - i0, q.columns, *o.epilogue);
    }
  }
}

/// Copies `depth` rows of B, `columns` of each, into a panel of `vectors` vectors; what is missing becomes 0.
inline void pack_rows(const float* b, int64_t b_row, int64_t depth, int vectors, int columns, float* out) {
  if (columns == 3 * W) {
    for (int64_t p = 0; p < depth; ++p, b += b_row, out += 3 * W) {
      store(out, load(b));
      store(out + W, load(b + W));
      store(out + 2 * W, load(b + 2 * W));
    }
    return;
  }
  for (int64_t p = 0; p < depth; ++p, b += b_row, out += vectors * W)
    for (int j = 0; j < vectors; ++j) store(out + j * W, load_up_to(b + j * W, most(0, columns - j * W)));
}

/// The same for several panels that follow one another, row by row of B: rows of an image lie pages apart, so each is read once, in one go.
inline void pack_panels(const float* b, int64_t b_row, int64_t depth, const Panel* panels, int count) {
  for (int64_t p = 0; p < depth; ++p, b += b_row) {
    __builtin_prefetch(b + 4 * b_row);
    __builtin_prefetch(b + 4 * b_row + 16);
    for (int j = 0; j < count; ++j) {
      const Panel& q = panels[j];
      const float* from = b + (q.column - panels[0].column);
      float* out = const_cast<float*>(q.b) + p * q.step;
      if (q.columns == 3 * W) {
        store(out, load(from));
        store(out + W, load(from + W));
        store(out + 2 * W, load(from + 2 * W));
      } else {
        for (int i = 0; i < q.vectors; ++i) store(out + i * W, load_up_to(from + i * W, most(0, q.columns - i * W)));
      }
    }
  }
}

/// The same where the columns of B are contiguous in depth: B[p][j] at b[j * b_col + p].
[[gnu::noinline]] inline void pack_columns(const float* b, int64_t b_col, int64_t depth, int vectors, int columns, float* out) {
  for (int j0 = 0; j0 < vectors * W; j0 += W) {
    const int n = least(W, columns - j0);
    for (int64_t p = 0; p < depth; p += W) {
      const float* from = b + j0 * b_col + p;
      int64_t step = b_col;
      float part[W * W];
      if (n < W || depth - p < W) {
#pragma GCC unroll 1
        for (int i = 0; i < W; ++i) store(part + i * W, i < n ? load_up_to(from + i * step, depth - p) : V{});
        from = part, step = W;
      }
      V r[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i, from += step) r[i] = load(from);
      transpose(r);
      const int rows = static_cast<int>(least<int64_t>(W, depth - p));
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i)
        if (i < rows) store(out + (p + i) * vectors * W + j0, r[i]);
    }
  }
}

}  // namespace saha::kernels::SAHA_ISA
