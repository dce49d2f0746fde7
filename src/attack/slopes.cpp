#include "attack/slopes.hpp"

#include <algorithm>

#include "op/builder.hpp"
#include "op/op_def.hpp"

namespace saha::attack {
namespace {
using op::Val;
using op::Vals;

/// The value whose stored integers reach v unchanged: through nodes that only move them.
ir::ValueId source(const ir::Graph& g, ir::ValueId v) {
  for (const ir::Node* n = g.producer(v); n && n->op != "QuantizeLinear" && n->op != "Cast" && g.operands(*n).size() > 0 && !is_float(g.type(g.operand(*n, 0)).dtype); n = g.producer(v)) v = g.operand(*n, 0);
  return v;
}

/// QuantizeLinear(x) -> Clip(x) to what it can store; DequantizeLinear of that -> x; Round, Floor, Ceil -> x; a cast to an integer of what is real -> x.
std::optional<Vals> straight_through(const ir::Graph& g, const ir::Node& n, const Vals& in, op::Builder& b) {
  const auto is_real = [&](std::size_t i) { return i < in.size() && in[i] && !b.data(in[i]) && is_float(b.type(in[i]).dtype); };
  if (n.op == "QuantizeLinear" && is_real(0)) {
    const DType t = g.type(n.num_results ? g.result(n, 0) : ir::ValueId::none).dtype;
    const bool by_tensor = b.data(in[1]) && b.data(in[1])->size() == 1;
    if (!is_int(t) || !by_tensor) return Vals{in[0]};   // per channel: saturation is left out
    const double zero = in.size() > 2 && in[2] && b.data(in[2]) ? b.data(in[2])->at(0) : 0, scale = b.data(in[1])->at(0);
    const auto [lo, hi] = int_range(t);
    return Vals{b.op("Clip", {in[0], b.scalar((double(lo) - zero) * scale, in[0]), b.scalar((double(hi) - zero) * scale, in[0])})};
  }
  if (n.op == "DequantizeLinear" && is_real(0)) {
    const ir::Node* from = g.producer(source(g, g.operand(n, 0)));
    if (from && from->op == "QuantizeLinear") return Vals{in[0]};
    const Val zero = in.size() > 2 && in[2] ? b.op("Cast", {in[2]}, {{"to", std::int64_t(b.type(in[0]).dtype)}}) : b.scalar(0, in[0]);   // an input of stored integers
    const bool by_tensor = b.type(in[1]).dims.empty() || (b.data(in[1]) && b.data(in[1])->size() == 1);
    if (!by_tensor) return {};
    return Vals{(in[0] - zero) * b.op("Cast", {in[1]}, {{"to", std::int64_t(b.type(in[0]).dtype)}})};
  }
  if ((n.op == "Round" || n.op == "Floor" || n.op == "Ceil") && is_real(0)) return Vals{in[0]};
  if (n.op == "Cast" && is_real(0) && !is_float(g.type(g.result(n, 0)).dtype)) return Vals{in[0]};
  return {};
}
}  // namespace

Result<ir::Graph> slopes(const ir::Graph& g, std::size_t input, const std::vector<std::string>& outputs) {
  SAHA_TRY(const ir::Graph plain, op::spelt_out(g));
  std::vector<ir::ValueId> wanted;
  for (const std::string& name : outputs) {
    const auto found = std::ranges::find_if(plain.outputs(), [&](ir::ValueId v) { return plain.name(v) == name; });
    if (found == plain.outputs().end()) return Error{ErrorCode::invalid_argument, "the model has no output '" + name + "'"};
    wanted.push_back(*found);
  }
  const auto as_float = [&](std::size_t i, op::Builder& b) {
    const ir::Type& t = plain.type(plain.inputs()[i]);
    return i == input && !is_float(t.dtype) ? b.input(ir::tensor_type(DType::f32, t.dims), plain.name(plain.inputs()[i])) : b.input(plain[plain.inputs()[i]].type, plain.name(plain.inputs()[i]));
  };
  SAHA_TRY(const ir::Graph real, op::rewrite(plain, straight_through, as_float, wanted, op::Quantised::see));
  op::Builder b;
  Vals in;
  for (ir::ValueId v : real.inputs()) in.push_back(b.input(real[v].type, real.name(v)));
  const Vals y = b.inline_graph(real, in);
  Vals weights;
  Val sum;
  for (std::size_t k = 0; k < y.size(); ++k) {
    if (!is_float(b.type(y[k]).dtype)) return Error{ErrorCode::unsupported, "output '" + outputs[k] + "' is " + std::string(name(b.type(y[k]).dtype)) + ", which has no gradient"};
    weights.push_back(b.input(b.type_ref(y[k]), "slope." + outputs[k]));
  }
  for (std::size_t k = 0; k < y.size(); ++k) {
    SAHA_TRY(Vals d, op::gradients(b, y[k], weights[k], {in[input]}));
    if (d[0]) sum = sum ? sum + d[0] : d[0];
  }
  if (b.error()) return *b.error();
  if (!sum) return Error{ErrorCode::unsupported, "no slope reaches input '" + std::string(real.name(real.inputs()[input])) + "'"};
  if (b.type(sum).dtype != DType::f32) sum = b.op("Cast", {sum}, {{"to", std::int64_t(DType::f32)}});
  b.rename(sum, "slope");
  return std::move(b).build({sum});
}

}  // namespace saha::attack
