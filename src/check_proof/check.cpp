#include "check_proof/check.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>

#include "check_proof/region.hpp"

namespace saha::check_proof {
namespace {
constexpr int kDeepest = 3000, kOwnSplits = 8;

/// A box, what is known of hidden elements in it, and the cases that may hold there: none, where nothing is left.
struct Boxed {
  std::vector<double> lo, hi;
  std::shared_ptr<const Known> known;                ///< null: nothing
  std::vector<std::int32_t> cases;
};

/// What a node's leaves bound together.
struct Goal {
  Query query;
  std::size_t slopes = 0;                            ///< places before what is bounded
  double least = INFINITY;
};

/// Runs with these signs.
struct Signs {
  std::vector<Split> path = {};
  std::shared_ptr<const std::vector<double>> known = {};  ///< Query::known; null: nothing
  Goal* goal = nullptr;
  bool none = false;                                 ///< there are none
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
  std::optional<Tag> next(int depth);
  bool weights(std::size_t& of, std::vector<double>& to);
  Query query(std::size_t of, std::span<const double> weights) const;

  bool box(Boxed b, int depth);
  bool leaf(const Boxed& b);
  bool enter(const Boxed& b) { return ++regions_, region_.enter(b.lo, b.hi, b.known.get()); }
  void look(std::vector<std::int32_t>& open, const Mixes& mixes, std::vector<double>* lo, std::vector<double>* hi);
  bool refute(const Boxed& b, const Mixes& mixes, int splits);

  bool node(Signs s, int depth);
  bool places(const Signs& s);
  bool claims(Signs& s, int depth);
  bool goals(const Signs& s, int depth);
  bool bounded(const Signs& s);
  void flush();

  const Layers& net_;
  const Claim& claim_;
  Region region_;
  Reader in_;
  std::string why_;
  std::int64_t nodes_ = 0, regions_ = 0, spare_ = 4096;
  std::vector<std::int32_t> open_;                   ///< cases of the box whose signs are split
  std::vector<Layers::Place> places_;
  std::vector<std::size_t> before_;                  ///< of each place, how many are of ReLUs before its own
  struct Waiting {
    Goal* goal;
    std::string_view slopes;
    Signs signs;
  };
  std::vector<Waiting> waiting_;                     ///< leaves that are bounded together
};

/// A node begins. Nothing: the walk ends.
std::optional<Tag> Walk::next(int depth) {
  ++nodes_, spare_ += 2;
  const Tag tag = in_.tag();
  if (!in_.ok()) fail("the certificate ends early, or has no such kind of node");
  else if (depth > kDeepest) fail("the tree is deeper than " + std::to_string(kDeepest));
  else return tag;
  return {};
}

bool Walk::weights(std::size_t& of, std::vector<double>& to) {
  of = in_.number();
  if (of >= claim_.cases.size()) return fail("there is no case " + std::to_string(of));
  double total = 0;
  for (std::size_t r = 0; r < claim_.cases[of].rows.size(); ++r) {
    to.push_back(double(in_.real()));
    if (!(to.back() >= 0 && to.back() < 1e30)) return fail("a row's weight is " + std::to_string(to.back()));
    total += to.back();
  }
  return total > 0 ? in_.ok() : fail("all rows' weights are 0");
}

/// The weighted sum of a case's rows.
Query Walk::query(std::size_t of, std::span<const double> weights) const {
  Query q;
  for (std::size_t r = 0; r < weights.size(); ++r) {
    if (weights[r] == 0) continue;
    for (auto [e, v] : claim_.cases[of].rows[r].y) q.terms.push_back({net_.outputs[std::size_t(e)].layer, net_.outputs[std::size_t(e)].element, weights[r] * v});
    for (auto [e, v] : claim_.cases[of].rows[r].x) q.terms.push_back({0, e, weights[r] * v});
  }
  return q;
}

// ---- boxes ------------------------------------------------------------------------------------------------------------------------------------

/// Bounds the rows of the cases that are open in the region as entered; those that cannot hold go. lo, hi, if not null: the hull of what the others leave.
void Walk::look(std::vector<std::int32_t>& open, const Mixes& mixes, std::vector<double>* lo, std::vector<double>* hi) {
  std::vector<Query> queries;
  for (std::int32_t c : open)
    for (std::size_t r = 0, m = claim_.cases[std::size_t(c)].rows.size(); r < m; ++r) {
      std::vector<double> one(m, 0.0);
      one[r] = 1, queries.push_back(query(std::size_t(c), one));
    }
  const std::size_t n = region_.inputs();
  std::vector<Bound> bounds(queries.size());
  std::vector<double> linear(queries.size() * n), sum(n);
  region_.bound(queries, bounds.data(), linear.data());
  const auto box_lo = std::span(region_.known().lo).first(n), box_hi = std::span(region_.known().hi).first(n);
  std::size_t at = 0;
  std::erase_if(open, [&](std::int32_t c) {
    std::vector<Plane> planes;
    bool refuted = false;
    for (const Claim::Row& r : claim_.cases[std::size_t(c)].rows) {
      planes.push_back({bounds[at].constant, linear.data() + at * n, r.bound, r.strict});
      refuted |= bounds[at].least > r.bound || (r.strict && bounds[at].least >= r.bound), ++at;
    }
    std::vector<double> a(box_lo.begin(), box_lo.end()), z(box_hi.begin(), box_hi.end());
    if (refuted || cut(planes, a, z)) return true;
    for (const auto& [of, weights] : mixes) {
      if (of != c) continue;
      Plane mix{0, sum.data(), 0, false};
      double off = 0;
      std::ranges::fill(sum, 0.0);
      for (std::size_t r = 0; r < planes.size(); ++r) {
        mix.constant += weights[r] * planes[r].constant, mix.bound += weights[r] * planes[r].bound, off += weights[r] * (std::fabs(planes[r].constant) + std::fabs(planes[r].bound));
        for (std::size_t d = 0; d < n; ++d) sum[d] += weights[r] * planes[r].slope[d], off += weights[r] * std::fabs(planes[r].slope[d]) * std::max(std::fabs(a[d]), std::fabs(z[d]));
      }
      mix.constant -= double(planes.size() + n + 8) * 0x1p-50 * off;
      if (least(mix, a, z) > 0) return true;
    }
    for (std::size_t d = 0; lo && d < n; ++d) (*lo)[d] = std::min((*lo)[d], a[d]), (*hi)[d] = std::max((*hi)[d], z[d]);
    return false;
  });
}

/// Shows that no case holds in a box, else in its halves: where the search's choice of slopes was luckier, or rounding made this bound miss what the search's did not.
bool Walk::refute(const Boxed& b, const Mixes& mixes, int splits) {
  Boxed half = b;
  if (!enter(b)) return true;
  look(half.cases, mixes, nullptr, nullptr);
  if (half.cases.empty()) return true;
  if (splits == 0 || --spare_ < 0) return false;
  half.known = std::make_shared<const Known>(region_.known());
  const std::size_t first = std::size_t(half.cases[0]);
  const Query all = query(first, std::vector<double>(claim_.cases[first].rows.size(), 1.0));
  Bound bound;
  std::vector<double> linear(b.lo.size());
  region_.bound({&all, 1}, &bound, linear.data());
  std::size_t along = 0;
  for (std::size_t d = 0; d < linear.size(); ++d)
    if (std::fabs(linear[d]) * (b.hi[d] - b.lo[d]) > std::fabs(linear[along]) * (b.hi[along] - b.lo[along])) along = d;
  half.hi[along] = 0.5 * (b.lo[along] + b.hi[along]);
  if (!refute(half, mixes, splits - 1)) return false;
  half.lo[along] = half.hi[along], half.hi[along] = b.hi[along];
  return refute(half, mixes, splits - 1);
}

bool Walk::leaf(const Boxed& b) {
  Mixes mixes(in_.count(2));
  for (auto& [of, to] : mixes) {
    std::size_t c = 0;
    if (!weights(c, to)) return false;
    of = std::int32_t(c);
  }
  return in_.ok() && (b.cases.empty() || refute(b, mixes, kOwnSplits) || fail("a box is not refuted"));
}

bool Walk::box(Boxed b, int depth) {
  for (;; ++depth) {
    const auto tag = next(depth);
    if (!tag) return false;
    switch (*tag) {
      case Tag::refuted: return leaf(b);
      case Tag::input_split: {
        const std::uint64_t d = in_.number();
        const double at = double(in_.real());
        if (d >= b.lo.size() || !(std::fabs(at) < 1e30)) return fail("input " + std::to_string(d) + " is split at " + std::to_string(at));
        Boxed low = b;
        low.hi[d] = std::min(at, b.hi[d]), b.lo[d] = std::max(at, b.lo[d]);
        if (low.lo[d] > low.hi[d]) low.cases.clear();
        if (b.lo[d] > b.hi[d]) b.cases.clear();
        if (!box(std::move(low), depth + 1)) return false;
        break;
      }
      case Tag::clip: {
        if (b.cases.empty()) break;
        std::vector<double> lo(b.lo.size(), INFINITY), hi(b.lo.size(), -INFINITY);
        if (enter(b)) look(b.cases, {}, &lo, &hi);
        else b.cases.clear();
        b.lo = std::move(lo), b.hi = std::move(hi), b.known = std::make_shared<const Known>(region_.known());
        break;
      }
      case Tag::signs: {
        Signs all;
        places_.clear(), region_.set_places({});
        all.none = b.cases.empty() || !enter(b);
        open_ = std::move(b.cases);
        return node(std::move(all), depth + 1);
      }
      default: return fail("a box is no node of signs");
    }
  }
}

// ---- signs of ReLUs -----------------------------------------------------------------------------------------------------------------------------

/// Bounds the leaves that wait.
void Walk::flush() {
  std::vector<Query> queries;
  for (const Waiting& w : waiting_) {
    queries.push_back(w.goal->query);
    queries.back().slopes = w.slopes, queries.back().splits = w.signs.path;
    if (w.signs.known) queries.back().known = *w.signs.known;
  }
  std::vector<Bound> bounds(queries.size());
  region_.bound(queries, bounds.data(), nullptr);
  for (std::size_t i = 0; i < bounds.size(); ++i) waiting_[i].goal->least = std::min(waiting_[i].goal->least, bounds[i].least);
  waiting_.clear();
}

bool Walk::bounded(const Signs& s) {
  Waiting w{s.goal, in_.take(s.goal->slopes), s};
  for (Split& p : w.signs.path) {
    p.multiplier = in_.real();
    if (!(p.multiplier == -1 || (p.multiplier >= 0 && p.multiplier < 1e30f))) return fail("a multiplier is " + std::to_string(p.multiplier));
  }
  if (!in_.ok()) return fail("the certificate ends early");
  if (!s.none) waiting_.push_back(std::move(w));
  if (std::ssize(waiting_) == kColumns) flush();
  return true;
}

bool Walk::places(const Signs& s) {
  if (s.goal) return fail("places change below a goal");
  places_.clear(), before_.clear();
  std::pair<std::uint64_t, std::uint64_t> last;
  for (std::size_t n = in_.count(2); n > 0; --n) {
    const std::pair next{in_.number(), in_.number()};
    if (next.first >= net_.relus.size() || next.second >= net_.relus[next.first].at.size() || (!places_.empty() && next <= last)) return fail("ReLU " + std::to_string(next.first) + " has no element " + std::to_string(next.second) + ", or it is out of order");
    before_.push_back(before_.empty() || next.first != last.first ? places_.size() : before_.back());
    places_.push_back({net_.relus[next.first].layer, net_.relus[next.first].at[next.second]}), last = next;
  }
  region_.set_places(places_);
  return in_.ok();
}

/// Bounds of sums before ReLUs. Of all runs they hold in the region, of those with signs in what is known of the places.
bool Walk::claims(Signs& s, int depth) {
  struct Claimed {
    std::size_t place;
    bool upper;
    Goal goal;
  };
  std::deque<Claimed> claims;                        // of one layer
  std::vector<double> known;
  if (s.goal && s.known) known = *s.known;
  else if (s.goal) for (Layers::Place p : places_) known.push_back(region_.lo(p)), known.push_back(region_.hi(p));
  auto narrow = [&](std::size_t p, bool upper, double to) {
    double &lo = s.goal ? known[2 * p] : region_.lo(places_[p]), &hi = s.goal ? known[2 * p + 1] : region_.hi(places_[p]);
    if (upper) hi = std::min(hi, to);
    else lo = std::max(lo, to);
    s.none |= lo > hi;
  };
  auto settle = [&] {
    flush();
    for (const Claimed& c : claims) narrow(c.place, c.upper, c.upper ? -c.goal.least : c.goal.least);
    if (s.goal) s.known = std::make_shared<const std::vector<double>>(known);
    else if (!claims.empty()) s.none = s.none || !region_.pass(std::size_t(places_[claims[0].place].layer));
    claims.clear();
  };
  for (const Split& p : s.path) narrow(std::size_t(p.place), p.sign < 0, 0);
  settle();
  for (std::size_t n = in_.count(2); n > 0; --n) {
    const std::uint64_t side = in_.number();
    if (side / 2 >= places_.size()) return fail("a claim is of place " + std::to_string(side / 2));
    const Layers::Place p = places_[side / 2];
    if (!claims.empty() && places_[claims[0].place].layer != p.layer) settle();
    Claimed& c = claims.emplace_back(side / 2, side % 2 != 0);
    c.goal.query = {{{p.layer, p.element, c.upper ? -1.0 : 1.0}}, true};
    c.goal.slopes = before_[side / 2];
    Signs below = s;
    below.goal = &c.goal;
    if (!node(std::move(below), depth + 1)) return false;
  }
  settle();
  return in_.ok();
}

bool Walk::goals(const Signs& s, int depth) {
  if (s.goal) return fail("goals stand below a goal");
  struct Asked {
    std::size_t of;
    std::vector<double> weights;
    Goal goal;
  };
  std::deque<Asked> all(in_.count(2));
  for (Asked& a : all) {
    if (!weights(a.of, a.weights)) return false;
    a.goal.query = query(a.of, a.weights), a.goal.slopes = places_.size();
    Signs below = s;
    below.goal = &a.goal, below.none |= !std::ranges::binary_search(open_, std::int32_t(a.of));
    if (!node(std::move(below), depth + 1)) return false;
  }
  flush();
  for (const Asked& a : all) {
    double bound = 0, size = 0;
    bool strict = false;                             // one strict row in a sum makes it strict
    for (std::size_t r = 0; r < a.weights.size(); ++r) {
      const Claim::Row& row = claim_.cases[a.of].rows[r];
      bound += a.weights[r] * row.bound, size += a.weights[r] * std::fabs(row.bound), strict |= row.strict && a.weights[r] > 0;
    }
    bound += double(a.weights.size() + 4) * 0x1p-52 * size;
    if (a.goal.least > bound || (strict && a.goal.least >= bound)) std::erase(open_, std::int32_t(a.of));
    else if (!s.none) return fail("case " + std::to_string(a.of + 1) + " is not refuted: its rows are bounded by " + std::to_string(a.goal.least) + " and refuted above " + std::to_string(bound));
  }
  return s.none || open_.empty() || fail("nothing is said of case " + std::to_string(open_[0] + 1));
}

bool Walk::node(Signs s, int depth) {
  for (;; ++depth) {
    const auto tag = next(depth);
    if (!tag) return false;
    if (!s.goal && (*tag == Tag::sign_split || *tag == Tag::bounded)) return fail("nothing is to be bounded");
    switch (*tag) {
      case Tag::goals: return goals(s, depth);
      case Tag::bounded: return bounded(s);
      case Tag::claims:
        if (!claims(s, depth)) return false;
        break;
      case Tag::places:
        if (!places(s)) return false;
        break;
      case Tag::sign_split: {
        const std::uint64_t place = in_.number();
        if (place >= places_.size()) return fail("place " + std::to_string(place) + " is split");
        Signs first = s;
        first.path.push_back({std::int32_t(place), 1}), s.path.push_back({std::int32_t(place), -1});
        if (!node(std::move(first), depth + 1)) return false;
        break;
      }
      default: return fail("a node of signs is no box");
    }
  }
}

// ---- the whole ----------------------------------------------------------------------------------------------------------------------------------

bool Walk::trees() {
  std::vector<char> done(claim_.cases.size(), 0);
  for (std::size_t n = in_.count(2); n > 0; --n) {
    Boxed root;
    for (std::size_t i = in_.count(1); i > 0; --i) {
      const std::uint64_t c = in_.number();
      if (c >= done.size() || (!root.cases.empty() && std::int32_t(c) <= root.cases.back())) return fail("a list of cases has case " + std::to_string(c) + " of " + std::to_string(done.size()) + ", or twice");
      root.cases.push_back(std::int32_t(c)), done[c] = 1;
    }
    if (root.cases.empty()) return fail("a tree is of no cases");
    const Claim::Box& box = *claim_.cases[std::size_t(root.cases[0])].box;
    for (std::int32_t c : root.cases) {
      const Claim::Box& other = *claim_.cases[std::size_t(c)].box;
      if (&other != &box && (other.lo != box.lo || other.hi != box.hi)) return fail("a tree is of cases with different boxes");
    }
    // The float32 numbers that an engine may be given for a point of the box.
    for (double v : box.lo) root.lo.push_back(double(double(float(v)) <= v ? float(v) : std::nextafter(float(v), -INFINITY)));
    for (double v : box.hi) root.hi.push_back(double(double(float(v)) >= v ? float(v) : std::nextafter(float(v), float(INFINITY))));
    if (!this->box(std::move(root), 0)) return false;
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
