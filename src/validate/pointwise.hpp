#pragma once
// Assertions about single samples, run on each: closeness to the original, agreement with the label, limits of outputs.
#include <optional>
#include <string>
#include <vector>

#include "validate/estimate.hpp"

namespace saha::validate {

struct PointVerdict {
  Verdict verdict = Verdict::inconclusive;
  std::string text;
  std::optional<Witness> witness;
  std::vector<Figure> figures;
  std::optional<Proof> proof = {};
  std::vector<Tally> corruptions = {};
};

/// A statistic, measurement, count or own metric: what is known of many samples only.
bool is_aggregate(const Expr& e, const Scope& scope);
/// The assertion speaks of single inputs and their outputs: no aggregate stands in it.
bool speaks_of_points(const Requirement& r, const Scope& scope);

/// Why an assertion cannot be run on samples: "'prove' needs the verifier"; empty where it can.
std::string not_runnable(const Requirement& r, const Scope& scope);

/// The samples that `for` means: as many as it takes, drawn with the seed, of those for which its condition holds. In the order drawn.
Result<std::vector<std::int64_t>> chosen_samples(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall);

/// The region is the samples of a data set.
bool is_data_region(const Expr& e, const Scope& scope);

/// Runs the assertion for `model` on the samples of the requirement's `for` and of quantifiers over data sets.
PointVerdict run_on_samples(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall);

}  // namespace saha::validate
