#include "measure/inputs.hpp"

#include <gtest/gtest.h>

#include "op/builder.hpp"

namespace saha::measure {
namespace {

ir::Graph two_inputs() {
  op::Builder b;
  const auto x = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), 3}), "x:0"), y = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), 3}), "y");
  return *std::move(b).build({x, y});
}

TEST(Inputs, a_shape_is_split_at_its_last_equals_sign) {
  auto shape = parse_shape("serving:a=b:0=1x3x224x224");
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->first, "serving:a=b:0");
  EXPECT_EQ(shape->second, (Dims{1, 3, 224, 224}));
  EXPECT_EQ(parse_shape("x=")->second, Dims{});
  EXPECT_EQ(parse_shape("x=0")->second, (Dims{0}));
  for (const char* wrong : {"x", "=1", "x=1x", "x=x1", "x=-1", "x=1.5", "x=1xx2", "x=99999999999999999999"}) {
    auto r = parse_shape(wrong);
    ASSERT_FALSE(r) << wrong;
    EXPECT_EQ(r.error().code, ErrorCode::invalid_file);
    EXPECT_NE(r.error().message.find("NAME=1x3x224x224"), std::string::npos);
  }
}

TEST(Inputs, the_same_seed_gives_the_same_values_and_another_seed_or_stream_does_not) {
  for (int k = 1; k < kNumDTypes; ++k) {
    const DType t{std::uint8_t(k)};
    auto a = random_tensor(t, {200}, 5, 0), b = random_tensor(t, {200}, 5, 0), c = random_tensor(t, {200}, 6, 0), d = random_tensor(t, {200}, 5, 1);
    ASSERT_TRUE(a && b && c && d) << name(t);
    EXPECT_TRUE(identical(*a, *b)) << name(t);
    EXPECT_FALSE(identical(*a, *c)) << name(t);
    EXPECT_FALSE(identical(*a, *d)) << name(t);
  }
}

TEST(Inputs, values_lie_where_every_model_can_take_them) {
  for (DType t : {DType::f32, DType::f64, DType::i64, DType::i32, DType::boolean, DType::i8, DType::u8}) {
    auto x = random_tensor(t, {10'000}, 1, 0);
    ASSERT_TRUE(x);
    double lo = 1e9, hi = -1e9;
    for (std::int64_t i = 0; i < x->size(); ++i) lo = std::min(lo, x->at(i)), hi = std::max(hi, x->at(i));
    if (is_float(t)) EXPECT_TRUE(lo >= -1 && lo < -0.99 && hi < 1 && hi > 0.99) << name(t);
    else if (t == DType::i8) EXPECT_TRUE(lo == -128 && hi == 127);
    else if (t == DType::u8) EXPECT_TRUE(lo == 0 && hi == 255);
    else EXPECT_TRUE(lo == 0 && hi == 1) << name(t);
  }
}

TEST(Inputs, an_index_lies_within_the_table_that_it_looks_up) {
  op::Builder b;
  const auto ids = b.input(ir::tensor_type(DType::i64, {1, 64}), "ids"), mask = b.input(ir::tensor_type(DType::i64, {1, 64}), "mask");
  const auto table = b.constant(Tensor::zeros(DType::f32, {30, 4}));
  const auto rows = b.op("Gather", {table, b.op("Unsqueeze", {b.op("Cast", {ids}, {{"to", std::int64_t{6}}}), b.ints({0})})});
  auto graph = std::move(b).build({rows, mask});
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(index_limit(*graph, graph->inputs()[0]), 30);
  EXPECT_EQ(index_limit(*graph, graph->inputs()[1]), 2);
  auto values = random_inputs(*graph, {}, 3);
  ASSERT_TRUE(values);
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < 64; ++i) most = std::max(most, (*values)[0].tensor.int_at(i));
  EXPECT_GT(most, 15);
  EXPECT_LT(most, 30);
}

TEST(Inputs, free_dims_are_1_and_a_symbol_means_the_same_everywhere) {
  const auto graph = two_inputs();
  EXPECT_EQ(*input_dims(graph, {}), (std::vector<Dims>{{1, 3}, {1, 3}}));
  EXPECT_EQ(*input_dims(graph, {{"x:0", {4, 3}}}), (std::vector<Dims>{{4, 3}, {4, 3}}));
  auto fixed = input_dims(graph, {{"y", {4, 2}}});
  ASSERT_FALSE(fixed);
  EXPECT_EQ(fixed.error().message, "--shape: input 'y' is float32[N, 3], which [4, 2] does not fit");
  auto twice = input_dims(graph, {{"x:0", {4, 3}}, {"y", {5, 3}}});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("N is 4 already"), std::string::npos) << twice.error().message;
  auto unknown = input_dims(graph, {{"z", {1}}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "--shape: the model has no input 'z'");
  EXPECT_EQ(unknown.error().help, "its inputs are x:0, y");
}

TEST(Inputs, free_dims_grow_until_the_model_takes_them) {
  op::Builder b;
  const auto x = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), 1, ir::Dim::symbol("H"), ir::Dim::symbol("W")}), "x");
  const auto y = b.op("Conv", {x, b.constant(Tensor::zeros(DType::f32, {1, 1, 3, 20}))});
  const auto graph = std::move(b).build({y});
  ASSERT_TRUE(graph) << graph.error().message;
  const auto shapes = fitting_shapes(*graph, {});
  EXPECT_EQ(shapes, (Shapes{{"x", {1, 1, 32, 32}}}));   // the batch stays 1
  EXPECT_EQ(shapes_text(shapes), "x 1x1x32x32");
  EXPECT_EQ(fitting_shapes(*graph, {{"x", {2, 1, 5, 5}}}), (Shapes{{"x", {2, 1, 5, 5}}}));   // what is given stays, right or wrong
  int asked = 0;
  EXPECT_EQ(fitting_shapes(*graph, {}, [&](const Shapes& s) { ++asked; return s.at("x")[2] == 64; }), (Shapes{{"x", {1, 1, 64, 64}}}));
  asked = 0;
  EXPECT_EQ(fitting_shapes(*graph, {}, [&](const Shapes&) { ++asked; return false; }), Shapes{});
  EXPECT_EQ(asked, 6);
  EXPECT_EQ(fitting_shapes(two_inputs(), {}), (Shapes{{"x:0", {1, 3}}, {"y", {1, 3}}}));
}

}  // namespace
}  // namespace saha::measure
