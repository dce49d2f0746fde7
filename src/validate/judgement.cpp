#include "validate/judgement.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

void gather(Judgement& into, const Judgement& from) {
  into.levels.insert(from.levels.begin(), from.levels.end());
  into.figures.insert(into.figures.end(), from.figures.begin(), from.figures.end());
  if (!into.witness) into.witness = from.witness;
  if (!into.proof) into.proof = from.proof;
  if (into.corruptions.empty()) into.corruptions = from.corruptions;
}

// p-values are kept in units of scale * kUnit, below the 1 at which Holm's adjustment clamps.
constexpr double kUnit = 0.01;

double smallest_scale(const Judgement& j, Verdict wanted) {
  double high = 20;
  if (j.at(high) != wanted) return 1;
  if (j.exact) return 0;
  double low = 1e-12;
  if (j.at(low) == wanted) return low * kUnit;
  for (int i = 0; i < 60 && high / low > 1 + 1e-9; ++i) {
    double mid = std::sqrt(low * high);
    (j.at(mid) == wanted ? high : low) = mid;
  }
  return high * kUnit;
}

}  // namespace

Judgement fixed(Verdict v, std::string text) {
  Judgement j;
  j.at = [v](double) { return v; };
  j.text = [text = std::move(text)](double) { return text; };
  j.exact = true;
  return j;
}

// All parts must hold. A part that decides alone (a violated one) must do so at its share of the error, since any may err.
Judgement all_of(std::vector<Judgement> parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Judgement j;
  double inexact = 0;
  for (const Judgement& p : parts) {
    gather(j, p);
    inexact += !p.exact;
  }
  j.exact = inexact == 0;
  auto shared = std::make_shared<const std::vector<Judgement>>(std::move(parts));
  double share = 1 / std::max(1.0, inexact);
  auto verdict_of = [share](const Judgement& p, double scale) {
    Verdict v = p.at(scale);
    return v == Verdict::violated && p.at(scale * share) != Verdict::violated ? Verdict::inconclusive : v;
  };
  j.at = [shared, verdict_of](double scale) {
    Verdict v = Verdict::passed;
    for (const Judgement& p : *shared) v = both(v, verdict_of(p, scale));
    return v;
  };
  j.text = [shared, verdict_of, at = j.at](double scale) {
    Verdict v = at(scale);
    std::string out;
    for (const Judgement& p : *shared) {  // what decided: the violated ones, else the open ones, else all
      if (verdict_of(p, scale) == v) out += (out.empty() ? "" : "; ") + p.text(scale);
    }
    return out;
  };
  return j;
}

Judgement negation(Judgement p) {
  Judgement j = p;
  j.at = [at = p.at](double scale) { return !at(scale); };
  return j;
}

Judgement any_of(std::vector<Judgement> parts) {
  for (Judgement& p : parts) p = negation(std::move(p));
  return negation(all_of(std::move(parts)));
}

// Holm over the slices: each one's p-value is the smallest error probability at which it decides.
Judgement over_slices(std::vector<std::pair<std::string, Judgement>> parts, bool correct, std::size_t skipped) {
  auto shared = std::make_shared<const std::vector<std::pair<std::string, Judgement>>>(std::move(parts));
  Judgement j;
  j.exact = true;
  for (const auto& [name, p] : *shared) {
    gather(j, p);
    j.exact = j.exact && p.exact;
  }
  if (j.figures.size() > 60) j.figures.resize(60);
  auto p_values = [shared, correct](Verdict wanted) {
    std::vector<double> p;
    for (const auto& [name, judgement] : *shared) p.push_back(smallest_scale(judgement, wanted));
    return correct ? holm(p) : p;
  };
  struct Tables {
    std::vector<double> passed, violated;
  };
  auto tables = std::make_shared<const Tables>(Tables{p_values(Verdict::passed), p_values(Verdict::violated)});
  // In units of the level's own error: 1 is the level itself, kUnit keeps them below holm's clamp at 1.
  auto verdict = [tables](double scale) {
    double limit = scale * kUnit;
    bool all = std::ranges::all_of(tables->passed, [&](double p) { return p <= limit; });
    bool any = std::ranges::any_of(tables->violated, [&](double p) { return p <= limit; });
    return all ? Verdict::passed : any ? Verdict::violated : Verdict::inconclusive;
  };
  j.at = verdict;
  j.text = [shared, tables, verdict, correct, skipped](double scale) {
    Verdict v = verdict(scale);
    const std::vector<double>& p = v == Verdict::violated ? tables->violated : tables->passed;
    auto worst = v == Verdict::violated ? std::ranges::min_element(p) : std::ranges::max_element(p);
    const auto& [name, judgement] = (*shared)[static_cast<std::size_t>(worst - p.begin())];
    std::string out = std::to_string(shared->size()) + " slices" + (skipped > 0 ? " (" + std::to_string(skipped) + " left out)" : "");
    auto count = std::ranges::count_if(p, [&](double x) { return x <= scale * kUnit; });
    if (v == Verdict::violated) out += ", " + std::to_string(count) + " violated";
    if (v == Verdict::inconclusive) out += ", " + std::to_string(static_cast<std::ptrdiff_t>(p.size()) - count) + " open";
    return out + (correct ? ", Holm" : "") + "; worst " + name + ": " + judgement.text(scale);
  };
  return j;
}

}  // namespace saha::validate
