// What is written: no more than the model has.
#include <gtest/gtest.h>

#include "formats/onnx/onnx.hpp"
#include "op/text_form.hpp"

namespace saha::onnx {

TEST(Export, a_version_that_the_model_does_not_have_takes_no_byte) {
  ir::Model model;
  model.graph = *op::parse("graph (x: float32[2]) {\n y = Relu(x)\n return y\n}");
  const auto without = export_bytes(model);
  model.producer_version = "1";
  const auto with = export_bytes(model);
  ASSERT_TRUE(without && with);
  EXPECT_EQ(without->size() + 3, with->size());   // tag, length, "1"
}

}  // namespace saha::onnx
