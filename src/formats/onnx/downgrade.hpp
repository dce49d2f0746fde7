#pragma once
// The operator table's one version (opset 28) -> an older operator set, so that a model is written in the opset it came in.
#include <variant>

#include "ir/graph.hpp"

namespace saha::onnx {

/// A node as an older file has it.
struct OldRecord {
  std::string domain, op;                                  ///< domain "" is ai.onnx
  ir::Attrs attrs;
  /// Values of the graph (ValueId::none: omitted), or constants that the older form needs.
  std::vector<std::variant<ir::ValueId, Tensor>> in;
  int num_out = 1;                                         ///< how many outputs the older node lists
  bool older = false;                                      ///< the form differs from today's: defaults may, too, so all attributes are said
};

/// n of g in the form of `opset` (of the operator's own domain). Fails with a sentence that names the opset it would need.
/// A type that the opset does not have at all is refused; which types each operator took in it is not checked: a model keeps those it came with. `microsoft`: the model uses com.microsoft, so that what
/// came from there may go back (a Gelu before opset 20, quantising to 16 or 4 bits before opset 21).
Result<OldRecord> downgrade(const ir::Graph& g, const ir::Node& n, std::int64_t opset, bool microsoft = false);

}  // namespace saha::onnx
