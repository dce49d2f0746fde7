#include "validate/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"

namespace saha::validate {
namespace {

using nlohmann::ordered_json;

std::size_t characters(std::string_view s) {
  return static_cast<std::size_t>(std::ranges::count_if(s, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(std::string s, std::size_t width) {
  std::size_t n = characters(s);
  return n < width ? s + std::string(width - n, ' ') : s;
}

std::string time_text(double seconds) {
  return (seconds < 0.01 ? "0" : seconds < 10 ? figures::significant(seconds, 2) : figures::fixed(seconds, 0)) + " s";
}

// Lines of at most `width` characters, broken at spaces.
std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines = {""};
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && characters(lines.back()) + 1 + characters(word) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    at = end + 1;
  }
  return lines;
}

std::string shown_verdict(Verdict v) { return v == Verdict::violated ? "VIOLATED" : std::string(name(v)); }

struct Counts {
  std::size_t passed = 0, violated = 0, inconclusive = 0;
  std::size_t all() const { return passed + violated + inconclusive; }
};

Counts counts(std::span<const Outcome> outcomes, Importance importance) {
  Counts c;
  for (const Outcome& o : outcomes) {
    if (o.importance == importance)
      ++(o.verdict == Verdict::passed ? c.passed : o.verdict == Verdict::violated ? c.violated : c.inconclusive);
  }
  return c;
}

std::string xml(std::string_view s) {
  std::string out;
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (u < 0x20 && c != '\n' && c != '\t') out += '?';  // XML 1.0 knows no other control characters
    else out += c;
  }
  return out;
}

ordered_json witness(const Witness& w) {
  constexpr std::size_t kMostValues = 64;   // larger points stand in their files
  ordered_json points = ordered_json::array();
  for (const Witness::Point& p : w.points) {
    ordered_json fields = ordered_json::object();
    for (const auto& [field, value] : p.fields) fields[field] = value;
    points.push_back({{"name", p.name}, {"fields", fields}, {"values", p.values.size() <= kMostValues ? ordered_json(p.values) : ordered_json()}});
  }
  ordered_json j = {{"model", w.model}, {"data", w.data}, {"sample", w.sample}, {"text", w.text}, {"points", points}, {"files", w.files}};
  if (!w.change.empty()) j["change"] = w.change, j["found"] = w.found;
  return j;
}

ordered_json proof(const Proof& p) {
  return {{"arithmetic", p.arithmetic}, {"method", p.method}, {"asked", p.asked}, {"proved", p.proved}, {"violated", p.violated}, {"open", p.open}, {"regions", p.regions}, {"seconds", p.seconds}};
}

std::string dumped(const ordered_json& j) { return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string table(std::span<const Outcome> outcomes, const Subject& subject, const TableLook& look) {
  std::size_t id = 2, verdict = 7, level = 5, evidence = 8, time = 5;
  for (const Outcome& o : outcomes) {
    id = std::max(id, characters(o.id));
    verdict = std::max(verdict, shown_verdict(o.verdict).size());
    level = std::max(level, characters(o.level));
    evidence = std::max(evidence, characters(o.evidence));
    time = std::max(time, time_text(o.seconds).size());
  }
  const std::size_t before = id + verdict + level + 6, after = 2 + time;
  if (look.width > 0)
    evidence = std::min(evidence, std::max<std::size_t>(30, look.width > before + after ? look.width - before - after : 0));
  auto row = [&](const std::string& a, const std::string& b, const std::string& c, const std::string& d, const std::string& e,
                 std::string_view paint) {
    std::string word = padded(b, verdict);
    if (look.color && !paint.empty()) word = std::string(paint) + word + "\x1b[0m";
    return padded(a, id) + "  " + word + "  " + padded(c, level) + "  " + padded(d, evidence) + "  " +
           std::string(time - std::min(time, e.size()), ' ') + e + "\n";
  };
  std::string out = row("id", "verdict", "level", "evidence", "time", "");
  for (const Outcome& o : outcomes) {
    auto lines = wrapped(o.evidence, evidence);
    std::string_view paint = o.verdict == Verdict::passed ? "\x1b[32m" : o.verdict == Verdict::violated ? "\x1b[31m" : "\x1b[33m";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string line =
          i == 0 ? row(o.id, shown_verdict(o.verdict), o.level, lines[i], time_text(o.seconds), paint) : row("", "", "", lines[i], "", "");
      while (line.size() >= 2 && line[line.size() - 2] == ' ') line.erase(line.size() - 2, 1);
      out += line;
    }
  }
  std::vector<std::string> ends;
  for (Importance i : {Importance::must, Importance::should, Importance::info}) {
    Counts c = counts(outcomes, i);
    if (c.all() == 0) continue;
    ends.push_back(std::string(name(i)) + ": " + std::to_string(c.passed) + " passed, " + std::to_string(c.violated) + " violated, " +
                   std::to_string(c.inconclusive) + " inconclusive");
  }
  if (ends.empty()) ends.emplace_back("no requirement");
  auto shown = std::ranges::find_if(outcomes, [](const Outcome& o) { return o.witness && !o.witness->files.empty(); });
  if (shown == outcomes.end()) shown = std::ranges::find_if(outcomes, [](const Outcome& o) { return o.witness.has_value(); });
  if (shown != outcomes.end() && !subject.evidence_folder.empty())
    ends.push_back("witness: " + subject.evidence_folder + "/" + shown->id + "/");
  constexpr std::size_t kApart = 7;
  std::size_t used = 0;
  for (const std::string& end : ends) {
    const bool fits = look.width == 0 || used + kApart + characters(end) <= look.width;
    if (used > 0) out += fits ? std::string(kApart, ' ') : "\n";
    used = (used > 0 && fits ? used + kApart : 0) + characters(end);
    out += end;
  }
  return out + "\n";
}

std::string json(std::span<const Outcome> outcomes, const Subject& subject) {
  ordered_json list = ordered_json::array();
  for (const Outcome& o : outcomes) {
    ordered_json figures = ordered_json::array();
    for (const Figure& f : o.figures)
      figures.push_back(
          {{"name", f.name}, {"value", std::isfinite(f.value) ? ordered_json(f.value) : ordered_json()}, {"unit", f.unit}, {"how", f.how}});
    ordered_json j = {{"id", o.id},
                      {"verdict", name(o.verdict)},
                      {"severity", name(o.importance)},
                      {"level", o.level},
                      {"evidence", o.evidence},
                      {"by_fallback", o.by_fallback},
                      {"assert", o.text},
                      {"why", o.why},
                      {"models", o.models},
                      {"tags", o.tags},
                      {"figures", std::move(figures)},
                      {"seconds", o.seconds}};
    j["witness"] = nullptr;
    if (o.witness) j["witness"] = witness(*o.witness);
    j["proof"] = nullptr;
    if (o.proof) j["proof"] = proof(*o.proof);
    j["corruptions"] = ordered_json::array();
    for (const Tally& t : o.corruptions) j["corruptions"].push_back({{"corruption", t.corruption}, {"severity", t.severity}, {"tries", t.tries}, {"held", t.held}});
    j["file"] = o.location.line > 0 ? ordered_json(o.location.file) : ordered_json();
    j["line"] = o.location.line > 0 ? ordered_json(o.location.line) : ordered_json();
    j["column"] = o.location.line > 0 ? ordered_json(o.location.column) : ordered_json();
    list.push_back(std::move(j));
  }
  ordered_json summary, hashes = ordered_json::object();
  for (Importance i : {Importance::must, Importance::should, Importance::info}) {
    Counts c = counts(outcomes, i);
    summary[std::string(name(i))] = {{"passed", c.passed}, {"violated", c.violated}, {"inconclusive", c.inconclusive}};
  }
  for (const auto& [what, hash] : subject.sha256) hashes[what] = hash;
  return dumped({{"schema", "saha.validate/1"},
                 {"saha", subject.version},
                 {"file", subject.requirements_file},
                 {"exit_code", exit_code(outcomes, subject.strict)},
                 {"summary", summary},
                 {"sha256", hashes},
                 {"requirements", std::move(list)}});
}

std::string junit(std::span<const Outcome> outcomes, const Subject& subject) {
  // A must that fails is a failure, an inconclusive one an error; should and info never turn a pipeline red.
  std::size_t failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
  std::string cases;
  for (const Outcome& o : outcomes) {
    seconds += o.seconds;
    cases += "    <testcase classname=\"" + xml(subject.requirements_file) + "\" name=\"" + xml(o.id) + "\" time=\"" + figures::fixed(o.seconds, 3) + "\"";
    if (o.location.line > 0) cases += " file=\"" + xml(o.location.file) + "\" line=\"" + std::to_string(o.location.line) + "\"";
    cases += ">\n";
    std::string message = "message=\"" + xml(o.evidence) + "\"", body = xml(o.text) + (o.why.empty() ? "" : "\n" + xml(o.why));
    bool must = o.importance == Importance::must || subject.strict;
    if (o.verdict == Verdict::violated && must) {
      ++failures;
      cases += "      <failure type=\"violated\" " + message + ">" + body + "</failure>\n";
    } else if (o.verdict == Verdict::inconclusive && must) {
      ++errors;
      cases += "      <error type=\"inconclusive\" " + message + ">" + body + "</error>\n";
    } else if (o.verdict != Verdict::passed) {
      ++skipped;
      cases += "      <skipped message=\"" + std::string(name(o.importance)) + ", " + std::string(name(o.verdict)) + ": " +
               xml(o.evidence) + "\"/>\n";
    } else {
      cases += "      <system-out>" + xml(o.evidence) + "</system-out>\n";
    }
    cases += "    </testcase>\n";
  }
  std::string totals = "tests=\"" + std::to_string(outcomes.size()) + "\" failures=\"" + std::to_string(failures) + "\" errors=\"" +
                       std::to_string(errors) + "\" skipped=\"" + std::to_string(skipped) + "\" time=\"" + figures::fixed(seconds, 3) + "\"";
  std::string properties;   // what the verdicts are about, by content
  for (const auto& [what, hash] : subject.sha256) properties += "      <property name=\"sha256 " + xml(what) + "\" value=\"" + xml(hash) + "\"/>\n";
  if (!subject.version.empty()) properties += "      <property name=\"saha\" value=\"" + xml(subject.version) + "\"/>\n";
  if (!properties.empty()) properties = "    <properties>\n" + properties + "    </properties>\n";
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites " + totals + ">\n  <testsuite name=\"" + xml(subject.requirements_file) +
         "\" " + totals + ">\n" + properties + cases + "  </testsuite>\n</testsuites>\n";
}

std::string sarif(std::span<const Outcome> outcomes, const Subject& subject) {
  ordered_json rules = ordered_json::array(), results = ordered_json::array();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Outcome& o = outcomes[i];
    std::string level = o.importance == Importance::must ? "error" : o.importance == Importance::should ? "warning" : "note";
    ordered_json rule = {{"id", o.id}, {"shortDescription", {{"text", o.text}}}, {"defaultConfiguration", {{"level", level}}}};
    if (!o.why.empty()) rule["fullDescription"] = {{"text", o.why}};
    rules.push_back(std::move(rule));
    std::string kind = o.verdict == Verdict::passed ? "pass" : o.verdict == Verdict::violated ? "fail" : "open";
    ordered_json result = {{"ruleId", o.id}, {"ruleIndex", i}, {"kind", kind}, {"level", o.verdict == Verdict::violated ? level : "none"},
                           {"message", {{"text", std::string(name(o.verdict)) + " (" + o.level + "): " + o.evidence}}}};
    if (o.location.line > 0) {
      result["locations"] = {{{"physicalLocation",
                               {{"artifactLocation", {{"uri", o.location.file}}},
                                {"region", {{"startLine", o.location.line}, {"startColumn", o.location.column}}}}}}};
    }
    if (o.proof) result["properties"]["proof"] = proof(*o.proof);
    if (o.witness) {
      result["properties"]["witness"] = witness(*o.witness);
      for (const std::string& f : o.witness->files) result["attachments"].push_back({{"artifactLocation", {{"uri", f}}}});
    }
    results.push_back(std::move(result));
  }
  ordered_json artifacts = ordered_json::array();   // what the verdicts are about, by content
  for (const auto& [what, hash] : subject.sha256) artifacts.push_back({{"description", {{"text", what}}}, {"hashes", {{"sha-256", hash}}}});
  ordered_json driver = {{"name", "saha"}, {"version", subject.version}, {"rules", std::move(rules)}};
  ordered_json run = {{"tool", {{"driver", std::move(driver)}}}, {"artifacts", std::move(artifacts)}, {"columnKind", "unicodeCodePoints"}, {"results", std::move(results)}};
  return dumped({{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", {std::move(run)}}});
}

}  // namespace saha::validate
