// Minimise t where rows u + c <= t and 0 <= u <= 1, x = lo + (hi - lo) u. With s = t - (rows u + c), v = 1 - u and the multipliers y of the rows (sum 1), p of u and q of v,
// a Newton step on y s = u p = v q = mu leaves one symmetric system in y:  (A D^-1 A' + S/Y) dy + 1 dt = A D^-1 g - h,  1' dy = 0,  D = P/U + Q/V.
#include "verify/minimax.hpp"

#include <algorithm>
#include <cmath>

#include "base/cholesky.hpp"

namespace saha::verify {
namespace {
constexpr int kSteps = 60;

/// The longest step along d, at most 1, that keeps v above 0.
void shorten(double& step, const std::vector<double>& v, const std::vector<double>& d) {
  for (std::size_t i = 0; i < v.size(); ++i) if (d[i] < 0) step = std::min(step, -0.995 * v[i] / d[i]);
}
}  // namespace

Minimax minimax(std::span<const double> rows, std::span<const double> constants, std::span<const double> lo, std::span<const double> hi) {
  const std::size_t m = constants.size(), n = lo.size();
  Minimax best{-INFINITY, INFINITY, {}, {}};
  std::vector<double> a(m * n), c(constants.begin(), constants.end());
  double size = 1e-300;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t d = 0; d < n; ++d) {
      a[i * n + d] = rows[i * n + d] * (hi[d] - lo[d]), c[i] += rows[i * n + d] * lo[d];
      size = std::max({size, std::fabs(a[i * n + d]), std::fabs(c[i])});
    }
  std::vector<double> u(n, 0.5), v(n, 0.5), p(n), q(n), y(m, 1.0 / double(m)), s(m), value(m), slope(n);
  double t = 0;
  /// What the present u and y show, the best of which is kept. True: enough.
  auto look = [&](bool first) {
    double least = 0, most = -INFINITY;
    for (std::size_t i = 0; i < m; ++i) {
      value[i] = c[i];
      for (std::size_t d = 0; d < n; ++d) value[i] += a[i * n + d] * u[d];
      most = std::max(most, value[i]), least += y[i] * c[i];
    }
    std::fill(slope.begin(), slope.end(), 0.0);
    for (std::size_t i = 0; i < m; ++i) for (std::size_t d = 0; d < n; ++d) slope[d] += y[i] * a[i * n + d];
    for (double g : slope) least += std::min(g, 0.0);
    if (first) t = most + 0.1 * size;
    if (least > best.lower) best.lower = least, best.weight = y;
    if (most < best.upper) {
      best.upper = most, best.point.resize(n);
      for (std::size_t d = 0; d < n; ++d) best.point[d] = std::clamp(lo[d] + u[d] * (hi[d] - lo[d]), lo[d], hi[d]);
    }
    return best.lower > 1e-9 * size || best.upper < -1e-3 * size || best.upper - best.lower < 1e-10 * size;
  };
  if (look(true)) return best;
  for (std::size_t i = 0; i < m; ++i) s[i] = t - value[i];
  for (std::size_t d = 0; d < n; ++d) p[d] = std::max(slope[d], 0.0) + 0.1 * size, q[d] = p[d] - slope[d];
  std::vector<double> weight(n), g(n), system(m * m), right(m), ones(m), dy(m), ds(m), du(n), dv(n), dp(n), dq(n);
  for (int k = 0; k < kSteps; ++k) {
    double gap = 0;
    for (std::size_t i = 0; i < m; ++i) gap += y[i] * s[i];
    for (std::size_t d = 0; d < n; ++d) gap += u[d] * p[d] + v[d] * q[d];
    const double mu = 0.1 * gap / double(m + 2 * n);
    for (std::size_t d = 0; d < n; ++d) {
      weight[d] = 1 / (p[d] / u[d] + q[d] / v[d]);
      double residual = 0;                           // of slope = p - q, which roundings leave
      for (std::size_t i = 0; i < m; ++i) residual += y[i] * a[i * n + d];
      g[d] = p[d] - q[d] - residual + (mu - u[d] * p[d]) / u[d] - (mu - v[d] * q[d]) / v[d];
    }
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (std::size_t d = 0; d < n; ++d) sum += a[i * n + d] * weight[d] * a[j * n + d];
        system[i * m + j] = sum;
      }
      double h = t - s[i] - c[i] - (mu - y[i] * s[i]) / y[i], along = 0;
      for (std::size_t d = 0; d < n; ++d) h -= a[i * n + d] * u[d], along += a[i * n + d] * weight[d] * g[d];
      system[i * m + i] += s[i] / y[i];
      right[i] = along - h;
    }
    cholesky::factor(system, m, 1e-300, 1e150);     // a pivot that roundings took: its unknown stays
    std::fill(ones.begin(), ones.end(), 1.0);
    cholesky::solve(system, right), cholesky::solve(system, ones);
    double sum_right = 0, sum_ones = 0, sum_y = 0;
    for (std::size_t i = 0; i < m; ++i) sum_right += right[i], sum_ones += ones[i], sum_y += y[i];
    const double dt = (sum_right - (1 - sum_y)) / sum_ones;
    for (std::size_t i = 0; i < m; ++i) dy[i] = right[i] - dt * ones[i], ds[i] = (mu - y[i] * s[i] - s[i] * dy[i]) / y[i];
    for (std::size_t d = 0; d < n; ++d) {
      double back = g[d];
      for (std::size_t i = 0; i < m; ++i) back -= a[i * n + d] * dy[i];
      du[d] = weight[d] * back, dv[d] = -du[d];
      dp[d] = (mu - u[d] * p[d] - p[d] * du[d]) / u[d], dq[d] = (mu - v[d] * q[d] + q[d] * du[d]) / v[d];
    }
    double step = 1, dual = 1;
    shorten(step, u, du), shorten(step, v, dv), shorten(step, s, ds);
    shorten(dual, y, dy), shorten(dual, p, dp), shorten(dual, q, dq);
    if (!(step == step && dual == dual && dt == dt)) break;
    t += step * dt;
    for (std::size_t i = 0; i < m; ++i) s[i] += step * ds[i], y[i] += dual * dy[i];
    for (std::size_t d = 0; d < n; ++d) u[d] += step * du[d], v[d] += step * dv[d], p[d] += dual * dp[d], q[d] += dual * dq[d];
    if (look(false)) break;
  }
  return best;
}

}  // namespace saha::verify
