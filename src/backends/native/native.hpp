#pragma once
// The native engine as a Backend.
#include <optional>

#include "kernels/isa.hpp"
#include "runtime/backend.hpp"

namespace saha::native {

/// `isa`: a lower level than the CPU's, for tests; nothing: the CPU's.
std::unique_ptr<runtime::Backend> open(std::optional<kernels::Isa> isa = {});

}  // namespace saha::native
