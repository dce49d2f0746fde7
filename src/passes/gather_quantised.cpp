// x: uint8 -> DequantizeLinear -> Conv(., DequantizeLinear(w)) -> Relu -> QuantizeLinear  =>  Conv on uint8 and int8, Relu on uint8
#include "passes/gather_quantised.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "op/integer_form.hpp"
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using ir::ValueId;
using op::Attrs;
using op::Builder;
using op::Stored;
using op::Val;
using op::Vals;
using QuantRef = std::shared_ptr<const ir::Quant>;

/// Scale and zero point of a QuantizeLinear or DequantizeLinear whose stored numbers are t; nothing where they are computed or come in blocks.
QuantRef quant_of(const ir::Graph& g, const ir::Node& n, DType t) {
  if (!is_int(t) || bits(t) > 32) return {};
  if (const auto* block = ir::attr<std::int64_t>(*n.attrs, "block_size"); block && *block) return {};
  const Tensor* scale = g[g.operand(n, 1)].constant.get();
  const ValueId zero_id = n.num_operands > 2 ? g.operand(n, 2) : ValueId::none;
  const Tensor* zero = zero_id == ValueId::none ? nullptr : g[zero_id].constant.get();
  if (!scale || scale->dtype != DType::f32 || scale->rank() > 1 || scale->size() == 0 || (zero_id != ValueId::none && (!zero || zero->size() != scale->size()))) return {};
  ir::Quant q;
  for (std::int64_t i = 0; i < scale->size(); ++i) {
    q.scale.push_back(scale->as<float>()[i]);
    q.zero.push_back(zero ? zero->int_at(i) : 0);
    if (!(q.scale.back() > 0) || !std::isfinite(q.scale.back())) return {};
  }
  const auto* axis = ir::attr<std::int64_t>(*n.attrs, "axis");
  const std::int64_t rank = std::int64_t(g.type(g.operand(n, 0)).dims.size()), a = axis ? *axis : 1;
  if (q.scale.size() > 1) q.axis = int(a < 0 ? a + rank : a);
  return std::make_shared<const ir::Quant>(std::move(q));
}

/// QLinear operators as what they say: dequantise, compute, quantise.
std::optional<Vals> spelt(const ir::Graph&, const ir::Node& n, const Vals& in, Builder& b) {
  const op::OpDef& def = *op::find(n.op.str())->def;
  if (!n.op.str().starts_with("QLinear") || b.failed()) return {};
  // A scale or zero point of one element is of the whole tensor, whatever its rank.
  const auto whole = [&](std::size_t i) {
    const Tensor* t = b.data(in[i]);
    return t->size() == 1 && t->rank() > 0 ? b.constant(t->reshaped({})) : in[i];
  };
  const auto real = [&](std::size_t x, std::int64_t axis) { return b.op("DequantizeLinear", {in[x], whole(x + 1), whole(x + 2)}, {{"axis", axis}}); };
  const auto constant = [&](std::initializer_list<std::size_t> at) {
    return std::all_of(at.begin(), at.end(), [&](std::size_t i) { return b.data(in[i]) && b.data(in[i])->rank() <= 1; });
  };
  if (n.op == "QLinearConv" && constant({1, 2, 4, 5, 6, 7})) {
    Vals operands = {real(0, 1), real(3, 0)};
    if (in.size() > 8 && in[8]) {
      const Tensor &x = *b.data(in[1]), &w = *b.data(in[4]);
      Tensor scale = Tensor::zeros(DType::f32, w.size() == 1 ? Dims{} : Dims{w.size()});
      for (std::int64_t i = 0; i < w.size(); ++i) scale.as<float>()[i] = x.as<float>()[0] * w.as<float>()[i];
      operands.push_back(b.op("DequantizeLinear", {in[8], b.constant(std::move(scale))}, {{"axis", std::int64_t{0}}}));
    }
    return Vals{b.op("QuantizeLinear", {b.op("Conv", operands, *n.attrs), whole(6), whole(7)})};
  }
  if (n.op == "QLinearMatMul" && is_int(b.type(in[0]).dtype) && is_int(b.type(in[3]).dtype) && constant({1, 2, 4, 5, 6, 7}) && b.data(in[1])->dtype == DType::f32) {
    const auto last = std::int64_t(b.type(in[3]).dims.size()) - 1;
    return Vals{b.op("QuantizeLinear", {b.op("MatMul", {real(0, 1), real(3, last)}), whole(6), whole(7)})};
  }
  if (def.domain != "com.microsoft" || !def.body) return {};
  Vals y = def.body({{*n.attrs}, b, in, {}, int(n.num_results)});
  y.resize(n.num_results);
  return y;
}

class Gatherer {
 public:
  explicit Gatherer(const ir::Graph& g) : g_(g), env_(g.values().size()), uses_(g.use_counts()) {}
  Result<ir::Graph> run();

 private:
  static bool moves(const op::OpDef& def) { return def.traits & (op::kMovement | op::kView); }
  bool f32(ValueId v) const { return v != ValueId::none && g_.type(v).is_tensor() && g_.type(v).ranked && g_.type(v).dtype == DType::f32; }
  const ir::Node* producer(ValueId v) const { return v == ValueId::none ? nullptr : g_.producer(v); }
  Val mapped(ValueId v) {
    if (v == ValueId::none) return {};
    Val& x = env_[std::size_t(v)];
    if (!x && g_[v].constant) x = b_.constant(g_[v].constant, g_[v].type, g_[v].name);
    return x;
  }
  Val as_stored(ValueId v, const QuantRef& q);
  Val stored(ValueId v);
  Val moved(const ir::Node& n, std::size_t result);
  Val bias(ValueId v, const ir::Type& x, const ir::Type& w, std::int64_t channels);
  std::optional<Vals> operands(const ir::Node& n);
  Val computed(ValueId v, const Stored& to);
  Val limited(const ir::Node& n, Val y, const Stored& to);
  Val quantised(const ir::Node& n);

  const ir::Graph& g_;
  Builder b_;
  Vals env_;
  std::vector<std::uint32_t> uses_;
  std::map<ValueId, Val> stored_;     // a float value -> the stored numbers that it stands for; empty: none
};

/// The integers v, which a DequantizeLinear reads by q, with q in their type. Only integers that nothing computes with as such.
Val Gatherer::as_stored(ValueId v, const QuantRef& q) {
  Val x = mapped(v);
  if (!x) return {};
  const ir::Type& t = b_.type(x);
  if (t.quant) return *t.quant == *q ? x : Val{};
  if (const Tensor* c = b_.data(x)) return b_.constant(std::make_shared<const Tensor>(*c), ir::tensor_type(t.dtype, t.dims, q), g_[v].name);
  const ir::Node* n = producer(v);
  if (is(n, "QuantizeLinear")) {
    if (QuantRef own = quant_of(g_, *n, t.dtype); !own || !(*own == *q)) return {};
  } else if (n) {   // moved since: what it was moved from is stored so too
    if (!moves(*op::find(n->op.str())->def) || q->scale.size() > 1) return {};
    for (ValueId from : g_.operands(*n))
      if (from != ValueId::none && g_.type(from).dtype == t.dtype && !g_[from].constant && !as_stored(from, q)) return {};
  }
  b_.retype(x, ir::tensor_type(t.dtype, t.dims, q));
  return x;
}

/// The stored numbers of a float value that a DequantizeLinear made, perhaps moved since.
Val Gatherer::stored(ValueId v) {
  if (!f32(v)) return {};
  if (auto it = stored_.find(v); it != stored_.end()) return it->second;
  Val r;
  if (const ir::Node* n = producer(v)) {
    if (is(n, "DequantizeLinear")) {
      const ValueId x = g_.operand(*n, 0);
      if (QuantRef q = quant_of(g_, *n, g_.type(x).dtype)) r = as_stored(x, q);
    } else if (moves(*op::find(n->op.str())->def)) {
      r = moved(*n, g_[v].result);
    }
  }
  return stored_[v] = r;
}

/// A node that moves floats, on the stored numbers.
Val Gatherer::moved(const ir::Node& n, std::size_t result) {
  const op::OpDef& def = *op::find(n.op.str())->def;
  Vals in;
  QuantRef q;
  for (std::size_t i = 0; i < n.num_operands; ++i) {
    const ValueId v = g_.operand(n, i);
    if (!f32(v)) {
      in.push_back(mapped(v));
      if (v != ValueId::none && !in.back()) return {};
      continue;
    }
    Val x = stored(v);
    const Tensor* c = g_[v].constant.get();
    if (!x && q && c && c->size() == 1 && is(&n, "Pad")) {
      x = b_.constant(Tensor::scalar(b_.type(in[0]).dtype, double(saturate(op::step_of(c->at(0), *q), bits(b_.type(in[0]).dtype), is_signed_int(b_.type(in[0]).dtype)))));
      in.push_back(x);
      continue;
    }
    if (!x) return {};
    const ir::Type& t = b_.type(x);
    if (q && (!(*q == *t.quant) || t.dtype != b_.type(in[0]).dtype)) return {};
    q = t.quant;
    in.push_back(x);
  }
  if (!q || (is(&n, "Pad") && in.size() < 3)) return {};   // a pad of 0 means the zero point, which Pad does not know
  if (q->scale.size() > 1 && !is(&n, "Transpose")) return {};
  b_.origin = n.origin;
  Vals y = b_.ops(def.name, in, *n.attrs, int(n.num_results));
  b_.origin = {};
  for (std::size_t k = 0; k < y.size(); ++k) {
    QuantRef to = q;
    if (q->scale.size() > 1) {
      const auto* perm = ir::attr<ir::Ints>(*n.attrs, "perm");
      const auto rank = std::int64_t(b_.type(in[0]).dims.size());
      ir::Quant turned = *q;
      turned.axis = int(perm ? std::find(perm->begin(), perm->end(), q->axis) - perm->begin() : rank - 1 - q->axis);
      to = std::make_shared<const ir::Quant>(std::move(turned));
    }
    b_.retype(y[k], ir::tensor_type(b_.type(y[k]).dtype, b_.type(y[k]).dims, to));
    stored_[g_.result(n, k)] = y[k];
  }
  return y[result];
}

/// The bias as int32 steps of the sums' scale; empty where it cannot be.
Val Gatherer::bias(ValueId v, const ir::Type& x, const ir::Type& w, std::int64_t channels) {
  const auto& scales = w.quant->scale;
  ir::Quant q{{}, {}, 0};
  for (float s : scales) {
    q.scale.push_back(x.quant->scale[0] * s);
    q.zero.push_back(0);
  }
  Tensor real;
  if (const ir::Node* n = producer(v); is(n, "DequantizeLinear")) {
    const Tensor* c = g_[g_.operand(*n, 0)].constant.get();
    QuantRef of = c ? quant_of(g_, *n, c->dtype) : QuantRef{};
    if (!of || (of->scale.size() > 1 && of->scale.size() != std::size_t(c->size()))) return {};
    real = Tensor::zeros(DType::f64, {c->size()});
    for (std::int64_t i = 0; i < c->size(); ++i) {
      const std::size_t k = of->scale.size() > 1 ? std::size_t(i) : 0;
      real.as<double>()[i] = double(c->int_at(i) - of->zero[k]) * double(of->scale[k]);
    }
  } else if (const Tensor* c = g_[v].constant.get(); c && c->dtype == DType::f32) {
    real = Tensor::zeros(DType::f64, {c->size()});
    for (std::int64_t i = 0; i < c->size(); ++i) real.as<double>()[i] = c->at(i);
  } else return {};
  if (real.size() != channels) return {};
  Tensor steps = Tensor::zeros(DType::i32, {channels});
  for (std::int64_t i = 0; i < channels; ++i) {
    const double s = std::nearbyint(real.as<double>()[i] / double(q.scale[q.scale.size() > 1 ? std::size_t(i) : 0]));
    if (!(std::abs(s) < 1073741824.)) return {};
    steps.as<std::int32_t>()[i] = std::int32_t(s);
  }
  return b_.constant(std::make_shared<const Tensor>(std::move(steps)), ir::tensor_type(DType::i32, {ir::Dim(channels)}, std::make_shared<const ir::Quant>(std::move(q))), g_[v].name);
}

/// What the node reads, on stored numbers; nothing where it does not compute on such.
std::optional<Vals> Gatherer::operands(const ir::Node& n) {
  const op::OpDef& def = *op::find(n.op.str())->def;
  if (n.num_results != 1 || n.num_operands == 0 || (def.traits & (op::kControl | op::kRandom | op::kSideEffect)) || moves(def)) return {};
  const bool conv = is(&n, "Conv"), transposed = is(&n, "ConvTranspose"), gemm = is(&n, "Gemm"), linear = conv || transposed || gemm || is(&n, "MatMul");
  Vals in;
  for (std::size_t i = 0; i < n.num_operands; ++i) {
    const ValueId v = g_.operand(n, i);
    if (linear && i == 2) break;
    if (Val x = stored(v)) {
      if (b_.type(x).quant->scale.size() > 1 && !(linear && i == 1)) return {};
      if (bits(b_.type(x).dtype) > 16) return {};
      in.push_back(x);
    } else if (f32(v) && !(i > 0 && g_[v].constant && (is(&n, "Clip") || is(&n, "Resize")))) {
      return {};
    } else {
      in.push_back(mapped(v));
      if (v != ValueId::none && !in.back()) return {};
    }
  }
  if (!in[0] || !b_.type(in[0]).quant) return {};
  if (!linear) return in;
  if (in.size() < 2 || !in[1] || !b_.type(in[1]).quant) return {};
  const ir::Type &x = b_.type(in[0]), &w = b_.type(in[1]);
  const auto rank = std::int64_t(w.dims.size());
  const bool turned = gemm && *ir::attr<std::int64_t>(*n.attrs, "transB") != 0;
  const std::int64_t out = conv || turned ? 0 : transposed ? 1 : rank - 1;
  if (rank < 2 || !w.dims[std::size_t(out)].known()) return {};
  if (w.quant->scale.size() > 1 && w.quant->axis != out) return {};
  if (gemm && (*ir::attr<float>(*n.attrs, "alpha") != 1 || *ir::attr<float>(*n.attrs, "beta") != 1)) return {};
  if (transposed && *ir::attr<std::int64_t>(*n.attrs, "group") != 1 && (w.quant->scale.size() > 1 || n.num_operands > 2)) return {};
  if (n.num_operands > 2 && g_.operand(n, 2) != ValueId::none) {
    Val c = bias(g_.operand(n, 2), x, w, *w.dims[std::size_t(out)].known());
    if (!c) return {};
    in.push_back(c);
  }
  return in;
}

/// Relu or Clip on stored numbers; y itself where they change none.
Val Gatherer::limited(const ir::Node& n, Val y, const Stored& to) {
  const IntRange all = int_range(to.dtype);
  double lo = is(&n, "Relu") ? 0 : -HUGE_VAL, hi = HUGE_VAL;
  Vals in = {y};
  for (std::size_t i = 1; i < n.num_operands; ++i) {
    const ValueId v = g_.operand(n, i);
    in.push_back(mapped(v));
    if (v != ValueId::none) (i == 1 ? lo : hi) = g_[v].constant->at(0);
  }
  const bool low = std::isfinite(lo) && op::step_of(lo, *to.quant) > all.lo, high = std::isfinite(hi) && op::step_of(hi, *to.quant) < all.hi;
  if (!low && !high) return y;
  b_.origin = n.origin;
  return b_.quantised(n.op, in, *n.attrs, to);
}

/// The float value v, kept as `to` says, computed on stored numbers; empty where it is not computed from such.
Val Gatherer::computed(ValueId v, const Stored& to) {
  const ir::Node* n = producer(v);
  if (!n || uses_[std::size_t(v)] != 1 || !f32(v) || op::is_quantised(g_, *n)) return {};
  if (auto in = operands(*n)) {
    b_.origin = n->origin;
    return b_.quantised(n->op, *in, *n->attrs, to);
  }
  bool limit = is(n, "Relu") || is(n, "Clip");
  for (std::size_t i = 1; limit && i < n->num_operands; ++i) {
    const ValueId l = g_.operand(*n, i);
    limit = l == ValueId::none || (g_[l].constant && g_[l].constant->size() == 1);
  }
  if (!limit) return {};
  Val y = computed(g_.operand(*n, 0), to);
  return y ? limited(*n, y, to) : y;
}

Val Gatherer::quantised(const ir::Node& n) {
  const ir::Type& t = g_.type(g_.result(n));
  QuantRef q = quant_of(g_, n, t.dtype);
  if (!q || q->scale.size() != 1 || t.quant || bits(t.dtype) > 16) return {};
  const Stored to{t.dtype, q};
  const ValueId v = g_.operand(n, 0);
  Val y;
  if (Val x = stored(v); x && b_.type(x).quant->scale.size() == 1 && bits(b_.type(x).dtype) <= 16) {
    if (op::same_storage(b_.type(x), *ir::tensor_type(t.dtype, b_.type(x).dims, q))) return x;
    b_.origin = n.origin;
    y = b_.quantised("Requantize", {x}, {}, to);
  } else {
    y = computed(v, to);
  }
  b_.origin = {};
  return y;
}

Result<ir::Graph> Gatherer::run() {
  for (ValueId v : g_.inputs()) env_[std::size_t(v)] = b_.input(g_[v].type, g_[v].name);
  for (const ir::Node& n : g_.nodes()) {
    Vals y;
    if (n.op == "QuantizeLinear")
      if (Val one = quantised(n)) y = {one};
    if (y.empty()) {
      Vals in;
      for (ValueId v : g_.operands(n)) in.push_back(mapped(v));
      y = b_.copy(g_, n, in);
    }
    if (b_.failed()) return *b_.error();
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const ValueId old = g_.result(n, k);
      env_[std::size_t(old)] = y[k];
      if (g_[old].name && b_.producer(y[k]) && !b_.graph()[y[k].id].name) b_.rename(y[k], g_[old].name);
    }
  }
  Vals out;
  for (ValueId v : g_.outputs()) {
    Val y = mapped(v);
    const ir::Name& name = g_[v].name;   // an output keeps its name, whatever stands for it
    if (name && (!b_.graph()[y.id].name || *b_.graph()[y.id].name != *name)) {
      y = b_.op("Identity", {y});
      b_.rename(y, name);
    }
    out.push_back(y);
  }
  return std::move(b_).build(out);
}
}  // namespace

Result<ir::Graph> gather_quantised(const ir::Graph& g) {
  SAHA_TRY(const ir::Graph pairs, op::rewrite(g, spelt));
  SAHA_TRY(const ir::Graph gathered, Gatherer(pairs).run());
  return remove_dead(gathered, {});
}

}  // namespace saha::passes
