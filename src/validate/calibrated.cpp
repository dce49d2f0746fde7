#include "validate/calibrated.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/figures.hpp"
#include "validate/conformal.hpp"
#include "validate/estimate_parts.hpp"
#include "validate/roc.hpp"
#include "validate/sequential.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

using Rows = std::vector<std::vector<double>>;

// What an output says of each sample of a data set.
struct Answers {
  std::string output, meaning;
  Rows rows;
};

Result<Answers> answers(const std::string& model, const std::string& data, const std::string& output, Recall& recall) {
  Answers a;
  const auto& samples = recall.samples(model, data);
  if (!samples) return samples.error();
  a.output = output.empty() ? samples->decisive : output;
  if (a.output.empty()) return lacking("which output of '" + model + "' decides is not known; name it: output=NAME");
  if (a.output == samples->decisive) a.meaning = samples->meaning;
  const auto& count = recall.count(data);
  if (!count) return count.error();
  for (std::int64_t i = 0; i < *count; ++i) {
    const auto& row = recall.output(model, data, i, a.output);
    if (!row) return row.error();
    a.rows.push_back(*row);
  }
  if (a.rows.empty()) return lacking("data set '" + data + "' is empty");
  return a;
}

bool are_shares(std::span<const double> v) {
  return std::ranges::all_of(v, [](double x) { return x >= 0 && x <= 1; }) && std::abs(std::accumulate(v.begin(), v.end(), 0.0) - 1) < 1e-3;
}

// One probability a class, from what the output holds.
std::vector<double> probabilities(std::span<const double> v, const std::string& meaning) {
  const bool single = v.size() == 1 && (meaning == "probability" || meaning == "logit");
  if (single) {
    const double p = meaning == "logit" ? 1 / (1 + std::exp(-v[0])) : v[0];
    return {1 - p, p};
  }
  if (meaning == "probabilities" || (meaning != "logits" && are_shares(v))) return {v.begin(), v.end()};
  return softmax(v);
}

Result<double> strange_to(Strangeness score, std::span<const double> v, const std::string& meaning) {
  if (score != Strangeness::energy) return strangeness(score, probabilities(v, meaning));
  if (meaning == "probabilities" || meaning == "probability" || (meaning.empty() && are_shares(v)))
    return lacking("score=energy reads logits, and the output holds probabilities; score=softmax reads these");
  if (v.size() == 1) return strangeness(score, std::vector<double>{0, v[0]});
  return strangeness(score, v);
}

// The strangeness of inputs to a model: by the answer alone, or by distance to known samples.
class Scorer {
 public:
  static Result<Scorer> make(const Expr& call, const std::string& model, Recall& recall) {
    Scorer s;
    s.score_ = *strangeness(argument_of(call, "score")->path[0]);
    const Expr* output = argument_of(call, "output");
    s.output_ = output ? output->path[0] : "";
    if (!needs_fit(s.score_)) return s;
    const Expr *known = argument_of(call, "known"), *k = argument_of(call, "k");
    const std::string data = known ? known->path[0] : "train";
    SAHA_TRY(const Answers a, answers(model, data, s.output_, recall));
    if (s.score_ == Strangeness::knn) {
      SAHA_TRY(s.nearest_, Nearest::fit(a.rows, k ? static_cast<std::int64_t>(k->value) : 10));
      return s;
    }
    const auto& labels = recall.labels(data);
    SAHA_TRY(s.mahalanobis_, Mahalanobis::fit(a.rows, labels ? std::span<const std::int32_t>(*labels) : std::span<const std::int32_t>()));
    return s;
  }

  Result<std::vector<double>> of(const std::string& model, const Slice& slice, Recall& recall) const {
    SAHA_TRY(const Answers a, answers(model, slice.data, output_, recall));
    SAHA_TRY(const Rows rows, picked(a.rows, slice, "'" + slice.data + "' has no samples"));
    std::vector<double> scores;
    for (const auto& row : rows) {
      if (nearest_) scores.push_back(nearest_->distance(row));
      else if (mahalanobis_) scores.push_back(mahalanobis_->distance(row));
      else {
        SAHA_TRY(const double s, strange_to(score_, row, a.meaning));
        scores.push_back(s);
      }
    }
    return scores;
  }

 private:
  Strangeness score_ = Strangeness::softmax;
  std::string output_;
  std::optional<Nearest> nearest_;
  std::optional<Mahalanobis> mahalanobis_;
};

std::optional<double> share_argument(const Expr& call, std::string_view name) {
  const Expr* given = argument_of(call, name);
  if (!given) return {};
  return given->unit == "%" ? given->value / 100 : given->value;
}

std::string from(double threshold, std::int64_t n, const std::string& data) {
  return ", threshold " + figures::significant(threshold, 4) + " from " + std::to_string(n) + " of " + data;
}

// The threshold, or an error that says how many samples there must be.
Result<double> threshold_of(std::vector<double> scores, double level, std::optional<double> confidence, const std::string& data) {
  const auto n = static_cast<std::int64_t>(scores.size());
  const double t = conformal_threshold(std::move(scores), level, confidence);
  if (std::isfinite(t)) return t;
  const std::int64_t need = samples_for_threshold(level, confidence);
  return lacking(n < need ? std::to_string(n) + " samples of '" + data + "' give no threshold at level " + figures::percent(level) + "; it needs " + std::to_string(need)
                          : "so many scores on '" + data + "' are no numbers that no threshold is left");
}

// --- conformal sets and intervals ---

Result<Estimate> set_statistic(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, SetRule rule, double level, std::optional<double> confidence,
                               const std::string& calibration, const std::string& output, Recall& recall) {
  auto truths = [&](const std::string& data) -> const Result<std::vector<std::int32_t>>& { return recall.labels(data); };
  SAHA_TRY(const Answers known, answers(model, calibration, output, recall));
  SAHA_TRY(const Answers all, answers(model, slice.data, output, recall));
  auto score_of_truth = [&](const std::vector<double>& scores, std::int32_t label, const std::string& data, std::int64_t i) -> Result<double> {
    if (label < 0 || static_cast<std::size_t>(label) >= scores.size())
      return lacking("sample " + std::to_string(i) + " of '" + data + "' has no label among the " + std::to_string(scores.size()) + " classes of output '" + known.output + "'");
    return scores[static_cast<std::size_t>(label)];
  };
  if (!truths(calibration)) return truths(calibration).error();
  const auto& known_labels = *truths(calibration);
  if (known_labels.size() != known.rows.size()) return lacking("'" + calibration + "' has " + std::to_string(known_labels.size()) + " labels for " + std::to_string(known.rows.size()) + " samples");
  std::vector<double> scores;
  for (std::size_t i = 0; i < known.rows.size(); ++i) {
    SAHA_TRY(const double s, score_of_truth(set_scores(rule, probabilities(known.rows[i], known.meaning)), known_labels[i], calibration, static_cast<std::int64_t>(i)));
    scores.push_back(s);
  }
  const auto n = static_cast<std::int64_t>(scores.size());
  SAHA_TRY(const double threshold, threshold_of(std::move(scores), level, confidence, calibration));
  const bool covers = atom.path.back() == "coverage";
  std::vector<std::int32_t> labels;
  if (covers) {
    if (!truths(slice.data)) return truths(slice.data).error();
    labels = *truths(slice.data);
    if (labels.size() != all.rows.size()) return lacking("'" + slice.data + "' has " + std::to_string(labels.size()) + " labels for " + std::to_string(all.rows.size()) + " samples");
  }
  double classes = 0;
  for (std::int64_t i : rows_of(slice, all.rows.size())) {
    if (i < 0 || static_cast<std::size_t>(i) >= all.rows.size()) return lacking("'" + model + "' was not run on sample " + std::to_string(i) + " of '" + slice.data + "'");
    const auto row = set_scores(rule, probabilities(all.rows[static_cast<std::size_t>(i)], all.meaning));
    classes = std::max(classes, static_cast<double>(row.size()));
    if (covers) {
      SAHA_TRY(const double s, score_of_truth(row, labels[static_cast<std::size_t>(i)], slice.data, i));
      e.per_sample.push_back(s <= threshold);
    } else {
      e.per_sample.push_back(static_cast<double>(std::ranges::count_if(row, [&](double s) { return s <= threshold; })));
    }
  }
  if (e.per_sample.empty()) return lacking("no sample in '" + (slice.name.empty() ? slice.data : slice.name) + "'");
  const auto samples = static_cast<std::int64_t>(e.per_sample.size());
  if (covers) {
    e.binary = true;
    proportion(e, static_cast<std::int64_t>(std::accumulate(e.per_sample.begin(), e.per_sample.end(), 0.0)), samples);
  } else {
    const auto mean = mean_of(e.per_sample);
    e.point = mean.mean;
    auto values = std::make_shared<const std::vector<double>>(e.per_sample);
    e.lower = [values, classes](double c) { return bounded_mean_lower(*values, 0, classes, c); };
    e.upper = [values, classes](double c) { return bounded_mean_upper(*values, 0, classes, c); };
    e.text = print_value(e.point, e.gives) + " over " + std::to_string(samples);
    e.advice = [](double, bool, double) { return std::string("more samples narrow it (a bound of any distribution on 0 to the number of classes)"); };
    e.figures = {{e.name, e.point, "", e.how}, {"samples", static_cast<double>(samples), "", "counted"}};
  }
  e.text += from(threshold, n, calibration);
  e.figures.push_back({"threshold", threshold, "", "calibrated"});
  return e;
}

Result<Estimate> interval_statistic(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, bool quantiles, double level, std::optional<double> confidence,
                                    const std::string& calibration, const std::string& output, const Scope& scope, Recall& recall) {
  struct Interval { double lower, upper, truth; };
  auto intervals = [&](const std::string& data) -> Result<std::vector<Interval>> {
    const auto& samples = recall.samples(model, data);
    if (!samples) return samples.error();
    std::vector<Interval> list;
    if (!quantiles && output.empty()) {
      if (samples->value.empty() || samples->value.size() != samples->target.size()) return lacking("'" + model + "' gives no values on '" + data + "', or it has no targets");
      for (std::size_t i = 0; i < samples->value.size(); ++i) list.push_back({samples->value[i], samples->value[i], samples->target[i]});
      return list;
    }
    SAHA_TRY(const Answers a, answers(model, data, output, recall));
    if (samples->target.size() != a.rows.size()) return lacking("'" + data + "' has no target values");
    for (std::size_t i = 0; i < a.rows.size(); ++i) {
      const auto& row = a.rows[i];
      if (quantiles ? row.size() < 2 : row.size() != 1)
        return lacking("output '" + a.output + "' has " + figures::counted(static_cast<std::int64_t>(row.size()), "value") + (quantiles ? "; method=cqr reads a lower and an upper quantile from it, the first and the last" : "; method=residual reads one"));
      list.push_back({row.front(), row.back(), samples->target[i]});
    }
    return list;
  };
  SAHA_TRY(const auto known, intervals(calibration));
  SAHA_TRY(const auto all, intervals(slice.data));
  std::vector<double> scores;
  for (const Interval& i : known) scores.push_back(interval_score(i.lower, i.upper, i.truth));
  SAHA_TRY(const double threshold, threshold_of(std::move(scores), level, confidence, calibration));
  SAHA_TRY(const auto chosen, picked(all, slice, "'" + slice.data + "' has no samples"));
  const bool covers = atom.path.back() == "coverage";
  double of_one = 1;
  if (!covers) { SAHA_TRY(of_one, stated_in(e, output.empty() ? recall.samples(model, slice.data)->decisive : output, scope)); }
  for (const Interval& i : chosen)
    e.per_sample.push_back(covers ? interval_score(i.lower, i.upper, i.truth) <= threshold : of_one * std::max(0.0, i.upper - i.lower + 2 * threshold));
  const auto n = static_cast<std::int64_t>(e.per_sample.size());
  if (covers) {
    e.binary = true;
    proportion(e, static_cast<std::int64_t>(std::accumulate(e.per_sample.begin(), e.per_sample.end(), 0.0)), n);
  } else if (quantiles) {
    mean(e, e.per_sample, false);
  } else {  // the same width everywhere
    e.exact = true;
    e.point = of_one * 2 * threshold;
    e.lower = e.upper = [v = e.point](double) { return v; };
    e.text = e.print(e.point);
    e.figures = {{e.name, e.point / e.unit_factor, e.unit, e.how}};
    e.per_sample.clear();
  }
  e.text += from(threshold, static_cast<std::int64_t>(known.size()), calibration);
  e.figures.push_back({"threshold", threshold, "", "calibrated"});
  return e;
}

Result<Estimate> conformal(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall) {
  const std::string calibration = argument_of(atom, "conformal")->path[0];
  const double level = *share_argument(atom, "level");
  const auto confidence = share_argument(atom, "confidence");
  const Expr *method = argument_of(atom, "method"), *named = argument_of(atom, "output");
  const std::string output = named ? named->path[0] : "";
  std::string rule = method ? method->path[0] : "";
  if (rule.empty()) {
    const auto& samples = recall.samples(model, calibration);
    if (!samples) return samples.error();
    const bool values = atom.path.back() == "width" || (atom.path.back() == "coverage" && !samples->value.empty());
    rule = values ? "residual" : "lac";
  }
  if (const auto sets = set_rule(rule)) return set_statistic(std::move(e), atom, model, slice, *sets, level, confidence, calibration, output, recall);
  return interval_statistic(std::move(e), atom, model, slice, rule == "cqr", level, confidence, calibration, output, scope, recall);
}

// --- strange inputs ---

Result<Estimate> rejected_share(Estimate e, const std::vector<double>& scores, double threshold) {
  for (double s : scores) e.per_sample.push_back(!(s <= threshold));
  e.binary = true;
  proportion(e, static_cast<std::int64_t>(std::accumulate(e.per_sample.begin(), e.per_sample.end(), 0.0)), static_cast<std::int64_t>(scores.size()));
  return e;
}

Result<Estimate> detection(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall) {
  SAHA_TRY(const Scorer scorer, Scorer::make(atom, model, recall));
  SAHA_TRY(const auto scores, scorer.of(model, slice, recall));
  if (atom.path.back() == "auroc") {
    SAHA_TRY(const auto strange, scorer.of(model, {.data = atom.args[1].path[0]}, recall));
    for (const auto* list : {&scores, &strange})
      if (std::ranges::any_of(*list, [](double s) { return std::isnan(s); })) return lacking("a score is not a number");
    const Auc a = delong(strange, scores);
    e.point = a.area;
    e.lower = [a](double c) { return auc_lower(a, c); };
    e.upper = [a](double c) { return auc_upper(a, c); };
    e.text = figures::percent(a.area) + " of " + std::to_string(a.negatives) + " known and " + std::to_string(a.positives) + " strange (DeLong)";
    e.advice = [](double, bool, double) { return std::string("more samples narrow it"); };
    e.figures = {{e.name, e.point, "", e.how}, {"samples", static_cast<double>(a.positives + a.negatives), "", "counted"}};
    return e;
  }
  const Expr* named = argument_of(atom, "calibrate");
  const std::string calibration = named ? named->path[0] : calibration_set(scope);
  SAHA_TRY(auto known, scorer.of(model, {.data = calibration}, recall));
  const auto n = static_cast<std::int64_t>(known.size());
  SAHA_TRY(const double threshold, threshold_of(std::move(known), 1 - *share_argument(atom, "fpr"), share_argument(atom, "confidence"), calibration));
  SAHA_TRY(e, rejected_share(std::move(e), scores, threshold));
  e.text += from(threshold, n, calibration);
  e.figures.push_back({"threshold", threshold, "", "calibrated"});
  return e;
}

// By the rule of the model section.
Result<Estimate> rejection(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall) {
  SAHA_TRY(const Rejector r, rejector(model, slice.data, scope, recall));
  SAHA_TRY(const Answers a, answers(model, slice.data, r.output, recall));
  SAHA_TRY(const Rows rows, picked(a.rows, slice, "'" + slice.data + "' has no samples"));
  std::vector<double> scores;
  for (const auto& row : rows) {
    SAHA_TRY(const double s, r.strange(row));
    scores.push_back(s);
  }
  const std::string by = r.calibrated_on > 0 ? from(r.threshold, r.calibrated_on, r.data) : ", threshold " + figures::significant(r.threshold, 4);
  if (atom.path.back() == "rejected") {
    SAHA_TRY(e, rejected_share(std::move(e), scores, r.threshold));
  } else {
    const auto& samples = recall.samples(model, slice.data);
    if (!samples) return samples.error();
    SAHA_TRY(const auto correct, picked(samples->correct, slice, "'" + model + "' gives no right and wrong answers on '" + slice.data + "'"));
    std::int64_t k = 0, n = 0;
    for (std::size_t i = 0; i < std::min(correct.size(), scores.size()); ++i) {
      if (r.rejects(scores[i])) continue;
      ++n;
      k += correct[i] != 0;
    }
    if (n == 0) return lacking("every sample of '" + (slice.name.empty() ? slice.data : slice.name) + "' is rejected");
    proportion(e, k, n);
    e.text += " accepted of " + std::to_string(scores.size());
    e.pairs_with.clear();   // another model accepts others
  }
  e.text += by;
  e.figures.push_back({"threshold", r.threshold, "", r.calibrated_on > 0 ? "calibrated" : "stated"});
  return e;
}

}  // namespace

bool is_calibrated(const Word& w) {
  return w.named_argument("conformal") || w.named_argument("score") || w.name == "rejected" || w.name == "selective_accuracy";
}

Result<Estimate> calibrated(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall) {
  e.pairs_with = e.name.substr(e.name.find('.') + 1) + "/" + slice.name;
  const Word& w = *find_word(atom.path.back());
  if (w.named_argument("conformal")) return conformal(std::move(e), atom, model, slice, scope, recall);
  if (w.named_argument("score")) return detection(std::move(e), atom, model, slice, scope, recall);
  return rejection(std::move(e), atom, model, slice, scope, recall);
}

Result<double> Rejector::strange(std::span<const double> values) const { return strange_to(score, values, meaning); }

Result<Rejector> rejector(const std::string& model, const std::string& seen, const Scope& scope, Recall& recall) {
  if (!scope.reject) return lacking("nothing says what is rejected: add  reject: {score: softmax, accept: 95 %}  to the model section");
  const Scope::Reject& rule = *scope.reject;
  Rejector r;
  r.score = *strangeness(rule.score);
  r.output = rule.output;
  if (rule.threshold) {
    r.threshold = *rule.threshold;
    const auto& samples = recall.samples(model, seen);
    if (!samples) return samples.error();
    if (r.output.empty()) r.output = samples->decisive;
    if (r.output.empty()) return lacking("which output of '" + model + "' decides is not known; name it in model.reject.output");
    if (r.output == samples->decisive) r.meaning = samples->meaning;
    return r;
  }
  r.data = rule.data.empty() ? calibration_set(scope) : rule.data;
  SAHA_TRY(const Answers a, answers(model, r.data, rule.output, recall));
  r.output = a.output;
  r.meaning = a.meaning;
  std::vector<double> scores;
  for (const auto& row : a.rows) {
    SAHA_TRY(const double s, r.strange(row));
    scores.push_back(s);
  }
  r.calibrated_on = static_cast<std::int64_t>(scores.size());
  SAHA_TRY(r.threshold, threshold_of(std::move(scores), rule.accept, rule.confidence, r.data));
  return r;
}

}  // namespace saha::validate
