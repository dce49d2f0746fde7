#include "op/builder.hpp"

namespace saha::op {

std::span<const OpDef> normalization() { return {}; }

}  // namespace saha::op
