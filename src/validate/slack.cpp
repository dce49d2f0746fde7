#include "validate/slack.hpp"

#include <algorithm>
#include <cmath>

#include "validate/vocabulary.hpp"

namespace saha::validate {
namespace {
Error no_slope(const Expr& e) { return {ErrorCode::unsupported, "'" + print(e) + "' has no slope"}; }
}  // namespace

Result<Slack> Slack::of(const Expr& condition, const std::string& variable, Interpreter& interpreter) {
  Slack s(condition, variable, interpreter);
  SAHA_DO(s.gather(condition));
  if (s.leaves_.empty()) return no_slope(condition);
  return s;
}

bool Slack::depends(const Expr& e) const {
  bool found = false;
  visit(e, [&](const Expr& x) { found = found || (!x.path.empty() && (x.kind == Expr::Kind::name || x.kind == Expr::Kind::index) && x.path[0] == variable_); });
  return found;
}

Result<> Slack::gather(const Expr& e) {
  if (!depends(e)) return {};
  if (e.kind == Expr::Kind::name || e.kind == Expr::Kind::index) return no_slope(e);
  if (e.kind == Expr::Kind::call && !find_word(e.path.back())) {
    if (e.args.size() != 1 || e.args[0].kind != Expr::Kind::name || e.args[0].path.size() != 1) return no_slope(e);
    Search::Leaf leaf{e.path.size() == 2 ? e.path[0] : interpreter_->model(), e.path.back()};
    if (std::ranges::find(leaves_, leaf) == leaves_.end()) leaves_.push_back(std::move(leaf));
    return {};
  }
  static constexpr std::string_view kWithSlope[] = {"argmax", "max", "min", "abs", "maxabs", "conf"};
  if (e.kind == Expr::Kind::call && std::ranges::find(kWithSlope, e.path.back()) == std::end(kWithSlope)) return no_slope(e);
  for (const Expr& a : e.args) SAHA_DO(gather(a));
  return {};
}

std::optional<std::int64_t> Slack::label() const {
  const Expr& e = *condition_;
  if (leaves_.size() != 1 || e.kind != Expr::Kind::compare || e.ops.size() != 1 || e.ops[0] != Op::eq) return {};
  for (std::size_t side : {0u, 1u}) {
    const Expr &a = e.args[side], &b = e.args[1 - side];
    const bool is_class = a.kind == Expr::Kind::call && a.path.size() == 1 && a.path[0] == "argmax" && a.args.size() == 1 && a.args[0].kind == Expr::Kind::call && !find_word(a.args[0].path.back());
    if (!is_class || !depends(a) || depends(b)) continue;
    const auto v = interpreter_->value(b);
    if (v && (v->kind == PointValue::Kind::label || v->kind == PointValue::Kind::number) && v->number >= 0) return static_cast<std::int64_t>(v->number);
  }
  return {};
}

Result<double> Slack::at(const std::vector<std::vector<double>>& outputs, std::vector<std::vector<double>>* slopes) const {
  outputs_ = &outputs;
  SAHA_TRY(const Term t, holds(*condition_));
  if (slopes) {
    slopes->clear();
    for (const auto& o : outputs) slopes->emplace_back(o.size(), 0.0);
    for (const auto& [place, by] : t.by) (*slopes)[place.first][place.second] += by;
  }
  return t.value;
}

Slack::Term Slack::sum(const Term& a, double factor, const Term& b) {
  Term t{a.value + factor * b.value, a.by};
  for (const auto& [place, by] : b.by) t.by.emplace_back(place, factor * by);
  return t;
}
/// sign 1: the greatest, -1: the least.
Slack::Term Slack::greatest(std::vector<Term> terms, double sign) {
  return std::move(*std::ranges::max_element(terms, [&](const Term& a, const Term& b) { return sign * a.value < sign * b.value; }));
}

Result<Slack::Term> Slack::holds(const Expr& e) const {
  if (!depends(e)) {
    SAHA_TRY(const bool ok, interpreter_->condition(e));
    return Term{ok ? 1e9 : -1e9};
  }
  const auto negated = [](const Term& t) { return sum({}, -1, t); };
  switch (e.kind) {
    case Expr::Kind::compare: {
      std::vector<Term> parts;
      for (std::size_t i = 0; i < e.ops.size(); ++i) {
        SAHA_TRY(Term t, compared(e, i));
        parts.push_back(std::move(t));
      }
      return greatest(std::move(parts), -1);
    }
    case Expr::Kind::logical_not: {
      SAHA_TRY(const Term t, holds(e.args[0]));
      return negated(t);
    }
    case Expr::Kind::logical_and:
    case Expr::Kind::logical_or: {
      std::vector<Term> parts;
      for (const Expr& a : e.args) {
        SAHA_TRY(Term t, holds(a));
        parts.push_back(std::move(t));
      }
      return greatest(std::move(parts), e.kind == Expr::Kind::logical_or ? 1 : -1);
    }
    case Expr::Kind::implies: {
      SAHA_TRY(const Term premise, holds(e.args[0]));
      SAHA_TRY(Term conclusion, holds(e.args[1]));
      return greatest({negated(premise), std::move(conclusion)}, 1);
    }
    default: return no_slope(e);
  }
}

Result<Slack::Term> Slack::compared(const Expr& e, std::size_t i) const {
  SAHA_TRY(const Value l, value(e.args[i]));
  SAHA_TRY(const Value r, value(e.args[i + 1]));
  const Op op = e.ops[i];
  if (l.is_class || r.is_class) {
    const Value &classes = l.is_class && !l.terms.empty() ? l : r, &other = &classes == &l ? r : l;
    if (classes.terms.empty()) return Term{(l.number == r.number) == (op == Op::eq) ? 1e9 : -1e9};
    const auto top = [](const std::vector<Term>& t) { return double(std::ranges::max_element(t, {}, &Term::value) - t.begin()); };
    const double label = other.is_class && !other.terms.empty() ? top(other.terms) : other.number;
    if (label < 0 || label >= double(classes.terms.size()) || classes.terms.size() < 2) return no_slope(e);
    std::vector<Term> others;
    for (std::size_t k = 0; k < classes.terms.size(); ++k) if (double(k) != label) others.push_back(classes.terms[k]);
    const Term ahead = sum(classes.terms[std::size_t(label)], -1, greatest(std::move(others), 1));
    return op == Op::eq ? ahead : sum({}, -1, ahead);
  }
  if (l.terms.size() != 1 || r.terms.size() != 1) return no_slope(e);
  const Term difference = sum(r.terms[0], -1, l.terms[0]);
  switch (op) {
    case Op::le:
    case Op::lt: return difference;
    case Op::ge:
    case Op::gt: return sum({}, -1, difference);
    default: return sum({}, (op == Op::eq) == (difference.value > 0) ? -1 : 1, difference);
  }
}

Result<Slack::Value> Slack::value(const Expr& e) const {
  Value v;
  if (!depends(e)) {
    SAHA_TRY(const PointValue p, interpreter_->value(e));
    if (p.kind == PointValue::Kind::label) v.is_class = true, v.number = p.number;
    else if (p.kind == PointValue::Kind::values) for (double x : p.values) v.terms.push_back({x});
    else if (p.kind == PointValue::Kind::number) v.number = p.number, v.terms.push_back({p.number});
    else return no_slope(e);
    return v;
  }
  if (e.kind == Expr::Kind::negate) {
    SAHA_TRY(v, value(e.args[0]));
    for (Term& t : v.terms) t = sum({}, -1, t);
    return v;
  }
  if (e.kind == Expr::Kind::add || e.kind == Expr::Kind::subtract || e.kind == Expr::Kind::multiply || e.kind == Expr::Kind::divide) {
    SAHA_TRY(const Value l, value(e.args[0]));
    SAHA_TRY(const Value r, value(e.args[1]));
    if (l.is_class || r.is_class || (l.terms.size() != r.terms.size() && l.terms.size() != 1 && r.terms.size() != 1)) return no_slope(e);
    for (std::size_t i = 0; i < std::max(l.terms.size(), r.terms.size()); ++i) {
      const Term &a = l.terms[l.terms.size() == 1 ? 0 : i], &b = r.terms[r.terms.size() == 1 ? 0 : i];
      Term t;
      if (e.kind == Expr::Kind::add || e.kind == Expr::Kind::subtract) t = sum(a, e.kind == Expr::Kind::add ? 1 : -1, b);
      else if (e.kind == Expr::Kind::multiply) t = sum(sum({}, b.value, a), a.value, b), t.value = a.value * b.value;
      else t = sum(sum({}, 1 / b.value, a), -a.value / (b.value * b.value), b), t.value = a.value / b.value;
      v.terms.push_back(std::move(t));
    }
    return v;
  }
  if (e.kind != Expr::Kind::call) return no_slope(e);
  const std::string& n = e.path.back();
  if (!find_word(n)) {
    const Search::Leaf leaf{e.path.size() == 2 ? e.path[0] : interpreter_->model(), n};
    const auto k = static_cast<std::size_t>(std::ranges::find(leaves_, leaf) - leaves_.begin());
    SAHA_TRY(const double zero, interpreter_->stated(n, 0));
    SAHA_TRY(const double one, interpreter_->stated(n, 1));
    for (std::size_t i = 0; i < (*outputs_)[k].size(); ++i) v.terms.push_back({zero + (one - zero) * (*outputs_)[k][i], {{{k, i}, one - zero}}});
    return v;
  }
  for (const Expr& a : e.args) {
    SAHA_TRY(const Value part, value(a));
    if (part.is_class) return no_slope(e);
    v.terms.insert(v.terms.end(), part.terms.begin(), part.terms.end());
  }
  if (v.terms.empty()) return no_slope(e);
  if (n == "argmax") v.is_class = true;
  else if (n == "max" || n == "min") v.terms = {greatest(std::move(v.terms), n == "max" ? 1 : -1)};
  else if (n == "abs" || n == "maxabs") {
    for (Term& t : v.terms) if (t.value < 0) t = sum({}, -1, t);
    if (n == "maxabs") v.terms = {greatest(std::move(v.terms), 1)};
  } else if (n == "conf") {
    double total = 0;
    for (const Term& t : v.terms) total += t.value;
    const bool shares = std::ranges::all_of(v.terms, [](const Term& t) { return t.value >= 0 && t.value <= 1; }) && std::abs(total - 1) < 1e-3;
    const Term top = greatest(v.terms, 1);
    if (shares) v.terms = {top};
    else {  // 1 / sum of exp(v - top)
      double sum_of = 0;
      Term slope;
      for (const Term& t : v.terms) {
        const double p = std::exp(t.value - top.value);
        sum_of += p;
        slope = sum(slope, -p, sum(t, -1, top));
      }
      slope = sum({}, 1 / (sum_of * sum_of), slope);
      slope.value = 1 / sum_of;
      v.terms = {std::move(slope)};
    }
  } else return no_slope(e);
  return v;
}

}  // namespace saha::validate
