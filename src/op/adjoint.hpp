#pragma once
// What the adjoints of operators that move elements share.
#include "op/builder.hpp"

namespace saha::op {

/// A zero of v's dtype and shape, whatever v holds.
Val zeros_like(Val v);
/// dy in the shape of x.
Val reshaped_like(Val dy, Val x);
/// The adjoint of any operator that copies elements of one operand: the operator itself runs on element numbers, which says where each
/// element of dy belongs; there it is added. For operators that have no shorter way back.
Val index_adjoint(const Site& s, ir::OpName op, std::size_t operand, Val dy);

}  // namespace saha::op
