// MatMul(x, W) + b -> Gemm(x, W, b) where x is a matrix; names for values that have none; what passes::simplify does
#include <set>

#include "compress/quantize.hpp"
#include "passes/simplify.hpp"

namespace saha::compress {
namespace {
using op::Val;
using op::Vals;

/// Add whose one operand is a bias and whose other one is a product that takes it.
std::optional<Vals> with_bias(const ir::Graph& g, const ir::Node& n, const Vals& in, op::Builder& b, const std::vector<std::uint32_t>& uses) {
  if (n.op != "Add") return {};
  for (std::size_t k = 0; k < 2; ++k) {
    const ir::ValueId product = g.operand(n, k), bias = g.operand(n, 1 - k);
    const ir::Node* p = g.producer(product);
    if (!p || p->op != "MatMul" || !g[bias].constant || uses[std::size_t(product)] != 1) continue;
    const ir::Type &x = g.type(g.operand(*p, 0)), &w = g.type(g.operand(*p, 1));
    const Tensor& c = *g[bias].constant;
    if (x.dtype != DType::f32 || x.dims.size() != 2 || w.dims.size() != 2 || !has_weights(g, *p) || c.size() != w.dims[1].known().value_or(-1) || c.dims.empty() || c.dims.back() != c.size()) continue;
    const ir::Node* made = b.producer(in[k]);
    if (!made || made->op != "MatMul") continue;
    auto factor = [&](std::size_t i) { return Val{&b, b.graph().operand(*made, i)}; };
    return Vals{b.op("Gemm", {factor(0), factor(1), b.constant(std::make_shared<const Tensor>(c.reshaped({c.size()})), ir::tensor_type(DType::f32, {c.size()}), g[bias].name)})};
  }
  return {};
}
}  // namespace

Result<ir::Graph> prepared(const ir::Graph& g) {
  SAHA_TRY(auto simple, passes::simplify(g, {.opset = 20}, passes::joining_passes()));
  const auto uses = simple.graph.use_counts();
  SAHA_TRY(const ir::Graph joined, op::rewrite(simple.graph, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) { return with_bias(from, n, in, b, uses); }));
  static const std::string kOnly[] = {"remove_dead"};
  SAHA_TRY(simple, passes::simplify(joined, {.opset = 20}, {}, kOnly));
  return named(std::move(simple.graph));
}

ir::Graph named(ir::Graph g) {
  std::set<std::string> taken;
  for (const ir::Value& v : g.values()) if (v.name) taken.insert(*v.name);
  std::vector<ir::ValueId> unnamed;
  for (std::size_t i = 0; i < g.values().size(); ++i) if (!g.values()[i].name && g.values()[i].producer >= 0) unnamed.push_back(ir::ValueId(i));
  std::vector<std::string> names;
  for (std::size_t i = 0, next = 0; i < unnamed.size(); ++i) {
    while (!taken.insert("value_" + std::to_string(next)).second) ++next;
    names.push_back("value_" + std::to_string(next));
  }
  ir::Builder b(std::move(g));
  for (std::size_t i = 0; i < unnamed.size(); ++i) b.rename(unnamed[i], ir::make_name(names[i]));
  return std::move(b).build();
}

}  // namespace saha::compress
