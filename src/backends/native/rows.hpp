#pragma once
// What several rows of the kernel table read from a node.
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "backends/native/kernel_table.hpp"
#include "kernels/epilogue.hpp"

namespace saha::native {

struct ActivationOf {
  kernels::Activation activation = kernels::Activation::none;
  float p0 = 0, p1 = 0;
};
/// The activation that a node computes of operand 0; nothing where it is none, or its limits are no constants.
std::optional<ActivationOf> activation_of(const NodeSite& s);

/// One pass of an activation over operand i; result 0 has its size.
std::optional<Prepared> activation_call(const NodeSite& s, const ActivationOf& a, std::size_t i);

/// y = x * scale[c] + shift[c].
struct AffineOf {
  std::vector<float> scale, shift;
};
/// BatchNormalization at inference, where operands first+1 .. first+4 are constants.
std::optional<AffineOf> affine_of_batch_norm(const NodeSite& s, std::size_t first);

}  // namespace saha::native
