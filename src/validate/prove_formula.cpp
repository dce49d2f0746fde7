#include "validate/prove_formula.hpp"

#include <algorithm>
#include <limits>

#include "base/figures.hpp"

namespace saha::validate::proof {
namespace {

double value(const Linear::Terms& terms, std::span<const double> at) {
  double v = 0;
  for (const auto& [i, c] : terms) v += c * at[static_cast<std::size_t>(i)];
  return v;
}

Linear::Terms sum(const Linear::Terms& a, const Linear::Terms& b, double factor) {
  Linear::Terms r;
  r.reserve(a.size() + b.size());
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && i->first < j->first)) {
      r.push_back(*i++);
    } else if (i == a.end() || j->first < i->first) {
      r.emplace_back(j->first, factor * j->second);
      ++j;
    } else {
      if (double c = i->second + factor * j->second; c != 0) r.emplace_back(i->first, c);
      ++i, ++j;
    }
  }
  return r;
}

Error too_many(std::size_t n, std::string_view what) {
  return {ErrorCode::unsupported, "the assertion falls into more than " + figures::grouped(static_cast<double>(n)) + " " + std::string(what)};
}

std::size_t atoms(const Formula& f) {
  std::size_t n = f.kind == Formula::Kind::atom ? 1 : 0;
  for (const Formula& p : f.parts) n += atoms(p);
  return n;
}

// Each part by itself, then all of one from each (of `all`) or all of them after each other (of `any`).
Formula combined(std::vector<Formula> parts, Formula::Kind kind) {
  const bool neutral = kind == Formula::Kind::all;   // what changes nothing beside others
  Formula r;
  r.kind = kind;
  for (Formula& p : parts) {
    if (p.is(!neutral)) return truth(!neutral);
    if (p.is(neutral)) continue;
    if (p.kind == kind) r.parts.insert(r.parts.end(), std::make_move_iterator(p.parts.begin()), std::make_move_iterator(p.parts.end()));
    else r.parts.push_back(std::move(p));
  }
  if (r.parts.empty()) return truth(neutral);
  if (r.parts.size() == 1) return Formula(std::move(r.parts[0]));
  return r;
}

}  // namespace

double Linear::at(std::span<const double> x_values, std::span<const double> y_values) const { return value(x, x_values) + value(y, y_values) + constant; }

Linear sum(const Linear& a, const Linear& b, double factor) {
  if (factor == 0) return a;
  return {sum(a.x, b.x, factor), sum(a.y, b.y, factor), a.constant + factor * b.constant};
}

Linear times(Linear a, double factor) {
  if (factor == 0) return {};
  for (auto& [i, c] : a.x) c *= factor;
  for (auto& [i, c] : a.y) c *= factor;
  a.constant *= factor;
  return a;
}

double Number::at(std::span<const double> x_values, std::span<const double> y_values) const {
  double v = linear.at(x_values, y_values);
  for (const Peak& p : peaks) {
    double top = -std::numeric_limits<double>::infinity();
    for (const Number& n : *p.of) top = std::max(top, n.at(x_values, y_values));
    v += p.factor * top;
  }
  return v;
}

Number number(double constant) { return {.linear = {{}, {}, constant}}; }
Number number(Linear linear) { return {.linear = std::move(linear)}; }

Number sum(const Number& a, const Number& b, double factor) {
  Number r{sum(a.linear, b.linear, factor), a.peaks};
  for (const Number::Peak& p : b.peaks) {
    auto twin = std::ranges::find_if(r.peaks, [&](const Number::Peak& q) { return q.of == p.of || *q.of == *p.of; });
    if (twin == r.peaks.end()) {
      if (factor != 0) r.peaks.push_back({factor * p.factor, p.of});
    } else {
      twin->factor += factor * p.factor;
      if (twin->factor == 0) r.peaks.erase(twin);
    }
  }
  return r;
}

Number times(Number a, double factor) {
  a.linear = times(std::move(a.linear), factor);
  if (factor == 0) a.peaks.clear();
  for (Number::Peak& p : a.peaks) p.factor *= factor;
  return a;
}

Number greatest(std::vector<Number> of) {
  if (of.size() == 1) return of[0];
  if (std::ranges::all_of(of, &Number::is_constant)) {
    double top = of[0].linear.constant;
    for (const Number& n : of) top = std::max(top, n.linear.constant);
    return number(top);
  }
  return {.linear = {}, .peaks = {{1, std::make_shared<const std::vector<Number>>(std::move(of))}}};
}

Number least(std::vector<Number> of) {
  for (Number& n : of) n = times(std::move(n), -1);
  return times(greatest(std::move(of)), -1);
}

Number absolute(const Number& a) { return greatest({a, times(a, -1)}); }

bool Atom::at(std::span<const double> x_values, std::span<const double> y_values) const {
  double v = linear.at(x_values, y_values);
  return strict ? v < 0 : v <= 0;
}

bool Formula::at(std::span<const double> x_values, std::span<const double> y_values) const {
  auto holds = [&](const Formula& p) { return p.at(x_values, y_values); };
  switch (kind) {
    case Kind::truth: return value;
    case Kind::atom: return atom.at(x_values, y_values);
    case Kind::all: return std::ranges::all_of(parts, holds);
    case Kind::any: return std::ranges::any_of(parts, holds);
    case Kind::told: return holds(parts[0]);
  }
  return false;
}

Formula truth(bool value) {
  Formula f;
  f.value = value;
  return f;
}
Formula all_of(std::vector<Formula> parts) { return combined(std::move(parts), Formula::Kind::all); }
Formula any_of(std::vector<Formula> parts) { return combined(std::move(parts), Formula::Kind::any); }

Formula told(Formula f, Formula negated) {
  if (f.kind == Formula::Kind::truth) return f;
  if (negated.kind == Formula::Kind::truth) return truth(!negated.value);
  Formula r;
  r.kind = Formula::Kind::told;
  r.parts = {std::move(f), std::move(negated)};
  return r;
}

Formula negation(Formula f) {
  switch (f.kind) {
    case Formula::Kind::truth: f.value = !f.value; break;
    case Formula::Kind::atom:
      f.atom.linear = times(std::move(f.atom.linear), -1);
      f.atom.strict = !f.atom.strict;
      break;
    case Formula::Kind::all:
    case Formula::Kind::any:
      f.kind = f.kind == Formula::Kind::all ? Formula::Kind::any : Formula::Kind::all;
      for (Formula& p : f.parts) p = negation(std::move(p));
      break;
    case Formula::Kind::told: std::swap(f.parts[0], f.parts[1]); break;
  }
  return f;
}

Result<Formula> at_most_zero(const Number& n, bool strict) {
  if (n.peaks.empty()) {
    if (n.linear.is_constant()) return truth(strict ? n.linear.constant < 0 : n.linear.constant <= 0);
    Formula f;
    f.kind = Formula::Kind::atom;
    f.atom = {n.linear, strict};
    return f;
  }
  Number rest = n;
  const Number::Peak peak = rest.peaks.back();
  rest.peaks.pop_back();
  std::vector<Formula> parts;
  std::size_t count = 0;
  for (const Number& p : *peak.of) {
    SAHA_TRY(Formula f, at_most_zero(sum(rest, p, peak.factor), strict));
    count += atoms(f);
    if (count > kMostAtoms) return too_many(kMostAtoms, "comparisons");
    parts.push_back(std::move(f));
  }
  return peak.factor > 0 ? all_of(std::move(parts)) : any_of(std::move(parts));
}

Result<Formula> compare(const Number& left, Op op, const Number& right) {
  if (op == Op::eq || op == Op::ne) {
    SAHA_TRY(Formula below, compare(left, Op::le, right));
    SAHA_TRY(Formula above, compare(left, Op::ge, right));
    Formula equal = all_of({std::move(below), std::move(above)});
    return op == Op::eq ? std::move(equal) : negation(std::move(equal));
  }
  const bool less = op == Op::le || op == Op::lt;
  return at_most_zero(less ? sum(left, right, -1) : sum(right, left, -1), op == Op::lt || op == Op::gt);
}

Result<std::vector<std::vector<Atom>>> cases(const Formula& f) {
  std::vector<std::vector<Atom>> out;
  auto limited = [&](std::size_t rows) -> Result<> {
    if (out.size() > kMostCases) return too_many(kMostCases, "cases");
    if (rows > kMostRows) return too_many(kMostRows, "rows");
    return {};
  };
  switch (f.kind) {
    case Formula::Kind::truth:
      if (f.value) out.emplace_back();
      break;
    case Formula::Kind::atom: out.push_back({f.atom}); break;
    case Formula::Kind::told: return cases(f.parts[0]);
    case Formula::Kind::any: {
      std::size_t rows = 0;
      for (const Formula& p : f.parts) {
        SAHA_TRY(auto more, cases(p));
        for (auto& c : more) rows += c.size();
        out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
        SAHA_DO(limited(rows));
      }
      break;
    }
    case Formula::Kind::all: {
      out.emplace_back();
      for (const Formula& p : f.parts) {
        SAHA_TRY(auto more, cases(p));
        std::vector<std::vector<Atom>> product;
        std::size_t rows = 0;
        if (out.size() * more.size() > kMostCases) return too_many(kMostCases, "cases");
        for (const auto& a : out) {
          for (const auto& b : more) {
            product.push_back(a);
            product.back().insert(product.back().end(), b.begin(), b.end());
            rows += product.back().size();
            if (rows > kMostRows) return too_many(kMostRows, "rows");
          }
        }
        out = std::move(product);
      }
      break;
    }
  }
  return out;
}

}  // namespace saha::validate::proof
