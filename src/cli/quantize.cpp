// saha quantize: a model in fewer bits, calibrated on data, compared with the float model layer by layer and by what it decides.
#include "compress/quantize.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "compress/errors.hpp"
#include "compress/narrow.hpp"
#include "formats/formats.hpp"
#include "lifecycle/charts.hpp"
#include "lifecycle/compression.hpp"
#include "measure/bench.hpp"
#include "measure/inputs.hpp"
#include "system/interrupt.hpp"
#include "system/process.hpp"
#include "system/progress.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
using compress::Quantizer;
using compress::Width;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX or TensorFlow Lite file that computes in float"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT", "the file that is written; its name ends in .onnx, .tflite or .xml"},
    {"data", 0, "DATA", "what calibrates and judges: a saha.yaml, a folder, a .csv, .npy or .npz"},
    {"preprocess", 0, "STEPS", "steps as in saha.yaml, a JSON list, for data that is no saha.yaml"},
    {"scheme", 0, "S", "static: scales by calibration; dynamic: found in each run; weights: only these are stored narrow", false, "static"},
    {"to", 0, "TYPE", "static: int8, int16 (operands; weights are int8); dynamic: int8; weights: int8, int4, fp16, bf16; static fp16, bf16: computed so", false, "int8"},
    {"samples", 0, "N", "samples that calibrate at most, chosen by the seed", false, "500"},
    {"calibrate", 0, "METHOD", "how ranges are found: minmax, percentile, entropy, mse; auto: the best of what is tried, on samples held out", false, "auto"},
    {"floor", 0, "F", "what may be lost: 0.5pp of accuracy (of agreement with the float model where there are no labels), or the SQNR that must remain: 30dB"},
    {"keep", 0, "LAYER", "a layer that stays float", true},
    {"without", 0, "STEP", "leave a step out: equalisation, rounding, correction, channels (one scale for all weights of a layer)", true},
    {"layers", 0, "", "every layer, each also quantised alone"},
    {"compare", 0, "", "measure errors and decisions, but write nothing"},
    kReportOption,
};
constexpr std::size_t kShown = 5;          // layers, without --layers

std::string decibels(double db) { return std::isnan(db) ? "-" : db >= 200 ? "exact" : figures::fixed(db, 1); }
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(); }

/// A line of the second table.
struct Row {
  std::string name;
  double sqnr_db = std::numeric_limits<double>::quiet_NaN(), p50_ms = std::numeric_limits<double>::quiet_NaN();
  std::uint64_t bytes = 0;
  std::optional<lifecycle::Answers> answers = {};
  std::string remark = {};
};

/// One run of the verb: what it reads, and what it finds.
class Run {
 public:
  explicit Run(const Args& args) : args_(args) {}
  Result<int> operator()();

 private:
  Result<> read();
  Result<std::optional<lifecycle::Answers>> answers(const ir::Graph& g);
  lifecycle::Judge judge() const { return {model_, data_->judged, judged_, data_->output_meaning, *engine_, options_.threads, watch_}; }
  Result<> quantise();
  Result<> make_narrow();
  Result<> write();
  Result<> time_both();
  std::string accuracy(const Row& r) const;
  Json object() const;
  std::string table(const std::vector<std::size_t>& worst, bool all) const;
  std::string results() const;
  std::vector<std::size_t> worst() const;
  std::string charts() const;
  Json choice() const;

  const Args& args_;
  std::string out_, format_;
  compress::QuantizeOptions options_;
  std::optional<compress::NarrowOptions> narrow_;
  std::int64_t opset_ = 13;
  std::optional<lifecycle::Floor> floor_;
  ir::Model model_;
  std::optional<lifecycle::CompressionData> data_;
  compress::Samples calibration_, judged_;
  std::unique_ptr<runtime::Backend> engine_;
  compress::Watch watch_;
  std::unique_ptr<system::Progress> bar_;
  std::string label_, score_;
  std::optional<Quantizer> quantizer_;
  std::vector<Width> widths_;
  std::vector<Row> rows_;
  ir::Graph result_;
  bool held_ = true;
  std::vector<std::string> notes_;
  std::uint64_t seed_ = 0;
};

Result<> Run::read() {
  out_ = args_.get("output");
  if (out_.empty() && !args_.has("compare")) return Error{ErrorCode::invalid_file, "'saha quantize' needs -o OUT.onnx, OUT.tflite or OUT.xml", "saha " + std::string(kQuantize.example)};
  if (!out_.empty()) { SAHA_TRY(const auto format, formats::format_to_write(out_)); format_ = format; }
  if (out_ == args_.arguments[0]) return Error{ErrorCode::invalid_file, "the input '" + out_ + "' would be overwritten", "give another name to -o"};
  if (args_.has("floor")) { SAHA_TRY(floor_, lifecycle::parse_floor(args_.get("floor"))); }
  const lifecycle::Quantize said{.scheme = args_.get("scheme"), .to = args_.get("to"), .calibrate = args_.get("calibrate"), .floor = floor_, .keep = args_.all("keep"), .without = args_.all("without")};
  SAHA_TRY(narrow_, said.narrow(format_ == "tflite"));
  if (narrow_) {
    if (args_.has("layers")) return Error{ErrorCode::invalid_file, "--layers belongs to what is calibrated: --scheme static, --to int8 or int16"};
    if (format_ == "tflite" && said.scheme != "dynamic") return Error{ErrorCode::invalid_file, "this form of a model is written as ONNX only, '" + out_ + "' is a TensorFlow Lite file"};
  }
  if (!narrow_ && !args_.has("data")) return Error{ErrorCode::invalid_file, "'saha quantize' needs --data DATA: ranges of what layers compute are found on samples", "--data saha.yaml, a folder, a .csv, .npy or .npz"};
  if (!narrow_) { SAHA_TRY(options_, said.options()); }
  options_.one_width = format_ == "tflite";
  options_.float_tail = format_ != "tflite";
  SAHA_TRY(const auto take, args_.integer("samples", 1, 1'000'000));
  SAHA_TRY(const auto seed, args_.integer("seed", 0, INT64_MAX));
  seed_ = std::uint64_t(seed);
  SAHA_TRY(options_.threads, threads_of(args_));
  data::Preprocess steps;
  if (args_.has("preprocess")) {
    SAHA_TRY(steps, steps_of(args_.get("preprocess")));
  }
  SAHA_TRY(model_, formats::import_file(args_.arguments[0]));
  SAHA_TRY(engine_, backends::open("native"));
  watch_.stop = [] { return system::interrupted(); };
  watch_.on_progress = [&](std::string_view what, std::int64_t done, std::int64_t total) {
    if (!bar_ || label_ != what) { bar_.reset(); label_ = std::string(what); bar_ = std::make_unique<system::Progress>(label_, total, progress_options(args_)); }
    bar_->set(done);
  };
  if (!args_.has("data")) {   // nothing is calibrated: errors are measured on random inputs
    const auto shapes = measure::fitting_shapes(model_.graph, {});
    judged_ = {.size = 4, .batch_size = 1, .batch = [this, shapes](std::int64_t at, std::int64_t) { return measure::random_inputs(model_.graph, shapes, seed_ + std::uint64_t(at)); }};
    return {};
  }
  yaml::Diagnostics diagnostics;
  auto data = lifecycle::compression_data(args_.get("data"), model_, steps, take, seed_, diagnostics);
  if (diagnostics.errors()) std::fputs(diagnostics.render("nothing was written").c_str(), stderr);
  if (!data) return std::move(data.error());
  data_ = std::move(*data);
  SAHA_TRY(calibration_, lifecycle::samples_of(data_->calibration, model_.graph));
  SAHA_TRY(judged_, lifecycle::samples_of(data_->judged, model_.graph));
  return {};
}

/// What the graph says about each sample that judges; nothing where samples are not what lifecycle::answer takes (a state, a fixed batch).
Result<std::optional<lifecycle::Answers>> Run::answers(const ir::Graph& g) {
  auto a = judge().answers(g);
  if (!a) {
    if (a.error().code == ErrorCode::cancelled) return std::move(a.error());
    return std::optional<lifecycle::Answers>{};
  }
  return std::optional<lifecycle::Answers>{std::move(*a)};
}

/// What needs no calibration.
Result<> Run::make_narrow() {
  SAHA_TRY(auto made, compress::narrowed(model_.graph, *narrow_));
  opset_ = made.opset;
  result_ = std::move(made.graph);
  rows_.push_back({"float32"});
  rows_.push_back({.name = (args_.get("scheme") == "static" ? "" : args_.get("scheme") + " ") + args_.get("to")});
  SAHA_TRY(const auto s, compress::compare(model_.graph, result_, compress::outputs_of(model_.graph, result_), *engine_, options_.threads, compress::first(judged_, lifecycle::kMeasured), watch_, "comparing"));
  rows_[1].sqnr_db = compress::mean_db(s);
  rows_[1].remark = std::to_string(made.layers) + " layers";
  if (!data_) return {};
  SAHA_TRY(rows_[0].answers, answers(model_.graph));
  if (!rows_[0].answers) return {};
  score_ = lifecycle::score_name(*rows_[0].answers, data_->judged);
  SAHA_TRY(rows_[1].answers, answers(result_));
  return {};
}

Result<> Run::quantise() {
  SAHA_TRY(quantizer_, Quantizer::make(model_.graph, calibration_, *engine_, options_, watch_));
  Quantizer& q = *quantizer_;
  rows_.push_back({"float32"});
  SAHA_TRY(rows_[0].answers, answers(q.reference()));
  if (rows_[0].answers) score_ = lifecycle::score_name(*rows_[0].answers, data_->judged);
  widths_ = q.widths();
  SAHA_TRY(result_, q.graph(widths_));
  rows_.push_back({.name = std::string(name(widths_[0]))});
  SAHA_TRY(rows_[1].sqnr_db, q.measure(widths_, compress::first(judged_, lifecycle::kMeasured), watch_));
  if (rows_[0].answers) { SAHA_TRY(rows_[1].answers, answers(result_)); }
  if (!floor_) return args_.has("layers") ? q.measure_alone(compress::first(judged_, lifecycle::kAlone), watch_) : Result<>();
  SAHA_TRY(const lifecycle::Held found, lifecycle::hold(q, *floor_, judge(), rows_[0].answers ? &*rows_[0].answers : nullptr));
  const auto& mixed = found.mixed;
  const std::string what = "floor " + found.floor;
  held_ = mixed.held;
  if (mixed.widths == widths_) {
    rows_[1].remark = what + (held_ ? " held" : " missed");
    return {};
  }
  rows_[1].remark = what + " missed";
  widths_ = mixed.widths;
  SAHA_TRY(result_, q.graph(widths_));
  rows_.push_back({.name = "mixed", .remark = held_ ? "floor held" : "floor missed"});
  SAHA_TRY(rows_[2].sqnr_db, judge().sqnr(q.reference(), result_));
  if (rows_[0].answers) { SAHA_TRY(rows_[2].answers, answers(result_)); }
  return {};
}

Result<> Run::write() {
  ir::Model m = model_;
  m.graph = result_;
  auto notes = format_ == "onnx" ? lifecycle::export_quantised(m, out_, opset_) : formats::export_file(m, out_);
  if (!notes) return std::move(notes.error());
  notes_.insert(notes_.end(), notes->begin(), notes->end());
  return {};
}

/// p50 of the float file and of the one that was written, side by side; left out where they cannot be timed.
Result<> Run::time_both() {
  SAHA_TRY(const auto sample, judged_.batch(0, 1));
  std::vector<measure::BenchModel> models = {{.file = args_.arguments[0], .backends = {"native"}, .inputs = sample}, {.file = out_, .backends = {"native"}, .inputs = sample}};
  measure::BenchOptions o;
  o.threads = 1;
  o.runs = 100;
  o.warmup = 5;
  o.seconds = 5;
  o.compare = false;
  auto b = measure::bench(models, o);
  if (!b) { notes_.push_back("not timed: " + b.error().message); return {}; }
  if (!(*b)[0].engines.empty()) rows_[0].p50_ms = (*b)[0].engines[0].summary.p50;
  if (!(*b)[1].engines.empty()) rows_.back().p50_ms = (*b)[1].engines[0].summary.p50;
  return {};
}

std::string Run::accuracy(const Row& r) const {
  if (!r.answers || score_.empty()) return "-";
  const Json s = lifecycle::summary(*r.answers, data_->judged);
  if (score_ == "accuracy" && s.contains("accuracy")) return figures::column::percent(s["accuracy"]) + " [" + figures::fixed(100 * s["lower"].get<double>(), 1) + ", " + figures::fixed(100 * s["upper"].get<double>(), 1) + "]";
  return figures::column::percent(lifecycle::score(*r.answers, *rows_[0].answers, data_->judged));
}

std::vector<std::size_t> Run::worst() const {
  const auto& layers = quantizer_->layers();
  std::vector<std::size_t> order(layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto key = [&](std::size_t i) { const double db = std::isnan(layers[i].alone_db) ? layers[i].sqnr_db : layers[i].alone_db; return std::isnan(db) ? 1e9 : db; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const bool wa = widths_[a] != quantizer_->widths()[a], wb = widths_[b] != quantizer_->widths()[b];
    return wa != wb ? wa : key(a) < key(b);
  });
  return order;
}

std::string Run::table(const std::vector<std::size_t>& worst, bool all) const {
  using system::Align;
  const auto& layers = quantizer_->layers();
  const bool alone = !layers.empty() && !std::isnan(layers[0].alone_db);
  const std::string head = std::to_string(data_->calibration.size()) + " samples of " + data_->calibration_name + ", " + std::string(name(quantizer_->choice().rule)) + (options_.per_channel ? ", per-channel" : ", per-tensor");
  std::vector<system::Table::Column> columns = {{"layer"}, {"operator"}, {"SQNR dB", Align::right}};
  if (alone) columns.push_back({"alone dB", Align::right});
  columns.push_back({"range used", Align::right});
  columns.push_back({"decision"});
  columns.push_back({head});
  system::Table t(columns);
  std::vector<std::size_t> shown = worst, rest;
  std::size_t widened = std::size_t(std::count_if(worst.begin(), worst.end(), [&](std::size_t i) { return widths_[i] != quantizer_->widths()[i]; }));
  if (!all) {
    const std::size_t n = std::min(shown.size(), std::max(kShown, widened));
    rest.assign(shown.begin() + std::ptrdiff_t(n), shown.end());
    shown.resize(n);
  } else std::sort(shown.begin(), shown.end());
  for (std::size_t i : shown) {
    const compress::Layer& l = layers[i];
    std::vector<std::string> cells = {l.name, l.op, decibels(l.sqnr_db)};
    if (alone) cells.push_back(decibels(l.alone_db));
    cells.push_back(l.group < 0 ? "-" : figures::column::percent(l.bulk));
    cells.push_back(l.group < 0 && widths_[i] == Width::int8 ? "int8, result float32" : std::string(name(widths_[i])));
    cells.push_back(l.reason);
    t.add(std::move(cells), widths_[i] != quantizer_->widths()[i] ? system::Ink::yellow : system::Ink::plain);
  }
  if (!rest.empty()) {
    double least = 1e9, least_alone = 1e9;
    for (std::size_t i : rest) least = std::min(least, std::isnan(layers[i].sqnr_db) ? 1e9 : layers[i].sqnr_db), least_alone = std::min(least_alone, layers[i].alone_db);
    std::vector<std::string> cells = {std::to_string(rest.size()) + " more", "", ">= " + decibels(least)};
    if (alone) cells.push_back(">= " + decibels(least_alone));
    cells.push_back("");
    cells.push_back(std::string(name(quantizer_->widths()[0])));
    t.add(std::move(cells));
  }
  return t.str(system::terminal_width(STDOUT_FILENO), system::use_color(system::ColorMode::automatic, STDOUT_FILENO)) + "\n";
}
std::string Run::results() const {
  using system::Align;
  system::Table r({{""}, {score_.empty() ? "" : score_ + " on " + std::to_string(data_->judged.size()) + " of " + data_->judged_name + (score_ == "accuracy" ? ", 95 %" : ""), Align::right}, {"output SQNR", Align::right}, {"size", Align::right}, {"p50 native", Align::right}, {""}});
  for (const Row& row : rows_)
    r.add({row.name, accuracy(row), std::isnan(row.sqnr_db) ? "-" : decibels(row.sqnr_db) + " dB", row.bytes ? figures::column::bytes(double(row.bytes)) : "-", std::isnan(row.p50_ms) ? "-" : figures::column::duration(row.p50_ms * 1e-3), row.remark});
  return r.str(system::terminal_width(STDOUT_FILENO), system::use_color(system::ColorMode::automatic, STDOUT_FILENO));
}

Json Run::object() const {
  Json rows = Json::array(), layers = Json::array();
  for (const Row& r : rows_)
    rows.push_back({{"name", r.name}, {score_.empty() ? "score" : score_, r.answers && !score_.empty() ? Json(lifecycle::score(*r.answers, *rows_[0].answers, data_->judged)) : Json()}, {"output_sqnr_db", number(r.sqnr_db)}, {"bytes", r.bytes ? Json(r.bytes) : Json()},
                    {"p50_ms", number(r.p50_ms)}, {"how", "measured"}, {"remark", r.remark}});
  const std::vector<compress::Layer> none;
  const auto& all = quantizer_ ? quantizer_->layers() : none;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const compress::Layer& l = all[i];
    layers.push_back({{"name", l.name}, {"op", l.op}, {"stored", name(widths_[i])}, {"sqnr_db", number(l.sqnr_db)}, {"alone_db", number(l.alone_db)}, {"lowest", l.lowest}, {"highest", l.highest}, {"range_low", l.lo}, {"range_high", l.hi}, {"range_used", l.bulk},
                      {"parameters", l.parameters}, {"macs", l.macs}, {"reason", l.reason}});
  }
  return {{"schema", "saha.quantize/1"}, {"saha", SAHA_VERSION}, {"model", args_.arguments[0]}, {"output", out_.empty() || args_.has("compare") ? Json() : Json(out_)}, {"scheme", args_.get("scheme")}, {"to", args_.get("to")}, {"calibrate", quantizer_ ? Json(args_.get("calibrate")) : Json()},
          {"calibration_samples", quantizer_ ? Json(data_->calibration.size()) : Json()}, {"calibration_data", quantizer_ ? Json(data_->calibration_name) : Json()}, {"judged_samples", judged_.size}, {"judged_data", data_ ? data_->judged_name : "random inputs"}, {"seed", seed_},
          {"floor_held", floor_ ? Json(held_) : Json()}, {"rows", rows}, {"layers", layers}, {"stays_float", quantizer_ ? Json(quantizer_->left()) : Json::array()}, {"notes", notes_}, {"choice", choice()}};
}

Json Run::choice() const {
  if (!quantizer_) return {};
  const compress::Choice& c = quantizer_->choice();
  Json tried = Json::array();
  for (const auto& t : c.tried) tried.push_back({{"what", t.what}, {"mean_sqnr_db", number(t.mean_db)}, {"least_sqnr_db", number(t.least_db)}});
  return {{"equalised", c.equalised}, {"ranges", name(c.rule)}, {"ranges_by_another_rule", c.singles}, {"rounded", c.rounded}, {"float_layers", c.floats}, {"held_out_samples", c.held}, {"tried", tried}};
}
std::string Run::charts() const {
  std::vector<lifecycle::charts::Bar> here, alone;
  const auto& layers = quantizer_->layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& l = layers[i];
    if (std::isfinite(l.sqnr_db)) here.push_back({l.name, l.reason, std::max(0.0, l.sqnr_db), widths_[i] == Width::int8 ? 0 : 1});
    if (std::isfinite(l.alone_db)) alone.push_back({l.name, "", std::max(0.0, l.alone_db), widths_[i] == Width::int8 ? 0 : 1});
  }
  return lifecycle::charts::bars("SQNR of each layer's result in the quantised model", "dB", here) + lifecycle::charts::bars("SQNR of the outputs where one layer alone is quantised", "dB", alone);
}

Result<int> Run::operator()() {
  system::InterruptGuard guard;
  SAHA_DO(read());
  SAHA_DO(narrow_ ? make_narrow() : quantise());
  rows_[0].bytes = formats::file_bytes(args_.arguments[0]);
  const bool writes = !args_.has("compare") && held_;
  if (writes) {
    SAHA_DO(write());
    rows_.back().bytes = formats::file_bytes(out_);
    SAHA_DO(time_both());
  }
  bar_.reset();
  const auto order = quantizer_ ? worst() : std::vector<std::size_t>{};
  if (quantizer_ && !quantizer_->left().empty()) {
    const auto& left = quantizer_->left();
    std::string s = figures::counted(std::int64_t(left.size()), "layer") + (left.size() == 1 ? " stays" : " stay") + " float32, since it is not of a form that is quantised: ";
    if (left.size() > 1) s.replace(s.find("it is"), 5, "they are");
    for (std::size_t i = 0; i < std::min<std::size_t>(left.size(), 4); ++i) s += (i ? ", " : "") + left[i];
    notes_.push_back(s + (left.size() > 4 ? ", .. (--json names all)" : ""));
  }
  if (quantizer_ && quantizer_->choice().held) notes_.push_back(compress::sentence(quantizer_->choice()));
  const Json result = object();
  SAHA_DO(write_reports(args_, result, "saha quantize " + args_.arguments[0], quantizer_ ? charts() : std::string()));
  if (args_.json()) print(result.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  else print((quantizer_ ? table(order, args_.has("layers")) : std::string()) + results());
  for (const std::string& n : model_.notes) say(args_, "note: " + n);
  if (data_) for (const std::string& n : data_->notes) say(args_, "note: " + n);
  for (const std::string& n : notes_) say(args_, "note: " + n);
  if (score_ == "agreement") say(args_, "note: the data has no labels: agreement is the share of samples that the float model decides the same");
  if (!data_) say(args_, "note: without --data the SQNR is that of random inputs");
  if (quantizer_ && data_->judged_name == data_->calibration_name) say(args_, "note: the samples that calibrate are among those that judge");
  if (!held_) return Error{ErrorCode::unsupported, "the floor is missed by every mixture that was tried; nothing was written", "--calibrate another way, more --samples, or a lower --floor"};
  if (writes) say(args_, "wrote " + out_);
  std::string repro = "saha quantize " + system::shell_quoted(args_.arguments[0]);
  if (!out_.empty()) repro += " -o " + system::shell_quoted(out_);
  if (data_) repro += " --data " + system::shell_quoted(args_.get("data"));
  if (args_.has("preprocess")) repro += " --preprocess " + system::shell_quoted(args_.get("preprocess"));
  repro += " --scheme " + args_.get("scheme") + " --to " + args_.get("to");
  if (!narrow_) repro += " --calibrate " + args_.get("calibrate") + " --samples " + args_.get("samples");
  for (const std::string& w : args_.all("without")) repro += " --without " + w;
  for (const std::string& k : args_.all("keep")) repro += " --keep " + system::shell_quoted(k);
  if (floor_) repro += " --floor " + args_.get("floor");
  say(args_, "repro: " + repro + " --seed " + std::to_string(seed_));
  return 0;
}

Result<int> run(const Args& args) { return Run(args)(); }
}  // namespace

const Command kQuantize{"quantize", "a model in fewer bits, calibrated on data and compared with the float model", kArguments, kOptions, "quantize model.onnx -o model.int8.onnx --data saha.yaml", run,
                        "The result computes on stored integers: an .onnx file has QuantizeLinear and DequantizeLinear around its operators, which saha, onnxruntime and openvino run on integers, a .tflite "
                        "file what LiteRT runs. With --floor, layers are stored in 16 bits, then kept in float32, until what is lost holds the floor; if none does, nothing is written and the exit code is 1."};

}  // namespace saha::cli
