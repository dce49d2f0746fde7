#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> gather() { return {}; }

}  // namespace saha::op
