#pragma once
// The level `test` of regions and transforms: inputs that no data set holds, drawn at random, from a grid and by search, each run on the engine that is judged.
#include "validate/pointwise.hpp"

namespace saha::validate {

/// The assertion runs over a region or a transform, and its level is to try such inputs.
bool asks_for_tries(const Requirement& r);

/// n tries at random: in turn over the samples of `for`, each with other values of the rest. Then, where none failed, a grid and a search for a failing input, as long as the
/// time lasts. The first failure is made as small as it goes and run once more. The same seed gives the same tries.
PointVerdict run_tries(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall);

}  // namespace saha::validate
