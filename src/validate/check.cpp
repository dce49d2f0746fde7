// The check of a requirement: its data and quantifiers, its condition, and the lint of premises and levels.
#include "validate/check.hpp"

#include "validate/checker.hpp"
#include "validate/premise.hpp"

namespace saha::validate {

void Checker::run() {
  errors_before_ = diagnostics_.errors();
  for (std::size_t i = 0; i < r_.models.size(); ++i) {
    yaml::Span at = i < r_.model_nodes.size() ? r_.model_nodes[i].at : r_.id_node.at;
    if (is_model(r_.models[i])) {
      if (std::string why = no_file(r_.models[i]); !why.empty()) diagnostics_.warning(at, why, "models: {" + r_.models[i] + ": FILE}");
      continue;
    }
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
  r_.run_on.assign(run_on_.begin(), run_on_.end());
  r_.compared.assign(compared_.begin(), compared_.end());
  if (diagnostics_.errors() > errors_before_) return;  // the lint reads what has types
  for (const Quantifier& q : r_.assertion.quantifiers) {
    if (q.where) premise(*q.where);
  }
  premises(r_.assertion.body);
  levels();
}

void Checker::vacuous(Place p, const std::string& message) {
  warn(p, message + "; vacuous, counts as inconclusive");
  if (r_.vacuous.empty()) r_.vacuous = message;
}

void Checker::quantifier(const Quantifier& q) {
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

Type Checker::region_type(const Expr& e) {
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

void Checker::premises(const Expr& e) {
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

void Checker::premise(const Expr& e) {
  if (auto empty = empty_premise(e, scope_)) vacuous(empty->place, empty->why);
}

void Checker::levels() {
  if (r_.level && r_.level->kind == Level::Kind::prove && (statistic_ || measurement_)) {
    Place p = statistic_ ? *statistic_ : *measurement_;
    error(p, std::string("a ") + (statistic_ ? "statistic" : "measurement") + " cannot be proved",
          "leave level out, or write level: bound(95 %)");
  }
  bool proof = r_.level ? r_.level->kind == Level::Kind::prove : region_ || (point_ && !over_samples_ && !under_points_);
  if (proof && confidence_ && !r_.fallback)
    error(*confidence_, "'conf' is no sum of what a proof can speak of and cannot be proved", "compare outputs, max(score(x)) say, or write level: test(1000)");
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

bool check(Requirement& requirement, const Scope& scope, yaml::Diagnostics& diagnostics) {
  std::size_t errors = diagnostics.errors();
  Checker(requirement, scope, diagnostics).run();
  return diagnostics.errors() == errors;
}

bool check(RequirementFile& file, const Scope& scope, yaml::Diagnostics& diagnostics) {
  std::size_t errors = diagnostics.errors();
  std::set<std::string> used;
  for (Requirement& r : file.requirements) {
    if (!r.whole) continue;
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
  const bool all = std::ranges::all_of(file.requirements, &Requirement::whole);
  for (const auto& [name, value] : file.data.entries()) {
    if (all && (name == "test" || name == "val") && !used.contains(name)) {
      diagnostics.warning(file.data.key_at(name), "data set '" + name + "' is used by no requirement");
    }
  }
  return diagnostics.errors() == errors;
}

}  // namespace saha::validate
