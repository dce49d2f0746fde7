// Reductions over any set of axes. Source: ONNX operator specification, opset 28. An empty set of values gives the neutral element (Sum 0,
// Prod 1, Max the least value, Min the greatest, LogSum -inf; the mean of nothing is NaN, 0 for integers).
#include <bit>
#include <cmath>

#include "op/integer_form.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {

// ---- which axes -----------------------------------------------------------------------------------------------------------------
/// Flags per axis. `axes` empty: all, or none with noop_with_empty_axes.
template <class C> Result<std::vector<char>> reduced_axes(const C& c, std::size_t rank, const std::vector<std::int64_t>& axes) {
  std::vector<char> r(rank, axes.empty() && c.i("noop_with_empty_axes") == 0);
  for (std::int64_t a : axes) {
    SAHA_TRY(std::size_t i, c.axis(a, rank));
    r[i] = 1;
  }
  return r;
}
Result<> infer_reduce(Infer& c) {
  bool keep = c.i("keepdims") != 0;
  const auto& d = c.dims(0);
  std::vector<Dim> y;
  auto axes = c.has(1) ? c.numbers(1) : std::vector<std::int64_t>{};
  if (axes) {
    SAHA_TRY(auto reduced, reduced_axes(c, d.size(), *axes));
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (!reduced[i]) y.push_back(d[i]);
      else if (keep) y.push_back(1);
    }
    return c.give(c.dtype(0), std::move(y));
  }
  // Which axes is not known: with keepdims the rank is, else perhaps by the number of axes.
  if (keep) {
    for (std::size_t i = 0; i < d.size(); ++i) y.push_back(c.fresh("reduced"));
    return c.give(c.dtype(0), std::move(y));
  }
  auto count = c.rank(1) == 1 ? c.dims(1)[0].known() : std::optional<std::int64_t>{};
  if (!count || *count <= 0 || *count > std::int64_t(d.size())) return c.give_unranked(c.dtype(0));
  for (std::size_t i = 0; i < d.size() - std::size_t(*count); ++i) y.push_back(c.fresh("reduced"));
  return c.give(c.dtype(0), std::move(y));
}

// ---- the walk: rows of the last axis, each added to a row of the result or folded into one element of it ------------------------------
/// F: first() the start value; add(acc, x); finish(acc, count). Two passes where F has a pivot (LogSumExp's maximum).
struct Plan { Dims y, strides; std::int64_t count; };
template <class T, class S> void walk(const Tensor& x, const Plan& p, S add_row) {
  const std::size_t r = x.rank();
  const std::int64_t inner = r ? x.dims[r - 1] : 1, dy = r ? p.strides[r - 1] : 0;
  if (x.size() == 0) return;
  std::vector<T> row(static_cast<std::size_t>(inner));
  Dims outer(x.dims.begin(), x.dims.begin() + std::ptrdiff_t(r ? r - 1 : 0)), at(outer.size(), 0);
  std::array<Dims, 1> stride = {p.strides};
  std::array<std::int64_t, 1> y = {0};
  std::int64_t start = 0;
  do {
    load(x, start, 1, inner, row.data());
    add_row(y[0], dy, inner, row.data());
    start += inner;
  } while (step(outer, at, stride, y));
}
template <class F, class T> std::vector<T> reduce(const Tensor& x, const Plan& p, DType t) {
  F f{};
  f.bind(t);
  std::vector<T> acc(std::size_t(num_elements(p.y)), T(f.template first<T>()));
  if constexpr (requires { F::kPivot; }) {
    std::vector<T> pivot(acc.size(), -std::numeric_limits<T>::infinity());
    walk<T>(x, p, [&](std::int64_t y, std::int64_t dy, std::int64_t n, const T* row) { for (std::int64_t i = 0; i < n; ++i) { T& m = pivot[std::size_t(y + i * dy)]; m = row[i] > m || std::isnan(row[i]) ? row[i] : m; } });
    walk<T>(x, p, [&](std::int64_t y, std::int64_t dy, std::int64_t n, const T* row) { for (std::int64_t i = 0; i < n; ++i) { auto k = std::size_t(y + i * dy); acc[k] += std::exp(row[i] == pivot[k] ? 0 : row[i] - pivot[k]); } });
    for (std::size_t i = 0; i < acc.size(); ++i) acc[i] = pivot[i] + std::log(acc[i]);
  } else {
    walk<T>(x, p, [&](std::int64_t y, std::int64_t dy, std::int64_t n, const T* row) {
      if (dy == 0) {
        T a = acc[std::size_t(y)];
        for (std::int64_t i = 0; i < n; ++i) f.add(a, row[i]);
        acc[std::size_t(y)] = a;
      } else for (std::int64_t i = 0; i < n; ++i) f.add(acc[std::size_t(y + i * dy)], row[i]);
    });
    for (T& a : acc) f.finish(a, p.count);
  }
  return acc;
}
template <class F> Result<> eval_reduce(Eval& c) {
  const Tensor& x = c.x(0);
  std::vector<std::int64_t> axes;
  if (c.has(1)) axes = c.ints(1);
  SAHA_TRY(auto reduced, reduced_axes(c, x.rank(), axes));
  bool keep = c.i("keepdims") != 0;
  Plan p{{}, Dims(x.rank(), 0), 1};
  Dims full;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (reduced[i]) p.count *= x.dims[i];
    full.push_back(reduced[i] ? 1 : x.dims[i]);
    if (!reduced[i] || keep) p.y.push_back(full.back());
  }
  Dims s = row_major(full);
  for (std::size_t i = 0; i < x.rank(); ++i) if (!reduced[i]) p.strides[i] = s[i];
  SAHA_TRY(Tensor y, c.make(x.dtype, p.y));
  if (is_float(x.dtype)) fill<double>(y, reduce<F, double>(x, p, x.dtype));
  else if constexpr (!requires { F::kReal; }) {
    if (is_signed_int(x.dtype)) fill<std::int64_t>(y, reduce<F, std::int64_t>(x, p, x.dtype));
    else fill<std::uint64_t>(y, reduce<F, std::uint64_t>(x, p, x.dtype));
  }
  return c.give(std::move(y));
}

// ---- what is folded. Integers wrap mod 2^64: sums and products go through uint64 ----------------------------------------------------------
template <class T> T plus(T a, T b) { if constexpr (std::is_integral_v<T>) return T(std::uint64_t(a) + std::uint64_t(b)); else return a + b; }
template <class T> T times(T a, T b) { if constexpr (std::is_integral_v<T>) return T(std::uint64_t(a) * std::uint64_t(b)); else return a * b; }
template <class T> T absolute(T a) { if constexpr (std::is_same_v<T, std::uint64_t>) return a; else if constexpr (std::is_same_v<T, double>) return std::fabs(a); else return a < 0 ? T(-std::uint64_t(a)) : a; }
struct Fold {
  void bind(DType) {}
  template <class T> T first() const { return T(0); }
  template <class T> void finish(T&, std::int64_t) const {}
};
struct SumF : Fold { template <class T> void add(T& a, T x) const { a = plus(a, x); } };
struct MeanF : SumF { template <class T> void finish(T& a, std::int64_t n) const { if constexpr (std::is_same_v<T, double>) a /= double(n); else a = n ? T(a / T(n)) : T(0); } };
struct ProdF : Fold { template <class T> T first() const { return T(1); } template <class T> void add(T& a, T x) const { a = times(a, x); } };
struct L1F : Fold { template <class T> void add(T& a, T x) const { a = plus(a, absolute(x)); } };
struct SumSquareF : Fold { template <class T> void add(T& a, T x) const { a = plus(a, times(x, x)); } };
struct L2F : SumSquareF { template <class T> void finish(T& a, std::int64_t) const { a = T(std::sqrt(double(a))); } };
struct LogSumF : SumF { static constexpr bool kReal = true; void finish(double& a, std::int64_t) const { a = std::log(a); } };
struct LogSumExpF : Fold { static constexpr bool kReal = true, kPivot = true; };
// The neutral element of Max and Min is that of the dtype: -inf, or the least integer. NaN stays.
struct MaxF : Fold {
  IntRange range{};
  void bind(DType t) { if (!is_float(t)) range = int_range(t); }
  template <class T> T first() const { if constexpr (std::is_same_v<T, double>) return -std::numeric_limits<double>::infinity(); else return T(range.lo); }
  template <class T> void add(T& a, T x) const { if (x > a || x != x) a = x; }
};
struct MinF : Fold {
  DType t{};
  void bind(DType d) { t = d; }
  template <class T> T first() const {
    if constexpr (std::is_same_v<T, double>) return std::numeric_limits<double>::infinity();
    else return t == DType::u64 ? T(~std::uint64_t{0}) : T(int_range(t).hi);
  }
  template <class T> void add(T& a, T x) const { if (x < a || x != x) a = x; }
};

// ---- gradients ---------------------------------------------------------------------------------------------------------------------------
Attrs reduce_attrs(const Site& s, bool keep) { return {{"keepdims", std::int64_t(keep)}, {"noop_with_empty_axes", s.i("noop_with_empty_axes")}}; }
/// v, shaped as a result of s, as if keepdims were 1.
Val kept(const Site& s, Val v) {
  if (s.i("keepdims") != 0) return v;
  if (!s.type(0).ranked) { s.b.fail({ErrorCode::unsupported, "a reduction's gradient needs an operand of known rank"}); return v; }
  std::size_t rank = s.type(0).dims.size();
  const Known* axes = s.has(1) ? s.b.known(s.in[1]) : nullptr;
  if (s.has(1) && (!axes || !axes->empty())) return s.b.op("Unsqueeze", {v, s.in[1]});
  if (s.i("noop_with_empty_axes") != 0) return v;
  return s.b.op("Reshape", {v, s.b.ints(ir::Ints(rank, 1))});
}
Val like_operand(const Site& s, Val v) { return s.b.op("Expand", {kept(s, v), s.b.op("Shape", {s.in[0]})}); }
Val again(const Site& s, ir::OpName op, Val x) {
  Vals in = {x};
  if (s.has(1)) in.push_back(s.in[1]);
  return s.b.op(op, in, reduce_attrs(s, s.i("keepdims") != 0));
}
Val sum_adjoint(const Site& s, std::size_t, Val dy) { return like_operand(s, dy); }
/// Elements of the operand over elements of the result, as a number of dy's dtype.
Val ratio(const Site& s, Val dy) {
  Dim n = product(s.type(0).dims, 0, s.type(0).dims.size()), m = product(s.b.type(dy).dims, 0, s.b.type(dy).dims.size());
  if (s.type(0).ranked && s.b.type(dy).ranked)
    if (auto k = floor_div(n, m).known(); k && n == m * Dim(*k)) return s.b.scalar(double(*k), dy);
  Attrs to = {{"to", std::int64_t(s.b.type(dy).dtype)}};
  return s.b.op("Cast", {s.b.op("Size", {s.in[0]})}, to) / s.b.op("Cast", {s.b.op("Size", {dy})}, to);
}
Val mean_adjoint(const Site& s, std::size_t, Val dy) { return like_operand(s, dy / ratio(s, dy)); }
/// The gradient is shared evenly among equal extremes, as PyTorch's amax does.
Vals extreme_vjp(const Site& s, const Vals& dy) {
  Val mask = s.b.op("Cast", {s.b.op("Equal", {s.in[0], kept(s, s.out[0])})}, {{"to", std::int64_t(s.type(0).dtype)}});
  return {mask * kept(s, dy[0] / again(s, "ReduceSum", mask))};
}
/// The stored numbers are summed without their zero points; a mean's count is part of the multiplier.
template <bool kMean> Val sum_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  if (!fixed(s) || !x.quant || !result.quant || !ir::is_static(x) || !ir::is_static(result)) return {};
  Val sum = again(s, "ReduceSum", centred(s.in[0], DType::i32));
  FixedScale f = fixed_scale(double(x.quant->scale[0]) / double(result.quant->scale[0]));
  if (kMean) {
    std::int64_t n = 1, m = 1;
    for (const Dim& d : x.dims) n *= *d.known();
    for (const Dim& d : result.dims) m *= *d.known();
    if (m == 0 || n == 0) return {};
    const int shift = std::min({63 - std::countl_zero(std::uint64_t(n / m)), 32, 31 + f.shift});
    f = {std::int32_t((std::int64_t{f.multiplier} << shift) / (n / m)), f.shift - shift};
  }
  return stored(s.b.op("Rescale", {sum}, {{"multiplier", ir::Ints{f.multiplier}}, {"shift", ir::Ints{f.shift}}, {"rounding", rounding(s)}}), result);
}
/// The largest stored number is the largest real one, where the operand and the result share their quantisation.
template <bool kMax> Val extreme_integer(const Site& s, const Type& result) {
  return same_storage(s.type(0), result) ? again(s, kMax ? ir::OpName("ReduceMax") : ir::OpName("ReduceMin"), s.in[0]) : Val{};
}
/// d prod / dx = prod / x; where x is 0 it is the product of the others, so zeros are replaced and counted.
Vals prod_vjp(const Site& s, const Vals& dy) {
  Val x = s.in[0], zero = s.b.op("Equal", {x, s.b.scalar(0, x)}), one = s.b.scalar(1, x);
  Attrs to = {{"to", std::int64_t(s.type(0).dtype)}};
  Val filled = s.b.op("Where", {zero, one, x}), zeros = s.b.op("Cast", {zero}, to);
  Val others = kept(s, again(s, "ReduceProd", filled)) / filled;                       // product of the others that are not 0
  Val left = kept(s, again(s, "ReduceSum", zeros)) - zeros;                            // zeros among the others
  Val alone = s.b.op("Cast", {s.b.op("Equal", {left, s.b.scalar(0, x)})}, to);
  return {kept(s, dy[0]) * others * alone};
}
Vals log_sum_exp_vjp(const Site& s, const Vals& dy) { return {s.b.op("Exp", {s.in[0] - kept(s, s.out[0])}) * kept(s, dy[0])}; }
Vals l2_vjp(const Site& s, const Vals& dy) {
  Val y = kept(s, s.out[0]), zero = s.b.op("Equal", {y, s.b.scalar(0, y)});
  return {s.in[0] * (kept(s, dy[0]) / s.b.op("Where", {zero, s.b.scalar(1, y), y}))};  // 0 at the origin
}
Vals l1_body(const Site& s) { return {again(s, "ReduceSum", s.b.op("Abs", {s.in[0]}))}; }
Vals l2_body(const Site& s) { return {s.b.op("Sqrt", {again(s, "ReduceSum", s.in[0] * s.in[0])})}; }
Vals sum_square_body(const Site& s) { return {again(s, "ReduceSum", s.in[0] * s.in[0])}; }
Vals log_sum_body(const Site& s) { return {s.b.op("Log", {again(s, "ReduceSum", s.in[0])})}; }
Vals log_sum_exp_body(const Site& s) { return {s.b.op("Log", {again(s, "ReduceSum", s.b.op("Exp", {s.in[0]}))})}; }

#define SAHA_REDUCTION(types) "(data: T, axes: int64?!) -> (reduced: T) where T: " types " | keepdims: int = 1, noop_with_empty_axes: int = 0"
constexpr std::string_view kNumbers = SAHA_REDUCTION("float int32 int64 uint32 uint64"), kOrdered = SAHA_REDUCTION("float int8 int32 int64 uint8 uint32 uint64 bool"),
                           kReals = SAHA_REDUCTION("float");
#undef SAHA_REDUCTION
constexpr OpDef kOps[] = {
    {.name = "ReduceSum", .since_version = 13, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<SumF>, .linear = joint({0}), .adjoint = sum_adjoint, .integer = sum_integer<false>, .rounding = ErrorModel::dot},
    {.name = "ReduceMean", .since_version = 18, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<MeanF>, .linear = joint({0}), .adjoint = mean_adjoint, .integer = sum_integer<true>, .rounding = ErrorModel::dot},
    {.name = "ReduceProd", .since_version = 18, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<ProdF>, .vjp = prod_vjp, .rounding = ErrorModel::dot},
    {.name = "ReduceMax", .since_version = 20, .signature = kOrdered, .infer = infer_reduce, .eval = eval_reduce<MaxF>, .vjp = extreme_vjp, .integer = extreme_integer<true>},
    {.name = "ReduceMin", .since_version = 20, .signature = kOrdered, .infer = infer_reduce, .eval = eval_reduce<MinF>, .vjp = extreme_vjp, .integer = extreme_integer<false>},
    {.name = "ReduceL1", .since_version = 18, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<L1F>, .body = l1_body, .rounding = ErrorModel::dot},
    {.name = "ReduceL2", .since_version = 18, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<L2F>, .body = l2_body, .vjp = l2_vjp, .rounding = ErrorModel::dot},
    {.name = "ReduceSumSquare", .since_version = 18, .signature = kNumbers, .infer = infer_reduce, .eval = eval_reduce<SumSquareF>, .body = sum_square_body, .rounding = ErrorModel::dot},
    {.name = "ReduceLogSum", .since_version = 28, .signature = kReals, .infer = infer_reduce, .eval = eval_reduce<LogSumF>, .body = log_sum_body, .rounding = ErrorModel::dot},
    {.name = "ReduceLogSumExp", .since_version = 28, .signature = kReals, .infer = infer_reduce, .eval = eval_reduce<LogSumExpF>, .body = log_sum_exp_body, .vjp = log_sum_exp_vjp, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> reduction() { return kOps; }

}  // namespace saha::op
