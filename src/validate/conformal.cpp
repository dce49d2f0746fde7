#include "validate/conformal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "validate/statistics.hpp"

namespace saha::validate {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPenalty = 0.01, kFreeRanks = 5;  // of RAPS
}  // namespace

std::vector<double> softmax(std::span<const double> logits) {
  std::vector<double> p(logits.begin(), logits.end());
  if (p.empty()) return p;
  const double top = *std::ranges::max_element(p);
  double sum = 0;
  for (double& v : p) sum += v = std::exp(v - top);
  for (double& v : p) v /= sum;
  return p;
}

std::optional<SetRule> set_rule(std::string_view name) {
  if (name == "lac") return SetRule::lac;
  if (name == "aps") return SetRule::aps;
  if (name == "raps") return SetRule::raps;
  return {};
}

std::vector<double> set_scores(SetRule rule, std::span<const double> p) {
  std::vector<double> scores(p.size());
  if (rule == SetRule::lac) {
    std::ranges::transform(p, scores.begin(), [](double v) { return 1 - v; });
    return scores;
  }
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  double mass = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && !(p[order[end]] < p[order[i]])) mass += p[order[end++]];
    const double penalty = rule == SetRule::raps ? kPenalty * std::max(0.0, static_cast<double>(end) - kFreeRanks) : 0;
    for (; i < end; ++i) scores[order[i]] = mass + penalty;
  }
  return scores;
}

double conformal_threshold(std::vector<double> scores, double level, std::optional<double> confidence) {
  for (double& s : scores) s = std::isnan(s) ? kInfinity : s;
  std::ranges::sort(scores);
  if (confidence) return quantile_upper(scores, level, *confidence).value_or(kInfinity);
  const auto n = static_cast<std::int64_t>(scores.size());
  const auto rank = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(static_cast<double>(n + 1) * level - 1e-9)));
  return rank > n ? kInfinity : scores[static_cast<std::size_t>(rank - 1)];
}

std::int64_t samples_for_threshold(double level, std::optional<double> confidence) {
  if (confidence) return samples_for_quantile(level, *confidence, true);
  return static_cast<std::int64_t>(std::ceil(level / (1 - level) - 1e-9));
}

double interval_score(double lower, double upper, double truth) { return std::max(lower - truth, truth - upper); }

}  // namespace saha::validate
