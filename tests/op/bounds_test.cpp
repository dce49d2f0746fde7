// The table suffices for bounds: backward linear bounds need no line per linear operator, only `linear`, `adjoint` and `curve`; products of
// two unknowns need only that they are bilinear. This is the proof of the table, not the verifier.
#include <cmath>

#include "op_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
std::mt19937 rng(21);
struct Interval { double lo, hi; };
struct Line { double slope, offset; };
struct Relaxation { Line below, above; };

Line tangent(const Curve& c, double t, const Attrs& a) { double k = c.slope(t, a); return {k, c.f(t, a) - k * t}; }
Line chord(const Curve& c, Interval x, const Attrs& a) { double k = (c.f(x.hi, a) - c.f(x.lo, a)) / (x.hi - x.lo); return {k, c.f(x.lo, a) - k * x.lo}; }
/// The tangent on the near side of the bend that does not cut the curve before `to` beyond it. The bisection returns the end that encloses.
Line far_tangent(const Curve& c, double from, double to, const Attrs& a) {
  double good = from, other = c.bend;
  const bool below = from < to;
  for (int i = 0; i < 60; ++i) {
    double m = 0.5 * (good + other), gap = c.f(m, a) + c.slope(m, a) * (to - m) - c.f(to, a);
    (below ? gap <= 0 : gap >= 0) ? good = m : other = m;
  }
  return tangent(c, good, a);
}
Relaxation relax(const Curve& c, Interval x, const Attrs& a) {
  if (x.hi - x.lo < 1e-12) { double p = c.f(x.lo, a), q = c.f(x.hi, a); return {{0, std::min(p, q)}, {0, std::max(p, q)}}; }
  Line k = chord(c, x, a);
  double m = 0.5 * (x.lo + x.hi);
  switch (c.shape) {
    case Curve::Shape::linear_pieces: {
      if (x.hi <= c.bend || x.lo >= c.bend) return {k, k};
      double left = c.slope(c.bend - 1, a), right = c.slope(c.bend + 1, a), s = x.hi - c.bend >= c.bend - x.lo ? right : left;
      Line flat{s, c.f(c.bend, a) - s * c.bend};
      return left <= right ? Relaxation{flat, k} : Relaxation{k, flat};
    }
    case Curve::Shape::convex: return {tangent(c, m, a), k};
    case Curve::Shape::concave: return {k, tangent(c, m, a)};
    case Curve::Shape::convex_concave: {
      if (x.hi <= c.bend) return {tangent(c, m, a), k};
      if (x.lo >= c.bend) return {k, tangent(c, m, a)};
      return {c.slope(x.lo, a) >= k.slope ? k : far_tangent(c, x.lo, x.hi, a), c.slope(x.hi, a) >= k.slope ? k : far_tangent(c, x.hi, x.lo, a)};
    }
    default: return {{0, -INFINITY}, {0, INFINITY}};
  }
}
/// Bounds of `value`, the graph's one input (batch 1) ranging over the box: rows of coefficients ride in the batch of the adjoint.
Result<std::vector<Interval>> bounds(const ir::Graph& g, ValueId value, const std::vector<Interval>& box) {
  auto sized = [&](ValueId v, std::int64_t batch) {
    Dims d;
    for (const Dim& x : g.type(v).dims) d.push_back(*x.known());
    d[0] = batch;
    return d;
  };
  const std::int64_t n = num_elements(sized(value, 1));
  std::vector<Interval> r(static_cast<std::size_t>(n), Interval{0, 0});
  for (int sign : {1, -1}) {
    Tensor A = Tensor::zeros(DType::f64, sized(value, n));
    for (std::int64_t i = 0; i < n; ++i) A.as<double>()[i * n + i] = sign;
    std::vector<double> offset(std::size_t(n), 0.0);
    ValueId at = value;
    while (const ir::Node* node = g.producer(at)) {
      const OpDef& def = *find(node->op.str())->def;
      auto operands = g.operands(*node);
      const std::int64_t m = A.size() / n;
      if (def.curve.f) {
        SAHA_TRY(auto in, bounds(g, operands[0], box));
        for (std::int64_t j = 0; j < m; ++j) {
          Relaxation q = relax(def.curve, in[std::size_t(j)], *node->attrs);
          for (std::int64_t i = 0; i < n; ++i) {
            double& w = A.as<double>()[i * m + j];
            const Line& l = w >= 0 ? q.below : q.above;
            offset[std::size_t(i)] += w * l.offset;
            w *= l.slope;
          }
        }
        at = operands[0];
        continue;
      }
      if (!def.linear.in(0) || !(def.adjoint || def.vjp)) return Error{ErrorCode::unsupported, "operator '" + std::string(node->op.str()) + "' has no bounds"};
      Builder b;  // affine in operand 0, the others constant: A' = adjoint(A), offset += <A, op(0)>
      Vals in = {b.constant(Tensor::zeros(DType::f64, sized(operands[0], n)))}, zero = {b.constant(Tensor::zeros(DType::f64, sized(operands[0], 1)))};
      for (std::size_t k = 1; k < operands.size(); ++k) {
        in.push_back(b.constant(*g[operands[k]].constant));
        zero.push_back(in.back());
      }
      Val y0 = b.op(node->op, zero, *node->attrs);
      Site s{{*node->attrs}, b, in, {b.constant(A)}, 1};
      Val dy = b.constant(A), dx = def.adjoint ? def.adjoint(s, 0, dy) : def.vjp(s, {dy})[0];
      SAHA_TRY(auto small, std::move(b).build({dx, y0}));
      SAHA_TRY(auto out, op::run(small, std::span<const Datum>{}));
      for (std::int64_t i = 0; i < n; ++i) for (std::int64_t j = 0; j < m; ++j) offset[std::size_t(i)] += A.at(i * m + j) * out[1].tensor.at(j);
      A = Tensor::of(DType::f64, out[0].tensor.dims, std::span<const double>(values<double>(out[0].tensor)));
      at = operands[0];
    }
    const std::int64_t m = A.size() / n;
    for (std::int64_t i = 0; i < n; ++i) {
      double v = offset[std::size_t(i)];
      for (std::int64_t j = 0; j < m; ++j) { double w = A.at(i * m + j); v += w * (w >= 0 ? box[std::size_t(j)].lo : box[std::size_t(j)].hi); }
      (sign > 0 ? r[std::size_t(i)].lo : r[std::size_t(i)].hi) = sign * v;
    }
  }
  return r;
}
}  // namespace

TEST(Bounds, a_network_is_bounded_by_linear_adjoint_and_curve_alone) {
  Builder b;
  auto c = [&](Dims d) { return b.constant(random_tensor(rng, std::move(d))); };
  Val x = b.input(ir::tensor_type(DType::f64, {1, 2, 4, 4}));
  Val y = b.op("Relu", {b.op("Conv", {x, c({3, 2, 3, 3}), c({3})}, {{"pads", ir::Ints{1, 1, 1, 1}}})});
  y = b.op("AveragePool", {y}, {{"kernel_shape", ir::Ints{2, 2}}, {"strides", ir::Ints{2, 2}}});
  y = b.op("Reshape", {y, b.ints({1, 12})});
  y = b.op("Sigmoid", {b.op("MatMul", {y, c({12, 5})}) + c({5})});
  y = b.op("Gemm", {y, c({5, 2}), c({2})}, {{"alpha", 0.5f}});
  ValueId id = y.id;
  auto g = std::move(b).build({y});
  ASSERT_TRUE(g) << g.error().message;
  std::vector<Interval> box(32);
  for (Interval& i : box) { i.lo = std::uniform_real_distribution<>(-1, 1)(rng); i.hi = i.lo + 0.05; }
  auto r = bounds(*g, id, box);
  ASSERT_TRUE(r) << r.error().message;
  double lo = 1e9, hi = -1e9;
  for (int t = 0; t < 2000; ++t) {
    Tensor v = Tensor::zeros(DType::f64, {1, 2, 4, 4});
    for (std::size_t i = 0; i < 32; ++i) v.as<double>()[i] = rng() % 2 ? box[i].lo : box[i].hi;
    auto o = op::run(*g, std::vector<Datum>{v});
    ASSERT_TRUE(o);
    for (std::int64_t k = 0; k < 2; ++k) {
      EXPECT_GE((*o)[0].tensor.at(k), (*r)[std::size_t(k)].lo);
      EXPECT_LE((*o)[0].tensor.at(k), (*r)[std::size_t(k)].hi);
    }
    lo = std::min(lo, (*o)[0].tensor.at(0));
    hi = std::max(hi, (*o)[0].tensor.at(0));
  }
  EXPECT_LT((*r)[0].hi - (*r)[0].lo, 8 * (hi - lo)) << "bounds that say nothing: [" << (*r)[0].lo << ", " << (*r)[0].hi << "] around samples [" << lo << ", " << hi << "]";
}

// op(La, b) + op(a, Lb) - op(La, Lb) <= op(a, b) <= op(Ua, b) + op(a, Lb) - op(Ua, Lb) for every bilinear operator with products of coefficient +1.
TEST(Bounds, bilinear_operators_have_their_planes_without_a_line_of_their_own) {
  struct Product { ir::OpName op; Dims a, b; Attrs attrs; };
  const Product products[] = {{"MatMul", {3, 3}, {3, 3}, {}}, {"Mul", {3, 3}, {3, 3}, {}}, {"Conv", {1, 2, 4, 4}, {3, 2, 2, 3}, {}}, {"Einsum", {2, 3}, {2, 3}, {{"equation", std::string("ij,kj->ik")}}}};
  for (const Product& p : products) {
    EXPECT_EQ(find(p.op.str())->def->linear.kind, Linearity::Kind::bilinear);
    for (int t = 0; t < 100; ++t) {
      Tensor la = random_tensor(rng, p.a), lb = random_tensor(rng, p.b), ua = random_tensor(rng, p.a), a = random_tensor(rng, p.a), b = random_tensor(rng, p.b);
      auto place = [&](Tensor& l, Tensor* u, Tensor& x) {  // x in [l, u], corners too
        for (std::int64_t i = 0; i < l.size(); ++i) {
          double w = std::uniform_real_distribution<>(0, 1)(rng);
          if (u) u->as<double>()[i] = l.at(i) + w;
          x.as<double>()[i] = l.at(i) + (rng() % 3 == 0 ? 0 : rng() % 2 ? w : w * std::uniform_real_distribution<>(0, 1)(rng));
        }
      };
      place(la, &ua, a);
      place(lb, nullptr, b);
      auto f = [&](const Tensor& x, const Tensor& y) { return eval1(p.op, {x, y}, p.attrs); };
      Tensor y = f(a, b), p1 = f(la, b), p2 = f(a, lb), p3 = f(la, lb), q1 = f(ua, b), q3 = f(ua, lb);
      for (std::int64_t i = 0; i < y.size(); ++i) {
        EXPECT_LE(p1.at(i) + p2.at(i) - p3.at(i), y.at(i) + 1e-9) << p.op.str();
        EXPECT_GE(q1.at(i) + p2.at(i) - q3.at(i), y.at(i) - 1e-9) << p.op.str();
      }
    }
  }
}

}  // namespace saha::op
