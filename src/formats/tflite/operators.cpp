#include "formats/tflite/operators.hpp"

#include <algorithm>

#include "op/integer_form.hpp"

namespace saha::tflite {
namespace {
const Ints* transposed_by(Val v) {
  const ir::Node* n = v.b->producer(v);
  return n && n->op == "Transpose" ? ir::attr<Ints>(*n->attrs, "perm") : nullptr;
}
}  // namespace

std::optional<Ints> Site::known(std::size_t i) {
  if (!has(i) || b.failed()) return {};
  const op::Known* k = b.known(in[i]);
  if (!k) {
    const Tensor* t = b.data(in[i]);
    if (t && is_int(t->dtype)) return values<std::int64_t>(*t);
    return {};
  }
  Ints r;
  for (const ir::Dim& d : *k) {
    if (!d.known()) return {};
    r.push_back(*d.known());
  }
  return r;
}
Ints Site::ints(std::size_t i, std::string_view what) {
  if (auto v = known(i)) return *v;
  unsupported(std::string(what) + " is computed at run time; it is taken as a constant only");
  return {};
}

Val Site::kept(ir::OpName what, Vals operands, Attrs attrs, const Stored& stored) {
  bool quantised = bool(stored.quant);
  if (!b.failed()) for (const Val& v : operands) quantised |= v && b.type(v).quant;
  if (!quantised) return b.op(what, std::move(operands), std::move(attrs));
  constexpr ir::OpName kLinear[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};
  const bool linear = std::find(std::begin(kLinear), std::end(kLinear), what) != std::end(kLinear);
  // Sums of products of 16-bit data have 64 bits, unless the bias says 32.
  const bool wide = linear && !b.failed() && b.type(operands[0]).quant && b.type(operands[0]).dtype == DType::i16 && (operands.size() < 3 || !operands[2] || b.type(operands[2]).dtype == DType::i64);
  attrs.push_back({"rounding", wide ? std::string("fixed_wide") : rounding});
  return b.quantised(what, std::move(operands), std::move(attrs), stored.quant ? stored : Stored{});
}

Val Site::activated(Val y, fb::ActivationFunctionType a) {
  using A = fb::ActivationFunctionType;
  auto bound = [&](double v) { return b.scalar(v, DType::f32); };
  switch (a) {
    case A::NONE: return y;
    case A::RELU: return node("Relu", {y});
    case A::RELU_N1_TO_1: return node("Clip", {y, bound(-1), bound(1)});
    case A::RELU6: return node("Clip", {y, bound(0), bound(6)});
    case A::TANH: return node("Tanh", {y});
    default: unsupported("the fused activation " + std::string(fb::EnumNameActivationFunctionType(a)) + " is not taken"); return y;
  }
}

bool was_channels_first(Val v) {
  if (v.b->failed()) return false;
  const Ints* p = transposed_by(v);
  return p && *p == channels_last_order(p->size()) && p->size() > 2;
}
Val channels_first(Val v) {
  if (v.b->failed()) return v;
  if (was_channels_first(v)) return {v.b, v.b->graph().operand(*v.b->producer(v), 0)};
  return permuted(v, inverse(channels_last_order(v.b->type(v).dims.size())));
}
Val channels_last(Val v) {
  if (v.b->failed()) return v;
  return v.b->op("Transpose", {v}, {{"perm", channels_last_order(v.b->type(v).dims.size())}});
}
Val hybrid_weights(Site& s, Val w, bool asymmetric) {
  if (s.b.failed() || !s.b.type(w).quant || s.b.type(s.in[0]).quant) return w;
  const ir::Type& t = s.b.type(w);
  const auto& zero = t.quant->zero;
  if (is_signed_int(t.dtype) && bits(t.dtype) <= 8 && std::all_of(zero.begin(), zero.end(), [](std::int64_t z) { return z == 0; }) && s.type(0).dtype == DType::f32) {
    s.rounding = asymmetric ? "dynamic_asymmetric" : "dynamic_symmetric";
    return w;
  }
  s.notes.push_back(s.name + ": its integer weights are taken as the real numbers they stand for");
  return op::dequantised(w);
}
const Rule* find_rule(fb::BuiltinOperator code) {
  for (auto rules : {layer_rules(), recurrent_rules(), movement_rules(), selection_rules(), math_rules(), control_rules()})
    for (const Rule& r : rules) if (r.code == code) return &r;
  return nullptr;
}

}  // namespace saha::tflite
