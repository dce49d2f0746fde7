#pragma once
// What one tensor may take on this machine. kMaxTensorBytes of tensor.hpp holds everywhere; this is the tighter limit of Tensor::make.
#include <cstdint>

namespace saha {

inline constexpr std::int64_t kMaxTensorElements = 10'000'000'000;

/// kMaxTensorBytes, or half of the memory that the machine (or its cgroup) had free when first asked, where that is less: a model that asks
/// for more is refused by name instead of exhausting the machine. SAHA_MAX_TENSOR_BYTES in the environment overrides it.
std::int64_t max_tensor_bytes();

}  // namespace saha
