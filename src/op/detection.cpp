#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> detection() { return {}; }

}  // namespace saha::op
