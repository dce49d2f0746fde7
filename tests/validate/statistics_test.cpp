// Expected values: scipy 1.17.1 (stats.beta.ppf, special.betainc, stats.t.ppf, stats.binomtest); Tango's interval by numeric
// maximisation of the constrained likelihood with scipy.optimize, independent of the closed form.
#include "validate/statistics.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace saha::validate;

TEST(Statistics, clopper_pearson_equals_scipy) {
  struct Row {
    std::int64_t k, n;
    double confidence, lower, upper, lower2, upper2;
  };
  constexpr Row kRows[] = {
      {866, 1000, 0.95, 0.84697889611736, 0.883403210334972, 0.8433071845327, 0.886511688545741},
      {0, 10, 0.95, 0, 0.258865550893052, 0, 0.308497107818761},
      {10, 10, 0.95, 0.741134449106948, 1, 0.691502892181239, 1},
      {1, 20, 0.99, 0.000502390552258474, 0.28879036799302, 0.000250595686831446, 0.317141734757095},
      {97, 100, 0.95, 0.92428920625017, 0.991774170892347, 0.91482394702572, 0.993770028461694},
      {9712, 10000, 0.95, 0.968295214751399, 0.973898803652964, 0.967731704850515, 0.974390102716651},
      {500000, 1000000, 0.95, 0.499177073949477, 0.500822926050523, 0.499019519195312, 0.500980480804688},
      {3, 7, 0.8, 0.228326464349839, 0.649906434322876, 0.169638417397201, 0.721397951418287},
  };
  for (const Row& r : kRows) {
    EXPECT_NEAR(proportion_lower(r.k, r.n, r.confidence), r.lower, 1e-11) << r.k << " of " << r.n;
    EXPECT_NEAR(proportion_upper(r.k, r.n, r.confidence), r.upper, 1e-11) << r.k << " of " << r.n;
    Interval both = proportion_interval(r.k, r.n, r.confidence);
    EXPECT_NEAR(both.lower, r.lower2, 1e-11);
    EXPECT_NEAR(both.upper, r.upper2, 1e-11);
  }
  EXPECT_EQ(proportion_lower(0, 0, 0.95), 0);
  EXPECT_EQ(proportion_upper(0, 0, 0.95), 1);
}

TEST(Statistics, the_incomplete_beta_equals_scipy) {
  constexpr double kRows[][4] = {{.5, .5, .3, 0.3690101195655454}, {2, 3, .4, 0.5247999999999999}, {867, 134, .85, 0.07026006931984072},
                                 {1e4, 1e4, .501, 0.6113500478574623}, {1, 1, .25, .25}, {30, 2, .9, 0.1695646331008649}, {.1, 50, .01, 0.9411645901311703}};
  for (const auto& [a, b, x, value] : kRows) EXPECT_NEAR(incomplete_beta(a, b, x), value, 1e-10 * value) << a << " " << b;
}

TEST(Statistics, quantiles_equal_scipy) {
  EXPECT_EQ(normal_quantile(.5), 0);
  EXPECT_NEAR(normal_quantile(.95), 1.64485362695147, 1e-13);
  EXPECT_NEAR(normal_quantile(.01), -2.32634787404084, 1e-13);
  EXPECT_NEAR(normal_quantile(1e-6), -4.7534243088229, 1e-11);
  EXPECT_NEAR(student_t_quantile(.95, 9), 1.83311293265624, 1e-10);
  EXPECT_NEAR(student_t_quantile(.975, 29), 2.0452296421327, 1e-10);
  EXPECT_NEAR(student_t_quantile(.05, 4), -2.13184678632665, 1e-10);
  EXPECT_NEAR(student_t_quantile(.999, 1000), 3.09840216391292, 1e-10);
}

TEST(Statistics, mcnemar_equals_the_exact_binomial_test) {
  EXPECT_NEAR(mcnemar_exact(10, 3), 0.09228515625, 1e-13);
  EXPECT_NEAR(mcnemar_exact(25, 25), 1, 1e-13);
  EXPECT_NEAR(mcnemar_exact(0, 5), 0.0625, 1e-13);
  EXPECT_NEAR(mcnemar_exact(40, 60), 0.0568879336409801, 1e-13);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
}

TEST(Statistics, the_paired_difference_equals_the_score_interval) {
  struct Row {
    std::int64_t n, b, c;
    double confidence, lower, upper;
  };
  constexpr Row kRows[] = {{44, 0, 1, .95, -.0956624, .0365169},       {44, 0, 1, .99, -.1468705, .0892881},      {1000, 50, 50, .95, -.0166246, .0166246},
                           {1000, 10, 3, .95, .0011968, .0140009},     {1000, 10, 3, .99, -.0017197, .0177669},  {200, 30, 12, .99, .0154661, .1680697}};
  for (const Row& r : kRows) {
    EXPECT_NEAR(paired_difference_lower(r.n, r.b, r.c, r.confidence), r.lower, 2e-7) << r.n << " " << r.b << " " << r.c;
    EXPECT_NEAR(paired_difference_upper(r.n, r.b, r.c, r.confidence), r.upper, 2e-7) << r.n << " " << r.b << " " << r.c;
  }
  EXPECT_LT(paired_difference_lower(1000, 0, 0, .95), 0);  // equal answers prove no equality
  EXPECT_GT(paired_difference_lower(1000, 0, 0, .95), -.004);
}

TEST(Statistics, quantile_bounds_use_the_ranks_of_the_binomial) {
  std::vector<double> x(300);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i + 1);
  auto first = [&](std::size_t n) { return std::span<const double>(x.data(), n); };
  EXPECT_EQ(quantile_lower(first(200), .9, .95), 173);
  EXPECT_EQ(quantile_upper(first(200), .9, .95), 188);
  EXPECT_EQ(quantile_lower(first(200), .5, .95), 88);
  EXPECT_EQ(quantile_upper(first(200), .5, .95), 113);
  EXPECT_EQ(quantile_lower(first(10), .5, .95), 2);
  EXPECT_EQ(quantile_upper(first(10), .5, .95), 9);
  EXPECT_EQ(quantile_upper(first(299), .99, .95), 299);
  EXPECT_EQ(quantile_upper(first(298), .99, .95), std::nullopt);
  EXPECT_EQ(quantile_upper(first(58), .95, .95), std::nullopt);
  EXPECT_EQ(quantile_upper(first(59), .95, .95), 59);
  EXPECT_EQ(quantile_lower(first(0), .5, .95), std::nullopt);
  EXPECT_EQ(samples_for_quantile(.99, .95, true), 299);
  EXPECT_EQ(samples_for_quantile(.95, .95, true), 59);
  EXPECT_EQ(quantile(first(200), .9), 180);
  EXPECT_EQ(quantile(first(1), .99), 1);
}

TEST(Statistics, holm_is_step_down) {
  std::vector<double> p = {.01, .04, .03, .005};
  std::vector<double> want = {.03, .06, .06, .02};
  std::vector<double> got = holm(p);
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-15);
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, further_samples_are_the_fewest_that_suffice) {
  EXPECT_EQ(more_samples(866, 1000, .85, true, .95), 385);  // scipy: the first m whose bound reaches 85 %
  EXPECT_EQ(more_samples(840, 1000, .85, true, .95), std::nullopt);
  EXPECT_EQ(more_samples(990, 1000, .85, true, .95), 0);
  EXPECT_EQ(more_samples(10, 10, .95, true, .95), 49);  // 59 without a failure
  EXPECT_EQ(more_samples(0, 0, .95, true, .95), std::nullopt);
  EXPECT_EQ(more_samples(5, 100, .06, false, .95), 1474);
}

TEST(Statistics, no_failure_in_n_is_worth_about_three_over_n) {
  EXPECT_NEAR(failure_rate_bound(5000, .95), 0.00059897, 1e-8);
  EXPECT_NEAR(failure_rate_bound(1000, .95), proportion_upper(0, 1000, .95), 1e-12);
  EXPECT_EQ(failure_rate_bound(0, .95), 1);
}

TEST(Statistics, means_have_student_bounds) {
  std::vector<double> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  Mean m = mean_of(x);
  EXPECT_DOUBLE_EQ(m.mean, 5.5);
  EXPECT_NEAR(m.standard_error, 0.957427107756338, 1e-14);
  EXPECT_NEAR(mean_upper(m, .95), 5.5 + 1.83311293265624 * 0.957427107756338, 1e-9);
  EXPECT_TRUE(std::isinf(mean_upper(mean_of({}), .95)));
}

// The promise itself: over many draws a 95 % bound errs in at most 5 % (three sigma of the count allowed for).
TEST(Statistics, bounds_hold_as_often_as_they_say) {
  std::mt19937_64 random(7);
  constexpr int kDraws = 1000;
  int proportion_errs = 0, quantile_errs = 0, paired_errs = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::binomial_distribution<std::int64_t> hits(80, .9);
    proportion_errs += proportion_lower(hits(random), 80, .95) > .9;
    std::exponential_distribution<double> latency(1);
    std::vector<double> x(100);
    for (double& v : x) v = latency(random);
    std::ranges::sort(x);
    auto upper = quantile_upper(x, .9, .95);
    quantile_errs += upper && *upper < std::log(10.0);
    std::discrete_distribution<int> pair({.05, .03, .92});
    std::int64_t counts[3] = {};
    for (int i = 0; i < 400; ++i) ++counts[pair(random)];
    paired_errs += paired_difference_lower(400, counts[0], counts[1], .95) > .02;
  }
  constexpr double kMost = kDraws * .05 + 3 * 6.9;  // sqrt(1000 * .05 * .95) = 6.9
  EXPECT_LE(proportion_errs, kMost);
  EXPECT_LE(quantile_errs, kMost);
  EXPECT_LE(paired_errs, kMost);
}

RC_GTEST_PROP(Statistics, bounds_enclose_the_rate_and_narrow_with_less_confidence, ()) {
  auto n = *rc::gen::inRange<std::int64_t>(1, 5000);
  auto k = *rc::gen::inRange<std::int64_t>(0, n + 1);
  double rate = static_cast<double>(k) / static_cast<double>(n);
  RC_ASSERT(proportion_lower(k, n, .95) <= rate && rate <= proportion_upper(k, n, .95));
  RC_ASSERT(proportion_lower(k, n, .99) <= proportion_lower(k, n, .9));
}

RC_GTEST_PROP(Statistics, the_inverse_undoes_the_incomplete_beta, ()) {
  double a = *rc::gen::inRange(1, 2000) / 2.0, b = *rc::gen::inRange(1, 2000) / 2.0, p = *rc::gen::inRange(1, 1000) / 1000.0;
  RC_ASSERT(std::abs(incomplete_beta(a, b, incomplete_beta_inverse(a, b, p)) - p) < 1e-9);
}
