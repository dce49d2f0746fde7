#include "op/work.hpp"

namespace saha::op {
namespace {
double number(const Dim& d) { return d.known() ? double(*d.known()) : 1; }
double elements(const Type& t) {
  double n = 1;
  for (const Dim& d : t.dims) n *= number(d);
  return n;
}
double bytes_of(const Type& t) { return t.is_tensor() ? elements(t) * std::max(bits(t.dtype), 1) / 8 : 0; }
const ir::Node* anchor(const ir::Graph& body) {
  for (const ir::Node& n : body.nodes())
    if (n.op == ir::OpName("Conv") || n.op == ir::OpName("ConvTranspose") || n.op == ir::OpName("MatMul") || n.op == ir::OpName("Gemm") || n.op == ir::OpName("Attention")) return &n;
  return body.nodes().empty() ? nullptr : &body.nodes()[0];
}
}  // namespace

Work work(const ir::Graph& g, const ir::Node& n) {
  Work w;
  for (ValueId v : g.operands(n)) if (v != ValueId::none) w.bytes += bytes_of(g.type(v));
  for (std::size_t k = 0; k < n.num_results; ++k) w.bytes += bytes_of(g.type(g.result(n, k)));
  auto type = [&](std::size_t i) -> const Type* { ValueId v = g.operand(n, i); return v == ValueId::none ? nullptr : &g.type(v); };
  auto dims = [&](std::size_t i) -> const std::vector<Dim>& { static const std::vector<Dim> none; const Type* t = type(i); return t ? t->dims : none; };
  std::string_view op = n.op.str();
  double y = elements(g.type(g.result(n)));
  if (op == "Conv" || op == "ConvInteger" || op == "QLinearConv") {
    const auto& weight = dims(op == "QLinearConv" ? 3 : 1);
    double k = 1;
    for (std::size_t i = 1; i < weight.size(); ++i) k *= number(weight[i]);
    w.macs = y * k;
  } else if (op == "ConvTranspose") {
    double k = 1;
    for (std::size_t i = 1; i < dims(1).size(); ++i) k *= number(dims(1)[i]);
    w.macs = type(0) ? elements(*type(0)) * k : 0;
  } else if (op == "MatMul" || op == "MatMulInteger" || op == "QLinearMatMul") {
    if (!dims(0).empty()) w.macs = y * number(dims(0).back());
  } else if (op == "Gemm") {
    const auto* t = ir::attr<std::int64_t>(*n.attrs, "transA");
    if (dims(0).size() == 2) w.macs = y * number(dims(0)[t && *t ? 0 : 1]);
  } else if (op == "Attention") {
    const auto &q = dims(0), &k = dims(1);
    const double queries = type(0) ? elements(*type(0)) : 0, past = dims(4).size() == 4 ? number(dims(4)[2]) : 0;
    if (q.size() == k.size() && q.size() >= 3) w.macs = (queries + y) * (number(k[k.size() == 4 ? 2 : 1]) + past);
  } else if (op == "LSTM" || op == "GRU" || op == "RNN") {
    if (dims(0).size() == 3 && dims(1).size() == 3 && dims(2).size() == 3)
      w.macs = number(dims(0)[0]) * number(dims(0)[1]) * number(dims(1)[0]) * number(dims(1)[1]) * (number(dims(1)[2]) + number(dims(2)[2]));
  } else if (op == "Fused") {
    const auto* body = ir::attr<ir::GraphRef>(*n.attrs, "body");
    if (body && *body) for (const ir::Node& m : (*body)->nodes()) w.macs += work(**body, m).macs;
  }
  return w;
}

std::string kind(const ir::Graph& g, const ir::Node& n) {
  if (n.op == ir::OpName("Fused")) {
    const auto* body = ir::attr<ir::GraphRef>(*n.attrs, "body");
    const ir::Node* a = body && *body ? anchor(**body) : nullptr;
    if (!a) return "Fused";
    std::string s = kind(**body, *a);
    for (const ir::Node& m : (*body)->nodes()) if (&m != a) s += "+" + std::string(m.op.str());
    return s;
  }
  std::string s(n.op.str());
  if (n.op == ir::OpName("Conv") && n.num_operands > 1) {
    const auto& w = g.type(g.operand(n, 1)).dims;
    for (std::size_t i = 2; i < w.size(); ++i) s += (i == 2 ? " " : "x") + w[i].str();
    const auto* group = ir::attr<std::int64_t>(*n.attrs, "group");
    if (group && *group > 1) s += w.size() > 1 && w[1].is(1) ? " dw" : " g" + std::to_string(*group);
  }
  return s;
}

}  // namespace saha::op
