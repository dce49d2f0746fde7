// Recheck: a requirement is judged as it was before, with a table of answers where the data and the prover were (docs/decisions/0026).
#include <algorithm>

#include "formats/formats.hpp"
#include "lifecycle/live_evidence.hpp"
#include "lifecycle/proofs.hpp"
#include "system/file.hpp"
#include "validate/check.hpp"
#include "yaml/document.hpp"

namespace saha::lifecycle {
namespace {
constexpr double kSecondsToCheck = 1e9;
}  // namespace

Result<std::vector<Rechecked>> recheck(const Proofs& p, std::string_view model) {
  // The requirements and what they may name, as the life cycle read them.
  yaml::Diagnostics d;
  validate::Scope own;
  if (const auto section = yaml::parse(p.model.dump(), "model", d)) {
    const yaml::Value said = validate::model_section().readable(*section, d);
    validate::read_model(own, said, d);
    validate::read_reject(own, said, d);
  }
  for (const auto& [name, columns] : p.data) own.data.push_back({name, columns});
  own.data_known = true;
  own.labels = p.labels;
  validate::Scope scope = own;
  std::vector<validate::Requirement> requirements;
  for (const auto& [name, text] : p.texts) {
    const auto node = yaml::parse(text, name, d);
    if (!node) break;
    if (!name.ends_with(".req.yaml")) {
      if (auto r = validate::read_assertion(*node, name, d)) validate::check(*r, scope, d), requirements.push_back(std::move(*r));
      continue;
    }
    auto file = validate::readable_requirements(*node, d);
    validate::check(file, validate::scope_of(file, own, d), d);
    yaml::Diagnostics again;   // as config.cpp does: of two files that name one unit the first counts
    scope = validate::scope_of(file, std::move(scope), again);
    for (auto& r : file.requirements) requirements.push_back(std::move(r));
  }
  if (!d.ok()) return Error(d.first()).within("the requirements that are kept");

  std::map<std::string, std::shared_ptr<const ir::Model>, std::less<>> models;
  auto find = [&](const std::string& name) -> Result<Judged> {
    auto& known = models[name];
    if (!known) {
      const auto other = p.models.find(name);
      if (name != "candidate" && other == p.models.end()) return Error{ErrorCode::invalid_data, "model '" + name + "' is not kept"};
      SAHA_TRY(auto m, formats::import_bytes(system::bytes_of(name == "candidate" ? model : std::string_view(other->second))));
      known = std::make_shared<const ir::Model>(std::move(m));
    }
    return Judged{known, "", "native"};
  };
  SAHA_DO(find("candidate"));
  validate::RecordedEvidence recorded;
  for (const auto& [name, s] : p.sets) {
    recorded.labels_of[name] = s.labels;
    recorded.samples_of[{"candidate", name}].correct = s.correct;
    for (const auto& [column, values] : s.columns) recorded.columns_of[{name, column}] = values;
  }
  const std::map<std::string, data::Dataset> no_sets;
  LiveEvidence evidence(std::move(recorded), find, p.inputs, no_sets, {.threads = 1, .kept = &p});
  std::vector<Rechecked> rows;
  for (const Proofs::Requirement& said : p.requirements) {
    Rechecked& row = rows.emplace_back();
    row.id = said.id, row.said = said.verdict;
    const auto r = std::ranges::find(requirements, said.id, &validate::Requirement::id);
    if (r == requirements.end()) {
      row.why = "there is no requirement of this id in the texts";
      continue;
    }
    r->timeout_s = kSecondsToCheck;   // that of the requirement was the prover's
    const validate::Outcome o = validate::evaluate(*r, scope, evidence);
    row.now = validate::name(o.verdict);
    if (!row.agrees()) row.why = o.evidence;
    if (o.proof) row.proved = o.proof->proved, row.violated = o.proof->violated;
  }
  return rows;
}

}  // namespace saha::lifecycle
