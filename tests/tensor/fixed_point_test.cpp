// Functions in fixed point against those of <cmath>: how far apart, and what holds at the ends.
#include <gtest/gtest.h>

#include "tensor/fixed_point.hpp"

namespace saha::fixed {
namespace {

TEST(FixedPoint, sigmoid_of_16_bits_is_within_seven_steps) {
  for (int x = INT16_MIN; x <= INT16_MAX; ++x) ASSERT_NEAR(sigmoid(std::int16_t(x), 3), 32768 / (1 + std::exp(-x / 4096.0)), 7) << x;
  EXPECT_EQ(sigmoid(std::int16_t{0}, 3), 1 << 14);
}

TEST(FixedPoint, tanh_of_16_bits_is_odd_and_within_some_steps_whatever_its_integer_bits) {
  for (int bits = 0; bits < 7; ++bits)
    for (int x = INT16_MIN + 1; x <= INT16_MAX; ++x) {
      const std::int16_t y = tanh(std::int16_t(x), bits);
      ASSERT_NEAR(y, 32768 * std::tanh(std::ldexp(x, bits - 15)), 14) << x << " with " << bits;
      ASSERT_EQ(tanh(std::int16_t(-x), bits), -y) << x << " with " << bits;
    }
}

TEST(FixedPoint, exp_of_32_bits_is_within_a_millionth) {
  for (std::int64_t x = INT32_MIN; x <= 0; x += 999'983) ASSERT_NEAR(exp_of_negative(std::int32_t(x), 5), 2147483648.0 * std::exp(double(x) / (1 << 26)), 2147) << x;
  EXPECT_EQ(exp_of_negative(std::int32_t{0}, 5), INT32_MAX);
}

}  // namespace
}  // namespace saha::fixed
