// MatMul(x, W1) + b1, MatMul(x, W2) + b2, ..  ->  Split(MatMul(x, [W1 W2 ..]) + [b1 b2 ..]), W and b constant and read once.
// Only beside Attention (opset 23 or --fuse): onnxruntime's own search for older attention wants the products apart.
#include <algorithm>
#include <map>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
using ir::ValueId;

constexpr std::int64_t kMinDepth = 32;   // below it, moving the parts costs what the larger product saves

struct Member {
  ValueId weight, bias;   // of bias: none where nothing is added
  std::size_t last;       // the row of the node whose result the Split replaces
};
Val joined(const ir::Graph& g, const std::vector<Member>& group, ValueId Member::*part, std::int64_t axis, op::Builder& b) {
  std::vector<Datum> parts;
  for (const Member& m : group) parts.emplace_back(*g[m.*part].constant);
  std::vector<const Datum*> in;
  for (const Datum& d : parts) in.push_back(&d);
  auto all = op::run(*op::find("Concat")->def, in, {{"axis", axis}}, 1);
  return all ? b.constant(std::move((*all)[0].tensor)) : Val{};
}
}  // namespace

Result<ir::Graph> merge_products(const ir::Graph& g, const Options& o) {
  if (!o.fuse && o.opset < 23) return g;
  const auto uses = g.use_counts();
  std::vector<std::size_t> reader(g.values().size());   // of a value that is read once: by which node
  for (std::size_t i = 0; i < g.nodes().size(); ++i) for (ValueId v : g.operands(g.nodes()[i])) if (v != ValueId::none) reader[std::size_t(v)] = i;
  std::vector<char> is_output(g.values().size(), 0);
  for (ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;

  std::map<std::pair<ValueId, bool>, std::vector<Member>> groups;   // by x and whether something is added
  const auto depth = [&](const Member& m) { return g[m.weight].constant->dims[0]; };
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    if (!is(&n, "MatMul")) continue;
    const Tensor* w = g[g.operand(n, 1)].constant.get();
    if (!w || w->rank() != 2 || !is_float(w->dtype) || w->dims[0] < kMinDepth || w->dims[1] < 1 || uses[std::size_t(g.operand(n, 1))] != 1) continue;
    Member m{g.operand(n, 1), ValueId::none, i};
    const ValueId y = g.result(n);
    if (uses[std::size_t(y)] == 1 && !is_output[std::size_t(y)]) {
      const ir::Node& add = g.nodes()[reader[std::size_t(y)]];
      const ValueId c = is(&add, "Add") ? g.operand(add, g.operand(add, 0) == y ? 1 : 0) : ValueId::none;
      const Tensor* row = c == ValueId::none ? nullptr : g[c].constant.get();
      if (row && row->rank() == 1 && row->dims[0] == w->dims[1] && uses[std::size_t(c)] == 1) m = {m.weight, c, reader[std::size_t(y)]};
    }
    auto& group = groups[{g.operand(n, 0), m.bias != ValueId::none}];
    if (group.empty() || (depth(group[0]) == depth(m) && g[group[0].weight].constant->dtype == w->dtype)) group.push_back(m);
  }

  std::map<std::size_t, Val> part;   // row of a member's last node -> what stands for it
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    const std::size_t row = std::size_t(&n - from.nodes().data());
    if (auto it = part.find(row); it != part.end() && is(&n, "Add")) return Vals{it->second};
    if (!is(&n, "MatMul")) return {};
    for (bool biased : {true, false}) {
      auto found = groups.find({from.operand(n, 0), biased});
      if (found == groups.end()) continue;
      const auto& group = found->second;
      const auto own = std::find_if(group.begin(), group.end(), [&](const Member& m) { return m.weight == from.operand(n, 1); });
      if (own == group.end() || group.size() < (biased ? 2u : 3u)) continue;   // two bare products would become three nodes
      if (!part.count(own->last)) {
        Val w = joined(from, group, &Member::weight, 1, b), c = biased ? joined(from, group, &Member::bias, 0, b) : Val{};
        if (!w || (biased && !c)) return {};
        Val y = b.op("MatMul", {in[0], w});
        if (biased) y = b.op("Add", {y, c});
        std::vector<std::int64_t> sizes;
        for (const Member& m : group) sizes.push_back(from[m.weight].constant->dims[1]);
        Vals parts = b.ops("Split", {y, b.ints(sizes)}, {{"axis", std::int64_t(-1)}}, int(group.size()));
        for (std::size_t i = 0; i < group.size(); ++i) part[group[i].last] = parts[i];
      }
      return Vals{part[own->last]};
    }
    return {};
  });
}

}  // namespace saha::passes
