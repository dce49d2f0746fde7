// The integer form of LSTM: sums of 8-bit products become 16-bit gates with 3 integer bits, sigmoid and tanh are tables of a fixed-point function,
// the cell has 16 bits and a power of two as its scale. Source: TensorFlow Lite's quantised LSTM (8x8_16), reference kernels.
#include "op/recurrent_integer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "op/integer_form.hpp"
#include "tensor/fixed_point.hpp"

namespace saha::op {
namespace {
constexpr int kGateBits = 3;   // integer bits of a gate before its activation
constexpr float kGateScale = 1.0f / 4096;

/// scale = 2^-n: n; else none.
std::optional<int> fraction_bits(const Type& t) {
  if (t.dtype != DType::i16 || !t.quant || t.quant->scale.size() != 1 || t.quant->zero[0] != 0) return {};
  int e = 0;
  if (std::frexp(t.quant->scale[0], &e) != 0.5f) return {};
  return 1 - e;
}
bool stored_in_8_bits(const Type& t) { return t.quant && bits(t.dtype) == 8; }

}  // namespace

Val gate_table(Builder& b, bool tanh, int integer_bits) {
  Tensor table = Tensor::zeros(DType::i16, {1 << 16});
  for (int x = -(1 << 15); x < 1 << 15; ++x) table.as<std::int16_t>()[x + (1 << 15)] = tanh ? fixed::tanh<std::int16_t>(std::int16_t(x), integer_bits) : fixed::sigmoid<std::int16_t>(std::int16_t(x), integer_bits);
  return b.constant(std::move(table));
}
Val divided(Val x, int n) {
  Builder& b = *x.b;
  Val size = b.op("Abs", {x}) + b.scalar(double(std::int64_t{1} << n >> 1), DType::i32);
  return b.op("Sign", {x}) * b.op("BitShift", {size, b.scalar(n, DType::i32)}, {{"direction", std::string("RIGHT")}});
}
Val saturated_16(Val x) { return cast(x.b->op("Saturate", {x}, {{"to", std::int64_t(DType::i16)}}), DType::i16); }

Result<> infer_fixed_layer_norm(Infer& c) {
  if (c.rank(0) < 1) return c.fail("takes rows, has " + ir::str(*c.in[0]));
  for (std::size_t i : {1, 2}) {
    if (c.rank(i) != 1) return c.fail("takes vectors beside X, one is " + ir::str(*c.in[i]));
    const Dim &n = c.dims(0).back(), &m = c.dims(i)[0];
    if (n.known() && m.known() && !(n == m)) return c.fail("takes one number for each of " + n.str() + " columns, there are " + m.str());
  }
  return c.give(DType::i16, c.dims(0));
}
namespace {
/// 1 / sqrt(x) = multiplier / 2^31 / 2^shift for x > 0: five steps of Newton's method with three integer bits.
FixedScale inverse_root(std::int32_t x) {
  if (x <= 1) return {std::numeric_limits<std::int32_t>::max(), 0};
  int shift = 11;
  for (; x >= 1 << 29; x /= 4) ++shift;
  const int pairs = (std::countl_zero(std::uint32_t(x)) - 1) / 2 - 1;
  shift -= pairs;
  const std::int32_t half = fixed::scaled_pot(std::int32_t(x << (2 * pairs)) >> 1, -1), half_three = (1 << 28) + (1 << 27);
  std::int32_t r = 1 << 28;
  for (int i = 0; i < 5; ++i) {
    const std::int32_t cube = fixed::scaled_pot(fixed::product(fixed::product(r, r), r), 6);
    r = fixed::scaled_pot(fixed::difference(fixed::product(half_three, r), fixed::product(half, cube)), 3);
  }
  r = fixed::product(r, std::int32_t{1518500250});   // sqrt(1/2)
  if (shift < 0) r = std::int32_t(std::uint32_t(r) << -shift), shift = 0;
  return {r, -shift};
}
}  // namespace
/// Sums in 64 bits, the mean with 10 more bits than the numbers; the variance of rows whose length is no power of two is that of the rule, not of the numbers.
Result<> eval_fixed_layer_norm(Eval& c) {
  const Tensor &x = c.x(0), &scale = c.x(1), &bias = c.x(2);
  const std::int64_t n = x.dims.empty() ? 0 : x.dims.back();
  if (n < 1 || n > 1 << 20 || scale.dims != Dims{n} || bias.dims != Dims{n}) return c.fail("takes rows of 1 to 2^20 numbers and as many factors, X is " + str(x.dims) + ", they are " + str(scale.dims) + " and " + str(bias.dims));
  if (c.i("multiplier") < 0 || c.i("multiplier") > INT32_MAX || c.i("shift") < -31 || c.i("shift") > 30) return c.fail("multiplier " + std::to_string(c.i("multiplier")) + " with shift " + std::to_string(c.i("shift")) + " is none");
  const FixedScale to{std::int32_t(c.i("multiplier")), int(c.i("shift"))};
  SAHA_TRY(Tensor y, c.make(DType::i16, x.dims));
  const auto *from = x.as<const std::int16_t>(), *w = scale.as<const std::int16_t>();
  const auto* b = bias.as<const std::int32_t>();
  auto* out = y.as<std::int16_t>();
  for (std::int64_t r = 0; r < x.size() / n; ++r, from += n, out += n) {
    std::int64_t sum = 0, squares = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += from[i], squares += std::int64_t{from[i]} * from[i];
    const std::int64_t mean = sum * 1024 / n;
    auto variance = std::int32_t((squares * ((1 << 20) / n) - mean * mean) / (1 << 20));
    if (variance < 1) variance = std::int32_t(std::clamp<std::int64_t>(c.i("guard"), 1, INT32_MAX));
    const FixedScale deviation = inverse_root(variance);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t normal = rescale_double(std::int32_t(1024 * std::int64_t{from[i]} - mean), deviation);
      const std::int64_t v = std::int64_t(std::int32_t(std::uint32_t(normal) * std::uint32_t(std::int32_t{w[i]}))) + b[i];
      out[i] = std::int16_t(saturate(rescale_double(std::int32_t((v > 0 ? v + 512 : v - 512) / 1024), to), 16, true));
    }
  }
  return c.give(std::move(y));
}

Val lstm_integer(const Site& s, const Type& result) {
  Builder& b = s.b;
  for (std::size_t i : {0, 1, 2, 5, 6}) if (!s.has(i)) return {};
  const Type x = s.type(0), w = s.type(1), r = s.type(2), h0 = s.type(5), c0 = s.type(6);
  const auto fraction = fraction_bits(c0);
  if (!fixed(s) || s.num_out != 1 || s.has(4) || s.has(7) || s.has_attr("clip") || s.i("layout") != 0 || s.s("direction") != "forward" || s.has_attr("activations") || s.i("input_forget") != 0) return {};
  if (!stored_in_8_bits(x) || !stored_in_8_bits(w) || !stored_in_8_bits(r) || !same_storage(h0, result) || bits(result.dtype) != 8 || !fraction || *fraction > 15) return {};
  if (r.dims.size() != 3 || !r.dims[2].known() || x.dims.size() != 3) return {};
  const std::int64_t hidden = *r.dims[2].known();
  const int cell_bits = 15 - *fraction;
  const bool biased = s.has(3);

  auto part = [&](Val v, std::int64_t axis, std::int64_t from, std::int64_t to) { return b.op("Slice", {v, b.ints({from}), b.ints({to}), b.ints({axis})}); };
  auto without_direction = [&](Val v, std::int64_t axis) { return b.op("Squeeze", {v, b.ints({axis})}); };
  auto across = [&](std::size_t i) {  // weights [1, 4H, n] as [n, 4H]
    return b.op("Transpose", {without_direction(centred(s.in[i], DType::i32), 0)}, {{"perm", ir::Ints{1, 0}}});
  };
  auto bias = [&](int half) { return without_direction(part(cast(cast(s.in[3], DType::i64), DType::i32), 1, half * 4 * hidden, (half + 1) * 4 * hidden), 0); };
  /// A sum as steps of a gate; `channels` is the axis along which the weights' scales lie.
  auto gate_steps = [&](Builder& to, Val sum, float scale, const ir::Quant& weights, std::int64_t channels) {
    return to.op("Rescale", {sum}, {{"x_scale", scale}, {"w_scale", weights.scale}, {"y_scale", kGateScale}, {"axis", channels}, {"rounding", rounding(s)}});
  };
  Val wx = b.op("MatMul", {centred(s.in[0], DType::i32), across(1)});
  if (biased) wx = wx + bias(0);
  wx = saturated_16(gate_steps(b, wx, x.quant->scale[0], *w.quant, 2));   // [T, B, 4H]
  Val rt = across(2), rb = biased ? bias(1) : Val{};
  Val sigmoid = gate_table(b, false, kGateBits), tanh = gate_table(b, true, kGateBits);
  Val squash = cell_bits == kGateBits ? tanh : gate_table(b, true, cell_bits);
  auto plainly = [&](Val v) { return cast(cast(without_direction(v, 0), DType::i32), b.type(v).dtype); };   // the number, no longer what it stands for
  Val h = plainly(s.in[5]), c = plainly(s.in[6]);
  if (b.failed()) return {};

  // One step: states h [B, H] and c [B, H], the gates' share of x [B, 4H].
  Vals outer = {h, c, wx, rt, sigmoid, tanh, squash};
  if (biased) outer.push_back(rb);
  Builder step;
  Vals in;
  for (const Val& v : outer) {
    const Type& t = b.type(v);
    in.push_back(step.input(v.id == wx.id ? ir::tensor_type(t.dtype, {t.dims[1], t.dims[2]}) : b.type_ref(v)));
  }
  Val sum = step.op("MatMul", {cast(in[0], DType::i32) - step.scalar(double(result.quant->zero[0]), DType::i32), in[3]});
  if (biased) sum = sum + in[7];
  Val gates = saturated_16(gate_steps(step, sum, result.quant->scale[0], *r.quant, 1) + cast(in[2], DType::i32));
  auto gate = [&](std::int64_t k, Val table) {
    Val g = step.op("Slice", {gates, step.ints({k * hidden}), step.ints({(k + 1) * hidden}), step.ints({1})});
    return cast(step.op("Lookup", {g, table}), DType::i32);
  };
  Val input = gate(0, in[4]), output = gate(1, in[4]), forget = gate(2, in[4]), candidate = gate(3, in[5]);
  Val cell = saturated_16(divided(forget * cast(in[1], DType::i32), 15) + divided(input * candidate, 30 - *fraction));
  if (s.has_attr("cell_clip")) {
    const double most = std::min(double(s.f("cell_clip") / c0.quant->scale[0]), 32767.0);
    cell = step.op("Clip", {cell, step.scalar(-most, DType::i16), step.scalar(most, DType::i16)});
  }
  const float unit = std::ldexp(1.0f, -30) / result.quant->scale[0];
  const FixedScale f = fixed_scale(double(unit));
  Val y = step.op("Rescale", {output * cast(step.op("Lookup", {cell, in[6]}), DType::i32)}, {{"multiplier", ir::Ints{f.multiplier}}, {"shift", ir::Ints{f.shift}}, {"rounding", rounding(s)}});
  y = stored(y, result);
  auto body = std::move(step).build({y, cell, step.op("Identity", {y})});
  if (!body) { b.fail(std::move(body.error())); return {}; }
  Val all = b.ops("Scan", outer, {{"body", ir::GraphRef(std::make_shared<const ir::Graph>(std::move(*body)))}, {"num_scan_inputs", std::int64_t{1}}, {"carried", std::int64_t{2}}}, 3)[2];
  return b.op("Unsqueeze", {all, b.ints({1})});   // [T, 1, B, H]
}

}  // namespace saha::op
