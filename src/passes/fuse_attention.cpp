// Softmax(s Q K' + m) V  ->  Attention(Q, K, V, m; scale = s) of [B, H, S, D], K' being K with its last two axes exchanged;  (opset 23)
// Reshape(Transpose(Attention(h(Q), h(K), h(V), m)))  ->  Attention(Q, K, V, m; heads) of [B, S, H D], h(x) = Transpose(Reshape(x, [B, S, H, D]), 0 2 1 3).
// Scores that someone else reads stay as they are, and a mask of one key for all: Attention takes a shorter mask to hide the keys behind it. A query all of whose keys are masked by -inf becomes 0 where Softmax gives NaN.
#include <cmath>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
using ir::ValueId;

const ir::Ints kHeadsFirst{0, 2, 1, 3};

/// Looks back from the last product in the graph that is read; `now` holds what stands for its values in the one that is built.
struct Match {
  const ir::Graph& g;
  const std::vector<std::uint32_t>& uses;
  const std::vector<Val>& now;
  op::Builder& b;

  const ir::Node* sole(ValueId v, std::string_view op) const {
    const ir::Node* n = g.producer(v);
    return is(n, op) && uses[std::size_t(v)] == 1 ? n : nullptr;
  }
  bool four(ValueId v) const { return g.type(v).is_tensor() && g.type(v).ranked && g.type(v).dims.size() == 4; }
  /// v without a positive factor that all its elements have.
  ValueId unscaled(ValueId v, double& scale) const {
    for (;;) {
      const ir::Node *mul = sole(v, "Mul"), *div = sole(v, "Div"), *n = mul ? mul : div;
      if (!n) return v;
      ValueId rest = ValueId::none;
      for (std::size_t i : {std::size_t(1), std::size_t(0)}) {
        auto c = uniform(b, now[std::size_t(g.operand(*n, i))]);
        ValueId other = g.operand(*n, 1 - i);
        if (!c || !(*c > 0) || !std::isfinite(*c) || (div && i == 0) || !(g.type(other) == g.type(v))) continue;
        scale *= div ? 1 / *c : *c;
        rest = other;
        break;
      }
      if (rest == ValueId::none) return v;
      v = rest;
    }
  }
  /// K of K', a new Transpose at most.
  Val keys(ValueId v) const {
    const ir::Node* n = g.producer(v);
    const auto* perm = is(n, "Transpose") ? ir::attr<ir::Ints>(*n->attrs, "perm") : nullptr;
    if (!perm) return b.op("Transpose", {now[std::size_t(v)]}, {{"perm", ir::Ints{0, 1, 3, 2}}});
    Val x = now[std::size_t(g.operand(*n, 0))];
    const ir::Ints order{(*perm)[0], (*perm)[1], (*perm)[3], (*perm)[2]};
    return order == ir::Ints{0, 1, 2, 3} ? x : b.op("Transpose", {x}, {{"perm", order}});
  }
  std::optional<Vals> attention(const ir::Node& product) const {
    const ir::Node* softmax = sole(g.operand(product, 0), "Softmax");
    const ValueId v = g.operand(product, 1);
    if (!softmax || !four(v) || !four(g.operand(product, 0))) return {};
    const auto* axis = ir::attr<std::int64_t>(*softmax->attrs, "axis");
    if (!axis || (*axis != -1 && *axis != 3)) return {};
    ValueId scores = g.operand(*softmax, 0), mask = ValueId::none;
    if (const ir::Node* add = sole(scores, "Add")) {
      for (std::size_t i : {std::size_t(0), std::size_t(1)}) {
        double ignored = 1;
        const ir::Node* p = g.producer(unscaled(g.operand(*add, i), ignored));
        const ir::Type& m = g.type(g.operand(*add, 1 - i));
        if (!is(p, "MatMul") || !m.ranked || m.dims.empty() || m.dims.size() > 4 || !(m.dims.back() == g.type(scores).dims[3]) || !(g.type(g.operand(*add, i)) == g.type(scores))) continue;
        mask = g.operand(*add, 1 - i);
        scores = g.operand(*add, i);
        break;
      }
      if (mask == ValueId::none) return {};
    }
    double scale = 1;
    const ir::Node* qk = sole(unscaled(scores, scale), "MatMul");
    if (!qk) return {};
    const ValueId q = unscaled(g.operand(*qk, 0), scale), k = unscaled(g.operand(*qk, 1), scale);
    if (!four(q) || !four(k)) return {};
    const auto &dq = g.type(q).dims, &dk = g.type(k).dims, &dv = g.type(v).dims;
    if (!(dq[0] == dk[0] && dq[0] == dv[0] && dq[1] == dk[1] && dq[1] == dv[1] && dk[3] == dv[2])) return {};   // no broadcasting among batches and heads
    Vals operands{now[std::size_t(q)], keys(k), now[std::size_t(v)]};
    if (mask != ValueId::none) operands.push_back(now[std::size_t(mask)]);
    return Vals{b.op("Attention", operands, {{"scale", float(scale)}})};
  }
  /// x [B, S, H D] of h(x), given as h's Reshape to [B, S, H, D] where it is none; nothing where v is no transpose to heads first.
  Val rows(Val v) const {
    const ir::Node* t = b.producer(v);
    const auto* perm = is(t, "Transpose") ? ir::attr<ir::Ints>(*t->attrs, "perm") : nullptr;
    if (!perm || *perm != kHeadsFirst) return {};
    Val wide = operand(b, *t, 0);
    const auto& d = b.type(wide).dims;
    if (!d[2].known() || !d[3].known()) return {};
    const std::int64_t width = *d[2].known() * *d[3].known();
    if (const ir::Node* r = b.producer(wide); is(r, "Reshape")) {
      Val x = operand(b, *r, 0);
      const ir::Type& tx = b.type(x);
      if (tx.ranked && tx.dims.size() == 3 && tx.dims[0] == d[0] && tx.dims[1] == d[1] && tx.dims[2].is(width)) return x;
    }
    return b.op("Reshape", {wide, b.ints({0, 0, width})});
  }
  std::optional<Vals> side_by_side(const ir::Node& reshape) const {
    const ir::Node* t = sole(g.operand(reshape, 0), "Transpose");
    const auto* perm = t ? ir::attr<ir::Ints>(*t->attrs, "perm") : nullptr;
    if (!perm || *perm != kHeadsFirst || !sole(g.operand(*t, 0), "Attention")) return {};
    const ir::Node* a = b.producer(now[std::size_t(g.operand(*t, 0))]);
    const ir::Type &y = g.type(g.result(reshape)), &wide = g.type(g.result(*t));
    if (!is(a, "Attention") || a->num_operands > 4 || a->num_results != 1 || !y.ranked || y.dims.size() != 3) return {};
    if (!(y.dims[0] == wide.dims[0] && y.dims[1] == wide.dims[1] && y.dims[2] == wide.dims[2] * wide.dims[3])) return {};
    Vals operands;
    ir::Attrs attrs = *a->attrs;
    std::vector<std::int64_t> heads;
    for (std::size_t i = 0; i < 3; ++i) {
      Val x = operand(b, *a, i);
      if (b.type(x).dims.size() != 4 || !b.type(x).dims[1].known()) return {};
      heads.push_back(*b.type(x).dims[1].known());
      operands.push_back(rows(x));
      if (!operands.back()) return {};
    }
    if (a->num_operands == 4) operands.push_back(operand(b, *a, 3));
    attrs.push_back({"q_num_heads", heads[0]});
    attrs.push_back({"kv_num_heads", heads[1]});
    return Vals{b.op("Attention", operands, attrs)};
  }
};
}  // namespace

Result<ir::Graph> fuse_attention(const ir::Graph& g, const Options& o) {
  if (!o.fuse && o.opset < 23) return g;
  const auto uses = g.use_counts();
  std::vector<Val> now(g.values().size());
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    for (std::size_t i = 0; i < in.size(); ++i) if (in[i]) now[std::size_t(from.operand(n, i))] = in[i];
    const Match match{from, uses, now, b};
    if (n.num_results == 1 && is(&n, "MatMul") && is_float(from.type(from.result(n)).dtype)) return match.attention(n);
    if (n.num_results == 1 && is(&n, "Reshape")) return match.side_by_side(n);
    return {};
  });
}

}  // namespace saha::passes
