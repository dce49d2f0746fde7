// The whole measurement on a small model: in workers, on the engines that are here.
#include "measure/bench.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "backends/registry.hpp"
#include "measure/paired.hpp"
#include "measure/presence.hpp"
#include "measure/worker.hpp"
#include "system/file.hpp"
#include "tests/backends/onnx_writer.hpp"

namespace saha::measure {
namespace {
namespace w = onnx_writer;

class Model : public ::testing::Test {
 protected:
  std::string write(const std::vector<float>& weights = {1, -2, 3, -4, 5, -6, 7, -8}) {
    const auto file = folder_->path() / "dense.onnx";
    EXPECT_TRUE(system::write_file(file, w::model({.nodes = {w::node("MatMul", {"x", "w"}, {"h"}), w::node("Relu", {"h"}, {"y"})},
                                                   .initializers = {w::floats("w", {4, 2}, weights)},
                                                   .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"batch", "4"}))},
                                                   .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"batch", "2"}))}})));
    return file.string();
  }
  Result<system::TempFolder> folder_ = system::TempFolder::make();
};

TEST(Presence, a_reason_does_not_repeat_the_engine_that_the_line_begins_with) {
  EXPECT_EQ(why_not("openvino", {ErrorCode::io, "openvino: it was not found"}), "it was not found");
  EXPECT_EQ(why_not("openvino-bf16", {ErrorCode::io, "openvino: it was not found"}), "it was not found");
  EXPECT_EQ(why_not("native", {ErrorCode::io, "node 'a': no kernel"}), "node 'a': no kernel");
  EXPECT_EQ(why_not("native", {ErrorCode::io, "no kernel"}), "no kernel");
}

TEST_F(Model, every_engine_that_is_here_gets_a_row_of_sound_figures) {
  BenchOptions options;
  options.runs = 30;
  options.warmup = 3;
  auto bench = measure::bench({.file = write(), .shapes = {{"x", {3, 4}}}, .profile = true}, options);
  ASSERT_TRUE(bench) << bench.error().message;
  EXPECT_EQ(bench->engines.size() + bench->missing.size(), backends::all().size());
  ASSERT_FALSE(bench->engines.empty());
  EXPECT_EQ(bench->engines[0].backend, "native");
  EXPECT_EQ(bench->engines[0].ratio, 1);
  EXPECT_EQ(bench->inputs, std::vector<std::string>{"x float32 [3, 4]"});
  EXPECT_EQ(bench->macs, 24);
  EXPECT_EQ(bench->reference, "operator reference");
  EXPECT_FALSE(bench->wrong());
  for (const auto& r : bench->engines) {
    EXPECT_EQ(r.ms.size(), 30u) << r.backend;
    EXPECT_TRUE(0 < r.summary.min && r.summary.min <= r.summary.p50 && r.summary.p50 <= r.summary.p90 && r.summary.p90 <= r.summary.p99) << r.backend;
    EXPECT_GT(r.load_ms, 0) << r.backend;
    EXPECT_GT(r.peak_bytes, 1u << 20) << r.backend;
    ASSERT_TRUE(r.difference) << r.backend;
    EXPECT_LT(r.difference->absolute, r.precision == "bfloat16" ? 0.05 : 1e-5) << r.backend;
    std::cout << r.backend << " " << r.version << " p50 " << r.summary.p50 * 1e3 << " us\n";
  }
  for (const auto& m : bench->missing) {
    std::cout << m.backend << " is not here: " << m.reason << "\n";
    EXPECT_FALSE(m.help.empty()) << m.backend;
  }
  ASSERT_FALSE(bench->layers.empty());
  double macs = 0;
  for (const auto& l : bench->layers) {
    macs += l.time.macs;
    EXPECT_GT(l.time.ms, 0) << l.time.name;
    EXPECT_GE(l.time.cpu_ms, 0) << l.time.name;
    EXPECT_GT(l.time.bytes, 0) << l.time.name;
    EXPECT_GT(l.percent, 0) << l.time.name;
    EXPECT_FALSE(l.time.algorithm.empty()) << l.time.kernel;
  }
  EXPECT_EQ(macs, 24);
  ASSERT_TRUE(bench->peak);
  EXPECT_GT(bench->peak->best_gmacs(), 0.1);
}

TEST_F(Model, an_engine_asked_for_by_name_that_cannot_be_had_is_an_error_and_nothing_is_measured) {
  BenchOptions options;
  auto bench = measure::bench({.file = write(), .backends = {"native", "no-such-engine"}}, options);
  ASSERT_FALSE(bench);
  EXPECT_EQ(bench.error().message, "there is no backend 'no-such-engine'");
  EXPECT_EQ(bench.error().code, ErrorCode::invalid_file);
  EXPECT_NE(bench.error().help.find("native, onnxruntime"), std::string::npos) << bench.error().help;
  ::setenv("SAHA_OPENVINO", "/nowhere/lib.so", 1);
  auto missing = measure::bench({.file = write(), .backends = {"openvino"}}, options);
  ::unsetenv("SAHA_OPENVINO");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("backend 'openvino' was asked for but is not here; nothing was run: "), std::string::npos) << missing.error().message;
  EXPECT_NE(missing.error().help.find("pip install openvino"), std::string::npos) << missing.error().help;
}

TEST_F(Model, an_engine_whose_difference_exceeds_the_tolerance_is_wrong) {
  BenchOptions options;
  options.runs = 3;
  options.tolerance = 0;
  const BenchModel model{.file = write(), .backends = {"native"}, .inputs = {Datum(Tensor::of(DType::f32, {1, 4}, {1, 1, 1, 1}))}};
  auto exact = measure::bench(model, options);
  ASSERT_TRUE(exact) << exact.error().message;
  EXPECT_FALSE(exact->wrong());
  EXPECT_EQ(exact->engines[0].difference->absolute, 0);
  options.tolerance = -1;  // nothing is good enough
  auto wrong = measure::bench(model, options);
  ASSERT_TRUE(wrong) << wrong.error().message;
  EXPECT_TRUE(wrong->wrong());
}

TEST_F(Model, the_reference_can_be_an_engine_and_must_be_one_that_was_measured) {
  BenchOptions options;
  options.runs = 1;
  options.reference = "native";
  auto itself = measure::bench({.file = write(), .backends = {"native"}}, options);
  ASSERT_TRUE(itself) << itself.error().message;
  EXPECT_EQ(itself->reference, "native");
  EXPECT_FALSE(itself->engines[0].difference);
  options.reference = "openvino";
  auto absent = measure::bench({.file = write(), .backends = {"native"}}, options);
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().message.find("--reference is 'openvino'"), std::string::npos) << absent.error().message;
}

// A residual block of 16 channels: onnxruntime keeps them in blocks, the native engine channels innermost.
TEST_F(Model, layers_of_onnxruntime_stand_beside_the_native_ones) {
  if (auto opened = backends::open("onnxruntime"); !opened) GTEST_SKIP() << "onnxruntime is not here: " << opened.error().message;
  const auto pads = w::ints_attribute("pads", {1, 1, 1, 1});
  const std::vector<float> three(16 * 3 * 9, 0.01f), sixteen(16 * 16 * 9, 0.01f);
  const auto file = folder_->path() / "block.onnx";
  ASSERT_TRUE(system::write_file(file, w::model({.nodes = {w::node("Conv", {"x", "w1"}, {"c1"}, {pads}), w::node("Relu", {"c1"}, {"r1"}), w::node("Conv", {"r1", "w2"}, {"c2"}, {pads}),
                                                           w::node("Add", {"c2", "r1"}, {"s"}), w::node("Relu", {"s"}, {"r2"}), w::node("GlobalAveragePool", {"r2"}, {"g"}), w::node("Flatten", {"g"}, {"y"})},
                                                 .initializers = {w::floats("w1", {16, 3, 3, 3}, three), w::floats("w2", {16, 16, 3, 3}, sixteen)},
                                                 .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"1", "3", "32", "32"}))},
                                                 .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"1", "16"}))}})));
  BenchOptions options;
  options.runs = 3;
  auto bench = measure::bench({.file = file.string(), .backends = {"native"}, .against = "onnxruntime"}, options);
  ASSERT_TRUE(bench) << bench.error().message;
  ASSERT_TRUE(bench->comparison);
  const SideBySide& c = *bench->comparison;
  EXPECT_EQ(c.backend, "onnxruntime");
  EXPECT_FALSE(c.version.empty());
  double native = 0, other = 0;
  std::size_t layers = 0;
  const Segment *r1 = nullptr, *r2 = nullptr, *y = nullptr;
  for (const Segment& s : c.segments) {
    native += s.left_ms, other += s.right_ms, layers += s.left.size() + s.right.size();
    for (const auto& v : s.values) {
      if (v == "r1") r1 = &s;
      if (v == "r2") r2 = &s;
      if (v == "y") y = &s;
    }
  }
  EXPECT_EQ(layers, c.native.size() + c.other.size());
  EXPECT_NEAR(native, c.native_ms(), 1e-9);
  EXPECT_NEAR(other, c.other_ms(), 1e-9);
  ASSERT_TRUE(r1 && r2 && y);
  EXPECT_TRUE(r1 != r2 && r2 != y);
  for (const Segment* s : {r1, r2, y}) EXPECT_TRUE(s->aligned() && s->left_ms > 0);
}

TEST_F(Model, layers_are_compared_with_those_of_an_engine_that_is_here_and_gives_a_profile) {
  const auto message = [&](const std::string& engine) {
    auto bench = measure::bench({.file = write(), .backends = {"native"}, .against = engine}, {});
    return bench ? std::string("none") : bench.error().message;
  };
  EXPECT_EQ(message("no-such-engine"), "there is no backend 'no-such-engine'");
  EXPECT_EQ(message("native"), "the native engine's layers are compared with those of another engine, not with its own");
  ::setenv("SAHA_ONNXRUNTIME", "/nowhere/lib.so", 1);
  EXPECT_TRUE(message("onnxruntime").starts_with("the layers of backend 'onnxruntime': ")) << message("onnxruntime");
  ::unsetenv("SAHA_ONNXRUNTIME");
  if (backends::open("openvino")) {
    EXPECT_EQ(message("openvino"), "the layers of backend 'openvino': this engine gives no profile");
  } else {
    std::cout << "openvino is not here: that an engine without a profile is refused is not tried\n";
  }
}

TEST_F(Model, threads_stay_on_cores_where_that_is_asked_for) {
  BenchOptions options;
  options.runs = 3;
  options.threads = 2;
  options.pin = true;
  auto bench = measure::bench({.file = write(), .backends = {"native"}}, options);
  ASSERT_TRUE(bench) << bench.error().message;
  EXPECT_TRUE(bench->engines[0].notes.empty()) << bench->engines[0].notes[0];
}

// Two copies of one network, measured in one run.
class Twins : public Model {
 protected:
  Result<std::vector<Bench>> measured(const BenchOptions& options) {
    const auto other = folder_->path() / "other.onnx";
    EXPECT_TRUE(system::write_file(other, *system::read_text(write())));
    const Shapes shapes{{"x", {2000, 4}}};  // some microseconds, many ticks of the clock
    const BenchModel models[] = {{.file = write(), .backends = {"native"}, .shapes = shapes}, {.file = other.string(), .backends = {"native"}, .shapes = shapes}};
    return measure::bench(models, options);
  }
};

TEST_F(Twins, take_turns_burst_by_burst_and_the_first_turn_moves_on) {
  std::string order;
  BenchOptions options;
  options.runs = 60;
  options.on_burst = [&](std::size_t model, std::string_view backend) {
    EXPECT_EQ(backend, "native");
    order += char('a' + model);
  };
  auto benches = measured(options);
  ASSERT_TRUE(benches) << benches.error().message;
  ASSERT_EQ(benches->size(), 2u);
  std::string wanted;
  for (int i = 0; i < 10; ++i) wanted += "abba";
  EXPECT_EQ(order, wanted);
  for (const Bench& b : *benches) {
    ASSERT_EQ(b.engines.size(), 1u);
    EXPECT_EQ(b.engines[0].bursts, std::vector<int>(20, 3));
    EXPECT_EQ(b.engines[0].ms.size(), 60u);
    EXPECT_EQ(b.engines[0].ratio, 1);
  }
}

TEST_F(Twins, tie) {
  std::string seen;
  for (int attempt = 0; attempt < 4; ++attempt) {  // a process may share its core with a stranger for a whole run
    auto benches = measured({});
    ASSERT_TRUE(benches) << benches.error().message;
    const EngineRow &a = (*benches)[0].engines[0], &b = (*benches)[1].engines[0];
    const auto ratio = paired_ratio({a.ms, a.bursts}, {b.ms, b.bursts}, 0.5, 0.95, 0);
    ASSERT_TRUE(ratio);
    if (ratio->tie()) return;
    seen += " " + std::to_string(ratio->value) + " [" + std::to_string(ratio->lower) + ", " + std::to_string(ratio->upper) + "]";
  }
  FAIL() << "the same network is told apart from itself four times:" << seen;
}

TEST_F(Model, an_engine_that_takes_too_long_stops_early) {
  BenchOptions options;
  options.runs = 100'000'000;
  options.seconds = 0.05;
  auto bench = measure::bench({.file = write(), .backends = {"native"}}, options);
  ASSERT_TRUE(bench) << bench.error().message;
  EXPECT_GE(bench->engines[0].ms.size(), 10u);
  EXPECT_LT(bench->engines[0].ms.size(), 100'000'000u);
}

TEST_F(Model, a_file_that_is_no_model_is_an_error_that_names_it) {
  const auto file = folder_->path() / "notes.onnx";
  ASSERT_TRUE(system::write_file(file, "no model"));
  auto bench = measure::bench({.file = file.string()}, {});
  ASSERT_FALSE(bench);
  EXPECT_NE(bench.error().message.find("notes.onnx"), std::string::npos) << bench.error().message;
}

TEST_F(Model, presence_asks_each_engine_to_run_the_model) {
  auto rows = presence(write());
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), backends::all().size());
  EXPECT_TRUE((*rows)[0].here);
  ASSERT_TRUE((*rows)[0].runs);
  EXPECT_TRUE(*(*rows)[0].runs) << (*rows)[0].reason;
  EXPECT_TRUE(0 < (*rows)[0].layers && (*rows)[0].fast <= (*rows)[0].layers);
  for (const auto& r : *rows) EXPECT_TRUE(r.here || !r.help.empty()) << r.backend;
}

TEST(Worker, answers_a_request_out_of_order_with_an_error_and_lives_on) {
  auto worker = Worker::start();
  ASSERT_TRUE(worker) << worker.error().message;
  auto early = worker->burst(1, 0);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().message, "nothing is loaded");
  auto version = worker->open("native");
  ASSERT_TRUE(version) << version.error().message;
  EXPECT_FALSE(version->empty());
  auto peak = worker->peak_bytes();
  ASSERT_TRUE(peak);
  EXPECT_GT(*peak, 1u << 20);
}

TEST(MachinePeak, every_unit_of_the_processor_and_the_memory_reach_something) {
  const auto one = measure_machine_peak(1);
  ASSERT_FALSE(one.isas.empty());
  for (const auto& isa : one.isas) EXPECT_GT(isa.gmacs, 0.1) << isa.isa;
  EXPECT_GT(one.read_gbytes, 0.1);
}

}  // namespace
}  // namespace saha::measure
