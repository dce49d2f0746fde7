// (a or b) and (c or d)  ->  (a and c) or (a and d) or (b and c) or (b and d), depth first with one box that is tightened and restored.
#include "verify/formula.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>

#include "base/figures.hpp"

namespace saha::verify {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void raise(Box& box, std::size_t inputs) {
  if (box.lo.size() >= inputs) return;
  box.lo.resize(inputs, -kInfinity);
  box.hi.resize(inputs, kInfinity);
}

std::uint64_t hash(const Box& box) {
  std::uint64_t h = 0x9E3779B97F4A7C15u;
  for (const auto* side : {&box.lo, &box.hi})
    for (double v : *side) h = (std::rotl(h, 5) ^ std::bit_cast<std::uint64_t>(v)) * 0x9FB21C651E98DF25u;
  return h;
}

}  // namespace

void Formula::open(Join join) {
  joins_.push_back(join);
  if (nodes_open_.empty() && join == Join::all) return;
  nodes_open_.push_back(std::uint32_t(nodes_.size()));
  nodes_.push_back({.kind = join == Join::all ? Node::Kind::all : Node::Kind::any});
}

void Formula::close() {
  SAHA_ASSERT(!joins_.empty());
  joins_.pop_back();
  if (nodes_open_.empty()) return;
  const std::uint32_t at = nodes_open_.back();
  nodes_open_.pop_back();
  nodes_[at].end = std::uint32_t(nodes_.size());
  if (nodes_[at].inputs && !nodes_open_.empty()) nodes_[nodes_open_.back()].inputs = true;
}

void Formula::bound(std::int32_t input, bool upper, double value) {
  if (!nodes_open_.empty()) {
    nodes_[nodes_open_.back()].inputs = true;
    nodes_.push_back({upper ? Node::Kind::upper : Node::Kind::lower, false, std::uint32_t(nodes_.size() + 1), input, value});
    return;
  }
  raise(box_, std::size_t(input) + 1);
  double& b = (upper ? box_.hi : box_.lo)[std::size_t(input)];
  b = upper ? std::min(b, value) : std::max(b, value);
}

void Formula::at_most(Row row) {
  if (row.y.empty() && row.x.size() == 1) {
    const auto [input, factor] = row.x[0];
    const bool upper = factor > 0;
    double value = row.bound / factor + 0.0;   // no -0
    if (row.strict) value = std::nextafter(value, upper ? -kInfinity : kInfinity);
    return bound(input, upper, value);
  }
  if (row.x.empty() && row.y.empty()) {
    const bool holds = row.strict ? 0 < row.bound : 0 <= row.bound;
    if (nodes_open_.empty()) never_ |= !holds;
    else nodes_.push_back({.kind = holds ? Node::Kind::all : Node::Kind::never, .end = std::uint32_t(nodes_.size() + 1)});
    return;
  }
  const auto index = std::uint32_t(rows_.size());
  rows_.push_back(std::move(row));
  if (nodes_open_.empty()) common_.push_back(index);
  else nodes_.push_back({.kind = Node::Kind::row, .end = std::uint32_t(nodes_.size() + 1), .index = std::int32_t(index)});
}

/// One walk over all branches. What is still to hold is a linked list of ranges of nodes, so that a branch is left by cutting the lists short.
class Expansion {
 public:
  Expansion(Formula& formula, std::int64_t inputs, const std::function<std::string(std::int64_t)>& input, const FormulaLimits& limits)
      : f_(formula), input_(input), limits_(limits), box_(std::move(formula.box_)), rows_(std::move(formula.common_)) {
    raise(box_, std::size_t(inputs));
  }

  Result<> run(Property& out) {
    for (std::size_t i = 0; i < box_.lo.size(); ++i) {
      open_ += !std::isfinite(box_.lo[i]) + !std::isfinite(box_.hi[i]);
      if (box_.lo[i] > box_.hi[i]) note(std::int32_t(i));
    }
    if (f_.never_ || conflict_ >= 0) return finish(out);
    // Bounds first: cases that differ in their rows only then follow each other, and share the box.
    std::uint32_t agenda = kNone;
    for (bool inputs : {false, true}) {
      std::vector<std::uint32_t> these;
      for (std::uint32_t at = 0; at < f_.nodes_.size(); at = f_.nodes_[at].end)
        if (f_.nodes_[at].inputs == inputs) these.push_back(at);
      for (auto at = these.rbegin(); at != these.rend(); ++at) agenda = push(*at, f_.nodes_[*at].end, agenda);
    }
    std::int64_t steps = std::int64_t(f_.nodes_.size()) + kMostSteps;
    for (;;) {
      bool open = true;
      while (open && agenda != kNone) {
        if (--steps < 0) return limit("multiplying its 'or's out takes more than " + figures::grouped(double(kMostSteps)) + " steps");
        const Item item = agenda_[agenda];
        const auto& node = f_.nodes_[item.at];
        agenda = node.end < item.end ? push(node.end, item.end, item.next) : item.next;
        switch (node.kind) {
          case Node::Kind::all:
            if (item.at + 1 < node.end) agenda = push(item.at + 1, node.end, agenda);
            break;
          case Node::Kind::any:
            if (item.at + 1 == node.end) { open = false; break; }
            choices_.push_back({item.at + 1, node.end, agenda, agenda_.size(), rows_.size(), trail_.size()});
            agenda = next_branch();
            break;
          case Node::Kind::lower: open = tighten(node.index, false, node.value); break;
          case Node::Kind::upper: open = tighten(node.index, true, node.value); break;
          case Node::Kind::row: rows_.push_back(std::uint32_t(node.index)); break;
          case Node::Kind::never: open = false; break;
        }
      }
      if (open) SAHA_DO(emit(out));
      else ++out.empty_cases;
      if (std::int64_t(out.cases.size()) + out.empty_cases > limits_.branches) return limit("it has more than " + figures::grouped(double(limits_.branches)) + " cases");
      if (choices_.empty()) return finish(out);
      agenda = next_branch();
    }
  }

 private:
  using Node = Formula::Node;
  static constexpr std::uint32_t kNone = ~0u;
  static constexpr std::int64_t kMostSteps = 1 << 26;
  struct Item { std::uint32_t at, end, next; };
  struct Choice {
    std::uint32_t at, end;       ///< branches that are left
    std::uint32_t agenda;        ///< what else is to hold
    std::size_t items, rows, trail;
  };
  struct Change { std::int32_t input; bool upper; double before; };

  std::uint32_t push(std::uint32_t at, std::uint32_t end, std::uint32_t next) {
    agenda_.push_back({at, end, next});
    return std::uint32_t(agenda_.size() - 1);
  }

  std::uint32_t next_branch() {
    Choice& c = choices_.back();
    agenda_.resize(c.items);
    rows_.resize(c.rows);
    if (trail_.size() > c.trail) shared_ = nullptr;
    for (; trail_.size() > c.trail; trail_.pop_back()) {
      (trail_.back().upper ? box_.hi : box_.lo)[std::size_t(trail_.back().input)] = trail_.back().before;
      open_ += !std::isfinite(trail_.back().before);
    }
    const std::uint32_t at = c.at, end = f_.nodes_[at].end, rest = c.agenda;
    if (end == c.end) choices_.pop_back();
    else c.at = end;
    return push(at, end, rest);
  }

  bool tighten(std::int32_t input, bool upper, double value) {
    const auto i = std::size_t(input);
    double& b = (upper ? box_.hi : box_.lo)[i];
    if (upper ? value >= b : value <= b) return true;
    trail_.push_back({input, upper, b});
    shared_ = nullptr;
    open_ -= !std::isfinite(b);
    b = value;
    if (box_.lo[i] <= box_.hi[i]) return true;
    note(input);
    return false;
  }

  void note(std::int32_t input) {
    if (conflict_ >= 0) return;
    conflict_ = input;
    conflict_lo_ = box_.lo[std::size_t(input)];
    conflict_hi_ = box_.hi[std::size_t(input)];
  }

  Result<> emit(Property& out) {
    std::shared_ptr<const Box> box = shared_;
    if (!box && open_ == 0) {
      SAHA_TRY(box, interned(box_));
      shared_ = box;
    } else if (!box) {   // the rows, which are the case's own, are to close it
      Box closed = box_;
      const std::size_t i = close(closed);
      if (i == kClosed) {
        SAHA_TRY(box, interned(closed));
      } else if (closed.lo[i] > closed.hi[i]) {
        if (conflict_ < 0) conflict_ = std::int32_t(i), conflict_lo_ = closed.lo[i], conflict_hi_ = closed.hi[i];
        ++out.empty_cases;
        return {};
      } else {
        std::string which = f_.nodes_.empty() ? "" : " in case " + std::to_string(out.cases.size() + 1);
        return Error{ErrorCode::invalid_file, input_(std::int64_t(i)) + " has no " + (std::isfinite(closed.lo[i]) ? "upper" : "lower") + " bound" + which, "each input needs a lower and an upper bound"};
      }
    }
    Case c{std::move(box), {}};
    c.rows.reserve(rows_.size());
    for (std::uint32_t r : rows_) {
      terms_left_ -= std::int64_t(f_.rows_[r].x.size() + f_.rows_[r].y.size());
      if (--rows_left_ < 0) return limit("its cases have more than " + figures::grouped(double(limits_.rows)) + " rows in all");
      if (terms_left_ < 0) return limit("the rows of its cases have more than " + figures::grouped(double(limits_.terms)) + " coefficients in all");
      c.rows.push_back(f_.rows_[r]);
    }
    out.cases.push_back(std::move(c));
    return {};
  }

  Result<std::shared_ptr<const Box>> interned(const Box& box) {
    const std::uint64_t key = hash(box);
    auto [begin, end] = boxes_.equal_range(key);
    for (auto b = begin; b != end; ++b)
      if (b->second->lo == box.lo && b->second->hi == box.hi) return b->second;
    numbers_ += std::int64_t(box.lo.size());
    if (numbers_ > limits_.box_numbers) return limit("the boxes of its cases have more than " + figures::grouped(double(limits_.box_numbers)) + " inputs in all");
    return boxes_.emplace(key, std::make_shared<const Box>(box))->second;
  }

  /// Bounds that are missing, from the rows of inputs alone, round by round as each closes others. kClosed where none is missing then and lo <= hi;
  /// else an input of which that is not so.
  static constexpr std::size_t kClosed = ~std::size_t{0};
  std::size_t close(Box& box) {
    for (bool changed = true; changed && closing_ > 0;) {
      changed = false;
      for (std::uint32_t r : rows_) {
        const Row& row = f_.rows_[r];
        if (!row.y.empty()) continue;
        closing_ -= std::int64_t(row.x.size());
        // factor * x <= bound - the least that the others are, which they must all have.
        auto least_is_open = [&](std::int32_t i, double factor) { return !std::isfinite((factor > 0 ? box.lo : box.hi)[std::size_t(i)]); };
        std::size_t open = 0;
        for (auto [i, factor] : row.x) open += least_is_open(i, factor);
        for (auto [i, factor] : row.x) {
          double& b = (factor > 0 ? box.hi : box.lo)[std::size_t(i)];
          if (std::isfinite(b) || open > (least_is_open(i, factor) ? 1u : 0u)) continue;
          b = closing(row, box, i, factor);
          changed |= std::isfinite(b);
        }
      }
    }
    for (std::size_t i = 0; i < box.lo.size(); ++i)
      if (!std::isfinite(box.lo[i]) || !std::isfinite(box.hi[i]) || box.lo[i] > box.hi[i]) return i;
    return kClosed;
  }

  /// The bound of x_i by the row, not within what it is in real numbers.
  static double closing(const Row& row, const Box& box, std::int32_t i, double factor) {
    double rest = row.bound, magnitude = std::abs(row.bound);
    bool copied = row.bound == 0 && row.x.size() == 2;
    for (auto [j, f] : row.x) {
      if (j == i) continue;
      const double term = f * (f > 0 ? box.lo : box.hi)[std::size_t(j)];
      rest -= term;
      magnitude += std::abs(term);
      copied &= f == -factor;
    }
    if (copied) {   // x_i <= x_j: no rounding
      for (auto [j, f] : row.x) if (j != i) return (f > 0 ? box.lo : box.hi)[std::size_t(j)];
    }
    const double slack = magnitude * 0x1p-52 * double(row.x.size() + 2) + std::numeric_limits<double>::denorm_min();
    const double value = (rest + slack) / factor;
    return std::nextafter(value, factor > 0 ? kInfinity : -kInfinity);
  }

  Result<> finish(Property& out) {
    if (!out.cases.empty()) return {};
    out.empty_cases = std::max<std::int64_t>(out.empty_cases, 1);
    std::string why = "a comparison of constants is false";
    if (conflict_ >= 0) why = input_(conflict_) + " is to be at least " + figures::shortest(conflict_lo_) + " and at most " + figures::shortest(conflict_hi_);
    if (out.empty_cases > 1) why += ", and " + std::string(out.empty_cases > 2 ? "its other cases have" : "its other case has") + " no input either";
    return Error{ErrorCode::invalid_file, "no input is left: " + why, "of no inputs everything holds; such a property says nothing of the network"};
  }

  static Error limit(std::string what) { return {ErrorCode::invalid_file, std::move(what)}; }

  Formula& f_;
  const std::function<std::string(std::int64_t)>& input_;
  const FormulaLimits& limits_;
  Box box_;
  std::vector<std::uint32_t> rows_;
  std::vector<Item> agenda_;
  std::vector<Choice> choices_;
  std::vector<Change> trail_;
  std::shared_ptr<const Box> shared_;     ///< equals box_, if not null
  std::unordered_multimap<std::uint64_t, std::shared_ptr<const Box>> boxes_;
  std::int64_t numbers_ = 0, rows_left_ = limits_.rows, terms_left_ = limits_.terms;
  std::int64_t closing_ = kMostSteps;     ///< terms that close() may still look at
  std::int64_t open_ = 0;                 ///< bounds of box_ that are infinite
  std::int32_t conflict_ = -1;
  double conflict_lo_ = 0, conflict_hi_ = 0;
};

Result<Property> Formula::property(std::int64_t inputs, std::int64_t outputs, const std::function<std::string(std::int64_t)>& input, const FormulaLimits& limits) && {
  SAHA_ASSERT(joins_.empty());
  Property out;
  out.inputs = inputs;
  out.outputs = outputs;
  SAHA_DO(Expansion(*this, inputs, input, limits).run(out));
  return out;
}

}  // namespace saha::verify
