// W -> DequantizeLinear(W'), Cast(W'); MatMul(x, W) -> s_x s_w MatMulInteger(q(x), W'); f(x) -> Cast(f'(Cast(x)))
#include "compress/narrow.hpp"

#include <algorithm>
#include <cmath>

#include "compress/quantize.hpp"
#include "compress/weights.hpp"


namespace saha::compress {
namespace {
using Form = NarrowOptions::Form;
using ir::ValueId;
using op::Builder;
using op::Val;
using op::Vals;

/// The scale of a run of weights with the least square error: the largest magnitude over the steps, or somewhat less, which cuts few and serves the rest.
float best_scale(const float* w, std::int64_t n, double most) {
  float largest = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(w[i]));
  if (!(largest > 0)) return 1;
  double least = HUGE_VAL;
  float best = float(double(largest) / most);
  for (int share = 100; share >= (most < 10 ? 70 : 96); share -= 2) {
    const double s = double(largest) * share / 100 / most;
    double e = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double d = double(w[i]) - s * std::clamp(std::nearbyint(double(w[i]) / s), -most, most);
      e += d * d;
    }
    if (e < least) least = e, best = float(s);
  }
  return std::max(best, 1e-30f);
}
Val vector(Builder& b, const std::vector<float>& v, Dims d) {
  Tensor t = Tensor::zeros(DType::f32, std::move(d));
  std::copy(v.begin(), v.end(), t.as<float>());
  return b.constant(std::move(t));
}
Val kept_as(Builder& b, Tensor t, const ir::Name& name) {
  const Dims d = t.dims;
  const DType type = t.dtype;
  return b.constant(std::make_shared<const Tensor>(std::move(t)), ir::tensor_type(type, {d.begin(), d.end()}), name);
}
/// Weights of 8 or 4 bits, made float32 again.
Val dequantised(const ir::Graph& g, const ir::Node& n, const NarrowOptions& o, Builder& b) {
  const ValueId v = g.operand(n, 1);
  const Tensor& w = *g[v].constant;
  const Rows rows = rows_of(g, n, w);
  const double most = double(int_range(o.to).hi);
  const int channels = channel_axis(g, n);
  const bool blocks = o.to == DType::i4 && w.rank() == 2 && rows.terms > o.block;
  const std::int64_t block = blocks ? o.block : rows.terms, per_row = (rows.terms + block - 1) / std::max<std::int64_t>(1, block);
  std::vector<float> scale(std::size_t(rows.channels * per_row));
  std::vector<std::int32_t> q(rows.w.size());
  for (std::int64_t c = 0; c < rows.channels; ++c)
    for (std::int64_t k = 0; k < per_row; ++k) {
      const std::int64_t first = c * rows.terms + k * block, length = std::min(block, rows.terms - k * block);
      const float s = best_scale(&rows.w[std::size_t(first)], length, most);
      // Blocks lie along the terms: [terms / block, channels] of a matrix whose columns are results, else [channels, terms / block].
      scale[std::size_t(channels == 0 ? c * per_row + k : k * rows.channels + c)] = s;
      for (std::int64_t i = first; i < first + length; ++i) q[std::size_t(i)] = std::int32_t(std::clamp(std::nearbyint(double(rows.w[std::size_t(i)]) / double(s)), -most, most));
    }
  Val stored = kept_as(b, stored_tensor(g, n, w.dims, o.to, q), g[v].name);
  const Dims shape = !blocks ? Dims{rows.channels} : channels == 0 ? Dims{rows.channels, per_row} : Dims{per_row, rows.channels};
  return b.op("DequantizeLinear", {stored, vector(b, scale, shape), kept_as(b, Tensor::zeros(o.to, shape), {})}, {{"axis", std::int64_t(blocks ? 1 - channels : channels)}, {"block_size", blocks ? block : std::int64_t(0)}});
}
/// The product on integers, its operand quantised anew in each run.
std::optional<Vals> dynamic(const ir::Graph& g, const ir::Node& n, const Vals& in, Builder& b) {
  const Tensor& w = *g[g.operand(n, 1)].constant;
  if (n.op == "ConvTranspose" || (n.op != "Conv" && w.rank() != 2)) return {};
  const Rows rows = rows_of(g, n, w);
  const std::vector<float> scale = row_scales(rows, DType::i8, true);
  Tensor stored = stored_tensor(g, n, w.dims, DType::i8, nearest(rows, scale, DType::i8));
  const bool conv = n.op == "Conv";
  if (!conv && channel_axis(g, n) == 0) {   // results along columns, as MatMulInteger has them
    Tensor turned = Tensor::zeros(DType::i8, {w.dims[1], w.dims[0]});
    for (std::int64_t i = 0; i < w.dims[0]; ++i) for (std::int64_t j = 0; j < w.dims[1]; ++j) turned.as<std::int8_t>()[j * w.dims[0] + i] = stored.as<std::int8_t>()[i * w.dims[1] + j];
    stored = std::move(turned);
  }
  const Vals x = b.ops("DynamicQuantizeLinear", {in[0]}, {}, 3);
  Val weights = kept_as(b, std::move(stored), g[g.operand(n, 1)].name);
  Val sum = conv ? b.op("ConvInteger", {x[0], weights, x[2]}, *n.attrs) : b.op("MatMulInteger", {x[0], weights, x[2]});
  Dims shape(conv ? w.rank() : 1, 1);
  shape[conv ? 1 : 0] = rows.channels;
  Val y = b.op("Cast", {sum}, {{"to", std::int64_t(DType::f32)}}) * (x[1] * vector(b, scale, shape));
  if (in.size() > 2 && in[2]) {
    const auto bias = values<double>(*g[g.operand(n, 2)].constant);
    y = y + vector(b, {bias.begin(), bias.end()}, shape);
  }
  return Vals{y};
}
/// The layer itself on weights that are stored; its rule rounds the data, a row or a picture at a time. As LiteRT's kernels have it: a zero point for the data of
/// convolutions, none for those of matrix products.
std::optional<Vals> hybrid(const ir::Graph& g, const ir::Node& n, const Vals& in, Builder& b) {
  const Tensor& w = *g[g.operand(n, 1)].constant;
  const op::AttrView a{*n.attrs};
  const bool conv = n.op == "Conv";
  if (conv ? w.rank() != 3 && w.rank() != 4 : w.rank() != 2 || (n.op == "Gemm" && (a.i("transA") || a.f("alpha") != 1 || a.f("beta") != 1)) || n.op == "ConvTranspose") return {};
  const Rows rows = rows_of(g, n, w);
  const std::vector<float> scale = row_scales(rows, DType::i8, true);
  Tensor stored = stored_tensor(g, n, w.dims, DType::i8, nearest(rows, scale, DType::i8));
  const auto quant = std::make_shared<const ir::Quant>(ir::Quant{scale, std::vector<std::int64_t>(scale.size(), 0), channel_axis(g, n)});
  const std::vector<ir::Dim> dims(w.dims.begin(), w.dims.end());
  Vals operands = in;
  operands[1] = b.constant(std::make_shared<const Tensor>(std::move(stored)), ir::tensor_type(DType::i8, dims, quant), g[g.operand(n, 1)].name);
  op::Attrs attrs = *n.attrs;
  attrs.push_back({"rounding", std::string(conv ? "dynamic_asymmetric" : "dynamic_symmetric")});
  return Vals{b.quantised(n.op, operands, attrs, op::Stored{})};
}

/// Nodes in a narrow float, where their operators take it.
class Computing {
 public:
  explicit Computing(DType to) : to_(to) {}
  Vals operator()(const ir::Node& n, const Vals& in, Builder& b) const {
    const op::Entry& entry = *op::find(n.op.str());
    // Sub-graphs and what computes with types of its own keep theirs; their operands are float32.
    bool narrow = !(entry.def->traits & (op::kControl | op::kRandom | op::kSideEffect)) && n.op != "Cast" && n.op != "CastLike" && !n.op.str().ends_with("Linear");
    Vals operands = in;
    bool any = false;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (!operands[i] || !b.type(operands[i]).is_tensor() || b.type(operands[i]).dtype != DType::f32) { any |= operands[i] && b.type(operands[i]).is_tensor() && b.type(operands[i]).dtype == to_; continue; }
      const op::Param* p = entry.signature.param(i);
      if (narrow && p && op::holds(p->type.set, to_)) { operands[i] = cast(operands[i], to_, b); any = true; }
    }
    if (narrow && any) {
      // Tried apart: an operator may take the type in one operand and not in another.
      Builder trial;
      Vals probe;
      for (const Val& v : operands) probe.push_back(!v ? Val{} : b.data(v) ? trial.constant(b.graph()[v.id].constant, b.type_ref(v)) : trial.input(b.type_ref(v)));
      trial.ops(n.op, probe, *n.attrs, n.num_results);
      narrow = !trial.failed();
    }
    if (!narrow || !any) {
      operands = in;
      for (Val& v : operands) if (v && b.type(v).is_tensor() && b.type(v).dtype == to_) v = cast(v, DType::f32, b);
    }
    b.origin = n.origin;
    return b.ops(n.op, operands, *n.attrs, n.num_results);
  }
  static Val cast(Val v, DType t, Builder& b) {
    if (b.failed() || b.type(v).dtype == t) return v;
    const Tensor* c = b.data(v);
    if (!c) return b.op("Cast", {v}, {{"to", std::int64_t(t)}});
    Tensor narrow = Tensor::zeros(t, c->dims);
    auto x = values<double>(*c);
    const double largest = t == DType::f16 ? 65504 : HUGE_VAL;   // a mask's -1e9 stays a number
    for (double& e : x) if (std::isfinite(e)) e = std::clamp(e, -largest, largest);
    fill(narrow, std::span<const double>(x));
    return kept_as(b, std::move(narrow), b.graph()[v.id].name);
  }

 private:
  DType to_;
};
}  // namespace

Result<Narrowed> narrowed(const ir::Graph& given, const NarrowOptions& o) {
  const bool real = o.to == DType::f16 || o.to == DType::bf16, integer = o.to == DType::i8 || (o.to == DType::i4 && o.form == Form::weights);
  const bool in_each_run = o.form == Form::dynamic || o.form == Form::hybrid;
  if (o.form == Form::compute ? !real : in_each_run ? o.to != DType::i8 : !real && !integer) return Error{ErrorCode::invalid_argument, std::string(name(o.to)) + " is not what this form of a model stores"};
  if (o.block < 16 || o.block > 4096 || (o.block & (o.block - 1))) return Error{ErrorCode::invalid_argument, "a block of " + std::to_string(o.block) + " weights: a power of two from 16 to 4096 is taken"};
  Narrowed r;
  SAHA_TRY(const ir::Graph g, prepared(given));
  std::set<std::string> unmet = o.keep;
  auto kept = [&](const ir::Node& n) { return compress::kept(g, n, o.keep, unmet); };
  if (o.form == Form::compute) {
    const Computing computing(o.to);
    std::vector<char> is_output(g.values().size(), 0);
    for (ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;
    SAHA_TRY(r.graph, op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, Builder& b) -> std::optional<Vals> {
      Vals operands = in, y;
      if (kept(n)) {
        for (Val& v : operands) if (v && b.type(v).is_tensor() && b.type(v).dtype == o.to) v = Computing::cast(v, DType::f32, b);
        y = b.ops(n.op, operands, *n.attrs, n.num_results);
      } else {
        y = computing(n, in, b);
        r.layers += role_of(from, n) == Role::product;
      }
      for (std::size_t k = 0; k < y.size() && !b.failed(); ++k)
        if (const ValueId v = from.result(n, k); is_output[std::size_t(v)] && b.type(y[k]).is_tensor() && b.type(y[k]).dtype == o.to) y[k] = b.op("Cast", {y[k]}, {{"to", std::int64_t(DType::f32)}});
      return y;
    }));
  } else {
    SAHA_TRY(r.graph, op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, Builder& b) -> std::optional<Vals> {
      Vals operands = in;
      bool any = false;
      const bool product = role_of(from, n) == Role::product && has_weights(from, n);
      if (in_each_run || !real) {
        if (!product || kept(n)) return {};
        if (in_each_run) {
          auto y = o.form == Form::hybrid ? hybrid(from, n, in, b) : dynamic(from, n, in, b);
          r.layers += bool(y);
          return y;
        }
        operands[1] = dequantised(from, n, o, b);
        any = true;
      } else {
        if (kept(n)) return {};
        for (std::size_t i = 0; i < operands.size(); ++i) {   // whatever is large: weights of recurrent layers and tables too
          const ValueId v = from.operand(n, i);
          if (v == ValueId::none || !from[v].constant || from.type(v).dtype != DType::f32 || from[v].constant->size() < 32) continue;
          operands[i] = b.op("Cast", {Computing::cast(operands[i], o.to, b)}, {{"to", std::int64_t(DType::f32)}});
          any = true;
        }
      }
      if (!any) return {};
      ++r.layers;
      return b.ops(n.op, operands, *n.attrs, n.num_results);
    }));
  }
  if (!unmet.empty()) return Error{ErrorCode::invalid_file, "there is no layer '" + *unmet.begin() + "' to keep"};
  if (r.layers == 0) return Error{ErrorCode::unsupported, "the model has nothing to quantise: no layer whose weights are float32 constants"};
  r.opset = o.form == Form::compute && o.to == DType::bf16 ? 22 : o.to == DType::i4 ? 21 : 13;   // Conv and its like take bfloat16 since 22
  return r;
}

}  // namespace saha::compress
