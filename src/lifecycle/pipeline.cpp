#include "lifecycle/pipeline.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "backends/registry.hpp"
#include "data/audit.hpp"
#include "data/image.hpp"
#include "formats/onnx/onnx.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/choose.hpp"
#include "lifecycle/html.hpp"
#include "lifecycle/picture.hpp"
#include "measure/bench.hpp"
#include "op/op_def.hpp"
#include "passes/simplify.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/lock.hpp"
#include "system/machine.hpp"
#include "system/process.hpp"
#include "validate/evaluate.hpp"
#include "validate/statistics.hpp"

#ifndef SAHA_VERSION
#define SAHA_VERSION "0"
#endif

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {
constexpr double kSimplifyTolerance = 1e-5;   // of max |diff| over max(1, largest |reference|), random inputs

std::string percent(double v) { char b[32]; std::snprintf(b, sizeof b, "%.1f %%", v * 100); return b; }
std::string number(double v, const char* unit) { char b[64]; std::snprintf(b, sizeof b, "%.3g %s", v, unit); return b; }
std::string counted(std::int64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }
std::string duration(double ms) { return ms < 1 ? number(ms * 1e3, "us") : number(ms, "ms"); }

/// A model of the life cycle: as trained, or simplified.
struct Variant {
  std::string name;
  std::string file, sha256;
  ir::Model model;
  std::uint64_t bytes = 0;
};

class Pipeline {
 public:
  Pipeline(const Config& c, const RunOptions& o, Store store) : c_(c), o_(o), store_(std::move(store)) {}
  Result<RunResult> run();

 private:
  Result<Stored> stage(const std::string& name, int version, Json inputs, const std::function<Result<Json>(const fs::path&)>& make, const std::function<std::string(const Json&)>& note);
  void line(std::string status, const std::string& name, double seconds, std::string note, std::string help = {});
  bool reached(const std::string& name) const;   // the stage before which --only ends has passed

  Result<> goals();
  Result<> data();
  Result<> train();
  Result<> simplify();
  Result<> evaluate(Variant& v, const std::string& backend);
  Result<> measure(const Target& t);
  Result<> decide(const Target& t);
  Result<> package();
  Result<> report(RunResult& r);
  Result<Variant> load(const std::string& name, const fs::path& file) const;
  Result<std::vector<Datum>> first_sample(const Variant& v) const;
  int threads(const Target& t) const { return t.threads ? t.threads : o_.threads ? o_.threads : system::cpu().physical; }
  Json machine() const;
  void mistakes(const std::string& backend);

  const Config& c_;
  const RunOptions& o_;
  Store store_;
  Json report_;
  bool from_ = false;
  std::map<std::string, data::Dataset> sets_;
  std::map<std::string, std::string> set_hash_;
  std::vector<Variant> variants_;
  std::vector<std::string> backends_;
  std::map<std::pair<std::string, std::string>, Answers> answers_;   // variant, backend
  std::vector<Candidate> candidates_;
  int exit_ = 0;
  std::string decision_;
  std::optional<Stored> package_;
};

void Pipeline::line(std::string status, const std::string& name, double seconds, std::string note, std::string help) {
  report_["stages"].push_back({{"name", name}, {"status", status}, {"seconds", seconds}, {"note", note}});
  if (o_.on_stage) o_.on_stage({std::move(status), name, seconds, std::move(note), std::move(help)});
}

Result<Stored> Pipeline::stage(const std::string& name, int version, Json inputs, const std::function<Result<Json>(const fs::path&)>& make, const std::function<std::string(const Json&)>& note) {
  if (o_.stop && o_.stop()) return Error{ErrorCode::cancelled, "interrupted before stage '" + name + "'; everything finished is kept", "saha run"};
  from_ |= !o_.from.empty() && (name == o_.from || name.rfind(o_.from + "/", 0) == 0);
  bool force = from_ || std::any_of(o_.force.begin(), o_.force.end(), [&](const std::string& f) { return f == "all" || f == name || name.rfind(f + "/", 0) == 0; });
  StageKey key{name, version, std::move(inputs)};
  std::string why = store_.why(key);
  auto s = store_.stage(key, force, make);
  if (!s) {
    line("FAIL", name, 0, s.error().message, s.error().help);
    return std::move(s.error());
  }
  line(s->cached ? "cached" : "ok", name, s->seconds, note(s->result));
  auto& entry = report_["stages"].back();
  entry["key"] = s->key;
  entry["why"] = s->cached ? "" : why;
  return s;
}

Json Pipeline::machine() const {
  auto cpu = system::cpu();
  auto memory = system::memory();
  return {{"cpu", cpu.model}, {"isa", cpu.isa}, {"cores", cpu.physical}, {"memory_bytes", memory.total_bytes}};
}

Result<> Pipeline::goals() {
  Json list = Json::array();
  auto add = [&](const validate::Requirement& r, const std::string& target) {
    list.push_back({{"id", r.id}, {"assert", r.text}, {"why", r.why}, {"severity", validate::name(r.importance)}, {"target", target}, {"explain", validate::explain(r, c_.scope)}, {"vacuous", r.vacuous}});
  };
  for (const auto& r : c_.requirements) add(r, "");
  for (const Target& t : c_.targets) for (const auto& r : t.requirements) add(r, t.name);
  std::int64_t must = 0;
  for (const auto& r : list) must += r["severity"] == "must";
  report_["requirements"] = list;
  line("ok", "goals", 0, counted(std::int64_t(list.size()), "requirement") + ", " + std::to_string(must) + " of them must hold");
  return {};
}

/// SHA-256 over names and contents of what a data set is made of.
Result<std::string> content_hash(const data::DataSpec& s) {
  system::Sha256 h;
  auto file = [&](const fs::path& p) -> Result<> {
    SAHA_TRY(std::string digest, system::sha256_file(p));
    h.update(p.filename().string()).update("\n").update(digest).update("\n");
    return {};
  };
  auto folder = [&](const fs::path& root) -> Result<> {
    std::vector<fs::path> files;
    std::error_code e;
    for (const auto& x : fs::recursive_directory_iterator(root, e)) if (x.is_regular_file()) files.push_back(x.path());
    if (e) return Error{ErrorCode::io, "'" + root.string() + "' cannot be read: " + e.message()};
    std::sort(files.begin(), files.end());
    for (const auto& f : files) {
      SAHA_TRY(std::string digest, system::sha256_file(f));
      h.update(f.lexically_relative(root).string()).update("\n").update(digest).update("\n");
    }
    return {};
  };
  if (!s.folder.empty()) SAHA_DO(folder(s.folder));
  if (!s.csv.empty()) { SAHA_DO(file(s.csv)); if (s.features.empty()) SAHA_DO(folder(s.root.empty() ? (s.csv.parent_path().empty() ? fs::path(".") : s.csv.parent_path()) : s.root)); }
  if (!s.npz.empty()) SAHA_DO(file(s.npz));
  for (const auto& [name, p] : s.npy) { h.update(name); SAHA_DO(file(p)); }
  if (!s.images.empty()) { SAHA_DO(file(s.images)); SAHA_DO(file(s.labels)); }
  h.update(s.where).update(std::to_string(s.take.value_or(-1)) + " " + std::to_string(s.seed));
  return system::hex(h.finish());
}

Result<> Pipeline::data() {
  Json inputs = Json::object();
  for (const auto& [name, spec] : c_.data) {
    auto hash = content_hash(spec);
    if (!hash) { line("FAIL", "data", 0, hash.error().message); return std::move(hash.error()); }
    set_hash_[name] = *hash;
    inputs[name] = *hash;
  }
  inputs["skip_bad"] = c_.skip_bad;
  for (const auto& [name, spec] : c_.data) {
    auto set = data::Dataset::open(spec);
    if (!set) { line("FAIL", "data", 0, set.error().message, set.error().help); return std::move(set.error()).within("data set '" + name + "'"); }
    sets_.insert_or_assign(name, std::move(*set));
  }
  auto make = [&](const fs::path&) -> Result<Json> {
    Json j = Json::object();
    std::map<std::string, data::Audit> audits;
    for (const auto& [name, set] : sets_) {
      data::AuditOptions options;
      options.on_progress = [&, total = set.size()](std::int64_t done) { if (o_.on_progress) o_.on_progress("data/" + name, done, total); };
      options.stop = o_.stop;
      SAHA_TRY(data::Audit a, data::audit(set, options));
      Json ranges = Json::array(), duplicates = Json::array(), unreadable = Json::array(), per_class = Json::array(), shapes = Json::array();
      for (const auto& r : a.ranges) ranges.push_back({{"name", r.name}, {"min", r.min}, {"max", r.max}, {"mean", r.mean}, {"std", r.std}, {"count", r.count}, {"missing", r.missing}});
      for (const auto& d : a.duplicates) if (duplicates.size() < 50) duplicates.push_back({{"first", set.title(d.first)}, {"second", set.title(d.second)}, {"same_label", d.same_label}});
      for (const auto& u : a.unreadable) if (unreadable.size() < 50) unreadable.push_back({{"sample", u.title}, {"reason", u.reason}});
      for (const auto& [k, n] : a.per_class) per_class.push_back({k, n});
      for (const auto& [k, n] : a.shapes) shapes.push_back({k, n});
      Json slices = Json::object();
      for (const std::string& column : set.slices()) {
        std::map<std::string, std::int64_t> counts;
        for (std::int64_t i = 0; i < set.size(); ++i) ++counts[set.column(column, i)];
        slices[column] = counts;
      }
      j[name] = {{"samples", a.samples}, {"per_class", per_class}, {"ranges", ranges}, {"shapes", shapes}, {"duplicates", a.duplicates.size()}, {"duplicate_list", duplicates},
                 {"unreadable", a.unreadable.size()}, {"unreadable_list", unreadable}, {"slices", slices}};
      SAHA_TRY(auto readable, data::readable(set, a, c_.skip_bad));
      (void)readable;
      audits.emplace(name, std::move(a));
    }
    Json leaks = Json::object();
    for (const char* held : {"test", "val", "calibration"}) {
      const char* against = std::string_view(held) == "calibration" ? "test" : "train";
      if (!sets_.count(held) || !sets_.count(against)) continue;
      auto found = data::leaks(sets_.at(against), audits.at(against), sets_.at(held), audits.at(held));
      Json some = Json::array();
      for (const auto& l : found) if (some.size() < 20) some.push_back({sets_.at(against).title(l.train), sets_.at(held).title(l.test)});
      leaks[held] = {{"against", against}, {"count", found.size()}, {"some", some}};
      if (!found.empty())
        return Error{ErrorCode::invalid_data, counted(std::int64_t(found.size()), "sample") + " of '" + std::string(held) + "' stand" + (found.size() == 1 ? "s" : "") + " in '" + against + "' too (same content), the first: " + sets_.at(held).title(found[0].test) + " and " + sets_.at(against).title(found[0].train),
                     "take them out of '" + std::string(against) + "': a figure on samples that were trained on proves nothing"};
    }
    j["leaks"] = leaks;
    return j;
  };
  auto note = [&](const Json& j) -> std::string {
    std::string s;
    for (const auto& [name, set] : sets_) {
      if (!j.contains(name)) continue;
      s += (s.empty() ? "" : "; ") + name + " " + std::to_string(j[name]["samples"].get<std::int64_t>());
      if (auto d = j[name]["duplicates"].get<std::int64_t>()) s += " (" + counted(d, "duplicate") + ")";
    }
    if (s.empty()) return std::string("no data: accuracy is not judged");
    return s + (sets_.size() > 1 ? "; no leakage" : "");
  };
  SAHA_TRY(Stored s, stage("data", 1, inputs, make, note));
  report_["data"] = s.result;
  return {};
}

Result<Variant> Pipeline::load(const std::string& name, const fs::path& file) const {
  Variant v;
  v.name = name;
  v.file = file.string();
  SAHA_TRY(v.sha256, system::sha256_file(file));
  SAHA_TRY(v.model, onnx::import_file(v.file));
  std::error_code e;
  v.bytes = fs::file_size(file, e);
  return v;
}

Result<> Pipeline::train() {
  if (!c_.train) {
    auto v = load("original", c_.model);
    if (!v) { line("FAIL", "train", 0, v.error().message, v.error().help); return std::move(v.error()); }
    line("ok", "train", 0, "given: " + c_.model.filename().string() + ", " + std::to_string(ir::count_nodes(v->model.graph)) + " nodes");
    report_["training"] = {{"given", c_.model.filename().string()}, {"sha256", v->sha256}};
    variants_.push_back(std::move(*v));
    return {};
  }
  const Train& t = *c_.train;
  Json inputs{{"command", t.shell.empty() ? Json(t.argv) : Json(t.shell)}, {"seed", c_.seed}};
  for (const auto& f : t.inputs) {
    auto hash = system::sha256_file(f);
    if (!hash) { line("FAIL", "train", 0, hash.error().message); return std::move(hash.error()); }
    inputs["files"][f.filename().string()] = *hash;
  }
  for (const auto& [name, hash] : set_hash_) if (name != "test") inputs["data"][name] = hash;
  if (t.always) inputs["always"] = std::to_string(std::time(nullptr));
  auto make = [&](const fs::path& folder) -> Result<Json> {
    fs::path model = fs::absolute(folder / "model.onnx"), work = fs::absolute(store_.folder() / "work");
    SAHA_DO(system::make_folders(work));
    std::map<std::string, std::string> values{{"model", model.string()}, {"seed", std::to_string(c_.seed)}, {"threads", std::to_string(threads(c_.targets[0]))}, {"work", work.string()}};
    for (const char* set : {"train", "val", "test"}) {
      auto it = c_.data.find(set);
      if (it == c_.data.end()) continue;
      const data::DataSpec& d = it->second;
      fs::path p = !d.folder.empty() ? d.folder : !d.csv.empty() ? d.csv : !d.npz.empty() ? d.npz : !d.images.empty() ? d.images : !d.npy.empty() ? d.npy.begin()->second : fs::path();
      values["data." + std::string(set)] = fs::absolute(p).string();
    }
    auto filled = [&](const std::string& text, bool quote) -> Result<std::string> {
      std::string out;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '{' && i + 1 < text.size() && text[i + 1] == '{') { out += '{'; ++i; continue; }
        if (text[i] == '}' && i + 1 < text.size() && text[i + 1] == '}') { out += '}'; ++i; continue; }
        if (text[i] != '{') { out += text[i]; continue; }
        auto end = text.find('}', i);
        std::string name = end == std::string::npos ? "" : text.substr(i + 1, end - i - 1);
        auto it = values.find(name);
        if (it == values.end()) return Error{ErrorCode::invalid_file, "train.command: there is nothing for {" + name + "}", "known are {model}, {data.train}, {data.val}, {data.test}, {seed}, {threads} and {work}; {{ is a brace"};
        out += quote ? system::shell_quoted(it->second) : it->second;
        i = end;
      }
      return out;
    };
    system::ProcessOptions p;
    p.folder = c_.folder;
    for (const auto& e : t.env) p.inherit.push_back(e);
    for (const char* e : {"VIRTUAL_ENV", "PYTHONPATH"}) p.inherit.push_back(e);
    for (const auto& [k, v] : values) {
      std::string variable = "SAHA_";
      for (char ch : k) variable += ch == '.' ? '_' : char(std::toupper(static_cast<unsigned char>(ch)));
      p.environment[variable] = v;
    }
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
      if (t.shell.empty()) {
        std::vector<std::string> argv;
        for (const auto& w : t.argv) { SAHA_TRY(std::string f, filled(w, false)); argv.push_back(f); }
        SAHA_TRY(done, system::run_process(argv, p));
      } else {
        SAHA_TRY(std::string command, filled(t.shell, true));
        SAHA_TRY(done, system::run_shell(command, p));
      }
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
    if (!j["curve"].empty()) for (auto& [k, v] : j["curve"].back().items()) if (v.is_number()) n += ", " + k + " " + (v.is_number_integer() ? std::to_string(v.get<std::int64_t>()) : number(v.get<double>(), ""));
    return n;
  }));
  SAHA_TRY(Variant v, load("original", s.folder / "model.onnx"));
  report_["training"] = s.result;
  report_["training"]["command"] = inputs["command"];
  report_["training"]["sha256"] = v.sha256;
  variants_.push_back(std::move(v));
  return {};
}

Result<> Pipeline::simplify() {
  const Variant& original = variants_[0];
  Json inputs{{"model", original.sha256}, {"without", c_.without}, {"fold_limit", c_.fold_limit}};
  auto make = [&](const fs::path& folder) -> Result<Json> {
    passes::Options options;
    options.fold_limit = c_.fold_limit;
    auto own = original.model.opsets.find("");
    if (own != original.model.opsets.end()) options.opset = own->second;
    SAHA_TRY(auto simple, passes::simplify(original.model.graph, options, c_.without));
    ir::Model m = original.model;
    m.graph = simple.graph;
    // The result is compared with the original before it is used.
    measure::Difference worst;
    int compared = 0;
    const measure::Shapes dims = measure::fitting_shapes(original.model.graph, {});
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      auto in = measure::random_inputs(m.graph, dims, c_.seed + seed);
      if (!in) break;  // inputs that are no tensors: the test set decides below
      auto a = op::run(original.model.graph, std::span<const Datum>(*in)), b = op::run(m.graph, std::span<const Datum>(*in));
      if (!a) continue;  // random values are not what the model takes (indices): the test set decides below
      if (!b) return std::move(b.error()).within("the simplified model does not run");
      auto d = measure::difference(*a, *b);
      worst.absolute = std::max(worst.absolute, d.absolute);
      worst.relative = std::max(worst.relative, d.relative);
      ++compared;
    }
    if (worst.relative > kSimplifyTolerance) return Error{ErrorCode::internal, "the simplified model differs from the original by " + number(worst.relative, "") + "where " + number(kSimplifyTolerance, "") + "is allowed"};
    std::string path = (folder / "model.onnx").string();
    SAHA_DO(onnx::export_file(m, path));
    Json passes = Json::array();
    for (const auto& p : simple.passes) passes.push_back({{"name", p.name}, {"before", p.before}, {"after", p.after}, {"seconds", p.seconds}});
    std::error_code e;
    return Json{{"before", operator_counts(original.model.graph)}, {"after", operator_counts(m.graph)}, {"nodes_before", ir::count_nodes(original.model.graph)}, {"nodes_after", ir::count_nodes(m.graph)},
                {"bytes_before", original.bytes}, {"bytes_after", fs::file_size(path, e)}, {"passes", passes}, {"compared_on", compared}, {"max_difference", worst.absolute}, {"max_relative", worst.relative}};
  };
  SAHA_TRY(Stored s, stage("simplify", 1, inputs, make, [](const Json& j) {
    return std::to_string(j["nodes_before"].get<std::int64_t>()) + " -> " + std::to_string(j["nodes_after"].get<std::int64_t>()) + " nodes; max |diff| " + number(j["max_difference"].get<double>(), "on ") + counted(j["compared_on"].get<std::int64_t>(), "random input");
  }));
  SAHA_TRY(Variant v, load("float32", s.folder / "model.onnx"));
  report_["simplify"] = s.result;
  report_["graph"] = {{"before", picture(original.model.graph)}, {"after", picture(v.model.graph)}};
  variants_.push_back(std::move(v));
  return {};
}

Result<> Pipeline::evaluate(Variant& v, const std::string& backend) {
  auto it = sets_.find("test");
  if (it == sets_.end()) return {};
  SAHA_TRY(data::Dataset test, it->second.for_inputs(input_specs(v.model.graph, c_.inputs)));
  SAHA_TRY(auto engine, backends::open(backend));
  Json steps = Json::object();
  for (const auto& i : c_.inputs) steps[i.name] = i.steps.str();
  Json inputs{{"model", v.sha256}, {"backend", backend}, {"version", engine->version()}, {"test", set_hash_["test"]}, {"preprocess", steps}, {"meaning", c_.output_meaning}};
  std::optional<Answers> fresh;
  auto make = [&](const fs::path& folder) -> Result<Json> {
    SAHA_TRY(auto program, engine->load(v.model, {.threads = threads(c_.targets[0]), .precision = "float32", .file = v.file}));
    SAHA_TRY(Answers a, answer(*program, test, c_.output_meaning, [&](std::int64_t done) {
      if (o_.on_progress) o_.on_progress("validate/" + v.name + "/" + backend, done, test.size());
      return !(o_.stop && o_.stop());
    }));
    Json j = summary(a, test);
    Json kept{{"decisive", a.decisive}, {"meaning", a.meaning}, {"correct", a.samples.correct}, {"predicted", a.samples.predicted}, {"value", a.samples.value}, {"target", a.samples.target}, {"score", a.samples.score}, {"confidence", a.confidence}, {"outputs", a.outputs}};
    std::vector<std::uint8_t> packed = Json::to_cbor(kept);
    SAHA_DO(system::write_file(folder / "answers.cbor", system::Bytes{reinterpret_cast<const std::byte*>(packed.data()), packed.size()}));
    fresh = std::move(a);
    return j;
  };
  SAHA_TRY(Stored s, stage("validate/" + v.name + "/" + backend, 1, inputs, make, [](const Json& j) {
    if (j.contains("accuracy")) return std::to_string(j["correct"].get<std::int64_t>()) + " of " + std::to_string(j["samples"].get<std::int64_t>()) + " right = " + percent(j["accuracy"]) + " [" + percent(j["lower"]) + ", " + percent(j["upper"]) + "]";
    if (j.contains("mae")) return "mae " + number(j["mae"], "") + "rmse " + number(j["rmse"], "");
    return counted(j["samples"].get<std::int64_t>(), "sample") + " run; no output decides";
  }));
  if (!fresh) {
    SAHA_TRY(auto bytes, system::read_bytes(s.folder / "answers.cbor"));
    Json k = Json::from_cbor(bytes, true, false);
    if (k.is_discarded()) return Error{ErrorCode::invalid_data, "the kept answers of '" + v.name + "' on " + backend + " are damaged", "saha run --from validate"};
    Answers a;
    a.decisive = k["decisive"];
    a.meaning = k["meaning"];
    a.samples.correct = k["correct"].get<std::vector<std::uint8_t>>();
    a.samples.predicted = k["predicted"].get<std::vector<std::int32_t>>();
    auto reals = [&](const char* name) {
      std::vector<double> r;
      for (const auto& x : k[name]) r.push_back(x.is_number() ? x.get<double>() : NAN);
      return r;
    };
    a.samples.value = reals("value");
    a.samples.target = reals("target");
    a.samples.score = reals("score");
    for (const auto& x : k["confidence"]) a.confidence.push_back(x.is_number() ? x.get<float>() : NAN);
    for (auto& [name, rows] : k["outputs"].items())
      for (const auto& r : rows) {
        std::vector<double> values;
        for (const auto& x : r) values.push_back(x.is_number() ? x.get<double>() : NAN);
        a.outputs[name].push_back(std::move(values));
      }
    fresh = std::move(a);
  }
  answers_[{v.name, backend}] = std::move(*fresh);
  report_["evaluations"].push_back({{"variant", v.name}, {"backend", backend}, {"result", s.result}});
  return {};
}

/// The first sample of the test set as the model takes it; empty, for random values, where there is none that fits.
Result<std::vector<Datum>> Pipeline::first_sample(const Variant& v) const {
  std::vector<Datum> values;
  auto it = sets_.find("test");
  if (it == sets_.end() || it->second.size() == 0) return values;
  SAHA_TRY(auto test, it->second.for_inputs(input_specs(v.model.graph, c_.inputs)));
  SAHA_TRY(auto named, test.batch(0, 1));
  for (ir::ValueId in : v.model.graph.inputs())
    for (const auto& x : named) if (x.first == v.model.graph.name(in)) values.emplace_back(x.second);
  if (values.size() != v.model.graph.inputs().size()) values.clear();
  return values;
}

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
  for (const Variant* v : subjects) {
    SAHA_TRY(auto sample, first_sample(*v));
    // The original is the yardstick, judged on saha's own engine only.
    models.push_back({.file = v->file, .backends = v->name == "original" ? std::vector<std::string>{"native"} : t.backends, .inputs = std::move(sample), .shapes = shapes, .profile = v->name == "float32"});
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
      for (const auto& r : m["rows"]) n += (n.empty() ? "" : "; ") + name + "/" + r["backend"].get<std::string>() + " p90 " + duration(r["p90_ms"]);
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

Result<> Pipeline::decide(const Target& t) {
  std::vector<validate::Requirement> wanted = c_.requirements;
  wanted.insert(wanted.end(), t.requirements.begin(), t.requirements.end());
  std::vector<Candidate*> here;
  for (Candidate& c : candidates_) if (c.target == t.name) here.push_back(&c);
  validate::Scope scope = c_.scope;
  for (Candidate* c : here) {
    validate::RecordedEvidence e;
    auto record = [&](const std::string& name, const std::string& variant, const std::string& backend) {
      auto it = answers_.find({variant, backend});
      if (it == answers_.end()) return;
      e.samples_of[{name, "test"}] = it->second.samples;
      for (const auto& [output, rows] : it->second.outputs) e.outputs_of[{{name, "test"}, output}] = rows;
    };
    record("candidate", c->variant, c->backend);
    record("original", "original", o_.as_given ? o_.backend : "native");
    if (auto it = sets_.find("test"); it != sets_.end()) {
      auto& labels = e.labels_of["test"];
      for (std::int64_t i = 0; i < it->second.size(); ++i) labels.push_back(it->second.label(i));
      for (const std::string& column : it->second.columns()) {
        auto& values = e.columns_of[{"test", column}];
        for (std::int64_t i = 0; i < it->second.size(); ++i) values.push_back(it->second.column(column, i));
      }
    }
    std::string where = c->backend + ", " + counted(threads(t), "thread");
    validate::Measurement latency;
    for (double ms : c->ms) latency.samples.push_back(ms * 1e-3);
    latency.where = where;
    auto value = [&](double v) { validate::Measurement m; m.value = v; m.where = where; return m; };
    using Q = validate::Quantity;
    e.measurement_of[{Q::latency_s, "candidate"}] = latency;
    e.measurement_of[{Q::throughput_per_s, "candidate"}] = value(1e3 / std::max(c->p50_ms, 1e-9));
    e.measurement_of[{Q::ram_bytes, "candidate"}] = value(double(c->peak_bytes));
    e.measurement_of[{Q::size_bytes, "candidate"}] = value(double(c->size_bytes));
    e.measurement_of[{Q::flash_bytes, "candidate"}] = value(double(c->size_bytes));
    e.measurement_of[{Q::load_time_s, "candidate"}] = value(c->load_ms * 1e-3);
    for (const auto& r : wanted) c->outcomes.push_back(validate::evaluate(r, scope, e));
    if (auto it = answers_.find({c->variant, c->backend}); it != answers_.end() && !it->second.samples.correct.empty()) {
      c->samples = std::int64_t(it->second.samples.correct.size());
      c->correct = std::count(it->second.samples.correct.begin(), it->second.samples.correct.end(), 1);
    }
  }
  Decision d = choose(here, c_.choose);
  Json j{{"target", t.name}, {"chosen", d.chosen ? Json(d.chosen->id()) : Json()}, {"because", d.because}, {"ties", d.ties}, {"others", Json::array()}, {"minimize", c_.choose.by}};
  for (const auto& [id, why] : d.others) j["others"].push_back({{"id", id}, {"why", why}});
  std::string text = d.chosen ? t.name + ": " + d.chosen->variant + " on " + d.chosen->backend + ", p90 " + duration(d.chosen->p90_ms) + " measured" : t.name + ": nothing meets every must";
  j["text"] = text;
  report_["decisions"].push_back(j);
  decision_ += (decision_.empty() ? "" : "   ") + text;
  if (!d.chosen) exit_ = exit_ == 1 || d.violated ? 1 : 3;
  line(d.chosen ? "ok" : "FAIL", "choose/" + t.name, 0, text + (d.because.empty() ? "" : "; " + d.because));
  if (d.chosen) {
    for (Candidate* c : here) c->chosen = c == d.chosen;
    mistakes(d.chosen->backend);
  }
  return {};
}

void Pipeline::mistakes(const std::string& backend) {
  auto it = sets_.find("test");
  auto a = answers_.find({"float32", backend});
  if (it == sets_.end() || a == answers_.end() || a->second.samples.predicted.empty() || report_.contains("mistakes")) return;
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
  Json s = summary(y, test);
  report_["mistakes"] = {{"wrong", wrong.size()}, {"worst", worst}, {"slices", slices}, {"confusion", s.contains("confusion") ? s["confusion"] : Json()}, {"classes", c_.labels.empty() ? test.classes() : c_.labels}};
}

Result<> Pipeline::package() {
  for (const Target& t : c_.targets) {
    const Candidate* chosen = nullptr;
    for (const Candidate& c : candidates_) if (c.target == t.name && c.chosen) chosen = &c;
    if (!chosen) { line("skip", "package/" + t.name, 0, "nothing was chosen"); continue; }
    const Variant* v = nullptr;
    for (const Variant& x : variants_) if (x.name == chosen->variant) v = &x;
    Json steps = Json::object();
    for (const auto& i : c_.inputs) steps[i.name] = Json::parse(i.steps.str(), nullptr, false);
    Json manifest{{"schema", "saha.package/1"}, {"saha", SAHA_VERSION}, {"name", c_.name}, {"target", t.name}, {"model", "model.onnx"}, {"sha256", v->sha256}, {"backend", chosen->backend}, {"backend_version", chosen->version},
                  {"precision", chosen->precision}, {"threads", threads(t)}, {"preprocess", steps}, {"labels", c_.labels}, {"evidence", chosen->json()}};
    auto make = [&](const fs::path& folder) -> Result<Json> {
      SAHA_TRY(std::string bytes, system::read_text(v->file, std::uint64_t{1} << 32));
      SAHA_DO(system::write_file(folder / "model.onnx", bytes));
      SAHA_DO(system::write_file(folder / "manifest.json", manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
      return Json{{"files", {"model.onnx", "manifest.json"}}, {"bytes", bytes.size()}, {"sha256", v->sha256}};
    };
    fs::path place = c_.report_dir / "package" / t.name;
    SAHA_TRY(Stored s, stage("package/" + t.name, 1, manifest, make, [&](const Json& j) { return (place / "model.onnx").string() + ", " + html::bytes(double(j["bytes"].get<std::int64_t>())); }));
    SAHA_DO(system::make_folders(place));
    for (const char* f : {"model.onnx", "manifest.json"}) {
      SAHA_TRY(std::string bytes, system::read_text(s.folder / f, std::uint64_t{1} << 32));
      SAHA_DO(system::write_file(place / f, bytes));
    }
    report_["packages"].push_back({{"target", t.name}, {"folder", place.string()}, {"manifest", manifest}});
  }
  return {};
}

Result<> Pipeline::report(RunResult& r) {
  Json list = Json::array();
  for (const Candidate& c : candidates_) list.push_back(c.json());
  report_["candidates"] = list;
  report_["exit_code"] = exit_;
  Json sources = Json::array();
  auto source = [&](const std::string& what, const fs::path& p) { if (auto h = system::sha256_file(p)) sources.push_back({{"what", what}, {"file", p.filename().string()}, {"sha256", *h}}); };
  source("life cycle", c_.file);
  for (const auto& f : c_.requirement_files) source("requirements", f);
  if (c_.train) for (const auto& f : c_.train->inputs) source("training", f);
  for (const auto& [name, hash] : set_hash_) sources.push_back({{"what", "data " + name}, {"file", ""}, {"sha256", hash}});
  for (const Variant& v : variants_) sources.push_back({{"what", "model " + v.name}, {"file", fs::path(v.file).filename().string()}, {"sha256", v.sha256}});
  report_["provenance"] = {{"sources", sources}, {"repro", "saha run " + c_.file.filename().string() + " -s run.seed=" + std::to_string(c_.seed)}, {"config", c_.resolved}};
  r.json = c_.report_dir / "report.json";
  r.html = c_.report_dir / "index.html";
  line("ok", "report", 0, r.html.string());
  SAHA_DO(system::make_folders(c_.report_dir));
  SAHA_DO(system::write_file(r.html, report_html(report_)));
  SAHA_DO(system::write_file(r.json, report_.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
  return {};
}

Result<RunResult> Pipeline::run() {
  SAHA_TRY(int run_number, store_.next_run());
  char date[64];
  std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", std::gmtime(&now));
  report_ = {{"schema", "saha.report/1"}, {"saha", SAHA_VERSION}, {"name", c_.name}, {"title", c_.title}, {"run", run_number}, {"seed", c_.seed}, {"date", date}, {"machine", machine()}, {"quick", o_.quick},
             {"stages", Json::array()}, {"evaluations", Json::array()}, {"measurements", Json::array()}, {"decisions", Json::array()}, {"packages", Json::array()}};
  RunResult r;
  auto ends = [&](const char* stage) { return o_.only == stage; };
  auto finish = [&]() -> Result<RunResult> { r.report = report_; r.exit_code = exit_; r.decision = decision_; return r; };
  SAHA_DO(goals());
  if (ends("goals")) return finish();
  SAHA_DO(data());
  if (ends("data")) return finish();
  SAHA_DO(train());
  if (ends("train")) return finish();
  if (o_.as_given) {
    variants_.push_back(variants_[0]);
    variants_[1].name = "given";
    backends_ = {o_.backend};
    SAHA_TRY(auto engine, backends::open(o_.backend));
    for (Variant& v : variants_) SAHA_DO(evaluate(v, o_.backend));
    Target here = c_.targets[0];
    here.backends = {o_.backend};
    SAHA_DO(measure(here));
    SAHA_DO(decide(here));
    if (!candidates_.empty()) r.outcomes = candidates_.back().outcomes;
    r.exit_code = validate::exit_code(r.outcomes);
    r.report = report_;
    return r;
  }
  SAHA_DO(simplify());
  if (ends("simplify")) return finish();
  for (const auto& info : backends::all()) {
    bool wanted = c_.targets.empty();
    for (const Target& t : c_.targets) wanted |= t.backends.empty() || std::find(t.backends.begin(), t.backends.end(), info.name) != t.backends.end();
    if (!wanted) continue;
    auto engine = info.open();
    if (engine) { backends_.push_back(info.name); continue; }
    bool by_name = std::any_of(c_.targets.begin(), c_.targets.end(), [&](const Target& t) { return std::find(t.backends.begin(), t.backends.end(), info.name) != t.backends.end(); });
    if (by_name) return std::move(engine.error());
  }
  for (Variant& v : variants_)
    for (const std::string& b : backends_) {
      if (v.name == "original" && b != "native") continue;   // the original is the yardstick, on saha's own engine
      auto done = evaluate(v, b);
      if (done) continue;
      if (done.error().code == ErrorCode::cancelled || b == "native") return std::move(done.error());
      exit_ = exit_ ? exit_ : 0;
    }
  if (ends("validate")) return finish();
  for (const Target& t : c_.targets) SAHA_DO(measure(t));
  if (ends("measure")) return finish();
  for (const Target& t : c_.targets) SAHA_DO(decide(t));
  SAHA_DO(package());
  SAHA_DO(report(r));
  return finish();
}
}  // namespace

Result<RunResult> run(const Config& config, const RunOptions& options) {
  SAHA_TRY(auto lock, system::FolderLock::acquire(config.run_dir, [&](std::string_view holder) {
    if (options.on_stage) options.on_stage({"wait", "lock", 0, std::string(holder) + " runs in " + config.run_dir.string() + "; this run waits for it", {}});
  }, options.stop));
  SAHA_TRY(Store store, Store::open(config.run_dir));
  return Pipeline(config, options, std::move(store)).run();
}

}  // namespace saha::lifecycle
