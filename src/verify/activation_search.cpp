// Branch and bound over the signs of ReLUs. The root's bounds are tightened by ascents of their own; then each case that is left is split at the activation whose relaxation
// costs its bound most, and bounded by ascents on slopes and multipliers, many sub-problems at once.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <thread>

#include "verify/ascent.hpp"
#include "verify/fixed_signs.hpp"
#include "verify/hidden_bounds.hpp"
#include "verify/problem.hpp"
#include "verify/record.hpp"

namespace saha::verify {
namespace {

struct Domain {
  std::int32_t of = 0;                               ///< case
  Limit limit{};                                     ///< the row that is to be refuted
  std::vector<Split> splits;
  std::shared_ptr<const std::vector<float>> slopes;  ///< null: the root's
  std::int64_t node = -1;                            ///< of the record
  double lower = -INFINITY, weight = 1;
};

constexpr Rates kLeafRates{60, 0.05f, 0.3f, 0.93f};
constexpr std::size_t kLook = 6;                     ///< activations whose halves are bounded before one is chosen: measured on mnist_fc, oval21 and safenlp

/// Of one group's box.
class GroupSearch final : public Search {
 public:
  GroupSearch(const Problem& p, Watch& w, Record* record, std::size_t group) : problem_(p), watch_(w), record_(record), group_(group), net_(p.net), loops_(loops(p.isa)), root_(p.net, loops_, 1, 128, p.options.arithmetic),
      crew_(p.threads, [this] { return make_ascent(); }) {
    std::int64_t elements = 0;
    for (const Layer& l : net_.layers) elements += l.size;
    columns_ = int(std::clamp<std::int64_t>(6'000'000 / std::max<std::int64_t>(1, elements), loops_.vector, 128)) / loops_.vector * loops_.vector;
    const Box& box = p.boxes[group];
    for (std::size_t i = 0; i < box.lo.size(); ++i) root_.lo(0)[i] = float(box.lo[i]), root_.hi(0)[i] = float(box.hi[i]);
    root_.stop = [this] { return watch_.stopped() || watch_.out_of_time() || watch_.seconds() > root_until_; };
  }
  End run(double until) override;
  double done() const override { return rooted_ ? done_ / total_ : 0; }
  std::string why() const override { return {}; }

 private:
  bool first_bounds(double until);
  void raise_cases();
  void raise_bounds();
  void attack_open(double seconds);
  void ascend_layer(std::size_t layer, const std::vector<std::int32_t>& rows);
  void record_cases(const std::vector<Domain>& refuted);
  void cases();
  void work(unsigned thread);
  void refuted(Ascent& ascent, int column, const Domain& d);
  bool settle(Ascent& ascent, Domain& d, const std::vector<float>& slopes, std::vector<Ascent::Choice>& choices);
  void batch(Ascent& ascent, Descent& descent, std::vector<Domain>& domains, std::vector<Domain>& children);
  std::unique_ptr<Ascent> make_ascent() {
    auto a = std::make_unique<Ascent>(net_, loops_, columns_, problem_.options.arithmetic);
    if (record_) a->keep_best();
    a->stop = [this] { return watch_.stopped() || watch_.out_of_time(); };
    return a;
  }

  const Problem& problem_;
  Watch& watch_;
  Record* record_;                                   ///< null: nothing is recorded
  std::int64_t tree_ = -1;                           ///< the record's
  Writer hidden_;                                    ///< what it begins with: bounds of hidden layers
  std::size_t group_;
  const Net& net_;
  const Loops& loops_;
  Sweep root_;
  int columns_ = 128;
  Crew crew_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Domain> stack_;
  int busy_ = 0;
  double until_ = 0, root_until_ = INFINITY;
  bool rooted_ = false;
  std::size_t bounded_ = 0;                          ///< layers whose first bounds are done
  double turn_ = 0.5;                                ///< seconds
  bool given_up_ = false;
  double total_ = 1, done_ = 0;
};

/// Both signs of these rows, each raised by itself.
void GroupSearch::ascend_layer(std::size_t layer, const std::vector<std::int32_t>& rows) {
  std::vector<double> lower(rows.size() * 2, -INFINITY);
  std::vector<std::string> proofs(record_ ? lower.size() : 0);
  std::atomic<std::size_t> next{0};
  const std::size_t per = std::size_t(columns_);
  crew_.on_threads([&](unsigned thread) {
    Ascent& a = crew_.ascent(thread);
    a.begin(root_);
    // Of a pair's difference every bit counts.
    const std::vector<double> enough(per, is_difference(net_, layer) ? INFINITY : 0.0);
    for (;;) {
      const std::size_t first = next.fetch_add(per);
      if (first >= lower.size() || root_.stop()) return;
      const std::size_t n = std::min(per, lower.size() - first);
      for (std::size_t i = 0; i < n; ++i) a.set(int(i), layer, {{{rows[(first + i) / 2], (first + i) % 2 ? -1.0f : 1.0f}}}, {}, nullptr);
      a.run(layer, int(n), kFirstRates, lower.data() + first, enough.data());
      for (std::size_t i = 0; record_ && i < n; ++i) proofs[first + i] = bytes_of(a.best(int(i), a.places_before(layer)));
    }
  });
  Claims claims;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float &lo = root_.lo(layer)[rows[i]], &hi = root_.hi(layer)[rows[i]];
    if (record_ && lower[2 * i] > double(lo)) claims.add(crew_.ascent(0).place(layer, rows[i]), false, proofs[2 * i]);
    if (record_ && -lower[2 * i + 1] < double(hi)) claims.add(crew_.ascent(0).place(layer, rows[i]), true, proofs[2 * i + 1]);
    lo = std::max(lo, std::nextafter(float(lower[2 * i]), -INFINITY));
    hi = std::min(hi, std::nextafter(float(-lower[2 * i + 1]), float(INFINITY)));
    if (lo > hi) std::swap(lo, hi);
  }
  if (record_) hidden_.append(crew_.ascent(0).places()).append(claims.bytes());
}

/// Linear bounds of every layer, once; leaves the cases that they do not refute on the stack. False: the time given to it is over, and the bounds are what they are by then; the next
/// call goes on with the layers that are left.
bool GroupSearch::first_bounds(double until) {
  root_until_ = until;
  if (bounded_ == 0) root_.start();
  std::vector<std::int32_t> rows;
  for (std::size_t k = std::max<std::size_t>(1, bounded_); k < net_.layers.size(); ++k) {
    root_.forward(k);
    if (root_.is_critical(k) && !root_.stop()) {
      root_.loose(k, rows);
      root_.refine(k, rows);
    }
    if (!root_.stop()) bounded_ = k + 1;
  }
  watch_.count(1);
  const bool complete = !root_.stop();
  root_until_ = INFINITY;
  cases();
  return complete;
}

/// The open cases' own bounds, over the hidden ones as they are: costs far less than raising those, and may be enough.
void GroupSearch::raise_cases() {
  Ascent& a = crew_.ascent(0);
  a.begin(root_);
  const std::size_t per = std::size_t(columns_);
  std::vector<double> lower(per), enough(per);
  std::vector<Domain> left;
  for (std::size_t first = 0; first < stack_.size() && !root_.stop(); first += per) {
    const std::size_t n = std::min(per, stack_.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      const Limit& l = stack_[first + i].limit;
      a.set(int(i), net_.layers.size() - 1, problem_.queries[std::size_t(l.query)], {}, nullptr), enough[i] = l.bound;
    }
    a.run(net_.layers.size() - 1, int(n), kFirstRates, lower.data(), enough.data());
    for (std::size_t i = 0; i < n; ++i) if (!refutes(stack_[first + i].limit, lower[i])) left.push_back(std::move(stack_[first + i]));
  }
  if (!root_.stop()) stack_ = std::move(left);
}

/// Once more, each bound raised by itself.
void GroupSearch::raise_bounds() {
  std::vector<std::int32_t> rows;
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    root_.forward(k);
    if (!root_.is_critical(k)) continue;
    root_.loose(k, rows);
    if (!rows.empty()) ascend_layer(k, rows);
    if (root_.stop()) return;
  }
}

/// Descents towards the open cases' counterexamples for some seconds.
void GroupSearch::attack_open(double seconds) {
  std::vector<std::int32_t> open;
  for (const Domain& d : stack_) open.push_back(d.of);
  const double until = watch_.seconds() + seconds;
  std::atomic<std::uint64_t> seed{problem_.options.seed + 1000};
  crew_.on_threads([&](unsigned) {
    while (!watch_.stopped() && watch_.seconds() < until) attack(problem_, watch_, open, 40, 1, seed.fetch_add(1));
  });
}

/// The cases that the root's bounds leave, each with the row that is nearest to being refuted.
void GroupSearch::cases() {
  const std::size_t last = net_.layers.size() - 1;
  std::vector<std::int32_t> wanted;
  for (std::int32_t c : problem_.groups[group_]) for (const Limit& l : problem_.cases[std::size_t(c)]) wanted.push_back(l.query);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<Query> queries;
  for (std::int32_t w : wanted) queries.push_back(problem_.queries[std::size_t(w)]);
  std::vector<double> lower(queries.size());
  root_.bound(last, queries, lower.data());
  stack_.clear();
  std::vector<Domain> none;
  for (std::int32_t c : problem_.groups[group_]) {
    Domain d;
    d.of = c;
    bool refuted = false;
    for (const Limit& l : problem_.cases[std::size_t(c)]) {
      const double v = lower[std::size_t(std::lower_bound(wanted.begin(), wanted.end(), l.query) - wanted.begin())];
      refuted |= refutes(l, v);
      if (v - l.bound >= d.lower) d.lower = v - l.bound, d.limit = l;
    }
    (refuted ? none : stack_).push_back(std::move(d));
  }
  if (record_) record_cases(none);
}

/// The record's tree begins anew: bounds of hidden layers as they are now, then a goal for each case; those on the stack are still to be reached.
void GroupSearch::record_cases(const std::vector<Domain>& refuted) {
  using check_proof::Tag;
  if (tree_ < 0) tree_ = record_->root(problem_.groups[group_]);
  record_->cut(tree_);
  if (stack_.empty() && hidden_.bytes().empty()) {
    record_->add(tree_, Writer().tag(Tag::refuted).number(0).bytes(), 0);
    return;
  }
  Ascent& a = crew_.ascent(0);
  a.begin(root_);
  Bounding lines{std::string(a.open().size(), 0), {}};
  std::vector<float> slopes(a.num_slopes());
  a.get_slopes(0, slopes.data());
  for (std::size_t i = 0; i < lines.slopes.size(); ++i) lines.slopes[i] = char(slope_byte(slopes[i]));
  const std::size_t count = refuted.size() + stack_.size();
  std::int64_t next = record_->add(tree_, Writer().tag(Tag::signs).append(hidden_.bytes()).append(a.places()).tag(Tag::goals).number(count).bytes(), int(count));
  auto goal = [&](const Domain& d) {
    Writer w;
    w.number(std::uint64_t(d.of));
    bool found = false;
    for (const Limit& l : problem_.cases[std::size_t(d.of)]) {
      const bool this_one = !found && l.query == d.limit.query && l.bound == d.limit.bound;
      w.real(this_one), found |= this_one;
    }
    return record_->add(next++, w.bytes(), 1);
  };
  for (const Domain& d : refuted) record_->add(goal(d), bytes_of(lines), 0);
  for (Domain& d : stack_) d.node = goal(d);
}

/// No open activation costs the domain's bound anything: what is left is linear. True: it is refuted, a counterexample was found, or it stays open. False: the best multipliers
/// have made activations matter, `choices`.
bool GroupSearch::settle(Ascent& ascent, Domain& d, const std::vector<float>& slopes, std::vector<Ascent::Choice>& choices) {
  const Query& q = problem_.queries[std::size_t(d.limit.query)];
  std::vector<float> point(std::size_t(net_.inputs()));
  if (best_multipliers(ascent, q, d.limit.bound, d.splits, slopes.data(), point)) {
    if (watch_.try_point(watch_.inside(group_, point))) return true;
    double lower = -INFINITY;
    const double never = INFINITY;
    const std::size_t last = net_.layers.size() - 1;
    ascent.set(0, last, q, d.splits, slopes.data());
    ascent.run(last, 1, {1}, &lower, &never);
    d.lower = lower;
    if (refutes(d.limit, lower)) {
      refuted(ascent, 0, d);
      return true;
    }
    choices = ascent.choices(0, kLook);
    if (!choices.empty()) return false;
  }
  std::lock_guard lock(mutex_);
  given_up_ = true;
  return true;
}

/// By the last bound of a column.
void GroupSearch::refuted(Ascent& ascent, int column, const Domain& d) {
  if (record_) record_->add(d.node, bytes_of(ascent.best(column, ascent.open().size())), 0);
  std::lock_guard lock(mutex_);
  done_ += d.weight;
}

void GroupSearch::batch(Ascent& ascent, Descent& descent, std::vector<Domain>& domains, std::vector<Domain>& children) {
  const std::size_t last = net_.layers.size() - 1, n = std::size_t(net_.inputs());
  std::vector<double> lower(domains.size()), enough(domains.size());
  bool fresh = false;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    Domain& d = domains[i];
    ascent.set(int(i), last, problem_.queries[std::size_t(d.limit.query)], std::move(d.splits), d.slopes ? d.slopes->data() : nullptr);
    enough[i] = d.limit.bound;
    fresh |= !d.slopes;
  }
  ascent.run(last, int(domains.size()), fresh ? kFirstRates : kMoreRates, lower.data(), enough.data());
  watch_.count(std::ssize(domains));
  std::vector<std::vector<float>> points;
  std::vector<std::int32_t> point_of;
  std::vector<std::size_t> left, leaves;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    Domain& d = domains[i];
    if (refutes(d.limit, lower[i])) {
      refuted(ascent, int(i), d);
      continue;
    }
    std::vector<float> x(n);
    ascent.corner(int(i), x);
    points.push_back(watch_.inside(group_, x)), point_of.push_back(d.of);
    left.push_back(i);
  }
  if (descent.screen(watch_, points, point_of)) return;
  // Which activation: of those that seem to cost most, the one whose two halves are bounded best by one pass.
  struct Candidate {
    std::size_t domain;
    Ascent::Choice choice;
    std::shared_ptr<const std::vector<float>> slopes;
    double gain = -INFINITY;
  };
  std::vector<Candidate> candidates;
  std::vector<std::shared_ptr<std::vector<float>>> slopes(domains.size());
  for (std::size_t i : left) {
    slopes[i] = std::make_shared<std::vector<float>>(ascent.num_slopes());
    ascent.get_slopes(int(i), slopes[i]->data());
    domains[i].lower = lower[i], domains[i].splits = ascent.splits(int(i));
    const auto choices = ascent.choices(int(i), kLook);
    if (choices.empty()) leaves.push_back(i);
    for (const auto& c : choices) candidates.push_back({i, c, slopes[i]});
  }
  // Where nothing open costs anything a longer ascent is tried, all at once, before the linear program of each.
  if (!leaves.empty()) {
    std::vector<double> raised(leaves.size()), goals(leaves.size());
    for (std::size_t j = 0; j < leaves.size(); ++j) {
      const Domain& d = domains[leaves[j]];
      ascent.set(int(j), last, problem_.queries[std::size_t(d.limit.query)], d.splits, slopes[leaves[j]]->data()), goals[j] = d.limit.bound;
    }
    ascent.run(last, int(leaves.size()), kLeafRates, raised.data(), goals.data());
    std::vector<std::size_t> open;
    for (std::size_t j = 0; j < leaves.size(); ++j) {
      Domain& d = domains[leaves[j]];
      if (refutes(d.limit, raised[j])) {
        refuted(ascent, int(j), d);
        continue;
      }
      const auto choices = ascent.choices(int(j), kLook);
      if (choices.empty()) {
        open.push_back(leaves[j]);
        continue;
      }
      d.lower = lower[leaves[j]] = std::max(raised[j], d.lower), d.splits = ascent.splits(int(j));
      for (const auto& c : choices) candidates.push_back({leaves[j], c, slopes[leaves[j]]});
    }
    for (std::size_t i : open) {
      std::vector<Ascent::Choice> choices;
      if (settle(ascent, domains[i], *slopes[i], choices)) continue;
      for (const auto& c : choices) candidates.push_back({i, c, slopes[i]});
    }
  }
  const std::size_t pairs = std::size_t(columns_) / 2;
  std::vector<double> bounds(2 * pairs, 0.0), never(2 * pairs, INFINITY);
  for (std::size_t first = 0; first < candidates.size(); first += pairs) {
    const std::size_t count = std::min(pairs, candidates.size() - first);
    for (std::size_t j = 0; j < count; ++j) {
      Candidate& c = candidates[first + j];
      for (int side = 0; side < 2; ++side) {
        std::vector<Split> splits = domains[c.domain].splits;
        splits.push_back({c.choice.open, side ? -1.0f : 1.0f});
        ascent.set(int(2 * j) + side, last, problem_.queries[std::size_t(domains[c.domain].limit.query)], std::move(splits), c.slopes->data());
      }
    }
    ascent.run(last, int(2 * count), {1}, bounds.data(), never.data());
    for (std::size_t j = 0; j < count; ++j) {
      Candidate& c = candidates[first + j];
      const double least = lower[c.domain];
      const double a = std::max(bounds[2 * j], least), b = std::max(bounds[2 * j + 1], least), goal = domains[c.domain].limit.bound;
      c.gain = (std::min(a, goal) - least + 1e-9) * (std::min(b, goal) - least + 1e-9);
    }
  }
  for (std::size_t at = 0; at < candidates.size();) {
    std::size_t best = at, end = at;
    while (end < candidates.size() && candidates[end].domain == candidates[at].domain) {
      if (candidates[end].gain > candidates[best].gain) best = end;
      ++end;
    }
    const Candidate& c = candidates[best];
    if (record_) domains[c.domain].node = record_->add(domains[c.domain].node, Writer().tag(check_proof::Tag::sign_split).number(std::uint64_t(c.choice.open)).bytes(), 2);
    for (float sign : {1.0f, -1.0f}) {
      Domain child = domains[c.domain];
      child.node += sign < 0;
      child.slopes = c.slopes, child.weight /= 2;
      child.splits.push_back({c.choice.open, sign});
      children.push_back(std::move(child));
    }
    at = end;
  }
}

void GroupSearch::work(unsigned thread) {
  Ascent& a = crew_.ascent(thread);
  a.begin(root_);                                    // the root's own ascents have left other lines
  Descent descent(problem_, problem_.options.seed + 100 + thread);
  std::vector<Domain> domains, children;
  std::vector<std::vector<float>> starts(static_cast<std::size_t>(descent.lanes()));
  std::vector<std::int32_t> of(starts.size());
  std::int64_t rounds = 0;
  auto last_shown = std::chrono::steady_clock::now();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !stack_.empty() || busy_ == 0 || given_up_ || watch_.stopped(); });
      if (given_up_ || watch_.stopped() || watch_.seconds() > until_ || (stack_.empty() && busy_ == 0)) break;
      domains.clear();
      const std::size_t most = std::size_t(columns_);
      const std::size_t take = std::min(most, std::max<std::size_t>(1, problem_.threads > 1 && stack_.size() < 2 * most ? (stack_.size() + 1) / 2 : stack_.size()));
      for (std::size_t i = 0; i < take; ++i) domains.push_back(std::move(stack_.back())), stack_.pop_back();
      ++busy_;
    }
    children.clear();
    if (++rounds % 16 == 0) {                        // counterexamples lie where bounds are least
      for (std::size_t q = 0; q < starts.size(); ++q) {
        of[q] = domains[q % domains.size()].of, starts[q].resize(std::size_t(net_.inputs()));
        descent.random_start(starts[q], of[q], std::size_t(rounds / 16) * 2 + q);
      }
      descent.run(watch_, starts, of, 40, 0.25f);
    }
    batch(a, descent, domains, children);
    {
      std::lock_guard lock(mutex_);
      for (Domain& c : children) stack_.push_back(std::move(c));
      --busy_;
    }
    changed_.notify_all();
    if (watch_.out_of_time()) watch_.stop(), changed_.notify_all();
    if (thread == 0 && problem_.options.progress && std::chrono::steady_clock::now() - last_shown > std::chrono::milliseconds(200)) {
      last_shown = std::chrono::steady_clock::now();
      problem_.options.progress(done(), watch_.regions());
    }
  }
  changed_.notify_all();
}

End GroupSearch::run(double until) {
  until_ = until;
  if (!rooted_) {
    const double limit = problem_.options.timeout_s;
    if (!first_bounds(watch_.seconds() + 0.25 * limit)) {  // a large network: what is found at all is found by descents
      attack_open(0.2 * limit);
      if (!watch_.stopped()) first_bounds(INFINITY);
    } else if (!stack_.empty()) {
      attack_open(std::min(1.0, 0.01 * limit));
    }
    if (!record_ && !stack_.empty()) raise_cases();  // a certificate has the case's bound where it stands at the end
    if (stack_.empty() && !watch_.stopped()) return End::proved;
    root_until_ = watch_.seconds() + 0.2 * limit;
    if (!root_.stop()) raise_bounds();
    root_until_ = INFINITY;
    if (watch_.out_of_time()) watch_.stop();
    if (watch_.stopped()) return End::stopped;
    cases();
    rooted_ = true;
    total_ = double(stack_.size());
    // The nearest to being refuted last on the stack: first done.
    std::sort(stack_.begin(), stack_.end(), [](const Domain& a, const Domain& b) { return a.lower < b.lower; });
  }
  // By turns, each time twice as long: the search, and then hidden bounds by searches of their own, on which it begins anew - unless it has done more than half of what was left.
  for (;;) {
    until_ = std::min(until, watch_.seconds() + turn_);
    const double before = done();
    if (!given_up_) crew_.on_threads([this](unsigned t) { work(t); });
    if (watch_.stopped()) return End::stopped;
    if (stack_.empty() && !given_up_) return End::proved;
    if (watch_.seconds() >= until) return End::paused;
    turn_ *= 2;
    if (1 - done() < 0.5 * (1 - before) && !given_up_) continue;
    const bool tighter = hidden_bounds(problem_, watch_, root_, crew_, std::min(until, watch_.seconds() + turn_), record_ ? &hidden_ : nullptr);
    if (given_up_ && !tighter) return watch_.stopped() ? End::stopped : End::given_up;
    given_up_ = false, done_ = 0;
    cases();
    total_ = double(stack_.size());
  }
}

/// Box by box.
class ActivationSearch final : public Search {
 public:
  ActivationSearch(const Problem& p, Watch& w, Record* record) : problem_(p), watch_(w), record_(record) {}
  End run(double until) override {
    while (at_ < problem_.groups.size()) {
      if (!now_) now_ = std::make_unique<GroupSearch>(problem_, watch_, record_, at_);
      const End e = now_->run(until);
      if (e == End::given_up) given_up_ = true;
      else if (e != End::proved) return e;
      now_ = nullptr, ++at_;
      if (at_ < problem_.groups.size() && watch_.out_of_time()) watch_.stop();
      if (watch_.stopped()) return End::stopped;
    }
    return given_up_ ? End::given_up : End::proved;
  }
  double done() const override { return (double(at_) + (now_ ? now_->done() : 0)) / double(problem_.groups.size()); }
  std::string why() const override { return "a sub-problem with every activation's sign fixed stays open"; }

 private:
  const Problem& problem_;
  Watch& watch_;
  Record* record_;
  std::size_t at_ = 0;
  bool given_up_ = false;
  std::unique_ptr<GroupSearch> now_;
};
}  // namespace

std::unique_ptr<Search> activation_search(const Problem& problem, Watch& watch, Record* record) { return std::make_unique<ActivationSearch>(problem, watch, record); }

}  // namespace saha::verify
