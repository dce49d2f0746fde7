#pragma once
// How an exact integer sum becomes a stored integer: the only place where a rounding rule of quantised arithmetic is written.
// No heap, no dependency; the fixed-point path uses no floating-point: the same lines serve a host, an MCU and generated C.
// Sources: ONNX QLinear operators (float_even), TensorFlow Lite's quantisation specification and its reference kernels (fixed_*).
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace saha {

enum class Rounding : std::uint8_t {
  float_even,    ///< rint(float(acc) * float multiplier), ties to even
  fixed_double,  ///< doubling high product rounded to nearest, then a rounding shift, ties away from zero: two roundings
  fixed_single,  ///< one 64-bit product, one shift that rounds half up
  fixed_wide,    ///< 64-bit sums (16-bit activations): a 15-bit multiplier, one shift that rounds half up
  fixed_legacy,  ///< fixed_double whose operand scales are multiplied in float32 first: uint8 and per-tensor fully connected layers
};
constexpr std::string_view name(Rounding r) {
  constexpr std::string_view names[] = {"float_even", "fixed_double", "fixed_single", "fixed_wide", "fixed_legacy"};
  return names[int(r)];
}
constexpr std::optional<Rounding> rounding_of(std::string_view n) {
  for (int i = 0; i < 5; ++i) if (name(Rounding(i)) == n) return Rounding(i);
  return {};
}

/// multiplier / 2^31 * 2^shift
struct FixedScale {
  std::int32_t multiplier = 0;
  int shift = 0;
  friend bool operator==(const FixedScale&, const FixedScale&) = default;
};
/// Multiplier in [2^30, 2^31); 0 for what underflows (and for anything that is not a positive number); the largest for what overflows.
inline FixedScale fixed_scale(double scale) {
  if (!(scale > 0)) return {};
  if (std::isinf(scale)) return {std::numeric_limits<std::int32_t>::max(), 30};
  int e = 0;
  std::int64_t q = std::llround(std::frexp(scale, &e) * 2147483648.0);
  if (q == std::int64_t{1} << 31) { q /= 2; ++e; }
  if (e < -31) return {};
  if (e > 30) return {std::numeric_limits<std::int32_t>::max(), 30};
  return {std::int32_t(q), e};
}

/// Everything that turns a sum into a result, derived once per channel. The scales come as the model states them, because a multiplier
/// that was rounded to float before the fixed-point split is a wrong bit.
struct Requant {
  Rounding rule = Rounding::float_even;
  float scale = 1;
  FixedScale fixed;
};
/// x_scale * w_scale / y_scale: in float and in this order for float_even, in double for the others (fixed_legacy: their product in float).
inline Requant requant(Rounding rule, float x_scale, float w_scale, float y_scale) {
  const float product = x_scale * w_scale;
  if (rule == Rounding::float_even) return {rule, product / y_scale, {}};
  return {rule, product / y_scale, fixed_scale((rule == Rounding::fixed_legacy ? double(product) : double(x_scale) * double(w_scale)) / double(y_scale))};
}

constexpr std::int32_t clamp_i32(std::int64_t v) {
  return v > std::numeric_limits<std::int32_t>::max() ? std::numeric_limits<std::int32_t>::max()
       : v < std::numeric_limits<std::int32_t>::min() ? std::numeric_limits<std::int32_t>::min() : std::int32_t(v);
}
/// High half of 2ab, to nearest; the one product that does not fit saturates.
constexpr std::int32_t high_mul(std::int32_t a, std::int32_t b) {
  if (a == b && a == std::numeric_limits<std::int32_t>::min()) return std::numeric_limits<std::int32_t>::max();
  const std::int64_t ab = std::int64_t{a} * b;
  return std::int32_t((ab + (ab >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30))) / (std::int64_t{1} << 31));
}
/// x / 2^n to nearest, ties away from zero; n in [0, 31].
constexpr std::int32_t round_shift(std::int32_t x, int n) {
  const std::int32_t mask = std::int32_t((std::int64_t{1} << n) - 1), rest = x & mask, half = (mask >> 1) + (x < 0);
  return (x >> n) + (rest > half);
}
/// fixed_double; a left shift wraps as it does on the machines that define the rule.
constexpr std::int32_t rescale_double(std::int32_t acc, FixedScale f) {
  const std::int32_t left = std::int32_t(std::uint32_t(acc) << (f.shift > 0 ? f.shift : 0));
  return round_shift(high_mul(left, f.multiplier), f.shift < 0 ? -f.shift : 0);
}
constexpr std::int32_t rescale_single(std::int32_t acc, FixedScale f) {
  const int s = 31 - f.shift;  // 1 .. 62
  return clamp_i32((std::int64_t{acc} * f.multiplier + (std::int64_t{1} << (s - 1))) >> s);
}
/// acc within 48 bits, which a sum of 2^17 products of 16 by 8 bits does not leave; what lies beyond is taken as the bound.
constexpr std::int32_t rescale_wide(std::int64_t acc, FixedScale f) {
  constexpr std::int64_t bound = (std::int64_t{1} << 47) - 1;
  const std::int64_t a = acc > bound ? bound : acc < -bound - 1 ? -bound - 1 : acc;
  const std::int64_t m = f.multiplier < 0x7FFF0000 ? (f.multiplier + (1 << 15)) >> 16 : 0x7FFF;
  const int s = 15 - f.shift;  // a scale of 2^15 and more would need a left shift
  if (s <= 0) {
    const std::int64_t v = a * m;
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : clamp_i32(v * (std::int64_t{1} << (s < -31 ? 31 : -s)));
  }
  return clamp_i32((a * m + (std::int64_t{1} << (s - 1))) >> s);
}
/// float_even; what leaves int32 saturates, NaN is 0.
template <class Sum> inline std::int32_t rescale_even(Sum acc, float scale) {
  const float v = std::nearbyint(float(acc) * scale);
  if (v >= 2147483648.0f) return std::numeric_limits<std::int32_t>::max();
  if (v < -2147483648.0f) return std::numeric_limits<std::int32_t>::min();
  return v == v ? std::int32_t(v) : 0;
}
/// The scaled sum, before the zero point is added. Sums beyond int32 are taken as its bound by the rules made for 32-bit sums.
inline std::int32_t rescale(std::int64_t acc, const Requant& r) {
  switch (r.rule) {
    case Rounding::float_even: return rescale_even(acc, r.scale);
    case Rounding::fixed_double:
    case Rounding::fixed_legacy: return rescale_double(clamp_i32(acc), r.fixed);
    case Rounding::fixed_single: return rescale_single(clamp_i32(acc), r.fixed);
    case Rounding::fixed_wide: return rescale_wide(acc, r.fixed);
  }
  return 0;
}
/// Clamped to an integer of `width` bits.
constexpr std::int64_t saturate(std::int64_t v, int width, bool is_signed) {
  const std::int64_t lo = is_signed ? -(std::int64_t{1} << (width - 1)) : 0, hi = lo + ((std::int64_t{1} << width) - 1);
  return v < lo ? lo : v > hi ? hi : v;
}

}  // namespace saha
