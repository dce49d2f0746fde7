#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> text() { return {}; }

}  // namespace saha::op
