// Movers: results on small cases, symbolic shapes, shape values that flow through, adjoints, errors.
#include "op_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
Dim sym(const char* s) { return Dim::symbol(s); }
}  // namespace

TEST(Slice, backward_steps_clamp_as_the_specification_says) {
  Tensor x = ints({0, 1, 2, 3, 4});
  EXPECT_TRUE(identical(eval1("Slice", {x, ints({-1}), ints({INT64_MIN}), ints({0}), ints({-2})}), ints({4, 2, 0})));
  EXPECT_TRUE(identical(eval1("Slice", {x, ints({1}), ints({INT64_MAX})}), ints({1, 2, 3, 4})));
  EXPECT_TRUE(identical(eval1("Slice", {x, ints({3}), ints({2})}), ints({})));
  EXPECT_TRUE(identical(eval1("Slice", {x, ints({0}), ints({9}), ints({0}), ints({INT64_MAX})}), ints({0})));
}
TEST(Slice, a_step_of_0_is_refused) {
  EXPECT_NE(message(eval("Slice", {ints({1, 2}), ints({0}), ints({1}), ints({0}), ints({0})})).find("step of axis 0 is 0"), std::string::npos);
}
TEST(Slice, packed_elements_and_text_move_like_any_other) {
  Tensor x = Tensor::of_strings({3}, {"a", "b", "c"});
  EXPECT_EQ(*eval1("Slice", {x, ints({-1}), ints({-4}), ints({0}), ints({-1})}).text, (std::vector<std::string>{"c", "b", "a"}));
  Tensor p = Tensor::of(DType::i4, {2, 3}, {1, 2, 3, 4, 5, -6});
  EXPECT_TRUE(identical(eval1("Transpose", {p}), Tensor::of(DType::i4, {3, 2}, {1, 4, 2, 5, 3, -6})));
}
TEST(Slice, inference_bound_to_numbers_gives_the_dims_of_eval) {
  for (std::int64_t n : {1, 2, 5, 8})
    for (std::int64_t s : {-9, -3, -1, 0, 1, 4, 9})
      for (std::int64_t e : {-9, -2, 0, 3, 9})
        for (std::int64_t k : {-3, -1, 1, 2}) {
          Builder b;
          Val y = b.op("Slice", {b.input(ir::tensor_type(DType::f32, {sym("N")})), b.ints({s}), b.ints({e}), b.ints({0}), b.ints({k})});
          auto d = b.type(y).dims[0].evaluate([n](const std::string&) { return std::optional(n); });
          Tensor r = eval1("Slice", {Tensor::zeros(DType::f32, {n}), ints({s}), ints({e}), ints({0}), ints({k})});
          EXPECT_EQ(d.value_or(-1), r.dims[0]) << "N " << n << " [" << s << ":" << e << ":" << k << "] " << ir::str(b.type(y));
        }
}
TEST(Split, uneven_parts_and_sizes_given) {
  auto r = eval("Split", {ints({0, 1, 2, 3, 4, 5, 6})}, {{"num_outputs", std::int64_t{3}}}, 3);
  ASSERT_TRUE(r);
  EXPECT_TRUE(identical((*r)[2].tensor, ints({6})));
  EXPECT_NE(message(eval("Split", {ints({0, 1}), ints({1, 2})}, {}, 2)).find("part 1 of 2"), std::string::npos);
}
TEST(Split, of_a_symbolic_axis_divides_the_symbol) {
  Builder b;
  Vals y = b.ops("Split", {b.input(ir::tensor_type(DType::f32, {sym("H") * Dim(4)}))}, {{"num_outputs", std::int64_t{2}}}, 2);
  EXPECT_EQ(ir::str(b.type(y[0])), "float32[2*H]");
  EXPECT_EQ(ir::str(b.type(y[1])), "float32[2*H]");
}
TEST(Pad, modes_agree_with_numpy_beyond_one_reflection) {
  Tensor x = ints({1, 2, 3});
  auto pad = [&](const char* mode, std::int64_t a, std::int64_t b) { return eval1("Pad", {x, ints({a, b})}, {{"mode", std::string(mode)}}); };
  EXPECT_TRUE(identical(pad("reflect", 5, 4), ints({2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3})));
  EXPECT_TRUE(identical(pad("wrap", 4, 2), ints({3, 1, 2, 3, 1, 2, 3, 1, 2})));
  EXPECT_TRUE(identical(pad("edge", 1, 2), ints({1, 1, 2, 3, 3, 3})));
  EXPECT_TRUE(identical(pad("constant", -1, 2), ints({2, 3, 0, 0})));
  EXPECT_NE(message(eval("Pad", {x, ints({-2, -2})})).find("cut to -1"), std::string::npos);
  EXPECT_NE(message(eval("Pad", {x, ints({1, 1})}, {{"mode", std::string("mirror")}})).find("mode 'mirror'"), std::string::npos);
}
TEST(Where, broadcasts_all_three_operands) {
  Tensor cond = Tensor::of(DType::boolean, {2, 1}, {1, 0});
  EXPECT_TRUE(identical(eval1("Where", {cond, i64({1, 3}, {1, 2, 3}), i64({}, {9})}), i64({2, 3}, {1, 2, 3, 9, 9, 9})));
}

TEST(ShapeValues, reshape_divides_and_completes) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {sym("N"), 3, sym("H") * Dim(4)}));
  Val shape = b.op("Shape", {x});
  Val n = b.op("Slice", {shape, b.ints({0}), b.ints({1})}), h = b.op("Slice", {shape, b.ints({2}), b.ints({3})});
  Val to = b.op("Concat", {n, h / b.ints({4}), b.ints({-1})}, {{"axis", std::int64_t{0}}});
  EXPECT_EQ(ir::str(b.type(b.op("Reshape", {x, to}))), "float32[N, H, 12]");
}
TEST(ShapeValues, flow_through_gather_unsqueeze_pad_where_and_expand) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {sym("N"), sym("C")}));
  Val c = b.op("Gather", {b.op("Shape", {x}), b.constant(Tensor::scalar_int(-1))});
  Val one = b.op("Unsqueeze", {c, b.ints({0})});
  Val padded = b.op("Pad", {one, b.ints({0, 1}), b.constant(Tensor::scalar_int(5))});
  EXPECT_EQ(ir::str(b.type(b.op("Expand", {b.scalar(1, DType::f32), padded}))), "float32[C, 5]");
  Val zero_filled = b.op("Pad", {one, b.ints({1, 0})});
  const Known* k = b.known(zero_filled);
  ASSERT_NE(k, nullptr);
  EXPECT_EQ(ir::str(*k), "[0, C]");
  Val kept = b.op("Where", {b.constant(Tensor::of(DType::boolean, {2}, {0, 1})), b.ints({7, 8}), b.op("Shape", {x})});
  ASSERT_NE(b.known(kept), nullptr);
  EXPECT_EQ(ir::str(*b.known(kept)), "[N, 8]");
}

TEST(Adjoint, of_every_mover_is_its_transpose) {
  std::mt19937 rng(3);
  auto x = [&](Dims d) { return std::optional(random_tensor(rng, std::move(d))); };
  EXPECT_LT(adjoint_gap("Slice", {x({5, 6}), ints({4, 1}), ints({-9, 6}), ints({0, 1}), ints({-2, 3})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Unslice", {x({2, 2}), ints({5, 4}), ints({0, 1}), ints({4, 9}), ints({0, 1}), ints({2, 2})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Split", {x({5, 2})}, {{"num_outputs", std::int64_t{2}}}, 2), 1e-11);
  EXPECT_LT(adjoint_gap("Concat", {x({2, 3})}, {{"axis", std::int64_t{1}}}), 1e-11);
  EXPECT_LT(adjoint_gap("Transpose", {x({2, 3, 4})}, {{"perm", ir::Ints{1, 2, 0}}}), 1e-11);
  EXPECT_LT(adjoint_gap("Transpose", {x({2, 3, 4})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("ReverseSequence", {x({4, 3}), ints({4, 2, 0})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Pad", {x({3, 4}), ints({1, -1, 2, 1})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Where", {Tensor::of(DType::boolean, {3}, {1, 0, 1}), x({2, 1}), Tensor::zeros(DType::f64, {3})}, {}, 1, 1), 1e-11);
  EXPECT_LT(adjoint_gap("Reshape", {x({3, 4}), ints({2, 6})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Flatten", {x({3, 4, 2})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Squeeze", {x({3, 1}), ints({1})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Expand", {x({3, 1}), ints({2, 3, 4})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Trilu", {x({3, 4}), Tensor::scalar_int(1)}, {{"upper", std::int64_t{0}}}), 1e-11);
  EXPECT_LT(adjoint_gap("CenterCropPad", {x({3, 5}), ints({6, 2})}, {}), 1e-11);
  EXPECT_LT(adjoint_gap("Gather", {x({4, 3}), i64({2, 2}, {0, 3, -1, 0})}, {}), 1e-11);
}
TEST(Adjoint, of_concat_cuts_out_the_operand) {
  std::mt19937 rng(4);
  Builder b;
  Val p = b.input(ir::tensor_type(DType::f64, {2, sym("A")})), q = b.input(ir::tensor_type(DType::f64, {2, sym("B")}));
  Val y = b.op("Concat", {p, q}, {{"axis", std::int64_t{1}}}), dy = b.input(b.type_ref(y));
  auto g = gradients(b, y, dy, {p, q});
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(ir::str(b.type((*g)[1])), "float64[2, B]");
  auto graph = std::move(b).build(*g);
  ASSERT_TRUE(graph);
  Tensor d = random_tensor(rng, {2, 5});
  std::vector<Datum> in = {random_tensor(rng, {2, 3}), random_tensor(rng, {2, 2}), d};
  auto r = run(*graph, in);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ((*r)[1].tensor.at(2), d.at(8));
}

}  // namespace saha::op
