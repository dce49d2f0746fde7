#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> signal() { return {}; }

}  // namespace saha::op
