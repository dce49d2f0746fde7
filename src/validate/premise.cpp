// Each `field op constant` narrows the interval of its field, which starts as the field's domain.
#include "validate/premise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/figures.hpp"

namespace saha::validate {
namespace {

std::optional<double> constant(const Expr& e, const std::string& field_unit, const yaml::Units& units) {
  if (e.kind == Expr::Kind::negate) {
    auto v = constant(e.args[0], field_unit, units);
    return v ? std::optional(-*v) : v;
  }
  if (e.kind != Expr::Kind::number) return {};
  if (e.unit == field_unit) return e.value;  // not through base units: a rounding there could cross the domain's end
  auto from = e.unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : units.find(e.unit);
  auto to = field_unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : units.find(field_unit);
  if (!from || !to) return {};
  return yaml::in_base(e.value, *from) / to->factor;
}

// Empty beyond what converting units may round.
bool empty(const Scope::Range& r) {
  double slack = 1e-12 * std::max(std::abs(r.first), std::abs(r.second));
  return std::isfinite(slack) ? r.first - r.second > slack : r.first > r.second;
}

void narrow(Scope::Range& r, Op op, double v) {
  if (op == Op::ge || op == Op::gt || op == Op::eq) r.first = std::max(r.first, v);
  if (op == Op::le || op == Op::lt || op == Op::eq) r.second = std::min(r.second, v);
}

}  // namespace

std::optional<EmptyPremise> empty_premise(const Expr& premise, const Scope& scope) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::map<std::string, Scope::Range> allowed;
  std::vector<const Expr*> parts;
  if (premise.kind == Expr::Kind::logical_and) {
    for (const Expr& a : premise.args) parts.push_back(&a);
  } else {
    parts.push_back(&premise);
  }
  for (const Expr* p : parts) {
    for (std::size_t i = 0; i < p->ops.size(); ++i) {
      const Expr &left = p->args[i], &right = p->args[i + 1];
      const bool field_left = left.kind == Expr::Kind::name;
      const Expr &name = field_left ? left : right, &limit = field_left ? right : left;
      const Scope::Field* field = name.kind == Expr::Kind::name ? scope.field(name.path.back()) : nullptr;
      auto value = field ? constant(limit, field->unit, scope.units) : std::nullopt;
      if (!value) continue;
      const Op op = field_left ? p->ops[i] : flipped(p->ops[i]);
      const Scope::Range domain = field->domain.value_or(Scope::Range{-kInfinity, kInfinity});
      std::string relation = print(left) + " " + std::string(symbol(p->ops[i])) + " " + print(right);
      Place place{left.place.begin, right.place.end};
      Scope::Range alone = domain;
      narrow(alone, op, *value);
      if (empty(alone)) {
        return EmptyPremise{place, "the premise never holds: " + relation + " lies outside its domain [" + figures::shortest(domain.first) +
                                       ", " + figures::shortest(domain.second) + "]"};
      }
      Scope::Range& all = allowed.emplace(dotted(name.path), domain).first->second;
      narrow(all, op, *value);
      if (empty(all)) {
        return EmptyPremise{place, "the premise never holds: " + relation + " and what else is said of '" + dotted(name.path) + "' exclude each other"};
      }
    }
  }
  return {};
}

}  // namespace saha::validate
