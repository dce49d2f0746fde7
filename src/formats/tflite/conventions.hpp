#pragma once
// What reading and writing agree on: element types, the pads that SAME stands for, constants in another order of axes.
#include <optional>

#include "base/result.hpp"
#include "formats/tflite/layout.hpp"
#include "op/builder.hpp"
#include "tflite/schema_generated.h"

namespace saha::tflite {

/// none: the type is not taken.
DType dtype_of(fb::TensorType t);
/// Nothing: files with that type are not written.
std::optional<fb::TensorType> tensor_type(DType t);

/// SAME of the file: as many windows as strides fit, the odd pad at the end.
struct Padded { std::int64_t before, after; };
Padded same_pads(std::int64_t n, std::int64_t kernel, std::int64_t stride, std::int64_t dilation);

/// Place of axis `axis` in that order.
int place_of(const Ints& order, std::int64_t axis);
/// A constant in another order of axes.
Result<Tensor> permuted_tensor(const Tensor& t, const Ints& order);
/// A constant's axes in another order, its quantised axis with them; anything else through Transpose.
op::Val permuted(op::Val v, const Ints& perm);

}  // namespace saha::tflite
