#pragma once
// IDX, the format of the MNIST files: big-endian arrays of bytes, integers or floats, often packed with gzip.
#include "base/result.hpp"
#include "data/inflate.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// Packed or not. Types 0x08 uint8, 0x09 int8, 0x0b int16, 0x0c int32, 0x0d float32, 0x0e float64; the size must match exactly.
Result<Tensor> read_idx(Bytes bytes, std::uint64_t limit = kMaxInflated);

}  // namespace saha::data
