#include "validate/requirement.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/figures.hpp"
#include "yaml/units.hpp"

namespace saha::validate {
namespace {

using yaml::Required;
using yaml::Schema;
using yaml::Value;

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

Schema requirement_schema() {
  return Schema::map(
      "a requirement",
      {
          {"id", Schema::text(), "its name in tables, reports and evidence folders: letters, digits and . _ -", Required::yes},
          {"assert", Schema::text(), "what must hold, in the assertion language", Required::yes},
          {"why", Schema::text(), "where it comes from: a contract, a standard, a hazard"},
          {"severity", Schema::choice({"must", "should", "info"}), "a must that fails is exit 1; a should warns, info reports",
           Required::no, "must"},
          {"models", Schema::list(Schema::text(), 1), "the models it speaks of", Required::no, "[candidate]"},
          {"for",
           Schema::map("a 'for'",
                       {
                           {"data", Schema::text(), "the data set whose samples are x", Required::yes},
                           {"take", Schema::integer(1), "so many of them, drawn with the seed"},
                           {"where", Schema::text(), "only those for which this holds: correct, label != other"},
                       }),
           "the samples it speaks of; binds x, label and the columns"},
          {"level", Schema::text(), "prove, bound(95 %), bound(95 %, sequential) or test(5000); default by what is asserted"},
          {"arithmetic", Schema::choice({"real", "float32", "int8"}), "what a proof is about; default: what the model computes in"},
          {"accept",
           Schema::map("an 'accept'",
                       {
                           {"proved", Schema::text(), "the least share that holds, like '>= 95 %'; default: all that may not be violated"},
                           {"violated", Schema::integer(0), "the most violations", Required::no, "0"},
                       }),
           "what counts as passed over many samples"},
          {"timeout", Schema::duration(), "the most time for it", Required::no, "60 s"},
          {"seed", Schema::integer(0), "of what is drawn at random", Required::no, "0"},
          {"fallback", Schema::text(), "a lower level that is accepted, and said"},
          {"tags", Schema::list(Schema::text()), "free words to select by"},
      });
}

// Reports a syntax error at its place in the scalar.
void report(const SyntaxError& e, const yaml::Node& node, yaml::Diagnostics& diagnostics) {
  diagnostics.error(yaml::span_in(node, e.place.begin, e.place.end, diagnostics), e.message, e.hint);
}

bool id_like(std::string_view id) {
  return !id.empty() && id.size() <= 100 && id[0] != '.' && id[0] != '-' && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

void read_level(const Value& value, std::optional<Level>& level, yaml::Diagnostics& diagnostics) {
  if (!value) return;
  auto l = parse_level(value.text());
  if (l) level = *l;
  else diagnostics.error(value.at(), l.error().message, l.error().help);
}

void read_accept(const Value& value, Accept& accept, yaml::Diagnostics& diagnostics) {
  if (!value) return;
  accept.given = true;
  accept.violated = value["violated"].integer();
  const Value& proved = value["proved"];
  if (!proved) {
    if (accept.violated > 0) accept.proved = 0;
    return;
  }
  std::string_view s = trimmed(proved.text());
  bool at_least = s.starts_with(">="), above = !at_least && s.starts_with('>');
  auto share = yaml::fraction(s.substr(at_least ? 2 : above ? 1 : 0));
  if (!(at_least || above) || !share || *share < 0 || *share > 1) {
    diagnostics.error(proved.at(), "'proved' wants a least share, not '" + proved.text() + "'", "for example '>= 95 %'");
    return;
  }
  accept.more_than = above;
  accept.proved = *share;
}

void read_over(const Value& value, std::optional<Over>& over, yaml::Diagnostics& diagnostics) {
  if (!value) return;
  over.emplace();
  over->data = value["data"].text();
  over->data_node = value["data"].node();
  if (value.has("take")) over->take = value["take"].integer();
  if (!value.has("where")) return;
  over->where_node = value["where"].node();
  SyntaxError error;
  over->where = parse_predicate(value["where"].text(), error);
  if (!over->where) report(error, over->where_node, diagnostics);
}

bool read_text(const yaml::Node& scalar, Requirement& r, yaml::Diagnostics& diagnostics) {
  r.node = scalar;
  r.location = diagnostics.locate(scalar.at);
  r.text = scalar.text;
  SyntaxError error;
  auto assertion = parse_assertion(r.text, error);
  if (!assertion) {
    report(error, scalar, diagnostics);
    return false;
  }
  r.assertion = std::move(*assertion);
  return true;
}

Requirement requirement_of(const Value& v, yaml::Diagnostics& diagnostics) {
  Requirement r;
  r.id = v["id"].text();
  r.id_node = v["id"].node();
  if (!id_like(r.id))
    diagnostics.error(v["id"].at(), "'id' wants letters, digits and . _ -, at most 100, not '" + r.id.substr(0, 60) + "'");
  r.whole = read_text(v["assert"].node(), r, diagnostics);
  if (v.has("why")) r.why = v["why"].text();
  const std::string& severity = v["severity"].text();
  r.importance = severity == "must" ? Importance::must : severity == "should" ? Importance::should : Importance::info;
  r.models.clear();
  for (const Value& m : v["models"].items()) {
    r.models.push_back(m.text());
    r.model_nodes.push_back(m.node());
  }
  read_over(v["for"], r.over, diagnostics);
  read_level(v["level"], r.level, diagnostics);
  read_level(v["fallback"], r.fallback, diagnostics);
  if (v.has("arithmetic")) {
    const std::string& a = v["arithmetic"].text();
    r.arithmetic = a == "real" ? Arithmetic::real : a == "float32" ? Arithmetic::float32 : Arithmetic::int8;
  }
  read_accept(v["accept"], r.accept, diagnostics);
  r.timeout_s = v["timeout"].number();
  r.seed = static_cast<std::uint64_t>(v["seed"].integer());
  for (const Value& t : v["tags"].items()) r.tags.push_back(t.text());
  // Names stand upon 'for' and 'models', and an unknown key may have been meant to be one of them.
  static constexpr std::string_view kApart[] = {"why", "severity", "level", "arithmetic", "accept", "timeout", "seed", "fallback", "tags"};
  for (const yaml::Entry& e : v.node().entries)
    if (!v.has(e.key.text) && std::ranges::find(kApart, e.key.text) == std::end(kApart)) r.whole = false;
  if (r.over && (r.over->data.empty() || (v["for"].has("where") && !r.over->where))) r.whole = false;
  return r;
}

/// What stands beside the requirements, which they name.
std::vector<yaml::Key> sections() {
  return {
      {"models", Schema::names(Schema::one_of({Schema::text(), Schema::map("a model", {
          {"file", Schema::text(), "its file", Required::yes},
          {"sha256", Schema::text(), "what the file's content must hash to"},
      })})), "models by name, beside original, candidate, deployed and previous"},
      {"model", model_section(), "names, units and domains of inputs and outputs; inherited from saha.yaml"},
      {"data", data_section(), "data sets; inherited from saha.yaml"},
      {"units", Schema::names(Schema::text()), "own units, like kn: 0.514444 m/s"},
  };
}
bool sections_are_whole(const yaml::Node& root) {
  yaml::Diagnostics faults;
  yaml::Node others = root;
  std::erase_if(others.entries, [](const yaml::Entry& e) { return e.key.text == "requirements" || e.key.text == "saha"; });
  return Schema::map("the file", sections()).read(others, faults).has_value();
}

}  // namespace

std::string_view name(Importance i) {
  return i == Importance::must ? "must" : i == Importance::should ? "should" : "info";
}

std::string_view name(Arithmetic a) {
  switch (a) {
    case Arithmetic::model: return "model";
    case Arithmetic::real: return "real";
    case Arithmetic::float32: return "float32";
    case Arithmetic::int8: return "int8";
  }
  return "?";
}

std::string print(const Level& level) {
  switch (level.kind) {
    case Level::Kind::prove: return "prove";
    case Level::Kind::bound: return "bound " + figures::percent(level.confidence) + (level.sequential ? ", sequential" : "");
    case Level::Kind::test: return level.tries > 0 ? "test " + std::to_string(level.tries) : "test";
  }
  return "?";
}

Result<Level> parse_level(std::string_view text) {
  std::string_view s = trimmed(text);
  std::size_t open = s.find('(');
  std::string word(trimmed(s.substr(0, open)));
  auto wrong = [&](std::string help) {
    return Error{ErrorCode::invalid_file, "'" + std::string(text.substr(0, 60)) + "' is no level", std::move(help)};
  };
  static const std::vector<std::string> kWords = {"prove", "bound", "test"};
  if (std::ranges::find(kWords, word) == kWords.end()) {
    std::string help = yaml::did_you_mean(word, kWords);
    return wrong(help.empty() ? "prove, bound(95 %) or test(5000)" : help);
  }
  std::string_view inner;
  if (open != std::string_view::npos) {
    if (s.back() != ')') return wrong("the ')' is missing");
    inner = trimmed(s.substr(open + 1, s.size() - open - 2));
    if (inner.empty()) return wrong("write '" + word + "'");
  }
  if (word == "prove") return inner.empty() ? Result<Level>(Level{}) : wrong("write 'prove'");
  if (word == "bound") {
    Level l{Level::Kind::bound, 0.95, 0};
    const std::size_t comma = inner.rfind(',');
    const std::string_view last = trimmed(comma == std::string_view::npos ? inner : inner.substr(comma + 1));
    if (last == "sequential") {
      l.sequential = true;
      inner = comma == std::string_view::npos ? std::string_view() : trimmed(inner.substr(0, comma));
    }
    if (inner.empty()) return l;
    auto confidence = yaml::fraction(inner);
    if (!confidence || *confidence < 0.5 || *confidence >= 1) return wrong("a confidence from 50 % to below 100 %, like bound(95 %)");
    l.confidence = *confidence;
    return l;
  }
  Level l{Level::Kind::test, 0.95, 0};
  if (inner.empty()) return l;
  auto [end, fault] = std::from_chars(inner.data(), inner.data() + inner.size(), l.tries);
  if (fault != std::errc() || end != inner.data() + inner.size() || l.tries < 1 || l.tries > 1'000'000'000)
    return wrong("a number of tries, like test(5000)");
  return l;
}

yaml::Schema model_section() {
  Schema range = Schema::list(Schema::number(), 2);
  return Schema::map("the model section", {
      {"file", Schema::text(), "ONNX, TFLite, IR .xml or .saha"},
      {"input", Schema::names(Schema::map("an input", {
          {"shape", Schema::list(Schema::text()), "as the network has it; a name is a free dimension"},
          {"dtype", Schema::text(), "its element type"},
          {"domain", range, "[lo, hi] of the raw values, before preprocessing; requirements speak of this"},
          {"unit", Schema::text(), "of the raw values"},
          {"preprocess", Schema::any(), "steps, in order: docs/preprocess.md"},
          {"fields", Schema::names(Schema::map("a field", {
              {"index", Schema::integer(0), "its column", Required::yes},
              {"unit", Schema::text(), "of its values"},
              {"domain", range, "[lo, hi]"},
              {"whole", Schema::boolean(), "it takes whole numbers only", Required::no, "false"},
              {"values", Schema::list(Schema::number(), 1), "all that it takes: of a field that stands for categories"},
          })), "names of columns"},
      })), "inputs by name"},
      {"output", Schema::names(Schema::map("an output", {
          {"meaning", Schema::choice({"logits", "probabilities", "value", "boxes", "mask", "embedding"}), "what the numbers are"},
          {"unit", Schema::text(), "of its values"},
          {"scale", Schema::text(), "what the network gives in that unit, a linear expression of x: x*373.95+7.5"},
          {"names", Schema::list(Schema::text()), "of its components, usable in requirements"},
      })), "outputs by name"},
      {"reject", Schema::map("the rejection", {
          {"score", Schema::choice({"softmax", "entropy", "energy"}), "how strange an answer is: 1 - largest probability, their entropy, or - log sum exp of the logits", Required::yes},
          {"output", Schema::text(), "the output it is read from; default: the one that decides"},
          {"data", Schema::text(), "the data set the threshold is chosen on; default: calibration, else val"},
          {"accept", Schema::fraction(), "the share of these samples that is accepted", Required::no, "95 %"},
          {"confidence", Schema::fraction(), "with which that share holds, given these samples; default: on average"},
          {"threshold", Schema::number(), "stated instead: rejected where the score is above"},
      }), "which inputs are rejected: reject(x), rejected(test), selective_accuracy(test) in requirements"},
      {"labels", Schema::one_of({Schema::text(), Schema::list(Schema::text()), Schema::map("the labels", {
          {"file", Schema::text(), "one label a line"},
          {"names", Schema::list(Schema::text()), "index i is label i"},
          {"background", Schema::integer(0), "index of an extra class"},
      })}), "names of the classes, or a file of them"},
  });
}

yaml::Schema data_section() {
  Schema set = Schema::one_of({Schema::text(), Schema::any()});
  return Schema::map("the data section", {
      {"kind", Schema::choice({"images", "audio", "table", "arrays"}), "what the samples are; default: from the files"},
      {"train", set, "samples to train on"},
      {"test", set, "samples that only requirements see"},
      {"val", set, "samples to choose by"},
      {"calibration", set, "samples that quantisation sees; never overlaps test"},
      {"sets", Schema::names(set), "further sets by name, which requirements may speak of"},
      {"split", Schema::any(), "shares to cut one set into"},
      {"slices", Schema::list(Schema::text()), "columns to break results down by"},
      {"loader", Schema::any(), "python or command that yields the samples"},
  });
}

yaml::Schema requirements_schema() {
  std::vector<yaml::Key> keys = sections();
  keys.insert(keys.begin(), {"saha", Schema::integer(1, 1), "format version", Required::yes});
  keys.push_back({"requirements", Schema::list(requirement_schema(), 1), "what must hold", Required::yes});
  return Schema::map("the file", std::move(keys));
}

RequirementFile readable_requirements(const yaml::Node& root, yaml::Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.errors();
  const Value value = requirements_schema().readable(root, diagnostics);
  RequirementFile file;
  for (const auto& [name, m] : value["models"].entries()) {
    bool plain = m.alternative() == 0;
    file.models.push_back({name, plain ? m.text() : m["file"].text(), plain || !m.has("sha256") ? "" : m["sha256"].text(), m.at()});
    const ModelFile& f = file.models.back();
    if (f.sha256.empty()) continue;
    bool hex =
        f.sha256.size() == 64 && std::ranges::all_of(f.sha256, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (!hex)
      diagnostics.error(m["sha256"].at(), "'sha256' wants 64 hexadecimal digits in lower case, not '" + f.sha256.substr(0, 70) + "'");
  }
  file.model = value["model"];
  file.data = value["data"];
  if (const yaml::Node* units = root.find("units")) {
    for (const yaml::Entry& e : units->entries) file.units.emplace_back(e.key, e.value);
  }
  const bool sections = diagnostics.errors() == errors || sections_are_whole(root);
  Value list = value["requirements"];
  if (const yaml::Node* node = value ? nullptr : root.find("requirements")) list = Schema::list(requirement_schema(), 1).readable(*node, diagnostics);
  std::map<std::string, int> seen;
  for (const Value& r : list.items()) {
    file.requirements.push_back(requirement_of(r, diagnostics));
    Requirement& last = file.requirements.back();
    last.whole = last.whole && sections;
    auto [first, is_new] = seen.emplace(last.id, diagnostics.locate(last.id_node.at).line);
    if (!is_new) diagnostics.error(last.id_node.at, "id '" + last.id + "' stands twice, first in line " + std::to_string(first->second));
  }
  return file;
}

std::optional<RequirementFile> read_requirements(const yaml::Node& root, yaml::Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.errors();
  RequirementFile file = readable_requirements(root, diagnostics);
  if (diagnostics.errors() > errors) return {};
  return file;
}

std::optional<RequirementFile> read_requirements(std::string text, std::string file, yaml::Diagnostics& diagnostics) {
  auto root = yaml::parse(std::move(text), std::move(file), diagnostics);
  return root ? read_requirements(*root, diagnostics) : std::nullopt;
}

std::optional<Requirement> read_assertion(const yaml::Node& scalar, std::string id, yaml::Diagnostics& diagnostics) {
  if (scalar.kind != yaml::Node::Kind::scalar) {
    diagnostics.error(scalar.at, "an assertion is text");
    return {};
  }
  Requirement r;
  r.id = std::move(id);
  r.id_node = scalar;
  if (!read_text(scalar, r, diagnostics)) return {};
  return r;
}

}  // namespace saha::validate
