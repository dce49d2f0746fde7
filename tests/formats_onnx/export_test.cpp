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

TEST(Export, small_numbers_dims_without_a_name_and_unused_domains_take_no_room) {
  ir::Model model;
  model.graph = *op::parse(R"(graph (x: float32["x.0", 4]) {
    n = Normalizer(x)
    return n
  })");
  model.opsets = {{"ai.onnx.ml", 3}};
  auto bytes = export_bytes(model);
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto read = import_bytes(std::as_bytes(std::span(bytes->data(), bytes->size())));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->opsets, model.opsets);   // nothing here is of ai.onnx
  EXPECT_EQ(bytes->find("x.0"), std::string::npos);
  EXPECT_EQ(read->graph.type(read->graph.inputs()[0]), model.graph.type(model.graph.inputs()[0]));

  model.opsets = {{"", 21}};
  const auto with = [&](const char* shape) {
    model.graph = *op::parse(std::string("graph (x: float32[2, 64]) {\n y = Reshape(x, int64[2] ") + shape + ")\n return y\n}");
    return export_bytes(model)->size();
  };
  EXPECT_EQ(with("{128, 1}") + 8, with("{-1, 1}"));    // a list of 2 + 1 bytes, one of 10 + 1
}

}  // namespace saha::onnx
