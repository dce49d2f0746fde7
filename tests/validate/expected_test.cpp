// The statistics against scipy, statsmodels and scikit-learn: statistics_expected.txt, made by tools/statistics_expectations.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

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

struct Line {
  std::string text;
  std::vector<std::vector<double>> in = {{}};   // the lists
  std::vector<double> out = {};
  std::int64_t whole(std::size_t i) const { return static_cast<std::int64_t>(in[0][i]); }
};

// The lines of one name. Fails where there is none.
std::vector<Line> lines_of(const std::string& wanted) {
  static const auto kAll = [] {
    std::map<std::string, std::vector<Line>> all;
    std::ifstream file("tests/validate/statistics_expected.txt");
    for (std::string text; std::getline(file, text);) {
      if (text.starts_with("#")) continue;
      std::istringstream words(text);
      std::string word, name;
      words >> name;
      Line line{text};
      bool out = false;
      while (words >> word) {
        if (word == "=") out = true;
        else if (word == "|") line.in.emplace_back();
        else (out ? line.out : line.in.back()).push_back(std::strtod(word.c_str(), nullptr));
      }
      all[name].push_back(std::move(line));
    }
    return all;
  }();
  const auto at = kAll.find(wanted);
  EXPECT_NE(at, kAll.end()) << wanted;
  return at == kAll.end() ? std::vector<Line>{} : at->second;
}

void near(const Line& l, std::size_t i, double got, double relative = 1e-9) {
  if (std::isinf(l.out.at(i))) EXPECT_EQ(got, l.out[i]) << l.text;
  else EXPECT_NEAR(got, l.out.at(i), relative * std::max(1e-12, std::abs(l.out[i]))) << l.text;
}

}  // namespace

TEST(Expected, clopper_pearson_equals_scipy_and_statsmodels) {
  for (const Line& l : lines_of("clopper_pearson")) {
    const auto k = l.whole(0), n = l.whole(1);
    const double c = l.in[0][2];
    EXPECT_NEAR(proportion_lower(k, n, c), l.out[0], 1e-9) << l.text;
    EXPECT_NEAR(proportion_upper(k, n, c), l.out[1], 1e-9) << l.text;
    const Interval both = proportion_interval(k, n, c);
    EXPECT_NEAR(both.lower, l.out[2], 1e-9) << l.text;
    EXPECT_NEAR(both.upper, l.out[3], 1e-9) << l.text;
  }
}

TEST(Expected, mcnemar_and_tango_equal_statsmodels_and_the_likelihood) {
  for (const Line& l : lines_of("mcnemar")) near(l, 0, mcnemar_exact(l.whole(0), l.whole(1)));
  for (const Line& l : lines_of("tango")) {
    EXPECT_NEAR(paired_difference_lower(l.whole(0), l.whole(1), l.whole(2), l.in[0][3]), l.out[0], 2e-7) << l.text;
    EXPECT_NEAR(paired_difference_upper(l.whole(0), l.whole(1), l.whole(2), l.in[0][3]), l.out[1], 2e-7) << l.text;
  }
}

TEST(Expected, corrections_equal_statsmodels_and_scipy) {
  for (const Line& l : lines_of("holm"))
    for (std::size_t i = 0; i < l.out.size(); ++i) near(l, i, holm(l.in[0])[i]);
  for (const Line& l : lines_of("benjamini_hochberg"))
    for (std::size_t i = 0; i < l.out.size(); ++i) near(l, i, benjamini_hochberg(l.in[0])[i]);
}

TEST(Expected, sample_sizes_have_the_exact_power) {
  for (const Line& l : lines_of("sample_size")) {
    const auto n = proportion_samples(l.in[0][0], l.in[0][1], true, l.in[0][2], l.in[0][3]);
    ASSERT_TRUE(n) << l.text;
    EXPECT_EQ(*n, static_cast<std::int64_t>(l.out[0])) << l.text;
    near(l, 1, proportion_power(*n, l.in[0][0], l.in[0][1], true, l.in[0][2]), 1e-8);
    EXPECT_EQ(proportion_samples(1 - l.in[0][0], 1 - l.in[0][1], false, l.in[0][2], l.in[0][3]), n) << l.text;
  }
}

TEST(Expected, conformal_scores_and_thresholds_are_those_of_the_papers) {
  for (const Line& l : lines_of("conformal")) near(l, 0, conformal_threshold(l.in[1], l.in[0][0]));
  for (const char* rule : {"lac", "aps", "raps"})
    for (const Line& l : lines_of(rule))
      for (std::size_t i = 0; i < l.out.size(); ++i) near(l, i, set_scores(*set_rule(rule), l.in[0])[i]);
}

TEST(Expected, the_area_under_the_curve_has_delongs_variance) {
  for (const Line& l : lines_of("delong")) {
    const Auc a = delong(l.in[0], l.in[1]);
    near(l, 0, a.area);
    near(l, 1, a.variance);
    near(l, 2, auc_lower(a, 0.95));
  }
}

TEST(Expected, strangeness_equals_scipy) {
  for (const Line& l : lines_of("energy")) near(l, 0, strangeness(Strangeness::energy, l.in[0]));
  for (const Line& l : lines_of("entropy")) near(l, 0, strangeness(Strangeness::entropy, softmax(l.in[0])), 1e-8);
  for (const Line& l : lines_of("msp")) near(l, 0, strangeness(Strangeness::softmax, softmax(l.in[0])));
}

TEST(Expected, shift_equals_scipy) {
  for (const Line& l : lines_of("ks")) {
    const double d = ks_statistic(l.in[0], l.in[1]);
    near(l, 0, d);
    near(l, 1, ks_p(d, std::int64_t(l.in[0].size()), std::int64_t(l.in[1].size())));
  }
  for (const Line& l : lines_of("wasserstein")) near(l, 0, wasserstein(l.in[0], l.in[1]));
  for (const Line& l : lines_of("psi")) near(l, 0, population_stability(l.in[0], l.in[1]));
  for (const Line& l : lines_of("kolmogorov")) near(l, 0, kolmogorov_sf(l.in[0][0]));
  for (const Line& l : lines_of("incomplete_gamma")) near(l, 0, incomplete_gamma_upper(l.in[0][0], l.in[0][1]), 1e-8);
  for (const Line& l : lines_of("chi_square")) {
    std::vector<std::int64_t> a(l.in[0].begin(), l.in[0].end()), b(l.in[1].begin(), l.in[1].end());
    const auto [x, degrees] = chi_square(a, b);
    near(l, 0, x);
    EXPECT_EQ(degrees, static_cast<std::int64_t>(l.out[1]));
    near(l, 2, chi_square_sf(x, static_cast<double>(degrees)), 1e-8);
  }
  for (const Line& l : lines_of("fisher")) near(l, 0, fisher_more(l.whole(0), l.whole(1), l.whole(2), l.whole(3)), 1e-8);
}

TEST(Expected, the_mixture_of_likelihoods_equals_its_integral) {
  for (const Line& l : lines_of("evidence")) near(l, 0, log_evidence_above(l.whole(0), l.whole(1), l.in[0][2]), 1e-7);
}
