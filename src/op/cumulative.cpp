// Running sums and products along an axis. Source: ONNX operator specification, opset 28.
#include "op/builder.hpp"

namespace saha::op {
namespace {
Result<> infer_cumulative(Infer& c) {
  if (auto a = c.numbers(1)) {
    if (a->size() != 1) return c.fail("axis has " + std::to_string(a->size()) + " elements, 1 is needed");
    SAHA_DO(c.axis(a->front(), c.rank(0)));
  }
  return c.give(c.dtype(0), c.dims(0));
}
template <class T, bool kProduct> Result<> accumulate(Eval& c) {
  const Tensor& x = c.x(0);
  if (c.x(1).size() != 1) return c.fail("axis has " + std::to_string(c.x(1).size()) + " elements, 1 is needed");
  SAHA_TRY(std::size_t axis, c.axis(c.x(1).int_at(0), x.rank()));
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  std::int64_t length = x.dims[axis], inner = 1;
  for (std::size_t i = axis + 1; i < x.rank(); ++i) inner *= x.dims[i];
  std::vector<T> v = values<T>(x), row(static_cast<std::size_t>(inner));
  bool reverse = c.i("reverse") != 0, exclusive = c.i("exclusive") != 0;
  // Row by row along the axis, all inner elements at once.
  for (std::size_t at = 0; at < v.size(); at += std::size_t(length * inner)) {
    row.assign(row.size(), T(kProduct));
    for (std::int64_t k = 0; k < length; ++k) {
      T* e = v.data() + at + std::size_t((reverse ? length - 1 - k : k) * inner);
      for (std::size_t i = 0; i < row.size(); ++i) {
        T next = kProduct ? row[i] * e[i] : row[i] + e[i];
        e[i] = exclusive ? row[i] : next;
        row[i] = next;
      }
    }
  }
  fill<T>(y, v);
  return c.give(std::move(y));
}
// Integers wrap, so the unsigned carrier serves both signs.
template <bool kProduct> Result<> eval_cumulative(Eval& c) {
  return is_float(c.x(0).dtype) ? accumulate<double, kProduct>(c) : accumulate<std::uint64_t, kProduct>(c);
}
Val cum_sum_adjoint(const Site& s, std::size_t, Val dy) {
  return s.b.op("CumSum", {dy, s.in[1]}, {{"reverse", std::int64_t(!s.i("reverse"))}, {"exclusive", s.i("exclusive")}});
}

/// dy_j/dx_i is the product of the factors before x_i, times that of those between x_i and y_j: nothing is divided by, so x may be zero.
/// Places i lie along the axis, j along one more behind it.
Vals cum_prod_vjp(const Site& s, const Vals& dy) {
  Builder& b = s.b;
  const Tensor* given = b.data(s.in[1]);
  const auto rank = std::int64_t(s.type(0).dims.size());
  if (!given || given->size() != 1) {
    b.fail({ErrorCode::unsupported, "CumProd: its gradient needs a constant axis"});
    return {};
  }
  const std::int64_t axis = given->int_at(0) + (given->int_at(0) < 0 ? rank : 0);
  const bool reverse = s.i("reverse"), exclusive = s.i("exclusive");
  const Attrs outer = {{"reverse", s.i("reverse")}, {"exclusive", std::int64_t{1}}};
  Val zero = b.constant(Tensor::scalar_int(0)), one = b.constant(Tensor::scalar_int(1)), next = b.constant(Tensor::scalar_int(axis + 1));
  Val place = b.op("Range", {zero, b.op("Gather", {b.op("Shape", {s.in[0]}), b.constant(Tensor::scalar_int(axis))}), one});
  const auto with_ones = [&](std::int64_t n) {
    std::vector<std::int64_t> axes;
    for (std::int64_t k = 1; k <= n; ++k) axes.push_back(k);
    return n ? b.op("Unsqueeze", {place, b.ints(axes)}) : place;
  };
  Val j = with_ones(rank - axis - 1), i = with_ones(rank - axis);
  Val not_after = b.op(reverse ? ir::OpName("GreaterOrEqual") : ir::OpName("LessOrEqual"), {j, i});
  Val reached = exclusive ? b.op("Not", {not_after}) : b.op(reverse ? ir::OpName("LessOrEqual") : ir::OpName("GreaterOrEqual"), {j, i});
  const auto wide = [&](Val v) { return b.op("Unsqueeze", {v, b.ints({axis})}); };
  Val between = b.op("CumProd", {b.op("Where", {not_after, b.scalar(1, s.in[0]), wide(s.in[0])}), next}, s.attrs);
  Val sum = b.op("ReduceSum", {b.op("Where", {reached, between * wide(dy[0]), b.scalar(0, dy[0])}), b.ints({axis + 1})}, {{"keepdims", std::int64_t{0}}});
  return {b.op("CumProd", {s.in[0], s.in[1]}, outer) * sum};
}

constexpr std::string_view kSignature = "(x: T, axis: T2) -> (y: T) where T: float uint32 uint64 int32 int64, T2: int32 int64 | reverse: int = 0, exclusive: int = 0";

constexpr OpDef kOps[] = {
    {.name = "CumSum", .since_version = 14, .signature = kSignature, .infer = infer_cumulative, .eval = eval_cumulative<false>, .linear = joint({0}), .adjoint = cum_sum_adjoint, .rounding = ErrorModel::dot},
    {.name = "CumProd", .since_version = 26, .signature = kSignature, .infer = infer_cumulative, .eval = eval_cumulative<true>, .vjp = cum_prod_vjp, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> cumulative() { return kOps; }

}  // namespace saha::op
