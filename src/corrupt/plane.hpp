#pragma once
// A picture and a sound as the corruptions work on them, inside this module.
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "corrupt/corrupt.hpp"
#include "data/shuffle.hpp"

namespace saha::corrupt {

/// [channels][height][width] of shares of the range.
struct Plane {
  std::int64_t height = 0, width = 0, channels = 1;
  std::vector<float> v;

  float& at(std::int64_t c, std::int64_t y, std::int64_t x) { return v[std::size_t((c * height + y) * width + x)]; }
  float at(std::int64_t c, std::int64_t y, std::int64_t x) const { return v[std::size_t((c * height + y) * width + x)]; }
  /// The nearest pixel of the picture.
  float near(std::int64_t c, std::int64_t y, std::int64_t x) const { return at(c, std::clamp<std::int64_t>(y, 0, height - 1), std::clamp<std::int64_t>(x, 0, width - 1)); }
  /// Between pixels, linear; beyond the border the nearest.
  float between(std::int64_t c, double y, double x) const;
};
Plane like(const Plane& p, std::int64_t channels);   ///< zeros of the same size
/// Each channel weighted with a kernel [2 r + 1][2 r + 1]; the border repeats.
Plane filtered(const Plane& p, const std::vector<double>& kernel, std::int64_t r);
/// What stands beyond the border: its pixels again, or the picture mirrored.
enum class Border : std::uint8_t { repeated, mirrored };
Plane blurred(const Plane& p, double sigma, Border border = Border::repeated);   ///< Gaussian, cut at 4 sigma

/// Picture corruptions of severity 1 to 5; the results are clipped by the caller.
using OfPicture = Plane (*)(Plane picture, int severity, data::Random& random);
OfPicture of_picture(std::string_view name);         ///< null: it is none

/// [channels][n] of numbers in [-1, 1]; rate 0: not known.
struct Wave {
  std::vector<std::vector<float>> channels;
  int rate_hz = 0;
  std::size_t length() const { return channels.empty() ? 0 : channels[0].size(); }
};
using OfSound = Result<Wave> (*)(Wave sound, int severity, data::Random& random);
OfSound of_sound(std::string_view name);

/// Gaussian noise of this ratio to the mean square.
void add_noise(std::span<float> v, double mean_square, double snr_db, data::Random& random);

}  // namespace saha::corrupt
