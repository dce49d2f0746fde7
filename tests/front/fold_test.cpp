// Steps and then the network = the network with folded steps, on the reference and on the native engine, at odd sizes.
#include "front/fold.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backends/native/network.hpp"
#include "kernels/isa.hpp"
#include "op/text_form.hpp"
#include "system/thread_pool.hpp"

namespace saha::front {
namespace {

Tensor picture(std::int64_t h, std::int64_t w, std::int64_t c, unsigned seed = 1) {
  std::mt19937 random(seed);
  Tensor t = Tensor::zeros(DType::u8, {h, w, c});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<std::uint8_t>()[i] = std::uint8_t(random() % 8 == 0 ? (random() % 2) * 255 : random() % 256);   // extremes among them
  return t;
}
Tensor sound(std::int64_t channels, std::int64_t n) {
  std::mt19937 random(2);
  Tensor t = Tensor::zeros(DType::f32, {channels, n});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = float(0.3 * std::sin(double(i % n) * 0.05) + 0.4 * (double(random() % 1000) / 500 - 1));
  return t;
}
ir::Graph graph(const std::string& text) {
  auto g = op::parse(text);
  EXPECT_TRUE(g) << (g ? "" : g.error().message) << text;
  return g ? std::move(*g) : ir::Graph();
}
data::Preprocess steps_of(const std::string& json) {
  auto p = data::Preprocess::parse(json);
  EXPECT_TRUE(p) << (p ? "" : p.error().message);
  return p ? *p : data::Preprocess();
}
Tensor batched(Tensor t) {
  Dims d = t.dims;
  d.insert(d.begin(), 1);
  return t.reshaped(d);
}
Tensor native_run(const ir::Graph& g, const Tensor& in) {
  auto pool = system::ThreadPool(1);
  native::Runner runner(native::network_of(g, kernels::detect_isa()), pool);
  Datum d(in);
  const Datum* all[] = {&d};
  auto y = runner.run(all);
  EXPECT_TRUE(y) << (y ? "" : y.error().message);
  return y ? (*y)[0].tensor : Tensor{};
}
Tensor reference_run(const ir::Graph& g, const Tensor& in) {
  const std::vector<Datum> all = {Datum(in)};
  auto y = op::run(g, std::span<const Datum>(all));
  EXPECT_TRUE(y) << (y ? "" : y.error().message);
  return y ? (*y)[0].tensor : Tensor{};
}
/// The input of the network is its output as well: what it is handed.
std::string identity(const std::string& type) { return "graph (x: " + type + ") { y = Identity(x) return y }"; }

struct Case {
  std::string steps, input;   // JSON; the type that the network takes
  Tensor raw;
  int rate_hz = 0;
  std::string stated = {};    // --raw
  std::size_t outside = 1;    // steps that stay
  double tolerance = 0;       // 0: bit by bit
};
/// Checks the case; returns the rows.
std::vector<Row> check(const Case& c) {
  SCOPED_TRACE(c.steps + " -> " + c.input);
  const ir::Graph g = graph(identity(c.input));
  const auto steps = steps_of(c.steps);
  Raw raw;
  if (!c.stated.empty()) {
    auto r = Raw::parse(c.stated);
    EXPECT_TRUE(r);
    raw = *r;
  }
  auto folded = fold(g, 0, steps, raw);
  EXPECT_TRUE(folded) << (folded ? "" : folded.error().message);
  if (!folded) return {};
  EXPECT_TRUE(ir::verify(folded->graph));
  EXPECT_EQ(folded->outside.steps().size(), c.outside);
  const ir::Type& type = g.type(g.inputs()[0]);
  Dims shape;
  for (std::size_t i = 1; i < type.dims.size(); ++i) shape.push_back(type.dims[i].known().value_or(-1));
  auto expected = steps.apply({c.raw, c.rate_hz});
  EXPECT_TRUE(expected) << (expected ? "" : expected.error().message);
  if (!expected) return {};
  auto fitted = data::conform(std::move(*expected), shape, type.dtype);
  EXPECT_TRUE(fitted) << (fitted ? "" : fitted.error().message);
  auto outside = folded->outside.apply({c.raw, c.rate_hz});
  EXPECT_TRUE(outside) << (outside ? "" : outside.error().message);
  if (!fitted || !outside) return {};
  const Tensor want = batched(*fitted), in = batched(*outside);
  for (bool native : {false, true}) {
    const Tensor got = native ? native_run(folded->graph, in) : reference_run(folded->graph, in);
    EXPECT_EQ(got.dims, want.dims);
    EXPECT_EQ(got.dtype, want.dtype);
    if (got.dims != want.dims) continue;
    double worst = 0;
    for (std::int64_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got.at(i) - want.at(i)) / std::max(1.0, std::abs(want.at(i))));
    EXPECT_LE(worst, c.tolerance) << (native ? "native" : "reference");
  }
  return folded->rows;
}

TEST(Fold, numbers_and_layouts_bit_by_bit) {
  const Tensor rgb = picture(7, 5, 3), gray = picture(6, 9, 1);
  check({R"([{"decode": "rgb"}, {"scale": "x/255"}])", "float32[N, 3, 7, 5]", rgb});
  check({R"([{"decode": "rgb"}, {"scale": "(x-127.5)/127.5"}])", "float32[1, 7, 5, 3]", rgb});
  check({R"([{"decode": "rgb"}, {"scale": "1 - 2*(x/255)*1"}])", "float32[1, 3, H, W]", rgb});
  check({R"([{"decode": "bgr"}, {"scale": "x/255"}, {"normalize": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}])", "float32[N, 3, 7, 5]", rgb});
  check({R"([{"decode": "rgb"}, {"layout": "nchw"}, {"normalize": {"mean": [120, 110, 100], "std": 58}}])", "float32[N, 3, 7, 5]", rgb});
  check({R"([{"decode": "rgb"}, {"layout": "nchw"}, {"scale": "x/255"}, {"layout": "nhwc"}])", "float32[N, 7, 5, 3]", rgb});
  check({R"([{"decode": "gray"}, {"scale": "x-128"}])", "float32[N, 1, 6, 9]", gray});
  check({R"([{"decode": "gray"}, {"scale": "x/255"}])", "float32[N, 54]", gray, 0, "6x9"});
  check({R"([{"decode": "rgb"}, {"scale": "x/255"}])", "float16[N, 3, 7, 5]", rgb});
  check({R"([{"decode": "rgb"}, {"scale": "(x-127.5)/127.5"}, {"quantize": {"to": "int8", "scale": 0.0078431, "zero_point": -1}}])", "int8[N, 7, 5, 3]", rgb});
  check({R"([{"decode": "gray"}, {"scale": "x-128"}, {"quantize": {"to": "int8", "scale": 1}}])", "int8[N, 6, 9, 1]", gray});
  check({R"([{"normalize": {"mean": [1, 2, 3, 4], "std": [0.5, 1, 2, 3]}}])", "float32[N, 4]", Tensor::of(DType::f32, {4}, {1.5, -2, 100, 0.1}), 0, "", 0});
}
TEST(Fold, crops_and_nearest_pixels_bit_by_bit) {
  for (const auto& [h, w] : {std::pair{13, 9}, {8, 15}, {7, 7}}) {
    const Tensor t = picture(h, w, 3);
    const std::string raw = std::to_string(h) + "x" + std::to_string(w);
    check({R"([{"decode": "rgb"}, {"crop": {"to": [5, 6]}}, {"scale": "x/255"}])", "float32[N, 3, 5, 6]", t, 0, raw});
    check({R"([{"decode": "rgb"}, {"crop": {"fraction": 0.875}}, {"resize": {"to": [5, 6], "rule": "pil-bilinear"}}])", "float32[N, 3, 5, 6]", t, 0, raw});
    for (const char* rule : {"cv-nearest", "pil-nearest"})
      for (const auto& [y, x] : {std::pair{5, 4}, {20, 17}, {13, 15}})
        check({R"([{"decode": "rgb"}, {"resize": {"to": [)" + std::to_string(y) + ", " + std::to_string(x) + R"(], "rule": ")" + rule + R"("}}])", "uint8[N, " + std::to_string(y) + ", " + std::to_string(x) + ", 3]", t, 0, raw});
  }
}
TEST(Fold, rules_of_8_bits_are_exact_in_float32) {
  for (const char* rule : {"cv-linear", "pil-bilinear", "pil-bicubic", "pil-lanczos"})
    for (const auto& [h, w] : {std::pair{13, 9}, {32, 47}, {6, 8}, {1, 5}, {50, 3}})
      for (const auto& [y, x] : {std::pair{5, 4}, {3, 4}, {20, 17}, {13, 9}, {16, 30}, {1, 1}}) {
        const std::string to = std::to_string(y) + ", " + std::to_string(x);
        check({R"([{"decode": "rgb"}, {"resize": {"to": [)" + to + R"(], "rule": ")" + rule + R"("}}, {"scale": "x/255"}])", "float32[N, 3, " + to + "]", picture(h, w, 3, unsigned(h * y)), 0,
               std::to_string(h) + "x" + std::to_string(w)});
      }
  for (const char* rule : {"pil-bilinear", "pil-lanczos", "torch-antialias"})   // matrices in bands
    check({R"([{"decode": "rgb"}, {"resize": {"to": [40, 67], "rule": ")" + std::string(rule) + R"("}}, {"scale": "x/255"}])", "float32[N, 3, 40, 67]", picture(97, 131, 3), 0, "97x131", 1,
           std::string(rule).starts_with("pil") ? 0 : 1e-6});
  check({R"([{"decode": "gray"}, {"resize": {"to": [4, 5], "rule": "cv-area"}}])", "uint8[N, 4, 5, 1]", picture(12, 10, 1), 0, "12x10"});
  check({R"([{"decode": "gray"}, {"resize": {"to": [6, 5], "rule": "cv-area"}}])", "uint8[N, 6, 5, 1]", picture(12, 10, 1), 0, "12x10"});
  check({R"([{"decode": "gray"}, {"resize": {"to": [31, 17], "rule": "cv-area"}}])", "uint8[N, 1, 31, 17]", picture(12, 10, 1), 0, "12x10"});
  const auto rows = check({R"([{"decode": "gray"}, {"resize": {"to": [5, 5], "rule": "cv-area"}}, {"scale": "x/255"}])", "float32[N, 1, 5, 5]", picture(12, 10, 1), 0, "12x10", 2});
  ASSERT_GE(rows.size(), 3u);
  EXPECT_FALSE(rows[1].folded);
  EXPECT_NE(rows[1].what.find("cv-area sums in float32"), std::string::npos);
  EXPECT_TRUE(rows[2].folded);
}
TEST(Fold, fits_cover_or_pad_bit_by_bit) {
  for (const auto& [h, w] : {std::pair{13, 9}, {9, 14}, {7, 7}})
    for (const char* fit : {R"("fit": "letterbox")", R"("fit": "letterbox", "pad": 3, "at": "top-left")", R"("fit": "short-side")"}) {
      const std::string raw = std::to_string(h) + "x" + std::to_string(w), last = std::string(fit).find("short") != std::string::npos ? R"(, {"crop": {"to": [8, 6]}})" : "";
      for (const char* rule : {"pil-bilinear", "cv-linear"})
        check({R"([{"decode": "rgb"}, {"resize": {"to": [8, 6], "rule": ")" + std::string(rule) + "\", " + fit + "}}" + last + R"(, {"scale": "x/255"}])", "float32[N, 3, 8, 6]", picture(h, w, 3), 0, raw});
      check({R"([{"decode": "rgb"}, {"resize": {"to": [8, 6], "rule": "torch-antialias", )" + std::string(fit) + "}}" + last + R"(, {"scale": "x/255"}])", "float32[N, 8, 6, 3]", picture(h, w, 3), 0, raw, 1, 1e-6});
    }
}
TEST(Fold, float_rules_within_rounding_and_for_any_size) {
  for (const char* rule : {"tf-bilinear", "tf1-bilinear", "tf1-corners", "torch-bilinear", "tf-antialias", "torch-antialias"})
    for (const auto& [h, w] : {std::pair{13, 9}, {32, 47}, {3, 4}, {1, 6}})
      for (const auto& [y, x] : {std::pair{5, 4}, {20, 17}, {1, 3}}) {
        const std::string to = std::to_string(y) + ", " + std::to_string(x), steps = R"([{"decode": "rgb"}, {"resize": {"to": [)" + to + R"(], "rule": ")" + rule + R"("}}])";
        // Positions are float32 numbers up to the side; between black and white their rounding counts 255 times.
        const double tolerance = 255 * std::max({h, w, y, x}) * 0x1p-23;
        check({steps, "float32[N, 3, " + to + "]", picture(h, w, 3), 0, std::to_string(h) + "x" + std::to_string(w), 1, tolerance});
        if (std::string(rule).find("antialias") == std::string::npos) check({steps, "float32[1, 3, " + to + "]", picture(h, w, 3), 0, "any", 1, tolerance});
      }
  const auto rows = check({R"([{"decode": "rgb"}, {"resize": {"to": [5, 4], "rule": "tf-bilinear"}}, {"scale": "x/255"}])", "float32[N, 3, 5, 4]", picture(9, 8, 3), 0, "", 2});
  EXPECT_NE(rows[1].what.find("--raw 480x640"), std::string::npos) << rows[1].what;
}
TEST(Fold, sound_within_float32) {
  const std::string mel = R"("frame": "30 ms", "hop": "20 ms", "fft": 256, "mels": 20, "range": [20, 4000])";
  check({R"(["mono", {"scale": "2*x"}])", "float32[N, 1, 801]", sound(2, 801), 8000, "2x801@8kHz", 0, 1e-6});
  for (const auto& [from, to] : {std::pair{8000, 16000}, {16000, 8000}, {11025, 8000}, {8000, 12000}, {48000, 16000}}) {
    auto length = data::resample_filter(from, to)->length(403);
    for (int channels : {1, 2})
      check({R"([{"resample": {"to": )" + std::to_string(to) + "}}]", "float32[N, " + std::to_string(channels) + ", " + std::to_string(length) + "]", sound(channels, 403), from,
             std::to_string(channels) + "x403@" + std::to_string(from), 0, 2e-6});
  }
  for (const char* of : {"abs", "max"}) check({R"([{"peak": ")" + std::string(of) + R"("}])", "float32[N, 2, 77]", sound(2, 77), 8000, "2x77@8kHz", 0});
  check({R"([{"peak": "abs"}])", "float32[N, 1, 9]", Tensor::zeros(DType::f32, {1, 9}), 8000, "1x9@8kHz", 0});
  for (int n : {401, 800, 1000}) check({R"([{"length": {"to": "100 ms"}}])", "float32[N, 1, 800]", sound(1, n), 8000, "1x" + std::to_string(n) + "@8kHz", 0});
  for (const char* log : {"ln", "log10", "db"})
    for (const char* more : {"", R"(, "power": 1, "triangles": "mel")", R"(, "scale": "slaney")"})
      for (int channels : {1, 2})
        check({R"([{"log_mel": {)" + mel + R"(, "log": ")" + log + "\"" + more + "}}]", "float32[N, " + std::to_string(channels) + ", 5, 20]", sound(channels, 931), 8000, std::to_string(channels) + "x931@8kHz", 0, 2e-5});
  check({R"([{"mfcc": {)" + mel + "}}]", "float32[N, 5, 10, 1]", sound(1, 931), 8000, "1x931@8kHz", 0, 2e-5});
  // What goes before may say enough: the rate by resample, the number of samples by length.
  check({R"(["mono", {"resample": {"to": "8 kHz"}}, {"length": {"to": "0.1 s"}}, {"mfcc": {)" + mel + "}}]", "float32[N, 1, 4, 10]", sound(2, 2001), 16000, "", 3, 2e-5});
  check({R"(["mono", {"resample": {"to": "8 kHz"}}, {"length": {"to": "0.1 s"}}, {"mfcc": {)" + mel + "}}]", "float32[N, 40]", sound(2, 2001), 16000, "2x2001@16kHz", 0, 2e-5});
  for (int n : {500, 2001})
    check({R"(["mono", {"peak": "max"}, {"length": {"to": "0.1 s"}}, {"mfcc": {)" + mel + "}}]", "float32[N, 40]", sound(2, n), 8000, "any@8kHz", 0, 2e-5});
  check({R"([{"peak": "max"}, "mono", {"length": {"to": "0.1 s"}}, {"mfcc": {)" + mel + "}}]", "float32[N, 40]", sound(2, 700), 8000, "8kHz", 3, 2e-5});
}
TEST(Fold, stored_integers_take_the_number_or_the_real_one) {
  const Tensor gray = picture(6, 9, 1);
  const std::string net = "graph (x: int8[N, 6, 9, 1] quant(axis = 0, scale = [0.0078125], zero = [-1])) { y = Reshape(x, int64[2] {-1, 54}) return y }";
  for (const char* json : {R"([{"decode": "gray"}, {"scale": "(x-127)/128"}, {"quantize": {"to": "int8", "scale": 0.0078125, "zero_point": -1}}])",
                           R"([{"decode": "gray"}, {"scale": "x-128"}, {"quantize": {"to": "int8", "scale": 1}}])"}) {
    const ir::Graph g = graph(net);
    const auto steps = steps_of(json);
    auto folded = fold(g, 0, steps);
    ASSERT_TRUE(folded) << folded.error().message;
    const Tensor want = steps.apply({gray, 0})->reshaped({1, 54});
    EXPECT_TRUE(identical(reference_run(folded->graph, batched(gray)), want)) << json;
    EXPECT_TRUE(identical(native_run(folded->graph, batched(gray)), want)) << json;
    // The bytes are what is stored, but for 128: no real number is left.
    EXPECT_EQ(folded->rows[1].what, "nothing");
    EXPECT_EQ(folded->rows[2].what, "Requantize");
  }
  const auto e = fold(graph(net), 0, steps_of(R"([{"decode": "gray"}, {"scale": "x/255"}])"));
  ASSERT_FALSE(e);
  EXPECT_NE(e.error().message.find("input 'x' takes int8[N, 6, 9, 1]"), std::string::npos) << e.error().message;
  EXPECT_NE(e.error().help.find("\"zero_point\": -1"), std::string::npos) << e.error().help;
}
TEST(Fold, what_cannot_be_is_one_sentence) {
  const auto error = [](const std::string& input, const std::string& steps, const std::string& raw = "") {
    Raw r;
    if (!raw.empty()) r = *Raw::parse(raw);
    auto f = fold(graph(identity(input)), 0, steps_of(steps), r);
    return f ? "no error" : f.error().message;
  };
  EXPECT_EQ(error("float32[N, 3, 7, 5]", R"([{"decode": "rgb"}])"), "no step can be folded: decode: a file is decoded before the graph");
  EXPECT_EQ(error("float32[N, 3, 7, 5]", "[]"), "there is no step to fold");
  EXPECT_EQ(error("float32[N, 3, 7, 5]", R"([{"decode": "rgb"}, {"resize": {"to": [7, 5], "rule": "pil-bilinear"}}])"),
            "no step can be folded: resize: what it does depends on the size of the raw picture: --raw 480x640 states it");
  EXPECT_EQ(error("float32[N, 3, 7, 5]", R"([{"decode": "rgb"}, {"resize": {"to": [7, 5], "rule": "pil-bilinear"}}])", "any"),
            "no step can be folded: resize: pil-bilinear is expressed for a known size only, not for any");
  EXPECT_EQ(error("float32[N, 3, 7, 5]", R"([{"decode": "rgb"}, {"scale": "x/255"}])", "8x8"), "the steps give float32[8, 8, 3] a sample, input 'x' takes float32[N, 3, 7, 5]");
  EXPECT_EQ(error("float32[N, 3, 7, 5]", R"([{"decode": "rgb"}, {"scale": "x/255"}])", "1x8@8kHz"), "the steps are not of sound, the raw sample is stated as sound; 480x640 is a picture");
  EXPECT_EQ(error("float32[N, 49, 10]", R"(["mono", {"mfcc": {}}])"), "no step can be folded: mfcc: channels, samples and rate of the raw sound are not known: --raw 1x16000@16kHz states them");
  EXPECT_EQ(error("float32[N, 49, 10]", R"([{"mfcc": {}}])", "1x100@16kHz"), "no step can be folded: mfcc: the sound has 100 samples, a frame has 480");
  EXPECT_EQ(error("float32[]", R"([{"scale": "x/255"}])"), "input 'x' is float32[], steps are folded in front of a tensor with a batch dimension");
  for (const char* bad : {"", "x", "480", "480x", "0x4", "4x4x3", "1x16000@", "1x16000@0Hz", "1x16000@1.5Hz", "99999999x2", "-1x2", "1x2@kHz", "any@", "kHz", "@16kHz"}) EXPECT_FALSE(Raw::parse(bad)) << bad;
  EXPECT_EQ(Raw::parse("2x44100@44.1kHz")->rate_hz, 44100);
  EXPECT_EQ(error("float32[N, 40]", R"(["mono", {"resample": {"to": "8 kHz"}}])", "any@16kHz"), "no step can be folded: resample: it is expressed for known channels and samples only: steps mono and length before it make them so");
}

}  // namespace
}  // namespace saha::front
