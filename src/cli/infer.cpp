// saha infer: one run of a model on files: pictures, sound, arrays, rows of a table, or ONNX's own test data.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "cli/verbs.hpp"
#include "data/csv.hpp"
#include "data/npy.hpp"
#include "data/preprocess.hpp"
#include "data/wav.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "op/op_def.hpp"
#include "system/file.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file"}};
constexpr Option kOptions[] = {
    {"input", 'i', "F", "a file: png, jpg, bmp, wav, npy, csv (its first row) or pb; NAME=F for one of several inputs", true},
    {"preprocess", 0, "STEPS", "steps as in saha.yaml, a JSON list: '[{\"decode\": \"rgb\"}, {\"scale\": \"x/255\"}]'"},
    {"labels", 0, "FILE", "one label a line; the best are then shown by name"},
    {"top", 0, "N", "how many classes are shown", false, "5"},
    {"save", 0, "DIR", "where each output is written as NAME.npy"},
    {"inputs", 0, "DIR", "a folder with input_0.pb, input_1.pb .. (ONNX's test-data form), in the order of the model's inputs"},
    {"outputs", 0, "DIR", "where output_0.pb .. are written"},
    {"backend", 0, "BACKEND", "the engine that runs it; 'reference' is the operators' definition itself", false, "native"},
};

Result<Datum> read_value(const std::string& file, const ir::Graph& g, ir::ValueId v, const data::Preprocess& steps) {
  const ir::Type& type = g.type(v);
  SAHA_TRY(auto bytes, system::read_bytes(file));
  std::string ending = std::filesystem::path(file).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  if (ending == ".pb") return onnx::read_datum(bytes, type);
  data::Item item;
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
  }
  SAHA_TRY(Tensor t, steps.apply(std::move(item)));
  if (!type.is_tensor() || !type.ranked) return Datum(std::move(t));
  Dims whole, shape;
  for (const ir::Dim& d : type.dims) whole.push_back(d.known().value_or(-1));
  if (t.dims.size() == whole.size() && t.dtype == type.dtype) {
    bool fits = true;
    for (std::size_t i = 0; i < whole.size(); ++i) fits &= whole[i] < 0 || whole[i] == t.dims[i];
    if (fits) return Datum(std::move(t));
  }
  // One sample: the batch dim is in front of what the file holds.
  if (!whole.empty()) shape.assign(whole.begin() + 1, whole.end());
  if (t.rank() == whole.size() && !t.dims.empty() && t.dims[0] == 1) t = t.reshaped({t.dims.begin() + 1, t.dims.end()});
  auto fitted = data::conform(std::move(t), shape, type.dtype);
  if (!fitted) {
    Error e = std::move(fitted.error());
    e.help = ending == ".csv" ? "each column is one number of the input, in the order of the file" : "steps such as a resize are given by --preprocess; docs/preprocess.md lists them";
    return e;
  }
  Dims d = fitted->dims;
  if (!whole.empty()) d.insert(d.begin(), 1);
  return Datum(fitted->reshaped(d));
}

Result<std::vector<Datum>> inputs_from_files(const Args& args, const ir::Graph& g) {
  data::Preprocess steps;
  if (args.has("preprocess")) {
    auto p = data::Preprocess::parse(args.get("preprocess"));
    if (!p) return Error{ErrorCode::invalid_file, "--preprocess: " + p.error().message};
    steps = std::move(*p);
  }
  auto given = args.all("input");
  std::vector<Datum> values(g.inputs().size());
  std::vector<char> have(g.inputs().size(), 0);
  std::size_t next = 0;
  for (const std::string& word : given) {
    std::size_t at = g.inputs().size();
    std::string file = word;
    for (std::size_t i = 0; i < g.inputs().size(); ++i) {
      std::string prefix = g.name(g.inputs()[i]) + "=";
      if (word.rfind(prefix, 0) == 0) { at = i; file = word.substr(prefix.size()); }
    }
    if (at == g.inputs().size()) {
      while (next < have.size() && have[next]) ++next;
      at = next;
    }
    if (at >= have.size()) return Error{ErrorCode::invalid_file, "--input is given " + std::to_string(given.size()) + " times, the model has " + std::to_string(g.inputs().size()) + " inputs"};
    auto d = read_value(file, g, g.inputs()[at], steps);
    if (!d) return std::move(d.error()).within("input '" + g.name(g.inputs()[at]) + "': " + file);
    values[at] = std::move(*d);
    have[at] = 1;
  }
  for (std::size_t i = 0; i < have.size(); ++i)
    if (!have[i]) return Error{ErrorCode::invalid_file, "input '" + g.name(g.inputs()[i]) + "' (" + ir::str(g.type(g.inputs()[i])) + ") has no file", "--input " + g.name(g.inputs()[i]) + "=FILE"};
  return values;
}

Result<std::vector<Datum>> inputs_from_folder(const std::filesystem::path& folder, const ir::Graph& g) {
  std::vector<Datum> values;
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    auto path = folder / ("input_" + std::to_string(i) + ".pb");
    SAHA_TRY(auto bytes, system::read_bytes(path));
    auto d = onnx::read_datum(bytes, g.type(g.inputs()[i]));
    if (!d) return std::move(d.error()).within(path.string());
    values.push_back(std::move(*d));
  }
  return values;
}

/// The best classes of a [1, N] or [N] float result; nothing where it is none.
std::vector<std::pair<std::size_t, double>> best(const Tensor& t, std::size_t top) {
  if (!is_float(t.dtype) || t.size() < 2 || t.size() > 100'000 || t.size() != (t.rank() ? t.dims.back() : 0)) return {};
  std::vector<double> v = values<double>(t);
  std::vector<std::size_t> order(v.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return v[a] > v[b]; });
  std::vector<std::pair<std::size_t, double>> r;
  for (std::size_t i = 0; i < std::min(top, order.size()); ++i) r.emplace_back(order[i], v[order[i]]);
  return r;
}

Result<int> run(const Args& args) {
  SAHA_TRY(auto top, args.integer("top", 1, 1000));
  if (args.has("inputs") != args.has("outputs")) return Error{ErrorCode::invalid_file, "--inputs and --outputs go together", "saha infer model.onnx --inputs in --outputs out"};
  if (!args.has("inputs") && !args.has("input")) return Error{ErrorCode::invalid_file, "'saha infer' needs --input FILE", "saha " + std::string(kInfer.example)};
  std::vector<std::string> labels;
  if (args.has("labels")) {
    SAHA_TRY(std::string text, system::read_text(args.get("labels")));
    labels.emplace_back();
    for (char c : text) if (c == '\n') labels.emplace_back(); else if (c != '\r') labels.back() += c;
  }
  SAHA_TRY(ir::Model model, formats::import_file(args.arguments[0]));
  const ir::Graph& g = model.graph;
  std::vector<Datum> in, out;
  if (args.has("inputs")) { SAHA_TRY(in, inputs_from_folder(args.get("inputs"), g)); }
  else { SAHA_TRY(in, inputs_from_files(args, g)); }
  std::string backend = args.get("backend");
  if (backend == "reference") {
    SAHA_TRY(out, op::run(g, std::span<const Datum>(in)));
  } else {
    SAHA_TRY(auto engine, backends::open(backend));
    SAHA_TRY(auto program, engine->load(model, {.threads = 1, .precision = "float32", .file = args.arguments[0]}));
    SAHA_TRY(out, program->run(in));
  }
  if (args.has("outputs")) {
    std::filesystem::path folder = args.get("outputs");
    SAHA_DO(system::make_folders(folder));
    for (std::size_t k = 0; k < out.size(); ++k) {
      SAHA_TRY(auto text, onnx::write_datum(out[k], g.type(g.outputs()[k])));
      SAHA_DO(system::write_file(folder / ("output_" + std::to_string(k) + ".pb"), text));
    }
    return 0;
  }
  if (args.has("save")) {
    std::filesystem::path folder = args.get("save");
    SAHA_DO(system::make_folders(folder));
    for (std::size_t k = 0; k < out.size(); ++k) {
      if (!out[k].is_tensor()) continue;
      std::string name = g.name(g.outputs()[k]);
      for (char& c : name) if (c == '/' || c == ':') c = '_';
      SAHA_TRY(auto bytes, data::write_npy(out[k].tensor));
      SAHA_DO(system::write_file(folder / (name + ".npy"), bytes));
    }
  }
  Json j{{"schema", "saha.infer/1"}, {"saha", SAHA_VERSION}, {"model", args.arguments[0]}, {"backend", backend}, {"outputs", Json::array()}};
  std::string text;
  for (std::size_t k = 0; k < out.size(); ++k) {
    Json o{{"name", g.name(g.outputs()[k])}};
    if (!out[k].is_tensor()) {
      text += g.name(g.outputs()[k]) + "  " + ir::str(g.type(g.outputs()[k])) + ", not a tensor\n";
      j["outputs"].push_back(o);
      continue;
    }
    const Tensor& t = out[k].tensor;
    o["dtype"] = name(t.dtype);
    o["shape"] = t.dims;
    text += g.name(g.outputs()[k]) + "  " + std::string(name(t.dtype)) + " " + str(t.dims);
    auto classes = best(t, std::size_t(top));
    if (t.dtype == DType::string) for (std::int64_t i = 0; i < std::min<std::int64_t>(t.size(), 10); ++i) text += "  " + (*t.text)[std::size_t(i)];
    else if (is_complex(t.dtype)) text += "  complex";
    else if (classes.empty() || t.size() <= 4) {
      for (std::int64_t i = 0; i < std::min<std::int64_t>(t.size(), 8); ++i) text += "  " + figures::significant(t.at(i), 6);
      if (t.size() > 8) text += "  ..";
    }
    text += "\n";
    if (!classes.empty()) {
      o["top"] = Json::array();
      system::Table table({{""}, {""}, {"", system::Align::right}});
      for (auto& [index, value] : classes) {
        std::string label = index < labels.size() ? labels[index] : std::string();
        o["top"].push_back({{"index", index}, {"label", label.empty() ? Json() : Json(label)}, {"value", std::isfinite(value) ? Json(value) : Json()}});
        table.add({"  " + std::to_string(index), label, figures::significant(value, 6)});
      }
      if (t.size() > 4) text += table.str();
    }
    if (t.dtype != DType::string && !is_complex(t.dtype) && t.size() <= 10'000) {
      o["values"] = Json::array();
      for (double v : values<double>(t)) o["values"].push_back(std::isfinite(v) ? Json(v) : Json());
    }
    j["outputs"].push_back(std::move(o));
  }
  print(args.json() ? j.dump(1, ' ', false, Json::error_handler_t::replace) + "\n" : text);
  return 0;
}
}  // namespace

const Command kInfer{"infer", "run a model once: pictures, sound, arrays or rows in, results out", kArguments, kOptions, "infer model.onnx --input picture.jpg --labels labels.txt", run};

}  // namespace saha::cli
