// LSTM(x, W, R, B, len, 0, 0)  ->  LSTM(x, W, R, B, len);  the same for GRU and RNN: an initial state of zeros is what its absence means, of
// whatever size the graph makes it.
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;

/// Whether every element is 0, seen through what only moves, repeats and joins.
bool is_zero(op::Builder& b, Val v, int depth = 0) {
  if (!v || depth > 16) return false;
  if (b.data(v)) return uniform(b, v) == 0.0;
  const ir::Node* n = b.producer(v);
  if (!n) return false;
  constexpr std::string_view kMovers[] = {"Expand", "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Slice", "Identity", "Tile", "Cast", "CastLike", "Split", "Gather"};
  for (std::string_view op : kMovers) if (is(n, op)) return is_zero(b, operand(b, *n, 0), depth + 1);
  if (is(n, "ConstantOfShape")) {
    const auto* value = ir::attr<Tensor>(*n->attrs, "value");
    return !value || (value->size() == 1 && value->at(0) == 0);
  }
  if (!is(n, "Concat")) return false;
  for (std::size_t i = 0; i < n->num_operands; ++i) if (!is_zero(b, operand(b, *n, i), depth + 1)) return false;
  return true;
}
}  // namespace

Result<ir::Graph> drop_zero_states(const ir::Graph& g, const Options&) {
  return op::rewrite(g, [](const ir::Graph&, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (!is(&n, "LSTM") && !is(&n, "GRU") && !is(&n, "RNN")) return {};
    Vals kept = in;
    bool any = false;
    for (std::size_t i = 5; i < std::min<std::size_t>(in.size(), 7); ++i) if (is_zero(b, kept[i])) { kept[i] = {}; any = true; }
    if (!any) return {};
    while (!kept.back()) kept.pop_back();
    return b.ops(n.op, kept, *n.attrs, n.num_results);
  });
}

}  // namespace saha::passes
