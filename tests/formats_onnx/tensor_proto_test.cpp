// Tensors as they stand in files. Expected bytes: onnx 1.23.2, numpy_helper.from_array.
#include "formats/onnx/tensor_proto.hpp"

#include <gtest/gtest.h>

#include "formats/onnx/onnx.hpp"
#include "op/text_form.hpp"

namespace saha::onnx {
namespace {

::onnx::TensorProto five_of_six_bits() {
  ::onnx::TensorProto p;
  p.set_name("w"), p.set_data_type(::onnx::TensorProto::FLOAT6E2M3), p.add_dims(5);
  return p;
}

TEST(TensorProto, six_bits_stand_packed_as_raw_data_and_one_by_one_as_int32) {
  ExternalFiles none;
  auto raw = five_of_six_bits(), codes = five_of_six_bits();
  raw.set_raw_data("\x88\xfc\x05\x24");
  for (int code : {8, 50, 31, 1, 36}) codes.add_int32_data(code);
  auto a = tensor_from(raw, none), b = tensor_from(codes, none);
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ(values<double>(*a), (std::vector<double>{1, -2.5, 7.5, 0.125, -0.5}));
  EXPECT_TRUE(identical(*a, *b));
  EXPECT_EQ(proto_from(*a).raw_data(), raw.raw_data());
}

TEST(TensorProto, six_bits_that_are_not_there_or_too_many_are_refused) {
  ExternalFiles none;
  auto p = five_of_six_bits();
  p.set_raw_data("\x88\xfc\x05");
  EXPECT_EQ(tensor_from(p, none).error().message, "tensor 'w' holds 3 bytes, its shape [5] takes 4");
  p = five_of_six_bits();
  for (int code : {8, 50, 64, 1, 36}) p.add_int32_data(code);
  EXPECT_EQ(tensor_from(p, none).error().message, "tensor 'w' holds 64 at element 2, which is no code of 6 bits");
  p.mutable_int32_data()->RemoveLast();
  EXPECT_EQ(tensor_from(p, none).error().message, "tensor 'w' holds 4 elements, its shape [5] takes 5");
}

TEST(TensorProto, a_model_of_six_bits_survives_the_file_from_the_opset_that_brought_them) {
  auto g = op::parse("graph (x: float32[4]) {\n"
                     "  q: float6e3m2[4] = Cast(x) {to = 28}\n"
                     "  y: float32[4] = Cast(q) {to = 1}\n"
                     "  return y\n}");
  ASSERT_TRUE(g) << g.error().message << " " << g.error().line << ":" << g.error().column;
  ir::Model m;
  m.graph = *g;
  auto bytes = export_bytes(m, {.opset = 28});
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto back = import_bytes(std::as_bytes(std::span(bytes->data(), bytes->size())));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(ir::same_structure(*g, back->graph));
  auto old = export_bytes(m, {.opset = 27});
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("the type float6e3m2"), std::string::npos) << old.error().message;
}

}  // namespace
}  // namespace saha::onnx
