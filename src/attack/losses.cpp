#include "attack/losses.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace saha::attack {
namespace {
constexpr double kLeast = 1e-38;   // a share of 0 is taken as this

/// Outputs as logits, and what their derivative is in terms of the outputs'.
struct Logits {
  explicit Logits(std::span<const float> outputs) : value(outputs.begin(), outputs.end()) {
    double sum = 0;
    for (double v : value) { sum += v; shares = shares && v >= 0 && v <= 1; }
    shares = shares && std::abs(sum - 1) < 1e-3;
    if (!shares) return;
    share = value;
    for (double& v : value) v = std::log(std::max(v, kLeast));
  }
  double slope(std::size_t i, double by_logit) const { return shares ? by_logit / std::max(share[i], kLeast) : by_logit; }
  std::vector<double> value, share;
  bool shares = true;
};
std::size_t best_other(std::span<const double> v, std::size_t label) {
  std::size_t best = label == 0 ? 1 : 0;
  for (std::size_t i = 0; i < v.size(); ++i) if (i != label && v[i] > v[best]) best = i;
  return best;
}
/// A derivative that float cannot hold is as good as its greatest.
float narrow(double v) { return float(std::clamp(v, -1e30, 1e30)); }
}  // namespace

double margin(std::span<const float> outputs, std::int64_t label, std::span<float> slope) {
  const std::vector<double> v(outputs.begin(), outputs.end());
  const auto l = std::size_t(label), other = best_other(v, l);
  if (!slope.empty()) {
    std::ranges::fill(slope, 0.f);
    slope[l] = -1, slope[other] = 1;
  }
  return v[other] - v[l];
}

double cross_entropy(std::span<const float> outputs, std::int64_t label, std::span<float> slope) {
  const Logits z(outputs);
  const auto l = std::size_t(label);
  const double top = *std::ranges::max_element(z.value);
  double sum = 0;
  for (double v : z.value) sum += std::exp(v - top);
  if (!slope.empty())
    for (std::size_t i = 0; i < z.value.size(); ++i) slope[i] = narrow(z.slope(i, std::exp(z.value[i] - top) / sum - (i == l ? 1 : 0)));
  return top + std::log(sum) - z.value[l];
}

double dlr(std::span<const float> outputs, std::int64_t label, std::span<float> slope) {
  const Logits z(outputs);
  const auto l = std::size_t(label), other = best_other(z.value, l);
  const double difference = z.value[other] - z.value[l];
  std::vector<std::size_t> order(z.value.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const std::size_t ranked = std::min<std::size_t>(3, order.size());
  std::ranges::partial_sort(order, order.begin() + std::ptrdiff_t(ranked), [&](auto a, auto b) { return z.value[a] > z.value[b]; });
  const bool plain = order.size() < 3;
  const double spread = plain ? 1 : z.value[order[0]] - z.value[order[2]] + 1e-12;
  if (!slope.empty()) {
    std::vector<double> d(z.value.size(), 0);
    d[other] += 1 / spread, d[l] -= 1 / spread;
    if (!plain) d[order[0]] -= difference / (spread * spread), d[order[2]] += difference / (spread * spread);
    for (std::size_t i = 0; i < d.size(); ++i) slope[i] = narrow(z.slope(i, d[i]));
  }
  return difference / spread;
}

}  // namespace saha::attack
