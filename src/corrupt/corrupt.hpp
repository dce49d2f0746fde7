#pragma once
// What the world does to a raw sample before a model sees it: transforms with a parameter, and the common corruptions with severities 1 to 5.
// Pictures after Hendrycks & Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations"; docs/requirements.md says where a formula differs.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "data/preprocess.hpp"

namespace saha::corrupt {

/// What a number of a raw sample may be; results are clipped to it. A picture of bytes has [0, 255], sound [-1, 1].
struct Range {
  double low = 0, high = 255;
};

enum class Medium : std::uint8_t { none, picture, sound };
/// Sound has a rate or is [channels, n] or [n] with numbers of both signs. A picture is [h, w, 1 or 3], [1 or 3, h, w], [h, w] or a square in a row, of at least 4 x 4 pixels.
Medium medium(const data::Item& item, const Range& range);
/// How a picture's numbers lie; height 0 where the sample is none.
struct Layout {
  std::int64_t height = 0, width = 0, channels = 1;
  bool channels_last = true;
};
Layout layout(const data::Item& item, const Range& range);

/// One row of the table of corruptions.
struct Kind {
  std::string_view name;
  Medium medium;
  bool needs_colour, needs_rate;
  std::string_view sentence;     ///< what it does, and by how much from severity 1 to 5
};
std::span<const Kind> kinds();
/// Names of the corruptions that this sample can have; empty where it is neither a picture nor a sound.
std::vector<std::string> kinds_of(const data::Item& item, const Range& range);

/// The sample changed, in the dtype, dims and rate that it had; numbers of integer types are rounded half to even. `name` and `numbers`:
///   rotate {angle in rad, counterclockwise}     pictures; what comes in at the edges repeats the border
///   shift {columns, rows} or {samples}          to the right and down; sound is filled up with zeros
///   shift_seconds {seconds}                     sound
///   brightness {share}                          adds that share of the range's width
///   noise_snr {dB}                              white Gaussian noise of that ratio to the mean square of the sample (of a picture: of its distance to `low`)
///   a name of kinds() {severity}                1 to 5
/// `seed` decides what is drawn. Fails (unsupported) where the sample is none of the medium, (invalid_argument) on another name or number of numbers.
Result<data::Item> altered(const data::Item& item, std::string_view name, std::span<const double> numbers, std::uint64_t seed, const Range& range);

}  // namespace saha::corrupt
