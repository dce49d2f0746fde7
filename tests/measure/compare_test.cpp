// A result beside its original: what is compared, what is too much work to compare, and what is a fault.
#include "measure/compare.hpp"

#include <gtest/gtest.h>

#include "op/text_form.hpp"

namespace saha::measure {
namespace {
ir::Graph read(std::string_view text) {
  auto g = op::parse(text);
  EXPECT_TRUE(g) << (g ? "" : g.error().message);
  return g ? std::move(*g) : ir::Graph();
}
constexpr std::string_view kTwice = "graph (x: float32[N, 3]) {\n  y = Add(x, x)\n  return y\n}\n";

TEST(Compare, runs_both_on_each_input_and_keeps_the_largest_difference) {
  auto r = compare(read(kTwice), read("graph (x: float32[N, 3]) {\n  y = Mul(x, float32[] {2.5})\n  return y\n}\n"), {}, 4, 0);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->inputs, 4);
  EXPECT_EQ(r->not_compared, "");
  EXPECT_GT(r->worst.absolute, 0.1);
  EXPECT_LT(r->worst.absolute, 0.5);
}
TEST(Compare, leaves_out_what_takes_more_steps_and_says_what_asked_for_them) {
  ir::Graph g = read("graph (x: float32[3]) {\n  y = Loop(int64[] {200000000}, _, x) {carried = 1, body = graph (i: int64[], c: bool[], a: float32[3]) {\n    d = Identity(c)\n    b = Add(a, a)\n    return d, b\n  }}\n  return y\n}\n");
  auto r = compare(g, g, {}, 4, 0, 1e7);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->inputs, 0);
  EXPECT_NE(r->not_compared.find("steps where"), std::string::npos) << r->not_compared;
}
TEST(Compare, makes_no_input_that_is_itself_too_large) {
  ir::Graph g = read("graph (x: float32[100000, 100000]) {\n  y = Neg(x)\n  return y\n}\n");
  auto r = compare(g, g, {}, 4, 0);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->inputs, 0);
  EXPECT_NE(r->not_compared.find("the inputs have 10000000000 elements"), std::string::npos) << r->not_compared;
}
TEST(Compare, of_as_many_inputs_as_the_steps_allow) {
  ir::Graph g = read("graph (x: float32[100, 100]) {\n  y = MatMul(x, x)\n  return y\n}\n");
  auto r = compare(g, g, {}, 10, 0, 5e6);   // a pair of runs takes 2.4 million
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_GE(r->inputs, 1);
  EXPECT_LE(r->inputs, 3);
  EXPECT_NE(r->not_compared, "");
}
TEST(Compare, fails_where_only_the_original_runs) {
  auto r = compare(read(kTwice), read("graph (x: float32[N, 3]) {\n  y = Reshape(x, int64[1] {7})\n  return y\n}\n"), {}, 1, 0);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("does not run where the original does"), std::string::npos) << r.error().message;
}

}  // namespace
}  // namespace saha::measure
