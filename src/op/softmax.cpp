// Softmax, LogSoftmax, Hardmax along one axis. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>

#include "op/axes.hpp"
#include "op/integer_form.hpp"
#include "op/narrow.hpp"
#include "tensor/fixed_point.hpp"

namespace saha::op {
namespace {

Result<> infer_same(Infer& c) {
  if (c.rank(0) > 0) { SAHA_DO(c.axis(c.i("axis"), c.rank(0))); }
  return c.give(c.dtype(0), c.dims(0));
}
/// A scalar is a line of one element.
template <class F> Result<> along(Eval& c, F f) {
  if (c.x(0).rank() == 0) {
    SAHA_TRY(Tensor y, c.make(c.x(0).dtype, {}));
    double v = c.x(0).at(0);
    f(&v, 1);
    store(y, 0, 1, &v);
    return c.give(std::move(y));
  }
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), c.x(0).rank()));
  return map_lines(c, axis, f);
}
Result<> eval_softmax(Eval& c) {
  return along(c, [t = c.x(0).dtype](double* v, std::int64_t n) { softmax_line(t, v, n, *std::max_element(v, v + n)); });
}
Result<> eval_log_softmax(Eval& c) {
  return along(c, [](double* v, std::int64_t n) {
    double most = *std::max_element(v, v + n), sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += std::exp(v[i] = v[i] == most ? 0 : v[i] - most);  // equal infinities differ by 0
    sum = std::log(sum);
    for (std::int64_t i = 0; i < n; ++i) v[i] -= sum;
  });
}
Result<> eval_hardmax(Eval& c) {
  return along(c, [](double* v, std::int64_t n) {
    auto best = std::max_element(v, v + n) - v;
    std::fill(v, v + n, 0.0);
    v[best] = 1;
  });
}

Val reduced(const Site& s, ir::OpName op, Val x) { return s.b.op(op, {x, s.b.ints({s.i("axis")})}, {{"keepdims", std::int64_t{1}}}); }
Vals softmax_body(const Site& s) {
  Val e = s.b.op("Exp", {s.in[0] - reduced(s, "ReduceMax", s.in[0])});
  return {e / reduced(s, "ReduceSum", e)};
}
Vals softmax_vjp(const Site& s, const Vals& dy) {
  Val y = s.out[0];
  return {(dy[0] - reduced(s, "ReduceSum", dy[0] * y)) * y};
}
Vals log_softmax_body(const Site& s) { return {s.in[0] - reduced(s, "ReduceLogSumExp", s.in[0])}; }
Vals log_softmax_vjp(const Site& s, const Vals& dy) {
  return {dy[0] - s.b.op("Exp", {s.out[0]}) * reduced(s, "ReduceSum", dy[0])};
}

// ---- Softmax of stored integers -----------------------------------------------------------------------------------------------------------
/// x times the scale of the operand, with 5 integer bits; what lies further below the line's largest than `least` counts as nothing.
Val softmax_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  if (!fixed(s) || !x.quant || !result.quant || bits(x.dtype) > 8) return {};
  const FixedScale f = fixed_scale(std::min(double(x.quant->scale[0]) * double(1 << 26), double(INT32_MAX)));
  if (f.shift < 0 || result.quant->scale[0] != 1.0f / float(std::int64_t{1} << bits(result.dtype)) || result.quant->zero[0] != int_range(result.dtype).lo) return {};
  return s.b.op("FixedSoftmax", {s.in[0]}, {{"axis", s.i("axis")}, {"multiplier", std::int64_t{f.multiplier}}, {"shift", std::int64_t{f.shift}}, {"least", -std::int64_t{fixed::input_radius(5, f.shift)}}, {"to", std::int64_t(result.dtype)}});
}
Result<> infer_fixed_softmax(Infer& c) {
  if (c.rank(0) > 0) { SAHA_DO(c.axis(c.i("axis"), c.rank(0))); }
  const std::int64_t to = c.i("to"), m = c.i("multiplier"), shift = c.i("shift");
  if (to <= 0 || to >= kNumDTypes || !is_int(DType(to)) || bits(DType(to)) > 16) return c.fail("to is " + std::to_string(to) + ", an integer type of at most 16 bits is needed");
  if (m < 0 || m > INT32_MAX || shift < 0 || shift > 30) return c.fail("multiplier " + std::to_string(m) + " with shift " + std::to_string(shift) + " is none");
  return c.give(DType(to), c.dims(0));
}
Result<> eval_fixed_softmax(Eval& c) {
  constexpr int kSumBits = 12;
  const Tensor& x = c.x(0);
  const DType t = DType(c.i("to"));
  const std::int64_t least = c.i("least"), lo = int_range(t).lo, hi = int_range(t).hi;
  const auto multiplier = std::int32_t(c.i("multiplier"));
  const int shift = int(c.i("shift"));
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), x.rank()));
  SAHA_TRY(Tensor y, c.make(t, x.dims));
  std::int64_t n = x.dims[axis], inner = 1;
  for (std::size_t i = axis + 1; i < x.dims.size(); ++i) inner *= x.dims[i];
  if (x.size() == 0) return c.give(std::move(y));
  auto exp_of = [&](std::int64_t difference) { return fixed::exp_of_negative(high_mul(std::int32_t(std::uint32_t(difference) << shift), multiplier), 5); };
  auto v = values<std::int64_t>(x), r = v;
  for (std::int64_t o = 0; o < x.size() / (n * inner); ++o)
    for (std::int64_t i = 0; i < inner; ++i) {
      auto at = [&](std::int64_t k) { return std::size_t((o * n + k) * inner + i); };
      std::int64_t most = v[at(0)];
      std::int32_t sum = 0;
      for (std::int64_t k = 1; k < n; ++k) most = std::max(most, v[at(k)]);
      for (std::int64_t k = 0; k < n; ++k)
        if (std::int64_t d = v[at(k)] - most; d >= least) sum = fixed::sum(sum, round_shift(exp_of(d), kSumBits));
      const fixed::Reciprocal one_over = fixed::reciprocal(std::max(sum, 1), kSumBits);
      const int places = std::clamp(one_over.bits_over_unit + 31 - bits(t), 0, 31);
      for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t d = v[at(k)] - most;
        r[at(k)] = d < least ? lo : std::clamp<std::int64_t>(std::int64_t{round_shift(high_mul(one_over.scale, exp_of(d)), places)} + lo, lo, hi);
      }
    }
  fill(y, std::span<const std::int64_t>(r));
  return c.give(std::move(y));
}

constexpr OpDef kOps[] = {
    {.name = "Softmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_softmax, .body = softmax_body, .vjp = softmax_vjp, .integer = softmax_integer, .rounding = ErrorModel::ulp, .max_ulp = 16},
    {.name = "LogSoftmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_log_softmax, .body = log_softmax_body, .vjp = log_softmax_vjp, .rounding = ErrorModel::ulp, .max_ulp = 16},
    {.name = "Hardmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_hardmax, .no_gradient = "piecewise constant", .no_bounds = "piecewise constant", .no_integer = "selects; ArgMax serves"},
    {.name = "FixedSoftmax", .domain = "saha", .signature = "(X: T) -> (Y: V) where T: int8 uint8 int16, V: int8 uint8 int16 | axis: int = -1, multiplier: int, shift: int, least: int, to: int",
     .infer = infer_fixed_softmax, .eval = eval_fixed_softmax, .no_gradient = "it reads and writes integers"},
};
}  // namespace
std::span<const OpDef> softmax() { return kOps; }

}  // namespace saha::op
