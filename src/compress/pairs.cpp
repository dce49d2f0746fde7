#include "compress/pairs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace saha::compress {
namespace {
using ir::ValueId;
using op::Builder;
using op::Stored;
using op::Val;
using op::Vals;

bool same(const Stored& a, const Stored& b) { return a.dtype == b.dtype && (a.dtype == DType::none || *a.quant == *b.quant); }

class Writer {
 public:
  Writer(const ir::Graph& g, const Sites& s, const Numbers& numbers, const PairsOptions& o) : g_(g), s_(s), numbers_(numbers), options_(o), kept_(g.values().size()), read(g.nodes().size(), ValueId::none) {}

  std::optional<Vals> operator()(const ir::Node& n, const Vals& in, Builder& b) {
    const auto i = std::size_t(&n - g_.nodes().data());
    if (s_.role[i] == Role::none) return {};
    Vals operands = in;
    const auto data = data_operands(g_, n);
    const Stored result = storage(g_.result(n));
    const DType wide = options_.one_width ? widest(n, data, result) : DType::none;
    if (s_.role[i] == Role::product && has_weights(g_, n)) make_room(i, n, at_width(storage(g_.operand(n, 0)), wide));
    for (std::size_t k : data) {
      const ValueId v = g_.operand(n, k);
      if (g_[v].constant) operands[k] = constant(i, n, v, result, b);
      else operands[k] = as(v, in[k], at_width(s_.role[i] == Role::same ? result : storage(v), wide), b);
    }
    if (s_.role[i] == Role::product) read[i] = operands[0].id;
    if (s_.role[i] == Role::product && has_weights(g_, n)) add_bias(i, n, operands, at_width(storage(g_.operand(n, 0)), wide), b);
    b.origin = n.origin;
    Vals y = b.ops(n.op, operands, *n.attrs, n.num_results);
    if (s_.inside[i]) return y;
    for (std::size_t k = 0; k < y.size() && !b.failed(); ++k) {
      const ValueId v = g_.result(n, k);
      const Stored own = storage(v);
      if (own.dtype == DType::none) continue;
      if (const Stored first = at_width(own, wide); !same(first, own)) y[k] = pair(y[k], first, b);
      y[k] = pair(y[k], own, b);
      kept_[std::size_t(v)] = own;
    }
    return y;
  }

 private:
  Stored storage(ValueId v) const {
    const auto group = s_.group[std::size_t(v)];
    return group < 0 ? Stored{} : numbers_.groups[std::size_t(group)];
  }
  DType widest(const ir::Node& n, const std::vector<std::size_t>& data, const Stored& result) const {
    DType t = result.dtype;
    for (std::size_t k : data)
      if (const DType u = storage(g_.operand(n, k)).dtype; u != DType::none && (t == DType::none || bits(u) > bits(t))) t = u;
    return t;
  }
  /// The same numbers in a wider type: zero point 0, the whole range of the narrow one.
  static Stored at_width(const Stored& s, DType t) {
    if (s.dtype == DType::none || t == DType::none || bits(s.dtype) >= bits(t)) return s;
    const IntRange all = int_range(s.dtype);
    const double scale = s.quant->scale[0], zero = double(s.quant->zero[0]);
    return storage_of((double(all.lo) - zero) * scale, (double(all.hi) - zero) * scale, t);
  }
  static Val pair(Val x, const Stored& s, Builder& b) {
    Val scale = b.scalar(s.quant->scale[0], DType::f32), zero = b.scalar(double(s.quant->zero[0]), s.dtype);
    return b.op("DequantizeLinear", {b.op("QuantizeLinear", {x, scale, zero}), scale, zero});
  }
  /// Value v, which stands here as x, stored as `wanted`.
  Val as(ValueId v, Val x, const Stored& wanted, Builder& b) {
    if (wanted.dtype == DType::none || same(kept_[std::size_t(v)], wanted)) return x;
    for (const auto& [value, stored, made] : made_) if (value == v && same(stored, wanted)) return made;
    Val y = pair(x, wanted, b);
    made_.push_back({v, wanted, y});
    return y;
  }
  Val constant(std::size_t i, const ir::Node& n, ValueId v, const Stored& result, Builder& b) {
    const Tensor& c = *g_[v].constant;
    if (s_.role[i] == Role::product) {
      if (!numbers_.weights.contains(i)) return b.constant(g_[v].constant, g_[v].type, g_[v].name);
      const Weights& w = weights(i);
      const bool one = w.scale.size() == 1;
      const Dims dims = one ? Dims{} : Dims{std::int64_t(w.scale.size())};
      Tensor scale = Tensor::zeros(DType::f32, dims);
      std::copy(w.scale.begin(), w.scale.end(), scale.as<float>());
      return b.op("DequantizeLinear", {b.constant(std::make_shared<const Tensor>(w.stored), ir::tensor_type(w.stored.dtype, {w.stored.dims.begin(), w.stored.dims.end()}), g_[v].name), b.constant(std::move(scale)), b.constant(Tensor::zeros(w.stored.dtype, dims))},
                  {{"axis", std::int64_t(one ? 0 : channel_axis(g_, n))}});
    }
    // Another operand: by its own range, of the result's width; a choice stores it as the result is.
    DType t = DType::none;
    for (std::size_t other : data_operands(g_, n)) if (const DType u = storage(g_.operand(n, other)).dtype; u != DType::none) t = u;
    if (result.dtype != DType::none) t = result.dtype;
    if (t == DType::none) return b.constant(g_[v].constant, g_[v].type, g_[v].name);
    Stored s = result;
    if (s_.role[i] != Role::same) {
      double lo = 0, hi = 0;
      for (double x : values<double>(c)) lo = std::min(lo, x), hi = std::max(hi, x);
      s = storage_of(lo, hi, t);
    }
    if (s.dtype == DType::none) return b.constant(g_[v].constant, g_[v].type, g_[v].name);
    const IntRange range = int_range(s.dtype);
    std::vector<std::int64_t> q;
    for (double x : values<double>(c)) q.push_back(std::clamp(std::int64_t(std::clamp(std::nearbyint(x / double(s.quant->scale[0])), -1e9, 1e9)) + s.quant->zero[0], range.lo, range.hi));
    Tensor stored = Tensor::zeros(s.dtype, c.dims);
    fill(stored, std::span<const std::int64_t>(q));
    return b.op("DequantizeLinear", {b.constant(std::move(stored)), b.scalar(s.quant->scale[0], DType::f32), b.scalar(double(s.quant->zero[0]), s.dtype)});
  }
  const Weights& weights(std::size_t i) const {
    const auto it = roomy_.find(i);
    return it == roomy_.end() ? numbers_.weights.at(i) : it->second;
  }
  /// A channel whose weights are next to nothing beside its bias takes a scale by which the bias is a number of steps that int32 holds.
  void make_room(std::size_t i, const ir::Node& n, const Stored& x) {
    const auto it = numbers_.weights.find(i);
    if (it == numbers_.weights.end() || x.dtype == DType::none || it->second.scale.size() < 2) return;
    const Weights& w = it->second;
    for (std::size_t c = 0; c < w.bias.size(); ++c) {
      const double steps = std::abs(double(w.bias[c])) / (double(x.quant->scale[0]) * double(w.scale[c]));
      if (!(steps >= kMostSteps)) continue;
      const auto [place, fresh] = roomy_.try_emplace(i, w);
      Weights& to = place->second;
      if (fresh) to.stored = copied(w.stored);
      const double factor = steps / (kMostSteps / 2);
      to.scale[c] = float(double(w.scale[c]) * factor);
      const auto axis = std::size_t(channel_axis(g_, n));
      const std::int64_t inner = num_elements(std::span(to.stored.dims).subspan(axis + 1)), outer = num_elements(std::span(to.stored.dims).first(axis)), channels = to.stored.dims[axis];
      std::vector<std::int64_t> q(std::size_t(inner), 0);
      for (std::int64_t o = 0; o < outer; ++o) {
        const std::int64_t at = (o * channels + std::int64_t(c)) * inner;
        load(to.stored, at, 1, inner, q.data());
        for (std::int64_t& v : q) v = std::int64_t(std::nearbyint(double(v) / factor));
        store(to.stored, at, inner, q.data());
      }
    }
  }
  static Tensor copied(const Tensor& t) {
    Tensor r = Tensor::zeros(t.dtype, t.dims);
    copy_elements(t, 0, 1, r, 0, t.size());
    return r;
  }
  /// The bias as int32 steps of the sums' scale, where the node has stored factors; else as it is.
  void add_bias(std::size_t i, const ir::Node& n, Vals& operands, const Stored& x, Builder& b) {
    if (!numbers_.weights.contains(i) || weights(i).bias.empty()) return;
    const Weights& w = weights(i);
    operands.resize(std::max<std::size_t>(operands.size(), 3));
    const auto channels = std::int64_t(w.bias.size());
    const bool one = w.scale.size() == 1;
    Tensor steps = Tensor::zeros(DType::i32, {channels}), scale = Tensor::zeros(DType::f32, one ? Dims{} : Dims{channels});
    bool fits = x.dtype != DType::none;
    for (std::int64_t c = 0; c < channels && fits; ++c) {
      const float s = x.quant->scale[0] * w.scale[one ? 0 : std::size_t(c)];
      scale.as<float>()[one ? 0 : c] = s;
      const double step = std::nearbyint(double(w.bias[std::size_t(c)]) / double(s));
      fits = std::abs(step) < kMostSteps;
      if (fits) steps.as<std::int32_t>()[c] = std::int32_t(step);
    }
    const ir::Name name = n.num_operands > 2 && g_.operand(n, 2) != ValueId::none ? g_[g_.operand(n, 2)].name : ir::Name{};
    if (!fits) {
      Tensor real = Tensor::zeros(DType::f32, {channels});
      std::copy(w.bias.begin(), w.bias.end(), real.as<float>());
      operands[2] = b.constant(std::make_shared<const Tensor>(std::move(real)), ir::tensor_type(DType::f32, {channels}), name);
      return;
    }
    operands[2] = b.op("DequantizeLinear", {b.constant(std::make_shared<const Tensor>(std::move(steps)), ir::tensor_type(DType::i32, {channels}), name), b.constant(std::move(scale))}, {{"axis", std::int64_t(0)}});
  }

  static constexpr double kMostSteps = 1 << 30;
  const ir::Graph& g_;
  const Sites& s_;
  const Numbers& numbers_;
  std::map<std::size_t, Weights> roomy_;
  const PairsOptions& options_;
  std::vector<Stored> kept_;                 // by value: as what stands for it was stored
  struct Made { ValueId v; Stored stored; Val x; };
  std::vector<Made> made_;

 public:
  std::vector<ValueId> read;
};
}  // namespace

op::Stored storage_of(double lo, double hi, DType t, bool symmetric) {
  lo = std::min(lo, 0.0);
  hi = std::max(hi, 0.0);
  const IntRange all = int_range(t);
  ir::Quant q;
  if (symmetric || bits(t) > 8) {
    const double most = std::max(-lo, hi);
    q.scale = {float(most / double(all.hi))};
    q.zero = {0};
  } else {
    q.scale = {float((hi - lo) / double(all.hi - all.lo))};
    q.zero = {std::clamp(std::int64_t(std::nearbyint(double(all.lo) - lo / std::max(double(q.scale[0]), 1e-300))), all.lo, all.hi)};
  }
  if (!(q.scale[0] >= std::numeric_limits<float>::min()) || !std::isfinite(q.scale[0])) q = {{1.0f}, {symmetric || bits(t) > 8 ? 0 : all.lo}, 0};
  return {t, std::make_shared<const ir::Quant>(std::move(q))};
}

Result<Pairs> write_pairs(const ir::Graph& g, const Sites& sites, const Numbers& numbers, const PairsOptions& options) {
  Writer writer(g, sites, numbers, options);
  Pairs r;
  SAHA_TRY(r.graph, op::rewrite(g, [&](const ir::Graph&, const ir::Node& n, const Vals& in, Builder& b) { return writer(n, in, b); }));
  r.read = std::move(writer.read);
  return r;
}

}  // namespace saha::compress
