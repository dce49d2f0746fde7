#include "validate/strangeness.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "base/cholesky.hpp"

namespace saha::validate {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"softmax", "entropy", "energy", "mahalanobis", "knn"};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Result<std::size_t> width_of(const std::vector<std::vector<double>>& rows, std::size_t least) {
  if (rows.size() < least) return Error{ErrorCode::invalid_data, std::to_string(rows.size()) + " known samples, at least " + std::to_string(least) + " are needed"};
  const std::size_t d = rows[0].size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != d || d == 0) return Error{ErrorCode::invalid_data, "known sample " + std::to_string(i) + " has " + std::to_string(rows[i].size()) + " features, the first has " + std::to_string(d)};
    if (!std::ranges::all_of(rows[i], [](double v) { return std::isfinite(v); })) return Error{ErrorCode::invalid_data, "a feature of known sample " + std::to_string(i) + " is not finite"};
  }
  return d;
}

}  // namespace

std::optional<Strangeness> strangeness(std::string_view word) {
  const auto at = std::ranges::find(kNames, word);
  if (at == kNames.end()) return {};
  return static_cast<Strangeness>(at - kNames.begin());
}

std::string_view name(Strangeness s) { return kNames[static_cast<std::size_t>(s)]; }

bool needs_fit(Strangeness s) { return s == Strangeness::mahalanobis || s == Strangeness::knn; }

double strangeness(Strangeness s, std::span<const double> values) {
  if (values.empty() || std::ranges::any_of(values, [](double v) { return std::isnan(v); })) return kNaN;
  const double top = *std::ranges::max_element(values);
  if (s == Strangeness::softmax) return 1 - top;
  double sum = 0;
  if (s == Strangeness::energy) {
    for (double v : values) sum += std::exp(v - top);
    return -(top + std::log(sum));
  }
  for (double p : values) sum -= p > 0 ? p * std::log(p) : 0;
  return sum;
}

Result<Mahalanobis> Mahalanobis::fit(const std::vector<std::vector<double>>& rows, std::span<const std::int32_t> labels) {
  SAHA_TRY(const std::size_t d, width_of(rows, 2));
  if (d > kMostDims) return Error{ErrorCode::invalid_data, std::to_string(d) + " features; a covariance of at most " + std::to_string(kMostDims) + " is made"};
  std::map<std::int32_t, std::pair<std::vector<double>, double>> classes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& [sum, count] = classes[labels.size() == rows.size() ? labels[i] : 0];
    sum.resize(d);
    for (std::size_t k = 0; k < d; ++k) sum[k] += rows[i][k];
    ++count;
  }
  for (auto& [label, c] : classes)
    for (double& v : c.first) v /= c.second;
  Mahalanobis m;
  m.dims_ = d;
  m.factor_.assign(d * d, 0);
  std::vector<double>& s = m.factor_;
  std::vector<double> off(d);
  const auto n = static_cast<double>(rows.size());
  double fourth = 0;   // sum of |x x^T|^2, for the size of the shrinkage
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& mean = classes[labels.size() == rows.size() ? labels[i] : 0].first;
    double square = 0;
    for (std::size_t k = 0; k < d; ++k) off[k] = rows[i][k] - mean[k], square += off[k] * off[k];
    fourth += square * square;
    for (std::size_t r = 0; r < d; ++r)
      for (std::size_t c = 0; c <= r; ++c) s[r * d + c] += off[r] * off[c] / n;
  }
  double trace = 0, norm = 0;
  for (std::size_t r = 0; r < d; ++r) {
    trace += s[r * d + r];
    for (std::size_t c = 0; c <= r; ++c) norm += (c == r ? 1 : 2) * s[r * d + c] * s[r * d + c];
  }
  const double scale = trace / static_cast<double>(d), spread = norm - scale * trace;   // |S - scale I|^2
  const double noise = std::max(0.0, fourth / n - norm) / n;
  const double shrink = spread > 0 ? std::min(1.0, noise / spread) : 1;
  const double least = std::max(scale, 1e-300) * 1e-10;   // keeps the factor where features are constant
  for (std::size_t r = 0; r < d; ++r) {
    for (std::size_t c = 0; c < r; ++c) s[r * d + c] *= 1 - shrink;
    s[r * d + r] = (1 - shrink) * s[r * d + r] + shrink * scale + least;
  }
  cholesky::factor(s, d, least, std::sqrt(least));
  for (const auto& [label, c] : classes) m.means_.push_back(m.whitened(c.first));
  return m;
}

std::vector<double> Mahalanobis::whitened(std::span<const double> row) const {
  std::vector<double> y(row.begin(), row.end());
  cholesky::forward(factor_, y);
  return y;
}

double Mahalanobis::distance(std::span<const double> row) const {
  if (row.size() != dims_) return kNaN;
  const std::vector<double> y = whitened(row);
  double nearest = std::numeric_limits<double>::infinity();
  for (const auto& mean : means_) {
    double square = 0;
    for (std::size_t k = 0; k < dims_; ++k) square += (y[k] - mean[k]) * (y[k] - mean[k]);
    if (std::isnan(square)) return kNaN;
    nearest = std::min(nearest, square);
  }
  return nearest;
}

namespace {
void normalise(std::span<double> row) {
  double square = 0;
  for (double v : row) square += v * v;
  const double length = std::sqrt(square);
  if (length > 0)
    for (double& v : row) v /= length;
}
}  // namespace

Result<Nearest> Nearest::fit(const std::vector<std::vector<double>>& rows, std::int64_t k) {
  SAHA_TRY(const std::size_t d, width_of(rows, static_cast<std::size_t>(std::max<std::int64_t>(k, 1))));
  Nearest n;
  n.dims_ = d;
  n.k_ = k;
  n.rows_.reserve(rows.size() * d);
  for (const auto& row : rows) {
    n.rows_.insert(n.rows_.end(), row.begin(), row.end());
    normalise({n.rows_.data() + n.rows_.size() - d, d});
  }
  return n;
}

double Nearest::distance(std::span<const double> row) const {
  if (row.size() != dims_) return kNaN;
  std::vector<double> unit(row.begin(), row.end()), squares;
  normalise(unit);
  for (std::size_t at = 0; at < rows_.size(); at += dims_) {
    double square = 0;
    for (std::size_t k = 0; k < dims_; ++k) square += (rows_[at + k] - unit[k]) * (rows_[at + k] - unit[k]);
    if (std::isnan(square)) return kNaN;
    squares.push_back(square);
  }
  std::nth_element(squares.begin(), squares.begin() + (k_ - 1), squares.end());
  return std::sqrt(squares[static_cast<std::size_t>(k_ - 1)]);
}

}  // namespace saha::validate
