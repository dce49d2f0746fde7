#include "backends/native/fuse.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "backends/native/recognise.hpp"
#include "backends/native/rows.hpp"
#include "backends/native/rows_attention.hpp"
#include "kernels/movement.hpp"
#include "op/builder.hpp"

namespace saha::native {
namespace {
using ir::ValueId;
using op::Val;
using op::Vals;

class Fuser {
 public:
  Fuser(const ir::Graph& g, kernels::Isa isa) : g_(g), isa_(isa), planes_(!convolves_channels_last(g, isa)), uses_(g.use_counts()), readers_(g.values().size()), maker_(g.values().size(), -1), group_(g.nodes().size(), -1) {
    for (std::size_t i = 0; i < g.nodes().size(); ++i) {
      for (std::size_t k = 0; k < g.nodes()[i].num_results; ++k) maker_[std::size_t(g.result(g.nodes()[i], k))] = std::int64_t(i);
      for (ValueId v : g.operands(g.nodes()[i])) if (v != ValueId::none) readers_[std::size_t(v)].push_back(i);
    }
  }
  Result<ir::Graph> run();

 private:
  using Chain = std::vector<std::size_t>;   // rows of nodes, in order

  const ir::Node& node(std::size_t i) const { return g_.nodes()[i]; }
  bool f32(ValueId v) const { return v != ValueId::none && g_.type(v).is_tensor() && g_.type(v).dtype == DType::f32 && ir::is_static(g_.type(v)) && size(v) >= 0; }
  const Tensor* constant(ValueId v) const { return v == ValueId::none ? nullptr : g_[v].constant.get(); }
  /// Elements of a value; -1: more than can be counted, which the reference refuses.
  std::int64_t size(ValueId v) const { return checked_elements(NodeSite::numbers(g_.type(v))).value_or(-1); }
  Dims dims(ValueId v) const { return NodeSite::numbers(g_.type(v)); }
  /// The only reader of v; -1 where there are others.
  std::int64_t reader(ValueId v) const { return uses_[std::size_t(v)] == 1 && readers_[std::size_t(v)].size() == 1 ? std::int64_t(readers_[std::size_t(v)][0]) : -1; }
  NodeSite site(const ir::Node& n, std::vector<ir::TypeRef>& types, std::vector<const Tensor*>& constants, std::span<const ir::TypeRef> results = {}) const {
    for (ValueId v : g_.operands(n)) {
      types.push_back(v == ValueId::none ? ir::TypeRef{} : g_[v].type);
      constants.push_back(constant(v));
    }
    return {{*n.attrs}, n.op.str(), types, results, constants, kernels::Isa::generic};
  }
  bool is_activation(const ir::Node& n, ValueId x) const {
    std::vector<ir::TypeRef> types;
    std::vector<const Tensor*> constants;
    return g_.operand(n, 0) == x && activation_of(site(n, types, constants)).has_value();
  }
  ValueId other(const ir::Node& n, ValueId x) const { return g_.operand(n, 0) == x ? g_.operand(n, 1) : g_.operand(n, 0); }
  bool per_channel(ValueId v, ValueId y, std::size_t axis) const;
  Chain grow(std::size_t anchor);
  Chain pooled(Chain chain) const;
  Chain alone(std::size_t first) const;
  Chain stored(std::size_t anchor) const;
  Chain attention(std::size_t anchor) const;
  Chain rearrangements(std::size_t first) const;
  Val emit(const Chain& chain, op::Builder& b, const std::function<Val(ValueId)>& mapped);

  const ir::Graph& g_;
  kernels::Isa isa_;
  bool planes_;                            // convolutions take planes
  std::vector<std::uint32_t> uses_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::int64_t> maker_;        // by value: the node whose result it is; -1: none
  std::vector<std::int64_t> group_;        // by node: the chain it is part of
  std::vector<Chain> chains_;
  ScalarOf scalar_ = [this](ValueId v) -> std::optional<float> {
    const Tensor* t = constant(v);
    return t && t->dtype == DType::f32 && t->size() == 1 ? std::optional(*t->as<float>()) : std::nullopt;
  };
};

/// An activation in several nodes that begins with this one and follows no product.
Fuser::Chain Fuser::alone(std::size_t first) const {
  for (ValueId v : g_.operands(node(first))) {
    if (!f32(v) || constant(v) ) continue;
    Recognised a = recognise(g_, v, readers_, uses_, scalar_, true);
    if (a.nodes.empty() || a.nodes[0] != first || std::any_of(a.nodes.begin(), a.nodes.end(), [&](std::size_t i) { return group_[i] >= 0; })) continue;
    return a.nodes;
  }
  return {};
}

/// A product of stored integers and what keeps its result between bounds.
Fuser::Chain Fuser::stored(std::size_t anchor) const {
  const auto is = [&](std::size_t i, bool (*property)(const NodeSite&), ir::Layout layout) {
    const ir::Node& n = node(i);
    if (n.num_results != 1 || !op::is_quantised(g_, n)) return false;
    for (ValueId v : g_.operands(n)) if (v != ValueId::none && !ir::is_static(g_.type(v))) return false;
    const ir::TypeRef result = g_[g_.result(n)].type;
    std::vector<ir::TypeRef> types;
    std::vector<const Tensor*> constants;
    NodeSite s = site(n, types, constants, {&result, 1});
    s.layout = layout;
    return ir::is_static(*result) && property(s);
  };
  Chain chain = {anchor};
  const bool conv = node(anchor).op == "Conv";
  for (ValueId y = g_.result(node(anchor)); reader(y) >= 0; y = g_.result(node(chain.back()))) {
    const auto r = std::size_t(reader(y));
    if (group_[r] >= 0 || g_.operand(node(r), 0) != y || !is(r, is_stored_clamp, ir::Layout::plain)) break;
    if (chain.size() == 1 && !is(anchor, is_stored_product, conv ? ir::Layout::nhwc : ir::Layout::plain)) return {};
    chain.push_back(r);
  }
  return chain;
}

/// An Attention with what rearranges its operands and its result, as far as its kernel reads and writes through strides and nobody else reads what stands between.
Fuser::Chain Fuser::attention(std::size_t anchor) const {
  const ir::Node& a = node(anchor);
  const ir::TypeRef result = g_[g_.result(a)].type;
  std::vector<ir::TypeRef> types;
  std::vector<const Tensor*> constants;
  NodeSite s = site(a, types, constants, {&result, 1});
  if (!f32(g_.result(a)) || a.num_results != 1 || !attention_params(s)) return {};
  std::set<std::size_t> chain;
  const auto moves = [&](std::size_t i) {
    const ir::Node& n = node(i);
    if (group_[i] >= 0 || !(n.op == "Split" || rearranges(n)) || !f32(g_.operand(n, 0))) return false;
    for (std::size_t k = 0; k < n.num_results; ++k) if (!f32(g_.result(n, k))) return false;
    return true;
  };
  std::map<ValueId, std::uint32_t> uses;   // inside
  std::vector<ValueId> next;
  for (std::size_t i = 0; i < 3; ++i) next.push_back(g_.operand(a, i)), ++uses[next.back()];
  while (!next.empty()) {
    const ValueId v = next.back();
    next.pop_back();
    const std::int64_t i = maker_[std::size_t(v)];
    if (i < 0 || !moves(std::size_t(i)) || !chain.insert(std::size_t(i)).second) continue;
    next.push_back(g_.operand(node(std::size_t(i)), 0)), ++uses[next.back()];
  }
  const auto leave = [&](std::size_t i) { chain.erase(i), --uses[g_.operand(node(i), 0)]; };
  std::vector<Strided> qkv;
  const auto read_through = [&](const ir::Node& n) { return chain.contains(std::size_t(&n - g_.nodes().data())); };
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i : std::vector(chain.rbegin(), chain.rend()))   // what is read elsewhere is there anyway
      for (std::size_t k = 0; k < node(i).num_results && chain.contains(i); ++k)
        if (const ValueId v = g_.result(node(i), k); uses[v] != uses_[std::size_t(v)]) leave(i), changed = true;
    qkv.clear();
    for (std::size_t i = 0; i < 3; ++i) qkv.push_back(strided(g_, g_.operand(a, i), read_through));
    for (const Strided& x : qkv)   // no strides say what this one does
      if (const std::int64_t i = maker_[std::size_t(x.root)]; i >= 0 && chain.contains(std::size_t(i))) leave(std::size_t(i)), changed = true;
    if (!changed && !chain.empty() && !attention_params(s, qkv, false)) chain.clear(), uses.clear();
  }
  qkv.clear();
  for (std::size_t i = 0; i < 3; ++i) qkv.push_back(strided(g_, g_.operand(a, i), read_through));
  Chain all(chain.begin(), chain.end());
  all.push_back(anchor);
  if (const std::int64_t r = reader(g_.result(a)); r >= 0 && group_[std::size_t(r)] < 0 && dims(g_.result(a)).size() == 4 && moves(std::size_t(r)) && node(std::size_t(r)).op == "Transpose") {
    const auto* perm = ir::attr<ir::Ints>(*node(std::size_t(r)).attrs, "perm");
    if (perm && *perm == ir::Ints{0, 2, 1, 3}) all.push_back(std::size_t(r));
  }
  return all;
}

/// Transposes with the views around them, from this node on, that are one copy: two of them, or one of a value that has one layout only.
Fuser::Chain Fuser::rearrangements(std::size_t first) const {
  const auto is = [&](std::size_t i) { return group_[i] < 0 && node(i).num_results == 1 && rearranges(node(i)) && f32(g_.operand(node(i), 0)) && f32(g_.result(node(i))); };
  if (!is(first) || constant(g_.operand(node(first), 0))) return {};
  Chain chain = {first};
  for (std::int64_t r; (r = reader(g_.result(node(chain.back())))) >= 0 && is(std::size_t(r)) && g_.operand(node(std::size_t(r)), 0) == g_.result(node(chain.back()));) chain.push_back(std::size_t(r));
  int transposes = 0;
  for (std::size_t i : chain)
    if (node(i).op == "Transpose") transposes += dims(g_.result(node(i))).size() > 4 ? 2 : 1;
  const Strided x = strided(g_, g_.result(node(chain.back())), [&](const ir::Node& n) { return std::ranges::find(chain, std::size_t(&n - g_.nodes().data())) != chain.end(); });
  std::size_t steps = 0;
  for (const Strided::Axis& a : x.axes) steps += a.size();
  return transposes > 1 && x.root == g_.operand(node(first), 0) && steps + 2 <= std::size_t(kernels::kMaxMoveRank) ? chain : Chain{};   // channels last it may be a step or two more
}

/// v is a constant with one element per index of y's axis, broadcast along the others.
bool Fuser::per_channel(ValueId v, ValueId y, std::size_t axis) const {
  if (!constant(v) || !f32(v)) return false;
  Dims d = dims(v), out = dims(y);
  if (d.size() > out.size()) return false;
  for (std::size_t i = 0; i < d.size(); ++i) {
    std::size_t at = out.size() - d.size() + i;
    if (d[i] != (at == axis ? out[axis] : 1)) return false;
  }
  return d.size() >= out.size() - axis;
}

/// The chain with the MaxPool behind it, where one kernel does both: a convolution, its normalisation, and an activation that keeps the order of numbers.
Fuser::Chain Fuser::pooled(Chain chain) const {
  const ValueId y = g_.result(node(chain.back()));
  const std::int64_t r = reader(y);
  if (!planes_ || r < 0 || group_[std::size_t(r)] >= 0 || g_.operand(node(std::size_t(r)), 0) != y || !pools_small_planes(g_, node(chain[0]), node(std::size_t(r)), isa_)) return chain;
  for (std::size_t k = 1; k < chain.size(); ++k) {
    const ir::Node& n = node(chain[k]);
    std::vector<ir::TypeRef> types;
    std::vector<const Tensor*> constants;
    const auto a = activation_of(site(n, types, constants));
    if (n.op != "BatchNormalization" && !(n.op == "Add" && (constant(g_.operand(n, 0)) || constant(g_.operand(n, 1)))) && !(a && a->activation <= kernels::Activation::clip && k + 1 == chain.size())) return chain;
  }
  chain.push_back(std::size_t(r));
  return chain;
}

Fuser::Chain Fuser::grow(std::size_t anchor) {
  const ir::Node& a = node(anchor);
  ValueId y = g_.result(a);
  bool conv = a.op == "Conv";
  if (a.op == "Attention") return attention(anchor);
  if (!conv && !(a.op == "MatMul") && !(a.op == "Gemm")) return {};
  if (op::is_quantised(g_, a)) return stored(anchor);
  if (a.num_results != 1 || !f32(y) || dims(y).size() < 2) return {};
  for (ValueId v : g_.operands(a)) if (v != ValueId::none && !f32(v)) return {};
  if (conv && (!constant(g_.operand(a, 1)) || dims(y).size() > 4 || dims(y).size() < 3 || (a.num_operands > 2 && !constant(g_.operand(a, 2))))) return {};
  if (!conv && (dims(g_.operand(a, 0)).size() < 2 || dims(g_.operand(a, 1)).size() < 2)) return {};
  std::size_t axis = conv ? 1 : dims(y).size() - 1;
  Chain chain = {anchor};
  bool biased = a.num_operands > 2 && g_.operand(a, 2) != ValueId::none, added = false;
  for (;;) {
    if (Recognised act = recognise(g_, y, readers_, uses_, scalar_); !act.nodes.empty() && std::none_of(act.nodes.begin(), act.nodes.end(), [&](std::size_t i) { return group_[i] >= 0; })) {
      chain.insert(chain.end(), act.nodes.begin(), act.nodes.end());
      return chain;
    }
    std::int64_t r = reader(y);
    if (r < 0) return chain;
    const ir::Node& n = node(std::size_t(r));
    if (n.num_results != 1 || group_[std::size_t(r)] >= 0) return chain;
    if (is_activation(n, y)) {
      chain.push_back(std::size_t(r));
      return chain;
    }
    if (conv && chain.size() == 1 && n.op == "BatchNormalization" && g_.operand(n, 0) == y) {
      std::vector<ir::TypeRef> types;
      std::vector<const Tensor*> constants;
      NodeSite s = site(n, types, constants);
      if (s.i("training_mode") != 0 || !affine_of_batch_norm(s, 0)) return chain;
      biased = true;
    } else if (a.op == "MatMul" && chain.size() == 1 && (n.op == "Mul" || (n.op == "Div" && g_.operand(n, 0) == y)) && constant(other(n, y)) && f32(other(n, y)) &&
               size(other(n, y)) == 1 && size(g_.result(n)) == size(y)) {
      // a constant factor
    } else if (n.op == "Add" && g_.operand(n, 0) != g_.operand(n, 1) && size(g_.result(n)) == size(y)) {
      ValueId z = other(n, y);
      if (!biased && !added && per_channel(z, y, axis)) biased = true;
      else if (!added && f32(z) && !constant(z) && dims(z) == dims(y)) added = true;
      else return chain;
    } else {
      return chain;
    }
    if (dims(g_.result(n)).size() != dims(y).size()) return chain;
    chain.push_back(std::size_t(r));
    y = g_.result(n);
  }
}

Val Fuser::emit(const Chain& chain, op::Builder& b, const std::function<Val(ValueId)>& mapped) {
  op::Builder body;
  Vals operands, env(g_.values().size());
  Val y;
  std::string origin;
  for (std::size_t i : chain) {
    const ir::Node& n = node(i);
    Vals in;
    for (ValueId v : g_.operands(n)) {
      if (v == ValueId::none) {
        in.push_back({});
        continue;
      }
      Val& x = env[std::size_t(v)];
      if (!x && g_[v].constant && g_.type(v).dtype == DType::i64) x = body.constant(g_[v].constant, g_[v].type);   // a shape: types follow from it
      if (!x) {
        operands.push_back(mapped(v));
        x = body.input(g_[v].type);
      }
      in.push_back(x);
    }
    const Vals results = body.copy(g_, n, in);
    if (body.error()) break;
    y = results[0];
    for (std::size_t k = 0; k < results.size(); ++k) env[std::size_t(g_.result(n, k))] = results[k];
    if (n.origin) origin += (origin.empty() ? "" : "+") + *n.origin;
  }
  auto graph = std::move(body).build({y});
  if (!graph) {
    b.fail(std::move(graph.error()));
    return {};
  }
  b.origin = ir::make_name(origin);
  Val fused = b.op("Fused", operands, {{"body", std::make_shared<const ir::Graph>(std::move(*graph))}});
  b.origin = {};
  return fused;
}

Result<ir::Graph> Fuser::run() {
  const auto take = [&](Chain c) {
    for (std::size_t k : c) group_[k] = std::int64_t(chains_.size());
    chains_.push_back(std::move(c));
  };
  for (std::size_t i = 0; i < g_.nodes().size(); ++i) {
    if (group_[i] >= 0) continue;
    Chain c = grow(i);
    if (!c.empty() && node(c[0]).op == "Conv" && !op::is_quantised(g_, node(c[0]))) c = pooled(std::move(c));
    if (c.size() < 2) continue;
    take(std::move(c));
  }
  for (std::size_t i = 0; i < g_.nodes().size(); ++i)
    if (group_[i] < 0)
      if (Chain c = alone(i); c.size() > 1) take(std::move(c));
  for (std::size_t i = 0; i < g_.nodes().size(); ++i)
    if (Chain c = rearrangements(i); c.size() > 1) take(std::move(c));
  op::Builder b;
  Vals env(g_.values().size());
  for (ValueId v : g_.inputs()) env[std::size_t(v)] = b.input(g_[v].type, g_[v].name);
  std::function<Val(ValueId)> mapped = [&](ValueId v) -> Val {
    if (v == ValueId::none) return {};
    Val& x = env[std::size_t(v)];
    if (!x && g_[v].constant) x = b.constant(g_[v].constant, g_[v].type, g_[v].name);
    return x;
  };
  for (std::size_t i = 0; i < g_.nodes().size(); ++i) {
    const ir::Node& n = node(i);
    Vals y;
    if (group_[i] >= 0) {
      const Chain& c = chains_[std::size_t(group_[i])];
      if (*std::max_element(c.begin(), c.end()) != i) continue;
      y = {emit(c, b, mapped)};
    } else {
      Vals in;
      for (ValueId v : g_.operands(n)) in.push_back(mapped(v));
      y = b.copy(g_, n, in);
    }
    if (b.error()) return *b.error();
    for (std::size_t k = 0; k < y.size(); ++k) {
      ValueId old = g_.result(n, k);
      env[std::size_t(old)] = y[k];
      if (g_[old].name && !b.graph()[y[k].id].name) b.rename(y[k], g_[old].name);
    }
  }
  Vals out;
  for (ValueId v : g_.outputs()) out.push_back(mapped(v));
  return std::move(b).build(out);
}
}  // namespace

Result<ir::Graph> fuse(const ir::Graph& g, kernels::Isa isa) { return Fuser(g, isa).run(); }

}  // namespace saha::native
