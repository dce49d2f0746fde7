// Interleaving: rounds, in each of which every model on every engine runs one burst, in an order that moves on from round to round. A burst
// begins with unmeasured runs, in which caches are filled anew and the threads of the engine before go to sleep.
#include "measure/bench.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "backends/registry.hpp"
#include "formats/formats.hpp"
#include "measure/presence.hpp"
#include "measure/worker.hpp"
#include "op/work.hpp"
#include "passes/gather_quantised.hpp"
#include "passes/specialize.hpp"
#include "system/interrupt.hpp"
#include "system/machine.hpp"

namespace saha::measure {
namespace {
constexpr double kBurstMs = 40, kSettleMs = 3;
constexpr double kLeastBurst = 4;  // runs: of a slow model the unmeasured run would else be half of the work
constexpr std::size_t kLeastRuns = 10;
constexpr int kLeastRounds = 20;   // however fast the model: pairs of bursts are what two rows are compared by

/// A model that is being measured.
struct Subject {
  const BenchModel& model;
  std::string path;
  ir::Graph graph;
  std::vector<Datum> inputs;
  Bench bench;
};

struct Running {
  std::size_t subject = 0;
  EngineRow row;
  Worker worker;
  Loaded loaded;
  double estimate_ms = 0, spent_ms = 0;
  std::size_t left = 0;
};

void tell(const BenchOptions& options, std::string_view what, int done, int total) {
  if (options.on_progress) options.on_progress(what, done, total);
}

Result<Subject> prepare(const BenchModel& model, const BenchOptions& options) {
  std::error_code ignored;
  const std::string path = std::filesystem::absolute(model.file, ignored).string();
  SAHA_TRY(ir::Model read, formats::import_file(path));
  Subject s{model, path, std::move(read.graph), model.inputs, {}};
  if (s.inputs.empty()) { SAHA_TRY(s.inputs, random_inputs(s.graph, fitting_shapes(s.graph, model.shapes), options.seed)); }
  s.bench.load_average = system::load_average();
  for (std::size_t i = 0; i < s.inputs.size(); ++i)
    s.bench.inputs.push_back(s.graph.name(s.graph.inputs()[i]) + " " + (s.inputs[i].is_tensor() ? std::string(name(s.inputs[i].tensor.dtype)) + " " + str(s.inputs[i].tensor.dims) : "(not a tensor)"));
  auto macs = count_macs(s.graph, s.inputs);
  if (!macs) {
    Error& e = macs.error();
    std::string free;
    for (auto v : s.graph.inputs())
      if (model.inputs.empty() && !model.shapes.count(s.graph.name(v)) && !ir::is_static(s.graph.type(v))) free += (free.empty() ? "" : ", ") + s.graph.name(v) + " " + ir::str(s.graph.type(v));
    if (!free.empty()) e.help = "no sizes were found that the model takes in its free dims (" + free + "); --shape NAME=1x3x224x224 sets them";
    return std::move(e);
  }
  s.bench.macs = *macs;
  return s;
}

std::vector<std::string> input_names(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (auto v : graph.inputs()) names.push_back(graph.name(v));
  return names;
}

Result<> start(Subject& s, std::size_t number, const BenchOptions& options, std::vector<Running>& running) {
  std::vector<std::string> names = s.model.backends;
  if (names.empty())
    for (const auto& info : backends::all()) names.push_back(info.name);
  for (const auto& name : names) { SAHA_DO(backends::known(name)); }
  const std::size_t before = running.size();
  for (const auto& name : names) {
    tell(options, "loading " + name, int(running.size() - before), int(names.size()));
    SAHA_TRY(Worker worker, Worker::start());
    if (auto opened = worker.open(name); !opened) {
      Error& e = opened.error();
      if (!s.model.backends.empty() && !s.model.lenient) return std::move(e).within("backend '" + name + "' was asked for but is not here; nothing was run");
      s.bench.missing.push_back({name, why_not(name, e), e.help});
      continue;
    }
    auto loaded = worker.load({.backend = name, .model = s.path, .threads = options.threads, .pin = options.pin, .names = input_names(s.graph), .inputs = s.inputs});
    if (!loaded) {
      Error& e = loaded.error();
      if (!s.model.backends.empty() && !s.model.lenient) return std::move(e).within("backend '" + name + "' was asked for but cannot run this model; nothing was measured");
      s.bench.missing.push_back({name, why_not(name, e), e.help});
      continue;
    }
    EngineRow row;
    row.backend = name;
    row.version = loaded->version;
    row.precision = loaded->precision;
    row.load_ms = loaded->load_ms;
    row.first_ms = loaded->first_ms;
    row.notes = loaded->notes;
    if (options.pin && !loaded->pinned) row.notes.push_back("its threads are not pinned");
    running.push_back({number, std::move(row), std::move(worker), std::move(*loaded), 0, 0, std::size_t(std::max(options.runs, 1))});
  }
  if (running.size() == before && !s.model.lenient) return Error{ErrorCode::unsupported, "no engine runs this model; " + s.bench.missing.front().backend + ": " + s.bench.missing.front().reason, s.bench.missing.front().help};
  return {};
}

Result<> warm_up(Running& r, int runs) {
  auto burst = r.worker.burst(std::max(runs, 1), 0);
  if (!burst) return std::move(burst.error()).within(r.row.backend);
  r.estimate_ms = std::max(summarize(burst->wall_ms).p50, 1e-4);
  return {};
}

// Runs of a burst: the same for all that still run, so that their rounds stay pairs, and no more than the slowest does in kBurstMs.
int burst_runs(const std::vector<Running>& running, int runs) {
  double n = std::max(1.0, std::ceil(double(runs) / kLeastRounds));
  for (const Running& r : running)
    if (r.left > 0) n = std::min(n, std::max(std::round(kBurstMs / r.estimate_ms), kLeastBurst));
  return int(n);
}

// One burst. Takes the times over and lowers what is left.
Result<> measure(Running& r, int runs, double seconds) {
  const int n = int(std::min(std::size_t(runs), r.left));
  auto burst = r.worker.burst(n, kSettleMs);
  if (!burst) return std::move(burst.error()).within(r.row.backend);
  for (double ms : burst->wall_ms) {
    r.row.ms.push_back(ms);
    r.spent_ms += ms;
  }
  for (double ms : burst->cpu_ms) r.row.cpu_min_ms = r.row.cpu_min_ms == 0 ? ms : std::min(r.row.cpu_min_ms, ms);
  r.row.bursts.push_back(n);
  r.left -= std::size_t(n);
  if (r.spent_ms > seconds * 1e3 && r.row.ms.size() >= kLeastRuns) r.left = 0;
  return {};
}

Result<> interleave(std::vector<Running>& running, const BenchOptions& options) {
  for (auto& r : running) { SAHA_DO(warm_up(r, options.warmup)); }
  int total = 0;
  for (const auto& r : running) total += int(r.left);
  for (std::size_t first = 0;; ++first) {
    int left = 0;
    const int n = burst_runs(running, options.runs);
    for (std::size_t k = 0; k < running.size(); ++k) {
      Running& r = running[(first + k) % running.size()];
      if (system::interrupted()) return Error{ErrorCode::cancelled, "interrupted while measuring " + r.row.backend};
      if (r.left > 0) {
        if (options.on_burst) options.on_burst(r.subject, r.row.backend);
        SAHA_DO(measure(r, n, options.seconds));
      }
      left += int(r.left);
    }
    tell(options, "measuring", total - left, total);
    if (left == 0) return {};
  }
}

bool quantised(const ir::Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const ir::Node& n) {
    const auto op = n.op.str();
    return op == "QuantizeLinear" || op == "DynamicQuantizeLinear" || op.starts_with("QLinear");
  });
}
/// Values of 16-bit floats, which engines keep wider where it suits them.
bool in_narrow_floats(const ir::Graph& graph) {
  return std::any_of(graph.values().begin(), graph.values().end(), [](const ir::Value& v) { return !v.constant && v.type->is_tensor() && (v.type->dtype == DType::f16 || v.type->dtype == DType::bf16); });
}
bool keeps_integers(const ir::Graph& graph) {
  return std::any_of(graph.values().begin(), graph.values().end(), [](const ir::Value& v) { return v.type->quant != nullptr; });
}

/// What is allowed where nobody says.
void allow(EngineRow& row, const ir::Graph& graph) {
  constexpr double kUnlimited = std::numeric_limits<double>::infinity();
  row.tolerance = row.precision == "float32" ? 1e-3 : 5e-2;
  // A model on stored integers states how each sum is rounded; other engines round by rules of their own, TensorFlow Lite's default kernels among
  // them, and steps add up over layers: the difference is told, and is no fault.
  if (keeps_integers(graph)) {
    if (row.backend != "native") row.tolerance = kUnlimited;
  } else if (quantised(graph) || in_narrow_floats(graph)) {
    // A float32 sum may round to either of two steps, and later layers make more of a step: what differs is noise, as that of fewer bits is.
    row.tolerance = kUnlimited;
    row.least_db = 10;
  }
}

// The engine's results in the order of the graph's outputs.
Result<std::vector<Datum>> outputs(Running& r, const ir::Graph& graph) {
  auto given = r.worker.outputs();
  if (!given) return std::move(given.error()).within(r.row.backend);
  std::vector<Datum> ordered;
  for (auto v : graph.outputs()) {
    const auto at = std::find(r.loaded.outputs.begin(), r.loaded.outputs.end(), graph.name(v));
    if (at != r.loaded.outputs.end()) ordered.push_back((*given)[std::size_t(at - r.loaded.outputs.begin())]);
  }
  return ordered.size() == given->size() ? Result<std::vector<Datum>>(std::move(ordered)) : std::move(given);
}

Result<> compare(std::span<Running> running, const ir::Graph& graph, const std::vector<Datum>& inputs, const BenchOptions& options, Bench& bench) {
  tell(options, "comparing", 0, 1);
  std::vector<std::vector<Datum>> results;
  for (auto& r : running) {
    SAHA_TRY(auto result, outputs(r, graph));
    results.push_back(std::move(result));
  }
  std::vector<Datum> reference;
  std::string wanted = options.reference;
  if (wanted == "operators" || (wanted == "auto" && bench.macs <= kReferenceMacs)) {
    // Between pairs of 8 bits operators compute on integers, exactly; with 16 bits in float32, as engines do.
    auto exact = quantised(graph) ? passes::gather_quantised(graph, 8) : Result<ir::Graph>(graph);
    auto result = op::run(exact ? *exact : graph, std::span<const Datum>(inputs));
    if (!result && wanted == "operators") return std::move(result.error()).within("operator reference");
    if (result) {
      reference = std::move(*result);
      bench.reference = "operator reference";
    }
  }
  if (bench.reference.empty()) {
    if (wanted == "auto") wanted = running.front().row.backend;
    const auto at = std::find_if(running.begin(), running.end(), [&](const Running& r) { return r.row.backend == wanted; });
    if (at == running.end()) return Error{ErrorCode::invalid_file, "--reference is '" + wanted + "', which is not among the backends that were measured", "auto, operators, or one of them"};
    reference = results[std::size_t(at - running.begin())];
    bench.reference = wanted;
  }
  for (std::size_t i = 0; i < running.size(); ++i) {
    EngineRow& row = running[i].row;
    if (row.backend == bench.reference) continue;
    row.difference = difference(reference, results[i]);
    if (options.tolerance) row.tolerance = *options.tolerance;
    else allow(row, graph);
    row.wrong = !(row.difference->relative <= row.tolerance) || (row.least_db && row.difference->sqnr_db() < *row.least_db);
  }
  return {};
}

/// Lowers `layers` to what a further profile of the same plan says.
Result<> lower(std::vector<runtime::LayerTime>& layers, std::vector<runtime::LayerTime> further) {
  if (layers.empty()) layers = std::move(further);
  else if (layers.size() != further.size()) return Error{ErrorCode::internal, "two profiles of one model have " + std::to_string(layers.size()) + " and " + std::to_string(further.size()) + " layers"};
  else
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i].ms = std::min(layers[i].ms, further[i].ms);
  return {};
}

// Rounds of both engines, each time in new processes: an engine that profiles from its start gives one profile only.
Result<> compare_layers(const Subject& s, const BenchOptions& options, Bench& bench) {
  constexpr int kRounds = 3;
  SAHA_DO(backends::known(s.model.against));
  if (s.model.against == "native") return Error{ErrorCode::unsupported, "the native engine's layers are compared with those of another engine, not with its own"};
  SideBySide c;
  c.backend = s.model.against;
  for (int round = 0; round < kRounds; ++round)
    for (const std::string& name : {std::string("native"), s.model.against}) {
      tell(options, "layers of " + name, 2 * round + (name != "native"), 2 * kRounds);
      if (system::interrupted()) return Error{ErrorCode::cancelled, "interrupted while measuring the layers of " + name};
      const auto measured = [&]() -> Result<> {
        SAHA_TRY(Worker worker, Worker::start());
        SAHA_TRY(const auto loaded, worker.load({.backend = name, .model = s.path, .threads = options.threads, .profile = true, .pin = options.pin, .names = input_names(s.graph), .inputs = s.inputs}));
        if (name != "native") c.version = loaded.version;
        SAHA_TRY(const auto burst, worker.burst(std::max(options.warmup, 1), 0));
        const int runs = int(std::clamp(1e3 / std::max(summarize(burst.wall_ms).p50, 1e-3), 3.0, double(std::max(options.runs, 3))));
        SAHA_TRY(auto layers, worker.profile(runs));
        return lower(name == "native" ? c.native : c.other, std::move(layers));
      }();
      if (!measured) return Error(measured.error()).within("the layers of backend '" + name + "'");
    }
  if (std::ranges::all_of(c.native, [](const auto& l) { return l.writes.empty(); }) && !c.native.empty())
    return Error{ErrorCode::unsupported, "the plans of a bundle name no values, by which layers are aligned", "compare the model that it was made from"};
  c.segments = align(c.native, c.other);
  bench.comparison = std::move(c);
  return {};
}

Result<> profile(std::span<Running> running, const BenchOptions& options, Bench& bench) {
  const auto native = std::find_if(running.begin(), running.end(), [](const Running& r) { return r.row.backend == "native"; });
  if (native == running.end()) return Error{ErrorCode::unsupported, "--profile shows the layers of the native engine, which is not among the backends"};
  tell(options, "profiling", 0, 1);
  const int runs = int(std::clamp(2e3 / std::max(native->row.summary.p50, 1e-3), 3.0, double(std::max(options.runs, 3))));
  SAHA_TRY(const auto layers, native->worker.profile(runs));
  bench.peak = measure_machine_peak(options.threads);
  const double gmacs = bench.peak->best_gmacs(), gbytes = bench.peak->read_gbytes;
  for (const auto& layer : layers) {
    LayerRow row{.time = layer};
    const double arithmetic_ms = layer.macs / gmacs * 1e-6, memory_ms = layer.bytes / gbytes * 1e-6;
    row.memory = memory_ms > arithmetic_ms;
    if (layer.ms > 0) {
      row.gmacs = layer.macs / layer.ms * 1e-6;
      row.percent = 100 * std::max(arithmetic_ms, memory_ms) / layer.ms;
    }
    bench.layers.push_back(std::move(row));
  }
  return {};
}

}  // namespace

double SideBySide::native_ms() const {
  double ms = 0;
  for (const auto& l : native) ms += l.ms;
  return ms;
}
double SideBySide::other_ms() const {
  double ms = 0;
  for (const auto& l : other) ms += l.ms;
  return ms;
}

bool Bench::wrong() const {
  return std::any_of(engines.begin(), engines.end(), [](const EngineRow& r) { return r.wrong; });
}

Result<double> count_macs(const ir::Graph& graph, std::span<const Datum> inputs) {
  std::vector<ir::TypeRef> types;
  for (const auto& d : inputs) types.push_back(d.is_tensor() ? ir::tensor_type(d.tensor.dtype, {d.tensor.dims.begin(), d.tensor.dims.end()}) : nullptr);
  SAHA_TRY(const ir::Graph bound, passes::specialize(graph, types));
  double macs = 0;
  for (const auto& n : bound.nodes()) macs += op::work(bound, n).macs;
  return macs;
}

Result<std::vector<Bench>> bench(std::span<const BenchModel> models, const BenchOptions& options) {
  std::vector<Subject> subjects;
  for (const BenchModel& m : models) {
    SAHA_TRY(Subject s, prepare(m, options));
    subjects.push_back(std::move(s));
  }
  for (Subject& s : subjects)
    if (!s.model.against.empty()) { SAHA_DO(compare_layers(s, options, s.bench)); }
  std::vector<Running> running;
  std::vector<std::size_t> first;  // of each subject's rows, which lie together
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    first.push_back(running.size());
    SAHA_DO(start(subjects[i], i, options, running));
  }
  first.push_back(running.size());
  SAHA_DO(interleave(running, options));
  for (auto& r : running) {
    r.row.summary = summarize(r.row.ms);
    SAHA_TRY(r.row.peak_bytes, r.worker.peak_bytes());
  }
  std::vector<Bench> benches;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    Subject& s = subjects[i];
    const auto own = std::span(running).subspan(first[i], first[i + 1] - first[i]);
    if (own.empty()) { benches.push_back(std::move(s.bench)); continue; }
    const double yardstick = own.front().row.summary.p50;
    for (Running& r : own) r.row.ratio = yardstick > 0 ? r.row.summary.p50 / yardstick : 1;
    if (s.model.profile) { SAHA_DO(profile(own, options, s.bench)); }
    if (options.compare) { SAHA_DO(compare(own, s.graph, s.inputs, options, s.bench)); }
    for (Running& r : own) s.bench.engines.push_back(std::move(r.row));
    benches.push_back(std::move(s.bench));
  }
  return benches;
}

Result<Bench> bench(const BenchModel& model, const BenchOptions& options) {
  SAHA_TRY(auto benches, bench(std::span(&model, 1), options));
  return std::move(benches.front());
}

}  // namespace saha::measure
