// Graphs between DequantizeLinear and QuantizeLinear: which nodes they become, and that these compute the same, to a step where sums in float round.
#include "passes/gather_quantised.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "passes/passes.hpp"
#include "passes/specialize.hpp"

namespace saha::passes {
namespace {
using ir::Ints;
using op::Builder;
using op::Val;
using op::Vals;

/// A network in the making, in the form that quantisers write.
struct Net {
  Builder b;
  std::mt19937 engine{7};
  std::vector<Datum> data;

  Val input(Dims dims) {
    std::uniform_real_distribution<float> d(-2, 2);
    Tensor t = Tensor::zeros(DType::f32, dims);
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = d(engine);
    data.emplace_back(std::move(t));
    return b.input(ir::tensor_type(DType::f32, {dims.begin(), dims.end()}));
  }
  Val quantised(Val x, double scale, int zero, DType t = DType::u8) { return b.op("QuantizeLinear", {x, b.scalar(scale, DType::f32), b.scalar(zero, t)}); }
  Val real(Val q, double scale, int zero, DType t = DType::u8) { return b.op("DequantizeLinear", {q, b.scalar(scale, DType::f32), b.scalar(zero, t)}); }
  Val both(Val x, double scale, int zero, DType t = DType::u8) { return real(quantised(x, scale, zero, t), scale, zero, t); }
  /// int8 weights with a scale for each entry of `axis`.
  Val weight(Dims dims, std::int64_t axis) {
    std::uniform_int_distribution<int> d(-127, 127);
    Tensor t = Tensor::zeros(DType::i8, dims), scale = Tensor::zeros(DType::f32, {dims[std::size_t(axis)]}), zero = Tensor::zeros(DType::i8, {dims[std::size_t(axis)]});
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<std::int8_t>()[i] = std::int8_t(d(engine));
    for (std::int64_t i = 0; i < scale.size(); ++i) scale.as<float>()[i] = 0.004f + 0.001f * float(i);
    return b.op("DequantizeLinear", {b.constant(std::move(t)), b.constant(std::move(scale)), b.constant(std::move(zero))}, {{"axis", axis}});
  }
  Val floats(Dims dims) {
    Tensor t = Tensor::zeros(DType::f32, std::move(dims));
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = 0.1f * float(i % 7) - 0.3f;
    return b.constant(std::move(t));
  }
};

std::string kinds(const ir::Graph& g) {
  std::string s;
  for (const ir::Node& n : g.nodes()) s += (s.empty() ? "" : " ") + std::string(op::is_quantised(g, n) ? "q." : "") + std::string(n.op.str());
  return s;
}

/// The graph becomes these nodes, and its result differs by at most `steps` (counts of the result's stored numbers, or of `step` where it is float).
void check(Net& n, Val y, const std::string& nodes, double steps = 1, double step = 1) {
  auto g = std::move(n.b).build({y});
  ASSERT_TRUE(g) << g.error().message;
  auto gathered = gather_quantised(*g);
  ASSERT_TRUE(gathered) << gathered.error().message;
  EXPECT_EQ(kinds(*gathered), nodes);
  auto back = op::spelt_out(*gathered);
  ASSERT_TRUE(back) << back.error().message;
  auto again = gather_quantised(*back);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(kinds(*again), nodes) << "written as pairs and gathered again";
  auto want = op::run(*g, n.data);
  ASSERT_TRUE(want) << want.error().message;
  for (const ir::Graph* other : {&*gathered, &*back, &*again}) {
    auto got = op::run(*other, n.data);
    ASSERT_TRUE(got) << got.error().message;
    const Tensor &a = (*want)[0].tensor, &c = (*got)[0].tensor;
    ASSERT_EQ(a.dims, c.dims);
    ASSERT_EQ(a.dtype, c.dtype);
    int differ = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      EXPECT_LE(std::abs(a.at(i) - c.at(i)), steps * step * 1.0001) << "element " << i;
      differ += a.at(i) != c.at(i);
    }
    EXPECT_LE(differ, 1 + a.size() / 100);
  }
}

TEST(GatherQuantised, a_convolution_takes_its_bias_and_its_activation) {
  Net n;
  Val x = n.both(n.input({1, 3, 9, 8}), 0.02, 117);
  Val y = n.b.op("Relu", {n.b.op("Conv", {x, n.weight({4, 3, 3, 3}, 0), n.floats({4})}, {{"pads", Ints{1, 1, 1, 1}}})});
  check(n, n.both(y, 0.05, 0), "QuantizeLinear q.Conv DequantizeLinear", 1, 0.05);
}

TEST(GatherQuantised, a_limit_inside_the_range_stays_as_a_node) {
  Net n;
  Val x = n.both(n.input({2, 6}), 0.02, -3, DType::i8);
  Val y = n.b.op("Clip", {n.b.op("Gemm", {x, n.weight({5, 6}, 0), n.floats({5})}, {{"transB", std::int64_t{1}}}), n.b.scalar(0, DType::f32), n.b.scalar(6, DType::f32)});
  check(n, n.quantised(y, 0.1, -20, DType::i8), "QuantizeLinear q.Gemm q.Clip");
}

TEST(GatherQuantised, movement_moves_stored_numbers_and_changes_of_scale_are_one_node) {
  Net n;
  Val x = n.both(n.input({1, 4, 5, 6}), 0.02, 128);
  Val t = n.both(n.b.op("Reshape", {n.b.op("Transpose", {x}, {{"perm", Ints{0, 2, 3, 1}}}), n.b.ints({1, 5, 24})}), 0.02, 128);
  check(n, n.quantised(n.b.op("MatMul", {t, n.weight({24, 7}, 1)}), 0.1, 100), "QuantizeLinear Transpose Reshape q.MatMul");
  Net m;
  Val z = m.both(m.input({1, 4, 5, 6}), 0.02, 128);
  check(m, m.quantised(m.b.op("Pad", {z, m.b.ints({0, 0, 1, 1, 0, 0, 1, 1}), m.b.scalar(0.1, DType::f32)}), 0.03, 110), "QuantizeLinear Pad q.Requantize", 0);
}

TEST(GatherQuantised, sums_products_pools_and_functions_are_exact) {
  Net n;
  Val x = n.both(n.input({1, 4, 6, 6}), 0.02, 128), y = n.both(n.input({1, 4, 6, 6}), 0.015, 100);
  Val s = n.both(n.b.op("Add", {x, y}), 0.03, 120);
  Val p = n.both(n.b.op("MaxPool", {n.both(n.b.op("Mul", {s, n.both(n.b.op("Sigmoid", {s}), 1 / 256., 0)}), 0.025, 90)}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}), 0.025, 90);
  check(n, n.quantised(n.b.op("GlobalAveragePool", {p}), 0.02, 80), "QuantizeLinear QuantizeLinear q.Add q.Sigmoid q.Mul q.MaxPool q.GlobalAveragePool", 0);
}

TEST(GatherQuantised, qlinear_operators_are_the_same_nodes) {
  Net n;
  Val x = n.quantised(n.input({1, 3, 7, 7}), 0.02, 117);
  std::uniform_int_distribution<int> d(-127, 127);
  Tensor w = Tensor::zeros(DType::i8, {4, 3, 3, 3}), bias = Tensor::zeros(DType::i32, {4}), scale = Tensor::zeros(DType::f32, {4}), zero = Tensor::zeros(DType::i8, {4});
  for (std::int64_t i = 0; i < w.size(); ++i) w.as<std::int8_t>()[i] = std::int8_t(d(n.engine));
  for (int i = 0; i < 4; ++i) {
    bias.as<std::int32_t>()[i] = 500 * i - 900;
    scale.as<float>()[i] = 0.003f + 0.001f * float(i);
  }
  Val y = n.b.op("QLinearConv", {x, n.b.scalar(0.02, DType::f32), n.b.scalar(117, DType::u8), n.b.constant(std::move(w)), n.b.constant(std::move(scale)), n.b.constant(std::move(zero)),
                                 n.b.scalar(0.04, DType::f32), n.b.scalar(128, DType::u8), n.b.constant(std::move(bias))});
  check(n, n.b.op("QLinearAdd", {y, n.b.scalar(0.04, DType::f32), n.b.scalar(128, DType::u8), y, n.b.scalar(0.04, DType::f32), n.b.scalar(128, DType::u8), n.b.scalar(0.09, DType::f32), n.b.scalar(120, DType::u8)}),
        "QuantizeLinear q.Conv q.Add");
}

TEST(GatherQuantised, stored_numbers_keep_their_meaning_when_dims_become_known) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), ir::Dim(6)}));
  Val scale = b.scalar(0.02, DType::f32), zero = b.scalar(128, DType::u8);
  Val real = b.op("DequantizeLinear", {b.op("QuantizeLinear", {x, scale, zero}), scale, zero});
  auto g = std::move(b).build({b.op("QuantizeLinear", {b.op("Add", {real, real}), b.scalar(0.04, DType::f32), zero})});
  ASSERT_TRUE(g) << g.error().message;
  auto gathered = gather_quantised(*g);
  ASSERT_TRUE(gathered) << gathered.error().message;
  const ir::TypeRef known = ir::tensor_type(DType::f32, {ir::Dim(3), ir::Dim(6)});
  auto special = specialize(*gathered, std::span(&known, 1));
  ASSERT_TRUE(special) << special.error().message;
  EXPECT_EQ(kinds(*special), "QuantizeLinear q.Add");
}

TEST(GatherQuantised, equal_numbers_that_stand_for_others_are_not_merged) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {4}), "x"), scale = b.scalar(0.5, DType::f32), zero = b.scalar(3, DType::u8);
  Val raw = b.op("QuantizeLinear", {x, scale, zero}), kept = b.op("QuantizeLinear", {x, scale, zero});
  b.retype(kept, ir::tensor_type(DType::u8, {4}, std::make_shared<const ir::Quant>(ir::Quant{{0.5f}, {3}, 0})));
  Val sum = b.quantised("Add", {kept, kept}, {{"rounding", std::string("float_even")}}, op::Stored{});
  auto g = std::move(b).build({b.op("Cast", {raw}, {{"to", std::int64_t(DType::f32)}}), sum});
  ASSERT_TRUE(g) << g.error().message;
  auto merged = merge_common(*g, {});
  ASSERT_TRUE(merged) << merged.error().message;
  const std::vector<Datum> in = {Tensor::of(DType::f32, {4}, {1, 2, 3, 4})};
  auto y = op::run(*merged, in);
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].tensor.at(1), 7);
  EXPECT_EQ((*y)[1].tensor.at(1), 4);
}
TEST(GatherQuantised, what_cannot_be_stays) {
  Net n;   // one operand is float, one scale is computed, a result has another reader
  Val f = n.input({1, 4}), x = n.both(n.input({1, 4}), 0.02, 128);
  Val a = n.both(n.b.op("Add", {x, f}), 0.05, 128);
  Val s = n.b.op("Exp", {n.b.op("ReduceMax", {f, n.b.ints({0, 1})}, {{"keepdims", std::int64_t{0}}})});
  Val relu = n.b.op("Relu", {n.b.op("DequantizeLinear", {n.quantised(a, 0.05, 128), s, n.b.scalar(128, DType::u8)})});
  check(n, n.b.op("Add", {n.both(relu, 0.1, 0), relu}), "QuantizeLinear DequantizeLinear Add QuantizeLinear ReduceMax Exp DequantizeLinear Relu QuantizeLinear DequantizeLinear Add", 1, 0.1);
}
}  // namespace
}  // namespace saha::passes
