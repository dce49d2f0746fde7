#include "runtime/backend.hpp"

namespace saha::runtime {

std::string str(const Port& p) {
  std::string s = p.name + " " + std::string(saha::name(p.dtype));
  if (!p.is_tensor) return s + " (not a tensor)";
  if (!p.ranked) return s + " [*]";
  s += " [";
  for (std::size_t i = 0; i < p.dims.size(); ++i) {
    if (i) s += ", ";
    if (p.dims[i] >= 0) s += std::to_string(p.dims[i]);
    else s += i < p.dim_names.size() && !p.dim_names[i].empty() ? p.dim_names[i] : "?";
  }
  return s + "]";
}

}  // namespace saha::runtime
