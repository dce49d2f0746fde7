// The type checker and the lint: one pass over the tree of each requirement, with every fault reported at its word.
#include "validate/check.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "validate/premise.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {
namespace {

struct Type {
  enum class Kind : std::uint8_t { broken, number, boolean, point, outputs, label, text, data, region, slices, transform, model, word };
  Kind kind = Kind::broken;
  yaml::Dimension dimension = {};
  bool any_dimension = false;         ///< of an output whose unit is not given
  bool bare = false;                  ///< a literal without unit (or made of such): fits nothing that has one
  bool fraction = false;              ///< a share in [0, 1]
  bool difference = false;            ///< in pp
  std::optional<double> constant = {};  ///< in base units
  std::string unit = {};              ///< the unit to write, for messages
  std::int64_t width = 1;             ///< of outputs; -1 not known

  bool numeric() const { return kind == Kind::number || kind == Kind::outputs; }
};
using Kind = Type::Kind;

Type number() {
  Type t;
  t.kind = Kind::number;
  return t;
}
Type of(Kind kind) {
  Type t;
  t.kind = kind;
  return t;
}

std::string described(const Type& t) {
  switch (t.kind) {
    case Kind::broken: return "nothing";
    case Kind::number:
      return t.difference         ? "a difference in pp"
             : t.fraction         ? "a share"
             : t.dimension.pure() ? "a number"
                                  : "a quantity in " + yaml::print(t.dimension);
    case Kind::boolean: return "a condition";
    case Kind::point: return "an input";
    case Kind::outputs: return "an output";
    case Kind::label: return "a class";
    case Kind::text: return "a text";
    case Kind::data: return "a data set";
    case Kind::region: return "a region";
    case Kind::slices: return "slices";
    case Kind::transform: return "a transform";
    case Kind::model: return "a model";
    case Kind::word: return "a word";
  }
  return "?";
}

std::string counted(std::size_t n, std::string_view what) { return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s"); }

class Checker {
 public:
  Checker(Requirement& requirement, const Scope& scope, yaml::Diagnostics& diagnostics)
      : r_(requirement), scope_(scope), diagnostics_(diagnostics) {}

  std::set<std::string> used_data;

  void run() {
    errors_before_ = diagnostics_.errors();
    for (std::size_t i = 0; i < r_.models.size(); ++i) {
      if (std::ranges::find(scope_.models, r_.models[i]) != scope_.models.end()) continue;
      yaml::Span at = i < r_.model_nodes.size() ? r_.model_nodes[i].at : r_.id_node.at;
      diagnostics_.error(at, "unknown model '" + r_.models[i] + "'", yaml::did_you_mean(r_.models[i], scope_.models));
    }
    if (r_.over) {
      node_ = &r_.over->data_node;
      data_set(r_.over->data, {0, r_.over->data_node.text.size()});
      bind("x", of(Kind::point));
      bind("label", of(Kind::label));
      bind("correct", of(Kind::boolean));
      over_samples_ = true;
      if (const Scope::Data* d = scope_.find_data(r_.over->data)) {
        for (const std::string& c : d->columns) bind(c, of(Kind::text));
      }
      if (r_.over->where) {
        node_ = &r_.over->where_node;
        condition(*r_.over->where, "'where'");
      }
    }
    node_ = &r_.node;
    for (const Quantifier& q : r_.assertion.quantifiers) quantifier(q);
    condition(r_.assertion.body, "the assertion");
    if (diagnostics_.errors() > errors_before_) return;  // the lint reads what has types
    for (const Quantifier& q : r_.assertion.quantifiers) {
      if (q.where) premise(*q.where);
    }
    premises(r_.assertion.body);
    levels();
  }

 private:
  yaml::Span at(Place p) const { return yaml::span_in(*node_, p.begin, p.end, diagnostics_); }
  Type error(Place p, std::string message, std::string hint = {}) {
    diagnostics_.error(at(p), std::move(message), std::move(hint));
    return {};
  }
  void warn(Place p, std::string message, std::string hint = {}) { diagnostics_.warning(at(p), std::move(message), std::move(hint)); }
  void vacuous(Place p, const std::string& message) {
    warn(p, message + "; vacuous, counts as inconclusive");
    if (r_.vacuous.empty()) r_.vacuous = message;
  }

  void bind(const std::string& name, Type t) { bound_[name] = std::move(t); }

  // --- names ---

  std::vector<std::string> known_names(bool calls) const {
    std::vector<std::string> names = word_names();
    for (const auto& [name, t] : bound_) names.push_back(name);
    for (const Scope::Input& i : scope_.inputs) {
      if (!calls) names.push_back(i.name);
      for (const Scope::Field& f : i.fields) names.push_back(f.name);
    }
    for (const Scope::Output& o : scope_.outputs) {
      names.push_back(o.name);
      if (!calls) names.insert(names.end(), o.names.begin(), o.names.end());
    }
    for (const Scope::Metric& m : scope_.metrics) names.push_back(m.name);
    if (!calls) {
      for (const std::string& d : data_names()) names.push_back(d);
      names.insert(names.end(), scope_.labels.begin(), scope_.labels.end());
    }
    return names;
  }

  std::vector<std::string> data_names() const {
    std::vector<std::string> names;
    if (!scope_.data_known) names = {"test", "train", "val", "calibration"};
    for (const Scope::Data& d : scope_.data) names.push_back(d.name);
    return names;
  }

  bool is_data(const std::string& name) const {
    auto names = data_names();
    return std::ranges::find(names, name) != names.end();
  }

  Type data_set(const std::string& name, Place p) {
    if (!is_data(name)) return error(p, "unknown data set '" + name + "'", data_names().empty() ? "no data is declared: add  data: {" + name + ": FILE OR FOLDER}" : yaml::did_you_mean(name, data_names()));
    used_data.insert(name);
    if (name == "calibration" || name == "train") {
      warn(p, "'" + name + "' was seen while the model was made; a requirement on it proves little", "use 'test'");
    }
    return of(Kind::data);
  }

  Type quantity(const std::string& unit) {
    Type t = number();
    t.unit = unit;
    if (unit.empty()) return t;
    auto u = scope_.units.find(unit);
    if (!u) t.any_dimension = true;
    else t.dimension = u->dimension;
    t.fraction = unit == "%";
    return t;
  }

  const Scope::Field* field(std::string_view name) const { return scope_.field(name); }

  Type output_type(const Scope::Output* o) {
    Type t = of(Kind::outputs);
    t.width = o ? o->width : -1;
    if (o && !o->unit.empty()) {
      Type q = quantity(o->unit);
      t.dimension = q.dimension;
      t.unit = o->unit;
      t.any_dimension = q.any_dimension;
    } else {
      t.any_dimension = true;
    }
    return t;
  }

  Type given_by(const Word& w) {
    switch (w.gives) {
      case Gives::fraction: {
        Type t = number();
        t.fraction = true;
        t.unit = "%";
        return t;
      }
      case Gives::output_unit: {
        Type t = scope_.outputs.size() == 1 ? output_type(&scope_.outputs[0]) : number();
        t.kind = Kind::number;
        t.width = 1;
        if (scope_.outputs.size() != 1) t.any_dimension = true;
        return t;
      }
      case Gives::seconds: return unit_type("s", "ms");
      case Gives::bytes: return unit_type("B", "KiB");
      case Gives::joules: return unit_type("J", "mJ");
      case Gives::per_second: return unit_type("Hz", "1/s");
      case Gives::count:
      case Gives::number: return number();
      case Gives::label: return of(Kind::label);
      case Gives::boolean: return of(Kind::boolean);
      case Gives::region: return of(Kind::region);
      case Gives::transform: return of(Kind::transform);
    }
    return {};
  }
  Type unit_type(const std::string& base, const std::string& shown) {
    Type t = quantity(base);
    t.unit = shown;
    return t;
  }

  bool is_model(const std::string& name) const { return std::ranges::find(scope_.models, name) != scope_.models.end(); }

  static std::string usage(const Word& w) {
    std::string out = std::string(w.name) + "(";
    for (std::size_t i = 0; i < w.arguments.size(); ++i) {
      if (i >= std::max<std::size_t>(w.least, 1)) break;
      static constexpr std::string_view kNames[] = {"test",   "x",     "score(x)", "1",       "1 unit", "1 %",
                                                    "10 deg", "label", "column",   "latency", "ram"};
      out += (i > 0 ? ", " : "") + std::string(kNames[static_cast<std::size_t>(w.arguments[i])]);
    }
    return out + ")";
  }

  Type note(const Word& w, Place p) {
    if (w.group == WordGroup::statistic) statistic_ = p;
    if (w.group == WordGroup::measurement) measurement_ = p;
    if ((w.group == WordGroup::statistic || w.group == WordGroup::measurement) && under_points_) {
      return error(p, "'" + std::string(w.name) + "' speaks of a whole set or device and cannot stand where single inputs are spoken of");
    }
    return given_by(w);
  }

  Type name(const Expr& e) {
    if (e.path.size() == 1) return single(e, e.path[0]);
    auto bound = bound_.find(e.path[0]);
    if (bound != bound_.end() && bound->second.kind == Kind::point && e.path.size() == 2) return point_field(e);
    if (!is_model(e.path[0]))
      return error({e.place.begin, e.place.begin + e.path[0].size()}, "unknown model '" + e.path[0] + "'",
                   yaml::did_you_mean(e.path[0], scope_.models));
    if (e.path.size() > 2) return error(e.place, "'" + dotted(e.path) + "' has too many parts: model.name is the most");
    const Word* w = find_word(e.path[1]);
    if (w && w->group == WordGroup::measurement && w->arguments.empty()) return note(*w, e.place);
    if (w && !w->arguments.empty())
      return error(e.place, "'" + e.path[1] + "' wants arguments", "write '" + e.path[0] + "." + usage(*w) + "'");
    return error(e.place, "'" + dotted(e.path) + "' is neither a measurement nor an output of '" + e.path[0] + "'");
  }

  Type point_field(const Expr& e) {
    const Scope::Field* f = field(e.path[1]);
    if (f) return quantity(f->unit);
    std::vector<std::string> names;
    for (const Scope::Input& i : scope_.inputs) {
      for (const Scope::Field& x : i.fields) names.push_back(x.name);
    }
    return error(e.place, "'" + e.path[0] + "' has no field '" + e.path[1] + "'",
                 names.empty() ? "name it in model.input.NAME.fields" : yaml::did_you_mean(e.path[1], names));
  }

  Type single(const Expr& e, const std::string& n) {
    if (auto b = bound_.find(n); b != bound_.end()) return b->second;
    if (const Scope::Field* f = field(n)) {
      point_ = e.place;
      return quantity(f->unit);
    }
    for (const Scope::Output& o : scope_.outputs) {
      if (std::ranges::find(o.names, n) == o.names.end()) continue;
      point_ = e.place;
      Type t = output_type(&o);
      t.kind = Kind::number;
      t.width = 1;
      return t;
    }
    if (const Word* w = find_word(n)) {
      if (w->least > 0) return error(e.place, "'" + n + "' wants " + counted(w->least, "argument"), "write '" + usage(*w) + "'");
      return note(*w, e.place);
    }
    if (is_data(n)) return data_set(n, e.place);
    if (std::ranges::find(scope_.labels, n) != scope_.labels.end()) return of(Kind::label);
    if (is_model(n)) return of(Kind::model);
    if (!over_samples_ && (n == "x" || n == "label" || n == "correct")) {
      return error(e.place, "'" + n + "' is bound by the requirement's 'for'", "add for: {data: test}");
    }
    return error(e.place, "unknown name '" + n + "'", yaml::did_you_mean(n, known_names(false)));
  }

  // --- calls ---

  Type call(const Expr& e) {
    const std::string& n = e.path.back();
    Place word_place{e.place.begin, e.place.begin + dotted(e.path).size()};
    if (e.path.size() > 2) return error(word_place, "'" + dotted(e.path) + "' has too many parts: model.name is the most");
    if (e.path.size() == 2 && !is_model(e.path[0])) {
      return error({e.place.begin, e.place.begin + e.path[0].size()}, "unknown model '" + e.path[0] + "'",
                   yaml::did_you_mean(e.path[0], scope_.models));
    }
    if (e.path.size() == 1) {
      auto b = bound_.find(n);
      if (b != bound_.end() && b->second.kind == Kind::broken) return {};
      if (b != bound_.end() && b->second.kind == Kind::transform)
        return arguments(e, {Argument::point}, 1, false) ? of(Kind::point) : Type{};
    }
    if (const Word* w = find_word(n)) return word_call(e, *w, word_place);
    if (auto m = std::ranges::find(scope_.metrics, n, &Scope::Metric::name); m != scope_.metrics.end()) {
      statistic_ = e.place;
      if (under_points_) return error(word_place, "'" + n + "' speaks of a whole set and cannot stand where single inputs are spoken of");
      return arguments(e, {Argument::data}, 1, false) ? quantity(m->unit) : Type{};
    }
    const Scope::Output* o = scope_.output(n);
    if (!o) {
      auto guess = yaml::nearest(n, known_names(true));
      if (scope_.outputs_known || guess) {
        for (const Expr& a : e.args) of_argument(a);
        return error(word_place, "unknown function '" + n + "'", guess ? "did you mean '" + *guess + "'?" : outputs_hint());
      }
    }
    point_ = e.place;
    return arguments(e, {Argument::point}, 1, false) ? output_type(o) : Type{};
  }

  std::string outputs_hint() const {
    if (scope_.outputs.empty()) return {};
    std::string out = scope_.outputs.size() == 1 ? "the output is " : "the outputs are ";
    for (std::size_t i = 0; i < scope_.outputs.size() && i < 5; ++i) out += (i > 0 ? ", '" : "'") + scope_.outputs[i].name + "'";
    return out;
  }

  Type word_call(const Expr& e, const Word& w, Place word_place) {
    bool per_model = w.group == WordGroup::statistic || w.group == WordGroup::measurement;
    if (e.path.size() == 2 && !per_model)
      return error(word_place, "'" + std::string(w.name) + "' is no property of a model", "write it without '" + e.path[0] + ".'");
    if (!arguments(e, w.arguments, w.least, w.repeats)) return {};
    check_constants(e, w);
    if (w.name == "slices") return of(Kind::slices);
    Type t = note(w, e.place);
    if (w.name == "max" || w.name == "min" || w.name == "abs" || w.name == "maxabs") {
      Type first = last_argument_;
      t.dimension = first.dimension;
      t.any_dimension = first.any_dimension;
      t.unit = first.unit;
      t.difference = first.difference || (w.name == "abs" && first.fraction);
      t.bare = first.bare;
      t.fraction = first.fraction && w.name != "abs";
    }
    return t;
  }

  // Numbers that make a region empty or a share impossible.
  void check_constants(const Expr& e, const Word& w) {
    auto constant = [&](std::size_t i) { return i < constants_.size() ? constants_[i] : std::nullopt; };
    if ((w.name == "Linf" || w.name == "L2") && constant(1) && *constant(1) < 0)
      vacuous(e.place, "the region is empty: the radius " + print(e.args[1]) + " is negative");
    if (w.name == "near" && constant(1) && *constant(1) < 0) vacuous(e.place, "the region is empty: " + print(e.args[1]) + " is negative");
    bool range = w.name == "box" || w.group == WordGroup::transform;
    std::size_t lo = w.name == "box" ? 1 : 0;
    if (range && constant(lo) && constant(lo + 1) && *constant(lo) > *constant(lo + 1)) {
      vacuous(e.place, "the region is empty: " + print(e.args[lo]) + " lies above " + print(e.args[lo + 1]));
    }
  }

  void of_argument(const Expr& a) {
    if (a.kind == Expr::Kind::call) type(a);
  }

  bool arguments(const Expr& e, const std::vector<Argument>& wanted, std::size_t least, bool repeats) {
    std::string n = e.path.back();
    std::vector<std::optional<double>> constants;
    std::vector<const Expr*> plain;
    bool ok = true;
    for (std::size_t i = 0; i < e.args.size(); ++i) {
      const std::string& key = e.arg_names[i];
      if (key.empty()) {
        plain.push_back(&e.args[i]);
        continue;
      }
      bool statistic_class = key == "class" && (n == "precision" || n == "recall" || n == "f1");
      if (statistic_class) {
        ok = argument(e.args[i], Argument::label, n) && ok;
      } else if (key == "except" && n == "same") {
        ok = (e.args[i].kind == Expr::Kind::name && e.args[i].path.size() == 1 && (field(e.args[i].path[0]) || !has_fields())) ||
             (error(e.args[i].place, "'except' wants a field", field_hint(e.args[i])), false);
      } else {
        error(e.args[i].place, "'" + n + "' has no argument '" + key + "'");
        ok = false;
      }
    }
    std::size_t most = repeats ? 64 : std::max(least, wanted.size());
    if (plain.size() < least || plain.size() > most) {
      std::string want = least == most ? counted(least, "argument")
                         : repeats     ? "at least " + counted(least, "argument")
                                       : std::to_string(least) + " to " + counted(most, "argument");
      const Word* w = find_word(n);
      error(e.place, "'" + n + "' wants " + want + ", not " + std::to_string(plain.size()), w ? "like '" + usage(*w) + "'" : "");
      return false;
    }
    Type first;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      Argument a = wanted[std::min(i, wanted.size() - 1)];
      ok = argument(*plain[i], a, n) && ok;
      constants.push_back(last_argument_.constant);
      if (i == 0) first = last_argument_;
    }
    constants_ = std::move(constants);
    last_argument_ = first;
    return ok;
  }

  bool has_fields() const {
    return std::ranges::any_of(scope_.inputs, [](const Scope::Input& i) { return !i.fields.empty(); });
  }
  std::string field_hint(const Expr& e) const {
    std::vector<std::string> names;
    for (const Scope::Input& i : scope_.inputs) {
      for (const Scope::Field& f : i.fields) names.push_back(f.name);
    }
    return e.path.empty() ? "" : yaml::did_you_mean(e.path[0], names);
  }

  bool argument(const Expr& e, Argument wanted, const std::string& of_word) {
    auto refuse = [&](const Type& t, std::string_view what, std::string hint = {}) {
      if (t.kind != Kind::broken) error(e.place, "'" + of_word + "' wants " + std::string(what) + ", not " + described(t), std::move(hint));
      return false;
    };
    last_argument_ = {};
    switch (wanted) {
      case Argument::word_latency:
      case Argument::word_ram: {
        std::string_view word = wanted == Argument::word_latency ? "latency" : "ram";
        if (e.kind == Expr::Kind::name && e.path.size() == 1 && e.path[0] == word) return true;
        error(e.place, "'" + of_word + "' is of " + std::string(word), "write '" + of_word + "(" + std::string(word) + ")'");
        return false;
      }
      case Argument::column: {
        if (e.kind != Expr::Kind::name || e.path.size() != 1) return error(e.place, "'" + of_word + "' wants the name of a column"), false;
        std::vector<std::string> columns;
        bool known = false;
        for (const Scope::Data& d : scope_.data) {
          columns.insert(columns.end(), d.columns.begin(), d.columns.end());
          known = known || !d.columns.empty();
        }
        if (known && std::ranges::find(columns, e.path[0]) == columns.end())
          return error(e.place, "unknown column '" + e.path[0] + "'", yaml::did_you_mean(e.path[0], columns)), false;
        return true;
      }
      case Argument::data: {
        if (e.kind == Expr::Kind::name && e.path.size() == 1 && !bound_.contains(e.path[0])) {
          return data_set(e.path[0], e.place).kind == Kind::data;
        }
        Type t = type(e);
        return t.kind == Kind::data || refuse(t, "a data set or slice");
      }
      case Argument::point: {
        Type t = type(e);
        return t.kind == Kind::point || (of_word == "outside" && t.kind == Kind::region) ||
               refuse(t, of_word == "outside" ? "a region" : "an input");
      }
      case Argument::output: {
        Type t = type(e);
        last_argument_ = t;
        return t.numeric() || refuse(t, "an output or a number");
      }
      case Argument::label: {
        if (e.kind == Expr::Kind::name && e.path.size() == 1 && scope_.labels.empty() && !bound_.contains(e.path[0])) return true;
        Type t = type(e);
        return t.kind == Kind::label || (t.kind == Kind::number && t.bare) || refuse(t, "a class");
      }
      case Argument::radius: return radius(e, of_word);
      case Argument::number: {
        Type t = type(e);
        last_argument_ = t;
        return t.kind == Kind::number || refuse(t, "a number");
      }
      case Argument::fraction: {
        Type t = type(e);
        last_argument_ = t;
        return (t.kind == Kind::number && t.dimension.pure()) || refuse(t, "a share like 1 %");
      }
      case Argument::angle: {
        Type t = type(e);
        last_argument_ = t;
        if (t.kind == Kind::number && t.bare) return refuse(t, "an angle", "write '" + print(e) + " deg'");
        return (t.kind == Kind::number && t.dimension == yaml::Dimension{{{"rad", 1}}}) || refuse(t, "an angle like 10 deg");
      }
    }
    return false;
  }

  bool radius(const Expr& e, const std::string& of_word) {
    Type t = type(e);
    last_argument_ = t;
    if (t.kind == Kind::broken) return false;
    if (!t.numeric()) return error(e.place, "'" + of_word + "' wants a number, not " + described(t)), false;
    for (const Scope::Input& i : scope_.inputs) {
      if (i.unit.empty()) continue;
      auto u = scope_.units.find(i.unit);
      if (t.bare)
        return error(e.place, print(e) + " has no unit, but input '" + i.name + "' is in " + i.unit,
                     "write '" + print(e) + " " + i.unit + "'"),
               false;
      if (u && t.dimension != u->dimension)
        return error(e.place, print(e) + " is " + described(t) + ", but input '" + i.name + "' is in " + i.unit), false;
      break;
    }
    return true;
  }

  // --- expressions ---

  Type type(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::number: return literal(e);
      case Expr::Kind::name: return name(e);
      case Expr::Kind::call: return call(e);
      case Expr::Kind::index: {
        Type base = type(e.args[0]);
        if (base.kind == Kind::broken) return base;
        if (base.kind != Kind::point) return error(e.args[0].place, "only an input has fields to set, not " + described(base));
        if (has_fields() && !field(e.path[0])) return error(e.place, "no input has a field '" + e.path[0] + "'");
        Type value = type(e.args[1]);
        return value.kind == Kind::broken ? value : base;
      }
      case Expr::Kind::negate: {
        Type t = type(e.args[0]);
        if (t.kind == Kind::broken) return t;
        if (!t.numeric()) return error(e.place, "a number expected after '-', not " + described(t));
        if (t.constant) t.constant = -*t.constant;
        t.fraction = false;
        return t;
      }
      case Expr::Kind::add:
      case Expr::Kind::subtract: return sum(e);
      case Expr::Kind::multiply:
      case Expr::Kind::divide: return product(e);
      case Expr::Kind::compare: return comparison(e);
      case Expr::Kind::logical_not:
      case Expr::Kind::logical_and:
      case Expr::Kind::logical_or:
      case Expr::Kind::implies: {
        static constexpr std::string_view kWords[] = {"'not'", "'and'", "'or'", "'=>'"};
        auto word = kWords[static_cast<std::size_t>(e.kind) - static_cast<std::size_t>(Expr::Kind::logical_not)];
        for (const Expr& a : e.args) condition(a, word);
        return of(Kind::boolean);
      }
    }
    return {};
  }

  void condition(const Expr& e, std::string_view what) {
    Type t = type(e);
    if (t.kind == Kind::boolean || t.kind == Kind::broken) return;
    error(e.place, std::string(what) + " wants a condition, not " + described(t), t.numeric() ? "compare it with something" : "");
  }

  Type literal(const Expr& e) {
    Type t = number();
    if (e.unit.empty()) {
      t.bare = true;
      t.constant = e.value;
      return t;
    }
    auto u = scope_.units.find(e.unit);
    if (!u) {
      std::size_t begin = e.place.end - e.unit.size();
      return error({begin, e.place.end}, u.error().message, u.error().help);
    }
    t.dimension = u->dimension;
    t.difference = u->difference;
    t.fraction = e.unit == "%";
    t.unit = e.unit;
    t.constant = yaml::in_base(e.value, *u);
    return t;
  }

  // Two sides that are added or compared must have one dimension; says what is missing where they do not.
  bool agree(const Expr& left, const Type& l, const Expr& right, const Type& r) {
    if (l.any_dimension || r.any_dimension || l.dimension == r.dimension) return true;
    const bool left_bare = l.bare && l.dimension.pure(), right_bare = r.bare && r.dimension.pure();
    if (left_bare || right_bare) {
      const Expr& bare = left_bare ? left : right;
      const Expr& other = left_bare ? right : left;
      const Type& t = left_bare ? r : l;
      std::string unit = t.unit.empty() ? yaml::print(t.dimension) : t.unit;
      error(bare.place, print(bare) + " has no unit, but " + print(other) + " is in " + unit, "write '" + print(bare) + " " + unit + "'");
    } else {
      error(right.place, print(left) + " is " + described(l) + ", but " + print(right) + " is " + described(r));
    }
    return false;
  }

  Type sum(const Expr& e) {
    Type l = type(e.args[0]), r = type(e.args[1]);
    if (l.kind == Kind::broken || r.kind == Kind::broken) return {};
    for (int i = 0; i < 2; ++i) {
      const Type& t = i == 0 ? l : r;
      if (!t.numeric()) return error(e.args[static_cast<std::size_t>(i)].place, "a number expected, not " + described(t));
    }
    if (!agree(e.args[0], l, e.args[1], r)) return {};
    bool literal_share = e.args[1].kind == Expr::Kind::number && e.args[1].unit == "%";
    if (l.fraction && !l.constant && literal_share)
      warn(e.args[1].place, "a difference of shares is in pp", "write '" + yaml::print_number(e.args[1].value) + " pp'");
    Type t = l.kind == Kind::outputs ? l : r;
    if (l.kind == Kind::outputs && r.kind == Kind::outputs && l.width >= 0 && r.width >= 0 && l.width != r.width) {
      return error(e.place, print(e.args[0]) + " has " + counted(static_cast<std::size_t>(l.width), "value") + ", " + print(e.args[1]) +
                                " has " + std::to_string(r.width));
    }
    t.any_dimension = l.any_dimension && r.any_dimension;
    const Type& known = l.any_dimension ? r : l;
    t.dimension = known.dimension;
    t.unit = known.unit;
    t.bare = l.bare && r.bare;
    bool subtract = e.kind == Expr::Kind::subtract;
    bool both_shares = l.fraction && r.fraction && subtract && !literal_share;
    t.difference = (l.difference && r.difference) || both_shares || (l.difference && r.bare);
    t.fraction = (l.fraction || r.fraction) && !t.difference;
    t.constant = l.constant && r.constant ? std::optional(subtract ? *l.constant - *r.constant : *l.constant + *r.constant) : std::nullopt;
    return t;
  }

  Type product(const Expr& e) {
    Type l = type(e.args[0]), r = type(e.args[1]);
    if (l.kind == Kind::broken || r.kind == Kind::broken) return {};
    for (int i = 0; i < 2; ++i) {
      const Type& t = i == 0 ? l : r;
      if (!t.numeric()) return error(e.args[static_cast<std::size_t>(i)].place, "a number expected, not " + described(t));
    }
    bool divide = e.kind == Expr::Kind::divide;
    if (divide && r.constant && *r.constant == 0) return error(e.args[1].place, "division by zero");
    Type t = l.kind == Kind::outputs || r.kind == Kind::outputs ? (l.kind == Kind::outputs ? l : r) : number();
    t.dimension = divide ? l.dimension / r.dimension : l.dimension * r.dimension;
    t.any_dimension = l.any_dimension || r.any_dimension;
    t.bare = l.bare && r.bare;
    t.unit = r.bare ? l.unit : l.bare && !divide ? r.unit : "";
    t.fraction = false;
    t.difference = (l.difference && r.bare) || (!divide && l.bare && r.difference);
    t.constant = {};
    if (l.constant && r.constant) t.constant = divide ? *l.constant / *r.constant : *l.constant * *r.constant;
    return t;
  }

  // A bare word beside a text column or a class is a value of it: camera == front.
  bool is_loose_word(const Expr& e) const {
    if (e.kind == Expr::Kind::name && (e.path[0] == "x" || e.path[0] == "label" || e.path[0] == "correct")) return false;
    return e.kind == Expr::Kind::name && e.path.size() == 1 && !bound_.contains(e.path[0]) && !field(e.path[0]) && !is_data(e.path[0]) &&
           !is_model(e.path[0]) && !find_word(e.path[0]) && std::ranges::find(scope_.labels, e.path[0]) == scope_.labels.end();
  }
  bool takes_word(const Expr& e) const {
    if (e.kind == Expr::Kind::call && e.path.size() == 1 && e.path[0] == "argmax") return scope_.labels.empty();
    if (e.kind != Expr::Kind::name || e.path.size() != 1) return false;
    auto b = bound_.find(e.path[0]);
    if (b == bound_.end()) return false;
    return b->second.kind == Kind::text || (b->second.kind == Kind::label && scope_.labels.empty());
  }

  Type comparison(const Expr& e) {
    std::vector<Type> types;
    for (std::size_t i = 0; i < e.args.size(); ++i) {
      bool beside_text = (i > 0 && takes_word(e.args[i - 1])) || (i + 1 < e.args.size() && takes_word(e.args[i + 1]));
      types.push_back(beside_text && is_loose_word(e.args[i]) ? of(Kind::word) : type(e.args[i]));
    }
    for (std::size_t i = 0; i + 1 < types.size(); ++i) compare(e, i, types[i], types[i + 1]);
    return of(Kind::boolean);
  }

  void compare(const Expr& e, std::size_t i, const Type& l, const Type& r) {
    const Expr &left = e.args[i], &right = e.args[i + 1];
    Op op = e.ops[i];
    if (l.kind == Kind::broken || r.kind == Kind::broken) return;
    bool equality = op == Op::eq || op == Op::ne;
    Place place{left.place.begin, right.place.end};
    if (l.numeric() && r.numeric()) {
      for (int side = 0; side < 2; ++side) {
        const Type& t = side == 0 ? l : r;
        const Expr& x = side == 0 ? left : right;
        if (t.kind == Kind::outputs && t.width > 1) {
          error(x.place, print(x) + " has " + std::to_string(t.width) + " values, one is compared",
                "take argmax, max, min or maxabs of it");
          return;
        }
      }
      if (!agree(left, l, right, r)) return;
      shares(place, left, l, op, right, r);
      return;
    }
    auto label_like = [](const Type& t) {
      return t.kind == Kind::label || t.kind == Kind::word || (t.kind == Kind::number && t.bare) || t.kind == Kind::text;
    };
    auto text_like = [](const Type& t) {
      return t.kind == Kind::text || t.kind == Kind::word || t.kind == Kind::label || (t.kind == Kind::number && t.constant);
    };
    bool labels = (l.kind == Kind::label && label_like(r)) || (r.kind == Kind::label && label_like(l));
    bool texts = (l.kind == Kind::text && text_like(r)) || (r.kind == Kind::text && text_like(l));
    bool conditions = l.kind == Kind::boolean && r.kind == Kind::boolean;
    bool number_column = (l.kind == Kind::text && r.kind == Kind::number) || (r.kind == Kind::text && l.kind == Kind::number);
    if (!(labels || texts || conditions || number_column)) {
      error(place, described(l) + " and " + described(r) + " cannot be compared");
    } else if (!equality && !number_column) {
      error(place, "classes and words have no order", "only '==' and '!='");
    }
  }

  // What only shares can get wrong: 85 for 85 %, pp for %, limits that always or never hold.
  void shares(Place place, const Expr& left, const Type& l, Op op, const Expr& right, const Type& r) {
    if (l.constant && r.constant) {
      warn(place, "both sides are constants; the comparison says nothing about a model");
      return;
    }
    for (int side = 0; side < 2; ++side) {
      const Type &share = side == 0 ? l : r, &limit = side == 0 ? r : l;
      const Expr& limit_expr = side == 0 ? right : left;
      if (!share.fraction || !limit.constant || share.constant) continue;
      Op o = side == 0 ? op : flipped(op);
      double v = *limit.constant;
      if (limit.difference) {
        error(limit_expr.place, print(limit_expr) + " is a difference; a share is in %", "write '" + yaml::print_number(v * 100) + " %'");
      } else if (limit.bare && v > 1 && v <= 100) {
        error(limit_expr.place, print(limit_expr) + " is no share: it has no unit, and shares lie in [0, 1]",
              "write '" + print(limit_expr) + " %'");
      } else if ((v > 1 && (o == Op::ge || o == Op::gt || o == Op::eq)) || (v == 1 && o == Op::gt) ||
                 (v < 0 && (o == Op::le || o == Op::lt || o == Op::eq)) || (v == 0 && o == Op::lt)) {
        warn(place, "never holds: a share lies in [0 %, 100 %]");
      } else if ((v <= 0 && o == Op::ge) || (v < 0 && o == Op::gt) || (v >= 1 && o == Op::le) || (v > 1 && o == Op::lt)) {
        warn(place, "always holds: a share lies in [0 %, 100 %]");
      }
    }
  }

  // --- quantifiers ---

  void quantifier(const Quantifier& q) {
    for (const Binder& b : q.binders) {
      Type t = region_type(b.region);
      for (std::size_t i = 0; i < b.names.size(); ++i) {
        const std::string& n = b.names[i];
        if (find_word(n) || is_data(n) || is_model(n)) {
          error(b.places[i], "'" + n + "' has a meaning already and cannot be bound");
          bind(n, {});
          continue;
        }
        Type v;
        switch (t.kind) {
          case Kind::region:
          case Kind::data:
            v = of(Kind::point);
            break;
          case Kind::slices: v = of(Kind::data); break;
          case Kind::transform: v = of(Kind::transform); break;
          case Kind::text: v = of(Kind::text); break;
          default: break;
        }
        bind(n, v);
      }
      if (t.kind == Kind::region || t.kind == Kind::data) under_points_ = true;
      if (q.each && t.kind != Kind::slices && t.kind != Kind::broken)
        warn(q.place, "'for each' corrects for the number of slices; here it means 'for all'");
    }
    if (q.where) condition(*q.where, "'where'");
  }

  Type region_type(const Expr& e) {
    // A field of the input (`g in sex`) is the set of its values.
    if (e.kind == Expr::Kind::name && e.path.size() == 1 &&
        (field(e.path[0]) || (bound_.contains(e.path[0]) && bound_[e.path[0]].kind == Kind::text)))
      return of(Kind::text);
    Type t = type(e);
    bool region =
        t.kind == Kind::region || t.kind == Kind::data || t.kind == Kind::slices || t.kind == Kind::transform || t.kind == Kind::broken;
    if (!region) return error(e.place, "a region, data set, column or transform expected after 'in', not " + described(t));
    if (t.kind == Kind::region) region_ = e.place;
    if (t.kind == Kind::transform) region_ = e.place;
    if (e.kind == Expr::Kind::name && e.path[0] == "domain") needs_domain_ = e.place;
    if (e.kind == Expr::Kind::call && e.path[0] == "near") needs_domain_ = e.place;
    return t;
  }

  // --- lint of premises ---

  void premises(const Expr& e) {
    if (e.kind == Expr::Kind::implies) {
      premise(e.args[0]);
      auto holds = [&](const Expr& p) { return same(p, e.args[1]); };
      bool contained = holds(e.args[0]) || (e.args[0].kind == Expr::Kind::logical_and && std::ranges::any_of(e.args[0].args, holds));
      if (contained) {
        warn(e.place, "the premise equals the conclusion; it holds whatever the model does", "");
        if (r_.vacuous.empty()) r_.vacuous = "the premise equals the conclusion";
      }
      premises(e.args[1]);
      return;
    }
    for (const Expr& a : e.args) premises(a);
  }

  void premise(const Expr& e) {
    if (auto empty = empty_premise(e, scope_)) vacuous(empty->place, empty->why);
  }

  // --- levels ---

  void levels() {
    if (r_.level && r_.level->kind == Level::Kind::prove && (statistic_ || measurement_)) {
      Place p = statistic_ ? *statistic_ : *measurement_;
      error(p, std::string("a ") + (statistic_ ? "statistic" : "measurement") + " cannot be proved",
            "leave level out, or write level: bound(95 %)");
    }
    bool proof = r_.level ? r_.level->kind == Level::Kind::prove : region_ || (point_ && !over_samples_ && !under_points_);
    bool bare_fields = point_ && !over_samples_ && !under_points_;
    if (!proof || !(needs_domain_ || bare_fields)) return;
    for (const Scope::Input& i : scope_.inputs) {
      bool missing = !i.domain && (i.fields.empty() || std::ranges::any_of(i.fields, [](const Scope::Field& f) { return !f.domain; }));
      if (!missing) continue;
      warn(needs_domain_ ? *needs_domain_ : *point_, "a proof over the domain, but input '" + i.name + "' has none; inconclusive",
           "add model.input." + i.name + ".domain: [lo, hi]");
      break;
    }
  }

  Requirement& r_;
  const Scope& scope_;
  yaml::Diagnostics& diagnostics_;
  const yaml::Node* node_ = nullptr;
  std::size_t errors_before_ = 0;
  std::map<std::string, Type> bound_;
  bool over_samples_ = false, under_points_ = false;
  std::optional<Place> statistic_, measurement_, point_, region_, needs_domain_;
  Type last_argument_;
  std::vector<std::optional<double>> constants_;
};

}  // namespace

bool check(Requirement& requirement, const Scope& scope, yaml::Diagnostics& diagnostics) {
  std::size_t errors = diagnostics.errors();
  Checker(requirement, scope, diagnostics).run();
  return diagnostics.errors() == errors;
}

bool check(RequirementFile& file, const Scope& scope, yaml::Diagnostics& diagnostics) {
  std::size_t errors = diagnostics.errors();
  std::set<std::string> used;
  for (Requirement& r : file.requirements) {
    Checker checker(r, scope, diagnostics);
    checker.run();
    used.insert(checker.used_data.begin(), checker.used_data.end());
    if (checker.used_data.empty()) {
      bool slices = false;
      for (const Quantifier& q : r.assertion.quantifiers) {
        for (const Binder& b : q.binders) slices = slices || (b.region.kind == Expr::Kind::call && b.region.path[0] == "slices");
      }
      if (slices) used.insert(r.over ? r.over->data : "test");
    }
  }
  for (const auto& [name, value] : file.data.entries()) {
    if ((name == "test" || name == "val") && !used.contains(name)) {
      diagnostics.warning(file.data.key_at(name), "data set '" + name + "' is used by no requirement");
    }
  }
  return diagnostics.errors() == errors;
}

}  // namespace saha::validate
