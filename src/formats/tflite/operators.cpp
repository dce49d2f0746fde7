#include "formats/tflite/operators.hpp"

#include <algorithm>

namespace saha::tflite {
namespace {
Ints first_to_last(std::size_t rank) {
  Ints p(rank);
  for (std::size_t i = 0; i < rank; ++i) p[i] = i == 0 ? 0 : i + 1 < rank ? std::int64_t(i) + 1 : 1;
  return p;
}
Ints last_to_first(std::size_t rank) {
  Ints p(rank);
  for (std::size_t i = 0; i < rank; ++i) p[i] = i == 0 ? 0 : i == 1 ? std::int64_t(rank) - 1 : std::int64_t(i) - 1;
  return p;
}
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
  attrs.push_back({"rounding", rounding});
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
  return p && *p == first_to_last(p->size()) && p->size() > 2;
}
Val channels_first(Val v) {
  if (v.b->failed()) return v;
  if (was_channels_first(v)) return {v.b, v.b->graph().operand(*v.b->producer(v), 0)};
  return permuted(v, last_to_first(v.b->type(v).dims.size()));
}
Val channels_last(Val v) {
  if (v.b->failed()) return v;
  return v.b->op("Transpose", {v}, {{"perm", first_to_last(v.b->type(v).dims.size())}});
}
Val permuted(Val v, const Ints& perm) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  const Tensor* t = b.data(v);
  if (!t || t->rank() != perm.size()) return b.op("Transpose", {v}, {{"perm", perm}});
  Datum x = *t;
  const Datum* in[] = {&x};
  auto y = op::run(*op::find("Transpose")->def, in, {{"perm", perm}}, 1);
  if (!y) { b.fail(std::move(y.error())); return v; }
  const ir::Type& type = b.type(v);
  std::shared_ptr<const ir::Quant> q = type.quant;
  if (q && q->scale.size() > 1) {
    ir::Quant moved = *q;
    moved.axis = int(std::find(perm.begin(), perm.end(), q->axis) - perm.begin());
    q = std::make_shared<const ir::Quant>(std::move(moved));
  }
  const Tensor& r = (*y)[0].tensor;
  std::vector<ir::Dim> dims(r.dims.begin(), r.dims.end());
  return b.constant(std::make_shared<const Tensor>(r), ir::tensor_type(r.dtype, std::move(dims), q), b.graph()[v.id].name);
}

const Rule* find_rule(fb::BuiltinOperator code) {
  for (auto rules : {layer_rules(), movement_rules(), math_rules(), control_rules()})
    for (const Rule& r : rules) if (r.code == code) return &r;
  return nullptr;
}

}  // namespace saha::tflite
