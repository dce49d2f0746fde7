#pragma once
#include <array>
#include <optional>

#include "op/op_def.hpp"

namespace saha::op {

/// Element i of a bilinear resize along one axis lies between the elements `lower` and `upper` of the operand.
struct StoredTaps {
  std::vector<std::int64_t> lower, upper;
  std::vector<double> lower_weight, upper_weight;   ///< by StoredBlend
};
/// How stored numbers are set between their neighbours: in whole steps of 1/1024, halves away from zero; by float32 weights that sum to 1, cut after adding a half; by the same, halves to even.
enum class StoredBlend : std::uint8_t { steps, cut, even };
/// Of float_even to even; else as TensorFlow Lite's reference kernels: int8 and int16 in steps, uint8 cut.
StoredBlend stored_blend(const AttrView& a, DType t);
/// Rows and columns of a bilinear resize of stored integers whose operand and result are kept alike. Nothing where the attributes or types are none of that kind.
std::optional<std::array<StoredTaps, 2>> stored_resize_taps(const AttrView& a, const Type& x, const Type& result);

}  // namespace saha::op
