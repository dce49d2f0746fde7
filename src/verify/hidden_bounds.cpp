#include "verify/hidden_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>

namespace saha::verify {
namespace {

struct Piece {
  std::vector<Split> splits;
  std::vector<std::uint8_t> slopes = {};             ///< bytes of slopes
  std::int32_t choice = -1;                          ///< where it is split next; -1: nowhere
  double lower = -INFINITY;
  Bounding proof = {};                               ///< of `lower`; for the record only
  bool operator<(const Piece& o) const { return lower > o.lower; }  // the worst is on a heap's top
};

/// The lower bound of sign * element is that of its worst piece.
struct Tree {
  std::int32_t element;
  float sign;
  std::vector<Piece> pieces = {Piece{}};             ///< a heap of those below 0
  std::vector<Piece> done = {};                      ///< the others, without slopes; kept for the record only
  double above = INFINITY;                           ///< the least of the others
  double lower() const { return pieces.empty() ? above : std::min(above, pieces.front().lower); }
  bool open() const { return !pieces.empty() && (pieces.front().choice >= 0 || pieces.front().lower == -INFINITY); }
};

class Growth {
 public:
  Growth(Watch& watch, Sweep& root, Crew& crew, std::size_t layer, bool record) : watch_(watch), root_(root), crew_(crew), layer_(layer), record_(record) {}
  void run(std::vector<Tree>& trees, double until);

 private:
  void split(Ascent& ascent, std::span<Tree* const> trees, std::size_t pieces_each);
  Watch& watch_;
  Sweep& root_;
  Crew& crew_;
  std::size_t layer_;
  bool record_;
};

/// Until all are decided, or cannot be split any more, or the time is over.
void Growth::run(std::vector<Tree>& trees, double until) {
  std::deque<Tree*> queue;
  for (Tree& t : trees) queue.push_back(&t);
  std::mutex mutex;
  std::condition_variable changed;
  int busy = 0;
  crew_.on_threads([&](unsigned thread) {
    Ascent& a = crew_.ascent(thread);
    a.begin(root_);
    const std::size_t pairs = std::size_t(a.columns()) / 2, share = std::size_t(crew_.threads());
    std::vector<Tree*> mine;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return !queue.empty() || busy == 0; });
        if (queue.empty() || root_.stop() || watch_.seconds() > until) break;
        const std::ptrdiff_t take = std::ptrdiff_t(std::min(pairs, (queue.size() + share - 1) / share));
        mine.assign(queue.begin(), queue.begin() + take);
        queue.erase(queue.begin(), queue.begin() + take);
        ++busy;
      }
      split(a, mine, pairs / mine.size());
      {
        std::lock_guard lock(mutex);
        for (Tree* t : mine) if (t->open()) queue.push_back(t);
        --busy;
      }
      changed.notify_all();
    }
    changed.notify_all();
  });
}

/// The worst pieces of each tree, both halves at once.
void Growth::split(Ascent& a, std::span<Tree* const> trees, std::size_t pieces_each) {
  struct Half {
    Tree* tree;
    double parent;
    Bounding proof;
  };
  std::vector<Half> halves;
  std::vector<float> slopes(a.num_slopes());
  bool whole = false;
  for (Tree* t : trees) {
    for (std::size_t i = 0; i < pieces_each && t->open(); ++i) {
      std::pop_heap(t->pieces.begin(), t->pieces.end());
      const Piece p = std::move(t->pieces.back());
      t->pieces.pop_back();
      for (std::size_t s = 0; s < p.slopes.size(); ++s) slopes[s] = slope_of(p.slopes[s]);
      for (const float sign : {1.0f, -1.0f}) {
        std::vector<Split> splits = p.splits;
        if (p.choice >= 0) splits.push_back({p.choice, sign});
        a.set(int(halves.size()), layer_, {{{t->element, t->sign}}}, std::move(splits), p.slopes.empty() ? nullptr : slopes.data());
        halves.push_back({t, p.lower, p.proof});
        if (whole |= p.choice < 0; p.choice < 0) break;  // not split yet
      }
    }
  }
  std::vector<double> lower(halves.size()), enough(halves.size(), 0.0);
  a.run(layer_, int(halves.size()), whole ? kFirstRates : kMoreRates, lower.data(), enough.data());
  watch_.count(std::ssize(halves));
  for (std::size_t c = 0; c < halves.size(); ++c) {
    Tree& t = *halves[c].tree;
    Piece p{a.splits(int(c))};
    if (record_) {
      p.proof = lower[c] >= halves[c].parent ? a.best(int(c), a.places_before(layer_)) : std::move(halves[c].proof);
      p.proof.multipliers.resize(p.splits.size(), -1);  // the parent's bound, without the last sign
    }
    p.lower = std::max({halves[c].parent, lower[c], std::numeric_limits<double>::lowest()});
    if (p.lower >= 0) {
      t.above = std::min(t.above, p.lower);
      if (record_) t.done.push_back(std::move(p));
      continue;
    }
    if (const auto choice = a.choices(int(c), 1); !choice.empty()) {
      p.choice = choice[0].open;
      p.slopes.resize(a.get_slopes(int(c), slopes.data()));
      for (std::size_t s = 0; s < p.slopes.size(); ++s) p.slopes[s] = slope_byte(slopes[s]);
    }
    t.pieces.push_back(std::move(p));
    std::push_heap(t.pieces.begin(), t.pieces.end());
  }
}

bool readers_are_relus(const Net& net, std::size_t layer) {
  for (const Layer& l : net.layers)
    if ((l.a == std::int32_t(layer) || l.b == std::int32_t(layer)) && (l.kind != Layer::Kind::unary || l.unary.kind != Unary::Kind::relu)) return false;
  return true;
}

std::string proof_of(Tree& t) {
  std::vector<Part> parts;
  for (auto* pieces : {&t.pieces, &t.done})
    for (Piece& p : *pieces) {
      Part& part = parts.emplace_back();
      for (const Split& s : p.splits) part.path.emplace_back(s.open, s.sign > 0);
      part.bounding = std::move(p.proof);
    }
  return bytes_of(std::move(parts));
}
}  // namespace

bool hidden_bounds(const Problem& problem, Watch& watch, Sweep& root, Crew& crew, double until, Writer* record) {
  std::vector<std::int32_t> rows;
  bool better = false;
  std::size_t at = 1, left = root.critical().size();
  for (const std::int32_t k : root.critical()) {
    const std::size_t layer = std::size_t(k);
    for (; at <= layer; ++at) root.forward(at);
    root.loose(layer, rows);
    // Bounds of layers behind stand on those before: more than an equal share to what comes first.
    const double share = std::min(1.0, 1.5 / double(left--));
    if (rows.empty() || root.stop()) continue;
    if (is_difference(problem.net, layer)) {         // no sign of it decides anything
      root.refine(layer, rows);
      continue;
    }
    if (!readers_are_relus(problem.net, layer)) continue;
    std::vector<Tree> trees;
    for (std::int32_t r : rows) trees.push_back({r, 1}), trees.push_back({r, -1});
    Growth(watch, root, crew, layer, record != nullptr).run(trees, watch.seconds() + (until - watch.seconds()) * share);
    Claims claims;
    for (Tree& t : trees) {
      float &lo = root.lo(layer)[t.element], &hi = root.hi(layer)[t.element];
      if (t.sign > 0 ? t.lower() <= double(lo) : -t.lower() >= double(hi)) continue;
      if (record) claims.add(crew.ascent(0).place(layer, t.element), t.sign < 0, proof_of(t));
      if (t.sign > 0) lo = std::max(lo, std::nextafter(float(t.lower()), -INFINITY));
      else hi = std::min(hi, std::nextafter(float(-t.lower()), float(INFINITY)));
      if (lo > hi) std::swap(lo, hi);
      better = true;
    }
    if (record) record->append(crew.ascent(0).places()).append(claims.bytes());
  }
  for (; at < problem.net.layers.size(); ++at) root.forward(at);
  return better;
}

}  // namespace saha::verify
