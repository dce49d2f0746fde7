// Narrow weights and narrow floats: near to the float graph, inputs and outputs as they were, refusals.
#include "compress/narrow.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "op/builder.hpp"

namespace saha::compress {
namespace {
using Form = NarrowOptions::Form;
using op::Builder;
using op::Val;

Tensor random(Dims d, std::uint32_t seed, float spread = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> n(0, spread);
  Tensor t = Tensor::zeros(DType::f32, std::move(d));
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = n(engine);
  return t;
}
ir::Graph net() {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {2, 3, 6, 6}), "x");
  b.origin = ir::make_name("first");
  Val a = b.op("Relu", {b.op("Conv", {x, b.constant(random({8, 3, 3, 3}, 1, 0.3f)), b.constant(random({8}, 2))}, {{"pads", ir::Ints{1, 1, 1, 1}}})});
  b.origin = ir::make_name("rows");
  Val m = b.op("MatMul", {b.op("Reshape", {a, b.ints({2, 288})}), b.constant(random({288, 40}, 3, 0.1f))});
  b.origin = ir::make_name("last");
  Val y = b.op("Softmax", {b.op("Gemm", {m, b.constant(random({10, 40}, 4, 0.2f)), b.constant(random({10}, 5))}, {{"transB", std::int64_t(1)}})});
  b.rename(y, "y");
  auto g = std::move(b).build({y});
  EXPECT_TRUE(g);
  return std::move(*g);
}
double sqnr(const ir::Graph& a, const ir::Graph& b) {
  const Datum in[] = {random({2, 3, 6, 6}, 9)};
  auto x = op::run(a, in), y = op::run(b, in);
  EXPECT_TRUE(x) << x.error().message;
  EXPECT_TRUE(y) << y.error().message;
  if (!x || !y) return 0;
  EXPECT_EQ((*y)[0].tensor.dtype, DType::f32);
  double power = 0, error = 0;
  for (std::int64_t i = 0; i < (*x)[0].tensor.size(); ++i) power += std::pow((*x)[0].tensor.at(i), 2), error += std::pow((*x)[0].tensor.at(i) - (*y)[0].tensor.at(i), 2);
  return 10 * std::log10(power / std::max(error, 1e-30));
}
int count(const ir::Graph& g, std::string_view op) {
  int n = 0;
  for (const ir::Node& x : g.nodes()) n += x.op.str() == op;
  return n;
}

TEST(Narrow, EveryFormIsNearToTheFloatGraph) {
  const ir::Graph g = net();
  struct Case { Form form; DType to; double least; };
  for (const Case& c : {Case{Form::weights, DType::i8, 28}, {Form::weights, DType::i4, 10}, {Form::weights, DType::f16, 50}, {Form::weights, DType::bf16, 35}, {Form::dynamic, DType::i8, 25}, {Form::hybrid, DType::i8, 25}, {Form::compute, DType::f16, 45},
                        {Form::compute, DType::bf16, 25}}) {
    auto r = narrowed(g, {.form = c.form, .to = c.to});
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_GE(r->layers, 3);
    EXPECT_GT(sqnr(g, r->graph), c.least) << int(c.form) << " " << name(c.to);
    EXPECT_EQ(r->graph.name(r->graph.inputs()[0]), "x");
    EXPECT_EQ(r->graph.name(r->graph.outputs()[0]), "y");
    EXPECT_EQ(r->graph.type(r->graph.inputs()[0]).dtype, DType::f32);
  }
}
TEST(Narrow, FourBitsShareAScaleInBlocksOfAMatrixsRow) {
  auto r = narrowed(net(), {.to = DType::i4, .block = 32});
  ASSERT_TRUE(r);
  EXPECT_EQ(r->opset, 21);
  int blocked = 0;
  for (const ir::Node& n : r->graph.nodes()) {
    if (n.op != "DequantizeLinear") continue;
    const op::AttrView a{*n.attrs};
    if (!a.i("block_size")) continue;
    ++blocked;
    const Dims w = r->graph[r->graph.operand(n, 0)].constant->dims, s = r->graph[r->graph.operand(n, 1)].constant->dims;
    const auto axis = std::size_t(a.i("axis"));
    EXPECT_EQ(s[axis], (w[axis] + 31) / 32);
    EXPECT_EQ(s[1 - axis], w[1 - axis]);
  }
  EXPECT_EQ(blocked, 2);
}
TEST(Narrow, DynamicFormsFindScalesInEachRun) {
  auto r = narrowed(net(), {.form = Form::dynamic});
  ASSERT_TRUE(r);
  EXPECT_EQ(count(r->graph, "DynamicQuantizeLinear"), 3);
  EXPECT_EQ(count(r->graph, "ConvInteger"), 1);
  EXPECT_EQ(count(r->graph, "MatMulInteger"), 2);
}
TEST(Narrow, HybridLayersAreTheLayersOnStoredWeights) {
  auto r = narrowed(net(), {.form = Form::hybrid});
  ASSERT_TRUE(r);
  for (const char* op : {"Conv", "MatMul", "Gemm"}) EXPECT_EQ(count(r->graph, op), 1);
  for (const ir::Node& n : r->graph.nodes()) {
    if (n.op != "Conv" && n.op != "MatMul" && n.op != "Gemm") continue;
    const ir::Type& w = r->graph.type(r->graph.operand(n, 1));
    ASSERT_TRUE(w.quant);
    EXPECT_EQ(w.dtype, DType::i8);
    EXPECT_FALSE(r->graph.type(r->graph.result(n)).quant);
    EXPECT_EQ(op::AttrView{*n.attrs}.s("rounding"), n.op == "Conv" ? "dynamic_asymmetric" : "dynamic_symmetric");
  }
}
TEST(Narrow, KeptLayersAndRefusals) {
  auto r = narrowed(net(), {.form = Form::dynamic, .keep = {"first"}});
  ASSERT_TRUE(r);
  EXPECT_EQ(count(r->graph, "Conv"), 1);
  auto message = [](const NarrowOptions& o) {
    auto x = narrowed(net(), o);
    return x ? std::string() : x.error().message;
  };
  EXPECT_EQ(message({.keep = {"nobody"}}), "there is no layer 'nobody' to keep");
  EXPECT_EQ(message({.form = Form::dynamic, .to = DType::i4}), "int4 is not what this form of a model stores");
  EXPECT_EQ(message({.form = Form::compute, .to = DType::i8}), "int8 is not what this form of a model stores");
  EXPECT_EQ(message({.to = DType::i4, .block = 24}), "a block of 24 weights: a power of two from 16 to 4096 is taken");
  Builder b;
  Val y = b.op("Relu", {b.input(ir::tensor_type(DType::f32, {2}), "x")});
  auto g = std::move(b).build({y});
  auto none = narrowed(*g, {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("nothing to quantise"), std::string::npos);
}

}  // namespace
}  // namespace saha::compress
