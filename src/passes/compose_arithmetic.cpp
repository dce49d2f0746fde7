// (x * c) * d -> x * (c d);  (x + c) + d -> x + (c + d);  x / c / d -> x / (c d);   c and d constant floats, the inner result used once.
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
/// The constant operand of a two-operand node and the other one.
std::optional<std::pair<Val, Val>> split(op::Builder& b, Val x, Val y, bool commutes) {
  if (!x || !y || !is_float(b.type(x).dtype)) return {};
  if (b.data(y) && !b.data(x)) return std::pair{x, y};
  if (commutes && b.data(x) && !b.data(y)) return std::pair{y, x};
  return {};
}
}  // namespace

Result<ir::Graph> compose_arithmetic(const ir::Graph& g, const Options& o) {
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (in.empty() || !in[0] || n.num_results != 1) return {};
    bool mul = is(&n, "Mul"), add = is(&n, "Add"), div = is(&n, "Div");
    if ((!mul && !add && !div) || in.size() != 2) return {};
    auto outer = split(b, in[0], in[1], !div);
    if (!outer) return {};
    for (std::size_t i = 0; i < 2; ++i) if (in[i].id == outer->first.id && uses[std::size_t(from.operand(n, i))] != 1) return {};
    const ir::Node* p = b.producer(outer->first);
    if (!is(p, n.op.str()) || p->num_operands != 2) return {};
    auto inner = split(b, operand(b, *p, 0), operand(b, *p, 1), !div);
    if (!inner) return {};
    const Tensor &c = *b.data(inner->second), &d = *b.data(outer->second);
    if (c.size() > 65536 || d.size() > 65536) return {};
    Datum dc(c), dd(d);
    const Datum* operands[] = {&dc, &dd};
    auto both = op::run(*op::find(div ? "Mul" : n.op.str())->def, operands, {}, 1, o.budget);
    if (!both || (*both)[0].tensor.bytes() > std::max(c.bytes(), d.bytes())) return {};
    return Vals{b.op(n.op, {inner->first, b.constant(std::move((*both)[0].tensor))})};
  });
}

}  // namespace saha::passes
