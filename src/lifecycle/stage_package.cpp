// Package what was chosen, and the report of the whole run.
#include <algorithm>

#include "backends/native/pack.hpp"
#include "base/figures.hpp"
#include "data/image.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "front/stated.hpp"
#include "kernels/contract.hpp"
#include "lifecycle/live_evidence.hpp"
#include "lifecycle/proofs.hpp"
#include "lifecycle/stages.hpp"
#include "lifecycle/witness.hpp"
#include "measure/inputs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/machine.hpp"
#include "validate/calibrated.hpp"
#include "validate/prove.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<std::string> Pipeline::proofs_of(const Candidate& c, const Target& t, const std::string& file) {
  std::vector<validate::Requirement> proved;
  std::set<std::string> others;
  Json said = Json::array();
  for (const auto* list : {&c_.requirements, &t.requirements})
    for (const validate::Requirement& r : *list) {
      const auto o = std::ranges::find_if(c.outcomes, [&](const validate::Outcome& x) { return x.id == r.id && x.text == r.text; });
      if (o == c.outcomes.end() || !o->proof || o->by_fallback || o->verdict == validate::Verdict::inconclusive) continue;
      proved.push_back(r);
      said.push_back({r.id, validate::name(o->verdict), said_of(r)});
      others.insert(r.models.begin(), r.models.end());
      validate::visit(r.assertion.body, [&](const validate::Expr& e) { if (e.path.size() == 2) others.insert(e.path[0]); });
    }
  if (proved.empty()) return std::string();
  Json inputs{{"model", system::sha256_hex(file)}, {"requirements", said}, {"data", set_hash_}, {"texts", Json::array()}, {"saha", SAHA_VERSION}, {"models", Json::object()}};
  Proofs p;
  p.saha = SAHA_VERSION;
  p.model = c_.written.contains("model") ? c_.written["model"] : Json::object();
  p.model.erase("file");
  p.labels = c_.labels;
  p.inputs = c_.inputs;
  for (const auto& d : c_.scope.data) p.data.emplace_back(d.name, d.columns);
  for (const auto& f : c_.requirement_files) {
    SAHA_TRY(std::string text, system::read_text(f));
    p.texts.emplace_back(f.filename().string(), std::move(text));
  }
  for (const auto& r : proved)
    if (r.id_node.at == r.node.at) p.texts.emplace_back(r.id, yaml::print(r.node));   // written in a list of saha.yaml
  std::map<std::string, std::shared_ptr<const ir::Model>, std::less<>> models;
  for (const std::string& name : others) {
    if (name != "original" && std::ranges::find(named_, named(name), &Variant::name) == named_.end()) continue;
    const Variant& v = std::ranges::find(named_, named(name), &Variant::name) == named_.end() ? variant("original") : variant(named(name));
    SAHA_TRY(p.models[name], formats::self_contained(v.file, v.model));
    inputs["models"][name] = v.sha256;
  }
  for (const auto& [name, text] : p.texts) inputs["texts"].push_back({name, text});
  auto make = [&](const fs::path& folder) -> Result<Json> {
    auto find = [&](const std::string& name) -> Result<Judged> {
      auto& known = models[name];
      if (!known) {
        const auto other = p.models.find(name);
        if (name != "candidate" && other == p.models.end()) return Error{ErrorCode::invalid_data, "model '" + name + "' is not here"};
        SAHA_TRY(auto m, formats::import_bytes(system::bytes_of(name == "candidate" ? file : other->second)));   // read as it will be
        known = std::make_shared<const ir::Model>(std::move(m));
      }
      return Judged{known, "", "native"};
    };
    std::string id;
    LiveEvidence e(recorded(c.variant, c.backend), find, c_.inputs, sets_, {.threads = threads(t), .stop = o_.stop, .progress = [&](double done, std::int64_t) { if (o_.on_progress) o_.on_progress("certify/" + id, std::int64_t(done * 1000), 1000); }, .keep = &p});
    std::int64_t asked = 0, open = 0;
    for (std::size_t i = 0; i < proved.size(); ++i) {
      if (o_.stop && o_.stop()) return Error{ErrorCode::cancelled, "interrupted before '" + proved[i].id + "' had its certificates; everything finished is kept", "saha run"};
      id = proved[i].id;
      (void)validate::evaluate(proved[i], c_.scope, e);   // for what it asks
      p.requirements.push_back({proved[i].id, said[i][1]});
      if (!proved[i].over) continue;
      const std::string& name = proved[i].over->data;
      Proofs::Set& set = p.sets[name];
      set.labels = e.labels_of[name];
      set.correct = e.samples_of[{"candidate", name}].correct;
      for (const auto& [of, values] : e.columns_of) if (of.first == name) set.columns[of.second] = values;
    }
    for (const auto& [key, answer] : p.answers) ++asked, open += !answer.why.empty();
    SAHA_DO(system::write_file(folder / kProofsFile, p.bytes()));
    return Json{{"queries", asked}, {"open", open}};
  };
  SAHA_TRY(const Stored s, stage("certify/" + t.name, 1, inputs, make, [](const Json& j) {
    const auto asked = j["queries"].get<std::int64_t>(), open = j["open"].get<std::int64_t>();
    return std::to_string(asked - open) + " of " + std::to_string(asked) + (asked == 1 ? " query" : " queries") + (open ? " have what their verdict stands on; saha check-proof names the others" : " have what their verdict stands on");
  }));
  return system::read_text(s.folder / kProofsFile, kMostProofBytes);
}

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
  std::vector<std::pair<std::string, std::string>> attached;   // files beside the manifest: name, content
  for (std::size_t i = 0; i < evidence["requirements"].size(); ++i) {
    Json& r = evidence["requirements"][i];
    r.erase("seconds");   // equal evidence is an equal package
    if (!r.contains("witness")) continue;
    Json& pictures = r["witness"]["pictures"] = Json::array();
    for (const auto& [role, text] : chosen->outcomes[i].witness->pictures) {
      SAHA_TRY(const auto bytes, data::from_base64(text));
      const std::string png(system::text_of(bytes));
      std::string file = "evidence/" + evidence_folder(r["id"]) + "/" + role.substr(0, role.find(' ')) + ".png";
      pictures.push_back({{"role", role}, {"file", file}, {"sha256", system::sha256_hex(png)}});
      attached.emplace_back(std::move(file), png);
    }
  }
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
  manifest["data"] = set_hash_;
  manifest["requirements"] = Json::object();
  for (const auto& f : c_.requirement_files) { SAHA_TRY(manifest["requirements"][f.filename().string()], system::sha256_file(f)); }
  SAHA_TRY(const std::string program, system::sha256_file("/proc/self/exe"));
  about["evidence"]["tool"] = manifest["tool"] = {{"saha", SAHA_VERSION}, {"kernels", kernels::fingerprint()}, {"program_sha256", program}};
  about["evidence"]["requirements"] = manifest["requirements"];
  std::string file = folded;
  if (!form.fold) { SAHA_TRY(file, formats::self_contained(v->file, model)); }
  SAHA_TRY(std::string proofs, proofs_of(*chosen, t, file));
  if (o_.plan && planned_ && planned_->state == "make") return Error{ErrorCode::cancelled, "stage 'certify/" + t.name + "' is not made in a plan"};
  if (!proofs.empty()) {
    about["evidence"]["proofs"] = manifest["proofs"] = {{"file", kProofsFile}, {"sha256", system::sha256_hex(proofs)}};
    attached.emplace_back(kProofsFile, std::move(proofs));
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
        SAHA_DO(system::write_file(to, file));
      } else {
        SAHA_TRY(const auto notes, formats::export_file(model, to.string()));
        for (const std::string& n : notes) made["notes"].push_back(f + ": " + n);
      }
      if (f == "openvino") made["files"].push_back("model.bin");
    }
    for (const auto& [name, content] : attached) {
      SAHA_DO(system::make_folders((folder / name).parent_path()));
      SAHA_DO(system::write_file(folder / name, content));
      made["files"].push_back(name);
    }
    if (saha) {
      native::PackOptions options;
      for (const auto& [name, content] : attached) {
        const auto bytes = system::bytes_of(content);
        options.parts.push_back({name == kProofsFile ? "proofs" : name, {bytes.begin(), bytes.end()}});
      }
      options.about = std::move(about);
      if (auto dims = measure::input_dims(model.graph, {})) options.shapes.push_back(std::move(*dims));
      SAHA_TRY(const auto packed, native::pack(model, file, options));
      SAHA_DO(system::write_file(folder / "model.saha", packed.bytes));
    }
    made["bytes"] = formats::file_bytes((folder / files.front()).string());
    SAHA_DO(system::write_file(folder / "manifest.json", manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
    return made;
  };
  fs::path place = c_.report_dir / "package" / t.name;
  SAHA_TRY(Stored s, stage("package/" + t.name, 4, inputs, make, [&](const Json& j) { return (place / files.front()).string() + ", " + figures::column::bytes(double(j["bytes"].get<std::int64_t>())) + (files.size() > 1 ? ", and " + figures::counted(std::int64_t(files.size()) - 1, "other form") : ""); }));
  if (o_.plan) return {};
  SAHA_DO(system::make_folders(place));
  files = s.result["files"].get<std::vector<std::string>>();
  files.push_back("manifest.json");
  for (const std::string& f : files) {
    SAHA_TRY(const auto made, system::map_file(s.folder / f));
    SAHA_DO(system::make_folders((place / f).parent_path()));
    SAHA_DO(system::write_file(place / f, made.bytes()));
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
