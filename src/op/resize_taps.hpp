#pragma once
#include <array>
#include <optional>

#include "op/op_def.hpp"

namespace saha::op {

/// Element i of a bilinear resize along one axis lies between the elements `lower` and `upper` of the operand.
struct StoredTaps {
  std::vector<std::int64_t> lower, upper;
  std::vector<double> lower_weight, upper_weight;   ///< of signed numbers whole ones that sum to 1024, of unsigned ones float32 that sum to 1
};
/// Rows and columns of a bilinear resize of stored integers whose operand and result are kept alike, as TensorFlow Lite's reference kernels have
/// them: int8 and int16 in steps of 1/1024, uint8 in float32. Nothing where the attributes or types are none of that kind.
std::optional<std::array<StoredTaps, 2>> stored_resize_taps(const AttrView& a, const Type& x, const Type& result);

}  // namespace saha::op
