#include "attack/ascent.hpp"

#include <algorithm>

namespace saha::attack {
namespace {
double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return std::sqrt(sum);
}
Region ball(std::vector<float> centre, double eps, double low, double high, bool euclidean) {
  Region r;
  for (float c : centre) {
    r.low.push_back(std::min(c, float(std::max(low, c - eps))));
    r.high.push_back(std::max(c, float(std::min(high, c + eps))));
    r.reach.push_back(float(eps));
  }
  r.centre = std::move(centre);
  if (euclidean) r.radius = eps;
  return r;
}
}  // namespace

Region linf_ball(std::vector<float> centre, double eps, double low, double high) { return ball(std::move(centre), eps, low, high, false); }
Region l2_ball(std::vector<float> centre, double eps, double low, double high) { return ball(std::move(centre), eps, low, high, true); }

std::vector<float> random_point(const Region& region, std::uint64_t seed) {
  data::Random random(seed);
  return start(region, random);
}

void project(const Region& region, std::span<float> point) {
  for (std::size_t i = 0; i < point.size(); ++i) point[i] = std::clamp(point[i], region.low[i], region.high[i]);
  if (!region.euclidean()) return;
  const double d = distance(point, region.centre);
  if (d <= region.radius) return;
  for (std::size_t i = 0; i < point.size(); ++i) point[i] = region.centre[i] + float((double(point[i]) - region.centre[i]) * (region.radius / d));
}

void climb(const Region& region, std::span<const float> slope, double step, std::span<float> point) {
  if (!region.euclidean()) {
    for (std::size_t i = 0; i < point.size(); ++i) point[i] += float(step * region.reach[i]) * float((slope[i] > 0) - (slope[i] < 0));
    return;
  }
  double norm = 0, top = 0;
  for (float s : slope) top = std::max(top, std::abs(double(s)));   // squares of small slopes vanish
  if (!(top > 0) || !std::isfinite(top)) return;
  for (float s : slope) norm += (s / top) * (s / top);
  norm = top * std::sqrt(norm);
  for (std::size_t i = 0; i < point.size(); ++i) point[i] += float(step * region.radius * (slope[i] / norm));
}

std::vector<float> start(const Region& region, data::Random& random) {
  std::vector<float> p = region.centre;
  if (!region.euclidean()) {
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::clamp(p[i] + float((2 * random.uniform() - 1) * region.reach[i]), region.low[i], region.high[i]);
    return p;
  }
  std::vector<double> way(p.size());
  double norm = 0;
  for (double& w : way) w = random.normal(), norm += w * w;
  const double length = region.radius * std::pow(random.uniform(), 1 / double(p.size())) / std::max(std::sqrt(norm), 1e-300);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] += float(way[i] * length);
  project(region, p);
  return p;
}

std::vector<std::size_t> Rows::open() const {
  std::vector<std::size_t> rows;
  for (std::size_t r = 0; r < found.size(); ++r) if (!found[r].broken) rows.push_back(r);
  return rows;
}

Result<Rows::Seen> Rows::run(std::span<const std::size_t> rows, const std::vector<std::vector<float>>& points, bool with_slopes) {
  const auto width = std::size_t(model_.width);
  std::vector<float> flat;
  flat.reserve(rows.size() * std::size_t(model_.size));
  for (const auto& p : points) flat.insert(flat.end(), p.begin(), p.end());
  SAHA_TRY(const std::vector<float> outputs, model_.outputs(flat));
  SAHA_ASSERT(outputs.size() == rows.size() * width);
  Seen seen;
  std::vector<float> weights(with_slopes ? outputs.size() : 0);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const auto y = std::span(outputs).subspan(k * width, width);
    const double loss = goal_.loss(rows[k], y, with_slopes ? std::span(weights).subspan(k * width, width) : std::span<float>());
    seen.loss.push_back(loss);
    Found& f = found[rows[k]];
    ++f.runs;
    const bool broken = goal_.broken(rows[k], y);
    if (!f.broken && (broken || loss > f.loss || f.point.empty())) f.point = points[k], f.loss = loss, f.broken = broken;
  }
  if (with_slopes) { SAHA_TRY(seen.slopes, model_.slopes(flat, weights)); }
  return seen;
}

}  // namespace saha::attack
