// The model as it is given, or as the user's own command trains it.
#include <ctime>

#include "base/figures.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "lifecycle/stages.hpp"
#include "lifecycle/user_command.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/process.hpp"
#include "validate/prove.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<Variant> Pipeline::load(const std::string& name, const fs::path& file) const {
  Variant v;
  v.name = name;
  v.file = file.string();
  SAHA_TRY(v.sha256, system::sha256_file(file));
  SAHA_TRY(v.model, formats::import_file(v.file));
  v.bytes = formats::file_bytes(v.file);
  return v;
}

std::set<std::string> Pipeline::run_too() const {
  std::set<std::string> names;
  auto add = [&](const std::string& name) {
    if (std::ranges::find(c_.model_files, name, &validate::ModelFile::name) != c_.model_files.end()) names.insert(name);
  };
  auto take = [&](const std::vector<validate::Requirement>& list) {
    for (const auto& r : list) {
      if (!r.vacuous.empty() || (validate::asks_for_proof(r, c_.scope) && !r.fallback && !r.over)) continue;
      for (const std::string& m : r.models) add(m);
      validate::visit(r.assertion.body, [&](const validate::Expr& e) { if (e.path.size() == 2) add(e.path[0]); });
    }
  };
  take(c_.requirements);
  for (const Target& t : c_.targets) take(t.requirements);
  return names;
}

Result<> Pipeline::named_models() {
  std::string note;
  for (const auto& f : c_.model_files) {
    if (std::ranges::find(named_, named(f.name), &Variant::name) != named_.end()) continue;   // of two files that say one name the first counts
    auto v = load(named(f.name), f.file);
    if (!v) return std::move(v.error()).within("model '" + f.name + "'");
    if (!f.sha256.empty() && v->sha256 != f.sha256)
      return Error{ErrorCode::invalid_data, "model '" + f.name + "' (" + fs::path(f.file).filename().string() + ") hashes to " + v->sha256.substr(0, 12) + "..., the requirements say " + f.sha256.substr(0, 12) + "..."};
    note += (note.empty() ? "" : ", ") + f.name + ": " + fs::path(f.file).filename().string();
    named_.push_back(std::move(*v));
  }
  line("ok", "models", 0, note);
  return {};
}

Result<> Pipeline::train() {
  if (!c_.train) {
    auto v = load("original", c_.model);
    if (!v) return std::move(v.error());
    line("ok", "train", 0, "given: " + c_.model.filename().string() + ", " + std::to_string(ir::count_nodes(v->model.graph)) + " nodes");
    report_["training"] = {{"given", c_.model.filename().string()}, {"sha256", v->sha256}};
    variants_.push_back(std::move(*v));
    if (o_.as_given) { variants_.push_back(variants_[0]); variants_[1].name = "given"; }
    return {};
  }
  const Train& t = *c_.train;
  Json inputs{{"command", t.shell.empty() ? Json(t.argv) : Json(t.shell)}, {"seed", c_.seed}};
  for (const auto& f : t.inputs) {
    auto hash = system::sha256_file(f);
    if (!hash) return std::move(hash.error());
    inputs["files"][f.filename().string()] = *hash;
  }
  for (const auto& [name, hash] : set_hash_) if (name != "test") inputs["data"][name] = hash;
  if (t.always) inputs["always"] = std::to_string(std::time(nullptr));
  auto make = [&](const fs::path& folder) -> Result<Json> {
    fs::path model = fs::absolute(folder / "model.onnx"), work = fs::absolute(store_.folder() / "work");
    SAHA_DO(system::make_folders(work));
    std::map<std::string, std::string> values{{"model", model.string()}, {"seed", std::to_string(c_.seed)}, {"threads", std::to_string(threads(c_.targets[0]))}, {"work", work.string()}};
    for (const char* set : {"train", "val", "test"}) {
      auto it = specs_.find(set);
      if (it == specs_.end()) continue;
      const data::DataSpec& d = it->second;
      fs::path p = !d.folder.empty() ? d.folder : !d.csv.empty() ? d.csv : !d.npz.empty() ? d.npz : !d.images.empty() ? d.images : !d.npy.empty() ? d.npy.begin()->second : fs::path();
      values["data." + std::string(set)] = fs::absolute(p).string();
    }
    UserCommand command{"train.command", t.shell, t.argv, c_.folder, t.env, values};
    system::ProcessOptions p;
    if (t.timeout_s > 0) p.timeout = std::chrono::milliseconds(std::int64_t(t.timeout_s * 1e3));
    p.stop = o_.stop;
    Json curve = Json::array();
    std::vector<std::string> log;
    auto keep = [&](std::string_view text) {
      log.emplace_back(text);
      if (log.size() > 200) log.erase(log.begin());
    };
    p.on_stdout = [&](std::string_view text) {
      Json j = Json::parse(text, nullptr, false);
      if (j.is_object()) { if (curve.size() < 100'000) curve.push_back(std::move(j)); }
      else keep(text);
    };
    p.on_stderr = keep;
    system::ProcessResult done;
    for (int attempt = 0; attempt <= t.retries; ++attempt) {
      SAHA_TRY(done, command.run(p));
      if (done.ok() || done.stopped) break;
    }
    if (done.stopped) return Error{ErrorCode::cancelled, "interrupted while training; everything finished is kept", "saha run"};
    std::string last;
    for (auto it = log.rbegin(); it != log.rend() && last.empty(); ++it) last = *it;
    if (!done.ok()) return Error{ErrorCode::invalid_argument, "the training command ended with " + system::str(done) + (last.empty() ? "" : "; its last line: " + last)};
    std::error_code e;
    if (!fs::exists(model, e)) return Error{ErrorCode::invalid_argument, "the training command ended well but left no model at {model}", "write the ONNX file to the path in {model}, or in SAHA_MODEL"};
    SAHA_TRY(auto check, onnx::import_file(model.string()));
    return Json{{"curve", curve}, {"log", log}, {"nodes", ir::count_nodes(check.graph)}, {"seconds", done.seconds}};
  };
  SAHA_TRY(Stored s, stage("train", 1, inputs, make, [](const Json& j) {
    std::string n = std::to_string(j["nodes"].get<std::int64_t>()) + " nodes";
    if (!j["curve"].empty()) for (auto& [k, v] : j["curve"].back().items()) if (v.is_number()) n += ", " + k + " " + (v.is_number_integer() ? std::to_string(v.get<std::int64_t>()) : figures::significant(v.get<double>(), 3));
    return n;
  }));
  SAHA_TRY(Variant v, load("original", s.folder / "model.onnx"));
  report_["training"] = s.result;
  report_["training"]["command"] = inputs["command"];
  report_["training"]["sha256"] = v.sha256;
  variants_.push_back(std::move(v));
  return {};
}

}  // namespace saha::lifecycle
