// The rounding rules at their extremes, against exact arithmetic.
#include "tensor/requant.hpp"

#include <gtest/gtest.h>

#include <random>

namespace saha {
namespace {
/// floor(v + 1/2) for half_up, ties away from zero otherwise; exact in 128 bits: v = acc * multiplier / 2^s.
std::int64_t shifted(std::int64_t acc, std::int64_t m, int s, bool away) {
  __int128 v = __int128(acc) * m, half = __int128(1) << (s - 1);
  if (away && v < 0) return std::int64_t(-((-v + half) >> s));
  return std::int64_t((v + half) >> s);
}
const std::int32_t kEdges[] = {INT32_MIN, INT32_MIN + 1, -(1 << 30), -65536, -3, -2, -1, 0, 1, 2, 3, 65535, 1 << 30, INT32_MAX - 1, INT32_MAX};
}  // namespace

TEST(Requant, a_fixed_scale_is_the_scale_to_31_bits) {
  std::mt19937_64 rng(1);
  for (int i = 0; i < 10000; ++i) {
    double s = std::ldexp(0.5 + 0.5 * double(rng() >> 11) / double(1ull << 53), int(rng() % 60) - 30);
    FixedScale f = fixed_scale(s);
    ASSERT_GE(f.multiplier, 1 << 30);
    EXPECT_LE(std::fabs(std::ldexp(double(f.multiplier), f.shift - 31) / s - 1), 1.0 / (1 << 30));
  }
  EXPECT_EQ(fixed_scale(1.0), (FixedScale{1 << 30, 1}));
  EXPECT_EQ(fixed_scale(std::nextafter(1.0, 0.0)), (FixedScale{1 << 30, 1}));  // rounds up to the next power of two
  EXPECT_EQ(fixed_scale(0.0), FixedScale{});
  EXPECT_EQ(fixed_scale(-1.0), FixedScale{});
  EXPECT_EQ(fixed_scale(std::nan("")), FixedScale{});
  EXPECT_EQ(fixed_scale(std::ldexp(1.0, -40)), FixedScale{});
  EXPECT_EQ(fixed_scale(std::ldexp(1.0, 40)), (FixedScale{INT32_MAX, 30}));
  EXPECT_EQ(fixed_scale(INFINITY), (FixedScale{INT32_MAX, 30}));
}

TEST(Requant, the_single_rounding_is_exact_half_up) {
  for (std::int32_t acc : kEdges)
    for (int shift : {-31, -17, -8, -1, 0})
      for (std::int32_t m : {1 << 30, (1 << 30) + 12345, INT32_MAX}) EXPECT_EQ(rescale_single(acc, {m, shift}), shifted(acc, m, 31 - shift, false)) << acc << ' ' << m << ' ' << shift;
  EXPECT_EQ(rescale_single(INT32_MAX, {INT32_MAX, 30}), INT32_MAX);
  EXPECT_EQ(rescale_single(INT32_MIN, {INT32_MAX, 30}), INT32_MIN);
}

TEST(Requant, the_double_rounding_rounds_the_high_product_and_then_the_shift) {
  for (std::int32_t acc : kEdges)
    for (int shift : {-31, -17, -8, -1, 0})
      for (std::int32_t m : {1 << 30, (1 << 30) + 12345, INT32_MAX}) {
        // the high product truncates toward zero after adding a nudge: for negatives this is half toward +infinity
        __int128 ab = __int128(acc) * m, nudged = ab + (ab >= 0 ? (__int128(1) << 30) : 1 - (__int128(1) << 30));
        std::int64_t high = std::int64_t(nudged / (__int128(1) << 31));
        std::int64_t want = shift == 0 ? high : shifted(high, 1, -shift, true);
        EXPECT_EQ(rescale_double(acc, {m, shift}), want) << acc << ' ' << m << ' ' << shift;
      }
  EXPECT_EQ(high_mul(INT32_MIN, INT32_MIN), INT32_MAX);
  EXPECT_EQ(round_shift(-5, 1), -3);  // ties go away from zero
  EXPECT_EQ(round_shift(5, 1), 3);
  EXPECT_EQ(round_shift(INT32_MIN, 31), -1);
  EXPECT_EQ(round_shift(INT32_MAX, 31), 1);
}

TEST(Requant, one_and_two_roundings_differ_where_they_should) {
  FixedScale half = fixed_scale(0.5 / 256);
  EXPECT_EQ(rescale_double(-256, half), -1);
  EXPECT_EQ(rescale_single(-256, half), 0);
  EXPECT_EQ(rescale_even(-256, 0.5f / 256), 0);
  EXPECT_EQ(rescale_even(3 * 256, 0.5f / 256), 2);
}

TEST(Requant, the_wide_rule_uses_fifteen_bits_and_never_overflows) {
  for (std::int64_t acc : {INT64_MIN, -(std::int64_t{1} << 47), std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 46, INT64_MAX})
    for (int shift : {-31, -10, 0, 10, 20, 30}) {
      std::int32_t v = rescale_wide(acc, {(1 << 30) + 99999, shift});
      if (acc == 0) { EXPECT_EQ(v, 0); }
      if (acc > 1 && shift >= 0) { EXPECT_EQ(v, INT32_MAX); }
      if (acc < -1 && shift >= 0) { EXPECT_EQ(v, INT32_MIN); }
    }
  FixedScale f = fixed_scale(0.37 / 1024);
  for (std::int64_t acc : {-123456789ll, -1ll, 77ll, 987654321ll}) EXPECT_EQ(rescale_wide(acc, f), shifted(acc, (f.multiplier + (1 << 15)) >> 16, 15 - f.shift, false));
  EXPECT_EQ(rescale_wide(1 << 20, {INT32_MAX, 0}), shifted(1 << 20, 0x7FFF, 15, false));  // the multiplier may not round up to 2^15
}

TEST(Requant, float_rounding_saturates_and_takes_nan_as_zero) {
  EXPECT_EQ(rescale_even(INT32_MAX, 2.0f), INT32_MAX);
  EXPECT_EQ(rescale_even(INT32_MIN, 2.0f), INT32_MIN);
  EXPECT_EQ(rescale_even(INT32_MIN, 1.0f), INT32_MIN);
  EXPECT_EQ(rescale_even(1, std::nanf("")), 0);
  EXPECT_EQ(rescale_even(5, 0.5f), 2);
  EXPECT_EQ(rescale_even(-5, 0.5f), -2);
}

TEST(Requant, the_multiplier_is_split_before_it_is_rounded_to_float) {
  Requant r = requant(Rounding::fixed_double, 0.1f, 0.3f, 0.7f);
  EXPECT_EQ(r.fixed, fixed_scale(double(0.1f) * double(0.3f) / double(0.7f)));
  EXPECT_NE(r.fixed, fixed_scale(double(0.1f * 0.3f / 0.7f)));
}

TEST(Requant, every_rule_rises_with_the_sum) {
  for (Rounding rule : {Rounding::float_even, Rounding::fixed_double, Rounding::fixed_single, Rounding::fixed_wide}) {
    Requant r = requant(rule, 0.02f, 0.005f, 0.11f);
    std::int32_t last = INT32_MIN;
    for (std::int64_t acc = INT32_MIN; acc <= INT32_MAX; acc += 9999991) {
      std::int32_t v = rescale(acc, r);
      EXPECT_GE(v, last);
      last = v;
    }
  }
}

TEST(Requant, saturation_clamps_to_the_bits_of_the_type) {
  EXPECT_EQ(saturate(INT64_MIN, 8, true), -128);
  EXPECT_EQ(saturate(INT64_MAX, 8, true), 127);
  EXPECT_EQ(saturate(-1, 8, false), 0);
  EXPECT_EQ(saturate(300, 8, false), 255);
  EXPECT_EQ(saturate(9, 4, true), 7);
  EXPECT_EQ(saturate(INT64_MAX, 32, false), 4294967295);
}

}  // namespace saha
