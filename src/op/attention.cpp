#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> attention() { return {}; }

}  // namespace saha::op
