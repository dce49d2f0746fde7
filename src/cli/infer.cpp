// saha infer: one run of a model on files: pictures, sound, arrays, rows of a table, or ONNX's own test data.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "backends/native/network.hpp"
#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/rejection.hpp"
#include "cli/verbs.hpp"
#include "data/csv.hpp"
#include "data/npy.hpp"
#include "data/preprocess.hpp"
#include "data/wav.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "front/stated.hpp"
#include "op/op_def.hpp"
#include "system/file.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}, {"FILE", "the input files, as --input takes them", true, true}};
constexpr Option kOptions[] = {
    {"input", 'i', "F", "a file: png, jpg, bmp, wav, npy, csv (its first row) or pb; NAME=F for one of several inputs", true},
    {"preprocess", 0, "STEPS", "steps as in saha.yaml, a JSON list: '[{\"decode\": \"rgb\"}, {\"scale\": \"x/255\"}]'; else what a bundle or a file with folded steps says"},
    {"labels", 0, "FILE", "one label a line; the best are then shown by name; else what a bundle says"},
    {"top", 0, "N", "how many classes are shown", false, "5"},
    {"save", 0, "DIR", "where each output is written as NAME.npy"},
    {"inputs", 0, "DIR", "a folder with input_0.pb, input_1.pb .. (ONNX's test-data form), in the order of the model's inputs"},
    {"outputs", 0, "DIR", "where output_0.pb .. are written"},
    {"backend", 0, "BACKEND", "the engine that runs it; 'reference' is the operators' definition itself", false, "native"},
};

/// What is run: its inputs and outputs, and where it was read, its graph. A bundle in the native engine needs none.
struct Subject {
  std::optional<ir::Model> model;
  std::shared_ptr<const bundle::Bundle> bundle;
  std::vector<runtime::Port> inputs, outputs;
  const ir::Type& input_type(std::size_t i) const { return model->graph.type(model->graph.inputs()[i]); }
  const ir::Type& output_type(std::size_t k) const { return model->graph.type(model->graph.outputs()[k]); }
};

std::string ending_of(const std::string& file) {
  std::string ending = std::filesystem::path(file).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return ending;
}

/// `prepared`: the steps are stated, here, by a bundle or by a file that they were folded into.
Result<Datum> read_value(const std::string& file, const Subject& subject, std::size_t input, const data::Preprocess& steps, bool prepared) {
  const runtime::Port& port = subject.inputs[input];
  SAHA_TRY(auto bytes, system::read_bytes(file));
  const std::string ending = ending_of(file);
  if (ending == ".pb") return onnx::read_datum(bytes, subject.input_type(input));
  data::Item item;
  bool picture = false;
  if (ending == ".npy") { SAHA_TRY(item.tensor, data::read_npy(bytes)); }
  else if (ending == ".wav") {
    SAHA_TRY(auto sound, data::read_wav(bytes));
    item = {sound.samples, sound.rate_hz};
  } else if (ending == ".csv") {
    SAHA_TRY(auto csv, data::Csv::parse(bytes));
    if (csv.rows() == 0) return Error{ErrorCode::invalid_data, "it has no row"};
    std::vector<double> row;
    for (std::size_t c = 0; c < csv.columns(); ++c) {
      auto x = data::number(csv.cell(0, c));
      if (!x) return Error{ErrorCode::invalid_data, "column '" + csv.names()[c] + "' of the first row is '" + std::string(csv.cell(0, c)) + "', no number", "only the columns that the model takes, in its order, are to stay in the file; saha run and saha validate choose them by data.NAME.features"};
      row.push_back(*x);
    }
    item.tensor = Tensor::of(DType::f64, {std::int64_t(row.size())}, row);
  } else if (ending == ".npz") {
    return Error{ErrorCode::invalid_data, "an .npz holds several arrays, one .npy is taken", "write the array that is meant with numpy.save"};
  } else {
    SAHA_TRY(item.tensor, data::decode_image(bytes, steps.image_options()));
    picture = true;
  }
  SAHA_TRY(Tensor t, steps.apply(std::move(item)));
  if (!port.is_tensor || !port.ranked) return Datum(std::move(t));
  const Dims& whole = port.dims;
  Dims shape;
  if (t.dims.size() == whole.size() && t.dtype == port.dtype) {
    bool fits = true;
    for (std::size_t i = 0; i < whole.size(); ++i) fits &= whole[i] < 0 || whole[i] == t.dims[i];
    if (fits) return Datum(std::move(t));
  }
  // One sample: the batch dim is in front of what the file holds.
  if (!whole.empty()) shape.assign(whole.begin() + 1, whole.end());
  if (t.rank() == whole.size() && !t.dims.empty() && t.dims[0] == 1) t = t.reshaped({t.dims.begin() + 1, t.dims.end()});
  auto fitted = data::conform(std::move(t), shape, port.dtype);
  if (!fitted) {
    Error e = std::move(fitted.error());
    if (ending == ".csv") e.help = "each column is one number of the input, in the order of the file";
    else if (picture && !prepared) e.help = "steps such as a resize are given by --preprocess; docs/preprocess.md lists them";
    else e.help = "a run takes " + port.type + ", of which '" + port.name + "' has one sample: its first dimension may be left out";
    return e;
  }
  Dims d = fitted->dims;
  if (!whole.empty()) d.insert(d.begin(), 1);
  return Datum(fitted->reshaped(d));
}

std::vector<std::string> input_files(const Args& args) {
  std::vector<std::string> files(args.arguments.begin() + 1, args.arguments.end());
  for (std::string& f : args.all("input")) files.push_back(std::move(f));
  return files;
}

Result<std::vector<Datum>> inputs_from_files(const Args& args, const Subject& subject) {
  std::optional<data::Preprocess> stated;
  if (args.has("preprocess")) { SAHA_TRY(stated, steps_of(args.get("preprocess"))); }
  const auto& ports = subject.inputs;
  auto given = input_files(args);
  std::vector<Datum> values(ports.size());
  std::vector<char> have(ports.size(), 0);
  std::size_t next = 0;
  for (const std::string& word : given) {
    std::size_t at = ports.size();
    std::string file = word;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      std::string prefix = ports[i].name + "=";
      if (word.rfind(prefix, 0) == 0) { at = i; file = word.substr(prefix.size()); }
    }
    if (at == ports.size()) {
      while (next < have.size() && have[next]) ++next;
      at = next;
    }
    if (at >= have.size()) return Error{ErrorCode::invalid_file, figures::counted(given.size(), "input file") + " are given, the model has " + figures::counted(ports.size(), "input")};
    data::Preprocess steps;
    bool prepared = stated.has_value();
    if (stated) steps = *stated;
    else if (subject.bundle) {
      SAHA_TRY(steps, stored_steps(subject.bundle->manifest(), ports[at].name));
      prepared = !steps.empty();
    } else {
      SAHA_TRY(const auto folded, front::stated(subject.model->metadata, ports[at].name));
      if (folded) steps = folded->outside;
      prepared = folded.has_value();
    }
    auto d = read_value(file, subject, at, steps, prepared);
    if (!d) return std::move(d.error()).within("input '" + ports[at].name + "': " + file);
    values[at] = std::move(*d);
    have[at] = 1;
  }
  for (std::size_t i = 0; i < have.size(); ++i)
    if (!have[i]) return Error{ErrorCode::invalid_file, "input '" + ports[i].name + "' (" + ports[i].type + ") has no file", "--input " + ports[i].name + "=FILE"};
  return values;
}

Result<std::vector<Datum>> inputs_from_folder(const std::filesystem::path& folder, const Subject& subject) {
  std::vector<Datum> values;
  for (std::size_t i = 0; i < subject.inputs.size(); ++i) {
    auto path = folder / ("input_" + std::to_string(i) + ".pb");
    SAHA_TRY(auto bytes, system::read_bytes(path));
    auto d = onnx::read_datum(bytes, subject.input_type(i));
    if (!d) return std::move(d.error()).within(path.string());
    values.push_back(std::move(*d));
  }
  return values;
}

/// What a stored number stands for, scale * (x - zero); nothing where the numbers are what they say.
struct Dequantised {
  double scale;
  std::int64_t zero;
  double operator()(double x) const { return scale * (x - double(zero)); }
};
std::optional<Dequantised> dequantised(const Subject& subject, std::size_t output, DType stored) {
  if (!subject.model || !is_int(stored)) return {};
  const auto& quant = subject.output_type(output).quant;
  if (!quant || quant->scale.size() != 1) return {};
  return Dequantised{quant->scale[0], quant->zero.empty() ? 0 : quant->zero[0]};
}

/// Whether the result is a number for each class of one sample: [1, N] or [N] of floats or of what stands for them.
bool is_classes(const Tensor& t, const std::optional<Dequantised>& real) {
  return (is_float(t.dtype) || real) && t.size() >= 2 && t.size() <= 100'000 && t.size() == (t.rank() ? t.dims.back() : 0);
}
/// The best of them, the first of equals first.
std::vector<std::pair<std::size_t, double>> best(const Tensor& t, const std::optional<Dequantised>& real, std::size_t top) {
  std::vector<double> v = values<double>(t);
  if (real) for (double& x : v) x = (*real)(x);
  std::vector<std::size_t> order(v.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return v[a] > v[b]; });
  std::vector<std::pair<std::size_t, double>> r;
  for (std::size_t i = 0; i < std::min(top, order.size()); ++i) r.emplace_back(order[i], v[order[i]]);
  return r;
}

Result<int> run(const Args& args) {
  SAHA_TRY(auto top, args.integer("top", 1, 1000));
  const std::vector<std::string> files = input_files(args);
  if (args.has("inputs") != args.has("outputs")) return Error{ErrorCode::invalid_file, "--inputs and --outputs go together", "saha infer model.onnx --inputs in --outputs out"};
  if (!args.has("inputs") && files.empty()) return Error{ErrorCode::invalid_file, "'saha infer' needs --input FILE", "saha " + std::string(kInfer.example)};
  const std::string &file = args.arguments[0], backend = args.get("backend");
  if (backend != "reference") SAHA_DO(backends::known(backend));
  Subject subject;
  std::unique_ptr<runtime::Program> program;
  std::vector<Datum> in, out;
  if (bundle::is_bundle_file(file)) { SAHA_TRY(subject.bundle, bundle::Bundle::open(file)); }
  // The native engine runs a bundle by its plans. Values in ONNX's form are read and written by the types of the graph.
  const bool by_plan = subject.bundle && backend == "native", typed = args.has("inputs") || std::ranges::any_of(files, [](const std::string& f) { return ending_of(f) == ".pb"; });
  if (!by_plan || typed) { SAHA_TRY(subject.model, formats::import_file(file)); }
  if (backend != "reference") {
    SAHA_TRY(auto engine, backends::open(backend));
    SAHA_TRY(const auto format, formats::format_of_file(file));
    static const ir::Model none;
    SAHA_TRY(program, engine->load(subject.model ? *subject.model : none, {.threads = 1, .precision = "float32", .file = engine->reads(format) ? file : std::string()}));
  }
  if (subject.model) {
    subject.inputs = native::ports(subject.model->graph, subject.model->graph.inputs());
    subject.outputs = native::ports(subject.model->graph, subject.model->graph.outputs());
  } else {
    subject.inputs.assign(program->inputs().begin(), program->inputs().end());
    subject.outputs.assign(program->outputs().begin(), program->outputs().end());
  }
  // What stored numbers stand for says the graph.
  if (!subject.model && std::ranges::any_of(subject.outputs, [](const runtime::Port& p) { return p.is_tensor && is_int(p.dtype); })) { SAHA_TRY(subject.model, formats::import_file(file)); }
  std::vector<std::string> labels;
  if (args.has("labels")) { SAHA_TRY(labels, labels_of(args.get("labels"))); }
  else if (subject.bundle) labels = stored_labels(subject.bundle->manifest());
  if (args.has("inputs")) { SAHA_TRY(in, inputs_from_folder(args.get("inputs"), subject)); }
  else { SAHA_TRY(in, inputs_from_files(args, subject)); }
  if (program) { SAHA_TRY(out, program->run(in)); }
  else { SAHA_TRY(out, op::run(subject.model->graph, std::span<const Datum>(in))); }
  if (program && args.verbose() > 0) for (const std::string& n : program->notes()) say(args, "note: " + n);
  if (args.has("outputs")) {
    std::filesystem::path folder = args.get("outputs");
    SAHA_DO(system::make_folders(folder));
    for (std::size_t k = 0; k < out.size(); ++k) {
      SAHA_TRY(auto text, onnx::write_datum(out[k], subject.output_type(k)));
      SAHA_DO(system::write_file(folder / ("output_" + std::to_string(k) + ".pb"), text));
    }
    return 0;
  }
  if (args.has("save")) {
    std::filesystem::path folder = args.get("save");
    SAHA_DO(system::make_folders(folder));
    for (std::size_t k = 0; k < out.size(); ++k) {
      if (!out[k].is_tensor()) continue;
      std::string name = subject.outputs[k].name;
      for (char& c : name) if (c == '/' || c == ':') c = '_';
      SAHA_TRY(auto bytes, data::write_npy(out[k].tensor));
      SAHA_DO(system::write_file(folder / (name + ".npy"), bytes));
    }
  }
  std::vector<std::int64_t> classes_of;   // a model with other outputs than vectors, boxes or masks, is no classifier
  bool classifier = true;
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (out[k].is_tensor() && is_classes(out[k].tensor, dequantised(subject, k, out[k].tensor.dtype))) classes_of.push_back(out[k].tensor.size());
    else classifier &= out[k].is_tensor() && out[k].tensor.size() == 1;
  }
  if (!labels.empty() && classifier) SAHA_DO(labels_fit(labels.size(), classes_of, args.has("labels") ? ErrorCode::invalid_file : ErrorCode::invalid_model));
  std::optional<validate::Rejector> rejector;
  if (subject.bundle) { SAHA_TRY(rejector, stored_rejector(subject.bundle->manifest())); }
  Json j{{"schema", "saha.infer/1"}, {"saha", SAHA_VERSION}, {"model", file}, {"backend", backend}, {"outputs", Json::array()}};
  std::string text;
  for (std::size_t k = 0; k < out.size(); ++k) {
    Json o{{"name", subject.outputs[k].name}};
    if (!out[k].is_tensor()) {
      text += subject.outputs[k].name + "  " + subject.outputs[k].type + ", not a tensor\n";
      j["outputs"].push_back(o);
      continue;
    }
    const Tensor& t = out[k].tensor;
    o["dtype"] = name(t.dtype);
    o["shape"] = t.dims;
    text += subject.outputs[k].name + "  " + std::string(name(t.dtype)) + " " + str(t.dims);
    const auto real = dequantised(subject, k, t.dtype);
    const auto classes = is_classes(t, real) ? best(t, real, std::size_t(top)) : std::vector<std::pair<std::size_t, double>>();
    const bool named = std::int64_t(labels.size()) == t.size(), listed = !classes.empty() && (t.size() > 4 || named);
    if (t.dtype == DType::string) for (std::int64_t i = 0; i < std::min<std::int64_t>(t.size(), 10); ++i) text += "  " + (*t.text)[std::size_t(i)];
    else if (is_complex(t.dtype)) text += "  complex";
    else {
      if (real) {
        o["scale"] = real->scale;
        o["zero_point"] = real->zero;
        text += ", dequantised by " + figures::significant(real->scale, 6) + " * " + (real->zero ? "(x " + std::string(real->zero < 0 ? "+ " : "- ") + std::to_string(std::abs(real->zero)) + ")" : std::string("x"));
      }
      if (!listed) {
        for (std::int64_t i = 0; i < std::min<std::int64_t>(t.size(), 8); ++i) text += "  " + figures::significant(real ? (*real)(t.at(i)) : t.at(i), 6);
        if (t.size() > 8) text += "  ..";
      }
    }
    text += "\n";
    if (!classes.empty()) {
      o["top"] = Json::array();
      system::Table table({{""}, {""}, {"", system::Align::right}});
      for (auto& [index, value] : classes) {
        const std::string label = named ? labels[index] : std::string();
        o["top"].push_back({{"index", index}, {"label", label.empty() ? Json() : Json(label)}, {"value", std::isfinite(value) ? Json(value) : Json()}});
        table.add({"  " + std::to_string(index), label, figures::significant(value, 6)});
      }
      if (listed) text += table.str();
    }
    if (rejector && rejector->output == subject.outputs[k].name && t.dtype != DType::string && !is_complex(t.dtype)) {
      SAHA_TRY(const double score, rejector->strange(values<double>(t)));
      const bool rejected = rejector->rejects(score);
      j["rejected"] = rejected;
      j["reject"] = {{"score", validate::name(rejector->score)}, {"value", std::isfinite(score) ? Json(score) : Json()}, {"threshold", rejector->threshold}};
      text += std::string(rejected ? "  rejected: " : "  accepted: ") + std::string(validate::name(rejector->score)) + " " + figures::significant(score, 4) + (rejected ? " is above " : " is at most ") + figures::significant(rejector->threshold, 4) + "\n";
    }
    if (t.dtype != DType::string && !is_complex(t.dtype) && t.size() <= 10'000) {
      o["values"] = Json::array();
      if (is_int(t.dtype)) o["values"] = values<std::int64_t>(t);
      else for (double v : values<double>(t)) o["values"].push_back(std::isfinite(v) ? Json(v) : Json());
    }
    j["outputs"].push_back(std::move(o));
  }
  print(args.json() ? j.dump(1, ' ', false, Json::error_handler_t::replace) + "\n" : text);
  return 0;
}
}  // namespace

const Command kInfer{"infer", "run a model once: pictures, sound, arrays or rows in, results out", kArguments, kOptions, "infer model.onnx --input picture.jpg --labels labels.txt", run};

}  // namespace saha::cli
