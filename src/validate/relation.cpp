#include "validate/relation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>

#include "base/figures.hpp"
#include "validate/sequential.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

Verdict compared(double lower, double upper, Op op) {
  bool below = false, above = false;
  switch (op) {
    case Op::ge: above = lower >= 0, below = upper < 0; break;
    case Op::gt: above = lower > 0, below = upper <= 0; break;
    case Op::le: above = upper <= 0, below = lower > 0; break;
    case Op::lt: above = upper < 0, below = lower >= 0; break;
    case Op::eq: above = lower == 0 && upper == 0, below = lower > 0 || upper < 0; break;
    case Op::ne: above = lower > 0 || upper < 0, below = lower == 0 && upper == 0; break;
  }
  return above ? Verdict::passed : below ? Verdict::violated : Verdict::inconclusive;
}

bool is_measured(const Estimate& a) {
  std::string_view word = a.name;
  word.remove_prefix(word.find('.') + 1);
  const Word* w = find_word(word.substr(0, word.find('(')));
  return w && w->group == WordGroup::measurement;
}

std::pair<double, double> points(const Form& f) {
  double v = f.constant;
  for (const auto& [a, c] : f.terms) v += c * a.point;
  return {v, v};
}

bool paired(const Form& f) {
  if (f.terms.size() != 2) return false;
  const auto& [a, ca] = f.terms[0];
  const auto& [b, cb] = f.terms[1];
  return ca == -cb && !a.per_sample.empty() && a.pairs_with == b.pairs_with && a.per_sample.size() == b.per_sample.size() &&
         a.binary == b.binary;
}

struct Discordant {
  std::int64_t n = 0, first = 0, second = 0;
};
Discordant discordant(const Estimate& a, const Estimate& b) {
  Discordant d;
  for (std::size_t i = 0; i < a.per_sample.size(); ++i) {
    ++d.n;
    d.first += a.per_sample[i] > b.per_sample[i];
    d.second += a.per_sample[i] < b.per_sample[i];
  }
  return d;
}

std::pair<double, double> paired_bounds(const Estimate& a, const Estimate& b, double confidence) {
  if (a.binary) {
    Discordant d = discordant(a, b);
    return {paired_difference_lower(d.n, d.first, d.second, confidence), paired_difference_upper(d.n, d.first, d.second, confidence)};
  }
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.per_sample.size(); ++i) differences.push_back(a.per_sample[i] - b.per_sample[i]);
  Mean m = mean_of(differences);
  return {mean_lower(m, confidence), mean_upper(m, confidence)};
}

std::pair<double, double> bounds_of(const Form& f, double confidence) {
  if (paired(f)) {
    double c = f.terms[0].second;
    auto [lower, upper] = paired_bounds(f.terms[0].first, f.terms[1].first, confidence);
    return c > 0 ? std::pair(f.constant + c * lower, f.constant + c * upper) : std::pair(f.constant + c * upper, f.constant + c * lower);
  }
  double inexact = static_cast<double>(std::ranges::count_if(f.terms, [](const auto& t) { return !t.first.exact; }));
  double each = 1 - (1 - confidence) / std::max(1.0, inexact);  // Bonferroni: holds whatever the terms share
  double lower = f.constant, upper = f.constant;
  for (const auto& [a, c] : f.terms) {
    double lo = a.lower(each), hi = a.upper(each);
    lower += c > 0 ? c * lo : c * hi;
    upper += c > 0 ? c * hi : c * lo;
  }
  return {lower, upper};
}

std::string told_alone(const Form& f, Op op, Verdict v, double confidence, bool point_only, const std::string& short_of) {
  const auto& [a, c] = f.terms[0];
  Op own = c > 0 ? op : flipped(op);
  double limit = 0 - f.constant / c;  // never -0
  std::string who;  // says what is measured where the text alone does not
  if (std::string_view word = std::string_view(a.name).substr(a.name.find('.') + 1); word.substr(0, 8) != "accuracy")
    who = std::string(word.substr(0, word.find('('))) + " ";
  std::string out = who + a.text;
  std::string limit_text = " (limit " + a.print(limit) + ")";
  if (a.exact) return out + (v == Verdict::passed ? "" : limit_text);
  if (point_only) return out + ", point estimate" + (v == Verdict::passed ? "" : limit_text);
  bool at_least = own == Op::ge || own == Op::gt, shows_lower = at_least != (v == Verdict::violated);
  double bound = shows_lower ? a.lower(confidence) : a.upper(confidence);
  if (std::isfinite(bound) && a.how != "modelled")
    out += std::string(", ") + (shows_lower ? "lower" : "upper") + " bound " + a.print(bound);
  if (v == Verdict::violated) return out + limit_text;
  if (v == Verdict::passed) return out;
  if (!short_of.empty()) return out + "; " + short_of;
  if (a.advice && own != Op::eq && own != Op::ne) out += "; " + a.advice(limit, at_least, confidence);
  return out;
}

std::string told(const Form& f, Op op, Verdict v, double confidence, bool point_only, const std::string& short_of) {
  if (f.terms.size() == 1) return told_alone(f, op, v, confidence, point_only, short_of);
  std::string out;
  for (const auto& [a, c] : f.terms)
    out += (out.empty() ? "" : " against ") + (f.terms.size() == 2 && paired(f) ? a.print(a.point) : a.name + " " + a.text);
  auto [lower, upper] = point_only ? points(f) : bounds_of(f, confidence);
  double value = points(f).first - f.constant;
  Gives gives = f.terms[0].first.gives;
  auto difference = [&](double d) {
    if (gives == Gives::fraction) return figures::shortest(std::round(d * 10000) / 100) + " pp";
    return f.terms[0].first.print(d);
  };
  out += "; difference " + difference(value);
  bool at_least = op == Op::ge || op == Op::gt, shows_lower = at_least != (v == Verdict::violated);
  double bound = (shows_lower ? lower : upper) - f.constant;
  if (!point_only && std::isfinite(bound)) out += std::string(", ") + (shows_lower ? "lower" : "upper") + " bound " + difference(bound);
  if (f.constant != 0 && v != Verdict::passed) out += " (limit " + difference(-f.constant) + ")";
  if (paired(f) && f.terms[0].first.binary) {
    Discordant d = discordant(f.terms[0].first, f.terms[1].first);
    out += ", paired; " + std::to_string(d.first) + " better, " + std::to_string(d.second) + " worse, McNemar p " + figures::significant(mcnemar_exact(d.first, d.second), 2);
  }
  return out + (short_of.empty() ? "" : "; " + short_of);
}

// Shares, and differences of shares on the same samples, looked at one sample after another: passed and violated are e-processes against
// the limit, so the verdict of any scale is whether the most evidence seen reaches 1 / error.
Judgement judge_sequentially(const Form& f, Op op, const Level& level, std::uint64_t seed) {
  const bool pair = paired(f);
  const Estimate& a = f.terms[0].first;
  const double c = f.terms[0].second;
  if (!a.binary || a.per_sample.empty() || (f.terms.size() != 1 && !pair) || op == Op::eq || op == Op::ne)
    return fixed(Verdict::inconclusive, "a sequential bound is one of a share, or of a difference of two shares on the same samples, against a limit");
  const Op own = c > 0 ? op : flipped(op);
  const double limit = -f.constant / c, scaled = pair ? (1 + limit) / 2 : limit;
  std::vector<double> values = a.per_sample;
  if (pair)
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (1 + values[i] - f.terms[1].first.per_sample[i]) / 2;
  std::mt19937_64 random(seed);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random() % i]);
  const double error = 1 - level.confidence;
  const Stop stop = first_decision(values, scaled, error), whole = first_decision(values, scaled, error, true);
  const bool at_least = own == Op::ge || own == Op::gt;
  Judgement j;
  j.levels.insert(print(level));
  j.at = [=](double scale) {
    const double needed = -std::log(error * scale);
    // Both sides cannot have it but by an error; the one with more is meant.
    const bool above = whole.log_above >= needed && whole.log_above >= whole.log_below, below = whole.log_below >= needed && !above;
    return above ? (at_least ? Verdict::passed : Verdict::violated) : below ? (at_least ? Verdict::violated : Verdict::passed) : Verdict::inconclusive;
  };
  const auto n = static_cast<std::int64_t>(values.size());
  const double seen = std::accumulate(values.begin(), values.begin() + stop.used, 0.0) / static_cast<double>(stop.used);
  const std::string shown = pair ? "difference " + figures::shortest(std::round((2 * seen - 1) * 10000) / 100) + " pp" : a.name.substr(a.name.find('.') + 1, a.name.find('(') - a.name.find('.') - 1) + " " + figures::percent(seen);
  j.text = [=, at = j.at](double scale) {
    const bool decided = at(scale) != Verdict::inconclusive;
    const std::string evidence = figures::significant(std::exp(std::min(700.0, std::max(stop.log_above, stop.log_below))), 3);
    return shown + " after " + std::to_string(stop.used) + " of " + std::to_string(n) + " samples" + (decided ? ", decided" : ", not decided") + " (evidence " + evidence + ", " +
           figures::significant(1 / error, 3) + " decides)" + (at(scale) == Verdict::violated ? " (limit " + (pair ? figures::shortest(limit * 100) + " pp" : figures::percent(limit)) + ")" : "");
  };
  j.figures = {{a.name, seen, "", "measured"}, {"samples used", static_cast<double>(stop.used), "", "counted"}, {"samples", static_cast<double>(n), "", "counted"}};
  return j;
}

}  // namespace

void append(Form& into, const Form& from, double factor) {
  into.constant += factor * from.constant;
  for (const auto& [atom, coefficient] : from.terms) {
    auto same_atom = std::ranges::find_if(
        into.terms, [&](const auto& t) { return t.first.name == atom.name && t.first.pairs_with == atom.pairs_with; });
    if (same_atom != into.terms.end()) same_atom->second += factor * coefficient;
    else into.terms.emplace_back(atom, factor * coefficient);
  }
  std::erase_if(into.terms, [](const auto& t) { return t.second == 0; });
}

Judgement judge_relation(Form f, Op op, const std::optional<Level>& wanted, std::uint64_t seed) {
  Judgement j;
  j.exact = std::ranges::all_of(f.terms, [](const auto& t) { return t.first.exact; });
  if (f.terms.empty()) {
    j = fixed(compared(f.constant, f.constant, op), "by counting");
    return j;
  }
  bool statistic = false;
  Level level{Level::Kind::test, 0.95, 200};
  for (const auto& [a, c] : f.terms) {
    statistic = statistic || !is_measured(a);
    j.figures.insert(j.figures.end(), a.figures.begin(), a.figures.end());
  }
  if (statistic) level = {Level::Kind::bound, 0.95, 0};
  if (wanted) level = *wanted;
  if (level.sequential && statistic) return judge_sequentially(f, op, level, seed);
  j.levels.insert(print(level));
  bool point_only = statistic && level.kind == Level::Kind::test;
  double error = 1 - level.confidence;
  std::string short_of;
  for (const auto& [a, c] : f.terms) {
    if (!a.short_of.empty()) short_of = a.short_of;
  }
  auto shared = std::make_shared<const Form>(std::move(f));
  auto bounds = [shared, point_only](double confidence) { return point_only ? points(*shared) : bounds_of(*shared, confidence); };
  // Below 50 % the lower bound would pass the upper one.
  auto confidence_at = [error](double scale) { return std::clamp(1 - error * scale, 0.5, 1 - 1e-15); };
  j.at = [bounds, confidence_at, op, short_of](double scale) {
    auto [lower, upper] = bounds(confidence_at(scale));
    Verdict v = compared(lower, upper, op);
    return v == Verdict::passed && !short_of.empty() ? Verdict::inconclusive : v;
  };
  j.text = [=, at = j.at](double scale) { return told(*shared, op, at(scale), confidence_at(scale), point_only, short_of); };
  if (j.exact || point_only) return j;
  auto [lower, upper] = bounds(level.confidence);
  if (shared->terms.size() == 1) {
    auto [a, c] = shared->terms[0];
    j.figures.push_back({"lower bound", a.lower(level.confidence), j.figures[0].unit, "bound"});
    j.figures.push_back({"upper bound", a.upper(level.confidence), j.figures[0].unit, "bound"});
  } else {
    j.figures.push_back({"difference lower bound", lower, "", "bound"});
    j.figures.push_back({"difference upper bound", upper, "", "bound"});
  }
  std::erase_if(j.figures, [](const Figure& x) { return !std::isfinite(x.value); });
  return j;
}

}  // namespace saha::validate
