// Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks", algorithm 1:
// z = project(x + eta * step); x' = project(x + alpha (z - x) + (1 - alpha)(x - x_before)). At each checkpoint eta halves, and the row goes on from its best
// point, where fewer than rho of the steps since the last one raised the loss, or neither eta nor the best loss has changed since then.
#include <algorithm>

#include "attack/ascent.hpp"

namespace saha::attack {
namespace {
constexpr double kAlpha = 0.75, kRho = 0.75;

std::vector<int> checkpoints(int steps) {
  std::vector<int> at;
  double before = 0, here = 0.22;
  while (here <= 1) {
    at.push_back(int(std::ceil(here * steps)));
    const double next = here + std::max(here - before - 0.03, 0.06);
    before = here, here = next;
  }
  return at;
}

struct State {
  std::vector<float> point, before, best, best_slope;
  double eta = 2, eta_then = 2, loss = 0, best_loss = 0, best_then = 0;
  int raised = 0;
};
}  // namespace

Result<std::vector<Found>> apgd(const Model& model, std::span<const Region> regions, const Goal& goal, const ApgdOptions& o) {
  if (!model.slopes) return Error{ErrorCode::unsupported, "APGD needs slopes of the model, and there are none"};
  const auto size = std::size_t(model.size);
  const auto marks = checkpoints(o.steps);
  Rows rows(model, regions, goal);
  data::Random random(o.seed);
  for (int restart = 0; restart < o.restarts; ++restart) {
    std::vector<State> state(regions.size());
    for (std::size_t r = 0; r < regions.size(); ++r) state[r].point = start(regions[r], random);
    for (int k = 0; k <= o.steps && rows.may_go_on(); ++k) {
      const auto open = rows.open();
      if (open.empty()) return std::move(rows.found);
      std::vector<std::vector<float>> points;
      for (std::size_t r : open) points.push_back(state[r].point);
      SAHA_TRY(const Rows::Seen seen, rows.run(open, points, k < o.steps));
      if (k == o.steps) break;
      const auto mark = std::ranges::find(marks, k);
      for (std::size_t i = 0; i < open.size(); ++i) {
        State& s = state[open[i]];
        const Region& region = regions[open[i]];
        std::vector<float> slope(seen.slopes.begin() + std::ptrdiff_t(i * size), seen.slopes.begin() + std::ptrdiff_t((i + 1) * size));
        if (k > 0) s.raised += seen.loss[i] > s.loss;
        s.loss = seen.loss[i];
        if (k == 0 || s.loss > s.best_loss) s.best = s.point, s.best_slope = slope, s.best_loss = s.loss;
        if (k == 0) s.best_then = s.best_loss;
        if (k > 0 && mark != marks.end()) {
          const int since = k - (mark == marks.begin() ? 0 : *(mark - 1));
          const bool stalls = s.raised < kRho * since, stuck = s.eta_then == s.eta && s.best_then == s.best_loss;
          s.eta_then = s.eta, s.best_then = s.best_loss, s.raised = 0;
          if (stalls || stuck) s.eta /= 2, s.point = s.best, slope = s.best_slope, s.loss = s.best_loss;
        }
        std::vector<float> z = s.point;
        climb(region, slope, s.eta, z);
        project(region, z);
        std::vector<float> next = z;
        if (k > 0) {
          for (std::size_t e = 0; e < size; ++e) next[e] = s.point[e] + float(kAlpha * (double(z[e]) - s.point[e]) + (1 - kAlpha) * (double(s.point[e]) - s.before[e]));
          project(region, next);
        }
        s.before = std::move(s.point);
        s.point = std::move(next);
      }
    }
  }
  return std::move(rows.found);
}

}  // namespace saha::attack
