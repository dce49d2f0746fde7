// Gradients against central differences in double. Every differentiable entry that a row can call (all operands floats of one shape, or
// of shapes that broadcast) is drawn from the table, so a new operator is tested without a line here.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "op/builder.hpp"

namespace saha::op {
namespace {
using D = DType;
struct Case {
  std::vector<Dims> shapes;
  double low = -2, high = 2;       ///< of the elements
  Attrs attrs = {};
  std::vector<std::pair<std::size_t, Tensor>> constants = {};   ///< operands that are not differentiated
};

/// The operator applied to values of b: differentiable inputs in `wrt`, the constants of the case between them.
Val apply(Builder& b, const OpDef& def, const Case& c, Vals& wrt) {
  Vals in;
  for (std::size_t i = 0, next = 0; i < c.shapes.size() + c.constants.size(); ++i) {
    const Tensor* fixed = nullptr;
    for (auto& [at, t] : c.constants) if (at == i) fixed = &t;
    if (!fixed) wrt.push_back(b.input(ir::tensor_type(D::f64, {c.shapes[next].begin(), c.shapes[next].end()}))), ++next;
    in.push_back(fixed ? b.constant(*fixed) : wrt.back());
  }
  return b.op(def.name, in, c.attrs);
}

/// sum(w * op(x)) for fixed random weights w: its gradient checks all results at once.
void check(std::string_view name, const Case& c, unsigned seed) {
  SCOPED_TRACE(name);
  const OpDef& def = *find(name)->def;
  std::mt19937 rng(seed);
  std::uniform_real_distribution<double> draw(c.low, c.high), weight(-1, 1);
  std::vector<Datum> x;
  for (const Dims& d : c.shapes) {
    Tensor t = Tensor::zeros(D::f64, d);
    for (std::int64_t e = 0; e < t.size(); ++e) t.as<double>()[e] = draw(rng);
    x.emplace_back(t);
  }
  Builder f;
  Vals formal;
  Val result = apply(f, def, c, formal);
  auto forward = std::move(f).build({result});
  ASSERT_TRUE(forward) << forward.error().message;
  auto y0 = run(*forward, x);
  ASSERT_TRUE(y0) << y0.error().message;
  Tensor w = Tensor::zeros(D::f64, (*y0)[0].tensor.dims);
  for (std::int64_t e = 0; e < w.size(); ++e) w.as<double>()[e] = weight(rng);

  Builder b;
  Vals wrt, out;
  Val y = apply(b, def, c, wrt);
  auto d = gradients(b, y, b.constant(w), wrt);
  ASSERT_TRUE(d) << d.error().message;
  std::vector<std::size_t> have;
  for (std::size_t i = 0; i < d->size(); ++i) if ((*d)[i]) { have.push_back(i); out.push_back((*d)[i]); }
  ASSERT_FALSE(out.empty()) << "no gradient";
  auto g = std::move(b).build(out);
  ASSERT_TRUE(g) << g.error().message;
  auto got = run(*g, x);
  ASSERT_TRUE(got) << got.error().message;
  for (std::size_t k = 0; k < have.size(); ++k) {
    const Tensor &slope = (*got)[k].tensor, &at = x[have[k]].tensor;
    ASSERT_EQ(slope.dims, at.dims) << "operand " << have[k];
    for (std::int64_t e = 0; e < slope.size(); ++e) {
      auto loss = [&](double h) {
        std::vector<Datum> moved(x);
        Tensor t = Tensor::of(D::f64, at.dims, values<double>(at));
        t.as<double>()[e] += h;
        moved[have[k]] = t;
        auto v = run(*forward, moved);
        double s = 0;
        for (std::int64_t i = 0; v && i < w.size(); ++i) s += w.at(i) * (*v)[0].tensor.at(i);
        return s;
      };
      const double h = 1e-5, expected = (loss(h) - loss(-h)) / (2 * h);
      EXPECT_NEAR(slope.at(e), expected, 1e-6 * (1 + std::fabs(expected))) << "operand " << have[k] << " element " << e << " at " << at.at(e);
    }
  }
}
Attrs attr(std::string n, ir::Attr v) { return {{std::move(n), std::move(v)}}; }
}  // namespace

TEST(Gradient, of_every_elementwise_entry_matches_central_differences) {
  // Where the domain is not [-2, 2], or an attribute has no default.
  const std::map<std::string_view, std::pair<double, double>> domain = {
      {"Sqrt", {0.2, 3}}, {"Log", {0.2, 3}}, {"Reciprocal", {0.3, 2}}, {"Pow", {0.3, 2}}, {"Div", {0.3, 2}}, {"Mod", {0.6, 2.4}}, {"Asin", {-0.9, 0.9}},
      {"Acos", {-0.9, 0.9}}, {"Acosh", {1.2, 3}}, {"Atanh", {-0.9, 0.9}}, {"Tan", {-1.2, 1.2}}};
  std::set<std::string_view> tested;
  for (const Entry& e : entries()) {
    const OpDef& d = *e.def;
    if (!(d.traits & kElementwise) || !d.no_gradient.empty() || d.traits & kRandom || !(d.vjp || d.adjoint || d.body)) continue;
    bool floats = !e.signature.in.empty();
    for (const Param& p : e.signature.in) floats &= holds(p.type.set, D::f64) && !p.optional;
    for (const AttrParam& a : e.signature.attrs) floats &= a.optional || a.initial.has_value();
    if (!floats) continue;
    auto range = domain.find(d.name.str());
    Case c{{}, range == domain.end() ? -2 : range->second.first, range == domain.end() ? 2 : range->second.second};
    std::size_t arity = e.signature.in.back().variadic ? 3 : e.signature.in.size();
    const Dims shapes[] = {{2, 3}, {2, 1}, {3}};
    for (std::size_t i = 0; i < arity; ++i) c.shapes.push_back(d.name.str() == "SwiGLU" ? shapes[0] : shapes[i]);
    check(d.name.str(), c, 7);
    if (HasFatalFailure()) return;
    tested.insert(d.name.str());
  }
  EXPECT_GE(tested.size(), 45u);
}
TEST(Gradient, of_attributes_other_than_the_default_matches) {
  check("Gelu", {{{2, 3}}, -2, 2, attr("approximate", std::string("tanh"))}, 1);
  check("Elu", {{{6}}, -2, 2, attr("alpha", 0.7f)}, 2);
  check("Celu", {{{6}}, -2, 2, attr("alpha", 1.5f)}, 3);
  check("Swish", {{{6}}, -2, 2, attr("alpha", 1.7f)}, 4);
  check("ThresholdedRelu", {{{6}}, -2, 2, attr("alpha", 0.3f)}, 5);
  check("Shrink", {{{6}}, -2, 2, Attrs{{"lambd", 0.4f}, {"bias", 0.1f}}}, 6);
  check("Mod", {{{6}, {6}}, 0.6, 2.4, attr("fmod", std::int64_t(1))}, 7);
}
TEST(Gradient, of_choices_sums_and_signals_matches) {
  check("Clip", {{{7}}, -2, 2, {}, {{1, Tensor::scalar(D::f64, -0.5)}, {2, Tensor::scalar(D::f64, 0.9)}}}, 1);
  check("Where", {{{2, 1}, {3}}, -2, 2, {}, {{0, Tensor::of(D::boolean, {2, 3}, {1, 0, 1, 0, 0, 1})}}}, 2);
  for (std::int64_t reverse : {0, 1})
    for (std::int64_t exclusive : {0, 1})
      for (std::int64_t axis : {0, 1, -1}) {
        check("CumSum", {{{2, 4, 3}}, -2, 2, {{"reverse", reverse}, {"exclusive", exclusive}}, {{1, Tensor::scalar_int(axis)}}}, 3);
        check("CumProd", {{{2, 4, 3}}, -2, 2, {{"reverse", reverse}, {"exclusive", exclusive}}, {{1, Tensor::scalar_int(axis)}}}, 3);
        check("CumProd", {{{2, 4}}, 0, 0, {{"reverse", reverse}, {"exclusive", exclusive}}, {{1, Tensor::scalar_int(axis)}}}, 3);   // of zeros
      }
  check("Cast", {{{5}}, -2, 2, attr("to", std::int64_t(D::f64))}, 4);
  check("DFT", {{{1, 6, 2}}}, 5);
  check("DFT", {{{1, 5, 2}}, -2, 2, attr("inverse", std::int64_t(1))}, 6);
  check("DFT", {{{2, 8, 1}}}, 7);
  check("SumTo", {{{2, 3, 4}}, -2, 2, {}, {{1, Tensor::zeros(D::f32, {3, 1})}}}, 8);
}
TEST(Gradient, of_selected_elements_goes_to_where_they_were) {
  check("ArrayFeatureExtractor", {{{2, 5}}, -2, 2, {}, {{1, Tensor::of(D::i64, {3}, {4, 0, 4})}}}, 1);
  check("ArrayFeatureExtractor", {{{4}}, -2, 2, {}, {{1, Tensor::of(D::i64, {1, 2}, {1, 3})}}}, 2);
  check("Unique", {{{3, 4}}}, 3);
  check("Unique", {{{3, 4}}, -2, 2, {{"axis", std::int64_t(1)}, {"sorted", std::int64_t(0)}}}, 4);
  check("Imputer", {{{2, 3}}, -2, 2, {{"imputed_value_floats", ir::Floats{0.5f}}, {"replaced_value_float", NAN}}}, 5);
  // Elements that were replaced, and one of two that are equal: by hand, for no difference of either side exists there.
  const auto slope = [](ir::OpName op, const Tensor& x, const Attrs& attrs) {
    Builder b;
    Val in = b.input(ir::tensor_type(D::f64, {x.dims.begin(), x.dims.end()})), y = b.op(op, {in}, attrs);
    auto d = gradients(b, y, y, {in});   // dy = y
    EXPECT_TRUE(d) << d.error().message;
    auto g = std::move(b).build(*d);
    EXPECT_TRUE(g) << g.error().message;
    const Datum at = x;
    auto r = run(*g, std::span(&at, 1));
    EXPECT_TRUE(r) << r.error().message;
    return values<double>((*r)[0].tensor);
  };
  using V = std::vector<double>;
  EXPECT_EQ(slope("Imputer", Tensor::of(D::f64, {4}, {1, 9, 2, 9}), {{"imputed_value_floats", ir::Floats{5}}, {"replaced_value_float", 9.f}}), (V{1, 0, 2, 0}));
  EXPECT_EQ(slope("Unique", Tensor::of(D::f64, {2, 2}, {3, 1, 3, 2}), {}), (V{3, 1, 0, 2}));
}
TEST(Gradient, of_losses_matches) {
  Tensor labels = Tensor::of(D::i64, {3}, {2, 0, 1}), weight = Tensor::of(D::f64, {4}, {0.5, 1, 2, 1});
  for (std::string r : {"none", "sum", "mean"}) {
    check("NegativeLogLikelihoodLoss", {{{3, 4}}, -2, 2, attr("reduction", r), {{1, labels}}}, 1);
    check("NegativeLogLikelihoodLoss", {{{3, 4}}, -2, 2, {{"reduction", r}, {"ignore_index", std::int64_t(0)}}, {{1, labels}, {2, weight}}}, 2);
    check("SoftmaxCrossEntropyLoss", {{{3, 4, 2}}, -2, 2, attr("reduction", r), {{1, Tensor::of(D::i64, {3, 2}, {2, 0, 1, 3, 3, 0})}, {2, weight}}}, 3);
  }
}
TEST(Gradient, of_a_value_in_two_places_of_a_composite_counts_each_once) {
  Builder b;
  Val x = b.input(ir::tensor_type(D::f64, {}));
  Val y = b.op("SwiGLU", {x, x});   // x * x * sigmoid(x)
  auto d = gradients(b, y, b.scalar(1, D::f64), {x});
  ASSERT_TRUE(d);
  auto g = std::move(b).build(*d);
  ASSERT_TRUE(g);
  Datum at = Tensor::scalar(D::f64, 0.5);
  auto r = run(*g, std::span<const Datum>(&at, 1));
  ASSERT_TRUE(r) << r.error().message;
  double s = 1 / (1 + std::exp(-0.5));
  EXPECT_NEAR((*r)[0].tensor.at(0), 2 * 0.5 * s + 0.25 * s * (1 - s), 1e-12);
}

}  // namespace saha::op
