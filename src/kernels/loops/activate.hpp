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

}  // namespace saha::kernels::SAHA_ISA
