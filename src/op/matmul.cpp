// Products of matrices: MatMul, Gemm, MatMulInteger. Source: ONNX operator specification, opset 28. Einsum and Det: contraction.cpp.
#include <algorithm>

#include "op/elementwise.hpp"
#include "op/integer_form.hpp"
#include "op/matrix.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {

// A 1-D operand gets an axis of 1 that the result loses again.
template <class D> std::vector<D> as_matrix(std::vector<D> d, bool left) {
  if (d.size() == 1) d.insert(left ? d.begin() : d.end(), D(1));
  return d;
}

// ---- MatMul ------------------------------------------------------------------------------------------------------------------
Result<std::vector<Dim>> matmul_dims(Infer& c, std::vector<Dim> a, std::vector<Dim> b) {
  if (a.empty() || b.empty()) return c.fail("takes no scalars: A is " + ir::str(*c.in[0]) + ", B is " + ir::str(*c.in[1]));
  bool row = a.size() == 1, column = b.size() == 1;
  a = as_matrix(std::move(a), true);
  b = as_matrix(std::move(b), false);
  const Dim &k = a.back(), &rows = b[b.size() - 2];
  if (k.known() && rows.known() && !(k == rows)) return c.fail("A " + ir::str(*c.in[0]) + " has " + k.str() + " columns, B " + ir::str(*c.in[1]) + " has " + rows.str() + " rows");
  TypeRef batch[] = {ir::tensor_type(DType::f32, {a.begin(), a.end() - 2}), ir::tensor_type(DType::f32, {b.begin(), b.end() - 2})};
  auto d = broadcast(batch);
  if (!d) return c.fail("batch " + d.error().message);
  if (!row) d->push_back(a[a.size() - 2]);
  if (!column) d->push_back(b.back());
  return std::move(*d);
}
Result<> infer_matmul(Infer& c) {
  SAHA_TRY(auto d, matmul_dims(c, c.dims(0), c.dims(1)));
  return c.give(c.dtype(0), std::move(d));
}

template <class T> std::vector<T> batched(const Dims& batch, const Dims& a, const Dims& b, const std::vector<T>& x, const std::vector<T>& w) {
  std::int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  std::vector<T> y(std::size_t(num_elements(batch) * m * n), T{});
  if (y.empty()) return y;
  std::array<Dims, 2> stride = {broadcast_strides(std::span(a).first(a.size() - 2), batch), broadcast_strides(std::span(b).first(b.size() - 2), batch)};
  std::array<std::int64_t, 2> offset = {0, 0};
  Dims at(batch.size(), 0);
  T* out = y.data();
  do {
    multiply(x.data() + offset[0] * m * k, w.data() + offset[1] * k * n, out, m, k, n);
    out += m * n;
  } while (step(batch, at, stride, offset));
  return y;
}
struct MatMulShape { Dims a, b, batch, y; };
Result<MatMulShape> matmul_shape(const Eval& c) {
  MatMulShape s{c.x(0).dims, c.x(1).dims, {}, {}};
  if (s.a.empty() || s.b.empty()) return c.fail("takes no scalars");
  bool row = s.a.size() == 1, column = s.b.size() == 1;
  s.a = as_matrix(std::move(s.a), true);
  s.b = as_matrix(std::move(s.b), false);
  if (s.a.back() != s.b[s.b.size() - 2]) return c.fail("A " + str(c.x(0).dims) + " has " + std::to_string(s.a.back()) + " columns, B " + str(c.x(1).dims) + " has " + std::to_string(s.b[s.b.size() - 2]) + " rows");
  Dims batches[] = {{s.a.begin(), s.a.end() - 2}, {s.b.begin(), s.b.end() - 2}};
  auto batch = broadcast(batches);
  if (!batch) return c.fail("batch " + batch.error().message);
  s.batch = s.y = std::move(*batch);
  if (!row) s.y.push_back(s.a[s.a.size() - 2]);
  if (!column) s.y.push_back(s.b.back());
  return s;
}
double products(const MatMulShape& s) { return double(checked_elements(s.y).value_or(INT64_MAX)) * double(s.a.back()); }
Result<> eval_matmul(Eval& c) {
  SAHA_TRY(MatMulShape s, matmul_shape(c));
  SAHA_DO(c.spend(products(s)));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.y));
  // Sums and products of integers are exact mod 2^64 in uint64, signed or not.
  if (is_float(y.dtype)) fill<double>(y, batched(s.batch, s.a, s.b, values<double>(c.x(0)), values<double>(c.x(1))));
  else fill<std::uint64_t>(y, batched(s.batch, s.a, s.b, values<std::uint64_t>(c.x(0)), values<std::uint64_t>(c.x(1))));
  return c.give(std::move(y));
}
Val transposed(Val v) {  // the last two axes
  std::size_t r = v.b->type(v).dims.size();
  ir::Ints p(r);
  for (std::size_t i = 0; i < r; ++i) p[i] = std::int64_t(i);
  if (r >= 2) std::swap(p[r - 1], p[r - 2]);
  return v.b->op("Transpose", {v}, {{"perm", p}});
}
Val matmul_adjoint(const Site& s, std::size_t operand, Val dy) {
  Builder& b = s.b;
  if (!s.type(0).ranked || !s.type(1).ranked) { b.fail({ErrorCode::unsupported, "MatMul: its gradient needs operands of known rank"}); return dy; }
  bool row = s.type(0).dims.size() == 1, column = s.type(1).dims.size() == 1;
  Val a = row ? b.op("Unsqueeze", {s.in[0], b.ints({0})}) : s.in[0], w = column ? b.op("Unsqueeze", {s.in[1], b.ints({1})}) : s.in[1];
  if (column) dy = b.op("Unsqueeze", {dy, b.ints({-1})});
  if (row) dy = b.op("Unsqueeze", {dy, b.ints({-2})});
  if (operand == 0) {
    Val d = b.op("SumTo", {b.op("MatMul", {dy, transposed(w)}), a});
    return row ? b.op("Squeeze", {d, b.ints({0})}) : d;
  }
  Val d = b.op("SumTo", {b.op("MatMul", {transposed(a), dy}), w});
  return column ? b.op("Squeeze", {d, b.ints({1})}) : d;
}

/// Data rounded in each run, each row of A by itself; `w`: B as [K, N].
Val matmul_dynamic(const Site& s, bool turned) {
  Builder& b = s.b;
  const Type w = s.type(1);
  if (w.dims.size() != 2 || s.type(0).dims.size() < 2 || (w.quant->scale.size() > 1 && w.quant->axis != (turned ? 0 : 1))) {
    b.fail({ErrorCode::unsupported, "data that are rounded in each run go with a matrix of weights and a scale for each result, they are " + ir::str(s.type(0)) + " and " + ir::str(w)});
    return s.in[0];
  }
  Val scale = b.constant(along_axis(DType::f32, w.quant->scale, ir::Quant{{}, {}, 0}, 1));
  return dynamic_product(s, std::int64_t(s.type(0).dims.size()) - 1, Factors::scales_first, scale, [&](Val x, Val weights) { return b.op("MatMulInteger", {x, turned ? transposed(weights) : weights}); });
}
Val matmul_integer(const Site& s, const Type& result) {
  if (dynamic(s)) return matmul_dynamic(s, false);
  const DType wide = accumulator(s.type(0), s.type(1));
  return requantized(s, s.b.op("MatMul", {centred(s.in[0], wide), centred(s.in[1], wide)}), result, -1);
}

// ---- Gemm: Y = alpha A' B' + beta C ----------------------------------------------------------------------------------------------
Result<> infer_gemm(Infer& c) {
  if (c.rank(0) != 2 || c.rank(1) != 2) return c.fail("takes matrices: A is " + ir::str(*c.in[0]) + ", B is " + ir::str(*c.in[1]));
  bool ta = c.i("transA") != 0, tb = c.i("transB") != 0;
  const Dim &ka = c.dims(0)[ta ? 0 : 1], &kb = c.dims(1)[tb ? 1 : 0];
  if (ka.known() && kb.known() && !(ka == kb)) return c.fail("A' has " + ka.str() + " columns, B' has " + kb.str() + " rows");
  std::vector<Dim> d = {c.dims(0)[ta ? 1 : 0], c.dims(1)[tb ? 0 : 1]};
  if (c.has(2)) {
    TypeRef both[] = {ir::tensor_type(c.dtype(0), d), c.in[2]};
    auto y = broadcast(both);
    if (!y || y->size() > 2) return c.fail("C " + ir::str(*c.in[2]) + " does not broadcast to " + ir::str(d));
  }
  return c.give(c.dtype(0), std::move(d));
}
template <class T> std::vector<T> operand(const Tensor& t, bool transpose) {
  if (!transpose) return values<T>(t);
  std::int64_t r = t.dims[0], k = t.dims[1];
  std::vector<T> v(std::size_t(r * k));
  for (std::int64_t j = 0; j < k; ++j) load(t, j, k, r, v.data() + j * r);
  return v;
}
template <class T> void gemm(const Eval& c, const Tensor& y, std::int64_t k) {
  auto a = operand<T>(c.x(0), c.i("transA") != 0), b = operand<T>(c.x(1), c.i("transB") != 0);
  std::int64_t m = y.dims[0], n = y.dims[1];
  std::vector<T> v(std::size_t(m * n), T{});
  multiply(a.data(), b.data(), v.data(), m, k, n);
  const float alpha = c.f("alpha"), beta = c.f("beta");
  // alpha and beta are floats; an integer product is scaled in double where they are not 1, and truncated.
  auto scale = [](T& x, float f) {
    if (f == 1.0f) return;
    if constexpr (std::is_same_v<T, double>) x *= double(f);
    else x = f == std::int64_t(f) ? x * T(std::int64_t(f)) : T(std::int64_t(double(std::int64_t(x)) * double(f)));
  };
  for (T& x : v) scale(x, alpha);
  if (c.has(2)) {
    auto add = values<T>(c.x(2));
    for (T& x : add) scale(x, beta);
    Dims stride = broadcast_strides(c.x(2).dims, y.dims);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) v[std::size_t(i * n + j)] += add[std::size_t(i * stride[0] + j * stride[1])];
  }
  fill<T>(y, v);
}
Result<> eval_gemm(Eval& c) {
  const Dims &a = c.x(0).dims, &b = c.x(1).dims;
  if (a.size() != 2 || b.size() != 2) return c.fail("takes matrices: A is " + str(a) + ", B is " + str(b));
  bool ta = c.i("transA") != 0, tb = c.i("transB") != 0;
  Dims d = {a[ta ? 1 : 0], b[tb ? 0 : 1]};
  std::int64_t k = a[ta ? 0 : 1];
  if (k != b[tb ? 1 : 0]) return c.fail("A' has " + std::to_string(k) + " columns, B' has " + std::to_string(b[tb ? 1 : 0]) + " rows");
  if (c.has(2)) {
    Dims both[] = {d, c.x(2).dims};
    auto y = broadcast(both);
    if (!y || *y != d) return c.fail("C " + str(c.x(2).dims) + " does not broadcast to " + str(d));
  }
  SAHA_DO(c.spend(double(d[0]) * double(d[1]) * double(k)));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, d));
  if (is_float(y.dtype)) gemm<double>(c, y, k);
  else gemm<std::uint64_t>(c, y, k);
  return c.give(std::move(y));
}
Attrs gemm_attrs(const Site& s, bool ta, bool tb) {
  return {{"alpha", s.f("alpha")}, {"transA", std::int64_t(ta)}, {"transB", std::int64_t(tb)}};
}
Val gemm_adjoint(const Site& s, std::size_t operand, Val dy) {
  bool ta = s.i("transA") != 0, tb = s.i("transB") != 0;
  if (operand == 0) return ta ? s.b.op("Gemm", {s.in[1], dy}, gemm_attrs(s, tb, true)) : s.b.op("Gemm", {dy, s.in[1]}, gemm_attrs(s, false, !tb));
  if (operand == 1) return tb ? s.b.op("Gemm", {dy, s.in[0]}, gemm_attrs(s, true, ta)) : s.b.op("Gemm", {s.in[0], dy}, gemm_attrs(s, !ta, false));
  return s.b.op("SumTo", {s.f("beta") == 1 ? dy : dy * double(s.f("beta")), s.in[2]});
}

Val gemm_integer(const Site& s, const Type& result) {
  const DType wide = accumulator(s.type(0), s.type(1));
  if (s.f("alpha") != 1 || s.f("beta") != 1) s.b.fail({ErrorCode::unsupported, "Gemm has an integer form only with alpha and beta 1"});
  if (dynamic(s)) {
    if (s.i("transA") != 0) s.b.fail({ErrorCode::unsupported, "Gemm rounds rows of A in each run, transA is 1"});
    Val y = matmul_dynamic(s, s.i("transB") != 0);
    return s.has(2) ? s.in[2] + y : y;
  }
  Vals in = {centred(s.in[0], wide), centred(s.in[1], wide)};
  if (s.has(2)) in.push_back(s.type(2).dtype == wide ? s.in[2] : s.b.op("Cast", {s.in[2]}, {{"to", std::int64_t(wide)}}));
  return requantized(s, s.b.op("Gemm", in, plain_attrs(s.attrs)), result, 1);
}

// ---- MatMulInteger: (A - a_zero) (B - b_zero) in int32. A's zero point is per row, B's per column -----------------------------------
Result<> infer_matmul_integer(Infer& c) {
  SAHA_TRY(auto d, matmul_dims(c, c.dims(0), c.dims(1)));
  return c.give(DType::i32, std::move(d));
}
// `row` true: element i of the zero point belongs to row i of every matrix, else to column i. A zero point of the operand's own rank
// has a matrix's zero points per batch.
Result<> subtract_zero(const Eval& c, std::size_t at, const Dims& matrix, bool row, std::vector<std::uint64_t>& v) {
  if (!c.has(at)) return {};
  auto zero = values<std::int64_t>(c.x(at));
  std::size_t r = matrix.size();
  Dims view = c.x(at).dims;
  if (view.size() <= 1) view = view.empty() || view[0] == 1 ? Dims(r, 1) : Dims();
  if (view.empty()) {
    view.assign(r, 1);
    view[row ? r - 2 : r - 1] = c.x(at).dims[0];
  }
  Dims both[] = {matrix, view};
  auto d = broadcast(both);
  if (!d || *d != matrix) return c.fail("zero point " + str(c.x(at).dims) + " does not fit an operand of shape " + str(matrix));
  if (v.empty()) return {};
  std::array<Dims, 1> stride = {broadcast_strides(view, matrix)};
  std::array<std::int64_t, 1> offset = {0};
  Dims index(r, 0);
  std::size_t i = 0;
  do v[i++] -= std::uint64_t(zero[std::size_t(offset[0])]);
  while (step(matrix, index, stride, offset));
  return {};
}
Result<> eval_matmul_integer(Eval& c) {
  SAHA_TRY(MatMulShape s, matmul_shape(c));
  SAHA_DO(c.spend(products(s)));
  auto a = values<std::uint64_t>(c.x(0)), b = values<std::uint64_t>(c.x(1));
  SAHA_DO(subtract_zero(c, 2, s.a, true, a));
  SAHA_DO(subtract_zero(c, 3, s.b, false, b));
  SAHA_TRY(Tensor y, c.make(DType::i32, s.y));
  fill<std::uint64_t>(y, batched(s.batch, s.a, s.b, a, b));
  return c.give(std::move(y));
}

constexpr OpDef kOps[] = {
    {.name = "MatMul", .since_version = 13, .signature = "(A: T, B: T) -> (Y: T) where T: float int32 int64 uint32 uint64 | rounding: string?",
     .infer = infer_matmul, .eval = eval_matmul, .linear = bilinear(0, 1), .adjoint = matmul_adjoint, .integer = matmul_integer, .rounding = ErrorModel::dot},
    {.name = "Gemm", .since_version = 13, .signature = "(A: T, B: T, C: T?) -> (Y: T) where T: float int32 int64 uint32 uint64 | alpha: float = 1, beta: float = 1, rounding: string?, transA: int = 0, transB: int = 0",
     .infer = infer_gemm, .eval = eval_gemm, .linear = bilinear(0, 1, {2}), .adjoint = gemm_adjoint, .integer = gemm_integer, .rounding = ErrorModel::dot},
    {.name = "MatMulInteger", .since_version = 10, .signature = "(A: T1, B: T2, a_zero_point: T1?, b_zero_point: T2?) -> (Y: int32) where T1: int8 uint8, T2: int8 uint8",
     .infer = infer_matmul_integer, .eval = eval_matmul_integer, .no_gradient = "integers", .no_integer = "is one already"},
};
}  // namespace
std::span<const OpDef> matmul() { return kOps; }

}  // namespace saha::op
