#pragma once
// Binds the free dims of a graph's inputs and folds the shape arithmetic that this makes constant.
#include "op/builder.hpp"

namespace saha::passes {

/// The graph with the given types for its inputs (one per input; null keeps the input's own). Types are inferred anew and small integer
/// values that are now known become constants; names and order of inputs and outputs stay. Fails where a type contradicts an operator.
Result<ir::Graph> specialize(const ir::Graph& g, std::span<const ir::TypeRef> inputs);

}  // namespace saha::passes
