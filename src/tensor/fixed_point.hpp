#pragma once
// Functions of real numbers in fixed point: exp of what is negative, 1 / (1 + x) on [0, 1], sigmoid, tanh. A raw number of b bits with n integer
// bits stands for raw / 2^(b - 1 - n); Raw is std::int32_t or std::int16_t. No heap, no floating-point. Source: the gemmlowp fixed-point functions
// that TensorFlow Lite's specification of quantised Softmax and LSTM rests on.
#include <bit>
#include <cstdint>
#include <limits>

#include "tensor/requant.hpp"

namespace saha::fixed {

template <class Raw> constexpr int kBits = 8 * int(sizeof(Raw));
template <class Raw> constexpr Raw kOne = std::numeric_limits<Raw>::max();  ///< 1 with no integer bit, as near as it comes

template <class Raw> constexpr Raw clamped(std::int64_t v) { return Raw(saturate(v, kBits<Raw>, true)); }
/// High half of 2ab, to nearest; the one product that does not fit saturates.
constexpr std::int32_t product(std::int32_t a, std::int32_t b) { return high_mul(a, b); }
constexpr std::int16_t product(std::int16_t a, std::int16_t b) {
  const std::int32_t ab = std::int32_t{a} * b;
  return clamped<std::int16_t>((ab + (ab >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}
/// x * 2^e, saturated; to nearest where e < 0.
template <class Raw> constexpr Raw scaled_pot(Raw x, int e) { return e <= 0 ? Raw(round_shift(x, -e)) : clamped<Raw>(std::int64_t{x} * (std::int64_t{1} << e)); }
template <class Raw> constexpr Raw sum(Raw a, Raw b) { return Raw(std::uint32_t(a) + std::uint32_t(b)); }   // wraps
template <class Raw> constexpr Raw difference(Raw a, Raw b) { return Raw(std::uint32_t(a) - std::uint32_t(b)); }
/// A number that is written with 32 bits.
template <class Raw> constexpr Raw constant(std::int32_t raw) { return clamped<Raw>(round_shift(raw, 32 - kBits<Raw>)); }

/// exp of a number in [-1/4, 0) without integer bits, as one without integer bits: Taylor's series around -1/8.
template <class Raw> constexpr Raw exp_of_a_quarter(Raw a) {
  constexpr Raw exp_of_eighth = constant<Raw>(1895147668), third = constant<Raw>(715827883), eighth = constant<Raw>(1 << 28);
  const Raw x = sum(a, eighth), x2 = product(x, x), x3 = product(x2, x), x4 = product(x2, x2);
  const Raw tail = scaled_pot(sum(product(sum(scaled_pot(x4, -2), x3), third), x2), -1);
  return clamped<Raw>(std::int64_t{exp_of_eighth} + product(exp_of_eighth, sum(x, tail)));
}
/// exp of a number <= 0 with `integer_bits` integer bits, without integer bits.
template <class Raw> constexpr Raw exp_of_negative(Raw a, int integer_bits) {
  const int fraction = kBits<Raw> - 1 - integer_bits;
  const Raw quarter = Raw(1 << (fraction - 2));
  const Raw within = difference(Raw(a & (quarter - 1)), quarter);
  Raw r = exp_of_a_quarter(scaled_pot(within, integer_bits));
  const Raw rest = difference(within, a);
  constexpr std::int32_t exp_of[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};  // of -1/4, -1/2, .. -16
  for (int e = 0; e < 7 && e - 2 < integer_bits; ++e) if (rest >> (fraction - 2 + e) & 1) r = product(r, constant<Raw>(exp_of[e]));
  if (integer_bits > 5 && a < -(std::int64_t{32} << fraction)) r = 0;
  return a == 0 ? kOne<Raw> : r;
}
/// 1 / d for d / 2 = `half` in [1/2, 1], with two integer bits: three steps of Newton's method from 48/17 - 32/17 d.
template <class Raw> constexpr Raw newton(Raw half) {
  Raw x = sum(constant<Raw>(1515870810), product(half, constant<Raw>(-1010580540)));
  for (int i = 0; i < 3; ++i) x = sum(x, scaled_pot(product(x, difference(constant<Raw>(1 << 29), product(half, x))), 2));
  return x;
}
/// (a + 1) / 2 for a in [0, 1]
template <class Raw> constexpr Raw half_of_one_plus(Raw a) {
  const std::int64_t both = std::int64_t{a} + kOne<Raw>;
  return Raw((both + (both >= 0 ? 1 : -1)) / 2);
}
/// 1 / (1 + a) for a in [0, 1], both without integer bits.
template <class Raw> constexpr Raw one_over_one_plus(Raw a) { return scaled_pot(newton(half_of_one_plus(a)), 1); }
/// 1 / (1 + exp(-x)) without integer bits, x with `integer_bits` of them.
template <class Raw> constexpr Raw sigmoid(Raw x, int integer_bits) {
  if (x == 0) return Raw(1 << (kBits<Raw> - 2));
  const Raw r = one_over_one_plus(exp_of_negative(x > 0 ? Raw(-x) : x, integer_bits));
  return x > 0 ? r : difference(kOne<Raw>, r);
}
/// tanh x without integer bits, x with `integer_bits` of them: (1 - e) / (1 + e) with e = exp(-2 |x|).
template <class Raw> constexpr Raw tanh(Raw x, int integer_bits) {
  if (x == 0) return 0;
  const Raw r = scaled_pot(difference(newton(half_of_one_plus(exp_of_negative(x > 0 ? Raw(-x) : x, integer_bits + 1))), constant<Raw>(1 << 29)), 2);
  return x > 0 ? r : Raw(-r);
}
struct Reciprocal {
  std::int32_t scale;      ///< without integer bits
  int bits_over_unit;      ///< 1 / x = scale / 2^bits_over_unit
};
/// Of x > 0 with `integer_bits` integer bits.
constexpr Reciprocal reciprocal(std::int32_t x, int integer_bits) {
  const int headroom = std::countl_zero(std::uint32_t(x));
  return {one_over_one_plus(std::int32_t((std::uint32_t(x) << headroom) - (std::uint32_t{1} << 31))), integer_bits - headroom};
}
/// Largest difference that still counts, where inputs are multiplied by 2^left_shift into a number with `integer_bits` integer bits.
inline int input_radius(int integer_bits, int left_shift) {
  return int(std::floor(double((1 << integer_bits) - 1) * double(std::int64_t{1} << (31 - integer_bits)) / double(std::int64_t{1} << left_shift)));
}

}  // namespace saha::fixed
