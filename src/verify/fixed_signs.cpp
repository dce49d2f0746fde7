// max over multipliers b >= 0 of  min over the box of  q(x) - bound - sum b_i s_i z_i(x):  by LP duality the mixture of the rows q - bound and -s_i z_i that is nowhere below 0, if the
// rows are never all at most 0. The rows are read off backward passes, one a column.
#include "verify/fixed_signs.hpp"

#include <algorithm>
#include <cmath>

#include "verify/minimax.hpp"

namespace saha::verify {
namespace {
constexpr std::size_t kMostRows = 1000;
constexpr double kMost = 1e9;                        ///< of a multiplier
}

bool best_multipliers(Ascent& a, const Query& q, double bound, std::vector<Split>& splits, const float* slopes, std::span<float> point) {
  const std::size_t m = splits.size() + 1, n = point.size(), per = std::size_t(a.lanes());
  if (m > kMostRows) return false;
  std::vector<Split> fixed = splits;
  for (Split& s : fixed) s.multiplier = 0;
  struct Asked {
    std::size_t layer, at;                           // at: 0 the query's, else its split's number from 1
  };
  std::vector<Asked> order{{a.net().layers.size() - 1, 0}};
  for (std::size_t i = 0; i < splits.size(); ++i) order.push_back({std::size_t(a.open()[std::size_t(splits[i].open)].operand), i + 1});
  std::sort(order.begin() + 1, order.end(), [](const Asked& x, const Asked& y) { return x.layer < y.layer; });
  std::vector<double> rows(m * n), constants(m), scale(m), lo(n), hi(n), lower(per), never(per, INFINITY);
  for (std::size_t e = 0; e < n; ++e) lo[e] = double(a.lo(0)[e]), hi[e] = double(a.hi(0)[e]);
  for (std::size_t first = 0; first < m;) {
    std::size_t count = 0;
    while (first + count < m && count < per && order[first + count].layer == order[first].layer) ++count;
    for (std::size_t c = 0; c < count; ++c) {
      const std::size_t at = order[first + c].at;
      a.set(int(c), order[first].layer, at ? Query{{{a.open()[std::size_t(splits[at - 1].open)].element, -splits[at - 1].sign}}} : q, fixed, slopes);
    }
    a.run(order[first].layer, int(count), {1}, lower.data(), never.data());
    for (std::size_t c = 0; c < count; ++c) {
      const std::size_t at = order[first + c].at;
      if (!(lower[c] > -INFINITY)) return false;
      double least = 0, size = 1e-30;
      for (std::size_t e = 0; e < n; ++e) {
        const double w = double(a.coefficients(0)[std::int64_t(e) * a.stride() + std::int64_t(c)]);
        rows[at * n + e] = w, least += std::min(w * lo[e], w * hi[e]), size += std::fabs(w) * (hi[e] - lo[e]);
      }
      constants[at] = lower[c] - least - (at ? 0 : bound);
      scale[at] = 1 / std::max(size, 1e-6 * std::fabs(constants[at]));
      for (std::size_t e = 0; e < n; ++e) rows[at * n + e] *= scale[at];
      constants[at] *= scale[at];
    }
    first += count;
  }
  const Minimax found = minimax(rows, constants, lo, hi);
  if (found.weight.empty() || found.point.empty()) return false;
  const double of_query = std::max(found.weight[0], 1e-6) * scale[0];
  for (std::size_t i = 0; i < splits.size(); ++i) splits[i].multiplier = float(std::min(found.weight[i + 1] * scale[i + 1] / of_query, kMost));
  for (std::size_t e = 0; e < n; ++e) point[e] = float(found.point[e]);
  return true;
}

}  // namespace saha::verify
