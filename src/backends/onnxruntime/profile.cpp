#include "backends/onnxruntime/profile.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/tensor.hpp"

namespace saha::ort {
namespace {
using Json = nlohmann::json;

/// "[1, 32, 112, 112]" of [{"float": [1, 32, 112, 112]}].
std::string shape(const Json& event) {
  const auto shapes = event.find("output_type_shape");
  if (shapes == event.end() || !shapes->is_array() || shapes->empty() || !shapes->front().is_object() || shapes->front().empty()) return "";
  const Json& dims = *shapes->front().begin();
  return dims.is_array() && std::all_of(dims.begin(), dims.end(), [](const Json& d) { return d.is_number_integer(); }) ? str(dims.get<std::vector<std::int64_t>>()) : "";
}
/// A node without a name is called by its operator and a number of onnxruntime's.
bool is_of(const std::string& event, const std::string& op, const Node& n) { return op == n.op && (n.name.empty() ? event.starts_with(n.op + "_") : event == n.name); }

std::vector<std::vector<std::string>> lists(const std::vector<std::string>& values) {
  std::vector<std::vector<std::string>> r;
  for (const auto& v : values) r.push_back(v.empty() ? std::vector<std::string>() : std::vector<std::string>{v});
  return r;
}
}  // namespace

Result<std::vector<runtime::LayerTime>> layer_times(const std::string& json, const NodeList& run) {
  const Json events = Json::parse(json, nullptr, false);
  if (run.nodes.empty()) return std::vector<runtime::LayerTime>();
  if (!events.is_array()) return Error{ErrorCode::internal, "onnxruntime wrote a profile that is no JSON list"};
  std::vector<runtime::LayerTime> layers;
  for (const Node& n : run.nodes) {
    auto& layer = layers.emplace_back();
    layer.name = n.name;
    layer.op = n.op;
    layer.kernel = n.domain.empty() ? n.op : n.domain + "." + n.op;
    layer.ms = std::numeric_limits<double>::infinity();
    layer.reads = lists(n.in);
    layer.writes = lists(n.out);
  }
  std::size_t at = 0, runs = 0;
  constexpr std::string_view kEnding = "_kernel_time";
  for (const Json& e : events) {
    if (!e.is_object() || e.value("cat", "") != "Node" || !e.contains("args")) continue;
    std::string name = e.value("name", "");
    if (!name.ends_with(kEnding)) continue;
    name.resize(name.size() - kEnding.size());
    const Json& args = e["args"];
    if (!is_of(name, args.value("op_name", ""), run.nodes[at])) continue;  // of a sub-graph, whose events stand before its node's
    auto& layer = layers[at];
    layer.ms = std::min(layer.ms, e.value("dur", 0.) * 1e-3);
    if (layer.output.empty()) layer.output = shape(args);
    if (++at == layers.size()) at = 0, ++runs;
  }
  if (at != 0 || runs == 0)
    return Error{ErrorCode::unsupported, "onnxruntime's profile does not follow the graph that it wrote: " + std::to_string(runs) + " whole runs, then " + std::to_string(at) + " of " + std::to_string(layers.size()) + " nodes"};
  return layers;
}

}  // namespace saha::ort
