// Expected codes and values: ml_dtypes 0.5.4 and onnx 1.23.2 (numpy_helper.from_array).
#include "tensor/float_format.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tensor/tensor.hpp"

namespace saha {
namespace {

TEST(FloatFormat, six_bits_mean_what_ml_dtypes_says) {
  const double e2m3[] = {0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875,
                         2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5};
  const double e3m2[] = {0, 0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875, 1, 1.25, 1.5, 1.75,
                         2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28};
  for (std::uint32_t code = 0; code < 32; ++code) {
    EXPECT_EQ(decode(DType::f6e2m3, code), e2m3[code]);
    EXPECT_EQ(decode(DType::f6e3m2, code), e3m2[code]);
    EXPECT_EQ(decode(DType::f6e2m3, code + 32), -e2m3[code]);
    EXPECT_EQ(decode(DType::f6e3m2, code + 32), -e3m2[code]);
    EXPECT_TRUE(std::signbit(decode(DType::f6e2m3, code + 32)));
  }
}

TEST(FloatFormat, numbers_round_to_six_bits_as_ml_dtypes_rounds_them) {
  const float x[] = {0.f, -0.f, 0.0625f, 0.03125f, 0.0312500037f, 0.09375f, 0.1875f, 0.15625f, 0.21875f, -0.34375f, 0.96875f, 1.0625f, 1.1875f, -2.125f, -2.375f, 3.9375f, 4.25f, 4.75f, 7.25f,
                     7.5f, 7.75f, 8, 13, 15, -17, 18, 26, 28, 29.9f, 30, 1e30f, -1e30f, INFINITY, -INFINITY, std::copysign(NAN, 1.f), std::copysign(NAN, -1.f)};
  const std::uint32_t e2m3[] = {0, 32, 0, 0, 0, 1, 2, 1, 2, 35, 8, 8, 10, 48, 50, 24, 24, 26, 30, 31, 31, 31, 31, 31, 63, 31, 31, 31, 31, 31, 31, 63, 31, 63, 32, 0};
  const std::uint32_t e3m2[] = {0, 32, 1, 0, 1, 2, 3, 2, 4, 38, 12, 12, 13, 48, 49, 20, 20, 21, 23, 24, 24, 24, 26, 28, 60, 28, 30, 31, 31, 31, 31, 63, 31, 63, 32, 0};
  for (std::size_t i = 0; i < std::size(x); ++i)
    for (Overflow overflow : {Overflow::saturate, Overflow::to_infinity_or_nan}) {  // without infinity and NaN there is no other way
      EXPECT_EQ(encode(DType::f6e2m3, double(x[i]), overflow), e2m3[i]) << x[i];
      EXPECT_EQ(encode(DType::f6e3m2, double(x[i]), overflow), e3m2[i]) << x[i];
    }
}

TEST(FloatFormat, every_code_below_32_bits_reads_back_as_itself) {
  for (DType t : {DType::f16, DType::bf16, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f8e8m0, DType::f4e2m1, DType::f6e2m3, DType::f6e3m2})
    for (std::uint32_t code = 0; code < 1u << bits(t); ++code) {
      const double v = decode(t, code);
      if (std::isnan(v)) continue;
      ASSERT_EQ(encode(t, v), code) << name(t);
    }
}

TEST(Tensor, packs_six_bits_as_onnx_does) {
  Tensor t = Tensor::of(DType::f6e2m3, {5}, {1, -2.5, 7.5, 0.125, -0.5});
  const unsigned char expected[] = {0x88, 0xfc, 0x05, 0x24};
  ASSERT_EQ(t.bytes(), 4);
  EXPECT_EQ(std::memcmp(t.data.get(), expected, 4), 0);
  EXPECT_EQ(values<double>(t), (std::vector<double>{1, -2.5, 7.5, 0.125, -0.5}));
}

TEST(Tensor, packed_elements_are_read_written_and_moved_without_their_neighbours) {
  for (DType t : {DType::u2, DType::i2, DType::u4, DType::i4, DType::f4e2m1, DType::f6e2m3, DType::f6e3m2}) {
    const std::int64_t n = 21;
    Tensor ones = Tensor::of(t, {n}, {1.0});
    for (std::int64_t k = 0; k < n; ++k) {
      Tensor x = Tensor::zeros(t, {n});
      const double one = 1;
      store(x, k, 1, &one);
      for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(x.at(i), i == k ? 1 : 0) << name(t);
      Tensor y = Tensor::of(t, {n}, {1.0});
      copy_elements(x, (k + 1) % n, 1, y, k, 1);  // a zero
      for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(y.at(i), i == k ? 0 : 1) << name(t);
    }
    Tensor third = Tensor::zeros(t, {7});
    copy_elements(Tensor::of(t, {n}, std::vector<double>{1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0}), 0, 3, third, 0, 7);
    EXPECT_EQ(values<double>(third), (std::vector<double>{1, 0, 1, 1, 0, 1, 0})) << name(t);
  }
}

}  // namespace
}  // namespace saha
