// Validate: what a model says about every sample of the test set, and of others that requirements speak of, on one engine.
#include <optional>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "formats/formats.hpp"
#include "lifecycle/own_metric.hpp"
#include "lifecycle/stages.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<> Pipeline::evaluate(const std::string& name, const std::string& backend, const std::string& set) {
  const Variant& v = variant(name);
  auto it = sets_.find(set);
  if (it == sets_.end()) return {};
  const bool tested = set == "test";
  const std::string stage_name = "validate/" + name + "/" + backend + (tested ? "" : "/" + set);
  static const std::vector<OwnMetric> kNone;
  const std::vector<OwnMetric>& metrics = tested ? c_.metrics : kNone;   // they may want labels, which other sets need not have
  SAHA_TRY(const auto specs, input_specs(v.model, c_.inputs));
  SAHA_TRY(data::Dataset test, it->second.for_inputs(specs));
  SAHA_TRY(auto engine, backends::open(backend));
  Json steps = Json::object();
  for (const auto& i : c_.inputs) steps[i.name] = i.steps.str();
  Json inputs{{"model", v.sha256}, {"backend", backend}, {"version", engine->version()}, {"test", set_hash_[set]}, {"preprocess", steps}, {"meaning", c_.output_meaning}, {"classes", test.classes()}};
  for (const OwnMetric& m : metrics) {
    Json files = Json::object();
    for (const auto& f : m.inputs) { SAHA_TRY(files[f.filename().string()], system::sha256_file(f)); }
    inputs["metrics"][m.name] = {{"python", m.python}, {"command", m.shell.empty() ? Json(m.argv) : Json(m.shell)}, {"files", files}};
  }
  std::optional<Answers> fresh;
  auto make = [&](const fs::path& folder) -> Result<Json> {
    SAHA_TRY(const auto format, formats::format_of_file(v.file));
    SAHA_TRY(auto program, engine->load(v.model, {.threads = threads(c_.targets[0]), .precision = "float32", .file = engine->reads(format) ? v.file : std::string()}));
    SAHA_TRY(Answers a, answer(*program, test, c_.output_meaning, [&](std::int64_t done) {
      if (o_.on_progress) o_.on_progress(stage_name, done, test.size());
      return !(o_.stop && o_.stop());
    }));
    // Names learned from the data stand for the model's outputs in order only where there is one for each.
    if (const auto& names = test.classes(); c_.labels.empty() && are_words(names) && (a.meaning == "logits" || a.meaning == "probabilities") && !a.outputs[a.decisive].empty() && a.outputs[a.decisive][0].size() != names.size()) {
      std::string listed;
      for (std::size_t k = 0; k < std::min<std::size_t>(names.size(), 6); ++k) listed += (k ? ", " : "") + names[k];
      return Error{ErrorCode::invalid_data, "data set '" + set + "' names " + std::to_string(names.size()) + (names.size() == 1 ? " class" : " classes") + " (" + listed + (names.size() > 6 ? ", .." : "") + "), output '" + a.decisive + "' has " + std::to_string(a.outputs[a.decisive][0].size()) + " values",
                   "say which value is which class: model: {labels: [..]}"};
    }
    SAHA_TRY(a.own, own_metrics(metrics, a, test, o_.stop));
    Json j = summary(a, test);
    for (const OwnMetric& m : metrics) j["metrics"][m.name] = {{"value", a.own[m.name].value}, {"unit", m.unit}, {"better", m.higher ? "higher" : "lower"}, {"per_sample", !a.own[m.name].per_sample.empty()}};
    std::vector<std::uint8_t> packed = Json::to_cbor(kept(a));
    SAHA_DO(system::write_file(folder / "answers.cbor", system::Bytes{reinterpret_cast<const std::byte*>(packed.data()), packed.size()}));
    fresh = std::move(a);
    return j;
  };
  SAHA_TRY(Stored s, stage(stage_name, 1, inputs, make, [](const Json& j) {
    using figures::column::percent;
    using figures::significant;
    std::string own;
    if (j.contains("metrics"))
      for (const auto& [metric, m] : j["metrics"].items()) own += "; " + metric + " " + (m["unit"] == "%" ? percent(m["value"]) : significant(m["value"], 3) + (m["unit"] == "" ? "" : " " + m["unit"].get<std::string>()));
    if (j.contains("accuracy")) return std::to_string(j["correct"].get<std::int64_t>()) + " of " + std::to_string(j["samples"].get<std::int64_t>()) + " right = " + percent(j["accuracy"]) + " [" + percent(j["lower"]) + ", " + percent(j["upper"]) + "]" + own;
    if (j.contains("iou")) return "iou " + percent(j["iou"]) + " [" + percent(j["lower"]) + ", " + percent(j["upper"]) + "] on " + std::to_string(j["samples"].get<std::int64_t>()) + own;
    if (j.contains("mae")) return "mae " + significant(j["mae"], 3) + ", rmse " + significant(j["rmse"], 3) + own;
    return figures::counted(j["samples"].get<std::int64_t>(), "sample") + (own.empty() ? (j["output"] == "" ? " run; no output decides" : " run") : " run" + own);
  }));
  if (!fresh) {
    SAHA_TRY(auto bytes, system::read_bytes(s.folder / "answers.cbor"));
    Json k = Json::from_cbor(bytes, true, false);
    if (k.is_discarded()) return Error{ErrorCode::invalid_data, "the kept answers of '" + v.name + "' on " + backend + " are damaged", "saha run --from validate"};
    fresh = answers_of(k);
  }
  if (!tested) {
    further_[{v.name, backend}][set] = std::move(*fresh);
    return {};
  }
  answers_[{v.name, backend}] = std::move(*fresh);
  report_["evaluations"].push_back({{"variant", v.name}, {"backend", backend}, {"result", s.result}});
  return {};
}

}  // namespace saha::lifecycle
