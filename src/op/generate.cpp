#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> generate() { return {}; }

}  // namespace saha::op
