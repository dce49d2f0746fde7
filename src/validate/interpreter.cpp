#include "validate/interpreter.hpp"

#include <algorithm>
#include <cmath>

#include "base/figures.hpp"

namespace saha::validate {
namespace {

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

template <class T>
Result<T> at_row(const Result<std::vector<T>>& all, std::int64_t row, const std::string& what) {
  if (!all) return all.error();
  if (row < 0 || static_cast<std::size_t>(row) >= all->size())
    return lacking(what + " has " + std::to_string(all->size()) + " entries, sample " + std::to_string(row) + " was asked for");
  return T((*all)[static_cast<std::size_t>(row)]);
}

}  // namespace

std::string Interpreter::shown(const PointValue& v) const {
  switch (v.kind) {
    case Kind::label: {
      auto i = static_cast<std::size_t>(v.number);
      return "class " + (v.number >= 0 && i < scope_.labels.size() ? scope_.labels[i] : figures::shortest(v.number));
    }
    case Kind::text: return v.text;
    case Kind::boolean: return v.boolean ? "true" : "false";
    default: break;
  }
  const auto unit = v.unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : scope_.units.find(v.unit);
  return unit ? print_value(v.number / unit->factor, Gives::number) + (v.unit.empty() ? "" : " " + v.unit) : print_value(v.number, Gives::number);
}

Result<PointValue> Interpreter::quantity(double value, const std::string& unit) const {
  PointValue v = number(value);
  if (unit.empty()) return v;
  SAHA_TRY(const yaml::Unit u, scope_.units.find(unit));
  v.number = yaml::in_base(value, u);
  v.unit = unit;
  return v;
}

Result<bool> Interpreter::condition(const Expr& e) {
  SAHA_TRY(PointValue v, value(e));
  if (v.kind != Kind::boolean) return lacking("'" + print(e) + "' is no condition");
  return v.boolean;
}

Result<PointValue> Interpreter::value(const Expr& e) {
  switch (e.kind) {
    case Expr::Kind::number: return quantity(e.value, e.unit);
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

const Interpreter::Bound* Interpreter::variable(const std::string& name) const {
  auto found = std::ranges::find(bound, name, &Bound::name);
  return found == bound.end() ? nullptr : &*found;
}

Result<PointValue> Interpreter::name(const Expr& e) {
  const std::string& n = e.path[0];
  if (e.path.size() > 1) {
    const Bound* b = variable(n);
    if (!b || b->transform) return lacking("'" + dotted(e.path) + "' is no field of an input");
    return field(e.path[1], {b->data, b->sample, b->changes});
  }
  PointValue v;
  if (const Bound* b = variable(n)) {
    if (b->transform) return lacking("'" + n + "' is a transform, which is called: " + n + "(x)");
    v.kind = Kind::sample;
    v.sample = {b->data, b->sample, b->changes};
    return v;
  }
  if (n == "label") {
    SAHA_TRY(std::int32_t label, at_row(recall_.labels(data), row(), "'label' of '" + data + "'"));
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
  if (scope_.field(n) && !column) return field(n, {bound.front().data, bound.front().sample, bound.front().changes});
  v.kind = Kind::text;
  v.text = n;
  if (column) {
    SAHA_TRY(v.text, at_row(recall_.column(data, n), row(), "column '" + n + "' of '" + data + "'"));
    if (const Scope::Field* f = scope_.field(n)) v.unit = f->unit;   // the column that a field names is in the field's unit
  }
  return v;
}

Result<PointValue> Interpreter::field(const std::string& name, const Altered& at) {
  const auto of = std::ranges::find_if(scope_.inputs, [&](const Scope::Input& i) { return std::ranges::find(i.fields, name, &Scope::Field::name) != i.fields.end(); });
  if (of == scope_.inputs.end()) return lacking("there is no field '" + name + "'");
  const Scope::Field& f = *std::ranges::find(of->fields, name, &Scope::Field::name);
  if (!recall_.trials()) return Error{ErrorCode::unsupported, "field '" + name + "' of a sample needs the data, which are not at hand here"};
  SAHA_TRY(const Raw raw, recall_.trials()->raw(at));
  if (f.index < 0 || static_cast<std::size_t>(f.index) >= raw.values.size())
    return lacking("field '" + name + "' has the index " + std::to_string(f.index) + ", a sample of '" + at.data + "' has " + figures::counted(static_cast<std::int64_t>(raw.values.size()), "value"));
  return quantity(raw.values[static_cast<std::size_t>(f.index)], f.unit);
}

Result<Altered> Interpreter::point(const Expr& e) {
  SAHA_TRY(PointValue v, value(e));
  if (v.kind != Kind::sample) return lacking("'" + print(e) + "' is no sample of a data set");
  return std::move(v.sample);
}

Result<std::vector<double>> Interpreter::given(const Altered& at, const std::string& model, const std::string& output) {
  std::vector<double> values;
  if (at.changes.empty()) {
    const auto& out = recall_.output(model, at.data, at.sample, output);
    if (!out) return out.error();
    values = *out;
  } else {
    if (!recall_.trials()) return Error{ErrorCode::unsupported, "inputs that no data set holds need the models, which are not at hand here"};
    SAHA_TRY(values, recall_.trials()->output(model, at, output));
  }
  if (values.empty()) return lacking("output '" + output + "' of '" + model + "' is empty");
  return values;
}

Result<PointValue> Interpreter::output(const Expr& e, const std::string& model) {
  SAHA_TRY(const Altered at, point(e.args[0]));
  PointValue v;
  v.kind = Kind::values;
  SAHA_TRY(v.values, given(at, model, e.path.back()));
  for (double& y : v.values) { SAHA_TRY(y, stated(e.path.back(), y)); }
  if (const Scope::Output* said = scope_.output(e.path.back())) v.unit = said->unit;
  return v;
}

Result<PointValue> Interpreter::rejected(const Expr& e) {
  SAHA_TRY(const Altered at, point(e.args[0]));
  if (!rejector_) rejector_ = rejector(model_, at.data, scope_, recall_);
  if (!*rejector_) return rejector_->error();
  SAHA_TRY(const std::vector<double> out, given(at, model_, (*rejector_)->output));
  SAHA_TRY(const double score, (*rejector_)->strange(out));
  return truth((*rejector_)->rejects(score));
}

Result<double> Interpreter::stated(const std::string& output, double number) const {
  const Scope::Output* said = scope_.output(output);
  if (!said) return number;
  yaml::Unit unit;
  if (!said->unit.empty()) { SAHA_TRY(unit, scope_.units.find(said->unit)); }
  return yaml::in_base(said->factor * number + said->offset, unit);
}

Result<PointValue> Interpreter::call(const Expr& e) {
  const std::string& n = e.path.back();
  const std::string& model = e.path.size() == 2 ? e.path[0] : model_;
  if (const Bound* b = e.path.size() == 1 ? variable(n) : nullptr; b && b->transform) {
    PointValue v;
    v.kind = Kind::sample;
    SAHA_TRY(v.sample, point(e.args[0]));
    v.sample.changes.push_back(*b->transform);
    return v;
  }
  const Word* w = find_word(n);
  if (!w) return output(e, model);
  if (!w->missing.empty()) return Error{ErrorCode::unsupported, "'" + n + "' " + std::string(w->missing)};
  if (n == "reject") return rejected(e);
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
    return n == "same_class" ? truth(false) : v;
  }
  if (n == "argmax") {
    PointValue v = number(static_cast<double>(std::ranges::max_element(all) - all.begin()));
    v.kind = Kind::label;
    return v;
  }
  if (n == "same_class") {
    if (args[0].values.size() != args[1].values.size() || args[0].values.empty())
      return lacking("'" + print(e.args[0]) + "' has " + std::to_string(args[0].values.size()) + " values, '" + print(e.args[1]) + "' has " + std::to_string(args[1].values.size()));
    std::vector<double> first = args[0].values;
    const auto top = std::ranges::max_element(first) - first.begin();
    const double largest_value = first[std::size_t(top)];
    first[std::size_t(top)] = -std::numeric_limits<double>::infinity();
    const bool leads = args.size() < 3 || largest_value - *std::ranges::max_element(first) >= args[2].number;
    return truth(!leads || std::ranges::max_element(args[1].values) - args[1].values.begin() == top);
  }
  auto in_unit = [&](PointValue v) {   // of the first argument that has one
    for (const PointValue& a : args) if (v.unit.empty()) v.unit = a.unit;
    return v;
  };
  if (n == "max") return in_unit(number(*std::ranges::max_element(all)));
  if (n == "min") return in_unit(number(*std::ranges::min_element(all)));
  if (n == "maxabs" || (n == "abs" && all.size() == 1)) {
    double largest_value = 0;
    for (double v : all) largest_value = std::max(largest_value, std::abs(v));
    return in_unit(number(largest_value));
  }
  if (n == "abs") {
    PointValue v;
    v.kind = Kind::values;
    for (double x : all) v.values.push_back(std::abs(x));
    return in_unit(std::move(v));
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

Result<PointValue> Interpreter::arithmetic(const Expr& e) {
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
  const bool sum = e.kind == Expr::Kind::add || e.kind == Expr::Kind::subtract;
  const std::string unit = sum || l.unit.empty() || r.unit.empty() ? (l.unit.empty() && e.kind != Expr::Kind::divide ? r.unit : l.unit) : "";
  if (l.kind != Kind::values && r.kind != Kind::values) {
    PointValue v = number(op(l.number, r.number));
    v.unit = unit;
    return v;
  }
  std::size_t n = std::max(l.values.size(), r.values.size());
  if (l.kind == Kind::values && r.kind == Kind::values && l.values.size() != r.values.size()) {
    return lacking("'" + print(e.args[0]) + "' has " + std::to_string(l.values.size()) + " values, '" + print(e.args[1]) + "' has " +
                   std::to_string(r.values.size()));
  }
  PointValue v;
  v.kind = Kind::values;
  v.unit = unit;
  for (std::size_t i = 0; i < n; ++i)
    v.values.push_back(op(l.kind == Kind::values ? l.values[i] : l.number, r.kind == Kind::values ? r.values[i] : r.number));
  return v;
}

// One number of a one-value output or of a column's text.
Result<PointValue> Interpreter::scalar(PointValue v, const Expr& e) {
  if (v.kind != Kind::values) return v;
  if (v.values.size() != 1) return lacking("'" + print(e) + "' has " + std::to_string(v.values.size()) + " values, one is compared");
  PointValue one = number(v.values[0]);
  one.unit = v.unit;
  return one;
}

Result<bool> Interpreter::compared(const PointValue& l, Op op, const PointValue& r, const Expr& e) {
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
    if (!m) return lacking("'" + text.text + "' in '" + print(e) + "' is no number");
    const auto beside = other.unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : scope_.units.find(other.unit);
    if (m->unit.empty() && text.unit.empty() && beside && !beside->dimension.pure()) return lacking("'" + text.text + "' in '" + print(e) + "' has no unit, what it is compared with is in " + other.unit);
    SAHA_TRY(const PointValue in_base, quantity(m->value, m->unit.empty() ? text.unit : m->unit));
    double t = in_base.number;
    return l.kind == Kind::text ? holds(t, op, other.number) : holds(other.number, op, t);
  }
  return holds(l.number, op, r.number);
}

Result<PointValue> Interpreter::comparison(const Expr& e) {
  SAHA_TRY(PointValue left, value(e.args[0]));
  SAHA_TRY(left, scalar(std::move(left), e.args[0]));
  for (std::size_t i = 0; i < e.ops.size(); ++i) {
    SAHA_TRY(PointValue right, value(e.args[i + 1]));
    SAHA_TRY(right, scalar(std::move(right), e.args[i + 1]));
    if (&e == &r_.assertion.body && e.ops.size() == 1 && left.kind == Kind::number && left.number > largest.number) largest = left;
    SAHA_TRY(bool ok, compared(left, e.ops[i], right, e));
    if (!ok) {
      if (failure.empty()) failure = shown(left) + " " + std::string(symbol(negated(e.ops[i]))) + " " + shown(right);
      return truth(false);
    }
    left = std::move(right);
  }
  return truth(true);
}

}  // namespace saha::validate
