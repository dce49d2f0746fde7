#pragma once
// What the language says of outputs, as piecewise-linear numbers and formulas over them: negated, and pushed to disjunctive normal form, which
// is what a prover takes. Variables are the elements of a query's inputs (x) and outputs (y).
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "validate/language.hpp"

namespace saha::validate::proof {

/// sum of x terms + sum of y terms + constant; variables ascend, no coefficient is 0.
struct Linear {
  using Terms = std::vector<std::pair<std::int32_t, double>>;
  Terms x = {}, y = {};
  double constant = 0;

  static Linear of_x(std::int32_t element) { return {{{element, 1}}, {}, 0}; }
  static Linear of_y(std::int32_t element) { return {{}, {{element, 1}}, 0}; }
  bool is_constant() const { return x.empty() && y.empty(); }
  double at(std::span<const double> x_values, std::span<const double> y_values) const;
  bool operator==(const Linear&) const = default;
};
Linear sum(const Linear& a, const Linear& b, double factor = 1);   ///< a + factor b
Linear times(Linear a, double factor);

/// A linear number and multiples of greatest ones: abs(e) is max(e, -e), min(a, b) is -max(-a, -b).
struct Number {
  struct Peak {
    double factor;
    std::shared_ptr<const std::vector<Number>> of;   ///< not empty
    bool operator==(const Peak& b) const { return factor == b.factor && (of == b.of || *of == *b.of); }
  };
  Linear linear = {};
  std::vector<Peak> peaks = {};

  bool is_constant() const { return peaks.empty() && linear.is_constant(); }
  double at(std::span<const double> x_values, std::span<const double> y_values) const;
  bool operator==(const Number&) const = default;
};
Number number(double constant);
Number number(Linear linear);
Number sum(const Number& a, const Number& b, double factor = 1);
Number times(Number a, double factor);
Number greatest(std::vector<Number> of);
Number least(std::vector<Number> of);
Number absolute(const Number& a);

/// linear <= 0, or linear < 0.
struct Atom {
  Linear linear;
  bool strict = false;
  bool at(std::span<const double> x_values, std::span<const double> y_values) const;
};

/// In negation normal form: "not" stands nowhere, atoms are negated by their other side. `told` holds a formula and its negation, each told in few
/// cases where turning one into the other would take many: classes that are equal, ranks.
struct Formula {
  enum class Kind : std::uint8_t { truth, atom, all, any, told };
  Kind kind = Kind::truth;
  bool value = true;                 ///< of truth
  Atom atom = {};
  std::vector<Formula> parts = {};   ///< of all, any; of told: the formula and its negation

  bool at(std::span<const double> x_values, std::span<const double> y_values) const;
  bool is(bool truth) const { return kind == Kind::truth && value == truth; }
};
Formula truth(bool value);
Formula all_of(std::vector<Formula> parts);   ///< simplified: a false part is the whole, true ones go
Formula any_of(std::vector<Formula> parts);
Formula told(Formula f, Formula negated);     ///< the caller vouches that one is the other's negation
Formula negation(Formula f);
/// n <= 0 (n < 0): a peak with a positive factor asks all of its numbers, one with a negative factor any. A peak in a peak multiplies; fails
/// (unsupported) beyond kMostAtoms.
Result<Formula> at_most_zero(const Number& n, bool strict);
/// left op right; == is both orders, != either strict one.
Result<Formula> compare(const Number& left, Op op, const Number& right);

inline constexpr std::size_t kMostAtoms = 200'000, kMostCases = 20'000, kMostRows = 400'000;

/// f as a disjunction of conjunctions; empty: never holds; an empty conjunction: always. Fails (unsupported) with the numbers beyond kMostCases
/// or kMostRows.
Result<std::vector<std::vector<Atom>>> cases(const Formula& f);

}  // namespace saha::validate::proof
