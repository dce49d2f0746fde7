// x: float32[N, 3] with N = 2  ->  x: float32[2, 3]; Shape(x) -> constant [2, 3]; types downstream follow.
#include "passes/specialize.hpp"

namespace saha::passes {
using op::Val;
using op::Vals;

Result<ir::Graph> specialize(const ir::Graph& g, std::span<const ir::TypeRef> inputs) {
  op::Builder b;
  Vals env(g.values().size());
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    ir::ValueId v = g.inputs()[i];
    env[std::size_t(v)] = b.input(i < inputs.size() && inputs[i] ? inputs[i] : g[v].type, g[v].name);
  }
  auto mapped = [&](ir::ValueId v) -> Val {
    if (v == ir::ValueId::none) return {};
    Val& x = env[std::size_t(v)];
    if (!x && g[v].constant) x = b.constant(g[v].constant, g[v].type, g[v].name);
    return x;
  };
  for (const ir::Node& n : g.nodes()) {
    Vals in;
    for (ir::ValueId v : g.operands(n)) in.push_back(mapped(v));
    Vals y = b.copy(g, n, in);
    if (b.error()) return *b.error();
    for (std::size_t k = 0; k < y.size(); ++k) {
      ir::ValueId old = g.result(n, k);
      const ir::Type& t = b.type(y[k]);
      // Shape arithmetic: every element known as a number.
      if (t.is_tensor() && ir::is_static(t) && t.dims.size() <= 1 && is_int(t.dtype) && bits(t.dtype) >= 32) {
        if (const op::Known* known = b.known(y[k])) {
          std::vector<std::int64_t> v;
          for (const ir::Dim& d : *known) if (d.known()) v.push_back(*d.known());
          if (v.size() == known->size()) {
            Dims dims;
            for (const ir::Dim& d : t.dims) dims.push_back(*d.known());
            if (num_elements(dims) == std::int64_t(v.size())) {
              Tensor c = Tensor::zeros(t.dtype, dims);
              store(c, 0, c.size(), v.data());
              y[k] = b.constant(std::move(c));
            }
          }
        }
      }
      env[std::size_t(old)] = y[k];
      if (g[old].name && !b.graph()[y[k].id].name) b.rename(y[k], g[old].name);
    }
  }
  Vals out;
  for (ir::ValueId v : g.outputs()) out.push_back(mapped(v));
  return std::move(b).build(out);
}

}  // namespace saha::passes
