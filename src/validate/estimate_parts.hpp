#pragma once
// What the files that make estimates share, inside this module: the samples of a slice, and estimates of the usual kinds.
#include <string>
#include <vector>

#include "validate/estimate.hpp"

namespace saha::validate {

Error lacking(std::string message);   ///< invalid_data

std::vector<std::int64_t> rows_of(const Slice& slice, std::size_t n);

/// The values of the slice's samples. Fails with `what` where there are none at all.
template <class T>
Result<std::vector<T>> picked(const std::vector<T>& values, const Slice& slice, const std::string& what) {
  if (values.empty()) return lacking(what);
  std::vector<T> out;
  for (std::int64_t i : rows_of(slice, values.size())) {
    if (i < 0 || static_cast<std::size_t>(i) >= values.size()) {
      return lacking("data set '" + slice.data + "' has " + std::to_string(values.size()) + " results, sample " + std::to_string(i) +
                     " was asked for");
    }
    out.push_back(values[static_cast<std::size_t>(i)]);
  }
  if (out.empty()) return lacking("no sample in '" + (slice.name.empty() ? slice.data : slice.name) + "'");
  return out;
}

/// What a difference of one in the output's numbers is in base units, by its scale and unit, which the estimate is shown in from then on. `output`: "" the only one.
Result<double> stated_in(Estimate& e, const std::string& output, const Scope& scope);

/// k of n, with Clopper-Pearson bounds.
void proportion(Estimate& e, std::int64_t k, std::int64_t n);
/// The mean of the values, or its root, with the bounds of Student's t.
void mean(Estimate& e, std::vector<double> values, bool root);

}  // namespace saha::validate
