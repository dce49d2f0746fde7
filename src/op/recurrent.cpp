#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> recurrent() { return {}; }

}  // namespace saha::op
