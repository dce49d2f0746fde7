// Normalisations, softmax, reductions: gradients, bodies against references, shapes, empty sets, messages.
#include "gradient_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
using I = std::int64_t;
using Is = ir::Ints;
std::mt19937 rng(5);
Tensor r(Dims d) { return random_tensor(rng, std::move(d)); }
Tensor positive(Dims d) {
  Tensor t = r(std::move(d));
  auto v = values<double>(t);
  for (double& x : v) x = std::abs(x) + 0.3;
  fill<double>(t, v);
  return t;
}
std::vector<Case> norm_cases() {
  return {
      {"BatchNormalization", {r({3, 2, 4}), r({2}), r({2}), r({2}), positive({2})}},
      {"BatchNormalization", {r({3, 2}), r({2}), r({2}), r({2}), positive({2})}},
      {"BatchNormalization", {r({3, 2, 2, 2}), r({2}), r({2}), r({2}), positive({2})}, {{"training_mode", I{1}}}, 3},
      {"LayerNormalization", {r({2, 3, 4}), r({4}), r({4})}},
      {"LayerNormalization", {r({2, 3, 4}), r({3, 4})}, {{"axis", I{1}}}},
      {"LayerNormalization", {r({2, 3, 4}), r({3, 1}), r({2, 3, 4})}, {{"axis", I{-2}}}},
      {"RMSNormalization", {r({2, 3, 4}), r({4})}},
      {"RMSNormalization", {r({2, 3, 4}), r({3, 4})}, {{"axis", I{1}}}},
      {"InstanceNormalization", {r({2, 3, 4, 2}), r({3}), r({3})}},
      {"GroupNormalization", {r({2, 4, 3}), r({4}), r({4})}, {{"num_groups", I{2}}}},
      {"LpNormalization", {r({3, 4})}},
      {"LpNormalization", {r({3, 4})}, {{"p", I{1}}, {"axis", I{0}}}},
      {"MeanVarianceNormalization", {r({2, 3, 2, 2})}},
      {"LRN", {r({2, 5, 2, 2})}, {{"size", I{3}}, {"alpha", 0.5f}}},
      {"LRN", {r({1, 4, 3})}, {{"size", I{4}}, {"alpha", 0.5f}, {"beta", 2.0f}}},
      {"Softmax", {r({3, 4})}},
      {"Softmax", {r({3, 4, 2})}, {{"axis", I{1}}}},
      {"LogSoftmax", {r({3, 4})}, {{"axis", I{0}}}},
      {"LogSoftmax", {r({3, 4})}},
  };
}
std::vector<Case> reduce_cases() {
  std::vector<Case> c;
  for (ir::OpName op : {ir::OpName("ReduceSum"), ir::OpName("ReduceMean"), ir::OpName("ReduceProd"), ir::OpName("ReduceMax"), ir::OpName("ReduceMin"), ir::OpName("ReduceL1"), ir::OpName("ReduceL2"),
                        ir::OpName("ReduceSumSquare"), ir::OpName("ReduceLogSum"), ir::OpName("ReduceLogSumExp")}) {
    bool log = op == ir::OpName("ReduceLogSum");
    auto x = [&](Dims d) { return log ? positive(d) : r(d); };
    c.push_back({op, {x({2, 3, 4}), ints({1})}});
    c.push_back({op, {x({2, 3, 4}), ints({-1, 0})}, {{"keepdims", I{0}}}});
    c.push_back({op, {x({2, 3})}, {{"keepdims", I{0}}}});
    c.push_back({op, {x({2, 3})}});
    c.push_back({op, {log ? positive({2, 2}) : positive({2, 2}), ints({})}, {{"noop_with_empty_axes", I{1}}, {"keepdims", I{0}}}});
  }
  return c;
}
}  // namespace

TEST(Normalization, gradients_are_the_central_differences) {
  for (const Case& c : norm_cases()) EXPECT_LT(gradient_gap(c), 1e-6) << c.op.str() << " " << str(c.in[0]->dims);
}
TEST(Normalization, bodies_give_what_the_references_give) {
  for (const Case& c : norm_cases()) {
    if (find(c.op.str())->def->eval) { EXPECT_LT(body_gap(c), 1e-12) << c.op.str(); }
  }
}
TEST(Normalization, symbolic_shapes_bound_to_numbers_are_those_of_the_results) {
  for (const Case& c : norm_cases()) expect_symbolic_shapes(c);
}
TEST(Normalization, float16_is_rounded_once) {
  Tensor x = random_tensor(rng, {2, 8}, DType::f16), one = Tensor::of(DType::f16, {8}, {1});
  Tensor y = eval1("LayerNormalization", {x, one});
  Tensor wide = Tensor::of(DType::f64, {2, 8}, std::span<const double>(values<double>(x)));
  Tensor exact = eval1("LayerNormalization", {wide, Tensor::of(DType::f64, {8}, {1})});
  EXPECT_TRUE(identical(y, Tensor::of(DType::f16, {2, 8}, std::span<const double>(values<double>(exact)))));
}
TEST(Softmax, infinities_and_large_numbers_stay_sound) {
  Tensor y = eval1("Softmax", {f32({1, 3}, {1e30, -INFINITY, 1e30})});
  EXPECT_EQ(y.at(0), 0.5);
  EXPECT_EQ(y.at(1), 0);
  EXPECT_EQ(eval1("LogSoftmax", {f32({2}, {1000, 0})}).at(1), -1000);
}
TEST(Reduction, gradients_are_the_central_differences) {
  for (const Case& c : reduce_cases()) EXPECT_LT(gradient_gap(c), 1e-6) << c.op.str() << " " << str(c.in[0]->dims);
}
TEST(Reduction, bodies_give_what_the_references_give) {
  for (const Case& c : reduce_cases()) {
    if (find(c.op.str())->def->body) { EXPECT_LT(body_gap(c), 1e-12) << c.op.str(); }
  }
}
TEST(Reduction, symbolic_shapes_bound_to_numbers_are_those_of_the_results) {
  for (const Case& c : reduce_cases()) expect_symbolic_shapes(c);
}
TEST(Reduction, a_product_with_zeros_has_the_gradient_of_the_others) {
  EXPECT_LT(gradient_gap({"ReduceProd", {f64({3, 3}, {0, 2, 3, 0, 0, 5, 1, 2, 3}), ints({1})}}), 1e-7);
}
TEST(Reduction, equal_extremes_share_the_gradient) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f64, {4})), y = b.op("ReduceMax", {x}, {{"keepdims", I{0}}});
  auto g = gradients(b, y, b.scalar(1, y), {x});
  ASSERT_TRUE(g) << g.error().message;
  auto graph = std::move(b).build(*g);
  ASSERT_TRUE(graph);
  auto d = run(*graph, std::vector<Datum>{f64({4}, {5, 1, 5, 0})});
  ASSERT_TRUE(d);
  EXPECT_EQ(values<double>((*d)[0].tensor), (std::vector<double>{0.5, 0, 0.5, 0}));
}
TEST(Reduction, an_empty_set_gives_the_neutral_element) {
  Tensor none = Tensor::zeros(DType::f32, {2, 0}), whole = Tensor::zeros(DType::i32, {2, 0}), truth = Tensor::zeros(DType::boolean, {2, 0});
  EXPECT_EQ(eval1("ReduceSum", {none, ints({1})}).at(1), 0);
  EXPECT_EQ(eval1("ReduceProd", {none, ints({1})}).at(1), 1);
  EXPECT_EQ(eval1("ReduceMax", {none, ints({1})}).at(0), -INFINITY);
  EXPECT_EQ(eval1("ReduceMin", {whole, ints({1})}).int_at(0), 2147483647);
  EXPECT_EQ(eval1("ReduceMax", {whole, ints({1})}).int_at(0), -2147483648LL);
  EXPECT_EQ(eval1("ReduceMin", {truth, ints({1})}).int_at(0), 1);
  EXPECT_EQ(eval1("ReduceLogSum", {none, ints({1})}).at(0), -INFINITY);
}
TEST(Reduction, axes_that_the_run_decides_give_fresh_symbols) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {2, 3})), axes = b.input(ir::tensor_type(DType::i64, {1}));
  EXPECT_EQ(b.type(b.op("ReduceSum", {x, axes})).dims.size(), 2u);
  EXPECT_EQ(b.type(b.op("ReduceSum", {x, axes}, {{"keepdims", I{0}}})).dims.size(), 1u);
  EXPECT_FALSE(b.failed());
}
TEST(Normalization, messages_name_the_numbers) {
  EXPECT_EQ(message(eval("ReduceSum", {f32({2, 3}, {0}), ints({2})})), "ReduceSum: axis 2 lies outside a tensor of rank 2");
  EXPECT_EQ(message(eval("BatchNormalization", {f32({1, 3, 2}, {0}), f32({2}, {0}), f32({3}, {0}), f32({3}, {0}), f32({3}, {1})})), "BatchNormalization: operand 1 is [2], X has 3 channels");
  EXPECT_EQ(message(eval("GroupNormalization", {f32({1, 3, 2}, {0}), f32({3}, {0}), f32({3}, {0})}, {{"num_groups", I{2}}})), "GroupNormalization: num_groups 2 does not divide the 3 channels");
  EXPECT_EQ(message(eval("LayerNormalization", {f32({2, 3}, {0}), f32({2}, {0})})), "LayerNormalization: operand 1 [2] does not broadcast to X [2, 3]");
}

}  // namespace saha::op
