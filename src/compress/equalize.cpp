// W2 f(W1 x + b)  ->  (W2 s) f((W1 / s) x + b / s), s a power of two for each channel;  W x + b  ->  (W h) ((x - o) / h) + (b + W o)
#include "compress/equalize.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "compress/quantize.hpp"

namespace saha::compress {
namespace {
using ir::ValueId;

/// What is known of the channels of a value.
struct Channels {
  std::size_t axis = 0;
  std::vector<float> lo, hi;
  std::vector<double> square;
  double count = 0;                   ///< elements of one channel
  void add(const Tensor& t) {
    const std::int64_t n = t.dims[axis];
    std::int64_t inner = 1;
    for (std::size_t i = axis + 1; i < t.rank(); ++i) inner *= t.dims[i];
    if (lo.empty()) {   // of an input without zero in it: its own extrema
      lo.assign(std::size_t(n), HUGE_VALF);
      hi.assign(std::size_t(n), -HUGE_VALF);
      square.assign(std::size_t(n), 0);
    }
    const float* x = t.as<float>();
    for (const float* end = x + t.size(); x < end;)
      for (std::size_t c = 0; c < std::size_t(n); ++c, x += inner) {
        float low = lo[c], high = hi[c];
        double sum = 0;
        for (std::int64_t i = 0; i < inner; ++i) {
          low = std::min(low, x[i]);
          high = std::max(high, x[i]);
          sum += double(x[i]) * double(x[i]);
        }
        lo[c] = low;
        hi[c] = high;
        square[c] += sum;
      }
    count += double(t.size() / std::max<std::int64_t>(1, n));
  }
};

/// The constants of a node, as they are being changed.
class Factors {
 public:
  explicit Factors(const ir::Graph& g) : g_(g) {}
  std::vector<float>& of(std::size_t node, std::size_t operand) {
    auto [it, fresh] = changed_.try_emplace({node, operand});
    if (fresh) {
      const ValueId v = g_.operand(g_.nodes()[node], operand);
      if (v != ValueId::none) for (double x : values<double>(*g_[v].constant)) it->second.push_back(float(x));
    }
    return it->second;
  }
  const std::map<std::pair<std::size_t, std::size_t>, std::vector<float>>& changed() const { return changed_; }

 private:
  const ir::Graph& g_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<float>> changed_;
};

/// f(row, channel of the operand, element): every weight of a product by the channel that it multiplies.
template <class F> void walk_inputs(const ir::Graph& g, const ir::Node& n, F f) {
  const Dims d = g[g.operand(n, 1)].constant->dims;
  const op::AttrView a{*n.attrs};
  if (n.op == "Conv") {
    std::int64_t kernel = 1;
    for (std::size_t i = 2; i < d.size(); ++i) kernel *= d[i];
    const std::int64_t per = d[0] / a.i("group");
    for (std::int64_t r = 0, e = 0; r < d[0]; ++r)
      for (std::int64_t c = 0; c < d[1]; ++c)
        for (std::int64_t k = 0; k < kernel; ++k, ++e) f(r, r / per * d[1] + c, e);
  } else {
    const bool turned = n.op == "Gemm" && a.i("transB") != 0;
    for (std::int64_t i = 0, e = 0; i < d[0]; ++i) for (std::int64_t j = 0; j < d[1]; ++j, ++e) f(turned ? i : j, turned ? j : i, e);
  }
}
bool reads_channels(const ir::Graph& g, const ir::Node& n) { return role_of(g, n) == Role::product && has_weights(g, n) && n.op != "ConvTranspose" && (n.op == "Conv" || g[g.operand(n, 1)].constant->rank() == 2); }
/// Rows of a product, that give the channels of its result: f(channel, element).
template <class F> void walk_outputs(const ir::Graph& g, const ir::Node& n, F f) {
  const Dims d = g[g.operand(n, 1)].constant->dims;
  const auto axis = std::size_t(channel_axis(g, n));
  std::int64_t inner = 1, e = 0;
  for (std::size_t i = axis + 1; i < d.size(); ++i) inner *= d[i];
  for (std::int64_t all = num_elements(d); e < all; ++e) f(e / inner % d[axis], e);
}

/// A value between layers whose channels may be scaled.
struct Between {
  ValueId value = ValueId::none;
  std::size_t producer = 0;
  std::vector<std::size_t> readers;
  Channels channels;
};

/// Expected square error of the readers' results, for a scale of each channel.
double expected_error(const ir::Graph& g, const Between& b, Factors& weights, const std::vector<double>& s) {
  double range = 0;
  for (std::size_t c = 0; c < s.size(); ++c) range = std::max(range, (double(std::max(0.f, b.channels.hi[c])) - double(std::min(0.f, b.channels.lo[c]))) / s[c]);
  const double step = range / 255;
  double error = 0;
  for (std::size_t node : b.readers) {
    const ir::Node& n = g.nodes()[node];
    const std::vector<float>& w = weights.of(node, 1);
    std::map<std::int64_t, std::pair<double, double>> rows;   // largest weight; power that its terms read
    walk_inputs(g, n, [&](std::int64_t r, std::int64_t c, std::int64_t e) {
      const double v = double(w[std::size_t(e)]) * s[std::size_t(c)];
      error += v * v * step * step / 12;
      auto& row = rows[r];
      row.first = std::max(row.first, std::abs(v));
      row.second += b.channels.square[std::size_t(c)] / b.channels.count / (s[std::size_t(c)] * s[std::size_t(c)]);
    });
    for (const auto& [r, row] : rows) error += row.first * row.first / (127. * 127.) / 12 * row.second;
  }
  return error;
}

std::vector<Between> places(const ir::Graph& g) {
  const auto uses = g.use_counts();
  std::vector<char> is_output(g.values().size(), 0);
  for (ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;
  std::map<ValueId, std::vector<std::size_t>> readers;
  std::map<ValueId, std::uint32_t> seen;
  for (std::size_t i = 0; i < g.nodes().size(); ++i)
    if (reads_channels(g, g.nodes()[i])) readers[g.operand(g.nodes()[i], 0)].push_back(i);
  std::vector<Between> r;
  for (const auto& [value, nodes] : readers) {
    if (uses[std::size_t(value)] != nodes.size() || is_output[std::size_t(value)]) continue;
    const bool conv = g.nodes()[nodes[0]].op == "Conv";
    ValueId v = value;
    const ir::Node* p = g.producer(v);
    // f(s x) = s f(x) for every s > 0
    while (p && (p->op == "Relu" || p->op == "LeakyRelu" || p->op == "Identity" || (conv && (p->op == "MaxPool" || p->op == "AveragePool") && p->num_results == 1)) && !is_output[std::size_t(g.operand(*p, 0))] &&
           uses[std::size_t(g.operand(*p, 0))] == 1) {
      v = g.operand(*p, 0);
      p = g.producer(v);
    }
    if (!p) continue;
    const bool norm = !conv && p->op == "LayerNormalization" && p->num_results == 1 && g.type(g.result(*p)).ranked && g[g.operand(*p, 1)].constant && g[g.operand(*p, 1)].constant->rank() == 1 &&
                      (p->num_operands < 3 || g.operand(*p, 2) == ValueId::none || g[g.operand(*p, 2)].constant);
    const bool layer = role_of(g, *p) == Role::product && has_weights(g, *p) && (p->op == "Conv") == conv && p->op != "ConvTranspose" && (conv || g[g.operand(*p, 1)].constant->rank() == 2);
    if (!norm && !layer) continue;
    Between b{value, std::size_t(p - g.nodes().data()), nodes, {}};
    b.channels.axis = conv ? 1 : g.type(value).dims.size() - 1;
    r.push_back(std::move(b));
  }
  return r;
}

struct Standardised {
  std::size_t node = 0;
  std::vector<float> offset, half;   // by feature
};
/// Whether a product that reads an input gains by (x - offset) / half, and by what.
std::optional<Standardised> standardised(const ir::Graph& g, std::size_t node, const Channels& c, Factors& weights) {
  Standardised s{node, {}, {}};
  double lo = 0, hi = 0, before = 0, after = 0;
  for (std::size_t k = 0; k < c.lo.size(); ++k) {
    s.offset.push_back((c.lo[k] + c.hi[k]) / 2);
    s.half.push_back(c.hi[k] > c.lo[k] ? (c.hi[k] - c.lo[k]) / 2 : 1);
    lo = std::min(lo, double(c.lo[k]));
    hi = std::max(hi, double(c.hi[k]));
  }
  const std::vector<float>& w = weights.of(node, 1);
  walk_inputs(g, g.nodes()[node], [&](std::int64_t, std::int64_t k, std::int64_t e) {
    const double v = w[std::size_t(e)], half = c.hi[std::size_t(k)] > c.lo[std::size_t(k)] ? s.half[std::size_t(k)] : 0;
    before += v * v * (hi - lo) * (hi - lo);
    after += v * v * half * half * 4;
  });
  if (!(after * 4 < before)) return {};
  return s;
}
}  // namespace

Result<ir::Graph> equalized(const ir::Graph& g, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch) {
  std::vector<Between> between = places(g);
  std::vector<std::size_t> first;     // matrix products that read an input
  std::vector<Channels> inputs;
  std::vector<ValueId> values;
  for (const Between& b : between) values.push_back(b.value);
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    if (n.op != "Gemm" || !reads_channels(g, n) || std::find(g.inputs().begin(), g.inputs().end(), g.operand(n, 0)) == g.inputs().end()) continue;
    first.push_back(i);
    inputs.push_back({.axis = 1, .lo = {}, .hi = {}, .square = {}});
    values.push_back(g.operand(n, 0));
  }
  if (values.empty()) return g;
  SAHA_DO(observe(g, values, engine, threads, samples, watch, "equalising", [&](std::int64_t, std::span<const Datum> seen) -> Result<> {
    for (std::size_t k = 0; k < seen.size(); ++k) (k < between.size() ? between[k].channels : inputs[k - between.size()]).add(seen[k].tensor);
    return {};
  }));

  Factors weights(g);
  std::map<std::size_t, Standardised> to_standardise;
  for (std::size_t k = 0; k < first.size(); ++k) {
    auto s = standardised(g, first[k], inputs[k], weights);
    if (!s) continue;
    std::vector<float>&w = weights.of(first[k], 1), &bias = weights.of(first[k], 2);
    std::vector<double> shift(std::size_t(g[g.operand(g.nodes()[first[k]], 1)].constant->dims[std::size_t(channel_axis(g, g.nodes()[first[k]]))]), 0);
    bias.resize(shift.size(), 0);
    walk_inputs(g, g.nodes()[first[k]], [&](std::int64_t r, std::int64_t c, std::int64_t e) {
      shift[std::size_t(r)] += double(w[std::size_t(e)]) * double(s->offset[std::size_t(c)]);
      w[std::size_t(e)] *= s->half[std::size_t(c)];
    });
    for (std::size_t r = 0; r < shift.size(); ++r) bias[r] = float(double(bias[r]) + shift[r]);
    to_standardise.emplace(first[k], std::move(*s));
  }
  for (const Between& b : between) {
    const std::size_t n = b.channels.lo.size();
    std::vector<double> best(n, 1), range(n);
    double largest = 0;
    for (std::size_t c = 0; c < n; ++c) largest = std::max(largest, range[c] = std::max(0.0, double(b.channels.hi[c])) - std::min(0.0, double(b.channels.lo[c])));
    if (!(largest > 0)) continue;
    double least = 0.9 * expected_error(g, b, weights, best);
    for (double a : {0.25, 0.5, 0.75, 1.0}) {
      std::vector<double> s(n);
      for (std::size_t c = 0; c < n; ++c) s[c] = std::exp2(std::round(std::log2(std::max(range[c] / largest, 0x1p-8)) * a));
      if (const double e = expected_error(g, b, weights, s); e < least) least = e, best = s;
    }
    if (std::all_of(best.begin(), best.end(), [](double s) { return s == 1; })) continue;
    for (std::size_t node : b.readers) {
      std::vector<float>& w = weights.of(node, 1);
      walk_inputs(g, g.nodes()[node], [&](std::int64_t, std::int64_t c, std::int64_t e) { w[std::size_t(e)] *= float(best[std::size_t(c)]); });
    }
    const ir::Node& p = g.nodes()[b.producer];
    if (p.op == "LayerNormalization") {
      std::vector<float>& gain = weights.of(b.producer, 1);
      for (std::size_t c = 0; c < gain.size(); ++c) gain[c] /= float(best[c]);
    } else {
      std::vector<float>& w = weights.of(b.producer, 1);
      walk_outputs(g, p, [&](std::int64_t c, std::int64_t e) { w[std::size_t(e)] /= float(best[std::size_t(c)]); });
    }
    std::vector<float>& bias = weights.of(b.producer, 2);
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] /= float(best[c]);
  }

  SAHA_TRY(ir::Graph r, op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    const auto node = std::size_t(&n - from.nodes().data());
    op::Vals operands = in;
    bool any = false;
    for (auto it = weights.changed().lower_bound({node, 0}); it != weights.changed().end() && it->first.first == node; ++it) {
      const std::size_t k = it->first.second;
      const ValueId v = from.operand(n, k);
      if (it->second.empty()) continue;
      Tensor t = Tensor::zeros(DType::f32, v == ValueId::none ? Dims{std::int64_t(it->second.size())} : from[v].constant->dims);
      if (std::size_t(t.size()) != it->second.size()) t = Tensor::zeros(DType::f32, {std::int64_t(it->second.size())});
      std::copy(it->second.begin(), it->second.end(), t.as<float>());
      const Dims d = t.dims;
      operands.resize(std::max(operands.size(), k + 1));
      operands[k] = b.constant(std::make_shared<const Tensor>(std::move(t)), ir::tensor_type(DType::f32, {d.begin(), d.end()}), v == ValueId::none ? ir::Name{} : from[v].name);
      any = true;
    }
    if (const auto it = to_standardise.find(node); it != to_standardise.end()) {
      const auto vector = [&](const std::vector<float>& x, auto f) {
        Tensor t = Tensor::zeros(DType::f32, {std::int64_t(x.size())});
        for (std::size_t i = 0; i < x.size(); ++i) t.as<float>()[i] = f(x[i]);
        return b.constant(std::move(t));
      };
      operands[0] = b.op("Mul", {b.op("Sub", {operands[0], vector(it->second.offset, [](float x) { return x; })}), vector(it->second.half, [](float x) { return 1 / x; })});
    }
    if (!any) return {};
    return b.ops(n.op, operands, *n.attrs, n.num_results);
  }));
  return named(std::move(r));
}

}  // namespace saha::compress
