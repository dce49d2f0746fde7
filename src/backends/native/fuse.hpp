#pragma once
// Which nodes the native engine runs as one.
#include "ir/graph.hpp"
#include "kernels/isa.hpp"

namespace saha::native {

/// Conv, Gemm or MatMul with what follows it, as far as one kernel does it all -> Fused, placed where the last of them stood:
///   act(scale * product + bias + residual)   with BatchNormalization or a constant factor as scale, and an activation of kernels::Activation; a MaxPool behind it where the level's kernel on small images takes both.
/// products of stored integers with what keeps their results between bounds, Attention with what rearranges its operands and its result, and rearrangements one after the other. Values between must have no other use. Names and order of inputs and outputs stay.
Result<ir::Graph> fuse(const ir::Graph& g, kernels::Isa isa);

}  // namespace saha::native
