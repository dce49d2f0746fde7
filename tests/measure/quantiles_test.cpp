#include "measure/quantiles.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace saha::measure {
namespace {

TEST(Quantiles, are_values_that_were_measured_by_nearest_rank) {
  const std::vector<double> five{15, 20, 35, 40, 50};
  EXPECT_EQ(quantile(five, 0.05), 15);
  EXPECT_EQ(quantile(five, 0.30), 20);
  EXPECT_EQ(quantile(five, 0.40), 20);
  EXPECT_EQ(quantile(five, 0.50), 35);
  EXPECT_EQ(quantile(five, 1.00), 50);
  std::vector<double> hundred(100);
  std::iota(hundred.begin(), hundred.end(), 1);
  for (int percent = 1; percent <= 100; ++percent) EXPECT_EQ(quantile(hundred, percent / 100.0), percent);
  EXPECT_EQ(quantile(std::vector<double>{7}, 0.99), 7);
}

TEST(Quantiles, a_summary_does_not_need_sorted_times) {
  const std::vector<double> times{9, 1, 5, 3, 7, 2, 8, 4, 6, 10};
  const Summary s = summarize(times);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.p50, 5);
  EXPECT_EQ(s.p90, 9);
  EXPECT_EQ(s.p99, 10);
  EXPECT_EQ(s.mean, 5.5);
  EXPECT_EQ(summarize({}).p99, 0);
}

}  // namespace
}  // namespace saha::measure
