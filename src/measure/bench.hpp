#pragma once
// Models on engines, side by side: each pair in a process of its own, measured in short bursts by turns, so that whatever changes the
// machine's speed meets all of them alike.
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "measure/align.hpp"
#include "measure/difference.hpp"
#include "measure/inputs.hpp"
#include "measure/machine_peak.hpp"
#include "measure/quantiles.hpp"
#include "runtime/backend.hpp"

namespace saha::measure {

struct BenchModel {
  std::string file;                         ///< as it stands on disk
  std::vector<std::string> backends = {};   ///< by name, each must be there and run the model; empty: all that do
  bool lenient = false;                     ///< engines that are not there or do not run it are told as missing, though they were named; it may be that none is left
  std::vector<Datum> inputs = {};           ///< in the order of the graph's inputs; empty: random from the seed
  Shapes shapes = {};                       ///< of random inputs, for free dims; else as fitting_shapes finds them
  bool profile = false;                     ///< layers of the native engine, and the machine's peak
  std::string against = {};                 ///< an engine whose layers are set beside the native engine's; it must be there and give a profile
};

struct BenchOptions {
  int threads = 1;
  bool pin = false;                         ///< threads stay on cores of their own, of engines that can do that; a note tells which cannot
  int runs = 200, warmup = 20;              ///< per model and engine
  double seconds = 60;                      ///< an engine that takes longer than this in all stops early, after 10 runs at least
  std::uint64_t seed = 0;
  std::optional<double> tolerance;          ///< of Difference::relative; nothing: by precision, of quantised models 10 dB of SQNR
  bool compare = true;                      ///< with the reference
  std::string reference = "auto";           ///< "operators": the operators' references, however long they take; or an engine's name; auto: by kReferenceMacs
  std::function<void(std::string_view what, int done, int total)> on_progress;
  std::function<void(std::size_t model, std::string_view backend)> on_burst;   ///< before each measured burst
};

struct EngineRow {
  std::string backend, version, precision;
  std::vector<double> ms;                   ///< every measured run
  std::vector<int> bursts;                  ///< how many of them each burst made: burst i is of the same round in every row of one bench()
  Summary summary;                          ///< of ms
  double cpu_min_ms = 0;                    ///< least processor time of a run, all threads: what a busy machine does not change
  double ratio = 1;                         ///< p50 over the first row's
  double load_ms = 0, first_ms = 0;
  std::uint64_t peak_bytes = 0;             ///< peak resident set of the engine's process
  std::optional<Difference> difference;     ///< nothing for the row that is the reference itself
  double tolerance = 0;
  std::optional<double> least_db;           ///< SQNR to the reference that is asked for, of a quantised model instead of the tolerance
  bool wrong = false;
  std::vector<std::string> notes;
};
struct MissingRow {
  std::string backend, reason, help;
};

struct LayerRow {
  runtime::LayerTime time;
  double gmacs = 0;                         ///< reached, 10^9 a second
  bool memory = false;                      ///< limited by memory, by the machine's peak; else by arithmetic
  double percent = 0;                       ///< of that limit; above 100 where data stays in the caches
};

/// The layers of the native engine beside another's.
struct SideBySide {
  std::string backend, version;
  std::vector<runtime::LayerTime> native, other;   ///< least times of several profiles, taken by turns
  std::vector<Segment> segments;                   ///< left: native
  double native_ms() const;                        ///< all layers
  double other_ms() const;
};

struct Bench {
  std::vector<EngineRow> engines;           ///< in the registry's order
  std::vector<MissingRow> missing;
  std::vector<std::string> inputs;          ///< "image float32 [1, 3, 224, 224]"
  double macs = 0;                          ///< of one run, from the shapes
  std::string reference;                    ///< "operator reference" or an engine's name; empty: not compared
  std::vector<LayerRow> layers;
  std::optional<MachinePeak> peak;
  std::optional<SideBySide> comparison;
  double load_average = 0;                  ///< before the measurement
  bool wrong() const;
};

/// Fails where an engine that was asked for by name is missing or cannot run the model.
Result<Bench> bench(const BenchModel& model, const BenchOptions& options);
/// All models in one run, each round one burst of every model on every engine: their rows compare by pairs of bursts. One Bench a model.
Result<std::vector<Bench>> bench(std::span<const BenchModel> models, const BenchOptions& options);

/// Largest work of a graph that `auto` compares with the operators' references; above it the first engine is the reference.
inline constexpr double kReferenceMacs = 100e6;

/// Multiply-accumulates of one run with these inputs.
Result<double> count_macs(const ir::Graph& graph, std::span<const Datum> inputs);

}  // namespace saha::measure
