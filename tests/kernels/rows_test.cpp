#include "kernels/rows.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

TEST(Softmax, equals_the_double_loop_on_any_axis) {
  for (auto [outer, n, inner] : {std::array<std::int64_t, 3>{3, 1, 1}, {5, 7, 1}, {2, 8, 1}, {3, 197, 1}, {2, 5000, 1}, {2, 20, 3}, {3, 9, 130}, {1, 40, 64}, {2, 300, 49}, {0, 5, 1}, {2, 3, 0}})
    for (bool log_form : {false, true})
      for (Isa isa : levels()) {
        const auto x = noise(outer * n * inner, -30, 30);
        SoftmaxParams p{outer, n, inner, log_form};
        Aligned<float> y(x.size(), 1), again(x.size());
        run_whole("softmax_f32", isa, p, {x.data(), y.data()}, grid(p), 0);
        run_pieces("softmax_f32", isa, p, {x.data(), again.data()}, grid(p), 0);
        ASSERT_TRUE(same_bits(y.data(), again.data(), x.size()));
        for (std::int64_t o = 0; o < outer; ++o)
          for (std::int64_t j = 0; j < inner; ++j) {
            const auto at = [&](std::int64_t i) { return static_cast<std::size_t>((o * n + i) * inner + j); };
            double m = -INFINITY, total = 0;
            for (std::int64_t i = 0; i < n; ++i) m = std::max<double>(m, x[at(i)]);
            for (std::int64_t i = 0; i < n; ++i) total += std::exp(x[at(i)] - m);
            for (std::int64_t i = 0; i < n; ++i) {
              // Half an ulp of x - m (up to 60) is up to 2e-6 relative in e^x.
              if (log_form) ASSERT_NEAR(y[at(i)], x[at(i)] - m - std::log(total), 1e-5);
              else ASSERT_NEAR(y[at(i)], std::exp(x[at(i)] - m) / total, 3e-6 * std::exp(x[at(i)] - m) / total + 1e-37);
            }
          }
      }
}

TEST(Softmax, survives_large_inputs_and_keeps_nan) {
  for (Isa isa : levels()) {
    std::vector<float> x = {1e38f, -1e38f, 1e38f, 0, NAN, 1, -INFINITY, 5, 5, 5, -INFINITY, 5};
    SoftmaxParams p{3, 4, 1, 0};
    Aligned<float> y(x.size());
    run_whole("softmax_f32", isa, p, {x.data(), y.data()}, grid(p), 0);
    EXPECT_EQ(y[0], 0.5f);
    EXPECT_EQ(y[1], 0.f);
    for (int i = 4; i < 8; ++i) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(i)]));
    EXPECT_EQ(y[10], 0.f);
    EXPECT_NEAR(y[9], 1. / 3, 1e-7);
  }
}

TEST(Reduce, equals_the_double_loop_on_any_axis) {
  for (auto [outer, n, inner] : {std::array<std::int64_t, 3>{3, 1, 1}, {5, 7, 1}, {70, 49, 1}, {3, 1000, 1}, {2, 50000, 1}, {2, 300, 3}, {3, 9, 130}, {1, 40, 64}, {2, 300, 49}, {2, 0, 1}, {2, 0, 5}, {0, 3, 1}, {2, 3, 0}})
    for (int op = 0; op <= static_cast<int>(Reduce::prod); ++op)
      for (Isa isa : levels()) {
        const auto x = noise(outer * n * inner, op == 7 ? 0.9f : -1, 1.1f);
        ReduceParams p{static_cast<Reduce>(op), outer, n, inner};
        const auto size = static_cast<std::size_t>(outer * inner);
        Aligned<float> y(size, 1), again(size);
        run_whole("reduce_f32", isa, p, {x.data(), y.data()}, grid(p), 0);
        run_pieces("reduce_f32", isa, p, {x.data(), again.data()}, grid(p), 0);
        for (std::int64_t o = 0; o < outer; ++o)
          for (std::int64_t j = 0; j < inner; ++j) {
            double total = 0, size_of = 0, square = 0, low = INFINITY, high = -INFINITY, product = 1;
            for (std::int64_t i = 0; i < n; ++i) {
              const double v = x[static_cast<std::size_t>((o * n + i) * inner + j)];
              total += v, size_of += std::fabs(v), square += v * v, low = std::min(low, v), high = std::max(high, v), product *= v;
            }
            const double want[] = {total, total / double(n), high, low, square, size_of, std::sqrt(square), product};
            const double bound[] = {size_of, size_of / double(n), 0, 0, square, size_of, std::sqrt(square), std::fabs(product)};
            const float got = y[static_cast<std::size_t>(o * inner + j)];
            ASSERT_EQ(std::isnan(got), std::isnan(again[static_cast<std::size_t>(o * inner + j)]));
            if (std::isnan(want[op])) ASSERT_TRUE(std::isnan(got));
            else if (std::isinf(want[op])) ASSERT_EQ(got, want[op]);
            else ASSERT_NEAR(got, want[op], dot_bound(n, bound[op])) << name(isa) << " op " << op << " n " << n << " inner " << inner;
          }
      }
}

TEST(Reduce, keeps_nan) {
  for (Isa isa : levels())
    for (Reduce op : {Reduce::sum, Reduce::max, Reduce::min})
      for (std::int64_t inner : {1, 2, 70})
        for (std::int64_t place = 0; place < 37; ++place) {
          std::vector<float> x(37 * static_cast<std::size_t>(inner), 1.f);
          x[static_cast<std::size_t>(place * inner)] = NAN;
          ReduceParams p{op, 1, 37, inner};
          Aligned<float> y(static_cast<std::size_t>(inner));
          run_whole("reduce_f32", isa, p, {x.data(), y.data()}, grid(p), 0);
          ASSERT_TRUE(std::isnan(y[0])) << name(isa) << int(op) << " " << place;
        }
}

void check_norm(NormParams p, bool affine) {
  const auto x = noise(p.rows * p.n, -2, 5);
  const auto count = static_cast<std::int64_t>(p.run == 1 && p.row_step == 0 ? p.n : p.row_period * std::max<std::int64_t>(p.row_step, 1));
  const auto scale = noise(count), bias = noise(count);
  for (Isa isa : levels()) {
    Aligned<float> y(x.size(), 1), again(x.size());
    run_whole("norm_f32", isa, p, {x.data(), affine ? scale.data() : nullptr, affine ? bias.data() : nullptr, y.data()}, grid(p), 0);
    run_pieces("norm_f32", isa, p, {x.data(), affine ? scale.data() : nullptr, affine ? bias.data() : nullptr, again.data()}, grid(p), 0);
    ASSERT_TRUE(same_bits(y.data(), again.data(), x.size()));
    for (std::int64_t r = 0; r < p.rows; ++r) {
      double mean = 0, var = 0;
      for (std::int64_t i = 0; i < p.n; ++i) mean += x[static_cast<std::size_t>(r * p.n + i)];
      mean = p.rms ? 0 : mean / double(p.n);
      for (std::int64_t i = 0; i < p.n; ++i) var += std::pow(x[static_cast<std::size_t>(r * p.n + i)] - mean, 2);
      var /= double(p.n);
      for (std::int64_t i = 0; i < p.n; ++i) {
        const auto c = static_cast<std::size_t>(r % p.row_period * p.row_step + i / p.run);
        const double want = (x[static_cast<std::size_t>(r * p.n + i)] - mean) / std::sqrt(var + double(p.epsilon)) * (affine ? scale[c] : 1) + (affine ? bias[c] : 0);
        ASSERT_NEAR(y[static_cast<std::size_t>(r * p.n + i)], want, 1e-5) << name(isa) << " row " << r << " " << i;
      }
    }
  }
}

TEST(Norm, of_every_kind_equals_the_double_loop) {
  for (std::int64_t n : {2, 7, 8, 64, 197, 768, 20000}) {
    check_norm({.rows = 3, .n = n}, true);
    check_norm({.rows = 3, .n = n, .rms = 1}, true);
    check_norm({.rows = 3, .n = n}, false);
  }
  check_norm({.rows = 2 * 5, .n = 49, .row_period = 5, .row_step = 1, .run = 49}, true);
  check_norm({.rows = 2 * 3, .n = 4 * 49, .row_period = 3, .row_step = 4, .run = 49}, true);
  check_norm({.rows = 0, .n = 4}, true);
}

}  // namespace
}  // namespace saha::kernels
