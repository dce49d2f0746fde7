#pragma once
// Tuning: which way of doing a layer is fastest on this machine, measured in the model itself. A trial is the whole plan with another way in every layer that has one; it runs by turns with the plan
// as it is unmeasured, so that both meet the same caches, threads and load. What was learnt is kept by processor and layer, and holds for other models with the same layer.
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backends/native/ways.hpp"
#include "ir/graph.hpp"
#include "tensor/datum.hpp"

namespace saha::native {

/// What was learnt of layers: by layer the way that does it. A layer that is not in it, or a way that there is no longer, takes the first.
class Choices final : public Picker {
 public:
  std::size_t pick(const std::string& layer, std::span<const Way> ways) const override;
  const Way* find(const std::string& layer) const;
  void set(const std::string& layer, Way way) { ways_[layer] = std::move(way); }
  const std::map<std::string, Way>& all() const { return ways_; }

 private:
  std::map<std::string, Way> ways_;
};

/// A file that keeps choices of many processors. Not there: nothing is known. Written whole or not at all; several processes may use one.
class TuneCache {
 public:
  /// Fails (invalid_file) where the file is no such cache, saying what is wrong with it.
  static Result<TuneCache> open(std::filesystem::path file);
  /// "$XDG_CACHE_HOME/saha/tune.json", else in ~/.cache; empty where neither is known.
  static std::filesystem::path usual_file();
  /// The processor, the level, the threads and the text of the kernels: measurements under one say nothing of another.
  static std::string key(kernels::Isa isa, int threads);
  Choices choices(const std::string& key) const;
  /// Adds these to what the file holds now.
  Result<> add(const std::string& key, const Choices& choices);

 private:
  std::filesystem::path file_;
  std::map<std::string, std::map<std::string, Way>> all_;
};

struct TuneOptions {
  kernels::Isa isa = kernels::detect_isa();
  int threads = 1;
  double seconds = 30;                      ///< of measuring in all; a trial takes five rounds at least
  double least_gain = 0.03;                 ///< by which a way must be faster than the first to be taken
  const Choices* known = nullptr;           ///< layers that are not measured again
  std::function<void(int done, int total)> on_trial;
};
struct TunedLayer {
  std::string layer = {}, name = {};        ///< what the picker is told; the first node of the model that it is
  int count = 0;                            ///< instructions of the plan
  std::vector<Way> ways = {};
  std::vector<double> seconds = {};              ///< by way: all of its instructions, least of each; infinity: not measured
  double first_seconds = 0, best_seconds = 0;  ///< of the way that comes first and of the chosen one, measured by turns
  std::size_t chosen = 0;
  bool known = false;                       ///< taken from TuneOptions::known
};
struct Tuned {
  Choices choices;                          ///< of all layers with several ways
  std::vector<TunedLayer> layers;           ///< in the order of the plan
  double before_seconds = 0, after_seconds = 0;  ///< a run, least, by turns; the same where every first way stands
  int rounds = 0, trials = 0;
  bool faster = false;                      ///< the whole is, than by the first ways
  bool interrupted = false;                 ///< by Ctrl-C: choices are those of the layers that were measured in every way, and the whole was not
};
/// `runnable` as native::runnable gives it; one Datum for each input, a tensor. Fails where the model does not run.
Result<Tuned> tune(const ir::Graph& runnable, std::span<const Datum> inputs, const TuneOptions& options);

}  // namespace saha::native
