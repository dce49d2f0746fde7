#pragma once
// Evidence that may be looked at after every sample: e-processes, nonnegative supermartingales while the hypothesis holds. By Ville's inequality
// one reaches 1 / a with probability at most a, however often it is looked at, so a verdict may stop at the first sample that decides.
// Sources: Ville 1939; Robbins 1970 (beta-binomial mixture); Howard, Ramdas, McAuliffe and Sekhon 2021 (confidence sequences); Waudby-Smith and
// Ramdas 2024 (JRSS B 86:1, bounded means by betting); Ramdas et al. 2023 (game-theoretic statistics).
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace saha::validate {

/// The logarithm of the e-process against "the rate is at most `limit`", after k successes in n samples of 0 or 1: likelihood ratios mixed by a
/// uniform prior on (limit, 1]. limit in (0, 1).
double log_evidence_above(std::int64_t k, std::int64_t n, double limit);

/// The e-process against "the mean is at most `limit`" for values in [0, 1]: the capital of bets on each value above the limit, their size from the
/// variance seen before. `horizon`: bets sized for so many values and looked at once at the end; 0: for any time.
class Bets {
 public:
  Bets(double limit, double error, std::int64_t horizon = 0);
  void add(double value);
  double log_capital() const { return log_; }

 private:
  double limit_, log_error_, log_ = 0, sum_ = 0.5, squares_ = 0.25;
  std::int64_t n_ = 0, horizon_;
};

/// Bounds of a rate that hold at every n at once; one-sided. n = 0 gives 0 and 1.
double anytime_lower(std::int64_t k, std::int64_t n, double confidence);
double anytime_upper(std::int64_t k, std::int64_t n, double confidence);

/// One-sided bounds of the mean of independent values in [lo, hi], of any distribution: exact where Student's t is approximate. The order of the
/// values matters little but must not depend on them: shuffle data that is sorted.
double bounded_mean_lower(std::span<const double> values, double lo, double hi, double confidence);
double bounded_mean_upper(std::span<const double> values, double lo, double hi, double confidence);

/// Where a stream of values in [0, 1] decides about its mean.
struct Stop {
  std::int64_t used = 0;       ///< samples looked at: up to the one that decides, or all
  double log_above = 0;        ///< the most evidence seen for "above the limit", up to and including `used`
  double log_below = 0;        ///< and for "below"
  bool above = false, below = false;   ///< shown at the error asked for
};
/// Looks at the values in [0, 1] in their order. `whole`: goes on to the last, for the evidence of all.
Stop first_decision(std::span<const double> values, double limit, double error, bool whole = false);

}  // namespace saha::validate
