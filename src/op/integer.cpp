#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> integer() { return {}; }

}  // namespace saha::op
