// saha convert: a model in another format or opset.
#include "cli/verbs.hpp"
#include "formats/formats.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT", "the file that is written; its name ends in .onnx, .tflite or .xml (OpenVINO IR, with its weights in a .bin beside it)"},
    {"opset", 0, "N", "ai.onnx opset of the result; else the model's own"},
    {"layout", 0, "nchw|nhwc", "of inputs and outputs of a .tflite file with four or five axes: as in the model, or channels last", false, "nchw"},
    {"ir", 0, "10|11", "version of an .xml file, 11 where none is stated; 10 keeps numbers as float16, as OpenVINO 2022.3 and before and its Myriad plugin want them"},
};

Result<int> run(const Args& args) {
  const std::string out = args.get("output");
  if (out.empty()) return Error{ErrorCode::invalid_file, "'saha convert' needs -o OUT.onnx, OUT.tflite or OUT.xml", "saha " + std::string(kConvert.example)};
  SAHA_TRY([[maybe_unused]] auto format, formats::format_to_write(out));
  if (out == args.arguments[0]) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  const std::string layout = args.get("layout", "nchw");
  if (layout != "nchw" && layout != "nhwc") return Error{ErrorCode::invalid_argument, "--layout is '" + layout + "'", "nchw keeps the model's inputs and outputs as they are, nhwc makes them channels last"};
  formats::ExportOptions options{.channels_last = layout == "nhwc"};
  if (args.has("opset")) {
    SAHA_TRY(options.opset, args.integer("opset", 1, 28));
  }
  if (args.has("ir")) {
    SAHA_TRY(const auto version, args.integer("ir", 10, 11));
    options.ir = int(version);
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
                       "are written as they are, with their scales. What TensorFlow Lite has no kernel for is refused by the name of the node, and nothing is written. "
                       "An .xml file comes with a .bin of the same name; a value that is quantised and dequantised is a FakeQuantize there, as OpenVINO runs it on stored integers."};

}  // namespace saha::cli
