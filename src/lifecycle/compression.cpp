#include "lifecycle/compression.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/figures.hpp"
#include "compress/errors.hpp"
#include "formats/formats.hpp"
#include "validate/statistics.hpp"

namespace saha::lifecycle {
namespace {
constexpr std::int64_t kBatch = 16;

/// How the data of one input becomes what the graph takes. An array whose samples have all of the input's dims keeps them.
Result<std::vector<data::InputSpec>> specs_for(const data::Dataset& set, const ir::Model& model, const std::vector<data::InputSpec>& configured) {
  const ir::Graph& g = model.graph;
  SAHA_TRY(std::vector<data::InputSpec> specs, input_specs(model, configured));
  if (set.is_files() || set.size() == 0) return specs;
  SAHA_TRY(const auto items, set.raw_inputs(0));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto place = std::find(set.inputs().begin(), set.inputs().end(), specs[i].name);
    const std::size_t k = place == set.inputs().end() ? 0 : std::size_t(place - set.inputs().begin());
    const ir::Type& t = g.type(g.inputs()[i]);
    const Dims& d = items[k].tensor.dims;
    bool whole = t.ranked && d.size() == t.dims.size();
    for (std::size_t a = 0; whole && a < d.size(); ++a) whole = d[a] == t.dims[a].known().value_or(d[a]);
    if (whole) specs[i].shape.clear();   // as it comes
  }
  return specs;
}
}  // namespace

Result<compress::Samples> samples_of(const data::Dataset& set, const ir::Graph& g) {
  struct Input { std::string name; std::size_t rank; bool ranked, stacked; };
  std::vector<Input> inputs;
  bool stacked = true;
  if (set.size() == 0) return Error{ErrorCode::invalid_data, "the data is empty"};
  SAHA_TRY(const auto first, set.sample(0));
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    const ir::Type& t = g.type(g.inputs()[i]);
    const auto it = std::find_if(first.begin(), first.end(), [&](const auto& x) { return x.first == g.name(g.inputs()[i]); });
    if (it == first.end()) return Error{ErrorCode::invalid_data, "the data has nothing for input '" + g.name(g.inputs()[i]) + "'"};
    if (it->second.rank() > t.dims.size() + 1 && t.ranked) return Error{ErrorCode::invalid_data, "a sample for input '" + it->first + "' is " + str(it->second.dims) + ", the model takes " + ir::str(t)};
    const bool free = t.ranked && !t.dims.empty() && !t.dims[0].known() && it->second.rank() + 1 == t.dims.size();
    stacked &= free;
    inputs.push_back({it->first, t.dims.size(), t.ranked, free});
  }
  compress::Samples s;
  s.size = set.size();
  s.batch_size = stacked ? kBatch : 1;
  s.batch = [&set, inputs, stacked](std::int64_t at, std::int64_t n) -> Result<std::vector<Datum>> {
    std::vector<Datum> r;
    if (stacked) {
      SAHA_TRY(auto named, set.batch(at, n));
      for (const Input& i : inputs) for (auto& [name, t] : named) if (name == i.name) r.emplace_back(std::move(t));
      return r;
    }
    SAHA_TRY(auto named, set.sample(at));
    for (const Input& i : inputs)
      for (auto& [name, t] : named) {
        if (name != i.name) continue;
        if (i.ranked && t.rank() + 1 == i.rank) t.dims.insert(t.dims.begin(), 1);
        if (i.ranked && i.rank == 0 && t.size() == 1) t.dims.clear();
        r.emplace_back(std::move(t));
      }
    return r;
  };
  return s;
}

Result<CompressionData> compression_data(const std::string& path, const ir::Model& model, const data::Preprocess& steps, std::int64_t take, std::uint64_t seed, yaml::Diagnostics& diagnostics) {
  const ir::Graph& g = model.graph;
  CompressionData r;
  std::map<std::string, data::Dataset> sets;
  std::vector<data::InputSpec> configured;
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    auto config = read_config({path}, {}, diagnostics);
    if (!config) return Error{ErrorCode::invalid_file, "'" + path + "' cannot be used"};
    for (const auto& [name, spec] : config->data) {
      auto set = data::Dataset::open(spec);
      if (!set) return std::move(set.error()).within("data set '" + name + "'");
      sets.emplace(name, std::move(*set));
    }
    if (config->split && sets.contains("train")) {
      SAHA_TRY(auto parts, sets.at("train").split(*config->split));
      for (auto& [name, part] : parts) sets.insert_or_assign(name, std::move(part));
    }
    configured = config->inputs;
    r.output_meaning = config->output_meaning;
  } else {
    auto set = data::Dataset::open(data::DataSpec::of(path));
    if (!set) return set.error().message.find("'" + path + "'") != std::string::npos ? std::move(set.error()) : std::move(set.error()).within("data '" + path + "'");
    if (path.ends_with(".npz") && set->inputs().size() == 1 && g.inputs().size() == 1 && set->inputs()[0] != g.name(g.inputs()[0]))
      r.notes.push_back("array '" + set->inputs()[0] + "' of '" + path + "' is taken for the only input, '" + g.name(g.inputs()[0]) + "'");
    sets.emplace("data", std::move(*set));
  }
  if (!steps.empty()) {
    if (g.inputs().size() != 1) return Error{ErrorCode::invalid_file, "--preprocess is for models of one input, this one has " + std::to_string(g.inputs().size()), "saha.yaml has steps for each input: --data saha.yaml"};
    configured = {{.name = g.name(g.inputs()[0]), .steps = steps, .shape = {}, .dtype = DType::none}};
  }
  auto pick = [&](std::initializer_list<const char*> names, data::Dataset& to, std::string& name) -> Result<> {
    for (const char* n : names) {
      const auto it = sets.find(n);
      if (it == sets.end()) continue;
      if (it->second.size() == 0) return Error{ErrorCode::invalid_data, "data set '" + std::string(n) + "' is empty"};
      SAHA_TRY(const auto specs, specs_for(it->second, model, configured));
      SAHA_TRY(to, it->second.for_inputs(specs));
      name = n;
      return {};
    }
    return Error{ErrorCode::invalid_data, "'" + path + "' has no data to calibrate on", "data.calibration or data.train of a saha.yaml, a folder, a .csv, .npy or .npz"};
  };
  SAHA_DO(pick({"calibration", "train", "data", "val", "test"}, r.calibration, r.calibration_name));
  SAHA_DO(pick({"val", "test", "data", "train", "calibration"}, r.judged, r.judged_name));
  r.calibration = r.calibration.take(take, seed);
  return r;
}

Result<Floor> parse_floor(const std::string& text) {
  char* end = nullptr;
  Floor f{std::strtod(text.c_str(), &end), false};
  std::string unit = end;
  unit.erase(0, std::min(unit.find_first_not_of(' '), unit.size()));
  f.decibels = unit == "dB";
  if (end == text.c_str() || !std::isfinite(f.value) || f.value < 0 || (unit != "pp" && unit != "dB")) return Error{ErrorCode::invalid_file, "a floor is '" + text + "', a number with its unit is taken", "0.5 pp, 30 dB"};
  if (!f.decibels) f.value /= 100;
  return f;
}

Result<compress::QuantizeOptions> Quantize::options() const {
  compress::QuantizeOptions o;
  o.search = calibrate == "auto";
  const auto how = compress::calibration_of(o.search ? "mse" : calibrate);
  if (!how) return Error{ErrorCode::invalid_file, "calibrate is '" + calibrate + "'; there are auto, minmax, percentile, entropy and mse"};
  o.range.how = *how;
  if (to != "int8" && to != "int16") return Error{ErrorCode::invalid_file, "to is '" + to + "'; there are int8 and int16"};
  o.to = to == "int8" ? DType::i8 : DType::i16;
  for (const std::string& w : without) {
    if (w == "rounding") o.round = false;
    else if (w == "correction") o.correct = false;
    else if (w == "equalisation") o.equalize = false;
    else if (w == "channels") o.per_channel = false;
    else return Error{ErrorCode::invalid_file, "without is '" + w + "'; there are equalisation, rounding, correction and channels"};
  }
  o.keep.insert(keep.begin(), keep.end());
  return o;
}

Result<std::optional<compress::NarrowOptions>> Quantize::narrow(bool tflite) const {
  using Form = compress::NarrowOptions::Form;
  static const std::map<std::string, DType> kTypes = {{"int8", DType::i8}, {"int16", DType::i16}, {"int4", DType::i4}, {"fp16", DType::f16}, {"bf16", DType::bf16}};
  struct Scheme { Form form; std::vector<std::string> types; std::string said; };
  static const std::map<std::string, Scheme> kSchemes = {{"static", {Form::compute, {"int8", "int16", "fp16", "bf16"}, "int8, int16, fp16 and bf16"}},
                                                         {"dynamic", {Form::dynamic, {"int8"}, "int8"}},
                                                         {"weights", {Form::weights, {"int8", "int4", "fp16", "bf16"}, "int8, int4, fp16 and bf16"}}};
  const auto s = kSchemes.find(scheme);
  if (s == kSchemes.end()) return Error{ErrorCode::invalid_file, "scheme is '" + scheme + "'; there are static, dynamic and weights"};
  if (std::find(s->second.types.begin(), s->second.types.end(), to) == s->second.types.end())
    return Error{ErrorCode::invalid_file, "to is '" + to + "'; scheme " + scheme + " has " + s->second.said};
  const DType type = kTypes.at(to);
  if (scheme == "static" && is_int(type)) return std::optional<compress::NarrowOptions>{};
  if (floor || !without.empty()) return Error{ErrorCode::invalid_file, std::string(floor ? "a floor" : "'without'") + " belongs to what is calibrated: scheme static, to int8 or int16"};
  return std::optional{compress::NarrowOptions{.form = tflite && s->second.form == Form::dynamic ? Form::hybrid : s->second.form, .to = type, .keep = {keep.begin(), keep.end()}}};
}

Result<std::vector<std::string>> export_quantised(const ir::Model& model, const std::string& file, std::int64_t opset) {
  const auto values = model.graph.values();
  const auto holds = [&](DType t) { return std::any_of(values.begin(), values.end(), [t](const ir::Value& v) { return v.type->is_tensor() && v.type->dtype == t; }); };
  const bool i16 = holds(DType::i16), i4 = holds(DType::i4), wide = i16 || i4;
  const auto own = model.opsets.find("");
  const std::int64_t given = own == model.opsets.end() ? 20 : own->second;
  formats::ExportOptions o;
  o.opset = std::max<std::int64_t>(given, wide ? 21 : opset);   // scales by channel: 13; stored int16 and int4: 21
  auto notes = formats::export_file(model, file, o);
  while (!notes && notes.error().code == ErrorCode::unsupported && o.opset < 20) {   // what simplification brought needs it
    ++o.opset;
    notes = formats::export_file(model, file, o);
  }
  const std::string why = wide ? std::string("what is stored in ") + (i16 ? i4 ? "16 and 4" : "16" : "4") + " bits needs"
                        : opset > 13 ? std::string("operators in ") + (holds(DType::bf16) ? "bfloat16" : "these types") + " need" : holds(DType::i8) || holds(DType::u8) ? "scales by channel need" : "the result needs";
  if (notes && o.opset != given && model.format == "ONNX") notes->insert(notes->begin(), "opset " + std::to_string(given) + " -> " + std::to_string(o.opset) + ", which " + why);
  return notes;
}

std::string score_name(const Answers& reference, const data::Dataset& set) {
  if (reference.meaning == "mask") return set.has_truth() ? "iou" : "agreement";
  if (reference.samples.predicted.empty()) return "";
  return set.has_labels() ? "accuracy" : "agreement";
}
double score(const Answers& a, const Answers& reference, const data::Dataset& set) {
  const std::string name = score_name(reference, set);
  if (name == "iou") return validate::mean_of(a.samples.iou).mean;
  if (reference.meaning == "mask") {
    const auto said = a.outputs.find(reference.decisive), meant = reference.outputs.find(reference.decisive);
    double sum = 0;
    std::size_t n = 0;
    if (said != a.outputs.end() && meant != reference.outputs.end())
      for (; n < std::min(said->second.size(), meant->second.size()); ++n) sum += intersection_over_union(said->second[n], meant->second[n], 1, false);
    return sum / double(std::max<std::size_t>(1, n));
  }
  const auto n = double(std::max<std::size_t>(1, a.samples.predicted.size()));
  if (name == "accuracy") return double(std::count(a.samples.correct.begin(), a.samples.correct.end(), 1)) / n;
  double same = 0;
  for (std::size_t i = 0; i < a.samples.predicted.size() && i < reference.samples.predicted.size(); ++i) same += a.samples.predicted[i] == reference.samples.predicted[i];
  return same / n;
}

Result<Answers> Judge::answers(const ir::Graph& g) const {
  ir::Model m = model;
  m.graph = g;
  SAHA_TRY(auto program, engine.load(m, {.threads = threads, .precision = "float32", .file = {}}));
  return answer(*program, set, output_meaning, [&](std::int64_t done) { return bool(watch.at("judging", done, samples.size)); });
}
Result<double> Judge::sqnr(const ir::Graph& reference, const ir::Graph& g) const {
  SAHA_TRY(const auto s, compress::compare(reference, g, compress::outputs_of(reference, g), engine, threads, compress::first(samples, kMeasured), watch, "comparing"));
  return compress::mean_db(s);
}

Result<Held> hold(compress::Quantizer& q, const Floor& floor, const Judge& judge, const Answers* whole) {
  if (!floor.decibels && (!whole || score_name(*whole, judge.set).empty()))
    return Error{ErrorCode::invalid_argument, "the floor is in pp, but no output of the model decides anything on this data: there is nothing to lose pp of", "a floor of 30 dB states the SQNR of the outputs that must remain"};
  SAHA_DO(q.measure_alone(compress::first(judge.samples, kAlone), judge.watch));
  const double least = floor.decibels ? floor.value : score(*whole, *whole, judge.set) - floor.value - 1e-9;
  SAHA_TRY(auto mixed, q.mix(least, [&](const ir::Graph& g) -> Result<double> {
    if (floor.decibels) return judge.sqnr(q.reference(), g);
    SAHA_TRY(const Answers a, judge.answers(g));
    return score(a, *whole, judge.set);
  }, judge.watch));
  // Everything in float32 is no mixture: nothing would be narrower than it was.
  if (std::ranges::all_of(mixed.widths, [](compress::Width w) { return w == compress::Width::float32; })) mixed.held = false;
  return Held{std::move(mixed), floor.decibels ? figures::fixed(least, 1) + " dB" : figures::column::percent(least + 1e-9)};
}

}  // namespace saha::lifecycle
