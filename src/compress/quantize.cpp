#include "compress/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>

#include "compress/choose.hpp"
#include "compress/equalize.hpp"
#include "compress/errors.hpp"
#include "compress/weights.hpp"
#include "op/work.hpp"

namespace saha::compress {
namespace {
using ir::ValueId;
constexpr double kRefineMacs = 4e10;   // of the float graph while roundings are chosen, from which follows on how many samples

/// The data says something: not empty, and its samples differ.
Result<> check_samples(const ir::Graph& g, const Samples& s) {
  if (s.size < 1) return Error{ErrorCode::invalid_data, "the calibration data is empty"};
  std::vector<std::pair<float, float>> range(g.inputs().size(), {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
  bool real = false;
  for (std::int64_t at = 0; at < s.size; at += s.batch_size) {
    SAHA_TRY(const auto in, s.batch(at, std::min(s.batch_size, s.size - at)));
    for (std::size_t k = 0; k < in.size(); ++k) {
      if (!in[k].is_tensor() || in[k].tensor.dtype != DType::f32) { real |= in[k].is_tensor(); continue; }
      const float* x = in[k].tensor.as<float>();
      for (std::int64_t i = 0; i < in[k].tensor.size(); ++i) {
        if (!std::isfinite(x[i])) return Error{ErrorCode::invalid_data, "the calibration data for input '" + g.name(g.inputs()[k]) + "' has a number that is not finite, in sample " + std::to_string(at + 1)};
        range[k] = {std::min(range[k].first, x[i]), std::max(range[k].second, x[i])};
      }
      real |= range[k].first < range[k].second;
    }
    if (real) break;
  }
  if (real) return {};
  for (std::size_t k = 0; k < range.size(); ++k) if (range[k].first <= range[k].second) return Error{ErrorCode::invalid_data, "the calibration data for input '" + g.name(g.inputs()[k]) + "' is " + std::to_string(range[k].first) + " everywhere: no range follows from it", "give samples as the model will see them"};
  return {};
}
/// Share of the observed range that holds all but one in a thousand of the numbers.
double bulk(const Histogram& h) {
  const double whole = h.highest() - h.lowest();
  if (!(whole > 0)) return 1;
  const Range r = range_of(h, {.how = Calibration::percentile, .percentile = 99.9});
  const Range all = range_of(h, {.how = Calibration::minmax});
  return all.hi > all.lo ? (r.hi - r.lo) / (all.hi - all.lo) : 1;
}
/// The result that a layer gives to others: of the limit that follows it, where there is one.
ValueId result_of(const ir::Graph& g, const Sites& s, std::size_t node) {
  ValueId v = g.result(g.nodes()[node]);
  for (std::size_t i = node; s.inside[i];) {
    std::size_t next = i;
    for (std::size_t j = i + 1; j < g.nodes().size(); ++j) if (s.role[j] == Role::limit && g.operand(g.nodes()[j], 0) == v) { next = j; break; }
    if (next == i) break;
    v = g.result(g.nodes()[next]);
    i = next;
  }
  return v;
}
std::string number(const char* form, double v) {
  char b[64];
  std::snprintf(b, sizeof b, form, v);
  return b;
}
/// Largest magnitude of each channel, and what stands out among them.
struct Channels {
  std::vector<float> most;
  void add(const Tensor& t, std::size_t axis) {
    if (axis >= t.rank()) return;
    const std::int64_t channels = t.dims[axis];
    std::int64_t inner = 1;
    for (std::size_t i = axis + 1; i < t.rank(); ++i) inner *= t.dims[i];
    most.resize(std::size_t(channels), 0);
    const float* x = t.as<float>();
    for (const float* end = x + t.size(); x < end;)
      for (float& m : most)
        for (const float* row = x + inner; x < row; ++x) m = std::max(m, std::abs(*x));
  }
  std::string outlier() const {
    if (most.size() < 4) return {};
    std::vector<float> sorted = most;
    std::nth_element(sorted.begin(), sorted.begin() + std::ptrdiff_t(sorted.size() / 2), sorted.end());
    const float median = sorted[sorted.size() / 2];
    const auto top = std::max_element(most.begin(), most.end());
    if (!(median > 0) || *top < 8 * median) return {};
    return "outliers in channel " + std::to_string(top - most.begin()) + " (x " + number("%.0f", double(*top / median)) + " of the median)";
  }
};
/// Nodes that multiply, of a graph inside another one too.
void multiplying(const ir::Graph& g, const std::string& where, const std::function<bool(std::size_t)>& counted, std::vector<std::string>& to) {
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    const std::string self = std::string(n.op.str()) + " '" + layer_name(g, n) + "'";
    bool bodies = false;
    for (const ir::NamedAttr& a : *n.attrs)
      if (const auto* body = std::get_if<ir::GraphRef>(&a.value); body && *body) {
        bodies = true;
        multiplying(**body, where + " in " + self, {}, to);
      }
    if (!bodies && op::work(g, n).macs > 0 && (!counted || counted(i))) to.push_back(self + where);
  }
}
}  // namespace

std::string_view name(Width w) { return w == Width::int8 ? "int8" : w == Width::int16 ? "int16" : "float32"; }

Result<Quantizer> Quantizer::make(const ir::Graph& given, const Samples& calibration, runtime::Backend& engine, const QuantizeOptions& o, const Watch& watch) {
  SAHA_DO(check_samples(given, calibration));
  Quantizer q(engine, o);
  SAHA_TRY(ir::Graph whole, prepared(given));
  std::optional<Referee> referee;
  Form form;
  Samples fit = calibration;
  if (o.search) {
    const Parts split = parts(calibration);
    fit = split.fit;
    // Ranges have few numbers to fit and are judged by all samples, roundings by those that they were not fitted to.
    SAHA_TRY(const Referee of_ranges, Referee::make(whole, calibration, engine, o.threads, watch));
    SAHA_TRY(form, chosen_form(whole, calibration, split, of_ranges, engine, o, q.choice_, watch));
    SAHA_TRY(referee, Referee::make(whole, split.held, engine, o.threads, watch));
    q.choice_.held = referee->samples().size;
  } else {
    if (o.equalize) { SAHA_TRY(whole, equalized(whole, engine, o.threads, first(calibration, 128), watch)); }
    SAHA_TRY(form, form_of(std::move(whole), {}, calibration, engine, o, watch));
    q.choice_ = {.equalised = o.equalize, .rule = o.range.how, .rounded = o.round};
  }
  q.g_ = std::move(form.graph);
  q.sites_ = std::move(form.sites);
  q.seen_ = std::move(form.seen);
  q.chosen_ = std::move(form.numbers);
  const ir::Graph& g = q.g_;
  const Sites& sites = q.sites_;
  for (std::size_t i = 0; i < sites.groups.size(); ++i) {
    const Range all = range_of(q.seen_[i], {.how = Calibration::minmax});
    q.wide_.push_back(sites.groups[i].fixed ? *fixed_storage(*g.producer(sites.groups[i].sources[0]), DType::i16) : storage_of(all.lo, all.hi, DType::i16));
  }
  SAHA_TRY(const double macs, macs_of(g, calibration));
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const Role role = sites.role[i];
    if (role != Role::product && role != Role::own && role != Role::fixed) continue;
    const ir::Node& n = g.nodes()[i];
    Layer l;
    l.name = layer_name(g, n);
    l.op = op::kind(g, n);
    l.node = i;
    l.group = sites.group[std::size_t(result_of(g, sites, i))];
    l.macs = op::work(g, n).macs;
    if (role == Role::product && has_weights(g, n)) l.parameters = g[g.operand(n, 1)].constant->size();
    if (l.group >= 0) {
      const auto at = std::size_t(l.group);
      const auto& stored = q.chosen_.groups[at];
      const IntRange range = int_range(stored.dtype);
      l.lowest = q.seen_[at].lowest();
      l.highest = q.seen_[at].highest();
      l.lo = double(stored.quant->scale[0]) * double(range.lo - stored.quant->zero[0]);
      l.hi = double(stored.quant->scale[0]) * double(range.hi - stored.quant->zero[0]);
      l.bulk = bulk(q.seen_[at]);
    }
    l.sqnr_db = l.alone_db = std::numeric_limits<double>::quiet_NaN();
    q.layers_.push_back(std::move(l));
  }
  multiplying(g, "", [&](std::size_t i) {
    const std::string name = layer_name(g, g.nodes()[i]);
    return sites.role[i] == Role::none && !o.keep.contains(name) && std::find(q.choice_.floats.begin(), q.choice_.floats.end(), name) == q.choice_.floats.end();
  }, q.left_);
  q.readers_.resize(sites.groups.size());
  for (std::size_t i = 0; i < q.layers_.size(); ++i)
    for (std::size_t k : data_operands(g, g.nodes()[q.layers_[i].node]))
      if (const auto group = sites.group[std::size_t(g.operand(g.nodes()[q.layers_[i].node], k))]; group >= 0 && sites.groups[std::size_t(group)].layer < 0) q.readers_[std::size_t(group)].push_back(i);
  // Roundings and biases for the widths that are asked for; where outputs judge, the better of both ways.
  const auto few = std::max<std::int64_t>(std::int64_t(kRefineMacs / std::max(1.0, macs)), 16);
  std::optional<Nearness> most;
  std::map<std::size_t, Weights> best = q.chosen_.weights;
  const auto judged = [&](const std::string& what) -> Result<bool> {
    if (!referee) return true;
    SAHA_TRY(const ir::Graph written, q.graph(q.widths()));
    SAHA_TRY(const Nearness near, referee->near(written, watch));
    q.choice_.tried.push_back({what, near.mean_db, near.least_db});
    const bool better = !most || near.worth() > most->worth();
    if (better) most = near;
    return better;
  };
  if (auto first_of_all = judged("nearest roundings"); !first_of_all) return std::move(first_of_all.error());
  bool rounded = false;
  for (const bool round : {false, true}) {
    if (round ? !o.round : !o.correct || (o.round && !referee)) continue;
    Numbers numbers = q.numbers(q.widths());
    SAHA_DO(refine(g, sites, numbers, {o.one_width}, engine, spread(fit, few), {.correct = o.correct, .round = round, .threads = o.threads}, watch));
    std::swap(q.chosen_.weights, numbers.weights);
    SAHA_TRY(const bool better, judged(round ? "chosen roundings" : "corrected biases"));
    if (better) best = q.chosen_.weights, rounded = round;
    q.chosen_.weights = std::move(numbers.weights);
  }
  q.choice_.rounded = rounded;
  q.chosen_.weights = std::move(best);
  return q;
}

Numbers Quantizer::numbers(const std::vector<Width>& widths) const {
  Numbers n = chosen_;
  if (options_.to == DType::i16) n.groups = wide_;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& l = layers_[i];
    if (widths[i] != Width::int8 && l.group >= 0) n.groups[std::size_t(l.group)] = wide_[std::size_t(l.group)];
    if (widths[i] == Width::float32) n.weights.erase(l.node);
  }
  // What no layer makes, an input say, is as wide as the widest layer that reads it.
  for (std::size_t k = 0; k < readers_.size(); ++k)
    if (std::any_of(readers_[k].begin(), readers_[k].end(), [&](std::size_t i) { return widths[i] != Width::int8; })) n.groups[k] = wide_[k];
  return n;
}
Result<ir::Graph> Quantizer::graph(const std::vector<Width>& widths) const {
  SAHA_TRY(Pairs written, write_pairs(g_, sites_, numbers(widths), {options_.one_width}));
  return std::move(written.graph);
}

Result<double> Quantizer::measure(const std::vector<Width>& widths, const Samples& samples, const Watch& watch) {
  SAHA_TRY(const ir::Graph quantised, graph(widths));
  std::vector<ValuePair> pairs = outputs_of(g_, quantised);
  const std::size_t outputs = pairs.size();
  std::vector<ValueId> results;
  for (const Layer& l : layers_) results.push_back(result_of(g_, sites_, l.node));
  const auto others = by_name(g_, results, quantised);
  std::vector<std::size_t> layer;
  for (std::size_t i = 0; i < results.size(); ++i) if (others[i] != ValueId::none) { pairs.push_back({results[i], others[i]}); layer.push_back(i); }
  std::vector<Sqnr> sqnr(pairs.size());
  std::vector<Channels> channels(layers_.size());
  SAHA_DO(observe_both(g_, quantised, pairs, *engine_, options_.threads, samples, watch, "comparing", [&](std::int64_t, std::span<const Datum> a, std::span<const Datum> b) -> Result<> {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      if (!a[k].is_tensor() || a[k].tensor.dtype != DType::f32 || a[k].tensor.size() != b[k].tensor.size()) continue;
      const auto n = std::size_t(a[k].tensor.size());
      sqnr[k].add({a[k].tensor.as<float>(), n}, {b[k].tensor.as<float>(), n});
      if (k < outputs) continue;
      const ir::Node& node = g_.nodes()[layers_[layer[k - outputs]].node];
      channels[layer[k - outputs]].add(a[k].tensor, node.op == "MatMul" || node.op == "Gemm" ? a[k].tensor.rank() - 1 : 1);
    }
    return {};
  }));
  for (std::size_t k = 0; k < layer.size(); ++k) {
    Layer& l = layers_[layer[k]];
    l.sqnr_db = sqnr[k + outputs].db();
    l.reason = channels[layer[k]].outlier();
    if (l.reason.empty() && l.group >= 0 && l.bulk < 0.1) l.reason = "99.9 % of the numbers lie in " + number("%.1f", 100 * l.bulk) + " % of the range";
    else if (l.reason.empty() && l.group >= 0 && (l.highest > 1.5 * l.hi || l.lowest < 1.5 * l.lo)) l.reason = "range cut from " + number("%.3g", l.lowest) + " .. " + number("%.3g", l.highest) + " to " + number("%.3g", l.lo) + " .. " + number("%.3g", l.hi);
  }
  return mean_db(std::span(sqnr).first(outputs));
}

Result<> Quantizer::measure_alone(const Samples& samples, const Watch& watch) {
  const Numbers all = numbers(widths());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    SAHA_DO(watch.at("one layer at a time", std::int64_t(i), std::int64_t(layers_.size())));
    Layer& l = layers_[i];
    Numbers one;
    one.groups.resize(all.groups.size());
    if (l.group >= 0) one.groups[std::size_t(l.group)] = all.groups[std::size_t(l.group)];
    if (all.weights.contains(l.node)) {
      // Rounded to nearest: the chosen roundings make up for errors of other layers, which are not here.
      one.weights.emplace(l.node, plain_weights(g_, g_.nodes()[l.node], options_.per_channel));
    }
    SAHA_TRY(const Pairs written, write_pairs(g_, sites_, one, {options_.one_width}));
    SAHA_TRY(const auto sqnr, compare(g_, written.graph, outputs_of(g_, written.graph), *engine_, options_.threads, samples, Watch{{}, watch.stop}, "one layer at a time"));
    l.alone_db = mean_db(sqnr);
  }
  return watch.at("one layer at a time", std::int64_t(layers_.size()), std::int64_t(layers_.size()));
}

}  // namespace saha::compress
