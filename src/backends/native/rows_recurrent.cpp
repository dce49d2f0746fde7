// LSTM and GRU with constant weights, default activations and full sequences on the float32 kernels, or with products in bfloat16; LSTM on stored integers.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "backends/native/kernel_table.hpp"
#include "kernels/recurrent.hpp"
#include "kernels/recurrent_i8.hpp"
#include "op/builder.hpp"

namespace saha::native {
namespace {

bool default_activations(const NodeSite& s, std::vector<std::string> per_direction) {
  auto names = s.ss("activations");
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (char& c : names[i]) c = char(std::tolower(static_cast<unsigned char>(c)));
    if (names[i] != per_direction[i % per_direction.size()]) return false;
  }
  return true;
}

template <bool Lstm> std::optional<Prepared> recurrent(const NodeSite& s) {
  const std::size_t needed = Lstm ? 8 : 6;
  for (std::size_t i : {0, 1, 2, 3, 5, 6}) if (s.has(i) && s.dtype(i) != DType::f32) return {};
  if (!s.constant[1] || !s.constant[2] || (s.has(3) && !s.constant[3]) || s.has(4) || s.in.size() > needed || (Lstm && s.has(7))) return {};  // lengths, peepholes
  if (s.has_attr("clip") || s.i("layout") != 0 || s.i("input_forget") != 0) return {};
  if (!default_activations(s, Lstm ? std::vector<std::string>{"sigmoid", "tanh", "tanh"} : std::vector<std::string>{"sigmoid", "tanh"})) return {};
  Dims x = s.dims(0), r = s.dims(2);
  std::string direction = s.s("direction");
  bool reversed[2] = {direction == "reverse", true};
  std::span<const bool> directions(reversed, direction == "bidirectional" ? 2 : 1);
  // The kernel reads what these shapes promise; whatever else a model says is for the reference to refuse.
  if (x.size() != 3 || r.size() != 3) return {};
  const std::int64_t n = std::int64_t(directions.size()), h = r[2], rows = (Lstm ? 4 : 3) * h;
  if (r != Dims{n, rows, h} || s.dims(1) != Dims{n, rows, x[2]} || (s.has(3) && s.dims(3) != Dims{n, 2 * rows})) return {};
  for (std::size_t i : {5, 6}) if (s.has(i) && s.dims(i) != Dims{n, x[1], h}) return {};
  const bool bfloats = s.precision == Precision::bfloat16 && kernels::has_bfloat_dots(s.isa);
  auto p = Lstm ? kernels::prepare_lstm(s.isa, x[0], x[1], x[2], r[2], directions, int(s.out.size()), bfloats)
                : kernels::prepare_gru(s.isa, x[0], x[1], x[2], r[2], directions, s.i("linear_before_reset") != 0, int(s.out.size()), bfloats);
  if (Lstm && s.has_attr("cell_clip") && s.f("cell_clip") > 0) p.cell_bound = s.f("cell_clip");
  auto packed = packed_buffer(kernels::packed_recurrent_size(p));
  if (!packed) return {};
  kernels::pack_recurrent(s.isa, p, s.constant[1]->as<float>(), s.constant[2]->as<float>(), s.has(3) ? s.constant[3]->as<float>() : nullptr,
                          {packed->as<float>(), std::size_t(packed->size())});
  Prepared q = call(kernels::kernel(p), p, {Operand::node(0), Operand::packed(0), s.has(5) ? Operand::node(5) : Operand::none()});
  if (Lstm) q.operands.push_back(s.has(6) ? Operand::node(6) : Operand::none());
  q.packed.push_back(std::move(*packed));
  return q;
}

/// The largest rescaled sum stays where a gate's other part can be added to it.
bool fits(const std::vector<Requant>& r, std::int64_t bound) {
  return std::all_of(r.begin(), r.end(), [&](const Requant& q) { return double(bound) * double(q.fixed.multiplier) / 2147483648.0 * std::ldexp(1.0, q.fixed.shift) < 1073741824.0; });
}
/// A product of the gates: weights [1, 4H, K] without zero points, what its sums begin with, its scales.
struct GateProduct {
  std::vector<std::int16_t> weights;
  std::vector<std::int32_t> begin;
  std::vector<Requant> scale;
  std::int64_t bound = 0;
};
std::optional<GateProduct> gate_product(const NodeSite& s, std::size_t operand, const ir::Quant& data, std::int64_t half, std::int64_t k) {
  const Tensor* w = s.constant[operand];
  const auto& q = s.in[operand]->quant;
  const std::int64_t columns = s.dims(operand)[1];
  if (!w || !q || w->dtype != DType::i8 || q->axis != 1 || std::int64_t(q->scale.size()) != columns) return {};
  if (s.has(3) && (!s.constant[3] || s.constant[3]->dtype != DType::i32 || s.dims(3) != Dims{1, 2 * columns})) return {};
  GateProduct p;
  const auto v = values<std::int64_t>(*w), bias = s.has(3) ? values<std::int64_t>(*s.constant[3]) : std::vector<std::int64_t>(std::size_t(2 * columns), 0);
  for (std::int64_t c = 0; c < columns; ++c) {
    if (q->zero[std::size_t(c)] != 0) return {};
    std::int64_t sum = 0, size = 0;
    for (std::int64_t i = 0; i < k; ++i) {
      const std::int64_t e = v[std::size_t(c * k + i)];
      p.weights.push_back(std::int16_t(e));
      sum += e, size += std::abs(e);
    }
    const std::int64_t begin = bias[std::size_t(half * columns + c)] - data.zero[0] * sum;
    p.bound = std::max(p.bound, std::abs(bias[std::size_t(half * columns + c)]) + 511 * size);
    p.begin.push_back(std::int32_t(std::uint32_t(begin)));
    p.scale.push_back(requant(Rounding::fixed_legacy, data.scale[0], q->scale[std::size_t(c)], 1.0f / 4096));
  }
  if (p.bound >= std::int64_t{1} << 30 || !fits(p.scale, p.bound)) return {};
  return p;
}
/// Of stored integers: as lstm_integer of op/recurrent_integer.cpp says it.
std::optional<Prepared> stored_lstm(const NodeSite& s) {
  const auto one = [&](const ir::TypeRef& t) { return t && t->quant && t->quant->scale.size() == 1; };
  for (std::size_t i : {0, 1, 2, 5, 6}) if (!s.has(i)) return {};
  if (s.out.size() != 1 || !one(s.in[0]) || !one(s.in[5]) || !one(s.in[6]) || !one(s.out[0]) || (s.dtype(0) != DType::i8 && s.dtype(0) != DType::u8) || s.out[0]->dtype != DType::i8) return {};
  auto form = op::integer_form(*op::find(s.op)->def, s.in, s.out[0], s.attrs);   // refused by the reference: nothing for a kernel
  const Dims x = s.dims(0), r = s.dims(2);
  if (!form || s.s("rounding") != "fixed_legacy" || x.size() != 3 || r.size() != 3) return {};
  const std::int64_t h = r[2], b = x[1], k = x[2];
  if (h < 1 || k < 1 || r != Dims{1, 4 * h, h} || s.dims(1) != Dims{1, 4 * h, k} || s.dims(5) != Dims{1, b, h} || s.dims(6) != Dims{1, b, h} || s.out_dims() != Dims{x[0], 1, b, h}) return {};
  const ir::Quant &y = *s.out[0]->quant, &c = *s.in[6]->quant;
  int exponent = 0;
  std::frexp(c.scale[0], &exponent);
  const int fraction = 1 - exponent;
  const auto in = gate_product(s, 1, *s.in[0]->quant, 0, k), state = gate_product(s, 2, y, 1, h);
  if (!in || !state) return {};
  std::vector<Requant> both = in->scale;
  both.insert(both.end(), state->scale.begin(), state->scale.end());
  const auto gates = kernels::rescaling(both, std::max(in->bound, state->bound), 0, true);
  const Requant output{Rounding::fixed_legacy, 0, fixed_scale(double(std::ldexp(1.0f, -30) / y.scale[0]))};
  const auto rule = kernels::rescaling(output, std::int64_t{1} << 30, std::int32_t(y.zero[0]), true);
  if (!gates || !rule) return {};
  const std::int32_t most = s.has_attr("cell_clip") ? std::int32_t(std::min(double(s.f("cell_clip") / c.scale[0]), 32767.0)) : 32768;
  const auto p = kernels::prepare_lstm_i8(s.isa, x[0], b, k, h, s.dtype(0) == DType::i8, fraction, most, *gates, {*rule, std::int32_t(y.zero[0]), -128, 127});
  auto packed = packed_buffer(kernels::layout(s.isa, p).size);
  if (!packed) return {};
  packed->dtype = DType::i32;
  kernels::pack_lstm_i8(s.isa, p, {in->weights, state->weights, in->begin, state->begin, in->scale, state->scale, output}, {packed->as<std::int32_t>(), std::size_t(packed->size())});
  Prepared q = call("lstm_i8", p, {Operand::node(0), Operand::packed(0), Operand::node(5), Operand::node(6)});
  q.packed.push_back(std::move(*packed));
  return q;
}

constexpr KernelDef kRows[] = {{"LSTM", recurrent<true>}, {"GRU", recurrent<false>}, {"LSTM", stored_lstm}};
}  // namespace

std::span<const KernelDef> recurrent_rows() { return kRows; }

}  // namespace saha::native
