#include "validate/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>

#include "base/result.hpp"

namespace saha::validate {
namespace {

// Continued fraction of I_x(a, b), DLMF 8.17.22, by the modified Lentz method; converges fast for x < (a+1)/(a+b+2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  auto away = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), f = d;
  int steps = 300 + 10 * static_cast<int>(std::sqrt(std::max(a, b)));
  for (int m = 1; m <= steps; ++m) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    f *= d * c;
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    double step = d * c;
    f *= step;
    if (std::abs(step - 1) < 1e-15) break;
  }
  return f;
}

// The root of a decreasing f between lo (f > 0) and hi (f < 0).
template <class F>
double bisect(F f, double lo, double hi) {
  for (int i = 0; i < 200 && hi - lo > 1e-16 * std::max(1e-300, std::abs(lo) + std::abs(hi)); ++i) {
    double mid = lo + (hi - lo) / 2;
    if (mid <= lo || mid >= hi) break;
    (f(mid) > 0 ? lo : hi) = mid;
  }
  return lo + (hi - lo) / 2;
}

// Tango's statistic for the difference d, with the constrained estimate of the second's share in closed form.
double tango(double n, double b, double c, double d) {
  double A = 2 * n, B = -b - c + (2 * n - b + c) * d, C = -c * d * (1 - d);
  double q = (std::sqrt(std::max(0.0, B * B - 4 * A * C)) - B) / (2 * A);
  double variance = n * (2 * q + d * (1 - d));
  double numerator = b - c - n * d;
  if (variance <= 0) return numerator == 0 ? 0 : std::copysign(std::numeric_limits<double>::infinity(), numerator);
  return numerator / std::sqrt(variance);
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
  if (!(x > 0)) return 0;
  if (!(x < 1)) return 1;
  double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double incomplete_beta_inverse(double a, double b, double p) {
  if (!(p > 0)) return 0;
  if (!(p < 1)) return 1;
  return bisect([&](double x) { return p - incomplete_beta(a, b, x); }, 0, 1);
}

double binomial_cdf(std::int64_t k, std::int64_t n, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 1 - p);
}

double normal_quantile(double p) {
  if (p == 0.5) return 0;
  if (p > 0.5) return -normal_quantile(1 - p);
  return bisect([&](double x) { return p - 0.5 * std::erfc(-x / std::sqrt(2.0)); }, -39, 0);
}

double student_t_quantile(double p, double v) {
  if (p == 0.5) return 0;
  double tail = std::min(p, 1 - p);
  double x = incomplete_beta_inverse(v / 2, 0.5, 2 * tail);  // x = v / (v + t^2)
  double t = std::sqrt(v * (1 - x) / std::max(x, 1e-300));
  return p < 0.5 ? -t : t;
}

double proportion_lower(std::int64_t k, std::int64_t n, double confidence) {
  SAHA_ASSERT(0 <= k && k <= n);
  return k == 0 ? 0 : incomplete_beta_inverse(static_cast<double>(k), static_cast<double>(n - k + 1), 1 - confidence);
}

double proportion_upper(std::int64_t k, std::int64_t n, double confidence) {
  return 1 - proportion_lower(n - k, n, confidence);
}

Interval proportion_interval(std::int64_t k, std::int64_t n, double confidence) {
  double side = 1 - (1 - confidence) / 2;
  return {proportion_lower(k, n, side), proportion_upper(k, n, side)};
}

double failure_rate_bound(std::int64_t n, double confidence) {
  return n <= 0 ? 1 : -std::expm1(std::log1p(-confidence) / static_cast<double>(n));
}

std::optional<std::int64_t> more_samples(std::int64_t k, std::int64_t n, double limit, bool at_least, double confidence) {
  if (n <= 0) return {};
  double rate = static_cast<double>(k) / static_cast<double>(n);
  if (at_least ? rate <= limit && !(rate == 1 && limit < 1) : rate >= limit) return {};
  auto enough = [&](std::int64_t more) {  // with a fractional number of hits, so that it is monotone in `more`
    double total = static_cast<double>(n + more), hits = at_least ? rate * total : (1 - rate) * total;
    double bound = hits == 0 ? 0 : incomplete_beta_inverse(hits, total - hits + 1, 1 - confidence);
    return at_least ? bound >= limit : 1 - bound <= limit;
  };
  constexpr std::int64_t kMost = 1'000'000'000;
  if (enough(0)) return 0;
  std::int64_t high = 1;
  while (!enough(high)) {
    if (high >= kMost) return {};
    high *= 2;
  }
  std::int64_t low = high / 2;
  while (high - low > 1) {
    std::int64_t mid = low + (high - low) / 2;
    (enough(mid) ? high : low) = mid;
  }
  return high;
}

// X(r) bounds the q-quantile from above with probability P(Bin(n, q) <= r - 1), from below with P(Bin(n, q) >= r).
std::optional<double> quantile_upper(std::span<const double> sorted, double q, double confidence) {
  auto n = static_cast<std::int64_t>(sorted.size());
  std::int64_t low = 0, high = n + 1;  // the smallest rank that bounds lies in (low, high]
  while (high - low > 1) {
    std::int64_t mid = low + (high - low) / 2;
    (binomial_cdf(mid - 1, n, q) >= confidence && !(mid == n + 1) ? high : low) = mid;
  }
  return high > n ? std::nullopt : std::optional(sorted[static_cast<std::size_t>(high - 1)]);
}

std::optional<double> quantile_lower(std::span<const double> sorted, double q, double confidence) {
  auto n = static_cast<std::int64_t>(sorted.size());
  std::int64_t low = 0, high = n + 1;  // the largest rank that bounds lies in [low, high)
  while (high - low > 1) {
    std::int64_t mid = low + (high - low) / 2;
    (binomial_cdf(mid - 1, n, q) <= 1 - confidence ? low : high) = mid;
  }
  return low < 1 ? std::nullopt : std::optional(sorted[static_cast<std::size_t>(low - 1)]);
}

std::int64_t samples_for_quantile(double q, double confidence, bool upper) {
  // The largest sample bounds from above where q^n <= 1 - confidence, the smallest from below where (1-q)^n <= 1 - confidence.
  return static_cast<std::int64_t>(std::ceil(std::log(1 - confidence) / std::log(upper ? q : 1 - q)));
}

double quantile(std::span<const double> sorted, double q) {
  SAHA_ASSERT(!sorted.empty());
  auto n = static_cast<double>(sorted.size());
  auto rank = static_cast<std::int64_t>(std::ceil(q * n - 1e-9));
  return sorted[static_cast<std::size_t>(std::clamp<std::int64_t>(rank, 1, static_cast<std::int64_t>(sorted.size())) - 1)];
}

namespace {
// The places of the values, the least first.
std::vector<std::size_t> ascending(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  return order;
}
}  // namespace

std::vector<double> holm(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  double running = 0, left = static_cast<double>(p.size());
  for (std::size_t i : ascending(p)) adjusted[i] = running = std::max(running, std::min(1.0, left-- * p[i]));
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  double running = 1, rank = static_cast<double>(p.size());
  for (std::size_t i : std::views::reverse(ascending(p))) adjusted[i] = running = std::min(running, p[i] * static_cast<double>(p.size()) / rank--);
  return adjusted;
}

double mcnemar_exact(std::int64_t b, std::int64_t c) {
  return std::min(1.0, 2 * binomial_cdf(std::min(b, c), b + c, 0.5));
}

double paired_difference_lower(std::int64_t n, std::int64_t b, std::int64_t c, double confidence) {
  SAHA_ASSERT(b >= 0 && c >= 0 && b + c <= n);
  if (n == 0) return -1;
  double z = normal_quantile(confidence), N = static_cast<double>(n), B = static_cast<double>(b), C = static_cast<double>(c);
  return bisect([&](double d) { return tango(N, B, C, d) - z; }, -1, (B - C) / N);
}

double paired_difference_upper(std::int64_t n, std::int64_t b, std::int64_t c, double confidence) {
  return -paired_difference_lower(n, c, b, confidence);
}

Mean mean_of(std::span<const double> values) {
  double mean = 0, m2 = 0;
  std::int64_t n = 0;
  for (double v : values) {  // Welford
    ++n;
    double delta = v - mean;
    mean += delta / static_cast<double>(n);
    m2 += delta * (v - mean);
  }
  auto count = static_cast<double>(n);
  return {mean, n > 1 ? std::sqrt(m2 / (count - 1) / count) : std::numeric_limits<double>::infinity(), n};
}

double mean_lower(const Mean& m, double confidence) {
  if (m.n < 2) return -std::numeric_limits<double>::infinity();
  return m.mean - student_t_quantile(confidence, static_cast<double>(m.n - 1)) * m.standard_error;
}

double mean_upper(const Mean& m, double confidence) {
  if (m.n < 2) return std::numeric_limits<double>::infinity();
  return m.mean + student_t_quantile(confidence, static_cast<double>(m.n - 1)) * m.standard_error;
}

}  // namespace saha::validate
