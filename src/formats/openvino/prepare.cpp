// The graph as layers say it best: what only saha has is spelt out, and each stored value is dequantised once.
//   QuantizeLinear(f(DequantizeLinear(QuantizeLinear(x)))) -> QuantizeLinear(f(x)), f Relu or Clip, one scale and one zero point: both are monotone
#include <algorithm>
#include <cstring>

#include "formats/openvino/layers.hpp"
#include "passes/simplify.hpp"

namespace saha::openvino {
namespace {
bool same(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.dims == b.dims && a.dtype != DType::string && std::memcmp(a.data.get(), b.data.get(), std::size_t(a.bytes())) == 0;
}
std::optional<Vals> clipped_first(const ir::Graph&, const ir::Node& n, const Vals& in, op::Builder& b) {
  if (n.op != ir::OpName("QuantizeLinear") || b.failed()) return {};
  const ir::Graph& g = b.graph();
  const ir::Node* f = b.producer(in[0]);
  if (!f || (f->op != ir::OpName("Relu") && f->op != ir::OpName("Clip"))) return {};
  const ir::Node* d = g.producer(g.operand(*f, 0));
  const ir::Node* q = d && d->op == ir::OpName("DequantizeLinear") ? g.producer(g.operand(*d, 0)) : nullptr;
  if (!q || q->op != ir::OpName("QuantizeLinear") || !same_grid(g, *q, *d)) return {};
  for (std::size_t i = 1; i < 3; ++i) {   // n stands in another graph: its operands are compared as they are here
    const Tensor *mine = i < in.size() ? b.data(in[i]) : nullptr, *theirs = i < q->num_operands && g.operand(*q, i) != ir::ValueId::none ? g[g.operand(*q, i)].constant.get() : nullptr;
    if (bool(mine) != bool(theirs) || (mine && !same(*mine, *theirs))) return {};
  }
  Vals operands = {{&b, g.operand(*q, 0)}};
  for (std::size_t i = 1; i < f->num_operands; ++i) operands.push_back(g.operand(*f, i) == ir::ValueId::none ? Val{} : Val{&b, g.operand(*f, i)});
  Vals now = in;
  now[0] = b.op(f->op, operands, *f->attrs);
  return b.ops(n.op, now, *n.attrs, 1);
}
}  // namespace

bool same_grid(const ir::Graph& g, const ir::Node& a, const ir::Node& b) {
  for (std::size_t i = 1; i < 3; ++i) {
    const auto operand = [&](const ir::Node& n) { return i < n.num_operands && g.operand(n, i) != ir::ValueId::none ? g[g.operand(n, i)].constant.get() : nullptr; };
    const Tensor *x = operand(a), *y = operand(b);
    if (bool(x) != bool(y) || (!x && i == 1) || (x && !same(*x, *y))) return false;
  }
  const auto number = [](const ir::Node& n, const char* name) { auto* v = ir::attr<std::int64_t>(*n.attrs, name); return v ? *v : 0; };
  return number(a, "axis") == number(b, "axis") && number(a, "block_size") == number(b, "block_size");
}
Result<ir::Graph> prepared(const ir::Graph& graph) {
  ir::Graph g = graph;
  if (std::any_of(g.values().begin(), g.values().end(), [](const ir::Value& v) { return bool(v.type->quant); })) { SAHA_TRY(g, op::spelt_out(g)); }
  if (std::none_of(g.nodes().begin(), g.nodes().end(), [](const ir::Node& n) { return n.op == ir::OpName("QuantizeLinear"); })) return g;
  SAHA_TRY(g, op::rewrite(g, clipped_first));
  static const std::vector<std::string> kOnly = {"remove_dead", "merge_common", "remove_dead_again"};
  SAHA_TRY(auto s, passes::simplify(g, {}, {}, kOnly));
  return std::move(s.graph);
}

}  // namespace saha::openvino
