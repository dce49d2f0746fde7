#pragma once
// Several networks as one graph, so that a property can relate them: monotonicity, equal decisions, closeness of a compressed network.
#include <span>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"

namespace saha::verify {

/// The graphs side by side: inputs and outputs of all, one after another. With `input_of` (Vnnlib's) there is one input instead, float32 [inputs],
/// and each element of the graphs' inputs is the number that it says of it. All shapes are known. Fails where the graphs' inputs are not float32 then.
Result<ir::Graph> side_by_side(std::span<const ir::Graph* const> graphs, std::span<const std::int32_t> input_of);

}  // namespace saha::verify
