// What a name means where it stands: a bound variable, a field, a word of the language, a data set, a class, a model.
#include "base/figures.hpp"
#include "validate/checker.hpp"

namespace saha::validate {

std::vector<std::string> Checker::known_names(bool calls) const {
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

std::vector<std::string> Checker::data_names() const {
  std::vector<std::string> names;
  if (!scope_.data_known) names = {"test", "train", "val", "calibration"};
  for (const Scope::Data& d : scope_.data) names.push_back(d.name);
  return names;
}

bool Checker::is_data(const std::string& name) const {
  auto names = data_names();
  return std::ranges::find(names, name) != names.end();
}

Type Checker::data_set(const std::string& name, Place p, bool to_calibrate) {
  if (!is_data(name)) {
    return error(p, "unknown data set '" + name + "'",
                 data_names().empty() ? "no data is declared: add  data: {" + name + ": FILE OR FOLDER}  here, or take it from a life cycle: saha validate --data saha.yaml"
                                      : yaml::did_you_mean(name, data_names()));
  }
  used_data.insert(name);
  if (use_ != Use::count) (use_ == Use::compare ? compared_ : run_on_).insert(name);
  if (!to_calibrate && use_ == Use::run && (name == "calibration" || name == "train")) {
    warn(p, "'" + name + "' was seen while the model was made; a requirement on it proves little", "use 'test'");
  }
  return of(Kind::data);
}

Type Checker::quantity(const std::string& unit) {
  Type t = number();
  t.unit = unit;
  if (unit.empty()) return t;
  auto u = scope_.units.find(unit);
  if (!u) t.any_dimension = true;
  else t.dimension = u->dimension;
  t.fraction = unit == "%";
  return t;
}

Type Checker::output_type(const Scope::Output* o) {
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

Type Checker::given_by(const Word& w) {
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

Type Checker::unit_type(const std::string& base, const std::string& shown) {
  Type t = quantity(base);
  t.unit = shown;
  return t;
}

std::string_view Checker::example(Argument a) {
  static constexpr std::string_view kExamples[] = {"test",  "x",      "score(x)", "1",   "1 unit", "1 %",  "10 deg", "label",
                                                   "column", "latency", "ram",     "field", "90 %",  "10", "word",   "score"};
  return kExamples[static_cast<std::size_t>(a)];
}

std::string Checker::example(const NamedArgument& a) {
  return std::string(a.name) + "=" + std::string(a.kind == Argument::data ? "calibration" : a.kind == Argument::word ? a.words[0] : example(a.kind));
}

std::string Checker::usage(const Word& w) {
  std::string out = std::string(w.name) + "(";
  for (std::size_t i = 0; i < w.arguments.size() && i < std::max<std::size_t>(w.least, 1); ++i)
    out += (i > 0 ? ", " : "") + std::string(example(w.arguments[i]));
  for (const NamedArgument& a : w.named) {
    if (a.required) out += ", " + example(a);
  }
  return out + ")";
}

Type Checker::note(const Word& w, Place p) {
  if (w.group == WordGroup::statistic) statistic_ = p;
  if (w.group == WordGroup::measurement) measurement_ = p;
  if (w.group == WordGroup::comparison) statistic_ = p;
  if ((w.group == WordGroup::statistic || w.group == WordGroup::comparison || w.group == WordGroup::measurement) && under_points_) {
    return error(p, "'" + std::string(w.name) + "' speaks of a whole set or device and cannot stand where single inputs are spoken of");
  }
  return given_by(w);
}

Type Checker::name(const Expr& e) {
  if (e.path.size() == 1) return single(e, e.path[0]);
  auto bound = bound_.find(e.path[0]);
  if (bound != bound_.end() && bound->second.kind == Kind::point && e.path.size() == 2) return point_field(e);
  if (!is_model(e.path[0]))
    return error({e.place.begin, e.place.begin + e.path[0].size()}, "unknown model '" + e.path[0] + "'",
                 yaml::did_you_mean(e.path[0], scope_.models));
  if (e.path.size() > 2) return error(e.place, "'" + dotted(e.path) + "' has too many parts: model.name is the most");
  warn_of_no_file(e);
  const Word* w = find_word(e.path[1]);
  if (w && w->group == WordGroup::measurement && w->arguments.empty()) return note(*w, e.place);
  if (w && !w->arguments.empty())
    return error(e.place, "'" + e.path[1] + "' wants arguments", "write '" + e.path[0] + "." + usage(*w) + "'");
  return error(e.place, "'" + dotted(e.path) + "' is neither a measurement nor an output of '" + e.path[0] + "'");
}

Type Checker::point_field(const Expr& e) {
  const Scope::Field* f = field(e.path[1]);
  if (f) return quantity(f->unit);
  std::vector<std::string> names;
  for (const Scope::Input& i : scope_.inputs) {
    for (const Scope::Field& x : i.fields) names.push_back(x.name);
  }
  return error(e.place, "'" + e.path[0] + "' has no field '" + e.path[1] + "'",
               names.empty() ? "name it in model.input.NAME.fields" : yaml::did_you_mean(e.path[1], names));
}

Type Checker::single(const Expr& e, const std::string& n) {
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
    if (w->least > 0) return error(e.place, "'" + n + "' wants " + figures::counted(std::int64_t(w->least), "argument"), "write '" + usage(*w) + "'");
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

}  // namespace saha::validate
