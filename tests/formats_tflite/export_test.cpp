// Graphs written as TensorFlow Lite files and read again: the same results, layouts without transposes inside, refusals by name.
#include "formats/tflite/export.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "formats/tflite/tflite.hpp"
#include "op/builder.hpp"
#include "tflite/schema_generated.h"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;
using ir::Ints;
using op::Builder;
using op::Val;

Tensor noise(Dims dims, unsigned seed) {
  Tensor t = Tensor::zeros(DType::f32, std::move(dims));
  for (std::int64_t i = 0; i < t.size(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    t.as<float>()[i] = float(seed >> 8) / float(1 << 23) - 1;
  }
  return t;
}
ir::Model model_of(Builder&& b, Val y) {
  b.rename(y, "y");
  auto g = std::move(b).build({y});
  EXPECT_TRUE(g) << g.error().message;
  ir::Model m;
  m.graph = std::move(*g);
  m.opsets[""] = 20;
  return m;
}
int count(const std::string& bytes, BuiltinOperator code) {
  const fb::Model& m = *fb::GetModel(bytes.data());
  int n = 0;
  for (const auto* op : *m.subgraphs()->Get(0)->operators()) n += m.operator_codes()->Get(op->opcode_index())->builtin_code() == code;
  return n;
}
/// Written, read, run: equals the graph.
std::string round_trip(const ir::Model& m, const Tensor& x) {
  auto written = export_bytes(m);
  EXPECT_TRUE(written) << written.error().message;
  if (!written) return {};
  auto again = export_bytes(m);
  EXPECT_TRUE(again && again->bytes == written->bytes) << "two exports differ";
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(written->bytes.data()), written->bytes.size());
  EXPECT_TRUE(fb::VerifyModelBuffer(verifier));
  auto read = import_bytes(std::as_bytes(std::span(written->bytes)));
  EXPECT_TRUE(read) << read.error().message;
  if (!read) return {};
  const Datum in = x;
  auto want = op::run(m.graph, std::span(&in, 1)), got = op::run(read->graph, std::span(&in, 1));
  EXPECT_TRUE(want && got);
  if (!want || !got) return {};
  const Tensor &a = (*want)[0].tensor, &b = (*got)[0].tensor;
  EXPECT_EQ(a.dims, b.dims);
  for (std::int64_t i = 0; a.dims == b.dims && i < a.size(); ++i) EXPECT_NEAR(a.at(i), b.at(i), 1e-5 * std::max(1., std::fabs(a.at(i))));
  return written->bytes;
}

TEST(Export, a_network_of_convolutions_has_one_transpose_at_its_border) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 3, 11, 9}), "x");
  Val y = b.op("Relu", {b.op("Conv", {x, b.constant(noise({8, 3, 3, 3}, 1)), b.constant(noise({8}, 2))}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}})});
  Val z = b.op("Conv", {y, b.constant(noise({8, 1, 3, 3}, 3))}, {{"group", std::int64_t{8}}, {"pads", Ints{1, 1, 1, 1}}});
  Val s = b.op("Concat", {y + z, b.op("MaxPool", {z}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}})}, {{"axis", std::int64_t{1}}});
  Val f = b.op("Flatten", {b.op("GlobalAveragePool", {s})});
  const auto m = model_of(std::move(b), f.b->op("Softmax", {f.b->op("Gemm", {f, f.b->constant(noise({16, 5}, 4)), f.b->constant(noise({5}, 5))})}));
  const std::string bytes = round_trip(m, noise({1, 3, 11, 9}, 6));
  ASSERT_FALSE(bytes.empty());
  EXPECT_LE(count(bytes, BuiltinOperator::TRANSPOSE), 1);
  EXPECT_EQ(count(bytes, BuiltinOperator::DEPTHWISE_CONV_2D), 1);
  EXPECT_EQ(count(bytes, BuiltinOperator::FULLY_CONNECTED), 1);
  EXPECT_EQ(count(bytes, BuiltinOperator::RELU), 0) << "an activation after a convolution is fused into it";
}

TEST(Export, a_flatten_of_channels_turns_the_weights_that_follow) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 2, 4, 3}), "x");
  Val c = b.op("Conv", {x, b.constant(noise({3, 2, 1, 1}, 1))});
  const auto m = model_of(std::move(b), c.b->op("Gemm", {c.b->op("Flatten", {c}), c.b->constant(noise({36, 4}, 2))}));
  const std::string bytes = round_trip(m, noise({1, 2, 4, 3}, 3));
  ASSERT_FALSE(bytes.empty());
  EXPECT_LE(count(bytes, BuiltinOperator::TRANSPOSE), 1);
}

/// y as uint8 or int8 numbers of that grid and back.
Val kept(Val y, double scale, double zero, DType t) {
  Builder& b = *y.b;
  Val s = b.scalar(scale, DType::f32), z = b.scalar(zero, t);
  return b.op("DequantizeLinear", {b.op("QuantizeLinear", {y, s, z}), s, z});
}
std::set<std::string> types_inside(const std::string& bytes) {
  std::set<std::string> r;
  for (const auto* t : *fb::GetModel(bytes.data())->subgraphs()->Get(0)->tensors()) r.insert(fb::EnumNameTensorType(t->type()));
  return r;
}
TEST(Export, uint8_beside_int8_weights_becomes_int8) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 2, 5, 5}), "x");
  Tensor w = Tensor::zeros(DType::i8, {3, 2, 3, 3});
  for (std::int64_t i = 0; i < w.size(); ++i) w.as<std::int8_t>()[i] = std::int8_t(i * 37 % 255 - 127);
  Val weights = b.op("DequantizeLinear", {b.constant(std::move(w)), b.scalar(0.01, DType::f32)});
  Val y = kept(b.op("Relu", {b.op("Conv", {kept(x, 1 / 128., 128, DType::u8), weights})}), 0.02, 0, DType::u8);
  const auto m = model_of(std::move(b), y);
  auto written = export_bytes(m);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_FALSE(types_inside(written->bytes).count("UINT8"));
  EXPECT_EQ(count(written->bytes, BuiltinOperator::CONV_2D), 1);
  round_trip(m, noise({1, 2, 5, 5}, 7));
}
TEST(Export, a_kernel_that_gives_another_grid_runs_on_real_numbers) {
  for (double scale : {1 / 256., 1 / 255.}) {
    Builder b;
    Val x = b.input(ir::tensor_type(DType::f32, {1, 4}), "x");
    const auto m = model_of(std::move(b), kept(x.b->op("Softmax", {kept(x, 1 / 32., 3, DType::i8)}), scale, -128, DType::i8));
    auto written = export_bytes(m);
    ASSERT_TRUE(written) << written.error().message;
    const fb::Model& file = *fb::GetModel(written->bytes.data());
    for (const auto* o : *file.subgraphs()->Get(0)->operators()) {
      if (file.operator_codes()->Get(o->opcode_index())->builtin_code() == BuiltinOperator::SOFTMAX) {
        EXPECT_EQ(file.subgraphs()->Get(0)->tensors()->Get(flatbuffers::uoffset_t(o->inputs()->Get(0)))->type(), scale == 1 / 256. ? fb::TensorType::INT8 : fb::TensorType::FLOAT32);
      }
    }
    round_trip(m, noise({1, 4}, 9));
  }
}
TEST(Export, numbers_that_are_read_by_another_scale_keep_it) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 4}), "x"), half = b.scalar(0.5, DType::f32), zero = b.scalar(0, DType::u8);
  Val q = b.op("QuantizeLinear", {b.op("Relu", {kept(x, 1 / 64., 128, DType::u8)}), b.scalar(1 / 64., DType::f32), zero});
  const auto m = model_of(std::move(b), q.b->op("DequantizeLinear", {q, half, zero}));
  round_trip(m, noise({1, 4}, 11));
}
TEST(Export, a_shape_that_copies_open_extents_is_computed) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), ir::Dim::symbol("T"), 6}), "x");
  const auto m = model_of(std::move(b), x.b->op("Reshape", {x, x.b->ints({0, 0, 2, 3})}));
  round_trip(m, noise({2, 5, 6}, 12));
}

TEST(Export, the_last_of_an_open_extent_is_found_when_it_runs) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {2, ir::Dim::symbol("T"), 3}), "x");
  const auto m = model_of(std::move(b), x.b->op("Gather", {x, x.b->ints({-1, 0})}, {{"axis", std::int64_t{1}}}));
  const std::string bytes = round_trip(m, noise({2, 5, 3}, 12));
  for (const auto* buffer : *fb::GetModel(bytes.data())->buffers())
    if (buffer->data() && buffer->data()->size() == 8) { EXPECT_NE(flatbuffers::ReadScalar<std::int32_t>(buffer->data()->data()), -1) << "the kernel counts from the beginning"; }
}
TEST(Export, what_it_has_no_kernel_for_is_refused_by_name) {
  Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {4, 4}), "x");
  b.origin = ir::make_name("inverse");
  const auto m = model_of(std::move(b), x.b->op("Det", {x}));
  const auto written = export_bytes(m);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("Det"), std::string::npos) << written.error().message;
}
}  // namespace
}  // namespace saha::tflite
