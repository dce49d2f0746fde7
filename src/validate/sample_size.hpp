#pragma once
// How many samples show a requirement, before any is collected: exact binomial power, the zero-failure rule, paired differences.
// Sources: Chernick and Liu 2002 (American Statistician 56:149, the saw-tooth of exact power); Connor 1987 (Biometrics 43:207, McNemar).
#include <cstdint>
#include <functional>
#include <optional>

namespace saha::validate {

/// The most samples that are looked for.
inline constexpr std::int64_t kMostPlanned = 100'000'000;

/// P(the one-sided Clopper-Pearson bound of n samples of the true rate clears the limit): the lower bound for `at_least`, else the upper.
double proportion_power(std::int64_t n, double rate, double limit, bool at_least, double confidence);

/// The fewest n from which on every number of samples clears the limit with at least `power`: exact power is a saw-tooth in n, and a plan must
/// hold for one sample more. Nothing where the rate does not lie beyond the limit, or more than kMostPlanned were needed.
std::optional<std::int64_t> proportion_samples(double rate, double limit, bool at_least, double confidence, double power);

/// The fewest samples that show the limit where none fails: ceil(ln(1 - confidence) / ln(limit)), of `limit` the least rate of successes.
std::int64_t zero_failure_samples(double limit, double confidence);

/// The fewest pairs whose bound of (rate of the first - rate of the second) exceeds `margin` with `power`, where the first alone is right at
/// `first` and the second alone at `second`: by the normal approximation of Tango's score. Nothing where first - second <= margin.
std::optional<std::int64_t> paired_samples(double first, double second, double margin, double confidence, double power);

}  // namespace saha::validate
