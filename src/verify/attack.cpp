// Projected gradient descent over a batch of points: each lane looks for one case's counterexample from its own start.
#include <algorithm>
#include <cmath>
#include <random>

#include "verify/problem.hpp"

namespace saha::verify {
namespace {
constexpr double kNear = 1e-6;                       ///< an engine's roundings may tip what is that near
constexpr int kLooks = 64, kWalks = 60;              ///< batches of random points, and of steps from the best one
}

Descent::Descent(const Problem& problem, std::uint64_t seed)
    : problem_(problem.sought ? *problem.sought : problem), sweep_(problem_.net, loops(problem.isa), loops(problem.isa).vector, loops(problem.isa).vector * 8, Arithmetic::real), random_(seed + 1),
      group_of_(problem.cases.size()) {
  for (std::size_t g = 0; g < problem.groups.size(); ++g) for (std::int32_t c : problem.groups[g]) group_of_[std::size_t(c)] = g;
  std::vector<float> lo(std::size_t(problem.net.inputs()), INFINITY), hi(lo.size(), -INFINITY);
  for (const Box& box : problem.boxes)
    for (std::size_t i = 0; i < lo.size(); ++i) lo[i] = std::min(lo[i], float(box.lo[i])), hi[i] = std::max(hi[i], float(box.hi[i]));
  sweep_.slope_stairs(lo, hi);
}

void Descent::random_start(std::span<float> x, std::int32_t of, std::size_t restart) {
  const Box& box = problem_.boxes[group_of_[std::size_t(of)]];
  std::uniform_real_distribution<float> unit(0, 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float lo = float(box.lo[i]), hi = float(box.hi[i]);
    // The middle first, then points anywhere, every other one at corners.
    const float at = restart == 0 ? 0.5f : restart % 2 ? unit(random_) : unit(random_) < 0.5f ? 0.0f : 1.0f;
    x[i] = std::clamp(lo + at * (hi - lo), lo, hi);
  }
}

void Descent::run(Watch& watch, std::span<const std::vector<float>> starts, std::span<const std::int32_t> of, int steps, float first_step) {
  const std::size_t n = std::size_t(problem_.net.inputs()), b = std::size_t(lanes());
  std::vector<float> x(n * b), step(n * b), slopes;
  for (std::size_t q = 0; q < b; ++q) {
    const Box& box = problem_.boxes[group_of_[std::size_t(of[q])]];
    for (std::size_t i = 0; i < n; ++i) x[i * b + q] = starts[q][i], step[i * b + q] = float(box.hi[i] - box.lo[i]) * first_step;
  }
  std::vector<Query> queries;
  std::vector<std::int32_t> asked(b);
  std::vector<char> tried(b, 0);
  for (int t = 0; t < steps && !watch.stopped() && !watch.out_of_time(); ++t) {
    const float* y = sweep_.evaluate(x.data(), true);
    for (std::size_t q = 0; q < b; ++q) {
      const auto& limits = problem_.cases[std::size_t(of[q])];
      double worst = -INFINITY;
      asked[q] = limits.empty() ? -1 : limits[0].query;
      for (const Limit& l : limits) {
        const double s = excess(l, x.data(), y, q);
        if (s > worst) worst = s, asked[q] = l.query;
      }
      if (worst > kNear || tried[q] > 3) continue;
      ++tried[q];
      std::vector<float> point(n);
      for (std::size_t i = 0; i < n; ++i) point[i] = x[i * b + q];
      if (watch.try_point(watch.inside(group_of_[std::size_t(of[q])], point))) return;
    }
    std::vector<std::int32_t> distinct(asked);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    queries.clear();
    for (std::int32_t d : distinct) queries.push_back(d < 0 ? Query{} : problem_.queries[std::size_t(d)]);
    slopes.resize(queries.size() * n * b);
    sweep_.gradients(queries, slopes.data());
    for (std::size_t q = 0; q < b; ++q) {
      const Box& box = problem_.boxes[group_of_[std::size_t(of[q])]];
      const float* slope = slopes.data() + std::size_t(std::lower_bound(distinct.begin(), distinct.end(), asked[q]) - distinct.begin()) * n * b;
      for (std::size_t i = 0; i < n; ++i) {
        const float g = slope[i * b + q];
        if (g == 0) continue;
        float& v = x[i * b + q];
        v = std::clamp(v - (g > 0 ? step[i * b + q] : -step[i * b + q]), float(box.lo[i]), float(box.hi[i]));
        step[i * b + q] *= 0.9f;
      }
    }
  }
}

void Descent::wander(Watch& watch, std::span<const float> lo, std::span<const float> hi, std::int32_t of) {
  const std::size_t n = lo.size(), b = std::size_t(lanes()), group = group_of_[std::size_t(of)];
  const Box& box = problem_.boxes[group];
  std::vector<float> x(n * b), best(lo.begin(), lo.end());
  double least = INFINITY, radius = 0.1;
  std::uniform_real_distribution<float> unit(0, 1);
  std::normal_distribution<float> normal;
  for (int t = 0; t < kLooks + kWalks && !watch.stopped(); ++t) {
    const bool look = t < kLooks;
    for (std::size_t q = 0; q < b; ++q)
      for (std::size_t i = 0; i < n; ++i)
        x[i * b + q] = look ? lo[i] + (hi[i] - lo[i]) * unit(random_)
                            : std::clamp(best[i] + (unit(random_) < 0.5f ? float(radius * (box.hi[i] - box.lo[i])) * normal(random_) : 0.0f), float(box.lo[i]), float(box.hi[i]));
    const float* y = sweep_.evaluate(x.data());
    std::size_t nearest = b;
    for (std::size_t q = 0; q < b; ++q)
      if (const double e = worst(of, x.data(), y, q); e < least) least = e, nearest = q;
    if (nearest == b) {
      if (!look) radius *= 0.7;
      continue;
    }
    for (std::size_t i = 0; i < n; ++i) best[i] = x[i * b + nearest];
    if (least <= kNear && watch.try_point(watch.inside(group, best))) return;
  }
}

bool Descent::screen(Watch& watch, std::span<const std::vector<float>> points, std::span<const std::int32_t> of) {
  const std::size_t n = std::size_t(problem_.net.inputs()), b = std::size_t(lanes());
  std::vector<float> x(n * b);
  for (std::size_t first = 0; first < points.size(); first += b) {
    for (std::size_t q = 0; q < b; ++q)
      for (std::size_t i = 0; i < n; ++i) x[i * b + q] = points[std::min(first + q, points.size() - 1)][i];
    const float* y = sweep_.evaluate(x.data());
    for (std::size_t q = 0; q < b && first + q < points.size(); ++q) {
      if (worst(of[first + q], x.data(), y, q) <= kNear && watch.try_point(points[first + q])) return true;
    }
  }
  return false;
}

/// How far the limit's row is from holding at the point of a lane; it holds below 0.
double Descent::excess(const Limit& l, const float* x, const float* y, std::size_t lane) const {
  const std::size_t b = std::size_t(lanes());
  double s = -l.bound;
  for (auto& [e, v] : problem_.queries[std::size_t(l.query)].terms) s += double(v) * double(y[std::size_t(e) * b + lane]);
  for (auto& [e, v] : problem_.queries[std::size_t(l.query)].inputs) s += double(v) * double(x[std::size_t(e) * b + lane]);
  return s;
}

double Descent::worst(std::int32_t of, const float* x, const float* y, std::size_t lane) const {
  double r = -INFINITY;
  for (const Limit& l : problem_.cases[std::size_t(of)]) r = std::max(r, excess(l, x, y, lane));
  return r;
}

void attack(const Problem& problem, Watch& watch, std::span<const std::int32_t> cases, int steps, int restarts, std::uint64_t seed) {
  Descent descent(problem, seed);
  const std::size_t tasks = cases.size() * std::size_t(restarts), b = std::size_t(descent.lanes());
  std::vector<std::vector<float>> x(b, std::vector<float>(std::size_t(problem.net.inputs())));
  std::vector<std::int32_t> of(b);
  for (std::size_t first = 0; first < tasks && !watch.stopped() && !watch.out_of_time(); first += b) {
    for (std::size_t q = 0; q < b; ++q) {
      const std::size_t task = first + q;            // a last batch that is not full goes on with more restarts
      of[q] = cases[task % cases.size()];
      descent.random_start(x[q], of[q], task / cases.size());
    }
    descent.run(watch, x, of, steps, 0.25f);
  }
}

}  // namespace saha::verify
