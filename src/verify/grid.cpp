#include "verify/grid.hpp"

#include <algorithm>
#include <cmath>

#include "op/builder.hpp"
#include "passes/passes.hpp"

namespace saha::verify {
namespace {
using ir::ValueId;

Result<std::vector<double>> run(const ir::Graph& g, std::span<const float> x) {
  std::vector<Datum> in;
  std::size_t at = 0;
  for (ValueId v : g.inputs()) {
    Dims d;
    for (const ir::Dim& k : g.type(v).dims) d.push_back(*k.known());
    Tensor t = Tensor::zeros(g.type(v).dtype, d);
    const std::vector<double> part(x.begin() + std::ptrdiff_t(at), x.begin() + std::ptrdiff_t(at) + t.size());
    fill<double>(t, part);
    at += std::size_t(t.size());
    in.emplace_back(std::move(t));
  }
  SAHA_TRY(std::vector<Datum> out, op::run(g, in));
  std::vector<double> r;
  for (const Datum& d : out) {
    const std::vector<double> v = values<double>(d.tensor);
    r.insert(r.end(), v.begin(), v.end());
  }
  return r;
}

/// Which operand of a node an elementwise function of constants reads, if it is one.
std::optional<std::size_t> reads(const ir::Graph& g, const ir::Node& n, const std::vector<char>& varies) {
  const std::string_view name = n.op.str();
  if (name != "Add" && name != "Sub" && name != "Mul" && name != "Div" && name != "Neg" && name != "Identity" && name != "QuantizeLinear") return {};
  std::optional<std::size_t> of;
  for (std::size_t i = 0; i < n.num_operands; ++i) {
    const ValueId v = g.operand(n, i);
    if (v == ValueId::none || !varies[std::size_t(v)]) continue;
    if (of || !(g.type(v).dims == g.type(g.result(n)).dims)) return {};
    of = i;
  }
  if ((name == "Div" || name == "QuantizeLinear") && of != 0) return {};
  return of;
}
}  // namespace

Result<std::vector<float>> Grid::integers(std::span<const float> x) const {
  SAHA_TRY(const std::vector<double> q, run(front_, x));
  return std::vector<float>(q.begin(), q.end());
}

Result<std::optional<std::vector<float>>> Grid::inputs(std::span<const float> q, std::span<const float> lo, std::span<const float> hi) const {
  if (direct_) return std::optional(std::vector<float>(q.begin(), q.end()));
  std::vector<float> low(lo.begin(), lo.end()), high(hi.begin(), hi.end()), x(lo.begin(), lo.end());
  SAHA_TRY(const std::vector<float> first, integers(low));
  SAHA_TRY(const std::vector<float> last, integers(high));
  // All inputs are halved at once; the middle first, which is far from where integers change.
  for (int round = 0; round < 80; ++round) {
    bool open = false;
    for (std::size_t i = 0; i < q.size(); ++i)
      if (of_[i] >= 0) {
        const std::size_t k = std::size_t(of_[i]);
        x[k] = std::clamp(float(0.5 * double(low[k]) + 0.5 * double(high[k])), low[k], high[k]);
      }
    SAHA_TRY(const std::vector<float> now, integers(x));
    for (std::size_t i = 0; i < q.size(); ++i) {
      if (now[i] == q[i]) continue;
      if (of_[i] < 0) return std::optional<std::vector<float>>();
      const std::size_t k = std::size_t(of_[i]);
      const bool rises = last[i] >= first[i], up = (now[i] < q[i]) == rises;
      if (up && low[k] == x[k]) low[k] = std::nextafter(x[k], high[k]);
      else if (!up && high[k] == x[k]) high[k] = std::nextafter(x[k], low[k]);
      else (up ? low : high)[k] = x[k];
      if (low[k] == high[k] && x[k] == low[k]) return std::optional<std::vector<float>>();
      open = true;
    }
    if (!open) return std::optional(std::move(x));
  }
  return std::optional<std::vector<float>>();
}

Result<std::optional<Cut>> cut(const ir::Graph& g) {
  const std::optional<Cut> none;
  std::vector<char> varies(g.values().size(), 0), front(g.values().size(), 0);
  std::vector<ValueId> cuts;
  std::int64_t inputs = 0;
  for (ValueId v : g.inputs()) {
    const ir::Type& t = g.type(v);
    if (!ir::is_static(t)) return none;
    const bool integer = is_int(t.dtype) && bits(t.dtype) <= 16;
    if (t.dtype != DType::f32 && !integer) return none;
    varies[std::size_t(v)] = 1, front[std::size_t(v)] = !integer;
    if (integer) cuts.push_back(v);
    std::int64_t n = 1;
    for (const ir::Dim& d : t.dims) n *= *d.known();
    inputs += n;
  }
  if (inputs > (1 << 22)) return none;
  const bool direct = cuts.size() == g.inputs().size();
  for (const ir::Node& n : g.nodes()) {
    bool any = false, from_front = false;
    for (ValueId v : g.operands(n)) if (v != ValueId::none) any |= varies[std::size_t(v)] != 0, from_front |= front[std::size_t(v)] != 0;
    for (std::size_t k = 0; k < n.num_results; ++k) varies[n.first_result + k] = any;
    if (!from_front) continue;
    bool all = true;
    for (ValueId v : g.operands(n)) all &= v == ValueId::none || !varies[std::size_t(v)] || front[std::size_t(v)];
    if (!all || op::is_quantised(g, n)) return none;
    if (n.op == "QuantizeLinear") {
      const ir::Type& t = g.type(g.result(n));
      if (!reads(g, n, varies) || !is_int(t.dtype) || bits(t.dtype) > 16 || !ir::is_static(t)) return none;
      cuts.push_back(g.result(n));
      continue;
    }
    const op::OpDef& def = *op::find(n.op.str())->def;
    if (!reads(g, n, varies)) {
      if (!(def.traits & op::kMovement)) return none;
      for (std::size_t i = 0; i < n.num_operands; ++i)
        if (ValueId v = g.operand(n, i); v != ValueId::none && varies[std::size_t(v)] && !def.linear.in(i)) return none;
    }
    for (std::size_t k = 0; k < n.num_results; ++k) front[n.first_result + k] = 1;
  }
  for (ValueId v : g.outputs()) if (front[std::size_t(v)]) return none;
  if (cuts.empty()) return none;

  Cut c;
  c.grid.direct_ = direct;
  SAHA_TRY(c.grid.front_, op::rewrite(g, {}, {}, cuts));
  SAHA_TRY(c.grid.front_, passes::remove_dead(c.grid.front_, {}));
  // Which input decides which integer: the front's movement alone, run on numbers of inputs.
  const auto plain = [](const ir::Graph& from, ValueId v) { return ir::tensor_type(DType::f32, from.type(v).dims); };
  const ir::Graph& f = c.grid.front_;
  std::vector<char> moves(f.values().size(), 0);
  for (ValueId v : f.inputs()) moves[std::size_t(v)] = 1;
  for (const ir::Node& n : f.nodes())
    for (ValueId v : f.operands(n))
      if (v != ValueId::none && moves[std::size_t(v)])
        for (std::size_t k = 0; k < n.num_results; ++k) moves[n.first_result + k] = 1;
  SAHA_TRY(const ir::Graph movement, op::rewrite(f, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder&) -> std::optional<op::Vals> {
    if (auto i = reads(from, n, moves)) return op::Vals{in[*i]};
    return {};
  }, [&](std::size_t i, op::Builder& b) { return b.input(plain(f, f.inputs()[i])); }, f.outputs(), op::Quantised::see));
  std::vector<float> numbers(std::size_t(inputs), 0.0f);
  SAHA_TRY(const std::vector<double> base, run(movement, numbers));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(i + 1);
  SAHA_TRY(const std::vector<double> named, run(movement, numbers));
  std::vector<char> taken(std::size_t(inputs), 0);
  for (std::size_t i = 0; i < named.size(); ++i) {
    c.grid.of_.push_back(named[i] == base[i] ? -1 : std::int32_t(named[i] - base[i]) - 1);
    if (c.grid.of_.back() >= 0 && taken[std::size_t(c.grid.of_.back())]++) return none;
  }

  SAHA_TRY(c.rest, op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals&, op::Builder& b) -> std::optional<op::Vals> {
    if (n.op == "QuantizeLinear" && std::find(cuts.begin(), cuts.end(), from.result(n)) != cuts.end()) return op::Vals{b.input(from[from.result(n)].type, from[from.result(n)].name)};
    if (n.num_results && front[n.first_result]) return op::Vals(n.num_results);
    return {};
  }, [&](std::size_t i, op::Builder& b) { return front[std::size_t(g.inputs()[i])] ? op::Val{} : b.input(g[g.inputs()[i]].type, g[g.inputs()[i]].name); }, g.outputs(), op::Quantised::see));
  return std::optional(std::move(c));
}

}  // namespace saha::verify
