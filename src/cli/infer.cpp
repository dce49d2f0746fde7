// saha infer: one run of a model.
#include <filesystem>

#include "cli/verbs.hpp"
#include "formats/onnx/onnx.hpp"
#include "backends/registry.hpp"
#include "op/op_def.hpp"
#include "system/file.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX file"}};
constexpr Option kOptions[] = {
    {"inputs", 0, "DIR", "a folder with input_0.pb, input_1.pb .. (ONNX's test-data form), in the order of the model's inputs"},
    {"outputs", 0, "DIR", "where output_0.pb .. are written"},
    {"backend", 0, "NAME", "the engine that runs it; 'reference' is the operators' definition itself", false, "native"},
};

Result<int> run(const Args& args) {
  SAHA_TRY(ir::Model model, onnx::import_file(args.arguments[0]));
  const ir::Graph& g = model.graph;
  if (!args.has("inputs") || !args.has("outputs")) return Error{ErrorCode::invalid_file, "'saha infer' needs --inputs and --outputs", std::string(kInfer.example)};
  std::filesystem::path in = args.get("inputs"), out = args.get("outputs");
  std::vector<Datum> values;
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    auto path = in / ("input_" + std::to_string(i) + ".pb");
    SAHA_TRY(auto bytes, system::read_bytes(path));
    auto d = onnx::read_datum(bytes, g.type(g.inputs()[i]));
    if (!d) return std::move(d.error()).within(path.string());
    values.push_back(std::move(*d));
  }
  std::vector<Datum> results;
  std::string backend = args.get("backend");
  if (backend == "reference") {
    SAHA_TRY(results, op::run(g, std::span<const Datum>(values)));
  } else {
    SAHA_TRY(auto engine, backends::open(backend));
    SAHA_TRY(auto program, engine->load(model, {.threads = 1, .precision = "float32", .file = args.arguments[0]}));
    SAHA_TRY(results, program->run(values));
  }
  SAHA_DO(system::make_folders(out));
  for (std::size_t k = 0; k < results.size(); ++k) {
    SAHA_TRY(auto text, onnx::write_datum(results[k], g.type(g.outputs()[k])));
    SAHA_DO(system::write_file(out / ("output_" + std::to_string(k) + ".pb"), text));
  }
  return 0;
}
}  // namespace

constexpr Command kInferCommand{"infer", "run a model once: files in, results out", kArguments, kOptions, "infer model.onnx --inputs in --outputs out", run};
const Command kInfer = kInferCommand;

}  // namespace saha::cli
