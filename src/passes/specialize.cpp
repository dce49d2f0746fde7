// x: float32[N, 3] with N = 2  ->  x: float32[2, 3]; Shape(x) -> constant [2, 3]; types downstream follow.
#include "passes/specialize.hpp"

#include "op/integer_form.hpp"

namespace saha::passes {
namespace {
/// Shape arithmetic, every element of which is known as a number, as a constant.
std::optional<Tensor> settled(op::Builder& b, op::Val y) {
  const ir::Type& t = b.type(y);
  if (!t.is_tensor() || !ir::is_static(t) || t.dims.size() > 1 || !is_int(t.dtype) || bits(t.dtype) < 32) return {};
  const op::Known* known = b.known(y);
  if (!known) return {};
  std::vector<std::int64_t> v;
  for (const ir::Dim& d : *known) {
    if (!d.known()) return {};
    v.push_back(*d.known());
  }
  Dims dims;
  for (const ir::Dim& d : t.dims) dims.push_back(*d.known());
  if (num_elements(dims) != std::int64_t(v.size())) return {};
  Tensor c = Tensor::zeros(t.dtype, dims);
  store(c, 0, c.size(), v.data());
  return c;
}
}  // namespace

Result<ir::Graph> specialize(const ir::Graph& g, std::span<const ir::TypeRef> inputs) {
  const auto input = [&](std::size_t i, op::Builder& b) {
    const ir::Value& x = g[g.inputs()[i]];
    ir::TypeRef t = i < inputs.size() && inputs[i] ? inputs[i] : x.type;
    if (x.type->quant && !t->quant && t->dtype == x.type->dtype) t = op::with_elements(*t, t->dtype, x.type->quant);  // a caller states shapes
    return b.input(std::move(t), x.name);
  };
  const auto rule = [](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    op::Vals y = b.copy(from, n, in);
    if (b.error()) return y;
    for (op::Val& v : y)
      if (auto constant = settled(b, v)) v = b.constant(std::move(*constant));
    return y;
  };
  return op::rewrite(g, rule, input, g.outputs());
}

}  // namespace saha::passes
