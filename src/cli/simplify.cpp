// saha simplify: a smaller graph that computes the same, compared with the original before it is written.
#include "passes/simplify.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "measure/compare.hpp"
#include "op/builder.hpp"
#include "system/file.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT.onnx", "the file that is written, .onnx, .tflite or .xml; without it only the table is printed"},
    {"shape", 0, "NAME=1x3x224x224", "fixes the shape of an input", true},
    {"outputs", 0, "A,B", "keep only these outputs; any value's name, so that a model can be cut"},
    {"without", 0, "PASS", "leave a pass out", true},
    {"only", 0, "PASS", "run this pass only", true},
    {"fuse", 0, "", "allow operators that newer opsets have (LayerNormalization, Gelu); may raise the opset, and says so"},
    {"opset", 0, "N", "the opset of the result; else the model's own"},
    {"fold-limit", 0, "BYTES", "largest constant that folding makes", false, "1048576"},
    {"samples", 0, "N", "random inputs that the result is compared on", false, "4"},
    {"tolerance", 0, "X", "largest difference, relative to the largest value where that is above 1", false, "1e-5"},
    kReportOption,
};

void count(const ir::Graph& g, std::map<std::string, std::int64_t>& counts) {
  for (const ir::Node& n : g.nodes()) {
    ++counts[std::string(n.op.str())];
    for (const ir::NamedAttr& a : *n.attrs)
      if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) count(**sub, counts);
  }
}
/// The graph with other outputs; dead code goes with the pipeline.
Result<ir::Graph> with_outputs(const ir::Graph& g, const std::vector<std::string>& wanted) {
  std::map<std::string, ir::ValueId> by_name;
  for (std::size_t i = 0; i < g.values().size(); ++i) if (g.values()[i].name) by_name.emplace(*g.values()[i].name, ir::ValueId(i));
  std::vector<ir::ValueId> outputs;
  for (const std::string& name : wanted) {
    auto it = by_name.find(name);
    if (it == by_name.end()) return Error{ErrorCode::invalid_argument, "the model has no value '" + name + "' to be an output"};
    outputs.push_back(it->second);
  }
  return op::rewrite(g, {}, {}, outputs);
}

Result<int> run(const Args& args) {
  const std::string& file = args.arguments[0];
  std::string out = args.get("output");
  if (out == file) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  SAHA_TRY(auto fold_limit, args.integer("fold-limit", 0, std::int64_t{1} << 40));
  SAHA_TRY(auto samples, args.integer("samples", 0, 1000));
  SAHA_TRY(auto seed, args.integer("seed", 0, INT64_MAX));
  SAHA_TRY(double tolerance, args.number("tolerance", 0, 1e9));
  SAHA_TRY(ir::Model original, formats::import_file(file));
  auto start = std::chrono::steady_clock::now();
  ir::Graph base = original.graph;
  SAHA_TRY(const measure::Shapes shapes, shapes_of(args));
  SAHA_TRY(base, with_shapes(base, shapes));
  if (args.has("outputs")) {
    SAHA_TRY(base, with_outputs(base, words_of(args.get("outputs"))));
  }
  passes::Options options;
  options.fold_limit = fold_limit;
  options.fuse = args.has("fuse");
  options.opset = original.opsets.count("") ? original.opsets.at("") : 28;
  if (args.has("opset")) {
    SAHA_TRY(options.opset, args.integer("opset", 1, 28));
  }
  SAHA_TRY(auto simple, passes::simplify(base, options, args.all("without"), args.all("only")));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  SAHA_TRY(auto comparison, measure::compare(base, simple.graph, shapes, samples, std::uint64_t(seed)));
  const measure::Difference worst = comparison.worst;
  if (worst.relative > tolerance) {
    char b[160];
    std::snprintf(b, sizeof b, "the result differs from the original by %.3g where %.3g is allowed; nothing was written", worst.relative, tolerance);
    return Error{ErrorCode::internal, b, "leave passes out one by one with --without to find the one at fault"};
  }
  std::uint64_t bytes_before = formats::file_bytes(file), bytes_after = 0;
  ir::Model result = original;
  result.graph = simple.graph;
  std::int64_t opset = options.opset;
  auto text = onnx::export_bytes(result, {.opset = opset});
  while (!text && options.fuse && !args.has("opset") && opset < 28) text = onnx::export_bytes(result, {.opset = ++opset});   // what --fuse brought needs it
  if (!text && out.empty()) return std::move(text.error());
  if (text) bytes_after = text->size();
  if (!out.empty()) {   // a model beyond 2 GiB, and OpenVINO IR, go into two files
    const auto format = formats::format_to_write(out);
    const bool foreign = format && *format != "onnx";
    if (foreign) { SAHA_TRY([[maybe_unused]] auto notes, formats::export_file(result, out)); }
    else { SAHA_DO(onnx::export_file(result, out, {.opset = opset})); }
    if (foreign) bytes_after = formats::file_bytes(out);
    else if (!text) bytes_after = formats::file_bytes(out) + formats::file_bytes(out + ".data");
  }

  std::map<std::string, std::int64_t> before, after;
  count(original.graph, before);
  count(simple.graph, after);
  std::size_t nodes_before = ir::count_nodes(original.graph), nodes_after = ir::count_nodes(simple.graph);
  Json passes = Json::array();
  for (const auto& p : simple.passes) passes.push_back({{"pass", p.name}, {"before", p.before}, {"after", p.after}, {"seconds", p.seconds}});
  Json object{{"schema", "saha.simplify/1"}, {"saha", SAHA_VERSION}, {"nodes_before", nodes_before}, {"nodes_after", nodes_after}, {"before", before}, {"after", after}, {"bytes_before", bytes_before}, {"bytes_after", bytes_after},
              {"seconds", seconds}, {"compared_on", comparison.inputs}, {"compared_dims", comparison.shapes}, {"max_difference", worst.absolute}, {"max_relative", worst.relative}, {"passes", passes}, {"folding_stopped", simple.fold_stopped}, {"output", out.empty() ? Json() : Json(out)}};
  SAHA_DO(write_reports(args, object, "saha simplify " + file));
  if (args.json()) {
    print(object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return 0;
  }
  system::Table t({{"operator"}, {"before", system::Align::right}, {"after", system::Align::right}});
  std::map<std::string, std::int64_t> all = before;
  all.insert(after.begin(), after.end());
  for (auto& [op, _] : all) {
    std::int64_t b = before.count(op) ? before[op] : 0, a = after.count(op) ? after[op] : 0;
    t.add({op, std::to_string(b), a ? std::to_string(a) : "-"}, a == b ? system::Ink::plain : system::Ink::green);
  }
  t.add({"total", std::to_string(nodes_before), std::to_string(nodes_after)});
  char line[200];
  std::snprintf(line, sizeof line, "%.1f -> %.1f KiB, %.0f ms; ", double(bytes_before) / 1024, double(bytes_after) / 1024, seconds * 1e3);
  std::string s = t.str(system::terminal_width(STDOUT_FILENO), system::use_color(system::ColorMode::automatic, STDOUT_FILENO)) + line;
  if (comparison.inputs) {
    std::snprintf(line, sizeof line, ": max |diff| %.2g (allowed %.2g)\n", worst.absolute, tolerance);
    s += std::to_string(comparison.inputs) + " random inputs" + (comparison.shapes.empty() ? "" : " (" + measure::shapes_text(comparison.shapes) + ")") + line;
  } else s += "not compared: " + (comparison.not_compared.empty() ? std::string("--samples 0") : comparison.not_compared) + "\n";
  if (simple.fold_stopped) s += "warning: some nodes whose operands are constant stay: computing them takes too long\n";
  std::string made;
  for (const auto& [op, n] : after) if (!before.count(op)) made += (made.empty() ? "" : ", ") + op;
  if (options.fuse && !made.empty()) s += "note: " + made + " are operators that the original lacked; an engine without a kernel for one runs it in parts, and slower: 'saha bench' tells\n";
  if (opset != options.opset) s += "opset " + std::to_string(options.opset) + " -> " + std::to_string(opset) + ", which the fused operators need\n";
  if (nodes_after > nodes_before) s += "warning: the result has more nodes than the original\n";
  if (bytes_after > bytes_before) s += "warning: the result is larger than the original file\n";
  print(s);
  for (const auto& p : simple.passes) if (args.verbose()) say(args, p.name + ": " + std::to_string(p.before) + " -> " + std::to_string(p.after) + " nodes");
  if (!out.empty()) say(args, "wrote " + out);
  return 0;
}
}  // namespace

const Command kSimplify{"simplify", "a smaller graph that computes the same, compared with the original", kArguments, kOptions, "simplify model.onnx -o model.sim.onnx", run};

}  // namespace saha::cli
