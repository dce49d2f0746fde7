#pragma once
// A value that is another one in a different order of its elements, which a kernel can read where the other one lies.
#include <functional>

#include "ir/graph.hpp"
#include "tensor/tensor.hpp"

namespace saha::native {

/// Element [i, j, ..] of the value is element first + a(i) + b(j) + .. of `root` as it lies in memory. An axis is made of steps, the last one the innermost: with n and stride of its steps its index is
/// written in the digits of a mixed base, each of which counts strides.
struct Strided {
  struct Step {
    std::int64_t n, stride;
  };
  using Axis = std::vector<Step>;   ///< none: one element; steps that go on alike are one
  ir::ValueId root = ir::ValueId::none;
  std::vector<Axis> axes;
  std::int64_t first = 0;

  Dims dims() const;
  /// One of each axis, 1 where it has one element; nothing where an axis has several steps.
  std::optional<Dims> strides() const;
};
Strided dense(ir::ValueId v, const ir::Type& type, ir::Layout layout = ir::Layout::plain);

/// Only brings elements into another order: Transpose, and what is a view.
bool rearranges(const ir::Node& n);
/// v through as many of the nodes that make it as `through` allows and as steps express: those that rearrange, parts of a Split. All values are static tensors; the root lies in `layout` where it may lie in two.
Strided strided(const ir::Graph& g, ir::ValueId v, const std::function<bool(const ir::Node&)>& through, ir::Layout layout = ir::Layout::plain);

}  // namespace saha::native
