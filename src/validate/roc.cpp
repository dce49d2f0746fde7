#include "validate/roc.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

// Of each x the share of `sorted` below it, equal ones by half.
std::vector<double> placements(std::span<const double> x, const std::vector<double>& sorted) {
  std::vector<double> v;
  v.reserve(x.size());
  for (double value : x) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    v.push_back((static_cast<double>(first - sorted.begin()) + static_cast<double>(last - sorted.begin())) / (2 * static_cast<double>(sorted.size())));
  }
  return v;
}

std::vector<double> sorted(std::span<const double> x) {
  std::vector<double> s(x.begin(), x.end());
  std::ranges::sort(s);
  return s;
}

}  // namespace

Auc delong(std::span<const double> positive, std::span<const double> negative) {
  const Mean of_positive = mean_of(placements(positive, sorted(negative)));
  const Mean of_negative = mean_of(placements(negative, sorted(positive)));
  Auc a;
  a.area = of_positive.mean;
  a.variance = of_positive.standard_error * of_positive.standard_error + of_negative.standard_error * of_negative.standard_error;
  a.positives = static_cast<std::int64_t>(positive.size());
  a.negatives = static_cast<std::int64_t>(negative.size());
  return a;
}

double auc_lower(const Auc& a, double confidence) {
  if (a.variance > 0 && std::isfinite(a.variance) && a.area > 0 && a.area < 1) {
    const double logit = std::log(a.area / (1 - a.area)), spread = std::sqrt(a.variance) / (a.area * (1 - a.area));
    return 1 / (1 + std::exp(normal_quantile(confidence) * spread - logit));
  }
  const double size = static_cast<double>(std::min(a.positives, a.negatives)), hits = a.area * size;
  return hits <= 0 ? 0 : incomplete_beta_inverse(hits, size - hits + 1, 1 - confidence);
}

double auc_upper(const Auc& a, double confidence) {
  Auc other = a;
  other.area = 1 - a.area;
  return 1 - auc_lower(other, confidence);
}

}  // namespace saha::validate
