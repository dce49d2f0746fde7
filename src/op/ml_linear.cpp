#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> ml_linear() { return {}; }

}  // namespace saha::op
