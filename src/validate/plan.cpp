// How many samples a requirement needs before any is collected: from its limit and level alone.
#include <algorithm>
#include <cmath>

#include "base/figures.hpp"
#include "validate/report.hpp"
#include "validate/statistics.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {
namespace {

// The fewest samples whose one-sided bound reaches the limit at a true rate.
std::int64_t samples_at(double rate, double limit, double confidence) {
  auto enough = [&](std::int64_t n) {
    double hits = rate * static_cast<double>(n);
    return incomplete_beta_inverse(hits, static_cast<double>(n) - hits + 1, 1 - confidence) >= limit;
  };
  std::int64_t high = 1;
  while (!enough(high) && high < 1'000'000'000) high *= 2;
  std::int64_t low = high / 2;
  while (high - low > 1) {
    std::int64_t mid = low + (high - low) / 2;
    (enough(mid) ? high : low) = mid;
  }
  return high;
}

void relation(const Expr& e, std::size_t i, const Requirement& r, const Scope& scope, std::vector<std::string>& out) {
  const bool word_left = e.args[i].kind != Expr::Kind::number;
  const Expr &f = word_left ? e.args[i] : e.args[i + 1], &limit = word_left ? e.args[i + 1] : e.args[i];
  Op op = word_left ? e.ops[i] : flipped(e.ops[i]);
  if (limit.kind != Expr::Kind::number || f.path.empty()) return;
  const Word* w = find_word(f.path.back());
  if (!w) return;
  auto unit = limit.unit.empty() ? Result<yaml::Unit>(yaml::Unit{}) : scope.units.find(limit.unit);
  if (!unit) return;
  std::string text = r.id + ": " + print(f) + " " + std::string(symbol(op)) + " " + print(limit) + " at ";
  Level level =
      r.level.value_or(w->group == WordGroup::measurement ? Level{Level::Kind::test, 0.95, 200} : Level{Level::Kind::bound, 0.95, 0});
  if (w->name == "accuracy" || w->name == "recall" || w->name == "precision") {
    double l = yaml::in_base(limit.value, *unit);
    bool at_least = op == Op::ge || op == Op::gt;
    if (level.kind != Level::Kind::bound || !at_least || !(l > 0 && l < 1)) return;
    auto none_wrong = static_cast<std::int64_t>(std::ceil(std::log(1 - level.confidence) / std::log(l)));
    double better = l + std::min(0.02, (1 - l) / 2), best = l + (1 - l) / 2;
    out.push_back(text + print(level) + ": " + std::to_string(none_wrong) + " samples if none is wrong, " +
                  std::to_string(samples_at(best, l, level.confidence)) + " at a true rate of " + figures::percent(best) + ", " +
                  std::to_string(samples_at(better, l, level.confidence)) + " at " + figures::percent(better));
  } else if (double q = percentile_of(f.path.back()); q > 0) {
    std::int64_t least = samples_for_quantile(q, level.confidence, op == Op::le || op == Op::lt);
    std::int64_t tries = level.tries > 0 ? level.tries : 200;
    out.push_back(text + print(level) + ": " + std::to_string(std::max(tries, least)) + " calls" +
                  (least > tries ? " (a bound of " + f.path.back() + " needs that many)" : ""));
  }
}

}  // namespace

std::vector<std::string> plan(const Requirement& r, const Scope& scope) {
  std::vector<std::string> out;
  visit(r.assertion.body, [&](const Expr& e) {
    if (e.kind != Expr::Kind::compare) return;
    for (std::size_t i = 0; i < e.ops.size(); ++i) relation(e, i, r, scope, out);
  });
  if (out.empty() && r.level && r.level->kind == Level::Kind::test && r.level->tries > 0) {
    out.push_back(r.id + ": " + std::to_string(r.level->tries) + " tries; without a failure they show a failure rate < " +
                  figures::percent(failure_rate_bound(r.level->tries, 0.95)) + " at 95 %");
  }
  return out;
}

}  // namespace saha::validate
