// Judgements are functions of `scale`: the factor on the error probability of their level. A statement proved at a smaller error
// is proved at a larger one, so the smallest scale that passes is a p-value, and Holm's correction works for any assertion.
#include "validate/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "validate/estimate.hpp"
#include "validate/pointwise.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Judgement {
  std::function<Verdict(double scale)> at;
  std::function<std::string(double scale)> text;
  bool exact = false;  ///< the scale does not matter
  std::set<std::string> levels = {};
  std::vector<Figure> figures = {};
  std::optional<Witness> witness = {};
};

Judgement fixed(Verdict v, std::string text) {
  Judgement j;
  j.at = [v](double) { return v; };
  j.text = [text = std::move(text)](double) { return text; };
  j.exact = true;
  return j;
}

void gather(Judgement& into, const Judgement& from) {
  into.levels.insert(from.levels.begin(), from.levels.end());
  into.figures.insert(into.figures.end(), from.figures.begin(), from.figures.end());
  if (!into.witness) into.witness = from.witness;
}

// All parts must hold. A part that decides alone (a violated one) must do so at its share of the error, since any may err.
Judgement all_of(std::vector<Judgement> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Judgement j;
  double inexact = 0;
  for (const Judgement& p : parts) {
    gather(j, p);
    inexact += !p.exact;
  }
  j.exact = inexact == 0;
  auto shared = std::make_shared<const std::vector<Judgement>>(std::move(parts));
  double share = 1 / std::max(1.0, inexact);
  auto verdict_of = [share](const Judgement& p, double scale) {
    Verdict v = p.at(scale);
    return v == Verdict::violated && p.at(scale * share) != Verdict::violated ? Verdict::inconclusive : v;
  };
  j.at = [shared, verdict_of](double scale) {
    Verdict v = Verdict::passed;
    for (const Judgement& p : *shared) v = both(v, verdict_of(p, scale));
    return v;
  };
  j.text = [shared, verdict_of, at = j.at](double scale) {
    Verdict v = at(scale);
    std::string out;
    for (const Judgement& p : *shared) {  // what decided: the violated ones, else the open ones, else all
      if (verdict_of(p, scale) == v) out += (out.empty() ? "" : "; ") + p.text(scale);
    }
    return out;
  };
  return j;
}

Judgement negation(Judgement p) {
  Judgement j = p;
  j.at = [at = p.at](double scale) { return !at(scale); };
  return j;
}

Judgement any_of(std::vector<Judgement> parts) {
  for (Judgement& p : parts) p = negation(std::move(p));
  return negation(all_of(std::move(parts)));
}

/// sum of coefficient * atom + constant
struct Form {
  double constant = 0;
  std::vector<std::pair<Estimate, double>> terms = {};
  Gives gives = Gives::number;
};

Verdict compared(double lower, double upper, Op op) {
  bool below = false, above = false;
  switch (op) {
    case Op::ge: above = lower >= 0, below = upper < 0; break;
    case Op::gt: above = lower > 0, below = upper <= 0; break;
    case Op::le: above = upper <= 0, below = lower > 0; break;
    case Op::lt: above = upper < 0, below = lower >= 0; break;
    case Op::eq: above = lower == 0 && upper == 0, below = lower > 0 || upper < 0; break;
    case Op::ne: above = lower > 0 || upper < 0, below = lower == 0 && upper == 0; break;
  }
  return above ? Verdict::passed : below ? Verdict::violated : Verdict::inconclusive;
}

class Judge {
 public:
  Judge(const Requirement& r, const Scope& scope, Recall& recall) : r_(r), scope_(scope), recall_(recall) {}

  Judgement of_model(const std::string& model, const std::optional<Level>& level) {
    model_ = model;
    level_ = level;
    slices_.clear();
    if (speaks_of_points()) {
      Requirement leveled = r_;
      leveled.level = level;
      std::string why = not_runnable(leveled, scope_);
      Level l = level.value_or(Level{Level::Kind::test, 0.95, 0});
      if (!why.empty()) {
        Judgement j = fixed(Verdict::inconclusive, why);
        j.levels.insert(level ? print(*level) : "prove");
        return j;
      }
      PointVerdict p = run_on_samples(leveled, model, l, scope_, recall_);
      Judgement j = fixed(p.verdict, p.text);
      j.levels.insert(print(l));
      j.figures = p.figures;
      j.witness = p.witness;
      return j;
    }
    return quantified(0);
  }

 private:
  bool speaks_of_points() const {
    bool aggregate = false;
    visit(r_.assertion.body, [&](const Expr& e) { aggregate = aggregate || is_atom(e); });
    return !aggregate;
  }

  bool is_atom(const Expr& e) const {
    if (e.kind != Expr::Kind::name && e.kind != Expr::Kind::call) return false;
    const Word* w = find_word(e.path.back());
    if (w) return w->group == WordGroup::statistic || w->group == WordGroup::measurement || w->name == "n";
    return e.kind == Expr::Kind::call && std::ranges::any_of(scope_.metrics, [&](const Scope::Metric& m) { return m.name == e.path.back(); });
  }

  // --- quantifiers over slices ---

  Result<std::vector<Slice>> slices_of(const Expr& region) {
    if (region.kind != Expr::Kind::call || region.path[0] != "slices") return Error{ErrorCode::unsupported, "'" + print(region) + "' as a region of statistics is not evaluated; slices(..) is"};
    std::string data = r_.over ? r_.over->data : "test";
    std::vector<Slice> out;
    for (const Expr& column : region.args) {
      const auto& values = recall_.column(data, column.path[0]);
      if (!values) return values.error();
      std::map<std::string, std::vector<std::int64_t>> rows;
      for (std::size_t i = 0; i < values->size(); ++i) rows[(*values)[i]].push_back(static_cast<std::int64_t>(i));
      if (rows.size() > 10000) return Error{ErrorCode::invalid_data, "column '" + column.path[0] + "' has " + std::to_string(rows.size()) + " values; at most 10000 slices are judged"};
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

  bool assign(const Quantifier& q, const std::vector<std::pair<std::string, std::vector<Slice>>>& variables, std::size_t k, std::size_t depth,
              std::vector<std::pair<std::string, Judgement>>& parts, std::string& open, std::size_t& skipped) {
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

  // Holm over the slices: each one's p-value is the smallest error probability at which it decides.
  Judgement over_slices(std::vector<std::pair<std::string, Judgement>> parts, bool correct, std::size_t skipped) {
    auto shared = std::make_shared<const std::vector<std::pair<std::string, Judgement>>>(std::move(parts));
    Judgement j;
    j.exact = true;
    for (const auto& [name, p] : *shared) {
      gather(j, p);
      j.exact = j.exact && p.exact;
    }
    if (j.figures.size() > 60) j.figures.resize(60);
    auto p_values = [shared, correct](Verdict wanted) {
      std::vector<double> p;
      for (const auto& [name, judgement] : *shared) p.push_back(smallest_scale(judgement, wanted));
      return correct ? holm(p) : p;
    };
    struct Tables {
      std::vector<double> passed, violated;
    };
    auto tables = std::make_shared<const Tables>(Tables{p_values(Verdict::passed), p_values(Verdict::violated)});
    // In units of the level's own error: 1 is the level itself, kUnit keeps them below holm's clamp at 1.
    auto verdict = [tables](double scale) {
      double limit = scale * kUnit;
      bool all = std::ranges::all_of(tables->passed, [&](double p) { return p <= limit; });
      bool any = std::ranges::any_of(tables->violated, [&](double p) { return p <= limit; });
      return all ? Verdict::passed : any ? Verdict::violated : Verdict::inconclusive;
    };
    j.at = verdict;
    j.text = [shared, tables, verdict, correct, skipped](double scale) {
      Verdict v = verdict(scale);
      const std::vector<double>& p = v == Verdict::violated ? tables->violated : tables->passed;
      auto worst = v == Verdict::violated ? std::ranges::min_element(p) : std::ranges::max_element(p);
      const auto& [name, judgement] = (*shared)[static_cast<std::size_t>(worst - p.begin())];
      std::string out = std::to_string(shared->size()) + " slices" + (skipped > 0 ? " (" + std::to_string(skipped) + " left out)" : "");
      auto count = std::ranges::count_if(p, [&](double x) { return x <= scale * kUnit; });
      if (v == Verdict::violated) out += ", " + std::to_string(count) + " violated";
      if (v == Verdict::inconclusive) out += ", " + std::to_string(static_cast<std::ptrdiff_t>(p.size()) - count) + " open";
      return out + (correct ? ", Holm" : "") + "; worst " + name + ": " + judgement.text(scale);
    };
    return j;
  }

  static constexpr double kUnit = 0.01;

  static double smallest_scale(const Judgement& j, Verdict wanted) {
    double high = 20;
    if (j.at(high) != wanted) return 1;
    if (j.exact) return 0;
    double low = 1e-12;
    if (j.at(low) == wanted) return low * kUnit;
    for (int i = 0; i < 60 && high / low > 1 + 1e-9; ++i) {
      double mid = std::sqrt(low * high);
      (j.at(mid) == wanted ? high : low) = mid;
    }
    return high * kUnit;
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
        return decided(std::move(*numerator), op);
      }
    }
    auto f = form(left), g = form(right);
    if (!f) return fixed(Verdict::inconclusive, f.error().message);
    if (!g) return fixed(Verdict::inconclusive, g.error().message);
    append(*f, *g, -1);
    return decided(std::move(*f), op);
  }

  static void append(Form& into, const Form& from, double factor) {
    into.constant += factor * from.constant;
    if (into.terms.empty()) into.gives = from.gives;
    for (const auto& [atom, coefficient] : from.terms) {
      auto same_atom = std::ranges::find_if(into.terms, [&](const auto& t) { return t.first.name == atom.name && t.first.pairs_with == atom.pairs_with; });
      if (same_atom != into.terms.end()) same_atom->second += factor * coefficient;
      else into.terms.emplace_back(atom, factor * coefficient);
    }
    std::erase_if(into.terms, [](const auto& t) { return t.second == 0; });
  }

  Result<Form> form(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::number: {
        if (e.unit.empty()) return Form{e.value};
        SAHA_TRY(yaml::Unit u, scope_.units.find(e.unit));
        double per = 1 / u.factor;  // 5 ms is 5 / 1000 s, which is the nearest double; 5 * 0.001 is not always
        bool divides = u.factor < 1 && std::abs(per - std::round(per)) < 1e-9 * per;
        return Form{divides ? e.value / std::round(per) : e.value * u.factor};
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
    if (!is_atom(e)) return Error{ErrorCode::unsupported, "'" + print(e) + "' beside statistics needs the verifier"};
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
    Gives gives = a.gives;
    Form f;
    f.gives = gives;
    f.terms.emplace_back(std::move(a), 1);
    return f;
  }

  Level level_of(const Expr& e) const {
    if (level_) return *level_;
    const Word* w = find_word(e.path.back());
    bool measured = w && w->group == WordGroup::measurement;
    return measured ? Level{Level::Kind::test, 0.95, 200} : Level{Level::Kind::bound, 0.95, 0};
  }

  // --- relations: form op 0 ---

  Judgement decided(Form f, Op op) {
    Judgement j;
    j.exact = std::ranges::all_of(f.terms, [](const auto& t) { return t.first.exact; });
    if (f.terms.empty()) {
      j = fixed(compared(f.constant, f.constant, op), "by counting");
      return j;
    }
    bool statistic = false;
    Level level{Level::Kind::test, 0.95, 200};
    for (const auto& [a, c] : f.terms) {
      statistic = statistic || !is_measured(a);
      j.figures.insert(j.figures.end(), a.figures.begin(), a.figures.end());
    }
    if (statistic) level = {Level::Kind::bound, 0.95, 0};
    if (level_) level = *level_;
    j.levels.insert(print(level));
    bool point_only = statistic && level.kind == Level::Kind::test;
    double error = 1 - level.confidence;
    std::string short_of;
    for (const auto& [a, c] : f.terms) {
      if (!a.short_of.empty()) short_of = a.short_of;
    }
    auto shared = std::make_shared<const Form>(std::move(f));
    auto bounds = [shared, point_only](double confidence) { return point_only ? points(*shared) : bounds_of(*shared, confidence); };
    // Below 50 % the lower bound would pass the upper one.
    auto confidence_at = [error](double scale) { return std::clamp(1 - error * scale, 0.5, 1 - 1e-15); };
    j.at = [bounds, confidence_at, op, short_of](double scale) {
      auto [lower, upper] = bounds(confidence_at(scale));
      Verdict v = compared(lower, upper, op);
      return v == Verdict::passed && !short_of.empty() ? Verdict::inconclusive : v;
    };
    j.text = [=, at = j.at](double scale) { return told(*shared, op, at(scale), confidence_at(scale), point_only, short_of); };
    if (j.exact || point_only) return j;
    auto [lower, upper] = bounds(level.confidence);
    if (shared->terms.size() == 1) {
      auto [a, c] = shared->terms[0];
      j.figures.push_back({"lower bound", a.lower(level.confidence), j.figures[0].unit, "bound"});
      j.figures.push_back({"upper bound", a.upper(level.confidence), j.figures[0].unit, "bound"});
    } else {
      j.figures.push_back({"difference lower bound", lower, "", "bound"});
      j.figures.push_back({"difference upper bound", upper, "", "bound"});
    }
    std::erase_if(j.figures, [](const Figure& x) { return !std::isfinite(x.value); });
    return j;
  }

  static bool is_measured(const Estimate& a) {
    std::string_view word = a.name;
    word.remove_prefix(word.find('.') + 1);
    const Word* w = find_word(word.substr(0, word.find('(')));
    return w && w->group == WordGroup::measurement;
  }

  static std::pair<double, double> points(const Form& f) {
    double v = f.constant;
    for (const auto& [a, c] : f.terms) v += c * a.point;
    return {v, v};
  }

  static bool paired(const Form& f) {
    if (f.terms.size() != 2) return false;
    const auto& [a, ca] = f.terms[0];
    const auto& [b, cb] = f.terms[1];
    return ca == -cb && !a.per_sample.empty() && a.pairs_with == b.pairs_with && a.per_sample.size() == b.per_sample.size() && a.binary == b.binary;
  }

  struct Discordant {
    std::int64_t n = 0, first = 0, second = 0;
  };
  static Discordant discordant(const Estimate& a, const Estimate& b) {
    Discordant d;
    for (std::size_t i = 0; i < a.per_sample.size(); ++i) {
      ++d.n;
      d.first += a.per_sample[i] > b.per_sample[i];
      d.second += a.per_sample[i] < b.per_sample[i];
    }
    return d;
  }

  static std::pair<double, double> paired_bounds(const Estimate& a, const Estimate& b, double confidence) {
    if (a.binary) {
      Discordant d = discordant(a, b);
      return {paired_difference_lower(d.n, d.first, d.second, confidence), paired_difference_upper(d.n, d.first, d.second, confidence)};
    }
    std::vector<double> differences;
    for (std::size_t i = 0; i < a.per_sample.size(); ++i) differences.push_back(a.per_sample[i] - b.per_sample[i]);
    Mean m = mean_of(differences);
    return {mean_lower(m, confidence), mean_upper(m, confidence)};
  }

  static std::pair<double, double> bounds_of(const Form& f, double confidence) {
    if (paired(f)) {
      double c = f.terms[0].second;
      auto [lower, upper] = paired_bounds(f.terms[0].first, f.terms[1].first, confidence);
      return c > 0 ? std::pair(f.constant + c * lower, f.constant + c * upper) : std::pair(f.constant + c * upper, f.constant + c * lower);
    }
    double inexact = static_cast<double>(std::ranges::count_if(f.terms, [](const auto& t) { return !t.first.exact; }));
    double each = 1 - (1 - confidence) / std::max(1.0, inexact);  // Bonferroni: holds whatever the terms share
    double lower = f.constant, upper = f.constant;
    for (const auto& [a, c] : f.terms) {
      double lo = a.lower(each), hi = a.upper(each);
      lower += c > 0 ? c * lo : c * hi;
      upper += c > 0 ? c * hi : c * lo;
    }
    return {lower, upper};
  }

  static std::string told(const Form& f, Op op, Verdict v, double confidence, bool point_only, const std::string& short_of) {
    if (f.terms.size() == 1) return told_alone(f, op, v, confidence, point_only, short_of);
    std::string out;
    for (const auto& [a, c] : f.terms) out += (out.empty() ? "" : " against ") + (f.terms.size() == 2 && paired(f) ? print_value(a.point, a.gives) : a.name + " " + a.text);
    auto [lower, upper] = point_only ? points(f) : bounds_of(f, confidence);
    double value = points(f).first - f.constant;
    Gives gives = f.terms[0].first.gives;
    auto difference = [&](double d) {
      if (gives == Gives::fraction) return yaml::print_number(std::round(d * 10000) / 100) + " pp";
      return print_value(d, gives);
    };
    out += "; difference " + difference(value);
    bool at_least = op == Op::ge || op == Op::gt, shows_lower = at_least != (v == Verdict::violated);
    double bound = (shows_lower ? lower : upper) - f.constant;
    if (!point_only && std::isfinite(bound)) out += std::string(", ") + (shows_lower ? "lower" : "upper") + " bound " + difference(bound);
    if (f.constant != 0 && v != Verdict::passed) out += " (limit " + difference(-f.constant) + ")";
    if (paired(f) && f.terms[0].first.binary) {
      Discordant d = discordant(f.terms[0].first, f.terms[1].first);
      char p[32];
      std::snprintf(p, sizeof p, "%.2g", mcnemar_exact(d.first, d.second));
      out += ", paired; " + std::to_string(d.first) + " better, " + std::to_string(d.second) + " worse, McNemar p " + p;
    }
    return out + (short_of.empty() ? "" : "; " + short_of);
  }

  static std::string told_alone(const Form& f, Op op, Verdict v, double confidence, bool point_only, const std::string& short_of) {
    const auto& [a, c] = f.terms[0];
    Op own = c > 0 ? op : flipped(op);
    double limit = -f.constant / c;
    std::string who;  // says what is measured where the text alone does not
    if (std::string_view word = std::string_view(a.name).substr(a.name.find('.') + 1); word.substr(0, 8) != "accuracy") who = std::string(word.substr(0, word.find('('))) + " ";
    std::string out = who + a.text;
    std::string limit_text = " (limit " + print_value(limit, a.gives) + ")";
    if (a.exact) return out + (v == Verdict::passed ? "" : limit_text);
    if (point_only) return out + ", point estimate" + (v == Verdict::passed ? "" : limit_text);
    bool at_least = own == Op::ge || own == Op::gt, shows_lower = at_least != (v == Verdict::violated);
    double bound = shows_lower ? a.lower(confidence) : a.upper(confidence);
    if (std::isfinite(bound) && a.how != "modelled") out += std::string(", ") + (shows_lower ? "lower" : "upper") + " bound " + print_value(bound, a.gives);
    if (v == Verdict::violated) return out + limit_text;
    if (v == Verdict::passed) return out;
    if (!short_of.empty()) return out + "; " + short_of;
    if (a.advice && own != Op::eq && own != Op::ne) out += "; " + a.advice(limit, at_least, confidence);
    return out;
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

Outcome evaluate(const Requirement& r, const Scope& scope, Evidence& evidence) {
  auto started = std::chrono::steady_clock::now();
  Outcome out;
  out.id = r.id;
  out.why = r.why;
  out.text = r.text;
  out.importance = r.importance;
  out.models = r.models;
  out.tags = r.tags;
  out.location = r.location;
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
