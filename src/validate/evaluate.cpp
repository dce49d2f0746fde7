// From the tree of an assertion to its verdict: slices, logic and relations; single samples go to pointwise.cpp.
#include "validate/evaluate.hpp"

#include <algorithm>
#include <chrono>

#include "validate/pointwise.hpp"
#include "validate/prove.hpp"
#include "validate/relation.hpp"
#include "validate/tries.hpp"

namespace saha::validate {
namespace {

class Judge {
 public:
  Judge(const Requirement& r, const Scope& scope, Recall& recall) : r_(r), scope_(scope), recall_(recall) {}

  Judgement of_model(const std::string& model, const std::optional<Level>& level) {
    model_ = model;
    level_ = level;
    slices_.clear();
    if (speaks_of_points(r_, scope_)) {
      Requirement leveled = r_;
      leveled.level = level;
      if (asks_for_proof(leveled, scope_)) {
        PointVerdict p = prove(leveled, model, scope_, recall_);
        Judgement j = fixed(p.verdict, p.text);
        j.levels.insert(p.proof ? "prove " + p.proof->arithmetic : "prove");
        j.figures = p.figures;
        j.witness = p.witness;
        j.proof = p.proof;
        return j;
      }
      const bool tries = asks_for_tries(leveled);
      std::string why = tries ? "" : not_runnable(leveled, scope_);
      Level l = level.value_or(Level{Level::Kind::test, 0.95, 0});
      if (!why.empty()) {
        Judgement j = fixed(Verdict::inconclusive, why);
        j.levels.insert(level ? print(*level) : "prove");
        return j;
      }
      PointVerdict p = tries ? run_tries(leveled, model, l, scope_, recall_) : run_on_samples(leveled, model, l, scope_, recall_);
      Judgement j = fixed(p.verdict, p.text);
      j.levels.insert(print(l));
      j.figures = p.figures;
      j.witness = p.witness;
      j.corruptions = p.corruptions;
      return j;
    }
    return quantified(0);
  }

 private:
  // --- quantifiers over slices ---

  Result<std::vector<Slice>> slices_of(const Expr& region) {
    if (region.kind != Expr::Kind::call || region.path[0] != "slices")
      return Error{ErrorCode::unsupported, "'" + print(region) + "' as a region of statistics is not evaluated; slices(..) is"};
    std::string data = r_.over ? r_.over->data : "test";
    std::vector<Slice> out;
    for (const Expr& column : region.args) {
      const auto& values = recall_.column(data, column.path[0]);
      if (!values) return values.error();
      std::map<std::string, std::vector<std::int64_t>> rows;
      for (std::size_t i = 0; i < values->size(); ++i) rows[(*values)[i]].push_back(static_cast<std::int64_t>(i));
      if (rows.size() > 10000)
        return Error{ErrorCode::invalid_data,
                     "column '" + column.path[0] + "' has " + std::to_string(rows.size()) + " values; at most 10000 slices are judged"};
      for (auto& [value, list] : rows) out.push_back({data, std::move(list), column.path[0] + "=" + value});
    }
    return out;
  }

  Judgement quantified(std::size_t depth) {
    if (depth == r_.assertion.quantifiers.size()) return condition(r_.assertion.body);
    const Quantifier& q = r_.assertion.quantifiers[depth];
    std::vector<std::pair<std::string, std::vector<Slice>>> variables;
    for (const Binder& b : q.binders) {
      auto slices = slices_of(b.region);
      if (!slices) return fixed(Verdict::inconclusive, slices.error().message);
      for (const std::string& name : b.names) variables.emplace_back(name, *slices);
    }
    std::vector<std::pair<std::string, Judgement>> parts;
    std::string open;
    std::size_t skipped = 0;
    if (!assign(q, variables, 0, depth, parts, open, skipped)) return fixed(Verdict::inconclusive, open);
    if (parts.empty()) return fixed(Verdict::inconclusive, "no slice meets the condition; vacuous");
    return over_slices(std::move(parts), q.each, skipped);
  }

  bool assign(const Quantifier& q, const std::vector<std::pair<std::string, std::vector<Slice>>>& variables, std::size_t k,
              std::size_t depth, std::vector<std::pair<std::string, Judgement>>& parts, std::string& open, std::size_t& skipped) {
    if (k == variables.size()) {
      std::string name;
      for (const auto& v : variables) name += (name.empty() ? "" : ", ") + slices_.at(v.first).name;
      if (q.where) {
        Verdict chosen = condition(*q.where).at(1);
        if (chosen == Verdict::inconclusive) {
          open = "whether " + name + " is meant is not known: " + condition(*q.where).text(1);
          return false;
        }
        if (chosen == Verdict::violated) {
          ++skipped;
          return true;
        }
      }
      if (parts.size() >= 10000) {
        open = "more than 10000 combinations of slices";
        return false;
      }
      parts.emplace_back(name, quantified(depth + 1));
      return true;
    }
    for (const Slice& s : variables[k].second) {
      slices_[variables[k].first] = s;
      if (!assign(q, variables, k + 1, depth, parts, open, skipped)) return false;
    }
    return true;
  }

  // --- conditions ---

  Judgement condition(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::logical_not: return negation(condition(e.args[0]));
      case Expr::Kind::logical_and:
      case Expr::Kind::logical_or: {
        std::vector<Judgement> parts;
        for (const Expr& a : e.args) parts.push_back(condition(a));
        return e.kind == Expr::Kind::logical_and ? all_of(std::move(parts)) : any_of(std::move(parts));
      }
      case Expr::Kind::implies: return any_of({negation(condition(e.args[0])), condition(e.args[1])});
      case Expr::Kind::compare: {
        std::vector<Judgement> parts;
        for (std::size_t i = 0; i < e.ops.size(); ++i) parts.push_back(relation(e.args[i], e.ops[i], e.args[i + 1]));
        return all_of(std::move(parts));
      }
      default: return fixed(Verdict::inconclusive, "'" + print(e) + "' beside statistics needs the verifier");
    }
  }

  // abs, max and min of statistics are taken apart into relations without them.
  Judgement relation(const Expr& left, Op op, const Expr& right) {
    for (bool on_left : {true, false}) {
      const Expr &f = on_left ? left : right, &other = on_left ? right : left;
      Op o = on_left ? op : flipped(op);
      if (f.kind != Expr::Kind::call || f.path.size() != 1 || o == Op::eq || o == Op::ne) continue;
      const std::string& n = f.path[0];
      if (n != "abs" && n != "max" && n != "min") continue;
      bool above = o == Op::ge || o == Op::gt;
      std::vector<Judgement> parts;
      for (const Expr& a : f.args) parts.push_back(relation(a, o, other));
      if (n == "abs") {
        Expr minus;
        minus.kind = Expr::Kind::negate;
        minus.args = {f.args[0]};
        parts.push_back(relation(minus, o, other));
      }
      bool any = n == "min" ? !above : above;
      return any ? any_of(std::move(parts)) : all_of(std::move(parts));
    }
    if (left.kind == Expr::Kind::divide) {  // F / G op c is F - c G op 0 where G > 0: shares, times and sizes are
      auto divisor = form(left.args[1]), limit = form(right);
      if (divisor && limit && !divisor->terms.empty() && limit->terms.empty()) {
        bool positive = divisor->constant >= 0 && std::ranges::all_of(divisor->terms, [](const auto& t) { return t.second > 0; });
        auto numerator = form(left.args[0]);
        if (!numerator) return fixed(Verdict::inconclusive, numerator.error().message);
        if (!positive) return fixed(Verdict::inconclusive, "'" + print(left) + "' divides by what may be negative");
        append(*numerator, *divisor, -limit->constant);
        return judge_relation(std::move(*numerator), op, level_, r_.seed);
      }
    }
    auto f = form(left), g = form(right);
    if (!f) return fixed(Verdict::inconclusive, f.error().message);
    if (!g) return fixed(Verdict::inconclusive, g.error().message);
    append(*f, *g, -1);
    return judge_relation(std::move(*f), op, level_, r_.seed);
  }

  Result<Form> form(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::number: {
        if (e.unit.empty()) return Form{e.value};
        SAHA_TRY(yaml::Unit u, scope_.units.find(e.unit));
        return Form{yaml::in_base(e.value, u)};
      }
      case Expr::Kind::negate: {
        SAHA_TRY(Form f, form(e.args[0]));
        f.constant = -f.constant;
        for (auto& t : f.terms) t.second = -t.second;
        return f;
      }
      case Expr::Kind::add:
      case Expr::Kind::subtract: {
        SAHA_TRY(Form f, form(e.args[0]));
        SAHA_TRY(Form g, form(e.args[1]));
        append(f, g, e.kind == Expr::Kind::add ? 1 : -1);
        return f;
      }
      case Expr::Kind::multiply:
      case Expr::Kind::divide: {
        SAHA_TRY(Form f, form(e.args[0]));
        SAHA_TRY(Form g, form(e.args[1]));
        if (e.kind == Expr::Kind::multiply && f.terms.empty()) std::swap(f, g);
        if (!g.terms.empty()) return Error{ErrorCode::unsupported, "'" + print(e) + "' is not linear in what is measured"};
        double factor = e.kind == Expr::Kind::multiply ? g.constant : 1 / g.constant;
        f.constant *= factor;
        for (auto& t : f.terms) t.second *= factor;
        return f;
      }
      case Expr::Kind::name:
      case Expr::Kind::call: return atom(e);
      default: return Error{ErrorCode::unsupported, "'" + print(e) + "' beside statistics is not evaluated"};
    }
  }

  Result<Form> atom(const Expr& e) {
    if (!is_aggregate(e, scope_)) return Error{ErrorCode::unsupported, "'" + print(e) + "' beside statistics needs the verifier"};
    Slice slice;
    if (e.kind == Expr::Kind::call && !e.args.empty()) {
      const std::string name = dotted(e.args[0].path);
      auto bound = slices_.find(name);
      if (bound != slices_.end()) slice = bound->second;
      else slice.data = name;
    }
    if (e.path.back() == "n") {
      SAHA_TRY(std::int64_t n, recall_.size(slice));
      return Form{static_cast<double>(n)};
    }
    SAHA_TRY(Estimate a, estimate(e, model_, slice, scope_, level_of(e), recall_));
    if (a.pairs_with.empty()) a.pairs_with = slice.name;  // keeps the same statistic of two slices apart
    Form f;
    f.terms.emplace_back(std::move(a), 1);
    return f;
  }

  Level level_of(const Expr& e) const {
    if (level_) return *level_;
    const Word* w = find_word(e.path.back());
    bool measured = w && w->group == WordGroup::measurement;
    return measured ? Level{Level::Kind::test, 0.95, 200} : Level{Level::Kind::bound, 0.95, 0};
  }

  const Requirement& r_;
  const Scope& scope_;
  Recall& recall_;
  std::string model_;
  std::optional<Level> level_;
  std::map<std::string, Slice> slices_;
};

Judgement judged(const Requirement& r, const std::optional<Level>& level, const Scope& scope, Recall& recall) {
  std::vector<Judgement> parts;
  for (const std::string& model : r.models) {
    parts.push_back(Judge(r, scope, recall).of_model(model, level));
    if (r.models.size() > 1) {
      Judgement& last = parts.back();
      last.text = [text = last.text, model](double scale) { return model + ": " + text(scale); };
    }
  }
  return all_of(std::move(parts));
}

}  // namespace

std::string_view name(Verdict v) {
  return v == Verdict::passed ? "passed" : v == Verdict::violated ? "violated" : "inconclusive";
}

Verdict operator!(Verdict v) {
  return v == Verdict::passed ? Verdict::violated : v == Verdict::violated ? Verdict::passed : v;
}

Verdict both(Verdict a, Verdict b) {
  if (a == Verdict::violated || b == Verdict::violated) return Verdict::violated;
  return a == Verdict::inconclusive || b == Verdict::inconclusive ? Verdict::inconclusive : Verdict::passed;
}

Verdict either(Verdict a, Verdict b) { return !both(!a, !b); }

Outcome outcome_for(const Requirement& r) {
  Outcome out;
  out.id = r.id;
  out.why = r.why;
  out.text = r.text;
  out.importance = r.importance;
  out.models = r.models;
  out.tags = r.tags;
  out.location = r.location;
  return out;
}

Outcome evaluate(const Requirement& r, const Scope& scope, Evidence& evidence) {
  auto started = std::chrono::steady_clock::now();
  Outcome out = outcome_for(r);
  if (!r.vacuous.empty()) {
    out.level = r.level ? print(*r.level) : "-";
    out.evidence = r.vacuous + "; vacuous";
  } else {
    Recall recall(evidence);
    auto take = [&](const Judgement& j) {
      out.verdict = j.at(1);
      out.evidence = j.text(1);
      out.figures = j.figures;
      out.witness = out.verdict == Verdict::violated ? j.witness : std::nullopt;
      out.proof = j.proof;
      out.corruptions = j.corruptions;
      out.level.clear();
      for (const std::string& l : j.levels) out.level += (out.level.empty() ? "" : ", ") + l;
      if (out.level.empty()) out.level = r.level ? print(*r.level) : "-";
    };
    Judgement j = judged(r, r.level, scope, recall);
    take(j);
    if (out.verdict == Verdict::inconclusive && r.fallback) {
      std::string asked = out.evidence;
      Judgement lower = judged(r, r.fallback, scope, recall);
      if (lower.at(1) != Verdict::inconclusive) {
        take(lower);
        out.by_fallback = true;
        out.evidence = "by fallback " + out.level + ": " + out.evidence + "; asked for: " + asked;
      } else {
        out.evidence += "; fallback " + print(*r.fallback) + ": " + lower.text(1);
      }
    }
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return out;
}

int exit_code(std::span<const Outcome> outcomes, bool strict) {
  int code = 0;
  for (const Outcome& o : outcomes) {
    if (strict && (o.verdict != Verdict::passed || o.by_fallback)) return 1;
    if (o.importance != Importance::must || o.verdict == Verdict::passed) continue;
    if (o.verdict == Verdict::violated) return 1;
    code = 3;
  }
  return code;
}

}  // namespace saha::validate
