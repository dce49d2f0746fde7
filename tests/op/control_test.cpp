// Control flow and operators whose sizes only the data decides.
#include "op_testing.hpp"

namespace saha::op {
namespace {
using namespace testing;
Dim sym(const char* s) { return Dim::symbol(s); }
ir::GraphRef built(Builder& b, const Vals& out) {
  auto g = std::move(b).build(out);
  EXPECT_TRUE(g) << (g ? "" : g.error().message);
  return g ? std::make_shared<const ir::Graph>(std::move(*g)) : nullptr;
}
TypeRef f64n(std::vector<Dim> d) { return ir::tensor_type(DType::f64, std::move(d)); }
}  // namespace

TEST(If, a_branch_that_cannot_take_these_shapes_only_fails_when_it_is_taken) {
  Builder t, e, b;
  ir::GraphRef then_branch = built(t, {t.op("Neg", {t.input(f64n({sym("N")}))})});
  ir::GraphRef else_branch = built(e, {e.op("Squeeze", {e.input(f64n({sym("N")})), e.constant(Tensor::of_ints(std::vector<std::int64_t>{0}))})});
  Val c = b.input(ir::tensor_type(DType::boolean, {})), x = b.input(f64n({2}));
  Val y = b.op("If", {c, x}, {{"then_branch", then_branch}, {"else_branch", else_branch}});
  ASSERT_FALSE(b.error()) << b.error()->message;
  EXPECT_EQ(b.type(y), *f64n({2}));
  auto graph = std::move(b).build({y});
  ASSERT_TRUE(graph) << graph.error().message;
  for (bool taken : {true, false}) {
    std::vector<Datum> in = {Tensor::scalar(DType::boolean, taken), f64({2}, {1, 2})};
    EXPECT_EQ(bool(run(*graph, in)), taken);
  }
}
TEST(If, joins_types_and_differentiates_the_branch_that_ran) {
  Builder t, e, b;
  Val x1 = t.input(f64n({sym("N")})), w1 = t.input(f64n({}));
  ir::GraphRef then_branch = built(t, {x1 * w1 * w1});
  Val x2 = e.input(f64n({sym("N")})), w2 = e.input(f64n({}));
  ir::GraphRef else_branch = built(e, {e.op("Concat", {x2 + w2, x2}, {{"axis", std::int64_t{0}}})});
  Val c = b.input(ir::tensor_type(DType::boolean, {})), x = b.input(f64n({sym("N")})), w = b.input(f64n({}));
  Val y = b.op("If", {c, x, w}, {{"then_branch", then_branch}, {"else_branch", else_branch}});
  EXPECT_TRUE(b.type(y).dims[0].symbol_name());  // N or 2*N: only the run decides
  Val s = b.op("ReduceSum", {y}, {{"keepdims", std::int64_t{0}}});
  auto g = gradients(b, s, b.constant(f64({}, {1})), {x, w});
  ASSERT_TRUE(g) << g.error().message;
  Vals out = {s};
  out.insert(out.end(), g->begin(), g->end());
  auto graph = std::move(b).build(out);
  ASSERT_TRUE(graph) << graph.error().message;
  for (bool taken : {true, false}) {
    std::vector<Datum> in = {Tensor::scalar(DType::boolean, taken), f64({2}, {1, 2}), f64({}, {3})};
    auto r = run(*graph, in);
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ((*r)[0].tensor.at(0), taken ? 27 : 12);
    EXPECT_EQ((*r)[1].tensor.at(0), taken ? 9 : 2);   // d/dx
    EXPECT_EQ((*r)[2].tensor.at(0), taken ? 18 : 2);  // d/dw: 2 w (x0 + x1), or the number of elements
  }
}
TEST(If, branches_that_give_other_dtypes_are_refused) {
  Builder t, e, b;
  ir::GraphRef a = built(t, {t.constant(f32({}, {1}))}), z = built(e, {e.constant(i64({}, {1}))});
  b.op("If", {b.input(ir::tensor_type(DType::boolean, {}))}, {{"then_branch", a}, {"else_branch", z}});
  ASSERT_TRUE(b.failed());
  EXPECT_NE(b.error()->message.find("float32[] on one side and int64[] on the other"), std::string::npos) << b.error()->message;
}
TEST(If, a_symbol_made_in_a_branch_is_not_one_of_the_outer_graph) {
  Builder t, e, b;
  Val p = t.input(f64n({sym("nonzero#0")}));
  ir::GraphRef a = built(t, {t.op("NonZero", {p})});
  Val q = e.input(f64n({sym("nonzero#0")}));
  ir::GraphRef z = built(e, {e.op("NonZero", {q})});
  Val n = b.op("NonZero", {b.input(f64n({5}))});  // int64[1, nonzero#0]
  Val x = b.op("Cast", {b.op("Squeeze", {n, b.ints({0})})}, {{"to", std::int64_t(DType::f64)}});
  Val y = b.op("If", {b.input(ir::tensor_type(DType::boolean, {})), x}, {{"then_branch", a}, {"else_branch", z}});
  ASSERT_FALSE(b.failed()) << b.error()->message;
  EXPECT_FALSE(b.type(y).dims[1] == b.type(x).dims[0]) << ir::str(b.type(y));
}

TEST(Builder, a_fresh_symbol_is_none_of_those_that_inputs_hold) {
  Builder b;
  Val x = b.input(f64n({sym("nonzero#0") * Dim(2), 3}));
  EXPECT_EQ(ir::str(b.type(b.op("NonZero", {x}))), "int64[2, nonzero#1]");
}

TEST(Loop, carries_grows_captures_and_scans) {
  Builder body, b;
  Val i = body.input(ir::tensor_type(DType::i64, {})), cond = body.input(ir::tensor_type(DType::boolean, {}));
  Val acc = body.input(f64n({Dim(1)})), w = body.input(f64n({}));
  Val next = body.op("Concat", {acc, body.op("Unsqueeze", {w * body.op("Cast", {i}, {{"to", std::int64_t(DType::f64)}}), body.ints({0})})}, {{"axis", std::int64_t{0}}});
  ir::GraphRef g = built(body, {body.op("Identity", {cond}), next, w * 2.0});
  Val m = b.input(ir::tensor_type(DType::i64, {sym("M")}));
  Val trips = b.op("Size", {m});
  Vals y = b.ops("Loop", {trips, {}, b.input(f64n({1})), b.input(f64n({}))}, {{"body", g}, {"carried", std::int64_t{1}}}, 2);
  ASSERT_FALSE(b.failed()) << b.error()->message;
  EXPECT_FALSE(b.type(y[0]).dims[0].known());               // it grows
  EXPECT_EQ(ir::str(b.type(y[1])), "float64[M]");           // the condition is passed on, so M turns are run
  auto graph = std::move(b).build(y);
  ASSERT_TRUE(graph);
  std::vector<Datum> in = {ints({0, 0, 0}), f64({1}, {7}), f64({}, {5})};
  auto r = run(*graph, in);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_TRUE(identical((*r)[0].tensor, f64({4}, {7, 0, 5, 10})));
  EXPECT_TRUE(identical((*r)[1].tensor, f64({3}, {10, 10, 10})));
  in[0] = Tensor::zeros(DType::i64, {0});
  r = run(*graph, in);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ((*r)[1].tensor.dims, (Dims{0}));
}
TEST(Loop, without_an_end_is_stopped_and_a_wrong_body_refused) {
  Builder body, b;
  body.input(ir::tensor_type(DType::i64, {}));
  Val cond = body.input(ir::tensor_type(DType::boolean, {}));
  ir::GraphRef g = built(body, {cond});
  b.op("Loop", {b.constant(Tensor::scalar_int(3)), {}, b.input(f64n({}))}, {{"body", g}, {"carried", std::int64_t{1}}});
  ASSERT_TRUE(b.failed());
  EXPECT_NE(b.error()->message.find("body has 2 inputs, 3 values are given"), std::string::npos) << b.error()->message;
}
TEST(Loop, gradient_agrees_with_central_differences) {
  // h <- tanh(w h + x), scan: h h. Weights are captured, the number of turns is an input.
  Builder body, b;
  body.input(ir::tensor_type(DType::i64, {}));
  Val cond = body.input(ir::tensor_type(DType::boolean, {})), h = body.input(f64n({3})), w = body.input(f64n({3})), x = body.input(f64n({3}));
  Val next = body.op("Tanh", {w * h + x});
  ir::GraphRef g = built(body, {body.op("Identity", {cond}), next, next * h});
  Val m = b.input(ir::tensor_type(DType::i64, {})), h0 = b.input(f64n({3})), wv = b.input(f64n({3})), xv = b.input(f64n({3}));
  Vals y = b.ops("Loop", {m, {}, h0, wv, xv}, {{"body", g}, {"carried", std::int64_t{1}}}, 2);
  Attrs all = {{"keepdims", std::int64_t{0}}};
  Val loss = b.op("ReduceSum", {y[0] * y[0]}, all) + b.op("ReduceSum", {y[1]}, all);
  auto d = gradients(b, loss, b.constant(f64({}, {1})), {h0, wv, xv});
  ASSERT_TRUE(d) << d.error().message;
  Vals out = {loss};
  out.insert(out.end(), d->begin(), d->end());
  auto graph = std::move(b).build(out);
  ASSERT_TRUE(graph) << graph.error().message;
  for (std::int64_t turns : {0, 1, 4}) {
    std::mt19937 rng(1);
    std::vector<Datum> in = {Tensor::scalar_int(turns), random_tensor(rng, {3}), random_tensor(rng, {3}), random_tensor(rng, {3})};
    auto r = run(*graph, in);
    ASSERT_TRUE(r) << r.error().message;
    for (std::size_t k = 1; k < 4; ++k)
      for (std::int64_t i = 0; i < 3; ++i) {
        double value[2], step = 1e-6;
        for (int side : {0, 1}) {
          Tensor moved = Tensor::zeros(DType::f64, {3});
          copy_elements(in[k].tensor, 0, 1, moved, 0, 3);
          moved.as<double>()[i] += side ? step : -step;
          auto changed = in;
          changed[k] = moved;
          auto q = run(*graph, changed);
          ASSERT_TRUE(q);
          value[side] = (*q)[0].tensor.at(0);
        }
        EXPECT_NEAR((*r)[k].tensor.at(i), (value[1] - value[0]) / (2 * step), 1e-8) << turns << " turns, operand " << k;
      }
  }
}
TEST(Scan, runs_backward_along_any_axis) {
  Builder body, b;
  Val s = body.input(f64n({2})), x = body.input(f64n({2}));
  Val sum = s + x;
  ir::GraphRef g = built(body, {sum, sum});
  Val state = b.input(f64n({2})), seq = b.input(f64n({2, sym("T")}));
  Vals y = b.ops("Scan", {state, seq}, {{"body", g}, {"carried", std::int64_t{1}}, {"num_scan_inputs", std::int64_t{1}}, {"scan_input_axes", ir::Ints{1}}, {"scan_input_directions", ir::Ints{1}}, {"scan_output_axes", ir::Ints{-1}}}, 2);
  ASSERT_FALSE(b.failed()) << b.error()->message;
  EXPECT_EQ(ir::str(b.type(y[1])), "float64[2, T]");
  auto graph = std::move(b).build(y);
  std::vector<Datum> in = {f64({2}, {0, 0}), f64({2, 3}, {1, 2, 3, 10, 20, 30})};
  auto r = run(*graph, in);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_TRUE(identical((*r)[0].tensor, f64({2}, {6, 60})));
  EXPECT_TRUE(identical((*r)[1].tensor, f64({2, 3}, {3, 5, 6, 30, 50, 60})));
}

TEST(Scan, gradient_agrees_with_central_differences) {
  // s <- s * x, scan: s + x; x runs backward along axis 1, the scan output forward and backward along its last axis.
  Builder body, b;
  Val s = body.input(f64n({2})), x = body.input(f64n({2}));
  Val product = s * x;
  ir::GraphRef g = built(body, {product, product + x, x * x});
  Val state = b.input(f64n({2})), seq = b.input(f64n({2, 3}));
  Vals y = b.ops("Scan", {state, seq}, {{"body", g}, {"carried", std::int64_t{1}}, {"num_scan_inputs", std::int64_t{1}}, {"scan_input_axes", ir::Ints{1}}, {"scan_input_directions", ir::Ints{1}}, {"scan_output_axes", ir::Ints{-1, 0}}, {"scan_output_directions", ir::Ints{0, 1}}}, 3);
  Attrs all = {{"keepdims", std::int64_t{0}}};
  Val weight = b.constant(f64({2, 3}, {1, 2, 3, 4, 5, 6})), back = b.constant(f64({3, 2}, {1, -2, 3, -4, 5, -6}));
  Val loss = b.op("ReduceSum", {y[0]}, all) + b.op("ReduceSum", {y[1] * weight}, all) + b.op("ReduceSum", {y[2] * back}, all);
  auto d = gradients(b, loss, b.constant(f64({}, {1})), {state, seq});
  ASSERT_TRUE(d) << d.error().message;
  auto graph = std::move(b).build({loss, (*d)[0], (*d)[1]});
  ASSERT_TRUE(graph) << graph.error().message;
  std::mt19937 rng(2);
  std::vector<Datum> in = {random_tensor(rng, {2}), random_tensor(rng, {2, 3})};
  auto r = run(*graph, in);
  ASSERT_TRUE(r) << r.error().message;
  for (std::size_t k = 0; k < 2; ++k)
    for (std::int64_t i = 0; i < in[k].tensor.size(); ++i) {
      double value[2], step = 1e-6;
      for (int side : {0, 1}) {
        Tensor moved = Tensor::zeros(DType::f64, in[k].tensor.dims);
        copy_elements(in[k].tensor, 0, 1, moved, 0, moved.size());
        moved.as<double>()[i] += side ? step : -step;
        auto changed = in;
        changed[k] = moved;
        value[side] = (*run(*graph, changed))[0].tensor.at(0);
      }
      EXPECT_NEAR((*r)[1 + k].tensor.at(i), (value[1] - value[0]) / (2 * step), 1e-8) << "operand " << k << " element " << i;
    }
}

TEST(TopK, equal_values_keep_their_order_and_nan_is_largest) {
  auto r = eval("TopK", {f32({5}, {1, 3, NAN, 3, 2}), ints({3})}, {}, 2);
  ASSERT_TRUE(r);
  EXPECT_TRUE(identical((*r)[1].tensor, ints({2, 1, 3})));
  EXPECT_NE(message(eval("TopK", {f32({2}, {1, 2}), ints({3})}, {}, 2)).find("K is 3"), std::string::npos);
}
TEST(TopK, gradient_goes_to_the_elements_that_were_picked) {
  std::mt19937 rng(5);
  EXPECT_LT(adjoint_gap("TopK", {random_tensor(rng, {3, 5}), ints({2})}, {}, 2), 1e-11);
}
TEST(ArgMax, ties_take_the_first_or_the_last) {
  Tensor x = f32({2, 3}, {1, 5, 5, 4, 4, 0});
  EXPECT_TRUE(identical(eval1("ArgMax", {x}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}}), ints({1, 0})));
  EXPECT_TRUE(identical(eval1("ArgMax", {x}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}, {"select_last_index", std::int64_t{1}}}), ints({2, 1})));
}
TEST(NonZero, has_a_size_of_its_own) {
  Builder b;
  Val y = b.op("NonZero", {b.input(ir::tensor_type(DType::f32, {sym("N"), 2}))});
  EXPECT_EQ(b.type(y).dims[0], Dim(2));
  EXPECT_FALSE(b.type(y).dims[1].known());
  EXPECT_TRUE(identical(eval1("NonZero", {f32({2, 2}, {0, 1, 2, 0})}), i64({2, 2}, {0, 1, 1, 0})));
}
TEST(Unique, of_columns_with_inverse_and_counts) {
  auto r = eval("Unique", {i64({2, 4}, {3, 1, 3, 0, 4, 1, 4, 9})}, {{"axis", std::int64_t{1}}, {"sorted", std::int64_t{0}}}, 4);
  ASSERT_TRUE(r) << message(r);
  EXPECT_TRUE(identical((*r)[0].tensor, i64({2, 3}, {3, 1, 0, 4, 1, 9})));
  EXPECT_TRUE(identical((*r)[2].tensor, ints({0, 1, 0, 2})));
  EXPECT_TRUE(identical((*r)[3].tensor, ints({2, 1, 1})));
}

}  // namespace saha::op
