// report.json -> one self-contained page: no network, readable without scripts. Each part answers one question.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/figures.hpp"
#include "lifecycle/charts.hpp"
#include "lifecycle/html.hpp"
#include "lifecycle/pipeline.hpp"
#include "lifecycle/verdicts_html.hpp"

namespace saha::lifecycle {
namespace {
using namespace html;
namespace column = figures::column;

std::string get(const Json& j, const char* key) { return j.contains(key) ? text(j[key]) : "-"; }
double real(const Json& j, const char* key) { return j.contains(key) && j[key].is_number() ? j[key].get<double>() : 0; }
std::string milliseconds(double ms) { return column::duration(ms * 1e-3); }
/// Latencies as the tables beside them have them: in us where all are below a millisecond. Returns the unit.
std::string in_readable_unit(std::vector<charts::Point>& points) {
  if (std::any_of(points.begin(), points.end(), [](const charts::Point& p) { return p.x >= 1; })) return "ms";
  for (charts::Point& p : points) for (double* x : {&p.x, &p.x_low, &p.x_high}) *x *= 1e3;
  return "us";
}
std::string badge(const std::string& verdict) { return "<span class=\"badge " + escape(verdict) + "\">" + escape(verdict) + "</span>"; }

std::string decision(const Json& r) {
  std::string s;
  for (const auto& d : r["decisions"]) {
    bool no = d["chosen"].is_null();
    s += "<div class=\"decision" + std::string(no ? " no" : "") + "\"><strong>" + text(d["text"]) + "</strong><br>because: " + text(d["because"]);
    if (!d["ties"].empty()) {
      s += "<br>tied with: ";
      for (std::size_t i = 0; i < d["ties"].size(); ++i) s += (i ? ", " : "") + text(d["ties"][i]);
    }
    if (!d["others"].empty()) {
      s += "<details open><summary>why not the others</summary><ul>";
      for (const auto& o : d["others"]) s += "<li><b>" + text(o["id"]) + "</b>: " + text(o["why"]) + "</li>";
      s += "</ul></details>";
    }
    s += "</div>";
  }
  return s;
}

std::string candidates(const Json& r) {
  if (!r.contains("candidates") || r["candidates"].empty()) return {};
  std::string worth = "accuracy";   // or iou, or an own metric
  bool higher = true;
  for (const auto& c : r["candidates"])
    if (!c["quality"].is_null()) worth = c["quality"]["name"], higher = c["quality"]["better"] == "higher";
  const bool share = worth == "accuracy" || worth == "iou";
  auto worth_text = [&](const Json& v) { return share ? column::percent(v) : figures::significant(v.get<double>(), 4); };
  Table t{"All figures measured on this machine; " + worth + " with its 95 % " + (worth == "accuracy" ? "Clopper-Pearson interval" : "interval (Student's t)"),
          {"candidate", "target", "verdict", worth, "p50", "p90", "min", "load", "peak RAM", "size", "engine"}, {false, false, false, true, true, true, true, true, true, true, false}, {}, {}};
  std::map<std::string, int> series;
  std::vector<charts::Point> by_latency, by_size;
  for (const auto& c : r["candidates"]) {
    std::string quality = "-";
    if (const Json& q = c["quality"]; !q.is_null()) quality = worth_text(q["value"]) + "<br><span class=\"meta\">[" + worth_text(q["lower"]) + ", " + worth_text(q["upper"]) + "]</span>";
    bool chosen = c["chosen"];
    t.rows.push_back({text(c["id"]) + (chosen ? " &#10003;" : ""), text(c["target"]), badge(c["verdict"]), quality,
        milliseconds(c["p50_ms"]), milliseconds(c["p90_ms"]), milliseconds(c["min_ms"]), milliseconds(c["load_ms"]), column::bytes(real(c, "peak_bytes")), column::bytes(real(c, "size_bytes")), text(c["backend"]) + " " + text(c["version"]) + ", " + text(c["precision"])});
    t.row_class.push_back(chosen ? "chosen" : c["verdict"] == "passed" ? "" : "out");
    int k = series.emplace(c["backend"].get<std::string>(), int(series.size())).first->second;
    if (c["quality"].is_null()) continue;
    const auto& a = c["quality"];
    const double scale = share ? 100 : higher ? 1 : -1;   // more is better
    const double y = a["value"].get<double>() * scale, low = a["lower"].get<double>() * scale, high = a["upper"].get<double>() * scale;
    charts::Point p{c["p90_ms"], y, real(c, "p90_lower_ms"), real(c, "p90_upper_ms"), std::min(low, high), std::max(low, high), c["id"], k, c["verdict"] != "passed", chosen};
    by_latency.push_back(p);
    p.x = real(c, "size_bytes") / 1024;
    p.x_low = p.x_high = 0;
    const auto same = std::find_if(by_size.begin(), by_size.end(), [&](const charts::Point& q) { return q.x == p.x && q.y == p.y && q.hollow == p.hollow; });
    p.label = c["variant"];   // a file has one size, on whatever engine
    if (same == by_size.end()) by_size.push_back(p);
    else same->marked |= p.marked;
  }
  std::string s = t.str();
  Table own{"Own metrics on the test set", {"model", "engine", "metric", "value", "better", "bounds and slices"}, {false, false, false, true, false, false}, {}, {}};
  for (const auto& e : r["evaluations"]) {
    if (!e["result"].contains("metrics")) continue;
    for (const auto& [name, m] : e["result"]["metrics"].items())
      own.rows.push_back({text(e["variant"]), text(e["backend"]), escape(name), m["unit"] == "%" ? column::percent(m["value"]) : text(m["value"]) + " " + text(m["unit"]), text(m["better"]), m["per_sample"].get<bool>() ? "yes, one value a sample" : "no, one number for the set"});
  }
  if (!own.rows.empty()) s += own.str();
  const std::string unit = in_readable_unit(by_latency);
  if (!by_latency.empty()) {
    const std::string title = worth == "iou" ? "IoU" : worth == "accuracy" ? "Accuracy" : escape(worth), axis = share ? worth + ", %" : higher ? worth : "-" + worth;
    s += "<div class=\"two\"><div><h3>" + title + " and latency</h3>" + charts::scatter(title + " over p90 latency, 95 % intervals; the front is dashed, what is excluded hollow", "p90 latency, " + unit, axis, by_latency, true) + "</div><div><h3>" + title + " and size</h3>" +
         charts::scatter(title + " over size of the model file", "size, KiB", axis, by_size, true) + "</div></div>";
  }
  return s;
}

std::string requirements(const Json& r) {
  if (!r.contains("requirements") || r["requirements"].empty()) return {};
  const Json* shown = nullptr;
  if (r.contains("candidates"))
    for (const auto& c : r["candidates"]) if (!shown || c["chosen"].get<bool>()) shown = &c;
  Json all = Json::array();
  for (const auto& q : r["requirements"]) {
    all.push_back(q);
    if (shown) for (const auto& o : (*shown)["requirements"]) if (o["id"] == q["id"]) all.back().update(o);
  }
  return verdicts_html(shown ? "Verdicts for " + (*shown)["id"].get<std::string>() : "Not judged", all);
}

std::string engines(const Json& r) {
  std::string s;
  for (const auto& m : r["measurements"]) {
    std::vector<charts::Point> points;
    Table t{m["variant"].get<std::string>() + " on " + m["target"].get<std::string>() + ", " + figures::counted(m["threads"].get<std::int64_t>(), "thread") + "; all models of the target in one run, burst by burst; measured",
        {"engine", "p50", "p90", "p99", "min", "ratio", "load", "peak RAM", "max |diff|"}, {false, true, true, true, true, true, true, true, true}, {}, {}};
    int k = 0;
    for (const auto& e : m["result"]["rows"]) {
      t.rows.push_back({text(e["backend"]) + " " + text(e["version"]), milliseconds(e["p50_ms"]), milliseconds(e["p90_ms"]), milliseconds(e["p99_ms"]), milliseconds(e["min_ms"]),
          figures::fixed(e["ratio"].get<double>(), 2), milliseconds(e["load_ms"]), column::bytes(real(e, "peak_bytes")), e["max_difference"].is_null() ? "-" : text(e["max_difference"])});
      points.push_back({e["p50_ms"], double(-k), e["min_ms"], e["p99_ms"], 0, 0, e["backend"], k, false, false});
      points.back().y_low = points.back().y_high = double(-k);
      ++k;
    }
    const std::string unit = in_readable_unit(points);
    s += charts::scatter("Latency: dot p50, line from min to p99", unit, "", points, false) + t.str();
    for (const auto& x : m["result"]["missing"]) s += "<p class=\"meta\">" + text(x["backend"]) + ": " + text(x["reason"]) + (x["help"] == "" ? "" : "; " + text(x["help"])) + "</p>";
  }
  return s;
}

std::string layers(const Json& r) {
  if (!r.contains("layers") || r["layers"].empty()) return {};
  double total = 0;
  for (const auto& l : r["layers"]) total += l["ms"].get<double>();
  std::vector<charts::Bar> bars;
  Table t{"The native engine, layer by layer; time measured, limit modelled from the machine's measured peak", {"layer", "operator", "output", "kernel", "time", "%", "MMAC", "GMAC/s", "limit", "% of limit"}, {false, false, false, false, true, true, true, true, false, true}, {}, {}};
  for (const auto& l : r["layers"]) {
    double ms = l["ms"];
    const std::string share = figures::fixed(total > 0 ? 100 * ms / total : 0, 1);
    t.rows.push_back({text(l["name"]), text(l["op"]), text(l["output"]), text(l["kernel"]), "<span data-v=\"" + std::to_string(ms) + "\">" + milliseconds(ms) + "</span>", share, figures::fixed(real(l, "macs") / 1e6, 3), figures::fixed(real(l, "gmacs"), 1), text(l["limit"]), figures::fixed(real(l, "percent"), 0)});
    if (bars.size() < 40) bars.push_back({l["name"].get<std::string>() + " " + l["op"].get<std::string>(), share + " %", ms * 1e3, l["limit"] == "memory" ? 1 : 0});
  }
  return charts::bars("Time of each layer; blue limited by arithmetic, orange by memory", "us", bars) + details("the figures", t.str());
}

std::string simplified(const Json& r) {
  if (!r.contains("simplify")) return {};
  const Json& s = r["simplify"];
  std::set<std::string> ops;
  for (auto& [k, v] : s["before"].items()) ops.insert(k);
  for (auto& [k, v] : s["after"].items()) ops.insert(k);
  Table t{"Nodes by operator, sub-graphs included", {"operator", "before", "after"}, {false, true, true}, {}, {}};
  for (const auto& op : ops) t.rows.push_back({escape(op), s["before"].contains(op) ? text(s["before"][op]) : "0", s["after"].contains(op) ? text(s["after"][op]) : "0"});
  t.rows.push_back({"total", text(s["nodes_before"]), text(s["nodes_after"])});
  std::string note = "<p>" + column::bytes(real(s, "bytes_before")) + " &rarr; " + column::bytes(real(s, "bytes_after")) + "; compared with the original on " + text(s["compared_on"]) + " random inputs: largest difference " + text(s["max_difference"]) + ".</p>";
  std::string g;
  if (r.contains("graph")) g = "<div class=\"two\"><div><h3>Before</h3>" + charts::graph("The graph as trained", r["graph"]["before"]) + "</div><div><h3>After</h3>" + charts::graph("The simplified graph", r["graph"]["after"]) + "</div></div>";
  return t.str() + note + g;
}

std::string compressed(const Json& r) {
  if (!r.contains("compress")) return {};
  std::string s;
  for (const auto& [name, q] : r["compress"].items()) {
    const std::string db = q["judge"].is_null() ? "not compared" : q["sqnr_db"].is_null() ? "exact" : figures::fixed(q["sqnr_db"], 1) + " dB";
    s += "<h3>" + escape(name) + ": " + column::bytes(real(q, "bytes_before")) + " &rarr; " + column::bytes(real(q, "bytes_after")) + ", outputs " + db + (q["floor"] == "" ? "" : ", " + text(q["floor"])) + "</h3><p>" +
         (q.contains("calibrate") ? "Ranges by " + text(q["calibrate"]) + " on " + text(q["samples"]) + " samples of " + text(q["set"]) + (text(q["chosen"]).empty() ? "" : "; " + text(q["chosen"])) : std::string("Nothing is calibrated")) +
         (q["judge"].is_null() ? "" : "; errors against float32, computed here on samples of " + text(q["judge"])) + ".</p>";
    if (q["layers"].empty()) continue;
    std::vector<const Json*> layers;
    for (const Json& l : q["layers"]) layers.push_back(&l);
    std::stable_sort(layers.begin(), layers.end(), [](const Json* a, const Json* b) { return (*a)["sqnr_db"].is_number() && (!(*b)["sqnr_db"].is_number() || (*a)["sqnr_db"].get<double>() < (*b)["sqnr_db"].get<double>()); });
    Table t{"Layers, the worst first", {"layer", "operator", "stored as", "SQNR, dB", "range used", "why"}, {false, false, false, true, true, false}, {}, {}};
    std::vector<charts::Bar> bars;
    for (const Json* l : layers) {
      t.rows.push_back({text((*l)["name"]), text((*l)["operator"]), text((*l)["width"]), (*l)["sqnr_db"].is_null() ? "-" : figures::fixed((*l)["sqnr_db"], 1), (*l)["range_used"].is_null() ? "-" : column::percent((*l)["range_used"]), text((*l)["reason"])});
      if ((*l)["sqnr_db"].is_number() && bars.size() < 40) bars.push_back({(*l)["name"], (*l)["width"], (*l)["sqnr_db"], 0});
    }
    if (!bars.empty()) s += charts::bars("SQNR of each layer's result in " + name, "dB", bars);
    s += details(figures::counted(std::int64_t(layers.size()), "layer"), t.str());
  }
  return s;
}

std::string data_page(const Json& r) {
  if (!r.contains("data") || r["data"].size() <= 1) return {};
  std::string s;
  for (auto& [name, d] : r["data"].items()) {
    if (name == "leaks") continue;
    s += "<h3>" + escape(name) + ": " + text(d["samples"]) + " samples, " + text(d["duplicates"]) + " duplicates, " + text(d["unreadable"]) + " unreadable</h3>";
    std::vector<charts::Bar> bars;
    for (const auto& c : d["per_class"]) if (bars.size() < 60) bars.push_back({c[0].get<std::string>().empty() ? "no label" : c[0].get<std::string>(), "", c[1].get<double>(), 0});
    if (bars.size() > 1) s += charts::bars("Samples per class of " + name, "", bars);
    Table t{"Ranges", {"column or channel", "min", "max", "mean", "std", "values", "missing"}, {false, true, true, true, true, true, true}, {}, {}};
    for (const auto& x : d["ranges"]) if (t.rows.size() < 200) t.rows.push_back({text(x["name"]), text(x["min"]), text(x["max"]), text(x["mean"]), text(x["std"]), text(x["count"]), text(x["missing"])});
    s += details("ranges, shapes, duplicates", t.str() + "<p class=\"mono\">" + escape(d["shapes"].dump()) + "</p>" + (d["duplicate_list"].empty() ? "" : "<p class=\"mono\">" + escape(d["duplicate_list"].dump()) + "</p>"));
  }
  if (r.contains("shift") && !r["shift"].is_null()) {
    const Json& shift = r["shift"];
    Table t{"How test differs from train, the furthest columns first", {"column", "distance", "p (Benjamini-Hochberg)", "PSI", "moved by (Wasserstein)"}, {false, true, true, true, true}, {}, {}};
    auto number = [](const Json& v) { return v.is_number() ? figures::significant(v.get<double>(), 3) : std::string("-"); };
    for (const auto& c : shift["columns"]) t.rows.push_back({text(c["name"]), column::percent(c["distance"]), number(c["p"]), number(c["psi"]), number(c["wasserstein"])});
    if (!t.rows.empty()) s += t.str();
    if (!shift["told_apart"].is_null()) s += "<p>A linear classifier tells test from train in " + text(shift["told_apart"]["right"]) + " of " + text(shift["told_apart"]["of"]) + " samples (p " + number(shift["told_apart"]["p"]) + "; half is chance). "
           + text(shift["look_alike"]) + " samples of test look like one of train.</p>";
  }
  for (auto& [held, l] : r["data"]["leaks"].items()) s += "<p>" + escape(held) + " against " + text(l["against"]) + ": " + text(l["count"]) + " samples in both, by content.</p>";
  return s;
}

std::string mistakes(const Json& r) {
  if (!r.contains("mistakes")) return {};
  const Json& m = r["mistakes"];
  std::string s;
  if (m["confusion"].is_array()) {
    double most = 1;
    const Json& c = m["confusion"];
    for (std::size_t i = 0; i < c.size(); ++i) for (std::size_t k = 0; k < c.size(); ++k) if (i != k) most = std::max(most, c[i][k].get<double>());
    auto name = [&](std::size_t i) { return i < m["classes"].size() ? text(m["classes"][i]) : std::to_string(i); };
    s += "<div class=\"scroll\"><table class=\"heat\"><caption>Confusion of " + text(m["of"]) + ": rows are the truth, columns what the model said</caption><thead><tr><th></th>";
    for (std::size_t k = 0; k < c.size(); ++k) s += "<th scope=\"col\" class=\"n\">" + name(k) + "</th>";
    s += "</tr></thead><tbody>";
    for (std::size_t i = 0; i < c.size(); ++i) {
      s += "<tr><th scope=\"row\">" + name(i) + "</th>";
      for (std::size_t k = 0; k < c.size(); ++k) {
        double v = c[i][k];
        s += "<td style=\"background:rgba(213,94,0," + figures::fixed(i == k ? 0.0 : 0.65 * v / most, 2) + ")\">" + (v > 0 ? figures::grouped(v) : std::string("&middot;")) + "</td>";
      }
      s += "</tr>";
    }
    s += "</tbody></table></div>";
  }
  if (m.contains("weak_slices")) s += weak_slices_html(m["weak_slices"]);
  for (auto& [column, rows] : m["slices"].items()) {
    Table t{"Accuracy by " + column + ", 95 % intervals", {escape(column), "right", "of", "accuracy", "interval"}, {false, true, true, true, false}, {}, {}};
    for (const auto& x : rows) t.rows.push_back({text(x["value"]), text(x["correct"]), text(x["samples"]), column::percent(real(x, "correct") / std::max(1.0, real(x, "samples"))), "[" + column::percent(x["lower"]) + ", " + column::percent(x["upper"]) + "]"});
    s += t.str();
  }
  if (!m["worst"].empty()) {
    std::string pictures, list;
    for (const auto& w : m["worst"]) {
      std::string said = "is " + text(w["label"]) + ", said " + text(w["predicted"]) + (w["confidence"].is_null() ? "" : " at " + column::percent(w["confidence"]));
      if (w.contains("png") && w["png"].is_string()) pictures += "<figure><img alt=\"" + text(w["sample"]) + ": " + said + "\" src=\"data:image/png;base64," + w["png"].get<std::string>() + "\"><figcaption>" + said + "<br>" + text(w["sample"]) + "</figcaption></figure>";
      else list += "<li>" + text(w["sample"]) + ": " + said + "</li>";
    }
    s += "<h3>" + text(m["wrong"]) + " wrong; the " + (m["worst"].size() < m["wrong"].get<std::size_t>() ? std::to_string(m["worst"].size()) + " surest of them" : "surest first") + "</h3>" + (pictures.empty() ? "" : "<div class=\"pictures\">" + pictures + "</div>") + (list.empty() ? "" : "<ul>" + list + "</ul>");
  }
  return s;
}

std::string training(const Json& r) {
  if (!r.contains("training") || !r["training"].contains("curve")) return {};
  std::map<std::string, charts::Curve> by;
  for (const auto& row : r["training"]["curve"])
    for (auto& [k, v] : row.items()) if (v.is_number() && k != "epoch" && k != "step") { by[k].label = k; by[k].y.push_back(v.get<double>()); }
  std::string s;
  for (auto& [k, c] : by) s += charts::curves(k, "row printed by the training command", {c});
  std::string log;
  for (const auto& l : r["training"]["log"]) log += escape(l.get<std::string>()) + "\n";
  return "<p class=\"mono\">" + get(r["training"], "command") + "</p><div class=\"two\">" + s + "</div>" + (log.empty() ? "" : details("log", "<pre>" + log + "</pre>"));
}

std::string provenance(const Json& r) {
  Table stages{"Stages in order; equal key, equal result", {"stage", "status", "seconds", "result", "key"}, {false, false, true, false, false}, {}, {}};
  for (const auto& x : r["stages"]) stages.rows.push_back({text(x["name"]), "<span class=\"" + text(x["status"]) + "\">" + text(x["status"]) + "</span>", figures::significant(x["seconds"].get<double>(), 2), text(x["note"]), x.contains("key") ? "<span class=\"mono hash\">" + short_hash(x["key"]) + "</span>" : ""});
  Table sources{"What it was made from (SHA-256)", {"what", "file", "hash"}, {}, {}, {}};
  for (const auto& x : r["provenance"]["sources"]) sources.rows.push_back({text(x["what"]), text(x["file"]), "<span class=\"mono\">" + text(x["sha256"]) + "</span>"});
  std::string isa;
  for (const auto& i : r["machine"]["isa"]) isa += (isa.empty() ? "" : " ") + text(i);
  return stages.str() + sources.str() + "<p>Machine: " + text(r["machine"]["cpu"]) + ", " + text(r["machine"]["cores"]) + " cores, " + column::bytes(real(r["machine"], "memory_bytes")) + "; " + isa + "</p><p>repro: <code>" + text(r["provenance"]["repro"]) + "</code></p>";
}
}  // namespace

std::string report_html(const Json& r) {
  std::int64_t passed = 0, violated = 0, open = 0;
  if (r.contains("candidates"))
    for (const auto& c : r["candidates"]) {
      if (!c["chosen"].get<bool>()) continue;
      for (const auto& o : c["requirements"]) (o["verdict"] == "passed" ? passed : o["verdict"] == "violated" ? violated : open)++;
    }
  struct Part { const char *id, *title, *question; std::string content; };
  std::vector<Part> parts = {
      {"decision", "Decision", "What ships, and why not the others?", decision(r)},
      {"candidates", "Candidates", "What does a millisecond or a KiB cost in accuracy?", candidates(r)},
      {"requirements", "Requirements", "Does it meet them, and by what evidence?", requirements(r)},
      {"engines", "Engines", "Which engine is fastest, and how sure is that?", engines(r)},
      {"layers", "Layers", "Where does the time go?", layers(r)},
      {"compression", "Compression", "What do fewer bits cost, and where?", compressed(r)},
      {"graph", "Graph", "What did simplification change?", simplified(r)},
      {"mistakes", "Mistakes", "Who is it wrong for?", mistakes(r)},
      {"data", "Data", "What was it trained and judged on?", data_page(r)},
      {"training", "Training", "Was it trained long enough?", training(r)},
      {"provenance", "Provenance", "Can it be made again?", provenance(r)},
  };
  std::string s = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>" +
      text(r["title"]) + ": report of run " + text(r["run"]) + "</title><style>" + kStyle + "</style></head><body>\n<header><h1>" + text(r["title"]) + "</h1><p class=\"meta\">run " +
      text(r["run"]) + ", " + text(r["date"]) + ", seed " + text(r["seed"]) + ", saha " + text(r["saha"]) + ", " + text(r["machine"]["cpu"]) + (r["quick"].get<bool>() ? ", quick" : "") + "; " +
      std::to_string(passed) + " passed, " + std::to_string(violated) + " violated, " + std::to_string(open) + " inconclusive; all numbers also in <a href=\"report.json\">report.json</a></p><nav aria-label=\"parts\">";
  for (const Part& p : parts) if (!p.content.empty()) s += "<a href=\"#" + std::string(p.id) + "\">" + p.title + "</a>";
  s += "</nav></header>\n<main>";
  for (const Part& p : parts) s += section(p.id, p.title, p.question, p.content);
  return s + "</main>\n<footer class=\"meta\">" + text(r["name"]) + ", run " + text(r["run"]) + "; made by saha " + text(r["saha"]) + "</footer><script>" + kScript + "</script></body></html>\n";
}

}  // namespace saha::lifecycle
