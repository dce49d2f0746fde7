// saha inspect: what a model is made of.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "measure/inputs.hpp"
#include "op/work.hpp"
#include "passes/specialize.hpp"
#include "plan/plan.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}};
constexpr Option kOptions[] = {
    {"layers", 0, "", "one row per node"},
    {"sort", 0, "KEY", "order of the rows: stored, macs, bytes or parameters", false, "stored"},
    {"shape", 0, "NAME=1x3x224x224", "shape of an input with free dims, which count as 1 otherwise", true},
    kReportOption,
};

struct Row {
  std::string name, op, output;
  double macs = 0, bytes = 0, parameters = 0;
};

using figures::fixed;
using figures::grouped;
std::string mega(double v) { return fixed(v / 1e6, 2); }

double elements(const ir::Type& t) {
  double n = 1;
  for (const ir::Dim& d : t.dims) n *= d.known() ? double(*d.known()) : 1;
  return n;
}

/// Bytes of intermediate values that are live at once, in the stored order.
std::uint64_t peak(const ir::Graph& g) {
  std::vector<plan::Life> lives(g.values().size(), plan::Life{0, 0, 0});
  std::vector<char> made(g.values().size(), 0);
  for (std::uint32_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const ir::Type& t = g.type(g.result(n, k));
      if (!t.is_tensor() || bits(t.dtype) == 0) continue;
      lives[n.first_result + k] = {std::uint64_t(elements(t) * bits(t.dtype) / 8), i, i};
      made[n.first_result + k] = 1;
    }
    for (ir::ValueId v : g.operands(n)) if (v != ir::ValueId::none && made[std::size_t(v)]) lives[std::size_t(v)].last = i;
  }
  for (ir::ValueId v : g.outputs()) if (made[std::size_t(v)]) lives[std::size_t(v)].last = std::uint32_t(g.nodes().size());
  std::vector<plan::Life> some;
  for (std::size_t v = 0; v < lives.size(); ++v) if (made[v]) some.push_back(lives[v]);
  return plan::pack(some).live;
}

void collect(const ir::Graph& g, std::vector<Row>& rows, std::vector<char>& counted) {
  for (const ir::Node& n : g.nodes()) {
    op::Work w = op::work(g, n);
    Row r{n.origin ? *n.origin : g.name(g.result(n)), op::kind(g, n), ir::str(g.type(g.result(n))), w.macs, w.bytes, 0};
    for (ir::ValueId v : g.operands(n)) {
      if (v == ir::ValueId::none || !g[v].constant || std::size_t(v) >= counted.size() || counted[std::size_t(v)]) continue;
      counted[std::size_t(v)] = 1;
      r.parameters += double(g[v].constant->size());
    }
    rows.push_back(std::move(r));
    for (const ir::NamedAttr& a : *n.attrs)
      if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) {
        std::vector<char> inner((*sub)->values().size(), 0);
        collect(**sub, rows, inner);
      }
  }
}

Result<int> run(const Args& args) {
  const std::string& file = args.arguments[0];
  SAHA_TRY(ir::Model m, formats::import_file(file));
  SAHA_TRY(std::string hash, system::sha256_file(file));
  std::shared_ptr<const bundle::Bundle> bundle;
  if (bundle::is_bundle_file(file)) {
    SAHA_TRY(bundle, bundle::Bundle::open(file));
    if (auto sound = bundle->verify(); !sound) return bundle->named(std::move(sound.error()));
  }
  // Free dims as asked for, else 1; a model whose inputs are no tensors is shown as it is.
  SAHA_TRY(const measure::Shapes shapes, shapes_of(args));
  ir::Graph g = m.graph;
  auto dims = measure::input_dims(m.graph, shapes);
  if (!dims && !shapes.empty()) return std::move(dims.error());
  if (dims) {
    std::vector<ir::TypeRef> types;
    for (std::size_t i = 0; i < dims->size(); ++i) types.push_back(ir::tensor_type(m.graph.type(m.graph.inputs()[i]).dtype, {(*dims)[i].begin(), (*dims)[i].end()}));
    if (auto bound = passes::specialize(m.graph, types)) g = std::move(*bound);
  }
  std::vector<Row> rows;
  std::vector<char> counted(g.values().size(), 0);
  collect(g, rows, counted);
  double macs = 0, parameters = 0, parameter_bytes = 0;
  for (const Row& r : rows) { macs += r.macs; parameters += r.parameters; }
  for (const ir::Value& v : m.graph.values()) if (v.constant) parameter_bytes += double(v.constant->bytes());
  std::string by = args.get("sort");
  auto key = [&](const Row& r) { return by == "macs" ? r.macs : by == "bytes" ? r.bytes : r.parameters; };
  if (by != "stored" && by != "macs" && by != "bytes" && by != "parameters") return Error{ErrorCode::invalid_file, "--sort is '" + by + "', one of stored, macs, bytes and parameters is taken"};
  if (by != "stored") std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return key(a) > key(b); });
  struct Sum { std::int64_t count = 0; double macs = 0, parameters = 0; };
  std::map<std::string, Sum> ops;
  for (const Row& r : rows) {
    Sum& s = ops[r.op.substr(0, r.op.find_first_of(" +"))];
    ++s.count;
    s.macs += r.macs;
    s.parameters += r.parameters;
  }
  std::vector<std::pair<std::string, Sum>> by_work(ops.begin(), ops.end());
  std::stable_sort(by_work.begin(), by_work.end(), [](const auto& a, const auto& b) { return a.second.macs != b.second.macs ? a.second.macs > b.second.macs : a.second.count > b.second.count; });

  std::uint64_t live = peak(g);
  Json j{{"schema", "saha.inspect/1"}, {"saha", SAHA_VERSION}, {"file", file}, {"format", m.format}, {"sha256", hash}, {"opsets", m.opsets}, {"ir_version", m.ir_version}, {"producer", m.producer}, {"nodes", ir::count_nodes(m.graph)}};
  for (auto [name, list] : {std::pair{"inputs", m.graph.inputs()}, {"outputs", m.graph.outputs()}}) {
    j[name] = Json::array();
    for (ir::ValueId v : list) j[name].push_back({{"name", m.graph.name(v)}, {"type", ir::str(m.graph.type(v))}});
  }
  j["parameters"] = parameters;
  j["parameter_bytes"] = parameter_bytes;
  j["macs"] = macs;
  j["peak_activation_bytes"] = live;
  j["how"] = "modelled";
  j["operators"] = Json::array();
  for (auto& [op, s] : by_work) j["operators"].push_back({{"op", op}, {"count", s.count}, {"macs", s.macs}, {"parameters", s.parameters}});
  j["layers"] = Json::array();
  for (const Row& r : rows) j["layers"].push_back({{"name", r.name}, {"op", r.op}, {"output", r.output}, {"macs", r.macs}, {"bytes", r.bytes}, {"parameters", r.parameters}});
  j["metadata"] = m.metadata;
  j["notes"] = m.notes;
  if (bundle) j["bundle"] = bundle->manifest();
  SAHA_DO(write_reports(args, j, "saha inspect " + file));
  if (args.json()) {
    print(j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return 0;
  }
  std::string opset;
  for (auto& [d, v] : m.opsets) opset += (opset.empty() ? "" : ", ") + (d.empty() ? std::string("ai.onnx") : d) + " " + std::to_string(v);
  const std::string format = bundle ? "bundle of " + std::string(m.format == "TFLite" ? "a " : "an ") + m.format + " model" : m.format;
  std::string s = file + "  " + format + (m.format == "ONNX" ? ", opset " + opset : std::string()) + "; " + std::to_string(ir::count_nodes(m.graph)) + " nodes of " + std::to_string(ops.size()) + " operators; sha256 " + hash.substr(0, 8) + (m.producer.empty() ? "" : "; by " + m.producer) + "\n";
  for (ir::ValueId v : m.graph.inputs()) s += "  input   " + m.graph.name(v) + "  " + ir::str(m.graph.type(v)) + "\n";
  for (ir::ValueId v : m.graph.outputs()) s += "  output  " + m.graph.name(v) + "  " + ir::str(m.graph.type(v)) + "\n";
  s += "  parameters " + grouped(parameters) + " (" + figures::column::bytes(parameter_bytes) + ")   work " + mega(macs) + " MMAC   peak activations " + figures::column::bytes(double(live)) + " (modelled, order as stored" + (dims ? "" : ", free dims count as 1") + ")\n";
  for (const std::string& n : m.notes) s += "  note: " + n + "\n";
  if (bundle) {
    SAHA_TRY(const std::string lines, bundle_text(*bundle));
    s += lines;
  }
  using system::Align;
  int width = system::terminal_width(STDOUT_FILENO);
  if (args.has("layers")) {
    system::Table t({{"layer"}, {"operator"}, {"output"}, {"MMAC", Align::right}, {"%", Align::right}, {"parameters", Align::right}, {"KiB moved", Align::right}});
    for (const Row& r : rows) {
      t.add({r.name, r.op, r.output, mega(r.macs), fixed(macs > 0 ? 100 * r.macs / macs : 0, 1), grouped(r.parameters), fixed(r.bytes / 1024, 1)});
    }
    s += t.str(width);
  } else {
    system::Table t({{"operator"}, {"count", Align::right}, {"MMAC", Align::right}, {"%", Align::right}, {"parameters", Align::right}});
    for (auto& [op, sum] : by_work) {
      t.add({op, std::to_string(sum.count), mega(sum.macs), fixed(macs > 0 ? 100 * sum.macs / macs : 0, 1), grouped(sum.parameters)});
    }
    s += t.str(width);
  }
  print(s);
  if (!args.has("layers")) say(args, "saha inspect " + file + " --layers shows each node");
  return 0;
}
}  // namespace

const Command kInspect{"inspect", "operators, parameters, work and memory of a model", kArguments, kOptions, "inspect model.onnx --layers --sort macs", run};

}  // namespace saha::cli
