// Pairs of bursts: drift that both meet does not count, a difference of a few percent does.
#include "measure/paired.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saha::measure {
namespace {
constexpr int kRounds = 20, kRuns = 10;

struct Series {
  std::vector<double> ms;
  std::vector<int> bursts;
  Times times() const { return {ms, bursts}; }
};

// Rounds in which the machine's speed wanders by a factor of two, and runs that scatter by 2 %.
std::pair<Series, Series> drifting(double slower, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> scatter(0, 0.02);
  std::uniform_real_distribution<double> speed(1, 2);
  Series a, b;
  for (int r = 0; r < kRounds; ++r) {
    const double now = speed(random);
    for (Series* s : {&a, &b}) {
      for (int i = 0; i < kRuns; ++i) s->ms.push_back(now * (s == &b ? slower : 1) * std::exp(scatter(random)));
      s->bursts.push_back(kRuns);
    }
  }
  return {std::move(a), std::move(b)};
}

TEST(PairedRatio, drift_that_both_meet_makes_no_difference_and_does_not_hide_one) {
  int ties = 0, seen = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto [a, same] = drifting(1, seed);
    auto [c, slower] = drifting(1.1, seed);
    const auto equal = paired_ratio(same.times(), a.times(), 0.5, 0.95, 0), unequal = paired_ratio(slower.times(), c.times(), 0.5, 0.95, 0);
    ASSERT_TRUE(equal && unequal);
    ties += equal->tie();
    seen += unequal->lower > 1;
  }
  EXPECT_GE(ties, 43);   // 47 of 50 expected
  EXPECT_GE(seen, 47);
}

TEST(PairedRatio, a_row_is_as_fast_as_itself_and_equal_seeds_give_equal_intervals) {
  auto [a, b] = drifting(1.05, 7);
  const auto itself = paired_ratio(a.times(), a.times(), 0.9, 0.95, 1);
  ASSERT_TRUE(itself);
  EXPECT_EQ(itself->value, 1);
  EXPECT_DOUBLE_EQ(itself->lower, 1 / 1.02);
  EXPECT_DOUBLE_EQ(itself->upper, 1.02);
  const auto once = paired_ratio(a.times(), b.times(), 0.9, 0.95, 1), again = paired_ratio(a.times(), b.times(), 0.9, 0.95, 1);
  EXPECT_TRUE(once->lower == again->lower && once->upper == again->upper);
}

TEST(PairedRatio, only_rounds_that_both_have_are_compared_and_few_rounds_say_nothing) {
  auto [a, b] = drifting(1, 3);
  b.bursts.resize(6);
  ASSERT_TRUE(paired_ratio(a.times(), b.times(), 0.5, 0.95, 0));
  b.bursts.resize(4);
  EXPECT_FALSE(paired_ratio(a.times(), b.times(), 0.5, 0.95, 0));
}

}  // namespace
}  // namespace saha::measure
