// Softmax, LogSoftmax, Hardmax along one axis. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>

#include "op/axes.hpp"
#include "op/builder.hpp"
#include "op/narrow.hpp"

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

constexpr OpDef kOps[] = {
    {.name = "Softmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_softmax, .body = softmax_body, .vjp = softmax_vjp, .rounding = ErrorModel::ulp, .max_ulp = 16},
    {.name = "LogSoftmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_log_softmax, .body = log_softmax_body, .vjp = log_softmax_vjp, .rounding = ErrorModel::ulp, .max_ulp = 16},
    {.name = "Hardmax", .since_version = 13, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1",
     .infer = infer_same, .eval = eval_hardmax, .no_gradient = "piecewise constant", .no_bounds = "piecewise constant", .no_integer = "selects; ArgMax serves"},
};
}  // namespace
std::span<const OpDef> softmax() { return kOps; }

}  // namespace saha::op
