#pragma once
// How far two results are apart.
#include <span>

#include "tensor/datum.hpp"

namespace saha::measure {

struct Difference {
  double absolute = 0;   ///< largest |a - b|; infinite where kinds, dtypes, dims or strings differ or only one is not a number
  double relative = 0;   ///< the same over max(1, largest |reference|)
};
/// Tensors element by element; two NaNs, and two infinities of one sign, are equal. Sequences and maps item by item.
Difference difference(const Datum& reference, const Datum& other);
Difference difference(std::span<const Datum> reference, std::span<const Datum> other);

}  // namespace saha::measure
