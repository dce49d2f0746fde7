#pragma once
// What several rows of the kernel table read from a node.
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "backends/native/kernel_table.hpp"
#include "kernels/conv.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/pool.hpp"

namespace saha::native {

/// A node of the body of a Fused node; what the fused node reads as a constant is one here.
class BodySite {
 public:
  BodySite(const NodeSite& fused, const ir::Node& n);
  /// Reads what this object holds, and the body.
  NodeSite site() const { return {{*node_.attrs}, node_.op.str(), in_, out_, constants_, isa_, layout_, precision_, convolves_, picker_}; }

 private:
  const ir::Node& node_;
  std::vector<ir::TypeRef> in_, out_;
  std::vector<const Tensor*> constants_;
  kernels::Isa isa_;
  ir::Layout layout_;
  Precision precision_;
  bool convolves_;
  const Picker* picker_;
};

struct ActivationOf {
  kernels::Activation activation = kernels::Activation::none;
  float p0 = 0, p1 = 0;
};
/// The activation that a node computes of operand 0; nothing where it is none, or its limits are no constants.
std::optional<ActivationOf> activation_of(const NodeSite& s);

/// One pass of an activation over operand i; result 0 has its size.
std::optional<Prepared> activation_call(const NodeSite& s, const ActivationOf& a, std::size_t i);

/// A product of stored 8-bit integers by constants that one kernel computes, and stores between bounds.
bool is_stored_product(const NodeSite& s);
/// Takes what operand 0 stores beyond two bounds to the nearer one, and keeps the rest.
bool is_stored_clamp(const NodeSite& s);

/// A convolution over one or two spatial axes, whose weights are operand `weights`.
std::optional<kernels::ConvShape> conv_shape(const NodeSite& s, std::size_t weights);
/// A convolution as the name of a layer: "64x56x56 by 3x3 to 64x56x56, pad 1".
std::string layer_text(const kernels::ConvShape& s);
/// What follows a product: ", bias, relu"; empty where nothing does.
std::string layer_text(const kernels::Epilogue& e);

/// A convolution, alone or with what follows it, of images so small that they are done best as they are: kernels/stencil.hpp.
bool convolves_small_planes(const ir::Graph& g, const ir::Node& n, kernels::Isa isa);
/// Large images, more than once or cut into patches: values between convolutions have channels last. What one convolution gains is less than its operand's and its result's change of layout.
bool convolves_channels_last(const ir::Graph& g, kernels::Isa isa);
/// The MaxPool takes what the convolution gives by windows that its kernel takes at once (kernels/row_filter.hpp); both are nodes of g, and the convolution takes planes.
bool pools_small_planes(const ir::Graph& g, const ir::Node& conv, const ir::Node& pool, kernels::Isa isa);

/// A pool over one or two spatial axes; planes are the images.
std::optional<kernels::PoolShape> pool_shape(const NodeSite& s);

/// Which axes a Reduce* takes away; nothing where they are computed, or none go.
std::optional<std::vector<bool>> reduced_axes(const NodeSite& s);
/// [outer, n, inner] over the dims of operand 0 in the order of memory: what goes lies together, axes of 1 aside, and what stays lies as the result has it; else nothing.
struct Runs {
  std::int64_t outer = 1, n = 1, inner = 1;
};
std::optional<Runs> reduced_runs(const NodeSite& s, const std::vector<bool>& reduced);

/// y = x * scale[c] + shift[c].
struct AffineOf {
  std::vector<float> scale, shift;
};
/// BatchNormalization at inference, where operands first+1 .. first+4 are constants.
std::optional<AffineOf> affine_of_batch_norm(const NodeSite& s, std::size_t first);

}  // namespace saha::native
