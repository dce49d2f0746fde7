#include "validate/estimate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/figures.hpp"
#include "validate/calibrated.hpp"
#include "validate/comparison.hpp"
#include "validate/estimate_parts.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {

Error lacking(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }

std::vector<std::int64_t> rows_of(const Slice& slice, std::size_t n) {
  if (slice.rows) return *slice.rows;
  std::vector<std::int64_t> all(n);
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return all;
}

void proportion(Estimate& e, std::int64_t k, std::int64_t n) {
  e.point = static_cast<double>(k) / static_cast<double>(n);
  e.lower = [k, n](double confidence) { return proportion_lower(k, n, confidence); };
  e.upper = [k, n](double confidence) { return proportion_upper(k, n, confidence); };
  e.text = std::to_string(k) + " of " + std::to_string(n) + " = " + figures::percent(e.point);
  e.advice = [k, n](double limit, bool at_least, double confidence) {
    auto more = more_samples(k, n, limit, at_least, confidence);
    return more ? std::to_string(*more) + " more at this rate"
                : std::string("more samples alone do not help: the rate does not clear the limit");
  };
  e.figures = {
      {e.name, e.point, "", e.how}, {"count", static_cast<double>(k), "", "counted"}, {"samples", static_cast<double>(n), "", "counted"}};
}

void mean(Estimate& e, std::vector<double> values, bool root) {
  Mean m = mean_of(values);
  auto scale = [root](double v) { return root ? std::sqrt(std::max(0.0, v)) : v; };
  e.point = scale(m.mean);
  e.lower = [m, scale](double confidence) { return scale(mean_lower(m, confidence)); };
  e.upper = [m, scale](double confidence) { return scale(mean_upper(m, confidence)); };
  e.text = e.print(e.point) + " over " + std::to_string(m.n);
  e.advice = [m](double, bool, double) {
    return m.n < 2 ? std::string("at least two samples are needed") : std::string("more samples narrow it (Student's t)");
  };
  e.figures = {{e.name, e.point / e.unit_factor, e.unit, e.how}, {"samples", static_cast<double>(m.n), "", "counted"}};
}

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct ClassCounts {
  std::int64_t hits = 0, predicted = 0, actual = 0;
};

// Precision, recall or F1 as the proportion k of n of one class; F1 through J = F / (2 - F), which is k of n itself.
struct Share {
  std::int64_t k, n;
  bool f1;
  double value(double share) const { return f1 ? 2 * share / (1 + share) : share; }
  double point() const { return n == 0 ? 0 : value(static_cast<double>(k) / static_cast<double>(n)); }
  double lower(double c) const { return value(n == 0 ? 0 : proportion_lower(k, n, c)); }
  double upper(double c) const { return value(n == 0 ? 1 : proportion_upper(k, n, c)); }
};

Result<std::optional<std::int32_t>> class_argument(const Expr& atom, const Scope& scope) {
  for (std::size_t i = 0; i < atom.args.size(); ++i) {
    bool second = atom.arg_names[i].empty() && i > 0;
    if (atom.arg_names[i] != "class" && !second) continue;
    const Expr& a = atom.args[i];
    if (a.kind == Expr::Kind::number) return std::optional(static_cast<std::int32_t>(a.value));
    auto label = a.path.empty() ? scope.labels.end() : std::ranges::find(scope.labels, a.path[0]);
    if (label == scope.labels.end()) return lacking("class '" + print(a) + "' is not among the labels");
    return std::optional(static_cast<std::int32_t>(label - scope.labels.begin()));
  }
  return std::optional<std::int32_t>{};
}

Result<Estimate> class_statistic(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope,
                                 Recall& recall) {
  const auto& samples = recall.samples(model, slice.data);
  if (!samples) return samples.error();
  const auto& labels = recall.labels(slice.data);
  if (!labels) return labels.error();
  SAHA_TRY(auto predicted, picked(samples->predicted, slice, "'" + model + "' gives no classes on '" + slice.data + "'"));
  SAHA_TRY(auto actual, picked(*labels, slice, "'" + slice.data + "' has no labels"));
  SAHA_TRY(auto wanted, class_argument(atom, scope));
  std::map<std::int32_t, ClassCounts> counts;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ++counts[predicted[i]].predicted;
    ++counts[actual[i]].actual;
    counts[actual[i]].hits += predicted[i] == actual[i];
  }
  if (!wanted && counts.size() <= 2 && counts.rbegin()->first <= 1) wanted = 1;  // two classes: of class 1
  std::vector<Share> shares;
  const std::string& n = atom.path.back();
  for (const auto& [label, c] : counts) {
    if (wanted && label != *wanted) continue;
    bool f1 = n == "f1";
    shares.push_back({c.hits, n == "precision" ? c.predicted : n == "recall" ? c.actual : c.predicted + c.actual - c.hits, f1});
  }
  if (shares.empty())
    return lacking("no sample of class " + std::to_string(*wanted) + " in '" + (slice.name.empty() ? slice.data : slice.name) + "'");
  auto averaged = [shares](auto of) {
    double sum = 0;
    for (const Share& s : shares) sum += of(s);
    return sum / static_cast<double>(shares.size());
  };
  if (shares.size() == 1) {
    if (shares[0].n == 0) return lacking("'" + print(atom) + "' is 0 of 0: the class never occurs");
    if (n != "f1") {
      proportion(e, shares[0].k, shares[0].n);
      return e;
    }
  }
  // The mean over the classes: each bound at its part of the error, which holds whatever the classes share.
  auto part = [k = static_cast<double>(shares.size())](double c) { return 1 - (1 - c) / k; };
  e.point = averaged([](const Share& s) { return s.point(); });
  e.lower = [averaged, part](double c) { return averaged([&](const Share& s) { return s.lower(part(c)); }); };
  e.upper = [averaged, part](double c) { return averaged([&](const Share& s) { return s.upper(part(c)); }); };
  e.text = figures::percent(e.point) + " of " + std::to_string(actual.size()) +
           (shares.size() > 1 ? ", mean of " + std::to_string(shares.size()) + " classes" : "");
  e.figures = {{e.name, e.point, "", e.how}, {"samples", static_cast<double>(actual.size()), "", "counted"}};
  return e;
}

// Area under the ROC curve by ranks (Mann-Whitney). Its variance is at most A (1 - A) / min(m, n) (Birnbaum and Klose 1957), that of
// a share of min(m, n) samples, so the bounds of such a share are used.
Result<Estimate> auc(Estimate e, const std::string& model, const Slice& slice, Recall& recall) {
  const auto& samples = recall.samples(model, slice.data);
  if (!samples) return samples.error();
  const auto& labels = recall.labels(slice.data);
  if (!labels) return labels.error();
  SAHA_TRY(auto score, picked(samples->score, slice, "'" + model + "' gives no score of class 1 on '" + slice.data + "'"));
  SAHA_TRY(auto actual, picked(*labels, slice, "'" + slice.data + "' has no labels"));
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] < score[b]; });
  double rank_sum = 0;
  std::int64_t positives = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && score[order[j]] == score[order[i]]) ++j;
    if (j == i) return lacking("a score on '" + slice.data + "' is not a number");
    for (std::size_t k = i; k < j; ++k) {
      if (actual[order[k]] != 1) continue;
      rank_sum += static_cast<double>(i + j + 1) / 2;
      ++positives;
    }
    i = j;
  }
  auto m = static_cast<double>(positives), n = static_cast<double>(score.size()) - m;
  if (m == 0 || n == 0) return lacking("'" + slice.data + "' has samples of one class only; auc needs two");
  e.point = (rank_sum - m * (m + 1) / 2) / (m * n);
  double size = std::min(m, n), hits = e.point * size, misses = size - hits;
  e.lower = [=](double c) { return hits <= 0 ? 0 : incomplete_beta_inverse(hits, misses + 1, 1 - c); };
  e.upper = [=](double c) { return misses <= 0 ? 1 : 1 - incomplete_beta_inverse(misses, hits + 1, 1 - c); };
  e.text = figures::percent(e.point) + " of " + std::to_string(positives) + " positive and " +
           std::to_string(score.size() - static_cast<std::size_t>(positives)) + " negative";
  e.figures = {{e.name, e.point, "", e.how}, {"samples", m + n, "", "counted"}};
  return e;
}

Result<Estimate> statistic(Estimate e, const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, Recall& recall) {
  const std::string& n = atom.path.back();
  if (n == "precision" || n == "recall" || n == "f1") return class_statistic(std::move(e), atom, model, slice, scope, recall);
  if (n == "auc") return auc(std::move(e), model, slice, recall);
  const auto& samples = recall.samples(model, slice.data);
  if (!samples) return samples.error();
  e.pairs_with = n + "(" + slice.data + "/" + slice.name + ")";
  if (n == "accuracy") {
    SAHA_TRY(auto correct, picked(samples->correct, slice, "'" + model + "' gives no right and wrong answers on '" + slice.data + "'"));
    proportion(e, std::ranges::count_if(correct, [](std::uint8_t c) { return c != 0; }), static_cast<std::int64_t>(correct.size()));
    for (std::uint8_t c : correct) e.per_sample.push_back(c != 0);
    e.binary = true;
    return e;
  }
  if (n == "iou") {
    SAHA_TRY(e.per_sample, picked(samples->iou, slice, "'" + model + "' has no output of meaning mask, or '" + slice.data + "' no masks"));
    mean(e, e.per_sample, false);
    return e;
  }
  SAHA_TRY(auto value, picked(samples->value, slice, "'" + model + "' gives no values on '" + slice.data + "'"));
  SAHA_TRY(auto target, picked(samples->target, slice, "'" + slice.data + "' has no target values"));
  if (value.size() != target.size())
    return lacking("'" + slice.data + "' has " + std::to_string(target.size()) + " targets for " + std::to_string(value.size()) +
                   " values");
  SAHA_TRY(const double of_one, stated_in(e, samples->decisive, scope));
  std::vector<double> errors(value.size());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    double d = of_one * (value[i] - target[i]);
    errors[i] = n == "rmse" ? d * d : std::abs(d);
    if (!std::isfinite(errors[i])) return lacking("the error of sample " + std::to_string(i) + " of '" + slice.data + "' is not finite");
  }
  mean(e, errors, n == "rmse");
  if (n == "mae") e.per_sample = std::move(errors);
  else e.pairs_with.clear();
  return e;
}

Result<Estimate> own_metric(Estimate e, const std::string& name, const std::string& model, const Slice& slice, const Level& level,
                            Recall& recall) {
  const auto& metric = recall.metric(name, model, slice.data);
  if (!metric) return metric.error();
  if (metric->per_sample.empty()) {
    if (slice.rows) return lacking("'" + name + "' gives one number for the whole set, not one a sample, so slices have none");
    if (level.kind != Level::Kind::test)
      return lacking("'" + name + "' gives one number for the whole set, so there is no bound; level: test compares the number itself");
    e.point = metric->value;
    e.lower = e.upper = [v = metric->value](double) { return v; };
    e.text = print_value(e.point, e.gives);
    e.figures = {{e.name, e.point, "", e.how}};
    return e;
  }
  SAHA_TRY(auto values, picked(metric->per_sample, slice, ""));
  for (double v : values) {
    if (!std::isfinite(v)) return lacking("'" + name + "' is not finite for a sample of '" + slice.data + "'");
  }
  e.pairs_with = name + "(" + slice.data + "/" + slice.name + ")";
  e.per_sample = values;
  e.binary = std::ranges::all_of(values, [](double v) { return v == 0 || v == 1; });
  if (e.binary) proportion(e, std::ranges::count(values, 1.0), static_cast<std::int64_t>(values.size()));
  else mean(e, values, false);
  return e;
}

std::pair<Quantity, std::string_view> quantity_of(const std::string& name) {
  if (percentile_of(name) > 0) return {Quantity::latency_s, "s"};
  if (name == "throughput") return {Quantity::throughput_per_s, "1/s"};
  if (name == "peak") return {Quantity::ram_bytes, "bytes"};
  if (name == "flash") return {Quantity::flash_bytes, "bytes"};
  if (name == "size") return {Quantity::size_bytes, "bytes"};
  if (name == "energy") return {Quantity::energy_j, "J"};
  if (name == "load_time") return {Quantity::load_time_s, "s"};
  return {Quantity::edgetpu_mapped, ""};
}

Result<Estimate> measurement(Estimate e, const std::string& name, const std::string& model, const Level& level, Recall& recall) {
  auto [quantity, unit] = quantity_of(name);
  const std::int64_t tries = level.kind == Level::Kind::test && level.tries > 0 ? level.tries : 200;
  const auto& m = recall.measure(quantity, model, tries);
  if (!m) return m.error();
  e.how = validate::name(m->how);
  std::string source = " " + e.how + (m->where.empty() ? "" : " (" + m->where + ")");
  double q = percentile_of(name);
  if (!m->samples.empty()) {
    // A quantity that is no percentile but was sampled (load_time) is its median.
    if (q == 0) q = 0.5;
    std::vector<double> sorted = m->samples;
    if (std::ranges::any_of(sorted, [](double v) { return !std::isfinite(v); }))
      return lacking("a measured " + std::string(validate::name(quantity)) + " of '" + model + "' is not finite");
    std::sort(sorted.begin(), sorted.end());
    auto n = static_cast<std::int64_t>(sorted.size());
    e.point = quantile(sorted, q);
    e.text = print_value(e.point, e.gives) + " over " + std::to_string(n) + "," + source;
    e.lower = [sorted, q](double c) { return quantile_lower(sorted, q, c).value_or(-kInfinity); };
    e.upper = [sorted, q](double c) { return quantile_upper(sorted, q, c).value_or(kInfinity); };
    e.advice = [n, q](double, bool at_least, double c) {
      std::int64_t need = samples_for_quantile(q, c, !at_least);
      return n < need ? std::to_string(need - n) + " more calls for a bound of p" + figures::shortest(std::round(q * 100))
                      : std::string("more calls narrow it");
    };
    if (n < tries) e.short_of = std::to_string(n) + " of " + std::to_string(tries) + " calls measured";
    e.figures = {{e.name, e.point, std::string(unit), e.how}, {"samples", static_cast<double>(n), "", "counted"}};
    return e;
  }
  if (q > 0 && m->how == How::measured)
    return lacking("the latency of '" + model + "' has no single calls, so p" + figures::shortest(q * 100) + " is not known");
  if (!std::isfinite(m->value)) return lacking(std::string(validate::name(quantity)) + " of '" + model + "' is not finite");
  double spread = std::abs(m->value) * m->uncertainty;
  e.point = m->value;
  e.exact = m->uncertainty == 0;
  e.lower = [v = m->value - spread](double) { return v; };
  e.upper = [v = m->value + spread](double) { return v; };
  e.text = print_value(e.point, e.gives) + source + (e.exact ? "" : ", +-" + figures::percent(m->uncertainty));
  e.advice = [](double, bool, double) { return std::string("the model's uncertainty does not clear the limit; measure it"); };
  e.figures = {{e.name, e.point, std::string(unit), e.how}};
  return e;
}

template <class Map, class F>
const typename Map::mapped_type& once(Map& map, const std::string& key, F ask) {
  auto at = map.find(key);
  if (at == map.end()) at = map.emplace(key, ask()).first;
  return at->second;
}

}  // namespace

const Result<std::int64_t>& Recall::count(const std::string& data) {
  return once(counts_, data, [&] { return evidence_.count(data); });
}
const Result<std::vector<std::int32_t>>& Recall::labels(const std::string& data) {
  return once(labels_, data, [&] { return evidence_.labels(data); });
}
const Result<std::vector<std::string>>& Recall::column(const std::string& data, const std::string& name) {
  return once(columns_, data + "\n" + name, [&] { return evidence_.column(data, name); });
}
const Result<Samples>& Recall::samples(const std::string& model, const std::string& data) {
  return once(samples_, model + "\n" + data, [&] { return evidence_.samples(model, data); });
}
const Result<Metric>& Recall::metric(const std::string& name, const std::string& model, const std::string& data) {
  return once(metrics_, name + "\n" + model + "\n" + data, [&] { return evidence_.metric(name, model, data); });
}
const Result<Measurement>& Recall::measure(Quantity quantity, const std::string& model, std::int64_t samples) {
  return once(measurements_, std::string(name(quantity)) + "\n" + model, [&] { return evidence_.measure(quantity, model, samples); });
}
const Result<std::vector<double>>& Recall::output(const std::string& model, const std::string& data, std::int64_t sample,
                                                  const std::string& output) {
  std::string key = model + "\n" + data + "\n" + output;
  auto at = outputs_.find(key);
  if (at == outputs_.end() || at->second.first != sample) {
    at = outputs_.insert_or_assign(key, std::pair(sample, evidence_.output(model, data, sample, output))).first;
  }
  return at->second.second;
}

const Result<Contents>& Recall::contents(const std::string& data) {
  return once(contents_, data, [&] { return evidence_.contents(data); });
}

Result<std::int64_t> Recall::size(const Slice& slice) {
  if (slice.rows) return static_cast<std::int64_t>(slice.rows->size());
  const auto& n = count(slice.data);
  if (!n) return n.error();
  return *n;
}

Result<double> stated_in(Estimate& e, const std::string& output, const Scope& scope) {
  const Scope::Output* said = scope.output(output);
  if (!said && scope.outputs.size() == 1) said = &scope.outputs[0];
  if (!said) return 1.0;
  if (!said->unit.empty()) {
    SAHA_TRY(const yaml::Unit u, scope.units.find(said->unit));
    e.unit = said->unit, e.unit_factor = u.factor;
  }
  return std::abs(said->factor) * e.unit_factor;
}

std::string Estimate::print(double value) const { return unit.empty() ? print_value(value, gives) : print_value(value / unit_factor, gives) + " " + unit; }

std::string print_value(double value, Gives gives) {
  switch (gives) {
    case Gives::fraction: return figures::percent(value);
    case Gives::seconds: return figures::duration(value);
    case Gives::bytes: return figures::bytes(value);
    case Gives::joules: {
      double a = std::abs(value);
      double factor = a >= 1 ? 1 : a >= 1e-3 ? 1e3 : 1e6;
      return figures::shortest(std::round(value * factor * 1000) / 1000) + (factor == 1 ? " J" : factor == 1e3 ? " mJ" : " uJ");
    }
    case Gives::per_second: return figures::shortest(std::round(value * 10) / 10) + " 1/s";
    default: return figures::significant(value, 4);
  }
}

Result<Estimate> estimate(const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, const Level& level,
                          Recall& recall) {
  Estimate e;
  std::string word = atom.path.back();
  std::string who = atom.path.size() == 2 ? atom.path[0] : model;
  Expr unnamed = atom;
  unnamed.path = {word};
  e.name = who + "." + print(unnamed);
  const Word* w = find_word(word);
  if (!w) {
    auto metric = std::ranges::find(scope.metrics, word, &Scope::Metric::name);
    if (metric == scope.metrics.end()) return lacking("'" + word + "' is nothing that is measured");
    e.gives = metric->unit == "%" ? Gives::fraction : Gives::number;
    return own_metric(std::move(e), word, who, slice, level, recall);
  }
  e.gives = w->gives;
  if (!w->missing.empty()) return Error{ErrorCode::unsupported, "'" + word + "' " + std::string(w->missing)};
  if (w->group == WordGroup::measurement) return measurement(std::move(e), word, who, level, recall);
  if (w->group == WordGroup::comparison) {
    e.name = print(unnamed);
    return comparison(std::move(e), atom, slice, 0, recall);
  }
  if (is_calibrated(*w)) return calibrated(std::move(e), atom, who, slice, scope, recall);
  return statistic(std::move(e), atom, who, slice, scope, recall);
}

}  // namespace saha::validate
