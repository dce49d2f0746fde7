#pragma once
// Statistics with a part that is chosen on one data set and judged on another: conformal sets and intervals, rejection of strange inputs.
#include "validate/estimate.hpp"
#include "validate/strangeness.hpp"

namespace saha::validate {

bool is_calibrated(const Word& word);

/// coverage, set_size, width; tpr, fpr, auroc, rejected, selective_accuracy.
Result<Estimate> calibrated(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall);

/// Tells inputs to be rejected by one answer of the model: what `reject` of the model section says, its threshold found on the calibration data.
struct Rejector {
  Strangeness score = Strangeness::softmax;
  std::string output, meaning;      ///< what is read: "logits", "probabilities", "logit", "probability"
  double threshold = 0;             ///< rejected where the score is above, or no number
  std::int64_t calibrated_on = 0;   ///< samples; 0: the threshold was given
  std::string data;
  Result<double> strange(std::span<const double> values) const;   ///< fails (invalid_data) for energy of probabilities
  bool rejects(double score_of_input) const { return !(score_of_input <= threshold); }
};
/// `seen`: a data set on which the model was run, which tells its deciding output.
Result<Rejector> rejector(const std::string& model, const std::string& seen, const Scope& scope, Recall& recall);

}  // namespace saha::validate
