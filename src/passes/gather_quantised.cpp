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

/// A value of the graph that is read, and what stands for it in the one that is built.
struct Pair {
  ValueId v = ValueId::none;
  Val x;
};

/// What stands for the results of QuantizeLinear while a graph is rewritten; everything else is copied, so that both graphs have the same nodes
/// before it.
class Gatherer {
 public:
  Gatherer(const ir::Graph& g, int widest) : g_(g), widest_(widest), uses_(g.use_counts()) {}
  std::optional<Vals> operator()(const ir::Node& n, const Vals& in, Builder& b);

 private:
  static bool moves(const op::OpDef& def) { return def.traits & (op::kMovement | op::kView); }
  bool f32(ValueId v) const { return v != ValueId::none && g_.type(v).is_tensor() && g_.type(v).ranked && g_.type(v).dtype == DType::f32; }
  const ir::Node* producer(const Pair& p) const { return p.v == ValueId::none ? nullptr : g_.producer(p.v); }
  std::vector<Pair> operands(const Pair& result) const;
  Val as_stored(const Pair& p, const QuantRef& q);
  Val stored(const Pair& p);
  Val moved(const Pair& p);
  Val bias(const Pair& p, const ir::Type& x, const ir::Type& w, std::int64_t channels);
  std::optional<Vals> stored_operands(const Pair& p);
  Val computed(const Pair& p, const Stored& to);
  Val limited(const ir::Node& n, const std::vector<Pair>& limits, Val y, const Stored& to);

  const ir::Graph& g_;
  int widest_;
  Builder* b_ = nullptr;
  std::vector<std::uint32_t> uses_;
  std::map<ValueId, Val> stored_;     // a float value -> the stored numbers that it stands for; empty: none
};

/// What the node that makes a value reads; that value is copied, not rewritten.
std::vector<Pair> Gatherer::operands(const Pair& result) const {
  std::vector<Pair> r;
  const ir::Node &n = *producer(result), *copy = b_->producer(result.x);
  for (std::size_t i = 0; i < n.num_operands; ++i) r.push_back({g_.operand(n, i), copy && i < copy->num_operands ? operand(*b_, *copy, i) : Val{}});
  return r;
}

/// The integers of p, which a DequantizeLinear reads by q, with q in their type. Only integers that nothing computes with as such.
Val Gatherer::as_stored(const Pair& p, const QuantRef& q) {
  if (!p.x) return {};
  const ir::Type& t = b_->type(p.x);
  if (t.quant) return *t.quant == *q ? p.x : Val{};
  if (const Tensor* c = b_->data(p.x)) return b_->constant(std::make_shared<const Tensor>(*c), ir::tensor_type(t.dtype, t.dims, q), g_[p.v].name);
  const ir::Node* n = producer(p);
  if (is(n, "QuantizeLinear")) {
    if (QuantRef own = quant_of(g_, *n, t.dtype); !own || !(*own == *q)) return {};
  } else if (n) {   // moved since: what it was moved from is stored so too
    if (!moves(*op::find(n->op.str())->def) || q->scale.size() > 1) return {};
    for (const Pair& from : operands(p))
      if (from.v != ValueId::none && g_.type(from.v).dtype == t.dtype && !g_[from.v].constant && !as_stored(from, q)) return {};
  }
  b_->retype(p.x, ir::tensor_type(t.dtype, t.dims, q));
  return p.x;
}

/// The stored numbers of a float value that a DequantizeLinear made, perhaps moved since.
Val Gatherer::stored(const Pair& p) {
  if (!f32(p.v)) return {};
  if (auto it = stored_.find(p.v); it != stored_.end()) return it->second;
  Val r;
  if (const ir::Node* n = producer(p)) {
    if (is(n, "DequantizeLinear")) {
      if (QuantRef q = quant_of(g_, *n, g_.type(g_.operand(*n, 0)).dtype)) r = as_stored(operands(p)[0], q);
    } else if (moves(*op::find(n->op.str())->def)) {
      r = moved(p);
    }
  }
  return stored_[p.v] = r;
}

/// The node that moved p, on the stored numbers.
Val Gatherer::moved(const Pair& p) {
  const ir::Node& n = *producer(p);
  Vals in;
  QuantRef q;
  for (const Pair& from : operands(p)) {
    if (!f32(from.v)) {
      in.push_back(from.x);
      if (from.v != ValueId::none && !from.x) return {};
      continue;
    }
    Val x = stored(from);
    const Tensor* c = g_[from.v].constant.get();
    if (!x && q && c && c->size() == 1 && is(&n, "Pad")) {
      const DType t = b_->type(in[0]).dtype;
      in.push_back(b_->constant(Tensor::scalar(t, double(saturate(op::step_of(c->at(0), *q), bits(t), is_signed_int(t))))));
      continue;
    }
    if (!x) return {};
    const ir::Type& t = b_->type(x);
    if (q && (!(*q == *t.quant) || t.dtype != b_->type(in[0]).dtype)) return {};
    q = t.quant;
    in.push_back(x);
  }
  if (!q || (is(&n, "Pad") && in.size() < 3)) return {};   // a pad of 0 means the zero point, which Pad does not know
  if (q->scale.size() > 1) {
    if (!is(&n, "Transpose")) return {};
    const auto* perm = ir::attr<ir::Ints>(*n.attrs, "perm");
    const auto rank = std::int64_t(b_->type(in[0]).dims.size());
    q = ir::along(q, int(perm ? std::find(perm->begin(), perm->end(), q->axis) - perm->begin() : rank - 1 - q->axis));
  }
  b_->origin = n.origin;
  Vals y = b_->ops(n.op, in, *n.attrs, int(n.num_results));
  for (std::size_t k = 0; k < y.size(); ++k) {
    b_->retype(y[k], ir::tensor_type(b_->type(y[k]).dtype, b_->type(y[k]).dims, q));
    stored_[g_.result(n, k)] = y[k];
  }
  return y[g_[p.v].result];
}

/// The bias as int32 steps of the sums' scale; empty where it cannot be.
Val Gatherer::bias(const Pair& p, const ir::Type& x, const ir::Type& w, std::int64_t channels) {
  const QuantRef sums = op::quant_of_products(*x.quant, *w.quant);
  std::vector<double> real;
  if (const ir::Node* n = producer(p); is(n, "DequantizeLinear")) {
    const Tensor* c = g_[g_.operand(*n, 0)].constant.get();
    QuantRef of = c ? quant_of(g_, *n, c->dtype) : QuantRef{};
    if (!of || (of->scale.size() > 1 && of->scale.size() != std::size_t(c->size()))) return {};
    for (std::int64_t i = 0; i < c->size(); ++i) {
      const std::size_t k = of->scale.size() > 1 ? std::size_t(i) : 0;
      real.push_back(double(c->int_at(i) - of->zero[k]) * double(of->scale[k]));
    }
  } else if (const Tensor* c = g_[p.v].constant.get(); c && c->dtype == DType::f32) {
    real = values<double>(*c);
  } else return {};
  if (std::int64_t(real.size()) != channels) return {};
  Tensor steps = Tensor::zeros(DType::i32, {channels});
  for (std::size_t i = 0; i < real.size(); ++i) {
    const double s = std::nearbyint(real[i] / double(sums->scale[sums->scale.size() > 1 ? i : 0]));
    if (!(std::abs(s) < 1073741824.)) return {};
    steps.as<std::int32_t>()[i] = std::int32_t(s);
  }
  return b_->constant(std::make_shared<const Tensor>(std::move(steps)), ir::tensor_type(DType::i32, {ir::Dim(channels)}, sums), g_[p.v].name);
}

/// What the node that makes p reads, on stored numbers; nothing where it does not compute on such.
std::optional<Vals> Gatherer::stored_operands(const Pair& p) {
  const ir::Node& n = *producer(p);
  const op::OpDef& def = *op::find(n.op.str())->def;
  if (n.num_results != 1 || n.num_operands == 0 || (def.traits & (op::kControl | op::kRandom | op::kSideEffect)) || moves(def)) return {};
  const bool conv = is(&n, "Conv"), transposed = is(&n, "ConvTranspose"), gemm = is(&n, "Gemm"), linear = conv || transposed || gemm || is(&n, "MatMul");
  const std::vector<Pair> from = operands(p);
  Vals in;
  for (std::size_t i = 0; i < from.size() && !(linear && i == 2); ++i) {
    if (Val x = stored(from[i])) {
      if (b_->type(x).quant->scale.size() > 1 && !(linear && i == 1)) return {};
      if (bits(b_->type(x).dtype) > widest_) return {};
      in.push_back(x);
    } else if (f32(from[i].v) && !(i > 0 && g_[from[i].v].constant && (is(&n, "Clip") || is(&n, "Resize")))) {
      return {};
    } else {
      in.push_back(from[i].x);
      if (from[i].v != ValueId::none && !from[i].x) return {};
    }
  }
  if (!in[0] || !b_->type(in[0]).quant) return {};
  if (!linear) return in;
  if (in.size() < 2 || !in[1] || !b_->type(in[1]).quant) return {};
  const ir::Type x = b_->type(in[0]), w = b_->type(in[1]);
  const auto rank = std::int64_t(w.dims.size());
  const bool turned = gemm && *ir::attr<std::int64_t>(*n.attrs, "transB") != 0;
  const std::int64_t out = conv || turned ? 0 : transposed ? 1 : rank - 1;
  if (rank < 2 || !w.dims[std::size_t(out)].known()) return {};
  if (w.quant->scale.size() > 1 && w.quant->axis != out) return {};
  if (gemm && (*ir::attr<float>(*n.attrs, "alpha") != 1 || *ir::attr<float>(*n.attrs, "beta") != 1)) return {};
  const bool biased = from.size() > 2 && from[2].v != ValueId::none;
  if (transposed && *ir::attr<std::int64_t>(*n.attrs, "group") != 1 && (w.quant->scale.size() > 1 || from.size() > 2)) return {};
  if (biased) {
    Val c = bias(from[2], x, w, *w.dims[std::size_t(out)].known());
    if (!c) return {};
    in.push_back(c);
  }
  return in;
}

/// Relu or Clip on stored numbers; y itself where they change none.
Val Gatherer::limited(const ir::Node& n, const std::vector<Pair>& limits, Val y, const Stored& to) {
  const IntRange all = int_range(to.dtype);
  double lo = is(&n, "Relu") ? 0 : -HUGE_VAL, hi = HUGE_VAL;
  Vals in = {y};
  for (std::size_t i = 1; i < limits.size(); ++i) {
    in.push_back(limits[i].x);
    if (limits[i].v != ValueId::none) (i == 1 ? lo : hi) = g_[limits[i].v].constant->at(0);
  }
  const bool low = std::isfinite(lo) && op::step_of(lo, *to.quant) > all.lo, high = std::isfinite(hi) && op::step_of(hi, *to.quant) < all.hi;
  if (!low && !high) return y;
  b_->origin = n.origin;
  return b_->quantised(n.op, in, *n.attrs, to);
}

/// The float value p, kept as `to` says, computed on stored numbers; empty where it is not computed from such.
Val Gatherer::computed(const Pair& p, const Stored& to) {
  const ir::Node* n = producer(p);
  if (!n || uses_[std::size_t(p.v)] != 1 || !f32(p.v) || op::is_quantised(g_, *n)) return {};
  if (auto in = stored_operands(p)) {
    b_->origin = n->origin;
    return b_->quantised(n->op, *in, *n->attrs, to);
  }
  if (!is(n, "Relu") && !is(n, "Clip")) return {};
  const std::vector<Pair> from = operands(p);
  for (std::size_t i = 1; i < from.size(); ++i)
    if (from[i].v != ValueId::none && !(g_[from[i].v].constant && g_[from[i].v].constant->size() == 1)) return {};
  Val y = computed(from[0], to);
  return y ? limited(*n, from, y, to) : y;
}

std::optional<Vals> Gatherer::operator()(const ir::Node& n, const Vals& in, Builder& b) {
  if (!is(&n, "QuantizeLinear")) return {};
  b_ = &b;
  const ir::Type& t = g_.type(g_.result(n));
  QuantRef q = quant_of(g_, n, t.dtype);
  if (!q || q->scale.size() != 1 || t.quant || bits(t.dtype) > widest_) return {};
  const Stored to{t.dtype, q};
  const Pair p{g_.operand(n, 0), in[0]};
  Val y;
  if (Val x = stored(p); x && b.type(x).quant->scale.size() == 1 && bits(b.type(x).dtype) <= widest_) {
    if (op::same_storage(b.type(x), *ir::tensor_type(t.dtype, b.type(x).dims, q))) return Vals{x};
    b.origin = n.origin;
    y = b.quantised("Requantize", {x}, {}, to);
  } else {
    y = computed(p, to);
  }
  return y ? std::optional(Vals{y}) : std::nullopt;
}
}  // namespace

Result<ir::Graph> gather_quantised(const ir::Graph& g, int widest) {
  const auto quantises = [](const ir::Node& n) { return n.op == "QuantizeLinear" || n.op.str().starts_with("QLinear"); };
  if (std::none_of(g.nodes().begin(), g.nodes().end(), quantises)) return g;
  SAHA_TRY(const ir::Graph pairs, op::rewrite(g, spelt));
  Gatherer gather(pairs, widest);
  SAHA_TRY(const ir::Graph gathered, op::rewrite(pairs, [&](const ir::Graph&, const ir::Node& n, const Vals& in, Builder& b) { return gather(n, in, b); }));
  return remove_dead(gathered, {});
}

}  // namespace saha::passes
