#include "validate/pointwise.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "base/figures.hpp"
#include "validate/interpreter.hpp"
#include "validate/sequential.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

Error lacking(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }

// Every sample once; drawn: in an order of the seed's (Fisher-Yates), the same on every machine.
std::vector<std::int64_t> order_of(std::int64_t count, bool drawn, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::mt19937_64 random(seed);
  for (std::size_t i = order.size(); drawn && i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

std::string word_missing(const Expr& e) {
  std::string reason;
  visit(e, [&](const Expr& x) {
    if (!reason.empty() || (x.kind != Expr::Kind::call && x.kind != Expr::Kind::name)) return;
    const Word* w = find_word(x.path.back());
    if (w && !w->missing.empty()) reason = "'" + std::string(w->name) + "' " + std::string(w->missing);
  });
  return reason;
}

}  // namespace

bool is_data_region(const Expr& e, const Scope& scope) {
  if (e.kind != Expr::Kind::name || e.path.size() != 1) return false;
  static const std::vector<std::string> kUsual = {"test", "train", "val", "calibration"};
  return scope.find_data(e.path[0]) || (!scope.data_known && std::ranges::find(kUsual, e.path[0]) != kUsual.end());
}

bool is_aggregate(const Expr& e, const Scope& scope) {
  if (e.kind != Expr::Kind::name && e.kind != Expr::Kind::call) return false;
  const Word* w = find_word(e.path.back());
  if (w) return w->group == WordGroup::statistic || w->group == WordGroup::comparison || w->group == WordGroup::measurement || w->name == "n";
  return e.kind == Expr::Kind::call && std::ranges::any_of(scope.metrics, [&](const Scope::Metric& m) { return m.name == e.path.back(); });
}

bool speaks_of_points(const Requirement& r, const Scope& scope) {
  bool aggregate = false;
  visit(r.assertion.body, [&](const Expr& e) { aggregate = aggregate || is_aggregate(e, scope); });
  return !aggregate;
}

std::string not_runnable(const Requirement& r, const Scope& scope) {
  bool samples = r.over.has_value();
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) {
      if (is_data_region(b.region, scope)) {
        if (b.names.size() > 1)
          return "pairs of samples (" + b.names[0] + ", " + b.names[1] + " in " + b.region.path[0] + ") need the metamorphic tests";
        samples = true;
        continue;
      }
      const Word* w = b.region.path.empty() ? nullptr : find_word(b.region.path.back());
      if (w && w->group == WordGroup::region)
        return "inputs of the region '" + std::string(w->name) + "' at level " + (r.level ? print(*r.level) : "test") + " need the adversarial tests";
      if (w) return "'" + std::string(w->name) + "' " + std::string(w->missing);
      return "'" + print(b.region) + "' as a region needs the verifier";
    }
  }
  if (!samples) return "every point of the domain at level " + (r.level ? print(*r.level) : "test") + " needs the adversarial tests";
  std::string missing = word_missing(r.assertion.body);
  for (const Quantifier& q : r.assertion.quantifiers) {
    if (missing.empty() && q.where) missing = word_missing(*q.where);
  }
  return missing;
}

Result<std::vector<std::int64_t>> chosen_samples(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall) {
  const std::string& data = r.over->data;
  SAHA_TRY(const std::int64_t count, recall.count(data));
  if (count <= 0) return lacking("data set '" + data + "' is empty");
  Interpreter run(r, model, scope, recall);
  run.data = data;
  std::vector<std::int64_t> chosen;
  for (std::int64_t sample : order_of(count, r.over->take > 0, r.seed)) {
    if (r.over->take > 0 && static_cast<std::int64_t>(chosen.size()) >= r.over->take) break;
    run.bound = {{"x", data, sample}};
    if (r.over->where) {
      SAHA_TRY(const bool meant, run.condition(*r.over->where));
      if (!meant) continue;
    }
    chosen.push_back(sample);
  }
  if (chosen.empty()) return lacking("no sample of '" + data + "' meets the condition; vacuous");
  return chosen;
}

PointVerdict run_on_samples(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall) {
  PointVerdict out;
  auto give_up = [&](std::string why) {
    out.verdict = Verdict::inconclusive;
    out.text = std::move(why);
    return out;
  };
  // The loops: x over the set of `for`, then each variable over its data set.
  std::vector<std::pair<std::string, std::string>> loops;
  if (r.over) loops.emplace_back("x", r.over->data);
  std::vector<const Expr*> filters;
  for (const Quantifier& q : r.assertion.quantifiers) {
    for (const Binder& b : q.binders) loops.emplace_back(b.names[0], b.region.path[0]);
    if (q.where) filters.push_back(&*q.where);
  }
  if (loops.size() > 1) return give_up("pairs of samples need the metamorphic tests");
  const std::string& data = loops[0].second;
  const auto& count = recall.count(data);
  if (!count) return give_up(count.error().message);
  if (*count <= 0) return give_up("data set '" + data + "' is empty");

  const std::int64_t take = r.over ? r.over->take : 0;
  const auto order = order_of(*count, take > 0 || level.sequential || (level.tries > 0 && level.tries < *count), r.seed);

  Interpreter run(r, model, scope, recall);
  run.data = data;
  auto started = std::chrono::steady_clock::now();
  std::int64_t tried = 0, failed = 0, most = level.tries > 0 ? level.tries : *count;
  if (take > 0) most = std::min(most, take);
  bool timeout = false, decided = false;
  // A sequential level is decided where the evidence for or against the accepted share reaches 1 / error.
  const double accepted_share = r.accept.proved, needed = -std::log1p(-level.confidence);
  const bool sequential = level.sequential && r.accept.given && accepted_share > 0 && accepted_share < 1;
  for (std::int64_t sample : order) {
    if (sequential && tried > 0)
      decided = log_evidence_above(tried - failed, tried, accepted_share) >= needed || log_evidence_above(failed, tried, 1 - accepted_share) >= needed;
    if (tried >= most || decided) break;
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() > r.timeout_s) {
      timeout = true;
      break;
    }
    run.bound = {{loops[0].first, data, sample}};
    bool chosen = true;
    if (r.over && r.over->where) {
      auto w = run.condition(*r.over->where);
      if (!w) return give_up(w.error().message);
      chosen = *w;
    }
    for (const Expr* f : filters) {
      if (!chosen) break;
      auto w = run.condition(*f);
      if (!w) return give_up(w.error().message);
      chosen = *w;
    }
    if (!chosen) continue;
    run.failure.clear();
    auto ok = run.condition(r.assertion.body);
    if (!ok) return give_up(ok.error().message);
    ++tried;
    if (*ok) continue;
    if (++failed == 1)
      out.witness = Witness{model, data, sample, run.failure.empty() ? print(r.assertion.body) + " does not hold" : run.failure};
  }
  const std::int64_t held = tried - failed;
  out.figures = {{"tries", static_cast<double>(tried), "", "counted"}, {"failures", static_cast<double>(failed), "", "counted"}};
  if (std::isfinite(run.largest.number)) out.figures.push_back({"largest", run.largest.number, "", "measured"});
  if (tried == 0)
    return give_up(timeout ? "no sample was run within " + figures::duration(r.timeout_s)
                           : "no sample of '" + data + "' meets the condition; vacuous");

  std::string text = std::to_string(held) + " of " + std::to_string(tried) + " hold";
  if (failed > r.accept.violated) {
    out.verdict = Verdict::violated;
    out.text = text + "; sample " + std::to_string(out.witness->sample) + " of " + data + ": " + out.witness->text;
    return out;
  }
  // A premise that no sample met has shown nothing.
  bool conditional = r.assertion.body.kind == Expr::Kind::implies;
  if (conditional && run.premises_held == 0) return give_up("the premise held for none of " + std::to_string(tried) + " samples; vacuous");
  double share = static_cast<double>(held) / static_cast<double>(tried);
  if (level.kind == Level::Kind::bound) {
    if (!r.accept.given) return give_up("level " + print(level) + " over samples needs accept: {proved: '>= 95 %'}");
    const double lower = level.sequential ? anytime_lower(held, tried, level.confidence) : proportion_lower(held, tried, level.confidence);
    const double upper = level.sequential ? anytime_upper(held, tried, level.confidence) : proportion_upper(held, tried, level.confidence);
    bool enough = r.accept.more_than ? lower > r.accept.proved : lower >= r.accept.proved;
    out.text = text + ", lower bound " + figures::percent(lower);
    if (level.sequential) out.text += "; " + std::to_string(tried) + " of " + std::to_string(most) + " samples used";
    out.figures.push_back({"lower bound", lower, "", "bound"});
    if (upper < r.accept.proved) out.verdict = Verdict::violated;
    else if (enough && !timeout) out.verdict = Verdict::passed;
    else if (auto more = more_samples(held, tried, r.accept.proved, true, level.confidence); more && *more > 0)
      out.text += "; " + std::to_string(*more) + " more at this rate";
    return out;
  }
  bool accepted = r.accept.more_than ? share > r.accept.proved : share >= r.accept.proved;
  if (r.accept.given && !accepted) {
    out.verdict = Verdict::violated;
    out.text = text + " = " + figures::percent(share) + ", accepted are " + (r.accept.more_than ? "> " : ">= ") +
               figures::percent(r.accept.proved);
    return out;
  }
  if (std::isfinite(run.largest.number)) text += ", largest " + run.shown(run.largest);
  if (failed == 0) text += "; failure rate < " + figures::percent(failure_rate_bound(tried, 0.95)) + " at 95 %";
  const std::int64_t wanted = take > 0 && level.tries > 0 ? std::min(level.tries, take) : std::max(level.tries, take);
  if (timeout) return give_up(text + "; " + figures::duration(r.timeout_s) + " were not enough for the rest");
  if (tried < wanted) return give_up(text + "; " + std::to_string(wanted) + " were asked for");
  out.verdict = Verdict::passed;
  out.text = text;
  return out;
}

}  // namespace saha::validate
