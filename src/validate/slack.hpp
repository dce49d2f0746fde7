#pragma once
// Slack: how far a condition is from failing at a point, as a number with its slope, so that a search knows which way is worse. Above 0 it holds, below 0 it fails.
//   a <= b: b - a;  a == b: -|a - b|;  argmax(v) == k: v[k] - max of the others;  and: the least;  or: the greatest;  p => q: max(-p, q)
#include <optional>
#include <string>
#include <vector>

#include "validate/interpreter.hpp"

namespace saha::validate {

class Slack {
 public:
  /// Of a condition in the point `variable`; everything else in it is taken from the interpreter, as it is bound when at() is called. Fails where the point does not
  /// stand as the argument of an output alone, or goes through what has no slope (rank).
  static Result<Slack> of(const Expr& condition, const std::string& variable, Interpreter& interpreter);

  const std::vector<Search::Leaf>& leaves() const { return leaves_; }
  /// The class that the condition says of its only output: argmax(score(d)) == label.
  std::optional<std::int64_t> label() const;
  Result<double> at(const std::vector<std::vector<double>>& outputs, std::vector<std::vector<double>>* slopes) const;

 private:
  /// A number and its slope by elements of leaves.
  struct Term {
    double value = 0;
    std::vector<std::pair<std::pair<std::size_t, std::size_t>, double>> by = {};
  };
  struct Value {
    std::vector<Term> terms = {};
    bool is_class = false;            ///< of the greatest of `terms`, or where there are none the class `number`
    double number = 0;
  };
  Slack(const Expr& condition, const std::string& variable, Interpreter& interpreter) : condition_(&condition), variable_(variable), interpreter_(&interpreter) {}
  bool depends(const Expr& e) const;
  Result<> gather(const Expr& e);
  Result<Term> holds(const Expr& e) const;
  Result<Term> compared(const Expr& e, std::size_t i) const;
  Result<Value> value(const Expr& e) const;
  static Term sum(const Term& a, double factor, const Term& b);
  static Term greatest(std::vector<Term> terms, double sign);

  const Expr* condition_;
  std::string variable_;
  Interpreter* interpreter_;
  std::vector<Search::Leaf> leaves_;
  mutable const std::vector<std::vector<double>>* outputs_ = nullptr;   // during at()
};

}  // namespace saha::validate
