#pragma once
// The activations that follow a sum, on one V.
#include "kernels/epilogue.hpp"
#include "kernels/loops/math.hpp"

namespace saha::kernels::SAHA_ISA {

inline V hard_sigmoid(V x, V alpha, V beta) { return max(splat(0.f), min(splat(1.f), fma(x, alpha, beta))); }

inline V activate(V x, Activation activation, float p0, float p1) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return max(splat(0.f), x);
    case Activation::clip: return min(splat(p1), max(splat(p0), x));
    case Activation::sigmoid: return sigmoid(x);
    case Activation::tanh: return tanh(x);
    case Activation::silu: return x * sigmoid(x);
    case Activation::hardsigmoid: return hard_sigmoid(x, splat(p0), splat(p1));
    case Activation::hardswish: return x * hard_sigmoid(x, splat(1.f / 6), splat(0.5f));
    case Activation::gelu: return gelu(x);
    case Activation::leakyrelu: return select(x < 0.f, x * splat(p0), x);
    case Activation::elu: return select(x < 0.f, expm1(x) * splat(p0), x);
  }
  return x;
}
/// The sums of a tile between the bounds of a relu or a clip, as they are where there is no activation; it is no other one.
template <int R, int N>
inline void clamp(V (&sums)[R][N], const Epilogue& e) {
  if (e.activation == Activation::none) return;
  const V low = splat(e.activation == Activation::clip ? e.p0 : 0);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sums[i][j] = max(low, sums[i][j]);
  if (e.activation != Activation::clip) return;
  const V high = splat(e.p1);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sums[i][j] = min(high, sums[i][j]);
}

/// y[i] = f(x[i]) in rows of n numbers, n a multiple of W, `step` apart; there is one at least. Two vectors at a time hide the latency of a chain, of the next row where there is no other in this one; a last one alone is done twice. Y may be X.
using Map = void (*)(const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1);
template <class F>
void map_vectors(const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1) {
  if (rows == 1) step = n;
  const int64_t last = (rows - 1) * step + n - W;
  int64_t at = 0, end = n;   // of a row
  const auto next = [&] {
    if ((at += W) == end) at += step - n, end += step;
  };
  do {
    const int64_t first = at;
    next();
    const int64_t second = least(at, last);
    const V a = F()(load(x + first), p0, p1), b = F()(load(x + second), p0, p1);
    store(y + first, a), store(y + second, b);
    next();
  } while (at <= last);
}

// activate.cpp has these, once for all loops: of this level, or of the one whose loops on float32 it takes.
}  // namespace saha::kernels::SAHA_ISA
namespace saha::kernels::SAHA_ISA_FLOATS {
using SAHA_ISA::Map, SAHA_ISA::V;
/// activate() where it is one of many branches.
V activate_any(V x, Activation activation, float p0, float p1);
/// f over rows of any n.
void map_rows(Map map, const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1);
Map map_of(Activation activation);
/// The activation of rows of n numbers, `step` apart: chosen once, and with the registers for itself.
void activate_rows(float* y, int64_t step, int64_t rows, int64_t n, const Epilogue& e);
}  // namespace saha::kernels::SAHA_ISA_FLOATS
namespace saha::kernels::SAHA_ISA {
using SAHA_ISA_FLOATS::activate_any, SAHA_ISA_FLOATS::activate_rows;

}  // namespace saha::kernels::SAHA_ISA
