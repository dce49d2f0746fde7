#pragma once
// Functions of real numbers in 32-bit fixed point: exp on [-32, 0], 1 / (1 + x) on [0, 1]. A raw int32 with n integer bits stands for raw / 2^(31 - n).
// No heap, no floating-point. Source: the gemmlowp fixed-point functions that TensorFlow Lite's specification of quantised Softmax rests on.
#include <bit>
#include <cstdint>

#include "tensor/requant.hpp"

namespace saha::fixed {

constexpr std::int32_t kOne = INT32_MAX;  ///< 1 with no integer bit, as near as it comes

/// x * 2^e, saturated; to nearest where e < 0.
constexpr std::int32_t scaled_pot(std::int32_t x, int e) { return e <= 0 ? round_shift(x, -e) : clamp_i32(std::int64_t{x} * (std::int64_t{1} << e)); }
constexpr std::int32_t wrapping_add(std::int32_t a, std::int32_t b) { return std::int32_t(std::uint32_t(a) + std::uint32_t(b)); }

/// exp of a number in [-1/4, 0) without integer bits, as one without integer bits: Taylor's series around -1/8.
constexpr std::int32_t exp_of_a_quarter(std::int32_t a) {
  constexpr std::int32_t exp_of_eighth = 1895147668, third = 715827883;
  const std::int32_t x = wrapping_add(a, 1 << 28), x2 = high_mul(x, x), x3 = high_mul(x2, x), x4 = high_mul(x2, x2);
  const std::int32_t tail = scaled_pot(wrapping_add(high_mul(wrapping_add(scaled_pot(x4, -2), x3), third), x2), -1);
  return clamp_i32(std::int64_t{exp_of_eighth} + high_mul(exp_of_eighth, wrapping_add(x, tail)));
}
/// exp of a number <= 0 with 5 integer bits, without integer bits.
constexpr std::int32_t exp_of_negative(std::int32_t a) {
  constexpr int kFraction = 26;
  constexpr std::int32_t quarter = 1 << (kFraction - 2);
  const std::int32_t within = (a & (quarter - 1)) - quarter;
  std::int32_t r = exp_of_a_quarter(scaled_pot(within, 5));
  const std::int32_t rest = within - a;
  constexpr std::int32_t exp_of[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};  // of -1/4, -1/2, .. -16
  for (int e = 0; e < 7; ++e) if (rest >> (kFraction - 2 + e) & 1) r = high_mul(r, exp_of[e]);
  return a == 0 ? kOne : r;
}
/// 1 / (1 + a) for a in [0, 1], both without integer bits: three steps of Newton's method from 48/17 - 32/17 d.
constexpr std::int32_t one_over_one_plus(std::int32_t a) {
  const std::int64_t sum = std::int64_t{a} + kOne;
  const std::int32_t half = std::int32_t((sum + (sum >= 0 ? 1 : -1)) / 2);
  std::int32_t x = wrapping_add(1515870810, high_mul(half, -1010580540));  // two integer bits
  for (int i = 0; i < 3; ++i) x = wrapping_add(x, scaled_pot(high_mul(x, (1 << 29) - high_mul(half, x)), 2));
  return scaled_pot(x, 1);
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
