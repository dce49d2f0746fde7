#pragma once
// The area under the ROC curve with its variance. Sources: DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44:837); Sun and Xu 2014 (ranks,
// n log n); the bounds on the logit scale: Pepe 2003, 5.2. Where DeLong's variance vanishes: Birnbaum and Klose 1957.
#include <cstdint>
#include <span>

namespace saha::validate {

struct Auc {
  double area = 0, variance = 0;   ///< P(a positive scores above a negative) + P(equal) / 2
  std::int64_t positives = 0, negatives = 0;
};
/// Neither may be empty or hold a NaN.
Auc delong(std::span<const double> positive, std::span<const double> negative);

/// One-sided bounds, asymptotic; of an area of 0 or 1, and of one positive or negative, those of a share of min(positives, negatives) samples.
double auc_lower(const Auc& auc, double confidence);
double auc_upper(const Auc& auc, double confidence);

}  // namespace saha::validate
