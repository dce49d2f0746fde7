// Package what was chosen, and the report of the whole run.
#include <algorithm>

#include "backends/native/pack.hpp"
#include "base/figures.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "front/stated.hpp"
#include "kernels/contract.hpp"
#include "lifecycle/stages.hpp"
#include "measure/inputs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/machine.hpp"
#include "validate/calibrated.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<> Pipeline::package(const Target& t) {
  const Candidate* chosen = nullptr;
  for (const Candidate& c : candidates_) if (c.target == t.name && c.chosen) chosen = &c;
  if (!chosen) { line("skip", "package/" + t.name, 0, "nothing was chosen"); return {}; }
  const Variant* v = nullptr;
  for (const Variant& x : variants_) if (x.name == chosen->variant) v = &x;
  const auto stated = c_.package.find(t.name);
  const Package form = stated == c_.package.end() ? Package() : stated->second;
  ir::Model model = v->model;
  Json steps = Json::object(), folds = Json::object();
  SAHA_TRY(const auto specs, input_specs(model, c_.inputs));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const data::Preprocess& all = specs[i].steps;
    if (all.empty()) continue;
    data::Preprocess outside = all;
    if (form.fold) {
      auto folded = front::fold(model.graph, i, all, form.raw);
      if (!folded) return std::move(folded.error()).within("package." + t.name + ".fold");
      model.graph = std::move(folded->graph);
      outside = std::move(folded->outside);
      front::state(model.metadata, specs[i].name, {all, outside});
      for (const front::Row& row : folded->rows) folds[specs[i].name].push_back({{"step", row.step}, {"folded", row.folded}, {"what", row.what}});
    }
    steps[specs[i].name] = Json::parse(outside.str(), nullptr, false);
  }
  Json reject;   // how the delivered model tells inputs that it must not answer
  if (c_.scope.reject) {
    auto recorded = this->evidence(*chosen, t);
    validate::Recall recall(recorded);
    auto r = validate::rejector("candidate", "test", c_.scope, recall);
    if (!r) return std::move(r.error()).within("model.reject");
    reject = {{"score", validate::name(r->score)}, {"output", r->output}, {"meaning", r->meaning}, {"threshold", r->threshold}};
    if (r->calibrated_on > 0) {
      reject["calibrated"] = {{"data", r->data}, {"samples", r->calibrated_on}, {"accept", c_.scope.reject->accept}};
      if (c_.scope.reject->confidence) reject["calibrated"]["confidence"] = *c_.scope.reject->confidence;
    }
  }
  Json evidence = chosen->json();
  for (auto& r : evidence["requirements"]) r.erase("seconds");   // equal evidence is an equal package
  static const std::map<std::string, std::string> kFileOf = {{"onnx", "model.onnx"}, {"tflite", "model.tflite"}, {"openvino", "model.xml"}, {"saha", "model.saha"}};
  const bool saha = std::ranges::find(form.forms, "saha") != form.forms.end();
  std::vector<std::string> files;
  for (const std::string& f : form.forms) files.push_back(kFileOf.at(f));
  Json manifest{{"schema", "saha.package/1"}, {"saha", SAHA_VERSION}, {"name", c_.name}, {"target", t.name}, {"model", files.front()}, {"sha256", v->sha256}, {"backend", chosen->backend}, {"backend_version", chosen->version},
                {"precision", chosen->precision}, {"threads", threads(t)}, {"preprocess", steps}, {"labels", c_.labels}, {"evidence", evidence}};
  // What a bundle says beside the model, and what its plans are made for.
  Json about{{"preprocess", steps}, {"labels", c_.labels}, {"meaning", c_.output_meaning}, {"metrics", {{"accuracy", evidence["accuracy"]}, {"p50_ms", evidence["p50_ms"]}, {"p90_ms", evidence["p90_ms"]}, {"how", evidence["how"]}}},
             {"evidence", {{"life_cycle", c_.name}, {"target", t.name}, {"machine", system::cpu().model}, {"data", set_hash_}, {"candidate", evidence}}}};
  if (!reject.is_null()) about["reject"] = manifest["reject"] = reject;
  std::string folded;   // the file, where it is another than the chosen one
  if (form.fold) {
    SAHA_TRY(folded, onnx::export_bytes(model));
    manifest["sha256"] = system::sha256_hex(folded);
    manifest["folded"] = {{"from", v->sha256}, {"steps", folds}};
  }
  Json inputs = manifest;
  inputs["forms"] = form.forms;
  if (saha) inputs["bundle"] = {{"about", about}, {"level", kernels::name(kernels::detect_isa())}, {"kernels", kernels::fingerprint()}};
  auto make = [&](const fs::path& folder) -> Result<Json> {
    Json made{{"files", files}, {"notes", Json::array()}, {"sha256", manifest["sha256"]}};
    SAHA_TRY(const auto own, formats::format_of_file(v->file));
    for (const std::string& f : form.forms) {
      const fs::path to = folder / kFileOf.at(f);
      if (f == "saha") continue;
      if (f == "onnx" && form.fold) {
        SAHA_DO(system::write_file(to, folded));
      } else if (f == own && f != "openvino" && !form.fold) {   // as it was measured
        SAHA_TRY(const std::string bytes, formats::self_contained(v->file, model));
        SAHA_DO(system::write_file(to, bytes));
      } else {
        SAHA_TRY(const auto notes, formats::export_file(model, to.string()));
        for (const std::string& n : notes) made["notes"].push_back(f + ": " + n);
      }
      if (f == "openvino") made["files"].push_back("model.bin");
    }
    if (saha) {
      native::PackOptions options;
      options.about = std::move(about);
      if (auto dims = measure::input_dims(model.graph, {})) options.shapes.push_back(std::move(*dims));
      SAHA_TRY(const std::string file, form.fold ? formats::self_contained(model) : formats::self_contained(v->file, model));
      SAHA_TRY(const auto packed, native::pack(model, file, options));
      SAHA_DO(system::write_file(folder / "model.saha", packed.bytes));
    }
    made["bytes"] = formats::file_bytes((folder / files.front()).string());
    SAHA_DO(system::write_file(folder / "manifest.json", manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
    return made;
  };
  fs::path place = c_.report_dir / "package" / t.name;
  SAHA_TRY(Stored s, stage("package/" + t.name, 3, inputs, make, [&](const Json& j) { return (place / files.front()).string() + ", " + figures::column::bytes(double(j["bytes"].get<std::int64_t>())) + (files.size() > 1 ? ", and " + figures::counted(std::int64_t(files.size()) - 1, "other form") : ""); }));
  if (o_.plan) return {};
  SAHA_DO(system::make_folders(place));
  files = s.result["files"].get<std::vector<std::string>>();
  files.push_back("manifest.json");
  for (const std::string& f : files) {
    SAHA_TRY(const auto file, system::map_file(s.folder / f));
    SAHA_DO(system::write_file(place / f, file.bytes()));
  }
  report_["packages"].push_back({{"target", t.name}, {"folder", place.string()}, {"manifest", manifest}});
  return {};
}

Result<> Pipeline::report() {
  RunResult& r = result_;
  Json list = Json::array();
  for (const Candidate& c : candidates_) list.push_back(c.json());
  report_["candidates"] = list;
  report_["exit_code"] = r.exit_code;
  Json sources = Json::array();
  auto source = [&](const std::string& what, const fs::path& p) { if (auto h = system::sha256_file(p)) sources.push_back({{"what", what}, {"file", p.filename().string()}, {"sha256", *h}}); };
  source("life cycle", c_.file);
  for (const auto& f : c_.requirement_files) source("requirements", f);
  if (c_.train) for (const auto& f : c_.train->inputs) source("training", f);
  for (const auto& [name, hash] : set_hash_) sources.push_back({{"what", "data " + name}, {"file", ""}, {"sha256", hash}});
  for (const Variant& v : variants_) sources.push_back({{"what", "model " + v.name}, {"file", fs::path(v.file).filename().string()}, {"sha256", v.sha256}});
  report_["provenance"] = {{"sources", sources}, {"repro", "saha run " + c_.file.filename().string() + " -s run.seed=" + std::to_string(c_.seed)}, {"config", c_.written}};
  r.json = c_.report_dir / "report.json";
  r.html = c_.report_dir / "index.html";
  line("ok", "report", 0, r.html.string());
  SAHA_DO(system::make_folders(c_.report_dir));
  SAHA_DO(system::write_file(r.html, report_html(report_)));
  SAHA_DO(system::write_file(r.json, report_.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
  return {};
}

}  // namespace saha::lifecycle
