// saha run: the whole life cycle, resumed where it was.
#include <filesystem>

#include "cli/verbs.hpp"
#include "lifecycle/pipeline.hpp"
#include "system/interrupt.hpp"
#include "system/progress.hpp"
#include "system/terminal.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"FILE", "saha.yaml; several: later ones win", true, true}};
constexpr Option kOptions[] = {
    {"set", 's', "KEY=VALUE", "overrides a value: targets.server.threads=1", true},
    {"from", 0, "STAGE", "make this stage and those after it anew"},
    {"only", 0, "STAGE", "stop after this stage"},
    {"force", 0, "", "make every stage anew"},
    {"quick", 0, "", "fewer timing runs, for continuous integration"},
    {"print-config", 0, "", "print every value and stop"},
    {"clean", 0, "DAYS", "remove kept results that were not used for so long, and stop"},
};

std::string fixed(std::string s, std::size_t width) {
  if (s.size() < width) s.append(width - s.size(), ' ');
  return s;
}

Result<int> run(const Args& args) {
  std::vector<std::string> files = args.arguments.empty() ? std::vector<std::string>{"saha.yaml"} : args.arguments;
  for (const std::string& file : files)
    if (!std::filesystem::exists(file))
      return Error{ErrorCode::invalid_file, "there is no file '" + file + "'", "a saha.yaml of three lines is enough:  saha: 1,  model: {file: model.onnx},  targets: {server: host}"};
  yaml::Diagnostics diagnostics;
  auto config = lifecycle::read_config(files, args.all("set"), diagnostics);
  std::string said = diagnostics.render(config ? "" : "nothing was run");
  if (!config) {
    if (args.json()) print(diagnostics.json());
    std::fputs(said.c_str(), stderr);
    return 2;
  }
  if (!said.empty() && !args.quiet()) std::fputs(said.c_str(), stderr);
  if (args.has("print-config")) {
    print(config->resolved.dump(2) + "\n");
    return 0;
  }
  if (args.has("clean")) {
    SAHA_TRY(auto days, args.integer("clean", 0, 100000));
    SAHA_TRY(auto store, lifecycle::Store::open(config->run_dir));
    SAHA_TRY(auto bytes, store.clean(int(days)));
    say(args, "freed " + std::to_string(bytes >> 20) + " MiB");
    return 0;
  }
  SAHA_TRY(auto threads, args.integer("threads", 0, 1024));
  lifecycle::RunOptions options;
  options.threads = int(threads);
  options.quick = args.has("quick");
  options.from = args.get("from");
  options.only = args.get("only");
  if (args.has("force")) options.force = {"all"};
  system::ProgressOptions how;
  how.quiet = args.quiet();
  how.mode = args.get("progress") == "none" ? system::ProgressMode::none : args.get("progress") == "plain" ? system::ProgressMode::plain : system::ProgressMode::automatic;
  std::unique_ptr<system::Progress> bar;
  std::string bar_label;
  options.on_progress = [&](std::string_view label, std::int64_t done, std::int64_t total) {
    if (!bar || bar_label != label) {
      bar.reset();
      bar_label = std::string(label);
      bar = std::make_unique<system::Progress>(bar_label, total, how);
    }
    bar->set(done);
  };
  bool json = args.json();
  options.on_stage = [&](const lifecycle::StageLine& l) {
    bar.reset();
    if (json) return;
    std::string seconds = l.seconds <= 0 ? "-" : system::short_duration(l.seconds);
    print("  " + fixed(l.status, 8) + fixed(l.name, 34) + fixed(seconds, 12) + l.note + "\n");
    if (!l.help.empty()) std::fprintf(stderr, "help: %s\n", l.help.c_str());
  };
  options.stop = [] { return system::interrupted(); };
  system::InterruptGuard guard;
  if (!json) print(config->name + "  seed " + std::to_string(config->seed) + "\n");
  auto result = lifecycle::run(*config, options);
  bar.reset();
  if (!result) {
    if (result.error().code == ErrorCode::cancelled) {
      std::fprintf(stderr, "error: %s\nhelp: saha run goes on from there\n", result.error().message.c_str());
      return system::interrupt_exit_code() ? system::interrupt_exit_code() : 1;
    }
    return std::move(result.error());
  }
  if (json) print(result->report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  else {
    if (!result->decision.empty()) print("decision  " + result->decision + "\n");
    print("exit " + std::to_string(result->exit_code) + (result->html.empty() ? "" : "; " + result->html.string()) + "\n");
  }
  return result->exit_code;
}
}  // namespace

const Command kRun{"run", "the whole life cycle of saha.yaml: train, simplify, validate, measure, choose, report; resumes", kArguments, kOptions, "run saha.yaml", run};

}  // namespace saha::cli
