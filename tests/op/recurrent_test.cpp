// RNN, GRU, LSTM, Attention and its relatives: the unrolled or expanded body is the reference, and its gradient the central difference.
#include "gradient_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
using I = std::int64_t;
using Is = ir::Ints;
std::mt19937 rng(9);
Tensor r(Dims d) { return random_tensor(rng, std::move(d)); }
std::string s(const char* t) { return t; }
Tensor lengths(std::initializer_list<double> v) { return Tensor::of(DType::i32, {I(v.size())}, v); }
/// A node over S steps, batch B, 3 inputs, 2 hidden units.
Case cell(ir::OpName op, I gates, I directions, std::vector<std::optional<Tensor>> more, Attrs attrs, int num_out, bool batch_first = false) {
  const I S = 4, B = 2, H = 2;
  Case c{op, {batch_first ? r({B, S, 3}) : r({S, B, 3}), r({directions, gates * H, 3}), r({directions, gates * H, H})}, std::move(attrs), num_out};
  for (auto& t : more) c.in.push_back(std::move(t));
  return c;
}
std::vector<Case> recurrent_cases() {
  return {
      cell("RNN", 1, 1, {}, {}, 2),
      cell("RNN", 1, 2, {r({2, 4}), lengths({4, 2}), r({2, 2, 2})}, {{"direction", s("bidirectional")}, {"activations", ir::Strings{"Affine", "ScaledTanh"}}, {"activation_alpha", ir::Floats{0.5f, 0.8f}}, {"activation_beta", ir::Floats{0.1f, 0.9f}}}, 2),
      cell("GRU", 3, 1, {r({1, 12})}, {}, 2),
      cell("GRU", 3, 2, {r({2, 12}), std::nullopt, r({2, 2, 2})}, {{"direction", s("bidirectional")}, {"linear_before_reset", I{1}}, {"clip", 0.5f}}, 2),
      cell("GRU", 3, 1, {r({1, 12}), lengths({1, 3}), r({2, 1, 2})}, {{"direction", s("reverse")}, {"layout", I{1}}}, 2, true),
      cell("LSTM", 4, 1, {}, {}, 3),
      cell("LSTM", 4, 1, {r({1, 16}), lengths({3, 4}), r({1, 2, 2}), r({1, 2, 2}), r({1, 6})}, {{"direction", s("reverse")}}, 3),
      cell("LSTM", 4, 2, {r({2, 16}), std::nullopt, r({2, 2, 2}), r({2, 2, 2}), r({2, 6})}, {{"direction", s("bidirectional")}, {"input_forget", I{1}}, {"layout", I{1}}, {"activations", ir::Strings{"sigmoid", "Softsign", "Tanh", "HardSigmoid", "Softplus", "elu"}}}, 3, true),
  };
}
std::vector<Case> attention_cases() {
  Tensor mask = Tensor::of(DType::boolean, {3, 4}, {1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1});
  return {
      {"Attention", {r({2, 2, 3, 4}), r({2, 2, 5, 4}), r({2, 2, 5, 3})}},
      {"Attention", {r({1, 4, 3, 2}), r({1, 2, 3, 2}), r({1, 2, 3, 2})}, {{"is_causal", I{1}}, {"softcap", 0.7f}, {"scale", 0.9f}}},
      {"Attention", {r({1, 3, 8}), r({1, 4, 4}), r({1, 4, 6}), mask}, {{"q_num_heads", I{4}}, {"kv_num_heads", I{2}}}, 4},
      {"Attention", {r({1, 2, 3, 2}), r({1, 2, 3, 2}), r({1, 2, 3, 2}), r({3, 4}), r({1, 2, 2, 2}), r({1, 2, 2, 2})}, {{"is_causal", I{1}}, {"left_window_size", I{2}}, {"qk_matmul_output_mode", I{3}}}, 4},
      {"RotaryEmbedding", {r({1, 2, 3, 6}), r({1, 3, 2}), r({1, 3, 2})}, {{"rotary_embedding_dim", I{4}}, {"interleaved", I{1}}}},
      {"LinearAttention", {r({1, 3, 8}), r({1, 3, 4}), r({1, 3, 6}), r({1, 2, 2, 3}), r({1, 3, 4}), r({1, 3, 2})}, {{"q_num_heads", I{4}}, {"kv_num_heads", I{2}}}, 2},
      {"LinearAttention", {r({2, 3, 4}), r({2, 3, 4}), r({2, 3, 2}), std::nullopt, r({2, 3, 2})}, {{"q_num_heads", I{2}}, {"kv_num_heads", I{2}}, {"update_rule", s("gated")}}, 2},
      {"LinearAttention", {r({1, 3, 4}), r({1, 3, 4}), r({1, 3, 2}), std::nullopt, std::nullopt, r({1, 3, 1})}, {{"q_num_heads", I{2}}, {"kv_num_heads", I{2}}, {"update_rule", s("delta")}, {"scale", 0.3f}}, 2},
      {"CausalConvWithState", {r({2, 3, 5}), r({3, 1, 3}), r({3}), r({2, 3, 2})}, {{"activation", s("silu")}}, 2},
  };
}
}  // namespace

TEST(Recurrent, the_unrolled_body_is_the_reference) {
  for (const Case& c : recurrent_cases()) EXPECT_LT(body_gap(c), 1e-7) << c.op.str();  // activations' alpha and clip are floats in both
}
TEST(Recurrent, gradients_are_the_central_differences) {
  for (const Case& c : recurrent_cases()) EXPECT_LT(gradient_gap(c), 1e-6) << c.op.str();
}
TEST(Recurrent, symbolic_shapes_bound_to_numbers_are_those_of_the_results) {
  for (const Case& c : recurrent_cases()) {
    Builder b;
    Vals in;
    for (std::size_t i = 0; i < c.in.size(); ++i) {
      if (!c.in[i]) { in.push_back({}); continue; }
      std::vector<Dim> d(c.in[i]->dims.begin(), c.in[i]->dims.end());
      if (i == 0) for (std::size_t a = 0; a < 2; ++a) d[a] = Dim::symbol(a ? "b" : "a");
      in.push_back(b.input(ir::tensor_type(c.in[i]->dtype, d)));
    }
    bool batch_first = ir::find_attr(c.attrs, "layout");
    Vals y = b.ops(c.op, in, c.attrs, c.num_out);
    ASSERT_FALSE(b.failed()) << b.error()->message;
    std::string d = std::to_string(c.in[1]->dims[0]);
    EXPECT_EQ(str(b.type(y[0])), batch_first ? "float64[a, b, " + d + ", 2]" : "float64[a, " + d + ", b, 2]");
    EXPECT_EQ(str(b.type(y[1])), batch_first ? "float64[a, " + d + ", 2]" : "float64[" + d + ", b, 2]");
  }
}
TEST(Recurrent, a_sequence_that_ended_keeps_its_state_and_gives_zero) {
  Case c = cell("RNN", 1, 1, {std::nullopt, lengths({4, 2})}, {}, 2);
  std::vector<std::optional<Datum>> in;
  for (auto& t : c.in) in.push_back(t ? std::optional<Datum>(*t) : std::nullopt);
  auto y = eval("RNN", in, {}, 2);
  ASSERT_TRUE(y) << message(y);
  const Tensor &all = (*y)[0].tensor, &last = (*y)[1].tensor;
  EXPECT_EQ(all.at((3 * 2 + 1) * 2), 0);
  EXPECT_EQ(last.at(2), all.at((1 * 2 + 1) * 2));
}
TEST(Recurrent, messages_name_the_numbers) {
  EXPECT_EQ(message(eval("LSTM", {f32({1, 1, 3}, {0}), f32({1, 8, 2}, {0}), f32({1, 8, 2}, {0})})), "LSTM: W [1, 8, 2] and R [1, 8, 2] do not fit X [1, 1, 3]: [1, 8, 3] and [1, 8, 2] are needed");
  EXPECT_EQ(message(eval("RNN", {f32({1, 1, 3}, {0}), f32({1, 2, 3}, {0}), f32({1, 2, 2}, {0}), std::nullopt, Tensor::of(DType::i32, {1}, {9})})), "RNN: a sequence length is 9, X has 1 steps");
  EXPECT_EQ(message(eval("GRU", {f32({1, 1, 3}, {0}), f32({1, 6, 3}, {0}), f32({1, 6, 2}, {0})}, {{"activations", ir::Strings{"Sigmoid", "Cosh"}}})), "GRU: activation 'Cosh' is not known");
}
TEST(Attention, bodies_give_what_the_references_give) {
  for (const Case& c : attention_cases())
    if (find(c.op.str())->def->body && find(c.op.str())->def->eval) { EXPECT_LT(body_gap(c), 1e-7) << c.op.str() << " " << str(c.in[0]->dims); }
}
TEST(Attention, gradients_are_the_central_differences) {
  for (const Case& c : attention_cases()) {
    if (c.op == ir::OpName("RotaryEmbedding")) continue;  // linear in X only; its caches are constants
    EXPECT_LT(gradient_gap(c), 1e-6) << c.op.str() << " " << str(c.in[0]->dims);
  }
}
TEST(Attention, rotation_back_is_the_adjoint_of_rotation) {
  Tensor ids = i64({2, 3}, {0, 3, 1, 2, 2, 0});
  EXPECT_LT(adjoint_gap("RotaryEmbedding", {r({2, 3, 8}), r({4, 2}), r({4, 2}), ids}, {{"num_heads", I{2}}}), 1e-12);
}
TEST(Attention, a_query_that_attends_nothing_gives_zero) {
  Tensor none = Tensor::of(DType::boolean, {1, 2}, {0, 0});
  Tensor y = eval1("Attention", {f32({1, 1, 1, 2}, {1, 2}), f32({1, 1, 2, 2}, {1, 2, 3, 4}), f32({1, 1, 2, 1}, {5, 6}), none});
  EXPECT_EQ(y.at(0), 0);
}
TEST(Attention, messages_name_the_numbers) {
  EXPECT_EQ(message(eval("Attention", {f32({1, 1, 1, 2}, {0}), f32({1, 1, 2, 2}, {0}), f32({1, 1, 3, 1}, {0})})), "Attention: Q [1, 1, 1, 2], K [1, 1, 2, 2] and V [1, 1, 3, 1] do not fit each other");
  EXPECT_EQ(message(eval("RotaryEmbedding", {f32({1, 1, 1, 2}, {0}), f32({1, 1}, {0}), f32({1, 1}, {0}), i64({1, 1}, {5})})), "RotaryEmbedding: position 5 lies outside the caches of 1");
}
TEST(Fused, is_what_its_body_is) {
  Builder k;
  Val x = k.input(ir::tensor_type(DType::f64, {Dim::symbol("N"), 3})), w = k.input(ir::tensor_type(DType::f64, {3, 2}));
  auto body = std::move(k).build({k.op("Tanh", {k.op("MatMul", {x, w})})});
  ASSERT_TRUE(body) << body.error().message;
  Attrs a = {{"body", std::make_shared<const ir::Graph>(std::move(*body))}};
  Case c{"Fused", {r({4, 3}), r({3, 2})}, a};
  EXPECT_EQ(body_gap(c), 0);
  EXPECT_LT(gradient_gap(c), 1e-8);
  expect_symbolic_shapes(c);
}

}  // namespace saha::op
