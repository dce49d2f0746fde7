// saha attack: how many right answers an attack turns wrong within a radius, on the engine that runs the model.
#include "attack/attack.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "attack/losses.hpp"
#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/config.hpp"
#include "lifecycle/trials.hpp"
#include "system/interrupt.hpp"
#include "system/machine.hpp"
#include "system/terminal.hpp"
#include "validate/statistics.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
constexpr Argument kArguments[] = {{"MODEL", "a classifier: an ONNX, TensorFlow Lite or OpenVINO IR file, or a bundle"}};
constexpr Option kOptions[] = {
    {"data", 0, "DATA", "labelled samples: a saha.yaml with data.test, a folder, a .csv or .npz"},
    {"eps", 0, "E", "the radius, in raw units of the input; 8/255 is that share of its domain's width"},
    {"norm", 0, "NORM", "of the radius: linf, in each number; l2, Euclidean", false, "linf"},
    {"attack", 0, "A,B", "pgd, apgd (cross-entropy), apgd-dlr, square", false, "pgd,apgd,apgd-dlr,square"},
    {"steps", 0, "N", "of each attack and start; by default 40 of PGD, 100 of APGD, 1000 of Square"},
    {"step", 0, "S", "of PGD, as a share of the radius", false, "0.0333333333"},
    {"restarts", 0, "N", "random starts of each attack", false, "1"},
    {"take", 0, "N", "samples, chosen by the seed", false, "100"},
    {"backend", 0, "BACKEND", "the engine that is attacked", false, "native"},
    {"output", 'o', "NAME", "the output whose greatest value is the class; by default the first one that has as many as there are classes"},
    kReportOption,
};
constexpr std::size_t kRows = 64;   // attacked side by side

Result<double> radius(const std::string& text, double wide) {
  const auto slash = text.find('/');
  char* end = nullptr;
  double v = std::strtod(text.c_str(), &end);
  bool whole = end != text.c_str();
  if (slash != std::string::npos && whole && end == text.c_str() + slash) {
    const double by = std::strtod(text.c_str() + slash + 1, &end);
    v = by > 0 ? v / by * wide : -1;
  }
  if (!whole || *end != '\0' || !(v > 0) || !std::isfinite(v)) return Error{ErrorCode::invalid_file, "--eps is '" + text + "', a radius above 0 is taken: 8, or 8/255 of the domain"};
  return v;
}

/// The data and model sections of a saha.yaml, or the data set alone.
struct Given {
  std::map<std::string, data::Dataset> sets;
  std::vector<data::InputSpec> inputs;
  validate::Scope scope;
};
Result<Given> given(const std::string& path) {
  Given g;
  data::DataSpec spec = data::DataSpec::of(path);
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    yaml::Diagnostics diagnostics;
    const auto config = lifecycle::read_config({path}, {}, diagnostics);
    if (!config) return Error{ErrorCode::invalid_file, diagnostics.render("nothing was run")};
    const auto test = config->data.find("test");
    if (test == config->data.end()) return Error{ErrorCode::invalid_file, "'" + path + "' has no data.test"};
    spec = test->second, g.inputs = config->inputs, g.scope = config->scope;
  }
  SAHA_TRY(auto set, data::Dataset::open(spec));
  g.sets.emplace("test", std::move(set));
  return g;
}

Result<int> run(const Args& args) {
  if (!args.has("data") || !args.has("eps")) return Error{ErrorCode::invalid_file, "'saha attack' needs --data DATA and --eps E", "saha " + std::string(kAttack.example)};
  SAHA_DO(backends::known(args.get("backend")));
  const std::string norm = args.get("norm");
  if (norm != "linf" && norm != "l2") return Error{ErrorCode::invalid_file, "--norm is '" + norm + "', linf and l2 are taken"};
  const auto names = words_of(args.get("attack"));
  for (const std::string& a : names)
    if (a != "pgd" && a != "apgd" && a != "apgd-dlr" && a != "square") return Error{ErrorCode::invalid_file, "--attack is '" + a + "', pgd, apgd, apgd-dlr and square are taken"};
  SAHA_TRY(const auto steps, args.has("steps") ? args.integer("steps", 1, 1'000'000) : Result<std::int64_t>(0));
  SAHA_TRY(const auto restarts, args.integer("restarts", 1, 10'000));
  SAHA_TRY(const auto take, args.integer("take", 1, 1'000'000'000));
  SAHA_TRY(const auto seed, args.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  SAHA_TRY(const auto threads, args.integer("threads", 0, 1024));
  SAHA_TRY(const auto step, args.number("step", 1e-6, 10));

  SAHA_TRY(const ir::Model model, formats::import_file(args.arguments[0]));
  SAHA_TRY(Given g, given(args.get("data")));
  SAHA_TRY(const auto specs, lifecycle::input_specs(model, g.inputs));
  SAHA_TRY(const auto engine, backends::open(args.get("backend")));
  SAHA_TRY(const auto format, formats::format_of_file(args.arguments[0]));
  const data::Dataset set = g.sets.at("test").take(take, std::uint64_t(seed));
  if (!set.has_labels()) return Error{ErrorCode::invalid_data, "the samples have no labels, so no answer is right"};
  g.sets.at("test") = set;
  lifecycle::ModelTrials trials({{"candidate", {&model, args.get("backend"), engine->reads(format) ? args.arguments[0] : std::string(), threads ? int(threads) : system::cpu().physical, specs}}}, g.sets, g.scope);

  std::string output = args.get("output");
  const auto classes = std::int64_t(set.classes().size());
  for (ir::ValueId v : model.graph.outputs()) {
    const auto& dims = model.graph.type(v).dims;
    if (output.empty() && !dims.empty() && dims.back().known().value_or(0) >= std::max<std::int64_t>(2, classes) && is_float(model.graph.type(v).dtype)) output = model.graph.name(v);
  }
  if (output.empty()) return Error{ErrorCode::invalid_data, "no output has a number for each of " + std::to_string(classes) + " classes", "name it with --output"};

  SAHA_TRY(const data::Item form, trials.item({"test", 0, {}}));
  const corrupt::Range range = trials.range(form);
  if (!std::isfinite(range.low) || !std::isfinite(range.high)) return Error{ErrorCode::invalid_data, "the domain of the input is not known, and the attack must stay in it", "--data saha.yaml with model.input.NAME.domain: [0, 1]"};
  SAHA_TRY(const double eps, radius(args.get("eps"), range.high - range.low));
  std::string no_slopes;
  SAHA_TRY(const attack::Model attacked, trials.attacked({{"candidate", output}}, "test", form, no_slopes));
  const corrupt::Layout layout = corrupt::layout(form, range);
  const attack::Picture picture = layout.height ? attack::Picture{layout.height, layout.width, layout.channels, layout.channels_last} : attack::Picture{};

  // The samples that are answered rightly.
  const auto wrong = [](std::span<const float> y, std::int64_t label) { return std::ranges::max_element(y) - y.begin() != label; };
  std::vector<attack::Region> regions;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    SAHA_TRY(const data::Item item, trials.item({"test", i, {}}));
    if (item.tensor.dims != form.tensor.dims) return Error{ErrorCode::unsupported, "'" + set.title(i) + "' is " + str(item.tensor.dims) + ", '" + set.title(0) + "' " + str(form.tensor.dims) + "; samples of one size are attacked"};
    const auto v = values<double>(item.tensor);
    std::vector<float> centre(v.begin(), v.end());
    SAHA_TRY(const auto y, attacked.outputs(centre));
    if (set.label(i) < 0 || set.label(i) >= attacked.width || wrong(y, set.label(i))) continue;
    labels.push_back(set.label(i));
    regions.push_back(norm == "l2" ? attack::l2_ball(std::move(centre), eps, range.low, range.high) : attack::linf_ball(std::move(centre), eps, range.low, range.high));
  }
  const auto right = std::int64_t(regions.size());
  std::vector<std::uint8_t> any(regions.size(), 0);
  system::InterruptGuard guard;
  Json rows = Json::array();
  const auto row = [&](const std::string& name, std::int64_t broken, Json runs, double seconds) {
    const auto i = validate::proportion_interval(right - broken, set.size(), 0.95);
    rows.push_back({{"attack", name}, {"broken", broken}, {"robust_accuracy", double(right - broken) / double(set.size())}, {"lower", i.lower}, {"upper", i.upper}, {"runs", runs}, {"seconds", seconds}});
  };
  row("none", 0, 1, 0);
  for (const std::string& name : names) {
    const auto started = std::chrono::steady_clock::now();
    std::int64_t broken = 0, runs = 0;
    for (std::size_t from = 0; from < regions.size() && !system::interrupted(); from += kRows) {
      const auto some = std::span(regions).subspan(from, std::min(kRows, regions.size() - from));
      const attack::Goal goal{[&](std::size_t r, std::span<const float> y, std::span<float> slope) { return name == "square" ? attack::margin(y, labels[from + r], slope) : name == "apgd-dlr" ? attack::dlr(y, labels[from + r], slope) : attack::cross_entropy(y, labels[from + r], slope); },
                              [&](std::size_t r, std::span<const float> y) { return wrong(y, labels[from + r]); }, [] { return !system::interrupted(); }};
      const std::uint64_t start = std::uint64_t(seed) + from;
      auto found = name == "pgd"      ? attack::pgd(attacked, some, goal, {.steps = int(steps ? steps : 40), .restarts = int(restarts), .step = step, .seed = start})
                   : name == "square" ? attack::square(attacked, some, goal, picture, {.steps = int(steps ? steps : 1000), .restarts = int(restarts), .seed = start})
                                      : attack::apgd(attacked, some, goal, {.steps = int(steps ? steps : 100), .restarts = int(restarts), .seed = start});
      if (!found) return no_slopes.empty() ? std::move(found.error()) : Error{ErrorCode::unsupported, found.error().message + ": " + no_slopes, "--attack square"};
      for (std::size_t r = 0; r < found->size(); ++r) broken += (*found)[r].broken, runs += (*found)[r].runs, any[from + r] |= (*found)[r].broken;
    }
    row(name, broken, runs, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  }
  if (system::interrupted()) return Error{ErrorCode::cancelled, "interrupted; an attack that was cut off tells nothing"};
  if (names.size() > 1) row("any", std::count(any.begin(), any.end(), 1), nullptr, 0);
  const Json result{{"schema", "saha.attack/1"}, {"saha", SAHA_VERSION}, {"model", args.arguments[0]}, {"backend", args.get("backend")}, {"norm", norm}, {"eps", eps}, {"samples", set.size()}, {"right", right}, {"seed", seed}, {"attacks", rows}};
  SAHA_DO(write_reports(args, result, "Attacks on " + args.arguments[0]));
  if (args.json()) { print(result.dump(2) + "\n"); return 0; }
  using system::Align;
  system::Table t({{"attack"}, {"broken", Align::right}, {"right answers left, 95 %", Align::right}, {"runs of the model", Align::right}, {"time", Align::right}});
  for (const Json& r : rows)
    t.add({r["attack"], std::to_string(r["broken"].get<std::int64_t>()) + " of " + std::to_string(right), figures::column::percent(r["robust_accuracy"]) + " [" + figures::column::percent(r["lower"]) + ", " + figures::column::percent(r["upper"]) + "]",
           r["runs"].is_null() ? "-" : figures::grouped(r["runs"]), figures::column::duration(r["seconds"])});
  print(norm + ", radius " + figures::significant(eps, 4) + "; " + figures::counted(set.size(), "sample") + "; output " + output + " on " + args.get("backend") + "\n" + t.str());
  return 0;
}
}  // namespace

const Command kAttack{"attack", "how many right answers small changes of the input turn wrong", kArguments, kOptions, "attack model.onnx --data saha.yaml --eps 8/255", run,
                      "Samples that are answered rightly are changed by at most the radius, within the domain, until the engine answers wrongly. Gradients pass straight through what is quantised; Square needs none. What no attack breaks may still break: a proof is 'saha validate' at level prove."};

}  // namespace saha::cli
