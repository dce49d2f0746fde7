// saha convert: a model in another format or opset, or as the bundle that ships.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "backends/native/pack.hpp"
#include "cli/describe.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "front/fold.hpp"
#include "front/stated.hpp"
#include "measure/inputs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/machine.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using bundle::Json;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT", "the file that is written; its name ends in .onnx, .tflite, .xml (OpenVINO IR, with its weights in a .bin beside it) or .saha"},
    {"opset", 0, "N", "ai.onnx opset of the result; else the model's own"},
    {"layout", 0, "nchw|nhwc", "of inputs and outputs of a .tflite file with four or five axes: as in the model, or channels last", false, "nchw"},
    {"ir", 0, "10|11", "version of an .xml file, 11 where none is stated; 10 keeps numbers as float16, as OpenVINO 2022.3 and before and its Myriad plugin want them"},
    {"shape", 0, "NAME=1x3x224x224", "fixes the shape of an input with free dims; a .saha file keeps them free and has a plan for that shape (else for 1), given again a further one", true},
    {"levels", 0, "LEVELS", "of a .saha file: levels that plans are stored for (avx2,avx512), each at the cost of the weights; else this machine's"},
    {"preprocess", 0, "STEPS", "how the first input is made, steps as in saha.yaml, a JSON list: what --fold folds; of a .saha file: what 'saha infer' does"},
    {"fold", 0, {}, "the steps become operators of the model, as far as they can, so that it takes raw samples; what stays outside is said by step"},
    {"raw", 0, "480x640", "with --fold: size of a raw picture, or any; channels, samples and rate of raw sound, 1x16000@16kHz, any@16kHz or 16kHz; else as the steps and the model tell"},
    {"labels", 0, "FILE", "of a .saha file: what the classes are called, one label a line"},
};
constexpr std::string_view kOfBundles[] = {"levels", "labels"};

/// With --fold: the steps of --preprocess are folded into the model, as far as they can be. Returns those that remain for the first input; prints what became of each.
Result<data::Preprocess> fold_steps(const Args& args, ir::Model& m) {
  if (!args.has("fold")) {
    if (args.given("raw")) return Error{ErrorCode::invalid_file, "--raw says what --fold folds for, and --fold is not given", "add --fold, or leave --raw out"};
    return steps_of(args.get("preprocess"));
  }
  if (!args.has("preprocess")) return Error{ErrorCode::invalid_file, "--fold folds the steps of --preprocess, and there are none", "--preprocess '[{\"decode\": \"rgb\"}, {\"scale\": \"x/255\"}]'"};
  SAHA_TRY(const auto steps, steps_of(args.get("preprocess")));
  front::Raw raw;
  if (args.given("raw")) {
    auto stated = front::Raw::parse(args.get("raw"));
    if (!stated) return std::move(stated.error()).within("--raw");
    raw = std::move(*stated);
  }
  SAHA_TRY(auto folded, front::fold(m.graph, 0, steps, raw));
  m.graph = std::move(folded.graph);
  front::state(m.metadata, m.graph.name(m.graph.inputs()[0]), {steps, folded.outside});
  system::Table table({{"step"}, {"what it is now"}});
  for (const front::Row& row : folded.rows) table.add({row.step, row.folded ? row.what : "outside: " + row.what}, row.folded ? system::Ink::green : system::Ink::plain);
  say(args, table.str());
  return std::move(folded.outside);
}

/// How many classes each output has; none where another output than vectors of numbers says that the model is no classifier: boxes, masks.
std::vector<std::int64_t> classes_of(const ir::Graph& graph) {
  std::vector<std::int64_t> all;
  for (ir::ValueId v : graph.outputs()) {
    const ir::Type& t = graph.type(v);
    if (!t.is_tensor() || !t.ranked || !(is_float(t.dtype) || t.quant)) return {};
    if (t.dims.empty()) continue;
    const bool vector = std::all_of(t.dims.begin(), t.dims.end() - 1, [&](const ir::Dim& d) { return d.known().value_or(1) == 1; }) && t.dims.size() <= 2;
    const auto n = t.dims.back().known();
    if (!vector || !n) return {};
    if (*n > 1) all.push_back(*n);
  }
  return all;
}

/// The --shape options that fix every free dim once, 1 where that leads: " --shape input=1xSEQUENCE"; empty where none is free.
std::string free_shapes(const ir::Graph& graph) {
  std::string all;
  std::set<std::string> fixed;
  for (ir::ValueId v : graph.inputs()) {
    const ir::Type& t = graph.type(v);
    if (!t.is_tensor() || !t.ranked) continue;
    std::string dims;
    bool frees = false;
    for (std::size_t i = 0; i < t.dims.size(); ++i) {
      const auto known = t.dims[i].known();
      std::string word = known ? std::to_string(*known) : i == 0 ? "1" : t.dims[i].str();
      if (!known) frees |= fixed.insert(t.dims[i].str()).second;
      if (!known && i > 0) std::ranges::transform(word, word.begin(), [](unsigned char c) { return char(std::toupper(c)); });
      dims += (i ? "x" : "") + word;
    }
    if (frees) all += " --shape " + graph.name(v) + "=" + dims;
  }
  return all;
}

/// Plan i takes the i-th shape of each input; one that is given less often keeps its last.
Result<std::vector<std::vector<Dims>>> plans_of(const Args& args, const ir::Graph& graph) {
  std::vector<measure::Shapes> sets(1);
  std::map<std::string, std::size_t> given;
  for (const std::string& s : args.all("shape")) {
    SAHA_TRY(auto named, measure::parse_shape(s));
    const std::size_t i = given[named.first]++;
    if (i == sets.size()) sets.push_back(sets.back());
    for (std::size_t k = i; k < sets.size(); ++k) sets[k][named.first] = named.second;
  }
  std::vector<std::vector<Dims>> all;
  for (const measure::Shapes& s : sets) {
    auto dims = measure::input_dims(graph, s);
    if (dims) all.push_back(std::move(*dims));
    else if (args.has("shape")) return std::move(dims.error());
  }
  return all;
}
Result<std::vector<kernels::Isa>> levels_of(const Args& args) {
  std::vector<kernels::Isa> levels;
  std::string all;
  for (auto level : kernels::kLevels) all += (all.empty() ? "" : ", ") + std::string(kernels::name(level));
  if (args.get("levels").empty()) return levels;
  for (const std::string& word : words_of(args.get("levels"))) {
    std::optional<kernels::Isa> found;
    for (auto level : kernels::kLevels) if (kernels::name(level) == word) found = level;
    if (!found) return Error{ErrorCode::invalid_file, "--levels names '" + word + "', which is no level", "levels are " + all};
    if (std::ranges::find(levels, *found) == levels.end()) levels.push_back(*found);
  }
  return levels;
}

Result<int> to_bundle(const Args& args, const std::string& out) {
  for (const char* o : {"opset", "layout", "ir"}) if (args.given(o)) return Error{ErrorCode::invalid_file, "--" + std::string(o) + " says nothing of a .saha file", "leave --" + std::string(o) + " out"};
  const std::string& file = args.arguments[0];
  native::PackOptions options;
  SAHA_TRY(options.levels, levels_of(args));
  if (args.has("labels")) { SAHA_TRY(options.about["labels"], labels_of(args.get("labels"))); }
  SAHA_TRY(ir::Model m, formats::import_file(file));
  if (args.has("labels")) SAHA_DO(labels_fit(options.about["labels"].size(), classes_of(m.graph), ErrorCode::invalid_file));
  if (args.has("preprocess") || args.has("fold") || args.given("raw")) {
    if (m.graph.inputs().empty()) return Error{ErrorCode::invalid_file, "--preprocess is given, the model has no inputs"};
    SAHA_TRY(const auto steps, fold_steps(args, m));
    options.about["preprocess"] = {{m.graph.name(m.graph.inputs()[0]), Json::parse(steps.str())}};
  }
  SAHA_TRY(options.shapes, plans_of(args, m.graph));
  if (bundle::is_bundle_file(file)) {
    SAHA_TRY(const auto from, bundle::Bundle::open(file));
    SAHA_DO(native::keep(*from, options));
  }
  SAHA_TRY(const std::string hash, system::sha256_file(file));
  if (!options.about.contains("evidence"))
    options.about["evidence"] = {{"made", {{"from", std::filesystem::path(file).filename().string()}, {"sha256", hash}, {"by", "saha " SAHA_VERSION}, {"machine", system::cpu().model}}}};
  SAHA_TRY(const std::string bytes, args.has("fold") ? formats::self_contained(m) : formats::self_contained(file, m));
  SAHA_TRY(const auto packed, native::pack(m, bytes, options));
  SAHA_DO(system::write_file(out, packed.bytes));
  for (const std::string& n : m.notes) say(args, "note: " + n);
  for (const std::string& n : packed.notes) say(args, "note: " + n);
  say(args, "wrote " + out);
  return 0;
}

Result<int> run(const Args& args) {
  const std::string out = args.get("output");
  if (out.empty()) return Error{ErrorCode::invalid_file, "'saha convert' needs -o OUT.onnx, OUT.tflite, OUT.xml or OUT.saha", "saha " + std::string(kConvert.example)};
  if (out == args.arguments[0]) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  if (out.ends_with(".saha")) return to_bundle(args, out);
  SAHA_TRY([[maybe_unused]] auto format, formats::format_to_write(out));
  for (std::string_view o : kOfBundles) if (args.given(o)) return Error{ErrorCode::invalid_file, "--" + std::string(o) + " is of .saha files, '" + out + "' is none", "leave --" + std::string(o) + " out"};
  if (args.has("preprocess") && !args.has("fold")) return Error{ErrorCode::invalid_file, "--preprocess without --fold is of .saha files, '" + out + "' is none", "add --fold, or leave --preprocess out"};
  const std::string layout = args.get("layout", "nchw");
  if (layout != "nchw" && layout != "nhwc") return Error{ErrorCode::invalid_file, "--layout is '" + layout + "'", "nchw keeps the model's inputs and outputs as they are, nhwc makes them channels last"};
  formats::ExportOptions options{.channels_last = layout == "nhwc"};
  if (args.has("opset")) {
    SAHA_TRY(options.opset, args.integer("opset", 1, 28));
  }
  if (args.has("ir")) {
    SAHA_TRY(const auto version, args.integer("ir", 10, 11));
    options.ir = int(version);
  }
  SAHA_TRY(ir::Model m, formats::import_file(args.arguments[0]));
  SAHA_TRY(const measure::Shapes shapes, shapes_of(args));
  SAHA_TRY(m.graph, with_shapes(m.graph, shapes));
  if (args.has("fold") || args.given("raw")) SAHA_DO(fold_steps(args, m));
  auto notes = formats::export_file(m, out, options);
  if (!notes) {
    Error e = std::move(notes.error());
    if (const std::string fixed = free_shapes(m.graph); e.code == ErrorCode::unsupported && e.help.empty() && !fixed.empty()) e.help = "a size that is not known may stand in the way:" + fixed + ", with numbers for names";
    return e;
  }
  for (const std::string& n : m.notes) say(args, "note: " + n);
  for (const std::string& n : *notes) say(args, "note: " + n);
  say(args, "wrote " + out);
  return 0;
}
}  // namespace

const Command kConvert{"convert", "write a model in another format or opset, or as a bundle", kArguments, kOptions, "convert model.onnx -o model.saha", run,
                       "A .tflite file keeps the inputs and outputs of the model. Inside, values stand channels last where that moves the fewest elements; stored integers "
                       "are written as they are, with their scales. What TensorFlow Lite has no kernel for is refused by the name of the node, and nothing is written.\n"
                       "An .xml file comes with a .bin of the same name; a value that is quantised and dequantised is a FakeQuantize there, as OpenVINO runs it on stored integers.\n"
                       "A .saha file holds the model and, ready to run, the plans of the native engine: it starts in milliseconds where a plan fits the processor and the shapes, "
                       "and from its model elsewhere; 'saha inspect' says which plans there are."};

}  // namespace saha::cli
