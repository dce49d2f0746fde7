// What a rewrite keeps.
#include <gtest/gtest.h>

#include "op/builder.hpp"

namespace saha::op {

TEST(Rewrite, a_type_that_the_model_states_outlives_a_rule_that_infers_less) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {6})), shape = b.input(ir::tensor_type(DType::i64, {Dim::symbol("R")}));
  Val y = b.op("Reshape", {x, shape});
  ASSERT_FALSE(b.type(y).ranked);
  b.retype(y, ir::tensor_type(DType::f32, {2, 3}));
  auto g = std::move(b).build({y});
  ASSERT_TRUE(g);
  auto r = rewrite(*g, [](const ir::Graph&, const ir::Node&, const Vals& in, Builder& into) { return std::optional(Vals{into.op("Reshape", in)}); });
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(ir::str(r->type(r->outputs()[0])), "float32[2, 3]");
}

}  // namespace saha::op
