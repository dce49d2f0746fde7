#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> resize() { return {}; }

}  // namespace saha::op
