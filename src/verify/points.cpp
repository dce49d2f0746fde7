// Boxes of few integers, point by point: a batch at once through the sweep, whose intervals of a point are the exact integers; what these leave open is executed.
#include <algorithm>
#include <cmath>

#include "verify/problem.hpp"

namespace saha::verify {

Points::Points(const Problem& problem) : problem_(problem), sweep_(problem.net, loops(problem.isa), kLanes, kLanes, problem.options.arithmetic) {}

double Points::count(std::span<const float> lo, std::span<const float> hi) {
  double n = 1;
  for (std::size_t i = 0; i < lo.size(); ++i) n *= double(hi[i]) - double(lo[i]) + 1;
  return n;
}

bool Points::run(Watch& watch, std::size_t group, std::span<const float> lo, std::span<const float> hi, std::span<const std::int32_t> open) {
  const std::size_t n = lo.size(), last = problem_.net.layers.size() - 1;
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
    sweep_.start(true);
    std::copy(points.begin(), points.end(), sweep_.lo(0)), std::copy(points.begin(), points.end(), sweep_.hi(0));
    for (std::size_t k = 1; k <= last; ++k) sweep_.forward(k);
    const float *low = sweep_.lo(last), *high = sweep_.hi(last);
    for (std::size_t q = 0; q < used; ++q) {
      bool left = false;
      for (std::int32_t c : open) {
        bool refuted = false;
        for (const Limit& l : problem_.cases[std::size_t(c)]) {
          double s = 0, size = 0;
          for (auto& [e, v] : problem_.queries[std::size_t(l.query)].terms) {
            const double term = double(v) * double((v > 0 ? low : high)[std::size_t(e) * kLanes + q]);
            s += term, size += std::fabs(term);
          }
          for (auto& [e, v] : problem_.queries[std::size_t(l.query)].inputs) {
            const double term = double(v) * double(points[std::size_t(e) * kLanes + q]);
            s += term, size += std::fabs(term);
          }
          refuted |= refutes(l, s - 1e-14 * size);
        }
        left |= !refuted || sweep_.broken(int(q));
      }
      if (!left) continue;
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
