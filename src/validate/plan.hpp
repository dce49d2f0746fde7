#pragma once
// How many samples each requirement asks for, before any is collected: from its limit and level, an expected rate and a power.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "validate/check.hpp"

namespace saha::validate {

struct PlanOptions {
  std::optional<double> expect = {};   ///< the true rate that is reckoned with; without: two rates beyond each limit
  double power = 0.8;                  ///< with which the requirement shall be shown at that rate
  double differ = 0.05;                ///< share of samples on which two models differ, of paired comparisons
};

/// One way to show one relation of a requirement.
struct PlannedSamples {
  std::string id, what;                        ///< "accuracy(test) >= 95 %"
  std::string level;                           ///< "bound 95 %"
  std::optional<double> expected = {};         ///< the rate, or the difference of two; nothing where none enters
  bool without_failure = false;                ///< the zero-failure rule
  std::optional<std::int64_t> samples = {};    ///< nothing where no number of samples shows it
  std::string note = {};                       ///< what is counted and assumed
};
std::vector<PlannedSamples> plan(const Requirement& requirement, const Scope& scope, const PlanOptions& options = {});

std::string plan_table(std::span<const PlannedSamples> rows, const PlanOptions& options);
/// {"schema": "saha.plan/1", "power", "requirements": [{"id", "assert", "level", "expected", "without_failure", "samples", "note"}]}
std::string plan_json(std::span<const PlannedSamples> rows, const PlanOptions& options, const std::string& version);

}  // namespace saha::validate
