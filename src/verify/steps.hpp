#pragma once
// Steps: functions of one number that only step: what a rescaled sum becomes when it is rounded and saturated, a table of stored numbers. Found by asking the rule itself,
// so that no rounding is written twice.
#include <cstdint>
#include <functional>
#include <vector>

#include "tensor/requant.hpp"

namespace saha::verify {

struct Steps {
  /// value[0] below at[0], value[i] from at[i - 1] on. at rises; one value more than places.
  struct Table {
    std::vector<float> at, value;
    std::vector<std::int32_t> start = {};            ///< of equal parts of what `at` spans, `parts` a unit: an index not above that of any number there; made by divide(), empty: none are kept
    double parts = 0;
    /// scale > 0: each value is the integer x scale, rounded to even, + base, within the first and the last value; float32 all of it.
    float scale = 0, base = 0;
    void divide();
    /// Keeps the scale, where all values are so.
    void round_at(float by);
    std::size_t index(double x) const;
    double least() const;
    double most() const;
  };
  std::vector<Table> tables;
  std::vector<std::int32_t> which;                   ///< of each element; empty: one table for all
  bool whole = false;                                ///< operands are integers
  const Table& of(std::int32_t element) const { return tables[which.empty() ? 0 : std::size_t(which[std::size_t(element)])]; }
};

/// The steps of f, which never falls, on the integers of [lo, hi]. Empty where it takes more than `most` values.
Steps::Table steps_of(std::int64_t lo, std::int64_t hi, std::size_t most, const std::function<std::int64_t(std::int64_t)>& f);
/// The same on all finite float32 numbers.
Steps::Table steps_of_float(std::size_t most, const std::function<std::int64_t(float)>& f);
/// Each value v of the table becomes f(v); equal neighbours join.
void map_values(Steps::Table& t, const std::function<std::int64_t(std::int64_t)>& f);

/// What the rule multiplies by, and how far its result may be from the product, for sums up to `largest`: half a step, one where it rounds twice, and what float32 loses.
/// The result is no integer of 32 bits where it reaches 2^31.
struct Factor {
  double factor = 0, error = 0;
};
Factor factor_of(const Requant& r, double largest);

}  // namespace saha::verify
