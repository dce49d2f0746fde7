// saha bench: one model on every engine that is here, side by side.
#include "measure/bench.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "data/npy.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "system/file.hpp"
#include "system/machine.hpp"
#include "system/process.hpp"
#include "system/progress.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr std::size_t kShownLayers = 12;

constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}};
constexpr Option kOptions[] = {
    {"backend", 0, "BACKENDS", "these engines (A,B), each of which must be here; else all that are"},
    {"runs", 0, "N", "measured runs of each", false, "200"},
    {"warmup", 0, "N", "unmeasured runs before", false, "20"},
    {"profile", 0, "", "the native engine layer by layer, against the machine's measured peak"},
    {"compare", 0, "BACKEND", "the native engine's layers beside those of another that gives a profile (onnxruntime)"},
    {"pin", 0, "", "each thread stays on a core of its own, of engines that can do that (native, onnxruntime)"},
    {"tolerance", 0, "X", "largest difference to the reference, relative to its largest value where that is above 1"},
    {"reference", 0, "WHAT", "what results are compared with: operators (their references, however long they take), an engine, auto, or none", false, "auto"},
    {"input", 0, "F", "input values in the order of the inputs: .npy or .pb (ONNX test data); else random by --seed", true},
    {"shape", 0, "NAME=1x3x224x224", "shape of an input with free dims, which are otherwise 1 or the first sizes that the model takes", true},
    kReportOption,
};

using figures::fixed;
using figures::scientific;
std::string milliseconds(double ms) { return figures::column::duration(ms * 1e-3); }
std::string mebibytes(double bytes) { return fixed(bytes / 0x1p20, 1) + " MiB"; }

Result<std::vector<Datum>> read_inputs(const std::vector<std::string>& files, const std::string& model) {
  if (files.empty()) return std::vector<Datum>();
  SAHA_TRY(const ir::Model read, formats::import_file(model));
  const ir::Graph& graph = read.graph;
  if (files.size() != graph.inputs().size())
    return Error{ErrorCode::invalid_file, "the model has " + std::to_string(graph.inputs().size()) + " inputs, --input is given " + std::to_string(files.size()) + " times"};
  std::vector<Datum> inputs;
  for (std::size_t i = 0; i < files.size(); ++i) {
    SAHA_TRY(const auto bytes, system::read_bytes(files[i]));
    const auto kind = std::filesystem::path(files[i]).extension();
    if (kind == ".npy") {
      auto x = data::read_npy(bytes);
      if (!x) return std::move(x.error()).within(files[i]);
      inputs.emplace_back(std::move(*x));
    } else if (kind == ".pb") {
      auto x = onnx::read_datum(bytes, graph.type(graph.inputs()[i]));
      if (!x) return std::move(x.error()).within(files[i]);
      inputs.push_back(std::move(*x));
    } else {
      return Error{ErrorCode::invalid_file, "--input takes .npy and .pb, not " + files[i]};
    }
  }
  return inputs;
}

// What stands in the table's heading and in JSON's "machine".
std::string isa_words(const system::Cpu& cpu) {
  for (const char* isa : {"avx512f", "avx2", "sve", "neon"})
    if (std::find(cpu.isa.begin(), cpu.isa.end(), isa) != cpu.isa.end()) return isa == std::string("avx512f") ? "AVX-512" : isa == std::string("avx2") ? "AVX2" : isa == std::string("sve") ? "SVE" : "NEON";
  return "no vector unit known";
}

Json number_or_null(double v) { return std::isfinite(v) ? Json(v) : Json(); }

/// Segments by what the native engine loses in them, those without a counterpart last.
std::vector<measure::Segment> by_loss(const measure::SideBySide& c) {
  auto segments = c.segments;
  std::stable_sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) {
    return a.aligned() != b.aligned() ? a.aligned() : a.left_ms - a.right_ms > b.left_ms - b.right_ms;
  });
  return segments;
}

Json segments_of(const measure::SideBySide& c) {
  const auto layers = [](const std::vector<runtime::LayerTime>& all, const std::vector<std::size_t>& rows) {
    Json list = Json::array();
    for (std::size_t i : rows) list.push_back({{"name", all[i].name}, {"operator", all[i].op}, {"output", all[i].output}, {"kernel", all[i].kernel}, {"algorithm", all[i].algorithm}, {"ms", all[i].ms}});
    return list;
  };
  Json rows = Json::array();
  for (const auto& s : by_loss(c))
    rows.push_back({{"values", s.values}, {"aligned", s.aligned()}, {"native_ms", s.left.empty() ? Json() : Json(s.left_ms)}, {"other_ms", s.right.empty() ? Json() : Json(s.right_ms)},
                             {"ratio", s.aligned() && s.left_ms > 0 ? Json(s.right_ms / s.left_ms) : Json()}, {"native", layers(c.native, s.left)}, {"other", layers(c.other, s.right)}});
  return rows;
}

Json json(const measure::Bench& bench, const std::string& model, const measure::BenchOptions& options, const std::string& repro) {
  const auto cpu = system::cpu();
  Json j{{"schema", "saha.bench/1"}, {"saha", SAHA_VERSION}, {"model", model}, {"inputs", bench.inputs}, {"macs", bench.macs}};
  j["how"] = "measured";
  j["threads"] = options.threads;
  j["runs"] = options.runs;
  j["warmup"] = options.warmup;
  j["seed"] = options.seed;
  j["pinned"] = options.pin;
  j["interleaved"] = true;
  j["machine"] = {{"cpu", cpu.model}, {"isa", cpu.isa}, {"cores", cpu.physical}};
  j["load_average"] = bench.load_average;
  j["reference"] = bench.reference.empty() ? Json() : Json(bench.reference);
  j["wrong"] = bench.wrong();
  j["backends"] = Json::array();
  for (const auto& r : bench.engines) {
    Json row{{"backend", r.backend}, {"version", r.version}, {"precision", r.precision}, {"runs", r.ms.size()}};
    row["min_ms"] = r.summary.min;
    row["p50_ms"] = r.summary.p50;
    row["p90_ms"] = r.summary.p90;
    row["p99_ms"] = r.summary.p99;
    row["mean_ms"] = r.summary.mean;
    row["cpu_min_ms"] = r.cpu_min_ms;
    row["ratio"] = r.ratio;
    row["per_second"] = r.summary.p50 > 0 ? Json(1e3 / r.summary.p50) : Json();
    row["load_ms"] = r.load_ms;
    row["first_ms"] = r.first_ms;
    row["peak_ram_bytes"] = r.peak_bytes;
    row["max_abs_diff"] = r.difference ? number_or_null(r.difference->absolute) : Json();
    row["max_rel_diff"] = r.difference ? number_or_null(r.difference->relative) : Json();
    row["tolerance"] = r.difference ? number_or_null(r.tolerance) : Json();
    row["sqnr_db"] = r.difference ? number_or_null(r.difference->sqnr_db()) : Json();
    row["least_sqnr_db"] = r.least_db ? Json(*r.least_db) : Json();
    row["wrong"] = r.wrong;
    row["notes"] = r.notes;
    j["backends"].push_back(std::move(row));
  }
  j["missing"] = Json::array();
  for (const auto& m : bench.missing) j["missing"].push_back({{"backend", m.backend}, {"reason", m.reason}, {"help", m.help}});
  if (bench.peak) {
    j["peak"] = {{"threads", bench.peak->threads}, {"gmacs", bench.peak->best_gmacs()}, {"read_gbytes", bench.peak->read_gbytes}};
    for (const auto& isa : bench.peak->isas) j["peak"]["isa"].push_back({{"isa", isa.isa}, {"gmacs", isa.gmacs}});
    j["layers"] = Json::array();
    for (const auto& l : bench.layers)
      j["layers"].push_back({{"name", l.time.name}, {"operator", l.time.op}, {"output", l.time.output}, {"kernel", l.time.kernel}, {"algorithm", l.time.algorithm},
                             {"ms", l.time.ms}, {"cpu_ms", l.time.cpu_ms}, {"macs", l.time.macs},
                             {"bytes", l.time.bytes}, {"gmacs", l.gmacs}, {"limit", l.memory ? "memory" : "compute"}, {"percent", l.percent}});
  }
  if (const auto& c = bench.comparison) {
    j["comparison"] = {{"backend", c->backend}, {"version", c->version}, {"native_ms", c->native_ms()}, {"other_ms", c->other_ms()}};
    j["segments"] = segments_of(*c);
  }
  j["repro"] = repro;
  return j;
}

std::string short_version(const measure::EngineRow& r) {
  if (r.backend == "native") return r.version;
  const auto second = r.version.find('.', r.version.find('.') + 1);
  return r.version.substr(0, second);
}

std::string heading(const measure::Bench& bench, const measure::BenchOptions& options) {
  std::string inputs;
  for (const auto& i : bench.inputs) inputs += (inputs.empty() ? "" : ", ") + i;
  const auto cpu = system::cpu();
  return inputs + ", " + fixed(bench.macs * 1e-6, bench.macs < 1e7 ? 3 : 1) + " MMAC; " + std::to_string(options.runs) + " runs each, interleaved, " +
         std::to_string(options.warmup) + " warm-up, " + std::to_string(options.threads) + (options.threads == 1 ? " thread; " : " threads; ") + cpu.model + " " + isa_words(cpu) +
         ", load " + fixed(bench.load_average, 1) + "; all measured\n";
}

std::string engine_table(const measure::Bench& bench, int width, bool color) {
  using system::Align;
  system::Table table({{"backend", Align::left}, {"p50", Align::right}, {"p90", Align::right}, {"min", Align::right}, {"ratio", Align::right}, {"infer/s", Align::right, 3},
                       {"load", Align::right, 2}, {"peak RAM", Align::right, 1}, {"max |diff|", Align::right}});
  std::size_t longest = 7;
  for (const auto& r : bench.engines) longest = std::max(longest, r.backend.size() + 1 + short_version(r).size());
  for (const auto& r : bench.engines) {
    const std::string diff = !r.difference ? (bench.reference == r.backend ? "reference" : "-") : std::isfinite(r.difference->absolute) ? scientific(r.difference->absolute) : "infinite";
    std::vector<std::string> cells{r.backend + " " + short_version(r), milliseconds(r.summary.p50), milliseconds(r.summary.p90), milliseconds(r.summary.min), fixed(r.ratio, 2),
                                   figures::grouped(1e3 / r.summary.p50), milliseconds(r.load_ms), mebibytes(double(r.peak_bytes)), diff};
    if (r.wrong && r.least_db) cells.push_back("WRONG: " + fixed(r.difference->sqnr_db(), 1) + " dB of SQNR, at least " + fixed(*r.least_db, 0) + " is right");
    else if (r.wrong) cells.push_back("WRONG: " + scientific(r.difference->relative) + " relative, allowed " + figures::significant(r.tolerance, 6));
    table.add(std::move(cells), r.wrong ? system::Ink::red : system::Ink::plain);
  }
  std::string text = table.str(width, color);
  for (const auto& m : bench.missing) {  // a line each: why not, and what to do, where both fit
    std::string line = m.backend;
    line.resize(std::max(longest, line.size()), ' ');
    line += "  -: " + m.reason.substr(0, m.reason.find(';'));
    if (!m.help.empty()) {
      const std::string help = "; " + m.help.substr(0, m.help.find(','));
      line += width == 0 || system::display_width(line + help) <= width ? help : "; saha doctor says more";
    }
    text += (width > 0 ? system::fitted(line, width) : line) + "\n";
  }
  return text;
}

std::string layer_table(const measure::Bench& bench, bool all, int width, bool color) {
  using system::Align;
  double total_ms = 0;
  for (const auto& l : bench.layers) total_ms += l.time.ms;
  system::Table table({{"layer (native)", Align::left}, {"operator", Align::left}, {"output", Align::left}, {"time", Align::right}, {"%", Align::right}, {"CPU", Align::right, 4}, {"MMAC", Align::right},
                       {"GMAC/s", Align::right, 1}, {"MiB", Align::right, 2}, {"limit", Align::left}, {"% of limit", Align::right}, {"algorithm", Align::left, 3}});
  std::vector<std::size_t> order(bench.layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return bench.layers[a].time.ms > bench.layers[b].time.ms; });
  double ms = 0, cpu = 0, macs = 0, bytes = 0;
  const auto add = [&](std::vector<std::string> cells) { table.add(std::move(cells)); };
  std::size_t rest = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const auto& l = bench.layers[order[k]];
    if (!all && k >= kShownLayers) {
      ms += l.time.ms, cpu += l.time.cpu_ms, macs += l.time.macs, bytes += l.time.bytes, ++rest;
      continue;
    }
    add({l.time.name, l.time.op, l.time.output, milliseconds(l.time.ms), fixed(100 * l.time.ms / total_ms, 1), milliseconds(l.time.cpu_ms), fixed(l.time.macs * 1e-6, 2), fixed(l.gmacs, 1),
         fixed(l.time.bytes / (1 << 20), 1), l.memory ? "memory" : "compute", fixed(l.percent, 0), l.time.algorithm.empty() ? l.time.kernel : l.time.algorithm + " (" + l.time.kernel + ")"});
  }
  if (rest > 0)
    add({std::to_string(rest) + " more", "", "", milliseconds(ms), fixed(100 * ms / total_ms, 1), milliseconds(cpu), fixed(macs * 1e-6, 2), fixed(ms > 0 ? macs / ms * 1e-6 : 0, 1), fixed(bytes / (1 << 20), 1)});
  std::string text = table.str(width, color);
  text += "limits: " + fixed(bench.peak->best_gmacs(), 1) + " GMAC/s" + " of float32 on " + std::to_string(bench.peak->threads) + (bench.peak->threads == 1 ? " thread (" : " threads (");
  for (std::size_t i = 0; i < bench.peak->isas.size(); ++i) text += (i ? ", " : "") + bench.peak->isas[i].isa + " " + fixed(bench.peak->isas[i].gmacs, 1);
  text += ") and " + fixed(bench.peak->read_gbytes, 1) + " GB/s" + " read from memory, measured; above 100 %: the data stayed in the caches, the algorithm multiplies less, or it multiplies integers\n";
  return text;
}

// "Conv 3x3 x 2 + Add": operators in order, those that follow each other alike counted.
std::string operators(const std::vector<runtime::LayerTime>& all, const std::vector<std::size_t>& rows) {
  constexpr std::size_t kShownOperators = 4;
  std::vector<std::pair<std::string, int>> runs;
  for (std::size_t i : rows) {
    if (runs.empty() || runs.back().first != all[i].op) runs.emplace_back(all[i].op, 0);
    ++runs.back().second;
  }
  std::string text;
  int rest = 0;
  for (std::size_t k = 0; k < runs.size(); ++k) {
    if (k >= kShownOperators) rest += runs[k].second;
    else text += (k ? " + " : "") + runs[k].first + (runs[k].second > 1 ? " x " + std::to_string(runs[k].second) : "");
  }
  return text + (rest ? " + " + std::to_string(rest) + " more" : "");
}

std::string comparison_table(const measure::SideBySide& c, bool all, int width, bool color) {
  using system::Align;
  system::Table table({{"segment, to the value", Align::left}, {"native", Align::right}, {c.backend, Align::right}, {"ratio", Align::right}, {"native loses", Align::right}, {"native's layers", Align::left, 1},
                       {"the other's", Align::left, 2}, {"native's longest", Align::left, 3}});
  const auto segments = by_loss(c);
  const auto row = [&](const std::string& name, double left, double right, std::vector<std::string> more) {
    const double loss = left - right;
    std::vector<std::string> cells{name, milliseconds(left), milliseconds(right), left > 0 ? fixed(right / left, 2) : "-", (loss < 0 ? "-" : "") + milliseconds(std::abs(loss))};
    cells.insert(cells.end(), more.begin(), more.end());
    table.add(std::move(cells));
  };
  std::size_t shown = 0, rest = 0;
  double left = 0, right = 0, left_alone = 0, right_alone = 0;
  std::vector<std::size_t> only_left, only_right;
  for (const auto& s : segments) {
    if (!s.aligned()) {
      left_alone += s.left_ms, right_alone += s.right_ms;
      only_left.insert(only_left.end(), s.left.begin(), s.left.end());
      only_right.insert(only_right.end(), s.right.begin(), s.right.end());
      continue;
    }
    if (!all && shown >= kShownLayers) {
      left += s.left_ms, right += s.right_ms, ++rest;
      continue;
    }
    ++shown;
    const auto longest = *std::max_element(s.left.begin(), s.left.end(), [&](std::size_t a, std::size_t b) { return c.native[a].ms < c.native[b].ms; });
    const auto& l = c.native[longest];
    row(s.values.back(), s.left_ms, s.right_ms, {operators(c.native, s.left), operators(c.other, s.right), l.algorithm.empty() ? l.kernel : l.algorithm});
  }
  if (rest > 0) row(std::to_string(rest) + " more segments", left, right, {});
  row("all layers", c.native_ms(), c.other_ms(), {});
  std::string text = table.str(width, color);
  if (!only_left.empty()) text += "not aligned: of native " + std::to_string(only_left.size()) + " (" + operators(c.native, only_left) + "), " + milliseconds(left_alone) + "\n";
  if (!only_right.empty()) text += "not aligned: of " + c.backend + " " + std::to_string(only_right.size()) + " (" + operators(c.other, only_right) + "), " + milliseconds(right_alone) + "\n";
  return text + "least times; a segment is what lies between values that both engines write; " + c.backend + " counts whole microseconds of each layer\n";
}

Result<int> run(const Args& args) {
  const std::string& model = args.arguments[0];
  measure::BenchModel subject{.file = model};
  measure::BenchOptions options;
  SAHA_TRY(options.threads, threads_of(args));
  SAHA_TRY(const auto runs, args.integer("runs", 1, 10'000'000));
  SAHA_TRY(const auto warmup, args.integer("warmup", 0, 10'000'000));
  SAHA_TRY(const auto seed, args.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  options.runs = int(runs);
  options.warmup = int(warmup);
  options.seed = std::uint64_t(seed);
  subject.backends = words_of(args.get("backend"));
  std::erase(subject.backends, "");
  subject.profile = args.has("profile");
  subject.against = args.get("compare");
  options.pin = args.has("pin");
  options.reference = args.get("reference", "auto");
  options.compare = options.reference != "none";
  if (args.has("tolerance")) { SAHA_TRY(options.tolerance, args.number("tolerance", 0, 1e30)); }
  SAHA_TRY(subject.shapes, shapes_of(args));
  SAHA_TRY(subject.inputs, read_inputs(args.all("input"), model));
  std::optional<system::Progress> progress;
  options.on_progress = [&](std::string_view what, int done, int total) {
    if (!progress) progress.emplace("bench", total, progress_options(args));
    progress->total(total);
    progress->note(std::string(what));
    progress->set(done);
  };
  auto measured = measure::bench(subject, options);
  progress.reset();
  if (!measured) return std::move(measured.error());
  const measure::Bench& bench = *measured;
  std::string repro = "saha bench " + system::shell_quoted(model) + " --threads " + std::to_string(options.threads) + " --runs " + std::to_string(options.runs) + " --warmup " +
                      std::to_string(options.warmup) + " --seed " + std::to_string(options.seed);
  if (subject.profile) repro += " --profile";
  if (!subject.against.empty()) repro += " --compare " + subject.against;
  if (options.pin) repro += " --pin";
  for (const auto& text : args.all("shape")) repro += " --shape " + system::shell_quoted(text);
  for (const auto& text : args.all("input")) repro += " --input " + system::shell_quoted(text);
  const Json object = json(bench, model, options, repro);
  SAHA_DO(write_reports(args, object, "saha bench " + model));
  if (args.json()) {
    print(object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    const bool color = color_of(args);
    const int width = system::terminal_width(STDOUT_FILENO);
    print(heading(bench, options) + engine_table(bench, width, color));
    if (bench.peak) print(layer_table(bench, args.verbose() > 0, width, color));
    if (bench.comparison) print(comparison_table(*bench.comparison, args.verbose() > 0, width, color));
    for (const auto& r : bench.engines)
      for (const auto& note : r.notes) say(args, "note: " + r.backend + ": " + note);
    if (!bench.reference.empty()) say(args, "max |diff| is to the " + bench.reference + (bench.reference == "operator reference" ? "" : options.reference == "auto" ? " (" + fixed(bench.macs * 1e-6, 0) + " MMAC are many for the operator reference: --reference operators)" : ""));
    if (bench.load_average > 0.5 * system::cpu().physical) {
      std::string least;
      for (const auto& r : bench.engines) least += (least.empty() ? "" : ", ") + r.backend + " " + milliseconds(r.cpu_min_ms);
      say(args, system::wrapped("note: the machine was busy (load " + fixed(bench.load_average, 1) + "); least processor time of a run, which that changes little: " + least, system::terminal_width(STDERR_FILENO)));
    }
    say(args, "repro: " + repro);
  }
  return bench.wrong() ? 1 : 0;
}
}  // namespace

const Command kBench{"bench", "measure a model on every engine that is here, side by side", kArguments, kOptions, "bench model.onnx --threads 1 --profile", run};

}  // namespace saha::cli
