#pragma once
// Whether two samples come from one population: of numbers, of words, and of whole rows. Sources: Kolmogorov 1933, Smirnov 1939; Pearson 1900
// (chi-square); Siddiqi 2006 (population stability index); Vallender 1974 (Wasserstein in one dimension); Benjamini and Hochberg 1995;
// Lopez-Paz and Oquab 2017 (classifier two-sample test).
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace saha::validate {

/// The largest difference of the two empirical distributions. NaN is left out; 0 where one is empty.
double ks_statistic(std::span<const double> a, std::span<const double> b);
/// Its p by Kolmogorov's limit, which errs on the safe side: sf(d sqrt(n m / (n + m))).
double ks_p(double statistic, std::int64_t n, std::int64_t m);
double kolmogorov_sf(double x);
/// The mean distance that values must be moved to make one sample the other, in their unit.
double wasserstein(std::span<const double> a, std::span<const double> b);
/// sum (p - q) ln(p / q) over the deciles of `reference` (fewer where values repeat); a share of no sample counts as that of half a sample.
double population_stability(std::span<const double> reference, std::span<const double> other);
/// Pearson's chi-square of two rows of counts of the same kinds: statistic and degrees of freedom; kinds of count 0 in both do not count.
std::pair<double, std::int64_t> chi_square(std::span<const std::int64_t> a, std::span<const std::int64_t> b);
double chi_square_sf(double x, double degrees_of_freedom);
/// Regularised upper incomplete gamma Q(a, x), DLMF 8.2.
double incomplete_gamma_upper(double a, double x);

/// A classifier told which sample a row is from. On rows that it did not learn from it is right in k of n; by chance in half of them.
struct TwoSample {
  std::int64_t right = 0, n = 0;
  double p = 1;   ///< P(so many or more right by chance): exact binomial
};
/// Logistic regression on standardised columns, equally many rows of each, half to learn from, chosen by the seed. NaN counts as the mean.
TwoSample classifier_test(const std::vector<std::vector<double>>& columns_a, const std::vector<std::vector<double>>& columns_b, std::uint64_t seed);

}  // namespace saha::validate
