// The choice on made-up measurements: a machine whose speed drifts may not decide, a real difference does.
#include "lifecycle/choose.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace saha::lifecycle {
namespace {

// Candidates of one run: in each of 20 rounds the machine is up to twice as slow, and every candidate runs a burst of 10.
std::vector<Candidate> measured(const std::vector<std::pair<std::string, double>>& variants, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> scatter(0, 0.02);
  std::uniform_real_distribution<double> speed(1, 2);
  std::vector<Candidate> all(variants.size());
  for (int round = 0; round < 20; ++round) {
    const double now = speed(random);
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (int run = 0; run < 10; ++run) all[i].ms.push_back(now * variants[i].second * std::exp(scatter(random)));
      all[i].bursts.push_back(10);
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].variant = variants[i].first;
    all[i].backend = "native";
    all[i].precision = "float32";
    std::vector<double> sorted = all[i].ms;
    std::sort(sorted.begin(), sorted.end());
    all[i].p50_ms = sorted[99];
    all[i].p90_ms = sorted[179];
  }
  return all;
}
Decision decide(std::vector<Candidate>& all, const std::string& by) {
  std::vector<Candidate*> candidates;
  for (Candidate& c : all) candidates.push_back(&c);
  return choose(candidates, {.by = by});
}

TEST(Choose, of_two_models_that_are_equally_fast_the_simpler_wins_whichever_was_measured_faster) {
  int ties = 0, first = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    auto all = measured({{"original", 1}, {"float32", 1}}, seed);
    auto d = decide(all, seed % 2 ? "p50(latency)" : "p90(latency)");
    ASSERT_TRUE(d.chosen);
    if (d.ties.empty()) continue;
    ++ties;
    EXPECT_EQ(d.chosen->id(), "float32/native");
    EXPECT_EQ(d.ties, std::vector<std::string>{"original/native"});
    first += d.because.find("the simplest of 2") != std::string::npos;
  }
  EXPECT_GE(ties, 25);    // 28 or 29 of 30 expected
  EXPECT_GE(first, 5);    // the other one was measured faster in about half of them
}

TEST(Choose, a_model_that_is_a_tenth_faster_wins_though_the_machine_drifts_by_a_factor_of_two) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    auto all = measured({{"original", 1}, {"float32", 1.1}}, seed);
    auto d = decide(all, "p50(latency)");
    ASSERT_TRUE(d.chosen);
    EXPECT_EQ(d.chosen->id(), "original/native") << d.because;
    EXPECT_TRUE(d.ties.empty());
    ASSERT_EQ(d.others.size(), 1u);
    EXPECT_NE(d.others[0].second.find("slower or larger: p50(latency)"), std::string::npos) << d.others[0].second;
    EXPECT_NE(d.others[0].second.find("] times that of original/native"), std::string::npos) << d.others[0].second;
  }
}

TEST(Choose, files_are_as_large_as_they_are) {
  auto all = measured({{"original", 1}, {"float32", 1}}, 1);
  all[0].size_bytes = 1000;
  all[1].size_bytes = 1001;
  EXPECT_EQ(decide(all, "size").chosen->id(), "original/native");
  all[0].size_bytes = 1001;
  EXPECT_EQ(decide(all, "size").chosen->id(), "float32/native");
}

}  // namespace
}  // namespace saha::lifecycle
