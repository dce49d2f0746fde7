#include "data/preprocess.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saha::data {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
Tensor run(const char* json, Tensor in) {
  auto p = Preprocess::parse(json);
  EXPECT_TRUE(p) << (p ? "" : p.error().message);
  auto out = p->apply({std::move(in), 0});
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return out ? *out : Tensor{};
}
std::string error_of(const char* json) {
  auto p = Preprocess::parse(json);
  return p ? "no error" : p.error().message;
}

TEST(Scale, is_done_operation_by_operation_in_float32) {
  const auto at = [](const char* text, float x) { return (*Scale::parse(text))(x); };
  for (int v = 0; v < 256; ++v) {
    const auto x = float(v);
    EXPECT_EQ(at("x/255", x), x / 255.f);
    EXPECT_EQ(at("(x-127.5)/127.5", x), (x - 127.5f) / 127.5f);
    EXPECT_EQ(at("1 - x * 2", x), 1.f - x * 2.f);
    EXPECT_EQ(at("-x", x), -x);
    EXPECT_EQ(at("2*(3 + 1)/4 * x", x), 2.f * x);
    EXPECT_EQ(at("x", x), x);
  }
  for (const char* bad : {"", "x*x", "1/x", "x/0", "y", "(x", "x)", "x x", "x+", "3", "x/(1-1)", "x + x", "1e999*x"}) {
    auto r = Scale::parse(bad);
    ASSERT_FALSE(r) << bad;
    EXPECT_TRUE(contains(r.error().message, "scale '")) << r.error().message;
  }
  EXPECT_FALSE(Scale::parse(std::string(100'000, '(')));
  EXPECT_FALSE(Scale::parse(std::string(100'000, '-')));
}
TEST(Preprocess, fits_cover_or_stay_inside_and_pad) {
  const Tensor wide = Tensor::of(DType::u8, {4, 8, 1}, {100});
  EXPECT_EQ(run(R"([{"resize": {"to": [2, 2], "rule": "cv-area", "fit": "stretch"}}])", wide).dims, (Dims{2, 2, 1}));
  EXPECT_EQ(run(R"([{"resize": {"to": [2, 2], "rule": "cv-area", "fit": "short-side"}}])", wide).dims, (Dims{2, 4, 1}));
  EXPECT_EQ(run(R"([{"resize": {"to": [2, 2], "rule": "cv-area", "fit": "short-side"}}])", Tensor::of(DType::u8, {7, 4, 1}, {1})).dims, (Dims{3, 2, 1}));
  const Tensor boxed = run(R"([{"resize": {"to": [4, 4], "rule": "pil-bilinear", "fit": "letterbox"}}])", wide);
  EXPECT_TRUE(identical(boxed, Tensor::of(DType::u8, {4, 4, 1}, {114, 114, 114, 114, 100, 100, 100, 100, 100, 100, 100, 100, 114, 114, 114, 114})));
  const Tensor corner = run(R"([{"resize": {"to": [4, 4], "rule": "pil-bilinear", "fit": "letterbox", "pad": 0, "at": "top-left"}}])", wide);
  EXPECT_TRUE(identical(corner, Tensor::of(DType::u8, {4, 4, 1}, {100, 100, 100, 100, 100, 100, 100, 100, 0, 0, 0, 0, 0, 0, 0, 0})));
}
TEST(Preprocess, crops_the_middle_and_changes_the_layout) {
  Tensor t = Tensor::zeros(DType::u8, {4, 5, 2});
  for (int i = 0; i < 40; ++i) t.as<std::uint8_t>()[i] = std::uint8_t(i);
  EXPECT_TRUE(identical(run(R"([{"crop": {"to": [2, 2]}}])", t), Tensor::of(DType::u8, {2, 2, 2}, {12, 13, 14, 15, 22, 23, 24, 25})));
  const Tensor first = run(R"([{"layout": "nchw"}])", t);
  EXPECT_EQ(first.dims, (Dims{2, 4, 5}));
  EXPECT_EQ(first.at(20), 1);
  EXPECT_TRUE(identical(run(R"([{"layout": "nchw"}, {"layout": "nhwc"}])", t), t));
  EXPECT_EQ(Preprocess::parse(R"([{"crop": {"to": [9, 2]}}])")->apply({t, 0}).error().message, "crop: the picture is 4 x 5, smaller than 9 x 2");
}
TEST(Preprocess, normalizes_by_channel_in_both_layouts) {
  const Tensor t = Tensor::of(DType::f32, {1, 2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(identical(run(R"([{"normalize": {"mean": [1, 2, 3], "std": [1, 2, 4]}}])", t), Tensor::of(DType::f32, {1, 2, 3}, {0, 0, 0, 3, 1.5, 0.75})));
  EXPECT_TRUE(identical(run(R"([{"layout": "nchw"}, {"normalize": {"mean": [1, 2, 3], "std": [1, 2, 4]}}])", t), Tensor::of(DType::f32, {3, 1, 2}, {0, 3, 0, 1.5, 0, 0.75})));
  EXPECT_TRUE(identical(run(R"([{"normalize": {"mean": 1, "std": 0.5}}])", t), Tensor::of(DType::f32, {1, 2, 3}, {0, 2, 4, 6, 8, 10})));
}
TEST(Preprocess, crops_a_share_of_the_shorter_side) {
  // As round(min(w, h) * 0.875) and crop((w - s) // 2, ..) in Python: 9 x 0.875 = 7.875 -> 8, 12 x 0.875 = 10.5 -> 10, the even one.
  EXPECT_EQ(run(R"([{"crop": {"fraction": 0.875}}])", Tensor::zeros(DType::u8, {9, 20, 3})).dims, (Dims{8, 8, 3}));
  EXPECT_EQ(run(R"([{"crop": {"fraction": 0.875}}])", Tensor::zeros(DType::u8, {30, 12, 3})).dims, (Dims{10, 10, 3}));
  Tensor t = Tensor::zeros(DType::u8, {3, 6, 1});
  for (int i = 0; i < 18; ++i) t.as<std::uint8_t>()[i] = std::uint8_t(i);
  EXPECT_TRUE(identical(run(R"([{"crop": {"fraction": 0.5}}])", t), Tensor::of(DType::u8, {2, 2, 1}, {2, 3, 8, 9})));
  EXPECT_TRUE(identical(run(R"([{"crop": {"fraction": 1}}])", t), Tensor::of(DType::u8, {3, 3, 1}, {1, 2, 3, 7, 8, 9, 13, 14, 15})));
}
TEST(Preprocess, sound_is_scaled_to_its_peak_and_cut_or_lengthened) {
  const auto sound = [](const char* json, std::vector<double> x) {
    const auto n = std::int64_t(x.size());
    auto r = Preprocess::parse(json)->apply({Tensor::of(DType::f32, {1, n}, x), 1000});
    return r ? values<double>(*r) : std::vector<double>();
  };
  using V = std::vector<double>;
  EXPECT_EQ(sound(R"([{"peak": "abs"}])", {0.5, -2, 1}), (V{0.25, -1, 0.5}));
  EXPECT_EQ(sound(R"([{"peak": "max"}])", {0.5, -2, 1}), (V{0.5, -2, 1}));
  EXPECT_EQ(sound(R"([{"peak": "max"}])", {-0.5, -2}), (V{-0.5, -2}));
  EXPECT_EQ(sound(R"([{"peak": "abs"}])", {0, 0}), (V{0, 0}));
  EXPECT_EQ(sound(R"([{"length": {"to": "4 ms"}}])", {1, 2, 3}), (V{1, 2, 3, 0}));
  EXPECT_EQ(sound(R"([{"length": {"to": "2 ms"}}])", {1, 2, 3}), (V{1, 2}));
  EXPECT_EQ(Preprocess::parse(R"([{"length": {"to": 0.0001}}])")->apply({Tensor::zeros(DType::f32, {1, 3}), 1000}).error().message, "length: 0.000100 s at 1000 Hz is no sample");
  EXPECT_TRUE(contains(Preprocess::parse(R"([{"peak": "abs"}])")->apply({Tensor::zeros(DType::f32, {1, 3}), 0}).error().message, "peak: it takes sound"));
}
TEST(Preprocess, quantizes_to_what_an_input_stores) {
  const Tensor t = Tensor::of(DType::f32, {8}, {0, 0.25, 0.75, -0.25, -0.75, 100, -100, NAN});
  EXPECT_TRUE(identical(run(R"([{"quantize": {"to": "int8", "scale": 0.5, "zero_point": 3}}])", t), Tensor::of(DType::i8, {8}, {3, 3, 5, 3, 1, 127, -128, 3})));
  EXPECT_TRUE(identical(run(R"([{"quantize": {"to": "uint8", "scale": 1}}])", t), Tensor::of(DType::u8, {8}, {0, 0, 1, 0, 0, 100, 0, 0})));
  EXPECT_EQ(run(R"([{"scale": "x-128"}, {"quantize": {"to": "int8", "scale": 1}}])", Tensor::of(DType::u8, {3}, {0, 128, 255})).at(0), -128);
}
TEST(Preprocess, prints_what_it_parses) {
  for (const char* json : {R"([{"decode": "gray"}, {"resize": {"to": [96, 64], "rule": "pil-bilinear", "fit": "letterbox", "pad": 3}}, {"crop": {"to": [9, 9]}}, {"scale": "x/255"}, {"normalize": {"mean": [1], "std": [2]}}, {"layout": "nchw"}])",
                           R"([{"decode": {"to": "bgr", "exif": "ignore"}}])", R"(["mono", {"resample": {"to": "16 kHz"}}, {"log_mel": {"frame": "30 ms", "hop": "20 ms", "fft": 512, "mels": 40, "range": ["20 Hz", "4 kHz"], "scale": "slaney", "log": "db"}}])",
                           R"([{"mfcc": {"coefficients": 13, "dct": "ortho", "window": "hann-periodic"}}])", "[]",
                           R"([{"crop": {"fraction": 0.875}}])", R"([{"peak": "max"}, {"length": {"to": "1 s"}}, {"mfcc": {"power": 1, "triangles": "mel"}}, {"quantize": {"to": "int8", "scale": 0.5, "zero_point": 83}}])"}) {
    auto p = Preprocess::parse(json);
    ASSERT_TRUE(p) << p.error().message;
    auto again = Preprocess::parse(p->str());
    ASSERT_TRUE(again) << again.error().message << p->str();
    EXPECT_EQ(p->str(), again->str());
  }
  EXPECT_EQ(std::get<LogMel>(Preprocess::parse(R"([{"log_mel": {"frame": "30 ms"}}])")->steps()[0]).frame_s, 0.030);
  EXPECT_EQ(std::get<ToRate>(Preprocess::parse(R"([{"resample": {"to": "16 kHz"}}])")->steps()[0]).rate_hz, 16000);
}
TEST(Preprocess, mistakes_are_named) {
  EXPECT_TRUE(contains(error_of(R"([{"resize": {"to": [2, 2], "rule": "bilinear"}}])"), "'rule' is \"bilinear\"; one of cv-linear, cv-area")) << error_of(R"([{"resize": {"to": [2, 2], "rule": "bilinear"}}])");
  EXPECT_TRUE(contains(error_of(R"([{"resize": {"to": [2, 2]}}])"), "lacks 'rule'"));
  EXPECT_TRUE(contains(error_of(R"([{"resize": {"to": [2], "rule": "cv-area"}}])"), "[height, width]"));
  EXPECT_TRUE(contains(error_of(R"([{"resize": {"to": [2, 2], "rule": "cv-area", "fitt": 1}}])"), "no option 'fitt'"));
  EXPECT_TRUE(contains(error_of(R"([{"blur": 1}])"), "no such step"));
  EXPECT_TRUE(contains(error_of(R"([{"crop": {"fraction": 1.5}}])"), "a share of the shorter side"));
  EXPECT_TRUE(contains(error_of(R"([{"peak": "min"}])"), "one of abs, max"));
  EXPECT_TRUE(contains(error_of(R"([{"length": {}}])"), "a duration such as 1 s"));
  EXPECT_TRUE(contains(error_of(R"([{"length": {"to": "2 d"}}])"), "a duration such as 1 s"));
  EXPECT_TRUE(contains(error_of(R"([{"log_mel": {"power": 3}}])"), "1 or 2 is needed"));
  EXPECT_TRUE(contains(error_of(R"([{"quantize": {"to": "int8", "scale": 0}}])"), "a number above 0"));
  EXPECT_TRUE(contains(error_of(R"([{"quantize": {"to": "int8", "scale": 1, "zero_point": 200}}])"), "from -128 to 127"));
  EXPECT_TRUE(contains(error_of(R"([{"scale": "x"}, {"decode": "rgb"}])"), "must be the first"));
  EXPECT_TRUE(contains(error_of(R"([{"normalize": {"mean": [1], "std": [0]}}])"), "deviation of 0"));
  EXPECT_TRUE(contains(error_of(R"({"a": 1})"), "a list of steps"));
  EXPECT_TRUE(contains(error_of(R"([{"a": 1, "b": 2}])"), "a name with its options"));
  EXPECT_TRUE(contains(error_of(R"([{"resample": {"to": "16 furlongs"}}])"), "a rate such as 16 kHz"));
  EXPECT_TRUE(contains(Preprocess::parse(R"(["mono"])")->apply({Tensor::zeros(DType::u8, {2, 2, 3}), 0}).error().message, "mono: it takes sound"));
  EXPECT_TRUE(contains(error_of((std::string(100'000, '[') + std::string(100'000, ']')).c_str()), "a list of steps"));
}
TEST(Preprocess, noise_never_crashes) {
  std::mt19937 random(6);
  const std::string sound = R"([{"decode": "gray"}, {"resize": {"to": [96, 64], "rule": "pil-bilinear"}}, {"scale": "(x-1)/255"}, {"mfcc": {"range": ["1 Hz", 2]}}])";
  for (int i = 0; i < 5000; ++i) {
    std::string mutant = sound;
    for (unsigned k = 0; k <= random() % 3; ++k) mutant[random() % mutant.size()] = "[]{}\",:x1e-."[random() % 12];
    (void)Preprocess::parse(mutant).has_value();
  }
}
TEST(Conform, moves_channels_drops_ones_and_converts_without_loss) {
  const Tensor t = Tensor::of(DType::u8, {2, 3, 1}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(conform(t, {1, 2, 3}, DType::f32)->dtype, DType::f32);
  EXPECT_EQ(conform(t, {6}, DType::u8)->dims, (Dims{6}));
  EXPECT_EQ(conform(t, {-1}, DType::u8)->dims, (Dims{6}));
  EXPECT_EQ(conform(t, {2, 3}, DType::i64)->at(5), 5);
  EXPECT_EQ(conform(t, {-1, -1, 1}, DType::f16)->dims, t.dims);
  EXPECT_EQ(conform(t, {3, 2}, DType::u8).error().message, "the sample is uint8[2, 3, 1], the model takes uint8[3, 2]");
  EXPECT_FALSE(conform(t, {7}, DType::u8));
  EXPECT_FALSE(conform(Tensor::of(DType::f32, {1}, {0.5}), {1}, DType::i8));
  EXPECT_EQ(conform(Tensor::of(DType::u8, {1}, {200}), {1}, DType::i8).error().message, "the sample holds 200, which int8 does not");
  const Tensor rgb = Tensor::of(DType::f32, {1, 2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(identical(*conform(rgb, {3, 1, 2}, DType::f32), Tensor::of(DType::f32, {3, 1, 2}, {1, 4, 2, 5, 3, 6})));
}

}  // namespace
}  // namespace saha::data
