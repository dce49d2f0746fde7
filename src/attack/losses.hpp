#pragma once
// Losses of a classifier that must not answer `label`, each with its derivative by the outputs. Outputs that are shares of 1 (after Softmax) are taken as
// their logarithms, which are logits, so that a sure answer has a slope.
#include <cstdint>
#include <span>

namespace saha::attack {

/// max of the others - outputs[label]: above 0 the answer is another class. In the outputs as they are.
double margin(std::span<const float> outputs, std::int64_t label, std::span<float> slope);
/// -log of the label's share.
double cross_entropy(std::span<const float> outputs, std::int64_t label, std::span<float> slope);
/// Difference of logits ratio: (max of the others - label) / (greatest - third greatest); free of the logits' scale. The margin where there are fewer than three classes.
double dlr(std::span<const float> outputs, std::int64_t label, std::span<float> slope);

}  // namespace saha::attack
