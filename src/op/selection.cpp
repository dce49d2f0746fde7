#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> selection() { return {}; }

}  // namespace saha::op
