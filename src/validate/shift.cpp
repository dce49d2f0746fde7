#include "validate/shift.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/cholesky.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

constexpr std::size_t kMostRows = 5000;   // of each sample, for the classifier
constexpr int kSteps = 25;                // of Newton
constexpr double kRidge = 1e-2;           // a row's share of it; keeps separable rows finite

std::vector<double> ordered(std::span<const double> x) {
  std::vector<double> s;
  for (double v : x)
    if (!std::isnan(v)) s.push_back(v);
  std::ranges::sort(s);
  return s;
}

// Calls f(value, share of a at or below it, share of b) at each value of either.
template <class F>
void walk(const std::vector<double>& a, const std::vector<double>& b, F f) {
  for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    const double v = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    while (i < a.size() && a[i] == v) ++i;
    while (j < b.size() && b[j] == v) ++j;
    f(v, static_cast<double>(i) / static_cast<double>(a.size()), static_cast<double>(j) / static_cast<double>(b.size()));
  }
}

using Rows = std::vector<std::vector<double>>;

std::vector<double> logistic(const Rows& rows, const std::vector<int>& side) {
  const std::size_t d = rows[0].size();
  std::vector<double> w(d, 0);
  for (int step = 0; step < kSteps; ++step) {
    std::vector<double> gradient(d, 0), hessian(d * d, 0);
    const double ridge = kRidge * static_cast<double>(rows.size());
    for (std::size_t k = 0; k < d; ++k) gradient[k] = -ridge * w[k], hessian[k * d + k] = ridge;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double p = 1 / (1 + std::exp(-std::inner_product(w.begin(), w.end(), rows[i].begin(), 0.0)));
      for (std::size_t r = 0; r < d; ++r) {
        gradient[r] += (side[i] - p) * rows[i][r];
        for (std::size_t c = 0; c <= r; ++c) hessian[r * d + c] += p * (1 - p) * rows[i][r] * rows[i][c];
      }
    }
    cholesky::factor(hessian, d, 1e-12, 1e-6);
    cholesky::solve(hessian, gradient);
    double largest = 0;
    for (std::size_t k = 0; k < d; ++k) w[k] += gradient[k], largest = std::max(largest, std::abs(gradient[k]));
    if (largest < 1e-8) break;
  }
  return w;
}

}  // namespace

double ks_statistic(std::span<const double> x, std::span<const double> y) {
  const auto a = ordered(x), b = ordered(y);
  double d = 0;
  if (!a.empty() && !b.empty()) walk(a, b, [&](double, double p, double q) { d = std::max(d, std::abs(p - q)); });
  return d;
}

double kolmogorov_sf(double x) {
  if (!(x > 0)) return 1;
  double sum = 0;
  if (x < 1) {  // the theta function's other series converges here
    constexpr double kPi = 3.14159265358979323846;
    for (int k = 1; k < 20; k += 2) sum += std::exp(-k * k * kPi * kPi / (8 * x * x));
    return std::max(0.0, 1 - std::sqrt(2 * kPi) / x * sum);
  }
  for (int k = 1; k < 20; ++k) sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return sum;
}

double ks_p(double statistic, std::int64_t n, std::int64_t m) {
  if (n <= 0 || m <= 0) return 1;
  const auto a = static_cast<double>(n), b = static_cast<double>(m);
  return kolmogorov_sf(statistic * std::sqrt(a * b / (a + b)));
}

double wasserstein(std::span<const double> x, std::span<const double> y) {
  const auto a = ordered(x), b = ordered(y);
  if (a.empty() || b.empty()) return 0;
  double sum = 0, before = std::min(a[0], b[0]), gap = 0;
  walk(a, b, [&](double v, double p, double q) {
    sum += gap * (v - before);
    before = v;
    gap = std::abs(p - q);
  });
  return sum;
}

double population_stability(std::span<const double> reference, std::span<const double> other) {
  const auto a = ordered(reference), b = ordered(other);
  if (a.empty() || b.empty()) return 0;
  std::vector<double> edges;
  for (int k = 1; k < 10; ++k) {
    const double edge = quantile(a, k / 10.0);
    if ((edges.empty() || edge > edges.back()) && edge < a.back()) edges.push_back(edge);
  }
  auto shares = [&](const std::vector<double>& s) {
    std::vector<double> out;
    std::size_t from = 0;
    for (std::size_t k = 0; k <= edges.size(); ++k) {
      const std::size_t to = k == edges.size() ? s.size() : static_cast<std::size_t>(std::upper_bound(s.begin(), s.end(), edges[k]) - s.begin());
      out.push_back(std::max(0.5, static_cast<double>(to - from)) / static_cast<double>(s.size()));
      from = to;
    }
    return out;
  };
  const auto p = shares(a), q = shares(b);
  double sum = 0;
  for (std::size_t k = 0; k < p.size(); ++k) sum += (q[k] - p[k]) * std::log(q[k] / p[k]);
  return sum;
}

std::pair<double, std::int64_t> chi_square(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  const auto n = static_cast<double>(std::accumulate(a.begin(), a.end(), std::int64_t{0})), m = static_cast<double>(std::accumulate(b.begin(), b.end(), std::int64_t{0}));
  if (n <= 0 || m <= 0) return {0, 0};
  double sum = 0;
  std::int64_t kinds = 0;
  for (std::size_t k = 0; k < std::min(a.size(), b.size()); ++k) {
    const double both = static_cast<double>(a[k] + b[k]);
    if (both <= 0) continue;
    ++kinds;
    const double wanted_a = both * n / (n + m), wanted_b = both * m / (n + m);
    sum += std::pow(static_cast<double>(a[k]) - wanted_a, 2) / wanted_a + std::pow(static_cast<double>(b[k]) - wanted_b, 2) / wanted_b;
  }
  return {sum, std::max<std::int64_t>(0, kinds - 1)};
}

double incomplete_gamma_upper(double a, double x) {
  if (!(x > 0)) return 1;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {  // the series of the lower one, DLMF 8.7.1
    double term = 1 / a, sum = term;
    for (int k = 1; k < 100000 && term > sum * 1e-17; ++k) sum += term *= x / (a + k);
    return std::max(0.0, 1 - front * sum);
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;  // Lentz's continued fraction, DLMF 8.9.2
  for (int k = 1; k < 100000; ++k) {
    const double an = -k * (k - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const double step = c * d;
    h *= step;
    if (std::abs(step - 1) < 1e-15) break;
  }
  return front * h;
}

double chi_square_sf(double x, double degrees_of_freedom) { return degrees_of_freedom <= 0 ? 1 : incomplete_gamma_upper(degrees_of_freedom / 2, x / 2); }

TwoSample classifier_test(const Rows& columns_a, const Rows& columns_b, std::uint64_t seed) {
  TwoSample out;
  if (columns_a.empty() || columns_a.size() != columns_b.size()) return out;
  const std::size_t n = std::min({columns_a[0].size(), columns_b[0].size(), kMostRows});
  if (n < 10) return out;
  std::mt19937_64 random(seed);
  auto drawn = [&](std::size_t size) {
    std::vector<std::size_t> order(size);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = size; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    order.resize(n);
    return order;
  };
  const auto from_a = drawn(columns_a[0].size()), from_b = drawn(columns_b[0].size());
  Rows learn(n / 2 * 2, {1.0}), told((n - n / 2) * 2, {1.0});  // by turns of a and b; the first column is the constant
  for (std::size_t c = 0; c < columns_a.size(); ++c) {
    std::vector<double> all;
    for (std::size_t i = 0; i < n; ++i) all.push_back(columns_a[c][from_a[i]]), all.push_back(columns_b[c][from_b[i]]);
    double sum = 0, squares = 0, count = 0;  // of the part that is learnt from
    for (std::size_t i = 0; i < learn.size(); ++i)
      if (std::isfinite(all[i])) sum += all[i], ++count;
    const double mean = count > 0 ? sum / count : 0;
    for (std::size_t i = 0; i < learn.size(); ++i)
      if (std::isfinite(all[i])) squares += (all[i] - mean) * (all[i] - mean);
    const double spread = count > 1 ? std::sqrt(squares / count) : 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double v = std::isfinite(all[i]) && spread > 0 ? std::clamp((all[i] - mean) / spread, -10.0, 10.0) : 0;
      (i < learn.size() ? learn[i] : told[i - learn.size()]).push_back(v);
    }
  }
  std::vector<int> side;
  for (std::size_t i = 0; i < learn.size(); ++i) side.push_back(i % 2 == 1);
  const auto w = logistic(learn, side);
  for (std::size_t i = 0; i < told.size(); ++i) {
    const bool second = std::inner_product(w.begin(), w.end(), told[i].begin(), 0.0) > 0;
    out.right += second == (i % 2 == 1);
  }
  out.n = static_cast<std::int64_t>(told.size());
  out.p = out.right == 0 ? 1 : 1 - binomial_cdf(out.right - 1, out.n, 0.5);
  return out;
}

}  // namespace saha::validate
