// saha convert: a model in another format or opset.
#include "cli/verbs.hpp"
#include "formats/formats.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX or TensorFlow Lite file"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT", "the file that is written; its name ends in .onnx or .tflite"},
    {"opset", 0, "N", "ai.onnx opset of the result; else the model's own"},
    {"layout", 0, "nchw|nhwc", "of inputs and outputs of a .tflite file with four or five axes: as in the model, or channels last", false, "nchw"},
};

Result<int> run(const Args& args) {
  const std::string out = args.get("output");
  if (out.empty()) return Error{ErrorCode::invalid_file, "'saha convert' needs -o OUT.onnx or OUT.tflite", "saha " + std::string(kConvert.example)};
  SAHA_TRY([[maybe_unused]] auto format, formats::format_to_write(out));
  if (out == args.arguments[0]) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  const std::string layout = args.get("layout", "nchw");
  if (layout != "nchw" && layout != "nhwc") return Error{ErrorCode::invalid_argument, "--layout is '" + layout + "'", "nchw keeps the model's inputs and outputs as they are, nhwc makes them channels last"};
  formats::ExportOptions options{.channels_last = layout == "nhwc"};
  if (args.has("opset")) {
    SAHA_TRY(options.opset, args.integer("opset", 1, 28));
  }
  SAHA_TRY(ir::Model m, formats::import_file(args.arguments[0]));
  SAHA_TRY(const auto notes, formats::export_file(m, out, options));
  for (const std::string& n : m.notes) say(args, "note: " + n);
  for (const std::string& n : notes) say(args, "note: " + n);
  say(args, "wrote " + out);
  return 0;
}
}  // namespace

const Command kConvert{"convert", "write a model in another format or opset", kArguments, kOptions, "convert model.onnx -o model.tflite", run,
                       "A .tflite file keeps the inputs and outputs of the model. Inside, values stand channels last where that moves the fewest elements; stored integers "
                       "are written as they are, with their scales. What TensorFlow Lite has no kernel for is refused by the name of the node, and nothing is written."};

}  // namespace saha::cli
