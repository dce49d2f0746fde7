#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> arithmetic() { return {}; }

}  // namespace saha::op
