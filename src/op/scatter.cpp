#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> scatter() { return {}; }

}  // namespace saha::op
