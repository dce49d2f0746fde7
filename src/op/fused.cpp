// Fused: a closed sub-graph that a kernel may run as one. Its meaning is its body: reference, inference, gradient and bounds run that.
#include "op/builder.hpp"

namespace saha::op {
namespace {

Result<> eval_fused(Eval& c) {
  SAHA_TRY(c.out, run(c.graph("body"), c.in, c.budget));
  return {};
}
Vals fused_body(const Site& s) {
  const ir::Graph& g = s.graph("body");
  if (s.in.size() != g.inputs().size()) {
    s.b.fail({ErrorCode::invalid_model, "Fused: its body has " + std::to_string(g.inputs().size()) + " inputs, the node " + std::to_string(s.in.size()) + " operands"});
    return {};
  }
  return s.b.inline_graph(g, s.in);
}

constexpr OpDef kOps[] = {
    {.name = "Fused", .domain = "saha", .signature = "(inputs: value...) -> (outputs: value...) | body: graph", .traits = kControl,
     .eval = eval_fused, .body = fused_body, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> fused() { return kOps; }

}  // namespace saha::op
