// saha run: the whole life cycle, resumed where it was.
#include <algorithm>
#include <filesystem>
#include <limits>

#include "cli/verbs.hpp"
#include "lifecycle/pipeline.hpp"
#include "system/interrupt.hpp"
#include "system/progress.hpp"
#include "system/terminal.hpp"
#include "yaml/units.hpp"

#ifndef SAHA_VERSION
#define SAHA_VERSION "0"
#endif

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"FILE", "saha.yaml; several: later ones win, as with extends", true, true}};
constexpr Option kOptions[] = {
    {"set", 's', "KEY=VALUE", "overrides a value: targets.server.threads=1", true},
    {"only", 0, "STAGE", "this stage and what it needs: measure, or measure/server"},
    {"from", 0, "STAGE", "make this stage and those that depend on it anew"},
    {"force", 0, "", "make every stage anew; with --only, just that one"},
    {"keep-going", 0, "", "after a failure go on with what does not need it"},
    {"list", 0, "", "print the tree of stages and whether each is cached, and stop"},
    {"dry-run", 0, "", "print what would happen, why, and how long it took last time, and stop"},
    {"why", 0, "STAGE", "print the first thing that differs from when the stage was last made, and stop"},
    {"print-config", 0, "", "print every value and where it came from, and stop"},
    {"clean", 0, "AGE", "remove kept results that no run used for so long (30d, 12h), and stop"},
    {"quick", 0, "", "fewer timing runs, for continuous integration"},
};

std::string fixed(std::string s, std::size_t width) {
  if (s.size() < width) s.append(width - s.size(), ' ');
  return s;
}

std::string taken(const std::optional<double>& seconds) { return seconds ? system::short_duration(*seconds) + " last time" : "-"; }

/// The tree of stages: measure/server stands below measure.
std::string tree(const std::vector<lifecycle::Planned>& plan) {
  std::string text, group;
  for (const auto& p : plan) {
    const auto slash = p.name.find('/');
    const std::string head = slash == std::string::npos ? "" : p.name.substr(0, slash);
    if (!head.empty() && head != group) text += head + "\n";
    group = head;
    text += fixed(head.empty() ? p.name : "  " + p.name.substr(slash + 1) + " ", 34) + p.state + "\n";
  }
  return text;
}
std::string table(const std::vector<lifecycle::Planned>& plan) {
  std::string text;
  std::size_t made = 0;
  double seconds = 0;
  bool all_known = true;
  for (const auto& p : plan) {
    text += "  " + fixed(p.state, 8) + fixed(p.name + " ", 34) + (p.why.empty() ? taken(p.seconds) : fixed(taken(p.seconds), 22) + p.why) + "\n";
    if (p.state != "make" && p.state != "wait") continue;
    ++made;
    seconds += p.seconds.value_or(0);
    all_known &= p.seconds.has_value();
  }
  if (made == 0) return text + "nothing would be made anew; nothing was run\n";
  return text + std::to_string(made) + (made == 1 ? " stage" : " stages") + " would be made" + (seconds > 0 ? ", " + std::string(all_known ? "in about " : "in more than ") + system::short_duration(seconds) : "") + "; nothing was run\n";
}
std::string reasons(const std::vector<lifecycle::Planned>& plan, const std::string& stage) {
  std::string text;
  for (const auto& p : plan) {
    if (p.name != stage && p.name.rfind(stage + "/", 0) != 0) continue;
    text += p.name + ": " + (p.state == "cached" ? "cached, nothing differs" : p.state == "always" ? "done in every run" : p.state == "fail" ? "fails: " + p.why : p.state == "wait" ? p.why : "would be made: " + p.why) + "\n";
    // What it waits for decides; the end of that chain is the answer.
    for (const lifecycle::Planned* at = &p; at->state == "wait";) {
      auto next = std::find_if(plan.begin(), plan.end(), [&](const auto& q) { return "needs " + q.name == at->why; });
      if (next == plan.end()) break;
      text += "  " + next->name + (next->state == "wait" ? ": " : next->state == "fail" ? " fails: " : " would be made: ") + next->why + "\n";
      at = &*next;
    }
  }
  return text;
}
lifecycle::Json json(const std::vector<lifecycle::Planned>& plan) {
  lifecycle::Json j{{"schema", "saha.plan/1"}, {"saha", SAHA_VERSION}, {"stages", lifecycle::Json::array()}};
  for (const auto& p : plan)
    j["stages"].push_back({{"name", p.name}, {"state", p.state}, {"why", p.why.empty() ? lifecycle::Json() : lifecycle::Json(p.why)}, {"last_seconds", p.seconds ? lifecycle::Json(*p.seconds) : lifecycle::Json()}, {"needs", p.needs}});
  return j;
}

std::string values(const lifecycle::Config& config) {
  std::size_t keys = 0, words = 0;
  for (const auto& v : config.said) {
    keys = std::max(keys, v.key.size());
    if (v.value.size() <= 40) words = std::max(words, v.value.size());
  }
  std::string text;
  for (const auto& v : config.said) text += fixed(v.key, keys) + "  " + fixed(v.value, words) + "  " + v.from + "\n";
  return text;
}
std::string values_json(const lifecycle::Config& config) {
  lifecycle::Json j{{"schema", "saha.config/1"}, {"saha", SAHA_VERSION}, {"values", lifecycle::Json::array()}};
  for (const auto& v : config.said) j["values"].push_back({{"key", v.key}, {"value", v.value}, {"from", v.from}});
  return j.dump(2, ' ', false, lifecycle::Json::error_handler_t::replace) + "\n";
}

/// --list, --dry-run, --why: what would happen, and nothing happens.
Result<int> plan(const Args& args, const lifecycle::Config& config, lifecycle::RunOptions options) {
  options.plan = true;
  if (args.has("why")) options.only = args.get("why");
  SAHA_TRY(const auto found, lifecycle::run(config, options));
  if (args.json()) print(json(found.plan).dump(2, ' ', false, lifecycle::Json::error_handler_t::replace) + "\n");
  else print(args.has("why") ? reasons(found.plan, args.get("why")) : args.has("list") ? tree(found.plan) : table(found.plan));
  return std::any_of(found.plan.begin(), found.plan.end(), [](const auto& p) { return p.state == "fail"; }) ? 1 : 0;
}

Result<int> run(const Args& args) {
  std::vector<std::string> files = args.arguments.empty() ? std::vector<std::string>{"saha.yaml"} : args.arguments;
  for (const std::string& file : files)
    if (!std::filesystem::exists(file))
      return Error{ErrorCode::invalid_file, "there is no file '" + file + "'", "a saha.yaml of three lines is enough:  saha: 1,  model: {file: model.onnx},  targets: {server: host}"};
  yaml::Diagnostics diagnostics;
  auto overrides = args.all("set");
  if (args.given("seed")) {
    SAHA_TRY(const auto seed, args.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
    overrides.push_back("run.seed=" + std::to_string(seed));
  }
  auto config = lifecycle::read_config(files, overrides, diagnostics);
  std::string said = diagnostics.render(config ? "" : "nothing was run");
  if (!config) {
    if (args.json()) print(diagnostics.json());
    std::fputs(said.c_str(), stderr);
    return 2;
  }
  if (!said.empty() && !args.quiet()) std::fputs(said.c_str(), stderr);
  if (args.has("print-config")) {
    print(args.json() ? values_json(*config) : values(*config));
    return 0;
  }
  if (args.has("clean")) {
    auto age = yaml::duration_s(args.get("clean"));
    if (!age) return Error{ErrorCode::invalid_file, "--clean: " + age.error().message, "30d, 12h"};
    SAHA_TRY(auto store, lifecycle::Store::open(config->run_dir));
    SAHA_TRY(auto bytes, store.clean(*age));
    say(args, "freed " + std::to_string(bytes >> 20) + " MiB");
    return 0;
  }
  SAHA_TRY(auto threads, args.integer("threads", 0, 1024));
  lifecycle::RunOptions options;
  options.threads = int(threads);
  options.quick = args.has("quick");
  options.from = args.get("from");
  options.only = args.get("only");
  options.force = args.has("force");
  options.keep_going = args.has("keep-going") || config->keep_going;
  if (args.has("list") || args.has("dry-run") || args.has("why")) return plan(args, *config, options);
  std::unique_ptr<system::Progress> bar;
  std::string bar_label;
  options.on_progress = [&](std::string_view label, std::int64_t done, std::int64_t total) {
    if (!bar || bar_label != label) {
      bar.reset();
      bar_label = std::string(label);
      bar = std::make_unique<system::Progress>(bar_label, total, progress_options(args));
    }
    bar->set(done);
  };
  bool json = args.json();
  options.on_stage = [&](const lifecycle::StageLine& l) {
    bar.reset();
    if (json) return;
    std::string seconds = l.seconds <= 0 ? "-" : system::short_duration(l.seconds);
    print("  " + fixed(l.status, 8) + fixed(l.name + " ", 34) + fixed(seconds, 12) + l.note + "\n");
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
  if (json) print(result->report.dump(1, ' ', false, lifecycle::Json::error_handler_t::replace) + "\n");
  else {
    if (!result->decision.empty()) print("decision  " + result->decision + "\n");
    print("exit " + std::to_string(result->exit_code) + (result->html.empty() ? "" : "; " + result->html.string()) + "\n");
  }
  return result->exit_code;
}
}  // namespace

const Command kRun{"run", "the whole life cycle of saha.yaml: train, simplify, validate, measure, choose, report; resumes", kArguments, kOptions, "run saha.yaml", run};

}  // namespace saha::cli
