#pragma once
// Functions of one variable on a V. Each states its largest error in units in the last place of a float32 result, as measured over
// samples of all finite float32 by tests/kernels/elementwise_test.cpp; inf, NaN, signed zeros and subnormals follow C's <math.h>.
// The coefficients are minimax fits made for this file. A call would spill all vectors: what is used often enough for the compiler to make one is always inlined.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// 2^n for n in [-252, 254], in two factors so that subnormal results are rounded once.
inline V scale_by_power(V v, I n) {
  const I half = n >> 1;
  return v * from_bits((half + 127) << 23) * from_bits((n - half + 127) << 23);
}

/// e^x, 2 ulp.  x = n ln2 + r, |r| <= ln2 / 2;  e^r = 1 + r + r^2 q(r).
[[gnu::always_inline]] inline V exp(V x) {
  const V clamped = min(splat(89.f), max(splat(-104.f), x));  // NaN stays
  const V n = round_even(clamped * splat(1.44269504f));
  V r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  V q = splat(1.381314428e-03f);
  q = fma(q, r, splat(8.369418861e-03f));
  q = fma(q, r, splat(4.166845679e-02f));
  q = fma(q, r, splat(1.666651479e-01f));
  q = fma(q, r, splat(4.999999305e-01f));
  const V e = fma(q * r, r, r) + 1.f;
  const V result = scale_by_power(e, __builtin_convertvector(select(x == x, n, splat(0.f)), I));
  return select(x == x, result, x);
}

inline constexpr float kPower32 = 4294967296.f;
/// 2^32 e^x, 2 ulp, for x <= 0, and below -104 that of -104: so large that no result is subnormal, and the power is added to the bits. Any number where x is NaN.
inline V exp_power32(V x) {
  const V clamped = max(splat(-104.f), x), magic = splat(12582912.f + 32);  // 1.5 * 2^23: what is added to it is rounded, and stands in its lowest bits
  const V t = fma(clamped, splat(1.44269504f), magic), n = t - magic;
  V r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  V q = splat(1.381314428e-03f);
  q = fma(q, r, splat(8.369418861e-03f));
  q = fma(q, r, splat(4.166845679e-02f));
  q = fma(q, r, splat(1.666651479e-01f));
  q = fma(q, r, splat(4.999999305e-01f));
  const V e = fma(q * r, r, r) + 1.f;
  return from_bits(bits(e) + (bits(t) << 23));
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

/// Hyperbolic tangent, 3 ulp.
[[gnu::always_inline]] inline V tanh(V x) {
  const V t = abs(x), s = x * x;
  V p = splat(-5.705003553e-03f);
  p = fma(p, s, splat(2.063910388e-02f));
  p = fma(p, s, splat(-5.373972094e-02f));
  p = fma(p, s, splat(1.333144228e-01f));
  p = fma(p, s, splat(-3.333328195e-01f));
  const V small = fma(p * s, x, x);
  const V e = exp_power32(-2.f * t);
  const V large = with_sign((kPower32 - e) / (kPower32 + e), x);
  return select(t < 0.625f, small, select(x == x, large, x));
}

/// 1 / (1 + e^-x), 4 ulp, subnormal results included. Any number where x is NaN.
inline V sigmoid_of_number(V x) {
  const V e = exp_power32(from_bits(bits(x) | INT32_MIN));  // of -|x|
  return select(bits(x) < 0, e, splat(kPower32)) / (e + kPower32);
}
inline V sigmoid(V x) { return select(x == x, sigmoid_of_number(x), x); }
/// x / (1 + e^-x), 5 ulp.
inline V silu(V x) { return x * sigmoid_of_number(x); }

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
  const V large = with_sign(fma(exp_power32(-fma(q, u, u)), splat(-1 / kPower32), splat(1.f)), x);
  return select(t < 0.93f, small, select(x == x, large, x));
}

}  // namespace saha::kernels::SAHA_ISA
