// x * HardSigmoid(x; 1/6, 1/2) -> HardSwish(x)   (opset 14);   x * Sigmoid(x) -> Swish(x)   (24)
// x * (Erf(x / sqrt 2) + 1) * 1/2, in any order -> Gelu(x)   (20)
// (x - mean) / sqrt(mean((x - mean)^2) + e) * s + t -> LayerNormalization(x, s, t)   (17)
// Only where the opset of the model has the operator, or --fuse allows it.
#include <cmath>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
bool near(std::optional<double> v, double w) { return v && std::fabs(*v - w) <= 1e-4 * std::fabs(w); }

/// The other operand of a two-operand node one of whose operands is the constant c.
Val beside(op::Builder& b, const ir::Node* n, const char* op, double c) {
  if (!is(n, op) || n->num_operands != 2) return {};
  Val x = operand(b, *n, 0), y = operand(b, *n, 1);
  if (near(uniform(b, y), c)) return x;
  if (n->op.str() != "Div" && near(uniform(b, x), c)) return y;
  return {};
}
/// x of Erf(x / sqrt 2) + 1.
Val erf_plus_one(op::Builder& b, Val v) {
  Val e = beside(b, b.producer(v), "Add", 1);
  const ir::Node* erf = e ? b.producer(e) : nullptr;
  if (!is(erf, "Erf")) return {};
  const ir::Node* scaled = b.producer(operand(b, *erf, 0));
  Val x = beside(b, scaled, "Div", std::sqrt(2.0));
  return x ? x : beside(b, scaled, "Mul", std::sqrt(0.5));
}
/// x of Gelu, at the outermost product.
Val gelu(op::Builder& b, Val left, Val right) {
  auto same = [](Val a, Val c) { return a && c && a.id == c.id; };
  for (auto [p, q] : {std::pair{left, right}, {right, left}}) {
    if (near(uniform(b, q), 0.5)) {   // (x * (erf + 1)) * 0.5
      const ir::Node* m = b.producer(p);
      if (!is(m, "Mul")) continue;
      for (std::size_t i : {std::size_t(0), std::size_t(1)}) if (Val x = erf_plus_one(b, operand(b, *m, i)); same(x, operand(b, *m, 1 - i))) return x;
    }
    if (Val x = erf_plus_one(b, p)) if (same(beside(b, b.producer(q), "Mul", 0.5), x)) return x;   // (erf + 1) * (0.5 x)
    if (Val half = beside(b, b.producer(p), "Mul", 0.5)) if (same(erf_plus_one(b, half), q)) return q;   // x * (0.5 (erf + 1))
  }
  return {};
}
/// Reduces over the last axis only, keeping it.
bool last_axis_mean(op::Builder& b, const ir::Node* n) {
  if (!is(n, "ReduceMean")) return false;
  const auto* keep = ir::attr<std::int64_t>(*n->attrs, "keepdims");
  if (keep && !*keep) return false;
  auto axes = n->num_operands > 1 ? int_elements(b, operand(b, *n, 1)) : std::nullopt;
  auto rank = std::int64_t(b.type(operand(b, *n, 0)).dims.size());
  return axes && axes->size() == 1 && ((*axes)[0] == -1 || (*axes)[0] == rank - 1);
}
/// x and epsilon of (x - mean) / sqrt(var + e).
std::optional<std::pair<Val, float>> normalised(op::Builder& b, Val v) {
  const ir::Node* div = b.producer(v);
  if (!is(div, "Div")) return {};
  Val centred = operand(b, *div, 0);
  const ir::Node *sub = b.producer(centred), *root = b.producer(operand(b, *div, 1));
  if (!is(sub, "Sub") || !is(root, "Sqrt")) return {};
  Val x = operand(b, *sub, 0);
  const ir::Node* mean = b.producer(operand(b, *sub, 1));
  if (!last_axis_mean(b, mean) || operand(b, *mean, 0).id != x.id) return {};
  const ir::Node* plus = b.producer(operand(b, *root, 0));
  if (!is(plus, "Add")) return {};
  for (std::size_t i : {std::size_t(0), std::size_t(1)}) {
    auto epsilon = uniform(b, operand(b, *plus, 1 - i));
    const ir::Node* variance = b.producer(operand(b, *plus, i));
    if (!epsilon || !last_axis_mean(b, variance)) continue;
    const ir::Node* square = b.producer(operand(b, *variance, 0));
    bool squared = (is(square, "Pow") && near(uniform(b, operand(b, *square, 1)), 2) && operand(b, *square, 0).id == centred.id) ||
                   (is(square, "Mul") && operand(b, *square, 0).id == centred.id && operand(b, *square, 1).id == centred.id);
    if (squared) return std::pair{x, float(*epsilon)};
  }
  return {};
}
/// A constant row of the length of x's last axis.
bool is_row(op::Builder& b, Val c, Val x) {
  const Tensor* t = c ? b.data(c) : nullptr;
  const auto& d = b.type(x).dims;
  return t && t->rank() == 1 && !d.empty() && d.back().is(t->dims[0]);
}
}  // namespace

Result<ir::Graph> fuse_patterns(const ir::Graph& g, const Options& o) {
  auto allowed = [&](std::int64_t opset) { return o.fuse || o.opset >= opset; };
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (in.size() != 2 || !in[0] || !in[1] || n.num_results != 1 || !is_float(from.type(from.result(n)).dtype)) return {};
    auto single = [&](std::size_t i) { return uses[std::size_t(from.operand(n, i))] == 1; };
    if (is(&n, "Mul")) {
      for (std::size_t i : {std::size_t(0), std::size_t(1)}) {
        const ir::Node* p = b.producer(in[i]);
        if (!p || !single(i) || p->num_operands == 0 || b.graph().operand(*p, 0) != in[1 - i].id) continue;
        if (is(p, "HardSigmoid") && allowed(14)) {
          const auto *alpha = ir::attr<float>(*p->attrs, "alpha"), *beta = ir::attr<float>(*p->attrs, "beta");
          if (alpha && beta && near(*alpha, 1.0 / 6) && near(*beta, 0.5)) return Vals{b.op("HardSwish", {in[1 - i]})};
        }
        if (is(p, "Sigmoid") && allowed(24)) return Vals{b.op("Swish", {in[1 - i]})};
      }
      if (allowed(20)) if (Val x = gelu(b, in[0], in[1])) return Vals{b.op("Gelu", {x})};
    }
    if (is(&n, "Add") && allowed(17)) {
      for (std::size_t i : {std::size_t(0), std::size_t(1)}) {
        const ir::Node* product = b.producer(in[i]);
        if (!is(product, "Mul") || !single(i)) continue;
        for (std::size_t k : {std::size_t(0), std::size_t(1)}) {
          auto y = normalised(b, operand(b, *product, k));
          if (!y || !is_row(b, operand(b, *product, 1 - k), y->first) || !is_row(b, in[1 - i], y->first)) continue;
          return Vals{b.op("LayerNormalization", {y->first, operand(b, *product, 1 - k), in[1 - i]}, {{"axis", std::int64_t(-1)}, {"epsilon", y->second}})};
        }
      }
    }
    return {};
  });
}

}  // namespace saha::passes
