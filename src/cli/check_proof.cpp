// saha check-proof: is what `saha verify --proof` wrote a proof, and do the verdicts in a bundle stand on proofs? Line 1 of stdout is the answer.
#include "check_proof/check.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"
#include "bundle/bundle.hpp"
#include "cli/page.hpp"
#include "cli/subjects.hpp"
#include "cli/verbs.hpp"
#include "formats/formats.hpp"
#include "lifecycle/proofs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr Argument kArguments[] = {
    {"PROOF", "what verify --proof wrote; or a bundle, or the proofs beside a package's manifest"}, {"MODEL", "the model that it speaks of; a bundle has its own", true}, {"PROPERTY", "the VNN-LIB file that it speaks of; proofs of a package have their requirements", true}};
constexpr Option kOptions[] = {
    {"arithmetic", 0, "HOW", "what it must be a proof of: float32, sums in any order, or real, exact sums", false, "float32"},
    {"shape", 0, "NAME=1x3x224x224", "as for verify", true},
    {"network", 0, "NAME=FILE", "as for verify", true},
};

Result<check_proof::Judgement> judge(const Args& args, std::string& version) {
  const std::string &model = args.arguments[1], &property = args.arguments[2], arithmetic = args.get("arithmetic");
  if (arithmetic != "float32" && arithmetic != "real") return Error{ErrorCode::invalid_file, "--arithmetic is '" + arithmetic + "', float32 or real is taken"};
  SAHA_TRY(const auto bytes, system::read_bytes(args.arguments[0], check_proof::kMostBytes));
  SAHA_TRY(const verify::Vnnlib v, verify::read_vnnlib(property));
  SAHA_TRY(const Subjects subjects, read_models(args, model, property, v));
  SAHA_TRY(const std::string models, models_sha256(subjects));
  SAHA_TRY(const std::string hash, system::sha256_file(property));
  auto certificate = check_proof::parse(system::text_of(bytes));
  if (!certificate) return check_proof::Judgement{false, certificate.error().message};
  version = certificate->saha;
  if (certificate->model_sha256 != models) return check_proof::Judgement{false, "it is of another model than " + model};
  if (certificate->property_sha256 != hash) return check_proof::Judgement{false, "it is of another property than " + property};
  if (arithmetic == "float32" && !certificate->float32) return check_proof::Judgement{false, "it is of exact sums, and float32 sums may break what they keep; --arithmetic real takes it"};
  return check_proof::check(subjects.graph, lifecycle::claim_of(v.property), *certificate);
}

/// The proofs of a life cycle and the model that they are about: of a bundle, or of two files.
struct Delivered {
  lifecycle::Proofs proofs;
  std::string model;
  std::map<std::string, std::string> verdicts;   ///< by requirement, as the bundle's manifest says them
};
Result<Delivered> delivered(const Args& args) {
  const std::string& file = args.arguments[0];
  Delivered d;
  if (args.arguments.size() == 2) {
    SAHA_TRY(const std::string bytes, system::read_text(file, lifecycle::kMostProofBytes));
    SAHA_TRY(d.proofs, lifecycle::Proofs::parse(bytes));
    SAHA_TRY(const ir::Model model, formats::import_file(args.arguments[1]));
    SAHA_TRY(d.model, formats::self_contained(args.arguments[1], model));
    return d;
  }
  if (!bundle::is_bundle_file(file)) return Error{ErrorCode::invalid_file, "'" + file + "' is no bundle; a certificate is checked against a MODEL and a PROPERTY, the proofs of a package against a MODEL", "saha " + std::string(kCheckProof.example)};
  SAHA_TRY(const auto bundle, bundle::Bundle::open(file));
  SAHA_DO(bundle->verify());
  if (!bundle->has("proofs")) return Error{ErrorCode::invalid_file, "'" + file + "' holds no proofs: no requirement of it was proved"};
  SAHA_TRY(const auto bytes, bundle->section("proofs"));
  SAHA_TRY(d.proofs, lifecycle::Proofs::parse(system::text_of(bytes)));
  SAHA_TRY(const auto model, bundle->section("model"));
  d.model = system::text_of(model);
  const Json& m = bundle->manifest();
  const auto at = [&](const char* path) { const Json::json_pointer p(path); return m.contains(p) ? m[p] : Json(); };
  if (at("/model/sha256") != system::sha256_hex(d.model)) return Error{ErrorCode::invalid_data, "the model in '" + file + "' is another than its manifest says"};
  if (at("/evidence/proofs/sha256") != system::sha256_hex(system::text_of(bytes))) return Error{ErrorCode::invalid_data, "the proofs in '" + file + "' are others than its manifest says"};
  for (const Json& r : at("/evidence/candidate/requirements")) {
    if (!r.is_object()) continue;
    const std::string id = bundle::text_of(r, "id"), verdict = bundle::text_of(r, "verdict");
    d.verdicts[id] = verdict;
    const bool shown = r.contains("proof") && verdict != "inconclusive" && r.value("by_fallback", Json(false)) == false;
    if (shown && std::ranges::find(d.proofs.requirements, id, &lifecycle::Proofs::Requirement::id) == d.proofs.requirements.end())
      return Error{ErrorCode::invalid_data, "the manifest in '" + file + "' says that " + id + " is " + verdict + " by proof, and its proofs do not speak of it"};
  }
  return d;
}

/// Whether each verdict comes out again.
Result<int> recheck(const Args& args) {
  const auto start = Clock::now();
  auto d = delivered(args);
  auto rows = d ? lifecycle::recheck(d->proofs, d->model) : Result<std::vector<lifecycle::Rechecked>>(d.error());
  if (!rows) {
    if (rows.error().code != ErrorCode::internal && rows.error().code != ErrorCode::out_of_memory) rows.error().code = ErrorCode::invalid_file;
    return std::move(rows.error());
  }
  std::string fault, table;
  bool open = false;
  Json list = Json::array();
  for (auto& r : *rows) {
    if (const auto said = d->verdicts.find(r.id); said != d->verdicts.end() && said->second != r.said) r.why = "the manifest says " + said->second, r.now.clear();
    const bool is_open = !r.agrees() && r.now == "inconclusive";
    open = open || is_open;
    if (!r.agrees() && !is_open && fault.empty()) fault = r.id + " is not " + r.said + (r.why.empty() ? "" : ": " + r.why);
    const std::string how = figures::counted(r.proved, "certificate") + (r.violated ? ", " + figures::counted(r.violated, "counterexample") : "");
    table += r.id + "  " + r.said + ": " + (r.agrees() ? how : is_open ? "open, " + r.why : r.why) + "\n";
    list.push_back({{"id", r.id}, {"verdict", r.said}, {"again", r.now.empty() ? Json() : Json(r.now)}, {"certificates", r.proved}, {"counterexamples", r.violated}, {"why", r.why.empty() ? Json() : Json(r.why)}});
  }
  const std::string word = !fault.empty() ? "invalid: " + fault : open ? "open" : "valid";
  if (args.json()) print(Json{{"schema", "saha.recheck/1"}, {"proof", args.arguments[0]}, {"written_by", d->proofs.saha}, {"valid", fault.empty() && !open}, {"requirements", list}}.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  else print(word + "\n" + table);
  say(args, figures::counted(std::int64_t(rows->size()), "requirement") + " judged again, " + figures::duration(std::chrono::duration<double>(Clock::now() - start).count()));
  return !fault.empty() ? 1 : open ? 3 : 0;
}

Result<int> run(const Args& args) {
  if (args.arguments.size() < 3) return recheck(args);
  const auto start = Clock::now();
  std::string version;
  auto judged = judge(args, version);
  if (!judged) {
    if (judged.error().code != ErrorCode::internal && judged.error().code != ErrorCode::out_of_memory) judged.error().code = ErrorCode::invalid_file;
    return std::move(judged.error());
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (args.json())
    print(Json{{"schema", "saha.check-proof/1"}, {"proof", args.arguments[0]}, {"model", args.arguments[1]}, {"property", args.arguments[2]}, {"arithmetic", args.get("arithmetic")}, {"written_by", version}, {"valid", judged->valid},
               {"why", judged->why.empty() ? Json() : Json(judged->why)}, {"nodes", judged->nodes}, {"regions", judged->regions}, {"seconds", seconds}}.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  else print(judged->valid ? "valid\n" : "invalid: " + judged->why + "\n");
  say(args, figures::counted(judged->nodes, "node") + ", " + figures::counted(judged->regions, "region") + " bounded, " + figures::duration(seconds));
  return judged->valid ? 0 : 1;
}
}  // namespace

const Command kCheckProof{"check-proof", "check a certificate that verify --proof wrote, or the proofs in a bundle", kArguments, kOptions, "check-proof proof.saha-proof model.onnx property.vnnlib", run,
                          "The first line of stdout is valid, or invalid and why. The exit code is 0 or 1 so, and 2 where a file cannot be read or the model has an operator that the checker does "
                          "not know. Of a bundle every verdict of a proof is judged again from what the bundle holds: requirements, certificates, counterexamples, samples and model; 3 says that a query has no "
                          "certificate. The checker derives bounds of its own in float64 with proven error terms and shares nothing with verify but the file format; the readers of models and properties are trusted."};

}  // namespace saha::cli
