// Arithmetic, comparison, integer, cast and generated tensors: values that the specification or IEEE 754 fixes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op_testing.hpp"

namespace saha::op {
namespace {
using D = DType;
Tensor one(std::string_view name, const std::vector<Tensor>& in, Attrs attrs = {}) {
  auto r = testing::node(find(name)->def->name, in, std::move(attrs));
  EXPECT_TRUE(r) << r.error().message;
  return r ? (*r)[0].tensor : Tensor::scalar(D::f32, NAN);
}
std::string message(std::string_view name, const std::vector<Tensor>& in, Attrs attrs = {}) {
  auto r = testing::node(find(name)->def->name, in, std::move(attrs));
  if (r) return "no error";
  const std::string& m = r.error().message;
  std::size_t at = m.find("): ");   // of one that runs: "node 0 (Cast): " stands in front
  return m.substr(at == m.npos ? 0 : at + 3);
}
std::vector<double> reals(const Tensor& t) { return values<double>(t); }
std::vector<std::int64_t> ints(const Tensor& t) { return values<std::int64_t>(t); }
Attrs to(D t) { return {{"to", std::int64_t(t)}}; }
using I = std::vector<std::int64_t>;
using R = std::vector<double>;
}  // namespace

TEST(Arithmetic, integers_wrap_truncate_and_survive_zero) {
  EXPECT_EQ(ints(one("Add", {Tensor::of(D::i8, {2}, {127, -128}), Tensor::of(D::i8, {2}, {1, -1})})), (I{-128, 127}));
  EXPECT_EQ(ints(one("Div", {Tensor::of(D::i32, {4}, {-7, 7, -7, 5}), Tensor::of(D::i32, {4}, {2, -2, -2, 0})})), (I{-3, -3, 3, 0}));
  EXPECT_EQ(ints(one("Div", {Tensor::of_ints(I{std::numeric_limits<std::int64_t>::min()}), Tensor::of_ints(I{-1})})), (I{std::numeric_limits<std::int64_t>::min()}));
  EXPECT_EQ(ints(one("Mod", {Tensor::of(D::i32, {4}, {-4, 7, 5, 9}), Tensor::of(D::i32, {4}, {3, -3, 0, -1})})), (I{2, -2, 0, 0}));
  EXPECT_EQ(ints(one("Mod", {Tensor::of(D::i32, {2}, {-4, 7}), Tensor::of(D::i32, {2}, {3, -3})}, {{"fmod", std::int64_t(1)}})), (I{-1, 1}));
  Tensor big = Tensor::zeros(D::u64, {1});
  *big.as<std::uint64_t>() = ~0ull;
  EXPECT_EQ(*one("Div", {big, Tensor::of(D::u64, {1}, {2})}).as<std::uint64_t>(), ~0ull / 2);
}
TEST(Arithmetic, mod_of_floats_has_the_sign_of_the_divisor_unless_fmod) {
  Tensor a = Tensor::of(D::f32, {5}, {-4.3, 7.2, 5, -0.5, 3}), b = Tensor::of(D::f32, {5}, {2.1, -3.4, 8, INFINITY, -INFINITY});
  R m = reals(one("Mod", {a, b})), f = reals(one("Mod", {a, b}, {{"fmod", std::int64_t(1)}}));
  EXPECT_NEAR(m[0], 2, 1e-6);
  EXPECT_NEAR(m[1], -3, 1e-6);
  EXPECT_EQ(m[3], INFINITY);
  EXPECT_EQ(m[4], -INFINITY);
  EXPECT_NEAR(f[0], -0.1, 1e-6);
  EXPECT_EQ(f[3], -0.5);
}
TEST(Arithmetic, pow_takes_mixed_dtypes) {
  EXPECT_EQ(ints(one("Pow", {Tensor::of(D::i32, {3}, {2, -3, 7}), Tensor::of(D::f32, {3}, {3, 3, 0.5})})), (I{8, -27, 2}));
  EXPECT_EQ(ints(one("Pow", {Tensor::of_ints(I{3, -1, 2, 0}), Tensor::of(D::i8, {4}, {5, -3, -1, 0})})), (I{243, -1, 0, 1}));
  EXPECT_EQ(reals(one("Pow", {Tensor::of(D::f32, {2}, {1.5, -2}), Tensor::of_ints(I{2})})), (R{2.25, 4}));
  EXPECT_EQ(ints(one("Pow", {Tensor::of_ints(I{3}), Tensor::of(D::u8, {1}, {200})}))[0], 6627890308811632801);  // 3^200 modulo 2^64
}
TEST(Arithmetic, nan_wins_in_max_min_and_passes_clip) {
  Tensor a = Tensor::of(D::f16, {3}, {1, NAN, 3}), b = Tensor::of(D::f16, {3}, {NAN, 2, 2});
  R m = reals(one("Max", {a, b}));
  EXPECT_TRUE(std::isnan(m[0]) && std::isnan(m[1]) && m[2] == 3);
  R c = reals(one("Clip", {a, Tensor::scalar(D::f16, 2), Tensor::scalar(D::f16, 2.5)}));
  EXPECT_TRUE(c[0] == 2 && std::isnan(c[1]) && c[2] == 2.5);
  EXPECT_EQ(message("Clip", {a, b}), "Clip: min has 3 elements, 1 is needed");
}
TEST(Arithmetic, shapes_that_do_not_broadcast_are_named) {
  EXPECT_EQ(message("Add", {Tensor::zeros(D::f32, {2, 3}), Tensor::zeros(D::f32, {4})}), "Add: shapes float32[2, 3] and float32[4] do not broadcast");
}
TEST(Comparison, equal_of_strings_broadcasts) {
  Tensor a = Tensor::of_strings({2, 1}, {"x", "y"}), b = Tensor::of_strings({3}, {"x", "y", "z"});
  EXPECT_EQ(ints(one("Equal", {a, b})), (I{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(ints(one("Equal", {Tensor::of(D::boolean, {2}, {1, 0}), Tensor::of(D::boolean, {}, {1})})), (I{1, 0}));
}
TEST(Integer, shifts_of_signed_numbers_fill_with_the_sign) {
  Tensor x = Tensor::of(D::i8, {4}, {-128, -1, 64, 3}), n = Tensor::of(D::i8, {4}, {7, -1, 1, 9});
  EXPECT_EQ(ints(one("BitShift", {x, n}, {{"direction", std::string("RIGHT")}})), (I{-1, -1, 32, 0}));
  EXPECT_EQ(ints(one("BitShift", {x, n}, {{"direction", std::string("LEFT")}})), (I{0, 0, -128, 0}));
  EXPECT_EQ(message("BitShift", {x, n}, {{"direction", std::string("UP")}}), "BitShift: direction is 'UP', LEFT and RIGHT exist");
  EXPECT_EQ(ints(one("BitwiseNot", {Tensor::of(D::u8, {1}, {5})})), (I{250}));
}
TEST(Cast, an_integer_is_rounded_once) {
  // 2^61 + 2^53 + 1 lies just above the middle of two bfloat16 numbers; through a double it would fall on it.
  Tensor v = Tensor::of_ints(I{(std::int64_t{1} << 61) + (std::int64_t{1} << 53) + 1});
  EXPECT_EQ(one("Cast", {v}, to(D::bf16)).at(0), std::ldexp(1.0 + 1.0 / 128, 61));
  EXPECT_EQ(one("Cast", {v}, to(D::f32)).at(0), double(float(v.int_at(0))));
}
TEST(Cast, floats_to_integers_truncate_and_saturate) {
  Tensor v = Tensor::of(D::f32, {6}, {1.9, -1.9, 300, -300, NAN, 1e30});
  EXPECT_EQ(ints(one("Cast", {v}, to(D::i8))), (I{1, -1, 127, -128, 0, 127}));
  EXPECT_EQ(ints(one("Cast", {v}, to(D::i64)))[5], std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ints(one("Cast", {v}, to(D::boolean))), (I{1, 1, 1, 1, 1, 1}));
}
TEST(Cast, integers_to_narrower_ones_keep_the_low_bits) {
  EXPECT_EQ(ints(one("Cast", {Tensor::of_ints(I{200, -1, 0x123456789})}, to(D::i8))), (I{-56, -1, -119}));
  EXPECT_EQ(ints(one("Cast", {Tensor::of_ints(I{9, -1, (std::int64_t{1} << 60) + 3})}, to(D::i4))), (I{-7, -1, 3}));
}
TEST(Cast, small_floats_saturate_or_not_as_told) {
  Tensor v = Tensor::of(D::f32, {3}, {1e6, -INFINITY, 0.1});
  EXPECT_EQ(reals(one("Cast", {v}, to(D::f8e4m3fn))), (R{448, -448, 0.1015625}));
  Attrs a = to(D::f8e5m2);
  a.push_back({"saturate", std::int64_t(0)});
  EXPECT_EQ(reals(one("Cast", {v}, a)), (R{INFINITY, -INFINITY, 0.09375}));
}
TEST(Cast, six_bits_always_saturate) {
  Tensor v = Tensor::of(D::f32, {5}, {1e6, -INFINITY, 0.1, -2.6, 0.7});
  for (std::int64_t saturate : {0, 1}) {
    Attrs a = to(D::f6e2m3), b = to(D::f6e3m2);
    a.push_back({"saturate", saturate}), b.push_back({"saturate", saturate});
    EXPECT_EQ(reals(one("Cast", {v}, a)), (R{7.5, -7.5, 0.125, -2.5, 0.75}));
    EXPECT_EQ(reals(one("Cast", {v}, b)), (R{28, -28, 0.125, -2.5, 0.75}));
    EXPECT_EQ(reals(one("Cast", {one("Cast", {v}, b)}, a)), (R{7.5, -7.5, 0.125, -2.5, 0.75}));
  }
  EXPECT_EQ(ints(one("Cast", {Tensor::of(D::f6e3m2, {3}, {28, -1.75, 0.25})}, to(D::i8))), (I{28, -1, 0}));
}
TEST(Cast, text_and_numbers_convert_both_ways) {
  Tensor s = Tensor::of_strings({6}, {"3.14", "1e-5", "+INF", "-inf", "NaN", " 1000"});
  R v = reals(one("Cast", {s}, to(D::f32)));
  EXPECT_EQ(v[0], double(3.14f));
  EXPECT_EQ(v[2], INFINITY);
  EXPECT_EQ(v[3], -INFINITY);
  EXPECT_TRUE(std::isnan(v[4]));
  EXPECT_EQ(v[5], 1000);
  EXPECT_EQ(*one("Cast", {Tensor::of(D::f32, {4}, {314.15926, 1, 1e20, -0.1})}, to(D::string)).text, (std::vector<std::string>{"314.15927", "1.0", "1e+20", "-0.1"}));
  EXPECT_EQ(*one("Cast", {Tensor::of(D::f16, {1}, {0.1})}, to(D::string)).text, (std::vector<std::string>{"0.1"}));
  EXPECT_EQ(message("Cast", {Tensor::of_strings({1}, {"four"})}, to(D::i32)), "Cast: element 0, 'four', is no number");
}
TEST(Cast, bits_are_kept_by_bit_cast) {
  EXPECT_EQ(ints(one("BitCast", {Tensor::of(D::f32, {1}, {1})}, to(D::i32))), (I{0x3f800000}));
  EXPECT_EQ(message("BitCast", {Tensor::of(D::f32, {1}, {1})}, to(D::i64)), "BitCast: from float32 to int64: the widths differ");
}
TEST(Generate, a_range_that_never_ends_is_refused) {
  EXPECT_EQ(ints(one("Range", {Tensor::scalar_int(10), Tensor::scalar_int(4), Tensor::scalar_int(-2)})), (I{10, 8, 6}));
  EXPECT_EQ(one("Range", {Tensor::scalar_int(10), Tensor::scalar_int(4), Tensor::scalar_int(2)}).size(), 0);
  EXPECT_EQ(message("Range", {Tensor::scalar_int(0), Tensor::scalar_int(4), Tensor::scalar_int(0)}), "Range: from 0 to 4 by 0 has no end");
}
TEST(Generate, the_shape_of_a_filled_tensor_is_an_expression) {
  Builder b;
  Val x = b.input(ir::tensor_type(D::f32, {Dim::symbol("N"), 3}));
  (void)x;
  Val shape = b.constant(Tensor::of_ints(I{2, 3}));
  Val y = b.op("ConstantOfShape", {shape}, {{"value", Tensor::of(D::i64, {1}, {7})}});
  EXPECT_EQ(ir::str(b.type(y)), "int64[2, 3]");
  ASSERT_TRUE(b.known(y));
  EXPECT_EQ(b.known(y)->front().str(), "7");
}

TEST(Random, draws_repeat_by_seed_and_have_the_stated_moments) {
  auto normal = [](float seed) { return one("RandomNormal", {}, {{"shape", ir::Ints{20000}}, {"seed", seed}, {"mean", 1.0f}, {"scale", 2.0f}}); };
  Tensor a = normal(1), b = normal(1), other = normal(2);
  EXPECT_TRUE(identical(a, b));
  EXPECT_FALSE(identical(a, other));
  double sum = 0, square = 0;
  for (double v : reals(a)) sum += v, square += v * v;
  double mean = sum / 20000, deviation = std::sqrt(square / 20000 - mean * mean);
  EXPECT_NEAR(mean, 1, 5 * 2 / std::sqrt(20000.0));   // five standard errors
  EXPECT_NEAR(deviation, 2, 5 * 2 / std::sqrt(40000.0));
  R u = reals(one("RandomUniform", {}, {{"shape", ir::Ints{20000}}, {"low", -1.0f}, {"high", 3.0f}}));
  EXPECT_GE(*std::min_element(u.begin(), u.end()), -1);
  EXPECT_LT(*std::max_element(u.begin(), u.end()), 3);
}
TEST(Random, multinomial_draws_as_often_as_the_weights_say) {
  Tensor logits = Tensor::of(D::f32, {1, 3}, {std::log(1.0), std::log(2.0), std::log(5.0)});
  int count[3] = {};
  for (std::int64_t k : ints(one("Multinomial", {logits}, {{"sample_size", std::int64_t(8000)}}))) ++count[k];
  EXPECT_NEAR(count[0], 1000, 150);
  EXPECT_NEAR(count[1], 2000, 200);
  EXPECT_NEAR(count[2], 5000, 220);
}
TEST(Random, dropout_scales_what_it_keeps_and_drops_the_same_of_its_gradient) {
  std::vector<Tensor> in = {Tensor::of(D::f32, {4000}, {1}), Tensor::scalar(D::f32, 0.25), Tensor::scalar(D::boolean, 1)};
  auto r = testing::node("Dropout", in, {{"seed", std::int64_t(3)}}, 2);
  ASSERT_TRUE(r) << r.error().message;
  R y = reals((*r)[0].tensor), mask = reals((*r)[1].tensor);
  double kept = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i], mask[i] / 0.75, 1e-6);
    kept += mask[i];
  }
  EXPECT_NEAR(kept, 3000, 140);
  in[2] = Tensor::scalar(D::boolean, 0);
  EXPECT_EQ(reals(one("Dropout", in)), R(4000, 1));
}
TEST(Training, three_steps_of_momentum_are_those_by_hand) {
  Attrs a = {{"alpha", 0.5f}, {"beta", 1.0f}, {"mode", std::string("standard")}, {"norm_coefficient", 0.0f}};
  double x = 1, v = 0;
  Tensor tx = Tensor::of(D::f64, {1}, {1}), tv = Tensor::of(D::f64, {1}, {0});
  for (int t = 0; t < 3; ++t) {
    auto r = testing::node("Momentum", {Tensor::scalar(D::f64, 0.1), Tensor::scalar_int(t), tx, Tensor::of(D::f64, {1}, {2 * x}), tv}, a, 2);
    ASSERT_TRUE(r) << r.error().message;
    v = 0.5 * v + 2 * x;
    x -= 0.1 * v;
    tx = (*r)[0].tensor;
    tv = (*r)[1].tensor;
    EXPECT_NEAR(tx.at(0), x, 1e-8);   // alpha and beta are float32 attributes
  }
}
TEST(ShapeValues, comparisons_and_choices_are_told_where_the_expressions_allow) {
  Builder b;
  // The pattern of an exported expand(-1, 4): Where(shape == -1, ones, shape).
  Val n = b.op("Range", {b.constant(Tensor::scalar_int(0)), b.constant(Tensor::scalar_int(2)), b.constant(Tensor::scalar_int(1))});
  Val asked = b.op("Sub", {n, b.ints({1, -3})});   // [-1, 4]
  Val y = b.op("Where", {b.op("Equal", {asked, b.ints({-1})}), b.ints({1}), asked});
  ASSERT_TRUE(b.known(y));
  EXPECT_EQ(ir::str(*b.known(y)), "[1, 4]");
}

}  // namespace saha::op
