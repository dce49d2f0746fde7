#pragma once
// ConvTranspose as a convolution.
#include "op/builder.hpp"

namespace saha::op {

/// Operands X, W and maybe B of a ConvTranspose, dims of X and W known -> its result out of Conv, Reshape, Transpose and Slice: output element s q + r - pad of an axis of stride s
/// takes kernel elements r, r + s, r + 2 s, .. of the inputs q, q - 1, .., so one convolution of stride 1 gives all s elements of q as channels, which are then set side by side
/// (sub-pixel convolution, Shi et al. 2016, arXiv 1609.07009). Kernels that s does not divide are filled up with zeros. Nothing where an axis has both a stride and a
/// dilation, a stride above 64, or pads and output padding far beyond what the data reach, where this would take memory that the operator does not; or the attributes do not fit.
Val as_convolution(Builder& b, const Vals& in, const Attrs& attrs);

}  // namespace saha::op
