// IF, WHILE, CALL and STABLEHLO_COMPOSITE: sub-graphs that read nothing but their operands, so they are closed as they stand.
#include "formats/tflite/operators.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;

/// A closed graph over values of these types, made by `body`; constants stay such inside.
template <class F> ir::GraphRef closed(Site& s, const Vals& like, F body) {
  op::Builder b;
  Vals in;
  for (const Val& v : like) {
    const ir::Value& x = s.b.graph()[v.id];
    in.push_back(x.constant ? b.constant(x.constant, x.type, x.name) : b.input(x.type));
  }
  Vals out = body(b, in);
  auto g = std::move(b).build(out);
  if (!g) { s.b.fail(std::move(g.error())); return {}; }
  return std::make_shared<const ir::Graph>(std::move(*g));
}
Val scalar_of(op::Builder& b, Val v) { return b.failed() || b.type(v).dims.empty() ? v : b.op("Reshape", {v, b.ints({})}); }

Vals branch(Site& s) {
  const auto& o = s.options<fb::IfOptions>();
  if (s.in.empty() || s.b.failed()) { s.fail("has no condition"); return {}; }
  Vals given(s.in.begin() + 1, s.in.end());
  auto of = [&](int i) { return closed(s, given, [&](op::Builder& b, const Vals& in) { return s.call(std::size_t(i), b, in); }); };
  ir::GraphRef then_graph = of(o.then_subgraph_index()), else_graph = of(o.else_subgraph_index());
  if (s.b.failed()) return {};
  Vals in = {scalar_of(s.b, s.in[0])};
  for (const Val& v : given) if (!s.b.data(v)) in.push_back(v);
  return s.b.ops("If", in, {{"then_branch", then_graph}, {"else_branch", else_graph}}, int(s.out.size()));
}
/// Loop with the state as carried values: the condition is asked before the first turn, and at the end of each.
Vals loop(Site& s) {
  const auto& o = s.options<fb::WhileOptions>();
  const auto cond = std::size_t(o.cond_subgraph_index()), body = std::size_t(o.body_subgraph_index());
  if (s.b.failed()) return {};
  Vals start = s.call(cond, s.b, s.in);
  if (s.b.failed() || start.size() != 1) { s.fail("its condition gives " + std::to_string(start.size()) + " values"); return {}; }
  op::Builder b;
  Val turn = b.input(ir::tensor_type(DType::i64, {})), go = b.input(ir::tensor_type(DType::boolean, {}));
  (void)turn, (void)go;
  Vals state;
  for (const Val& v : s.in) state.push_back(b.input(s.b.type_ref(v)));
  Vals next = s.call(body, b, state);
  Vals again = b.failed() ? Vals{} : s.call(cond, b, next);
  if (b.failed()) { s.b.fail(Error(*b.error())); return {}; }
  Vals out = {scalar_of(b, again[0])};
  for (Val v : next) out.push_back(b.producer(v) ? v : b.op("Identity", {v}));
  auto g = std::move(b).build(out);
  if (!g) { s.b.fail(std::move(g.error())); return {}; }
  Vals in = {{}, scalar_of(s.b, start[0])};
  in.insert(in.end(), s.in.begin(), s.in.end());
  return s.b.ops("Loop", in, {{"body", ir::GraphRef(std::make_shared<const ir::Graph>(std::move(*g)))}, {"carried", std::int64_t(s.in.size())}}, int(s.in.size()));
}
Vals call(Site& s) { return s.call(std::size_t(s.options<fb::CallOptions>().subgraph()), s.b, s.in); }

/// An operator of a newer runtime with the sub-graph that says what it means.
Vals composite(Site& s) {
  const auto* o = s.op.builtin_options_2_as_StableHLOCompositeOptions();
  if (!o) { s.fail("names no sub-graph"); return {}; }
  return s.call(std::size_t(o->decomposition_subgraph_index()), s.b, s.in);
}

constexpr Rule kRules[] = {
    {BuiltinOperator::STABLEHLO_COMPOSITE, composite, kAll},
    {BuiltinOperator::CALL, call},
    {BuiltinOperator::IF, branch, kAll},
    {BuiltinOperator::WHILE, loop, kAll},
};
}  // namespace

std::span<const Rule> control_rules() { return kRules; }

}  // namespace saha::tflite
