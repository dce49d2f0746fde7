// gemv_f32: panel by panel, R rows by N vectors of columns over the whole depth. Contract in kernels/gemv.hpp.
#include "kernels/gemv.hpp"

#include "kernels/loops/activate.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Interleaved sums of an element: few columns alone would wait for one sum after the other.
constexpr int parts(int sums) {
  int u = kCompact ? 1 : 8;
  while (u > 1 && u * sums > 14) u /= 2;
  return u;
}

const float* operand(const plan::Call& call, int i) { return static_cast<const float*>(call.operands[i]); }

/// The epilogues that finish() leaves out, over sums that stand in C.
[[gnu::noinline]] void finish_any(const plan::Call& call, int64_t column, int64_t columns) {
  const GemvParams& g = *static_cast<const GemvParams*>(call.params);
  const Epilogue& e = g.epilogue;
  const float *bias = operand(call, 2), *residual = operand(call, 3);
  auto* c = static_cast<float*>(call.operands[4]);
  for (int64_t i = 0; i < g.shape.m; ++i)
    for (int64_t j = column; j < column + columns; j += W) {
      const int64_t at = i * g.shape.n + j, n = column + columns - j;
      V v = load_up_to(c + at, n) * splat(e.alpha);
      if (e.bias == Bias::per_row) v = v + splat(bias[i]);
      if (e.bias == Bias::per_column) v = v + load_up_to(bias + j, n);
      if (residual) v = fma(load_up_to(residual + at, n), splat(e.residual_scale), v);
      store_up_to(c + at, activate_any(v, e.activation, e.p0, e.p1), n);
    }
}

template <int R, int N>
inline void finish(V (&sums)[R][N], const plan::Call& call, int64_t column) {
  const GemvParams& g = *static_cast<const GemvParams*>(call.params);
  const Epilogue& e = g.epilogue;
  const int64_t left = least<int64_t>(W, g.shape.n - column - (N - 1) * W);   // columns of the last vector
  const bool plain = e.alpha == 1 && !call.operands[3] && e.bias != Bias::per_row && e.activation <= Activation::clip;
  if (plain) {
    if (e.bias == Bias::per_column) {
      const float* bias = operand(call, 2) + column;
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) {
        const V b = j < N - 1 ? load(bias + j * W) : load_up_to(bias + j * W, left);
#pragma GCC unroll 4
        for (int i = 0; i < R; ++i) sums[i][j] = sums[i][j] + b;
      }
    }
    clamp(sums, e);
  }
  float* c = static_cast<float*>(call.operands[4]) + column;
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i, c += g.shape.n) {
#pragma GCC unroll 8
    for (int j = 0; j < N - 1; ++j) store(c + j * W, sums[i][j]);
    store_up_to(c + (N - 1) * W, sums[i][N - 1], left);
  }
  if (!plain) finish_any(call, column, (N - 1) * W + left);
}

/// The interleaved sums into the first of them, in pairs.
template <int U, int R, int N, int All>
inline void fold(V (&acc)[All][R][N]) {
  if constexpr (U > 1) {
#pragma GCC unroll 4
    for (int u = 0; u < U / 2; ++u)
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) acc[u][i][j] = acc[u][i][j] + acc[u + U / 2][i][j];
    fold<U / 2, R, N>(acc);
  }
}

/// R rows times N vectors of columns from `column` on, whose B begins at b, a row `b_step` from the next.
template <int R, int N>
[[gnu::always_inline]] inline void multiply(const plan::Call& call, int64_t column, const float* b, int64_t b_step) {
  const GemvShape& s = static_cast<const GemvParams*>(call.params)->shape;
  constexpr int U = parts(R * N);
  V acc[U][R][N] = {};
  const float* a = operand(call, 0);
  const int64_t row = s.a_row, step = s.a_step;
  int64_t p = s.k;
#pragma GCC unroll 1
  for (; p >= U; p -= U) {
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u, a += step, b += b_step) {
      V bv[N];
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) bv[j] = load(b + j * W);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i * row]);
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) acc[u][i][j] = fma(av, bv[j], acc[u][i][j]);
      }
    }
  }
  if constexpr (U > 1) {
#pragma GCC unroll 1
    for (; p > 0; --p, a += step, b += b_step)
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i * row]);
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) acc[0][i][j] = fma(av, load(b + j * W), acc[0][i][j]);
      }
    fold<U, R, N>(acc);
  }
  finish(acc[0], call, column);
}

template <int R>
[[gnu::noinline]] void one_vector(const plan::Call& call, int64_t column, const float* b, int64_t b_step) { multiply<R, 1>(call, column, b, b_step); }
template <int R, int N>
void panel(const plan::Call& call, int64_t column) {
  const GemvParams& g = *static_cast<const GemvParams*>(call.params);
  const GemvShape& s = g.shape;
  const float* b = operand(call, 1) + column * s.k;
  const int64_t b_step = least<int64_t>(N * W, s.n - g.apart - column);
  if constexpr (!kCompact) return multiply<R, N>(call, column, b, b_step);
  for (int j = 0; j < N; ++j) one_vector<R>(call, column + j * W, b + j * W, b_step);
}

/// The columns that stand apart of R rows: lanes lie along the depth.
template <int R>
void columns_apart(const plan::Call& call) {
  const GemvParams& g = *static_cast<const GemvParams*>(call.params);
  const GemvShape& s = g.shape;
  const int64_t column = s.n - g.apart, step = gemv_column(s.k, W);
  const float* b = operand(call, 1) + column * s.k;
  V sums[R][1] = {};
  for (int j = 0; j < static_cast<int>(g.apart); ++j, b += step) {
    const I here = first_lanes(j + 1) & ~first_lanes(j);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
      const float* a = operand(call, 0) + i * s.a_row;
      V acc{};
      for (int64_t p = 0; p < s.k; p += W) acc = fma(load_up_to(a + p, s.k - p), load(b + p), acc);
      sums[i][0] = select(here, splat(sum(acc)), sums[i][0]);
    }
  }
  finish(sums, call, column);
}

using Panel = void (*)(const plan::Call&, int64_t column);
template <int R, int N>
constexpr Panel panel_of() {
  if constexpr (N <= gemv_most_vectors(R, W)) return panel<R, N>;
  else return nullptr;
}
template <int R>
struct PanelsOf {
  static constexpr Panel kBy[8] = {panel_of<R, 1>(), panel_of<R, 2>(), panel_of<R, 3>(), panel_of<R, 4>(), panel_of<R, 5>(), panel_of<R, 6>(), panel_of<R, 7>(), panel_of<R, 8>()};
};
/// By rows and vectors, both less one.
constexpr const Panel* kPanels[kGemvRows] = {PanelsOf<1>::kBy, PanelsOf<2>::kBy, PanelsOf<3>::kBy, PanelsOf<4>::kBy};

void run_gemv(const plan::Call& call) {
  const GemvParams& g = *static_cast<const GemvParams*>(call.params);
  if (g.apart > 0 && call.end == g.pieces) {
    constexpr void (*kApart[kGemvRows])(const plan::Call&) = {columns_apart<1>, columns_apart<2>, columns_apart<3>, columns_apart<4>};
    kApart[g.shape.m - 1](call);
    if (g.panels == 0) return;
  }
  const Panel* by = kPanels[g.shape.m - 1] + (g.vectors - 1);
  if (g.panels == 1) return (*by)(call, 0);
  const auto first_panel = [&](std::uint32_t piece) { return std::uint64_t{g.panels} * piece / g.pieces; };
  for (std::uint64_t i = first_panel(call.begin); i < first_panel(call.end); ++i)
    by[i < g.wider](call, static_cast<int64_t>(i * g.vectors + least<std::uint64_t>(i, g.wider)) * W);
}

constexpr Kernel kRowsOfTable[] = {{"gemv_f32", run_gemv}};

}  // namespace

extern const std::span<const Kernel> kGemv;
constinit const std::span<const Kernel> kGemv = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
