// Branch and bound over the inputs: a batch of boxes is bounded at once; what a case's rows say of the inputs clips the box; the rest is halved along the input
// that the bound's looseness comes from. Linear bounds of hidden elements hold on every part of the box they were made for, and are tighter there: a part is bounded from those of the whole first, which
// costs a small fraction of bounds of its own and is often enough.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <set>
#include <thread>

#include "verify/problem.hpp"
#include "verify/record.hpp"

namespace saha::verify {
namespace {
constexpr double kFewPoints = 8192, kVeryFewPoints = 64;  ///< integers of a box that are executed rather than split, rather than bounded
constexpr double kLost = 1e-12;                      ///< of sums over the inputs in float64, relative to the sizes of what is summed
constexpr std::int64_t kMostSlopes = 1 << 16;        ///< of hidden elements' linear bounds, that a region keeps
constexpr std::size_t kBundle = 8, kLargestBundle = 64;  ///< leaves of a tree that is replayed
constexpr std::int64_t kAgain = 16;                  ///< batches of leaves one by one before bundles are tried again
constexpr std::int64_t kSample = 12;                 ///< bundles that are tried before that size is judged
constexpr double kHope = 2;                          ///< seconds
constexpr float kCrossing = 0.5f;                    ///< of what a pair's difference costs: for where its ReLUs bend, the rest for what the difference varies by

/// Bounds of the critical layers' elements over a box.
struct Known {
  std::vector<float> lo, hi;                         ///< one layer after another
  /// Linear bounds, of elements whose interval leaves anything open: lower, then of the negative.
  std::vector<std::int32_t> rows;                    ///< as of lo and hi
  std::vector<float> slopes;                         ///< [row][side][input]
  std::vector<double> constants;                     ///< [row][side]
};

struct Region {
  std::vector<float> lo, hi;                         ///< inputs
  std::shared_ptr<const Known> known;                ///< of a box around it; null: none yet
  std::vector<std::int32_t> open;                    ///< cases that are not refuted
  std::int32_t group = 0;
  double weight = 1;                                 ///< share of its group's box, for progress
  std::int64_t node = -1;                            ///< of the record
  bool clipped = false;                              ///< smaller than the record's node says
  std::vector<Region> leaves = {};                   ///< not empty: of a tree that is replayed, in its order; it is only bounded to refute these, which lie in it
  std::size_t at = 0;                                ///< of a leaf: its place among the tree's nodes
  std::size_t bundle = 0;                            ///< of a leaf: the region of a batch that it is of
};

/// Linear lower bounds of all that the open cases of some regions ask for.
struct Lower {
  std::vector<std::int32_t> wanted;                  ///< the problem's queries, ascending
  std::vector<double> least;                         ///< [query][lane]
  std::vector<float> slopes;                         ///< [query][input][lane]
  std::size_t of(std::int32_t query) const { return std::size_t(std::lower_bound(wanted.begin(), wanted.end(), query) - wanted.begin()); }
};

/// What they leave of a region: the hull of what they leave to each case.
struct Rest {
  std::vector<float> lo, hi;
  std::vector<std::int32_t> open;
  Writer mixes;                                      ///< of cases that no row alone refutes: the weights of their rows
  std::uint64_t mixed = 0;
  std::size_t worst_query = 0;                       ///< of the case that is farthest from being refuted: the nearest
  std::int32_t worst_case = -1;
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
      others_.emplace_back();
      if (tree != trees.end()) replay(*tree, r);
      else stack_.push_back(std::move(r));
    }
    std::reverse(stack_.begin(), stack_.end());
    total_ = double(p.groups.size());
  }
  End run(double until) override;
  double done() const override { return done_ / total_; }
  std::string why() const override { return problem_.grid ? "points of the region could not be executed" : "regions as small as float32 can tell apart stay open"; }

 private:
  void replay(const SplitTree& tree, const Region& whole);
  void gather(std::span<Region> leaves, std::size_t most, std::vector<Region>& to) const;
  void bundle_leaves(std::size_t count);
  void judge_bundles();
  bool empty() const { return stack_.empty() && leaves_.empty() && bundles_.empty(); }
  void work(bool first_thread);
  void batch(Sweep& sweep, Descent& descent, Points* exact, std::vector<Region>& regions, std::vector<Region>& left);
  void glance(Sweep& sweep, Points* exact, std::vector<Region>& regions, std::vector<Region>& left);
  void load(Sweep& sweep, std::span<const Region> regions) const;
  std::shared_ptr<const Known> known(Sweep& sweep, std::size_t lane, const std::vector<std::vector<std::int32_t>>& loose, const std::vector<Linear>& linear, bool lines) const;
  template <class Seen> Lower bound(Sweep& sweep, std::span<const Region> regions, Seen seen) const;
  Rest rest(const Region& r, std::size_t lane, std::size_t lanes, const Lower& lower) const;
  void refuted(const Region& r, const Rest& rest);
  bool points(Points* exact, const Region& r, const Rest& rest, double most);

  const Problem& problem_;
  Watch& watch_;
  Record* record_;
  const Net& net_;
  const Loops& loops_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Region> stack_;
  std::vector<Region> leaves_, bundles_;             ///< of trees that are replayed, which goes first: those not looked at yet; those to be bounded together
  std::size_t bundle_ = 1;                           ///< leaves of one
  std::int64_t alone_ = 0;                           ///< batches of leaves one by one
  std::int64_t bundled_ = 0, closed_ = 0;            ///< bundles of that size, leaves of theirs that needed no bounds of their own
  std::vector<std::vector<double>> root_;            ///< widths of each group's box
  std::vector<std::vector<std::size_t>> others_;     ///< of each group: of each node of the tree that is replayed, where its second half begins
  int busy_ = 0;
  double until_ = 0;
  bool given_up_ = false;
  double hopeless_ = INFINITY;                       ///< when to end the search, which may find a counterexample but prove nothing any more
  double total_ = 1;
  std::atomic<double> done_ = 0;                     ///< read without the mutex
};

/// The leaves of a proof of another network instead of the whole box; of a tree over integers none that are smaller than what is executed point by point.
void InputSearch::replay(const SplitTree& tree, const Region& whole) {
  const std::size_t group = std::size_t(whole.group), size = tree.nodes.size();
  std::vector<std::size_t>& others = others_.back();
  others.resize(size);
  std::vector<std::size_t> ends(size), starts;       // of nodes' subtrees; starts of those after the node
  for (std::size_t i = size; i-- > 0; starts.push_back(i)) {
    ends[i] = i + 1;
    if (tree.nodes[i].input >= 0) starts.pop_back(), others[i] = starts.back(), starts.pop_back(), ends[i] = ends[others[i]];
  }
  std::vector<Region> waiting{whole};
  waiting[0].lo.assign(problem_.outer[group].lo.begin(), problem_.outer[group].lo.end()), waiting[0].hi.assign(problem_.outer[group].hi.begin(), problem_.outer[group].hi.end());
  for (std::size_t i = 0; i < size; ++i) {
    const SplitTree::Node& n = tree.nodes[i];
    Region r = std::move(waiting.back()), leaf = r;
    waiting.pop_back();
    bool empty = false;                              // split where it has nothing: no certificate that was written here does
    for (std::size_t k = 0; k < r.lo.size(); ++k) empty |= r.lo[k] > r.hi[k];
    if (problem_.grid && !empty) {
      const auto first = problem_.grid->integers(r.lo), last = problem_.grid->integers(r.hi);
      leaf.lo = whole.lo, leaf.hi = whole.hi;
      for (std::size_t k = 0; first && last && k < leaf.lo.size(); ++k) leaf.lo[k] = std::max(leaf.lo[k], std::min((*first)[k], (*last)[k])), leaf.hi[k] = std::min(leaf.hi[k], std::max((*first)[k], (*last)[k]));
    }
    if (n.input >= 0 && !empty && !(problem_.grid && Points::count(leaf.lo, leaf.hi) <= kFewPoints)) {
      const std::size_t d = std::size_t(n.input);
      r.weight /= 2;
      if (record_) r.node = record_->add(r.node, Writer().tag(check_proof::Tag::input_split).number(d).real(n.at).bytes(), 2);
      waiting.push_back(r), waiting.back().lo[d] = std::max(r.lo[d], n.at), waiting.back().node += 1;
      waiting.push_back(std::move(r)), waiting.back().hi[d] = std::min(waiting.back().hi[d], n.at);
      continue;
    }
    leaf.at = i, i = ends[i] - 1;
    if (empty) refuted(leaf, {});
    else leaves_.push_back(std::move(leaf));
  }
}

/// Regions around at most so many leaves of a group, which stand in the tree's order: all below one node as long as that can be.
void InputSearch::gather(std::span<Region> leaves, std::size_t most, std::vector<Region>& to) const {
  if (leaves.empty()) return;
  if (leaves.size() > most) {
    const std::vector<std::size_t>& others = others_[std::size_t(leaves[0].group)];
    std::size_t node = 0;
    while (leaves.front().at >= others[node] || leaves.back().at < others[node]) node = leaves.back().at < others[node] ? node + 1 : others[node];
    const auto second = std::ranges::lower_bound(leaves, others[node], {}, &Region::at);
    gather(std::span(leaves.begin(), second), most, to), gather(std::span(second, leaves.end()), most, to);
    return;
  }
  Region r = leaves[0];
  std::set<std::int32_t> open;
  for (const Region& l : leaves) {
    open.insert(l.open.begin(), l.open.end());
    for (std::size_t d = 0; d < r.lo.size(); ++d) r.lo[d] = std::min(r.lo[d], l.lo[d]), r.hi[d] = std::max(r.hi[d], l.hi[d]);
  }
  r.open.assign(open.begin(), open.end());
  r.leaves.assign(std::make_move_iterator(leaves.begin()), std::make_move_iterator(leaves.end()));
  to.push_back(std::move(r));
}

/// The next bundles, some `count`.
void InputSearch::bundle_leaves(std::size_t count) {
  while (!leaves_.empty() && bundles_.size() < count) {
    std::size_t first = leaves_.size();
    while (first > 0 && leaves_.size() - first < count * bundle_ && leaves_[first - 1].group == leaves_.back().group) --first;
    gather(std::span(leaves_).subspan(first), bundle_, bundles_);
    leaves_.resize(first);
  }
}

/// Larger ones, where bounds of a bundle were enough for many of its leaves; else smaller ones.
void InputSearch::judge_bundles() {
  if (bundle_ == 1 && ++alone_ % kAgain == 0) bundle_ = kBundle;
  if (bundle_ == 1 || bundled_ < kSample) return;
  const bool pays = 4 * closed_ > bundled_ * std::int64_t(4 + bundle_);
  if (pays && bundle_ == kLargestBundle) return;
  bundle_ = pays ? 2 * bundle_ : closed_ < bundled_ ? 1 : bundle_ / 2;
  bundled_ = closed_ = 0;
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

void InputSearch::load(Sweep& sweep, std::span<const Region> regions) const {
  const std::size_t b = std::size_t(sweep.lanes()), n = std::size_t(net_.inputs());
  sweep.start();
  for (std::size_t q = 0; q < b; ++q) {
    const Region& r = regions[std::min(q, regions.size() - 1)];
    for (std::size_t i = 0; i < n; ++i) sweep.lo(0)[i * b + q] = r.lo[i], sweep.hi(0)[i * b + q] = r.hi[i];
    if (!r.known) continue;
    const Known& known = *r.known;
    std::size_t first = 0, row = 0;                  // of the layer
    for (std::int32_t k : sweep.critical()) {
      const Layer& l = net_.layers[std::size_t(k)];
      float *lo = sweep.lo(std::size_t(k)), *hi = sweep.hi(std::size_t(k));
      for (std::size_t e = 0; e < std::size_t(l.size); ++e) lo[e * b + q] = known.lo[first + e], hi[e * b + q] = known.hi[first + e];
      for (; row < known.rows.size() && std::size_t(known.rows[row]) < first + std::size_t(l.size); ++row) {
        double least[2];
        for (std::size_t side = 0; side < 2; ++side) {
          const float* slope = known.slopes.data() + (2 * row + side) * n;
          double sum = known.constants[2 * row + side], size = std::fabs(sum);
          for (std::size_t d = 0; d < n; ++d) {
            const double term = double(slope[d]) * double(slope[d] > 0 ? r.lo[d] : r.hi[d]);
            sum += term, size += std::fabs(term);
          }
          least[side] = sum - kLost * size;
          if (l.whole) least[side] = std::ceil(least[side]);
        }
        float &low = lo[(std::size_t(known.rows[row]) - first) * b + q], &high = hi[(std::size_t(known.rows[row]) - first) * b + q];
        low = std::max(low, std::nextafter(float(least[0]), -INFINITY)), high = std::min(high, std::nextafter(float(-least[1]), float(INFINITY)));
        if (low > high) std::swap(low, high);        // met only where both are the same but for rounding, or the box has no points
      }
      first += std::size_t(l.size);
    }
  }
}

std::shared_ptr<const Known> InputSearch::known(Sweep& sweep, std::size_t lane, const std::vector<std::vector<std::int32_t>>& loose, const std::vector<Linear>& linear, bool lines) const {
  const std::size_t b = std::size_t(sweep.lanes()), n = std::size_t(net_.inputs());
  auto known = std::make_shared<Known>();
  for (std::int32_t layer : sweep.critical()) {
    const std::size_t k = std::size_t(layer), size = std::size_t(net_.layers[k].size), first = known->lo.size();
    for (std::size_t e = 0; e < size; ++e) known->lo.push_back(sweep.lo(k)[e * b + lane]), known->hi.push_back(sweep.hi(k)[e * b + lane]);
    if (!lines) continue;
    for (std::size_t i = 0; i < loose[k].size(); ++i) {
      if (!sweep.loose(k, loose[k][i], int(lane)) || !(linear[k].constants[2 * i * b + lane] > -INFINITY && linear[k].constants[(2 * i + 1) * b + lane] > -INFINITY)) continue;
      known->rows.push_back(std::int32_t(first) + loose[k][i]);
      for (std::size_t side = 2 * i; side < 2 * i + 2; ++side) {
        known->constants.push_back(linear[k].constants[side * b + lane]);
        for (std::size_t d = 0; d < n; ++d) known->slopes.push_back(linear[k].slopes[(side * n + d) * b + lane]);
      }
    }
  }
  return known;
}

/// `seen`: as of Sweep::bound.
template <class Seen> Lower InputSearch::bound(Sweep& sweep, std::span<const Region> regions, Seen seen) const {
  Lower lower;
  for (const Region& r : regions) for (std::int32_t c : r.open) for (const Limit& l : problem_.cases[std::size_t(c)]) lower.wanted.push_back(l.query);
  std::sort(lower.wanted.begin(), lower.wanted.end());
  lower.wanted.erase(std::unique(lower.wanted.begin(), lower.wanted.end()), lower.wanted.end());
  std::vector<Query> queries;
  for (std::int32_t w : lower.wanted) queries.push_back(problem_.queries[std::size_t(w)]);
  lower.least.resize(queries.size() * std::size_t(sweep.lanes())), lower.slopes.resize(lower.least.size() * std::size_t(net_.inputs()));
  sweep.bound(net_.layers.size() - 1, queries, lower.least.data(), lower.slopes.data(), [&](std::size_t first, std::size_t count) { seen(lower, first, count); });
  return lower;
}

Rest InputSearch::rest(const Region& r, std::size_t q, std::size_t b, const Lower& lower) const {
  const std::size_t n = r.lo.size();
  Rest rest;
  rest.lo.assign(n, INFINITY), rest.hi.assign(n, -INFINITY);
  double worst = INFINITY;
  for (std::int32_t c : r.open) {
    bool refuted = false;
    double best = -INFINITY;
    std::size_t best_query = 0;
    for (const Limit& l : problem_.cases[std::size_t(c)]) {
      const std::size_t i = lower.of(l.query);
      const double v = lower.least[i * b + q];
      if (refutes(l, v)) refuted = true;
      if (v - l.bound > best) best = v - l.bound, best_query = i;
    }
    if (refuted) continue;
    // A counterexample of this case has every row's linear lower bound within its limit: that cuts the box.
    std::vector<float> a(r.lo), z(r.hi);
    for (int round = 0; round < 2 && !refuted; ++round)
      for (const Limit& l : problem_.cases[std::size_t(c)]) {
        const std::size_t i = lower.of(l.query);
        if (!(lower.least[i * b + q] > -1e30)) continue;
        const float* s = lower.slopes.data() + i * n * b;
        // lower = least over the loaded box; move it to the box as cut so far.
        double least = lower.least[i * b + q], size = std::fabs(least) + std::fabs(l.bound);
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
          if (problem_.grid) a[d] = std::ceil(a[d]), z[d] = std::floor(z[d]), refuted |= a[d] > z[d];
          if (a[d] > z[d]) a[d] = z[d];
        }
      }
    if (!refuted && problem_.cases[std::size_t(c)].size() > 1) {
      std::vector<std::vector<double>> rows;
      std::vector<double> constants, mix;
      std::vector<char> used;
      double size = 0;
      for (const Limit& l : problem_.cases[std::size_t(c)]) {
        const std::size_t i = lower.of(l.query);
        used.push_back(lower.least[i * b + q] > -1e30);
        if (!used.back()) continue;
        std::vector<double> row(n);
        double constant = lower.least[i * b + q] - l.bound;
        for (std::size_t d = 0; d < n; ++d) {
          row[d] = double(lower.slopes[(i * n + d) * b + q]);
          const double v = row[d] * double(row[d] > 0 ? r.lo[d] : r.hi[d]);
          constant -= v, size = std::max(size, std::fabs(v) + std::fabs(constant));
        }
        rows.push_back(std::move(row)), constants.push_back(constant - 1e-9 * size);
      }
      refuted = rows.size() > 1 && joint_bound(rows, constants, a, z, mix) > 0;
      if (refuted && record_) {
        ++rest.mixed, rest.mixes.number(std::uint64_t(c));
        auto weight = mix.begin();
        for (char u : used) rest.mixes.real(u ? float(*weight++) : 0);
      }
    }
    if (refuted) continue;
    rest.open.push_back(c);
    for (std::size_t d = 0; d < n; ++d) rest.lo[d] = std::min(rest.lo[d], a[d]), rest.hi[d] = std::max(rest.hi[d], z[d]);
    if (best < worst) worst = best, rest.worst_query = best_query, rest.worst_case = c;
  }
  return rest;
}

/// Nothing of the region is left.
void InputSearch::refuted(const Region& r, const Rest& rest) {
  for (const Region& l : r.leaves) refuted(l, rest);
  if (!r.leaves.empty()) return;
  if (record_) record_->add(r.node, Writer().tag(check_proof::Tag::refuted).number(rest.mixed).append(rest.mixes.bytes()).bytes(), 0);
  std::lock_guard lock(mutex_);
  done_ += r.weight;
}

/// Executes what is left of the region, where it is at most so many integers. False: it is not.
bool InputSearch::points(Points* exact, const Region& r, const Rest& rest, double most) {
  if (!exact || Points::count(rest.lo, rest.hi) > most) return false;
  const bool decided = exact->run(watch_, std::size_t(r.group), rest.lo, rest.hi, rest.open);
  if (watch_.stopped()) return true;
  std::lock_guard lock(mutex_);
  done_ += r.weight, given_up_ |= !decided;
  return true;
}

/// Bounds regions by what is known of the boxes that they are parts of; those that are not refuted so are left, clipped.
void InputSearch::glance(Sweep& sweep, Points* exact, std::vector<Region>& regions, std::vector<Region>& left) {
  const std::size_t b = std::size_t(sweep.lanes());
  for (std::size_t first = 0; first < regions.size() && !watch_.stopped(); first += b) {
    const std::span<Region> some(regions.data() + first, std::min(b, regions.size() - first));
    load(sweep, some);
    for (std::size_t k = 1; k < net_.layers.size(); ++k) sweep.forward(k);
    const Lower lower = bound(sweep, some, [](const Lower&, std::size_t, std::size_t) {});
    for (std::size_t q = 0; q < some.size(); ++q) {
      Region& r = some[q];
      Rest after = rest(r, q, b, lower);
      if (after.open.empty()) {
        refuted(r, after);
        continue;
      }
      if (points(exact, r, after, kVeryFewPoints)) continue;
      r.clipped |= after.lo != r.lo || after.hi != r.hi;
      r.lo = std::move(after.lo), r.hi = std::move(after.hi), r.open = std::move(after.open);
      left.push_back(std::move(r));
    }
  }
}

void InputSearch::batch(Sweep& sweep, Descent& descent, Points* exact, std::vector<Region>& regions, std::vector<Region>& left) {
  const std::size_t b = std::size_t(sweep.lanes()), n = std::size_t(net_.inputs());
  load(sweep, regions);
  const bool bundles = !regions[0].leaves.empty();
  const bool few = n <= 64 && !bundles;              // slopes of hidden elements say which input their looseness comes from
  std::int64_t elements = 0;
  for (std::int32_t k : sweep.critical()) elements += net_.layers[std::size_t(k)].size;
  const bool glances = elements * std::int64_t(n) <= kMostSlopes && bundles && std::ranges::any_of(regions, [](const Region& r) { return r.leaves.size() > 1; });
  std::vector<std::vector<float>> slopes(net_.layers.size());
  std::vector<std::vector<std::int32_t>> loose(net_.layers.size());
  std::vector<Linear> linear(net_.layers.size());
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
    sweep.refine(k, loose[k], few || glances ? &linear[k] : nullptr);
    if (few) slopes[k].resize(loose[k].size() * n * b);
    for (std::size_t i = 0; i < slopes[k].size(); ++i) {
      const float* both = linear[k].slopes.data() + i / (n * b) * 2 * n * b + i % (n * b);
      slopes[k][i] = std::max(std::fabs(both[0]), std::fabs(both[n * b]));
    }
    if (watch_.stopped()) return;
  }
  // What each loose element's relaxation costs each query, |coefficient| times its gap, is shared out among the inputs by what the element varies by along each.
  std::vector<float> score;
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
  const Lower lower = bound(sweep, regions, [&](const Lower& asked, std::size_t first, std::size_t count) {
    score.resize(asked.slopes.size(), 0.0f);
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
  score.resize(lower.slopes.size(), 0.0f);           // nothing is seen where time is over
  watch_.count(std::ssize(regions));
  std::vector<float> point(n);
  std::vector<std::vector<float>> tried;
  std::vector<std::int32_t> point_of;
  std::vector<Region> halves, leaves;
  for (std::size_t q = 0; q < regions.size(); ++q) {
    Region& r = regions[q];
    Rest after = rest(r, q, b, lower);
    if (after.open.empty()) {
      refuted(r, after);
      continue;
    }
    const std::vector<float>&lo = after.lo, &hi = after.hi;
    const std::shared_ptr<const Known> known = this->known(sweep, q, loose, linear, glances);
    for (Region& l : r.leaves) {
      bool empty = false;
      std::vector<std::int32_t> open;
      std::ranges::set_intersection(l.open, after.open, std::back_inserter(open));
      for (std::size_t d = 0; d < n; ++d) {
        l.clipped |= lo[d] > l.lo[d] || hi[d] < l.hi[d];
        l.lo[d] = std::max(l.lo[d], lo[d]), l.hi[d] = std::min(l.hi[d], hi[d]), empty |= l.lo[d] > l.hi[d];
      }
      l.known = known, l.open = std::move(open), l.bundle = q;
      if (empty || l.open.empty()) refuted(l, after);
      else if (r.leaves.size() > 1) leaves.push_back(std::move(l));
      else if (!points(exact, l, after, kFewPoints)) left.push_back(std::move(l));
    }
    if (!r.leaves.empty()) continue;
    if (points(exact, r, after, kFewPoints)) {
      if (watch_.stopped()) return;
      continue;
    }
    // The corner where the worst case's bound is least, and the middle, may be counterexamples.
    for (std::size_t d = 0; d < n; ++d) point[d] = 0.5f * (lo[d] + hi[d]);
    tried.push_back(watch_.inside(std::size_t(r.group), point)), point_of.push_back(after.worst_case);
    for (std::size_t d = 0; d < n; ++d) point[d] = lower.slopes[(after.worst_query * n + d) * b + q] > 0 ? lo[d] : hi[d];
    tried.push_back(watch_.inside(std::size_t(r.group), point)), point_of.push_back(after.worst_case);
    std::size_t along = n;
    double top = -1;
    for (std::size_t d = 0; d < n; ++d) {
      const double width = double(hi[d]) - double(lo[d]);
      if (exact ? width < 1 : width <= 1e-6 * root_[std::size_t(r.group)][d] || !(0.5f * (lo[d] + hi[d]) > lo[d])) continue;  // float32 tells no more apart
      const double shrink = width / std::max(1e-30, double(r.hi[d]) - double(r.lo[d]));
      const std::size_t at = (after.worst_query * n + d) * b + q;
      double v = (double(score[at]) + 0.1 * std::fabs(double(lower.slopes[at])) * double(r.hi[d] - r.lo[d])) * shrink;
      if (!(v == v) || sweep.broken(int(q))) v = width;
      if (v > top) top = v, along = d;
    }
    if (along == n) {                                // what is left is as small as float32 sees, and not decided
      std::lock_guard lock(mutex_);
      if (!given_up_) hopeless_ = 2 * watch_.seconds() + kHope;
      given_up_ = true;
      continue;
    }
    Region part{.lo = lo, .hi = hi, .known = known, .open = after.open, .group = r.group, .weight = r.weight / 2};
    const float half = 0.5f * (lo[along] + hi[along]), middle = exact ? std::floor(half) : half;
    Region other = part;
    part.hi[along] = middle, other.lo[along] = exact ? middle + 1 : middle;
    if (record_) {
      Writer w;
      if (r.clipped || lo != r.lo || hi != r.hi) w.tag(check_proof::Tag::clip);
      w.tag(check_proof::Tag::input_split).number(along).real(middle);
      part.node = record_->add(r.node, w.bytes(), 2), other.node = part.node + 1;
    }
    halves.push_back(std::move(part)), halves.push_back(std::move(other));
  }
  if (descent.screen(watch_, tried, point_of)) return;
  left.insert(left.end(), std::make_move_iterator(halves.begin()), std::make_move_iterator(halves.end()));
  if (!bundles) return;
  std::vector<Region> still;
  if (glances) glance(sweep, exact, leaves, still);
  else still = std::move(leaves);
  std::lock_guard lock(mutex_);
  std::vector<std::size_t> ends;                     // of what is left of each region's leaves
  for (std::size_t q = 0, end = 0; q < regions.size(); ++q) {
    const std::size_t first = end, all = regions[q].leaves.size();
    while (end < still.size() && still[end].bundle == q) ++end;
    ends.push_back(end);
    if (all > 1 && all <= bundle_ && 2 * all > bundle_) ++bundled_, closed_ += std::int64_t(all - (end - first));
  }
  judge_bundles();
  std::size_t first = 0;
  for (std::size_t end : ends) gather(std::span(still).subspan(first, end - first), std::min((end - first + 1) / 2, bundle_), bundles_), first = end;
}

void InputSearch::work(bool first_thread) {
  Sweep sweep(net_, loops_, loops_.vector * 2, 128, problem_.options.arithmetic);
  sweep.stop = [this] { return watch_.stopped() || watch_.out_of_time(); };
  std::vector<Region> regions, left;
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
      changed_.wait(lock, [&] { return !empty() || busy_ == 0 || watch_.stopped(); });
      if (watch_.stopped() || watch_.seconds() > std::min(until_, hopeless_) || (empty() && busy_ == 0)) break;
      if (bundles_.empty()) bundle_leaves(std::size_t(sweep.lanes()));
      std::vector<Region>& waiting = bundles_.empty() ? stack_ : bundles_;
      regions.clear();
      // Two threads share a short stack evenly.
      const std::size_t take = std::min<std::size_t>(std::size_t(sweep.lanes()), std::max<std::size_t>(1, problem_.threads > 1 && waiting.size() < 2 * std::size_t(sweep.lanes()) ? (waiting.size() + 1) / 2 : waiting.size()));
      // Depth first keeps the stack short and neighbours together; now and then regions from anywhere, since a counterexample may lie there.
      const bool anywhere = ++rounds % 4 == 0;
      for (std::size_t i = 0; i < take; ++i) {
        if (anywhere && bundles_.empty()) std::swap(stack_.back(), stack_[random() % stack_.size()]);
        regions.push_back(std::move(waiting.back())), waiting.pop_back();
      }
      ++busy_;
    }
    if (rounds % 8 == 4 && regions[0].leaves.empty()) {
      for (std::size_t q = 0; q < starts.size(); ++q) {
        const Region& r = regions[q % regions.size()];
        of[q] = r.open[random() % r.open.size()];
        starts[q].resize(r.lo.size());
        for (std::size_t d = 0; d < r.lo.size(); ++d) starts[q][d] = r.lo[d] + (r.hi[d] - r.lo[d]) * (q < regions.size() ? 0.5f : float(random() % 1024) / 1023.0f);
      }
      descent.run(watch_, starts, of, 12, 0.05f);
    }
    if (rounds % 64 == 36 && regions[0].leaves.empty()) {                         // over all of the box, and where it is open
      const Region& r = regions[0];
      const std::int32_t c = r.open[random() % r.open.size()];
      const Box& box = problem_.boxes[std::size_t(r.group)];
      const std::vector<float> lo(box.lo.begin(), box.lo.end()), hi(box.hi.begin(), box.hi.end());
      if (problem_.cases[std::size_t(c)].size() > 1 && !problem_.grid) (rounds / 64) % 2 ? descent.wander(watch_, r.lo, r.hi, c) : descent.wander(watch_, lo, hi, c);
    }
    left.clear();
    batch(sweep, descent, points ? &*points : nullptr, regions, left);
    {
      std::lock_guard lock(mutex_);
      for (Region& r : left) stack_.push_back(std::move(r));
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
  if (!empty() && watch_.seconds() <= hopeless_) return End::paused;
  return given_up_ ? End::given_up : End::proved;
}
}  // namespace

std::unique_ptr<Search> input_search(const Problem& problem, Watch& watch, Record* record) { return std::make_unique<InputSearch>(problem, watch, record); }

}  // namespace saha::verify
