#include "validate/plan.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/figures.hpp"
#include "validate/conformal.hpp"
#include "validate/sample_size.hpp"
#include "validate/statistics.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {
namespace {

bool is_share(const Expr& e) {
  const Word* w = e.path.empty() ? nullptr : find_word(e.path.back());
  // Of f1, auc and the mean overlap of masks no count of samples is the bound's.
  return w && w->group == WordGroup::statistic && w->gives == Gives::fraction && w->name != "f1" && w->name != "auc" && w->name != "auroc" && w->name != "iou" && w->name != "map";
}

// The sum of coefficient * statistic + constant in base units; nothing where the expression is no such sum.
struct Sum {
  double constant = 0;
  std::vector<std::pair<const Expr*, double>> terms = {};
};
bool add(Sum& into, const Expr& e, double factor, const Scope& scope) {
  switch (e.kind) {
    case Expr::Kind::number: {
      auto unit = e.unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : scope.units.find(e.unit);
      if (!unit) return false;
      into.constant += factor * yaml::in_base(e.value, *unit);
      return true;
    }
    case Expr::Kind::name:
    case Expr::Kind::call: into.terms.emplace_back(&e, factor); return true;
    case Expr::Kind::negate: return add(into, e.args[0], -factor, scope);
    case Expr::Kind::add: return add(into, e.args[0], factor, scope) && add(into, e.args[1], factor, scope);
    case Expr::Kind::subtract: return add(into, e.args[0], factor, scope) && add(into, e.args[1], -factor, scope);
    default: return false;
  }
}

class Planner {
 public:
  Planner(const Requirement& r, const Scope& scope, const PlanOptions& options) : r_(r), scope_(scope), o_(options) {}

  std::vector<PlannedSamples> rows;

  void relation(const Expr& e, std::size_t i) {
    Sum sum;
    if (!add(sum, e.args[i], 1, scope_) || !add(sum, e.args[i + 1], -1, scope_) || sum.terms.empty()) return;
    what_ = print(e.args[i]) + " " + std::string(symbol(e.ops[i])) + " " + print(e.args[i + 1]);
    Op op = e.ops[i];
    if (sum.terms[0].second < 0) {  // so that the first is counted once: a >= limit
      op = flipped(op);
      sum.constant = -sum.constant;
      for (auto& t : sum.terms) t.second = -t.second;
    }
    if (op == Op::eq || op == Op::ne) return;
    const bool at_least = op == Op::ge || op == Op::gt;
    const Expr& first = *sum.terms[0].first;
    if (sum.terms.size() == 1 && sum.terms[0].second == 1 && is_share(first)) return share(-sum.constant, at_least, counted(first));
    if (sum.terms.size() == 2 && sum.terms[0].second == 1 && sum.terms[1].second == -1 && is_share(first) && paired(first, *sum.terms[1].first))
      return difference(-sum.constant, at_least);
    if (sum.terms.size() != 1) return;
    if (const double q = percentile_of(first.path.back()); q > 0) {
      const Level level = r_.level.value_or(Level{Level::Kind::test, 0.95, 200});
      const std::int64_t least = samples_for_quantile(q, level.confidence, !at_least), tries = level.tries > 0 ? level.tries : 200;
      row(level, {}, std::max(tries, least), least > tries ? "calls; a bound of " + first.path.back() + " needs that many" : "calls");
    }
  }

  // What is asserted of single samples.
  void samples() {
    const Level level = r_.level.value_or(Level{Level::Kind::test, 0.95, 0});
    what_ = r_.text;
    if (level.kind == Level::Kind::bound && r_.accept.given) share(r_.accept.proved, true, "tries");
    else if (level.kind == Level::Kind::test && level.tries > 0)
      row(level, {}, level.tries, "tries; without a failure they show a failure rate < " + figures::percent(failure_rate_bound(level.tries, 0.95)) + " at 95 %");
  }

 private:
  PlannedSamples& row(const Level& level, std::optional<double> expected, std::optional<std::int64_t> samples, std::string note) {
    return rows.emplace_back(PlannedSamples{r_.id, what_, print(level), expected, false, samples, std::move(note)});
  }

  static bool paired(const Expr& a, const Expr& b) {  // one statistic of two models on one set
    return a.path.back() == b.path.back() && a.path != b.path && a.args.size() == b.args.size() &&
           std::equal(a.args.begin(), a.args.end(), b.args.begin(), [](const Expr& x, const Expr& y) { return same(x, y); });
  }

  // What one sample of the statistic is.
  std::string counted(const Expr& e) const {
    const std::string& n = e.path.back();
    std::string out = n == "recall" ? "samples of the class" : n == "precision" ? "samples told to be of the class" : n == "selective_accuracy" ? "samples that are not rejected" : "samples";
    if (const Expr* data = e.args.empty() ? nullptr : &e.args[0]; data && data->kind == Expr::Kind::name && !scope_.find_data(data->path[0]) && !r_.assertion.quantifiers.empty())
      out += " in each slice, before Holm's correction";
    const Expr* level = argument_of(e, n == "tpr" || n == "fpr" ? "fpr" : "level");
    const Expr *on = argument_of(e, "conformal"), *confidence = argument_of(e, "confidence");
    if (level && level->kind == Expr::Kind::number) {
      auto fraction = [](const Expr& x) { return x.unit == "%" ? x.value / 100 : x.value; };
      const double share = n == "tpr" || n == "fpr" ? 1 - fraction(*level) : fraction(*level);
      out += "; and " + std::to_string(samples_for_threshold(share, confidence ? std::optional(fraction(*confidence)) : std::nullopt)) + " of " + (on ? on->path[0] : "the calibration set") + " at least";
    }
    return out;
  }

  void share(double limit, bool at_least, const std::string& note) {
    const Level level = r_.level.value_or(Level{Level::Kind::bound, 0.95, 0});
    if (level.kind != Level::Kind::bound || !(limit > 0 && limit < 1)) return;
    const double room = at_least ? 1 - limit : limit, sign = at_least ? 1 : -1;
    row(level, at_least ? 1 : 0, zero_failure_samples(at_least ? limit : 1 - limit, level.confidence), note).without_failure = true;
    std::vector<double> rates = {limit + sign * room / 2, limit + sign * std::min(0.02, room / 2)};
    if (o_.expect) rates = {*o_.expect};
    else if (rates[0] == rates[1]) rates.pop_back();
    for (double rate : rates) {
      const auto n = proportion_samples(rate, limit, at_least, level.confidence, o_.power);
      row(level, rate, n, n ? note : (at_least ? rate <= limit : rate >= limit) ? "no number shows it: the rate does not clear the limit" : "more than " + std::to_string(kMostPlanned));
    }
  }

  void difference(double margin, bool at_least) {
    const Level level = r_.level.value_or(Level{Level::Kind::bound, 0.95, 0});
    if (level.kind != Level::Kind::bound) return;
    if (!at_least) margin = -margin;
    // Two models that are equally good; to show a gain, one that gains twice what is asked.
    const double expected = margin < 0 ? 0 : std::min(o_.differ, std::max(2 * margin, o_.differ / 2));
    const auto n = paired_samples((o_.differ + expected) / 2, (o_.differ - expected) / 2, margin, level.confidence, o_.power);
    row(level, at_least ? expected : -expected, n, "samples, paired, if the models differ on " + figures::percent(o_.differ) + " of them");
  }

  const Requirement& r_;
  const Scope& scope_;
  const PlanOptions& o_;
  std::string what_;
};

}  // namespace

std::vector<PlannedSamples> plan(const Requirement& r, const Scope& scope, const PlanOptions& options) {
  Planner planner(r, scope, options);
  visit(r.assertion.body, [&](const Expr& e) {
    if (e.kind != Expr::Kind::compare) return;
    for (std::size_t i = 0; i < e.ops.size(); ++i) planner.relation(e, i);
  });
  if (planner.rows.empty()) planner.samples();
  return planner.rows;
}

std::string plan_table(std::span<const PlannedSamples> rows, const PlanOptions& options) {
  std::vector<std::vector<std::string>> cells = {{"id", "assertion", "level", "at a true rate of", "samples", ""}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const PlannedSamples& r = rows[i];
    const bool again = i > 0 && rows[i - 1].id == r.id && rows[i - 1].what == r.what;
    const bool difference = r.note.find("paired") != std::string::npos;
    const std::string rate = !r.expected ? "-" : r.without_failure ? "no failure" : difference ? figures::shortest(std::round(*r.expected * 1e4) / 100) + " pp" : figures::percent(*r.expected);
    cells.push_back({again ? "" : r.id, again ? "" : r.what, r.level, rate, r.samples ? std::to_string(*r.samples) : "-", r.note});
  }
  std::vector<std::size_t> widths(cells[0].size(), 0);
  for (const auto& line : cells)
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
  std::string out;
  for (const auto& line : cells) {
    std::string text;
    for (std::size_t c = 0; c < line.size(); ++c) {
      const std::string space(widths[c] - line[c].size(), ' ');
      text += (c > 0 ? "  " : "") + (c == 4 ? space + line[c] : line[c] + space);
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return out + "each shows its requirement with a power of " + figures::percent(options.power) + " if the rate is as stated\n";
}

std::string plan_json(std::span<const PlannedSamples> rows, const PlanOptions& options, const std::string& version) {
  nlohmann::ordered_json j{{"schema", "saha.plan/1"}, {"saha", version}, {"power", options.power}, {"requirements", nlohmann::ordered_json::array()}};
  for (const PlannedSamples& r : rows)
    j["requirements"].push_back({{"id", r.id}, {"assert", r.what}, {"level", r.level}, {"expected", r.expected ? nlohmann::ordered_json(*r.expected) : nlohmann::ordered_json()},
                                 {"without_failure", r.without_failure}, {"samples", r.samples ? nlohmann::ordered_json(*r.samples) : nlohmann::ordered_json()}, {"note", r.note}});
  return j.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace saha::validate
