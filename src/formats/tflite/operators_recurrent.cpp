// LSTM, RNN and SVDF. A layer that ONNX's LSTM can say is that node; all others are a Scan over their steps, in which each product is a node of its own. Gates
// stand in the order input, forget, cell, output here, in ONNX's as input, output, forget, cell. Sequences come as [N, T, ..] or, time_major, as [T, N, ..].
#include <algorithm>
#include <cmath>

#include "formats/tflite/operators.hpp"
#include "op/integer_form.hpp"
#include "op/recurrent_integer.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;
using A = fb::ActivationFunctionType;
using op::Builder;

std::int64_t extent(const ir::Type& t, std::size_t i) { return i < t.dims.size() ? t.dims[i].known().value_or(-1) : -1; }
/// x W' + bias, with weights as they are stored: the data of each row are rounded in the run then, by the rule.
Val product(Builder& b, Val x, Val w, Val bias, const std::string& rounding) {
  if (b.failed()) return x;
  Vals in = {x, w};
  if (bias) in.push_back(bias);
  op::Attrs a = {{"transB", std::int64_t{1}}};
  if (!b.type(w).quant) return b.op("Gemm", in, a);
  a.push_back({"rounding", rounding});
  return b.quantised("Gemm", in, a, Stored{});
}
Val activated(Site& s, Val v, A a) {
  Builder& b = *v.b;
  switch (a) {
    case A::NONE: return v;
    case A::RELU: return b.op("Relu", {v});
    case A::RELU6: return b.op("Clip", {v, b.scalar(0, DType::f32), b.scalar(6, DType::f32)});
    case A::RELU_N1_TO_1: return b.op("Clip", {v, b.scalar(-1, DType::f32), b.scalar(1, DType::f32)});
    case A::TANH: return b.op("Tanh", {v});
    default: s.unsupported("the activation " + std::string(fb::EnumNameActivationFunctionType(a)) + " is not taken"); return v;
  }
}
Val bounded(Val v, double most) {
  if (!(most > 0) || v.b->failed()) return v;
  const DType t = v.b->type(v).dtype;
  return v.b->op("Clip", {v, v.b->scalar(-most, t), v.b->scalar(most, t)});
}

// ---- sequences -------------------------------------------------------------------------------------------------------------------------------
/// What a step reads beside its data and its states: constants stand in the body, what is computed comes as one more operand of the Scan.
class Body {
 public:
  explicit Body(Builder& outside) : out_(outside) {}
  Builder b;
  Val state(Val v) { return b.input(out_.type_ref(v)); }
  Val data(Val x) {   // [T, N, I]: one step of it
    const ir::Type& t = out_.type(x);
    return b.input(op::with_elements(*ir::tensor_type(t.dtype, {t.dims.begin() + 1, t.dims.end()}), t.dtype, t.quant));
  }
  Val operator()(Val v) {
    if (!v || out_.failed()) return v;
    if (out_.data(v)) return b.constant(out_.graph()[v.id].constant, out_.type_ref(v), out_.graph()[v.id].name);
    captured.push_back(v);
    return b.input(out_.type_ref(v));
  }
  Vals captured;

 private:
  Builder& out_;
};
/// [T, N, ..] of the results of each step; `step(body, data, states)` gives the new states, the first of which is the result.
template <class Step> Val over_steps(Site& s, Val x, const Vals& states, bool backward, Step step) {
  Builder& b = s.b;
  if (b.failed()) return x;
  if (!b.type(x).ranked || b.type(x).dims.size() != 3) { s.fail("takes a sequence of rows, has " + ir::str(s.type(0))); return x; }
  Body body(b);
  auto turned = [&](Val v) { return backward ? b.op("Slice", {v, b.ints({-1}), b.ints({INT64_MIN}), b.ints({0}), b.ints({-1})}) : v; };
  Vals inner;
  for (const Val& v : states) inner.push_back(body.state(v));
  Val now = body.data(x);
  Vals next = step(body, now, inner);
  if (b.failed()) return x;
  next.push_back(body.b.op("Identity", {next[0]}));
  auto g = std::move(body.b).build(next);
  if (!g) { b.fail(std::move(g.error())); return x; }
  Vals in = states;
  in.push_back(turned(x));
  in.insert(in.end(), body.captured.begin(), body.captured.end());
  const auto carried = std::int64_t(states.size());
  return turned(b.ops("Scan", in, {{"body", ir::GraphRef(std::make_shared<const ir::Graph>(std::move(*g)))}, {"num_scan_inputs", std::int64_t{1}}, {"carried", carried}}, int(carried) + 1)[std::size_t(carried)]);
}
/// Between [N, T, ..] and [T, N, ..].
Val by_time(Site& s, Val v, bool time_major) { return time_major || s.b.failed() ? v : s.b.op("Transpose", {v}, {{"perm", Ints{1, 0, 2}}}); }

// ---- LSTM ------------------------------------------------------------------------------------------------------------------------------------
struct Lstm {
  Val w[4], r[4], peephole[4], bias[4], norm[4];   ///< by gate; peepholes have none for the cell
  Val projection, projection_bias, h, c;
  float cell_clip = 0, projection_clip = 0;
  A activation = A::TANH;
  bool asymmetric = false;
  bool coupled() const { return !w[0]; }
  bool normalised() const { return bool(norm[1]); }
  bool looks() const { return bool(peephole[1]); }
};
/// f on each value.
template <class F> Lstm mapped(const Lstm& k, F f) {
  Lstm r = k;
  for (auto* group : {r.w, r.r, r.peephole, r.bias, r.norm}) for (int i = 0; i < 4; ++i) group[i] = f(group[i]);
  for (Val* v : {&r.projection, &r.projection_bias}) *v = f(*v);
  return r;
}
/// Operands from `first` on: weights, recurrent weights, peepholes, biases, projection.
Lstm read_lstm(Site& s, std::size_t first, std::size_t h, std::size_t c) {
  auto at = [&](std::size_t i) { return s.has(i) ? s.in[i] : Val{}; };
  Lstm k;
  for (std::size_t g = 0; g < 4; ++g) k.w[g] = at(first + g), k.r[g] = at(first + 4 + g), k.bias[g] = at(first + 11 + g);
  k.peephole[0] = at(first + 8), k.peephole[1] = at(first + 9), k.peephole[3] = at(first + 10);
  k.projection = at(first + 15), k.projection_bias = at(first + 16);
  k.h = at(h), k.c = at(c);
  bool whole = k.h && k.c;
  for (int g = 1; g < 4; ++g) whole &= k.w[g] && k.r[g] && k.bias[g];
  if (!whole) s.fail("needs its states, and weights and biases for forget, cell and output gate");
  else if (bool(k.w[0]) != bool(k.r[0]) || bool(k.w[0]) != bool(k.bias[0])) s.fail("has some operands of an input gate, and not all");
  else if (bool(k.peephole[1]) != bool(k.peephole[3])) s.fail("has one peephole of two");
  for (std::size_t g = 0; g < 4 && !s.b.failed(); ++g) if (k.w[g] && (s.b.type(k.w[g]).dims.size() != 2 || s.b.type(k.r[g]).dims.size() != 2)) s.fail("has weights that are no matrices");
  return k;
}
/// One step: the new output and the new cell.
Vals real_step(Site& s, const Lstm& k, Val x, Val h, Val c) {
  Builder& b = *x.b;
  if (b.failed()) return {h, c};
  const std::string rounding = k.asymmetric ? "dynamic_asymmetric" : "dynamic_symmetric";
  auto gate = [&](int g, Val cell) {
    Val v = product(b, x, k.w[g], k.normalised() ? Val{} : k.bias[g], rounding) + product(b, h, k.r[g], {}, rounding);
    if (k.peephole[g]) v = v + (b.failed() || !b.type(k.peephole[g]).quant ? k.peephole[g] : op::dequantised(k.peephole[g])) * cell;
    if (k.normalised()) v = b.op("LayerNormalization", {v, k.norm[g], k.bias[g]}, {{"axis", std::int64_t{-1}}, {"epsilon", 1e-8f}});
    return g == 2 ? activated(s, v, k.activation) : b.op("Sigmoid", {v});
  };
  Val forget = gate(1, c), input = k.coupled() ? 1.0 - forget : gate(0, c);
  Val cell = bounded(forget * c + input * gate(2, c), k.cell_clip);
  Val y = gate(3, cell) * activated(s, cell, k.activation);
  if (k.projection) y = bounded(product(b, y, k.projection, k.projection_bias, rounding), k.projection_clip);
  return {y, cell};
}

/// Stored integers: gates of 16 bits with 12 of them behind the point, a cell of 16 bits whose scale is a power of two. Source: LiteRT's reference kernels (8x8_16).
struct StoredLstm {
  ir::Quant x, h, hidden;        ///< scales of the data, the output and, before a projection, of what is projected
  int fraction = 0;              ///< bits of the cell behind the point
  ir::Quant w[4], r[4], peephole[4], norm[4], projection;
  float gate[4] = {1.0f / 4096, 1.0f / 4096, 1.0f / 4096, 1.0f / 4096};   ///< scale of a gate's sum; where gates are normalised, as the file says
  Stored result;
};
Val plain32(Val v) { return op::cast(v, DType::i32); }
Vals stored_step(const Lstm& k, const StoredLstm& q, Val x, Val h, Val c, Val sigmoid, Val tanh, Val squash) {
  Builder& b = *x.b;
  if (b.failed()) return {h, c};
  auto centred = [&](Val v, const ir::Quant& by) { return plain32(v) - b.scalar(double(by.zero[0]), DType::i32); };
  auto rescaled = [&](Val sum, float xs, float ws, float ys) {
    return b.op("Rescale", {sum}, {{"x_scale", xs}, {"w_scale", ir::Floats{ws}}, {"y_scale", ys}, {"rounding", std::string("fixed_legacy")}});
  };
  auto sums = [&](Val v, const ir::Quant& by, Val w, Val bias) {
    Val sum = b.op("MatMul", {centred(v, by), b.op("Transpose", {plain32(w)}, {{"perm", Ints{1, 0}}})});
    return bias ? sum + bias : sum;
  };
  auto gate = [&](int g, Val cell) {
    Val v = op::saturated_16(rescaled(sums(x, q.x, k.w[g], k.normalised() ? Val{} : k.bias[g]), q.x.scale[0], q.w[g].scale[0], q.gate[g]));
    v = op::saturated_16(rescaled(sums(h, q.h, k.r[g], {}), q.h.scale[0], q.r[g].scale[0], q.gate[g]) + plain32(v));
    if (k.peephole[g]) v = op::saturated_16(rescaled(plain32(cell) * plain32(k.peephole[g]), std::ldexp(1.0f, -q.fraction), q.peephole[g].scale[0], q.gate[g]) + plain32(v));
    if (k.normalised()) {
      const float scale = q.norm[g].scale[0];
      const FixedScale to = fixed_scale(double(scale));
      v = b.op("FixedLayerNorm", {v, k.norm[g], k.bias[g]}, {{"multiplier", std::int64_t{to.multiplier}}, {"shift", std::int64_t{to.shift} + 12}, {"guard", std::max<std::int64_t>(1, std::int64_t(10000 * scale))}});
    }
    return plain32(b.op("Lookup", {v, g == 2 ? tanh : sigmoid}));
  };
  Val forget = gate(1, c), input = k.coupled() ? 32767 - forget : gate(0, c);
  Val cell = op::saturated_16(op::divided(forget * plain32(c), 15) + op::divided(input * gate(2, c), 30 - q.fraction));
  cell = bounded(cell, std::min(std::floor(double(k.cell_clip) * std::ldexp(1.0, q.fraction)), 32767.0));
  Val y = gate(3, cell) * plain32(b.op("Lookup", {cell, squash}));
  auto kept = [&](Val v, const ir::Quant& by) { return op::cast(b.op("Saturate", {v + b.scalar(double(by.zero[0]), DType::i32)}, {{"to", std::int64_t(DType::i8)}}), DType::i8); };
  const FixedScale f = fixed_scale(double(std::ldexp(1.0f, -30) / q.hidden.scale[0]));
  y = kept(b.op("Rescale", {y}, {{"multiplier", Ints{f.multiplier}}, {"shift", Ints{f.shift}}, {"rounding", std::string("fixed_legacy")}}), q.hidden);
  if (k.projection) {
    y = kept(rescaled(sums(y, q.hidden, k.projection, k.projection_bias), q.hidden.scale[0], q.projection.scale[0], q.h.scale[0]), q.h);
    if (k.projection_clip > 0) y = bounded(y, std::min(std::floor(double(k.projection_clip / q.h.scale[0])), 127.0));
  }
  return {y, cell};
}
constexpr int kOrder[] = {0, 3, 1, 2};   ///< ONNX's gates
/// Constants of the four gates as one, [1, 4H, ..], each with a scale of its own.
Val stacked_gates(Site& s, const Val (&gates)[4]) {
  std::vector<Tensor> parts;
  ir::Quant q{{}, {}, 1};
  for (int g : kOrder) {
    if (s.b.failed()) return {};
    const Tensor* t = s.b.data(gates[g]);
    const ir::Type& type = s.b.type(gates[g]);
    if (s.b.failed() || !t || !type.quant || type.quant->scale.size() != 1 || t->dims.empty()) { s.unsupported("its weights are taken as constants with one scale a gate only"); return {}; }
    parts.push_back(*t);
    q.scale.insert(q.scale.end(), std::size_t(t->dims[0]), type.quant->scale[0]);
    q.zero.insert(q.zero.end(), std::size_t(t->dims[0]), type.quant->zero[0]);
  }
  Dims dims = parts[0].dims;
  dims[0] = std::int64_t(q.scale.size());
  Tensor all = Tensor::zeros(parts[0].dtype, dims);
  std::int64_t at = 0;
  for (const Tensor& t : parts) {
    if (t.dtype != all.dtype || t.size() * 4 != all.size()) { s.fail("has gates of different sizes"); return {}; }
    copy_elements(t, 0, 1, all, at, t.size());
    at += t.size();
  }
  all.dims.insert(all.dims.begin(), 1);
  std::vector<ir::Dim> type_dims(all.dims.begin(), all.dims.end());
  return s.b.constant(std::make_shared<const Tensor>(std::move(all)), ir::tensor_type(parts[0].dtype, std::move(type_dims), std::make_shared<const ir::Quant>(std::move(q))));
}
/// W, R and B of a layer whose data, weights and output have 8 bits and whose cell has 16.
Vals stored_weights(Site& s, const Lstm& k) {
    op::Builder& b = s.b;
  const ir::Type &state = b.type(k.h), &cell = b.type(k.c);
  if (!state.quant || !cell.quant) { s.fail("keeps its state otherwise than as stored integers"); return {}; }
  s.rounding = "fixed_legacy";   // the scales are multiplied in float32
  Val w = stacked_gates(s, k.w), r = stacked_gates(s, k.r);
  if (b.failed()) return {};
  // TensorFlow Lite has no bias on the state's side.
  ir::Quant q = *op::quant_of_products(*s.type(0).quant, *b.type(w).quant);
  const ir::Quant of_state = *op::quant_of_products(*state.quant, *b.type(r).quant);
  q.scale.insert(q.scale.end(), of_state.scale.begin(), of_state.scale.end());
  q.zero.insert(q.zero.end(), of_state.zero.begin(), of_state.zero.end());
  q.axis = 1;
  Tensor bias = Tensor::zeros(DType::i32, {1, std::int64_t(q.scale.size())});
  std::int64_t at = 0;
  for (int g : kOrder) {
    const Tensor* t = b.data(k.bias[g]);
    if (!t || t->dtype != DType::i32 || t->size() * 8 != bias.size()) { s.unsupported("its biases are taken as int32 constants only"); return {}; }
    copy_elements(*t, 0, 1, bias, at, t->size());
    at += t->size();
  }
  std::vector<ir::Dim> dims(bias.dims.begin(), bias.dims.end());
  return {w, r, b.constant(std::make_shared<const Tensor>(std::move(bias)), ir::tensor_type(DType::i32, std::move(dims), std::make_shared<const ir::Quant>(std::move(q))))};
}
/// The same of real numbers.
Vals real_gates(Site& s, const Lstm& k) {
  op::Builder& b = s.b;
  auto stacked = [&](const Val (&v)[4]) { return b.op("Unsqueeze", {b.op("Concat", {v[kOrder[0]], v[kOrder[1]], v[kOrder[2]], v[kOrder[3]]}, {{"axis", std::int64_t{0}}}), b.ints({0})}); };
  Val w = stacked(k.w), r = stacked(k.r), bias = stacked(k.bias);
  if (b.failed()) return {};
  return {w, r, b.op("Concat", {bias, b.op("Mul", {bias, b.scalar(0, bias)})}, {{"axis", std::int64_t{1}}})};
}

/// The numbers that stand for v, as plain ones.
Val numbers(Site& s, Val v) {
  if (!v || s.b.failed() || !s.b.type(v).quant) return v;
  if (const Tensor* t = s.b.data(v)) return s.b.constant(*t, s.b.graph()[v.id].name ? *s.b.graph()[v.id].name : std::string());
  return op::cast(op::cast(v, bits(s.b.type(v).dtype) < 32 ? DType::i32 : DType::i64), s.b.type(v).dtype);
}
std::optional<ir::Quant> one_scale(Site& s, Val v) {
  if (s.b.failed() || !v || !s.b.type(v).quant || s.b.type(v).quant->scale.size() != 1) return {};
  return *s.b.type(v).quant;
}
/// How the operator keeps what stands between its steps.
Stored intermediate(Site& s, std::size_t i) { return i < s.between.size() ? s.between[i] : Stored{}; }

/// All steps on stored integers; what the node LSTM cannot say.
Val stored_sequence(Site& s, const Lstm& given, Val x, bool backward) {
  Builder& b = s.b;
  StoredLstm q;
  auto need = [&](Val v, ir::Quant& to, const char* what) {
    if (!v) return;
    if (auto o = one_scale(s, v)) to = *o;
    else if (!b.failed()) s.unsupported(std::string(what) + " without one scale are not taken");
  };
  need(s.in[0], q.x, "data");
  need(given.h, q.h, "outputs");
  for (int g = 0; g < 4; ++g) { need(given.w[g], q.w[g], "weights"); need(given.r[g], q.r[g], "weights"); need(given.peephole[g], q.peephole[g], "peepholes"); need(given.norm[g], q.norm[g], "factors of normalised gates"); }
  for (int g = given.coupled(); g < 4 && given.normalised() && !b.failed(); ++g) {
    const Stored between = intermediate(s, std::size_t(g));
    if (!between.quant || between.quant->scale.size() != 1 || !given.norm[g]) { s.fail("states no scale for the sums of a gate"); return x; }
    q.gate[g] = between.quant->scale[0];
  }
  need(given.projection, q.projection, "projections");
  if (b.failed()) return x;
  const auto cell = one_scale(s, given.c);
  int exponent = 0;
  const bool power = cell && std::frexp(cell->scale[0], &exponent) == 0.5f;
  q.fraction = 1 - exponent;
  if (!power || b.type(given.c).dtype != DType::i16 || q.fraction < 0 || q.fraction > 15 || b.type(given.h).dtype != DType::i8 || s.type(0).dtype != DType::i8) {
    s.unsupported("stored integers other than data and outputs of 8 bits and a cell of 16, whose scale is a power of two, are not taken");
    return x;
  }
  q.hidden = q.h;
  if (given.projection) {
    const Stored between = intermediate(s, 4);
    if (!between.quant || between.quant->scale.size() != 1) { s.fail("states no scale for what it projects"); return x; }
    q.hidden = *between.quant;
  }
  const ir::Type state = b.type(given.h);
  const Lstm k = mapped(given, [&](Val v) { return numbers(s, v); });
  Val steps = over_steps(s, numbers(s, x), {numbers(s, given.h), numbers(s, given.c)}, backward, [&](Body& body, Val now, const Vals& states) {
    const Lstm inner = mapped(k, [&](Val v) { return body(v); });
    Val sigmoid = op::gate_table(body.b, false, 3), tanh = op::gate_table(body.b, true, 3), squash = 15 - q.fraction == 3 ? tanh : op::gate_table(body.b, true, 15 - q.fraction);
    return stored_step(inner, q, now, states[0], states[1], sigmoid, tanh, squash);
  });
  if (!b.failed()) b.retype(steps, op::with_elements(b.type(steps), DType::i8, state.quant));
  return steps;
}
/// The bound lies within what the stored cell reaches.
bool bounds_cell(Site& s, const Lstm& k) { const auto q = one_scale(s, k.c); return q && k.cell_clip > 0 && k.cell_clip < 32767 * q->scale[0]; }
/// [T, N, ..] of a sequence [T, N, I].
Val lstm_sequence(Site& s, const Lstm& k, Val x, bool backward) {
  Builder& b = s.b;
  if (b.failed()) return x;
  const bool stored = bool(s.type(0).quant), hybrid = !stored && b.type(k.w[1]).quant;
  const bool constant = b.data(k.w[1]) && b.data(k.r[1]);
  const bool plain = !k.coupled() && !k.normalised() && !k.projection && k.activation == A::TANH && !hybrid && (!stored || (!k.looks() && constant && !bounds_cell(s, k)));
  if (!plain) {
    if (stored) return stored_sequence(s, k, x, backward);
    return over_steps(s, x, {k.h, k.c}, backward, [&](Body& body, Val now, const Vals& states) {
      return real_step(s, mapped(k, [&](Val v) { return body(v); }), now, states[0], states[1]);
    });
  }
  Attrs a = {{"hidden_size", extent(b.type(k.r[1]), 1)}};
  if (backward) a.push_back({"direction", std::string("reverse")});
  // From zero a cell grows by less than 1 a step: in fewer steps than the bound it meets none.
  const auto count = b.type(x).dims[0].known();
  if (k.cell_clip > 0 && (stored || !count || double(*count) >= double(k.cell_clip))) a.push_back({"cell_clip", k.cell_clip});
  const Vals weights = stored ? stored_weights(s, k) : real_gates(s, k);
  if (b.failed()) return x;
  auto state = [&](Val v) { return b.op("Unsqueeze", {v, b.ints({0})}); };
  Vals in = {x, weights[0], weights[1], weights[2], {}, state(k.h), state(k.c)};
  if (k.looks()) in.push_back(b.op("Unsqueeze", {b.op("Concat", {k.peephole[0], k.peephole[3], k.peephole[1]}, {{"axis", std::int64_t{0}}}), b.ints({0})}));
  return b.op("Squeeze", {s.node("LSTM", in, a), b.ints({1})});
}
template <class Options> void take_options(Lstm& k, const Options& o) {
  k.cell_clip = o.cell_clip(), k.projection_clip = o.proj_clip();
  k.activation = o.fused_activation_function();
  k.asymmetric = o.asymmetric_quantize_inputs();
}
Lstm one_direction(Site& s) {
  Lstm k = read_lstm(s, 1, 18, 19);
  for (std::size_t g = 0; g < 4; ++g) k.norm[g] = s.has(20 + g) ? s.in[20 + g] : Val{};
  return k;
}
Vals sequence_lstm(Site& s) {
  const auto& o = s.options<fb::UnidirectionalSequenceLSTMOptions>();
  Lstm k = one_direction(s);
  take_options(k, o);
  if (o.diagonal_recurrent_tensors()) s.unsupported("recurrent weights that are diagonals are not taken");
  return {by_time(s, lstm_sequence(s, k, by_time(s, s.in[0], o.time_major()), false), o.time_major())};
}
/// One step of data [N, I].
Vals lstm(Site& s) {
  const auto& o = s.options<fb::LSTMOptions>();
  if (o.kernel_type() != 0) { s.unsupported("the basic form, of 5 operands, is not taken"); return {}; }
  Lstm k = one_direction(s);
  take_options(k, o);
  Val x = s.b.op("Unsqueeze", {s.in[0], s.b.ints({0})});
  return {s.b.op("Squeeze", {lstm_sequence(s, k, x, false), s.b.ints({0})})};
}
/// The results of both directions; as one where they are merged.
Vals both(Site& s, Val forward, Val backward, bool time_major, bool merged) {
  if (merged) return {by_time(s, s.b.op("Concat", {forward, backward}, {{"axis", std::int64_t{2}}}), time_major)};
  return {by_time(s, forward, time_major), by_time(s, backward, time_major)};
}
/// The second direction's own data, where they are stacked without weights of their own.
Val second_data(Site& s, std::size_t aux, std::size_t aux_weights, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) if (s.has(aux_weights + i)) s.unsupported("auxiliary data with weights are not taken");
  return s.has(aux) ? s.in[aux] : s.in[0];
}
Vals bidirectional_lstm(Site& s) {
  const auto& o = s.options<fb::BidirectionalSequenceLSTMOptions>();
  Lstm forward = read_lstm(s, 1, 35, 36), backward = read_lstm(s, 18, 37, 38);
  take_options(forward, o);
  take_options(backward, o);
  const Val second = second_data(s, 39, 40, 8);
  if (!s.b.failed() && s.type(0).quant) s.unsupported("stored integers are not taken");
  Val f = lstm_sequence(s, forward, by_time(s, s.in[0], o.time_major()), false), r = lstm_sequence(s, backward, by_time(s, second, o.time_major()), true);
  return both(s, f, r, o.time_major(), o.merge_outputs());
}

// ---- RNN: h = f(x W' + h R' + b) ---------------------------------------------------------------------------------------------------------------
struct Rnn { Val w, r, bias, h; A activation; bool asymmetric; };
Rnn read_rnn(Site& s, std::size_t first, A activation, bool asymmetric) {
  for (std::size_t i = first; i < first + 4; ++i) if (!s.has(i)) { s.fail("has no operand " + std::to_string(i)); return {}; }
  if (!s.b.failed() && s.type(0).quant) s.unsupported("stored integers are not taken");
  return {s.in[first], s.in[first + 1], s.in[first + 2], s.in[first + 3], activation, asymmetric};
}
Val rnn_sequence(Site& s, const Rnn& k, Val x, bool backward) {
  return over_steps(s, x, {k.h}, backward, [&](Body& body, Val now, const Vals& states) -> Vals {
    const std::string rounding = k.asymmetric ? "dynamic_asymmetric" : "dynamic_symmetric";
    Val sum = product(body.b, now, body(k.w), body(k.bias), rounding) + product(body.b, states[0], body(k.r), {}, rounding);
    return {activated(s, sum, k.activation)};
  });
}
Vals rnn(Site& s) {
  const auto& o = s.options<fb::RNNOptions>();
  const Rnn k = read_rnn(s, 1, o.fused_activation_function(), o.asymmetric_quantize_inputs());
  Val x = s.b.op("Unsqueeze", {s.in[0], s.b.ints({0})});
  return {s.b.op("Squeeze", {rnn_sequence(s, k, x, false), s.b.ints({0})})};
}
Vals sequence_rnn(Site& s) {
  const auto& o = s.options<fb::SequenceRNNOptions>();
  const Rnn k = read_rnn(s, 1, o.fused_activation_function(), o.asymmetric_quantize_inputs());
  return {by_time(s, rnn_sequence(s, k, by_time(s, s.in[0], o.time_major()), false), o.time_major())};
}
Vals bidirectional_rnn(Site& s) {
  const auto& o = s.options<fb::BidirectionalSequenceRNNOptions>();
  const Rnn forward = read_rnn(s, 1, o.fused_activation_function(), o.asymmetric_quantize_inputs()), backward = read_rnn(s, 5, o.fused_activation_function(), o.asymmetric_quantize_inputs());
  const Val second = second_data(s, 9, 10, 2);
  Val f = rnn_sequence(s, forward, by_time(s, s.in[0], o.time_major()), false), r = rnn_sequence(s, backward, by_time(s, second, o.time_major()), true);
  return both(s, f, r, o.time_major(), o.merge_outputs());
}

// ---- SVDF: a product over the data, then over its last M values ----------------------------------------------------------------------------------
/// Operands: data [N, I], weights over features [F, I], over time [F, M], bias [U], state [N, M F]; F = U rank.
Vals svdf(Site& s) {
  const auto& o = s.options<fb::SVDFOptions>();
  Builder& b = s.b;
  if (s.in.size() < 5 || !s.has(4) || s.rank(0) != 2 || s.rank(1) != 2 || s.rank(2) != 2) { s.fail("takes data, two matrices of weights, a bias and a state"); return {}; }
  const std::int64_t filters = extent(s.type(2), 0), memory = extent(s.type(2), 1), rank = o.rank();
  if (filters < 1 || memory < 1 || rank < 1 || filters % rank) { s.fail("has rank " + std::to_string(rank) + " and weights over time " + ir::str(s.type(2))); return {}; }
  const bool stored = bool(s.type(0).quant);
  const auto xq = one_scale(s, s.in[0]), wq = one_scale(s, s.in[1]), tq = one_scale(s, s.in[2]), sq = one_scale(s, s.in[4]);
  if (stored && (!xq || !wq || !tq || !sq || !s.out[0].quant || s.type(0).dtype != DType::i8)) { s.unsupported("stored integers without one scale each, or other than int8 data, are not taken"); return {}; }
  auto by_fixed = [&](Val v, float factor) {
    const FixedScale f = fixed_scale(double(factor));
    return b.op("Rescale", {v}, {{"multiplier", Ints{f.multiplier}}, {"shift", Ints{f.shift}}, {"rounding", std::string("fixed_double")}});
  };
  Val fresh, past = s.in[4], time = s.in[2];
  if (stored) {
    Val x = plain32(numbers(s, s.in[0])) - b.scalar(double(xq->zero[0]), DType::i32);
    const DType kept = s.type(4).dtype;
    Val sum = by_fixed(b.op("MatMul", {x, b.op("Transpose", {plain32(numbers(s, s.in[1]))}, {{"perm", Ints{1, 0}}})}), xq->scale[0] * wq->scale[0] / sq->scale[0]);
    fresh = b.op("Saturate", {sum}, {{"to", std::int64_t(kept)}});
    past = plain32(numbers(s, past));
    time = plain32(numbers(s, time));
  } else {
    const Val w = hybrid_weights(s, s.in[1], o.asymmetric_quantize_inputs());
    fresh = product(b, s.in[0], w, {}, s.rounding);
    if (!b.failed() && b.type(time).quant) time = op::dequantised(time);
  }
  Val all = b.op("Reshape", {past, b.ints({0, filters, memory})});
  all = b.op("Concat", {b.op("Slice", {all, b.ints({1}), b.ints({memory}), b.ints({2})}), b.op("Unsqueeze", {fresh, b.ints({2})})}, {{"axis", std::int64_t{2}}});
  auto summed = [&](Val v, std::int64_t axis) { return b.op("ReduceSum", {v, b.ints({axis})}, {{"keepdims", std::int64_t{0}}}); };
  Val y = summed(b.op("Reshape", {summed(all * time, 2), b.ints({0, filters / rank, rank})}), 2);
  if (s.has(3)) y = y + numbers(s, s.in[3]);
  if (b.failed()) return {};
  if (!stored) return {activated(s, y, o.fused_activation_function())};
  const ir::Quant& out = *s.out[0].quant;
  y = by_fixed(y, sq->scale[0] * tq->scale[0] / out.scale[0]) + b.scalar(double(out.zero[0]), DType::i32);
  y = op::cast(b.op("Saturate", {y}, {{"to", std::int64_t(s.out[0].dtype)}}), s.out[0].dtype);
  if (!b.failed()) b.retype(y, op::with_elements(b.type(y), s.out[0].dtype, s.out[0].quant));
  return {y};
}

constexpr Rule kRules[] = {
    {BuiltinOperator::LSTM, lstm},
    {BuiltinOperator::UNIDIRECTIONAL_SEQUENCE_LSTM, sequence_lstm},
    {BuiltinOperator::BIDIRECTIONAL_SEQUENCE_LSTM, bidirectional_lstm},
    {BuiltinOperator::RNN, rnn},
    {BuiltinOperator::UNIDIRECTIONAL_SEQUENCE_RNN, sequence_rnn},
    {BuiltinOperator::BIDIRECTIONAL_SEQUENCE_RNN, bidirectional_rnn},
    {BuiltinOperator::SVDF, svdf, 3},
};
}  // namespace

std::span<const Rule> recurrent_rules() { return kRules; }

}  // namespace saha::tflite
