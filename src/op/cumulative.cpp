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

constexpr std::string_view kSignature = "(x: T, axis: T2) -> (y: T) where T: float uint32 uint64 int32 int64, T2: int32 int64 | reverse: int = 0, exclusive: int = 0";

constexpr OpDef kOps[] = {
    {.name = "CumSum", .since_version = 14, .signature = kSignature, .infer = infer_cumulative, .eval = eval_cumulative<false>, .linear = joint({0}), .adjoint = cum_sum_adjoint, .rounding = ErrorModel::dot},
    {.name = "CumProd", .since_version = 26, .signature = kSignature, .infer = infer_cumulative, .eval = eval_cumulative<true>, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> cumulative() { return kOps; }

}  // namespace saha::op
