#include "measure/presence.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "backends/registry.hpp"
#include "formats/formats.hpp"
#include "measure/inputs.hpp"
#include "measure/worker.hpp"

namespace saha::measure {

std::string why_not(std::string_view backend, const Error& error) {
  const auto colon = error.message.find(": ");
  const std::string_view named = std::string_view(error.message).substr(0, colon);   // "openvino" for openvino-bf16 too
  const bool is_its_own = colon != std::string::npos && backend.starts_with(named) && (backend.size() == named.size() || backend[named.size()] == '-');
  return is_its_own ? error.message.substr(colon + 2) : error.message;
}

namespace {
/// The types that hold what nodes of a quantised graph give: "uint8", "int8 where it is quantised, float32 elsewhere"; `precision` where nothing is quantised.
std::string computed_in(const ir::Graph& graph, const std::string& precision) {
  std::set<std::string> stored;
  bool real = false;
  for (const ir::Node& n : graph.nodes())
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const ir::Type& t = graph.type(graph.result(n, k));
      if (!t.is_tensor()) continue;
      if (t.quant || n.op.str() == "QuantizeLinear") stored.insert(std::string(name(t.dtype)));
      else real |= is_float(t.dtype);
    }
  std::string types;
  for (const std::string& t : stored) types += (types.empty() ? "" : ", ") + t;
  return types.empty() ? precision : real ? types + " where it is quantised, " + precision + " elsewhere" : types;
}
}  // namespace

Result<std::vector<Presence>> presence(const std::string& model) {
  Load load;
  ir::Graph graph;
  if (!model.empty()) {
    std::error_code ignored;
    load.model = std::filesystem::absolute(model, ignored).string();
    SAHA_TRY(const ir::Model read, formats::import_file(load.model));
    SAHA_TRY(load.inputs, random_inputs(read.graph, fitting_shapes(read.graph, {}), 0));
    graph = read.graph;
    for (auto v : read.graph.inputs()) load.names.push_back(read.graph.name(v));
  }
  std::vector<Presence> rows;
  for (const auto& info : backends::all()) {
    Presence row;
    row.backend = load.backend = info.name;
    row.sentence = info.sentence;
    SAHA_TRY(Worker worker, Worker::start());
    auto version = worker.open(info.name);
    row.here = version.has_value();
    if (!version) {
      row.reason = why_not(info.name, version.error());
      row.help = version.error().help;
    } else {
      row.version = *version;
      if (!model.empty()) {
        auto loaded = worker.load(load);
        row.runs = loaded.has_value();
        if (loaded) {
          row.precision = computed_in(graph, loaded->precision);
          row.notes = loaded->notes;
          if (auto layers = worker.profile(1)) {
            row.layers = int(layers->size());
            row.fast = int(std::count_if(layers->begin(), layers->end(), [](const runtime::LayerTime& l) { return l.kernel != "reference"; }));
          }
        } else {
          row.reason = why_not(info.name, loaded.error());
          row.help = loaded.error().help;
        }
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace saha::measure
