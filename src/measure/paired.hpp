#pragma once
// Two rows of one bench(), compared by pairs of bursts: burst i of both is of the same round, so what slowed the machine meets both.
#include <cstdint>
#include <optional>

#include "measure/bench.hpp"

namespace saha::measure {

struct Ratio {
  double value = 1, lower = 1, upper = 1;   ///< with its two-sided interval
  bool tie() const { return lower <= 1 && 1 <= upper; }
};

/// Times of some runs, in the order measured, and how many of them each burst made.
struct Times {
  std::span<const double> ms;
  std::span<const int> bursts;
};

/// The q-quantile of a over that of b, over the rounds that both have. The interval is a bootstrap of whole rounds, drawn for both at once
/// (Davison and Hinkley 1997, 3.8 and 5.3.1), so that runs of one burst need not be independent, widened by
/// 2 % for what bursts cannot tell: where each process's memory happens to lie. Equal seeds give equal intervals.
/// Nothing with fewer than 5 rounds: their interval would mean little.
std::optional<Ratio> paired_ratio(const Times& a, const Times& b, double q, double confidence, std::uint64_t seed);

}  // namespace saha::measure
