#include "backends/native/tune.hpp"

#include <algorithm>
#include <limits>

#include "backends/native/network.hpp"
#include "system/interrupt.hpp"
#include "system/machine.hpp"

namespace saha::native {
namespace {

constexpr int kFewestRounds = 5;
constexpr double kConfirming = 0.3;     // of the time: what seemed faster is measured again, all of it at once, since the least of many noisy numbers flatters

double now() { return double(system::monotonic_ns()) * 1e-9; }

/// Takes the n-th way of each layer, the first where there are fewer; and learns which layers and ways there are.
class Probe final : public Picker {
 public:
  Probe(std::size_t trial, const Choices* known) : trial_(trial), known_(known) {}
  std::size_t pick(const std::string& layer, std::span<const Way> ways) const override {
    if (auto [it, added] = ways_.try_emplace(layer, ways.begin(), ways.end()); added) order_.push_back(layer);
    if (known_ && known_->find(layer)) return known_->pick(layer, ways);
    return trial_ < ways.size() ? trial_ : 0;
  }
  const std::vector<std::string>& order() const { return order_; }
  const std::vector<Way>& ways(const std::string& layer) const { return ways_.at(layer); }

 private:
  std::size_t trial_;
  const Choices* known_;
  mutable std::map<std::string, std::vector<Way>> ways_;
  mutable std::vector<std::string> order_;
};

/// A plan, ready to be run and timed.
struct Timed {
  std::vector<std::string> layers;      // by instruction
  std::unique_ptr<runtime::Context> context;
  std::vector<double> seconds;          // by instruction, least
  double run_seconds = std::numeric_limits<double>::infinity();

  Result<> time_layers() { return context->run_timed(seconds, now); }
  Result<> time_run() {
    const double begin = now();
    SAHA_DO(context->run());
    run_seconds = std::min(run_seconds, now() - begin);
    return {};
  }
  double of(const std::string& layer) const {
    double sum = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) if (layers[i] == layer) sum += seconds[i];
    return sum;
  }
  void forget() {
    std::fill(seconds.begin(), seconds.end(), std::numeric_limits<double>::infinity());
    run_seconds = std::numeric_limits<double>::infinity();
  }
};

class Tuner {
 public:
  Tuner(const ir::Graph& graph, std::span<const Datum> inputs, const TuneOptions& options) : graph_(graph), inputs_(inputs), options_(options), pool_(unsigned(std::max(1, options.threads))) {}
  Result<Tuned> run();

 private:
  Result<Timed> timed(const Picker& picker) {
    Timed t;
    SAHA_TRY(auto loaded, compile(graph_, {.isa = options_.isa, .picker = &picker, .layers = &t.layers}));
    SAHA_TRY(auto context, runtime::Context::make(std::move(loaded), pool_));
    t.context = std::make_unique<runtime::Context>(std::move(context));
    for (std::size_t i = 0; i < inputs_.size(); ++i) t.context->set_input(i, inputs_[i]);
    t.seconds.resize(t.layers.size());
    t.forget();
    SAHA_DO(t.context->run());
    return t;
  }
  /// Both by turns, for so long and kFewestRounds at least. False: interrupted.
  Result<bool> by_turns(Timed& a, Timed& b, double seconds) {
    a.forget(), b.forget();
    const double end = now() + seconds;
    for (int round = 0; round < kFewestRounds || now() < end; ++round) {
      if (system::interrupted()) return false;
      for (Timed* t : {&a, &b}) SAHA_DO(t->time_layers());
      for (Timed* t : {&b, &a}) SAHA_DO(t->time_run());
      ++result_.rounds;
    }
    return true;
  }
  const ir::Graph& graph_;
  std::span<const Datum> inputs_;
  const TuneOptions& options_;
  system::ThreadPool pool_;
  Tuned result_;
};

Result<Tuned> Tuner::run() {
  const Probe probe(0, options_.known);
  SAHA_TRY(Timed first, timed(probe));
  std::size_t trials = 1;
  for (const std::string& layer : probe.order()) {
    TunedLayer l{.layer = layer, .ways = probe.ways(layer)};
    for (std::size_t i = 0; i < first.layers.size(); ++i)
      if (first.layers[i] == layer && l.count++ == 0) l.name = first.context->plan().origins[first.context->plan().instructions[i].origin].name;
    if (l.count == 0) continue;   // part of what is done by bands of rows
    l.known = options_.known && options_.known->find(layer);
    if (l.known) l.chosen = options_.known->pick(layer, l.ways);
    else trials = std::max(trials, l.ways.size());
    l.seconds.assign(l.ways.size(), std::numeric_limits<double>::infinity());
    result_.layers.push_back(std::move(l));
  }
  result_.trials = int(trials) - 1;
  const double each = options_.seconds * (1 - kConfirming) / double(std::max<std::size_t>(trials - 1, 1));
  std::vector<double> least(result_.layers.size(), 1);   // of the chosen way's time by the first one's
  std::size_t done = 1;
  for (; done < trials; ++done) {
    const Probe other(done, options_.known);
    SAHA_TRY(Timed trial, timed(other));
    SAHA_TRY(const bool whole, by_turns(first, trial, each));
    if (!whole) break;
    for (std::size_t i = 0; i < result_.layers.size(); ++i) {
      TunedLayer& l = result_.layers[i];
      if (l.known || done >= l.ways.size()) continue;
      l.seconds[0] = std::min(l.seconds[0], first.of(l.layer));
      l.seconds[done] = trial.of(l.layer);
      const double ratio = l.seconds[done] / first.of(l.layer);
      if (ratio < least[i] && ratio <= 1 - options_.least_gain) least[i] = ratio, l.chosen = done;
    }
    if (options_.on_trial) options_.on_trial(int(done), int(trials) - 1);
  }
  // Against the plan as it is without any measurement, what was known before included.
  const Choices none;
  SAHA_TRY(first, timed(none));
  bool measured = done == trials;
  for (int again = 0; measured && again < 2; ++again) {
    for (const TunedLayer& l : result_.layers) result_.choices.set(l.layer, l.ways[l.chosen]);
    SAHA_TRY(Timed best, timed(result_.choices));
    SAHA_TRY(measured, by_turns(first, best, options_.seconds * kConfirming / 2));
    if (!measured) break;
    bool reverted = false;
    for (TunedLayer& l : result_.layers) {
      l.first_seconds = first.of(l.layer), l.best_seconds = best.of(l.layer);
      if (l.known || l.chosen == 0 || l.best_seconds <= (1 - options_.least_gain / 2) * l.first_seconds) continue;
      l.chosen = 0, reverted = true;
    }
    result_.before_seconds = first.run_seconds, result_.after_seconds = best.run_seconds;
    if (!reverted) break;
  }
  result_.choices = {};
  for (const TunedLayer& l : result_.layers)
    if (l.known || l.ways.size() <= done) result_.choices.set(l.layer, l.ways[l.chosen]);   // measured in every way
  result_.interrupted = !measured;
  const bool same = std::ranges::all_of(result_.layers, [](const TunedLayer& l) { return l.chosen == 0; });
  if (same) result_.after_seconds = result_.before_seconds;   // two plans that do not differ
  result_.faster = measured && result_.after_seconds < result_.before_seconds;
  return std::move(result_);
}

}  // namespace

const Way* Choices::find(const std::string& layer) const {
  const auto it = ways_.find(layer);
  return it == ways_.end() ? nullptr : &it->second;
}
std::size_t Choices::pick(const std::string& layer, std::span<const Way> ways) const {
  const Way* chosen = find(layer);
  const auto at = chosen ? std::ranges::find(ways, *chosen) : ways.end();
  return at == ways.end() ? 0 : std::size_t(at - ways.begin());
}

Result<Tuned> tune(const ir::Graph& runnable, std::span<const Datum> inputs, const TuneOptions& options) {
  std::vector<const Datum*> in;
  for (const Datum& d : inputs) in.push_back(&d);
  SAHA_TRY(const ir::Graph graph, lowered(runnable, in, options.isa));
  return Tuner(graph, inputs, options).run();
}

}  // namespace saha::native
