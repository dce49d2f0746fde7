// A problem as the prover takes it: one graph of all the networks at all the points, and the cases of a counterexample with their boxes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/figures.hpp"
#include "op/builder.hpp"
#include "validate/prove_problem.hpp"

namespace saha::validate {

std::vector<double> PointForm::at(std::span<const double> x) const {
  std::vector<double> v;
  v.reserve(elements.size());
  for (const auto& [i, c] : elements) v.push_back(i < 0 ? c : x[static_cast<std::size_t>(i)]);
  return v;
}

}  // namespace saha::validate

namespace saha::validate::proof {
namespace {

constexpr std::size_t kMostValues = 16, kMostBoxes = 256;   // a field of so many values is split, into so many boxes in all

Dims dims_of(const ir::Graph& g, ir::ValueId v) {
  Dims d;
  for (const ir::Dim& x : g.type(v).dims) d.push_back(x.known().value_or(-1));
  return d;
}

class GraphMaker {
 public:
  explicit GraphMaker(const Problem& p) : p_(p) {}

  Result<ir::Graph> make(Recall& recall) {
    const bool alone = std::ranges::count_if(p_.inputs, [](const Input& i) { return i.network_input >= 0; }) <= std::ptrdiff_t(p_.network->graph.inputs().size());
    const ir::Graph& own = p_.network->graph;
    for (const Input& i : p_.inputs) {
      const bool tensor = i.network_input >= 0;
      const ir::ValueId like = tensor ? own.inputs()[std::size_t(i.network_input)] : ir::ValueId::none;
      inputs_.push_back(b_.input(tensor ? own[like].type : ir::tensor_type(DType::f32, {ir::Dim(1)}), tensor && alone ? own.name(like) : i.name));
    }
    std::map<std::pair<std::string, std::size_t>, op::Vals> made;   // all outputs of a model at a point
    op::Vals outputs;
    for (const Query::Run& r : p_.runs) {
      SAHA_TRY(const auto net, recall.evidence().network(r.model));
      auto at = made.find({r.model, r.point});
      if (at == made.end()) at = made.emplace(std::pair(r.model, r.point), b_.inline_graph(net->graph, inputs_of(net->graph, p_.points[r.point]))).first;
      for (std::size_t k = 0; k < net->graph.outputs().size(); ++k)
        if (net->graph.name(net->graph.outputs()[k]) == r.output && k < at->second.size()) outputs.push_back(at->second[k]);
      if (!outputs.empty() && !b_.failed() && b_.producer(outputs.back()))
        b_.rename(outputs.back(), p_.runs.size() == 1 ? r.output : r.model + "." + r.output + "." + std::to_string(outputs.size()));
    }
    if (p_.runs.empty()) outputs.push_back(b_.op("Identity", {inputs_[0]}));   // a graph has an output, though nothing is said of it
    if (b_.failed()) return Error(*b_.error());
    return std::move(b_).build(outputs);
  }

 private:
  /// What the inputs of a network are at a point: an input of the query as it is, or elements and constants brought together.
  op::Vals inputs_of(const ir::Graph& net, const PointForm& point) {
    op::Vals in;
    std::size_t first = 0;
    for (ir::ValueId v : net.inputs()) {
      const Dims dims = dims_of(net, v);
      const auto size = std::size_t(num_elements(dims));
      const std::span<const std::pair<std::int32_t, double>> elements(point.elements.data() + first, size);
      first += size;
      if (op::Val whole = as_it_is(elements)) {
        const bool same = dims == dims_of(b_.graph(), whole.id);
        in.push_back(same ? whole : b_.op("Reshape", {whole, b_.ints(dims)}));
        continue;
      }
      in.push_back(b_.op("Reshape", {gathered(elements), b_.ints(dims)}));
    }
    return in;
  }

  op::Val as_it_is(std::span<const std::pair<std::int32_t, double>> elements) const {
    for (std::size_t k = 0; k < p_.inputs.size(); ++k) {
      const Input& i = p_.inputs[k];
      if (std::size_t(i.size) != elements.size()) continue;
      bool in_place = true;
      for (std::size_t e = 0; e < elements.size() && in_place; ++e) in_place = elements[e].first == i.first + std::int32_t(e);
      if (in_place) return inputs_[k];
    }
    return {};
  }

  /// Elements are moved to their places and zeros to those of constants, which are then added: what the checker of certificates reads.
  op::Val gathered(std::span<const std::pair<std::int32_t, double>> elements) {
    std::set<std::size_t> used;
    std::vector<double> constants;
    auto input_of = [&](std::int32_t x) {
      return std::size_t(std::ranges::find_if(p_.inputs, [&](const Input& i) { return x >= i.first && x < i.first + i.size; }) - p_.inputs.begin());
    };
    bool any = false;
    for (const auto& [x, c] : elements) {
      if (x >= 0) used.insert(input_of(x));
      constants.push_back(x >= 0 ? 0 : c);
      any = any || x < 0;
    }
    const op::Val added = b_.constant(Tensor::of(DType::f32, {std::int64_t(constants.size())}, constants));
    if (used.empty()) return added;
    op::Vals parts;
    std::map<std::size_t, std::int64_t> start;
    std::int64_t length = 0;
    for (std::size_t k : used) {
      parts.push_back(b_.op("Reshape", {inputs_[k], b_.ints({-1})}));
      start[k] = length;
      length += p_.inputs[k].size;
    }
    std::vector<std::int64_t> from;
    for (const auto& [x, c] : elements) from.push_back(x < 0 ? length : start[input_of(x)] + (x - p_.inputs[input_of(x)].first));
    op::Val all = parts.size() == 1 ? parts[0] : b_.op("Concat", parts, {{"axis", std::int64_t(0)}});
    if (any) all = b_.op("Pad", {all, b_.ints({0, 1})});
    all = b_.op("Gather", {all, b_.ints(from)}, {{"axis", std::int64_t(0)}});
    return any ? b_.op("Add", {all, added}) : all;
  }

  const Problem& p_;
  op::Builder b_;
  op::Vals inputs_;
};

/// The boxes of a case: ranges narrowed by what is said of single elements.
class Boxes {
 public:
  explicit Boxes(const Problem& p) : p_(p), used_(p.elements.size(), false) {
    for (const Query::Run& r : p.runs) for (const auto& [x, c] : p.points[r.point].elements) if (x >= 0) used_[std::size_t(x)] = true;
  }

  using Narrow = std::map<std::int32_t, Scope::Range>;

  /// Empty: no element is in range.
  std::vector<std::shared_ptr<const verify::Box>> of(const std::vector<Atom>& atoms) {
    Narrow narrow;
    std::set<std::int32_t> mentioned;
    for (const Atom& a : atoms) {
      for (const auto& [x, c] : a.linear.x) mentioned.insert(x);
      if (!a.linear.y.empty() || a.linear.x.size() != 1) continue;
      const auto [x, c] = a.linear.x[0];
      const double end = -a.linear.constant / c;
      const Element& e = p_.elements[std::size_t(x)];
      auto& range = narrow.emplace(x, Scope::Range{e.lo, e.hi}).first->second;
      if (c > 0) range.second = std::min(range.second, end);
      else range.first = std::max(range.first, end);
    }
    auto key = std::pair(narrow, mentioned);
    if (auto known = made_.find(key); known != made_.end()) return known->second;
    return made_[key] = make(narrow, mentioned);
  }

 private:
  std::vector<std::shared_ptr<const verify::Box>> make(const Narrow& narrow, const std::set<std::int32_t>& mentioned) {
    verify::Box box;
    std::vector<std::pair<std::size_t, std::vector<double>>> split;
    std::size_t boxes = 1;
    for (std::size_t i = 0; i < p_.elements.size(); ++i) {
      const Element& e = p_.elements[i];
      auto n = narrow.find(std::int32_t(i));
      double lo = n == narrow.end() ? e.lo : n->second.first, hi = n == narrow.end() ? e.hi : n->second.second;
      if (e.whole) lo = std::ceil(lo), hi = std::floor(hi);
      if (!(lo <= hi)) return {};
      const bool matters = used_[i] || mentioned.contains(std::int32_t(i));
      if (!e.values.empty() || (e.whole && e.field && hi - lo < double(kMostValues))) {
        std::vector<double> values;
        if (e.values.empty()) for (double v = lo; v <= hi; ++v) values.push_back(v);
        for (double v : e.values) if (v >= lo && v <= hi) values.push_back(v);
        if (values.empty()) return {};
        lo = values.front(), hi = values.back();
        if (matters && values.size() > 1 && values.size() <= kMostValues && boxes * values.size() <= kMostBoxes) {
          boxes *= values.size();
          split.emplace_back(i, std::move(values));
        }
      }
      box.lo.push_back(lo);
      box.hi.push_back(matters ? hi : lo);   // what nothing depends on stands still
    }
    std::vector<verify::Box> all = {std::move(box)};
    for (const auto& [i, values] : split) {
      std::vector<verify::Box> more;
      for (const verify::Box& b : all) {
        for (double v : values) {
          more.push_back(b);
          more.back().lo[i] = more.back().hi[i] = v;
        }
      }
      all = std::move(more);
    }
    std::vector<std::shared_ptr<const verify::Box>> out;
    for (verify::Box& b : all) out.push_back(std::make_shared<const verify::Box>(std::move(b)));
    return out;
  }

  const Problem& p_;
  std::vector<bool> used_;
  std::map<std::pair<Narrow, std::set<std::int32_t>>, std::vector<std::shared_ptr<const verify::Box>>> made_;
};

/// Least value of a form over a box; y is not known, so a form with y has none.
double least(const Linear& l, const verify::Box& box) {
  if (!l.y.empty()) return -std::numeric_limits<double>::infinity();
  double v = l.constant, magnitude = std::abs(l.constant);
  for (const auto& [i, c] : l.x) {
    const double term = c * (c > 0 ? box.lo : box.hi)[std::size_t(i)];
    v += term;
    magnitude += std::abs(term);
  }
  return v - 1e-12 * magnitude;   // what the sum may have rounded
}

/// Whether the box meets every condition on x, as far as ranges show.
bool possible(const std::vector<Atom>& atoms, const verify::Box& box) {
  return std::ranges::all_of(atoms, [&](const Atom& a) { return least(a.linear, box) <= 0; });
}

/// One condition and its negation: no counterexample, whatever the network.
bool contradictory(const std::vector<Atom>& atoms) {
  constexpr std::size_t kMostCompared = 64;
  for (std::size_t i = 0; i < atoms.size() && i < kMostCompared; ++i)
    for (std::size_t j = i + 1; j < atoms.size() && j < kMostCompared; ++j)
      if ((atoms[i].strict || atoms[j].strict) && atoms[i].linear == times(atoms[j].linear, -1)) return true;
  return false;
}

}  // namespace

std::int64_t Problem::width() const {
  std::int64_t n = 0;
  for (const Query::Run& r : runs) n += r.width;
  return n;
}

double Ball::distance(std::span<const double> x) const {
  double s = 0;
  for (const auto& [i, c] : centre) s += (x[std::size_t(i)] - c) * (x[std::size_t(i)] - c);
  return std::sqrt(s);
}

Result<Asked> query(const Problem& p, Recall& recall) {
  Asked out;
  Boxes boxes(p);
  SAHA_TRY(const auto premise, cases(p.premise));
  out.vacuous = std::ranges::none_of(premise, [&](const auto& atoms) {
    return std::ranges::any_of(boxes.of(atoms), [&](const auto& box) { return possible(atoms, *box); });
  });
  if (out.vacuous) return out;
  Query& q = out.query;
  q.runs = p.runs;
  q.points = p.points;
  SAHA_TRY(const auto wrong, cases(p.breaks));
  SAHA_TRY(q.graph, GraphMaker(p).make(recall));
  q.property.inputs = std::int64_t(p.elements.size());
  q.property.outputs = p.runs.empty() && !p.inputs.empty() ? p.inputs[0].size : p.width();
  for (const auto& atoms : wrong) {
    if (contradictory(atoms)) continue;
    std::vector<verify::Row> rows;
    for (const Atom& a : atoms) {
      if (a.linear.y.empty() && a.linear.x.size() == 1 && !a.strict) continue;   // said by the box
      rows.push_back({a.linear.x, a.linear.y, -a.linear.constant, a.strict});
    }
    bool any = false;
    for (const auto& box : boxes.of(atoms)) {
      if (!possible(atoms, *box)) continue;
      any = true;
      if (q.property.cases.size() >= kMostCases) return Error{ErrorCode::unsupported, "the assertion falls into more than " + std::to_string(kMostCases) + " cases"};
      q.property.cases.push_back({box, rows});
    }
    q.property.empty_cases += !any;
  }
  return out;
}

Result<std::vector<double>> execute(const Problem& p, std::span<const double> x, Evidence& evidence) {
  std::map<std::pair<std::string, std::size_t>, Outputs> done;
  std::vector<double> y;
  for (const Query::Run& r : p.runs) {
    auto at = done.find({r.model, r.point});
    if (at == done.end()) {
      SAHA_TRY(Outputs all, evidence.execute(r.model, p.points[r.point].at(x)));
      at = done.emplace(std::pair(r.model, r.point), std::move(all)).first;
    }
    auto out = at->second.find(r.output);
    if (out == at->second.end() || std::int64_t(out->second.size()) != r.width)
      return Error{ErrorCode::invalid_data, "'" + r.model + "' on the engine that is judged gives " + (out == at->second.end() ? "no output '" + r.output + "'" : std::to_string(out->second.size()) + " values of '" + r.output + "', its graph " + std::to_string(r.width))};
    y.insert(y.end(), out->second.begin(), out->second.end());
  }
  return y;
}

std::string not_member(const Problem& p, std::span<const double> x) {
  for (std::size_t i = 0; i < p.elements.size(); ++i) {
    const Element& e = p.elements[i];
    const std::string is = e.name + " is " + figures::shortest(x[i]);
    // The ends themselves as float32 has them: x is float32, a range need not be.
    if (x[i] < e.lo && x[i] != double(float(e.lo))) return is + ", below " + figures::shortest(e.lo);
    if (x[i] > e.hi && x[i] != double(float(e.hi))) return is + ", above " + figures::shortest(e.hi);
    if (!e.values.empty() && std::ranges::none_of(e.values, [&](double v) { return x[i] == v || x[i] == double(float(v)); })) return is + ", none of its values";
    if (e.values.empty() && e.whole && x[i] != std::round(x[i])) return is + ", no whole number";
  }
  for (const Ball& b : p.balls)
    if (double d = b.distance(x); d > b.radius) return "it lies " + figures::significant(d, 6) + " from the sample, in the box around the ball of " + figures::significant(b.radius, 6);
  return {};
}

std::vector<double> nearest_member(const Problem& p, std::span<const double> x) {
  std::vector<double> v(x.begin(), x.end());
  for (const Ball& b : p.balls) {
    const double d = b.distance(v);
    if (d <= b.radius) continue;
    for (const auto& [i, c] : b.centre) v[std::size_t(i)] = c + (v[std::size_t(i)] - c) * b.radius / d * (1 - 1e-6);
  }
  for (std::size_t i = 0; i < p.elements.size(); ++i) {
    const Element& e = p.elements[i];
    if (!e.values.empty()) v[i] = *std::ranges::min_element(e.values, {}, [&](double c) { return std::abs(c - v[i]); });
    else if (e.whole) v[i] = std::clamp(std::round(v[i]), std::ceil(e.lo), std::max(std::ceil(e.lo), std::floor(e.hi)));
    float f = float(std::clamp(v[i], e.lo, e.hi));   // models take float32: the next one within
    if (double(f) < e.lo && double(std::nextafter(f, INFINITY)) <= e.hi) f = std::nextafter(f, INFINITY);
    if (double(f) > e.hi && double(std::nextafter(f, -INFINITY)) >= e.lo) f = std::nextafter(f, -INFINITY);
    v[i] = double(f);
  }
  return v;
}

}  // namespace saha::validate::proof
