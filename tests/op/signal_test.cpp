// DFT and STFT against the defining sum, in every kind of length: powers of two, small primes, large primes.
#include <cmath>
#include <complex>
#include <numbers>
#include <random>

#include "gradient_testing.hpp"

namespace saha::op {
namespace {
Result<std::vector<Datum>> run_entry(std::string_view name, const std::vector<Tensor>& in, const Attrs& attrs) {
  std::vector<Datum> data(in.begin(), in.end());
  std::vector<const Datum*> p;
  for (const Datum& d : data) p.push_back(d.tensor.dtype == DType::none ? nullptr : &d);
  return run(*find(name)->def, p, attrs, 1);
}
Tensor noise(DType t, Dims d, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<double> draw;
  Tensor x = Tensor::zeros(t, std::move(d));
  for (std::int64_t i = 0; i < x.size(); ++i) { double v = draw(rng); store(x, i, 1, &v); }
  return x;
}
const Tensor kOmitted{};
}  // namespace

TEST(Signal, the_transform_is_the_defining_sum_for_any_length) {
  for (std::int64_t n : {1, 2, 3, 4, 7, 8, 10, 12, 36, 61, 67, 97, 128, 134, 400})
    for (DType t : {DType::f32, DType::f64}) {
      Tensor x = noise(t, {n, 2}, unsigned(n));
      auto y = run_entry("DFT", {x}, {{"inverse", std::int64_t(0)}, {"onesided", std::int64_t(0)}});
      ASSERT_TRUE(y) << y.error().message;
      double tolerance = t == DType::f64 ? 1e-12 : 1e-5;
      for (std::int64_t k = 0; k < n; ++k) {
        std::complex<double> sum = 0;
        for (std::int64_t j = 0; j < n; ++j) sum += std::complex(x.at(2 * j), x.at(2 * j + 1)) * std::polar(1.0, -2 * std::numbers::pi * double(j * k % n) / double(n));
        ASSERT_NEAR((*y)[0].tensor.at(2 * k), sum.real(), tolerance * double(n)) << "length " << n << " bin " << k;
        ASSERT_NEAR((*y)[0].tensor.at(2 * k + 1), sum.imag(), tolerance * double(n)) << "length " << n << " bin " << k;
      }
    }
}
TEST(Signal, one_sided_forward_and_backward_give_the_signal_back) {
  for (std::int64_t n : {6, 9, 128, 134}) {
    Tensor x = noise(DType::f64, {2, n, 3, 1}, 5), length = Tensor::scalar_int(n), axis = Tensor::scalar_int(1);
    auto y = run_entry("DFT", {x, length, axis}, {{"inverse", std::int64_t(0)}, {"onesided", std::int64_t(1)}});
    ASSERT_TRUE(y) << y.error().message;
    EXPECT_EQ((*y)[0].tensor.dims, (Dims{2, n / 2 + 1, 3, 2}));
    auto z = run_entry("DFT", {(*y)[0].tensor, length, axis}, {{"inverse", std::int64_t(1)}, {"onesided", std::int64_t(1)}});
    ASSERT_TRUE(z) << z.error().message;
    ASSERT_EQ((*z)[0].tensor.dims, x.dims);
    for (std::int64_t i = 0; i < x.size(); ++i) ASSERT_NEAR((*z)[0].tensor.at(i), x.at(i), 1e-12);
  }
}
TEST(Signal, a_frame_of_stft_is_the_transform_of_the_windowed_frame) {
  Tensor x = noise(DType::f64, {1, 20, 1}, 9), window = noise(DType::f64, {8}, 10);
  auto y = run_entry("STFT", {x, Tensor::scalar_int(3), window, kOmitted}, {{"onesided", std::int64_t(1)}});
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].tensor.dims, (Dims{1, 5, 5, 2}));
  Tensor frame = Tensor::zeros(DType::f64, {8, 1});
  for (std::int64_t i = 0; i < 8; ++i) frame.as<double>()[i] = x.at(6 + i) * window.at(i);
  auto f = run_entry("DFT", {frame}, {{"inverse", std::int64_t(0)}, {"onesided", std::int64_t(1)}});
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_NEAR((*y)[0].tensor.at(20 + i), (*f)[0].tensor.at(i), 1e-12);
}
TEST(Signal, the_body_of_stft_is_its_reference_and_gives_its_gradient) {
  const Tensor step = Tensor::scalar_int(3), size = Tensor::scalar_int(5), window = noise(DType::f64, {5}, 11);
  for (std::int64_t length : {4, 5, 12})
    for (std::int64_t parts : {1, 2}) {
      testing::Case c{"STFT", {noise(DType::f64, {2, length, parts}, 12), step, window, size}, {{"onesided", std::int64_t(length != 5)}}};
      EXPECT_LE(testing::body_gap(c), 1e-12) << length;
      if (length > 4) {
        EXPECT_LE(testing::gradient_gap(c), 1e-8) << length;
      }
      c.in[2].reset();   // no window
      EXPECT_LE(testing::body_gap(c), 1e-12) << length;
    }
}
TEST(Signal, lengths_that_give_no_transform_are_refused) {
  Attrs a = {{"inverse", std::int64_t(0)}, {"onesided", std::int64_t(0)}};
  auto bad = run_entry("DFT", {noise(DType::f32, {4, 2}, 1), Tensor::scalar_int(0)}, a);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "DFT: a transform of length 0 is not done");
  bad = run_entry("DFT", {noise(DType::f32, {4, 3}, 1)}, a);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "DFT: the last dimension is 3, 1 (real) or 2 (real, imaginary) is needed");
}

}  // namespace saha::op
