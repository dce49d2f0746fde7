// Quantising and dequantising in every granularity and type, and the integer primitives.
#include <cmath>

#include "op_testing.hpp"

namespace saha::op {
namespace {
using testing::node;
using testing::numbers;
using V = std::vector<double>;
}  // namespace

TEST(Quantize, rounds_ties_to_even_then_adds_the_zero_point) {
  Tensor x = Tensor::of(DType::f32, {6}, {-1, 1, 3, 5, 600, -600});
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 2), Tensor::scalar(DType::u8, 3)})), (V{3, 3, 5, 5, 255, 0}));
}
TEST(Quantize, each_axis_element_has_its_scale) {
  Tensor x = Tensor::of(DType::f32, {1, 2, 2}, {2, 4, 2, 4}), s = Tensor::of(DType::f32, {2}, {1, 2});
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, s, Tensor::of(DType::i8, {2}, {0, -1})})), (V{2, 4, 0, 1}));
}
TEST(Quantize, blocks_share_a_scale_and_the_last_may_be_short) {
  Tensor x = Tensor::of(DType::f32, {1, 3}, {2, 4, 9}), s = Tensor::of(DType::f32, {1, 2}, {1, 3});
  auto r = node("QuantizeLinear", {x, s}, {{"block_size", std::int64_t{2}}, {"output_dtype", std::int64_t(DType::i4)}});
  EXPECT_EQ(numbers(r), (V{2, 4, 3}));
  EXPECT_EQ((*r)[0].tensor.dtype, DType::i4);
  EXPECT_FALSE(node("QuantizeLinear", {x, s}, {{"block_size", std::int64_t{1}}}));
}
TEST(Quantize, not_a_number_becomes_the_zero_point) {
  Tensor x = Tensor::of(DType::f32, {3}, {NAN, INFINITY, -INFINITY});
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 1), Tensor::scalar(DType::i8, 5)})), (V{5, 127, -128}));
}
TEST(Quantize, the_precision_of_the_division_decides_ties) {
  // 2049 / 1 is 2048 in float16 (ties to even), 2049 in float32
  Tensor x = Tensor::of(DType::f32, {1}, {2049});
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 1), Tensor::scalar(DType::i16, 0)})), V{2049});
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 1), Tensor::scalar(DType::i16, 0)}, {{"precision", std::int64_t(DType::f16)}})), V{2048});
}
TEST(Quantize, what_was_quantised_comes_back_in_every_type) {
  for (DType t : {DType::u8, DType::i8, DType::u16, DType::i16, DType::u4, DType::i4, DType::u2, DType::i2, DType::f4e2m1, DType::f6e2m3, DType::f6e3m2, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz}) {
    Tensor x = Tensor::of(DType::f32, {3}, {0, 0.5, 0.25}), s = Tensor::scalar(DType::f32, 0.5);
    auto q = node("QuantizeLinear", {x, s}, {{"output_dtype", std::int64_t(t)}});
    ASSERT_TRUE(q) << name(t) << ": " << q.error().message;
    double last = is_float(t) ? 0.25 : 0;
    EXPECT_EQ(numbers(node("DequantizeLinear", {(*q)[0].tensor, s})), (V{0, 0.5, last})) << name(t);
  }
}
TEST(Quantize, float8_saturates_or_not_as_asked) {
  Tensor x = Tensor::of(DType::f32, {1}, {1e6}), s = Tensor::scalar(DType::f32, 1);
  Attrs to{{"output_dtype", std::int64_t(DType::f8e4m3fn)}};
  EXPECT_EQ(numbers(node("QuantizeLinear", {x, s}, to)), V{448});
  to.push_back({"saturate", std::int64_t{0}});
  EXPECT_TRUE(std::isnan(numbers(node("QuantizeLinear", {x, s}, to))[0]));
}
TEST(Quantize, dequantising_int32_rounds_as_the_result_type_does) {
  Tensor x = Tensor::of(DType::i32, {1}, {16777217}), s = Tensor::scalar(DType::f32, 1);
  EXPECT_EQ(numbers(node("DequantizeLinear", {x, s})), V{16777216});
}
TEST(Quantize, wrong_scales_and_types_are_named) {
  Tensor x = Tensor::of(DType::f32, {2, 3}, {0}), s = Tensor::of(DType::f32, {2}, {1});
  auto r = node("QuantizeLinear", {x, s});
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("a scale [2] does not fit axis 1 of a tensor [2, 3]"), std::string::npos) << r.error().message;
  EXPECT_FALSE(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 1)}, {{"output_dtype", std::int64_t(DType::i64)}}));
  EXPECT_FALSE(node("QuantizeLinear", {x, Tensor::scalar(DType::f32, 1), Tensor::scalar(DType::i8, 0)}, {{"output_dtype", std::int64_t(DType::u8)}}));
  EXPECT_FALSE(node("QuantizeLinear", {x, s, Tensor::of(DType::u8, {3}, {0})}, {{"axis", std::int64_t{0}}}));
  EXPECT_FALSE(node("QuantizeLinear", {x, s}, {{"axis", std::int64_t{7}}}));
}
TEST(Quantize, the_range_of_the_data_gives_scale_and_zero_point) {
  auto r = node("DynamicQuantizeLinear", {Tensor::of(DType::f32, {6}, {0, 2, -3, -2.5, 1.34, 0.5})}, {}, 3);
  EXPECT_EQ(numbers(r), (V{153, 255, 0, 26, 221, 179}));
  EXPECT_EQ(float(numbers(r, 1)[0]), 5.0f / 255.0f);
  EXPECT_EQ(numbers(r, 2), V{153});
  EXPECT_EQ(numbers(node("DynamicQuantizeLinear", {Tensor::of(DType::f32, {2}, {0})}, {}, 3), 1)[0], double(1.0f / 255.0f));
}
TEST(Quantize, rows_have_scales_of_their_own) {
  Tensor x = Tensor::of(DType::f32, {3, 4}, {-2, 1, 0.5, 1.5, 0, 0, 0, 0, 0, 51, 10.1, NAN});
  const auto both = [&](std::int64_t symmetric) { return node("DynamicQuantize", {x}, {{"symmetric", symmetric}}, 3); };
  auto s = both(1), a = both(0);
  EXPECT_EQ(numbers(s, 0), (V{-127, 64, 32, 95, 0, 0, 0, 0, 0, 127, 25, 0}));
  EXPECT_EQ(numbers(s, 1), (V{double(2 / 127.f), 1, double(51 / 127.f)}));
  EXPECT_EQ(numbers(s, 2), (V{0, 0, 0}));
  EXPECT_EQ((*s)[1].tensor.dims, (Dims{3, 1}));
  EXPECT_EQ(numbers(a, 0), (V{-128, 91, 54, 127, 0, 0, 0, 0, -128, 127, -77, -128}));
  EXPECT_EQ(numbers(a, 2), (V{18, 0, -128}));
}
TEST(Quantize, rows_are_the_same_in_operators_of_ONNX) {
  for (std::int64_t symmetric : {0, 1})
    for (int seed = 0; seed < 40; ++seed) {
      Tensor x = Tensor::zeros(DType::f32, {5, 3, 2});
      for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = seed % 2 ? std::sin(float(i * 7 + seed) * 1.7f) * float(1 + i % 5) : float((i * 37 + seed * 11) % 101 - 50) / 4;   // the latter with ties
      for (std::int64_t i = 0; i < 6; ++i) x.as<float>()[i] = seed % 3 ? x.as<float>()[i] : 0;
      const Attrs attrs = {{"axis", std::int64_t{1}}, {"symmetric", symmetric}};
      const ir::TypeRef type = ir::tensor_type(DType::f32, {5, 3, 2});
      auto g = expand(*find("DynamicQuantize")->def, {&type, 1}, attrs, 3);
      ASSERT_TRUE(g) << g.error().message;
      const Datum in[] = {x};
      auto body = run(*g, in);
      ASSERT_TRUE(body) << body.error().message;
      auto own = node("DynamicQuantize", {x}, attrs, 3);
      for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(values<double>((*body)[k].tensor), values<double>((*own)[k].tensor)) << k << " seed " << seed;
    }
}
TEST(Quantize, rescale_follows_its_rule_per_channel) {
  Tensor x = Tensor::of(DType::i32, {1, 2, 2}, {5, -5, 5, -5});
  Attrs a{{"w_scale", ir::Floats{0.5f, 0.25f}}};
  EXPECT_EQ(numbers(node("Rescale", {x}, a)), (V{2, -2, 1, -1}));
  a.push_back({"rounding", std::string("fixed_single")});
  EXPECT_EQ(numbers(node("Rescale", {x}, a)), (V{3, -2, 1, -1}));
  a.back().value = std::string("fixed_double");
  EXPECT_EQ(numbers(node("Rescale", {x}, a)), (V{3, -2, 2, -1}));  // 1.25 becomes 2: 2.5 was rounded first
  a.back().value = std::string("up");
  EXPECT_FALSE(node("Rescale", {x}, a));
  EXPECT_FALSE(node("Rescale", {x}, {{"w_scale", ir::Floats{1, 1, 1}}}));
  EXPECT_FALSE(node("Rescale", {x}, {{"w_scale", ir::Floats{}}}));
}
TEST(Quantize, saturate_and_lookup_work_on_stored_numbers) {
  Tensor x = Tensor::of(DType::i32, {3}, {-1000, 7, 1000});
  EXPECT_EQ(numbers(node("Saturate", {x}, {{"to", std::int64_t(DType::i8)}})), (V{-128, 7, 127}));
  EXPECT_FALSE(node("Saturate", {x}, {{"to", std::int64_t(DType::f32)}}));
  Tensor table = Tensor::zeros(DType::i16, {16});
  for (int i = 0; i < 16; ++i) table.as<std::int16_t>()[i] = std::int16_t(100 * i);
  EXPECT_EQ(numbers(node("Lookup", {Tensor::of(DType::i4, {3}, {-8, 0, 7}), table})), (V{0, 800, 1500}));
  EXPECT_FALSE(node("Lookup", {Tensor::of(DType::i8, {1}, {0}), table}));
}

}  // namespace saha::op
