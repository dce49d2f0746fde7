// The gradient graph of a model against differences of the model itself, in float and straight through what is quantised.
#include "attack/slopes.hpp"

#include <gtest/gtest.h>

#include "backends/registry.hpp"
#include "data/shuffle.hpp"
#include "op/builder.hpp"
#include "op/text_form.hpp"

namespace saha::attack {
namespace {

ir::Graph graph(const std::string& text) {
  auto g = op::parse(text);
  EXPECT_TRUE(g) << (g ? "" : g.error().message);
  return g ? std::move(*g) : ir::Graph();
}
std::vector<double> run(const ir::Graph& g, std::vector<Datum> in) {
  auto y = op::run(g, std::span<const Datum>(in));
  EXPECT_TRUE(y) << (y ? "" : y.error().message);
  return y ? values<double>((*y)[0].tensor) : std::vector<double>();
}
Tensor drawn(Dims dims, std::uint64_t seed, DType t = DType::f32) {
  data::Random random(seed);
  Tensor r = Tensor::zeros(t, dims);
  std::vector<double> v;
  for (std::int64_t i = 0; i < r.size(); ++i) v.push_back(random.normal());
  fill(r, std::span<const double>(v));
  return r;
}

TEST(Slopes, are_those_of_the_weighted_sum_of_outputs) {
  const ir::Graph g = graph("graph (x: float32[N, 4]) { w = float32[4, 3] {1, 2, -1, 0.5, -1, 1, 2, 0, 1, -1, 1, 1} h = MatMul(x, w) t = Tanh(h) y = Softmax(t) return y, t }");
  auto s = slopes(g, 0, {"y", "t"});
  ASSERT_TRUE(s) << s.error().message;
  ASSERT_EQ(s->inputs().size(), 3u);
  EXPECT_EQ(s->name(s->inputs()[1]), "slope.y");
  EXPECT_EQ(s->name(s->outputs()[0]), "slope");
  const Tensor x = drawn({2, 4}, 1), wy = drawn({2, 3}, 2), wt = drawn({2, 3}, 3);
  const auto d = run(*s, {Datum(x), Datum(wy), Datum(wt)});
  ASSERT_EQ(d.size(), 8u);
  auto value = [&](std::int64_t i, double by) {
    Tensor moved = Tensor::zeros(DType::f32, x.dims);
    auto v = values<double>(x);
    v[std::size_t(i)] += by;
    fill(moved, std::span<const double>(v));
    std::vector<Datum> in = {Datum(moved)};
    auto y = op::run(g, std::span<const Datum>(in));
    double sum = 0;
    for (std::int64_t k = 0; k < 6; ++k) sum += (*y)[0].tensor.at(k) * wy.at(k) + (*y)[1].tensor.at(k) * wt.at(k);
    return sum;
  };
  for (std::int64_t i = 0; i < 8; ++i) EXPECT_NEAR(d[std::size_t(i)], (value(i, 1e-2) - value(i, -1e-2)) / 2e-2, 2e-3) << i;
  // The native engine runs the same graph, at other numbers of rows.
  auto engine = backends::open("native");
  ASSERT_TRUE(engine);
  ir::Model m;
  m.graph = *s;
  auto program = (*engine)->load(m, {});
  ASSERT_TRUE(program) << program.error().message;
  const std::vector<Datum> in = {Datum(x), Datum(wy), Datum(wt)};
  auto y = (*program)->run(in);
  ASSERT_TRUE(y) << y.error().message;
  for (std::int64_t i = 0; i < 8; ++i) EXPECT_NEAR((*y)[0].tensor.at(i), d[std::size_t(i)], 1e-5);
}

TEST(Slopes, pass_straight_through_pairs_and_stop_where_they_saturate) {
  const ir::Graph g = graph(
      "graph (x: float32[N, 3]) { s = float32[] {0.1} z = int8[] {0} w = int8[3, 2] {10, -20, 30, 40, -50, 60}"
      " q = QuantizeLinear(x, s, z) r = Transpose(q) {perm = [0, 1]} d = DequantizeLinear(r, s, z) v = DequantizeLinear(w, s, z) y = MatMul(d, v) return y }");
  auto s = slopes(g, 0, {"y"});
  ASSERT_TRUE(s) << s.error().message;
  const auto d = run(*s, {Datum(Tensor::of(DType::f32, {1, 3}, {1, 2, 50})), Datum(Tensor::of(DType::f32, {1, 2}, {1, 0.5}))});
  ASSERT_EQ(d.size(), 3u);
  EXPECT_NEAR(d[0], 1 - 1, 1e-5);
  EXPECT_NEAR(d[1], 3 + 2, 1e-5);
  EXPECT_EQ(d[2], 0);   // 50 is stored as 12.7
}

TEST(Slopes, of_an_input_of_integers_are_by_the_stored_numbers) {
  const ir::Graph g = graph("graph (x: uint8[N, 2]) { f = Cast(x) {to = 1} k = float32[] {0.5} y = Mul(f, k) return y }");
  auto s = slopes(g, 0, {"y"});
  ASSERT_TRUE(s) << s.error().message;
  EXPECT_EQ(s->type(s->inputs()[0]).dtype, DType::f32);
  EXPECT_NEAR(run(*s, {Datum(Tensor::of(DType::f32, {1, 2}, {7, 8})), Datum(Tensor::of(DType::f32, {1, 2}, {1, 3}))})[1], 1.5, 1e-6);
  const ir::Graph stored = graph("graph (x: int8[N, 2]) { s = float32[] {0.25} z = int8[] {3} y = DequantizeLinear(x, s, z) return y }");
  auto t = slopes(stored, 0, {"y"});
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_NEAR(run(*t, {Datum(Tensor::of(DType::f32, {1, 2}, {7, 8})), Datum(Tensor::of(DType::f32, {1, 2}, {1, 3}))})[1], 0.75, 1e-6);
}

TEST(Slopes, say_why_there_are_none) {
  const ir::Graph g = graph("graph (x: float32[N, 3]) { y = ArgMax(x) {axis = 1} z = Relu(x) return y, z }");
  EXPECT_EQ(slopes(g, 0, {"y"}).error().message, "output 'y' is int64, which has no gradient");
  EXPECT_EQ(slopes(g, 0, {"w"}).error().message, "the model has no output 'w'");
  const ir::Graph apart = graph("graph (x: float32[N, 3], u: float32[N, 3]) { y = Relu(u) return y }");
  EXPECT_EQ(slopes(apart, 0, {"y"}).error().message, "no slope reaches input 'x'");
}

}  // namespace
}  // namespace saha::attack
