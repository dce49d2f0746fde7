// x <- project(x + step * sign(m)), m <- momentum * m + slope / mean |slope|; every iterate counts, not only the last.
#include <algorithm>

#include "attack/ascent.hpp"

namespace saha::attack {

Result<std::vector<Found>> pgd(const Model& model, std::span<const Region> regions, const Goal& goal, const PgdOptions& o) {
  if (!model.slopes) return Error{ErrorCode::unsupported, "PGD needs slopes of the model, and there are none"};
  const auto size = std::size_t(model.size);
  Rows rows(model, regions, goal);
  data::Random random(o.seed);
  for (int restart = 0; restart < o.restarts; ++restart) {
    std::vector<std::vector<float>> at(regions.size()), moment(regions.size());
    for (std::size_t r = 0; r < regions.size(); ++r) at[r] = o.random_start ? start(regions[r], random) : regions[r].centre;
    for (int k = 0; k <= o.steps && rows.may_go_on(); ++k) {
      const auto open = rows.open();
      if (open.empty()) return std::move(rows.found);
      std::vector<std::vector<float>> points;
      for (std::size_t r : open) points.push_back(at[r]);
      SAHA_TRY(const Rows::Seen seen, rows.run(open, points, k < o.steps));
      if (k == o.steps) break;
      for (std::size_t i = 0; i < open.size(); ++i) {
        const std::size_t r = open[i];
        std::vector<float> slope(seen.slopes.begin() + std::ptrdiff_t(i * size), seen.slopes.begin() + std::ptrdiff_t((i + 1) * size));
        if (o.momentum > 0) {
          double mean = 0;
          for (float s : slope) mean += std::abs(double(s)) / double(size);
          moment[r].resize(size);
          for (std::size_t e = 0; e < size; ++e) slope[e] = moment[r][e] = float(o.momentum * moment[r][e] + (mean > 0 ? slope[e] / mean : 0));
        }
        climb(regions[r], slope, o.step, at[r]);
        project(regions[r], at[r]);
      }
    }
  }
  return std::move(rows.found);
}

}  // namespace saha::attack
