#pragma once
// Functions of one variable on a V. Each states its largest error in units in the last place of a float32 result, as measured over
// samples of all finite float32 by tests/kernels/elementwise_test.cpp; inf, NaN, signed zeros and subnormals follow C's <math.h>.
// The coefficients are minimax fits made for this file. A call would spill all vectors: what is used often enough for the compiler to make one is always inlined.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// e^x = 2^n (1 + small), |small| < 0.42, for |x| < 2^20. Of a NaN, small is NaN.
struct Power {
  V small;
  I n;   ///< in the 9 lowest bits; what stands above them is not part of it
};
/// n + `more` for n, 0 <= more < 256.  x = n ln2 + r, |r| <= ln2 / 2;  small = r + r^2 q(r).
[[gnu::always_inline]] inline Power power(V x, float more) {
  const V magic = splat(12582912.f + more);  // 1.5 * 2^23: what is added to it is rounded, and stands in its lowest bits
  const V t = fma(x, splat(1.44269504f), magic), n = t - magic;
  V r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  V q = splat(1.381314428e-03f);
  q = fma(q, r, splat(8.369418861e-03f));
  q = fma(q, r, splat(4.166845679e-02f));
  q = fma(q, r, splat(1.666651479e-01f));
  q = fma(q, r, splat(4.999999305e-01f));
  return {fma(q * r, r, r), bits(t)};
}
/// 2^m e^x for n + m in [-127, 127], 0 in place of 2^-127.
[[gnu::always_inline]] inline V scaled_exp(V x, int m) {
  const Power e = power(x, static_cast<float>(127 + m));
  const V scale = from_bits(e.n << 23);
  return fma(e.small, scale, scale);
}

/// e^x, 2 ulp.
[[gnu::always_inline]] inline V exp(V x) {
  const Power e = power(min(splat(89.f), max(splat(-104.f), x)), 2 * 127);  // NaN stays
  const I half = e.n >> 1;
  const V scale = from_bits(half << 23);  // two factors, so that subnormal results are rounded once
  return fma(e.small, scale, scale) * from_bits((e.n - half) << 23);
}

/// Natural logarithm, 2 ulp.  x = 2^n (1 + f), sqrt(1/2) <= 1 + f < sqrt(2);  log(1+f) = f - f^2/2 + f^3 p(f).
inline V log(V x) {
  const I small = x < 1.17549435e-38f;
  const V scaled = select(x > 0.f, select(small, x * 8388608.f, x), splat(1.f));  // what is not positive is answered below
  I n = (bits(scaled) - 0x3f3504f3) >> 23;
  const V m = from_bits(bits(scaled) - (n << 23));
  const V e = to_float(n + (small & -23));
  const V f = m - 1.f;
  V p = splat(6.746741705e-02f);
  p = fma(p, f, splat(-1.167570321e-01f));
  p = fma(p, f, splat(1.188813495e-01f));
  p = fma(p, f, splat(-1.240557374e-01f));
  p = fma(p, f, splat(1.421955427e-01f));
  p = fma(p, f, splat(-1.666799713e-01f));
  p = fma(p, f, splat(2.000211863e-01f));
  p = fma(p, f, splat(-2.500000957e-01f));
  p = fma(p, f, splat(3.333331260e-01f));
  const V ff = f * f;
  V r = fma(p * f, ff, e * -2.12194440e-4f);
  r = fma(ff, splat(-0.5f), r) + f;
  r = fma(e, splat(0.693359375f), r);
  r = select(x == __builtin_inff(), x, r);
  r = select(x == 0.f, splat(-__builtin_inff()), r);
  return select(x >= 0.f, r, splat(__builtin_nanf("")));
}

/// e^x - 1, 4 ulp.
inline V expm1(V x) {
  V q = splat(1.381314428e-03f);
  q = fma(q, x, splat(8.369418861e-03f));
  q = fma(q, x, splat(4.166845679e-02f));
  q = fma(q, x, splat(1.666651479e-01f));
  q = fma(q, x, splat(4.999999305e-01f));
  return select(abs(x) < 0.34f, fma(q * x, x, x), exp(x) - 1.f);
}

/// log(1 + e^x), 4 ulp.  The rounding of 1 + e is taken back by the factor e / ((1 + e) - 1).
inline V softplus(V x) {
  const V e = exp(from_bits(bits(x) | INT32_MIN)), u = e + 1.f, d = u - 1.f;
  const V log1p = select(d == 0.f, e, log(u) * (e / d));
  return select(x == x, max(splat(0.f), x) + log1p, x);
}

/// Hyperbolic tangent, 3 ulp.  |tanh x| = -m / (m + 2) with m = e^-2|x| - 1 = 2^n small + (2^n - 1), where nothing cancels.
[[gnu::always_inline]] inline V tanh(V x) {
  const Power e = power(max(splat(-20.f), from_bits(bits(x + x) | INT32_MIN)), 127);  // tanh(9.02) rounds to 1
  const V scale = from_bits(e.n << 23), m = fma(e.small, scale, scale - 1.f);
  return with_sign(abs(m / (m + 2.f)), x);
}

/// 1 / (1 + e^-x), 4 ulp, subnormal results included: the quotient alone may be one.
[[gnu::always_inline]] inline V sigmoid(V x) {
  const V e = scaled_exp(min(splat(40.f), max(splat(-104.f), x)), 32);
  return e / (e + 4294967296.f);
}

/// Error function, 2 ulp.  |x| < 0.93: x + x p(x^2);  else 1 - exp(-t (1 + q(t))).
[[gnu::always_inline]] inline V erf(V x) {
  const V t = abs(x), s = x * x;
  V p = splat(-5.953784823e-04f);
  p = fma(p, s, splat(4.985950977e-03f));
  p = fma(p, s, splat(-2.676172898e-02f));
  p = fma(p, s, splat(1.128168289e-01f));
  p = fma(p, s, splat(-3.761248116e-01f));
  p = fma(p, s, splat(1.283791477e-01f));
  const V small = fma(p, x, x);
  const V u = min(splat(3.95f), t);  // erf(3.93) rounds to 1
  V q = splat(1.123131322e-05f);
  q = fma(q, u, splat(-3.228039815e-04f));
  q = fma(q, u, splat(3.642459764e-03f));
  q = fma(q, u, splat(-2.376206498e-02f));
  q = fma(q, u, splat(1.062368806e-01f));
  q = fma(q, u, splat(6.351513142e-01f));
  q = fma(q, u, splat(1.286484909e-01f));
  const V large = with_sign(1.f - scaled_exp(-fma(q, u, u), 0), x);
  return select(t < 0.93f, small, large);
}

/// x/2 (1 + erf(x / sqrt 2)) = x Phi(x), 4 ulp; below zero 4 ulp or an absolute error of 1e-7.  With t = |x|: 2 Phi(-t) = e^(t q(t)), which is 0 where t is held.
[[gnu::always_inline]] inline V gelu(V x) {
  const V t = min(splat(10.46f), abs(x));
  V q = splat(-1.310389568e-06f);
  q = fma(q, t, splat(1.979602591e-05f));
  q = fma(q, t, splat(-9.539578038e-05f));
  q = fma(q, t, splat(-1.704740669e-04f));
  q = fma(q, t, splat(4.985737907e-03f));
  q = fma(q, t, splat(-3.644230694e-02f));
  q = fma(q, t, splat(-3.182837284e-01f));
  q = fma(q, t, splat(-7.978866775e-01f));
  const V e = scaled_exp(q * t, 0);
  return 0.5f * x * select(bits(x) < 0, e, 2.f - e);
}

}  // namespace saha::kernels::SAHA_ISA
