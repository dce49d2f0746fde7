// Ranges from how numbers are spread, against cases worked out by hand.
#include "compress/histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace saha::compress {
namespace {

TEST(Histogram, KeepsExtremaCountAndZeros) {
  Histogram h;
  h.add(std::vector<float>{0, -1.5f, 2.25f, 0});
  h.add(std::vector<float>{1000, NAN, INFINITY});
  EXPECT_EQ(h.lowest(), -1.5);
  EXPECT_EQ(h.highest(), 1000);
  EXPECT_EQ(h.count(), 5);
  EXPECT_EQ(h.zeros(), 2);
  EXPECT_EQ(h.not_finite(), 2);
  double held = 0;
  for (double m : h.bins().mass) held += m;
  EXPECT_EQ(held, 3);
}

TEST(Histogram, DoesNotDependOnHowNumbersAreCutIntoCalls) {
  std::mt19937 engine(3);
  std::normal_distribution<float> d(0, 2);
  std::vector<float> v(10'000);
  for (float& x : v) x = d(engine);
  v[0] = 50;   // so that the first width is that of all
  Histogram whole, parts;
  whole.add(v);
  for (std::size_t i = 0; i < v.size(); i += 100) parts.add(std::span(v).subspan(i, 100));
  EXPECT_EQ(whole.bins().mass, parts.bins().mass);
  EXPECT_EQ(whole.bins().start, parts.bins().start);
  Histogram grown;   // small ones first: bins join
  for (std::size_t i = v.size(); i-- > 0;) grown.add(std::span(v).subspan(i, 1));
  EXPECT_EQ(grown.bins().mass, whole.bins().mass);
}

TEST(Histogram, MinmaxIsTheExtremaWithZeroInside) {
  Histogram h;
  h.add(std::vector<float>{3, 5});
  EXPECT_EQ(range_of(h, {.how = Calibration::minmax}).lo, 0);
  EXPECT_EQ(range_of(h, {.how = Calibration::minmax}).hi, 5);
  const Range s = range_of(h, {.how = Calibration::minmax, .symmetric = true});
  EXPECT_EQ(s.lo, -5);
  EXPECT_EQ(s.hi, 5);
}

TEST(Histogram, PercentileCutsTheStatedShareAtEachEnd) {
  Histogram h;
  std::vector<float> v;
  for (int i = 1; i <= 1000; ++i) v.push_back(float(i)), v.push_back(float(-i));
  h.add(v);
  const Range r = range_of(h, {.how = Calibration::percentile, .percentile = 90});   // 100 of 2000 at each end
  EXPECT_NEAR(r.hi, 900, 2);   // bins are 0.25 wide
  EXPECT_NEAR(r.lo, -900, 2);
}

TEST(Histogram, MseCutsAnOutlierWhereTheStepsItCostsWeighMore) {
  // n numbers spread over [0, 1), one at L: keeping it costs n (L / 255)^2 / 12, cutting to 1 costs (L - 1)^2.
  std::vector<float> v;
  for (int i = 0; i < 1'000'000; ++i) v.push_back(float(i % 1000) / 1000);
  for (const float outlier : {1.5f, 30.0f}) {
    Histogram h;
    h.add(v);
    h.add(std::vector<float>{outlier});
    const Range r = range_of(h, {.how = Calibration::mse});
    const double keep = 1e6 * std::pow(double(outlier) / 255, 2) / 12, cut = std::pow(double(outlier) - 1, 2) + 1e6 * std::pow(1. / 255, 2) / 12;
    EXPECT_LT(cut, keep);
    EXPECT_LT(r.hi, double(outlier)) << outlier;
    EXPECT_GE(r.hi, 0.95) << outlier;
  }
  Histogram few;   // of ten numbers none is worth cutting
  few.add(std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 4.0f});
  EXPECT_GT(range_of(few, {.how = Calibration::mse}).hi, 3.9);
}

TEST(Histogram, EntropyCutsTheTailOfABell) {
  std::mt19937 engine(5);
  std::normal_distribution<float> d(0, 1);
  std::vector<float> v(200'000);
  for (float& x : v) x = d(engine);
  v.push_back(60);
  Histogram h;
  h.add(v);
  const Range r = range_of(h, {.how = Calibration::entropy});
  EXPECT_LT(r.hi, 30);
  EXPECT_GT(r.hi, 2);
  EXPECT_GE(r.lo, h.lowest());
}

TEST(Histogram, NothingAndOnlyZerosHaveAnEmptyRange) {
  for (const Calibration how : {Calibration::minmax, Calibration::percentile, Calibration::entropy, Calibration::mse}) {
    Histogram none, zeros;
    zeros.add(std::vector<float>{0, 0, 0});
    for (const Histogram* h : {&none, &zeros}) {
      const Range r = range_of(*h, {.how = how});
      EXPECT_EQ(r.lo, 0);
      EXPECT_EQ(r.hi, 0);
    }
    EXPECT_EQ(calibration_of(name(how)), how);
  }
  EXPECT_FALSE(calibration_of("maximum"));
}

}  // namespace
}  // namespace saha::compress
