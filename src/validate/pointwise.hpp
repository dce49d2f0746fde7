#pragma once
// Assertions about single samples, run on each: closeness to the original, agreement with the label, limits of outputs.
#include <optional>
#include <string>

#include "validate/estimate.hpp"

namespace saha::validate {

struct PointVerdict {
  Verdict verdict = Verdict::inconclusive;
  std::string text;
  std::optional<Witness> witness;
  std::vector<Figure> figures;
};

/// Why an assertion cannot be run on samples: "'prove' needs the verifier"; empty where it can.
std::string not_runnable(const Requirement& r, const Scope& scope);

/// Runs the assertion for `model` on the samples of the requirement's `for` and of quantifiers over data sets.
PointVerdict run_on_samples(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall);

}  // namespace saha::validate
