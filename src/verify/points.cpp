// Boxes of few integers, point by point: a batch at once through the sweep, which computes layers of integers exactly; what their values leave open is executed.
#include <algorithm>
#include <cmath>
#include <ranges>

#include "verify/problem.hpp"

namespace saha::verify {

namespace {
constexpr double kUnit = 0x1p-24, kLost = 1e-12;     ///< kLost: of a sum in float64
}  // namespace

Points::Points(const Problem& problem) : problem_(problem), sweep_(problem.net, loops(problem.isa), kLanes, kLanes, problem.options.arithmetic), last_(problem.net.layers.size() - 1) {
  if (std::ranges::any_of(problem.queries, [](const Query& q) { return !q.inputs.empty(); })) return;
  std::vector<std::size_t> scaled;                   // layers down to the integers
  std::size_t at = last_;
  for (; !sweep_.integer(at); at = std::size_t(problem.net.layers[at].terms[0].from)) {
    const Layer& l = problem.net.layers[at];
    if (l.kind != Layer::Kind::affine || l.spread >= 0 || l.terms.size() != 1) return;
    scaled.push_back(at);
  }
  std::vector<std::vector<double>> most(last_ + 1), errors(last_ + 1);  // of each element of a layer: its magnitude, and what an engine's sum may be off
  most[at].assign(std::size_t(problem.net.layers[at].size), double(problem.net.layers[at].largest));
  for (std::size_t k : std::views::reverse(scaled)) {
    const Layer& l = problem.net.layers[k];
    const std::vector<double>& x = most[std::size_t(l.terms[0].from)];
    for (std::int32_t e = 0; e < l.size; ++e) {
      double size = std::fabs(double(l.bias[std::size_t(e)]));
      for (std::size_t i = 0; i < x.size(); ++i) size += std::fabs(double(l.terms[0].matrix.at(e, std::int32_t(i)))) * x[i];
      errors[k].push_back(1.01 * kUnit * double(l.roundings) * size + double(l.absolute));
      most[k].push_back(size + errors[k].back());
    }
  }
  for (const Query& query : problem.queries) {
    Row row;
    std::vector<double> c(std::size_t(problem.net.outputs()), 0.0);
    double lost = 0;                                 // by rounded coefficients, and in float64
    for (auto [e, v] : query.terms) c[std::size_t(e)] += double(v), lost += (query.rounded ? 2 * kUnit : kLost) * std::fabs(double(v)) * most[last_][std::size_t(e)];
    for (std::size_t k : scaled) {
      const Layer& l = problem.net.layers[k];
      std::vector<double> below(most[std::size_t(l.terms[0].from)].size(), 0.0);
      for (std::size_t e = 0; e < c.size(); ++e) {
        if (c[e] == 0) continue;
        row.constant += c[e] * double(l.bias[e]), lost += std::fabs(c[e]) * (errors[k][e] + kLost * most[k][e]);
        for (std::size_t i = 0; i < below.size(); ++i) below[i] += c[e] * double(l.terms[0].matrix.at(std::int32_t(e), std::int32_t(i)));
      }
      c = std::move(below);
    }
    row.constant -= lost;
    for (std::size_t e = 0; e < c.size(); ++e) if (c[e] != 0) row.terms.emplace_back(std::int32_t(e), c[e]);
    rows_.push_back(std::move(row));
  }
  last_ = at;
}

double Points::count(std::span<const float> lo, std::span<const float> hi) {
  double n = 1;
  for (std::size_t i = 0; i < lo.size(); ++i) n *= double(hi[i]) - double(lo[i]) + 1;
  return n;
}

/// Of the query over the points that the sweep has executed.
void Points::bound(std::int32_t query, std::span<const float> points, double* least) {
  std::fill_n(least, kLanes, 0.0);
  if (!rows_.empty()) {
    const Row& row = rows_[std::size_t(query)];
    std::fill_n(least, kLanes, row.constant);
    for (auto [k, w] : row.terms) for (std::size_t q = 0; q < kLanes; ++q) least[q] += w * double(sweep_.lo(last_)[std::size_t(k) * kLanes + q]);
    return;
  }
  const Query& asked = problem_.queries[std::size_t(query)];
  double size[kLanes] = {};
  auto add = [&](float v, const float* x) {
    for (std::size_t q = 0; q < kLanes; ++q) least[q] += double(v) * double(x[q]), size[q] += std::fabs(double(v) * double(x[q]));
  };
  for (auto [e, v] : asked.terms) add(v, (v > 0 ? sweep_.lo(last_) : sweep_.hi(last_)) + std::size_t(e) * kLanes);
  for (auto [e, v] : asked.inputs) add(v, points.data() + std::size_t(e) * kLanes);
  for (std::size_t q = 0; q < kLanes; ++q) least[q] = sweep_.broken(int(q)) ? -INFINITY : least[q] - (asked.rounded ? 2 * kUnit : kLost) * size[q];
}

bool Points::run(Watch& watch, std::size_t group, std::span<const float> lo, std::span<const float> hi, std::span<const std::int32_t> open) {
  const std::size_t n = lo.size();
  std::vector<float> next(lo.begin(), lo.end()), points(n * kLanes);
  for (bool more = true; more && !watch.stopped();) {
    std::size_t used = 0;
    for (; used < kLanes && more; ++used) {
      for (std::size_t i = 0; i < n; ++i) points[i * kLanes + used] = next[i];
      std::size_t i = 0;
      while (i < n && next[i] == hi[i]) next[i] = lo[i], ++i;
      more = i < n;
      if (more) next[i] += 1;
    }
    for (std::size_t q = used; q < kLanes; ++q)
      for (std::size_t i = 0; i < n; ++i) points[i * kLanes + q] = points[i * kLanes];
    std::copy(points.begin(), points.end(), sweep_.lo(0));
    sweep_.execute(last_);
    bool left[kLanes] = {};
    for (std::int32_t c : open) {
      bool refuted[kLanes] = {};
      double least[kLanes];
      for (const Limit& l : problem_.cases[std::size_t(c)]) {
        bound(l.query, points, least);
        for (std::size_t q = 0; q < kLanes; ++q) refuted[q] |= refutes(l, least[q]);
      }
      for (std::size_t q = 0; q < kLanes; ++q) left[q] |= !refuted[q];
    }
    for (std::size_t q = 0; q < used; ++q) {
      if (!left[q]) continue;
      std::vector<float> x(n);
      for (std::size_t i = 0; i < n; ++i) x[i] = points[i * kLanes + q];
      const std::optional<bool> found = watch.execute(group, x);
      if (!found) return false;
      if (*found) return true;
    }
  }
  return !watch.stopped();
}

}  // namespace saha::verify
