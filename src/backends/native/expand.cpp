// Attention(Q, K, V) with more than a mask -> MatMul, Softmax, MatMul; a Conv that rounds its data in each run -> DynamicQuantize, ConvInteger, Mul, Add; ConvTranspose -> Conv, Transpose: operators that are made of others and have no kernel of their own run as what they are made of.
#include "backends/native/expand.hpp"

#include <algorithm>
#include <cstring>

#include "backends/native/rows_attention.hpp"
#include "op/builder.hpp"
#include "op/transposed.hpp"
#include "passes/passes.hpp"
#include "passes/specialize.hpp"

namespace saha::native {
namespace {
const passes::Options kAllConstants{.fold_limit = std::int64_t{1} << 40};   // however large
bool is_f32(const ir::Type& t) { return t.is_tensor() && t.dtype == DType::f32 && ir::is_static(t); }

/// The kernel takes no more than Q, K, V and a mask.
bool has_attention_kernel(const ir::Graph& g, const ir::Node& n) {
  std::vector<ir::TypeRef> in, out;
  for (ir::ValueId v : g.operands(n)) in.push_back(v == ir::ValueId::none ? ir::TypeRef{} : g[v].type);
  for (std::size_t k = 0; k < n.num_results; ++k) out.push_back(g[g.result(n, k)].type);
  return attention_params({{*n.attrs}, n.op.str(), in, out, {}, kernels::Isa::generic}).has_value();
}
/// The operator's results are sums of products (a kernel may differ from the reference as such sums do), on float32, of other operators.
bool is_composite(const ir::Graph& g, const ir::Node& n) {
  const op::OpDef& def = *op::find(n.op.str())->def;
  if (!def.body || def.rounding != op::ErrorModel::dot || (def.traits & op::kControl)) return false;
  const auto operands = g.operands(n);
  for (std::size_t k = 0; k < n.num_results; ++k) if (!is_f32(g.type(g.result(n, k)))) return false;
  if (!std::all_of(operands.begin(), operands.end(), [&](ir::ValueId v) { return v == ir::ValueId::none || (g.type(v).is_tensor() && ir::is_static(g.type(v))); })) return false;
  return !has_kernel(n.op.str()) || (n.op == "Attention" && !has_attention_kernel(g, n));
}
/// Runs as a convolution of stride 1 (op/transposed.hpp).
bool is_transposed(const ir::Graph& g, const ir::Node& n) {
  const auto operands = g.operands(n);
  return n.op == ir::OpName("ConvTranspose") && is_f32(g.type(g.result(n))) && is_f32(g.type(operands[0])) && is_f32(g.type(operands[1]));
}
op::Vals as_convolution(const ir::Graph&, const ir::Node& n, const op::Vals& in, op::Builder& b) {
  const op::Val y = op::as_convolution(b, in, *n.attrs);
  return y ? op::Vals{y} : op::Vals{};
}
/// A layer that rounds its data in each run: what it stands for has kernels of its own.
bool is_hybrid(const ir::Graph& g, const ir::Node& n) {
  const auto* rule = ir::attr<std::string>(*n.attrs, "rounding");
  return rule && rule->starts_with("dynamic_") && op::is_quantised(g, n);
}
/// Nothing where the form is refused: the host operator says what is wrong.
op::Vals without_rounding(const ir::Graph& g, const ir::Node& n, const op::Vals& in, op::Builder& b) {
  auto form = op::integer_form(g, n);
  if (!form) return {};
  op::Vals given;
  for (std::size_t i = 0; i < in.size(); ++i) if (in[i] && !g[g.operand(n, i)].constant) given.push_back(in[i]);
  return b.inline_graph(*form, given);
}
/// A product of integers whose data have a zero point that only a run tells (DynamicQuantizeLinear): sum (x - z) w = sum x w - z sum w, the second sum a constant. What is
/// padded counts as 0 in both.
bool is_shifted(const ir::Graph& g, const ir::Node& n) {
  const bool conv = n.op == ir::OpName("ConvInteger");
  if ((!conv && n.op != ir::OpName("MatMulInteger")) || n.num_operands < 3 || g.operand(n, 2) == ir::ValueId::none) return false;
  const ir::Value &x = g[g.operand(n, 0)], &w = g[g.operand(n, 1)], &zero = g[g.operand(n, 2)];
  return !zero.constant && w.constant && zero.type->ranked && ir::is_static(*zero.type) && std::ranges::all_of(zero.type->dims, [](const ir::Dim& d) { return *d.known() == 1; }) && ir::is_static(*x.type) &&
         (conv || (x.type->dims.size() >= 2 && w.type->dims.size() == 2));
}
op::Vals without_shift(const ir::Graph& g, const ir::Node& n, const op::Vals& in, op::Builder& b) {
  const bool conv = n.op == ir::OpName("ConvInteger");
  Dims one;   // data of ones: of one place where the result is the same in all
  for (const ir::Dim& d : g.type(g.operand(n, 0)).dims) one.push_back(*d.known());
  const auto& w = g.type(g.operand(n, 1)).dims;
  const auto* pads = ir::attr<ir::Ints>(*n.attrs, "pads");
  const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
  const auto* dilations = ir::attr<ir::Ints>(*n.attrs, "dilations");
  const bool padded = (automatic && automatic->starts_with("SAME")) || (pads && std::ranges::any_of(*pads, [](std::int64_t p) { return p != 0; }));
  if (conv) one[0] = 1;
  else std::fill(one.begin(), one.end() - 1, 1);
  if (conv && !padded)
    for (std::size_t i = 2; i < one.size(); ++i) one[i] = (*w[i].known() - 1) * (dilations ? (*dilations)[i - 2] : 1) + 1;
  auto ones = Tensor::make(b.type(in[0]).dtype, one);
  if (!ones) return {};   // larger than any tensor: the reference refuses it
  std::memset(ones->data.get(), 1, std::size_t(ones->bytes()));
  const auto product = [&](op::Val x) {
    op::Vals operands = {x, in[1]};
    if (in.size() > 3 && in[3]) operands.insert(operands.end(), {op::Val{}, in[3]});
    return b.op(n.op, operands, *n.attrs);
  };
  op::Val zero = b.op("Reshape", {b.op("Cast", {in[2]}, {{"to", std::int64_t(DType::i32)}}), b.ints({})});
  return {product(in[0]) - zero * product(b.constant(std::move(*ones)))};
}
/// The graph with `make` in the place of nodes for which `is` holds, unless that gives nothing; what it adds has the node's origin.
using Is = bool (*)(const ir::Graph& g, const ir::Node& n);
using Make = op::Vals (*)(const ir::Graph& g, const ir::Node& n, const op::Vals& in, op::Builder& b);
Result<ir::Graph> replaced(ir::Graph g, Is is, Make make) {
  if (std::none_of(g.nodes().begin(), g.nodes().end(), [&](const ir::Node& n) { return is(g, n); })) return g;
  SAHA_TRY(ir::Graph plain, op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    if (!is(from, n)) return {};
    b.origin = n.origin;
    op::Vals y = make(from, n, in, b);
    b.origin = {};
    return y.empty() ? std::nullopt : std::optional(std::move(y));
  }, op::Quantised::see));
  SAHA_TRY(plain, passes::specialize(plain, {}));
  return passes::fold_constants(plain, kAllConstants);
}
}  // namespace

Result<ir::Graph> expand(ir::Graph g) {
  SAHA_TRY(g, replaced(std::move(g), is_shifted, without_shift));
  SAHA_TRY(g, replaced(std::move(g), is_hybrid, without_rounding));
  constexpr int kDeepest = 4;   // a body may hold operators with bodies
  const auto composite = [&](const ir::Node& n) { return is_composite(g, n); };
  for (int depth = 0; depth < kDeepest && std::any_of(g.nodes().begin(), g.nodes().end(), composite); ++depth) {
    bool found = false;
    const auto rule = [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
      if (!is_composite(from, n)) return {};
      std::vector<ir::TypeRef> types;
      op::Vals given;   // the body's inputs are the operands that are there
      for (op::Val v : in) {
        types.push_back(v ? b.type_ref(v) : ir::TypeRef{});
        if (v) given.push_back(v);
      }
      auto body = op::expand(*op::find(n.op.str())->def, types, *n.attrs, int(n.num_results));
      if (!body) return {};   // a case that only the reference knows
      found = true;
      b.origin = n.origin;
      op::Vals y = b.inline_graph(*body, given);
      b.origin = {};
      y.resize(n.num_results);
      return y;
    };
    SAHA_TRY(ir::Graph wider, op::rewrite(g, rule));
    if (!found) break;
    SAHA_TRY(g, passes::specialize(wider, {}));   // the bodies' arithmetic on shapes
  }
  return replaced(std::move(g), is_transposed, as_convolution);
}

}  // namespace saha::native
