#pragma once
// Choices: the variables of an assertion about altered samples, and how values for them are drawn, laid out in a grid, and made smaller. Inside this module.
#include <functional>
#include <map>
#include <optional>

#include "data/shuffle.hpp"
#include "validate/interpreter.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {

/// A region of raw inputs around one.
struct Shape {
  Altered around;
  std::vector<double> centre, low, high, reach;
  double radius = std::numeric_limits<double>::infinity();
  bool whole = false;
  bool outside = false;              ///< the points are those of which at least one value is not within low and high
};

class Choices {
 public:
  using Bounds = std::vector<Interpreter::Bound>;
  /// `run` is used to evaluate the numbers of regions; the samples that x runs through are given.
  static Result<Choices> of(const Requirement& r, const Scope& scope, Recall& recall, Interpreter& run, std::vector<std::int64_t> samples);

  /// How many samples the first variable runs through; 1 where the assertion speaks of no sample.
  std::int64_t rows() const { return std::int64_t(variables_[0].rows.size()); }
  const std::string& data() const { return variables_[0].data; }
  /// Row k of the first variable, everything else drawn.
  Result<Bounds> drawn(std::int64_t k, std::uint64_t seed);
  /// Row k with the ends and the middle of what the others run through.
  Result<std::vector<Bounds>> grid(std::int64_t k, std::uint64_t seed);
  /// The only region, whose point a search may choose; null: there is none, or more.
  const std::string* searched() const;
  /// The region at row k with everything else drawn, and a point of it in place.
  Result<Shape> shape(const Bounds& bounds);
  void put(Bounds& bounds, const Shape& shape, std::vector<double> values) const;

  /// Something smaller that fails too: parameters nearer to where they change nothing, points nearer to the centre and in fewer values. `fails` judges; it is asked until it
  /// has no more time, and may fail.
  Result<Bounds> smaller(Bounds bounds, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on);
  /// "d: 12 of 784 values differ, by at most 3 gray", "rotate by -7.2 deg"
  std::string describe(const Bounds& bounds);

 private:
  enum class Kind : std::uint8_t { sample, region, transform };
  struct Variable {
    std::string name;
    Kind kind = Kind::sample;
    std::string data = {};
    std::vector<std::int64_t> rows = {};
    const Expr* what = nullptr;      // region or transform
    std::size_t centre = 0;          // of near: the variable whose sample is the centre
    double low = 0, high = 0;        // of a transform
    bool seconds = false;
  };
  Choices(const Scope& scope, Recall& recall, Interpreter& run) : scope_(&scope), trials_(recall.trials()), run_(&run) {}
  Result<> add(const std::string& name, const Expr& region, const std::string& data, Recall& recall);
  Result<Alteration> alteration(const Variable& v, const Bounds& bounds, data::Random& random);
  Result<Shape> shape_of(const Variable& v, const Bounds& bounds);
  std::vector<double> point_of(const Shape& s, data::Random& random) const;
  std::vector<double> point_outside(const Shape& s, data::Random& random) const;
  /// The point lies in the shape, as the sample's type holds it.
  Result<bool> has(const Shape& s, const std::vector<double>& values) const;
  void place(Bounds& bounds, std::size_t i, const Shape& s, std::vector<double> values) const;
  std::string described_outside(const std::string& variable, const Shape& s, const std::vector<double>& p) const;
  double factor() const;             // of the input's unit
  Result<Bounds> smaller_transform(Bounds bounds, std::size_t i, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on);
  Result<Bounds> smaller_point(Bounds bounds, std::size_t i, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on);

  const Scope* scope_;
  Trials* trials_;
  Interpreter* run_;
  std::vector<Variable> variables_;
  std::optional<Shape> last_;        // asked for last
  const Variable* last_of_ = nullptr;
  std::map<std::pair<std::string, std::int64_t>, std::vector<std::string>> kinds_;
};

}  // namespace saha::validate
