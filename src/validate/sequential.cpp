#include "validate/sequential.hpp"

#include <algorithm>
#include <cmath>

#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

constexpr double kTruncation = 0.75;  // of a bet: no value ruins it

// log of 1 - I_x(a, b), also where it lies below the smallest double.
double log_beta_tail(double a, double b, double x) {
  const double tail = incomplete_beta(b, a, 1 - x);
  if (tail > 1e-290) return std::log(tail);
  // Far in the tail (x beyond the bulk) the integral is its front times a continued fraction near 1 / (1 - (a - 1)(1 - x) / ((b + 1) x)).
  const double front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b + 1) + a * std::log(x) + b * std::log1p(-x);
  return front;  // the fraction is at least 1: a lower bound of the tail, so of the evidence
}

bool binary(std::span<const double> values) {
  return std::ranges::all_of(values, [](double v) { return v == 0 || v == 1; });
}

}  // namespace

double log_evidence_above(std::int64_t k, std::int64_t n, double limit) {
  if (n <= 0) return 0;
  const double a = static_cast<double>(k) + 1, b = static_cast<double>(n - k) + 1;
  const double log_beta = std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
  return log_beta + log_beta_tail(a, b, limit) - std::log1p(-limit) - static_cast<double>(k) * std::log(limit) - static_cast<double>(n - k) * std::log1p(-limit);
}

Bets::Bets(double limit, double error, std::int64_t horizon) : limit_(limit), log_error_(std::log(1 / error)), horizon_(horizon) {}

void Bets::add(double value) {
  ++n_;
  const double t = static_cast<double>(n_), mean = sum_ / t, variance = std::max(squares_ / t, 1e-12);
  const double size = std::sqrt(2 * log_error_ / (variance * (horizon_ > 0 ? static_cast<double>(horizon_) : t * std::log1p(t))));
  const double bet = limit_ > 0 ? std::min(size, kTruncation / limit_) : size;
  log_ += std::log1p(bet * (value - limit_));
  sum_ += value;
  squares_ += (value - mean) * (value - sum_ / (t + 1));
}

double anytime_lower(std::int64_t k, std::int64_t n, double confidence) {
  if (n <= 0 || k <= 0) return 0;
  const double needed = -std::log1p(-confidence);
  double low = 0, high = static_cast<double>(k) / static_cast<double>(n);  // evidence falls to below 1 where the limit is the rate
  for (int i = 0; i < 60; ++i) {
    const double mid = low + (high - low) / 2;
    if (mid <= 0) break;
    (log_evidence_above(k, n, mid) >= needed ? low : high) = mid;
  }
  return low;
}

double anytime_upper(std::int64_t k, std::int64_t n, double confidence) { return 1 - anytime_lower(n - k, n, confidence); }

double bounded_mean_lower(std::span<const double> values, double lo, double hi, double confidence) {
  if (values.empty() || !(hi > lo)) return lo;
  const double needed = -std::log1p(-confidence), width = hi - lo;
  double low = 0, high = 1;  // the capital falls as the limit rises
  for (int i = 0; i < 40; ++i) {
    const double mid = low + (high - low) / 2;
    Bets bets(mid, 1 - confidence, static_cast<std::int64_t>(values.size()));
    for (double v : values) bets.add(std::clamp((v - lo) / width, 0.0, 1.0));
    (bets.log_capital() >= needed ? low : high) = mid;
  }
  return lo + width * low;
}

double bounded_mean_upper(std::span<const double> values, double lo, double hi, double confidence) {
  std::vector<double> mirrored(values.begin(), values.end());
  for (double& v : mirrored) v = lo + hi - v;
  return lo + hi - bounded_mean_lower(mirrored, lo, hi, confidence);
}

Stop first_decision(std::span<const double> values, double limit, double error, bool whole) {
  Stop stop;
  const double needed = -std::log(error);
  // A limit at or beyond an end cannot be shown by samples: one side has no evidence.
  const bool can_above = limit >= 0 && limit < 1, can_below = limit > 0 && limit <= 1, shares = binary(values);
  Bets above(std::clamp(limit, 0.0, 1.0), error), below(std::clamp(1 - limit, 0.0, 1.0), error);
  std::int64_t k = 0;
  for (double v : values) {
    ++stop.used;
    k += v == 1;
    double log_above = 0, log_below = 0;
    if (shares && limit > 0 && limit < 1) {
      log_above = log_evidence_above(k, stop.used, limit);
      log_below = log_evidence_above(stop.used - k, stop.used, 1 - limit);
    } else {
      above.add(v);
      below.add(1 - v);
      log_above = above.log_capital();
      log_below = below.log_capital();
    }
    if (can_above) stop.log_above = std::max(stop.log_above, log_above);
    if (can_below) stop.log_below = std::max(stop.log_below, log_below);
    stop.above = stop.log_above >= needed;
    stop.below = stop.log_below >= needed;
    if (!whole && (stop.above || stop.below)) break;
  }
  return stop;
}

}  // namespace saha::validate
