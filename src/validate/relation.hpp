#pragma once
// A relation of statistics and measurements in its linear form, and the judgement on it by the bounds of what it is made of.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "validate/estimate.hpp"
#include "validate/judgement.hpp"

namespace saha::validate {

/// sum of coefficient * atom + constant
struct Form {
  double constant = 0;
  std::vector<std::pair<Estimate, double>> terms = {};
};

/// into += factor * from; equal atoms are united.
void append(Form& into, const Form& from, double factor);

/// Whether `form op 0` holds: one atom by its own bound, two of different models on the same samples by the paired difference, others
/// by their bounds at shares of the error. Without `level`: bound(95 %) for statistics, test(200) for measurements.
/// A sequential level looks at the samples in an order drawn by `seed` and stops at the first that decides.
Judgement judge_relation(Form form, Op op, const std::optional<Level>& level, std::uint64_t seed = 0);

}  // namespace saha::validate
