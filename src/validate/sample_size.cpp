#include "validate/sample_size.hpp"

#include <algorithm>
#include <cmath>

#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

// The fewest successes of n whose lower bound reaches the limit: P(Bin(n, limit) >= k) <= 1 - confidence; n + 1 where none does.
std::int64_t critical(std::int64_t n, double limit, double confidence) {
  std::int64_t low = 0, high = n + 1;  // in (low, high]
  while (high - low > 1) {
    const std::int64_t mid = low + (high - low) / 2;
    (1 - binomial_cdf(mid - 1, n, limit) <= 1 - confidence ? high : low) = mid;
  }
  return high;
}

// The fewest n that allow c failures: P(at most c of n fail at the limit) <= 1 - confidence.
std::int64_t tooth(std::int64_t c, double limit, double confidence) {
  auto allowed = [&](std::int64_t n) { return binomial_cdf(c, n, 1 - limit) <= 1 - confidence; };
  std::int64_t high = c + 1;
  while (!allowed(high) && high <= 4 * kMostPlanned) high *= 2;
  std::int64_t low = c;
  while (high - low > 1) {
    const std::int64_t mid = low + (high - low) / 2;
    (allowed(mid) ? high : low) = mid;
  }
  return high;
}

}  // namespace

double proportion_power(std::int64_t n, double rate, double limit, bool at_least, double confidence) {
  if (!at_least) rate = 1 - rate, limit = 1 - limit;  // failures are the successes of the other side
  const std::int64_t k = critical(n, limit, confidence);
  return k > n ? 0 : k <= 0 ? 1 : incomplete_beta(static_cast<double>(k), static_cast<double>(n - k + 1), rate);
}

std::int64_t zero_failure_samples(double limit, double confidence) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(std::log(1 - confidence) / std::log(limit) - 1e-9)));
}

std::optional<std::int64_t> proportion_samples(double rate, double limit, bool at_least, double confidence, double power) {
  if (!at_least) rate = 1 - rate, limit = 1 - limit;
  if (!(rate > limit) || !(limit > 0) || !(rate <= 1)) return {};
  if (rate == 1) return zero_failure_samples(limit, confidence);
  // A tooth is the run of n that allow the same number c of failures. The power falls along it, so its end decides.
  auto last_of_tooth = [&](std::int64_t c) { return tooth(c + 1, limit, confidence) - 1; };
  auto holds = [&](std::int64_t c) { return binomial_cdf(c, last_of_tooth(c), 1 - rate) >= power; };
  std::int64_t low = -1, high = 0;
  while (!holds(high)) {
    if (tooth(high, limit, confidence) > kMostPlanned) return {};
    low = high;
    high = 2 * high + 1;
  }
  while (high - low > 1) {
    const std::int64_t mid = low + (high - low) / 2;
    (holds(mid) ? high : low) = mid;
  }
  // Teeth of unequal length make the power at their ends a saw-tooth again, with about 1 / limit teeth between its lows.
  const auto window = std::min<std::int64_t>(1000, 10 + static_cast<std::int64_t>(3 / limit));
  for (std::int64_t c = high; c < high + window; ++c)
    if (!holds(c)) high = c + 1;
  const std::int64_t n = tooth(high, limit, confidence);
  return n > kMostPlanned ? std::nullopt : std::optional(n);
}

std::optional<std::int64_t> paired_samples(double first, double second, double margin, double confidence, double power) {
  const double difference = first - second, discordant = first + second;
  if (!(difference > margin) || first < 0 || second < 0 || discordant > 1) return {};
  // At the border the rates are those of Tango's constrained estimate; its variance a pair is 2 q + d (1 - d), d the margin.
  const double b = -first - second + (2 - first + second) * margin, c = -second * margin * (1 - margin);
  const double q = (std::sqrt(std::max(0.0, b * b - 8 * c)) - b) / 4;
  const double null_variance = std::max(0.0, 2 * q + margin * (1 - margin)), variance = discordant - difference * difference;
  const double root = (normal_quantile(confidence) * std::sqrt(null_variance) + normal_quantile(power) * std::sqrt(std::max(0.0, variance))) / (difference - margin);
  const double n = std::ceil(root * root);
  if (!(n <= static_cast<double>(kMostPlanned))) return {};
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(n));
}

}  // namespace saha::validate
