// Which stages a life cycle has, what each needs, and the walk over them: run, skip what cannot run, or say what would happen.
#include "lifecycle/pipeline.hpp"

#include <algorithm>
#include <ctime>

#include "backends/registry.hpp"
#include "lifecycle/stages.hpp"
#include "system/file.hpp"
#include "system/lock.hpp"
#include "system/machine.hpp"

namespace saha::lifecycle {
namespace {
/// "measure" means measure/server and measure/pico.
bool matches(const std::string& stage, const std::string& word) { return stage == word || stage.rfind(word + "/", 0) == 0; }
}  // namespace

void Pipeline::line(std::string status, const std::string& name, double seconds, std::string note, std::string help) {
  report_["stages"].push_back({{"name", name}, {"status", status}, {"seconds", seconds}, {"note", note}});
  if (o_.on_stage) o_.on_stage({std::move(status), name, seconds, std::move(note), std::move(help)});
}

Result<Stored> Pipeline::stage(const std::string& name, int version, Json inputs, const std::function<Result<Json>(const std::filesystem::path&)>& make, const std::function<std::string(const Json&)>& note) {
  if (o_.stop && o_.stop()) return Error{ErrorCode::cancelled, "interrupted before stage '" + name + "'; everything finished is kept", "saha run"};
  const bool force = forced_.count(name) > 0;
  const StageKey key{name, version, std::move(inputs)};
  const std::string why = force ? "asked for anew" : store_.why(key);
  if (o_.plan) {
    auto found = force ? std::nullopt : store_.find(key);
    planned_ = Planned{name, found ? "cached" : "make", found ? "" : why, found ? found->seconds : store_.last_seconds(name), {}};
    if (found) return std::move(*found);
    return Error{ErrorCode::cancelled, "stage '" + name + "' is not made in a plan"};
  }
  SAHA_TRY(Stored s, store_.stage(key, force, make));
  line(s.cached ? "cached" : "ok", name, s.seconds, note(s.result));
  auto& entry = report_["stages"].back();
  entry["key"] = s.key;
  entry["why"] = s.cached ? "" : why;
  return s;
}

Json Pipeline::machine() const {
  auto cpu = system::cpu();
  auto memory = system::memory();
  return {{"cpu", cpu.model}, {"isa", cpu.isa}, {"cores", cpu.physical}, {"memory_bytes", memory.total_bytes}};
}

int Pipeline::threads(const Target& t) const { return t.threads ? t.threads : o_.threads ? o_.threads : system::cpu().physical; }

const Variant& Pipeline::variant(const std::string& name) const {
  if (const auto named = std::ranges::find(named_, name, &Variant::name); named != named_.end()) return *named;
  return *std::ranges::find(variants_, name, &Variant::name);
}

/// Engines that are here. One that a target names must be.
Result<> Pipeline::choose_engines() {
  for (const auto& info : backends::all()) {
    auto names = [&](const Target& t) { return std::find(t.backends.begin(), t.backends.end(), info.name) != t.backends.end(); };
    const bool by_name = std::any_of(targets_.begin(), targets_.end(), names);
    if (!by_name && std::none_of(targets_.begin(), targets_.end(), [](const Target& t) { return t.backends.empty(); })) continue;
    auto engine = info.open();
    if (engine) backends_.push_back(info.name);
    else if (by_name) return std::move(engine.error());
  }
  return {};
}

Result<std::vector<Step>> Pipeline::steps() {
  std::vector<Step> list{
      {"goals", {}, [this] { return goals(); }},
      {.name = "data", .needs = {}, .work = [this] { return data(); }, .plain = true},
      {"train", {"data"}, [this] { return train(); }},
  };
  if (c_.split) {
    list[1].needs = {"split"};
    list.insert(list.begin() + 1, {"split", {}, [this] { return split(); }});
  }
  targets_ = c_.targets;
  std::vector<std::string> last;   // what the choice waits for, beside the measurement
  const bool proves = !proofs().empty();
  std::vector<std::string> sets = further_sets(c_);
  sets.insert(sets.begin(), "test");
  auto validate_stage = [](const std::string& variant, const std::string& backend, const std::string& set) { return "validate/" + variant + "/" + backend + (set == "test" ? "" : "/" + set); };
  auto judge = [&](const std::string& variant, const std::string& backend, const std::string& need, bool foreign) {
    for (const std::string& set : sets) {
      last.push_back(validate_stage(variant, backend, set));
      list.push_back({.name = last.back(), .needs = {need}, .work = [this, variant, backend, set] { return evaluate(variant, backend, set); }, .foreign = foreign});
    }
  };
  // Waits until the model was run: `where: correct` asks that.
  auto prove_too = [&](const std::string& variant, const std::string& backend) {
    if (!proves) return;
    const std::string need = validate_stage(variant, backend, "test");
    last.push_back("prove/" + variant + "/" + backend);
    std::vector<std::string> needs{need};
    if (!c_.model_files.empty()) needs.emplace_back("models");
    list.push_back({.name = last.back(), .needs = std::move(needs), .work = [this, variant, backend, name = last.back()]() -> Result<> {
      if (has_variant(variant)) return prove(variant, backend);
      line("skip", name, 0, "needs compress/" + variant);
      return {};
    }, .optional = !o_.as_given, .foreign = backend != "native"});
  };
  std::string made = "train";
  std::vector<std::string> compressed;
  if (!c_.model_files.empty()) {
    list.push_back({"models", {"train"}, [this] { return named_models(); }});
    last.push_back("models");
    for (const std::string& name : run_too()) judge(named(name), o_.as_given ? o_.backend : "native", "models", false);   // yardsticks, as the original
  }
  if (o_.as_given) {
    targets_.resize(1);
    targets_[0].backends = {o_.backend};
    SAHA_TRY(auto engine, backends::open(o_.backend));
    judge("original", o_.backend, "train", false);
    judge("given", o_.backend, "train", false);
    prove_too("given", o_.backend);
  } else {
    SAHA_DO(choose_engines());
    made = "simplify";
    list.push_back({"simplify", {"train"}, [this] { return simplify(); }});
    judge("original", "native", "train", false);   // the original is the yardstick, on saha's own engine
    for (const std::string& b : backends_) {
      judge("float32", b, "simplify", b != "native");
      prove_too("float32", b);
    }
    for (const Compression& c : c_.compress) {
      compressed.push_back("compress/" + c.name);
      list.push_back({.name = compressed.back(), .needs = {"simplify"}, .work = [this, &c] { return compress(c); }, .optional = true});
      for (const std::string& b : backends_) {
        for (const std::string& set : sets) {
          const std::string stage_name = validate_stage(c.name, b, set);
          last.push_back(stage_name);
          list.push_back({.name = stage_name, .needs = {compressed.back()}, .work = [this, &c, b, stage_name, set]() -> Result<> {
            if (has_variant(c.name)) return evaluate(c.name, b, set);
            line("skip", stage_name, 0, "needs compress/" + c.name);
            return {};
          }, .optional = true, .foreign = b != "native"});
        }
        prove_too(c.name, b);
      }
    }
  }
  std::vector<std::string> ends;
  for (const Target& t : targets_) {
    list.push_back({"measure/" + t.name, {made}, [this, &t] { return measure(t); }});
    list.back().needs.insert(list.back().needs.end(), compressed.begin(), compressed.end());
  }
  for (const Target& t : targets_) {
    ends.push_back("choose/" + t.name);
    list.push_back({ends.back(), last, [this, &t] { return decide(t); }});
    list.back().needs.push_back("measure/" + t.name);
  }
  if (o_.as_given) return list;
  for (const Target& t : targets_) {
    ends.push_back("package/" + t.name);
    list.push_back({ends.back(), {"choose/" + t.name}, [this, &t] { return package(t); }});
  }
  list.push_back({.name = "report", .needs = ends, .work = [this] { return report(); }, .tolerant = true});
  return list;
}

/// The stages that are walked: all, or those that --only names with what they need. Fails where an option names none.
Result<std::set<std::string>> Pipeline::chosen(const std::vector<Step>& steps) const {
  for (const std::string& word : {o_.only, o_.from})
    if (!word.empty() && std::none_of(steps.begin(), steps.end(), [&](const Step& s) { return matches(s.name, word); })) {
      std::string names;
      for (const Step& s : steps) names += (names.empty() ? "" : ", ") + s.name;
      return Error{ErrorCode::invalid_file, "there is no stage '" + word + "'", "the stages are " + names};
    }
  std::set<std::string> wanted;
  for (auto s = steps.rbegin(); s != steps.rend(); ++s) {
    if (!o_.only.empty() && !matches(s->name, o_.only) && !wanted.count(s->name)) continue;
    wanted.insert(s->name);
    wanted.insert(s->needs.begin(), s->needs.end());
  }
  return wanted;
}

Result<> Pipeline::walk(const std::vector<Step>& steps) {
  SAHA_TRY(const auto wanted, chosen(steps));
  for (const Step& s : steps) {
    const bool after = !o_.from.empty() && (matches(s.name, o_.from) || std::any_of(s.needs.begin(), s.needs.end(), [&](const auto& n) { return forced_.count(n) > 0; }));
    if (after || (o_.force && (o_.only.empty() || matches(s.name, o_.only)))) forced_.insert(s.name);
  }
  std::set<std::string> missing;   // failed, skipped, or only planned
  for (const Step& s : steps) {
    if (!wanted.count(s.name)) continue;
    const auto need = std::find_if(s.needs.begin(), s.needs.end(), [&](const auto& n) { return missing.count(n) > 0; });
    if (o_.plan) {
      planned_.reset();
      Planned p{s.name, "wait", need == s.needs.end() ? "" : "needs " + *need, store_.last_seconds(s.name), {}};
      if (s.name == "report") p = {s.name, "always", "", {}, {}};
      else if (need == s.needs.end()) {
        auto done = s.work();
        if (planned_) p = *planned_, p.name = s.name;
        else if (done) p = {s.name, "always", "", {}, {}};
        else p = {s.name, "fail", done.error().message, {}, {}};
      }
      if (p.state == "fail" || p.state == "wait" || (p.state == "make" && !s.plain)) missing.insert(s.name);
      p.needs = s.needs;
      result_.plan.push_back(std::move(p));
      continue;
    }
    if (need != s.needs.end() && !s.tolerant) {
      line("skip", s.name, 0, "needs " + *need);
      missing.insert(s.name);
      continue;
    }
    if (auto done = s.work(); !done) {
      Error& e = done.error();
      if (e.code == ErrorCode::cancelled) return std::move(e);
      if (s.foreign) { line("skip", s.name, 0, e.message); continue; }
      line("FAIL", s.name, 0, e.message, e.help);
      if (s.optional) continue;
      if (!o_.keep_going) return std::move(e);
      missing.insert(s.name);
      result_.exit_code = 1;
    }
  }
  return {};
}

Result<> Pipeline::goals() {
  Json list = Json::array();
  auto add = [&](const validate::Requirement& r, const std::string& target) {
    list.push_back({{"id", r.id}, {"assert", r.text}, {"why", r.why}, {"severity", validate::name(r.importance)}, {"target", target}, {"explain", validate::explain(r, c_.scope)}, {"words", validate::in_words(r, c_.scope)}, {"vacuous", r.vacuous}});
  };
  for (const auto& r : c_.requirements) add(r, "");
  for (const Target& t : c_.targets) for (const auto& r : t.requirements) add(r, t.name);
  std::int64_t must = 0;
  for (const auto& r : list) must += r["severity"] == "must";
  report_["requirements"] = list;
  line("ok", "goals", 0, std::to_string(list.size()) + (list.size() == 1 ? " requirement, " : " requirements, ") + std::to_string(must) + " of them must hold");
  return {};
}

Result<RunResult> Pipeline::run() {
  int number = 0;
  if (!o_.plan) { SAHA_TRY(number, store_.next_run()); }
  char date[64];
  std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", std::gmtime(&now));
  report_ = {{"schema", "saha.report/1"}, {"saha", SAHA_VERSION}, {"name", c_.name}, {"title", c_.title}, {"run", number}, {"seed", c_.seed}, {"date", date}, {"machine", machine()}, {"quick", o_.quick},
             {"stages", Json::array()}, {"evaluations", Json::array()}, {"measurements", Json::array()}, {"decisions", Json::array()}, {"packages", Json::array()}};
  SAHA_TRY(const auto list, steps());
  SAHA_DO(walk(list));
  if (o_.as_given && !o_.plan) {
    if (!candidates_.empty()) result_.outcomes = candidates_.back().outcomes;
    result_.exit_code = validate::exit_code(result_.outcomes);
    result_.data_sha256 = set_hash_;
  }
  result_.report = std::move(report_);
  return std::move(result_);
}

Result<RunResult> run(const Config& config, const RunOptions& options) {
  if (options.plan) return Pipeline(config, options, Store::look(config.run_dir)).run();
  SAHA_TRY(auto lock, system::FolderLock::acquire(config.run_dir, [&](std::string_view holder) {
    if (options.on_stage) options.on_stage({"wait", "lock", 0, std::string(holder) + " runs in " + config.run_dir.string() + "; this run waits for it", {}});
  }, options.stop));
  SAHA_TRY(Store store, Store::open(config.run_dir));
  return Pipeline(config, options, std::move(store)).run();
}

}  // namespace saha::lifecycle
