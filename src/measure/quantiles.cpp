// Nearest-rank quantiles: Hyndman and Fan 1996, definition 1.
#include "measure/quantiles.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace saha::measure {

std::size_t quantile_place(std::size_t n, double q) {
  const double rank = std::ceil(q * double(n) - 1e-9);  // 0.9 * 10 is 9 and a bit in binary
  return std::size_t(std::clamp(rank, 1.0, double(n))) - 1;
}

double quantile(std::span<const double> xs, double q) { return xs[quantile_place(xs.size(), q)]; }

Summary summarize(std::span<const double> times) {
  if (times.empty()) return {};
  std::vector<double> xs(times.begin(), times.end());
  std::sort(xs.begin(), xs.end());
  return {xs.front(), quantile(xs, 0.5), quantile(xs, 0.9), quantile(xs, 0.99), std::accumulate(xs.begin(), xs.end(), 0.0) / double(xs.size())};
}

}  // namespace saha::measure
