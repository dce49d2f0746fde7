// saha convert: a model in another opset or file.
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX or TensorFlow Lite file"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT.onnx", "the file that is written"},
    {"opset", 0, "N", "ai.onnx opset of the result; else the model's own"},
};

Result<int> run(const Args& args) {
  std::string out = args.get("output");
  if (out.empty()) return Error{ErrorCode::invalid_file, "'saha convert' needs -o OUT.onnx", "saha " + std::string(kConvert.example)};
  if (out.size() < 5 || out.substr(out.size() - 5) != ".onnx") return Error{ErrorCode::invalid_file, "'" + out + "' is of no format that saha writes", "write to a name that ends in .onnx"};
  if (out == args.arguments[0]) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  SAHA_TRY(ir::Model m, formats::import_file(args.arguments[0]));
  onnx::ExportOptions options;
  if (args.has("opset")) {
    SAHA_TRY(options.opset, args.integer("opset", 1, 28));
  }
  SAHA_DO(onnx::export_file(m, out, options));
  say(args, "wrote " + out);
  return 0;
}
}  // namespace

const Command kConvert{"convert", "write a model in another opset", kArguments, kOptions, "convert model.onnx --opset 17 -o out.onnx", run};

}  // namespace saha::cli
