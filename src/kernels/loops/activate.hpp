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
/// The same where it is one of many branches: once a level.
[[gnu::noinline, gnu::noclone]] inline V activate_any(V x, Activation activation, float p0, float p1) { return activate(x, activation, p0, p1); }

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

/// f.template operator()<A>() of the activation, for loops that it is chosen outside of.
template <class F>
inline void with_activation(Activation a, F f) {
  switch (a) {
#define SAHA_CASE(a) case Activation::a: return f.template operator()<Activation::a>();
    SAHA_CASE(none) SAHA_CASE(relu) SAHA_CASE(clip) SAHA_CASE(sigmoid) SAHA_CASE(tanh) SAHA_CASE(silu)
    SAHA_CASE(hardsigmoid) SAHA_CASE(hardswish) SAHA_CASE(gelu) SAHA_CASE(leakyrelu) SAHA_CASE(elu)
#undef SAHA_CASE
  }
}

/// y[i] = f(x[i]) in rows of n numbers, n a multiple of W and not 0, `step` apart: a row that may be empty would keep f's constants from standing in registers for all rows. Two vectors at a time hide the latency of a chain; a last one without another is done twice. Y may be X.
using Map = void (*)(const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1);
template <class F>
void map_vectors(const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1) {
  for (; rows > 0; --rows, x += step, y += step) {
    int64_t i = 0;
    do {
      const int64_t second = least(i + W, n - W);
      const V a = F()(load(x + i), p0, p1), b = F()(load(x + second), p0, p1);
      store(y + i, a), store(y + second, b);
    } while ((i += 2 * W) < n);
  }
}
/// The same for any n: what is left of a row goes by memory of its own, so that there is no second copy of f.
[[gnu::noinline]] inline void map_rows(Map map, const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1) {
  const int64_t rest = n % W;
  if (rest < n) map(x, y, step, rows, n - rest, p0, p1);
  if (rest == 0) return;
  for (x += n - rest, y += n - rest; rows > 0; --rows, x += step, y += step) {
    float v[W];
    store(v, load_n(x, static_cast<int>(rest)));
    map(v, v, 0, 1, W, p0, p1);
    store_n(y, load(v), static_cast<int>(rest));
  }
}

template <Activation A>
struct Activated {
  V operator()(V v, float p0, float p1) const { return activate(v, A, p0, p1); }
};
inline Map map_of(Activation a) {
  Map map = nullptr;
  with_activation(a, [&]<Activation A>() { map = map_vectors<Activated<A>>; });
  return map;
}
/// The activation of rows of n numbers, `step` apart: chosen once, and with the registers for itself.
[[gnu::noinline]] inline void activate_rows(float* y, int64_t step, int64_t rows, int64_t n, const Epilogue& e) { map_rows(map_of(e.activation), y, y, step, rows, n, e.p0, e.p1); }

}  // namespace saha::kernels::SAHA_ISA
