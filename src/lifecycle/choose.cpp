#include "lifecycle/choose.hpp"

#include <algorithm>
#include <cmath>

#include "base/figures.hpp"
#include "lifecycle/witness.hpp"
#include "measure/paired.hpp"
#include "validate/statistics.hpp"

namespace saha::lifecycle {
namespace {
constexpr double kConfidence = 0.95;

/// Simplest first: fewer foreign parts, then the graph with fewer nodes.
int complexity(const Candidate& c) { return (c.backend == "native" ? 0 : 10) + (c.precision == "float32" ? 0 : 5) + (c.variant == "original" ? 1 : 0); }

/// The figure that is minimised.
double figure(const Candidate& c, const std::string& by) {
  if (by == "size") return double(c.size_bytes);
  if (by == "peak(ram)") return double(c.peak_bytes);
  return by == "p50(latency)" ? c.p50_ms : c.p90_ms;
}
/// How much larger it is than the best one's. Sizes are exact, a process's peak memory is the same to 2 %.
measure::Ratio over(const Candidate& c, const Candidate& best, const std::string& by) {
  const double ratio = figure(c, by) / std::max(figure(best, by), 1e-9);
  if (by == "size") return {ratio, ratio, ratio};
  if (by == "peak(ram)") return {ratio, 0.96 * ratio, 1.04 * ratio};
  auto paired = measure::paired_ratio({c.ms, c.bursts}, {best.ms, best.bursts}, by == "p50(latency)" ? 0.5 : 0.9, kConfidence, 0);
  return paired ? *paired : measure::Ratio{ratio, 0, ratio};   // too few bursts to tell them apart
}
std::string text(double v, const std::string& by) { return by == "size" || by == "peak(ram)" ? figures::bytes(v) : figures::duration(v * 1e-3); }
/// ", 1.25 [1.21, 1.30] times that of float32/native"
std::string times(const measure::Ratio& r, const std::string& whose) {
  const std::string interval = r.lower < r.upper ? " [" + figures::significant(r.lower, 3) + ", " + figures::significant(r.upper, 3) + "]" : "";
  return ", " + figures::significant(r.value, 3) + interval + " times that of " + whose;
}
}  // namespace

Json Candidate::json() const {
  Json j{{"id", id()}, {"variant", variant}, {"backend", backend}, {"version", version}, {"precision", precision}, {"target", target}, {"p50_ms", p50_ms}, {"p90_ms", p90_ms}, {"min_ms", min_ms},
         {"load_ms", load_ms}, {"peak_bytes", peak_bytes}, {"size_bytes", size_bytes}, {"wrong", wrong}, {"chosen", chosen}, {"how", "measured"}};
  if (samples) {
    auto i = validate::proportion_interval(correct, samples, 0.95);
    j["accuracy"] = {{"correct", correct}, {"samples", samples}, {"value", double(correct) / double(samples)}, {"lower", i.lower}, {"upper", i.upper}};
  } else j["accuracy"] = nullptr;
  j["quality"] = quality ? Json{{"name", quality->name}, {"value", quality->value}, {"lower", quality->lower}, {"upper", quality->upper}, {"better", quality->higher ? "higher" : "lower"}} : Json();
  std::vector<double> sorted = ms;
  std::sort(sorted.begin(), sorted.end());
  j["p90_lower_ms"] = validate::quantile_lower(sorted, 0.9, 0.95).value_or(0);
  j["p90_upper_ms"] = sorted.empty() ? 0 : validate::quantile_upper(sorted, 0.9, 0.95).value_or(sorted.back());
  Json list = Json::array();
  std::string verdict = "passed";
  for (const auto& o : outcomes) {
    Json figures = Json::array();
    for (const auto& f : o.figures) figures.push_back({{"name", f.name}, {"value", f.value}, {"unit", f.unit}, {"how", f.how}});
    list.push_back({{"id", o.id}, {"assert", o.text}, {"severity", validate::name(o.importance)}, {"verdict", validate::name(o.verdict)}, {"level", o.level}, {"evidence", o.evidence}, {"by_fallback", o.by_fallback}, {"figures", figures}, {"seconds", o.seconds}});
    if (o.proof) list.back()["proof"] = {{"arithmetic", o.proof->arithmetic}, {"method", o.proof->method}, {"asked", o.proof->asked}, {"proved", o.proof->proved}, {"violated", o.proof->violated}, {"open", o.proof->open}, {"regions", o.proof->regions}};
    for (const auto& t : o.corruptions) list.back()["corruptions"].push_back({{"corruption", t.corruption}, {"severity", t.severity}, {"tries", t.tries}, {"held", t.held}});
    if (o.witness) list.back()["witness"] = witness_json(*o.witness);
    if (o.importance != validate::Importance::must) continue;
    if (o.verdict == validate::Verdict::violated) verdict = "violated";
    else if (o.verdict == validate::Verdict::inconclusive && verdict == "passed") verdict = "inconclusive";
  }
  j["verdict"] = verdict;
  j["requirements"] = list;
  return j;
}

Decision choose(const std::vector<Candidate*>& candidates, const Choose& how) {
  Decision d;
  std::vector<Candidate*> fit;
  for (Candidate* c : candidates) {
    std::string why;
    if (c->wrong) why = "its output is off the reference";
    for (const auto& o : c->outcomes) {
      if (o.importance != validate::Importance::must || !why.empty()) continue;
      if (o.verdict == validate::Verdict::violated) { why = o.id + " is violated: " + o.evidence; d.violated = true; }
      else if (o.verdict == validate::Verdict::inconclusive && !how.allow_inconclusive) why = o.id + " is inconclusive: " + o.evidence;
    }
    if (why.empty()) fit.push_back(c);
    else d.others.emplace_back(c->id(), why);
  }
  if (fit.empty()) {
    d.because = candidates.empty() ? "there is no candidate" : d.others.front().second;
    return d;
  }
  d.violated = false;
  Candidate* best = *std::min_element(fit.begin(), fit.end(), [&](const Candidate* a, const Candidate* b) { return figure(*a, how.by) < figure(*b, how.by); });
  Candidate* chosen = best;
  for (Candidate* c : fit) {
    if (c == best) continue;
    if (over(*c, *best, how.by).lower > 1) continue;
    d.ties.push_back(c->id());
    if (complexity(*c) < complexity(*chosen)) chosen = c;
  }
  if (chosen != best) {
    std::replace(d.ties.begin(), d.ties.end(), chosen->id(), best->id());
    d.because = "the simplest of " + std::to_string(d.ties.size() + 1) + " that the measurement cannot tell apart in " + how.by + " (" + best->id() + " " + text(figure(*best, how.by), how.by) + ", " + chosen->id() + " " + text(figure(*chosen, how.by), how.by) + ")";
  } else if (!d.ties.empty()) d.because = "best " + how.by + ", " + text(figure(*best, how.by), how.by) + ", tied with " + d.ties[0] + (d.ties.size() > 1 ? " and others" : "") + "; of tied ones the simplest";
  else d.because = "best " + how.by + " of those that meet every must: " + text(figure(*best, how.by), how.by);
  for (Candidate* c : fit) {
    if (c == chosen) continue;
    bool tied = std::find(d.ties.begin(), d.ties.end(), c->id()) != d.ties.end();
    d.others.emplace_back(c->id(), (tied ? "tied, but less simple: " : "slower or larger: ") + how.by + " " + text(figure(*c, how.by), how.by) + (c == best ? "" : times(over(*c, *best, how.by), best->id())));
  }
  d.chosen = chosen;
  return d;
}

}  // namespace saha::lifecycle
