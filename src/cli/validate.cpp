// saha validate: a model against its requirements.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>

#include "backends/registry.hpp"
#include "cli/describe.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "lifecycle/pipeline.hpp"
#include "lifecycle/verdicts_html.hpp"
#include "lifecycle/witness.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/interrupt.hpp"
#include "system/process.hpp"
#include "system/progress.hpp"
#include "system/terminal.hpp"
#include "validate/plan.hpp"
#include "validate/prove.hpp"
#include "validate/prove_import.hpp"
#include "validate/report.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {
namespace {
constexpr Argument kArguments[] = {{"MODEL", "an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle; --plan needs none", true}};
constexpr Option kOptions[] = {
    {"requirements", 0, "R.req.yaml", "what must hold; its data section says on what"},
    {"data", 0, "saha.yaml", "a life cycle whose data and model sections hold here too"},
    {"backend", 0, "BACKEND", "the engine that is judged", false, "native"},
    {"only", 0, "ID", "judge this requirement only", true},
    {"lint", 0, "", "check the file and stop"},
    {"explain", 0, "", "say each requirement in plain English and stop"},
    {"export", 0, "DIR", "write what would be asked of the prover as VNN-LIB files and ONNX networks, and stop"},
    {"vnnlib", 0, "1|2", "version of the files that are exported", false, "1"},
    {"import", 0, "F.vnnlib", "make a *.req.yaml, -o, of a VNN-LIB file about MODEL, and stop"},
    {"output", 'o', "OUT.req.yaml", "of --import; without it the text goes to stdout"},
    {"plan", 0, "R.req.yaml", "say how many samples each requirement asks for and stop"},
    {"expect", 0, "RATE", "of --plan: the true rate that is reckoned with, like '97 %'; else two beyond each limit"},
    {"power", 0, "SHARE", "of --plan: how surely the requirement shall be shown at that rate", false, "80 %"},
    {"differ", 0, "SHARE", "of --plan: the share of samples on which two compared models differ", false, "5 %"},
    {"report", 0, "FILE", "also write a report: .html, .json, .xml (JUnit) or .sarif", true},
};

/// saha.yaml in the folder of the requirements, whose data they usually speak of; "" where there is none.
std::string life_cycle_beside(const std::string& requirements) {
  const auto file = std::filesystem::path(requirements).parent_path() / "saha.yaml";
  std::error_code ignored;
  return std::filesystem::is_regular_file(file, ignored) ? file.string() : "";
}

/// What a VNN-LIB file asks of the model, as requirements.
Result<int> import_property(const Args& args) {
  const std::string from = args.get("import");
  SAHA_TRY(const auto property, verify::read_vnnlib(from));
  SAHA_TRY(const auto model, formats::import_file(args.arguments[0]));
  std::string id = std::filesystem::path(from).filename().string();
  id = id.substr(0, id.find(".vnnlib"));
  for (char& c : id) if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '-';
  SAHA_TRY(const std::string text, validate::requirements_of(property, model.graph, id));
  if (args.get("output").empty()) print(text);
  else SAHA_DO(system::write_file(args.get("output"), text));
  return 0;
}

/// A share on the command line, above 0 and below 1.
Result<double> share(const Args& args, const std::string& option) {
  const auto v = yaml::fraction(args.get(option));
  if (!v || !(*v > 0 && *v < 1)) return Error{ErrorCode::invalid_file, "--" + option + " is '" + args.get(option) + "', a share above 0 % and below 100 % is taken", "--" + option + " '97 %'"};
  return *v;
}

Result<int> planned(const Args& args) {
  validate::PlanOptions options;
  if (args.has("expect")) { SAHA_TRY(options.expect, share(args, "expect")); }
  SAHA_TRY(options.power, share(args, "power"));
  SAHA_TRY(options.differ, share(args, "differ"));
  yaml::Diagnostics diagnostics;
  validate::Scope scope;
  if (args.has("data")) {
    if (auto config = lifecycle::read_config({args.get("data")}, {}, diagnostics)) scope = config->scope;
  }
  std::optional<validate::RequirementFile> file;
  if (const auto root = diagnostics.ok() ? yaml::load(args.get("plan"), diagnostics) : std::nullopt) {
    file = validate::readable_requirements(*root, diagnostics);
    scope = validate::scope_of(*file, scope, diagnostics);
    validate::check(*file, scope, diagnostics);
  }
  const std::string said = diagnostics.render(diagnostics.ok() ? "" : "nothing was planned");
  if (!diagnostics.ok() && args.json()) print(diagnostics.json());
  if (!said.empty() && (!diagnostics.ok() || !args.quiet())) std::fputs(said.c_str(), stderr);
  if (!diagnostics.ok() || !file) return 2;
  std::vector<validate::PlannedSamples> rows;
  for (const auto& r : file->requirements) {
    const auto more = validate::plan(r, scope, options);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  if (args.json()) print(validate::plan_json(rows, options, SAHA_VERSION));
  else if (rows.empty()) print("no requirement asks for a number of samples\n");
  else print(validate::plan_table(rows, options));
  return 0;
}

std::string html_page(const Args& args, const lifecycle::Config& config, const lifecycle::RunResult& result, const validate::Subject& subject) {
  auto j = lifecycle::Json::parse(validate::json(result.outcomes, subject));
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    j["requirements"][i]["words"] = validate::in_words(config.requirements[i], config.scope);
    if (const auto& w = result.outcomes[i].witness) j["requirements"][i]["witness"] = lifecycle::witness_json(*w);   // with its pictures
  }
  std::string repro = "saha validate " + system::shell_quoted(args.arguments[0]);
  for (const char* option : {"requirements", "data", "backend", "only", "threads"})
    if (args.given(option)) for (const std::string& value : args.all(option)) repro += " --" + std::string(option) + " " + system::shell_quoted(value);
  const auto& report = result.report;
  return lifecycle::validation_html(args.arguments[0] + " against " + args.get("requirements"), j, report.contains("mistakes") ? report["mistakes"]["weak_slices"] : lifecycle::Json(), repro);
}

Result<int> run(const Args& args) {
  if (args.has("plan")) return planned(args);
  if (args.arguments.empty()) return Error{ErrorCode::invalid_file, "'saha validate' needs a MODEL", "saha " + std::string(kValidate.example)};
  if (args.has("import")) return import_property(args);
  std::string file = args.get("requirements");
  if (file.empty()) return Error{ErrorCode::invalid_file, "'saha validate' needs --requirements R.req.yaml", "saha " + std::string(kValidate.example)};
  SAHA_DO(backends::known(args.get("backend")));
  yaml::Diagnostics diagnostics;
  auto config = lifecycle::validation_config(args.arguments[0], file, args.get("data"), diagnostics);
  std::string said = diagnostics.render(config ? "" : "nothing was run");
  if (!config) {
    if (args.json()) print(diagnostics.json());
    std::fputs(said.c_str(), stderr);
    if (auto beside = life_cycle_beside(file); !args.has("data") && !beside.empty() && std::filesystem::exists(file)) std::fprintf(stderr, "help: if these requirements belong to %s, add --data %s\n", beside.c_str(), beside.c_str());
    return 2;
  }
  if (!said.empty() && !args.quiet()) std::fputs(said.c_str(), stderr);
  auto only = args.all("only");
  if (!only.empty()) std::erase_if(config->requirements, [&](const auto& r) { return std::find(only.begin(), only.end(), r.id) == only.end(); });
  if (config->requirements.empty()) return Error{ErrorCode::invalid_file, "no requirement is left to judge" + (only.empty() ? std::string() : ": there is none with the id '" + only[0] + "'")};
  if (args.has("lint")) return args.has("strict") && diagnostics.warnings() ? 1 : 0;
  if (args.has("explain")) {
    for (const auto& r : config->requirements) print(validate::explain(r, config->scope) + "\n");
    return 0;
  }
  SAHA_TRY(auto threads, args.integer("threads", 0, 1024));
  lifecycle::RunOptions options;
  options.as_given = true;
  options.backend = args.get("backend");
  options.threads = int(threads);
  options.stop = [] { return system::interrupted(); };
  std::unique_ptr<system::Progress> bar;
  std::string label;
  options.on_progress = [&](std::string_view what, std::int64_t done, std::int64_t total) {
    if (!bar || label != what) { bar.reset(); label = std::string(what); bar = std::make_unique<system::Progress>(label, total, progress_options(args)); }
    bar->set(done);
  };
  system::InterruptGuard guard;
  if (args.has("export")) {
    const std::string version = args.get("vnnlib");
    if (version != "1" && version != "2") return Error{ErrorCode::invalid_file, "--vnnlib is '" + version + "', 1 or 2 is taken"};
    if (std::none_of(config->requirements.begin(), config->requirements.end(), [&](const auto& r) { return r.vacuous.empty() && validate::asks_for_proof(r, config->scope); })) return Error{ErrorCode::invalid_file, "no requirement asks for a proof: there is nothing to export"};
    options.export_to = args.get("export");
    options.vnnlib = version == "1" ? 1 : 2;
    options.only = "prove";
    options.on_stage = [&](const lifecycle::StageLine& l) { if (l.status == "skip" && !args.quiet()) std::fprintf(stderr, "%s is not exported: %s\n", l.name.c_str(), l.note.c_str()); };
    auto written = lifecycle::run(*config, options);
    bar.reset();
    if (!written) return std::move(written.error());
    if (written->exported == 0) return Error{ErrorCode::unsupported, "nothing could be exported"};
    print(std::to_string(written->exported) + (written->exported == 1 ? " query" : " queries") + " in " + options.export_to.string() + "\n");
    return 0;
  }
  auto result = lifecycle::run(*config, options);
  bar.reset();
  if (!result) return std::move(result.error());
  validate::Subject subject;
  subject.version = SAHA_VERSION;
  subject.requirements_file = file;
  subject.strict = args.has("strict");
  if (std::any_of(result->outcomes.begin(), result->outcomes.end(), [](const auto& o) { return o.witness && !o.witness->files.empty(); })) subject.evidence_folder = (config->run_dir / "evidence").string();
  for (const std::string& f : {args.arguments[0], file, args.get("data")})
    if (auto hash = system::sha256_file(f)) subject.sha256.emplace_back(f, *hash);
  for (const auto& [name, hash] : result->data_sha256) subject.sha256.emplace_back("data " + name, hash);
  for (const std::string& out : args.all("report")) {
    std::string text;
    if (out.ends_with(".html")) text = html_page(args, *config, *result, subject);
    else if (out.ends_with(".json")) text = validate::json(result->outcomes, subject);
    else if (out.ends_with(".xml")) text = validate::junit(result->outcomes, subject);
    else if (out.ends_with(".sarif")) text = validate::sarif(result->outcomes, subject);
    else return Error{ErrorCode::invalid_file, "--report is '" + out + "', a name that ends in .html, .json, .xml or .sarif is taken"};
    SAHA_DO(system::write_file(out, text));
  }
  if (args.json()) print(validate::json(result->outcomes, subject));
  else print(validate::table(result->outcomes, subject, {.width = std::size_t(std::max(0, system::terminal_width(STDOUT_FILENO))), .color = system::use_color(system::ColorMode::automatic, STDOUT_FILENO)}));
  if (result->report.contains("mistakes"))
    if (const auto& weak = result->report["mistakes"]["weak_slices"]; !weak["found"].empty()) say(args, "note: weak slices: " + weak["text"].get<std::string>());
  return validate::exit_code(result->outcomes, args.has("strict"));
}
}  // namespace

const Command kValidate{"validate", "judge a model by its requirements: passed, violated or inconclusive", kArguments, kOptions, "validate model.onnx --requirements model.req.yaml", run};

}  // namespace saha::cli
