// argmax over {equalised or not} x {rules for ranges} x {tail in float or not} of the nearness of outputs on samples held out
#include "compress/choose.hpp"

#include <algorithm>
#include <cmath>

#include "compress/equalize.hpp"
#include "compress/weights.hpp"
#include "op/work.hpp"

namespace saha::compress {
namespace {
using ir::ValueId;
constexpr double kSeenMacs = 2e10;         // of the float graph while ranges are found to compare, from which follows on how many samples
constexpr std::int64_t kHeldOut = 64;      // samples that judge at most
constexpr std::int64_t kLeastHeld = 6;     // and at least, where there are so many
constexpr double kCutDb = 120;             // a sample without error counts as this
constexpr double kJudgeMacs = 3e9;         // of one judged graph, from which follows on how many samples
constexpr int kSingles = 24;               // values that another rule is tried for
constexpr double kGain = 0.5;              // dB for which layers stay float
constexpr double kSingleGain = 0.05;       // and for which a value is stored by another rule
constexpr std::int64_t kCorrecting = 16;   // samples by which biases are corrected to compare
/// What a rule must gain, in dB: a range that cuts what samples show cuts more of what they do not show, and has to halve the error's power for it.
double risk(Calibration c) { return c == Calibration::minmax ? 0 : 3; }
constexpr Calibration kRules[] = {Calibration::mse, Calibration::minmax, Calibration::percentile};

/// The blocks of `s` that `take` takes by their number.
template <class F> Samples blocks(const Samples& s, std::int64_t block, F take) {
  std::vector<std::int64_t> first;
  std::int64_t size = 0;
  for (std::int64_t at = 0, i = 0; at < s.size; at += block, ++i) {
    if (!take(i)) continue;
    first.push_back(at);
    size += std::min(block, s.size - at);
  }
  Samples r;
  r.size = size;
  r.batch_size = block;
  r.batch = [s, first, block](std::int64_t at, std::int64_t n) { return s.batch(first[std::size_t(at / block)], n); };
  return r;
}
}  // namespace

std::string sentence(const Choice& c) {
  if (c.held == 0) return {};
  std::string s = "chosen by the outputs on " + std::to_string(c.held) + " samples held out, of " + std::to_string(c.tried.size()) + " ways: " + std::string(name(c.rule)) + " ranges";
  if (c.singles) s += " (" + std::to_string(c.singles) + " by another rule)";
  s += std::string(c.equalised ? ", equalised" : ", not equalised") + (c.rounded ? ", roundings chosen" : ", nearest roundings");
  for (std::size_t i = 0; i < c.floats.size(); ++i) s += (i ? ", " : "; float32: ") + c.floats[i];
  return s;
}

Parts parts(const Samples& s) {
  if (s.size < 5) return {s, s};
  const std::int64_t block = std::clamp<std::int64_t>(s.size / 10, 1, s.batch_size);
  return {blocks(s, block, [](std::int64_t i) { return i % 5 != 4; }), blocks(s, block, [](std::int64_t i) { return i % 5 == 4; })};
}
Samples spread(const Samples& s, std::int64_t n) {
  const std::int64_t stride = (s.size + n - 1) / std::max<std::int64_t>(1, n);
  return stride <= 1 ? s : blocks(s, s.batch_size, [stride](std::int64_t i) { return i % stride == 0; });
}

Result<Referee> Referee::make(const ir::Graph& reference, const Samples& samples, runtime::Backend& engine, int threads, const Watch& watch) {
  SAHA_TRY(const double macs, macs_of(reference, samples));
  Referee r;
  r.samples_ = spread(samples, std::clamp<std::int64_t>(std::int64_t(kJudgeMacs / macs), kLeastHeld, kHeldOut));
  r.engine_ = &engine;
  r.threads_ = threads;
  const std::vector<ValueId> outputs(reference.outputs().begin(), reference.outputs().end());
  SAHA_DO(observe(reference, outputs, engine, threads, r.samples_, watch, "choosing", [&](std::int64_t, std::span<const Datum> out) -> Result<> {
    r.outputs_.emplace_back(out.begin(), out.end());
    return {};
  }));
  return r;
}

Result<Nearness> Referee::near(const ir::Graph& other, const Watch& watch) const {
  const std::vector<ValueId> outputs(other.outputs().begin(), other.outputs().end());
  std::vector<double> db(outputs.size(), 0);
  std::vector<std::int64_t> count(outputs.size(), 0);
  std::size_t batch = 0;
  SAHA_DO(observe(other, outputs, *engine_, threads_, samples_, Watch{{}, watch.stop}, "choosing", [&](std::int64_t samples, std::span<const Datum> out) -> Result<> {
    const std::vector<Datum>& want = outputs_[batch++];
    for (std::size_t k = 0; k < db.size(); ++k) {
      if (!want[k].is_tensor() || want[k].tensor.dtype != DType::f32 || want[k].tensor.dims != out[k].tensor.dims || want[k].tensor.size() == 0) continue;
      const Tensor& t = want[k].tensor;
      const std::int64_t rows = t.rank() > 0 && t.dims[0] == samples ? samples : 1;
      const auto n = std::size_t(t.size() / rows);
      for (std::int64_t i = 0; i < rows; ++i) {
        Sqnr s;
        s.add({t.as<float>() + std::size_t(i) * n, n}, {out[k].tensor.as<float>() + std::size_t(i) * n, n});
        db[k] += std::clamp(s.db(), -kCutDb, kCutDb);
      }
      count[k] += rows;
    }
    return {};
  }));
  Nearness r{0, kCutDb};
  std::size_t compared = 0;
  for (std::size_t k = 0; k < db.size(); ++k) {
    if (count[k] == 0) continue;
    db[k] /= double(count[k]);
    r.mean_db += db[k];
    r.least_db = std::min(r.least_db, db[k]);
    ++compared;
  }
  r.mean_db /= double(std::max<std::size_t>(1, compared));
  return r;
}

op::Stored stored_group(const Form& f, std::size_t group, const RangeOptions& range) {
  if (f.sites.groups[group].fixed) return *f.sites.groups[group].fixed;
  const Range r = range_of(f.seen[group], range);
  return storage_of(r.lo, r.hi, DType::i8);
}

Result<Form> form_of(ir::Graph g, const std::set<std::size_t>& floats, const Samples& samples, runtime::Backend& engine, const QuantizeOptions& o, const Watch& watch) {
  Form f;
  f.graph = std::move(g);
  SAHA_TRY(f.sites, find_sites(f.graph, {o.keep, floats, o.float_tail}));
  for (std::size_t i = 0; i < f.graph.nodes().size(); ++i)
    if (const ir::Node& n = f.graph.nodes()[i]; f.sites.role[i] == Role::product && has_weights(f.graph, n)) f.numbers.weights.emplace(i, plain_weights(f.graph, n, o.per_channel));
  if (f.numbers.weights.empty())
    return Error{ErrorCode::unsupported, "the model has nothing to quantise: no Conv, ConvTranspose, Gemm or MatMul on float32 whose weights are constants" + std::string(o.keep.empty() ? "" : ", or all of them are kept")};
  std::vector<ValueId> values;
  std::vector<std::size_t> group;
  for (std::size_t i = 0; i < f.sites.groups.size(); ++i)
    for (ValueId v : f.sites.groups[i].sources) { values.push_back(v); group.push_back(i); }
  f.seen.resize(f.sites.groups.size());
  SAHA_DO(observe(f.graph, values, engine, o.threads, samples, watch, "calibrating", [&](std::int64_t, std::span<const Datum> seen) -> Result<> {
    for (std::size_t k = 0; k < values.size(); ++k) {
      const Tensor& t = seen[k].tensor;
      f.seen[group[k]].add({t.as<float>(), std::size_t(t.size())});
      if (f.seen[group[k]].not_finite()) return Error{ErrorCode::invalid_data, "value '" + f.graph.name(values[k]) + "' is not finite on the calibration data"};
    }
    return {};
  }));
  for (std::size_t i = 0; i < f.seen.size(); ++i) f.numbers.groups.push_back(stored_group(f, i, o.range));
  return f;
}

namespace {
/// Shares of the multiplications and of the parameters.
struct Costs {
  std::vector<double> macs, weights;   // by node
  Costs(const ir::Graph& g, const Sites& sites) : macs(g.nodes().size(), 0), weights(g.nodes().size(), 0) {
    double all_macs = 1e-9, all_weights = 1e-9;
    for (std::size_t i = 0; i < macs.size(); ++i) {
      if (sites.role[i] != Role::product) continue;
      all_macs += macs[i] = op::work(g, g.nodes()[i]).macs;
      if (has_weights(g, g.nodes()[i])) all_weights += weights[i] = double(g[g.operand(g.nodes()[i], 1)].constant->size());
    }
    for (double& m : macs) m /= all_macs;
    for (double& w : weights) w /= all_weights;
  }
};
}  // namespace

std::set<std::size_t> cheap_tail(const ir::Graph& g, const Sites& sites, double share) {
  const Costs cost(g, sites);
  std::set<std::size_t> tail;
  double macs = 0, weights = 0;
  for (;;) {
    // Products that only float ones follow; the cheapest is next.
    std::vector<char> feeds(g.values().size(), 0);   // a product on integers
    std::optional<std::size_t> best;
    for (std::size_t i = g.nodes().size(); i-- > 0;) {
      const ir::Node& n = g.nodes()[i];
      bool any = false;
      for (std::size_t k = 0; k < n.num_results; ++k) any |= bool(feeds[std::size_t(g.result(n, k))]);
      const bool product = sites.role[i] == Role::product && !tail.contains(i);
      if (product && !any && (!best || cost.macs[i] + cost.weights[i] < cost.macs[*best] + cost.weights[*best])) best = i;
      if (any || product) for (ValueId v : g.operands(n)) if (v != ValueId::none) feeds[std::size_t(v)] = 1;
    }
    if (!best || macs + cost.macs[*best] > share || weights + cost.weights[*best] > share) return tail;
    macs += cost.macs[*best];
    weights += cost.weights[*best];
    tail.insert(*best);
  }
}
std::set<std::size_t> cheap_head(const ir::Graph& g, const Sites& sites, double share) {
  const Costs cost(g, sites);
  std::set<std::size_t> head;
  std::vector<char> after(g.values().size(), 0);   // a product
  double macs = 0, weights = 0;
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    bool any = false;
    for (ValueId v : g.operands(n)) any |= v != ValueId::none && after[std::size_t(v)];
    const bool product = sites.role[i] == Role::product;
    if (product && !any) {
      head.insert(i);
      macs += cost.macs[i];
      weights += cost.weights[i];
    }
    if (product || any) for (std::size_t k = 0; k < n.num_results; ++k) after[std::size_t(g.result(n, k))] = 1;
  }
  return macs > share || weights > share ? std::set<std::size_t>{} : head;
}

Result<Form> chosen_form(const ir::Graph& prepared, const Samples& all, const Parts& parts, const Referee& referee, runtime::Backend& engine, const QuantizeOptions& o, Choice& choice, const Watch& watch) {
  const Watch quiet{{}, watch.stop};
  const auto judged = [&](const Form& f, const Numbers& n) -> Result<Nearness> {
    SAHA_DO(watch.at("choosing", std::int64_t(choice.tried.size()), 0));
    SAHA_TRY(const Pairs written, write_pairs(f.graph, f.sites, n, {o.one_width}));
    return referee.near(written.graph, watch);
  };
  // With the biases that its ranges need, on few samples.
  const auto tried = [&](const Form& f, Numbers& n, std::string what) -> Result<Nearness> {
    SAHA_DO(refine(f.graph, f.sites, n, {o.one_width}, engine, spread(parts.fit, kCorrecting), {.correct = o.correct, .round = false, .threads = o.threads}, quiet));
    SAHA_TRY(const Nearness r, judged(f, n));
    choice.tried.push_back({std::move(what), r.mean_db, r.least_db});
    return r;
  };
  const auto by_rule = [&](const Form& f, Calibration rule) {
    Numbers n = f.numbers;
    RangeOptions range = o.range;
    range.how = rule;
    for (std::size_t i = 0; i < n.groups.size(); ++i) n.groups[i] = stored_group(f, i, range);
    return n;
  };
  const auto described = [](bool equalised, Calibration rule) { return std::string(equalised ? "equalised, " : "") + std::string(name(rule)); };

  SAHA_TRY(const double macs, macs_of(prepared, all));
  const Samples some = spread(parts.fit, std::max<std::int64_t>(64, std::int64_t(kSeenMacs / macs)));
  std::vector<Form> forms;
  if (o.equalize) {
    SAHA_TRY(ir::Graph g, equalized(prepared, engine, o.threads, spread(parts.fit, std::max<std::int64_t>(128, std::int64_t(kSeenMacs / macs))), watch));
    if (!ir::same_structure(g, prepared)) {
      SAHA_TRY(Form f, form_of(std::move(g), {}, some, engine, o, quiet));
      f.equalised = true;
      forms.push_back(std::move(f));
    }
  }
  SAHA_TRY(Form plain, form_of(prepared, {}, some, engine, o, quiet));
  forms.push_back(std::move(plain));
  std::size_t best = 0;
  Calibration rule = Calibration::mse;
  std::optional<Nearness> most;
  for (std::size_t i = 0; i < forms.size(); ++i)
    for (Calibration c : {Calibration::mse, Calibration::minmax}) {
      Numbers n = by_rule(forms[i], c);
      SAHA_TRY(const Nearness r, tried(forms[i], n, described(forms[i].equalised, c)));
      if (!most || r.worth() - risk(c) > most->worth() - risk(rule)) best = i, rule = c, most = r;
    }
  Form form = std::move(forms[best]);
  forms.clear();

  // Ends of the graph that cost little stay float where that helps: what reads the inputs, whose 8 bits may be the largest error of all, and the last layers.
  std::set<std::size_t> floats;
  if (o.float_tail && o.spare > 0)
    for (const bool head : {false, true}) {
      std::set<std::size_t> with = head ? cheap_head(form.graph, form.sites, o.spare) : cheap_tail(form.graph, form.sites, o.spare);
      with.insert(floats.begin(), floats.end());
      if (with.size() == floats.size() || with.size() >= form.numbers.weights.size()) continue;
      SAHA_TRY(const Form shorter, form_of(form.graph, with, some, engine, o, quiet));
      Numbers n = by_rule(shorter, rule);
      SAHA_TRY(const Nearness r, tried(shorter, n, described(form.equalised, rule) + (head ? ", first layers float" : ", last layers float")));
      if (r.worth() <= most->worth() + kGain) continue;
      floats = std::move(with);
      most = r;
    }
  for (std::size_t i : floats) choice.floats.push_back(layer_name(form.graph, form.graph.nodes()[i]));

  QuantizeOptions with = o;
  with.range.how = rule;
  const bool equalised = form.equalised;
  SAHA_TRY(form, form_of(std::move(form.graph), floats, all, engine, with, watch));
  form.equalised = equalised;
  choice.equalised = equalised;
  choice.rule = rule;
  Numbers corrected = form.numbers;
  SAHA_TRY(Nearness now, tried(form, corrected, described(equalised, rule) + (floats.empty() ? "" : ", ends float") + ", ranges of all samples"));

  // Single values by another rule, those first whose ranges differ most.
  struct Other { double difference; std::size_t group; bool wider; op::Stored stored; };
  std::vector<Other> others;
  for (std::size_t i = 0; i < form.sites.groups.size(); ++i) {
    if (form.sites.groups[i].fixed) continue;
    const double have = double(form.numbers.groups[i].quant->scale[0]);
    std::vector<double> seen{have};
    for (Calibration c : kRules) {
      if (c == rule) continue;
      RangeOptions range = o.range;
      range.how = c;
      op::Stored s = stored_group(form, i, range);
      const double scale = double(s.quant->scale[0]);
      if (std::any_of(seen.begin(), seen.end(), [&](double x) { return std::abs(std::log(scale / x)) < 0.03; })) continue;
      seen.push_back(scale);
      others.push_back({std::abs(std::log(scale / have)), i, scale > have, std::move(s)});
    }
  }
  std::stable_sort(others.begin(), others.end(), [](const Other& a, const Other& b) { return a.difference > b.difference; });
  if (others.size() > kSingles) others.resize(kSingles);
  for (const Other& other : others) {
    Numbers n = corrected;
    n.groups[other.group] = other.stored;
    SAHA_TRY(const Nearness r, judged(form, n));
    if (r.worth() <= now.worth() + kSingleGain + (other.wider ? 0 : kSingleGain)) continue;
    now = r;
    corrected = std::move(n);
    form.numbers.groups[other.group] = other.stored;
    ++choice.singles;
  }
  if (choice.singles) choice.tried.push_back({std::to_string(choice.singles) + " values by another rule", now.mean_db, now.least_db});
  return form;
}

}  // namespace saha::compress
