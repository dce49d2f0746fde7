#pragma once
// The profile that onnxruntime writes: one event a node and run, in whole microseconds.
#include "backends/onnxruntime/nodes.hpp"
#include "runtime/backend.hpp"

namespace saha::ort {

/// Least time of each node of `run`, which stand in the order of execution. `json` is the file's content. Nodes of sub-graphs count within theirs.
/// Fails where an event of the main graph is missing or out of order.
Result<std::vector<runtime::LayerTime>> layer_times(const std::string& json, const NodeList& run);

}  // namespace saha::ort
