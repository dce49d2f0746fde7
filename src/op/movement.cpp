#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> movement() { return {}; }

}  // namespace saha::op
