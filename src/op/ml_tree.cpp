#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> ml_tree() { return {}; }

}  // namespace saha::op
