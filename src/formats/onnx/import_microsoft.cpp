// com.microsoft -> the operator table: standard operators under another name, fused operators as the nodes that they stand for, and
// the rest, which are entries of that domain. Source: onnxruntime, ContribOperators.md.
#include <algorithm>

#include "formats/onnx/history.hpp"

namespace saha::onnx {
namespace {
using op::Val;
using op::Vals;

Vals fail(const OldNode& n, op::Builder& b, std::string what, ErrorCode code = ErrorCode::invalid_model) {
  std::string who = b.origin ? "node '" + *b.origin + "' (" : "(";
  b.fail({code, who + "com.microsoft." + n.op + ") " + std::move(what)});
  return Vals(std::size_t(n.num_out), Val{});
}
Val in(const OldNode& n, std::size_t i) { return i < n.in.size() ? n.in[i] : Val{}; }
template <class T> std::optional<T> take(OldNode& n, std::string_view name) {
  for (std::size_t i = 0; i < n.attrs.size(); ++i) {
    if (n.attrs[i].name != name) continue;
    ir::Attr value = std::move(n.attrs[i].value);
    n.attrs.erase(n.attrs.begin() + std::ptrdiff_t(i));
    if (T* v = std::get_if<T>(&value)) return std::move(*v);
    return {};
  }
  return {};
}
/// The activation behind a fused operator; an empty name: none.
Val activated(const OldNode& n, op::Builder& b, Val v, const std::string& name, const ir::Floats& p) {
  auto number = [&](std::size_t i, double otherwise) { return i < p.size() ? double(p[i]) : otherwise; };
  auto f = [&](std::size_t i, float otherwise) { return i < p.size() ? p[i] : otherwise; };
  if (name.empty()) return v;
  if (name == "Relu" || name == "Tanh" || name == "Sigmoid" || name == "Softplus" || name == "Softsign" || name == "HardSwish") {
    const op::Entry* e = op::find(name);
    if (e) return b.op(e->def->name, {v});
  }
  if (name == "LeakyRelu") return b.op("LeakyRelu", {v}, {{"alpha", f(0, 0.01f)}});
  if (name == "Elu") return b.op("Elu", {v}, {{"alpha", f(0, 1)}});
  if (name == "ThresholdedRelu") return b.op("ThresholdedRelu", {v}, {{"alpha", f(0, 1)}});
  if (name == "HardSigmoid") return b.op("HardSigmoid", {v}, {{"alpha", f(0, 0.2f)}, {"beta", f(1, 0.5f)}});
  if (name == "Clip") return b.op("Clip", {v, b.scalar(number(0, -3.402823466e+38), v), b.scalar(number(1, 3.402823466e+38), v)});
  fail(n, b, "has the activation '" + name + "', which is not supported", ErrorCode::unsupported);
  return v;
}
/// Conv, then Z added, then the activation.
Vals fused_conv(OldNode& n, op::Builder& b) {
  auto name = take<std::string>(n, "activation").value_or("");
  auto p = take<ir::Floats>(n, "activation_params").value_or(ir::Floats());
  Val z = in(n, 3);
  if (n.in.size() > 3) n.in.resize(3);
  Val y = b.op("Conv", n.in, n.attrs);
  return {activated(n, b, z ? y + z : y, name, p)};
}
Vals fused_gemm(OldNode& n, op::Builder& b) {
  auto name = take<std::string>(n, "activation").value_or("");
  ir::Floats p;
  for (std::string_view a : {"activation_alpha", "activation_beta", "activation_gamma"})
    if (auto v = take<float>(n, a)) p.push_back(*v);
  return {activated(n, b, b.op("Gemm", n.in, n.attrs), name, p)};
}
/// trans: the last two axes change places. transBatch: the first axis goes behind all others but the last.
Vals fused_matmul(OldNode& n, op::Builder& b) {
  if (!in(n, 0) || !in(n, 1)) return fail(n, b, "needs two operands");
  for (std::size_t i = 0; i < 2; ++i) {
    bool trans = take<std::int64_t>(n, i ? "transB" : "transA").value_or(0), batch = take<std::int64_t>(n, i ? "transBatchB" : "transBatchA").value_or(0);
    const ir::Type& t = b.type(n.in[i]);
    if (!trans && !batch) continue;
    if (!t.ranked) return fail(n, b, "transposes an operand of unknown rank", ErrorCode::unsupported);
    std::size_t r = t.dims.size();
    if (r < 2) continue;  // a vector stays
    ir::Ints perm;
    for (std::size_t k = 0; k < r; ++k) perm.push_back(std::int64_t(k));
    if (batch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
    if (trans) std::swap(perm[r - 1], perm[r - 2]);
    n.in[i] = b.op("Transpose", {n.in[i]}, {{"perm", perm}});
  }
  Val y = b.op("MatMul", {n.in[0], n.in[1]});
  auto alpha = take<float>(n, "alpha");
  return {alpha && *alpha != 1 ? y * double(*alpha) : y};
}
}  // namespace

op::Vals import_microsoft(OldNode n, op::Builder& b) {
  if (n.op == "FusedConv") return fused_conv(n, b);
  if (n.op == "FusedGemm") return fused_gemm(n, b);
  if (n.op == "FusedMatMul" || n.op == "TransposeMatMul") return fused_matmul(n, b);
  std::string name = n.op == "Attention" || n.op == "RotaryEmbedding" ? "Ms" + n.op : n.op;
  const op::Entry* e = op::find(name);
  if (e && e->def->domain != "com.microsoft" && !same_in_microsoft(name)) e = nullptr;
  if (!e) return fail(n, b, "is not an operator saha knows", ErrorCode::unsupported);
  return b.ops(e->def->name, std::move(n.in), std::move(n.attrs), n.num_out);
}
bool same_in_microsoft(std::string_view op) {
  constexpr std::string_view names[] = {"Gelu", "Trilu", "QuantizeLinear", "DequantizeLinear", "Range", "GatherND", "Pad"};
  return std::find(std::begin(names), std::end(names), op) != std::end(names);
}

}  // namespace saha::onnx
