// Package what was chosen, and the report of the whole run.
#include "base/figures.hpp"
#include "lifecycle/stages.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

Result<> Pipeline::package(const Target& t) {
  const Candidate* chosen = nullptr;
  for (const Candidate& c : candidates_) if (c.target == t.name && c.chosen) chosen = &c;
  if (!chosen) { line("skip", "package/" + t.name, 0, "nothing was chosen"); return {}; }
  const Variant* v = nullptr;
  for (const Variant& x : variants_) if (x.name == chosen->variant) v = &x;
  Json steps = Json::object();
  for (const auto& i : c_.inputs) steps[i.name] = Json::parse(i.steps.str(), nullptr, false);
  Json evidence = chosen->json();
  for (auto& r : evidence["requirements"]) r.erase("seconds");   // equal evidence is an equal package
  Json manifest{{"schema", "saha.package/1"}, {"saha", SAHA_VERSION}, {"name", c_.name}, {"target", t.name}, {"model", "model.onnx"}, {"sha256", v->sha256}, {"backend", chosen->backend}, {"backend_version", chosen->version},
                {"precision", chosen->precision}, {"threads", threads(t)}, {"preprocess", steps}, {"labels", c_.labels}, {"evidence", evidence}};
  auto make = [&](const fs::path& folder) -> Result<Json> {
    SAHA_TRY(std::string bytes, system::read_text(v->file, std::uint64_t{1} << 32));
    SAHA_DO(system::write_file(folder / "model.onnx", bytes));
    SAHA_DO(system::write_file(folder / "manifest.json", manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
    return Json{{"files", {"model.onnx", "manifest.json"}}, {"bytes", bytes.size()}, {"sha256", v->sha256}};
  };
  fs::path place = c_.report_dir / "package" / t.name;
  SAHA_TRY(Stored s, stage("package/" + t.name, 1, manifest, make, [&](const Json& j) { return (place / "model.onnx").string() + ", " + figures::column::bytes(double(j["bytes"].get<std::int64_t>())); }));
  if (o_.plan) return {};
  SAHA_DO(system::make_folders(place));
  for (const char* f : {"model.onnx", "manifest.json"}) {
    SAHA_TRY(std::string bytes, system::read_text(s.folder / f, std::uint64_t{1} << 32));
    SAHA_DO(system::write_file(place / f, bytes));
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
