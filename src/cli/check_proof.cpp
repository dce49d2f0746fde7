// saha check-proof: is what `saha verify --proof` wrote a proof? Line 1 of stdout is the answer.
#include "check_proof/check.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"
#include "cli/page.hpp"
#include "cli/subjects.hpp"
#include "cli/verbs.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr Argument kArguments[] = {{"PROOF", "what verify --proof wrote"}, {"MODEL", "the model that it speaks of"}, {"PROPERTY", "the VNN-LIB file that it speaks of"}};
constexpr Option kOptions[] = {
    {"arithmetic", 0, "HOW", "what it must be a proof of: float32, sums in any order, or real, exact sums", false, "float32"},
    {"shape", 0, "NAME=1x3x224x224", "as for verify", true},
    {"network", 0, "NAME=FILE", "as for verify", true},
};

check_proof::Claim claim_of(const verify::Property& p) {
  check_proof::Claim claim;
  const verify::Box* last = nullptr;
  std::shared_ptr<const check_proof::Claim::Box> box;
  for (const verify::Case& c : p.cases) {
    if (c.box.get() != last) box = std::make_shared<const check_proof::Claim::Box>(c.box->lo, c.box->hi), last = c.box.get();
    claim.cases.push_back({box, {}});
    for (const verify::Row& r : c.rows) claim.cases.back().rows.push_back({r.x, r.y, r.bound, r.strict});
  }
  return claim;
}

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
  return check_proof::check(subjects.graph, claim_of(v.property), *certificate);
}

Result<int> run(const Args& args) {
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

const Command kCheckProof{"check-proof", "check a certificate that verify --proof wrote", kArguments, kOptions, "check-proof proof.saha-proof model.onnx property.vnnlib", run,
                          "The first line of stdout is valid, or invalid and why. The exit code is 0 or 1 so, and 2 where a file cannot be read or the model has an operator that the checker does "
                          "not know. The checker derives bounds of its own in float64 with proven error terms and shares nothing with verify but the file format; the readers of models and properties are trusted."};

}  // namespace saha::cli
