#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> activation() { return {}; }

}  // namespace saha::op
