#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> control() { return {}; }

}  // namespace saha::op
