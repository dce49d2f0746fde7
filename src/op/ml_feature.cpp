#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> ml_feature() { return {}; }

}  // namespace saha::op
