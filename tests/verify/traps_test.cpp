// Networks that are proved easily in real numbers and wrongly in float32: never `holds` where an execution breaks the property. After Szász et al. 2025, "No soundness in the real world" (arXiv 2506.01054).
#include "bounds_testing.hpp"
#include "verify/verify.hpp"

using namespace saha;
using namespace saha::verify;
using namespace saha::verify::testing;

namespace {
/// Counterexample: the weighted outputs are at most `bound` somewhere in the box that the inputs' regions are.
Property at_most(const Maker& m, std::vector<std::pair<std::int32_t, double>> y, double bound, std::int64_t outputs) {
  Box box;
  for (auto [lo, hi] : m.region) box.lo.push_back(double(lo)), box.hi.push_back(double(hi));
  Property p;
  p.inputs = std::ssize(box.lo), p.outputs = outputs;
  p.cases.push_back({std::make_shared<const Box>(std::move(box)), {{.y = std::move(y), .bound = bound}}});
  return p;
}
Outcome outcome(op::Vals (*make)(Maker&), std::vector<std::pair<std::int32_t, double>> y, double bound, Method method = Method::automatic, std::int64_t outputs = 1) {
  std::mt19937_64 random(1);
  Maker m{{}, random};
  op::Vals results = make(m);
  auto g = std::move(m.b).build(results);
  EXPECT_TRUE(g) << g.error().message;
  auto o = prove(*g, at_most(m, std::move(y), bound, outputs), {.timeout_s = 0.15, .threads = 1, .method = method});
  EXPECT_TRUE(o) << o.error().message;
  return *o;
}
/// The property that y0 > bound: what may be proved of it by any method.
std::string verdicts(op::Vals (*make)(Maker&), double bound) {
  std::string s;
  for (Method m : {Method::automatic, Method::inputs, Method::activations}) s += std::string(name(outcome(make, {{0, 1.0}}, bound, m).verdict)) + " ";
  return s;
}
/// The same where no counterexample is executed, so that none is met before bounds have their say.
std::string blind(op::Vals (*make)(Maker&), double bound) {
  std::mt19937_64 random(1);
  Maker m{{}, random};
  op::Vals results = make(m);
  auto g = std::move(m.b).build(results);
  EXPECT_TRUE(g) << g.error().message;
  std::string s;
  for (Method method : {Method::inputs, Method::activations}) {
    Options options{.timeout_s = 0.15, .threads = 1, .method = method};
    options.execute = [](const std::vector<float>&) -> Result<std::vector<float>> { return Error{ErrorCode::unsupported, "not executed"}; };
    auto o = prove(*g, at_most(m, {{0, 1.0}}, bound, 1), options);
    EXPECT_TRUE(o) << o.error().message;
    s += std::string(name(o->verdict)) + " ";
  }
  return s;
}
bool holds(const std::string& verdicts) { return verdicts.find("holds") != std::string::npos; }
}  // namespace

TEST(Traps, a_large_number_added_and_taken_off_again) {
  auto chained = [](Maker& m) -> op::Vals { return {m.x({1}, 0.2, 0.4) + m.of({1}, {16777216}) - m.of({1}, {16777216})}; };
  EXPECT_FALSE(holds(verdicts(chained, 0.1)));
  EXPECT_EQ(verdicts(chained, -100), "holds holds holds ");
  auto by_a_neuron = [](Maker& m) -> op::Vals {      // y = relu(x + 2^24 w) - relu(2^24 w), w is 1
    op::Val x = m.x({1, 1}, 0.2, 0.4), w = m.x({1, 1}, 1, 1), large = m.op("Relu", {w * 16777216.0});
    return {m.op("Relu", {x + large}) - large};
  };
  EXPECT_FALSE(holds(verdicts(by_a_neuron, 0.1)));
  auto in_one_sum = [](Maker& m) -> op::Vals {
    op::Val x = m.x({1, 1}, 0.2, 0.4), w = m.x({1, 2}, 1, 1);
    return {m.op("MatMul", {m.op("Concat", {x, w}, {{"axis", std::int64_t{1}}}), m.of({3, 1}, {1, 16777216, -16777216})})};
  };
  EXPECT_FALSE(holds(verdicts(in_one_sum, 0.1)));
}

TEST(Traps, one_element_met_several_times_by_a_sum) {
  auto joined = [](Maker& m) -> op::Vals {
    op::Val x = m.x({1, 1}, 0.9, 1);
    return {m.op("MatMul", {m.op("Concat", {x, x, x}, {{"axis", std::int64_t{1}}}), m.of({3, 1}, {0.3, 16777216, -16777216})})};
  };
  EXPECT_FALSE(holds(verdicts(joined, 0.1)));
  auto repeated = [](Maker& m) -> op::Vals { return {m.op("MatMul", {m.op("Expand", {m.x({1, 1}, 0.9, 1), m.ints({1, 3})}), m.of({3, 1}, {0.3, 16777216, -16777216})})}; };
  EXPECT_FALSE(holds(verdicts(repeated, 0.1)));
}

TEST(Traps, a_sum_that_depends_on_its_order) {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 6; ++trial) {
    Maker m{{}, random};
    op::Val x = m.x({1, 48}, 0.999, 1);
    const Tensor w = m.tensor({48, 1}, -1e6, 1e6);
    auto g = std::move(m.b).build({m.op("MatMul", {x, m.b.constant(w)})});
    ASSERT_TRUE(g);
    const Execution execution(*g);
    // The least that is met at the corner where the real sum is least.
    std::vector<float> corner;
    for (int i = 0; i < 48; ++i) corner.push_back(w.as<float>()[i] > 0 ? 0.999f : 1.0f);
    float least = INFINITY;
    for (int k = 0; k < 3000; ++k) least = std::min(least, execution.run(corner, random)[0]);
    for (Method method : {Method::inputs, Method::activations}) {
      auto o = prove(*g, at_most(m, {{0, 1.0}}, double(least), 1), {.timeout_s = 0.1, .threads = 1, .method = method});
      ASSERT_TRUE(o);
      EXPECT_NE(o->verdict, Verdict::holds) << trial << ": " << least;
      o = prove(*g, at_most(m, {{0, 1.0}}, double(least) - 300, 1), {.timeout_s = 5, .threads = 1, .method = method});
      ASSERT_TRUE(o);
      EXPECT_EQ(o->verdict, Verdict::holds) << trial << ": " << least;
    }
  }
}

TEST(Traps, products_of_weights_that_float32_does_not_hold) {
  auto vanishing = [](Maker& m) -> op::Vals {        // down to -4,000, though 4e-20 * 1e-26 is nothing in float32
    op::Val h = m.op("Relu", {m.op("MatMul", {m.x({1, 1}, -1e29, 1e29), m.of({1, 1}, {1e-26})})});
    return {m.op("MatMul", {m.op("Relu", {m.op("MatMul", {h, m.of({1, 1}, {4e-20})})}), m.of({1, 1}, {-1e20})})};
  };
  EXPECT_FALSE(holds(blind(vanishing, -3000)));
  EXPECT_EQ(blind(vanishing, -5000), "holds holds ");
  auto opposed = [](Maker& m) -> op::Vals {          // down to -8e19 by two ways whose weights multiply to infinity each, with both signs
    op::Val h = m.op("Relu", {m.x({1, 1}, 1e-20, 2e-20) * 1.0});
    op::Val z = m.op("Relu", {m.op("MatMul", {h, m.of({1, 2}, {9e29, 5e29})})});
    return {m.op("MatMul", {z, m.of({2, 1}, {-1e10, 1e10})})};
  };
  EXPECT_FALSE(holds(blind(opposed, -7e19)));
  auto growing = [](Maker& m) -> op::Vals {          // 0 where the second input is large; the first's weights multiply to infinity
    op::Val x = m.x({1, 1}, 1e-30, 1e-29), w = m.x({1, 1}, 0, 2);
    op::Val h = m.op("Relu", {m.op("MatMul", {m.op("Concat", {x, w}, {{"axis", std::int64_t{1}}}), m.of({2, 2}, {1e29, 0, 0, 1})})});
    return {m.op("MatMul", {m.op("Relu", {m.op("MatMul", {h, m.of({2, 1}, {1e29, -9e28})})}), m.of({1, 1}, {1e-29})})};
  };
  EXPECT_FALSE(holds(blind(growing, 0.005)));
  EXPECT_EQ(blind(growing, -0.005), "holds holds ");
}

TEST(Traps, a_door_that_only_roundings_open) {
  auto door = [](Maker& m) -> op::Vals {             // 1 - 1000 relu(|what 2^24 leaves of x| - 0.001): 1 in real numbers
    op::Val x = m.x({1, 1}, 0.2, 0.4), large = m.x({1, 1}, 1, 1) * 16777216.0;
    op::Val left = m.op("Relu", {x + large}) - large - x;
    op::Val key = m.op("Relu", {left - m.of({1, 1}, {0.001})}) + m.op("Relu", {m.of({1, 1}, {-0.001}) - left});
    return {m.of({1, 1}, {1}) - key * 1000.0};
  };
  EXPECT_FALSE(holds(verdicts(door, 0.5)));
  EXPECT_FALSE(holds(blind(door, 0.5)));
}

TEST(Traps, zeros_of_both_signs) {
  auto never_negative = [](Maker& m) -> op::Vals { return {m.op("Relu", {m.x({1, 1}, -0.0, 0.0) * 1.0})}; };
  EXPECT_FALSE(holds(verdicts(never_negative, 0)));
  EXPECT_FALSE(holds(verdicts(never_negative, -0.0)));
  auto least = [](Maker& m) -> op::Vals { return {m.x({1, 1}, -1e-45, 1e-45) * 1e10}; };
  EXPECT_FALSE(holds(verdicts(least, -1e-35)));
  EXPECT_EQ(verdicts(least, -1e-33), "holds holds holds ");
  auto dead = [](Maker& m) -> op::Vals { return {m.op("Relu", {m.x({1, 1}, -1, 1) - m.of({1, 1}, {5})})}; };
  std::mt19937_64 random(1);
  Maker m{{}, random};
  auto g = std::move(m.b).build(dead(m));
  ASSERT_TRUE(g);
  Property p = at_most(m, {{0, 1.0}}, 0, 1);
  p.cases[0].rows[0].strict = true;
  EXPECT_EQ(prove(*g, p, {.timeout_s = 1, .threads = 1})->verdict, Verdict::holds);  // nothing lies below the 0 that it is
}

TEST(Traps, a_dropout_in_training_mode_is_none) {
  for (bool training : {false, true}) {
    std::mt19937_64 random(1);
    Maker m{{}, random};
    op::Val x = m.x({1, 64}, 1, 2), mode = m.b.constant(Tensor::of(DType::boolean, {}, {double(training)}));
    auto g = std::move(m.b).build({m.op("Dropout", {x, m.of({}, {0.5}), mode})});
    ASSERT_TRUE(g) << g.error().message;
    auto o = prove(*g, at_most(m, {{0, 1.0}}, 0.5, 64), {.timeout_s = 1, .threads = 1});
    ASSERT_EQ(bool(o), !training);
    if (o) EXPECT_EQ(o->verdict, Verdict::holds);
    else EXPECT_NE(o.error().message.find("it drops elements by chance"), std::string::npos) << o.error().message;
  }
}

TEST(Traps, numbers_too_small_and_too_large) {
  auto underflow = [](Maker& m) -> op::Vals { return {m.x({1}, 1, 2) * m.of({1}, {1e-30}) * m.of({1}, {1e-16}) * m.of({1}, {1e30}) * m.of({1}, {1e16})}; };
  EXPECT_FALSE(holds(verdicts(underflow, 0.5)));
  auto overflow = [](Maker& m) -> op::Vals { return {m.x({1}, 1, 2) * m.of({1}, {1e30}) * m.of({1}, {1e30}) * m.of({1}, {1e-30}) * m.of({1}, {1e-30})}; };
  EXPECT_FALSE(holds(verdicts(overflow, 0.5)));
  auto vanished = [](Maker& m) -> op::Vals { return {m.op("Reciprocal", {m.x({1}, 1, 2) * m.of({1}, {1e30}) * m.of({1}, {1e30})}) - m.of({1}, {-1})}; };
  EXPECT_FALSE(holds(verdicts(vanished, 0.5)));
  auto not_a_number = [](Maker& m) -> op::Vals {
    op::Val x = m.x({1}, 1, 2);
    return {x * m.of({1}, {1e30}) * m.of({1}, {1e30}) - x * m.of({1}, {2e30}) * m.of({1}, {1e30}) + m.of({1}, {1})};
  };
  EXPECT_FALSE(holds(verdicts(not_a_number, -1e9)));
  auto padded = [](Maker& m) -> op::Vals { return {m.op("ReduceMax", {m.op("Pad", {m.x({1, 1}, 1, 2), m.ints({0, 1, 0, 0}), m.of({}, {NAN})})})}; };
  EXPECT_FALSE(holds(verdicts(padded, 0.5)));
  auto undefined = [](Maker& m) -> op::Vals { return {m.op("Sqrt", {m.x({1}, -1, 1)}) + m.of({1}, {1})}; };
  EXPECT_FALSE(holds(verdicts(undefined, 0.5)));
  auto pole = [](Maker& m) -> op::Vals { return {m.op("Abs", {m.op("Reciprocal", {m.x({1}, -1, 1)})})}; };
  EXPECT_FALSE(holds(verdicts(pole, 0.5)));
}

TEST(Traps, functions_that_saturate) {
  auto sigmoid = [](Maker& m) -> op::Vals { return {m.of({1}, {1}) - m.op("Sigmoid", {m.x({1}, 20, 30)})}; };
  EXPECT_FALSE(holds(verdicts(sigmoid, 0)));
  auto tanh = [](Maker& m) -> op::Vals { return {m.of({1}, {1}) - m.op("Tanh", {m.x({1}, 12, 30)})}; };
  EXPECT_FALSE(holds(verdicts(tanh, 0)));
  auto softmax = [](Maker& m) -> op::Vals {
    op::Val x = m.x({1, 1}, 110, 120);
    return {m.op("Slice", {m.op("Softmax", {m.op("Concat", {x, m.of({1, 1}, {0})}, {{"axis", std::int64_t{1}}})}), m.ints({1}), m.ints({2}), m.ints({1})})};
  };
  EXPECT_FALSE(holds(verdicts(softmax, 0)));
  auto amplified = [](Maker& m) -> op::Vals { return {(m.of({1}, {1}) - m.op("Sigmoid", {m.x({1}, 18, 30)})) * m.of({1}, {1e12})}; };
  EXPECT_FALSE(holds(verdicts(amplified, 0)));
}

TEST(Traps, coefficients_of_a_property_that_float32_does_not_hold) {
  auto twice = [](Maker& m) -> op::Vals {
    op::Val x = m.x({1}, 0.1, 0.2);
    return {m.op("Tanh", {x}), m.op("Tanh", {x * 1.0})};
  };
  // -tanh(x) <= -0.05: everywhere.
  for (Method method : {Method::automatic, Method::inputs, Method::activations}) EXPECT_NE(outcome(twice, {{0, -16777217.0}, {1, 16777216.0}}, -0.05, method, 2).verdict, Verdict::holds);
}

TEST(Traps, boxes_that_are_none) {
  std::mt19937_64 random(1);
  Maker m{{}, random};
  auto g = std::move(m.b).build({m.op("Relu", {m.x({2})})});
  ASSERT_TRUE(g);
  auto message = [&](double lo, double hi) {
    Property p;
    p.inputs = p.outputs = 2;
    p.cases.push_back({std::make_shared<const Box>(Box{{0, lo}, {1, hi}}), {{.y = {{0, 1.0}}, .bound = -1}}});
    auto o = prove(*g, p, {.timeout_s = 1, .threads = 1});
    return o ? std::string(name(o->verdict)) : o.error().message.substr(0, 19);
  };
  EXPECT_EQ(message(0, 1), "holds");
  EXPECT_EQ(message(1, 0), "input 1 lies betwee");
  EXPECT_EQ(message(NAN, 0), "input 1 lies betwee");
  EXPECT_EQ(message(0, NAN), "input 1 lies betwee");
  EXPECT_EQ(message(-INFINITY, 0), "input 1 lies betwee");
  EXPECT_EQ(message(0, INFINITY), "input 1 lies betwee");
}
