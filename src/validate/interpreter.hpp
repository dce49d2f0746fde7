#pragma once
// What an expression is worth at one choice of its variables: samples, samples that were altered, and transforms.
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "validate/calibrated.hpp"
#include "validate/estimate.hpp"
#include "validate/trials.hpp"

namespace saha::validate {

struct PointValue {
  enum class Kind : std::uint8_t { number, values, label, text, boolean, sample };
  Kind kind = Kind::number;
  double number = 0;               // also a label's index; of what has a unit in base units
  std::string unit = {};           // the unit to show numbers in; "": base units
  std::vector<double> values = {};
  std::string text = {};
  bool boolean = false;
  Altered sample = {};
};

class Interpreter {
 public:
  Interpreter(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) : r_(r), model_(model), scope_(scope), recall_(recall) {}

  struct Bound {
    std::string name, data;
    std::int64_t sample = 0;
    std::vector<Alteration> changes = {};
    std::optional<Alteration> transform = {};   ///< the variable is one, and no sample
  };
  std::vector<Bound> bound;      // x and the variables of quantifiers; the first one is a sample
  std::string data;              // the set of x: where label, correct and columns come from
  std::string failure;           // the first comparison that did not hold, as "0.143 > 0.1"
  PointValue largest{.number = -std::numeric_limits<double>::infinity()};   // of the left side of a lone comparison with a limit
  std::int64_t premises_held = 0;

  Result<bool> condition(const Expr& e);
  Result<PointValue> value(const Expr& e);
  const std::string& model() const { return model_; }
  /// As messages say it: "class three", "13.4 ft".
  std::string shown(const PointValue& v) const;
  /// A number that a network gives as an output, as assertions take it: by the output's scale, in base units.
  Result<double> stated(const std::string& output, double number) const;

 private:
  const Bound* variable(const std::string& name) const;
  std::int64_t row() const { return bound.front().sample; }
  Result<PointValue> name(const Expr& e);
  // A field of the raw inputs at a point.
  Result<PointValue> field(const std::string& name, const Altered& at);
  // A number in the unit of an output, a field or a literal; "": none.
  Result<PointValue> quantity(double value, const std::string& unit) const;
  Result<Altered> point(const Expr& e);   // fails (invalid_data) where `e` is no sample
  // What the network itself gives at a point, before the output's scale.
  Result<std::vector<double>> given(const Altered& at, const std::string& model, const std::string& output);
  Result<PointValue> output(const Expr& e, const std::string& model);
  Result<PointValue> call(const Expr& e);
  Result<PointValue> rejected(const Expr& e);
  Result<PointValue> arithmetic(const Expr& e);
  Result<PointValue> scalar(PointValue v, const Expr& e);
  Result<bool> compared(const PointValue& l, Op op, const PointValue& r, const Expr& e);
  Result<PointValue> comparison(const Expr& e);

  const Requirement& r_;
  const std::string model_;
  const Scope& scope_;
  Recall& recall_;
  std::optional<Result<Rejector>> rejector_;   // found at its first use
};

}  // namespace saha::validate
