#pragma once
// Composite operators as what they are made of, where that runs on kernels and the operator itself would run by reference.
#include "ir/graph.hpp"

namespace saha::native {

/// The graph, whose shapes are known, without composite operators on float32 that no kernel does. Those whose body does not cover the case stay.
Result<ir::Graph> expand(ir::Graph graph);

}  // namespace saha::native
