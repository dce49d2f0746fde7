#include "check_proof/check.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "check_proof/region.hpp"

namespace saha::check_proof {
namespace {
constexpr int kDeepest = 3000, kOwnSplits = 24;
/// Nodes stand over boxes (0), over all signs of ReLUs in one (1), or below a goal (2): each kind from, to.
constexpr int kFrom[] = {0, 0, 0, 0, 1, 1, 1, 2, 2}, kTo[] = {0, 0, 0, 0, 1, 1, 2, 2, 2};

/// What leaves bound together: the weighted rows of a case, or an end of a place's interval.
struct Goal {
  std::size_t of = 0;                                ///< case or place
  Query query = {};
  std::size_t slopes = 0;                            ///< places before what is bounded
  double bound = 0, least = INFINITY;
  bool strict = false;
};

/// Where a node stands: a box, or what is known of the places under the signs on the way; and the cases that may hold there - none, where nothing is left.
struct Part {
  std::vector<double> lo = {}, hi = {};
  std::shared_ptr<const Known> known = {};           ///< null: nothing
  std::vector<std::int32_t> cases = {};
  bool signs = false;                                ///< the box is the region's
  std::vector<Split> path = {};
  std::shared_ptr<const std::vector<double>> places = {};  ///< Query::known; null: as of the region
  Goal* goal = nullptr;
};

/// What one row says of inputs: its sum is at least constant + slope * x.
struct Plane {
  double constant;
  const double* slope;
  double bound;
  bool strict;
};

/// Cuts from the box what no point that satisfies all planes' rows is in. True: nothing is left.
bool cut(std::span<const Plane> planes, std::vector<double>& lo, std::vector<double>& hi) {
  for (int round = 0; round < 3; ++round)
    for (const Plane& p : planes) {
      double v = p.constant - p.bound, size = std::fabs(p.constant) + std::fabs(p.bound);
      for (std::size_t d = 0; d < lo.size(); ++d) v += p.slope[d] * (p.slope[d] > 0 ? lo[d] : hi[d]), size += std::fabs(p.slope[d]) * std::max(std::fabs(lo[d]), std::fabs(hi[d]));
      v -= double(lo.size() + 8) * 0x1p-51 * size;   // the least of the plane above its bound
      if (v > 0 || (p.strict && v >= 0)) return true;
      for (std::size_t d = 0; v > -1e30 && d < lo.size(); ++d) {
        if (p.slope[d] == 0) continue;
        const double t = -v * (1 + 0x1p-50) / p.slope[d], from = p.slope[d] > 0 ? lo[d] : hi[d], off = 0x1p-50 * (std::fabs(from) + std::fabs(t));
        if (p.slope[d] > 0) hi[d] = std::min(hi[d], from + t + off);
        else lo[d] = std::max(lo[d], from + t - off);
        if (lo[d] > hi[d]) return true;
      }
    }
  return false;
}

class Walk {
 public:
  Walk(const Layers& net, const Claim& claim, const Certificate& c) : net_(net), claim_(claim), region_(net, c.float32), in_(c.payload) {}
  Judgement run() { return {trees(), why_, nodes_, regions_}; }

 private:
  bool fail(std::string why) {
    if (why_.empty()) why_ = std::move(why) + ", at node " + std::to_string(nodes_);
    return false;
  }
  bool read() { return in_.ok() || fail("the certificate ends early, or has no such kind of node"); }

  // ---- boxes ----------------------------------------------------------------------------------------------------------------------------------

  /// The weighted sum of a case's rows: one strict row makes it strict. Of none it is 0, which refutes nothing.
  Goal sum(std::size_t of, std::span<const double> weights) const {
    Goal g{of};
    double size = 0;
    for (std::size_t r = 0; r < weights.size(); ++r) {
      if (weights[r] < 1e-30) continue;              // products with it might be rounded to 0
      const Claim::Row& row = claim_.cases[of].rows[r];
      for (auto [e, v] : row.y) g.query.terms.push_back({net_.outputs[std::size_t(e)].layer, net_.outputs[std::size_t(e)].element, weights[r] * v});
      for (auto [e, v] : row.x) g.query.terms.push_back({0, e, weights[r] * v});
      g.bound += weights[r] * row.bound, size += weights[r] * std::fabs(row.bound), g.strict |= row.strict;
    }
    g.bound += double(weights.size() + 4) * 0x1p-52 * size;
    return g;
  }

  /// A case and weights of its rows.
  bool read(Goal& g) {
    const std::uint64_t of = in_.number();
    if (of >= claim_.cases.size()) return fail("there is no case " + std::to_string(of));
    std::vector<double> weights(claim_.cases[of].rows.size());
    for (double& w : weights) if (w = double(in_.real()); !(w >= 0 && w < 1e30)) return fail("a row's weight is " + std::to_string(w));
    return g = sum(of, weights), read();
  }

  bool enter(const Part& p) { return ++regions_, region_.enter(p.lo, p.hi, p.known.get()); }

  /// The box becomes the hull of what linear bounds of rows, one by one and as `mixes` say, leave to each case; cases that have nothing left go.
  /// The input to halve: along which such a bound varies much; by roots, since bounds are also loose along inputs that they vary little with.
  std::size_t clip(Part& p, std::span<const Goal> mixes) {
    if (p.cases.empty() || !enter(p)) return p.cases.clear(), 0;
    p.known = std::make_shared<const Known>(region_.known());
    std::vector<Goal> asked;
    for (std::int32_t c : p.cases) {
      std::vector<double> one(claim_.cases[std::size_t(c)].rows.size(), 0.0);
      for (double& w : one) w = 1, asked.push_back(sum(std::size_t(c), one)), w = 0;
      std::ranges::copy_if(mixes, std::back_inserter(asked), [&](const Goal& m) { return m.of == std::size_t(c); });
    }
    std::vector<Query> queries;
    for (const Goal& g : asked) queries.push_back(g.query);
    const std::size_t n = p.lo.size();
    std::vector<Bound> bounds(queries.size());
    std::vector<double> linear(queries.size() * n), lo(n, INFINITY), hi(n, -INFINITY);
    region_.bound(queries, bounds.data(), linear.data());
    std::size_t at = 0, along = 0;
    double widest = 0;
    std::erase_if(p.cases, [&](std::int32_t c) {
      std::vector<Plane> planes;
      for (; at < asked.size() && asked[at].of == std::size_t(c); ++at) planes.push_back({bounds[at].constant, linear.data() + at * n, asked[at].bound, asked[at].strict});
      std::vector<double> a = p.lo, z = p.hi;
      if (cut(planes, a, z)) return true;
      for (std::size_t d = 0; d < n; ++d) {
        lo[d] = std::min(lo[d], a[d]), hi[d] = std::max(hi[d], z[d]);
        for (const Plane& q : planes) if (const double w = std::sqrt(std::fabs(q.slope[d])) * (z[d] - a[d]); w > widest) widest = w, along = d;
      }
      return false;
    });
    p.lo = std::move(lo), p.hi = std::move(hi);
    return along;
  }

  /// Shows that no case holds in a box, else in its halves: where the search's choice of slopes was luckier, or rounding made this bound miss what the search's did not.
  bool refute(Part p, std::span<const Goal> mixes, int splits) {
    const std::size_t along = clip(p, mixes);
    if (p.cases.empty()) return true;
    if (splits == 0 || --spare_ < 0) return false;
    Part half = p;
    half.hi[along] = p.lo[along] = 0.5 * (p.lo[along] + p.hi[along]);
    return refute(std::move(half), mixes, splits - 1) && refute(std::move(p), mixes, splits - 1);
  }

  // ---- signs of ReLUs -------------------------------------------------------------------------------------------------------------------------

  bool places() {
    places_.clear(), before_.clear();
    std::pair<std::uint64_t, std::uint64_t> last;
    for (std::size_t n = in_.count(2); n > 0; --n) {
      const std::pair next{in_.number(), in_.number()};
      if (next.first >= net_.relus.size() || next.second >= net_.relus[next.first].at.size() || (!places_.empty() && next <= last)) return fail("ReLU " + std::to_string(next.first) + " has no element " + std::to_string(next.second) + ", or it is out of order");
      before_.push_back(places_.empty() || next.first != last.first ? places_.size() : before_.back());
      places_.push_back({net_.relus[next.first].layer, net_.relus[next.first].at[next.second]}), last = next;
    }
    region_.set_places(places_);
    return true;
  }

  bool bounded(const Part& p) {
    Leaf l{p.goal, in_.take(p.goal->slopes), p.path, p.places};
    for (Split& s : l.path) {
      s.multiplier = in_.real();
      if (!(s.multiplier == -1 || (s.multiplier >= 0 && s.multiplier < 1e30f))) return fail("a multiplier is " + std::to_string(s.multiplier));
    }
    if (read() && !p.cases.empty()) leaves_.push_back(std::move(l));
    if (std::ssize(leaves_) == kColumns) flush();
    return in_.ok();
  }

  /// Bounds the leaves that wait.
  void flush() {
    std::vector<Query> queries;
    for (const Leaf& l : leaves_) {
      queries.push_back(l.goal->query);
      queries.back().slopes = l.slopes, queries.back().splits = l.path;
      if (l.places) queries.back().known = *l.places;
    }
    std::vector<Bound> bounds(queries.size());
    region_.bound(queries, bounds.data(), nullptr);
    for (std::size_t i = 0; i < bounds.size(); ++i) leaves_[i].goal->least = std::min(leaves_[i].goal->least, bounds[i].least);
    leaves_.clear();
  }

  /// Bounds of sums before ReLUs: in all of the region they narrow its intervals, below a goal what is known of the places.
  bool claims(Part& p, int depth) {
    std::deque<Goal> goals;                          // of one layer
    std::vector<double> known;
    if (p.goal && p.places) known = *p.places;
    else if (p.goal) for (Layers::Place q : places_) known.push_back(region_.lo(q)), known.push_back(region_.hi(q));
    auto narrow = [&](std::size_t place, bool upper, double to) {
      double &lo = p.goal ? known[2 * place] : region_.lo(places_[place]), &hi = p.goal ? known[2 * place + 1] : region_.hi(places_[place]);
      (upper ? hi : lo) = upper ? std::min(hi, to) : std::max(lo, to);
      if (lo > hi) p.cases.clear();
    };
    auto settle = [&] {
      flush();
      for (const Goal& g : goals) g.query.terms[0].factor < 0 ? narrow(g.of, true, -g.least) : narrow(g.of, false, g.least);
      if (p.goal) p.places = std::make_shared<const std::vector<double>>(known);
      else if (!goals.empty() && !p.cases.empty() && !region_.forward(std::size_t(places_[goals[0].of].layer) + 1, false)) p.cases.clear();
      goals.clear();
    };
    for (const Split& s : p.path) narrow(std::size_t(s.place), s.sign < 0, 0);
    settle();
    for (std::size_t n = in_.count(2); n > 0; --n) {
      const std::uint64_t side = in_.number(), place = side / 2;
      if (place >= places_.size()) return fail("there is no place " + std::to_string(place));
      if (!goals.empty() && places_[goals[0].of].layer != places_[place].layer) settle();
      goals.push_back({place, {{{places_[place].layer, places_[place].element, side % 2 ? -1.0 : 1.0}}, true}, before_[place]});
      Part below = p;
      below.goal = &goals.back();
      if (!node(std::move(below), depth + 1)) return false;
    }
    settle();
    return true;
  }

  /// All cases, each bounded by a tree of its own.
  bool goals(Part p, int depth) {
    std::deque<Goal> goals(in_.count(2));
    for (Goal& g : goals) {
      if (!read(g)) return false;
      g.slopes = places_.size();
      Part below = p;
      below.goal = &g;
      if (!std::ranges::binary_search(p.cases, std::int32_t(g.of))) below.cases.clear();
      if (!node(std::move(below), depth + 1)) return false;
    }
    flush();
    for (const Goal& g : goals) {
      if (g.least > g.bound || (g.strict && g.least >= g.bound)) std::erase(p.cases, std::int32_t(g.of));
      else return fail("case " + std::to_string(g.of + 1) + " is not refuted: its rows are bounded by " + std::to_string(g.least) + " and refuted above " + std::to_string(g.bound));
    }
    return p.cases.empty() || fail("nothing is said of case " + std::to_string(p.cases[0] + 1));
  }

  // ---- the tree -------------------------------------------------------------------------------------------------------------------------------

  bool node(Part p, int depth) {
    for (;; ++depth) {
      ++nodes_, spare_ += 2;
      const Tag tag = in_.tag();
      if (!read()) return false;
      if (depth > kDeepest) return fail("the tree is deeper than " + std::to_string(kDeepest));
      if (const int at = p.goal ? 2 : p.signs; at < kFrom[std::size_t(tag)] || at > kTo[std::size_t(tag)]) return fail("a node of kind " + std::to_string(int(tag)) + " stands in the wrong place");
      switch (tag) {
        case Tag::refuted: {
          std::vector<Goal> mixes(std::min(in_.count(2), claim_.cases.size() + 1));
          for (Goal& m : mixes) if (mixes.size() > claim_.cases.size() || !read(m)) return fail("there are more sums of rows than cases");
          return read() && (refute(std::move(p), mixes, kOwnSplits) || fail("a box is not refuted"));
        }
        case Tag::goals: return goals(std::move(p), depth);
        case Tag::bounded: return bounded(p);
        case Tag::clip: clip(p, {}); break;
        case Tag::places: if (!places()) return false; break;
        case Tag::claims: if (!claims(p, depth)) return false; break;
        case Tag::signs:
          if (!p.cases.empty() && !enter(p)) p.cases.clear();
          p.lo.clear(), p.hi.clear(), p.known = nullptr, p.signs = true;
          places_.clear(), region_.set_places({});
          break;
        case Tag::input_split: {
          const std::uint64_t d = in_.number();
          const double at = double(in_.real());
          if (d >= p.lo.size() || !(std::fabs(at) < 1e30)) return fail("input " + std::to_string(d) + " is split at " + std::to_string(at));
          Part low = p;
          low.hi[d] = std::min(at, p.hi[d]), p.lo[d] = std::max(at, p.lo[d]);
          if (low.lo[d] > low.hi[d]) low.cases.clear();
          if (p.lo[d] > p.hi[d]) p.cases.clear();
          if (!node(std::move(low), depth + 1)) return false;
          break;
        }
        case Tag::sign_split: {
          const std::uint64_t place = in_.number();
          if (place >= places_.size()) return fail("there is no place " + std::to_string(place));
          Part first = p;
          first.path.push_back({std::int32_t(place), 1}), p.path.push_back({std::int32_t(place), -1});
          if (!node(std::move(first), depth + 1)) return false;
          break;
        }
      }
    }
  }

  bool trees() {
    std::vector<char> done(claim_.cases.size(), 0);
    for (std::size_t n = in_.count(2); n > 0; --n) {
      Part root;
      for (std::size_t i = in_.count(1); i > 0; --i) {
        const std::uint64_t c = in_.number();
        if (c >= done.size() || (!root.cases.empty() && std::int32_t(c) <= root.cases.back())) return fail("a list of cases has case " + std::to_string(c) + " of " + std::to_string(done.size()) + ", or twice");
        root.cases.push_back(std::int32_t(c)), done[c] = 1;
      }
      if (root.cases.empty()) return fail("a tree is of no cases");
      const Claim::Box& box = *claim_.cases[std::size_t(root.cases[0])].box;
      for (std::int32_t c : root.cases)
        if (const Claim::Box& other = *claim_.cases[std::size_t(c)].box; &other != &box && (other.lo != box.lo || other.hi != box.hi)) return fail("a tree is of cases with different boxes");
      // The float32 numbers that an engine may be given for a point of the box.
      for (double v : box.lo) root.lo.push_back(double(double(float(v)) <= v ? float(v) : std::nextafter(float(v), -INFINITY)));
      for (double v : box.hi) root.hi.push_back(double(double(float(v)) >= v ? float(v) : std::nextafter(float(v), float(INFINITY))));
      if (!node(std::move(root), 0)) return false;
    }
    if (!in_.ok() || !in_.at_end()) return fail("the certificate does not end with its last tree");
    for (std::size_t c = 0; c < done.size(); ++c) if (!done[c]) return fail("nothing is said of case " + std::to_string(c + 1));
    return true;
  }

  const Layers& net_;
  const Claim& claim_;
  Region region_;
  Reader in_;
  std::string why_;
  std::int64_t nodes_ = 0, regions_ = 0, spare_ = 4096;
  std::vector<Layers::Place> places_;
  std::vector<std::size_t> before_;                  ///< of each place, how many are of ReLUs before its own
  struct Leaf {
    Goal* goal;
    std::string_view slopes;
    std::vector<Split> path;
    std::shared_ptr<const std::vector<double>> places;
  };
  std::vector<Leaf> leaves_;                         ///< that are bounded together
};
}  // namespace

Result<Judgement> check(const ir::Graph& g, const Claim& claim, const Certificate& certificate) {
  SAHA_TRY(const Layers net, read_layers(g));
  const std::int64_t inputs = net.all[0].size, outputs = std::ssize(net.outputs);
  auto read = [](double v) { return v == 0 || (std::fabs(v) > 1e-200 && std::fabs(v) < 1e30); };
  auto within = [&](const std::vector<std::pair<std::int32_t, double>>& terms, std::int64_t n) { return std::ranges::all_of(terms, [&](const auto& t) { return t.first >= 0 && t.first < n && read(t.second); }); };
  for (const Claim::Case& c : claim.cases) {
    bool fits = std::ssize(c.box->lo) == inputs && std::ssize(c.box->hi) == inputs;
    for (std::size_t d = 0; fits && d < c.box->lo.size(); ++d) fits = c.box->lo[d] <= c.box->hi[d] && std::fabs(c.box->lo[d]) < 1e30 && std::fabs(c.box->hi[d]) < 1e30;
    for (const Claim::Row& r : c.rows) fits = fits && within(r.x, inputs) && within(r.y, outputs) && read(r.bound);
    if (!fits) return Error{ErrorCode::invalid_argument, "the property is not of a network with " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) + " outputs, or has numbers of 1e30 and more or of 1e-200 and less"};
  }
  return Walk(net, claim, certificate).run();
}

}  // namespace saha::check_proof
