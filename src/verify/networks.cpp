// z -> Gather(z, elements of an input) -> Reshape to its shape, for each input of each graph.
#include "verify/networks.hpp"

#include <algorithm>

#include "op/builder.hpp"

namespace saha::verify {

Result<ir::Graph> side_by_side(std::span<const ir::Graph* const> graphs, std::span<const std::int32_t> input_of) {
  op::Builder b;
  op::Val all;
  if (!input_of.empty()) all = b.input(ir::tensor_type(DType::f32, {std::int64_t(*std::ranges::max_element(input_of)) + 1}), "inputs");
  op::Vals outputs;
  std::size_t at = 0;
  for (const ir::Graph* g : graphs) {
    op::Vals in;
    for (ir::ValueId v : g->inputs()) {
      const ir::TypeRef& type = (*g)[v].type;
      if (!all) {
        in.push_back(b.input(type));
        continue;
      }
      if (type->dtype != DType::f32) return Error{ErrorCode::unsupported, "input '" + std::string(g->name(v)) + "' is " + ir::str(*type) + "; inputs that are set equal are float32"};
      std::vector<std::int64_t> shape, elements;
      std::int64_t count = 1;
      for (const ir::Dim& d : type->dims) {
        shape.push_back(*d.known());
        count *= shape.back();
      }
      for (; count > 0; --count) elements.push_back(input_of[at++]);
      in.push_back(b.op("Reshape", {b.op("Gather", {all, b.ints(elements)}, {{"axis", std::int64_t{0}}}), b.ints(shape)}));
    }
    for (const op::Val& v : b.inline_graph(*g, in)) outputs.push_back(v);
  }
  return std::move(b).build(outputs);
}

}  // namespace saha::verify
