#include "verify/verify.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <span>

#include "op/builder.hpp"
#include "passes/gather_quantised.hpp"
#include "passes/simplify.hpp"
#include "verify/problem.hpp"
#include "verify/record.hpp"

namespace saha::verify {

std::string_view name(Verdict v) {
  switch (v) {
    case Verdict::holds: return "holds";
    case Verdict::violated: return "violated";
    case Verdict::unknown: return "unknown";
    case Verdict::timeout: return "timeout";
  }
  return "";
}

namespace {
/// Up to so many inputs are split themselves; up to so many both searches take turns, since neither is always the faster.
constexpr std::size_t kFewInputs = 12, kSomeInputs = 100;
/// Passes that change no arithmetic: constants are computed, movement and what is not needed goes.
constexpr std::string_view kExact[] = {"remove_dead", "close_over_constants", "resolve_branches", "fold_constants", "resolve_shapes", "remove_identities", "compose_views"};

/// "int8" where values of so many bits are stored; empty: none.
std::string integers_of(const ir::Graph& g) {
  int widest = 0;
  for (const ir::Value& v : g.values()) if (v.type->quant && !v.constant) widest = std::max(widest, bits(v.type->dtype));
  return widest ? "int" + std::to_string(widest) : "";
}

Result<> check(const Property& p, const Net& net, std::int64_t inputs) {
  if (p.inputs != inputs) return Error{ErrorCode::invalid_argument, "the property has " + std::to_string(p.inputs) + " inputs, the network " + std::to_string(inputs)};
  if (p.outputs > net.outputs()) return Error{ErrorCode::invalid_argument, "the property has " + std::to_string(p.outputs) + " outputs, the network " + std::to_string(net.outputs())};
  for (const Case& c : p.cases) {
    if (!c.box || c.box->lo.size() != std::size_t(p.inputs) || c.box->hi.size() != std::size_t(p.inputs)) return Error{ErrorCode::invalid_argument, "a case of the property has no box over all inputs"};
    for (std::size_t i = 0; i < c.box->lo.size(); ++i)
      if (!(c.box->lo[i] <= c.box->hi[i]) || !(std::fabs(c.box->lo[i]) < 1e30) || !(std::fabs(c.box->hi[i]) < 1e30))
        return Error{ErrorCode::invalid_argument, "input " + std::to_string(i) + " lies between " + std::to_string(c.box->lo[i]) + " and " + std::to_string(c.box->hi[i]) + ", which is no finite interval"};
  }
  return {};
}
/// Where two rows of a case speak of the same elements of two outputs, one turned round - a class leads in one network and not in the other -, their sum holds too: a row over differences, of which
/// more is known than of either output. `starts`: where each output begins, and their end.
void add_sums_of_mirrored(Property& property, std::span<const std::int32_t> starts) {
  using Form = std::pair<std::vector<std::int32_t>, std::vector<double>>;  // elements of their output, coefficients
  for (Case& c : property.cases) {
    std::map<Form, std::vector<std::pair<std::size_t, std::int32_t>>> seen;  // rows, and where their outputs begin
    const std::size_t rows = c.rows.size();
    for (std::size_t k = 0; k < rows; ++k) {
      const Row row = c.rows[k];
      if (row.y.empty() || !row.x.empty()) continue;
      const auto end = std::upper_bound(starts.begin(), starts.end(), row.y[0].first);
      if (end == starts.end() || row.y.back().first >= *end) continue;
      const std::int32_t start = *(end - 1);
      Form form, turned;
      for (auto& [e, v] : row.y) form.first.push_back(e - start), form.second.push_back(v), turned.second.push_back(-v);
      turned.first = form.first;
      for (auto [other, from] : seen[turned]) {
        if (from == start) continue;
        Row sum = c.rows[other];
        sum.y.insert(sum.y.end(), row.y.begin(), row.y.end());
        std::sort(sum.y.begin(), sum.y.end());
        sum.bound += row.bound, sum.strict |= row.strict;
        c.rows.push_back(std::move(sum));
      }
      seen[form].emplace_back(k, start);
    }
  }
}
/// Where rows of the property themselves take differences of two networks' outputs: a layer of their sums, so that the networks' ReLUs can be paired. The
/// property over that layer. False: they take none, and both stay as they are.
bool over_differences(Net& net, Property& property, std::span<const std::int32_t> starts) {
  std::vector<Entry> entries;
  std::vector<std::vector<std::pair<std::int32_t, double>>> sums;
  Property over = property;
  add_sums_of_mirrored(over, starts);
  for (Case& c : over.cases)
    for (Row& r : c.rows) {
      if (r.y.empty()) continue;
      for (auto& [e, v] : r.y) if (double(float(v)) != v) return false;
      auto known = std::find(sums.begin(), sums.end(), r.y);
      const std::int32_t row = std::int32_t(known - sums.begin());
      if (known == sums.end()) {
        if (sums.size() >= 4096) return false;
        for (auto& [e, v] : r.y) entries.push_back({row, e, float(v)});
        sums.push_back(r.y);
      }
      r.y = {{row, 1.0}};
    }
  Net wider = net;
  Layer l;
  l.size = std::int32_t(sums.size());
  if (!l.size) return false;
  l.terms.push_back({std::int32_t(net.layers.size()) - 1, make_matrix(l.size, net.outputs(), std::move(entries))});
  l.bias.assign(sums.size(), 0.0f);
  l.origin = "the property's sums of outputs";
  wider.layers.push_back(std::move(l));
  compact(wider, false);
  if (!pair_alike(wider)) return false;
  over.outputs = std::int64_t(sums.size());
  net = std::move(wider), property = std::move(over);
  return true;
}

/// Every row compares two outputs, and nothing else.
bool compares(const Property& p) {
  for (const Case& c : p.cases)
    for (const Row& r : c.rows)
      if (!r.x.empty() || r.bound != 0 || r.y.size() != 2 || r.y[0].second != -r.y[1].second) return false;
  return true;
}

/// The searches take turns, each twice as long as the one before, until one ends. `paired`: the same problem with ReLUs as pairs, or null; it is searched instead, unless a certificate is wanted or
/// replayed, which it has not.
End search(const Problem& problem, const Problem* paired, Watch& watch, std::size_t varying, Outcome& out) {
  struct Turn {
    std::unique_ptr<Search> search;
    std::string_view method;
    std::unique_ptr<Record> record;                  // the caller's becomes that of the search that proves
  };
  std::vector<Turn> turns;
  Record* const wanted = problem.options.record && problem.options.record->kept() ? problem.options.record : nullptr;
  const bool pairs = paired && !problem.options.record;
  const Problem& searched = pairs ? *paired : problem;
  auto over_activations = [&](const Problem& p) {
    auto record = wanted ? std::make_unique<Record>() : nullptr;
    turns.push_back({activation_search(p, watch, record.get()), &p == paired ? "activation splits on pairs" : "activation splits", std::move(record)});
  };
  auto over_inputs = [&] {
    auto record = wanted ? std::make_unique<Record>() : nullptr;
    turns.push_back({input_search(searched, watch, record.get()), pairs ? "input splits on pairs" : "input splits", std::move(record)});
  };
  const Method method = problem.options.method;
  const bool inputs = method == Method::automatic ? varying <= kSomeInputs : method == Method::inputs;
  if (method == Method::automatic ? varying > kFewInputs : method == Method::activations) {
    over_activations(searched);
    if (pairs) over_activations(problem);            // where networks differ much, pairs say little and cost more
  }
  if (inputs) over_inputs();
  bool tried_inputs = inputs;
  for (double slice = 0.2;; slice *= 2)
    for (std::size_t k = 0; k < turns.size(); ++k) {
      const End e = turns[k].search->run(turns.size() > 1 ? watch.seconds() + slice : INFINITY);
      if (e == End::paused) continue;
      out.method = watch.regions() <= std::ssize(problem.groups) ? "bounds" : turns[k].method;
      if (e == End::proved && turns[k].record) wanted->take(*turns[k].record);
      if (e != End::given_up) return e;
      out.why = turns[k].search->why();
      turns.erase(turns.begin() + std::ptrdiff_t(k--));
      if (!turns.empty()) continue;
      if (tried_inputs || method == Method::activations) return e;
      tried_inputs = true;
      over_inputs();                                 // slow over many inputs, but it has no end of its own
    }
}
}  // namespace

Result<Outcome> prove(const ir::Graph& g, const Property& property, const Options& options) {
  passes::Options exact;
  std::vector<std::string> only(std::begin(kExact), std::end(kExact));
  SAHA_TRY(const ir::Graph gathered, passes::gather_quantised(g, 8));  // as the native engine does
  SAHA_TRY(passes::Simplified simple, passes::simplify(gathered, exact, {}, only));
  Outcome out;
  out.integers = integers_of(simple.graph);
  std::size_t varying = 0;
  bool rows_of_inputs = false;
  for (const Case& c : property.cases) {
    std::size_t n = 0;
    for (std::size_t i = 0; c.box && i < c.box->lo.size() && i < c.box->hi.size(); ++i) n += c.box->lo[i] < c.box->hi[i];
    varying = std::max(varying, n);
    for (const Row& r : c.rows) rows_of_inputs |= !r.x.empty();
  }
  std::optional<Cut> parts;
  if (!out.integers.empty()) { SAHA_TRY(parts, cut(simple.graph)); }
  if (parts && rows_of_inputs && !parts->grid.direct()) parts.reset();
  SAHA_TRY(Net net, lower(parts ? parts->rest : simple.graph, varying <= kFewInputs ? Stored::steps : Stored::errors));
  if (options.record && options.record->kept() && (parts || std::ranges::any_of(net.layers, [](const Layer& l) { return l.unary.steps || l.absolute != 0 || l.whole; })))
    return Error{ErrorCode::unsupported, "proofs of integer networks are not written yet"};
  std::int64_t elements = 0;
  for (ir::ValueId v : g.inputs()) {
    std::int64_t n = 1;
    for (const ir::Dim& d : g.type(v).dims) n *= d.known().value_or(1);
    elements += n;
  }
  SAHA_DO(check(property, net, elements));
  if (property.cases.empty()) {
    out.verdict = property.empty_cases ? Verdict::unknown : Verdict::holds;
    out.why = property.empty_cases ? "every case's box is empty" : "";
    out.method = "nothing to refute";
    return out;
  }
  const Grid* grid = parts ? &parts->grid : nullptr;
  SAHA_TRY(Problem problem, make_problem(net, property, property, options, grid));
  // A softmax at the end is flat almost everywhere: descents go by the numbers before it.
  std::optional<Net> scores;
  std::optional<Problem> before;
  if (!parts && compares(property)) { SAHA_TRY(scores, lower(simple.graph, Stored::errors, true)); }
  if (scores && scores->layers.size() < net.layers.size()) {
    SAHA_TRY(Problem p, make_problem(*scores, property, property, options));
    before.emplace(std::move(p));
    problem.sought = &*before;
  }
  std::vector<std::int32_t> starts{0};
  for (ir::ValueId v : simple.graph.outputs()) {
    std::int64_t n = 1;
    for (const ir::Dim& d : simple.graph.type(v).dims) n *= d.known().value_or(1);
    starts.push_back(starts.back() + std::int32_t(n));
  }
  Net pairs = net;
  Property over = property;
  std::optional<Problem> paired;
  if (options.pairs && (pair_alike(pairs) || over_differences(pairs, over, starts))) {
    SAHA_TRY(Problem p, make_problem(pairs, over, property, options, grid));
    paired.emplace(std::move(p));
  }
  std::vector<Dims> shapes;
  for (ir::ValueId v : g.inputs()) {
    Dims d;
    for (const ir::Dim& x : g.type(v).dims) d.push_back(*x.known());
    shapes.push_back(d);
  }
  auto reference = [&](const std::vector<float>& x) -> Result<std::vector<float>> {
    std::vector<Datum> in;
    std::size_t at = 0;
    for (const Dims& d : shapes) {
      Tensor t = Tensor::zeros(g.type(g.inputs()[in.size()]).dtype, d);
      fill<double>(t, std::vector<double>(x.begin() + std::ptrdiff_t(at), x.begin() + std::ptrdiff_t(at) + t.size()));
      at += std::size_t(t.size());
      in.emplace_back(t);
    }
    SAHA_TRY(std::vector<Datum> y, op::run(simple.graph, in));
    std::vector<float> r;
    for (const Datum& d : y) {
      std::vector<double> v = values<double>(d.tensor);
      r.insert(r.end(), v.begin(), v.end());
    }
    return r;
  };
  Watch watch(problem, [&](const std::vector<float>& x) -> Result<std::vector<float>> {
    return options.execute ? options.execute(x) : reference(x);
  });
  std::vector<std::int32_t> all(problem.cases.size());
  std::iota(all.begin(), all.end(), 0);
  const bool replayed = options.record && !options.record->replayed().empty();  // it held before
  if (!replayed) attack(problem, watch, all, 20, std::max<int>(1, int(16 / std::max<std::size_t>(1, all.size()))), options.seed);
  out.method = "attack";
  End end = End::stopped;
  if (!watch.stopped()) {
    end = search(problem, paired ? &*paired : nullptr, watch, varying, out);
  }
  out.regions = watch.regions();
  out.seconds = watch.seconds();
  if (auto f = watch.found()) {
    out.verdict = Verdict::violated;
    out.x = f->first, out.y = f->second;
  } else if (end == End::proved) {
    out.verdict = Verdict::holds;
  } else if (end == End::given_up) {
    out.verdict = Verdict::unknown;
  } else {
    out.verdict = Verdict::timeout;
    out.why = "the time is over";
  }
  return out;
}

}  // namespace saha::verify
