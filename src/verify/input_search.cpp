// Branch and bound over the inputs: a batch of boxes is bounded at once; what a case's rows say of the inputs clips the box; the rest is halved along the input
// that the bound's looseness comes from.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <thread>

#include "verify/problem.hpp"
#include "verify/record.hpp"

namespace saha::verify {
namespace {
constexpr double kFewPoints = 1024;                  ///< integers of a box that are executed rather than split
constexpr double kHope = 2;                          ///< seconds
constexpr float kCrossing = 0.5f;                    ///< of what a pair's difference costs: for where its ReLUs bend, the rest for what the difference varies by

struct Region {
  std::vector<float> lo, hi;                         ///< inputs
  std::vector<float> known;                          ///< bounds of the critical layers: all lo, then all hi of each; empty: none yet
  std::vector<std::int32_t> open;                    ///< cases that are not refuted
  std::int32_t group = 0, depth = 0;
  double weight = 1;                                 ///< share of its group's box, for progress
  std::int64_t node = -1;                            ///< of the record
  bool replayed = false;                             ///< it was refuted of another network: bounded without a thought of splits
};

class InputSearch final : public Search {
 public:
  InputSearch(const Problem& p, Watch& w, Record* record) : problem_(p), watch_(w), record_(record), net_(p.net), loops_(loops(p.isa)) {
    for (std::size_t g = 0; g < p.groups.size(); ++g) {
      Region r;
      const Box& box = p.boxes[g];
      r.lo.assign(box.lo.begin(), box.lo.end()), r.hi.assign(box.hi.begin(), box.hi.end());
      r.open.assign(p.groups[g].begin(), p.groups[g].end());
      r.group = std::int32_t(g);
      if (record_) r.node = record_->root(r.open);
      root_.emplace_back();
      for (std::size_t i = 0; i < box.lo.size(); ++i) root_.back().push_back(box.hi[i] - box.lo[i]);
      const std::vector<SplitTree> none;
      const auto& trees = p.options.record ? p.options.record->replayed() : none;
      const auto tree = std::ranges::find(trees, p.groups[g][0], &SplitTree::first_case);
      if (tree != trees.end()) replay(*tree, std::move(r));
      else stack_.push_back(std::move(r));
    }
    std::reverse(stack_.begin(), stack_.end());
    total_ = double(p.groups.size());
  }
  End run(double until) override;
  double done() const override { return done_ / total_; }
  std::string why() const override { return problem_.grid ? "points of the region could not be executed" : "regions as small as float32 can tell apart stay open"; }

 private:
  void replay(const SplitTree& tree, Region whole);
  void work(bool first_thread);
  void batch(Sweep& sweep, Descent& descent, Points* exact, std::vector<Region>& regions, std::vector<Region>& children);
  void load(Sweep& sweep, const std::vector<Region>& regions);
  void keep(Sweep& sweep, std::size_t lane, Region& r) const;

  const Problem& problem_;
  Watch& watch_;
  Record* record_;
  const Net& net_;
  const Loops& loops_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Region> stack_;
  std::vector<std::vector<double>> root_;            ///< widths of each group's box
  int busy_ = 0;
  double until_ = 0;
  bool given_up_ = false;
  double hopeless_ = INFINITY;                       ///< when to end the search, which may find a counterexample but prove nothing any more
  double total_ = 1;
  std::atomic<double> done_ = 0;                     ///< read without the mutex
};

/// The leaves of a proof of another network instead of the whole box.
void InputSearch::replay(const SplitTree& tree, Region whole) {
  const std::size_t group = std::size_t(whole.group);
  const std::vector<float> lo = whole.lo, hi = whole.hi;
  whole.lo.assign(problem_.outer[group].lo.begin(), problem_.outer[group].lo.end()), whole.hi.assign(problem_.outer[group].hi.begin(), problem_.outer[group].hi.end());
  std::vector<Region> waiting{std::move(whole)};
  for (const SplitTree::Node& n : tree.nodes) {
    Region r = std::move(waiting.back());
    waiting.pop_back();
    if (n.input >= 0) {
      const std::size_t d = std::size_t(n.input);
      r.weight /= 2, ++r.depth;
      if (record_) r.node = record_->add(r.node, Writer().tag(check_proof::Tag::input_split).number(d).real(n.at).bytes(), 2);
      waiting.push_back(r), waiting.back().lo[d] = std::max(r.lo[d], n.at), waiting.back().node += 1;
      waiting.push_back(std::move(r)), waiting.back().hi[d] = std::min(waiting.back().hi[d], n.at);
      continue;
    }
    bool empty = false;                              // split where it has nothing: no certificate that was written here does
    for (std::size_t i = 0; i < r.lo.size(); ++i) empty |= r.lo[i] > r.hi[i];
    if (empty) {
      if (record_) record_->add(r.node, Writer().tag(check_proof::Tag::refuted).number(0).bytes(), 0);
      done_ += r.weight;
      continue;
    }
    if (problem_.grid) {
      const auto first = problem_.grid->integers(r.lo), last = problem_.grid->integers(r.hi);
      r.lo = lo, r.hi = hi;
      for (std::size_t i = 0; first && last && i < lo.size(); ++i) r.lo[i] = std::max(lo[i], std::min((*first)[i], (*last)[i])), r.hi[i] = std::min(hi[i], std::max((*first)[i], (*last)[i]));
    }
    r.replayed = true;
    stack_.push_back(std::move(r));
  }
}

/// Rows a x + c <= 0 (a: n each, over the box [lo, hi]) that a point must satisfy together. The largest, over convex combinations of them, of the combination's
/// least value on the box, as found by some steps of mirror ascent: above 0, no point satisfies all. `mix`: the combination.
double joint_bound(std::span<const std::vector<double>> rows, std::span<const double> constants, std::span<const float> lo, std::span<const float> hi, std::vector<double>& mix) {
  const std::size_t m = rows.size(), n = lo.size();
  std::vector<double> weight(m, 1.0 / double(m)), gain(m), at(n);
  double best = -INFINITY, scale = 0;
  for (int t = 0; t < 30; ++t) {
    double value = 0;
    for (std::size_t r = 0; r < m; ++r) value += weight[r] * constants[r], gain[r] = constants[r];
    for (std::size_t d = 0; d < n; ++d) {
      double s = 0;
      for (std::size_t r = 0; r < m; ++r) s += weight[r] * rows[r][d];
      at[d] = double(s > 0 ? lo[d] : hi[d]);
      value += s * at[d];
      for (std::size_t r = 0; r < m; ++r) gain[r] += rows[r][d] * at[d];
    }
    if (value > best) best = value, mix = weight;
    if (best > 0) return best;
    double least = INFINITY, most = -INFINITY, total = 0;
    for (double g : gain) least = std::min(least, g), most = std::max(most, g);
    if (most <= 0) return best;                      // the point satisfies all
    scale = std::max(scale, most - least);
    if (scale <= 0) return best;
    for (std::size_t r = 0; r < m; ++r) weight[r] *= std::exp((gain[r] - most) / scale * 4 / std::sqrt(double(t) + 1)), total += weight[r];
    for (double& w : weight) w /= total;
  }
  return best;
}

void InputSearch::load(Sweep& sweep, const std::vector<Region>& regions) {
  const std::size_t b = std::size_t(sweep.lanes()), n = std::size_t(net_.inputs());
  sweep.start();
  for (std::size_t q = 0; q < b; ++q) {
    const Region& r = regions[std::min(q, regions.size() - 1)];
    for (std::size_t i = 0; i < n; ++i) sweep.lo(0)[i * b + q] = r.lo[i], sweep.hi(0)[i * b + q] = r.hi[i];
    if (r.known.empty()) continue;
    const float* p = r.known.data();
    for (std::int32_t k : sweep.critical()) {
      const std::size_t size = std::size_t(net_.layers[std::size_t(k)].size);
      float *lo = sweep.lo(std::size_t(k)), *hi = sweep.hi(std::size_t(k));
      for (std::size_t e = 0; e < size; ++e) lo[e * b + q] = p[e], hi[e * b + q] = p[size + e];
      p += 2 * size;
    }
  }
}

void InputSearch::keep(Sweep& sweep, std::size_t lane, Region& r) const {
  const std::size_t b = std::size_t(sweep.lanes());
  r.known.clear();
  for (std::int32_t k : sweep.critical()) {
    const std::size_t size = std::size_t(net_.layers[std::size_t(k)].size), at = r.known.size();
    r.known.resize(at + 2 * size);
    for (std::size_t e = 0; e < size; ++e) r.known[at + e] = sweep.lo(std::size_t(k))[e * b + lane], r.known[at + size + e] = sweep.hi(std::size_t(k))[e * b + lane];
  }
}

void InputSearch::batch(Sweep& sweep, Descent& descent, Points* exact, std::vector<Region>& regions, std::vector<Region>& children) {
  const std::size_t b = std::size_t(sweep.lanes()), n = std::size_t(net_.inputs()), last = net_.layers.size() - 1;
  load(sweep, regions);
  const bool replayed = std::ranges::all_of(regions, &Region::replayed);
  const bool few = n <= 64 && !replayed;             // slopes of hidden elements are kept: they say which input their looseness comes from
  std::vector<std::vector<float>> slopes(net_.layers.size());
  std::vector<std::vector<std::int32_t>> loose(net_.layers.size());
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    sweep.forward(k);
    if (few && sweep.passes(k)) {                    // the slopes of what it moves
      for (const Term& t : net_.layers[k].terms) {
        const std::size_t from = std::size_t(t.from);
        const Layer& source = net_.layers[from];
        const Matrix* direct = source.terms.size() == 1 && source.terms[0].from == 0 ? &source.terms[0].matrix : nullptr;
        for (std::int32_t e = 0; e < t.matrix.rows; ++e) {
          const std::int32_t at = t.matrix.row_start[std::size_t(e)];
          if (at == t.matrix.row_start[std::size_t(e) + 1]) continue;
          const std::int32_t of = t.matrix.column[std::size_t(at)];
          const auto row = std::lower_bound(loose[from].begin(), loose[from].end(), of);
          const bool known = row != loose[from].end() && *row == of;
          if (!known && !direct) continue;
          loose[k].push_back(e);
          if (known) slopes[k].insert(slopes[k].end(), slopes[from].begin() + (row - loose[from].begin()) * std::ptrdiff_t(n * b), slopes[from].begin() + (row - loose[from].begin() + 1) * std::ptrdiff_t(n * b));
          else for (std::size_t d = 0; d < n; ++d) slopes[k].insert(slopes[k].end(), b, std::fabs(direct->at(of, std::int32_t(d))));
        }
      }
    }
    if (!sweep.is_critical(k)) continue;
    sweep.loose(k, loose[k]);
    if (few) slopes[k].assign(loose[k].size() * n * b, 0.0f);
    sweep.refine(k, loose[k], few ? slopes[k].data() : nullptr);
    if (watch_.stopped()) return;
  }
  std::vector<std::int32_t> wanted;
  for (const Region& r : regions) for (std::int32_t c : r.open) for (const Limit& l : problem_.cases[std::size_t(c)]) wanted.push_back(l.query);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<Query> queries;
  for (std::int32_t w : wanted) queries.push_back(problem_.queries[std::size_t(w)]);
  std::vector<double> lower(queries.size() * b);
  std::vector<float> linear(queries.size() * n * b);
  // What each loose element's relaxation costs each query, |coefficient| times its gap, is shared out among the inputs by what the element varies by along each.
  std::vector<float> score(queries.size() * n * b, 0.0f);
  std::vector<std::vector<const float*>> slopes_of(net_.layers.size());  // of each element, null: no input moves what is made of it
  std::vector<std::vector<float>> direct(net_.layers.size());
  auto slopes_at = [&](std::int32_t layer) -> const std::vector<const float*>& {
    const std::size_t s = std::size_t(layer);
    auto& at = slopes_of[s];
    if (!at.empty()) return at;
    const Layer& l = net_.layers[s];
    at.assign(std::size_t(l.size), nullptr);
    for (std::size_t r = 0; r < loose[s].size(); ++r) at[std::size_t(loose[s][r])] = slopes[s].data() + r * n * b;
    if (!loose[s].empty() || l.kind != Layer::Kind::affine || l.terms.size() != 1 || l.terms[0].from != 0) return at;
    direct[s].resize(at.size() * n * b);             // exact intervals: the slopes are the matrix itself
    for (std::size_t e = 0; e < at.size(); ++e) {
      at[e] = direct[s].data() + e * n * b;
      for (std::size_t d = 0; d < n; ++d) std::fill_n(direct[s].data() + (e * n + d) * b, b, std::fabs(l.terms[0].matrix.at(std::int32_t(e), std::int32_t(d))));
    }
    return at;
  };
  sweep.bound(last, queries, lower.data(), linear.data(), [&](std::size_t first, std::size_t count) {
    if (!few) return;
    auto share = [&](const float* g, std::size_t i, std::size_t q, float cost) {
      if (!g || cost == 0) return;
      float total = 1e-30f;
      for (std::size_t d = 0; d < n; ++d) total += g[d * b + q] * (sweep.hi(0)[d * b + q] - sweep.lo(0)[d * b + q]);
      float* into = score.data() + (first + i) * n * b;
      for (std::size_t d = 0; d < n; ++d) into[d * b + q] += cost * g[d * b + q] * (sweep.hi(0)[d * b + q] - sweep.lo(0)[d * b + q]) / total;
    };
    for (std::size_t k = 1; k < net_.layers.size(); ++k) {
      const Layer& l = net_.layers[k];
      if (l.kind == Layer::Kind::affine || l.kind == Layer::Kind::input || !sweep.reached(k)) continue;
      const float* c = sweep.coefficients(k);
      if (l.gap >= 0 && sweep.reached(std::size_t(l.mate))) {
        if (l.mate > std::int32_t(k)) continue;      // both at once
        const float* other = sweep.coefficients(std::size_t(l.mate));
        const auto &ga = slopes_at(net_.layers[std::size_t(l.mate)].a), &gb = slopes_at(l.a), &gd = slopes_at(l.gap);
        for (std::int32_t e : sweep.active(k))
          for (std::size_t i = 0; i < count; ++i)
            for (std::size_t q = 0; q < b; ++q) {
              const std::size_t at = std::size_t(std::int64_t(e) * sweep.stride()) + i * b + q;
              const auto [a, z, d] = sweep.pair_cost(k, e, int(q), other[at], c[at]);
              share(ga[std::size_t(e)], i, q, a), share(gb[std::size_t(e)], i, q, z);
              share(ga[std::size_t(e)] ? ga[std::size_t(e)] : gb[std::size_t(e)], i, q, kCrossing * d), share(gd[std::size_t(e)], i, q, (1 - kCrossing) * d);
            }
        continue;
      }
      for (std::int32_t source : {l.a, l.b}) {
        if (source < 0) continue;
        const float *lo = sweep.lo(std::size_t(source)), *hi = sweep.hi(std::size_t(source));
        const auto& g = slopes_at(source);
        for (std::size_t e = 0; e < g.size(); ++e) {
          if (!g[e]) continue;
          for (std::size_t i = 0; i < count; ++i)
            for (std::size_t q = 0; q < b; ++q) {
              const float a = lo[e * b + q], z = hi[e * b + q], w = c[std::int64_t(e) * sweep.stride() + std::int64_t(i * b + q)];
              float gap = z - a;
              if (l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::relu) gap = a >= 0 || z <= 0 ? 0 : w < 0 ? -a * z / (z - a) : std::min(z, -a);
              else if (l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::steps) gap = sweep.gap(k, std::int32_t(e), int(q));
              share(g[e], i, q, gap * std::fabs(w));
            }
        }
      }
    }
  });
  watch_.count(std::ssize(regions));
  std::vector<float> point(n);
  std::vector<std::vector<float>> points;
  std::vector<std::int32_t> point_of;
  for (std::size_t q = 0; q < regions.size(); ++q) {
    Region& r = regions[q];
    std::vector<float> lo(n, INFINITY), hi(n, -INFINITY);  // hull of what the open cases leave
    std::vector<std::int32_t> open;
    Writer mixes;                                    // of cases that no row alone refutes: the weights of their rows
    std::uint64_t mixed = 0;
    double worst = INFINITY;
    std::size_t worst_query = 0;
    std::int32_t worst_case = -1;
    for (std::int32_t c : r.open) {
      bool refuted = false;
      double best = -INFINITY;
      std::size_t best_query = 0;
      for (const Limit& l : problem_.cases[std::size_t(c)]) {
        const std::size_t i = std::size_t(std::lower_bound(wanted.begin(), wanted.end(), l.query) - wanted.begin());
        const double v = lower[i * b + q];
        if (refutes(l, v)) refuted = true;
        if (v - l.bound > best) best = v - l.bound, best_query = i;
      }
      if (refuted) continue;
      // A counterexample of this case has every row's linear lower bound within its limit: that cuts the box.
      std::vector<float> a(r.lo), z(r.hi);
      for (int round = 0; round < 2 && !refuted; ++round)
        for (const Limit& l : problem_.cases[std::size_t(c)]) {
          const std::size_t i = std::size_t(std::lower_bound(wanted.begin(), wanted.end(), l.query) - wanted.begin());
          if (!(lower[i * b + q] > -1e30)) continue;
          const float* s = linear.data() + i * n * b;
          // lower = least over the loaded box; move it to the box as cut so far.
          double least = lower[i * b + q], size = std::fabs(lower[i * b + q]) + std::fabs(l.bound);
          for (std::size_t d = 0; d < n; ++d) {
            const double w = double(s[d * b + q]);
            least += w > 0 ? w * (double(a[d]) - double(r.lo[d])) : w * (double(z[d]) - double(r.hi[d]));
            size += std::fabs(w) * std::max(std::fabs(double(r.lo[d])), std::fabs(double(r.hi[d])));
          }
          const double room = l.bound - least + 1e-9 * size;
          if (room < 0) {
            refuted = true;
            break;
          }
          for (std::size_t d = 0; d < n; ++d) {
            const double w = double(s[d * b + q]);
            if (w == 0 || a[d] == z[d]) continue;
            if (w > 0) {
              const double top = double(a[d]) + room / w;
              if (top < double(z[d])) z[d] = std::min(z[d], std::nextafter(float(top + 1e-12 * std::fabs(top)), float(INFINITY)));
            } else {
              const double bottom = double(z[d]) + room / w;
              if (bottom > double(a[d])) a[d] = std::max(a[d], std::nextafter(float(bottom - 1e-12 * std::fabs(bottom)), -INFINITY));
            }
            if (exact) a[d] = std::ceil(a[d]), z[d] = std::floor(z[d]), refuted |= a[d] > z[d];
            if (a[d] > z[d]) a[d] = z[d];
          }
        }
      if (!refuted && problem_.cases[std::size_t(c)].size() > 1) {
        std::vector<std::vector<double>> rows;
        std::vector<double> constants, mix;
        std::vector<char> used;
        double size = 0;
        for (const Limit& l : problem_.cases[std::size_t(c)]) {
          const std::size_t i = std::size_t(std::lower_bound(wanted.begin(), wanted.end(), l.query) - wanted.begin());
          used.push_back(lower[i * b + q] > -1e30);
          if (!used.back()) continue;
          std::vector<double> row(n);
          double constant = lower[i * b + q] - l.bound;
          for (std::size_t d = 0; d < n; ++d) {
            row[d] = double(linear[(i * n + d) * b + q]);
            const double v = row[d] * double(row[d] > 0 ? r.lo[d] : r.hi[d]);
            constant -= v, size = std::max(size, std::fabs(v) + std::fabs(constant));
          }
          rows.push_back(std::move(row)), constants.push_back(constant - 1e-9 * size);
        }
        refuted = rows.size() > 1 && joint_bound(rows, constants, a, z, mix) > 0;
        if (refuted && record_) {
          ++mixed, mixes.number(std::uint64_t(c));
          auto weight = mix.begin();
          for (char u : used) mixes.real(u ? float(*weight++) : 0);
        }
      }
      if (refuted) continue;
      open.push_back(c);
      for (std::size_t d = 0; d < n; ++d) lo[d] = std::min(lo[d], a[d]), hi[d] = std::max(hi[d], z[d]);
      if (best < worst) worst = best, worst_query = best_query, worst_case = c;
    }
    if (open.empty()) {
      if (record_) record_->add(r.node, Writer().tag(check_proof::Tag::refuted).number(mixed).append(mixes.bytes()).bytes(), 0);
      std::lock_guard lock(mutex_);
      done_ += r.weight;
      continue;
    }
    if (exact && Points::count(lo, hi) <= kFewPoints) {
      const bool decided = exact->run(watch_, std::size_t(r.group), lo, hi, open);
      if (watch_.stopped()) return;
      std::lock_guard lock(mutex_);
      done_ += r.weight, given_up_ |= !decided;
      continue;
    }
    if (replayed) {                                  // it is split as any other
      Region again = r;
      keep(sweep, q, again);
      if (record_ && (lo != r.lo || hi != r.hi)) again.node = record_->add(r.node, Writer().tag(check_proof::Tag::clip).bytes(), 1);
      again.lo = lo, again.hi = hi, again.open = std::move(open), again.replayed = false;
      children.push_back(std::move(again));
      continue;
    }
    // The corner where the worst case's bound is least, and the middle, may be counterexamples.
    for (std::size_t d = 0; d < n; ++d) point[d] = 0.5f * (lo[d] + hi[d]);
    points.push_back(watch_.inside(std::size_t(r.group), point)), point_of.push_back(worst_case);
    for (std::size_t d = 0; d < n; ++d) point[d] = linear[(worst_query * n + d) * b + q] > 0 ? lo[d] : hi[d];
    points.push_back(watch_.inside(std::size_t(r.group), point)), point_of.push_back(worst_case);
    std::size_t along = n;
    double top = -1;
    for (std::size_t d = 0; d < n; ++d) {
      const double width = double(hi[d]) - double(lo[d]);
      if (exact ? width < 1 : width <= 1e-6 * root_[std::size_t(r.group)][d] || !(0.5f * (lo[d] + hi[d]) > lo[d])) continue;  // float32 tells no more apart
      const double shrink = width / std::max(1e-30, double(r.hi[d]) - double(r.lo[d]));
      double v = (double(score[(worst_query * n + d) * b + q]) + 0.1 * std::fabs(double(linear[(worst_query * n + d) * b + q])) * double(r.hi[d] - r.lo[d])) * shrink;
      if (!(v == v) || sweep.broken(int(q))) v = width;
      if (v > top) top = v, along = d;
    }
    if (along == n) {                                // what is left is as small as float32 sees, and not decided
      std::lock_guard lock(mutex_);
      if (!given_up_) hopeless_ = 2 * watch_.seconds() + kHope;
      given_up_ = true;
      continue;
    }
    Region child;
    keep(sweep, q, child);
    child.open = std::move(open), child.group = r.group, child.depth = r.depth + 1, child.weight = r.weight / 2;
    child.lo = lo, child.hi = hi;
    const float half = 0.5f * (lo[along] + hi[along]), middle = exact ? std::floor(half) : half;
    Region other = child;
    child.hi[along] = middle, other.lo[along] = exact ? middle + 1 : middle;
    if (record_) {
      Writer w;
      bool clipped = false;
      for (std::size_t d = 0; d < n; ++d) clipped |= lo[d] > r.lo[d] || hi[d] < r.hi[d];
      if (clipped) w.tag(check_proof::Tag::clip);
      w.tag(check_proof::Tag::input_split), w.number(along), w.real(middle);
      child.node = record_->add(r.node, w.bytes(), 2), other.node = child.node + 1;
    }
    children.push_back(std::move(child)), children.push_back(std::move(other));
  }
  descent.screen(watch_, points, point_of);
}

void InputSearch::work(bool first_thread) {
  Sweep sweep(net_, loops_, loops_.vector * 2, 128, problem_.options.arithmetic);
  sweep.stop = [this] { return watch_.stopped() || watch_.out_of_time(); };
  std::vector<Region> regions, children;
  Descent descent(problem_, problem_.options.seed + (first_thread ? 100 : 200));
  std::optional<Points> points;
  if (problem_.grid) points.emplace(problem_);
  std::mt19937_64 random(problem_.options.seed + (first_thread ? 1 : 2));
  std::vector<std::vector<float>> starts(std::size_t(descent.lanes()));
  std::vector<std::int32_t> of(starts.size());
  std::int64_t rounds = 0;
  auto last_shown = std::chrono::steady_clock::now();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !stack_.empty() || busy_ == 0 || watch_.stopped(); });
      if (watch_.stopped() || watch_.seconds() > std::min(until_, hopeless_) || (stack_.empty() && busy_ == 0)) break;
      regions.clear();
      // Two threads share a short stack evenly.
      const std::size_t take = std::min<std::size_t>(std::size_t(sweep.lanes()), std::max<std::size_t>(1, problem_.threads > 1 && stack_.size() < 2 * std::size_t(sweep.lanes()) ? (stack_.size() + 1) / 2 : stack_.size()));
      // Depth first keeps the stack short and neighbours together; now and then regions from anywhere, since a counterexample may lie there.
      const bool anywhere = ++rounds % 4 == 0;
      for (std::size_t i = 0; i < take; ++i) {
        if (anywhere) std::swap(stack_.back(), stack_[random() % stack_.size()]);
        regions.push_back(std::move(stack_.back())), stack_.pop_back();
      }
      ++busy_;
    }
    if (rounds % 8 == 4 && !regions[0].replayed) {
      for (std::size_t q = 0; q < starts.size(); ++q) {
        const Region& r = regions[q % regions.size()];
        of[q] = r.open[random() % r.open.size()];
        starts[q].resize(r.lo.size());
        for (std::size_t d = 0; d < r.lo.size(); ++d) starts[q][d] = r.lo[d] + (r.hi[d] - r.lo[d]) * (q < regions.size() ? 0.5f : float(random() % 1024) / 1023.0f);
      }
      descent.run(watch_, starts, of, 12, 0.05f);
    }
    if (rounds % 64 == 36) {                         // over all of the box, and where it is open
      const Region& r = regions[0];
      const std::int32_t c = r.open[random() % r.open.size()];
      const Box& box = problem_.boxes[std::size_t(r.group)];
      const std::vector<float> lo(box.lo.begin(), box.lo.end()), hi(box.hi.begin(), box.hi.end());
      if (problem_.cases[std::size_t(c)].size() > 1 && !problem_.grid) (rounds / 64) % 2 ? descent.wander(watch_, r.lo, r.hi, c) : descent.wander(watch_, lo, hi, c);
    }
    children.clear();
    batch(sweep, descent, points ? &*points : nullptr, regions, children);
    {
      std::lock_guard lock(mutex_);
      for (Region& c : children) stack_.push_back(std::move(c));
      --busy_;
    }
    changed_.notify_all();
    if (watch_.out_of_time()) watch_.stop(), changed_.notify_all();
    if (first_thread && problem_.options.progress && std::chrono::steady_clock::now() - last_shown > std::chrono::milliseconds(200)) {
      last_shown = std::chrono::steady_clock::now();
      problem_.options.progress(done(), watch_.regions());
    }
  }
  changed_.notify_all();
}

End InputSearch::run(double until) {
  until_ = until;
  std::vector<std::thread> others;
  for (int t = 1; t < problem_.threads; ++t) others.emplace_back([this] { work(false); });
  work(true);
  for (std::thread& t : others) t.join();
  if (watch_.stopped()) return End::stopped;
  if (!stack_.empty() && watch_.seconds() <= hopeless_) return End::paused;
  return given_up_ ? End::given_up : End::proved;
}
}  // namespace

std::unique_ptr<Search> input_search(const Problem& problem, Watch& watch, Record* record) { return std::make_unique<InputSearch>(problem, watch, record); }

}  // namespace saha::verify
