// Resize, sampling, pictures and scatters: adjoints, cases without an ONNX test, messages.
#include "op/regex.hpp"
#include "op_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
std::optional<Tensor> x(Dims d) {
  static std::mt19937 rng(11);
  return random_tensor(rng, std::move(d));
}
Attrs mode(const char* m, const char* coordinates, std::int64_t antialias = 0) {
  return {{"mode", std::string(m)}, {"coordinate_transformation_mode", std::string(coordinates)}, {"antialias", antialias}};
}
}  // namespace

TEST(Resize, adjoint_in_every_mode) {
  for (const char* c : {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"})
    for (const char* m : {"nearest", "linear", "cubic"})
      for (std::int64_t anti : {0, 1}) {
        if (anti && std::string_view(m) == "nearest") continue;
        EXPECT_LT(adjoint_gap("Resize", {x({1, 2, 5, 7}), std::nullopt, std::nullopt, ints({1, 2, 8, 3})}, mode(m, c, anti)), 1e-11) << m << " " << c;
      }
  EXPECT_LT(adjoint_gap("Resize", {x({4, 4}), f32({4}, {0.1, -0.2, 0.8, 1.4}), std::nullopt, ints({3, 5})}, mode("linear", "tf_crop_and_resize")), 1e-11);
}
TEST(Resize, of_symbolic_dims) {
  Builder b;
  Dim h = Dim::symbol("H");
  Val v = b.input(ir::tensor_type(DType::f32, {1, 3, h, h * Dim(2)}));
  Val y = b.op("Resize", {v, {}, b.constant(f32({4}, {1, 1, 2, 0.5}))});
  EXPECT_EQ(ir::str(b.type(y)), "float32[1, 3, 2*H, H]");
}
TEST(Resize, messages_name_the_numbers) {
  EXPECT_NE(message(eval("Resize", {f32({2}, {1, 2}), std::nullopt, std::nullopt, ints({2, 2})})).find("sizes has 2 entries, 1 are needed"), std::string::npos);
  EXPECT_NE(message(eval("Resize", {f32({2}, {1, 2})})).find("either scales or sizes"), std::string::npos);
  EXPECT_NE(message(eval("Resize", {f32({2}, {1, 2}), std::nullopt, f32({1}, {3e22})})).find("is out of range"), std::string::npos);
}
TEST(GridSample, adjoint_in_every_mode) {
  Tensor grid = *x({2, 3, 2, 2});
  for (double& v : std::span(grid.as<double>(), std::size_t(grid.size()))) v *= 1.6;  // some places lie outside
  for (const char* m : {"linear", "nearest", "cubic"})
    for (const char* pad : {"zeros", "border", "reflection"})
      for (std::int64_t corners : {0, 1}) {
        Attrs a = {{"mode", std::string(m)}, {"padding_mode", std::string(pad)}, {"align_corners", corners}};
        EXPECT_LT(adjoint_gap("GridSample", {x({2, 2, 4, 5}), grid}, a), 1e-11) << m << " " << pad;
        EXPECT_LT(adjoint_gap("GridSampleGrad", {x({2, 2, 3, 2}), grid, ints({2, 2, 4, 5})}, a), 1e-11) << m << " " << pad;
      }
  EXPECT_LT(adjoint_gap("GridSample", {x({1, 1, 3, 4, 2}), x({1, 2, 2, 2, 3})}, {}), 1e-11);
}
TEST(AffineGrid, adjoint_in_two_and_three_axes) {
  EXPECT_LT(adjoint_gap("AffineGrid", {x({2, 2, 3}), ints({2, 1, 3, 4})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("AffineGrid", {x({2, 3, 4}), ints({2, 1, 3, 4, 2})}, {{"align_corners", std::int64_t{1}}}), 1e-11);
}
TEST(Adjoint, of_one_hot_and_cache_writes) {
  EXPECT_LT(adjoint_gap("OneHot", {i64({2, 2}, {0, 2, -1, 7}), Tensor::scalar_int(3), x({2})}, {}, 1, 2), 1e-11);
  for (const char* m : {"linear", "circular"}) {
    Attrs a = {{"mode", std::string(m)}};
    Tensor at = m[0] == 'l' ? ints({1, 0}) : ints({3, 9});
    EXPECT_LT(adjoint_gap("TensorScatter", {x({2, 4, 3}), Tensor::zeros(DType::f64, {2, 2, 3}), at}, a), 1e-11) << m;
    EXPECT_LT(adjoint_gap("TensorScatter", {Tensor::zeros(DType::f64, {2, 4, 3}), x({2, 2, 3}), at}, a, 1, 1), 1e-11) << m;
  }
}
TEST(Col2Im, adjoint_is_im2col) {
  EXPECT_LT(adjoint_gap("Col2Im", {x({2, 12, 9}), ints({5, 6}), ints({2, 3})}, {{"strides", ir::Ints{2, 2}}, {"pads", ir::Ints{1, 0, 0, 1}}}), 1e-11);
  EXPECT_LT(adjoint_gap("Im2Col", {x({2, 2, 5, 6}), ints({2, 3})}, {{"dilations", ir::Ints{2, 1}}}), 1e-11);
}
TEST(DepthToSpace, and_back_in_both_modes) {
  for (const char* m : {"DCR", "CRD"}) {
    Attrs a = {{"blocksize", std::int64_t{2}}, {"mode", std::string(m)}};
    EXPECT_LT(adjoint_gap("DepthToSpace", {x({2, 8, 2, 3})}, a), 1e-11) << m;
    Tensor t = *x({1, 8, 2, 3});
    EXPECT_TRUE(identical(eval1("SpaceToDepth", {eval1("DepthToSpace", {t}, a)}, a), t)) << m;
  }
}
TEST(Adjoint, of_gathers_and_operators_without_a_shorter_way_back) {
  EXPECT_LT(adjoint_gap("GatherElements", {x({3, 4}), i64({2, 4}, {0, 1, 2, 2, -1, 0, 0, 0})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("GatherND", {x({3, 4, 2}), i64({2, 2}, {0, 1, 2, -1})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("GatherND", {x({2, 3, 2}), i64({2, 1}, {2, 0})}, {{"batch_dims", std::int64_t{1}}}), 1e-11);
  EXPECT_LT(adjoint_gap("Tile", {x({2, 3}), ints({2, 3})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Compress", {x({3, 2}), Tensor::of(DType::boolean, {3}, {1, 0, 1})}, {{"axis", std::int64_t{0}}}), 1e-11);
  for (const char* m : {"reflect", "edge", "wrap"}) EXPECT_LT(adjoint_gap("Pad", {x({3, 4}), ints({2, 1, 1, 3})}, {{"mode", std::string(m)}}), 1e-11) << m;
}
TEST(Scatter, gradients_of_data_and_updates) {
  Tensor index = i64({2, 2}, {0, 2, 1, 0}), zero = Tensor::zeros(DType::f64, {3, 2}), none = Tensor::zeros(DType::f64, {2, 2});
  for (const char* r : {"none", "add"}) {
    Attrs a = {{"reduction", std::string(r)}};
    EXPECT_LT(adjoint_gap("ScatterElements", {x({3, 2}), index, none}, a), 1e-11) << r;
    EXPECT_LT(adjoint_gap("ScatterElements", {zero, index, x({2, 2})}, a, 1, 2), 1e-11) << r;
    EXPECT_LT(adjoint_gap("ScatterND", {zero, i64({2, 1}, {2, 0}), x({2, 2})}, a, 1, 2), 1e-11) << r;
  }
}
TEST(Scatter, reductions_and_indices_outside) {
  Tensor d = i64({3}, {5, 1, 7});
  EXPECT_TRUE(identical(eval1("ScatterElements", {d, ints({0, 0, -1}), ints({2, 9, 3})}, {{"reduction", std::string("max")}}), ints({9, 1, 7})));
  EXPECT_TRUE(identical(eval1("ScatterElements", {d, ints({0, 0, -1}), ints({2, 9, 3})}, {{"reduction", std::string("mul")}}), ints({90, 1, 21})));
  EXPECT_NE(message(eval("ScatterElements", {d, ints({3}), ints({0})})).find("index 3 lies outside an axis of 3"), std::string::npos);
  EXPECT_NE(message(eval("ScatterND", {d, i64({1, 1}, {-4}), ints({0})})).find("index -4 lies outside axis 0 of 3"), std::string::npos);
}
TEST(Sequence, positions_count_from_both_ends) {
  Datum s = Datum::sequence({Datum(ints({1})), Datum(ints({2})), Datum(ints({3}))});
  EXPECT_TRUE(identical(eval1("SequenceAt", {s, Datum(Tensor::scalar_int(-1))}), ints({3})));
  EXPECT_NE(message(eval("SequenceAt", {s, Datum(Tensor::scalar_int(3))})).find("position 3 lies outside a sequence of 3"), std::string::npos);
  EXPECT_TRUE(identical(eval1("ConcatFromSequence", {s}, {{"axis", std::int64_t{0}}}), ints({1, 2, 3})));
}
TEST(NonMaxSuppression, keeps_boxes_that_touch_the_threshold_exactly) {
  // Two unit boxes shifted by a third: intersection over union is 1/2.
  Tensor boxes = f32({1, 2, 4}, {0, 0, 1, 3, 0, 1, 1, 4}), scores = f32({1, 1, 2}, {0.5, 0.9});
  EXPECT_EQ(eval1("NonMaxSuppression", {boxes, scores, ints({5}), f32({1}, {0.5})}).dims, (Dims{2, 3}));
  EXPECT_TRUE(identical(eval1("NonMaxSuppression", {boxes, scores, ints({5}), f32({1}, {0.49})}), i64({1, 3}, {0, 0, 1})));
}

TEST(Regex, matches_as_re2_does) {
  struct Case { const char *pattern, *text; bool match; };
  for (const Case& c : std::initializer_list<Case>{
           {"", "", true}, {"", "a", false}, {"a", "a", true}, {"ab|cd", "cd", true}, {"ab|cd", "abcd", false}, {"(a|b)*c", "ababc", true}, {"a+", "", false}, {"a?b", "b", true},
           {"[a-c]{2,3}", "abca", false}, {"[a-c]{2,3}", "abc", true}, {"[^a-c]", "d", true}, {"x{2}", "xx", true}, {"x{2,}", "xxxxx", true}, {"x{0}", "", true}, {"(ab){2}(?:c|d)", "ababd", true},
           {"\\d+\\.\\w", "12.x", true}, {"\\S+@\\S+\\.com", "a@b.com", true}, {".", "\n", false}, {"(?s).", "\n", true}, {"(?i)AbC[x-z]", "aBcY", true}, {"a.c", "a\xc3\xa4" "c", true},
           {"^a$", "a", true}, {"\\bfoo\\b.*", "foo bar", true}, {"[[:alpha:]_]+", "ab_c", true}, {"a{,3}", "a{,3}", true}, {"(a*)*", "aaaa", true}, {"[]a]+", "]a", true}, {"\\x41\\x{42}", "AB", true}}) {
    auto r = Regex::compile(c.pattern);
    ASSERT_TRUE(r) << c.pattern << ": " << r.error().message;
    EXPECT_EQ(r->full_match(c.text), c.match) << c.pattern << " on " << c.text;
  }
  for (const char* wrong : {"(", ")", "[a", "*a", "a{2000}", "(?=a)", "\\pL", "[z-a]", "\\", "(?P<n", "((((a{100}){100}){100}){100})"}) EXPECT_FALSE(Regex::compile(wrong)) << wrong;
}
TEST(Regex, takes_linear_time_on_patterns_that_make_others_backtrack) {
  auto r = Regex::compile("(a*)*(a*)*(a|a)*b");
  ASSERT_TRUE(r);
  EXPECT_FALSE(r->full_match(std::string(20000, 'a')));
}

}  // namespace saha::op
