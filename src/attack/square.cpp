// Andriushchenko et al. 2020, "Square attack: a query-efficient black-box adversarial attack via random search". A square of the picture is changed, and kept
// where the loss grows. Linf: to -reach or +reach in each channel, from vertical stripes. L2: a bump of two halves of opposite sign, paid for by another square.
#include <algorithm>

#include "attack/ascent.hpp"

namespace saha::attack {
namespace {

/// The share of the picture in a square, by how much of the search is done (out of 10,000 steps).
double share_at(double first, int step, int steps) {
  static constexpr int kFrom[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
  const int it = int(double(step) / std::max(steps, 1) * 10000);
  for (int from : kFrom) if (it > from) first /= 2;
  return first;
}

class Squares {
 public:
  Squares(const Picture& p, data::Random& random) : p_(p), random_(random) {}

  std::vector<float> stripes(const Region& region) {
    std::vector<float> x = region.centre;
    for (std::int64_t c = 0; c < p_.channels; ++c)
      for (std::int64_t col = 0; col < p_.width; ++col) {
        const float sign = coin();
        for (std::int64_t row = 0; row < p_.height; ++row) x[at(row, col, c)] += sign * region.reach[at(row, col, c)];
      }
    project(region, x);
    return x;
  }
  std::vector<float> moved(const Region& region, const std::vector<float>& best, double share) {
    const Window w = window(side(share, 1));
    std::vector<float> x = best;
    for (std::int64_t c = 0; c < p_.channels; ++c) {
      const float sign = coin();
      each(w, [&](std::int64_t row, std::int64_t col) {
        const std::size_t e = at(row, col, c);
        x[e] = std::clamp(region.centre[e] + sign * region.reach[e], region.low[e], region.high[e]);
      });
    }
    return x;
  }

  std::vector<float> bumps(const Region& region) {
    std::vector<double> delta(region.centre.size(), 0);
    const std::int64_t h = std::max<std::int64_t>(1, p_.height / 5), w = std::max<std::int64_t>(1, p_.width / 5);
    for (std::int64_t row = 0; row + h <= p_.height; row += h)
      for (std::int64_t col = 0; col + w <= p_.width; col += w) add_bump(delta, {row, col, h, w});
    return ended(region, delta);
  }
  std::vector<float> exchanged(const Region& region, const std::vector<float>& best, double share) {
    std::vector<double> delta(best.size());
    double image = 0;
    for (std::size_t i = 0; i < delta.size(); ++i) delta[i] = double(best[i]) - region.centre[i], image += delta[i] * delta[i];
    std::int64_t s = side(share, 3);
    if (s % 2 == 0) ++s;
    const Window taken = window(s), paid = window(s);
    double both = 0;
    std::vector<double> fresh(delta.size(), 0);
    for (std::int64_t c = 0; c < p_.channels; ++c) {
      double here = 0;
      for (std::int64_t row = 0; row < p_.height; ++row)
        for (std::int64_t col = 0; col < p_.width; ++col) {
          const double d = delta[at(row, col, c)];
          if (taken.has(row, col)) here += d * d;
          if (taken.has(row, col) || paid.has(row, col)) both += d * d;
        }
      each(taken, [&](std::int64_t row, std::int64_t col) { fresh[at(row, col, c)] = delta[at(row, col, c)] / (1e-12 + std::sqrt(here)); });
    }
    add_bump(fresh, taken);
    const double room = std::max(region.radius * region.radius - image, 0.0);
    double norm = 0;
    for (double f : fresh) norm += f * f;
    const double scale = std::sqrt(room + both) / std::max(std::sqrt(norm), 1e-300);
    for (std::int64_t c = 0; c < p_.channels; ++c) {
      each(paid, [&](std::int64_t row, std::int64_t col) { delta[at(row, col, c)] = 0; });
      each(taken, [&](std::int64_t row, std::int64_t col) { delta[at(row, col, c)] = fresh[at(row, col, c)] * scale; });
    }
    return ended(region, delta);
  }

 private:
  struct Window {
    std::int64_t row, col, height, width;
    bool has(std::int64_t r, std::int64_t c) const { return r >= row && r < row + height && c >= col && c < col + width; }
  };
  std::size_t at(std::int64_t row, std::int64_t col, std::int64_t c) const {
    return std::size_t(p_.channels_last ? (row * p_.width + col) * p_.channels + c : (c * p_.height + row) * p_.width + col);
  }
  float coin() { return random_.below(2) ? 1.f : -1.f; }
  /// Of a square with this share of the picture; where the picture is one row, of a stretch of it.
  std::int64_t side(double share, std::int64_t least) const {
    const double area = share * double(p_.height * p_.width);
    return std::max(least, std::int64_t(std::lround(p_.height == 1 ? area : std::sqrt(area))));
  }
  Window window(std::int64_t side) {
    const std::int64_t h = std::min(side, p_.height), w = std::min(side, p_.width);
    return {std::int64_t(random_.below(std::uint64_t(p_.height - h + 1))), std::int64_t(random_.below(std::uint64_t(p_.width - w + 1))), h, w};
  }
  template <class F> void each(const Window& w, F&& f) const {
    for (std::int64_t row = w.row; row < w.row + w.height; ++row)
      for (std::int64_t col = w.col; col < w.col + w.width; ++col) f(row, col);
  }
  /// One half of a bump: rings around its middle, each lower than the one inside.
  static std::vector<double> half(std::int64_t h, std::int64_t w) {
    std::vector<double> d(std::size_t(h * w), 0);
    std::int64_t row = h / 2, col = w / 2;
    for (std::int64_t k = 0; k < std::max(h / 2 + 1, w / 2 + 1); ++k, --row, --col)
      for (std::int64_t r = std::max<std::int64_t>(row, 0); r < std::min(row + 2 * k + 1, h); ++r)
        for (std::int64_t c = std::max<std::int64_t>(col, 0); c < std::min(col + 2 * k + 1, w); ++c) d[std::size_t(r * w + c)] += 1.0 / double((k + 1) * (k + 1));
    return d;
  }
  void add_bump(std::vector<double>& delta, const Window& w) {
    const bool turned = random_.below(2) != 0;
    const std::int64_t h = turned ? w.width : w.height, width = turned ? w.height : w.width, upper = h / 2;
    std::vector<double> bump = half(upper, width);
    for (double v : half(h - upper, width)) bump.push_back(-v);
    double norm = 0;
    for (double v : bump) norm += v * v;
    norm = std::sqrt(std::max(norm, 1e-300));
    for (std::int64_t c = 0; c < p_.channels; ++c) {
      const double sign = coin() / norm;
      each(w, [&](std::int64_t row, std::int64_t col) {
        const std::int64_t r = turned ? col - w.col : row - w.row, k = turned ? row - w.row : col - w.col;
        delta[at(row, col, c)] += sign * bump[std::size_t(r * width + k)];
      });
    }
  }
  std::vector<float> ended(const Region& region, const std::vector<double>& delta) const {
    double norm = 0;
    for (double d : delta) norm += d * d;
    std::vector<float> x = region.centre;
    const double scale = region.radius / std::max(std::sqrt(norm), 1e-12);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += float(delta[i] * scale);
    project(region, x);
    return x;
  }

  const Picture& p_;
  data::Random& random_;
};

}  // namespace

Result<std::vector<Found>> square(const Model& model, std::span<const Region> regions, const Goal& goal, const Picture& given, const SquareOptions& o) {
  Picture picture = given;
  if (picture.width == 0) picture = {1, model.size, 1, false};
  SAHA_ASSERT(picture.height * picture.width * picture.channels == model.size);
  Rows rows(model, regions, goal);
  data::Random random(o.seed);
  Squares squares(picture, random);
  for (int restart = 0; restart < o.restarts; ++restart) {
    std::vector<std::vector<float>> best(regions.size());
    std::vector<double> loss(regions.size(), -std::numeric_limits<double>::infinity());
    for (int k = 0; k < o.steps && rows.may_go_on(); ++k) {
      const auto open = rows.open();
      if (open.empty()) return std::move(rows.found);
      const double share = share_at(o.share, k, o.steps);
      std::vector<std::vector<float>> points;
      for (std::size_t r : open) {
        const Region& region = regions[r];
        if (k == 0) points.push_back(region.euclidean() ? squares.bumps(region) : squares.stripes(region));
        else points.push_back(region.euclidean() ? squares.exchanged(region, best[r], share) : squares.moved(region, best[r], share));
      }
      SAHA_TRY(const Rows::Seen seen, rows.run(open, points, false));
      for (std::size_t i = 0; i < open.size(); ++i)
        if (best[open[i]].empty() || seen.loss[i] > loss[open[i]]) best[open[i]] = std::move(points[i]), loss[open[i]] = seen.loss[i];
    }
  }
  return std::move(rows.found);
}

}  // namespace saha::attack
