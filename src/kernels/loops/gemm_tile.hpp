#pragma once
// Products of rows and panels: where their operands lie, what follows a sum, and how panels are packed. Used by GEMM and by convolution, which differ in how panels of B
// come about.
#include "kernels/epilogue.hpp"
#include "kernels/loops/activate.hpp"
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

/// Tiles that store their sums themselves leave the activation to whoever goes over them, for many at once.
inline bool activates_later(const Out& o, int columns, int vectors) { return o.last && o.later && o.plain && (kMasks || columns == vectors * W); }

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
  const bool here = (kMasks || columns == N * W) && (!o.last || o.plain);
  const int filled = here ? columns : N * W;
  const auto load_here = [&](const float* p, int j) __attribute__((always_inline)) { return kMasks ? load_n(p + j * W, most(0, least(W, filled - j * W))) : load(p + j * W); };
  const auto store_here = [&](float* p, int j, V v) __attribute__((always_inline)) { kMasks ? store_n(p + j * W, v, most(0, least(W, filled - j * W))) : store(p + j * W, v); };
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
        for (int j = 0; j < N; ++j) acc[i][j] = acc[i][j] + load_here(p, j);
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
    for (int j = 0; j < N; ++j) store_here(to, j, acc[i][j]);
  if (!here) finish_any(sums, N * W, o, row, R, column, columns);
  else if (o.last && o.later) activate_rows(c, o.c_row, R, columns, *o.epilogue);
}

/// Rows [m0, m1) times all panels. m0 is a multiple of kPackRows where A is packed.
void multiply(const Rows& a, const Panel* panels, int count, int64_t depth, const Out& o, int64_t m0, int64_t m1);

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
