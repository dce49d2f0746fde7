#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> conv() { return {}; }

}  // namespace saha::op
