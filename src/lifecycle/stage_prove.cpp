// Prove: the requirements of the level `prove`, for one model on one engine. Kept by content as every stage, with the counterexamples as files.
#include <algorithm>
#include <cmath>

#include "base/figures.hpp"
#include "lifecycle/export_queries.hpp"
#include "lifecycle/live_evidence.hpp"
#include "lifecycle/stages.hpp"
#include "lifecycle/witness.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "validate/prove.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {

/// What is kept of an outcome; the rest says the requirement.
Json kept_outcome(const validate::Outcome& o) {
  Json figures = Json::array();
  for (const auto& f : o.figures) figures.push_back({{"name", f.name}, {"value", f.value}, {"unit", f.unit}, {"how", f.how}});
  Json j{{"verdict", validate::name(o.verdict)}, {"level", o.level}, {"evidence", o.evidence}, {"by_fallback", o.by_fallback}, {"figures", figures}, {"seconds", o.seconds}};
  if (o.proof)
    j["proof"] = {{"arithmetic", o.proof->arithmetic}, {"method", o.proof->method}, {"asked", o.proof->asked}, {"proved", o.proof->proved}, {"violated", o.proof->violated}, {"open", o.proof->open}, {"regions", o.proof->regions}, {"seconds", o.proof->seconds}};
  if (o.witness) {
    Json points = Json::array();
    for (const auto& p : o.witness->points) points.push_back({{"name", p.name}, {"values", p.values}, {"inputs", p.inputs}, {"fields", p.fields}});
    j["witness"] = {{"model", o.witness->model}, {"data", o.witness->data}, {"sample", o.witness->sample}, {"text", o.witness->text}, {"points", points}, {"files", o.witness->files}, {"pictures", o.witness->pictures}};
  }
  return j;
}

validate::Outcome outcome_of(const validate::Requirement& r, const Json& j) {
  using validate::Verdict;
  validate::Outcome o = validate::outcome_for(r);
  o.verdict = j["verdict"] == "passed" ? Verdict::passed : j["verdict"] == "violated" ? Verdict::violated : Verdict::inconclusive;
  o.level = j["level"];
  o.evidence = j["evidence"];
  o.by_fallback = j["by_fallback"];
  o.seconds = j["seconds"];
  for (const auto& f : j["figures"]) o.figures.push_back({f["name"], f["value"].is_number() ? f["value"].get<double>() : NAN, f["unit"], f["how"]});
  if (j.contains("proof")) {
    const Json& p = j["proof"];
    o.proof = validate::Proof{p["arithmetic"], p["method"], p["asked"], p["proved"], p["violated"], p["open"], p["regions"], p["seconds"]};
  }
  if (j.contains("witness")) {
    const Json& w = j["witness"];
    o.witness = validate::Witness{.model = w["model"], .data = w["data"], .sample = w["sample"], .text = w["text"], .files = w["files"], .pictures = w["pictures"]};
    for (const auto& p : w["points"]) o.witness->points.push_back({p["name"], p["values"], p["inputs"], p["fields"]});
  }
  return o;
}

}  // namespace

Json said_of(const validate::Requirement& r) {
  Json j{{"id", r.id}, {"assert", r.text}, {"models", r.models}, {"arithmetic", validate::name(r.arithmetic)}, {"timeout", r.timeout_s}, {"seed", r.seed},
         {"level", r.level ? validate::print(*r.level) : ""}, {"fallback", r.fallback ? validate::print(*r.fallback) : ""}, {"accept", {r.accept.proved, r.accept.more_than, r.accept.violated}}};
  if (r.over) j["for"] = {r.over->data, r.over->take, r.over->where ? validate::print(*r.over->where) : ""};
  return j;
}

std::vector<validate::Requirement> Pipeline::proofs() const {
  std::vector<validate::Requirement> wanted;
  auto take = [&](const std::vector<validate::Requirement>& list) {
    for (const auto& r : list) if (r.vacuous.empty() && validate::asks_for_proof(r, c_.scope)) wanted.push_back(r);
  };
  take(c_.requirements);
  for (const Target& t : c_.targets) take(t.requirements);
  return wanted;
}

Result<Judged> Pipeline::judged(const std::string& model, const std::string& candidate, const std::string& backend) {
  auto of = [](const Variant& v, const std::string& engine) { return Judged{std::make_shared<const ir::Model>(v.model), v.file, engine}; };
  if (model == "candidate") return of(variant(candidate), backend);
  if (const auto file = std::ranges::find(named_, named(model), &Variant::name); file != named_.end()) return of(*file, backend);
  if (model == "original" && has_variant("original")) return of(variant("original"), o_.as_given ? o_.backend : "native");
  return Error{ErrorCode::invalid_data, "model '" + model + "' is not here"};
}

/// Nothing is proved: what would be asked is written down. A requirement that cannot be asked says why.
Result<> Pipeline::export_queries(const std::string& name, const std::string& backend) {
  QueryWriter writer(o_.export_to, o_.vnnlib);
  std::optional<Error> failed;
  const std::string open = "written down";
  LiveEvidence e(recorded(name, backend), [&](const std::string& model) { return judged(model, name, backend); }, c_.inputs, sets_, {.threads = 1, .stop = o_.stop, .instead = [&](const validate::Query& q) -> Result<verify::Outcome> {
    if (auto done = writer.write(q); !done) failed = std::move(done.error());
    verify::Outcome o;
    o.why = open;
    return o;
  }});
  for (validate::Requirement r : proofs()) {
    r.fallback.reset();
    const std::int64_t before = writer.queries();
    const validate::Outcome o = validate::evaluate(r, c_.scope, e);
    if (failed) return std::move(*failed);
    const std::int64_t asked = writer.queries() - before;
    line(asked ? "ok" : "skip", r.id, o.seconds, asked ? std::to_string(asked) + (asked == 1 ? " query" : " queries") : o.evidence);
  }
  result_.exported = writer.queries();
  return writer.finish();
}

Result<> Pipeline::prove(const std::string& name, const std::string& backend) {
  const std::vector<validate::Requirement> wanted = proofs();
  const Variant& v = variant(name);
  Json steps = Json::object();
  for (const auto& i : c_.inputs) steps[i.name] = i.steps.str();
  Json inputs{{"model", v.sha256}, {"backend", backend}, {"saha", SAHA_VERSION}, {"data", set_hash_}, {"preprocess", steps}, {"threads", threads(c_.targets[0])}, {"seed", c_.seed}, {"requirements", Json::array()}, {"files", Json::object()}};
  for (const auto& r : wanted) inputs["requirements"].push_back(said_of(r));
  for (const auto& f : c_.requirement_files) { SAHA_TRY(inputs["files"][f.filename().string()], system::sha256_file(f)); }   // units, fields, domains
  if (c_.written.contains("model")) inputs["sections"] = c_.written["model"];
  for (const auto& f : c_.model_files) if (auto hash = system::sha256_file(f.file)) inputs["models"][f.name] = *hash;
  if (has_variant("original")) inputs["models"]["original"] = variant("original").sha256;
  std::string id;
  LiveEvidence::Options options{.threads = threads(c_.targets[0]), .stop = o_.stop, .progress = [&](double done, std::int64_t) { if (o_.on_progress) o_.on_progress("prove/" + id, std::int64_t(done * 1000), 1000); }};
  if (!o_.export_to.empty()) return export_queries(name, backend);
  auto make = [&](const fs::path& folder) -> Result<Json> {
    LiveEvidence e(recorded(name, backend), [&](const std::string& model) { return judged(model, name, backend); }, c_.inputs, sets_, options);
    Json made = Json::array();
    for (const auto& r : wanted) {
      if (o_.stop && o_.stop()) return Error{ErrorCode::cancelled, "interrupted before '" + r.id + "' was proved; everything finished is kept", "saha run"};
      id = r.id;
      // What holds in float32 in any order holds on every engine; which samples are meant may differ.
      const auto& native = proved_[{name, "native"}];
      const auto known = std::ranges::find_if(native, [&](const auto& x) { return x.id == r.id && x.text == r.text; });
      if (backend != "native" && known != native.end() && known->verdict == validate::Verdict::passed && known->proof && !known->by_fallback && !r.over) {
        made.push_back(kept_outcome(*known));
        continue;
      }
      validate::Outcome o = validate::evaluate(r, c_.scope, e);
      if (o.witness && !o.witness->points.empty()) {
        std::vector<double> sample;
        if (!o.witness->data.empty()) { SAHA_TRY(sample, e.point(o.witness->data, o.witness->sample)); }
        SAHA_TRY(o.witness->files, write_witness(folder / evidence_folder(r.id), *o.witness, sample));
        SAHA_DO(show_points(*o.witness, sample));
      }
      made.push_back(kept_outcome(o));
    }
    return Json{{"outcomes", made}};
  };
  SAHA_TRY(const Stored s, stage("prove/" + name + "/" + backend, 2, inputs, make, [&](const Json& j) {
    std::map<std::string, std::int64_t> counts;
    std::string notable;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::string verdict = j["outcomes"][i]["verdict"];
      ++counts[verdict];
      if (verdict == "violated" && notable.empty()) notable = "; " + wanted[i].id + ": " + j["outcomes"][i]["evidence"].get<std::string>();
    }
    std::string text;
    for (const char* verdict : {"passed", "violated", "inconclusive"})
      if (counts[verdict]) text += (text.empty() ? "" : ", ") + std::to_string(counts[verdict]) + " " + verdict;
    return text + notable;
  }));
  // Where a reader looks for them, beside the store.
  const fs::path place = store_.folder() / "evidence" / (o_.as_given ? fs::path() : fs::path(name) / backend);
  std::vector<validate::Outcome> outcomes;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    outcomes.push_back(outcome_of(wanted[i], s.result["outcomes"][i]));
    auto& w = outcomes.back().witness;
    if (!w) continue;
    const std::string folder = evidence_folder(wanted[i].id);
    SAHA_DO(system::make_folders(place / folder));
    for (std::string& f : w->files) {
      SAHA_TRY(const auto file, system::map_file(s.folder / folder / f));
      const fs::path to = place / folder / f;
      SAHA_DO(system::write_file(to, file.bytes()));
      f = to.string();
    }
  }
  proved_[{name, backend}] = std::move(outcomes);
  return {};
}

}  // namespace saha::lifecycle
