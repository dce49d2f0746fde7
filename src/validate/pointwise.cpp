#include "validate/pointwise.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "base/figures.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

// What an expression is worth at one sample.
struct PointValue {
  enum class Kind : std::uint8_t { number, values, label, text, boolean, sample };
  Kind kind = Kind::number;
  double number = 0;               // also a label's index
  std::vector<double> values = {};
  std::string text = {};
  bool boolean = false;
  std::int64_t sample = 0;
};
using Kind = PointValue::Kind;

Error lacking(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }

PointValue number(double v) {
  PointValue p;
  p.number = v;
  return p;
}
PointValue truth(bool b) {
  PointValue p;
  p.kind = Kind::boolean;
  p.boolean = b;
  return p;
}

bool holds(double l, Op op, double r) {  // false wherever a NaN stands, but for !=
  switch (op) {
    case Op::le: return l <= r;
    case Op::ge: return l >= r;
    case Op::lt: return l < r;
    case Op::gt: return l > r;
    case Op::eq: return l == r;
    case Op::ne: return l != r;
  }
  return false;
}

std::string shown(const PointValue& v, const Scope& scope) {
  switch (v.kind) {
    case Kind::label: {
      auto i = static_cast<std::size_t>(v.number);
      return "class " + (v.number >= 0 && i < scope.labels.size() ? scope.labels[i] : figures::shortest(v.number));
    }
    case Kind::text: return v.text;
    case Kind::boolean: return v.boolean ? "true" : "false";
    default: return print_value(v.number, Gives::number);
  }
}

class Interpreter {
 public:
  Interpreter(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall)
      : r_(r), model_(model), scope_(scope), recall_(recall) {}

  struct Bound {
    std::string name, data;
    std::int64_t sample;
  };
  std::vector<Bound> bound;      // x and the variables of quantifiers over data sets
  std::string data;              // the set of x: where label, correct and columns come from
  std::string failure;           // the first comparison that did not hold, as "0.143 > 0.1"
  double largest = -std::numeric_limits<double>::infinity();   // of the left side of a lone comparison with a limit

  Result<bool> condition(const Expr& e) {
    SAHA_TRY(PointValue v, value(e));
    if (v.kind != Kind::boolean) return lacking("'" + print(e) + "' is no condition");
    return v.boolean;
  }

  Result<PointValue> value(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::number: {
        if (e.unit.empty()) return number(e.value);
        SAHA_TRY(yaml::Unit u, scope_.units.find(e.unit));
        return number(yaml::in_base(e.value, u));
      }
      case Expr::Kind::name: return name(e);
      case Expr::Kind::call: return call(e);
      case Expr::Kind::index: return lacking("'" + print(e) + "' sets a field of an input, which needs the verifier");
      case Expr::Kind::negate: {
        SAHA_TRY(PointValue v, value(e.args[0]));
        v.number = -v.number;
        for (double& x : v.values) x = -x;
        return v;
      }
      case Expr::Kind::add:
      case Expr::Kind::subtract:
      case Expr::Kind::multiply:
      case Expr::Kind::divide: return arithmetic(e);
      case Expr::Kind::compare: return comparison(e);
      case Expr::Kind::logical_not: {
        SAHA_TRY(bool b, condition(e.args[0]));
        return truth(!b);
      }
      case Expr::Kind::logical_and:
        for (const Expr& a : e.args) {
          SAHA_TRY(bool b, condition(a));
          if (!b) return truth(false);
        }
        return truth(true);
      case Expr::Kind::logical_or:
        for (const Expr& a : e.args) {
          SAHA_TRY(bool b, condition(a));
          if (b) return truth(true);
        }
        return truth(false);
      case Expr::Kind::implies: {
        SAHA_TRY(bool premise, condition(e.args[0]));
        if (!premise) return truth(true);
        ++premises_held;
        SAHA_TRY(bool conclusion, condition(e.args[1]));
        return truth(conclusion);
      }
    }
    return lacking("'" + print(e) + "' cannot be run");
  }

  std::int64_t premises_held = 0;

 private:
  const Bound* variable(const std::string& name) const {
    auto found = std::ranges::find(bound, name, &Bound::name);
    return found == bound.end() ? nullptr : &*found;
  }

  std::int64_t row() const { return bound.front().sample; }

  template <class T>
  Result<T> at_row(const Result<std::vector<T>>& all, const std::string& what) {
    if (!all) return all.error();
    if (row() < 0 || static_cast<std::size_t>(row()) >= all->size())
      return lacking(what + " has " + std::to_string(all->size()) + " entries, sample " + std::to_string(row()) + " was asked for");
    return T((*all)[static_cast<std::size_t>(row())]);
  }

  Result<PointValue> name(const Expr& e) {
    const std::string& n = e.path[0];
    if (e.path.size() > 1) return lacking("'" + dotted(e.path) + "' is a field of an input, which needs the verifier");
    PointValue v;
    if (const Bound* b = variable(n)) {
      v.kind = Kind::sample;
      v.sample = b->sample;
      v.text = b->data;
      return v;
    }
    if (n == "label") {
      SAHA_TRY(std::int32_t label, at_row(recall_.labels(data), "'label' of '" + data + "'"));
      v.kind = Kind::label;
      v.number = label;
      return v;
    }
    if (n == "correct") {
      const auto& samples = recall_.samples(model_, data);
      if (!samples) return samples.error();
      if (static_cast<std::size_t>(row()) >= samples->correct.size())
        return lacking("'" + model_ + "' gives no right and wrong answers on '" + data + "'");
      return truth(samples->correct[static_cast<std::size_t>(row())] != 0);
    }
    if (auto label = std::ranges::find(scope_.labels, n); label != scope_.labels.end()) {
      v.kind = Kind::label;
      v.number = static_cast<double>(label - scope_.labels.begin());
      return v;
    }
    const Scope::Data* set = scope_.find_data(data);
    bool column = set && std::ranges::find(set->columns, n) != set->columns.end();
    v.kind = Kind::text;
    v.text = n;
    if (column) {
      SAHA_TRY(v.text, at_row(recall_.column(data, n), "column '" + n + "' of '" + data + "'"));
    }
    return v;
  }

  Result<PointValue> call(const Expr& e) {
    const std::string& n = e.path.back();
    const std::string& model = e.path.size() == 2 ? e.path[0] : model_;
    const Word* w = find_word(n);
    if (!w) {
      SAHA_TRY(PointValue point, value(e.args[0]));
      if (point.kind != Kind::sample) return lacking("'" + print(e.args[0]) + "' is no sample of a data set");
      const auto& out = recall_.output(model, point.text, point.sample, n);
      if (!out) return out.error();
      PointValue v;
      v.kind = Kind::values;
      v.values = *out;
      if (v.values.empty()) return lacking("output '" + n + "' of '" + model + "' is empty");
      if (const Scope::Output* said = scope_.output(n)) {   // in base units, as what it is compared with
        yaml::Unit unit;
        if (!said->unit.empty()) { SAHA_TRY(unit, scope_.units.find(said->unit)); }
        for (double& y : v.values) y = yaml::in_base(said->factor * y + said->offset, unit);
      }
      return v;
    }
    if (!w->missing.empty()) return Error{ErrorCode::unsupported, "'" + n + "' " + std::string(w->missing)};
    std::vector<PointValue> args;
    std::vector<double> all;
    for (const Expr& a : e.args) {
      SAHA_TRY(PointValue v, value(a));
      if (v.kind == Kind::values) all.insert(all.end(), v.values.begin(), v.values.end());
      else all.push_back(v.number);
      args.push_back(std::move(v));
    }
    if (n == "rank") {
      const std::vector<double>& values = args[0].values;
      auto label = static_cast<std::size_t>(args[1].number);
      if (args[1].number < 0 || label >= values.size())
        return lacking("'" + print(e) + "': the label is none of " + std::to_string(values.size()) + " classes");
      return number(1 + static_cast<double>(std::ranges::count_if(values, [&](double v) { return v > values[label]; })));
    }
    if (std::ranges::any_of(all, [](double v) { return std::isnan(v); })) {  // no order holds of it: whatever is asked fails
      PointValue v = number(std::numeric_limits<double>::quiet_NaN());
      if (n == "argmax") v.kind = Kind::label;
      return v;
    }
    if (n == "argmax") {
      PointValue v = number(static_cast<double>(std::ranges::max_element(all) - all.begin()));
      v.kind = Kind::label;
      return v;
    }
    if (n == "max") return number(*std::ranges::max_element(all));
    if (n == "min") return number(*std::ranges::min_element(all));
    if (n == "maxabs" || (n == "abs" && all.size() == 1)) {
      double largest_value = 0;
      for (double v : all) largest_value = std::max(largest_value, std::abs(v));
      return number(largest_value);
    }
    if (n == "abs") {
      PointValue v;
      v.kind = Kind::values;
      for (double x : all) v.values.push_back(std::abs(x));
      return v;
    }
    if (n == "conf") {
      double sum = 0, top = *std::ranges::max_element(all);
      bool shares = std::ranges::all_of(all, [](double v) { return v >= 0 && v <= 1; });
      for (double v : all) sum += v;
      if (shares && std::abs(sum - 1) < 1e-3) return number(top);
      double total = 0;
      for (double v : all) total += std::exp(v - top);
      return number(1 / total);
    }
    return lacking("'" + n + "' cannot be run on a single sample");
  }

  Result<PointValue> arithmetic(const Expr& e) {
    SAHA_TRY(PointValue l, value(e.args[0]));
    SAHA_TRY(PointValue r, value(e.args[1]));
    auto op = [&](double a, double b) {
      switch (e.kind) {
        case Expr::Kind::add: return a + b;
        case Expr::Kind::subtract: return a - b;
        case Expr::Kind::multiply: return a * b;
        default: return a / b;
      }
    };
    if (l.kind != Kind::values && r.kind != Kind::values) return number(op(l.number, r.number));
    std::size_t n = std::max(l.values.size(), r.values.size());
    if (l.kind == Kind::values && r.kind == Kind::values && l.values.size() != r.values.size()) {
      return lacking("'" + print(e.args[0]) + "' has " + std::to_string(l.values.size()) + " values, '" + print(e.args[1]) + "' has " +
                     std::to_string(r.values.size()));
    }
    PointValue v;
    v.kind = Kind::values;
    for (std::size_t i = 0; i < n; ++i)
      v.values.push_back(op(l.kind == Kind::values ? l.values[i] : l.number, r.kind == Kind::values ? r.values[i] : r.number));
    return v;
  }

  // One number of a one-value output or of a column's text.
  Result<PointValue> scalar(PointValue v, const Expr& e) {
    if (v.kind != Kind::values) return v;
    if (v.values.size() != 1) return lacking("'" + print(e) + "' has " + std::to_string(v.values.size()) + " values, one is compared");
    return number(v.values[0]);
  }

  Result<bool> compared(const PointValue& l, Op op, const PointValue& r, const Expr& e) {
    if (l.kind == Kind::boolean && r.kind == Kind::boolean) return (l.boolean == r.boolean) == (op == Op::eq);
    if (l.kind == Kind::text && r.kind == Kind::text) return (l.text == r.text) == (op == Op::eq);
    if (l.kind == Kind::text || r.kind == Kind::text) {
      const PointValue& text = l.kind == Kind::text ? l : r;
      const PointValue& other = l.kind == Kind::text ? r : l;
      if (other.kind == Kind::label) {  // a class by its name in a column, or a word that is no label
        auto i = static_cast<std::size_t>(other.number);
        if (other.number < 0 || i >= scope_.labels.size())
          return lacking("'" + print(e) + "': the model names no labels, so '" + text.text + "' is not known");
        return (scope_.labels[i] == text.text) == (op == Op::eq);
      }
      auto m = yaml::measure(text.text);
      if (!m || !m->unit.empty()) return lacking("'" + text.text + "' in '" + print(e) + "' is no number");
      double t = m->value;
      return l.kind == Kind::text ? holds(t, op, other.number) : holds(other.number, op, t);
    }
    return holds(l.number, op, r.number);
  }

  Result<PointValue> comparison(const Expr& e) {
    SAHA_TRY(PointValue left, value(e.args[0]));
    SAHA_TRY(left, scalar(std::move(left), e.args[0]));
    for (std::size_t i = 0; i < e.ops.size(); ++i) {
      SAHA_TRY(PointValue right, value(e.args[i + 1]));
      SAHA_TRY(right, scalar(std::move(right), e.args[i + 1]));
      if (&e == &r_.assertion.body && e.ops.size() == 1 && left.kind == Kind::number) largest = std::max(largest, left.number);
      SAHA_TRY(bool ok, compared(left, e.ops[i], right, e));
      if (!ok) {
        if (failure.empty()) failure = shown(left, scope_) + " " + std::string(symbol(negated(e.ops[i]))) + " " + shown(right, scope_);
        return truth(false);
      }
      left = std::move(right);
    }
    return truth(true);
  }

  const Requirement& r_;
  const std::string& model_;
  const Scope& scope_;
  Recall& recall_;
};

bool is_data_region(const Expr& e, const Scope& scope) {
  if (e.kind != Expr::Kind::name || e.path.size() != 1) return false;
  static const std::vector<std::string> kUsual = {"test", "train", "val", "calibration"};
  return scope.find_data(e.path[0]) || (!scope.data_known && std::ranges::find(kUsual, e.path[0]) != kUsual.end());
}

// Every sample once; drawn: in an order of the seed's (Fisher-Yates), the same on every machine.
std::vector<std::int64_t> order_of(std::int64_t count, bool drawn, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::mt19937_64 random(seed);
  for (std::size_t i = order.size(); drawn && i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

std::string word_missing(const Expr& e) {
  std::string reason;
  visit(e, [&](const Expr& x) {
    if (!reason.empty() || (x.kind != Expr::Kind::call && x.kind != Expr::Kind::name)) return;
    const Word* w = find_word(x.path.back());
    if (w && !w->missing.empty()) reason = "'" + std::string(w->name) + "' " + std::string(w->missing);
  });
  return reason;
}

}  // namespace

bool is_aggregate(const Expr& e, const Scope& scope) {
  if (e.kind != Expr::Kind::name && e.kind != Expr::Kind::call) return false;
  const Word* w = find_word(e.path.back());
  if (w) return w->group == WordGroup::statistic || w->group == WordGroup::measurement || w->name == "n";
  return e.kind == Expr::Kind::call && std::ranges::any_of(scope.metrics, [&](const Scope::Metric& m) { return m.name == e.path.back(); });
}

bool speaks_of_points(const Requirement& r, const Scope& scope) {
  bool aggregate = false;
  visit(r.assertion.body, [&](const Expr& e) { aggregate = aggregate || is_aggregate(e, scope); });
  return !aggregate;
}

std::string not_runnable(const Requirement& r, const Scope& scope) {
  bool samples = r.over.has_value();
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) {
      if (is_data_region(b.region, scope)) {
        if (b.names.size() > 1)
          return "pairs of samples (" + b.names[0] + ", " + b.names[1] + " in " + b.region.path[0] + ") need the metamorphic tests";
        samples = true;
        continue;
      }
      const Word* w = b.region.path.empty() ? nullptr : find_word(b.region.path.back());
      if (w && w->group == WordGroup::region)
        return "inputs of the region '" + std::string(w->name) + "' at level " + (r.level ? print(*r.level) : "test") + " need the adversarial tests";
      if (w) return "'" + std::string(w->name) + "' " + std::string(w->missing);
      return "'" + print(b.region) + "' as a region needs the verifier";
    }
  }
  if (!samples) return "every point of the domain at level " + (r.level ? print(*r.level) : "test") + " needs the adversarial tests";
  std::string missing = word_missing(r.assertion.body);
  for (const Quantifier& q : r.assertion.quantifiers) {
    if (missing.empty() && q.where) missing = word_missing(*q.where);
  }
  return missing;
}

Result<std::vector<std::int64_t>> chosen_samples(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) {
  const std::string& data = r.over->data;
  SAHA_TRY(const std::int64_t count, recall.count(data));
  if (count <= 0) return lacking("data set '" + data + "' is empty");
  Interpreter run(r, model, scope, recall);
  run.data = data;
  std::vector<std::int64_t> chosen;
  for (std::int64_t sample : order_of(count, r.over->take > 0, r.seed)) {
    if (r.over->take > 0 && static_cast<std::int64_t>(chosen.size()) >= r.over->take) break;
    run.bound = {{"x", data, sample}};
    if (r.over->where) {
      SAHA_TRY(const bool meant, run.condition(*r.over->where));
      if (!meant) continue;
    }
    chosen.push_back(sample);
  }
  if (chosen.empty()) return lacking("no sample of '" + data + "' meets the condition; vacuous");
  return chosen;
}

PointVerdict run_on_samples(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall) {
  PointVerdict out;
  auto give_up = [&](std::string why) {
    out.verdict = Verdict::inconclusive;
    out.text = std::move(why);
    return out;
  };
  // The loops: x over the set of `for`, then each variable over its data set.
  std::vector<std::pair<std::string, std::string>> loops;
  if (r.over) loops.emplace_back("x", r.over->data);
  std::vector<const Expr*> filters;
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) loops.emplace_back(b.names[0], b.region.path[0]);
    if (q.where) filters.push_back(&*q.where);
  }
  if (loops.size() > 1) return give_up("pairs of samples need the metamorphic tests");
  const std::string& data = loops[0].second;
  const auto& count = recall.count(data);
  if (!count) return give_up(count.error().message);
  if (*count <= 0) return give_up("data set '" + data + "' is empty");

  const std::int64_t take = r.over ? r.over->take : 0;
  const auto order = order_of(*count, take > 0 || (level.tries > 0 && level.tries < *count), r.seed);

  Interpreter run(r, model, scope, recall);
  run.data = data;
  auto started = std::chrono::steady_clock::now();
  std::int64_t tried = 0, failed = 0, most = level.tries > 0 ? level.tries : *count;
  if (take > 0) most = std::min(most, take);
  bool timeout = false;
  for (std::int64_t sample : order) {
    if (tried >= most) break;
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() > r.timeout_s) {
      timeout = true;
      break;
    }
    run.bound = {{loops[0].first, data, sample}};
    bool chosen = true;
    if (r.over && r.over->where) {
      auto w = run.condition(*r.over->where);
      if (!w) return give_up(w.error().message);
      chosen = *w;
    }
    for (const Expr* f : filters) {
      if (!chosen) break;
      auto w = run.condition(*f);
      if (!w) return give_up(w.error().message);
      chosen = *w;
    }
    if (!chosen) continue;
    run.failure.clear();
    auto ok = run.condition(r.assertion.body);
    if (!ok) return give_up(ok.error().message);
    ++tried;
    if (*ok) continue;
    if (++failed == 1)
      out.witness = Witness{model, data, sample, run.failure.empty() ? print(r.assertion.body) + " does not hold" : run.failure};
  }
  const std::int64_t held = tried - failed;
  out.figures = {{"tries", static_cast<double>(tried), "", "counted"}, {"failures", static_cast<double>(failed), "", "counted"}};
  if (std::isfinite(run.largest)) out.figures.push_back({"largest", run.largest, "", "measured"});
  if (tried == 0)
    return give_up(timeout ? "no sample was run within " + figures::duration(r.timeout_s)
                           : "no sample of '" + data + "' meets the condition; vacuous");

  std::string text = std::to_string(held) + " of " + std::to_string(tried) + " hold";
  if (failed > r.accept.violated) {
    out.verdict = Verdict::violated;
    out.text = text + "; sample " + std::to_string(out.witness->sample) + " of " + data + ": " + out.witness->text;
    return out;
  }
  // A premise that no sample met has shown nothing.
  bool conditional = r.assertion.body.kind == Expr::Kind::implies;
  if (conditional && run.premises_held == 0) return give_up("the premise held for none of " + std::to_string(tried) + " samples; vacuous");
  double share = static_cast<double>(held) / static_cast<double>(tried);
  if (level.kind == Level::Kind::bound) {
    if (!r.accept.given) return give_up("level " + print(level) + " over samples needs accept: {proved: '>= 95 %'}");
    double lower = proportion_lower(held, tried, level.confidence), upper = proportion_upper(held, tried, level.confidence);
    bool enough = r.accept.more_than ? lower > r.accept.proved : lower >= r.accept.proved;
    out.text = text + ", lower bound " + figures::percent(lower);
    out.figures.push_back({"lower bound", lower, "", "bound"});
    if (upper < r.accept.proved) out.verdict = Verdict::violated;
    else if (enough && !timeout) out.verdict = Verdict::passed;
    else if (auto more = more_samples(held, tried, r.accept.proved, true, level.confidence); more && *more > 0)
      out.text += "; " + std::to_string(*more) + " more at this rate";
    return out;
  }
  bool accepted = r.accept.more_than ? share > r.accept.proved : share >= r.accept.proved;
  if (r.accept.given && !accepted) {
    out.verdict = Verdict::violated;
    out.text = text + " = " + figures::percent(share) + ", accepted are " + (r.accept.more_than ? "> " : ">= ") +
               figures::percent(r.accept.proved);
    return out;
  }
  if (std::isfinite(run.largest)) text += ", largest " + print_value(run.largest, Gives::number);
  if (failed == 0) text += "; failure rate < " + figures::percent(failure_rate_bound(tried, 0.95)) + " at 95 %";
  const std::int64_t wanted = take > 0 && level.tries > 0 ? std::min(level.tries, take) : std::max(level.tries, take);
  if (timeout) return give_up(text + "; " + figures::duration(r.timeout_s) + " were not enough for the rest");
  if (tried < wanted) return give_up(text + "; " + std::to_string(wanted) + " were asked for");
  out.verdict = Verdict::passed;
  out.text = text;
  return out;
}

}  // namespace saha::validate
