#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> trigonometry() { return {}; }

}  // namespace saha::op
