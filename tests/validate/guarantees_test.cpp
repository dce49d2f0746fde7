// What each bound promises, by simulation: over many draws it errs no more often than it says, three standard deviations of the count allowed for.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "validate/conformal.hpp"
#include "validate/roc.hpp"
#include "validate/sample_size.hpp"
#include "validate/sequential.hpp"
#include "validate/shift.hpp"
#include "validate/statistics.hpp"
#include "validate/strangeness.hpp"
#include "validate/weak_slices.hpp"

using namespace saha::validate;

namespace {

// The most errors of `draws` that a true error of `rate` explains.
double most(int draws, double rate) { return draws * rate + 3 * std::sqrt(draws * rate * (1 - rate)); }

// A classifier of six classes that knows its probabilities: the label is drawn from them.
struct Case {
  std::vector<double> p;
  std::size_t label;
};
Case drawn(std::mt19937_64& random) {
  std::vector<double> p(6);
  std::exponential_distribution<double> e(1);
  double sum = 0;
  for (double& v : p) sum += v = std::pow(e(random), 3);
  for (double& v : p) v /= sum;
  std::discrete_distribution<std::size_t> label(p.begin(), p.end());
  return {p, label(random)};
}

}  // namespace

// Over splits the coverage of n calibration samples is beta-binomial with mean k / (n + 1), k = ceil((n + 1) level): that of the mean over 200
// splits lies within three of its standard deviations. APS without a draw may only cover more.
TEST(Guarantees, conformal_sets_cover_what_they_promise_over_200_splits) {
  std::mt19937_64 random(1);
  constexpr int kSplits = 200, kCalibration = 199, kTest = 300;
  constexpr double kLevel = 0.9, kWant = 180.0 / 200;
  const double spread = std::sqrt(kWant * (1 - kWant) * (1.0 / (kCalibration + 2) + 1.0 / kTest) / kSplits);
  for (SetRule rule : {SetRule::lac, SetRule::aps, SetRule::raps}) {
    double covered = 0;
    int short_of = 0;
    for (int split = 0; split < kSplits; ++split) {
      std::vector<double> scores;
      for (int i = 0; i < kCalibration; ++i) {
        const Case c = drawn(random);
        scores.push_back(set_scores(rule, c.p)[c.label]);
      }
      const double threshold = conformal_threshold(scores, kLevel), sure = conformal_threshold(scores, kLevel, 0.95);
      int hits = 0, sure_hits = 0;
      for (int i = 0; i < kTest; ++i) {
        const Case c = drawn(random);
        const double score = set_scores(rule, c.p)[c.label];
        hits += score <= threshold;
        sure_hits += score <= sure;
      }
      covered += double(hits) / kTest / kSplits;
      short_of += proportion_upper(sure_hits, kTest, 0.999) < kLevel;
    }
    EXPECT_GT(covered, kWant - 3 * spread) << int(rule);
    EXPECT_LT(covered, kWant + 3 * spread) << int(rule);   // scores are continuous: no more than promised either
    EXPECT_LE(short_of, most(kSplits, 0.05)) << int(rule);
  }
}

TEST(Guarantees, conformal_intervals_cover_skewed_noise) {
  std::mt19937_64 random(2);
  std::exponential_distribution<double> noise(1);
  constexpr int kSplits = 200, kCalibration = 99, kTest = 200;
  double residual = 0, quantiles = 0;
  for (int split = 0; split < kSplits; ++split) {
    std::vector<double> distance, outside;
    for (int i = 0; i < kCalibration; ++i) {
      const double x = double(random() % 1000) / 500, y = x + noise(random) * x;
      distance.push_back(std::abs(y - 2 * x));
      outside.push_back(interval_score(x, 3 * x, y));
    }
    const double q = conformal_threshold(distance, 0.8), c = conformal_threshold(outside, 0.8);
    for (int i = 0; i < kTest; ++i) {
      const double x = double(random() % 1000) / 500, y = x + noise(random) * x;
      residual += std::abs(y - 2 * x) <= q;
      quantiles += interval_score(x, 3 * x, y) <= c;
    }
  }
  const double n = kSplits * kTest, spread = std::sqrt(0.16 * (1.0 / 101 + 1.0 / kTest) / kSplits);
  EXPECT_NEAR(residual / n, 0.8, 3 * spread);
  EXPECT_NEAR(quantiles / n, 0.8, 3 * spread + 0.005);   // scores of 0 and below tie where x is 0
}

// Looked at after each of 500 samples, a hypothesis that holds is rejected in at most 5 % of the runs; one that does not is found out.
TEST(Guarantees, a_sequential_verdict_errs_no_more_often_for_being_looked_at) {
  std::mt19937_64 random(3);
  constexpr int kRuns = 1000, kSamples = 500;
  for (double rate : {0.9, 0.5}) {
    int above = 0, below = 0, found = 0, bets_above = 0;
    double used = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::bernoulli_distribution hit(rate);
      std::vector<double> x(kSamples), thirds(kSamples);
      for (double& v : x) v = hit(random);
      for (double& v : thirds) v = hit(random) ? 1 : hit(random) ? 0.5 : 0;
      above += first_decision(x, rate, 0.05).above;
      below += first_decision(x, rate, 0.05).below;
      const Stop stop = first_decision(x, rate - 0.1, 0.05);
      found += stop.above;
      used += double(stop.used) / kRuns;
      bets_above += first_decision(thirds, rate + (1 - rate) * rate / 2, 0.05).above;
    }
    EXPECT_LE(above, most(kRuns, 0.05)) << rate;
    EXPECT_LE(below, most(kRuns, 0.05)) << rate;
    EXPECT_LE(bets_above, most(kRuns, 0.05)) << rate;
    EXPECT_GT(found, kRuns * 0.85) << rate;
    EXPECT_LT(used, kSamples * 0.6) << rate;
  }
}

TEST(Guarantees, anytime_bounds_hold_at_every_n) {
  std::mt19937_64 random(4);
  constexpr int kRuns = 400;
  int errs = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::int64_t k = 0;
    bool wrong = false;
    for (std::int64_t n = 1; n <= 200; ++n) {
      k += std::bernoulli_distribution(0.8)(random);
      wrong = wrong || anytime_lower(k, n, 0.95) > 0.8;
    }
    errs += wrong;
  }
  EXPECT_LE(errs, most(kRuns, 0.05));
  EXPECT_GT(anytime_lower(970, 1000, 0.95), 0.95);
  EXPECT_LT(anytime_lower(970, 1000, 0.95), proportion_lower(970, 1000, 0.95));   // what looking at any time costs
  EXPECT_EQ(anytime_lower(0, 10, 0.95), 0);
  EXPECT_EQ(anytime_upper(10, 10, 0.95), 1);
}

// Sizes of prediction sets: nearly all 1, seldom 10. Student's bound errs far more often than it says; that by betting does not.
TEST(Guarantees, bounds_of_bounded_means_hold_for_skewed_values) {
  std::mt19937_64 random(5);
  constexpr int kRuns = 1000, kSamples = 60;
  int student = 0, betting = 0;
  double width = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> x(kSamples);
    for (double& v : x) v = random() % 50 == 0 ? 10 : 1;
    const double truth = 1 + 9.0 / 50;
    student += mean_upper(mean_of(x), 0.95) < truth;
    const double upper = bounded_mean_upper(x, 0, 10, 0.95);
    betting += upper < truth;
    width += upper / kRuns;
  }
  EXPECT_GT(student, most(kRuns, 0.05));
  EXPECT_LE(betting, most(kRuns, 0.05));
  EXPECT_LT(width, 2.5);
}

TEST(Guarantees, the_bound_of_the_area_holds) {
  std::mt19937_64 random(6);
  constexpr int kRuns = 1000;
  for (double shift : {0.5, 2.0}) {
    const double truth = 0.5 * std::erfc(-shift / 2);   // P(N(shift, 1) > N(0, 1))
    int errs = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<double> pos(60), neg(40);
      std::normal_distribution<double> z(0, 1);
      for (double& v : pos) v = z(random) + shift;
      for (double& v : neg) v = z(random);
      errs += auc_lower(delong(pos, neg), 0.95) > truth;
    }
    EXPECT_LE(errs, most(kRuns, 0.055)) << shift;   // asymptotic
  }
  EXPECT_NEAR(auc_lower(delong(std::vector<double>{2, 3, 4}, std::vector<double>{0, 1}), 0.95), proportion_lower(2, 2, 0.95), 1e-12);
}

TEST(Guarantees, nothing_drifts_where_nothing_changed) {
  std::mt19937_64 random(8);
  constexpr int kRuns = 400;
  int ks = 0, classifier = 0, weak = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::normal_distribution<double> z(0, 1);
    std::vector<std::vector<double>> a(3, std::vector<double>(60)), b = a;
    for (auto* set : {&a, &b})
      for (auto& column : *set)
        for (double& v : column) v = z(random);
    ks += ks_p(ks_statistic(a[0], b[0]), 60, 60) <= 0.05;
    classifier += classifier_test(a, b, std::uint64_t(run)).p <= 0.05;
    std::vector<std::pair<std::string, std::vector<std::string>>> columns = {{"u", {}}, {"v", {}}};
    std::vector<std::uint8_t> correct;
    for (int i = 0; i < 200; ++i) {
      for (auto& [name, values] : columns) values.push_back(std::to_string(random() % 4));
      correct.push_back(random() % 5 != 0);
    }
    weak += !weak_slices(columns, correct).found.empty();
  }
  EXPECT_LE(ks, most(kRuns, 0.05));
  EXPECT_LE(classifier, most(kRuns, 0.05));
  EXPECT_LE(weak, most(kRuns, 0.05));
}

TEST(Guarantees, what_changed_is_found) {
  std::mt19937_64 random(9);
  std::normal_distribution<double> z(0, 1);
  std::vector<std::vector<double>> a(2, std::vector<double>(400)), b = a;
  for (std::size_t i = 0; i < 400; ++i) {
    for (auto* set : {&a, &b}) (*set)[0][i] = z(random), (*set)[1][i] = z(random);
    b[1][i] += 1;
  }
  EXPECT_GT(ks_p(ks_statistic(a[0], b[0]), 400, 400), 0.01);
  EXPECT_LT(ks_p(ks_statistic(a[1], b[1]), 400, 400), 1e-6);
  EXPECT_GT(population_stability(a[1], b[1]), 0.5);
  EXPECT_NEAR(wasserstein(a[1], b[1]), 1, 0.3);
  const TwoSample t = classifier_test(a, b, 1);
  EXPECT_EQ(t.n, 400);
  EXPECT_GT(double(t.right) / double(t.n), 0.6);   // Phi(1/2) = 69 % is the best
  EXPECT_LT(t.p, 1e-4);
}

TEST(Guarantees, a_weak_pair_of_columns_is_found_and_its_columns_alone_are_not_blamed_more) {
  std::mt19937_64 random(10);
  std::vector<std::pair<std::string, std::vector<std::string>>> columns = {{"camera", {}}, {"light", {}}, {"age", {}}};
  std::vector<std::uint8_t> correct;
  for (int i = 0; i < 2000; ++i) {
    columns[0].second.push_back(random() % 2 ? "front" : "back");
    columns[1].second.push_back(random() % 4 ? "day" : "night");
    columns[2].second.push_back(std::to_string(random() % 1000));
    const bool hard = columns[0].second.back() == "front" && columns[1].second.back() == "night";
    correct.push_back(random() % 100 >= (hard ? 40 : 5));
  }
  const WeakSlices w = weak_slices(columns, correct);
  ASSERT_FALSE(w.found.empty());
  EXPECT_EQ(w.found[0].name, "camera=front, light=night");
  EXPECT_LT(w.found[0].upper, 0.7);
  EXPECT_GT(w.searched, 8);   // quarters of the ages among them
  EXPECT_TRUE(weak_slices({}, correct).found.empty());
  EXPECT_TRUE(weak_slices({{"short", {"a"}}}, correct).found.empty());
}

TEST(Guarantees, distances_to_known_data_grow_away_from_it) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> z(0, 1);
  std::vector<std::vector<double>> rows;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 2000; ++i) {
    const int label = i % 2;
    const double u = z(random), v = z(random);
    rows.push_back({5.0 * label + u, u + 0.5 * v, v, 7.0});   // the second follows from the others, the last is constant
    labels.push_back(label);
  }
  auto m = Mahalanobis::fit(rows, labels);
  ASSERT_TRUE(m);
  const std::vector<double> inside = {0, 0, 0, 7}, other = {5, 0, 0, 7}, between = {2.5, 0, 0, 7}, far = {2.5, 8, -3, 7};
  EXPECT_LT(m->distance(inside), 0.1);
  EXPECT_LT(m->distance(other), 0.1);
  EXPECT_GT(m->distance(between), 1);
  EXPECT_GT(m->distance(far), 100);
  EXPECT_TRUE(std::isnan(m->distance(std::vector<double>{1})));
  auto n = Nearest::fit(rows, 5);
  ASSERT_TRUE(n);
  EXPECT_LT(n->distance(inside), n->distance(far));
  EXPECT_FALSE(Nearest::fit(rows, 3000));
  EXPECT_FALSE(Mahalanobis::fit({{1, 2}, {1}}, {}));
  EXPECT_FALSE(Mahalanobis::fit({{1}, {NAN}}, {}));
}

TEST(Guarantees, plans_state_the_fewest_samples) {
  EXPECT_EQ(zero_failure_samples(0.99, 0.95), 299);
  EXPECT_EQ(zero_failure_samples(0.999, 0.95), 2995);
  EXPECT_EQ(proportion_samples(1, 0.99, true, 0.95, 0.8), 299);
  EXPECT_EQ(proportion_samples(0.9, 0.95, true, 0.95, 0.8), std::nullopt);
  EXPECT_EQ(proportion_samples(0.9500001, 0.95, true, 0.95, 0.8), std::nullopt);   // more than is looked for
  EXPECT_EQ(paired_samples(0.02, 0.02, 0, 0.95, 0.8), std::nullopt);
  // The planned number of pairs shows the margin about as often as planned.
  const auto n = paired_samples(0.06, 0.03, 0, 0.95, 0.8);
  ASSERT_TRUE(n);
  std::mt19937_64 random(12);
  std::discrete_distribution<int> pair({0.06, 0.03, 0.91});
  int shown = 0;
  for (int run = 0; run < 500; ++run) {
    std::int64_t counts[3] = {};
    for (std::int64_t i = 0; i < *n; ++i) ++counts[pair(random)];
    shown += paired_difference_lower(*n, counts[0], counts[1], 0.95) > 0;
  }
  EXPECT_NEAR(shown / 500.0, 0.8, 0.06);
}

RC_GTEST_PROP(Guarantees, a_plan_holds_for_every_larger_number_and_not_for_one_less, ()) {
  const double limit = *rc::gen::inRange(5, 99) / 100.0, rate = limit + (1 - limit) * *rc::gen::inRange(20, 95) / 100.0;
  const double confidence = *rc::gen::element(0.8, 0.95, 0.99), power = *rc::gen::element(0.5, 0.8, 0.95);
  const auto n = proportion_samples(rate, limit, true, confidence, power);
  RC_ASSERT(n.has_value());
  for (std::int64_t more = 0; more < 60; ++more) RC_ASSERT(proportion_power(*n + more, rate, limit, true, confidence) >= power);
  if (*n > zero_failure_samples(limit, confidence)) RC_ASSERT(proportion_power(*n - 1, rate, limit, true, confidence) < power);
}

RC_GTEST_PROP(Guarantees, a_stop_agrees_with_the_bounds_at_its_sample, ()) {
  std::mt19937_64 random(*rc::gen::arbitrary<std::uint32_t>());
  const double limit = *rc::gen::inRange(1, 100) / 100.0, rate = *rc::gen::inRange(0, 101) / 100.0;
  std::vector<double> x(200);
  for (double& v : x) v = std::bernoulli_distribution(rate)(random);
  const Stop s = first_decision(x, limit, 0.05);
  const auto k = static_cast<std::int64_t>(std::count(x.begin(), x.begin() + s.used, 1.0));
  if (s.above) RC_ASSERT(anytime_lower(k, s.used, 0.95) >= limit - 1e-9);
  if (s.below) RC_ASSERT(anytime_upper(k, s.used, 0.95) <= limit + 1e-9);
  if (!s.above && !s.below) RC_ASSERT(s.used == 200);
}
