#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> matmul() { return {}; }

}  // namespace saha::op
