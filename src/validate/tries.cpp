#include "validate/tries.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "base/figures.hpp"
#include "validate/choices.hpp"
#include "validate/sequential.hpp"
#include "validate/slack.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

constexpr std::int64_t kUsualTries = 1000;   // of a level that states none
constexpr double kSecondsToShrink = 10;
using Clock = std::chrono::steady_clock;

/// One run of a requirement for one model.
class Tries {
 public:
  Tries(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall) : r_(r), model_(model), level_(level), recall_(recall), scope_(scope), run_(r, model_, scope, recall) {
    for (const Quantifier& q : r.assertion.quantifiers) if (q.where) filters_.push_back(&*q.where);
  }

  PointVerdict verdict() {
    auto result = tried();
    if (result) return std::move(*result);
    PointVerdict open;
    open.text = result.error().message;
    return open;
  }

 private:
  using Bounds = Choices::Bounds;
  struct Failure {
    Bounds bounds;
    std::string found, text;
  };

  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  bool in_time() const { return seconds() < r_.timeout_s; }
  /// Samples count rather than tries: some may fail.
  bool by_sample() const { return r_.accept.given && level_.kind == Level::Kind::test; }

  enum class Held : std::uint8_t { yes, no, not_meant };
  Result<Held> judge(const Bounds& bounds) {
    run_.bound = bounds;
    for (const Expr* f : filters_) {
      SAHA_TRY(const bool meant, run_.condition(*f));
      if (!meant) return Held::not_meant;
    }
    run_.failure.clear();
    SAHA_TRY(const bool ok, run_.condition(r_.assertion.body));
    return ok ? Held::yes : Held::no;
  }
  Result<bool> fails(const Bounds& bounds) {
    SAHA_TRY(const Held held, judge(bounds));
    return held == Held::no;
  }
  void note(std::int64_t row, const Bounds& bounds, std::string found) {
    broken_.insert(row);
    if (!first_) first_ = Failure{bounds, std::move(found), {}};
  }
  bool decided() const { return !by_sample() && level_.kind == Level::Kind::test && std::int64_t(broken_.size()) > r_.accept.violated; }

  Result<PointVerdict> tried() {
    std::vector<std::int64_t> samples;
    if (r_.over) { SAHA_TRY(samples, chosen_samples(r_, model_, scope_, recall_)); }
    SAHA_TRY(Choices choices, Choices::of(r_, scope_, recall_, run_, std::move(samples)));
    run_.data = choices.data();
    SAHA_DO(at_random(choices));
    if (level_.kind == Level::Kind::test && !decided()) SAHA_DO(by_grid(choices));
    if (level_.kind == Level::Kind::test && !decided()) SAHA_DO(by_search(choices));
    if (first_) SAHA_DO(shrink(choices));
    return judged(choices);
  }

  Result<> at_random(Choices& choices) {
    const std::int64_t rows = choices.rows();
    wanted_ = level_.tries > 0 ? level_.tries : kUsualTries;
    if (by_sample()) wanted_ = std::max(wanted_, rows);
    data::Random which(r_.seed);
    for (std::int64_t k = 0, asked = 0; tried_ < wanted_ && asked < 20 * wanted_; ++k, ++asked) {
      if (!in_time()) { late_ = true; break; }
      // In turn: no failure in n such tries says at least as much as in n independent ones, which a bound over failures takes.
      const std::int64_t row = level_.kind == Level::Kind::bound ? std::int64_t(which.below(std::uint64_t(rows))) : k % rows;
      if (by_sample() && broken_.contains(row)) {
        ++tried_;
        if (std::int64_t(broken_.size()) == rows) break;
        continue;
      }
      SAHA_TRY(const Bounds bounds, choices.drawn(row, seed(k)));
      SAHA_TRY(const Held held, judge(bounds));
      if (held == Held::not_meant) continue;
      ++tried_, ++ran_;
      tally(bounds, held == Held::yes);
      if (held == Held::no) {
        ++failed_;
        note(row, bounds, "try " + std::to_string(k + 1) + " of seed " + std::to_string(r_.seed));
      }
      if (decided() || decided_early()) break;
    }
    return {};
  }
  /// A sequential level ends at the first try after which the evidence for or against the accepted share reaches 1 / error: tries are drawn independently, and it may be looked at after each.
  bool decided_early() const {
    if (!level_.sequential || !r_.accept.given || !(r_.accept.proved > 0 && r_.accept.proved < 1)) return false;
    const double needed = -std::log1p(-level_.confidence);
    return log_evidence_above(ran_ - failed_, ran_, r_.accept.proved) >= needed || log_evidence_above(failed_, ran_, 1 - r_.accept.proved) >= needed;
  }
  /// Tries that are drawn independently tell of each corruption; the others end early on samples that fail.
  void tally(const Bounds& bounds, bool held) {
    if (level_.kind != Level::Kind::bound) return;
    const auto one = std::ranges::find_if(bounds, [](const auto& b) { return b.transform && b.transform->is_corruption(); });
    if (one == bounds.end()) return;
    auto& [tries, right] = tallies_[{one->transform->name, int(one->transform->numbers[0])}];
    ++tries, right += held;
  }
  std::uint64_t seed(std::int64_t k) const { return r_.seed * 1'000'003 + std::uint64_t(k); }

  Result<> by_grid(Choices& choices) {
    for (std::int64_t row = 0; row < choices.rows() && grid_ < wanted_ && in_time(); ++row) {
      if (broken_.contains(row)) continue;
      SAHA_TRY(const auto all, choices.grid(row, seed(-1 - row)));
      for (const Bounds& bounds : all) {
        if (!in_time()) break;
        SAHA_TRY(const Held held, judge(bounds));
        if (held == Held::not_meant) continue;
        ++grid_;
        if (held == Held::yes) continue;
        note(row, bounds, "the grid at sample " + std::to_string(bounds[0].sample));
        break;
      }
      if (decided()) break;
    }
    return {};
  }

  Result<> by_search(Choices& choices) {
    const std::string* variable = choices.searched();
    if (!variable) return {};
    auto slack = Slack::of(r_.assertion.body, *variable, run_);
    if (!slack) {
      not_searched_ = slack.error().message;
      return {};
    }
    for (std::int64_t row = 0; row < choices.rows() && in_time(); ++row) {
      if (broken_.contains(row)) continue;
      SAHA_TRY(Bounds bounds, choices.drawn(row, seed(row)));
      SAHA_TRY(const Shape shape, choices.shape(bounds));
      run_.bound = bounds;
      Search s{.around = shape.around, .centre = shape.centre, .low = shape.low, .high = shape.high, .reach = shape.reach, .radius = shape.radius, .whole = shape.whole, .leaves = slack->leaves(),
               .slack = [&](const auto& outputs, auto* slopes) {
                 auto v = slack->at(outputs, slopes);
                 if (v) return *v;
                 not_searched_ = v.error().message;
                 return 1e9;
               },
               .label = slack->label(), .seed = seed(row), .go_on = [&] { return in_time() && not_searched_.empty(); }};
      auto found = recall_.trials()->search(s);
      if (!found) {
        not_searched_ = found.error().message;
        return {};
      }
      if (!not_searched_.empty()) return {};
      ++searched_, runs_ += found->runs;
      if (found->how.size() > how_.size()) how_ = found->how;
      for (const auto& point : found->points) {
        choices.put(bounds, shape, point);
        SAHA_TRY(const bool failed, fails(bounds));
        if (!failed) continue;
        note(row, bounds, found->how + " at sample " + std::to_string(bounds[0].sample) + ", seed " + std::to_string(r_.seed));
        break;
      }
      if (decided()) break;
    }
    return {};
  }

  Result<> shrink(Choices& choices) {
    const auto until = Clock::now() + std::chrono::duration<double>(kSecondsToShrink);
    SAHA_TRY(first_->bounds, choices.smaller(first_->bounds, [&](const Bounds& b) { return fails(b); }, [&] { return Clock::now() < until; }));
    recall_.trials()->forget();
    SAHA_TRY(const bool again, fails(first_->bounds));
    if (!again) return Error{ErrorCode::invalid_data, "a failure (" + first_->found + ", " + choices.describe(first_->bounds) + ") did not repeat: the engine does not answer the same twice"};
    first_->text = run_.failure.empty() ? print(r_.assertion.body) + " does not hold" : run_.failure;
    return {};
  }

  /// What the models were run on when the assertion failed: of its points the one with the most changes.
  Altered input() {
    Altered best{first_->bounds[0].data, first_->bounds[0].sample, {}};
    run_.bound = first_->bounds;
    visit(r_.assertion.body, [&](const Expr& e) {
      const bool may = (e.kind == Expr::Kind::name && e.path.size() == 1) || (e.kind == Expr::Kind::call && e.path.size() == 1 && !find_word(e.path[0]));
      const bool bound = may && std::ranges::any_of(run_.bound, [&](const auto& b) { return b.name == e.path[0] && (e.kind == Expr::Kind::call) == b.transform.has_value(); });
      if (!bound) return;
      if (auto v = run_.value(e); v && v->kind == PointValue::Kind::sample && v->sample.changes.size() > best.changes.size()) best = v->sample;
    });
    return best;
  }

  PointVerdict judged(Choices& choices) {
    PointVerdict out;
    const std::int64_t rows = choices.rows(), held = rows - std::int64_t(broken_.size());
    const auto counted = [&](std::string name, double n) { out.figures.push_back({std::move(name), n, "", "counted"}); };
    counted("tries", double(ran_));
    for (const auto& [what, n] : tallies_) out.corruptions.push_back({what.first, what.second, n.first, n.second});
    if (first_) {
      out.witness = Witness{.model = model_, .data = first_->bounds[0].data, .sample = first_->bounds[0].sample, .text = first_->text, .input = input(), .change = choices.describe(first_->bounds), .found = first_->found};
    }
    std::string why;
    if (ran_ == 0) why = late_ ? "no input was tried within " + figures::duration(r_.timeout_s) : "no input meets the condition; vacuous";
    else if (r_.assertion.body.kind == Expr::Kind::implies && run_.premises_held == 0) why = "the premise held in none of " + std::to_string(ran_) + " tries; vacuous";
    if (!why.empty()) {
      out.text = why;
      return out;
    }
    const std::string where = choices.rows() > 1 ? " on " + std::to_string(rows) + " samples" : "";
    const std::string shown = first_ ? "; sample " + std::to_string(out.witness->sample) + " of " + out.witness->data + ", " + out.witness->change + ": " + first_->text + " (" + first_->found + ", made smaller)" : "";
    std::string beside;
    if (grid_ > 0) beside += ", " + std::to_string(grid_) + " by grid";
    if (searched_ > 0) beside += ", " + figures::counted(searched_, "sample") + " by " + how_ + " (" + figures::counted(runs_, "run") + ")";
    if (!not_searched_.empty()) beside += ", no search: " + not_searched_;
    if (level_.kind == Level::Kind::bound) return by_bound(std::move(out), shown);
    if (by_sample()) {
      counted("samples", double(rows)), counted("samples broken", double(broken_.size()));
      const double share = double(held) / double(rows);
      out.figures.push_back({"share that holds", share, "", "counted"});
      out.text = std::to_string(held) + " of " + std::to_string(rows) + " samples hold = " + figures::percent(share) + " under " + std::to_string(ran_) + " random tries" + beside;
      const bool enough = r_.accept.more_than ? share > r_.accept.proved : share >= r_.accept.proved;
      if (std::int64_t(broken_.size()) > r_.accept.violated || !enough) {
        out.verdict = Verdict::violated;
        out.text += ", accepted are " + std::string(r_.accept.more_than ? "> " : ">= ") + figures::percent(r_.accept.proved) + " and at most " + std::to_string(r_.accept.violated) + " violated" + shown;
      } else if (late_) {
        out.text += "; " + figures::duration(r_.timeout_s) + " were not enough for the rest";
      } else {
        out.verdict = Verdict::passed;
      }
      return out;
    }
    counted("failures", double(broken_.size()));
    if (!broken_.empty()) {
      out.verdict = Verdict::violated;
      out.text = "fails" + shown.substr(1);
      return out;
    }
    const double rate = failure_rate_bound(ran_, 0.95);
    out.figures.push_back({"failure rate bound", rate, "", "bound"});
    out.text = std::to_string(ran_) + " random tries" + where + " hold; failure rate < " + figures::percent(rate) + " at 95 %" + (beside.empty() ? "" : "; none fails of" + beside.substr(1));
    if (ran_ < wanted_) out.text += "; " + std::to_string(wanted_) + " were asked for" + (late_ ? ", " + figures::duration(r_.timeout_s) + " were not enough" : "");
    else out.verdict = Verdict::passed;
    return out;
  }

  /// The share of random inputs that hold, by its Clopper-Pearson bound.
  PointVerdict by_bound(PointVerdict out, const std::string& shown) {
    if (!r_.accept.given) {
      out.text = "level " + print(level_) + " over random inputs needs accept: {proved: '>= 95 %'}";
      return out;
    }
    const std::int64_t held = ran_ - failed_;
    const double lower = level_.sequential ? anytime_lower(held, ran_, level_.confidence) : proportion_lower(held, ran_, level_.confidence);
    const double upper = level_.sequential ? anytime_upper(held, ran_, level_.confidence) : proportion_upper(held, ran_, level_.confidence);
    out.figures.push_back({"failures", double(failed_), "", "counted"});
    out.figures.push_back({"lower bound", lower, "", "bound"});
    out.text = std::to_string(held) + " of " + std::to_string(ran_) + " random tries hold, lower bound " + figures::percent(lower);
    if (level_.sequential) out.text += "; " + std::to_string(ran_) + " of " + std::to_string(wanted_) + " tries used";
    const bool enough = r_.accept.more_than ? lower > r_.accept.proved : lower >= r_.accept.proved;
    if (upper < r_.accept.proved) out.verdict = Verdict::violated, out.text += shown;
    else if (enough && !late_) out.verdict = Verdict::passed;
    else if (auto more = more_samples(held, ran_, r_.accept.proved, true, level_.confidence); more && *more > 0) out.text += "; " + std::to_string(*more) + " more at this rate";
    return out;
  }

  const Requirement& r_;
  const std::string model_;
  const Level level_;
  Recall& recall_;
  const Scope& scope_;
  Interpreter run_;
  std::vector<const Expr*> filters_;
  Clock::time_point started_ = Clock::now();
  std::int64_t wanted_ = 0, tried_ = 0, ran_ = 0, failed_ = 0, grid_ = 0, searched_ = 0, runs_ = 0;
  bool late_ = false;
  std::map<std::pair<std::string, int>, std::pair<std::int64_t, std::int64_t>> tallies_;   // tries and those that hold, by corruption and severity
  std::set<std::int64_t> broken_;    // rows of the first variable
  std::optional<Failure> first_;
  std::string how_, not_searched_;
};

}  // namespace

bool asks_for_tries(const Requirement& r) {
  if (!r.level || r.level->kind == Level::Kind::prove) return false;
  return std::ranges::any_of(r.assertion.quantifiers, [](const Quantifier& q) {
    return std::ranges::any_of(q.binders, [](const Binder& b) {
      const Word* w = b.region.path.empty() ? nullptr : find_word(b.region.path.back());
      return w && w->name != "slices" && (w->group == WordGroup::region || w->group == WordGroup::transform);
    });
  });
}

PointVerdict run_tries(const Requirement& r, const std::string& model, const Level& level, const Scope& scope, Recall& recall) { return Tries(r, model, level, scope, recall).verdict(); }

}  // namespace saha::validate
