#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> reduction() { return {}; }

}  // namespace saha::op
