// com.microsoft: what no CPU kernel of onnxruntime can be asked for, and what a damaged model is told. The rest is compared by
// tools/peer_check.py.
#include "gradient_testing.hpp"

namespace saha::op {
namespace {
using testing::node;
using testing::numbers;
using V = std::vector<double>;
std::int64_t i(int v) { return v; }
}  // namespace

TEST(Microsoft, group_norm_has_its_channels_last_and_may_end_in_silu) {
  Tensor x = Tensor::of(DType::f32, {1, 1, 2, 2}, {1, 10, 3, 30}), one = Tensor::of(DType::f32, {2}, {1}), zero = Tensor::of(DType::f32, {2}, {0});
  auto y = numbers(node("GroupNorm", {x, one, zero}, {{"groups", i(2)}, {"activation", i(0)}, {"epsilon", 0.0f}}));
  EXPECT_EQ(y, (V{-1, -1, 1, 1}));
  auto silu = numbers(node("GroupNorm", {x, one, zero}, {{"groups", i(2)}, {"activation", i(1)}, {"epsilon", 0.0f}}));
  EXPECT_NEAR(silu[0], -0.2689414, 1e-6);
  EXPECT_NEAR(silu[2], 0.7310586, 1e-6);
}
TEST(Microsoft, packed_weights_are_read_low_nibble_first) {
  // one block of 8: 8 is zero, so q - 8 = 0 1 2 3 -4 -3 -2 -1
  Tensor a = Tensor::of(DType::f32, {1, 8}, {1, 1, 1, 1, 1, 1, 1, 1}), b = Tensor::of(DType::u8, {1, 1, 4}, {0x98, 0xBA, 0x54, 0x76}), s = Tensor::of(DType::f32, {1}, {0.5});
  Attrs attrs{{"K", i(8)}, {"N", i(1)}, {"block_size", i(8)}};
  EXPECT_EQ(numbers(node("MatMulNBits", {a, b, s}, attrs)), V{-2});
  Tensor first = Tensor::of(DType::f32, {1, 8}, {0, 1, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(numbers(node("MatMulNBits", {first, b, s}, attrs)), V{0.5});
  EXPECT_LE(testing::gradient_gap({"MatMulNBits", {a, b, s}, attrs}, 0.25), 1e-6);
  EXPECT_FALSE(node("MatMulNBits", {a, Tensor::of(DType::u8, {3}, {0}), s}, attrs));
  EXPECT_FALSE(node("MatMulNBits", {a, b, Tensor::of(DType::f32, {2}, {1})}, attrs));
  EXPECT_FALSE(node("MatMulNBits", {a, b, s}, {{"K", i(8)}, {"N", i(1)}, {"block_size", i(0)}}));
  EXPECT_FALSE(node("MatMulNBits", {a, b, s}, {{"K", i(-8)}, {"N", i(1)}, {"block_size", i(8)}}));
  Tensor groups = Tensor::of(DType::i32, {8}, {0, 0, 0, 0, 0, 0, 0, 5});
  EXPECT_FALSE(node("MatMulNBits", {a, b, s, Tensor(), groups}, attrs));
}
TEST(Microsoft, an_inverse_times_its_matrix_is_one) {
  Tensor x = Tensor::of(DType::f64, {1, 3, 3}, {0, 2, 1, 1, 0, 3, 4, 1, 0});  // a zero pivot at first
  auto inv = numbers(node("Inverse", {x}));
  auto m = values<double>(x);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) {
      double s = 0;
      for (int k = 0; k < 3; ++k) s += m[std::size_t(r * 3 + k)] * inv[std::size_t(k * 3 + c)];
      EXPECT_NEAR(s, r == c, 1e-12);
    }
  EXPECT_FALSE(node("Inverse", {Tensor::of(DType::f32, {2, 3}, {0})}));
}
TEST(Microsoft, wrong_heads_and_parts_are_named) {
  Tensor x = Tensor::of(DType::f32, {1, 2, 4}, {0}), w = Tensor::of(DType::f32, {4, 12}, {0});
  auto r = node("MsAttention", {x, w}, {{"num_heads", i(3)}});
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("do not fit 3 heads"), std::string::npos) << r.error().message;
  EXPECT_FALSE(node("MsAttention", {x, w}, {{"num_heads", i(0)}}));
  EXPECT_FALSE(node("MultiHeadAttention", {x, x}, {{"num_heads", i(2)}}));
  Tensor q = Tensor::of(DType::u8, {1, 2}, {0}), s = Tensor::scalar(DType::f32, 1), z = Tensor::scalar(DType::u8, 0);
  EXPECT_FALSE(node("QLinearConcat", {s, z, q}, {{"axis", i(0)}}));
  EXPECT_EQ(numbers(node("QLinearConcat", {s, z, q, s, z, q, s, z}, {{"axis", i(0)}})).size(), 4u);
}

}  // namespace saha::op
