#include "backends/engine/inputs.hpp"

namespace saha::engine {

Result<> check_inputs(std::span<const runtime::Port> ports, std::span<const Datum> in) {
  if (in.size() != ports.size())
    return Error{ErrorCode::invalid_argument, "the model takes " + std::to_string(ports.size()) + " inputs, " + std::to_string(in.size()) + " were given"};
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto& port = ports[i];
    const std::string what = "input '" + port.name + "'";
    if (!port.is_tensor) continue;
    if (!in[i].is_tensor()) return Error{ErrorCode::invalid_argument, what + " takes a tensor, another kind of value was given"};
    const Tensor& t = in[i].tensor;
    bool fits = t.dtype == port.dtype && (!port.ranked || t.dims.size() == port.dims.size());
    for (std::size_t d = 0; fits && port.ranked && d < t.dims.size(); ++d) fits = port.dims[d] < 0 || port.dims[d] == t.dims[d];
    if (!fits) return Error{ErrorCode::invalid_argument, what + " is " + std::string(name(t.dtype)) + " " + str(t.dims) + ", the model takes " + runtime::str(port)};
  }
  return {};
}

bool same_buffers(std::span<const Datum> bound, std::span<const Datum> in) {
  if (bound.size() != in.size()) return false;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!bound[i].is_tensor() || !in[i].is_tensor()) return false;
    const Tensor &a = bound[i].tensor, &b = in[i].tensor;
    if (a.data != b.data || a.text != b.text || a.dtype != b.dtype || a.dims != b.dims) return false;
  }
  return true;
}

}  // namespace saha::engine
