// Projected gradient descent over a batch of points: each lane looks for one case's counterexample from its own start.
#include <algorithm>
#include <cmath>
#include <random>

#include "verify/problem.hpp"

namespace saha::verify {

void attack(const Problem& problem, Watch& watch, std::span<const std::int32_t> cases, int steps, int restarts, std::uint64_t seed) {
  const Net& net = problem.net;
  const Loops& loop = loops(problem.isa);
  const int lanes = loop.vector;
  Sweep sweep(net, loop, lanes, lanes * 8, Arithmetic::real);
  const std::size_t n = std::size_t(net.inputs()), b = std::size_t(lanes);
  std::mt19937_64 random(seed + 1);
  std::uniform_real_distribution<float> unit(0, 1);
  std::vector<std::size_t> group_of(problem.cases.size());
  for (std::size_t g = 0; g < problem.groups.size(); ++g) for (std::int32_t c : problem.groups[g]) group_of[std::size_t(c)] = g;
  std::vector<float> x(n * b), step(n * b), slopes;
  std::vector<std::int32_t> of(b);
  std::vector<Query> queries;
  const std::size_t tasks = cases.size() * std::size_t(restarts);
  for (std::size_t first = 0; first < tasks && !watch.stopped() && !watch.out_of_time(); first += b) {
    for (std::size_t q = 0; q < b; ++q) {
      const std::size_t task = std::min(first + q, tasks - 1), restart = task / cases.size();
      of[q] = cases[task % cases.size()];
      const Box& box = problem.boxes[group_of[std::size_t(of[q])]];
      for (std::size_t i = 0; i < n; ++i) {
        const float lo = float(box.lo[i]), hi = float(box.hi[i]);
        // The middle first, then points anywhere, every other one at corners.
        const float at = restart == 0 ? 0.5f : restart % 2 ? unit(random) : unit(random) < 0.5f ? 0.0f : 1.0f;
        x[i * b + q] = std::clamp(lo + at * (hi - lo), lo, hi);
        step[i * b + q] = (hi - lo) * 0.25f;
      }
    }
    std::vector<char> gone(b, 0);
    for (int t = 0; t < steps && !watch.stopped(); ++t) {
      const float* y = sweep.evaluate(x.data(), true);
      queries.clear();
      std::vector<std::size_t> query_of(b);
      for (std::size_t q = 0; q < b; ++q) {
        const auto& limits = problem.cases[std::size_t(of[q])];
        double worst = -INFINITY;
        std::int32_t at = limits.empty() ? -1 : limits[0].query;
        for (const Limit& l : limits) {
          double s = -l.bound;
          for (auto& [e, v] : problem.queries[std::size_t(l.query)].terms) s += double(v) * double(y[std::size_t(e) * b + q]);
          for (auto& [e, v] : problem.queries[std::size_t(l.query)].inputs) s += double(v) * double(x[std::size_t(e) * b + q]);
          if (s > worst) worst = s, at = l.query;
        }
        if (worst <= 1e-5 * (1 + std::fabs(worst)) && !gone[q]) {
          std::vector<float> point(n);
          for (std::size_t i = 0; i < n; ++i) point[i] = x[i * b + q];
          if (watch.try_point(watch.inside(group_of[std::size_t(of[q])], point))) return;
          if (worst < 0) gone[q] = t > steps / 2;
        }
        query_of[q] = queries.size();
        if (at >= 0) {
          std::size_t k = 0;
          while (k < q && !(query_of[k] < queries.size() && queries[query_of[k]].terms == problem.queries[std::size_t(at)].terms && queries[query_of[k]].inputs == problem.queries[std::size_t(at)].inputs)) ++k;
          if (k < q) query_of[q] = query_of[k];
          else queries.push_back(problem.queries[std::size_t(at)]);
        }
      }
      if (queries.empty()) return;
      slopes.resize(queries.size() * n * b);
      sweep.gradients(queries, slopes.data());
      for (std::size_t q = 0; q < b; ++q) {
        const Box& box = problem.boxes[group_of[std::size_t(of[q])]];
        const float* slope = slopes.data() + query_of[q] * n * b;
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
}

}  // namespace saha::verify
