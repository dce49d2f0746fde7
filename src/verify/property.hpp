#pragma once
// Property: which inputs and outputs of a network would be a counterexample, in disjunctive normal form. What VNN-LIB files and requirements
// become, and all that the verifier knows of them.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace saha::verify {

/// A set of inputs: lo[i] <= x[i] <= hi[i]; x is all inputs of the graph one after another, each flattened row by row.
struct Box {
  std::vector<double> lo, hi;
};

/// sum of x terms + sum of y terms <= bound (< bound where strict); y is all outputs of the graph, flattened alike.
struct Row {
  std::vector<std::pair<std::int32_t, double>> x = {}, y = {};  ///< element, coefficient; each element once, in order
  double bound = 0;
  bool strict = false;
};

/// One way to break the property: x in the box, and all rows hold.
struct Case {
  std::shared_ptr<const Box> box;
  std::vector<Row> rows;
};

/// Counterexample: any case holds. No cases: the property holds for want of any. lo and hi are finite, lo <= hi; a case whose box is empty is
/// not kept, but counted.
struct Property {
  std::int64_t inputs = 0, outputs = 0;
  std::vector<Case> cases;
  std::int64_t empty_cases = 0;
};

/// The first case that x (all inputs, flattened) and y (all outputs) are in: a counterexample. Inputs may leave their box, and miss rows of inputs
/// alone, by `input_tolerance` for each input; rows with outputs hold exactly, in float64. Not a number is in no case, nor are other sizes.
std::optional<std::size_t> satisfied_case(const Property& property, std::span<const double> x, std::span<const double> y, double input_tolerance = 0);
bool satisfies(const Property& property, std::span<const double> x, std::span<const double> y, double input_tolerance = 0);

}  // namespace saha::verify
