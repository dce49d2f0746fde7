#pragma once
// How far two results are apart.
#include <cmath>
#include <limits>
#include <span>

#include "tensor/datum.hpp"

namespace saha::measure {

struct Difference {
  double absolute = 0;   ///< largest |a - b|; infinite where kinds, dtypes, dims or strings differ or only one is not a number
  double relative = 0;   ///< the same over max(1, largest |reference|)
  double noise = 0;      ///< power of a - b over that of the reference; infinite where the largest difference is
  /// Of the signal to the noise, in dB; infinite where nothing differs.
  double sqnr_db() const { return noise > 0 ? -10 * std::log10(noise) : std::numeric_limits<double>::infinity(); }
};
/// Tensors element by element; two NaNs, and two infinities of one sign, are equal. Sequences and maps item by item.
Difference difference(const Datum& reference, const Datum& other);
Difference difference(std::span<const Datum> reference, std::span<const Datum> other);

}  // namespace saha::measure
