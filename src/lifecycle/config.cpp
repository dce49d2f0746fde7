#include "lifecycle/config.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <utility>

#include "backends/registry.hpp"
#include "system/file.hpp"
#include "system/machine.hpp"
#include "validate/vocabulary.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
using yaml::Value;

namespace {
/// Turns the typed values into a Config. Paths are relative to the file they stand in; faults go to the diagnostics.
class Reader {
 public:
  Reader(const Value& root, fs::path folder, yaml::Diagnostics& d) : root_(root), folder_(std::move(folder)), d_(d) {}
  void read(Config& c);

 private:
  /// The folder of the file in which a value stands; of what stands in none, a default or an override, the life cycle's.
  fs::path folder_of(const Value& v) const {
    std::error_code e;
    if (!v.given() || v.at().source < 0 || !fs::is_regular_file(d_.file(v.at().source), e)) return folder_;
    const fs::path folder = fs::path(d_.file(v.at().source)).parent_path();
    return folder.empty() ? fs::path(".") : folder;
  }
  fs::path path(const Value& v, const std::string& s) const { return fs::path(s).is_absolute() ? fs::path(s) : (folder_of(v) / s).lexically_normal(); }
  fs::path existing(const Value& v) {
    fs::path p = path(v, v.text());
    std::error_code e;
    if (!fs::exists(p, e)) d_.error(v.at(), "'" + p.string() + "' does not exist");
    return p;
  }
  static std::vector<std::string> texts(const Value& v) {
    std::vector<std::string> r;
    if (v.kind() == Value::Kind::text) return {v.text()};
    for (const Value& x : v.items()) r.push_back(x.text());
    return r;
  }
  data::DataSpec set(const Value& v, const std::vector<std::string>& slices);
  void model(Config& c);
  void split(Config& c);
  void train(Config& c);
  void compress(Config& c);
  void metrics(Config& c);
  /// Files of `folder` that stand in a command count as its inputs.
  static void add_files(const fs::path& folder, const std::string& shell, const std::vector<std::string>& argv, std::vector<fs::path>& inputs);
  void requirements(Config& c);
  std::vector<validate::Requirement> assertions(const Value& list, Config& c, const std::string& prefix);

  const Value& root_;
  fs::path folder_;
  yaml::Diagnostics& d_;
  validate::Scope life_cycle_;   ///< what saha.yaml says, without the sections of requirement files
};

Json json_of(const yaml::Node& n) {
  switch (n.kind) {
    case yaml::Node::Kind::null: return nullptr;
    case yaml::Node::Kind::list: {
      Json a = Json::array();
      for (const auto& x : n.items) a.push_back(json_of(x));
      return a;
    }
    case yaml::Node::Kind::map: {
      Json o = Json::object();
      for (const auto& e : n.entries) o[e.key.text] = json_of(e.value);
      return o;
    }
    case yaml::Node::Kind::scalar: break;
  }
  if (n.quoted) return n.text;
  if (n.text == "true" || n.text == "false") return n.text == "true";
  char* end = nullptr;
  double v = std::strtod(n.text.c_str(), &end);
  if (!n.text.empty() && !*end && std::isfinite(v)) {
    if (v == std::floor(v) && std::fabs(v) < 9e15) return std::int64_t(v);
    return v;
  }
  return n.text;
}

data::DataSpec Reader::set(const Value& v, const std::vector<std::string>& slices) {
  data::DataSpec s;
  if (v.kind() == Value::Kind::text) {
    s = data::DataSpec::of(existing(v));
    s.slices = slices;
    return s;
  }
  s.slices = slices;
  if (v.has("folder")) s.folder = existing(v["folder"]);
  if (v.has("csv")) s.csv = existing(v["csv"]);
  if (v.has("root")) s.root = existing(v["root"]);
  if (v.has("npz")) s.npz = existing(v["npz"]);
  if (v.has("idx")) { s.images = existing(v["idx"]["images"]); s.labels = existing(v["idx"]["labels"]); }
  for (const auto& [name, file] : v["npy"].entries()) s.npy[name] = existing(file);
  s.file = v["file"].text();
  s.label = v["label"].text();
  s.accepted = v["accepted"].text();
  s.features = texts(v["features"]);
  if (v.has("target")) s.target = v["target"].text();
  s.missing = texts(v["missing"]);
  if (v.has("take")) s.take = v["take"].integer();
  s.seed = std::uint64_t(v["seed"].integer());
  if (v.has("where")) s.where = v["where"].text();
  int layouts = !s.folder.empty() + !s.csv.empty() + !s.npz.empty() + !s.npy.empty() + !s.images.empty();
  if (layouts != 1 && !v.has("from")) d_.error(v.at(), "a data set has one of folder, csv, npz, npy and idx; " + std::to_string(layouts) + " are given");
  return s;
}

void Reader::model(Config& c) {
  const Value& m = root_["model"];
  if (!m) return;
  if (m.has("file")) c.model = existing(m["file"]);
  for (const auto& [name, in] : m["input"].entries()) {
    data::InputSpec spec;
    spec.name = name;
    if (in.has("preprocess")) {
      auto steps = data::Preprocess::parse(json_of(in["preprocess"].node()).dump());
      if (!steps) d_.error(in["preprocess"].at(), steps.error().message);
      else spec.steps = std::move(*steps);
    }
    for (const Value& x : in["shape"].items()) {
      char* end = nullptr;
      long long n = std::strtoll(x.text().c_str(), &end, 10);
      spec.shape.push_back(*end || n < 0 ? -1 : n);
    }
    if (in.has("dtype")) {
      auto t = dtype_of(in["dtype"].text());
      if (!t) d_.error(in["dtype"].at(), "'" + in["dtype"].text() + "' is no element type");
      else spec.dtype = *t;
    }
    c.inputs.push_back(std::move(spec));
  }
  for (const auto& [name, out] : m["output"].entries()) if (out.has("meaning")) c.output_meaning[name] = out["meaning"].text();
  const Value& labels = m["labels"];
  if (labels) {
    const Value* names = &labels;
    std::string file;
    if (labels.kind() == Value::Kind::text) file = labels.text();
    else if (labels.kind() == Value::Kind::map) {
      names = &labels["names"];
      if (labels.has("file")) file = labels["file"].text();
    }
    if (!file.empty()) {
      auto text = system::read_text(path(labels, file));
      if (!text) d_.error(labels.at(), text.error().message);
      else {
        std::string line;
        for (char ch : *text + "\n") {
          if (ch == '\n') { if (!line.empty()) c.labels.push_back(line); line.clear(); }
          else if (ch != '\r') line += ch;
        }
      }
    } else c.labels = texts(*names);
  }
}

void Reader::split(Config& c) {
  const Value& s = root_["data"]["split"];
  if (!s) return;
  data::SplitSpec spec;
  auto train = c.data.find("train");
  if (train == c.data.end()) d_.error(s.at(), "data.split cuts 'train' into parts, and there is no data.train");
  double rest = 1;
  for (const char* part : {"test", "val"}) {
    if (!s.has(part)) continue;
    const double share = s[part].number();
    if (!(share > 0)) d_.error(s[part].at(), "the share of '" + std::string(part) + "' must be above 0 %");
    if (c.data.count(part)) d_.error(s.key_at(part), "data.split makes '" + std::string(part) + "' and data." + part + " names one: give one of the two");
    spec.parts.emplace_back(part, share);
    rest -= share;
  }
  if (rest <= 1e-9) d_.error(s.at(), "the parts of data.split leave nothing for 'train'");
  if (s.has("stratify")) spec.stratify = s["stratify"].text();
  if (s.has("group")) spec.group = s["group"].text();
  spec.seed = std::uint64_t(s["seed"].integer());
  c.split = std::move(spec);
}

void Reader::compress(Config& c) {
  for (const auto& [name, list] : root_["compress"].entries()) {
    Compression r{name, {}};
    if (name == "original" || name == "float32" || name == "given" || name.find('/') != std::string::npos) d_.error(root_["compress"].key_at(name), "'" + name + "' cannot be the name of a candidate");
    if (list.items().size() != 1) { d_.error(list.at(), "compress." + name + " has " + std::to_string(list.items().size()) + " steps; one is taken, quantize"); continue; }
    const Value& q = list.items()[0]["quantize"];
    r.quantize.scheme = q["scheme"].text();
    r.quantize.to = q["to"].text();
    r.quantize.calibrate = q["calibrate"].text();
    r.quantize.samples = q["samples"].integer();
    r.quantize.keep = texts(q["keep"]);
    r.quantize.without = texts(q["without"]);
    if (q.has("floor")) {
      auto floor = parse_floor(q["floor"].text());
      if (!floor) d_.error(q["floor"].at(), floor.error().message, floor.error().help);
      else r.quantize.floor = *floor;
    }
    const auto narrow = r.quantize.narrow();
    if (!narrow) d_.error(q.at(), narrow.error().message, narrow.error().help);
    else if (!*narrow && !c.data.contains("calibration") && !c.data.contains("train")) d_.error(root_["compress"].key_at(name), "ranges are found on data.calibration or data.train, and there is neither");
    c.compress.push_back(std::move(r));
  }
}

void Reader::add_files(const fs::path& folder, const std::string& shell, const std::vector<std::string>& argv, std::vector<fs::path>& inputs) {
  std::vector<std::string> words = argv;
  std::string word;
  for (char ch : shell + " ") {
    if (ch != ' ') { word += ch; continue; }
    words.push_back(std::exchange(word, ""));
  }
  for (const std::string& w : words) {
    std::error_code e;
    if (!w.empty() && w.find('{') == std::string::npos && fs::is_regular_file(folder / w, e)) inputs.push_back(folder / w);
  }
  std::sort(inputs.begin(), inputs.end());
  inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
}

void Reader::metrics(Config& c) {
  for (const auto& [name, v] : root_["evaluate"].entries()) {
    OwnMetric m;
    m.name = name;
    m.folder = folder_of(v.has("python") ? v["python"] : v["command"]);
    const bool plain = !name.empty() && std::isalpha(static_cast<unsigned char>(name[0])) && std::all_of(name.begin(), name.end(), [](unsigned char ch) { return std::isalnum(ch) || ch == '_'; });
    if (!plain) d_.error(root_["evaluate"].key_at(name), "'" + name + "' cannot stand in a requirement: a name is letters, digits and _");
    else if (validate::find_word(name)) d_.error(root_["evaluate"].key_at(name), "requirements know '" + name + "' already: a metric of your own needs another name");
    for (const Value& x : v["inputs"].items()) m.inputs.push_back(existing(x));
    if (v.has("python")) {
      m.python = v["python"].text();
      const auto colon = m.python.find(':');
      std::string module = m.python.substr(0, colon);
      std::replace(module.begin(), module.end(), '.', '/');
      std::error_code e;
      fs::path file = m.folder / (module + ".py");
      if (!fs::is_regular_file(file, e)) file = m.folder / module / "__init__.py";
      if (colon == std::string::npos || colon == 0 || colon + 1 == m.python.size()) d_.error(v["python"].at(), "'" + m.python + "' is not module:function");
      else if (!fs::is_regular_file(file, e)) d_.error(v["python"].at(), "there is no '" + (m.folder / (module + ".py")).lexically_normal().string() + "'");
      else m.inputs.push_back(file);
    } else if (v.has("command")) {
      if (v["command"].kind() == Value::Kind::text) m.shell = v["command"].text();
      else m.argv = texts(v["command"]);
    }
    add_files(m.folder, m.shell, m.argv, m.inputs);
    m.higher = v["better"].text() == "higher";
    if (v.has("unit")) m.unit = v["unit"].text();
    if (v.has("timeout")) m.timeout_s = v["timeout"].number();
    c.scope.metrics.push_back({name, m.unit});
    c.metrics.push_back(std::move(m));
  }
}

void Reader::train(Config& c) {
  const Value& t = root_["train"];
  if (!t) {
    if (c.model.empty()) d_.error(root_.at(), "neither 'model.file' nor 'train.command' says where the model comes from");
    return;
  }
  if (!c.model.empty()) d_.error(root_.key_at("train"), "'train' makes the model and 'model.file' names one: give one of the two");
  Train r;
  const Value& command = t["command"];
  if (command.kind() == Value::Kind::text) r.shell = command.text();
  else r.argv = texts(command);
  for (const Value& x : t["inputs"].items()) r.inputs.push_back(existing(x));
  add_files(folder_, r.shell, r.argv, r.inputs);
  r.env = texts(t["env"]);
  if (t.has("timeout")) r.timeout_s = t["timeout"].number();
  r.retries = int(t["retries"].integer());
  r.always = t["always"].boolean();
  c.train = std::move(r);
}

bool is_requirement_file(const std::string& s) { return s.size() > 9 && s.ends_with(".req.yaml"); }

std::vector<validate::Requirement> Reader::assertions(const Value& list, Config& c, const std::string& prefix) {
  std::vector<validate::Requirement> all;
  int number = 0;
  for (const Value& v : list.items()) {
    if (is_requirement_file(v.text())) {
      fs::path p = path(v, v.text());
      auto node = yaml::load(p.string(), d_);
      if (!node) continue;
      auto file = validate::readable_requirements(*node, d_);
      c.requirement_files.push_back(p);
      for (validate::ModelFile m : file.models) {
        m.file = (p.parent_path() / m.file).lexically_normal().string();
        if (std::error_code e; !fs::is_regular_file(m.file, e)) d_.error(m.at, "model '" + m.name + "': there is no file '" + m.file + "'");
        c.model_files.push_back(std::move(m));
      }
      validate::Scope scope = validate::scope_of(file, life_cycle_, d_);
      validate::check(file, scope, d_);
      // What judges later knows the sections of all files; of two that name one unit the first counts, and each was checked by its own.
      yaml::Diagnostics again;
      c.scope = validate::scope_of(file, std::move(c.scope), again);
      for (auto& r : file.requirements) all.push_back(std::move(r));
      continue;
    }
    if (auto r = validate::read_assertion(v.node(), prefix + std::to_string(++number), d_)) {
      validate::check(*r, c.scope, d_);
      all.push_back(std::move(*r));
    }
  }
  return all;
}

void Reader::read(Config& c) {
  c.name = root_.has("name") ? root_["name"].text() : fs::absolute(folder_).lexically_normal().filename().string();
  if (c.name.empty()) c.name = fs::absolute(folder_).lexically_normal().parent_path().filename().string();
  model(c);
  std::vector<std::string> slices = texts(root_["data"]["slices"]);
  for (const char* name : {"train", "val", "test", "calibration"}) {
    const Value& v = root_["data"][name];
    if (v) c.data[name] = set(v, slices);
  }
  for (const auto& [name, v] : root_["data"]["sets"].entries()) {
    const bool plain = !name.empty() && std::isalpha(static_cast<unsigned char>(name[0])) && std::all_of(name.begin(), name.end(), [](unsigned char ch) { return std::isalnum(ch) || ch == '_'; });
    if (!plain || name == "leaks") d_.error(root_["data"]["sets"].key_at(name), "'" + name + "' cannot stand in a requirement: a name is letters, digits and _");
    else if (validate::find_word(name) || name == "train" || name == "val" || name == "test" || name == "calibration") d_.error(root_["data"]["sets"].key_at(name), "'" + name + "' has a meaning already: the set needs another name");
    else c.data[name] = set(v, slices);
  }
  c.skip_bad = root_["data"] ? root_["data"]["skip_bad"].number() : 0;
  split(c);
  compress(c);
  train(c);
  metrics(c);
  // What requirements may name.
  validate::read_model(c.scope, root_["model"], d_);
  for (const auto& [name, spec] : c.data) {
    c.scope.data.push_back({name, slices});
    (void)spec;
  }
  if (c.split) for (const auto& [part, share] : c.split->parts) c.scope.data.push_back({part, slices});
  c.scope.data_known = true;
  validate::read_reject(c.scope, root_["model"], d_);
  if (c.scope.reject && !c.scope.reject->data.empty() && !c.scope.find_data(c.scope.reject->data)) d_.error(root_["model"]["reject"]["data"].at(), "there is no data set '" + c.scope.reject->data + "'");
  c.scope.labels = c.labels;
  life_cycle_ = c.scope;
  c.requirements = assertions(root_["require"], c, "R");
  const Value& targets = root_["targets"];
  for (const auto& [name, v] : targets.entries()) {
    Target t;
    t.name = name;
    if (v.kind() == Value::Kind::text) {
      if (v.text() != "host") d_.error(v.at(), "target '" + v.text() + "' is not one of: host");
    } else {
      t.threads = int(v["threads"].integer());
      t.backends = texts(v["backends"]);
      for (const auto& b : v["backends"].items())
        if (auto known = backends::known(b.text()); !known) d_.error(b.at(), known.error().message, known.error().help);
      t.requirements = assertions(v["require"], c, name + "-R");
    }
    c.targets.push_back(std::move(t));
  }
  if (c.targets.empty()) c.targets.emplace_back().name = "host";
  const Value& package = root_["package"];
  for (const auto& [name, forms] : package.entries()) {
    const std::string target = name;
    if (std::ranges::find(c.targets, target, &Target::name) == c.targets.end()) d_.error(package.key_at(target), "there is no target '" + target + "'");
    Package p;
    const bool plain = forms.kind() == Value::Kind::list;
    if (plain || forms.has("as")) p.forms = texts(plain ? forms : forms["as"]);
    if (p.forms.empty()) d_.error(forms.at(), "package." + target + " names nothing to deliver");
    if (!plain) {
      p.fold = forms["fold"].boolean();
      if (forms.has("raw")) {
        auto raw = front::Raw::parse(forms["raw"].text());
        if (!raw) d_.error(forms["raw"].at(), raw.error().message + "; " + raw.error().help);
        else if (!p.fold) d_.error(forms["raw"].at(), "package." + target + ".raw says what is folded for, and nothing is folded: fold: true");
        else p.raw = std::move(*raw);
      }
    }
    c.package[target] = std::move(p);
  }
  c.without = texts(root_["simplify"]["without"]);
  c.fold_limit = root_["simplify"]["fold_limit"].integer();
  c.choose.by = root_["choose"]["minimize"].text();
  c.choose.allow_inconclusive = root_["choose"]["allow_inconclusive"].boolean();
  if (c.choose.by != "p90(latency)" && c.choose.by != "p50(latency)" && c.choose.by != "size" && c.choose.by != "peak(ram)")
    d_.error(root_["choose"]["minimize"].at(), "'" + c.choose.by + "' is not one of p90(latency), p50(latency), size and peak(ram)");
  c.run_dir = path(root_["run"]["dir"], root_["run"]["dir"].text());
  c.seed = std::uint64_t(root_["run"]["seed"].integer());
  c.keep_going = root_["run"]["keep_going"].boolean();
  c.report_dir = path(root_["report"]["dir"], root_["report"]["dir"].text());
  if (root_["report"].has("title")) c.title = root_["report"]["title"].text();
  const Value& pictures = root_["report"]["samples"];
  c.samples = pictures.kind() == Value::Kind::boolean ? (pictures.boolean() ? 40 : 0) : int(pictures.integer());
  if (c.title.empty()) c.title = c.name;
}

/// Sections that hold only defaults where they are not written.
void add_sections(yaml::Node& root) {
  for (const char* name : {"simplify", "choose", "run", "report"}) {
    if (root.find(name)) continue;
    yaml::Entry e;
    e.key.kind = yaml::Node::Kind::scalar;
    e.key.text = name;
    e.value.kind = yaml::Node::Kind::map;
    root.entries.push_back(std::move(e));
  }
}

/// Every value that is in force, in the order of the schema's reader, and where it was written.
void list_values(const Value& v, const std::string& key, const yaml::Diagnostics& d, std::vector<Config::Said>& out) {
  if (v.kind() == Value::Kind::map) {
    for (const auto& [name, value] : v.entries()) list_values(value, key.empty() ? name : key + "." + name, d, out);
    return;
  }
  const yaml::Location at = d.locate(v.at());
  std::error_code e;
  const bool in_file = v.at().source >= 0 && fs::is_regular_file(at.file, e);
  out.push_back({key, v.node().kind == yaml::Node::Kind::scalar ? v.node().text : yaml::print(v.node()), !v.given() ? "default" : in_file ? at.file + ":" + std::to_string(at.line) : at.file});
}

/// The values of a whole tree as a Config.
std::optional<Config> config_of(yaml::Node root, const fs::path& file, yaml::Diagnostics& diagnostics) {
  const Json written = json_of(root);
  add_sections(root);
  auto value = config_schema().read(root, diagnostics);
  if (!value || !diagnostics.ok()) return {};
  Config c;
  c.file = file;
  c.folder = file.parent_path().empty() ? fs::path(".") : file.parent_path();
  Reader(*value, c.folder, diagnostics).read(c);
  c.written = written;
  list_values(*value, "", diagnostics, c.said);
  if (!diagnostics.ok()) return {};
  return c;
}

/// The tree of a file with what it extends below it.
std::optional<yaml::Node> with_bases(const fs::path& file, yaml::Diagnostics& d, std::vector<fs::path>& open) {
  fs::path whole = fs::absolute(file).lexically_normal();
  if (std::find(open.begin(), open.end(), whole) != open.end()) {
    d.error({}, "'" + file.string() + "' extends itself");
    return {};
  }
  open.push_back(whole);
  auto node = yaml::load(file.string(), d);
  if (!node) return {};
  if (const yaml::Node* bases = node->find("extends")) {
    std::optional<yaml::Node> below;
    for (const yaml::Node& b : bases->items) {
      auto base = with_bases(file.parent_path() / b.text, d, open);
      if (!base) return {};
      below = below ? yaml::merged(std::move(*below), *base) : std::move(*base);
    }
    if (below) node = yaml::merged(std::move(*below), *node);
  }
  open.pop_back();
  return node;
}
}  // namespace

std::optional<Config> validation_config(const std::string& model, const std::string& requirements, const std::string& inherited, yaml::Diagnostics& diagnostics) {
  auto file = yaml::load(fs::path(requirements).lexically_normal().string(), diagnostics);
  if (!file) return {};
  auto root = yaml::parse("saha: 1\nrun: {dir: .saha}\n", "saha validate", diagnostics);
  if (!root) return {};
  // The sections of a file that say what the data are and what the model takes; which model is judged says the command.
  auto inherit = [&](const yaml::Node& from) {
    yaml::Node sections;
    sections.kind = yaml::Node::Kind::map;
    for (yaml::Entry e : from.entries) {
      if (e.key.text != "data" && e.key.text != "model" && e.key.text != "evaluate") continue;
      if (e.key.text == "model") std::erase_if(e.value.entries, [](const yaml::Entry& x) { return x.key.text == "file"; });
      sections.entries.push_back(std::move(e));
    }
    root = yaml::merged(std::move(*root), sections);
  };
  if (!inherited.empty()) {
    std::vector<fs::path> open;
    auto below = with_bases(inherited, diagnostics, open);
    if (!below) return {};
    inherit(*below);
  }
  inherit(*file);
  auto quoted = [](const std::string& s) { std::string q = "'"; for (char c : s) { if (c == '\'') q += c; q += c; } return q + "'"; };
  yaml::set(*root, "model.file", quoted(fs::absolute(model).string()), "MODEL", diagnostics);
  yaml::set(*root, "require", "[" + quoted(fs::path(requirements).filename().string()) + "]", "--requirements", diagnostics);   // beside itself
  auto config = config_of(std::move(*root), requirements, diagnostics);
  if (!config) validate::readable_requirements(*file, diagnostics);   // where faults of its sections came first, the others are told with them
  return config;
}

std::vector<std::string> further_sets(const Config& config) {
  std::set<std::string> names;
  auto add = [&](const std::vector<validate::Requirement>& list) {
    for (const auto& r : list) names.insert(r.run_on.begin(), r.run_on.end());
  };
  add(config.requirements);
  for (const Target& t : config.targets) add(t.requirements);
  if (config.scope.reject && !config.scope.reject->threshold) names.insert(config.scope.reject->data.empty() ? validate::calibration_set(config.scope) : config.scope.reject->data);
  std::erase_if(names, [](const std::string& n) { return n == "test" || n.empty(); });
  return {names.begin(), names.end()};
}

std::optional<Config> read_config(const std::vector<std::string>& files, const std::vector<std::string>& overrides, yaml::Diagnostics& diagnostics) {
  std::optional<yaml::Node> root;
  for (const std::string& f : files) {
    std::vector<fs::path> open;
    auto node = with_bases(f, diagnostics, open);
    if (!node) return {};
    root = root ? yaml::merged(std::move(*root), *node) : std::move(*node);
  }
  if (!root) return {};
  for (const std::string& o : overrides) {
    auto eq = o.find('=');
    if (eq == std::string::npos) { diagnostics.error({}, "-s takes KEY=VALUE, '" + o + "' has no '='"); return {}; }
    yaml::set(*root, o.substr(0, eq), o.substr(eq + 1), "-s " + o, diagnostics);
  }
  return config_of(std::move(*root), files.back(), diagnostics);
}

}  // namespace saha::lifecycle
