#pragma once
// A value that is another one in a different order of its elements, which a kernel can read where the other one lies.
#include <functional>

#include "ir/graph.hpp"
#include "tensor/tensor.hpp"

namespace saha::native {

/// Element [i, j, ..] of the value is element first + i strides[0] + j strides[1] + .. of `root`, which is dense.
struct Strided {
  ir::ValueId root = ir::ValueId::none;
  Dims dims, strides;
  std::int64_t first = 0;
};
Strided dense(ir::ValueId v, const ir::Type& type);

/// v through as many of the nodes that make it as `through` allows and as strides express: reshapes, transposes, parts of a Split. All values are static tensors.
Strided strided(const ir::Graph& g, ir::ValueId v, const std::function<bool(const ir::Node&)>& through);

}  // namespace saha::native
