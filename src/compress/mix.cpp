// Layers by their share of the error for their work  ->  the fewest that must be wide for the floor to hold
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compress/quantize.hpp"

namespace saha::compress {

Result<Quantizer::Mixed> Quantizer::mix(double floor, const Judge& judge, const Watch& watch) const {
  Mixed best{widths(), 0, false, 0};
  auto tried = [&](const std::vector<Width>& w) -> Result<double> {
    SAHA_DO(watch.at("mixing widths", best.tried, 0));
    ++best.tried;
    SAHA_TRY(const ir::Graph g, graph(w));
    return judge(g);
  };
  SAHA_TRY(best.score, tried(best.widths));
  if (best.score >= floor) { best.held = true; return best; }
  // Error power at the outputs for what the layer costs more when it is wide; nothing is free.
  double macs = 0;
  for (const Layer& l : layers_) macs += l.macs;
  std::vector<std::size_t> order(layers_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto worth = [&](std::size_t i) {
    const double db = layers_[i].alone_db;
    return (std::isnan(db) ? 0 : std::pow(10, -std::clamp(db, -100.0, 200.0) / 10)) / (layers_[i].macs + 0.01 * macs + 1);
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return worth(a) > worth(b); });

  for (const Width wide : {Width::int16, Width::float32}) {
    auto with = [&](std::size_t n) {
      std::vector<Width> w(layers_.size(), wide == Width::float32 ? Width::int16 : Width::int8);
      for (std::size_t i = 0; i < n; ++i) w[order[i]] = wide;
      return w;
    };
    // Doubling, then bisection: accuracy does not rise with every layer, but the first count that holds is one that holds.
    std::size_t bad = 0, good = 0;
    for (std::size_t n = 1; !good; n = std::min(2 * n, order.size())) {
      SAHA_TRY(const double s, tried(with(n)));
      if (s > best.score) best.widths = with(n), best.score = s;
      if (s >= floor) good = n;
      else bad = n;
      if (n == order.size()) break;
    }
    if (!good) continue;
    while (good - bad > 1) {
      const std::size_t n = (good + bad) / 2;
      SAHA_TRY(const double s, tried(with(n)));
      (s >= floor ? good : bad) = n;
    }
    std::vector<Width> w = with(good);
    SAHA_TRY(double score, tried(w));
    // The dearest first: which of them can be narrow after all?
    std::vector<std::size_t> dear(order.begin(), order.begin() + std::ptrdiff_t(good));
    std::stable_sort(dear.begin(), dear.end(), [&](std::size_t a, std::size_t b) { return layers_[a].macs > layers_[b].macs; });
    for (std::size_t k = 0; k < std::min<std::size_t>(dear.size(), 12) && dear.size() > 1; ++k) {
      std::vector<Width> less = w;
      less[dear[k]] = wide == Width::float32 ? Width::int16 : Width::int8;
      SAHA_TRY(const double s, tried(less));
      if (s >= floor) w = std::move(less), score = s;
    }
    best.widths = std::move(w);
    best.score = score;
    best.held = true;
    return best;
  }
  return best;
}

}  // namespace saha::compress
