#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> image() { return {}; }

}  // namespace saha::op
