#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> pooling() { return {}; }

}  // namespace saha::op
