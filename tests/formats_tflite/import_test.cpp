// Files written with the schema's own builders: what is read from them, and what is refused by which sentence.
#include <gtest/gtest.h>

#include <cmath>

#include "formats/onnx/onnx.hpp"
#include "formats/tflite/tflite.hpp"
#include "op/builder.hpp"
#include "tflite/schema_generated.h"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;

struct File {
  fb::ModelT model;
  fb::SubGraphT* g;
  File() {
    model.version = 3;
    model.buffers.push_back(std::make_unique<fb::BufferT>());
    model.subgraphs.push_back(std::make_unique<fb::SubGraphT>());
    g = model.subgraphs[0].get();
  }
  fb::TensorT& tensor(std::string name, std::vector<std::int32_t> shape, fb::TensorType type = fb::TensorType::FLOAT32) {
    auto t = std::make_unique<fb::TensorT>();
    t->name = std::move(name);
    t->shape = std::move(shape);
    t->type = type;
    g->tensors.push_back(std::move(t));
    return *g->tensors.back();
  }
  template <class T> fb::TensorT& constant(std::string name, std::vector<std::int32_t> shape, fb::TensorType type, std::vector<T> v) {
    auto b = std::make_unique<fb::BufferT>();
    auto* bytes = reinterpret_cast<const std::uint8_t*>(v.data());
    b->data.assign(bytes, bytes + v.size() * sizeof(T));
    model.buffers.push_back(std::move(b));
    fb::TensorT& t = tensor(std::move(name), std::move(shape), type);
    t.buffer = std::uint32_t(model.buffers.size() - 1);
    return t;
  }
  static void quantise(fb::TensorT& t, std::vector<float> scale, std::vector<std::int64_t> zero, int axis = 0) {
    t.quantization = std::make_unique<fb::QuantizationParametersT>();
    t.quantization->scale = std::move(scale);
    t.quantization->zero_point = std::move(zero);
    t.quantization->quantized_dimension = axis;
  }
  template <class Options = fb::AbsOptionsT> void op(BuiltinOperator code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, Options options = {}) {
    auto c = std::make_unique<fb::OperatorCodeT>();
    c->builtin_code = code;
    c->deprecated_builtin_code = std::int8_t(std::min(int(code), 127));
    model.operator_codes.push_back(std::move(c));
    auto o = std::make_unique<fb::OperatorT>();
    o->opcode_index = std::uint32_t(model.operator_codes.size() - 1);
    o->inputs = std::move(in);
    o->outputs = std::move(out);
    o->builtin_options.Set(std::move(options));
    g->operators.push_back(std::move(o));
  }
  std::string bytes() const {
    flatbuffers::FlatBufferBuilder b;
    b.Finish(fb::Model::Pack(b, &model), fb::ModelIdentifier());
    return {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()};
  }
  Result<ir::Model> read() const {
    const std::string all = bytes();
    return import_bytes(std::as_bytes(std::span(all)));
  }
  std::string refusal() const {
    auto m = read();
    return m ? "" : m.error().message;
  }
};

File one_relu() {
  File f;
  f.tensor("x", {1, 4});
  f.tensor("y", {1, 4});
  f.g->inputs = {0};
  f.g->outputs = {1};
  f.op(BuiltinOperator::RELU, {0}, {1});
  return f;
}

TEST(Tflite, a_float_convolution_reads_as_channels_first_between_two_transposes) {
  File f;
  f.tensor("x", {1, 5, 5, 2});
  f.constant<float>("w", {3, 3, 3, 2}, fb::TensorType::FLOAT32, std::vector<float>(54, 0.5f));
  f.constant<float>("b", {3}, fb::TensorType::FLOAT32, {1, 2, 3});
  f.tensor("y", {1, 3, 3, 3});
  f.g->inputs = {0};
  f.g->outputs = {3};
  fb::Conv2DOptionsT o;
  o.padding = fb::Padding::SAME;
  o.stride_w = o.stride_h = 2;
  o.fused_activation_function = fb::ActivationFunctionType::RELU6;
  f.op(BuiltinOperator::CONV_2D, {0, 1, 2}, {3}, o);
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->format, "TFLite");
  std::string ops;
  for (const ir::Node& n : m->graph.nodes()) ops += std::string(n.op.str()) + " ";
  EXPECT_EQ(ops, "Transpose Conv Clip Transpose ");
  EXPECT_EQ(ir::str(m->graph.type(m->graph.outputs()[0])), "float32[1, 3, 3, 3]");
  Tensor x = Tensor::of(DType::f32, {1, 5, 5, 2}, {0.1});
  auto y = op::run(m->graph, std::vector<Datum>{x});
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_NEAR((*y)[0].tensor.at(0), 1 + 8 * 0.05, 1e-6);   // a corner sees 2 x 2 places of two channels
  EXPECT_NEAR((*y)[0].tensor.at(2), 3 + 8 * 0.05, 1e-6);
}
TEST(Tflite, neighbouring_layers_share_no_transposes) {
  File f;
  f.tensor("x", {1, 4, 4, 2});
  f.tensor("a", {1, 2, 2, 2});
  f.tensor("b", {1, 2, 2, 2});
  f.tensor("y", {1, 1, 1, 2});
  f.g->inputs = {0};
  f.g->outputs = {3};
  fb::Pool2DOptionsT o;
  o.padding = fb::Padding::VALID;
  o.stride_w = o.stride_h = o.filter_width = o.filter_height = 2;
  f.op(BuiltinOperator::MAX_POOL_2D, {0}, {1}, o);
  f.op(BuiltinOperator::LOGISTIC, {1}, {2});
  f.op(BuiltinOperator::AVERAGE_POOL_2D, {2}, {3}, o);
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  std::size_t used = 0;
  const auto uses = m->graph.use_counts();
  for (const ir::Node& n : m->graph.nodes()) used += n.op == "Transpose" && uses[std::size_t(m->graph.result(n))];
  EXPECT_EQ(used, 2u);
}
TEST(Tflite, stored_integers_keep_their_quantisation_and_are_said_in_onnx_between_quantise_nodes) {
  File f;
  File::quantise(f.tensor("x", {1, 3}, fb::TensorType::INT8), {0.5f}, {3});
  File::quantise(f.tensor("y", {1, 3}, fb::TensorType::INT8), {0.25f}, {-4});
  f.g->inputs = {0};
  f.g->outputs = {1};
  f.op(BuiltinOperator::RELU, {0}, {1});
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  ASSERT_TRUE(m->graph.type(m->graph.outputs()[0]).quant);
  auto y = op::run(m->graph, std::vector<Datum>{Tensor::of(DType::i8, {1, 3}, {-10, 5, 127})});
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].tensor.int_at(0), -4);                    // 0
  EXPECT_EQ((*y)[0].tensor.int_at(1), 0);                     // 1.0 = 4 steps of 0.25
  EXPECT_EQ((*y)[0].tensor.int_at(2), 127);                   // 62 saturates
  auto bytes = onnx::export_bytes(*m);
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto again = onnx::import_bytes(std::as_bytes(std::span(*bytes)));
  ASSERT_TRUE(again) << again.error().message;
  std::string ops;
  for (const ir::Node& n : again->graph.nodes()) ops += std::string(n.op.str()) + " ";
  EXPECT_EQ(ops, "DequantizeLinear Relu QuantizeLinear ");
  auto same = op::run(again->graph, std::vector<Datum>{Tensor::of(DType::i8, {1, 3}, {-10, 5, 127})});
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_TRUE(identical((*same)[0].tensor, (*y)[0].tensor));
}
TEST(Tflite, a_while_counts) {
  File f;
  f.tensor("n", {}, fb::TensorType::INT32);
  f.tensor("y", {}, fb::TensorType::INT32);
  f.g->inputs = {0};
  f.g->outputs = {1};
  fb::WhileOptionsT o;
  o.cond_subgraph_index = 1;
  o.body_subgraph_index = 2;
  f.op(BuiltinOperator::WHILE, {0}, {1}, o);
  for (int i = 0; i < 2; ++i) {
    f.model.subgraphs.push_back(std::make_unique<fb::SubGraphT>());
    f.g = f.model.subgraphs.back().get();
    f.tensor("n", {}, fb::TensorType::INT32);
    f.constant<std::int32_t>("c", {}, fb::TensorType::INT32, {i == 0 ? 10 : 3});
    f.tensor("r", {}, i == 0 ? fb::TensorType::BOOL : fb::TensorType::INT32);
    f.g->inputs = {0};
    f.g->outputs = {2};
    f.op(i == 0 ? BuiltinOperator::LESS : BuiltinOperator::ADD, {0, 1}, {2});
  }
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  for (auto [from, to] : {std::pair{0, 12}, {9, 12}, {10, 10}}) {
    auto y = op::run(m->graph, std::vector<Datum>{Tensor::of(DType::i32, {}, {double(from)})});
    ASSERT_TRUE(y) << y.error().message;
    EXPECT_EQ((*y)[0].tensor.int_at(0), to);
  }
}

TEST(Tflite, a_variable_holds_what_was_assigned_last_and_first_what_call_once_gives) {
  File f;
  f.tensor("x", {2});
  f.tensor("handle", {}, fb::TensorType::RESOURCE);
  f.tensor("before", {2});
  f.tensor("y", {2});
  f.tensor("after", {2});
  f.g->inputs = {0};
  f.g->outputs = {3, 4};
  fb::CallOnceOptionsT once;
  once.init_subgraph_index = 1;
  fb::VarHandleOptionsT named;
  named.shared_name = "state";
  f.op(BuiltinOperator::CALL_ONCE, {}, {}, once);
  f.op(BuiltinOperator::VAR_HANDLE, {}, {1}, named);
  f.op(BuiltinOperator::READ_VARIABLE, {1}, {2});
  f.op(BuiltinOperator::ADD, {0, 2}, {3}, fb::AddOptionsT{});
  f.op(BuiltinOperator::ASSIGN_VARIABLE, {1, 3}, {});
  f.op(BuiltinOperator::READ_VARIABLE, {1}, {4});
  f.model.subgraphs.push_back(std::make_unique<fb::SubGraphT>());
  f.g = f.model.subgraphs[1].get();
  f.tensor("handle", {}, fb::TensorType::RESOURCE);
  f.constant<float>("first", {2}, fb::TensorType::FLOAT32, {10, 20});
  f.op(BuiltinOperator::VAR_HANDLE, {}, {0}, named);
  f.op(BuiltinOperator::ASSIGN_VARIABLE, {0, 1}, {});
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->notes, std::vector<std::string>{"states start anew in each run, as they do in the first run of a fresh interpreter"});
  auto y = op::run(m->graph, std::vector<Datum>{Tensor::of(DType::f32, {2}, {1, 2})});
  ASSERT_TRUE(y) << y.error().message;
  for (const Datum& d : *y) { EXPECT_EQ(d.tensor.at(0), 11); EXPECT_EQ(d.tensor.at(1), 22); }
  f.g = f.model.subgraphs[0].get();
  f.g->operators.erase(f.g->operators.begin());
  EXPECT_EQ(f.refusal(), "READ_VARIABLE of 'before' reads variable '/state', which holds nothing yet");
  f.g->operators.erase(f.g->operators.begin());
  EXPECT_EQ(f.refusal(), "READ_VARIABLE of 'before' reads the handle 'handle', which no VAR_HANDLE beside it makes");
}
TEST(Tflite, a_composite_is_what_its_sub_graph_says) {
  File f;
  f.tensor("x", {3});
  f.tensor("y", {3});
  f.g->inputs = {0};
  f.g->outputs = {1};
  f.op(BuiltinOperator::STABLEHLO_COMPOSITE, {0}, {1});
  auto o = std::make_unique<fb::StableHLOCompositeOptionsT>();
  o->name = "own.neg";
  o->decomposition_subgraph_index = 1;
  auto& options = f.g->operators[0]->builtin_options_2;   // whose types have one name, so that flatc makes no Set
  options.type = fb::BuiltinOptions2::StableHLOCompositeOptions;
  options.value = o.release();
  f.model.subgraphs.push_back(std::make_unique<fb::SubGraphT>());
  f.g = f.model.subgraphs[1].get();
  f.tensor("a", {3});
  f.tensor("b", {3});
  f.g->inputs = {0};
  f.g->outputs = {1};
  f.op(BuiltinOperator::NEG, {0}, {1});
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  ASSERT_EQ(m->graph.nodes().size(), 1u);
  EXPECT_EQ(m->graph.nodes()[0].op.str(), "Neg");
}
TEST(Tflite, a_constant_without_elements_needs_no_buffer) {
  File f;
  f.tensor("x", {1, 1});
  f.tensor("shape", {0}, fb::TensorType::INT32);
  f.tensor("y", {});
  f.g->inputs = {0};
  f.g->outputs = {2};
  f.op(BuiltinOperator::RESHAPE, {0, 1}, {2}, fb::ReshapeOptionsT{});
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(ir::str(m->graph.type(m->graph.outputs()[0])), "float32[]");
}
TEST(Tflite, nearest_resizing_keeps_stored_numbers) {
  File f;
  File::quantise(f.tensor("x", {1, 1, 2, 1}, fb::TensorType::UINT8), {0.1f}, {3});
  f.constant<std::int32_t>("size", {2}, fb::TensorType::INT32, {1, 4});
  File::quantise(f.tensor("r", {1, 1, 4, 1}, fb::TensorType::UINT8), {0.1f}, {3});
  File::quantise(f.tensor("y", {1, 1, 4, 1}, fb::TensorType::UINT8), {0.2f}, {0});
  f.g->inputs = {0};
  f.g->outputs = {3};
  f.op(BuiltinOperator::RESIZE_NEAREST_NEIGHBOR, {0, 1}, {2}, fb::ResizeNearestNeighborOptionsT{});
  f.op(BuiltinOperator::ADD, {2, 2}, {3}, fb::AddOptionsT{});
  auto m = f.read();
  ASSERT_TRUE(m) << m.error().message;
  auto y = op::run(m->graph, std::vector<Datum>{Tensor::of(DType::u8, {1, 1, 2, 1}, {13, 7})});
  ASSERT_TRUE(y) << y.error().message;
  for (int i = 0; i < 4; ++i) EXPECT_EQ((*y)[0].tensor.at(i), i < 2 ? 10 : 4);
}
TEST(Tflite, products_of_16_bit_data_round_as_64_bit_sums_do) {
  for (bool narrow : {false, true}) {
    File f;
    File::quantise(f.tensor("x", {1, 2}, fb::TensorType::INT16), {0.01f}, {0});
    File::quantise(f.constant<std::int8_t>("w", {1, 2}, fb::TensorType::INT8, {3, -7}), {0.02f}, {0});
    File::quantise(narrow ? f.constant<std::int32_t>("b", {1}, fb::TensorType::INT32, {5}) : f.constant<std::int64_t>("b", {1}, fb::TensorType::INT64, {5}), {0.0002f}, {0});
    File::quantise(f.tensor("y", {1, 1}, fb::TensorType::INT16), {0.05f}, {0});
    f.g->inputs = {0};
    f.g->outputs = {3};
    f.op(BuiltinOperator::FULLY_CONNECTED, {0, 1, 2}, {3}, fb::FullyConnectedOptionsT{});
    auto m = f.read();
    ASSERT_TRUE(m) << m.error().message;
    EXPECT_EQ(*ir::attr<std::string>(*m->graph.nodes().back().attrs, "rounding"), narrow ? "fixed_single" : "fixed_wide");
  }
}
TEST(TfliteRefusals, a_file_cut_short_anywhere_is_refused) {
  const std::string whole = one_relu().bytes();
  for (std::size_t n = 0; n < whole.size(); n += 3) {
    std::vector<std::byte> part(n);
    std::copy_n(reinterpret_cast<const std::byte*>(whole.data()), n, part.begin());
    auto m = import_bytes(part);
    if (!m) { EXPECT_FALSE(m.error().message.empty()); }
  }
  EXPECT_EQ(import_bytes(std::as_bytes(std::span(whole).first(12))).error().message, "the file is not a TensorFlow Lite model, or it is damaged");
}
TEST(TfliteRefusals, say_the_name_and_the_numbers) {
  File f = one_relu();
  EXPECT_EQ(f.refusal(), "");
  f = one_relu();
  f.g->operators[0]->inputs = {7};
  EXPECT_EQ(f.refusal(), "RELU of 'y' reads tensor 7 of 2");
  f = one_relu();
  f.g->operators[0]->outputs = {-3};
  EXPECT_EQ(f.refusal(), "operator 0 gives tensor -3 of 2");
  f = one_relu();
  f.g->operators[0]->opcode_index = 9;
  EXPECT_EQ(f.refusal(), "operator 0 has code 9 of 1");
  f = one_relu();
  f.g->operators[0]->inputs = {1};
  EXPECT_EQ(f.refusal(), "RELU of 'y' reads tensor 'y', which nothing before it makes");
  f = one_relu();
  f.g->operators[0]->inputs = {};
  EXPECT_EQ(f.refusal(), "RELU of 'y' has no operand 0");
  f = one_relu();
  f.model.operator_codes[0]->builtin_code = BuiltinOperator::SCATTER_ND;
  EXPECT_EQ(f.refusal(), "SCATTER_ND of 'y' has no operand 1");
  f = one_relu();
  f.model.operator_codes[0]->builtin_code = BuiltinOperator::HASHTABLE;
  EXPECT_EQ(f.refusal(), "HASHTABLE of 'y' is not an operator saha knows");
  f = one_relu();
  f.model.operator_codes[0]->builtin_code = BuiltinOperator::CUSTOM;
  f.model.operator_codes[0]->deprecated_builtin_code = 32;
  f.model.operator_codes[0]->custom_code = "edgetpu-custom-op";
  EXPECT_NE(f.refusal().find("compiled for an Edge TPU"), std::string::npos) << f.refusal();
  f = one_relu();
  f.g->tensors[0]->shape = {1, -4};
  f.g->tensors[0]->shape_signature = {1, -5};
  EXPECT_EQ(f.refusal(), "tensor 'x' has shape [1, -5]");
  f = one_relu();
  f.model.version = 2;
  EXPECT_EQ(f.refusal(), "the file has schema version 2, version 3 is read");
  f = one_relu();
  f.g->outputs = {};
  EXPECT_EQ(f.refusal(), "the model has no outputs");
}
TEST(TfliteRefusals, unsound_scales_are_named) {
  auto with = [](std::vector<float> scale, std::vector<std::int64_t> zero, int axis = 0) {
    File f = one_relu();
    for (auto& t : f.g->tensors) t->type = fb::TensorType::INT8;
    File::quantise(*f.g->tensors[0], std::move(scale), std::move(zero), axis);
    File::quantise(*f.g->tensors[1], {1}, {0});
    return f.refusal();
  };
  EXPECT_EQ(with({0.f}, {0}), "tensor 'x' has scale 0.000000, a positive number is needed");
  EXPECT_EQ(with({std::nanf("")}, {0}), "tensor 'x' has scale nan, a positive number is needed");
  EXPECT_EQ(with({1.f}, {200}), "tensor 'x' has zero point 200 outside int8");
  EXPECT_EQ(with({1.f, 1.f}, {0, 0, 0}, 1), "tensor 'x' has 2 scales and 3 zero points");
  EXPECT_EQ(with({1.f, 1.f}, {0, 0}, 1), "tensor 'x' has 2 scales along axis 1 of [1, 4]");
}
TEST(TfliteRefusals, a_buffer_that_is_too_small_is_named) {
  File f;
  f.tensor("x", {1, 4});
  f.constant<float>("c", {1, 4}, fb::TensorType::FLOAT32, {1, 2});
  f.tensor("y", {1, 4});
  f.g->inputs = {0};
  f.g->outputs = {2};
  f.op(BuiltinOperator::ADD, {0, 1}, {2});
  EXPECT_EQ(f.refusal(), "tensor 'c' float32[1, 4] needs 16 bytes, its buffer has 8");
  f.g->tensors[1]->buffer = 40;
  EXPECT_EQ(f.refusal(), "tensor 'c' names buffer 40 of 2");
  f.g->tensors[1]->buffer = 1;
  f.g->tensors[1]->shape = {1 << 30, 1 << 30, 1 << 30};
  EXPECT_NE(f.refusal(), "");
}
TEST(TfliteRefusals, a_buffer_behind_the_end_of_the_file_is_named) {
  File f;
  f.tensor("x", {1, 4});
  f.constant<float>("c", {1, 4}, fb::TensorType::FLOAT32, {1, 2, 3, 4});
  f.tensor("y", {1, 4});
  f.g->inputs = {0};
  f.g->outputs = {2};
  f.op(BuiltinOperator::ADD, {0, 1}, {2});
  auto at = [&](std::uint64_t offset, std::uint64_t size) {
    f.model.buffers[1]->data.clear();
    f.model.buffers[1]->offset = offset;
    f.model.buffers[1]->size = size;
    return f.refusal();
  };
  const auto all = std::to_string((at(1 << 20, 16), f.bytes().size()));
  EXPECT_EQ(at(1 << 20, 16), "tensor 'c' wants 16 bytes at 1048576 of a file of " + all);
  EXPECT_EQ(at(64, ~std::uint64_t{0}), "tensor 'c' wants 18446744073709551615 bytes at 64 of a file of " + all);
  EXPECT_EQ(at(~std::uint64_t{0} - 8, 16), "tensor 'c' wants 16 bytes at 18446744073709551607 of a file of " + all);
}
TEST(TfliteRefusals, a_composite_or_a_first_call_that_is_the_graph_itself_is_refused) {
  File f = one_relu();
  f.model.operator_codes[0]->builtin_code = BuiltinOperator::STABLEHLO_COMPOSITE;
  EXPECT_EQ(f.refusal(), "STABLEHLO_COMPOSITE of 'y': names no sub-graph");
  auto o = std::make_unique<fb::StableHLOCompositeOptionsT>();
  f.g->operators[0]->builtin_options_2.type = fb::BuiltinOptions2::StableHLOCompositeOptions;
  f.g->operators[0]->builtin_options_2.value = o.release();
  EXPECT_NE(f.refusal(), "");
  f = one_relu();
  f.g->inputs = {};
  f.op(BuiltinOperator::CALL_ONCE, {}, {}, fb::CallOnceOptionsT{});
  std::swap(f.g->operators[0], f.g->operators[1]);
  EXPECT_NE(f.refusal(), "");
}
TEST(TfliteRefusals, names_that_are_no_text_are_refused) {
  File f = one_relu();
  f.g->tensors[0]->name = "a\xff";
  EXPECT_EQ(f.refusal(), "the name of tensor 0 'a\\xff' is not UTF-8 at byte 1");
}
TEST(TfliteRefusals, sub_graphs_that_call_each_other_without_end_are_refused) {
  File f;
  f.tensor("n", {}, fb::TensorType::BOOL);
  f.tensor("y", {}, fb::TensorType::BOOL);
  f.g->inputs = {0};
  f.g->outputs = {1};
  fb::IfOptionsT o;
  f.op(BuiltinOperator::IF, {0}, {1}, o);  // both branches are the graph itself
  EXPECT_NE(f.refusal(), "");
}

}  // namespace
}  // namespace saha::tflite
