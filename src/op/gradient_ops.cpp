// Adjoints that ONNX has no operator for, in saha's own domain.
#include "op/elementwise.hpp"

namespace saha::op {
namespace {
// SumTo(X, Like): X summed over the axes that broadcasting Like to X's shape repeats; its own adjoint is that broadcasting.
Result<> infer_sum_to(Infer& c) {
  if (c.rank(1) > c.rank(0)) return c.fail("X has rank " + std::to_string(c.rank(0)) + ", Like has rank " + std::to_string(c.rank(1)));
  return c.give(c.dtype(0), c.dims(1));
}
template <class T> Result<> sum_to(Eval& c) {
  const Tensor &x = c.x(0), &like = c.x(1);
  std::size_t rank = x.dims.size(), lead = rank - like.dims.size();
  for (std::size_t i = 0; i < like.dims.size(); ++i)
    if (like.dims[i] != 1 && like.dims[i] != x.dims[lead + i]) return c.fail("X is " + str(x.dims) + ", which is no broadcast of Like, " + str(like.dims));
  SAHA_TRY(Tensor y, c.make(x.dtype, like.dims));
  Dims step = broadcast_strides(like.dims, x.dims), at(rank, 0);
  std::vector<T> v = values<T>(x), sum(static_cast<std::size_t>(y.size()), T(0));
  std::int64_t inner = rank ? x.dims.back() : 1, s = rank ? step.back() : 0, to = 0;
  for (std::size_t row = 0; row < v.size(); row += std::size_t(inner)) {
    for (std::int64_t i = 0; i < inner; ++i) sum[std::size_t(to + i * s)] += v[row + std::size_t(i)];
    for (std::size_t q = rank >= 2 ? rank - 1 : 0; q-- > 0;) {
      to += step[q];
      if (++at[q] < x.dims[q]) break;
      at[q] = 0;
      to -= step[q] * x.dims[q];
    }
  }
  fill<T>(y, sum);
  return c.give(std::move(y));
}
Result<> eval_sum_to(Eval& c) {
  if (c.x(1).dims.size() > c.x(0).dims.size()) return c.fail("X is " + str(c.x(0).dims) + ", Like is " + str(c.x(1).dims));
  return is_float(c.x(0).dtype) ? sum_to<double>(c) : sum_to<std::uint64_t>(c);  // integers wrap, so one carrier does for both signs
}
Val sum_to_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("Expand", {dy, s.b.op("Shape", {s.in[0]})}); }

constexpr OpDef kOps[] = {
    {.name = "SumTo", .domain = "saha", .since_version = 1, .signature = "(X: T, Like: T1) -> (Y: T) where T: number, T1: number", .infer = infer_sum_to, .eval = eval_sum_to,
     .linear = joint({0}), .adjoint = sum_to_adjoint, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> gradient_ops() { return kOps; }

}  // namespace saha::op
