#pragma once
// Order statistics of run times: nearest rank, so every figure is a time that was measured.
#include <span>

namespace saha::measure {

/// Where the q-quantile of n sorted values stands: the ceil(q n)-th, counted from 0; n > 0.
std::size_t quantile_place(std::size_t n, double q);
/// The smallest x of xs such that at least q of them are <= x: the ceil(q n)-th, 0 < q <= 1. xs is sorted and not empty.
double quantile(std::span<const double> xs, double q);

struct Summary {
  double min = 0, p50 = 0, p90 = 0, p99 = 0, mean = 0;
};
/// Of unsorted times; all zero where there are none.
Summary summarize(std::span<const double> times);

}  // namespace saha::measure
