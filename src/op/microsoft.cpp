#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> microsoft() { return {}; }

}  // namespace saha::op
