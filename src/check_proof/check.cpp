#include "check_proof/check.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "check_proof/region.hpp"

namespace saha::check_proof {
namespace {
constexpr int kDeepest = 3000, kOwnSplits = 8;

/// Boxes, what is known of hidden elements in them, and what slopes speak of: shared by all nodes below that change none of it.
struct Base {
  std::vector<double> lo, hi;
  std::shared_ptr<const Known> known;                ///< null: nothing
  std::shared_ptr<const std::vector<std::pair<std::int32_t, std::int32_t>>> sloped;
  bool empty = false;                                ///< no run is in it
};
using BaseRef = std::shared_ptr<const Base>;

struct Place {
  BaseRef base;
  std::vector<std::int32_t> cases;
  std::vector<Split> path;
  int depth = 0;
};

/// What one row says of inputs: its sum is at least constant + slope * x.
struct Plane {
  double constant;
  const double* slope;
  double bound;
  bool strict;
};

/// Least value of constant + slope * x - bound on a box, rounded down.
double least(const Plane& p, std::span<const double> lo, std::span<const double> hi) {
  double v = p.constant - p.bound, size = std::fabs(p.constant) + std::fabs(p.bound);
  for (std::size_t d = 0; d < lo.size(); ++d) v += p.slope[d] * (p.slope[d] > 0 ? lo[d] : hi[d]), size += std::fabs(p.slope[d]) * std::max(std::fabs(lo[d]), std::fabs(hi[d]));
  return v - double(lo.size() + 8) * 0x1p-51 * size;
}

/// Cuts from the box what no point that satisfies all planes' rows is in. True: nothing is left.
bool cut(std::span<const Plane> planes, std::vector<double>& lo, std::vector<double>& hi) {
  for (int round = 0; round < 3; ++round)
    for (const Plane& p : planes) {
      const double v = least(p, lo, hi);
      if (v > 0 || (p.strict && v >= 0)) return true;
      if (!(v > -1e30)) continue;
      const double room = -v * (1 + 0x1p-50);
      for (std::size_t d = 0; d < lo.size(); ++d) {
        const double w = p.slope[d];
        if (w == 0) continue;
        const double t = room / w, from = w > 0 ? lo[d] : hi[d], off = 0x1p-50 * (std::fabs(from) + std::fabs(t));
        if (w > 0 && from + t + off < hi[d]) hi[d] = from + t + off;
        if (w < 0 && from + t - off > lo[d]) lo[d] = from + t - off;
        if (lo[d] > hi[d]) return true;
      }
    }
  return false;
}

class Walk {
 public:
  Walk(const Layers& net, const Claim& claim, const Certificate& c) : net_(net), claim_(claim), region_(net, c.float32), in_(c.payload) {}
  Judgement run();

 private:
  using Mixes = std::vector<std::pair<std::int32_t, std::vector<double>>>;
  bool fail(std::string why) {
    if (why_.empty()) why_ = std::move(why) + ", at node " + std::to_string(nodes_);
    return false;
  }
  bool trees();
  bool node(Place place);
  bool leaf(const Place& place);
  bool clip(Place& place);
  bool slopes(Place& place);
  bool claims(Place& place);
  bool sloped_leaf(const Place& place);
  bool cases(Place& place);
  bool flush();

  bool list(const std::vector<std::int32_t>* among, std::vector<std::int32_t>& to);
  std::optional<std::pair<std::int32_t, std::int32_t>> hidden();
  bool multipliers(std::vector<Split>& path);
  bool weights(std::int32_t of, std::vector<double>& to);
  std::vector<double> read_slopes(std::size_t n) {
    std::vector<double> v(std::min(n, in_.left() / 2));
    for (double& x : v) x = in_.slope();
    return v;
  }
  bool enter(const Base& b, bool refined);
  BaseRef with_known(const Base& b, bool run) const {
    Base next = b;
    next.known = std::make_shared<const Known>(region_.known()), next.empty |= !run;
    return std::make_shared<const Base>(std::move(next));
  }
  Query query(std::int32_t of, std::span<const double> weights) const;
  void look(std::vector<std::int32_t>& open, const Mixes& mixes, std::vector<double>* lo, std::vector<double>* hi);
  bool refute(const Base& base, std::vector<std::int32_t> open, const Mixes& mixes, int splits);

  const Layers& net_;
  const Claim& claim_;
  Region region_;
  Reader in_;
  std::string why_;
  std::int64_t nodes_ = 0, regions_ = 0, spare_ = 4096;
  const Base* entered_ = nullptr;                    ///< what region_ was last entered with, unrefined
  BaseRef held_;                                     ///< keeps it alive
  std::shared_ptr<const std::vector<std::pair<std::int32_t, std::int32_t>>> sloped_;
  struct Waiting {
    std::int32_t of;
    std::vector<double> slopes, weights;
    std::vector<Split> splits;
    std::int64_t node;
  };
  std::vector<Waiting> waiting_;                     ///< leaves of one base
  BaseRef waiting_base_;
};

bool Walk::enter(const Base& b, bool refined) {
  ++regions_;
  if (b.sloped != sloped_) region_.set_sloped(b.sloped ? std::span<const std::pair<std::int32_t, std::int32_t>>(*b.sloped) : std::span<const std::pair<std::int32_t, std::int32_t>>()), sloped_ = b.sloped;
  return region_.enter(b.lo, b.hi, b.known.get(), refined);
}

// ---- what the file may say ------------------------------------------------------------------------------------------------------------------

bool Walk::list(const std::vector<std::int32_t>* among, std::vector<std::int32_t>& to) {
  const std::size_t n = in_.count(1);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t c = in_.number();
    if (c >= claim_.cases.size() || (!to.empty() && std::int32_t(c) <= to.back())) return fail("a list of cases has case " + std::to_string(c) + " of " + std::to_string(claim_.cases.size()) + ", or twice");
    if (among && !std::ranges::binary_search(*among, std::int32_t(c))) continue;  // refuted before
    to.push_back(std::int32_t(c));
  }
  return in_.ok();
}

std::optional<std::pair<std::int32_t, std::int32_t>> Walk::hidden() {
  const std::uint64_t relu = in_.number(), element = in_.number();
  if (relu < net_.relus.size() && element < std::uint64_t(net_.all[std::size_t(net_.relus[relu])].size)) return std::pair(std::int32_t(relu), std::int32_t(element));
  fail("ReLU layer " + std::to_string(relu) + " has no element " + std::to_string(element));
  return {};
}

bool Walk::multipliers(std::vector<Split>& path) {
  for (Split& s : path) {
    s.multiplier = double(in_.real());
    if (!(s.multiplier >= 0 && s.multiplier < 1e30)) return fail("a multiplier is " + std::to_string(s.multiplier));
  }
  return in_.ok();
}

bool Walk::weights(std::int32_t of, std::vector<double>& to) {
  double total = 0;
  for (std::size_t r = 0; r < claim_.cases[std::size_t(of)].rows.size() && in_.ok(); ++r) {
    to.push_back(double(in_.real()));
    if (!(to.back() >= 0 && to.back() < 1e30)) return fail("a row's weight is " + std::to_string(to.back()));
    total += to.back();
  }
  return total > 0 ? in_.ok() : fail("all rows' weights are 0");
}

// ---- boxes ------------------------------------------------------------------------------------------------------------------------------------

/// The weighted sum of a case's rows.
Query Walk::query(std::int32_t of, std::span<const double> weights) const {
  Query q;
  const auto& rows = claim_.cases[std::size_t(of)].rows;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (weights[r] == 0) continue;
    for (auto [e, v] : rows[r].y) q.terms.push_back({net_.outputs[std::size_t(e)].layer, net_.outputs[std::size_t(e)].element, weights[r] * v});
    for (auto [e, v] : rows[r].x) q.terms.push_back({0, e, weights[r] * v});
  }
  return q;
}

/// Bounds the rows of the cases that are open in the region as entered; those that cannot hold go. lo, hi, if not null: the hull of what the others leave.
void Walk::look(std::vector<std::int32_t>& open, const Mixes& mixes, std::vector<double>* lo, std::vector<double>* hi) {
  std::vector<Query> queries;
  for (std::int32_t c : open) {
    const std::size_t m = claim_.cases[std::size_t(c)].rows.size();
    std::vector<double> one(m, 0.0);
    for (std::size_t r = 0; r < m; ++r) one[r] = 1, queries.push_back(query(c, one)), one[r] = 0;
  }
  const std::size_t n = region_.inputs();
  std::vector<Bound> bounds(queries.size());
  std::vector<double> linear(queries.size() * n), sum(n);
  region_.bound(queries, bounds.data(), linear.data());
  const auto box_lo = std::span(region_.known().lo).first(n), box_hi = std::span(region_.known().hi).first(n);
  std::size_t at = 0;
  std::erase_if(open, [&](std::int32_t c) {
    const auto& rows = claim_.cases[std::size_t(c)].rows;
    std::vector<Plane> planes;
    for (const Claim::Row& r : rows) planes.push_back({bounds[at].constant, linear.data() + at * n, r.bound, r.strict}), ++at;
    for (std::size_t r = 0; r < rows.size(); ++r)
      if (const double v = bounds[at - rows.size() + r].least; v > rows[r].bound || (rows[r].strict && v >= rows[r].bound)) return true;
    std::vector<double> a(box_lo.begin(), box_lo.end()), z(box_hi.begin(), box_hi.end());
    if (cut(planes, a, z)) return true;
    for (const auto& [of, weights] : mixes) {
      if (of != c) continue;
      Plane mix{0, sum.data(), 0, false};
      double off = 0;
      std::ranges::fill(sum, 0.0);
      for (std::size_t r = 0; r < planes.size(); ++r) {
        mix.constant += weights[r] * planes[r].constant, mix.bound += weights[r] * planes[r].bound, off += weights[r] * (std::fabs(planes[r].constant) + std::fabs(planes[r].bound));
        for (std::size_t d = 0; d < n; ++d) sum[d] += weights[r] * planes[r].slope[d], off += weights[r] * std::fabs(planes[r].slope[d]) * std::max(std::fabs(a[d]), std::fabs(z[d]));
      }
      mix.constant -= double(rows.size() + n + 8) * 0x1p-50 * off;
      if (least(mix, a, z) > 0) return true;
    }
    if (lo)
      for (std::size_t d = 0; d < n; ++d) (*lo)[d] = std::min((*lo)[d], a[d]), (*hi)[d] = std::max((*hi)[d], z[d]);
    return false;
  });
}

/// Shows that no case holds in a box, else in its halves.
bool Walk::refute(const Base& base, std::vector<std::int32_t> open, const Mixes& mixes, int splits) {
  if (!enter(base, true)) return true;
  look(open, mixes, nullptr, nullptr);
  if (open.empty()) return true;
  if (splits == 0 || --spare_ < 0) return false;
  // Rounding made this bound miss what the search's did not, or the search's choice of slopes was luckier.
  Base half = base;
  half.known = std::make_shared<const Known>(region_.known());
  std::vector<Query> queries;
  for (std::int32_t c : open) queries.push_back(query(c, std::vector<double>(claim_.cases[std::size_t(c)].rows.size(), 1.0)));
  std::vector<Bound> bounds(queries.size());
  std::vector<double> linear(queries.size() * base.lo.size());
  region_.bound(queries, bounds.data(), linear.data());
  std::size_t along = 0;
  double widest = -1;
  for (std::size_t i = 0; i < linear.size(); ++i)
    if (const std::size_t d = i % base.lo.size(); std::fabs(linear[i]) * (base.hi[d] - base.lo[d]) > widest) widest = std::fabs(linear[i]) * (base.hi[d] - base.lo[d]), along = d;
  const double middle = 0.5 * (base.lo[along] + base.hi[along]);
  half.hi[along] = middle;
  if (!refute(half, open, mixes, splits - 1)) return false;
  half.hi[along] = base.hi[along], half.lo[along] = middle;
  return refute(half, open, mixes, splits - 1);
}

bool Walk::leaf(const Place& place) {
  Mixes mixes;
  const std::size_t n = in_.count(1);
  for (std::size_t i = 0; i < n && in_.ok(); ++i) {
    const std::uint64_t c = in_.number();
    if (c >= claim_.cases.size()) return fail("a leaf speaks of case " + std::to_string(c));
    mixes.emplace_back(std::int32_t(c), std::vector<double>());
    if (!weights(mixes.back().first, mixes.back().second)) return false;
  }
  if (place.base->empty || place.cases.empty() || !in_.ok()) return in_.ok();
  entered_ = nullptr;
  return refute(*place.base, place.cases, mixes, kOwnSplits) || fail("a box is not refuted");
}

/// The box becomes a part of it; that no case holds in the rest follows from the rows' planes, or from bounds over that rest.
bool Walk::clip(Place& place) {
  const std::size_t n = in_.count(9);
  Base next = *place.base;
  for (std::size_t i = 0; i < n && in_.ok(); ++i) {
    const std::uint64_t d = in_.number();
    const double lo = double(in_.real()), hi = double(in_.real());
    if (d >= next.lo.size() || !(lo <= hi) || !(lo >= next.lo[d]) || !(hi <= next.hi[d])) return fail("a box is clipped to what it does not hold");
    next.lo[d] = lo, next.hi[d] = hi;
  }
  if (next.empty || !in_.ok()) return in_.ok();
  entered_ = nullptr;
  const Base& base = *place.base;
  const bool run = enter(base, true);
  next.known = std::make_shared<const Known>(region_.known()), next.empty = !run;
  std::vector<double> lo(base.lo.size(), INFINITY), hi(base.lo.size(), -INFINITY);
  if (run) look(place.cases, {}, &lo, &hi);
  Base rest = base;                                  // what the planes leave, and of that what the clip cut off
  rest.known = next.known;
  if (run && !place.cases.empty()) {
    for (std::size_t d = 0; d < lo.size(); ++d) rest.lo[d] = std::max(lo[d], base.lo[d]), rest.hi[d] = std::min(hi[d], base.hi[d]);
    for (std::size_t d = 0; d < lo.size(); ++d)
      for (const bool above : {false, true}) {
        if (place.cases.empty() || (above ? rest.hi[d] <= next.hi[d] : rest.lo[d] >= next.lo[d])) continue;
        Base sliver = rest;
        (above ? sliver.lo : sliver.hi)[d] = above ? next.hi[d] : next.lo[d];
        if (!refute(sliver, place.cases, {}, kOwnSplits)) return fail("what a clip of input " + std::to_string(d) + " cuts off is not refuted");
        (above ? rest.hi : rest.lo)[d] = above ? next.hi[d] : next.lo[d];
        if (rest.lo[d] > rest.hi[d]) place.cases.clear();  // all that was left is outside the clip
      }
  }
  next.empty |= place.cases.empty();
  place.base = std::make_shared<const Base>(std::move(next));
  return true;
}

// ---- signs of ReLUs -----------------------------------------------------------------------------------------------------------------------------

bool Walk::slopes(Place& place) {
  const std::size_t n = in_.count(2);
  std::vector<std::pair<std::int32_t, std::int32_t>> v;
  for (std::size_t i = 0; i < n; ++i) {
    const auto h = hidden();
    if (!h) return false;
    if (!v.empty() && *h <= v.back()) return fail("the elements that slopes speak of are out of order");
    v.push_back(*h);
  }
  Base next = *place.base;
  next.sloped = std::make_shared<const std::vector<std::pair<std::int32_t, std::int32_t>>>(std::move(v));
  place.base = std::make_shared<const Base>(std::move(next));
  return in_.ok();
}

/// Bounds of hidden elements under the splits so far, in order of layers.
bool Walk::claims(Place& place) {
  if (!flush()) return false;
  entered_ = nullptr;
  const Base& base = *place.base;
  bool run = !base.empty && enter(base, false);
  for (const Split& s : place.path) run = run && region_.narrow(s.relu, s.element, s.sign > 0 ? 0 : -INFINITY, s.sign > 0 ? INFINITY : 0);
  if (run && !place.path.empty()) run = region_.pass(1, net_.all.size(), false);
  const std::size_t n = in_.count(2);
  std::int32_t layer = -1;
  std::vector<Query> queries;
  std::vector<std::vector<double>> slopes;
  std::vector<std::vector<Split>> splits;
  auto settle = [&] {                                // those of one layer, read so far
    for (std::size_t i = 0; i < queries.size(); ++i) queries[i].slopes = slopes[i], queries[i].splits = splits[i];
    std::vector<Bound> bounds(queries.size());
    if (run) region_.bound(queries, bounds.data(), nullptr);
    for (std::size_t i = 0; run && i < queries.size(); ++i) {
      const auto& t = queries[i].terms[0];
      run = region_.narrow(layer, t.element, t.factor > 0 ? bounds[i].least : -INFINITY, t.factor > 0 ? INFINITY : -bounds[i].least);
    }
    if (run && layer >= 0) run = region_.pass(std::size_t(net_.all[std::size_t(net_.relus[std::size_t(layer)])].operand) + 1, net_.all.size(), false);
    queries.clear(), slopes.clear(), splits.clear();
  };
  for (std::size_t i = 0; i < n && in_.ok(); ++i) {
    const std::uint64_t relu = in_.number(), side = in_.number();
    if (relu >= net_.relus.size() || side / 2 >= std::uint64_t(net_.all[std::size_t(net_.relus[relu])].size) || std::int32_t(relu) < layer) return fail("a claim on ReLU layer " + std::to_string(relu) + " is out of order or of no element");
    if (std::int32_t(relu) > layer) settle(), layer = std::int32_t(relu);
    queries.push_back({{{net_.all[std::size_t(net_.relus[relu])].operand, std::int32_t(side / 2), side % 2 ? -1.0 : 1.0}}});
    std::size_t before = 0;
    if (base.sloped) before = std::size_t(std::ranges::lower_bound(*base.sloped, std::pair(layer, std::int32_t(0))) - base.sloped->begin());
    slopes.push_back(read_slopes(before));
    splits.push_back(place.path);
    if (!multipliers(splits.back())) return false;
  }
  settle();
  if (base.empty || !in_.ok()) return in_.ok();
  place.base = with_known(base, run);
  return true;
}

bool Walk::sloped_leaf(const Place& place) {
  const std::size_t n = in_.count(1);
  std::vector<std::int32_t> open = place.cases;
  for (std::size_t i = 0; i < n && in_.ok(); ++i) {
    const std::uint64_t c = in_.number();
    if (c >= claim_.cases.size()) return fail("a leaf speaks of case " + std::to_string(c));
    Waiting w{std::int32_t(c), {}, {}, place.path, nodes_};
    if (!weights(w.of, w.weights)) return false;
    w.slopes = read_slopes(place.base->sloped ? place.base->sloped->size() : 0);
    if (!multipliers(w.splits)) return false;
    if (place.base->empty || !std::erase(open, w.of)) continue;
    if (waiting_base_ != place.base || std::ssize(waiting_) >= kColumns)
      if (!flush()) return false;
    waiting_base_ = place.base;
    waiting_.push_back(std::move(w));
  }
  if (!in_.ok()) return false;
  return place.base->empty || open.empty() || fail("a leaf says nothing of case " + std::to_string(open[0]));
}

bool Walk::flush() {
  if (waiting_.empty()) return true;
  std::vector<Waiting> leaves = std::move(waiting_);
  waiting_.clear();
  if (entered_ != waiting_base_.get()) {
    if (!enter(*waiting_base_, false)) return true;
    entered_ = waiting_base_.get(), held_ = waiting_base_;
  }
  std::vector<Query> queries;
  for (const Waiting& w : leaves) queries.push_back(query(w.of, w.weights)), queries.back().slopes = w.slopes, queries.back().splits = w.splits;
  std::vector<Bound> bounds(queries.size());
  region_.bound(queries, bounds.data(), nullptr);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto& rows = claim_.cases[std::size_t(leaves[i].of)].rows;
    double bound = 0, size = 0;
    bool strict = false;                             // one strict row in a sum makes it strict
    for (std::size_t r = 0; r < rows.size(); ++r) bound += leaves[i].weights[r] * rows[r].bound, size += std::fabs(leaves[i].weights[r] * rows[r].bound), strict |= rows[r].strict && leaves[i].weights[r] > 0;
    if (std::ranges::count_if(leaves[i].weights, [](double w) { return w != 0; }) > 1) bound += double(rows.size() + 4) * 0x1p-52 * size;
    if (bounds[i].least > bound || (strict && bounds[i].least >= bound)) continue;
    nodes_ = leaves[i].node;
    return fail("case " + std::to_string(leaves[i].of + 1) + " is not refuted: its rows are bounded by " + std::to_string(bounds[i].least) + " and refuted above " + std::to_string(bound));
  }
  return true;
}

// ---- the tree -----------------------------------------------------------------------------------------------------------------------------------

bool Walk::cases(Place& place) {
  const std::size_t n = in_.count(2);
  std::vector<std::int32_t> open = place.cases;
  for (std::size_t i = 0; i < n; ++i) {
    Place part = place;
    part.cases.clear();
    if (!list(&place.cases, part.cases)) return false;
    for (std::int32_t c : part.cases) std::erase(open, c);
    if (!node(std::move(part))) return false;
  }
  return open.empty() || place.base->empty || fail("nothing is said of case " + std::to_string(open[0] + 1));
}

bool Walk::node(Place place) {
  for (;;) {
    if (!in_.ok()) return fail("the certificate ends early");
    if (++place.depth > kDeepest) return fail("the tree is deeper than " + std::to_string(kDeepest));
    ++nodes_, spare_ += 2;
    const Tag tag = in_.tag();
    if (!in_.ok()) return fail("no such kind of node");
    switch (tag) {
      case Tag::refuted: return leaf(place);
      case Tag::refuted_by_slopes: return sloped_leaf(place);
      case Tag::cases: return cases(place);
      case Tag::input_split: {
        const std::uint64_t d = in_.number();
        const double at = double(in_.real());
        if (d >= region_.inputs() || !(at >= place.base->lo[d] && at <= place.base->hi[d])) return fail("input " + std::to_string(d) + " is split at " + std::to_string(at) + ", outside its interval");
        Base low = *place.base, high = *place.base;
        low.hi[d] = high.lo[d] = at;
        Place first = place;
        first.base = std::make_shared<const Base>(std::move(low)), place.base = std::make_shared<const Base>(std::move(high));
        if (!node(std::move(first))) return false;
        break;
      }
      case Tag::sign_split: {
        const auto h = hidden();
        if (!h) return false;
        Place first = place;
        first.path.push_back({h->first, h->second, 1}), place.path.push_back({h->first, h->second, -1});
        if (!node(std::move(first))) return false;
        break;
      }
      case Tag::clip:
        if (!clip(place)) return false;
        break;
      case Tag::refine:
        entered_ = nullptr;
        if (!place.base->empty) {
          const bool run = enter(*place.base, true);
          place.base = with_known(*place.base, run);
        }
        break;
      case Tag::slopes:
        if (!slopes(place)) return false;
        break;
      case Tag::claims:
        if (!claims(place)) return false;
        break;
    }
  }
}

bool Walk::trees() {
  std::vector<char> done(claim_.cases.size(), 0);
  const std::size_t n = in_.count(2);
  for (std::size_t i = 0; i < n; ++i) {
    Place root;
    if (!list(nullptr, root.cases) || root.cases.empty()) return fail("a tree is of no cases");
    const Claim::Box& box = *claim_.cases[std::size_t(root.cases[0])].box;
    for (std::int32_t c : root.cases) {
      const Claim::Box& other = *claim_.cases[std::size_t(c)].box;
      if (&other != &box && (other.lo != box.lo || other.hi != box.hi)) return fail("a tree is of cases with different boxes");
      done[std::size_t(c)] = 1;
    }
    Base base{box.lo, box.hi, nullptr, nullptr};
    // The float32 numbers that an engine may be given for a point of the box.
    for (double& v : base.lo) v = double(double(float(v)) <= v ? float(v) : std::nextafter(float(v), -INFINITY));
    for (double& v : base.hi) v = double(double(float(v)) >= v ? float(v) : std::nextafter(float(v), float(INFINITY)));
    root.base = std::make_shared<const Base>(std::move(base));
    if (!node(std::move(root)) || !flush()) return false;
  }
  if (!in_.ok() || !in_.at_end()) return fail("the certificate does not end with its last tree");
  for (std::size_t c = 0; c < done.size(); ++c) if (!done[c]) return fail("nothing is said of case " + std::to_string(c + 1));
  return true;
}

Judgement Walk::run() {
  Judgement j;
  j.valid = trees();
  if (!j.valid) j.why = why_.empty() ? "the certificate ends early" : why_;
  j.nodes = nodes_, j.regions = regions_;
  return j;
}
}  // namespace

Result<Judgement> check(const ir::Graph& g, const Claim& claim, const Certificate& certificate) {
  SAHA_TRY(const Layers net, read_layers(g));
  const std::int64_t inputs = net.all[0].size, outputs = std::ssize(net.outputs);
  auto within = [](const std::vector<std::pair<std::int32_t, double>>& terms, std::int64_t n) { return std::ranges::all_of(terms, [n](const auto& t) { return t.first >= 0 && t.first < n && std::fabs(t.second) < 1e30; }); };
  for (const Claim::Case& c : claim.cases) {
    bool fits = std::ssize(c.box->lo) == inputs && std::ssize(c.box->hi) == inputs;
    for (std::size_t d = 0; fits && d < c.box->lo.size(); ++d) fits = c.box->lo[d] <= c.box->hi[d] && std::fabs(c.box->lo[d]) < 1e30 && std::fabs(c.box->hi[d]) < 1e30;
    for (const Claim::Row& r : c.rows) fits = fits && within(r.x, inputs) && within(r.y, outputs) && std::fabs(r.bound) < 1e30;
    if (!fits) return Error{ErrorCode::invalid_argument, "the property is not of a network with " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) + " outputs, or has infinite bounds"};
  }
  return Walk(net, claim, certificate).run();
}

}  // namespace saha::check_proof
