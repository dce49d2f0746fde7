// Choose: the requirements judged on the evidence, the best candidate of those that meet them, and what it still gets wrong.
#include <algorithm>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "formats/formats.hpp"
#include "lifecycle/contents.hpp"
#include "lifecycle/picture.hpp"
#include "lifecycle/stages.hpp"
#include "lifecycle/trials.hpp"
#include "lifecycle/witness.hpp"
#include "validate/prove.hpp"
#include "validate/statistics.hpp"
#include "validate/weak_slices.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;

/// What a model said on the test set, and the models at hand for more.
validate::RecordedEvidence Pipeline::recorded(const std::string& candidate, const std::string& engine) const {
  validate::RecordedEvidence e;
  auto record = [&](const std::string& name, const std::string& variant, const std::string& backend) {
    auto add = [&](const std::string& set, const Answers& a) {
      e.samples_of[{name, set}] = a.samples;
      for (const auto& [metric, value] : a.own) e.metric_of[{metric, {name, set}}] = value;
      for (const auto& [output, rows] : a.outputs) e.outputs_of[{{name, set}, output}] = rows;
    };
    if (auto it = answers_.find({variant, backend}); it != answers_.end()) add("test", it->second);
    if (auto it = further_.find({variant, backend}); it != further_.end())
      for (const auto& [set, a] : it->second) add(set, a);
  };
  record("candidate", candidate, engine);
  const std::string yardstick = o_.as_given ? o_.backend : "native";
  record("original", "original", yardstick);
  for (const Variant& v : named_) record(v.name.substr(named("").size()), v.name, yardstick);
  e.contents_of = contents_;
  for (const auto& [name, set] : sets_) {
    auto& labels = e.labels_of[name];
    for (std::int64_t i = 0; i < set.size(); ++i) labels.push_back(set.label(i));
    if (name != "test" && std::none_of(e.samples_of.begin(), e.samples_of.end(), [&](const auto& s) { return s.first.second == name; })) continue;
    for (const std::string& column : set.columns()) {
      auto& values = e.columns_of[{name, column}];
      for (std::int64_t i = 0; i < set.size(); ++i) values.push_back(set.column(column, i));
    }
  }
  std::map<std::string, TrialModel> models;
  auto at_hand = [&](const std::string& name, const std::string& variant_name, const std::string& backend) {
    const Variant& v = variant(variant_name);
    const auto opened = backends::open(backend);
    const auto format = formats::format_of_file(v.file);
    auto specs = input_specs(v.model, c_.inputs);
    if (opened && format && specs) models[name] = {&v.model, backend, (*opened)->reads(*format) ? v.file : std::string(), threads(c_.targets[0]), std::move(*specs)};
  };
  at_hand("candidate", candidate, engine);
  at_hand("original", "original", yardstick);
  for (const Variant& v : named_) at_hand(v.name.substr(named("").size()), v.name, yardstick);
  e.models = std::make_shared<ModelTrials>(std::move(models), sets_, c_.scope);
  return e;
}

/// What was found about one candidate, as the requirements ask for it.
validate::RecordedEvidence Pipeline::evidence(const Candidate& c, const Target& t) const {
  validate::RecordedEvidence e = recorded(c.variant, c.backend);
  std::string where = c.backend + ", " + figures::counted(threads(t), "thread");
  validate::Measurement latency;
  for (double ms : c.ms) latency.samples.push_back(ms * 1e-3);
  latency.where = where;
  auto value = [&](double v) { validate::Measurement m; m.value = v; m.where = where; return m; };
  using Q = validate::Quantity;
  e.measurement_of[{Q::latency_s, "candidate"}] = latency;
  e.measurement_of[{Q::throughput_per_s, "candidate"}] = value(1e3 / std::max(c.p50_ms, 1e-9));
  e.measurement_of[{Q::ram_bytes, "candidate"}] = value(double(c.peak_bytes));
  e.measurement_of[{Q::size_bytes, "candidate"}] = value(double(c.size_bytes));
  e.measurement_of[{Q::flash_bytes, "candidate"}] = value(double(c.size_bytes));
  e.measurement_of[{Q::load_time_s, "candidate"}] = value(c.load_ms * 1e-3);
  for (const Variant& v : named_) e.measurement_of[{Q::size_bytes, v.name.substr(named("").size())}] = value(double(v.bytes));
  return e;
}

/// What a candidate is worth, as one number with its 95 % bounds; nothing where the test set tells none.
std::optional<Candidate::Quality> Pipeline::quality(const Candidate& c) const {
  const auto it = answers_.find({c.variant, c.backend});
  if (it == answers_.end()) return std::nullopt;
  auto mean = [](const std::string& name, const std::vector<double>& values, bool higher, bool share) {
    const auto m = validate::mean_of(values);
    Candidate::Quality q{name, m.mean, validate::mean_lower(m, 0.975), validate::mean_upper(m, 0.975), higher};
    if (share) q.lower = std::max(0.0, q.lower), q.upper = std::min(1.0, q.upper);
    return q;
  };
  if (c.samples) {
    const auto i = validate::proportion_interval(c.correct, c.samples, 0.95);
    return Candidate::Quality{"accuracy", double(c.correct) / double(c.samples), i.lower, i.upper, true};
  }
  if (!it->second.samples.iou.empty()) return mean("iou", it->second.samples.iou, true, true);
  for (const OwnMetric& m : c_.metrics) {
    const auto own = it->second.own.find(m.name);
    if (own == it->second.own.end()) continue;
    if (!own->second.per_sample.empty()) return mean(m.name, own->second.per_sample, m.higher, m.unit == "%");
    return Candidate::Quality{m.name, own->second.value, own->second.value, own->second.value, m.higher};
  }
  return std::nullopt;
}

namespace {

/// Where the model fails more often than elsewhere: {"searched", "found": [{"slice", "samples", "right", "upper", "p"}], "text"}.
Json weak_slices_of(const data::Dataset& test, const std::vector<std::uint8_t>& correct) {
  constexpr std::size_t kMostColumns = 16;
  std::vector<std::pair<std::string, std::vector<std::string>>> columns;
  for (const std::string& name : test.columns()) {
    if (columns.size() >= kMostColumns) break;
    auto& values = columns.emplace_back(name, std::vector<std::string>()).second;
    for (std::int64_t i = 0; i < test.size(); ++i) values.push_back(test.column(name, i));
  }
  const auto found = validate::weak_slices(columns, correct);
  Json list = Json::array();
  std::string text;
  for (const auto& w : found.found) {
    if (list.size() >= 20) break;
    list.push_back({{"slice", w.name}, {"samples", w.n}, {"right", w.n - w.failures}, {"rate", w.rate}, {"upper", w.upper}, {"p", w.p}});
    if (list.size() <= 3) text += (text.empty() ? "" : "; ") + w.name + " " + std::to_string(w.n - w.failures) + " of " + std::to_string(w.n) + " right = " + figures::percent(w.rate) + ", at most " + figures::percent(w.upper);
  }
  if (!text.empty()) text += " (" + figures::counted(std::int64_t(found.found.size()), "slice") + " of " + std::to_string(found.searched) + " searched, Holm)";
  return {{"searched", found.searched}, {"found", list}, {"text", text}};
}

}  // namespace

Result<> Pipeline::decide(const Target& t) {
  std::vector<validate::Requirement> wanted = c_.requirements;
  wanted.insert(wanted.end(), t.requirements.begin(), t.requirements.end());
  for (const auto& r : wanted)
    for (const std::string& name : r.compared) {
      const auto set = sets_.find(name);
      if (set == sets_.end() || contents_.count(name)) continue;
      SAHA_TRY(contents_[name], contents_of(set->second, [&](std::int64_t) { return !(o_.stop && o_.stop()); }));
    }
  std::vector<Candidate*> here;
  for (Candidate& c : candidates_) if (c.target == t.name) here.push_back(&c);
  for (Candidate* c : here) {
    auto e = evidence(*c, t);
    const auto& proved = proved_[{c->variant, c->backend}];
    for (const auto& r : wanted) {
      const auto of = std::ranges::find_if(proved, [&](const auto& o) { return o.id == r.id && o.text == r.text; });
      c->outcomes.push_back(of == proved.end() ? validate::evaluate(r, c_.scope, e) : *of);
      if (c->variant == "original" && of == proved.end() && r.vacuous.empty() && validate::asks_for_proof(r, c_.scope)) c->outcomes.back().evidence = "proofs are asked of what is made of the original, not of itself";
      auto& witness = c->outcomes.back().witness;
      if (!witness || witness->input.changes.empty()) continue;
      const std::string id = evidence_folder(r.id);
      const auto folder = c_.run_dir / "evidence" / (o_.as_given ? fs::path(id) : fs::path(c->variant) / c->backend / id);
      SAHA_DO(keep_witness(*witness, static_cast<ModelTrials&>(*e.models), folder));
    }
    if (auto it = answers_.find({c->variant, c->backend}); it != answers_.end() && !it->second.samples.correct.empty()) {
      c->samples = std::int64_t(it->second.samples.correct.size());
      c->correct = std::count(it->second.samples.correct.begin(), it->second.samples.correct.end(), 1);
    }
    c->quality = quality(*c);
  }
  Decision d = choose(here, c_.choose);
  Json j{{"target", t.name}, {"chosen", d.chosen ? Json(d.chosen->id()) : Json()}, {"because", d.because}, {"ties", d.ties}, {"others", Json::array()}, {"minimize", c_.choose.by}};
  for (const auto& [id, why] : d.others) j["others"].push_back({{"id", id}, {"why", why}});
  std::string text = d.chosen ? t.name + ": " + d.chosen->variant + " on " + d.chosen->backend + ", p90 " + figures::duration(d.chosen->p90_ms * 1e-3) + " measured" : t.name + ": nothing meets every must";
  j["text"] = text;
  report_["decisions"].push_back(j);
  result_.decision += (result_.decision.empty() ? "" : "   ") + text;
  if (!d.chosen) result_.exit_code = result_.exit_code == 1 || d.violated ? 1 : 3;
  line(d.chosen ? "ok" : "FAIL", "choose/" + t.name, 0, text + (d.because.empty() ? "" : "; " + d.because));
  for (Candidate* c : here) c->chosen = c == d.chosen;
  if (!here.empty()) mistakes(d.chosen ? *d.chosen : *here.back());   // who meets no must is wrong for someone, too
  return {};
}

void Pipeline::mistakes(const Candidate& of) {
  auto it = sets_.find("test");
  auto a = answers_.find({of.variant, of.backend});
  if (it == sets_.end() || a == answers_.end() || a->second.samples.correct.empty() || report_.contains("mistakes")) return;
  const data::Dataset& test = it->second;
  const Answers& y = a->second;
  std::vector<std::int64_t> wrong;
  for (std::size_t i = 0; i < y.samples.correct.size(); ++i) if (!y.samples.correct[i]) wrong.push_back(std::int64_t(i));
  if (!y.confidence.empty()) std::stable_sort(wrong.begin(), wrong.end(), [&](auto p, auto q) { return y.confidence[std::size_t(p)] > y.confidence[std::size_t(q)]; });
  Json worst = Json::array();
  auto name = [&](int label) { return label >= 0 && std::size_t(label) < c_.labels.size() ? c_.labels[std::size_t(label)] : label >= 0 && std::size_t(label) < test.classes().size() ? test.classes()[std::size_t(label)] : std::to_string(label); };
  for (std::int64_t i : wrong) {
    if (std::int64_t(worst.size()) >= c_.samples) break;
    Json w{{"sample", test.title(i)}, {"label", name(test.label(i))}, {"predicted", name(y.samples.predicted[std::size_t(i)])}, {"confidence", y.confidence.empty() ? Json() : Json(y.confidence[std::size_t(i)])}};
    if (auto raw = test.raw(i)) w["png"] = picture_of(raw->tensor);
    worst.push_back(std::move(w));
  }
  Json slices = Json::object();
  for (const std::string& column : test.slices()) {
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> counts;
    for (std::int64_t i = 0; i < test.size(); ++i) {
      auto& [k, n] = counts[test.column(column, i)];
      k += y.samples.correct[std::size_t(i)];
      ++n;
    }
    Json rows = Json::array();
    for (const auto& [value, kn] : counts) {
      auto interval = validate::proportion_interval(kn.first, kn.second, 0.95);
      rows.push_back({{"value", value}, {"correct", kn.first}, {"samples", kn.second}, {"lower", interval.lower}, {"upper", interval.upper}});
    }
    slices[column] = rows;
  }
  const Json weak = weak_slices_of(test, y.samples.correct);
  if (!weak["found"].empty()) line("ok", "slices", 0, "weak: " + weak["text"].get<std::string>());
  Json s = summary(y, test);
  report_["mistakes"] = {{"of", of.id()}, {"weak_slices", weak}, {"wrong", wrong.size()}, {"worst", worst}, {"slices", slices}, {"confusion", s.contains("confusion") ? s["confusion"] : Json()}, {"classes", c_.labels.empty() ? test.classes() : c_.labels}};
}

}  // namespace saha::lifecycle
