// (x * c) * d -> x * (c d);  (x + c) + d -> x + (c + d);  x / c / d -> x / (c d);  (x + c) - d -> x + (c - d);  (x * c) / d -> x * (c / d) and so on;
// c and d constant floats, the inner result used once.
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
constexpr ir::OpName kAdd = "Add", kSub = "Sub", kMul = "Mul", kDiv = "Div";
/// The constant operand of a two-operand node and the other one.
std::optional<std::pair<Val, Val>> split(op::Builder& b, Val x, Val y, bool commutes) {
  if (!x || !y || !is_float(b.type(x).dtype)) return {};
  if (b.data(y) && !b.data(x)) return std::pair{x, y};
  if (commutes && b.data(x) && !b.data(y)) return std::pair{y, x};
  return {};
}
bool commutes(const ir::Node& n) { return is(&n, "Mul") || is(&n, "Add"); }
bool additive(const ir::Node& n) { return is(&n, "Add") || is(&n, "Sub"); }
bool multiplicative(const ir::Node& n) { return is(&n, "Mul") || is(&n, "Div"); }
}  // namespace

Result<ir::Graph> compose_arithmetic(const ir::Graph& g, const Options& o) {
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (in.size() != 2 || !in[0] || n.num_results != 1 || (!additive(n) && !multiplicative(n))) return {};
    auto outer = split(b, in[0], in[1], commutes(n));
    if (!outer) return {};
    for (std::size_t i = 0; i < 2; ++i) if (in[i].id == outer->first.id && uses[std::size_t(from.operand(n, i))] != 1) return {};
    // What two constants are together; no larger than the larger of them.
    auto both = [&](ir::OpName name, Val c, Val d) -> std::optional<Tensor> {
      const Tensor &x = *b.data(c), &y = *b.data(d);
      if (x.size() > 65536 || y.size() > 65536) return {};
      Datum dx(x), dy(y);
      const Datum* operands[] = {&dx, &dy};
      auto r = op::run(*op::find(name.str())->def, operands, {}, 1, o.budget);
      if (!r || (*r)[0].tensor.bytes() > std::max(x.bytes(), y.bytes())) return {};
      return std::move((*r)[0].tensor);
    };
    const ir::Node* p = b.producer(outer->first);
    if (!p || p->num_operands != 2 || additive(n) != additive(*p) || multiplicative(n) != multiplicative(*p)) return {};
    auto inner = split(b, operand(b, *p, 0), operand(b, *p, 1), commutes(*p));
    if (!inner) return {};
    // x - c - d = x - (c + d); x - c + d = x - (c - d): the inner operator stays.
    auto c = both(commutes(*p) ? n.op : additive(n) ? (n.op == p->op ? kAdd : kSub) : (n.op == p->op ? kMul : kDiv), inner->second, outer->second);
    if (!c) return {};
    return Vals{b.op(p->op, {inner->first, b.constant(std::move(*c))})};
  });
}

}  // namespace saha::passes
