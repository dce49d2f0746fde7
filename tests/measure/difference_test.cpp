#include "measure/difference.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace saha::measure {
namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

Datum floats(std::initializer_list<double> v) { return Tensor::of(DType::f32, {std::int64_t(v.size())}, v); }

TEST(Difference, is_the_largest_and_relative_to_what_is_above_1) {
  const auto d = difference(floats({1, 2, -8}), floats({1, 2.5, -8.25}));
  EXPECT_EQ(d.absolute, 0.5);
  EXPECT_EQ(d.relative, 0.0625);
  EXPECT_EQ(difference(floats({0.25}), floats({0.5})).relative, 0.25);
  EXPECT_EQ(difference(floats({}), floats({})).absolute, 0);
}

TEST(Difference, nothing_hides_a_number_that_is_missing) {
  EXPECT_EQ(difference(floats({kNaN, 1}), floats({kNaN, 1})).absolute, 0);
  EXPECT_EQ(difference(floats({kInfinity}), floats({kInfinity})).absolute, 0);
  EXPECT_EQ(difference(floats({kNaN}), floats({1})).relative, kInfinity);
  EXPECT_EQ(difference(floats({1}), floats({kNaN})).relative, kInfinity);
  EXPECT_EQ(difference(floats({kInfinity}), floats({-kInfinity})).absolute, kInfinity);
}

TEST(Difference, another_shape_type_kind_or_count_is_infinite) {
  EXPECT_EQ(difference(floats({1}), floats({1, 2})).absolute, kInfinity);
  EXPECT_EQ(difference(floats({1}), Datum(Tensor::of(DType::f64, {1}, {1}))).absolute, kInfinity);
  EXPECT_EQ(difference(floats({1}), Datum::sequence({floats({1})})).absolute, kInfinity);
  EXPECT_EQ(difference(Datum::sequence({floats({1})}), Datum::sequence({floats({1}), floats({1})})).absolute, kInfinity);
  EXPECT_EQ(difference(Datum(Tensor::of_strings({1}, {"a"})), Datum(Tensor::of_strings({1}, {"b"}))).absolute, kInfinity);
  const std::vector<Datum> one{floats({1})}, two{floats({1}), floats({1})};
  EXPECT_EQ(difference(one, two).relative, kInfinity);
}

TEST(Difference, looks_into_sequences_and_at_every_element_of_a_long_tensor) {
  EXPECT_EQ(difference(Datum::sequence({floats({1}), floats({2})}), Datum::sequence({floats({1}), floats({3})})).absolute, 1);
  const Datum a = Tensor::of(DType::f16, {10'001}, {1}), b = Tensor::of(DType::f16, {10'001}, {1});
  store(b.tensor, 10'000, 1, std::vector<double>{2}.data());
  EXPECT_EQ(difference(a, b).absolute, 1);
}

}  // namespace
}  // namespace saha::measure
