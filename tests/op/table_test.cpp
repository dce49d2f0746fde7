// What holds for every entry of the operator table.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "op/builder.hpp"

namespace saha::op {
namespace {
using D = DType;
using Symbols = std::map<std::string, std::int64_t>;
std::optional<std::int64_t> bound(const Dim& d, const Symbols& s) {
  return d.evaluate([&](const std::string& n) { auto it = s.find(n); return it == s.end() ? std::optional<std::int64_t>() : it->second; });
}
D first_dtype(DTypeSet set) {
  for (D t : {D::f64, D::f32, D::i64, D::boolean, D::string}) if (holds(set, t)) return t;
  return D::i32;
}
/// Attributes that have no default.
Attrs required(const Signature& s) {
  Attrs a;
  for (const AttrParam& p : s.attrs) {
    if (p.optional || p.initial) continue;
    if (p.kind == AttrKind::i) a.push_back({std::string(p.name), std::int64_t(D::f32)});
    if (p.kind == AttrKind::s) a.push_back({std::string(p.name), std::string("LEFT")});
  }
  return a;
}
std::size_t arity(const Signature& s) { return s.in.back().variadic ? 3 : s.min_in; }
Tensor drawn(D t, const Dims& d, std::mt19937& rng, double low = -2, double high = 2) {
  Tensor x = Tensor::zeros(t, d);
  std::uniform_real_distribution<double> draw(low, high);
  for (std::int64_t i = 0; i < x.size() && t != D::string; ++i) {
    double v = t == D::boolean ? double(rng() % 2) : draw(rng);
    store(x, i, 1, &v);
  }
  return x;
}
}  // namespace

TEST(Table, every_signature_parses) {
  for (auto table : tables())
    for (const OpDef& d : table) {
      auto s = parse_signature(d.signature);
      EXPECT_TRUE(s) << d.name.str() << ": " << s.error().message;
    }
}

TEST(Table, names_are_unique_over_all_domains) {
  std::set<std::string_view> seen;
  for (auto table : tables())
    for (const OpDef& d : table) EXPECT_TRUE(seen.insert(d.name.str()).second) << d.name.str();
}

TEST(Table, every_entry_can_be_run_and_inferred) {
  for (auto table : tables())
    for (const OpDef& d : table) {
      EXPECT_TRUE(d.eval || d.blocks || d.body) << d.name.str();
      EXPECT_TRUE(d.infer || d.blocks || d.body) << d.name.str();
    }
}

TEST(Table, symbolic_shapes_of_elementwise_entries_are_those_of_eval) {
  std::mt19937 rng(1);
  const Symbols symbols = {{"N", 3}, {"M", 3}, {"K", 1}};   // broadcasting symbols are equal or 1
  const Dim choices[] = {Dim::symbol("N"), Dim::symbol("M"), Dim::symbol("K"), Dim(1), Dim(3)};
  std::size_t tested = 0;
  for (const Entry& e : entries()) {
    if (!(e.def->traits & kElementwise)) continue;
    bool same_rank = e.def->name.str() == "SwiGLU";
    for (int round = 0; round < 6; ++round) {
      SCOPED_TRACE(e.def->name.str());
      Builder b;
      Vals in;
      std::vector<Datum> data;
      for (std::size_t i = 0; i < arity(e.signature); ++i) {
        D t = first_dtype(e.signature.param(i)->type.set);
        std::vector<Dim> dims;
        Dims numbers;
        for (std::size_t r = 0, rank = same_rank ? 2 : rng() % 4; r < rank; ++r) {
          dims.push_back(choices[rng() % 5]);
          numbers.push_back(*bound(dims.back(), symbols));
        }
        in.push_back(b.input(ir::tensor_type(t, dims)));
        data.emplace_back(drawn(t, numbers, rng));
      }
      Val y = b.op(e.def->name, in, required(e.signature));
      ASSERT_FALSE(b.failed()) << b.error()->message;
      Dims inferred;
      for (const Dim& d : b.type(y).dims) inferred.push_back(bound(d, symbols).value_or(-1));
      D dtype = b.type(y).dtype;
      auto g = std::move(b).build({y});
      ASSERT_TRUE(g);
      auto r = run(*g, data);
      ASSERT_TRUE(r) << r.error().message;
      EXPECT_EQ((*r)[0].tensor.dims, inferred);
      EXPECT_EQ((*r)[0].tensor.dtype, dtype);
    }
    ++tested;
  }
  EXPECT_GE(tested, 67u);
}

TEST(Table, shape_values_of_elementwise_entries_are_those_of_eval) {
  std::mt19937 rng(2);
  std::size_t told = 0;
  for (const Entry& e : entries()) {
    const OpDef& d = *e.def;
    if (!d.blocks || !d.blocks->dim) continue;
    SCOPED_TRACE(d.name.str());
    bool logic = !holds(e.signature.in[0].type.set, D::i64);
    Attrs attrs;
    for (const AttrParam& a : e.signature.attrs) if (a.initial) attrs.push_back({std::string(a.name), *a.initial});
    for (int round = 0; round < 200; ++round) {
      Symbols symbols = {{"N", 1 + std::int64_t(rng() % 9)}, {"M", 1 + std::int64_t(rng() % 9)}};
      std::vector<Dim> x;
      std::vector<Datum> data;
      for (std::size_t i = 0; i < arity(e.signature); ++i) {
        Dim n = Dim::symbol("N"), m = Dim::symbol("M");
        const Dim choices[] = {n, m, n + m, n * Dim(2) - Dim(1), floor_div(n + Dim(3), Dim(2)), Dim(1 + std::int64_t(rng() % 5)), Dim(4) * m};
        x.push_back(logic ? Dim(std::int64_t(rng() % 2)) : choices[rng() % 7]);
        Tensor t = Tensor::zeros(logic ? D::boolean : D::i64, {});
        std::int64_t v = bound(x.back(), symbols).value();
        store(t, 0, 1, &v);
        data.emplace_back(t);
      }
      std::vector<const Dim*> p;
      std::vector<const Datum*> q;
      for (std::size_t i = 0; i < x.size(); ++i) { p.push_back(&x[i]); q.push_back(&data[i]); }
      auto known = d.blocks->dim(p.data(), int(p.size()), attrs);
      if (!known) continue;
      auto r = run(d, q, attrs, 1);
      ASSERT_TRUE(r) << r.error().message;
      EXPECT_EQ(bound(*known, symbols).value_or(INT64_MIN), (*r)[0].tensor.int_at(0)) << known->str();
      ++told;
    }
  }
  EXPECT_GE(told, 2000u);   // of some 4,000: comparisons of open expressions are rightly not told
}

TEST(Table, bodies_of_elementwise_entries_agree_with_eval) {
  std::mt19937 rng(3);
  std::size_t tested = 0;
  for (const Entry& e : entries()) {
    const OpDef& d = *e.def;
    if (!(d.traits & kElementwise) || !d.body || !(d.eval || d.blocks)) continue;
    SCOPED_TRACE(d.name.str());
    std::vector<ir::TypeRef> types;
    std::vector<Datum> data;
    std::vector<const Datum*> p;
    for (std::size_t i = 0; i < arity(e.signature); ++i) {
      D t = first_dtype(e.signature.param(i)->type.set);
      data.emplace_back(drawn(t, {4, 50}, rng, -6, 6));
      types.push_back(ir::tensor_type(t, {4, 50}));
    }
    for (const Datum& x : data) p.push_back(&x);
    Attrs attrs = required(e.signature);
    for (const AttrParam& a : e.signature.attrs) if (a.initial) attrs.push_back({std::string(a.name), *a.initial});
    auto g = expand(d, types, attrs, 1);
    ASSERT_TRUE(g) << g.error().message;
    auto by_body = run(*g, p), by_eval = run(d, p, attrs, 1);
    ASSERT_TRUE(by_body) << by_body.error().message;
    ASSERT_TRUE(by_eval) << by_eval.error().message;
    const Tensor &a = (*by_body)[0].tensor, &b = (*by_eval)[0].tensor;
    ASSERT_EQ(a.dims, b.dims);
    for (std::int64_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a.at(i), b.at(i), 1e-7 * (1 + std::fabs(b.at(i)))) << "element " << i;   // constants are rounded to float32 attributes
    ++tested;
  }
  EXPECT_GE(tested, 7u);
}

TEST(Table, slopes_of_curves_are_their_derivatives) {
  std::size_t tested = 0;
  for (const Entry& e : entries()) {
    const Curve& c = e.def->curve;
    if (!c.f) continue;
    SCOPED_TRACE(e.def->name.str());
    Attrs attrs;
    for (const AttrParam& a : e.signature.attrs) if (a.initial) attrs.push_back({std::string(a.name), *a.initial});
    double before = NAN, rise = NAN;
    for (int i = -290; i <= 290; ++i) {
      double x = i / 97.0, h = 1e-5, y = c.f(x, attrs), low = c.f(x - h, attrs), high = c.f(x + h, attrs);
      if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(y)) { before = rise = NAN; continue; }
      if (c.slope && std::fabs(x - c.bend) > 2 * h) { EXPECT_NEAR(c.slope(x, attrs), (high - low) / (2 * h), 1e-4 * (1 + std::fabs(high - low) / h)) << "at " << x; }
      if (c.direction && !std::isnan(before)) { EXPECT_GE((y - before) * c.direction, -1e-12) << "at " << x; }
      // Curvature: equal steps rise more and more where the function is convex.
      double step = y - before;
      bool left = x < c.bend - 0.02, right = x > c.bend + 0.02;
      int sign = 0;
      if (c.shape == Curve::Shape::convex || (c.shape == Curve::Shape::convex_concave && left) || (c.shape == Curve::Shape::concave_convex && right)) sign = 1;
      if (c.shape == Curve::Shape::concave || (c.shape == Curve::Shape::convex_concave && right) || (c.shape == Curve::Shape::concave_convex && left)) sign = -1;
      if (sign && !std::isnan(step) && !std::isnan(rise)) { EXPECT_GE(sign * (step - rise), -1e-9) << "at " << x; }
      rise = step;
      before = y;
    }
    ++tested;
  }
  EXPECT_GE(tested, 20u);
}

}  // namespace saha::op
