#pragma once
// The passes of the pipeline, one function each; simplify.cpp lists them in their order.
#include "op/builder.hpp"
#include "passes/simplify.hpp"

namespace saha::passes {

Result<ir::Graph> remove_dead(const ir::Graph& g, const Options& o);
Result<ir::Graph> close_over_constants(const ir::Graph& g, const Options& o);
Result<ir::Graph> resolve_branches(const ir::Graph& g, const Options& o);
Result<ir::Graph> fold_constants(const ir::Graph& g, const Options& o);
Result<ir::Graph> resolve_shapes(const ir::Graph& g, const Options& o);
Result<ir::Graph> remove_identities(const ir::Graph& g, const Options& o);
Result<ir::Graph> drop_zero_states(const ir::Graph& g, const Options& o);
Result<ir::Graph> compose_views(const ir::Graph& g, const Options& o);
Result<ir::Graph> compose_arithmetic(const ir::Graph& g, const Options& o);
Result<ir::Graph> quantise_bytes(const ir::Graph& g, const Options& o);
Result<ir::Graph> fold_affine(const ir::Graph& g, const Options& o);
Result<ir::Graph> sink_transposes(const ir::Graph& g, const Options& o);
Result<ir::Graph> merge_common(const ir::Graph& g, const Options& o);
Result<ir::Graph> fuse_patterns(const ir::Graph& g, const Options& o);
Result<ir::Graph> fuse_attention(const ir::Graph& g, const Options& o);
Result<ir::Graph> merge_products(const ir::Graph& g, const Options& o);

/// A node of the graph that is being built, which made v; null where it is an input or a constant.
struct Made {
  const ir::Node* node = nullptr;
  explicit operator bool() const { return node != nullptr; }
};
inline bool is(const ir::Node* n, std::string_view op) { return n && n->op.str() == op; }
/// Operand i of a node that stands in b's graph.
inline op::Val operand(op::Builder& b, const ir::Node& n, std::size_t i) {
  ir::ValueId v = b.graph().operand(n, i);
  return v == ir::ValueId::none ? op::Val{} : op::Val{&b, v};
}
/// The value that all elements of the constant v have; nothing where v is no constant or its elements differ.
std::optional<double> uniform(op::Builder& b, op::Val v);
/// Constant int64 elements of v.
std::optional<std::vector<std::int64_t>> int_elements(op::Builder& b, op::Val v);

}  // namespace saha::passes
