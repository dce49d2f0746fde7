#include "verify/verify.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "op/builder.hpp"
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
/// Passes that change no arithmetic: constants are computed, movement and what is not needed goes.
/// Up to so many inputs are split themselves; up to so many both searches take turns, since neither is always the faster.
constexpr std::size_t kFewInputs = 12, kSomeInputs = 100;
constexpr std::string_view kExact[] = {"remove_dead", "close_over_constants", "resolve_branches", "fold_constants", "resolve_shapes", "remove_identities", "compose_views"};

Result<> check(const Property& p, const Net& net) {
  if (p.inputs != net.inputs()) return Error{ErrorCode::invalid_argument, "the property has " + std::to_string(p.inputs) + " inputs, the network " + std::to_string(net.inputs())};
  if (p.outputs > net.outputs()) return Error{ErrorCode::invalid_argument, "the property has " + std::to_string(p.outputs) + " outputs, the network " + std::to_string(net.outputs())};
  for (const Case& c : p.cases) {
    if (!c.box || c.box->lo.size() != std::size_t(p.inputs) || c.box->hi.size() != std::size_t(p.inputs)) return Error{ErrorCode::invalid_argument, "a case of the property has no box over all inputs"};
    for (std::size_t i = 0; i < c.box->lo.size(); ++i)
      if (!(c.box->lo[i] <= c.box->hi[i]) || !(std::fabs(c.box->lo[i]) < 1e30) || !(std::fabs(c.box->hi[i]) < 1e30))
        return Error{ErrorCode::invalid_argument, "input " + std::to_string(i) + " lies between " + std::to_string(c.box->lo[i]) + " and " + std::to_string(c.box->hi[i]) + ", which is no finite interval"};
  }
  return {};
}
End search(const Problem& problem, Watch& watch, std::size_t varying, Outcome& out) {
  std::unique_ptr<Search> turns[2];
  Record records[2];                                 // of each search; the caller's is of the one that proves
  auto record = [&](int k) { return problem.options.record ? &records[k] : nullptr; };
  const Method method = problem.options.method;
  if (method == Method::automatic ? varying > kFewInputs : method == Method::activations) turns[0] = activation_search(problem, watch, record(0));
  if (method == Method::automatic ? varying <= kSomeInputs : method == Method::inputs) turns[1] = input_search(problem, watch, record(1));
  double slice = turns[0] && turns[1] ? 0.2 : 1e30;
  for (;; slice *= 2)
    for (int k : {0, 1}) {
      if (!turns[k]) continue;
      const End e = turns[k]->run(watch.seconds() + slice);
      if (e == End::paused) continue;
      out.method = watch.regions() <= std::ssize(problem.groups) ? "bounds" : k ? "input splits" : "activation splits";
      if (e == End::proved && record(k)) problem.options.record->take(records[k]);
      if (e != End::given_up) return e;
      out.why = turns[k]->why();
      turns[k] = nullptr;
      if (!turns[1 - k]) {
        if (k == 1 || method == Method::activations) return e;
        turns[1] = input_search(problem, watch, record(1));  // slow over many inputs, but it has no end of its own
      }
      slice = 1e30;
    }
}
}  // namespace

Result<Outcome> prove(const ir::Graph& g, const Property& property, const Options& options) {
  passes::Options exact;
  std::vector<std::string> only(std::begin(kExact), std::end(kExact));
  SAHA_TRY(passes::Simplified simple, passes::simplify(g, exact, {}, only));
  SAHA_TRY(Net net, lower(simple.graph));
  SAHA_DO(check(property, net));
  Outcome out;
  if (property.cases.empty()) {
    out.verdict = property.empty_cases ? Verdict::unknown : Verdict::holds;
    out.why = property.empty_cases ? "every case's box is empty" : "";
    out.method = "nothing to refute";
    return out;
  }
  Problem problem = make_problem(net, property, options);
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
      Tensor t = Tensor::zeros(DType::f32, d);
      std::copy_n(x.begin() + std::ptrdiff_t(at), t.size(), t.as<float>());
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
  attack(problem, watch, all, 20, std::max<int>(1, int(16 / std::max<std::size_t>(1, all.size()))), options.seed);
  out.method = "attack";
  End end = End::stopped;
  if (!watch.stopped()) {
    std::size_t varying = 0;
    for (const Box& b : problem.boxes) {
      std::size_t n = 0;
      for (std::size_t i = 0; i < b.lo.size(); ++i) n += b.lo[i] < b.hi[i];
      varying = std::max(varying, n);
    }
    end = search(problem, watch, varying, out);
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
