#pragma once
// Formula: comparisons under `and` and `or`, collected one after another as a file is read, and multiplied out into the cases of a Property.
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "verify/property.hpp"

namespace saha::verify {

/// What multiplying out may come to; beyond it cases() fails.
struct FormulaLimits {
  std::int64_t branches = 1 << 20;       ///< cases, and branches that end early since no input is left
  std::int64_t rows = 1 << 20;           ///< rows of all cases, each counted in each case
  std::int64_t terms = 1 << 24;          ///< coefficients of those rows
  std::int64_t box_numbers = 1 << 24;    ///< inputs of all boxes, each box counted once
};

class Formula {
 public:
  enum class Join : std::uint8_t { all, any };
  /// The comparisons up to the close() that belongs to it are joined thus. Outside of any all must hold.
  void open(Join join);
  void close();
  bool common() const { return nodes_open_.empty(); }   ///< what comes next must hold in every case
  /// terms <= bound. An element occurs once in `row`. A row of one input bounds that input; a strict one then ends at the next float64, since
  /// inputs are float64 or narrower. A row of no element is true or false.
  void at_most(Row row);

  /// Multiplies out. Cases of equal boxes share them; a branch without inputs, or with a comparison of constants that is false, is counted in
  /// empty_cases. A bound that an input lacks follows from rows of inputs, if it does. Fails (invalid_file) where an input of a case has no bound, no case has an input left, or a limit is passed; `input` names inputs.
  Result<Property> property(std::int64_t inputs, std::int64_t outputs, const std::function<std::string(std::int64_t)>& input, const FormulaLimits& limits = {}) &&;

 private:
  friend class Expansion;
  /// In prefix order: a join is followed by what is in it, up to `end`.
  struct Node {
    enum class Kind : std::uint8_t { all, any, lower, upper, row, never } kind;   ///< an `all` of nothing is true
    bool inputs = false;      ///< of any: a bound is in it
    std::uint32_t end = 0;    ///< the node after this and all in it
    std::int32_t index = 0;   ///< input or row
    double value = 0;         ///< bound
  };
  void bound(std::int32_t input, bool upper, double value);

  std::vector<Join> joins_;                ///< that are open; the first `all`s have no node
  std::vector<std::uint32_t> nodes_open_;  ///< the nodes among them
  std::vector<Node> nodes_;
  std::vector<Row> rows_;
  std::vector<std::uint32_t> common_;      ///< rows of every case
  Box box_;                                ///< of every case; inputs that are not bounded yet are infinite or beyond its end
  bool never_ = false;
};

}  // namespace saha::verify
