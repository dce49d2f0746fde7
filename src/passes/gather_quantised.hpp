#pragma once
// DequantizeLinear -> operator -> QuantizeLinear as one node that computes on stored integers; op::spelt_out is the way back.
#include "op/builder.hpp"

namespace saha::passes {

/// The graph in which operators between DequantizeLinear and QuantizeLinear, and QLinear operators, whose scales and zero points are constants, are
/// quantised nodes of rule float_even (op::integer_form says what they compute). Movement between the two becomes movement of stored numbers;
/// Relu and Clip before QuantizeLinear become limits on stored numbers, which is the same. A bias that was kept in float becomes steps of the sums'
/// scale. Everything else stays as it is; so does what has operands or a result of more than `widest` bits. A result may differ from the original's by one step where a float32 sum rounds otherwise than an exact one.
Result<ir::Graph> gather_quantised(const ir::Graph& g, int widest = 16);

}  // namespace saha::passes
