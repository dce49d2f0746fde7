#pragma once
// Preprocessing: the steps between a raw sample and what a network takes, as a value that prints itself as JSON.
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "data/audio.hpp"
#include "data/image.hpp"
#include "data/resize.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// A sample on its way: a picture [h, w, c], sound [channels, n] with its rate, or any array.
struct Item {
  Tensor tensor;
  int rate_hz = 0;  ///< of sound, else 0
};

/// Pictures are decoded so; must come first. A picture that is decoded already (an array) is left as it is.
struct Decode {
  Channels channels = Channels::rgb;
  bool exif = true;
};
enum class Fit : std::uint8_t {
  stretch,     ///< to [h, w], whatever the ratio
  short_side,  ///< so that [h, w] is just covered; the longer side rounds down; a crop follows
  letterbox,   ///< so that it just fits into [h, w]; sides round to nearest; the rest is `pad`
};
struct Resize {
  std::int64_t height = 0, width = 0;
  ResizeRule rule = ResizeRule::pil_bilinear;
  Fit fit = Fit::stretch;
  double pad = 114;
  bool centered = true;  ///< letterbox: padding on both sides (the smaller half first), else only at the lower and right side

  /// Where a picture of [h, w] goes: it becomes [height, width], which stands at row `top`, column `left` of the result.
  struct Place { std::int64_t height, width, top, left; };
  Place place(std::int64_t h, std::int64_t w) const;
};
/// The middle, from floor((H - h) / 2), floor((W - w) / 2). With a fraction: a square of that share of the shorter side, rounded half to even.
struct Crop {
  std::int64_t height = 0, width = 0;
  double fraction = 0;  ///< 0: height and width say it
  /// [h, w] of the part that is kept.
  std::array<std::int64_t, 2> size(std::int64_t h, std::int64_t w) const;
};
/// A linear expression in x, done operation by operation in float32, as NumPy does it: "x/255", "(x-127.5)/127.5".
struct Scale {
  enum class Kind : std::uint8_t { add, subtract, subtract_from, multiply, divide };
  struct Operation {
    Kind kind;
    double operand;
  };
  std::string expression;
  std::vector<Operation> operations;

  static Result<Scale> parse(std::string_view expression);
  float operator()(float x) const;
};
/// (x - mean) / std by channel (or one for all), in float32.
struct Normalize {
  std::vector<double> mean, std;
};
/// [h, w, c] or [n, c] to the other order.
struct ToLayout {
  bool channels_first = true;
};
struct Mono {};  ///< [channels, n] -> [1, n], the mean
struct ToRate {
  int rate_hz = 0;
};
/// Sound divided by its greatest sample, over all channels; where that is not above 0, sound stays as it is.
struct Peak {
  bool absolute = true;  ///< the greatest |x|, else the greatest x
};
/// Sound of this duration: cut at the end, or followed by zeros.
struct ToLength {
  double seconds = 0;
  std::int64_t samples(int rate_hz) const;
};
/// Real numbers as the integers that a quantised input stores: clamp(round half to even(x / scale) + zero_point), the quotient in float32.
struct Quantize {
  double scale = 1;
  std::int64_t zero_point = 0;
  DType to = DType::i8;  ///< i8, u8, i16 or u16
};

using Step = std::variant<Decode, Resize, Crop, Scale, Normalize, ToLayout, Mono, ToRate, Peak, ToLength, LogMel, Mfcc, Quantize>;
/// As steps are written, in the order of the variant: "decode", "resize", ..
std::span<const std::string_view> step_names();
inline std::string_view name(const Step& step) { return step_names()[step.index()]; }

class Preprocess {
 public:
  Preprocess() = default;
  explicit Preprocess(std::vector<Step> steps) : steps_(std::move(steps)) {}
  /// A JSON list in the words of saha.yaml: [{"decode": "rgb"}, {"resize": {"to": [96, 96], "rule": "pil-bilinear", "fit": "stretch"}}, {"scale": "x/255"}].
  /// Durations, rates and frequencies are numbers of seconds and hertz, or text with a unit ("30 ms", "16 kHz").
  static Result<Preprocess> parse(std::string_view json);
  std::string str() const;  ///< the same list with every option written out; equal steps print equally

  bool empty() const { return steps_.empty(); }
  const std::vector<Step>& steps() const { return steps_; }
  Preprocess first(std::size_t n) const { return Preprocess({steps_.begin(), steps_.begin() + std::ptrdiff_t(n)}); }
  ImageOptions image_options() const;  ///< of its decode step
  /// Applies every step. Errors name the step.
  Result<Tensor> apply(Item item) const;

 private:
  std::vector<Step> steps_;
};

/// How elements of `dims` come to fit `shape`, where -1 is a free size: as they are, the channels of a picture moved to the front or back, a
/// dimension of 1 dropped or added, flattened. Nothing where they do not.
struct Fitting {
  enum class Move : std::uint8_t { none, channels_first, channels_last } move = Move::none;
  Dims dims;  ///< afterwards
};
std::optional<Fitting> fitting(const Dims& dims, const Dims& shape);
/// A sample made to fit a model's input without its batch dimension, [c, h, w] say: by fitting(), and numbers are converted (never from
/// float to an integer). Fails with both shapes.
Result<Tensor> conform(Tensor sample, const Dims& shape, DType dtype);

}  // namespace saha::data
