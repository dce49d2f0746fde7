#pragma once
// What tests of operator families share: an operator run or inferred in one line, random tensors, and the check of an adjoint.
#include <gtest/gtest.h>

#include <random>

#include "op/builder.hpp"

namespace saha::op::testing {

inline Tensor f32(Dims d, std::initializer_list<double> v) { return Tensor::of(DType::f32, std::move(d), v); }
inline Tensor f64(Dims d, std::initializer_list<double> v) { return Tensor::of(DType::f64, std::move(d), v); }
inline Tensor i64(Dims d, std::initializer_list<double> v) { return Tensor::of(DType::i64, std::move(d), v); }
inline Tensor ints(std::initializer_list<std::int64_t> v) { return Tensor::of_ints(std::vector<std::int64_t>(v)); }
inline Tensor random_tensor(std::mt19937& rng, Dims d, DType t = DType::f64) {
  std::vector<double> v(static_cast<std::size_t>(num_elements(d)));
  for (double& x : v) x = std::uniform_real_distribution<double>(-1, 1)(rng);
  return v.empty() ? Tensor::zeros(t, std::move(d)) : Tensor::of(t, std::move(d), std::span<const double>(v));
}
/// One node of a graph whose inputs are the tensors, inferred and run; an operand of no dtype is omitted. Results that are tensors have a
/// rank before they are run.
inline Result<std::vector<Datum>> node(ir::OpName op, const std::vector<Tensor>& in, Attrs attrs = {}, int num_out = 1) {
  Builder b;
  Vals v;
  std::vector<Datum> data;
  for (const Tensor& t : in) {
    if (t.dtype == DType::none) { v.push_back({}); continue; }
    v.push_back(b.input(ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()})));
    data.emplace_back(t);
  }
  Vals y = b.ops(op, v, std::move(attrs), num_out);
  SAHA_TRY(auto g, std::move(b).build(y));
  for (ValueId o : g.outputs()) EXPECT_TRUE(g.type(o).ranked || !g.type(o).is_tensor()) << op.str();
  return run(g, data);
}
inline std::vector<double> numbers(const Result<std::vector<Datum>>& r, std::size_t k = 0) {
  if (!r) { ADD_FAILURE() << r.error().message; return {}; }
  return values<double>((*r)[k].tensor);
}
/// A graph of one operator over inputs of the tensors' types; operands without a tensor are omitted.
inline Result<std::vector<Datum>> eval(ir::OpName name, const std::vector<std::optional<Datum>>& in, Attrs attrs = {}, int num_out = 1) {
  const Entry* e = find(name.str());
  if (!e) return Error{ErrorCode::unsupported, "not known"};
  for (const AttrParam& p : e->signature.attrs)
    if (p.initial && !ir::find_attr(attrs, p.name)) attrs.push_back({std::string(p.name), *p.initial});
  std::vector<const Datum*> at;
  for (const auto& d : in) at.push_back(d ? &*d : nullptr);
  return run(*e->def, at, attrs, num_out);
}
inline Tensor eval1(ir::OpName name, const std::vector<std::optional<Datum>>& in, Attrs attrs = {}) {
  auto r = eval(name, in, std::move(attrs));
  EXPECT_TRUE(r) << (r ? "" : r.error().message);
  return r && !r->empty() ? (*r)[0].tensor : Tensor();
}
inline std::string message(const Result<std::vector<Datum>>& r) { return r ? "no error" : r.error().message; }
inline double dot(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dims, b.dims);
  double s = 0;
  for (std::int64_t i = 0; i < std::min(a.size(), b.size()); ++i) s += a.at(i) * b.at(i);
  return s;
}
/// <dy, op(dx)> = <adjoint(dy), dx> in float64: x[0] is the linear operand, the others are constants. Returns the relative difference.
inline double adjoint_gap(ir::OpName name, std::vector<std::optional<Tensor>> x, Attrs attrs, int num_out = 1, std::size_t operand = 0) {
  std::mt19937 rng(7);
  Builder b;
  Vals in;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!x[i]) in.push_back({});
    else if (i == operand) in.push_back(b.input(ir::tensor_type(DType::f64, {x[i]->dims.begin(), x[i]->dims.end()})));
    else in.push_back(b.constant(*x[i]));
  }
  Vals y = b.ops(name, in, attrs, num_out), outs = y;
  std::vector<Datum> values = {Datum(*x[operand])};
  std::vector<Tensor> dys;
  Val dx;
  for (Val v : y) {
    if (!is_float(b.type(v).dtype)) continue;
    Dims d;
    for (const Dim& k : b.type(v).dims) d.push_back(k.known().value_or(0));
    dys.push_back(random_tensor(rng, d));
    values.emplace_back(dys.back());
    auto g = gradients(b, v, b.input(ir::tensor_type(DType::f64, {d.begin(), d.end()})), {in[operand]});
    EXPECT_TRUE(g) << (g ? "" : g.error().message);
    if (g && (*g)[0]) dx = dx ? dx + (*g)[0] : (*g)[0];
  }
  if (!dx) return 1e9;
  outs.push_back(dx);
  auto g = std::move(b).build(outs);
  EXPECT_TRUE(g) << (g ? "" : g.error().message);
  if (!g) return 1e9;
  auto r = run(*g, values);
  EXPECT_TRUE(r) << (r ? "" : r.error().message);
  if (!r) return 1e9;
  double left = 0, k = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i + 1 < r->size(); ++i)
    if (is_float((*r)[i].tensor.dtype)) left += dot(dys[at++], (*r)[i].tensor);
  k = dot(r->back().tensor, *x[operand]);
  return std::abs(left - k) / (1 + std::abs(left));
}

}  // namespace saha::op::testing
