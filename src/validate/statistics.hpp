#pragma once
// The statistics behind a verdict: exact where exact bounds exist, and named where they are approximate.
// Sources: Clopper and Pearson 1934 (Biometrika 26:404); DLMF 8.17 (incomplete beta); David and Nagaraja, Order Statistics, 7.1;
// Holm 1979 (Scand. J. Stat. 6:65); McNemar 1947 in its exact form; Tango 1998 (Statist. Med. 17:891).
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace saha::validate {

/// Regularised incomplete beta function I_x(a, b); a, b > 0, x in [0, 1]. Relative error below 1e-10 up to a, b of 1e4, 1e-8 up to 1e6.
double incomplete_beta(double a, double b, double x);
/// The x with I_x(a, b) = p.
double incomplete_beta_inverse(double a, double b, double p);
double binomial_cdf(std::int64_t k, std::int64_t n, double p);  ///< P(X <= k)
double normal_quantile(double p);
double student_t_quantile(double p, double degrees_of_freedom);

struct Interval {
  double lower, upper;
};

/// Clopper-Pearson. One-sided: P(the bound errs) <= 1 - confidence, whatever the rate. k of n; n = 0 gives [0, 1].
double proportion_lower(std::int64_t k, std::int64_t n, double confidence);
double proportion_upper(std::int64_t k, std::int64_t n, double confidence);
Interval proportion_interval(std::int64_t k, std::int64_t n, double confidence);  ///< two-sided

/// The rate that n tries without a failure exclude: 1 - (1 - confidence)^(1/n), about 3/n at 95 % ("rule of three").
double failure_rate_bound(std::int64_t n, double confidence);

/// How many further samples, at the rate seen so far, let the one-sided Clopper-Pearson bound reach `limit` (lower bound for
/// `at_least`, else upper). Nothing where the rate itself does not reach it, or more than 10^9 were needed.
std::optional<std::int64_t> more_samples(std::int64_t k, std::int64_t n, double limit, bool at_least, double confidence);

/// Bounds of the q-quantile by order statistics, free of any distribution. `sorted` ascending. Nothing where n is too small:
/// then samples_for_quantile says how many there must be.
std::optional<double> quantile_lower(std::span<const double> sorted, double q, double confidence);
std::optional<double> quantile_upper(std::span<const double> sorted, double q, double confidence);
std::int64_t samples_for_quantile(double q, double confidence, bool upper);
double quantile(std::span<const double> sorted, double q);  ///< the point estimate: the ceil(q n)-th smallest

/// Holm's step-down adjustment: the smallest familywise level at which each hypothesis is rejected, in the order given.
std::vector<double> holm(std::span<const double> p);
/// Benjamini and Hochberg's adjustment: the least false discovery rate at which each is rejected, in the order given.
std::vector<double> benjamini_hochberg(std::span<const double> p);

/// Two-sided exact McNemar test. b: pairs that only the first gets right; c: only the second.
double mcnemar_exact(std::int64_t b, std::int64_t c);
/// One-sided bounds of (rate of the first - rate of the second) in n pairs: Tango's score interval, asymptotic.
double paired_difference_lower(std::int64_t n, std::int64_t b, std::int64_t c, double confidence);
double paired_difference_upper(std::int64_t n, std::int64_t b, std::int64_t c, double confidence);

/// Mean of a sample with the one-sided bounds of Student's t (approximate: by the central limit theorem). n >= 2.
struct Mean {
  double mean, standard_error;
  std::int64_t n;
};
Mean mean_of(std::span<const double> values);
double mean_lower(const Mean& m, double confidence);
double mean_upper(const Mean& m, double confidence);

}  // namespace saha::validate
