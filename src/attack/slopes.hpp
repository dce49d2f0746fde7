#pragma once
// The gradient of a model as a graph of its own, for any engine to run.
#include <string>
#include <vector>

#include "ir/graph.hpp"

namespace saha::attack {

/// Input i of `g` and one weight for each of the named outputs, "slope.NAME" of its type -> "slope": the derivative of the sum of weights * outputs by input i, float32 in the
/// input's dims. The other inputs of `g` stay, in order, before the weights.
/// A quantised model is passed straight through: what is rounded to a step counts as not rounded, what saturates has no slope (Bengio et al. 2013). So the
/// slopes are those of the weights that ship, and need no float original. An integer input is taken as float32 of the same numbers.
/// Fails (unsupported) where an operator on the way has no gradient, naming it, and where no output depends on the input.
Result<ir::Graph> slopes(const ir::Graph& g, std::size_t input, const std::vector<std::string>& outputs);

}  // namespace saha::attack
