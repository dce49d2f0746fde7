// The foreign engines through their modules. An engine that is not installed skips its tests with a line that says so.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "backends/engine/locate.hpp"
#include "backends/registry.hpp"
#include "formats/onnx/onnx.hpp"
#include "ir/graph.hpp"
#include "system/file.hpp"
#include "tests/backends/onnx_writer.hpp"

namespace saha {
namespace {
namespace w = onnx_writer;
using runtime::Backend;
using runtime::Program;

// A variable for as long as the object lives.
struct Variable {
  Variable(const char* name, const char* value) : name_(name), old_(std::getenv(name) ? std::getenv(name) : ""), was_set_(std::getenv(name)) { ::setenv(name, value, 1); }
  ~Variable() { was_set_ ? ::setenv(name_, old_.c_str(), 1) : ::unsetenv(name_); }
  const char* name_;
  std::string old_;
  bool was_set_;
};

class Engine : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { open(GetParam()); }
  void open(const char* name) {
    auto opened = backends::open(name);
    if (!opened) GTEST_SKIP() << name << " is not here: " << opened.error().message << " (" << opened.error().help << ")";
    backend_ = std::move(*opened);
  }
  Result<std::unique_ptr<Program>> load(const w::Graph& graph, int threads = 1) {
    auto file = folder_->path() / "model.onnx";
    SAHA_DO(system::write_file(file, w::model(graph)));
    return backend_->load(ir::Model{}, {.threads = threads, .file = file.string()});
  }
  std::unique_ptr<Backend> backend_;
  Result<system::TempFolder> folder_ = system::TempFolder::make();
};

w::Graph dense() {
  return {.nodes = {w::node("MatMul", {"x", "w"}, {"h"}), w::node("Relu", {"h"}, {"y"})},
          .initializers = {w::floats("w", {4, 2}, {1, -2, 3, -4, 5, -6, 7, -8})},
          .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"batch", "4"}))},
          .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"batch", "2"}))}};
}

class Onnxruntime : public Engine {
 protected:
  void SetUp() override { open("onnxruntime"); }
};
TEST_F(Onnxruntime, gives_one_profile_of_a_program_that_was_loaded_for_it) {
  const auto file = folder_->path() / "model.onnx";
  ASSERT_TRUE(system::write_file(file, w::model(dense())));
  const std::vector<Datum> in{Datum(Tensor::of(DType::f32, {1, 4}, {1, 2, 3, 4}))};
  auto program = backend_->load(ir::Model{}, {.threads = 2, .file = file.string(), .profile = true, .pin = true});
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_TRUE((*program)->pinned());
  auto layers = (*program)->profile(in, 3);
  ASSERT_TRUE(layers) << layers.error().message;
  ASSERT_FALSE(layers->empty());
  EXPECT_EQ(layers->front().reads.front(), std::vector<std::string>{"x"});
  EXPECT_EQ(layers->back().writes.front(), std::vector<std::string>{"y"});
  EXPECT_EQ(layers->back().output, "[1, 2]");
  for (const auto& l : *layers) EXPECT_TRUE(0 <= l.ms && l.ms < 1e3) << l.name;
  EXPECT_TRUE((*program)->run(in));
  auto again = (*program)->profile(in, 3);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "onnxruntime gives one profile of a program, of one that was loaded for it");
  auto plain = load(dense());
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_FALSE((*plain)->pinned());
  EXPECT_FALSE((*plain)->profile(in, 3));
}

TEST_P(Engine, runs_a_model_file_and_tells_its_ports) {
  for (int threads : {1, 2}) {
    auto program = load(dense(), threads);
    ASSERT_TRUE(program) << program.error().message;
    Program& p = **program;
    ASSERT_EQ(p.inputs().size(), 1u);
    ASSERT_EQ(p.outputs().size(), 1u);
    EXPECT_EQ(p.inputs()[0].name, "x");
    EXPECT_EQ(p.inputs()[0].dtype, DType::f32);
    EXPECT_EQ(p.inputs()[0].dims, (Dims{-1, 4}));
    EXPECT_EQ(p.outputs()[0].name, "y");
    EXPECT_EQ(p.precision(), "float32");
    for (std::int64_t batch : {1, 3}) {
      const Datum x = Tensor::of(DType::f32, {batch, 4}, {1});
      auto y = p.run(std::span(&x, 1));
      ASSERT_TRUE(y) << y.error().message;
      ASSERT_EQ(y->size(), 1u);
      EXPECT_EQ((*y)[0].tensor.dims, (Dims{batch, 2}));
      EXPECT_EQ((*y)[0].tensor.at(0), 16);
      EXPECT_EQ((*y)[0].tensor.at(1), 0);
    }
  }
  EXPECT_FALSE(backend_->version().empty());
}

TEST_P(Engine, run_only_sees_new_contents_of_the_same_buffer_and_other_buffers) {
  auto program = load(dense());
  ASSERT_TRUE(program) << program.error().message;
  const Datum a = Tensor::of(DType::f32, {1, 4}, {1}), b = Tensor::of(DType::f32, {2, 4}, {2});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*program)->run_only(std::span(&a, 1)));
  ASSERT_TRUE((*program)->run_only(std::span(&b, 1)));
  a.tensor.as<float>()[0] = 11;
  ASSERT_TRUE((*program)->run_only(std::span(&a, 1)));
  auto y = (*program)->run(std::span(&a, 1));
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].tensor.at(0), 26);
}

TEST_P(Engine, an_input_that_does_not_fit_is_named) {
  auto program = load(dense());
  ASSERT_TRUE(program) << program.error().message;
  const Datum wrong_type = Tensor::of(DType::f64, {1, 4}, {1}), wrong_dims = Tensor::of(DType::f32, {1, 5}, {1});
  auto a = (*program)->run(std::span(&wrong_type, 1));
  ASSERT_FALSE(a);
  EXPECT_NE(a.error().message.find("input 'x' is float64 [1, 4], the model takes x float32"), std::string::npos) << a.error().message;
  auto b = (*program)->run_only(std::span(&wrong_dims, 1));
  ASSERT_FALSE(b);
  EXPECT_NE(b.error().message.find("[1, 5]"), std::string::npos) << b.error().message;
  auto c = (*program)->run({});
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().message, "the model takes 1 inputs, 0 were given");
}

TEST_P(Engine, a_damaged_or_missing_file_is_an_error) {
  auto damaged = folder_->path() / "damaged.onnx";
  ASSERT_TRUE(system::write_file(damaged, "this is no model"));
  auto a = backend_->load(ir::Model{}, {.file = damaged.string()});
  ASSERT_FALSE(a);
  EXPECT_NE(a.error().message.find(GetParam()), std::string::npos) << a.error().message;
  auto b = backend_->load(ir::Model{}, {.file = (folder_->path() / "absent.onnx").string()});
  ASSERT_FALSE(b);
  EXPECT_FALSE(b.error().message.empty());
}

TEST_P(Engine, a_precision_that_it_does_not_have_is_refused_by_name) {
  auto program = backend_->load(ir::Model{}, {.precision = "int3", .file = "model.onnx"});
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("int3"), std::string::npos) << program.error().message;
}

// Through Identity: every bit must come back.
TEST_P(Engine, dtypes_pass_bit_for_bit) {
  std::string passed, refused;
  for (int k = 1; k < kNumDTypes; ++k) {
    const DType t{std::uint8_t(k)};
    if (t == DType::string) continue;
    auto program = load({.nodes = {w::node("Identity", {"x"}, {"y"})},
                         .inputs = {w::value_info("x", w::tensor_type(t, {"5"}))},
                         .outputs = {w::value_info("y", w::tensor_type(t, {"5"}))},
                         .opset = 25,
                         .ir_version = 12});
    const std::string name(saha::name(t));
    if (!program) {
      refused += " " + name;
      continue;
    }
    Tensor x = Tensor::zeros(t, {5});
    for (std::int64_t i = 0; i < x.bytes(); ++i) x.data[std::size_t(i)] = std::byte(t == DType::boolean ? i & 1 : 0x11 + 5 * i);
    if (t == DType::i64) store(x, 0, 5, std::vector<std::int64_t>{0, -1, 2, 1 << 30, -(1 << 30)}.data());  // OpenVINO computes int64 in int32
    if (x.bytes() * 8 > 5 * bits(t)) x.data[std::size_t(x.bytes() - 1)] &= std::byte((1 << (5 * bits(t) % 8)) - 1);  // no element stands there
    const Datum in = x;
    auto y = (*program)->run(std::span(&in, 1));
    ASSERT_TRUE(y) << name << ": " << y.error().message;
    EXPECT_TRUE(identical((*y)[0].tensor, x)) << name;
    passed += " " + name;
  }
  std::cout << GetParam() << " passes" << passed << "; refuses" << refused << "\n";
  for (const char* must : {"float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"})
    EXPECT_NE((passed + " ").find(" " + std::string(must) + " "), std::string::npos) << must;
}

TEST_P(Engine, an_empty_tensor_passes) {
  auto program = load({.nodes = {w::node("Relu", {"x"}, {"y"})},
                       .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"n", "3"}))},
                       .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"n", "3"}))}});
  ASSERT_TRUE(program) << program.error().message;
  const Datum x = Tensor::of(DType::f32, {0, 3}, std::initializer_list<double>{});
  auto y = (*program)->run(std::span(&x, 1));
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)[0].tensor.dims, (Dims{0, 3}));
}

INSTANTIATE_TEST_SUITE_P(Foreign, Engine, ::testing::Values("onnxruntime", "openvino"));

class OnnxRuntime : public Engine {};
INSTANTIATE_TEST_SUITE_P(Foreign, OnnxRuntime, ::testing::Values("onnxruntime"));

TEST_P(OnnxRuntime, strings_pass_both_ways) {
  auto program = load({.nodes = {w::node("Identity", {"x"}, {"y"})},
                       .inputs = {w::value_info("x", w::tensor_type(DType::string, {"2", "2"}))},
                       .outputs = {w::value_info("y", w::tensor_type(DType::string, {"2", "2"}))}});
  ASSERT_TRUE(program) << program.error().message;
  const Datum x = Tensor::of_strings({2, 2}, {"", "saha", "\u00e7ay", std::string(300, 'x')});
  auto y = (*program)->run(std::span(&x, 1));
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_TRUE(identical((*y)[0].tensor, x.tensor));
}

TEST_P(OnnxRuntime, packed_types_go_in) {
  std::string passed, refused;
  for (DType t : {DType::u4, DType::i4, DType::u2, DType::i2}) {
    auto program = load({.nodes = {w::node("DequantizeLinear", {"x", "scale"}, {"y"})},
                         .initializers = {w::floats("scale", {}, {0.5f})},
                         .inputs = {w::value_info("x", w::tensor_type(t, {"5"}))},
                         .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"5"}))},
                         .opset = bits(t) == 2 ? 25 : 21,
                         .ir_version = bits(t) == 2 ? 13 : 10});
    (program ? passed : refused) += " " + std::string(name(t));
    if (!program) continue;
    EXPECT_EQ((*program)->inputs()[0].dtype, t);
    const Datum x = Tensor::of(t, {5}, {1, 0, 1, 1, 0});
    auto y = (*program)->run(std::span(&x, 1));
    ASSERT_TRUE(y) << name(t) << ": " << y.error().message;
    EXPECT_TRUE(identical((*y)[0].tensor, Tensor::of(DType::f32, {5}, {0.5, 0, 0.5, 0.5, 0}))) << name(t);
  }
  std::cout << "onnxruntime takes" << passed << "; refuses" << refused << "\n";
  EXPECT_EQ(passed.substr(0, 11), " uint4 int4");
}

TEST_P(OnnxRuntime, sequences_pass_both_ways) {
  const auto element = w::tensor_type(DType::f32, {"n"});
  auto program = load({.nodes = {w::node("SequenceInsert", {"s", "x"}, {"t"})},
                       .inputs = {w::value_info("s", w::sequence_type(element)), w::value_info("x", element)},
                       .outputs = {w::value_info("t", w::sequence_type(element))}});
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_FALSE((*program)->inputs()[0].is_tensor);
  const std::vector<Datum> in{Datum::sequence({Tensor::of(DType::f32, {2}, {1, 2})}), Tensor::of(DType::f32, {1}, {3})};
  auto out = (*program)->run(in);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ((*out)[0].kind, Datum::Kind::sequence);
  ASSERT_EQ((*out)[0].list().size(), 2u);
  EXPECT_EQ((*out)[0].list()[0].tensor.dims, (Dims{2}));
  EXPECT_EQ((*out)[0].list()[1].tensor.at(0), 3);
}

TEST_P(OnnxRuntime, a_sequence_of_maps_comes_out) {
  auto program = load({.nodes = {w::node("ZipMap", {"x"}, {"m"}, {w::ints_attribute("classlabels_int64s", {7, 9})}, "ai.onnx.ml")},
                       .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"n", "2"}))},
                       .outputs = {w::value_info("m", w::sequence_type(w::map_type(DType::i64, w::tensor_type(DType::f32, {}))))}});
  ASSERT_TRUE(program) << program.error().message;
  const Datum x = Tensor::of(DType::f32, {2, 2}, {0.25, 0.75, 0.5, 0.5});
  auto out = (*program)->run(std::span(&x, 1));
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ((*out)[0].list().size(), 2u);
  const auto& map = (*out)[0].list()[0].list();
  EXPECT_EQ(map[0].tensor.int_at(1), 9);
  EXPECT_EQ(map[1].tensor.at(1), 0.75);
}

TEST_P(OnnxRuntime, optionals_come_out_full_and_an_empty_one_cannot_go_in) {
  const auto element = w::tensor_type(DType::f32, {"n"});
  auto program = load({.nodes = {w::node("Optional", {"x"}, {"o"})}, .inputs = {w::value_info("x", element)}, .outputs = {w::value_info("o", w::optional_type(element))}});
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_FALSE((*program)->outputs()[0].is_tensor);
  const Datum x = Tensor::of(DType::f32, {2}, {1, 2}), none;
  auto out = (*program)->run(std::span(&x, 1));
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_TRUE((*out)[0].is_tensor());
  EXPECT_EQ((*out)[0].tensor.at(1), 2);
  auto taker = load({.nodes = {w::node("OptionalHasElement", {"o"}, {"b"})},
                     .inputs = {w::value_info("o", w::optional_type(element))},
                     .outputs = {w::value_info("b", w::tensor_type(DType::boolean, {}))}});
  ASSERT_TRUE(taker) << taker.error().message;
  auto refused = (*taker)->run(std::span(&none, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "input 'o': an empty optional cannot be handed to onnxruntime");
}

class Tflite : public Engine {};
INSTANTIATE_TEST_SUITE_P(Foreign, Tflite, ::testing::Values("tflite"));

TEST_P(Tflite, a_model_of_another_format_is_written_for_it) {
  w::Graph conv{.nodes = {w::node("Conv", {"x", "w"}, {"c"}, {w::ints_attribute("pads", {1, 1, 1, 1})}), w::node("Relu", {"c"}, {"y"})},
                .initializers = {w::floats("w", {1, 2, 3, 3}, {1, -2, 3, -4, 5, -6, 7, -8, 9, -1, 2, -3, 4, -5, 6, -7, 8, -9})},
                .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"1", "2", "4", "5"}))},
                .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"1", "1", "4", "5"}))}};
  Tensor picture = Tensor::zeros(DType::f32, {1, 2, 4, 5});
  for (std::int64_t i = 0; i < 40; ++i) picture.as<float>()[i] = float(i * 7 % 11 - 5);
  for (const auto& [graph, x] : {std::pair{dense(), Datum(Tensor::of(DType::f32, {3, 4}, {1}))}, std::pair{conv, Datum(picture)}}) {
    const std::string bytes = w::model(graph);
    auto model = onnx::import_bytes(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(model) << model.error().message;
    auto native = backends::open("native");
    ASSERT_TRUE(native);
    std::vector<std::vector<Datum>> y;
    for (Backend* engine : {backend_.get(), native->get()}) {
      auto program = engine->load(*model, {.threads = 2, .file = {}});
      ASSERT_TRUE(program) << program.error().message;
      EXPECT_EQ((*program)->inputs()[0].name, "x");
      auto out = (*program)->run(std::span(&x, 1));
      ASSERT_TRUE(out) << out.error().message;
      y.push_back(std::move(*out));
    }
    EXPECT_EQ(y[0][0].tensor.dims, y[1][0].tensor.dims);
    EXPECT_TRUE(identical(y[0][0].tensor, y[1][0].tensor));   // small integers: exact in any order
  }
}

TEST_P(Tflite, what_it_has_no_kernel_for_is_named) {
  const std::string bytes = w::model({.nodes = {w::node("Det", {"x"}, {"y"})},
                                      .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"3", "3"}))},
                                      .outputs = {w::value_info("y", w::tensor_type(DType::f32, {}))}});
  auto model = onnx::import_bytes(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(model) << model.error().message;
  auto program = backend_->load(*model, {});
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("Det"), std::string::npos) << program.error().message;
}

TEST(Registry, names_are_unique_and_an_unknown_name_lists_them) {
  std::string names;
  for (const auto& info : backends::all()) {
    EXPECT_EQ(names.find(" " + info.name + ","), std::string::npos);
    EXPECT_FALSE(info.sentence.empty());
    names += " " + info.name + ",";
  }
  auto opened = backends::open("tensorflow");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message, "there is no backend 'tensorflow'");
  EXPECT_NE(opened.error().help.find("onnxruntime, openvino"), std::string::npos);
}

TEST(Registry, a_missing_engine_says_what_was_looked_at_and_how_to_get_it) {
  for (const auto& [variable, name] : {std::pair{"SAHA_ONNXRUNTIME", "onnxruntime"}, std::pair{"SAHA_OPENVINO", "openvino"}}) {
    Variable set(variable, "/nowhere/lib.so");
    auto opened = backends::open(name);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find(std::string(variable) + " is /nowhere/lib.so, which cannot be loaded"), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().help.find("pip install " + std::string(name)), std::string::npos) << opened.error().help;
  }
  auto absent = engine::open_engine(
      {.engine = "x", .variable = "SAHA_TEST_ABSENT", .package = "no_such_package", .prefix = "libno_such.so", .names = {"libno_such.so"}, .install = "pip install x"});
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().message.find("looked at SAHA_TEST_ABSENT (not set), no_such_package in "), std::string::npos) << absent.error().message;
  EXPECT_EQ(absent.error().help, "pip install x, or set SAHA_TEST_ABSENT to the path of libno_such.so");
}

TEST(Registry, a_missing_module_names_its_target) {
  Variable set("SAHA_MODULES", "/nowhere");
  auto opened = backends::open("openvino");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("libsaha_backend_openvino.so"), std::string::npos) << opened.error().message;
  EXPECT_NE(opened.error().help.find("saha_backend_openvino"), std::string::npos) << opened.error().help;
}

TEST(Locate, a_virtual_environment_is_found_by_its_folders) {
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const auto packages = folder->path() / "lib" / "python3.99" / "site-packages";
  ASSERT_TRUE(system::make_folders(packages));
  Variable set("VIRTUAL_ENV", folder->path().c_str());
  const auto found = engine::python_packages();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], std::filesystem::canonical(packages));
}

}  // namespace
}  // namespace saha
