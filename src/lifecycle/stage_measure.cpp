// Measure: all models of a target on its engines, in one run.
#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "lifecycle/stages.hpp"
#include "measure/bench.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {
Json measured(const measure::Bench& r) {
  Json rows = Json::array(), missing = Json::array(), layers = Json::array();
  for (const auto& e : r.engines)
    rows.push_back({{"backend", e.backend}, {"version", e.version}, {"precision", e.precision}, {"ms", e.ms}, {"bursts", e.bursts}, {"min_ms", e.summary.min}, {"p50_ms", e.summary.p50}, {"p90_ms", e.summary.p90},
                    {"p99_ms", e.summary.p99}, {"ratio", e.ratio}, {"load_ms", e.load_ms}, {"peak_bytes", e.peak_bytes}, {"max_difference", e.difference ? Json(e.difference->absolute) : Json()}, {"wrong", e.wrong}, {"notes", e.notes}});
  for (const auto& m : r.missing) missing.push_back({{"backend", m.backend}, {"reason", m.reason}, {"help", m.help}});
  for (const auto& l : r.layers)
    layers.push_back({{"name", l.time.name}, {"op", l.time.op}, {"output", l.time.output}, {"kernel", l.time.kernel}, {"ms", l.time.ms}, {"macs", l.time.macs}, {"bytes", l.time.bytes}, {"gmacs", l.gmacs}, {"limit", l.memory ? "memory" : "compute"}, {"percent", l.percent}});
  return Json{{"rows", rows}, {"missing", missing}, {"layers", layers}, {"macs", r.macs}, {"reference", r.reference}, {"load_average", r.load_average}, {"how", "measured"}};
}
}  // namespace

/// The first sample of the test set as the model takes it; empty, for random values, where there is none that fits.
Result<std::vector<Datum>> Pipeline::first_sample(const Variant& v) const {
  std::vector<Datum> values;
  auto it = sets_.find("test");
  if (it == sets_.end() || it->second.size() == 0) return values;
  SAHA_TRY(const auto specs, input_specs(v.model, c_.inputs));
  SAHA_TRY(auto test, it->second.for_inputs(specs));
  SAHA_TRY(auto named, test.batch(0, 1));
  for (ir::ValueId in : v.model.graph.inputs())
    for (const auto& x : named) if (x.first == v.model.graph.name(in)) values.emplace_back(x.second);
  if (values.size() != v.model.graph.inputs().size()) values.clear();
  return values;
}

Result<> Pipeline::measure(const Target& t) {
  std::vector<const Variant*> subjects;
  for (const Variant& v : variants_)
    if (v.name != "original" || !(o_.as_given || (variants_.size() > 1 && v.sha256 == variants_[1].sha256))) subjects.push_back(&v);
  measure::BenchOptions b;
  b.threads = threads(t);
  b.runs = 200;   // what test(200), the default level of a measurement, needs
  b.warmup = o_.quick ? 5 : 20;
  b.seconds = o_.quick ? 20 : 60;
  b.seed = c_.seed;
  b.on_progress = [&](std::string_view what, int done, int total) { if (o_.on_progress) o_.on_progress(what, done, total); };
  std::vector<measure::BenchModel> models;
  const measure::Shapes shapes = measure::fitting_shapes(variants_[0].model.graph, {});   // of all of them, where there is no sample
  Json inputs{{"models", Json::object()}, {"machine", machine()}, {"threads", b.threads}, {"runs", b.runs}, {"warmup", b.warmup}, {"seconds", b.seconds}, {"seed", b.seed}, {"test", set_hash_.count("test") ? Json(set_hash_["test"]) : Json()}};
  const bool runs_native = t.backends.empty() || std::ranges::find(t.backends, "native") != t.backends.end();
  for (const Variant* v : subjects) {
    SAHA_TRY(auto sample, first_sample(*v));
    // The original is the yardstick, judged on saha's own engine only.
    models.push_back({.file = v->file, .backends = v->name == "original" ? std::vector<std::string>{"native"} : t.backends, .lenient = v->name != "original", .inputs = std::move(sample), .shapes = shapes, .profile = v->name == "float32" && runs_native});
    inputs["models"][v->name] = {{"sha256", v->sha256}, {"backends", models.back().backends}};
  }
  for (const auto& info : backends::all()) if (auto e = info.open()) inputs["versions"][info.name] = (*e)->version();
  auto make = [&](const fs::path&) -> Result<Json> {
    SAHA_TRY(auto benches, measure::bench(models, b));
    Json j = Json::object();
    for (std::size_t i = 0; i < benches.size(); ++i) j[subjects[i]->name] = measured(benches[i]);
    return j;
  };
  SAHA_TRY(Stored s, stage("measure/" + t.name, 1, inputs, make, [](const Json& j) {
    std::string n;
    for (auto& [name, m] : j.items())
      for (const auto& r : m["rows"]) n += (n.empty() ? "" : "; ") + name + "/" + r["backend"].get<std::string>() + " p90 " + figures::duration(r["p90_ms"].get<double>() * 1e-3);
    return n + " measured";
  }));
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const Variant& v = *subjects[i];
    const Json& found = s.result[v.name];
    report_["measurements"].push_back({{"variant", v.name}, {"target", t.name}, {"threads", b.threads}, {"result", found}});
    if (models[i].profile) report_["layers"] = found["layers"];
    for (const auto& r : found["rows"]) {
      Candidate cand;
      cand.variant = v.name;
      cand.backend = r["backend"];
      cand.version = r["version"];
      cand.precision = r["precision"];
      cand.target = t.name;
      cand.ms = r["ms"].get<std::vector<double>>();
      cand.bursts = r["bursts"].get<std::vector<int>>();
      cand.p50_ms = r["p50_ms"];
      cand.p90_ms = r["p90_ms"];
      cand.min_ms = r["min_ms"];
      cand.load_ms = r["load_ms"];
      cand.peak_bytes = r["peak_bytes"];
      cand.size_bytes = v.bytes;
      cand.wrong = r["wrong"];
      candidates_.push_back(std::move(cand));
    }
  }
  return {};
}

}  // namespace saha::lifecycle
