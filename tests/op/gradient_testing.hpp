#pragma once
// Gradients against central differences, bodies against references, inference against results: one call per case.
#include "op_testing.hpp"

namespace saha::op::testing {

/// A node to check: operands in float64 (or integers, which stand still), attributes, how many results.
struct Case {
  ir::OpName op;
  std::vector<std::optional<Tensor>> in;
  Attrs attrs = {};
  int num_out = 1;
};
inline Vals add_inputs(Builder& b, const Case& c, bool symbolic = false) {
  Vals v;
  for (const auto& t : c.in) {
    if (!t) { v.push_back({}); continue; }
    if (!is_float(t->dtype)) { v.push_back(b.constant(*t)); continue; }
    std::vector<Dim> d;
    for (std::int64_t x : t->dims) d.push_back(symbolic ? Dim::symbol("s" + std::to_string(x)) : Dim(x));
    v.push_back(b.input(ir::tensor_type(t->dtype, std::move(d))));
  }
  return v;
}
inline std::vector<Datum> float_values(const Case& c) {
  std::vector<Datum> v;
  for (const auto& t : c.in) if (t && is_float(t->dtype)) v.emplace_back(*t);
  return v;
}
/// Largest |gradient - central difference| / (1 + |gradient|) over all elements of all float64 operands, for sum(weights * result).
inline double gradient_gap(const Case& c, double h = 1e-5) {
  std::mt19937 rng(11);
  Builder b;
  Vals in = add_inputs(b, c), ys = b.ops(c.op, in, c.attrs, c.num_out);
  if (b.error()) { ADD_FAILURE() << c.op.str() << ": " << b.error()->message; return 1e9; }
  Val loss;
  for (Val y : ys) {
    if (!is_float(b.type(y).dtype)) continue;
    Dims d;
    for (const Dim& k : b.type(y).dims) d.push_back(k.known().value_or(-1));
    Val s = b.op("ReduceSum", {y * b.constant(random_tensor(rng, d, b.type(y).dtype))}, {{"keepdims", std::int64_t{0}}});
    loss = loss ? loss + s : s;
  }
  Vals wrt;
  for (const Val& v : in) if (v && !b.data(v)) wrt.push_back(v);
  auto g = gradients(b, loss, b.scalar(1, loss), wrt);
  if (!g) { ADD_FAILURE() << c.op.str() << ": " << g.error().message; return 1e9; }
  Vals outs = {loss};
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < wrt.size(); ++i) if ((*g)[i]) { outs.push_back((*g)[i]); which.push_back(i); }
  auto graph = std::move(b).build(outs);
  if (!graph) { ADD_FAILURE() << c.op.str() << ": " << graph.error().message; return 1e9; }
  auto values = float_values(c);
  auto at = [&](const std::vector<Datum>& v) {
    auto r = run(*graph, v);
    if (!r) { ADD_FAILURE() << c.op.str() << ": " << r.error().message; return std::vector<Datum>(); }
    return std::move(*r);
  };
  auto r = at(values);
  if (r.empty()) return 1e9;
  double worst = 0;
  for (std::size_t k = 0; k < which.size(); ++k) {
    const Tensor x = values[which[k]].tensor, d = r[k + 1].tensor;
    EXPECT_EQ(d.dims, x.dims) << c.op.str() << " operand " << which[k];
    if (d.dims != x.dims) return 1e9;
    for (std::int64_t e = 0; e < x.size(); ++e) {
      auto moved = [&](double by) {
        Tensor t = Tensor::of(x.dtype, x.dims, std::span<const double>(saha::values<double>(x)));
        double v = x.at(e) + by;
        store(t, e, 1, &v);
        auto w = values;
        w[which[k]] = t;
        auto y = at(w);
        return y.empty() ? 0.0 : y[0].tensor.at(0);
      };
      double want = (moved(h) - moved(-h)) / (2 * h), got = d.at(e);
      worst = std::max(worst, std::abs(got - want) / (1 + std::abs(want)));
      if (got != got) worst = 1e9;
    }
  }
  return worst;
}
/// Largest difference between the entry's own reference and its body.
inline double body_gap(const Case& c) {
  const Entry* e = find(c.op.str());
  Attrs attrs = c.attrs;
  for (const AttrParam& p : e->signature.attrs) if (p.initial && !ir::find_attr(attrs, p.name)) attrs.push_back({std::string(p.name), *p.initial});
  OpDef body = *e->def;
  body.eval = nullptr;
  std::vector<Datum> held(c.in.size());
  std::vector<const Datum*> at;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    if (c.in[i]) held[i] = *c.in[i];
    at.push_back(c.in[i] ? &held[i] : nullptr);
  }
  auto a = run(*e->def, at, attrs, c.num_out), b = run(body, at, attrs, c.num_out);
  if (!a || !b) { ADD_FAILURE() << c.op.str() << ": " << (a ? b.error().message : a.error().message); return 1e9; }
  double worst = 0;
  for (int k = 0; k < c.num_out; ++k) {
    const Tensor &x = (*a)[std::size_t(k)].tensor, &y = (*b)[std::size_t(k)].tensor;
    EXPECT_EQ(x.dims, y.dims);
    EXPECT_EQ(x.dtype, y.dtype);
    if (x.dims != y.dims) return 1e9;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      double d = std::abs(x.at(i) - y.at(i)) / (1 + std::abs(x.at(i)));
      worst = d == d ? std::max(worst, d) : 1e9;
    }
  }
  return worst;
}
/// Infers with every extent as a symbol (equal extents share one), binds the symbols and compares with what the reference gives.
inline void expect_symbolic_shapes(const Case& c) {
  Builder b;
  Vals in = add_inputs(b, c, true), ys = b.ops(c.op, in, c.attrs, c.num_out);
  ASSERT_FALSE(b.failed()) << c.op.str() << ": " << b.error()->message;
  std::vector<std::optional<Datum>> v;
  for (const auto& t : c.in) v.push_back(t ? std::optional<Datum>(*t) : std::nullopt);
  auto r = eval(c.op, v, c.attrs, c.num_out);
  ASSERT_TRUE(r) << message(r);
  for (int k = 0; k < c.num_out; ++k) {
    const Type& t = b.type(ys[std::size_t(k)]);
    const Tensor& y = (*r)[std::size_t(k)].tensor;
    EXPECT_EQ(t.dtype, y.dtype) << c.op.str();
    ASSERT_TRUE(t.ranked) << c.op.str();
    Dims d;
    for (const Dim& x : t.dims) {
      auto n = x.evaluate([](const std::string& s) { return std::optional<std::int64_t>(std::stoll(s.substr(1))); });
      ASSERT_TRUE(n) << c.op.str() << ": " << x.str();
      d.push_back(*n);
    }
    EXPECT_EQ(d, y.dims) << c.op.str() << " result " << k << " inferred " << str(t);
  }
}
}  // namespace saha::op::testing
