// From the tree of an assertion to a formula over the elements of x (inputs in raw units) and y (outputs), at one choice of what it enumerates.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/figures.hpp"
#include "validate/pointwise.hpp"
#include "validate/prove_problem.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate::proof {
namespace {

constexpr std::size_t kMostCombinations = 100'000;
constexpr std::int64_t kMostWidth = 65'536;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Error unsaid(std::string message, std::string help = {}) { return {ErrorCode::unsupported, std::move(message), std::move(help)}; }
Error lacking(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }
Error not_linear(const Expr& e, std::string_view what) { return unsaid("'" + print(e) + "' cannot be proved: " + std::string(what)); }

bool is_data(const std::string& name, const Scope& scope) {
  static const std::vector<std::string> kUsual = {"test", "train", "val", "calibration"};
  return scope.find_data(name) || (!scope.data_known && std::ranges::find(kUsual, name) != kUsual.end());
}
bool is_call(const Expr& e, std::string_view word) { return e.kind == Expr::Kind::call && e.path.size() == 1 && e.path[0] == word; }
bool is_name(const Expr& e) { return e.kind == Expr::Kind::name && e.path.size() == 1; }

Result<std::vector<double>> values_of(const std::string& field_name, const Requirement& r, const Scope& scope, Recall& recall) {
  constexpr std::size_t kMostValues = 64;
  const Scope::Field* f = scope.field(field_name);
  if (f && !f->values.empty()) return std::vector<double>(f->values);
  if (f && f->whole && f->domain && f->domain->second - f->domain->first < double(kMostValues)) {
    std::vector<double> values;
    for (double v = std::ceil(f->domain->first); v <= f->domain->second; ++v) values.push_back(v);
    if (!values.empty()) return values;
  }
  if (f) return unsaid("the values of '" + field_name + "' are not known", "state them: model.input.NAME.fields." + field_name + ".values: [0, 1]");
  SAHA_TRY(const auto column, recall.column(r.over ? r.over->data : "test", field_name));
  return unsaid("'" + field_name + "' is a column of " + std::to_string(column.size()) + " samples but no field of the model's input", "name it in model.input.NAME.fields, with its index and values");
}

using Dimension = yaml::Dimension;

/// What an expression is worth.
struct Value {
  enum class Kind : std::uint8_t { number, values, label, text, condition, point };
  Kind kind = Kind::number;
  std::vector<Number> numbers = {};   // number: one; values: all; label: those whose greatest it is; empty: the class `index`
  double index = 0;                   // of label
  Dimension dimension = {};
  std::string text = {};
  Formula formula = {};
  PointForm point = {};
  std::optional<std::pair<std::string, std::int64_t>> sample = {};   // data set and row that the point is, unchanged

  const Number& one() const { return numbers[0]; }
};
using Kind = Value::Kind;

Value number_value(Number n, Dimension d = {}) {
  Value v;
  v.numbers = {std::move(n)};
  v.dimension = std::move(d);
  return v;
}
Value condition_value(Formula f) {
  Value v;
  v.kind = Kind::condition;
  v.formula = std::move(f);
  return v;
}

class Translator {
 public:
  Translator(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) : r_(r), model_(model), scope_(scope), recall_(recall) {}

  Result<Problem> run(std::span<const Loop> loops, std::span<const std::size_t> at) {
    SAHA_DO(read_units());
    SAHA_DO(read_network());
    for (std::size_t i = 0; i < loops.size(); ++i) {
      const Loop& l = loops[i];
      if (!l.data.empty()) samples_[l.name] = {l.data, l.samples[at[i]]};
      else SAHA_DO(bind_value(l, l.values[at[i]]));
    }
    if (r_.over) {
      SAHA_TRY(Value x, sample_point(samples_.at("x")));
      bound_["x"] = std::move(x);
      p_.named.push_back({"x", bound_["x"].point});
    }
    collect_same();
    std::vector<Formula> premises;
    for (const Quantifier& q : r_.assertion.quantifiers) {
      for (const Binder& b : q.binders) {
        for (const std::string& n : b.names) SAHA_DO(bind(n, b.region, premises));
      }
      if (q.where) {
        SAHA_TRY(Formula f, condition(*q.where));
        premises.push_back(std::move(f));
      }
    }
    const Expr* body = &r_.assertion.body;
    while (body->kind == Expr::Kind::implies) {
      SAHA_TRY(Formula f, condition(body->args[0]));
      premises.push_back(std::move(f));
      body = &body->args[1];
    }
    in_premise_ = false;
    SAHA_TRY(Formula claim, condition(*body));
    p_.premise = all_of(std::move(premises));
    p_.breaks = all_of({p_.premise, negation(std::move(claim))});
    return std::move(p_);
  }

 private:
  // --- units: what has a unit of one dimension is spoken of in the first unit of the model that has it, so that `5 ft` stays 5 ---

  Result<> read_units() {
    auto add = [&](const std::string& unit) -> Result<> {
      if (unit.empty()) return {};
      SAHA_TRY(yaml::Unit u, scope_.units.find(unit));
      if (!u.dimension.pure()) units_.emplace(yaml::print(u.dimension), std::pair(unit, u.factor));
      return {};
    };
    for (const Scope::Input& i : scope_.inputs) {
      for (const Scope::Field& f : i.fields) SAHA_DO(add(f.unit));
      SAHA_DO(add(i.unit));
    }
    for (const Scope::Output& o : scope_.outputs) SAHA_DO(add(o.unit));
    return {};
  }
  double scale(const Dimension& d) const {
    auto u = units_.find(yaml::print(d));
    return u == units_.end() ? 1 : u->second.second;
  }
  /// What one of a unit is where this dimension is spoken of, and its dimension.
  Result<std::pair<double, Dimension>> unit(const std::string& name) const {
    if (name.empty()) return std::pair(1.0, Dimension{});
    SAHA_TRY(yaml::Unit u, scope_.units.find(name));
    auto spoken = units_.find(yaml::print(u.dimension));
    return std::pair(spoken == units_.end() ? u.factor : spoken->second.first == name ? 1 : u.factor / spoken->second.second, u.dimension);
  }
  Result<Value> literal(const Expr& e) const {
    if (e.unit.empty()) return number_value(number(e.value));
    SAHA_TRY(yaml::Unit u, scope_.units.find(e.unit));
    auto spoken = units_.find(yaml::print(u.dimension));
    double v = spoken == units_.end()         ? yaml::in_base(e.value, u)
               : spoken->second.first == e.unit ? e.value
                                                : yaml::in_base(e.value, u) / spoken->second.second;
    return number_value(number(v), u.dimension);
  }

  // --- the network's input, element by element ---

  struct Place {   // of an element of a point
    const Scope::Input* input = nullptr;
    const Scope::Field* field = nullptr;
    bool whole = false;
    std::string name;
    std::optional<Scope::Range> domain() const { return field && field->domain ? field->domain : input ? input->domain : std::nullopt; }
    const std::string& unit() const { static const std::string kNone; return field && !field->unit.empty() ? field->unit : input ? input->unit : kNone; }
  };

  const Scope::Input* described(const std::string& name, std::size_t inputs) const {
    auto found = std::ranges::find(scope_.inputs, name, &Scope::Input::name);
    if (found != scope_.inputs.end()) return &*found;
    return inputs == 1 && scope_.inputs.size() == 1 ? scope_.inputs.data() : nullptr;
  }

  Result<> read_network() {
    SAHA_TRY(p_.network, network(model_));
    const ir::Graph& g = p_.network->graph;
    for (std::size_t k = 0; k < g.inputs().size(); ++k) {
      const auto size = elements_of(g, g.inputs()[k]);
      const Scope::Input* input = described(g.name(g.inputs()[k]), g.inputs().size());
      for (std::int64_t i = 0; i < size; ++i)
        places_.push_back({.input = input, .whole = k < p_.network->whole.size() && p_.network->whole[k], .name = "[" + std::to_string(i) + "]"});
      for (const Scope::Field& f : input ? std::span<const Scope::Field>(input->fields) : std::span<const Scope::Field>()) {
        if (f.index < 0 || f.index >= size)
          return lacking("field '" + f.name + "' has index " + std::to_string(f.index) + ", input '" + g.name(g.inputs()[k]) + "' has " + std::to_string(size) + " values");
        Place& p = places_[places_.size() - std::size_t(size) + std::size_t(f.index)];
        p.field = &f;
        p.whole = p.whole || f.whole;
        p.name = "." + f.name;
        field_place_[f.name] = std::int32_t(places_.size()) - std::int32_t(size) + std::int32_t(f.index);
      }
    }
    return {};
  }

  static std::int64_t elements_of(const ir::Graph& g, ir::ValueId v) {
    std::int64_t n = 1;
    for (const ir::Dim& d : g.type(v).dims) n *= d.known().value_or(0);
    return n;
  }

  Result<std::shared_ptr<const Network>> network(const std::string& model) {
    auto known = networks_.find(model);
    if (known != networks_.end()) return std::shared_ptr(known->second);
    SAHA_TRY(auto n, recall_.evidence().network(model));
    if (!places_.empty()) {
      std::int64_t size = 0;
      for (ir::ValueId v : n->graph.inputs()) size += elements_of(n->graph, v);
      if (size != std::int64_t(places_.size()))
        return lacking("'" + model + "' takes " + std::to_string(size) + " values, '" + model_ + "' " + std::to_string(places_.size()));
    }
    networks_[model] = n;
    return n;
  }

  // --- binding ---

  Result<> bind_value(const Loop& l, double v) {
    const Scope::Field* f = scope_.field(l.field);
    SAHA_TRY(auto u, unit(f ? f->unit : ""));
    bound_[l.name] = number_value(number(v * u.first), u.second);
    p_.chosen += (p_.chosen.empty() ? "" : ", ") + l.name + " = " + figures::shortest(v);
    return {};
  }

  Result<Value> sample_point(const std::pair<std::string, std::int64_t>& of) {
    SAHA_TRY(const auto raw, recall_.evidence().point(of.first, of.second));
    if (raw.size() != places_.size())
      return lacking("sample " + std::to_string(of.second) + " of '" + of.first + "' has " + std::to_string(raw.size()) + " values, '" + model_ + "' takes " + std::to_string(places_.size()));
    Value v;
    v.kind = Kind::point;
    v.sample = of;
    for (double x : raw) v.point.elements.emplace_back(-1, x);
    return v;
  }

  /// Conjuncts `same(a, b, except=..)` of the premises: b is then a but for what is excepted, with fewer variables.
  void collect_same() {
    auto take = [&](const Expr& e) {
      auto one = [&](const Expr& c) {
        if (is_call(c, "same") && c.args.size() >= 2 && is_name(c.args[0]) && is_name(c.args[1])) same_.push_back(&c);
      };
      if (e.kind == Expr::Kind::logical_and) for (const Expr& a : e.args) one(a);
      else one(e);
    };
    for (const Quantifier& q : r_.assertion.quantifiers) if (q.where) take(*q.where);
    for (const Expr* b = &r_.assertion.body; b->kind == Expr::Kind::implies; b = &b->args[1]) take(b->args[0]);
  }

  /// A range for every element of a point in a region.
  struct Region {
    std::vector<Scope::Range> ranges;
    std::optional<Ball> ball;            // centre by place
    std::vector<std::pair<PointForm, std::vector<double>>> around;   // within so much of a point that varies, in each element
    std::string error;
  };

  Result<Scope::Range> domain_of(std::size_t i, bool needed) const {
    auto d = places_[i].domain();
    if (d) return *d;
    if (!needed) return Scope::Range{-kInfinity, kInfinity};
    const Place& p = places_[i];
    return lacking(p.field ? "field '" + p.field->name + "' has no domain" : p.input ? "input '" + p.input->name + "' has no domain" + (p.input->fields.empty() ? "" : " for what is no field (place " + p.name + ")") : "the model's input has no domain: add model.input.NAME.domain: [lo, hi]");
  }
  static Scope::Range cut(Scope::Range a, const Scope::Range& b) { return {std::max(a.first, b.first), std::min(a.second, b.second)}; }

  /// A length in raw units of each element.
  Result<std::vector<double>> lengths(const Expr& e) {
    SAHA_TRY(Value v, value(e));
    if (v.kind != Kind::number || !v.one().is_constant()) return not_linear(e, "a radius is a constant");
    std::vector<double> out;
    std::map<std::string, double> factors;
    for (const Place& p : places_) {
      auto known = factors.find(p.unit());
      if (known == factors.end()) {
        SAHA_TRY(auto u, unit(p.unit()));
        known = factors.emplace(p.unit(), u.first).first;
      }
      out.push_back(v.one().linear.constant / known->second);
    }
    return out;
  }

  Result<Region> region(const std::string& name, const Expr& e) {
    Region r;
    auto domain = [&](bool needed) -> Result<> {
      for (std::size_t i = 0; i < places_.size(); ++i) {
        SAHA_TRY(Scope::Range d, domain_of(i, needed));
        r.ranges.push_back(d);
      }
      return {};
    };
    if (is_name(e) && e.path[0] == "domain") {
      SAHA_DO(domain(true));
      return r;
    }
    if (is_call(e, "near")) {
      SAHA_DO(domain(true));
      SAHA_TRY(Value share, value(e.args[1]));
      SAHA_TRY(Value centre, sample_point(samples_.at(name)));
      if (!share.one().is_constant()) return not_linear(e, "a share is a constant");
      for (std::size_t i = 0; i < places_.size(); ++i) {
        const double c = centre.point.elements[i].second, w = share.one().linear.constant * (r.ranges[i].second - r.ranges[i].first);
        r.ranges[i] = cut(r.ranges[i], {c - w, c + w});
      }
      return r;
    }
    const bool inf = is_call(e, "Linf"), l2 = is_call(e, "L2"), box = is_call(e, "box");
    if (!inf && !l2 && !box) {
      if (is_call(e, "outside")) return not_linear(e, "what lies outside has no ends; level: test(n) tries it");
      const Word* w = e.path.empty() ? nullptr : find_word(e.path.back());
      if (w && w->group == WordGroup::transform) return not_linear(e, "a transform is tested, not proved");
      return not_linear(e, "it is no region that a proof can run over");
    }
    SAHA_TRY(Value centre, value(e.args[0]));
    if (centre.kind != Kind::point) return not_linear(e.args[0], "no point");
    SAHA_TRY(const auto below, lengths(e.args[1]));
    std::vector<double> above = below, under = below;
    for (double& v : under) v = -v;
    if (box) {
      under = below;
      SAHA_TRY(above, lengths(e.args[2]));
    }
    SAHA_DO(domain(false));
    Ball ball;
    bool varies = false;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const auto [var, c] = centre.point.elements[i];
      Scope::Range at{c, c};
      if (var >= 0) at = {p_.elements[std::size_t(var)].lo, p_.elements[std::size_t(var)].hi}, varies = true;
      ball.centre.emplace_back(std::int32_t(i), c);
      r.ranges[i] = cut(r.ranges[i], {at.first + under[i], at.second + above[i]});
    }
    if (l2 && varies) return not_linear(e, "a ball around a point that varies");
    if (l2) {
      if (std::ranges::any_of(above, [&](double v) { return v != above[0]; })) return not_linear(e, "a distance over fields of several units");
      ball.radius = above.empty() ? 0 : above[0];
      r.ball = std::move(ball);
    }
    if (varies) {
      r.around.emplace_back(centre.point, above);
      for (double& v : under) v = -v;
      r.around.emplace_back(centre.point, under);
    }
    return r;
  }

  Element element(std::size_t place, Scope::Range range, const std::string& of) const {
    const Place& p = places_[place];
    Element e{.lo = range.first, .hi = range.second, .whole = p.whole, .name = of + p.name};
    e.field = p.field != nullptr;
    if (p.field) e.values = p.field->values;
    return e;
  }

  Result<> bind(const std::string& name, const Expr& where, std::vector<Formula>& premises) {
    if (auto s = samples_.find(name); s != samples_.end() && is_name(where)) {   // d in test
      SAHA_TRY(Value x, sample_point(s->second));
      p_.named.push_back({name, x.point});
      bound_[name] = std::move(x);
      return {};
    }
    if (bound_.contains(name) && bound_[name].kind == Kind::number) return {};   // g in sex: a loop has its value
    SAHA_TRY(Region r, region(name, where));
    for (std::size_t i = 0; i < r.ranges.size(); ++i)
      if (std::isinf(r.ranges[i].first) || std::isinf(r.ranges[i].second)) return lacking("'" + print(where) + "' leaves " + name + places_[i].name + " without ends");
    Value v;
    v.kind = Kind::point;
    const Expr* same = nullptr;
    std::string other;
    for (const Expr* s : same_) {
      const std::string &a = s->args[0].path[0], &b = s->args[1].path[0];
      const std::string& o = a == name ? b : b == name ? a : "";
      if (!o.empty() && o != name && bound_.contains(o) && bound_[o].kind == Kind::point && !r.ball) same = s, other = o;
    }
    if (same) {
      v.point = bound_[other].point;
      std::set<std::int32_t> excepted;
      for (std::size_t k = 0; k < same->args.size(); ++k) {
        if (same->arg_names[k] != "except") continue;
        SAHA_TRY(std::int32_t place, place_of(same->args[k]));
        excepted.insert(place);
      }
      for (std::size_t i = 0; i < places_.size(); ++i) {
        auto& [var, c] = v.point.elements[i];
        if (excepted.contains(std::int32_t(i))) {
          var = std::int32_t(p_.elements.size());
          p_.inputs.push_back({name + places_[i].name, var, 1, -1});
          p_.elements.push_back(element(i, r.ranges[i], name));
        } else if (var >= 0) {
          Element& e = p_.elements[std::size_t(var)];
          std::tie(e.lo, e.hi) = cut({e.lo, e.hi}, r.ranges[i]);
        } else if (c < r.ranges[i].first || c > r.ranges[i].second) {
          premises.push_back(truth(false));
        }
      }
    } else {
      const ir::Graph& g = p_.network->graph;
      std::size_t place = 0;
      for (std::size_t k = 0; k < g.inputs().size(); ++k) {
        const auto size = std::int32_t(elements_of(g, g.inputs()[k]));
        p_.inputs.push_back({name + "." + g.name(g.inputs()[k]), std::int32_t(p_.elements.size()), size, std::int32_t(k)});
        for (std::int32_t i = 0; i < size; ++i, ++place) {
          v.point.elements.emplace_back(std::int32_t(p_.elements.size()), 0);
          p_.elements.push_back(element(place, r.ranges[place], name));
        }
      }
      if (r.ball) {
        for (auto& [i, c] : r.ball->centre) i = v.point.elements[std::size_t(i)].first;
        p_.balls.push_back(std::move(*r.ball));
      }
    }
    for (std::size_t k = 0; k < r.around.size(); ++k) {   // k = 0: d - a <= r; 1: a - d <= r
      if (places_.size() > 4096) return not_linear(where, "around a point that varies, at most 4096 values are related");
      for (std::size_t i = 0; i < places_.size(); ++i) {
        Number apart = sum(of_element(v.point.elements[i]), of_element(r.around[k].first.elements[i]), -1);
        SAHA_TRY(Formula f, compare(times(std::move(apart), k == 0 ? 1 : -1), Op::le, number(r.around[k].second[i])));
        premises.push_back(std::move(f));
      }
    }
    p_.named.push_back({name, v.point});
    bound_[name] = std::move(v);
    return {};
  }

  static Number of_element(const std::pair<std::int32_t, double>& e) { return e.first < 0 ? number(e.second) : number(Linear::of_x(e.first)); }

  /// The point that bare field and component names speak of: the only one, or every point of the domain.
  Result<const Value*> spoken_of(const Expr& e) {
    std::vector<const Value*> points;
    for (const auto& [name, v] : bound_) if (v.kind == Kind::point) points.push_back(&v);
    if (points.size() > 1) return unsaid("'" + print(e) + "' does not say of which point it speaks: write the point before it, like d." + e.path.back());
    if (points.size() == 1) return points[0];
    Expr domain;
    domain.kind = Expr::Kind::name;
    domain.path = {"domain"};
    std::vector<Formula> none;
    SAHA_DO(bind("x", domain, none));
    return &bound_["x"];
  }

  Result<std::int32_t> place_of(const Expr& field) const {
    auto at = field_place_.find(field.path.back());
    if (at == field_place_.end()) return lacking("'" + field.path.back() + "' is no field of the model's input, or has no index: model.input.NAME.fields." + field.path.back() + ": {index: 3}");
    return std::int32_t(at->second);
  }

  Result<Value> field_of(const PointForm& point, const Expr& e) {
    SAHA_TRY(std::int32_t place, place_of(e));
    SAHA_TRY(auto u, unit(places_[std::size_t(place)].unit()));
    return number_value(times(of_element(point.elements[std::size_t(place)]), u.first), u.second);
  }

  // --- outputs ---

  Result<Value> output(const std::string& model, const std::string& name, const Value& at) {
    const Scope::Output* said = scope_.output(name);
    Value v;
    v.kind = Kind::values;
    const bool constant = std::ranges::all_of(at.point.elements, [](const auto& e) { return e.first < 0; });
    if (constant && at.sample) {
      SAHA_TRY(const auto values, recall_.output(model, at.sample->first, at.sample->second, name));
      for (double y : values) v.numbers.push_back(number(y));
    } else if (constant) {
      std::vector<double> raw = at.point.at({});
      SAHA_TRY(const Outputs all, recall_.evidence().execute(model, raw));
      auto found = all.find(name);
      if (found == all.end()) return lacking("'" + model + "' has no output '" + name + "'");
      for (double y : found->second) v.numbers.push_back(number(y));
    } else {
      SAHA_TRY(const auto net, network(model));
      ir::ValueId id = ir::ValueId::none;
      for (ir::ValueId o : net->graph.outputs()) if (net->graph.name(o) == name) id = o;
      if (id == ir::ValueId::none) return lacking("'" + model + "' has no output '" + name + "'");
      const std::int64_t width = elements_of(net->graph, id);
      if (width < 1) return unsaid("output '" + name + "' of '" + model + "' has no fixed size");
      if (width > kMostWidth) return unsaid("output '" + name + "' of '" + model + "' has " + figures::grouped(double(width)) + " values; at most " + figures::grouped(double(kMostWidth)) + " are spoken of in a proof");
      std::size_t point = std::size_t(std::ranges::find_if(p_.points, [&](const PointForm& p) { return p.elements == at.point.elements; }) - p_.points.begin());
      if (point == p_.points.size()) p_.points.push_back(at.point);
      std::int64_t first = 0;
      auto run = p_.runs.begin();
      while (run != p_.runs.end() && !(run->model == model && run->output == name && run->point == point)) first += run++->width;
      if (run == p_.runs.end()) p_.runs.push_back({model, name, point, width});
      for (std::int64_t i = 0; i < width; ++i) v.numbers.push_back(number(Linear::of_y(std::int32_t(first + i))));
    }
    if (v.numbers.empty()) return lacking("output '" + name + "' of '" + model + "' is empty");
    if (!said) return v;
    SAHA_TRY(auto u, unit(said->unit));
    v.dimension = u.second;
    for (Number& n : v.numbers) {
      if (said->factor != 1 || said->offset != 0) n = sum(times(std::move(n), said->factor), number(said->offset));
      if (u.first != 1) n = times(std::move(n), u.first);
    }
    return v;
  }

  // --- expressions ---

  Result<Formula> condition(const Expr& e) {
    SAHA_TRY(Value v, value(e));
    if (v.kind != Kind::condition) return not_linear(e, "no condition");
    return std::move(v.formula);
  }

  Result<Value> value(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::number: return literal(e);
      case Expr::Kind::name: return name(e);
      case Expr::Kind::call: return call(e);
      case Expr::Kind::index: return with_field(e);
      case Expr::Kind::negate: {
        SAHA_TRY(Value v, value(e.args[0]));
        for (Number& n : v.numbers) n = times(std::move(n), -1);
        return v;
      }
      case Expr::Kind::add:
      case Expr::Kind::subtract: return added(e);
      case Expr::Kind::multiply:
      case Expr::Kind::divide: return multiplied(e);
      case Expr::Kind::compare: {
        std::vector<Formula> parts;
        SAHA_TRY(Value left, value(e.args[0]));
        for (std::size_t i = 0; i < e.ops.size(); ++i) {
          SAHA_TRY(Value right, value(e.args[i + 1]));
          SAHA_TRY(Formula f, compared(left, e.ops[i], right, e));
          parts.push_back(std::move(f));
          left = std::move(right);
        }
        return condition_value(all_of(std::move(parts)));
      }
      case Expr::Kind::logical_not: {
        SAHA_TRY(Formula f, condition(e.args[0]));
        return condition_value(negation(std::move(f)));
      }
      case Expr::Kind::logical_and:
      case Expr::Kind::logical_or: {
        std::vector<Formula> parts;
        for (const Expr& a : e.args) {
          SAHA_TRY(Formula f, condition(a));
          parts.push_back(std::move(f));
        }
        return condition_value(e.kind == Expr::Kind::logical_and ? all_of(std::move(parts)) : any_of(std::move(parts)));
      }
      case Expr::Kind::implies: {
        SAHA_TRY(Formula premise, condition(e.args[0]));
        SAHA_TRY(Formula conclusion, condition(e.args[1]));
        return condition_value(any_of({negation(std::move(premise)), std::move(conclusion)}));
      }
    }
    return not_linear(e, "unknown form");
  }

  Result<Value> name(const Expr& e) {
    const std::string& n = e.path[0];
    auto b = bound_.find(n);
    if (e.path.size() == 2) {
      if (b == bound_.end() || b->second.kind != Kind::point) return not_linear(e, "no field of a point");
      return field_of(b->second.point, e);
    }
    if (b != bound_.end()) return b->second;
    Value v;
    if (n == "label" && r_.over) {
      const auto& [data, row] = samples_.at("x");
      SAHA_TRY(const auto labels, recall_.labels(data));
      if (std::size_t(row) >= labels.size() || labels[std::size_t(row)] < 0) return lacking("sample " + std::to_string(row) + " of '" + data + "' has no label");
      v.kind = Kind::label;
      v.index = labels[std::size_t(row)];
      return v;
    }
    if (n == "correct" && r_.over) {
      const auto& [data, row] = samples_.at("x");
      SAHA_TRY(const auto samples, recall_.samples(model_, data));
      if (std::size_t(row) >= samples.correct.size()) return lacking("'" + model_ + "' gives no right and wrong answers on '" + data + "'");
      return condition_value(truth(samples.correct[std::size_t(row)] != 0));
    }
    if (scope_.field(n)) {
      SAHA_TRY(const Value* point, spoken_of(e));
      return field_of(point->point, e);
    }
    for (const Scope::Output& o : scope_.outputs) {
      auto component = std::ranges::find(o.names, n);
      if (component == o.names.end()) continue;
      SAHA_TRY(const Value* point, spoken_of(e));
      const Value at = *point;
      SAHA_TRY(Value all, output(model_, o.name, at));
      const auto i = std::size_t(component - o.names.begin());
      if (i >= all.numbers.size()) return lacking("output '" + o.name + "' has " + std::to_string(all.numbers.size()) + " values and " + std::to_string(o.names.size()) + " names");
      return number_value(all.numbers[i], all.dimension);
    }
    if (auto label = std::ranges::find(scope_.labels, n); label != scope_.labels.end()) {
      v.kind = Kind::label;
      v.index = double(label - scope_.labels.begin());
      return v;
    }
    v.kind = Kind::text;
    v.text = n;
    if (r_.over) {
      const auto& [data, row] = samples_.at("x");
      const Scope::Data* set = scope_.find_data(data);
      if (set && std::ranges::find(set->columns, n) != set->columns.end()) {
        SAHA_TRY(const auto column, recall_.column(data, n));
        if (std::size_t(row) >= column.size()) return lacking("column '" + n + "' of '" + data + "' has " + std::to_string(column.size()) + " entries");
        v.text = column[std::size_t(row)];
      }
    }
    return v;
  }

  Result<Value> with_field(const Expr& e) {
    SAHA_TRY(Value base, value(e.args[0]));
    if (base.kind != Kind::point) return not_linear(e, "no point");
    SAHA_TRY(std::int32_t place, place_of(e));
    SAHA_TRY(Value v, value(e.args[1]));
    SAHA_TRY(auto u, unit(places_[std::size_t(place)].unit()));
    if (v.kind != Kind::number || !v.one().peaks.empty() || !v.one().linear.y.empty()) return not_linear(e, "a field is set to a constant or to a field of a point");
    Linear l = times(v.one().linear, 1 / u.first);
    auto& at = base.point.elements[std::size_t(place)];
    if (l.is_constant()) at = {-1, l.constant};
    else if (l.x.size() == 1 && l.constant == 0 && std::abs(l.x[0].second - 1) < 1e-12) at = {l.x[0].first, 0};
    else return not_linear(e, "a field is set to a constant or to a field of a point");
    base.sample.reset();
    return base;
  }

  Result<Value> added(const Expr& e) {
    SAHA_TRY(Value l, value(e.args[0]));
    SAHA_TRY(Value r, value(e.args[1]));
    SAHA_DO(numeric(l, e.args[0]));
    SAHA_DO(numeric(r, e.args[1]));
    const double factor = e.kind == Expr::Kind::add ? 1 : -1;
    const std::size_t n = std::max(l.numbers.size(), r.numbers.size());
    if (l.numbers.size() != r.numbers.size() && l.kind == Kind::values && r.kind == Kind::values)
      return lacking("'" + print(e.args[0]) + "' has " + std::to_string(l.numbers.size()) + " values, '" + print(e.args[1]) + "' has " + std::to_string(r.numbers.size()));
    Value v;
    v.kind = l.kind == Kind::values || r.kind == Kind::values ? Kind::values : Kind::number;
    v.dimension = l.dimension.pure() ? r.dimension : l.dimension;
    for (std::size_t i = 0; i < n; ++i) v.numbers.push_back(sum(l.numbers[l.kind == Kind::values ? i : 0], r.numbers[r.kind == Kind::values ? i : 0], factor));
    return v;
  }

  Result<Value> multiplied(const Expr& e) {
    SAHA_TRY(Value l, value(e.args[0]));
    SAHA_TRY(Value r, value(e.args[1]));
    SAHA_DO(numeric(l, e.args[0]));
    SAHA_DO(numeric(r, e.args[1]));
    auto constant = [](const Value& v) { return v.kind == Kind::number && v.one().is_constant(); };
    const bool divide = e.kind == Expr::Kind::divide;
    if (divide && !constant(r)) return not_linear(e, "it divides by what varies");
    if (!constant(l) && !constant(r)) return not_linear(e, "a product of two things that vary is not linear");
    if (!constant(r)) std::swap(l, r);
    const double c = r.one().linear.constant;
    if (divide && c == 0) return not_linear(e, "division by zero");
    const Dimension d = divide ? l.dimension / r.dimension : l.dimension * r.dimension;
    double factor = divide ? 1 / c : c;
    factor *= divide ? scale(l.dimension) / (scale(r.dimension) * scale(d)) : scale(l.dimension) * scale(r.dimension) / scale(d);
    for (Number& n : l.numbers) n = divide && factor == 1 / c && n.is_constant() ? number(n.linear.constant / c) : times(std::move(n), factor);
    l.dimension = d;
    return l;
  }

  static Result<> numeric(const Value& v, const Expr& e) {
    if (v.kind == Kind::number || v.kind == Kind::values) return {};
    return not_linear(e, "no number");
  }

  Result<Value> call(const Expr& e) {
    const std::string& n = e.path.back();
    const Word* w = find_word(n);
    if (!w) {
      if (bound_.contains(n) || e.args.size() != 1) return not_linear(e, "a transform is tested, not proved");
      SAHA_TRY(Value at, value(e.args[0]));
      if (at.kind != Kind::point) return not_linear(e.args[0], "no point");
      return output(e.path.size() == 2 ? e.path[0] : model_, n, at);
    }
    if (n == "same") return same_points(e);
    std::vector<Value> args;
    std::vector<Number> all;
    for (const Expr& a : e.args) {
      if (n == "rank" && args.size() == 1 && is_name(a) && !bound_.contains(a.path[0])) {
        SAHA_TRY(Value v, name(a));
        args.push_back(std::move(v));
        continue;
      }
      if (w->group != WordGroup::function || n == "reject" || n == "n" || n == "conf") break;
      SAHA_TRY(Value v, value(a));
      if (n != "rank" || args.empty()) SAHA_DO(numeric(v, a));
      if (args.empty() || n == "max" || n == "min") all.insert(all.end(), v.numbers.begin(), v.numbers.end());
      args.push_back(std::move(v));
    }
    auto with = [&](Number number) { return number_value(std::move(number), args[0].dimension); };
    if (n == "argmax") {
      Value v;
      v.kind = Kind::label;
      v.numbers = std::move(all);
      return v;
    }
    if (n == "max") return with(greatest(std::move(all)));
    if (n == "min") return with(least(std::move(all)));
    if (n == "maxabs" || (n == "abs" && all.size() == 1)) {
      std::vector<Number> both;
      for (const Number& a : all) both.push_back(a), both.push_back(times(a, -1));
      return with(greatest(std::move(both)));
    }
    if (n == "abs") {
      for (Number& a : args[0].numbers) a = absolute(a);
      return args[0];
    }
    if (n == "rank") return ranked(e, std::move(args));
    if (n == "same_class") return same_top(e, args);
    if (n == "conf") return not_linear(e, "'conf' is not linear in the outputs");
    if (!w->missing.empty() && w->group == WordGroup::function) return unsaid("'" + n + "' " + std::string(w->missing));
    return not_linear(e, "'" + n + "' is no function of a point");
  }

  /// same(a, b, except=..) as a condition: where it made b of a, it holds already.
  Result<Value> same_points(const Expr& e) {
    SAHA_TRY(Value a, value(e.args[0]));
    SAHA_TRY(Value b, value(e.args[1]));
    if (a.kind != Kind::point || b.kind != Kind::point) return not_linear(e, "'same' compares points");
    std::set<std::int32_t> excepted;
    for (std::size_t k = 2; k < e.args.size(); ++k) {
      SAHA_TRY(std::int32_t place, place_of(e.args[k]));
      excepted.insert(place);
    }
    std::vector<Formula> parts;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (excepted.contains(std::int32_t(i)) || a.point.elements[i] == b.point.elements[i]) continue;
      SAHA_TRY(Formula f, compare(of_element(a.point.elements[i]), Op::eq, of_element(b.point.elements[i])));
      parts.push_back(std::move(f));
    }
    return condition_value(all_of(std::move(parts)));
  }

  /// rank as the label-like value whose comparisons ranked_formula tells.
  Result<Value> ranked(const Expr& e, std::vector<Value> args) {
    if (args.size() != 2) return not_linear(e, "'rank' wants an output and a class");
    double c = -1;
    if (args[1].kind == Kind::label && args[1].numbers.empty()) c = args[1].index;
    else if (args[1].kind == Kind::number && args[1].one().is_constant()) c = args[1].one().linear.constant;
    else return not_linear(e, "the class of a rank is a constant");
    const auto& all = args[0].numbers;
    if (!(c >= 0 && c < double(all.size()) && c == std::floor(c))) return lacking("'" + print(e) + "': the class is none of " + std::to_string(all.size()));
    Value v;
    v.kind = Kind::values;
    const auto own = std::size_t(c);
    v.numbers.push_back(all[own]);
    for (std::size_t j = 0; j < all.size(); ++j) if (j != own) v.numbers.push_back(all[j]);
    v.text = "rank";
    return v;
  }

  // --- comparisons ---

  /// The greatest of v is v[c], and ties go to the lower index, as the engine decides.
  static Result<Formula> is_class(const std::vector<Number>& v, std::size_t c) {
    if (c >= v.size()) return truth(false);
    std::vector<Formula> parts;
    for (std::size_t j = 0; j < v.size(); ++j) {
      if (j == c) continue;
      SAHA_TRY(Formula f, compare(v[c], j < c ? Op::gt : Op::ge, v[j]));
      parts.push_back(std::move(f));
    }
    return all_of(std::move(parts));
  }

  static Result<Formula> same_class(const Value& l, const Value& r) {
    if (l.numbers == r.numbers) return truth(true);
    std::vector<Formula> equal, differ;
    const std::size_t n = std::max(l.numbers.size(), r.numbers.size());
    if (n * (n - 1) > kMostCases) return unsaid("the classes of " + std::to_string(n) + " outputs are compared: more than " + std::to_string(kMostCases) + " cases");
    for (std::size_t c = 0; c < n; ++c) {
      SAHA_TRY(Formula a, is_class(l.numbers, c));
      SAHA_TRY(Formula b, is_class(r.numbers, c));
      equal.push_back(all_of({a, b}));
      differ.push_back(all_of({std::move(a), negation(std::move(b))}));
    }
    return told(any_of(std::move(equal)), any_of(std::move(differ)));
  }

  /// The class of the second is the first's wherever that leads by the margin or more.
  Result<Value> same_top(const Expr& e, const std::vector<Value>& args) {
    const std::vector<Number> &first = args[0].numbers, &second = args[1].numbers;
    const std::size_t n = first.size();
    if (n != second.size()) return lacking("'" + print(e.args[0]) + "' has " + std::to_string(n) + " values, '" + print(e.args[1]) + "' has " + std::to_string(second.size()));
    double margin = 0;
    if (args.size() > 2) {
      if (args[2].kind != Kind::number || !args[2].one().is_constant()) return not_linear(e, "the margin is a constant");
      margin = args[2].one().linear.constant;
    }
    if (n * n > kMostCases) return unsaid("the classes of " + std::to_string(n) + " outputs are compared: more than " + std::to_string(kMostCases) + " cases");
    std::vector<Formula> agree, differ;
    for (std::size_t c = 0; c < n; ++c) {
      SAHA_TRY(const Formula top, is_class(first, c));
      std::vector<Formula> ahead, close;
      for (std::size_t j = 0; j < n; ++j) {
        if (j == c) continue;
        SAHA_TRY(Formula f, compare(sum(first[c], first[j], -1), Op::ge, number(margin)));
        close.push_back(negation(f)), ahead.push_back(std::move(f));
      }
      SAHA_TRY(Formula kept, is_class(second, c));
      close.push_back(kept);
      agree.push_back(all_of({top, any_of(std::move(close))}));
      Formula leads = margin > 0 ? all_of(std::move(ahead)) : top;  // who leads by more than nothing is the class
      for (std::size_t k = 0; k < n; ++k) {
        if (k == c) continue;
        SAHA_TRY(Formula other, is_class(second, k));
        differ.push_back(all_of({leads, std::move(other)}));
      }
    }
    return condition_value(told(any_of(std::move(agree)), any_of(std::move(differ))));
  }

  /// All sets of k of the numbers 0 .. n-1.
  static Result<std::vector<std::vector<std::size_t>>> subsets(std::size_t n, std::size_t k) {
    std::vector<std::vector<std::size_t>> out;
    if (k > n) return out;
    std::vector<std::size_t> s(k);
    for (std::size_t i = 0; i < k; ++i) s[i] = i;
    while (true) {
      if (out.size() >= kMostCases) return unsaid("a rank of " + std::to_string(k + 1) + " among " + std::to_string(n + 1) + " falls into more than " + std::to_string(kMostCases) + " cases");
      out.push_back(s);
      std::size_t i = k;
      while (i > 0 && s[i - 1] == n - k + i - 1) --i;
      if (i == 0) return out;
      ++s[i - 1];
      for (std::size_t j = i; j < k; ++j) s[j] = s[j - 1] + 1;
    }
  }

  /// rank <= k: fewer than k of the others are larger. v[0] is the class's own value.
  static Result<Formula> rank_at_most(const std::vector<Number>& v, double k) {
    const std::size_t others = v.size() - 1;
    if (k < 1) return truth(false);
    if (k > double(others)) return truth(true);
    const auto most = std::size_t(k);
    auto some = [&](std::size_t size, Op op) -> Result<Formula> {
      SAHA_TRY(const auto sets, subsets(others, size));
      std::vector<Formula> any;
      for (const auto& s : sets) {
        std::vector<Formula> all;
        for (std::size_t j : s) {
          SAHA_TRY(Formula f, compare(v[j + 1], op, v[0]));
          all.push_back(std::move(f));
        }
        any.push_back(all_of(std::move(all)));
      }
      return any_of(std::move(any));
    };
    SAHA_TRY(Formula above, some(most, Op::gt));                 // most or more are larger
    SAHA_TRY(Formula within, some(others - most + 1, Op::le));   // so many are not
    return told(std::move(within), std::move(above));
  }

  Result<Formula> ranks(const Value& v, Op op, double limit, const Expr& e) {
    const double below = std::ceil(limit) - 1, at = std::floor(limit);   // rank < limit, rank <= limit
    switch (op) {
      case Op::le: return rank_at_most(v.numbers, at);
      case Op::lt: return rank_at_most(v.numbers, below);
      case Op::gt: {
        SAHA_TRY(Formula f, rank_at_most(v.numbers, at));
        return negation(std::move(f));
      }
      case Op::ge: {
        SAHA_TRY(Formula f, rank_at_most(v.numbers, below));
        return negation(std::move(f));
      }
      case Op::eq:
      case Op::ne: {
        if (limit != at) return truth(op == Op::ne);
        SAHA_TRY(Formula within, rank_at_most(v.numbers, at));
        SAHA_TRY(Formula above, rank_at_most(v.numbers, at - 1));
        Formula equal = all_of({std::move(within), negation(std::move(above))});
        return op == Op::eq ? std::move(equal) : negation(std::move(equal));
      }
    }
    return not_linear(e, "unknown comparison");
  }

  /// What stands on a side, at x and y, for people.
  Compared::Shown shown(const Value& v) const {
    if (v.kind == Kind::label) {
      return [this_labels = scope_.labels, v](std::span<const double> x, std::span<const double> y) {
        std::size_t c = std::size_t(v.index);
        if (!v.numbers.empty()) {
          c = 0;
          for (std::size_t i = 1; i < v.numbers.size(); ++i) if (v.numbers[i].at(x, y) > v.numbers[c].at(x, y)) c = i;
        }
        return "class " + (c < this_labels.size() ? this_labels[c] : std::to_string(c));
      };
    }
    if (v.text == "rank") {
      return [v](std::span<const double> x, std::span<const double> y) {
        std::size_t rank = 1;
        for (std::size_t i = 1; i < v.numbers.size(); ++i) rank += v.numbers[i].at(x, y) > v.numbers[0].at(x, y);
        return "rank " + std::to_string(rank);
      };
    }
    if (v.kind == Kind::text) return [t = v.text](auto, auto) { return t; };
    if (v.kind == Kind::condition) return [f = v.formula](std::span<const double> x, std::span<const double> y) { return std::string(f.at(x, y) ? "true" : "false"); };
    return [n = v.one()](std::span<const double> x, std::span<const double> y) { return figures::significant(n.at(x, y), 6); };
  }

  Result<Formula> compared(const Value& l, Op op, const Value& r, const Expr& e) {
    SAHA_TRY(Formula f, relation(l, op, r, e));
    if (!in_premise_) p_.compared.push_back({f, op, shown(l), shown(r)});
    return f;
  }

  Result<Formula> relation(const Value& l, Op op, const Value& r, const Expr& e) {
    const bool equality = op == Op::eq || op == Op::ne;
    auto either = [&](Formula equal) { return op == Op::eq ? std::move(equal) : negation(std::move(equal)); };
    auto constant = [](const Value& v) { return v.kind == Kind::number && v.one().is_constant(); };
    if (l.text == "rank" && constant(r)) return ranks(l, op, r.one().linear.constant, e);
    if (r.text == "rank" && constant(l)) return ranks(r, flipped(op), l.one().linear.constant, e);
    if (l.text == "rank" || r.text == "rank") return not_linear(e, "a rank is compared with a constant");
    if (l.kind == Kind::condition && r.kind == Kind::condition && equality) {
      auto both = [](const Formula& a, const Formula& b) { return any_of({all_of({a, b}), all_of({negation(a), negation(b)})}); };
      return either(told(both(l.formula, r.formula), both(l.formula, negation(r.formula))));
    }
    if (l.kind == Kind::label || r.kind == Kind::label) {
      const Value &a = l.kind == Kind::label ? l : r, &b = l.kind == Kind::label ? r : l;
      if (!equality) return not_linear(e, "classes have no order");
      if (b.kind == Kind::text) {
        if (!a.numbers.empty()) return lacking("'" + b.text + "' in '" + print(e) + "' is none of the model's labels");
        auto i = std::size_t(a.index);
        return either(truth(i < scope_.labels.size() && scope_.labels[i] == b.text));
      }
      if (a.numbers.size() && b.kind == Kind::label && b.numbers.size()) {
        SAHA_TRY(Formula f, same_class(a, b));
        return either(std::move(f));
      }
      const Value &varies = a.numbers.empty() ? b : a, &fixed = a.numbers.empty() ? a : b;
      double c = fixed.kind == Kind::label ? fixed.index : constant(fixed) ? fixed.one().linear.constant : NAN;
      if (std::isnan(c)) return not_linear(e, "a class is compared with a class");
      if (varies.kind == Kind::label && varies.numbers.size()) {
        if (!(c >= 0 && c == std::floor(c))) return either(truth(false));
        SAHA_TRY(Formula f, is_class(varies.numbers, std::size_t(c)));
        return either(std::move(f));
      }
      double d = varies.kind == Kind::label ? varies.index : constant(varies) ? varies.one().linear.constant : NAN;
      if (std::isnan(d)) return not_linear(e, "a class is compared with a class");
      return either(truth(c == d));
    }
    if (l.kind == Kind::text && r.kind == Kind::text) return either(truth(l.text == r.text));
    if (l.kind == Kind::text || r.kind == Kind::text) {
      const Value &text = l.kind == Kind::text ? l : r, &other = l.kind == Kind::text ? r : l;
      auto m = yaml::measure(text.text);
      if (!m || !m->unit.empty() || other.kind != Kind::number) return lacking("'" + text.text + "' in '" + print(e) + "' is no number");
      Number n = number(m->value);
      return l.kind == Kind::text ? compare(n, op, other.one()) : compare(other.one(), op, n);
    }
    for (const Value* v : {&l, &r})
      if ((v->kind != Kind::number && v->kind != Kind::values) || v->numbers.size() != 1) return not_linear(e, v->kind == Kind::values ? std::to_string(v->numbers.size()) + " values are compared, one is wanted" : "its sides cannot be compared");
    return compare(l.one(), op, r.one());
  }

  const Requirement& r_;
  const std::string& model_;
  const Scope& scope_;
  Recall& recall_;
  Problem p_;
  std::map<std::string, std::pair<std::string, double>> units_;   // by dimension: name, factor
  std::vector<Place> places_;
  std::map<std::string, std::int32_t> field_place_;
  std::map<std::string, std::shared_ptr<const Network>> networks_;
  std::map<std::string, std::pair<std::string, std::int64_t>> samples_;   // by variable: data set, row
  std::map<std::string, Value> bound_;
  std::vector<const Expr*> same_;
  bool in_premise_ = true;
};

}  // namespace

Result<std::vector<Loop>> loops(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) {
  std::vector<Loop> out;
  auto all_of_set = [&](const std::string& name, const std::string& data) -> Result<> {
    SAHA_TRY(const std::int64_t count, recall.count(data));
    if (count <= 0) return lacking("data set '" + data + "' is empty");
    Loop l{.name = name, .data = data};
    for (std::int64_t i = 0; i < count; ++i) l.samples.push_back(i);
    out.push_back(std::move(l));
    return {};
  };
  if (r.over) {
    Loop l{.name = "x", .data = r.over->data};
    SAHA_TRY(l.samples, chosen_samples(r, model, scope, recall));
    out.push_back(std::move(l));
  }
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) {
      for (const std::string& n : b.names) {
        if (is_call(b.region, "near")) {
          SAHA_DO(all_of_set(n, b.region.args[0].path[0]));
        } else if (is_name(b.region) && is_data(b.region.path[0], scope)) {
          SAHA_DO(all_of_set(n, b.region.path[0]));
        } else if (is_name(b.region) && b.region.path[0] != "domain") {
          Loop l{.name = n, .field = b.region.path[0]};
          SAHA_TRY(l.values, values_of(b.region.path[0], r, scope, recall));
          out.push_back(std::move(l));
        }
      }
    }
  }
  double combinations = 1;
  for (const Loop& l : out) combinations *= double(l.size());
  if (combinations > double(kMostCombinations))
    return unsaid("it runs through " + figures::grouped(combinations) + " combinations of samples and values; at most " + figures::grouped(double(kMostCombinations)) + " are asked for", "take fewer: for: {data: test, take: 100}");
  return out;
}

Result<Problem> translate(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall, std::span<const Loop> loops, std::span<const std::size_t> at) {
  return Translator(r, model, scope, recall).run(loops, at);
}

}  // namespace saha::validate::proof
