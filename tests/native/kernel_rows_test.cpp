// Every row of the kernel table: graphs run by the native engine, at every level of the CPU, equal the operators' references, and no
// instruction falls back to a reference.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/native/fuse.hpp"
#include "backends/native/network.hpp"
#include "op/builder.hpp"
#include "tests/native/at_every_level.hpp"
#include "tests/native/net.hpp"

namespace saha::native {
namespace {
using op::Builder;
using op::Val;
using op::Vals;
using test::Net;
using test::noise;
using ir::Ints;

/// `instructions`: how many kernels the plan has; `at_generic`: how many there, unless as many.
void check(Net& n, const Vals& outputs, std::size_t instructions, double tolerance = 2e-5, std::size_t at_generic = 0) {
  test::run_at_every_level(std::move(n.b), n.data, outputs, instructions, false, [&](double x, double y, const std::string& where) {
    ASSERT_NEAR(x, y, tolerance * std::max(1., std::fabs(y))) << where;
  }, at_generic);
}

void one(ir::OpName name, std::vector<Dims> in, ir::Attrs attrs = {}, std::vector<Tensor> constants = {}, float low = -1, int num_out = 1) {
  SCOPED_TRACE(name.str());
  Net n;
  Vals v;
  for (Dims& d : in) v.push_back(n.input(d, low, 2));
  for (Tensor& t : constants) v.push_back(n.b.constant(std::move(t)));
  Vals y = n.b.ops(name, v, std::move(attrs), num_out);
  check(n, y, 1);
}

TEST(KernelRows, elementwise_nodes_equal_their_references) {
  for (ir::OpName name : {ir::OpName("Relu"), ir::OpName("Sigmoid"), ir::OpName("Tanh"), ir::OpName("HardSigmoid"), ir::OpName("HardSwish"), ir::OpName("LeakyRelu"), ir::OpName("Elu"),
                          ir::OpName("Gelu"), ir::OpName("Exp"), ir::OpName("Neg"), ir::OpName("Abs"), ir::OpName("Erf"), ir::OpName("Sign"), ir::OpName("Floor"), ir::OpName("Ceil"), ir::OpName("Round"),
                          ir::OpName("Sin"), ir::OpName("Cos"), ir::OpName("Softplus"), ir::OpName("Softsign"), ir::OpName("Mish"), ir::OpName("Swish")})
    one(name, {{3, 5, 7}});
  for (ir::OpName name : {ir::OpName("Log"), ir::OpName("Sqrt"), ir::OpName("Reciprocal")}) one(name, {{41}}, {}, {}, 0.1f);
  one("Gelu", {{41}}, {{"approximate", std::string("tanh")}});
  one("Clip", {{41}}, {}, {Tensor::scalar(DType::f32, -0.5), Tensor::scalar(DType::f32, 0.5)});
  for (ir::OpName name : {ir::OpName("Add"), ir::OpName("Sub"), ir::OpName("Mul"), ir::OpName("Max"), ir::OpName("Min"), ir::OpName("Sum")}) {
    one(name, {{2, 3, 4, 5}, {2, 3, 4, 5}});
    one(name, {{2, 3, 4, 5}, {3, 1, 1}});
  }
  one("Add", {{5}, {3, 1}});
  one("Div", {{3, 5}, {3, 1}}, {}, {}, 0.5f);
  one("Pow", {{3, 5}, {}}, {}, {}, 0.5f);
  one("PRelu", {{2, 3, 5}, {3, 1}});
  one("BatchNormalization", {{2, 5, 4, 3}}, {}, {noise({5}), noise({5}), noise({5}), noise({5}, 0.5f)});
}

TEST(KernelRows, reductions_norms_and_pools_equal_their_references) {
  for (std::int64_t axis : {-1, 1, 0}) {
    one("Softmax", {{3, 6, 5}}, {{"axis", axis}});
    one("LogSoftmax", {{3, 6, 5}}, {{"axis", axis}});
  }
  for (ir::OpName name : {ir::OpName("ReduceSum"), ir::OpName("ReduceMean"), ir::OpName("ReduceMax"), ir::OpName("ReduceMin"), ir::OpName("ReduceL1"), ir::OpName("ReduceL2"), ir::OpName("ReduceSumSquare"), ir::OpName("ReduceProd")}) {
    one(name, {{3, 6, 5, 2}}, {{"keepdims", std::int64_t{0}}}, {Tensor::of_ints(std::vector<std::int64_t>{1, -2})});
    one(name, {{3, 6, 5}}, {{"keepdims", std::int64_t{1}}}, {Tensor::of_ints(std::vector<std::int64_t>{-1})});
    one(name, {{3, 6}});
  }
  one("GlobalAveragePool", {{2, 3, 7, 7}});
  one("GlobalMaxPool", {{2, 3, 7}});
  one("LayerNormalization", {{3, 4, 33}}, {{"axis", std::int64_t{-1}}}, {noise({33}), noise({33})});
  one("LayerNormalization", {{3, 4, 33}}, {{"axis", std::int64_t{1}}}, {noise({4, 33})});
  one("RMSNormalization", {{3, 4, 33}}, {}, {noise({33})});
  one("InstanceNormalization", {{2, 4, 5, 6}}, {}, {noise({4}), noise({4})});
  one("GroupNormalization", {{2, 6, 5, 6}}, {{"num_groups", std::int64_t{3}}}, {noise({6}), noise({6})});
  for (ir::OpName name : {ir::OpName("MaxPool"), ir::OpName("AveragePool")}) {
    one(name, {{1, 3, 13, 14}}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
    one(name, {{1, 3, 13, 14}}, {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t{1}}});
    one(name, {{1, 3, 14}}, {{"kernel_shape", Ints{3}}, {"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2}}});
  }
  one("AveragePool", {{1, 3, 13, 14}}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 2}}, {"count_include_pad", std::int64_t{1}}, {"ceil_mode", std::int64_t{1}}});
}

TEST(KernelRows, moves_equal_their_references) {
  one("Transpose", {{2, 3, 4, 5}}, {{"perm", Ints{0, 2, 3, 1}}});
  one("Transpose", {{2, 3, 4}});
  one("Concat", {{2, 3, 4}, {2, 1, 4}, {2, 2, 4}}, {{"axis", std::int64_t{1}}});
  auto ints = [](std::vector<std::int64_t> v) { return Tensor::of_ints(v); };
  one("Slice", {{4, 9, 6}}, {}, {ints({1, -1}), ints({9, -100}), ints({1, 2}), ints({3, -2})});
  one("Slice", {{4, 9}}, {}, {ints({1}), ints({3})});
  one("Expand", {{3, 1}}, {}, {ints({2, 3, 4})});
  one("Split", {{4, 9}}, {{"axis", std::int64_t{1}}}, {ints({2, 3, 4})}, -1, 3);
  one("Gather", {{4, 9, 2}}, {{"axis", std::int64_t{1}}}, {ints({8, -1, 0})});
}

TEST(KernelRows, resizes_equal_their_references) {
  for (const char* mode : {"nearest", "linear"})
    for (const char* rule : {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}) {
      SCOPED_TRACE(std::string(mode) + " " + rule);
      const auto sized = [&](const Dims& x, Tensor scales, Tensor sizes) {
        Net n;
        Val v = n.input(x);
        Vals in = {v, {}, scales.dtype == DType::none ? Val{} : n.b.constant(std::move(scales))};
        if (sizes.dtype != DType::none) in.push_back(n.b.constant(std::move(sizes)));
        check(n, {n.b.op("Resize", in, {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(rule)}})}, 1);
      };
      sized({1, 3, 5, 7}, Tensor::of(DType::f32, {4}, {1, 1, 2, 2}), {});
      sized({2, 3, 5, 7}, Tensor::of(DType::f32, {4}, {1, 1, 0.6, 1.7}), {});
      sized({2, 3, 5, 7}, {}, Tensor::of_ints(std::vector<std::int64_t>{2, 3, 9, 4}));
      sized({2, 3, 7}, {}, Tensor::of_ints(std::vector<std::int64_t>{2, 3, 20}));
    }
}

TEST(KernelRows, products_equal_their_references) {
  one("MatMul", {{5, 7}, {7, 9}});
  one("MatMul", {{2, 3, 5, 7}, {2, 3, 7, 9}});
  one("MatMul", {{2, 3, 5, 7}, {3, 7, 9}});
  one("MatMul", {{3, 5, 7}}, {}, {noise({7, 9})});
  one("Gemm", {{5, 7}, {9, 7}, {9}}, {{"transB", std::int64_t{1}}, {"alpha", 0.5f}});
  one("Gemm", {{7, 5}, {7, 9}}, {{"transA", std::int64_t{1}}});
  one("Gemm", {{5, 7}}, {{"beta", 0.25f}}, {noise({7, 9}), noise({9})});
  one("Gemm", {{5, 7}}, {{"beta", 0.25f}}, {noise({7, 9}), noise({5, 9})});
  one("Conv", {{1, 6, 9, 9}}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}, {noise({8, 6, 3, 3}), noise({8})});
  one("Conv", {{2, 6, 20}}, {{"auto_pad", std::string("SAME_LOWER")}, {"group", std::int64_t{6}}}, {noise({6, 1, 4})});
}

TEST(KernelRows, weights_of_megabytes_are_packed_one_behind_the_other) {
  Net n;
  const Val x = n.input({5, 700}), y = n.b.op("MatMul", {n.b.op("MatMul", {x, n.weight({700, 701}, -0.1f, 0.1f)}), n.weight({701, 699}, -0.1f, 0.1f)});
  check(n, {y}, 2);
  Net same;
  auto g = std::move(same.b).build({same.b.op("MatMul", {same.b.op("MatMul", {same.input({5, 700}), same.weight({700, 701})}), same.weight({701, 699})})});
  ASSERT_TRUE(g);
  const Datum* in[] = {&same.data[0]};
  auto plan = Network::make(*g, kernels::detect_isa())->plan_for(in);
  ASSERT_TRUE(plan) << plan.error().message;
  const auto& packed = (*plan)->plan.constants;
  ASSERT_EQ(packed.size(), 2u);
  EXPECT_EQ((packed[1].data.get() - packed[0].data.get() - packed[0].bytes()) / 128, 0);
}

TEST(KernelRows, recurrent_nodes_equal_their_references) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    const std::int64_t d = std::string(direction) == "bidirectional" ? 2 : 1;
    one("LSTM", {{5, 2, 3}}, {{"direction", std::string(direction)}, {"hidden_size", std::int64_t{6}}}, {noise({d, 24, 3}), noise({d, 24, 6}), noise({d, 48})}, -1, 3);
    for (std::int64_t after : {0, 1})
      one("GRU", {{5, 2, 3}}, {{"direction", std::string(direction)}, {"hidden_size", std::int64_t{6}}, {"linear_before_reset", after}}, {noise({d, 18, 3}), noise({d, 18, 6}), noise({d, 36})}, -1, 2);
  }
}

TEST(KernelRows, recurrent_nodes_of_several_blocks_equal_their_references) {
  one("LSTM", {{5, 2, 3}}, {{"direction", std::string("bidirectional")}, {"hidden_size", std::int64_t{128}}}, {noise({2, 512, 3}), noise({2, 512, 128}, -0.2f, 0.2f), noise({2, 1024})}, -1, 3);
  for (std::int64_t after : {0, 1})
    one("GRU", {{5, 1, 3}}, {{"direction", std::string("reverse")}, {"hidden_size", std::int64_t{150}}, {"linear_before_reset", after}}, {noise({1, 450, 3}), noise({1, 450, 150}, -0.2f, 0.2f), noise({1, 900})}, -1, 2);
}

/// Nodes of any kind between convolutions work on channels last, or what they take is reordered.
TEST(Layouts, what_stands_between_convolutions_equals_its_reference) {
  auto between = [](std::string_view title, std::vector<Dims> more, auto make) {
    SCOPED_TRACE(title);
    Net n;
    Vals in = {n.b.op("Conv", {n.input({2, 5, 6, 7}), n.weight({12, 5, 1, 1})})};
    for (Dims& d : more) in.push_back(n.input(d, 0.5f, 2));
    Val y = make(n, in);
    y = n.b.op("Conv", {y, n.weight({9, n.b.graph().type(y.id).dims[1].known().value_or(0), 1, 1})});
    check(n, {y}, 0, 1e-4);
  };
  auto constants = [](Net& n, Dims d) { return n.weight(std::move(d), 0.5f, 2); };
  between("channel factor", {{2, 12, 1, 1}}, [](Net&, Vals& v) { return v[0] * v[1]; });
  between("plain operand of rank 3", {{12, 6, 7}}, [](Net&, Vals& v) { return v[1] + v[0]; });
  between("operand of rank 1", {{7}}, [](Net&, Vals& v) { return v[0] - v[1]; });
  between("operand of rank 2", {{6, 1}}, [](Net&, Vals& v) { return v[0] * v[1]; });
  between("grows", {{1, 12, 6, 7}}, [](Net&, Vals& v) { return v[1] * v[0] + v[0]; });
  between("constants", {}, [&](Net& n, Vals& v) { return v[0] * constants(n, {12, 1, 1}) + constants(n, {7}) - constants(n, {1, 12, 6, 7}); });
  between("batch normalisation", {}, [&](Net& n, Vals& v) {
    Val x = n.b.op("Exp", {v[0]});
    return n.b.op("Relu", {n.b.op("BatchNormalization", {x, constants(n, {12}), constants(n, {12}), constants(n, {12}), constants(n, {12})})});
  });
  for (std::int64_t axis : {0, 1, 2, -1})
    between("concat and split " + std::to_string(axis), {{2, 12, 6, 7}}, [&](Net& n, Vals& v) {
      Val both = n.b.op("Concat", {v[0], v[1], v[0]}, {{"axis", axis}});
      Vals parts = n.b.ops("Split", {both}, {{"axis", axis}, {"num_outputs", std::int64_t{3}}}, 3);
      return parts[2] + parts[0];
    });
  between("slice and pad", {}, [&](Net& n, Vals& v) {
    auto ints = [&](std::vector<std::int64_t> i) { return n.b.constant(Tensor::of_ints(i)); };
    Val x = n.b.op("Slice", {v[0], ints({1, -1, 1}), ints({11, -100, 7}), ints({1, 2, 3}), ints({2, -2, 1})});
    return n.b.op("Pad", {x, ints({0, 1, 0, 2, 0, 0, 1, 0}), n.b.scalar(0.5, x)});
  });
  between("transpose", {}, [&](Net& n, Vals& v) {
    Val x = n.b.op("Transpose", {v[0]}, {{"perm", Ints{0, 2, 3, 1}}});
    return n.b.op("Transpose", {n.b.op("Softmax", {x}, {{"axis", std::int64_t{-1}}})}, {{"perm", Ints{0, 3, 1, 2}}});
  });
  between("reductions", {}, [&](Net& n, Vals& v) { return v[0] * n.b.op("Sigmoid", {n.b.op("GlobalAveragePool", {v[0]})}); });
  between("reshape", {}, [&](Net& n, Vals& v) { return n.b.op("Reshape", {v[0], n.b.constant(Tensor::of_ints(std::vector<std::int64_t>{2, 6, 12, 7}))}); });
}

TEST(Layouts, small_images_stay_plain) {
  Net n;
  Val x = n.b.op("Relu", {n.b.op("Conv", {n.input({1, 2, 16, 16}), n.weight({6, 2, 3, 3}), n.weight({6})}, {{"pads", Ints{1, 1, 1, 1}}})});
  x = n.b.op("MaxPool", {x}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  x = n.b.op("Conv", {x, n.weight({7, 6, 3, 3})}, {{"pads", Ints{1, 1, 1, 1}}});
  check(n, {n.b.op("MatMul", {n.b.op("Flatten", {x}), n.weight({448, 10})})}, 4, 1e-4);   // nothing is reordered
}

TEST(Fusion, small_images_are_pooled_with_their_convolution) {
  const auto graph = [](std::optional<ir::OpName> activation, bool norm, std::int64_t outputs, ir::Attrs pool, bool used, std::size_t instructions) {
    SCOPED_TRACE(testing::Message() << (activation ? activation->str() : "none") << " " << norm << " " << outputs << " " << instructions);
    Net n;
    Val x = n.b.op("Conv", {n.input({2, 3, 20, 20}), n.weight({outputs, 3, 5, 5}, 0.2f), n.weight({outputs})});
    if (norm) x = n.b.op("BatchNormalization", {x, n.weight({outputs}), n.weight({outputs}), n.weight({outputs}), n.weight({outputs}, 0.5f)});
    if (activation) x = n.b.op(*activation, {x});
    const Val y = n.b.op("MaxPool", {x}, std::move(pool));
    check(n, used ? Vals{y, x} : Vals{y}, instructions, 1e-4, 2);
  };
  const ir::Attrs halves = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  for (std::optional<ir::OpName> activation : {std::optional<ir::OpName>(), std::optional(ir::OpName("Relu"))})
    for (bool norm : {false, true}) graph(activation, norm, 8, halves, false, 1);
  graph(ir::OpName("Tanh"), false, 8, halves, false, 2);        // the largest of tanh: larger than its kernel knows
  graph(ir::OpName("Relu"), false, 8, halves, true, 2);         // what is pooled is asked for as well
  graph(ir::OpName("Relu"), false, 5, halves, false, 2);        // too few channels share a transform
  graph(ir::OpName("Relu"), false, 8, {{"kernel_shape", Ints{2, 2}}}, false, 2);
  graph(ir::OpName("Relu"), false, 8, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}}, false, 2);
  graph(ir::OpName("Relu"), false, 8, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 0, 0}}}, false, 2);
}

TEST(Fusion, conv_takes_batch_norm_bias_residual_and_activation) {
  for (std::int64_t groups : {1, 6})
    for (int kind = 0; kind < 4; ++kind) {
      SCOPED_TRACE(testing::Message() << groups << " " << kind);
      Net n;
      Val x = n.input({1, 6, 9, 9}), r = n.input({1, 6, 9, 9});
      Vals in = {x, n.weight({6, 6 / groups, 3, 3})};
      if (kind % 2) in.push_back(n.weight({6}));
      Val y = n.b.op("Conv", in, {{"pads", Ints{1, 1, 1, 1}}, {"group", groups}});
      if (kind >= 2) y = n.b.op("BatchNormalization", {y, n.weight({6}), n.weight({6}), n.weight({6}), n.weight({6}, 0.5f)});
      if (kind == 0) y = y + n.weight({6, 1, 1});
      y = r + y;
      y = n.b.op("Clip", {y, n.b.scalar(0, y), n.b.scalar(1.5, y)});
      check(n, {y}, 1);
    }
}

TEST(Fusion, silu_and_other_activations_join_their_conv) {
  Net n;
  Val y = n.b.op("Conv", {n.input({1, 6, 9, 9}), n.weight({8, 6, 1, 1})});
  y = y * n.b.op("Sigmoid", {y});
  y = n.b.op("HardSwish", {n.b.op("Conv", {y, n.weight({4, 8, 1, 1})})});
  check(n, {y}, 4);                                  // two convolutions take channels last: the operand and the result are reordered
}

TEST(Fusion, products_take_factor_bias_residual_and_gelu) {
  Net n;
  Val x = n.input({2, 5, 8});
  Val q = n.b.op("MatMul", {x, n.weight({8, 8})}) + n.weight({8});
  Val k = n.b.op("Transpose", {n.input({2, 5, 8})}, {{"perm", Ints{0, 2, 1}}});
  Val a = n.b.op("Softmax", {n.b.op("MatMul", {q, k}) / 2.5});
  Val y = n.b.op("Gelu", {n.b.op("MatMul", {a, x}) + x});
  Val z = n.b.op("Relu", {n.b.op("Gemm", {n.b.op("Reshape", {y, n.b.ints({10, 8})}), n.weight({3, 8}), n.weight({3})}, {{"transB", std::int64_t{1}}})});
  check(n, {z}, 6);
}

TEST(Fusion, activations_written_out_in_nodes_become_one) {
  const auto gelu = [](Val y) { return (y * 0.5) * (y.b->op("Erf", {y / std::sqrt(2.0)}) + 1.0); };
  const auto hard_swish = [](Val y) { return y * (y.b->op("Clip", {y + 3.0, y.b->scalar(0, y), y.b->scalar(6, y)}) / 6.0); };
  Net n;
  Val x = n.input({3, 8});
  Val y = gelu(n.b.op("MatMul", {x, n.weight({8, 8})}) + n.weight({8}));
  Val z = hard_swish(gelu(x));
  Val w = gelu(n.b.op("MatMul", {y, n.weight({8, 4})}));
  check(n, {z, w}, 4);
  Net other;                             // not quite Gelu, and a value that is used elsewhere: nothing is fused
  x = other.input({3, 8});
  y = (x * 0.5) * (other.b.op("Erf", {x / 1.5}) + 1.0);
  Val e = other.b.op("Erf", {y / std::sqrt(2.0)});
  check(other, {(y * 0.5) * (e + 1.0), e}, 10);
}

TEST(Expansion, attention_runs_on_kernels) {
  for (std::int64_t causal : {0, 1}) {
    SCOPED_TRACE(causal);
    Net n;
    Val q = n.input({2, 5, 24}), k = n.input({2, 7, 24}), v = n.input({2, 7, 12});
    Val y = n.b.op("Attention", {q, k, v}, {{"q_num_heads", std::int64_t{6}}, {"kv_num_heads", std::int64_t{6}}, {"is_causal", causal}});
    check(n, {y}, 1);   // a causal one is expanded, and comes back with a constant mask
  }
}

TEST(Expansion, attention_that_no_kernel_does_runs_as_its_parts) {
  Net n;
  Val q = n.input({2, 5, 24}), k = n.input({2, 7, 24}), v = n.input({2, 7, 12});
  Val y = n.b.op("Attention", {q, k, v}, {{"q_num_heads", std::int64_t{6}}, {"kv_num_heads", std::int64_t{6}}, {"softcap", 2.f}});
  check(n, {y}, 0);
  Net grouped;
  q = grouped.input({2, 4, 5, 8}), k = grouped.input({2, 2, 7, 8}), v = grouped.input({2, 2, 7, 3});
  check(grouped, {grouped.b.op("Attention", {q, k, v, grouped.input({4, 5, 7})})}, 1);
}

TEST(Fusion, attention_reads_and_writes_through_rearrangements) {
  const auto heads = [](Val x) { return x.b->op("Transpose", {x.b->op("Reshape", {x, x.b->ints({2, -1, 3, 8})})}, {{"perm", Ints{0, 2, 1, 3}}}); };
  const auto softmax = [](Val q, Val k, Val mask) {
    Val scores = q.b->op("MatMul", {q, q.b->op("Transpose", {k}, {{"perm", Ints{0, 1, 3, 2}}})}) * 0.4;
    return q.b->op("Softmax", {mask ? scores + mask : scores});
  };
  const auto side_by_side = [](Val y) { return y.b->op("Reshape", {y.b->op("Transpose", {y}, {{"perm", Ints{0, 2, 1, 3}}}), y.b->ints({2, -1, 24})}); };
  for (Dims mask : {Dims{}, Dims{6}, Dims{2, 1, 1, 6}, Dims{3, 5, 6}}) {
    Net n;                                       // projections apart
    Val x = n.input({2, 5, 24}), z = n.input({2, 6, 24});
    Val q = heads(n.b.op("MatMul", {x, n.weight({24, 24})}) + n.weight({24})), k = heads(n.b.op("MatMul", {z, n.weight({24, 24})})), v = heads(n.b.op("MatMul", {z, n.weight({24, 24})}));
    Val y = side_by_side(n.b.op("MatMul", {softmax(q, k, mask.empty() ? Val{} : n.input(mask)), v}));
    check(n, {n.b.op("MatMul", {y, n.weight({24, 4})})}, 5);
  }
  Net one;                                       // one projection for all three
  Val x = one.input({2, 5, 24});
  Val qkv = one.b.op("Transpose", {one.b.op("Reshape", {one.b.op("MatMul", {x, one.weight({24, 72})}), one.b.ints({2, 5, 3, 3, 8})})}, {{"perm", Ints{2, 0, 3, 1, 4}}});
  Vals part = one.b.ops("Split", {qkv}, {{"num_outputs", std::int64_t{3}}, {"axis", std::int64_t{0}}}, 3);
  for (Val& p : part) p = one.b.op("Squeeze", {p, one.b.ints({0})});
  check(one, {side_by_side(one.b.op("MatMul", {softmax(part[0], part[1], {}), part[2]}))}, 2);
  Net shared;                                    // someone else reads the keys in their order, so they are there
  x = shared.input({2, 5, 24});
  Val k = heads(x);
  check(shared, {shared.b.op("MatMul", {softmax(heads(shared.input({2, 5, 24})), k, {}), heads(shared.input({2, 5, 24}))}), k}, 2);
  Net short_mask;                                // of one key for all: adds the same to a row
  x = short_mask.input({2, 5, 24});
  check(short_mask, {short_mask.b.op("MatMul", {softmax(heads(x), heads(x), short_mask.input({5, 1})), heads(x)})}, 0);
}

TEST(Expansion, a_transposed_convolution_is_a_convolution) {
  struct Case { Dims x, w; bool bias; ir::Attrs attrs; std::size_t instructions; };
  const std::vector<Case> cases = {
      {{1, 16, 9, 7}, {16, 3, 2, 2}, true, {{"strides", Ints{2, 2}}}, 2},                                                          // as many kernel elements as places
      {{2, 4, 5, 6}, {4, 6, 3, 3}, true, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 1}}}, 3},   // the usual decoder
      {{1, 4, 5, 6}, {4, 2, 4, 4}, false, {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, 3},
      {{1, 4, 3, 4}, {4, 2, 3, 2}, true, {{"group", std::int64_t{2}}, {"strides", Ints{2, 3}}, {"pads", Ints{1, 0, 0, 1}}, {"output_padding", Ints{1, 2}}}, 3},
      {{1, 6, 5, 5}, {6, 1, 3, 3}, false, {{"group", std::int64_t{6}}, {"strides", Ints{2, 2}}}, 3},
      {{1, 3, 4, 5}, {3, 4, 3, 2}, true, {{"dilations", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 1}}}, 2},                              // stride 1
      {{1, 3, 4, 5}, {3, 4, 1, 1}, true, {}, 1},
      {{1, 2, 4, 4}, {2, 3, 1, 1}, true, {{"strides", Ints{3, 2}}, {"output_padding", Ints{2, 1}}}, 2},                            // most places take nothing but the bias
      {{1, 2, 8}, {2, 3, 3}, true, {{"strides", Ints{2}}, {"auto_pad", std::string("SAME_UPPER")}}, 2},
      {{1, 1, 3, 3}, {1, 2, 3, 3}, true, {{"strides", Ints{3, 2}}, {"output_shape", Ints{10, 8}}}, 3},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(str(c.x) + " " + str(c.w));
    Net n;
    Vals in = {n.input(c.x), n.weight(c.w)};
    const auto group = ir::find_attr(c.attrs, "group");
    if (c.bias) in.push_back(n.weight({c.w[1] * (group ? 2 : 1)}));
    check(n, {n.b.op("ConvTranspose", in, c.attrs)}, c.instructions);
  }
}

TEST(Expansion, omitted_operands_keep_their_places) {
  Net n;
  Val q = n.input({1, 2, 3, 8}), k = n.input({1, 2, 4, 8}), v = n.input({1, 2, 4, 8}), past_k = n.input({1, 2, 5, 8}), past_v = n.input({1, 2, 5, 8});
  Vals y = n.b.ops("Attention", {q, k, v, {}, past_k, past_v}, {}, 3);
  check(n, y, 3);   // two concatenations, and what is left has a kernel
}

TEST(Rows, an_LSTM_may_bound_its_cell) {
  Net n;
  Vals in = {n.input({6, 2, 5}), n.weight({1, 28, 5}), n.weight({1, 28, 7}), n.weight({1, 56})};
  check(n, n.b.ops("LSTM", in, {{"hidden_size", std::int64_t{7}}, {"cell_clip", 0.2f}}, 3), 1);
}
TEST(Movement, pads_of_any_element_equal_the_reference) {
  for (DType type : {DType::f32, DType::f16, DType::i64, DType::u8}) {
    Net n;
    Val x = n.b.op("Cast", {n.input({2, 3, 4, 5})}, {{"to", std::int64_t(type)}});
    Vals y;
    for (const Ints& pads : {Ints{0, 0, 0, 0, 0, 0, 0, 0}, Ints{1, 0, 2, 3, 0, 4, 0, 1}, Ints{0, 0, 1, 0, 0, 0, 2, 0}, Ints{0, -1, 2, -2, 1, 3, -1, 0}})
      y.push_back(n.b.op("Pad", {x, n.b.ints(pads), n.b.scalar(3, type)}));
    y.push_back(n.b.op("Pad", {x, n.b.ints({1, 2}), {}, n.b.ints({-2})}));
    test::run_at_every_level(std::move(n.b), n.data, y, 0, true, [](double got, double want, const std::string& where) { ASSERT_EQ(got, want) << where; });   // the casts run by reference
  }
}
TEST(Fusion, rearrangements_one_after_the_other_are_one_copy) {
  const auto reshaped = [](Val x, std::vector<std::int64_t> dims) { return x.b->op("Reshape", {x, x.b->ints(std::move(dims))}); };
  const auto transposed = [](Val x, Ints perm) { return x.b->op("Transpose", {x}, {{"perm", std::move(perm)}}); };
  Net n;                                             // patches of an image side by side, and back: what a convolution leaves with channels last is read and written so
  Val y = n.b.op("Conv", {n.input({1, 3, 66, 50}), n.weight({16, 3, 3, 3})});
  y = reshaped(transposed(reshaped(y, {16 * 32, 2, 24, 2}), {0, 2, 1, 3}), {1, 16, 768, 4});
  y = n.b.op("MatMul", {reshaped(transposed(y, {0, 3, 2, 1}), {4, 768, 16}), n.weight({16, 16})});
  y = reshaped(transposed(reshaped(y, {1, 4, 768, 16}), {0, 3, 2, 1}), {16 * 32, 24, 2, 2});
  y = reshaped(transposed(y, {0, 2, 1, 3}), {1, 16, 64, 48});
  check(n, {n.b.op("Conv", {y, n.weight({8, 16, 3, 3})})}, 7, 1e-4);   // beside the five the operand and the result are reordered
  Net shuffle;                                       // of channels: whole planes are moved
  y = shuffle.b.op("Conv", {shuffle.input({2, 6, 64, 64}), shuffle.weight({12, 6, 1, 1})});
  y = reshaped(transposed(reshaped(y, {2, 3, 4, 64, 64}), {0, 2, 1, 3, 4}), {2, 12, 64, 64});
  check(shuffle, {shuffle.b.op("Conv", {y, shuffle.weight({5, 12, 3, 3})})}, 7, 1e-4);
  Net plain;
  y = transposed(reshaped(transposed(plain.input({2, 3, 4, 5}), {3, 1, 0, 2}), {5, 6, 4}), {2, 0, 1});
  check(plain, {plain.b.op("Relu", {y})}, 2);
  Net odd;                                           // 3 of 4: no steps say that
  y = transposed(reshaped(transposed(odd.input({4, 3, 5}), {0, 2, 1}), {3, 4, 5}), {1, 0, 2});
  check(odd, {y}, 0);
}

TEST(Fusion, values_with_another_use_stay) {
  Net n;
  Val x = n.input({1, 4, 6, 6});
  Val c = n.b.op("Conv", {x, n.weight({4, 4, 1, 1})});
  Val r = n.b.op("Relu", {c});
  check(n, {r, c}, 2);
}

}  // namespace
}  // namespace saha::native
