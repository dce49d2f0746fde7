#include "lifecycle/verdicts_html.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/figures.hpp"
#include "lifecycle/html.hpp"

namespace saha::lifecycle {
namespace {
using namespace html;
namespace column = figures::column;

std::string badge(const std::string& verdict) { return "<span class=\"badge " + escape(verdict) + "\">" + escape(verdict) + "</span>"; }
std::string soft(const std::string& html) { return html.empty() ? "" : "<br><span class=\"meta\">" + html + "</span>"; }
std::string string_of(const Json& j, const char* key) { return j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : ""; }
bool has(const Json& j, const char* key) { return j.contains(key) && !j[key].is_null() && !j[key].empty(); }

/// A text whose numbers keep their units when lines break: "95 %", "5 ms".
std::string glued(const std::string& text) {
  constexpr std::size_t kLongestUnit = 3;
  static const std::set<std::string> kWords = {"of", "and", "or", "is", "in", "at", "to", "for", "on", "by", "not"};
  std::string s;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t end = i + 1;
    while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end]))) ++end;
    const bool unit = text.substr(i + 1, 1) == "%" || (end > i + 1 && end - i - 1 <= kLongestUnit && !kWords.contains(text.substr(i + 1, end - i - 1)));
    s += text[i] == ' ' && i > 0 && std::isdigit(static_cast<unsigned char>(text[i - 1])) && unit ? "&nbsp;" : escape(std::string_view(&text[i], 1));
  }
  return s;
}
/// An assertion, broken where its parts end rather than in the middle of a word.
std::string code(const std::string& assertion) {
  std::string s;
  for (char c : glued(assertion)) {
    s += c;
    if (c == '(' || c == '.') s += "<wbr>";
  }
  return "<code>" + s + "</code>";
}
/// Short names stay whole.
std::string id_of(const Json& o) {
  const std::string id = text(o["id"]);
  return id.size() <= 16 ? "<span class=\"hash\">" + id + "</span>" : id;
}

std::string table(const std::string& caption, const Json& outcomes) {
  Table t{caption, {"id", "verdict", "requirement", "evidence"}, {}, {}, {}};
  for (const Json& o : outcomes) {
    const bool judged = o.contains("verdict");
    std::string files;
    if (has(o, "witness"))
      for (const auto& f : o["witness"]["files"]) files += (files.empty() ? "" : "<br>") + text(f);
    const std::string time = judged && o.contains("seconds") ? "in " + column::duration(o["seconds"].get<double>()) : "";
    t.rows.push_back({id_of(o) + soft(escape(string_of(o, "severity"))), judged ? badge(o["verdict"]) + soft(glued(string_of(o, "level"))) : "-",
                      code(o["assert"]) + soft(glued(string_of(o, "words"))) + (string_of(o, "why").empty() ? "" : "<br><em>" + escape(string_of(o, "why")) + "</em>"),
                      judged ? glued(string_of(o, "evidence")) + soft(files) + soft(time) : "-"});
  }
  return t.str();
}

std::string pictures(const Json& w) {
  std::string all;
  for (const auto& p : w["pictures"]) {
    const std::string role = p["role"];
    std::string said = escape(role);
    if (role == "original") said += ": sample " + std::to_string(w["sample"].get<std::int64_t>()) + " of " + text(w["data"]);
    else if (!role.starts_with("difference") && !string_of(w, "change").empty()) said += ": " + text(w["change"]) + "; " + text(w["text"]);
    else if (role == "failing") said += ": " + text(w["text"]);
    all += "<figure><img alt=\"" + said + "\" src=\"data:image/png;base64," + p["png"].get<std::string>() + "\"><figcaption>" + said + "</figcaption></figure>";
  }
  return all.empty() ? "" : "<div class=\"pictures\">" + all + "</div>";
}

std::string points(const Json& w) {
  Table t{w["text"].get<std::string>(), {"point"}, {false}, {}, {}};
  for (const auto& p : w["points"]) {
    if (!has(p, "fields")) continue;
    if (t.head.size() == 1)
      for (const auto& [field, value] : p["fields"].items()) t.head.push_back(escape(field)), t.numeric.push_back(true);
    auto& row = t.rows.emplace_back();
    row.push_back(text(p["name"]));
    for (const auto& [field, value] : p["fields"].items()) row.push_back(value.is_number() ? figures::significant(value.get<double>(), 7) : "-");
  }
  return t.rows.empty() ? "" : t.str();
}

/// What shows that a requirement fails, where there is something to look at.
std::string counterexamples(const Json& outcomes) {
  std::string all;
  for (const Json& o : outcomes) {
    if (!has(o, "witness")) continue;
    const Json& w = o["witness"];
    const std::string shown = (has(w, "pictures") ? pictures(w) : "") + (has(w, "points") ? points(w) : "");
    if (!shown.empty()) all += "<h3>" + text(o["id"]) + " fails</h3>" + shown;
  }
  return all;
}

std::string proofs(const Json& outcomes) {
  Table t{"What was asked of the prover: a query a sample or choice of values", {"id", "arithmetic", "by", "queries", "proved", "violated", "open", "regions", "time"}, {false, false, false, true, true, true, true, true, true}, {}, {}};
  for (const Json& o : outcomes) {
    if (!has(o, "proof")) continue;
    const Json& p = o["proof"];
    t.rows.push_back({text(o["id"]), text(p["arithmetic"]), text(p["method"]), text(p["asked"]), text(p["proved"]), text(p["violated"]), text(p["open"]), text(p["regions"]), p.contains("seconds") ? column::duration(p["seconds"].get<double>()) : "-"});
  }
  return t.rows.empty() ? "" : "<h3>Proofs</h3>" + t.str();
}

/// A row a corruption, a column a severity: the share of tries that hold, darker where fewer do.
std::string corruptions(const Json& outcomes) {
  std::string all;
  for (const Json& o : outcomes) {
    if (!has(o, "corruptions")) continue;
    std::map<std::string, std::map<int, std::pair<double, double>>> rows;   // tries, held
    std::set<int> severities;
    for (const Json& t : o["corruptions"]) {
      const int severity = t["severity"];
      severities.insert(severity);
      for (const std::string& row : {t["corruption"].get<std::string>(), std::string()}) {   // "": all of them
        auto& [tries, held] = rows[row][severity];
        tries += t["tries"].get<double>(), held += t["held"].get<double>();
      }
    }
    std::string s = "<div class=\"scroll\"><table class=\"heat\"><caption>" + text(o["id"]) + ": tries that hold, by corruption and severity</caption><thead><tr><th scope=\"col\">corruption</th>";
    for (int severity : severities) s += "<th scope=\"col\" class=\"n\">" + std::to_string(severity) + "</th>";
    s += "</tr></thead><tbody>";
    const auto row = [&](const std::string& name, const std::map<int, std::pair<double, double>>& cells) {
      s += "<tr><th scope=\"row\">" + (name.empty() ? "all" : escape(name)) + "</th>";
      for (int severity : severities) {
        const auto cell = cells.find(severity);
        if (cell == cells.end()) { s += "<td>-</td>"; continue; }
        const auto [tries, held] = cell->second;
        s += "<td style=\"background:rgba(213,94,0," + figures::fixed(0.65 * (1 - held / tries), 2) + ")\">" + figures::fixed(100 * held / tries, 0) + " % <span class=\"meta\">of " + figures::grouped(tries) + "</span></td>";
      }
      s += "</tr>";
    };
    for (const auto& [name, cells] : rows) if (!name.empty()) row(name, cells);
    row("", rows[""]);
    all += s + "</tbody></table></div>";
  }
  return all.empty() ? "" : "<h3>Corruptions</h3>" + all;
}
}  // namespace

std::string verdicts_html(const std::string& caption, const Json& outcomes) {
  return outcomes.empty() ? "" : table(caption, outcomes) + counterexamples(outcomes) + corruptions(outcomes) + proofs(outcomes);
}

std::string weak_slices_html(const Json& weak) {
  if (!has(weak, "found")) return {};
  Table t{"Slices in which it fails more often than elsewhere, of " + text(weak["searched"]) + " searched (Fisher's exact test, Holm)", {"slice", "right", "of", "accuracy", "at most, 95 %", "p"}, {false, true, true, true, true, true}, {}, {}};
  for (const auto& x : weak["found"])
    t.rows.push_back({text(x["slice"]), text(x["right"]), text(x["samples"]), column::percent(x["rate"]), column::percent(x["upper"]), figures::significant(x["p"].get<double>(), 2)});
  return t.str();
}

std::string validation_html(const std::string& title, const Json& validation, const Json& weak, const std::string& repro) {
  std::string summary;
  const Json* must = nullptr;
  for (const auto& [severity, n] : validation["summary"].items()) {
    if (n["passed"] == 0 && n["violated"] == 0 && n["inconclusive"] == 0) continue;
    if (severity == "must") must = &n;
    summary += (summary.empty() ? "" : "<br>") + escape(severity) + ": " + text(n["passed"]) + " passed, " + text(n["violated"]) + " violated, " + text(n["inconclusive"]) + " inconclusive";
  }
  const bool violated = must && (*must)["violated"] != 0, open = must && (*must)["inconclusive"] != 0;
  const std::string decision = "<div class=\"decision" + std::string(violated || open ? " no" : "") + "\"><strong>" + (violated ? "Violated" : open ? "Not shown" : "Every must holds") + "</strong><br>" + summary + "</div>";
  Table hashes{"What the verdicts are about, by content (SHA-256)", {"what", "hash"}, {}, {}, {}};
  for (const auto& [what, hash] : validation["sha256"].items()) hashes.rows.push_back({escape(what), "<span class=\"mono\">" + text(hash) + "</span>"});
  const std::string version = escape(string_of(validation, "saha"));
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>" + escape(title) + "</title><style>" + kStyle +
         "</style></head><body>\n<header><h1>" + escape(title) + "</h1><p class=\"meta\">saha " + version + ", exit code " + text(validation["exit_code"]) + "</p></header>\n<main>" + decision +
         section("requirements", "Requirements", "Does it meet them, and by what evidence?", verdicts_html("", validation["requirements"])) +
         section("mistakes", "Weak slices", "Who is it wrong for?", weak_slices_html(weak)) +
         section("provenance", "Provenance", "Can it be judged again?", hashes.str() + "<p>repro: <code>" + escape(repro) + "</code></p>") +
         "</main>\n<footer class=\"meta\">made by saha " + version + "</footer><script>" + kScript + "</script></body></html>\n";
}

}  // namespace saha::lifecycle
