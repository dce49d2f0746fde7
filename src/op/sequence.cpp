#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> sequence() { return {}; }

}  // namespace saha::op
