// Calls: who is called, how many arguments, of which kind, and numbers that make a region empty.
#include "base/figures.hpp"
#include "validate/checker.hpp"
#include "validate/strangeness.hpp"

namespace saha::validate {

Type Checker::call(const Expr& e) {
  const std::string& n = e.path.back();
  Place word_place{e.place.begin, e.place.begin + dotted(e.path).size()};
  if (e.path.size() > 2) return error(word_place, "'" + dotted(e.path) + "' has too many parts: model.name is the most");
  if (e.path.size() == 2 && !is_model(e.path[0])) {
    return error({e.place.begin, e.place.begin + e.path[0].size()}, "unknown model '" + e.path[0] + "'",
                 yaml::did_you_mean(e.path[0], scope_.models));
  }
  if (e.path.size() == 2) warn_of_no_file(e);
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

std::string Checker::outputs_hint() const {
  if (scope_.outputs.empty()) return {};
  std::string out = scope_.outputs.size() == 1 ? "the output is " : "the outputs are ";
  for (std::size_t i = 0; i < scope_.outputs.size() && i < 5; ++i) out += (i > 0 ? ", '" : "'") + scope_.outputs[i].name + "'";
  return out;
}

Type Checker::word_call(const Expr& e, const Word& w, Place word_place) {
  bool per_model = w.group == WordGroup::statistic || w.group == WordGroup::measurement;
  if (e.path.size() == 2 && !per_model)
    return error(word_place, "'" + std::string(w.name) + "' is no property of a model", "write it without '" + e.path[0] + ".'");
  use_ = w.group == WordGroup::comparison ? Use::compare : w.name == "n" ? Use::count : Use::run;
  const bool sound = arguments(e, w.arguments, w.least, w.repeats);
  use_ = Use::run;
  if (!sound || !calibration(e, w)) return {};
  check_constants(e, w);
  if (const Expr* margin = w.name == "same_class" ? argument_of(e, "margin") : nullptr; margin && !agree(e.args[0], type(e.args[0]), *margin, type(*margin))) return {};
  if (w.name == "slices") return of(Kind::slices);
  if (w.name == "conf") confidence_ = e.place;
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

// What is chosen on a data set proves nothing on the same one.
bool Checker::calibration(const Expr& e, const Word& w) {
  auto apart = [&](const std::string& seen, bool given) {
    if (seen.empty()) return error(e.place, "'" + e.path.back() + "' has no data set to choose a threshold on", "declare data.calibration or data.val"), false;
    if (!given && data_set(seen, e.place, true).kind != Kind::data) return false;
    for (std::size_t i = 0; i < e.args.size(); ++i) {
      if (!e.arg_names[i].empty() || e.args[i].path.size() != 1) continue;
      const std::string& name = e.args[i].path[0];
      const auto bound = bound_.find(name);
      const bool slice = bound != bound_.end() && bound->second.kind == Kind::data;
      const bool sample = bound != bound_.end() && name == "x" && r_.over;
      if ((slice ? (r_.over ? r_.over->data : "test") : sample ? r_.over->data : name) != seen) continue;
      return error(e.args[i].place, "'" + name + "' is judged by what was chosen on the same samples ('" + seen + "'), which proves nothing", "choose on another data set"), false;
    }
    return true;
  };
  for (const NamedArgument& a : w.named) {
    if (a.kind != Argument::data) continue;
    const Expr* given = argument_of(e, a.name);
    if (a.name == "known") {
      const auto score = strangeness(argument_of(e, "score")->path[0]);
      if (!given && !(score && needs_fit(*score))) continue;
      if (!apart(given ? given->path[0] : "train", given != nullptr)) return false;
    } else if (!apart(given ? given->path[0] : calibration_set(scope_), given != nullptr)) {
      return false;
    }
  }
  const bool by_rule = w.name == "reject" || w.name == "rejected" || w.name == "selective_accuracy";
  if (!by_rule || !scope_.reject || scope_.reject->threshold) return true;
  return apart(scope_.reject->data.empty() ? calibration_set(scope_) : scope_.reject->data, false);
}

// Numbers that make a region empty or a share impossible.
void Checker::check_constants(const Expr& e, const Word& w) {
  auto constant = [&](std::size_t i) { return i < constants_.size() ? constants_[i] : std::nullopt; };
  if ((w.name == "Linf" || w.name == "L2") && constant(1) && *constant(1) < 0)
    vacuous(e.place, "the region is empty: the radius " + print(e.args[1]) + " is negative");
  if (w.name == "near" && constant(1) && *constant(1) < 0) vacuous(e.place, "the region is empty: " + print(e.args[1]) + " is negative");
  if (w.name == "corruptions") {
    for (std::size_t i : {0u, 1u})
      if (constant(i) && !(*constant(i) >= 1 && *constant(i) <= 5)) error(e.args[i].place, "a severity is 1 to 5, not " + print(e.args[i]));
  }
  bool range = w.name == "box" || w.group == WordGroup::transform;
  std::size_t lo = w.name == "box" ? 1 : 0;
  if (range && constant(lo) && constant(lo + 1) && *constant(lo) > *constant(lo + 1)) {
    vacuous(e.place, "the region is empty: " + print(e.args[lo]) + " lies above " + print(e.args[lo + 1]));
  }
}

void Checker::of_argument(const Expr& a) {
  if (a.kind == Expr::Kind::call) type(a);
}

bool Checker::arguments(const Expr& e, const std::vector<Argument>& wanted, std::size_t least, bool repeats) {
  std::string n = e.path.back();
  std::vector<std::optional<double>> constants;
  std::vector<const Expr*> plain;
  const Word* word = find_word(n);
  bool ok = true;
  for (std::size_t i = 0; i < e.args.size(); ++i) {
    const std::string& key = e.arg_names[i];
    if (key.empty()) {
      plain.push_back(&e.args[i]);
      continue;
    }
    const NamedArgument* known = word ? word->named_argument(key) : nullptr;
    if (!known) {
      std::vector<std::string> names;
      for (const NamedArgument& a : word ? word->named : std::vector<NamedArgument>{}) names.emplace_back(a.name);
      error(e.args[i].place, "'" + n + "' has no argument '" + key + "'", yaml::did_you_mean(key, names));
      ok = false;
    } else if (std::ranges::find(e.arg_names.begin(), e.arg_names.begin() + static_cast<std::ptrdiff_t>(i), key) != e.arg_names.begin() + static_cast<std::ptrdiff_t>(i)) {
      error(e.args[i].place, "'" + key + "' is given twice to '" + n + "'");
      ok = false;
    } else {
      ok = named_argument(e.args[i], *known, n) && ok;
    }
  }
  for (const NamedArgument& a : word ? word->named : std::vector<NamedArgument>{}) {
    if (!a.required || std::ranges::find(e.arg_names, a.name) != e.arg_names.end()) continue;
    error(e.place, "'" + n + "' wants the argument '" + std::string(a.name) + "'", "like '" + example(a) + "'");
    ok = false;
  }
  std::size_t most = repeats ? 64 : std::max(least, wanted.size());
  if (plain.size() < least || plain.size() > most) {
    std::string want = least == most ? figures::counted(std::int64_t(least), "argument")
                       : repeats     ? "at least " + figures::counted(std::int64_t(least), "argument")
                                     : std::to_string(least) + " to " + figures::counted(std::int64_t(most), "argument");
    error(e.place, "'" + n + "' wants " + want + ", not " + std::to_string(plain.size()), word ? "like '" + usage(*word) + "'" : "");
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

bool Checker::named_argument(const Expr& e, const NamedArgument& a, const std::string& of_word) {
  auto bare = [&] { return e.kind == Expr::Kind::name && e.path.size() == 1; };
  const std::string wants = "'" + std::string(a.name) + "' of '" + of_word + "' wants ";
  switch (a.kind) {
    case Argument::word: {
      std::vector<std::string> words(a.words.begin(), a.words.end());
      if (bare() && std::ranges::find(words, e.path[0]) != words.end()) return true;
      std::string all;
      for (const std::string& w : words) all += (all.empty() ? "" : w == words.back() ? " or " : ", ") + w;
      return error(e.place, wants + all + ", not '" + print(e) + "'", bare() ? yaml::did_you_mean(e.path[0], words) : ""), false;
    }
    case Argument::output_name:
      if (bare() && (scope_.output(e.path[0]) || !scope_.outputs_known)) return true;
      return error(e.place, wants + "the name of an output", outputs_hint()), false;
    case Argument::data:
      if (bare() && !bound_.contains(e.path[0])) return data_set(e.path[0], e.place, true).kind == Kind::data;
      return error(e.place, wants + "a data set"), false;
    case Argument::share: {
      const Type t = type(e);
      if (t.constant && t.dimension.pure() && !t.difference && *t.constant > 0 && *t.constant < 1) return true;
      return t.kind != Kind::broken && (error(e.place, wants + "a share between 0 % and 100 %, like 90 %"), false);
    }
    case Argument::number: {
      const Type t = type(e);
      if (t.constant && t.dimension.pure()) return true;
      return t.kind != Kind::broken && (error(e.place, wants + "a number"), false);
    }
    case Argument::whole: {
      const Type t = type(e);
      if (t.constant && t.bare && *t.constant >= 1 && *t.constant <= 1e9 && *t.constant == static_cast<double>(static_cast<std::int64_t>(*t.constant))) return true;
      return t.kind != Kind::broken && (error(e.place, wants + "a whole number above 0"), false);
    }
    case Argument::field:
      if (bare() && (field(e.path[0]) || !has_fields())) return true;
      return error(e.place, wants + "a field", field_hint(e)), false;
    default: return argument(e, a.kind, of_word);
  }
}

bool Checker::has_fields() const {
  return std::ranges::any_of(scope_.inputs, [](const Scope::Input& i) { return !i.fields.empty(); });
}

std::string Checker::field_hint(const Expr& e) const {
  std::vector<std::string> names;
  for (const Scope::Input& i : scope_.inputs) {
    for (const Scope::Field& f : i.fields) names.push_back(f.name);
  }
  return e.path.empty() ? "" : yaml::did_you_mean(e.path[0], names);
}

bool Checker::argument(const Expr& e, Argument wanted, const std::string& of_word) {
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
    default: break;  // stand under a name only
  }
  return false;
}

bool Checker::radius(const Expr& e, const std::string& of_word) {
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

}  // namespace saha::validate
