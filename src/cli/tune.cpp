// saha tune: a bundle whose layers are done by what was measured to be fastest here.
#include "backends/native/tune.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backends/native/network.hpp"
#include "backends/native/pack.hpp"
#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "kernels/algorithm.hpp"
#include "measure/inputs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/interrupt.hpp"
#include "system/machine.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
using bundle::Json;
using figures::fixed;

constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}};
constexpr Option kOptions[] = {
    {"output", 'o', "OUT.saha", "the bundle that is written, with a plan for this processor; without it only the table and the cache"},
    {"seconds", 0, "S", "of measuring in all", false, "30"},
    {"shape", 0, "NAME=1x3x224x224", "shape of an input with free dims, which are otherwise 1 or the first sizes that the model takes", true},
    {"cache", 0, "FILE", "where choices are kept by processor and layer; else tune.json in $XDG_CACHE_HOME/saha or ~/.cache/saha"},
    {"again", 0, {}, "measures layers that the cache knows, too"},
};

std::string words(const native::Way& way) {
  const auto& b = kernels::kBlocks[way.blocks];
  std::string s(kernels::algorithm(way.kernel));
  if (s.empty()) s = way.kernel;
  if (b.pieces) s += b.pieces <= -5 ? ", one piece" : ", pieces " + std::string(b.pieces > 0 ? "x" + std::to_string(1 << b.pieces) : "/" + std::to_string(1 << -b.pieces));
  if (b.depth) s += std::string(", blocks ") + (b.depth > 0 ? "x" + std::to_string(1 << b.depth) : "/" + std::to_string(1 << -b.depth));
  return s;
}
std::string text(const native::Way& way) { return way.kernel + ":" + std::to_string(way.blocks); }

std::string table(const native::Tuned& t, int width, bool color) {
  using system::Align;
  system::Table table({{"layer", Align::left}, {"times", Align::right, 2}, {"unmeasured choice", Align::left, 1}, {"chosen", Align::left}, {"ms", Align::right}, {"faster", Align::right}});
  for (const native::TunedLayer& l : t.layers) {
    if (l.chosen == 0) continue;
    const bool timed = l.first_seconds > 0;
    table.add({l.layer, std::to_string(l.count), words(l.ways[0]), words(l.ways[l.chosen]) + (l.known ? " (cache)" : ""), timed ? fixed(l.best_seconds * 1e3, 3) : "-",
               timed ? fixed(l.first_seconds / l.best_seconds, 2) + "x" : "-"});
  }
  return table.str(width, color);
}

Json json(const native::Tuned& t, const std::string& model, const std::string& key) {
  Json j{{"schema", "saha.tune/1"}, {"saha", SAHA_VERSION}, {"model", model}, {"processor", key}, {"how", "measured"}};
  j["trials"] = t.trials, j["rounds"] = t.rounds;
  j["before_ms"] = t.before_seconds * 1e3, j["after_ms"] = t.after_seconds * 1e3;
  j["faster"] = t.faster, j["interrupted"] = t.interrupted;
  j["layers"] = Json::array();
  for (const native::TunedLayer& l : t.layers) {
    Json row{{"layer", l.layer}, {"first_node", l.name}, {"times", l.count}, {"chosen", text(l.ways[l.chosen])}, {"known", l.known}};
    row["first_ms"] = l.first_seconds * 1e3, row["chosen_ms"] = l.best_seconds * 1e3;
    row["ways"] = Json::array();
    for (std::size_t i = 0; i < l.ways.size(); ++i) row["ways"].push_back({{"way", text(l.ways[i])}, {"ms", std::isfinite(l.seconds[i]) ? Json(l.seconds[i] * 1e3) : Json()}});
    j["layers"].push_back(std::move(row));
  }
  return j;
}

Result<int> run(const Args& args) {
  const std::string& file = args.arguments[0];
  const std::string out = args.get("output");
  if (!out.empty() && !out.ends_with(".saha")) return Error{ErrorCode::invalid_file, "'" + out + "' is no name of a bundle, and plans are kept in bundles", "give -o a name that ends in .saha"};
  if (out == file) return Error{ErrorCode::invalid_file, "the input '" + out + "' would be overwritten", "give another name to -o"};
  native::TuneOptions options;
  SAHA_TRY(options.threads, threads_of(args));
  SAHA_TRY(options.seconds, args.number("seconds", 0, 86400));
  const auto cache_file = args.has("cache") ? std::filesystem::path(args.get("cache")) : native::TuneCache::usual_file();
  if (cache_file.empty()) return Error{ErrorCode::invalid_file, "neither HOME nor XDG_CACHE_HOME says where choices are kept", "--cache FILE"};
  SAHA_TRY(auto cache, native::TuneCache::open(cache_file));
  const std::string key = native::TuneCache::key(options.isa, options.threads);
  const native::Choices known = cache.choices(key);
  if (!args.has("again")) options.known = &known;

  SAHA_TRY(const ir::Model model, formats::import_file(file));
  SAHA_TRY(const measure::Shapes given, shapes_of(args));
  const measure::Shapes shapes = measure::fitting_shapes(model.graph, given);
  SAHA_TRY(const auto dims, measure::input_dims(model.graph, shapes));
  SAHA_TRY(const auto seed, args.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  SAHA_TRY(const auto inputs, measure::random_inputs(model.graph, shapes, std::uint64_t(seed)));
  native::PackOptions pack;
  pack.levels = {options.isa}, pack.shapes = {dims};
  if (bundle::is_bundle_file(file)) {
    SAHA_TRY(const auto from, bundle::Bundle::open(file));
    SAHA_DO(native::keep(*from, pack));
  }

  system::InterruptGuard guard;
  native::Tuned tuned;
  {
    system::Progress progress("tune " + std::filesystem::path(file).filename().string(), 0, progress_options(args));
    options.on_trial = [&](int done, int total) {
      progress.total(total);
      progress.set(done);
    };
    SAHA_TRY(tuned, native::tune(native::runnable(model.graph), inputs, options));
  }
  SAHA_DO(cache.add(key, tuned.choices));
  if (tuned.interrupted) {
    say(args, "interrupted; " + std::to_string(tuned.choices.all().size()) + " of " + std::to_string(tuned.layers.size()) + " kinds of layer are measured and kept in " + cache_file.string() + ", no bundle is written");
    return system::interrupt_exit_code();
  }
  const auto chosen = std::ranges::count_if(tuned.layers, [](const auto& l) { return l.chosen != 0; });
  const std::string gain = fixed(tuned.before_seconds / tuned.after_seconds, 3) + "x";
  if (args.json()) {
    print(json(tuned, file, key).dump(2) + "\n");
  } else {
    std::string text = figures::counted(std::ssize(tuned.layers), "kind") + " of layer with several ways, " + figures::counted(tuned.trials, "trial") + ", " + figures::counted(tuned.rounds, "round") + " by turns with the unmeasured plan; " +
                       figures::counted(options.threads, "thread") + "; " + system::cpu().model + ", level " + std::string(kernels::name(options.isa)) + "; all measured\n";
    if (chosen) text += table(tuned, system::terminal_width(STDOUT_FILENO), color_of(args));
    if (chosen) text += "a run: " + fixed(tuned.before_seconds * 1e3, 3) + " ms unmeasured, " + fixed(tuned.after_seconds * 1e3, 3) + " ms as chosen, " + gain + " (least of each)\n";
    else text += "no layer has a way that is 3 % faster than the one taken unmeasured; a run: " + fixed(tuned.before_seconds * 1e3, 3) + " ms (least)\n";
    print(text);
  }
  if (out.empty()) return 0;
  if (tuned.faster) pack.picker = std::make_shared<native::Choices>(tuned.choices);
  SAHA_TRY(const std::string hash, system::sha256_file(file));
  pack.about["tuned"] = {{"processor", key}, {"layers", chosen}, {"used", tuned.faster}, {"before_ms", tuned.before_seconds * 1e3}, {"after_ms", tuned.after_seconds * 1e3}, {"how", "measured"}, {"from", {{"file", std::filesystem::path(file).filename().string()}, {"sha256", hash}}}};
  SAHA_TRY(const std::string bytes, formats::self_contained(file, model));
  SAHA_TRY(const auto packed, native::pack(model, bytes, pack));
  SAHA_DO(system::write_file(out, packed.bytes));
  for (const std::string& n : packed.notes) say(args, "note: " + n);
  say(args, "wrote " + out + (tuned.faster ? "" : chosen ? ", with the unmeasured choices: the whole was not faster" : ", with the unmeasured choices: none was faster"));
  return 0;
}
}  // namespace

const Command kTune{"tune", "measure which kernels and blocks are fastest for each layer here", kArguments, kOptions, "tune model.onnx -o model.saha --threads 2", run,
                    "Every layer that may be done in several ways is measured in each, inside the whole model, by turns with the plan that is made without measuring; a way is taken that is 3 % faster twice. "
                    "The bundle's plan for this processor has the choices in it: nothing is measured when it runs. Integer results keep their bits; float32 results may differ in the last ones, as sums are cut otherwise.\n"
                    "Choices are kept by processor, threads and layer: another model with the same layer, or the same model after Ctrl-C, is not measured again."};

}  // namespace saha::cli
