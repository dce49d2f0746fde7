// If(constant) -> the branch taken.  A constant that a sub-graph captures -> a constant of the sub-graph.  A capture that nobody reads is no
// operand.
#include <algorithm>

#include "op/captures.hpp"
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
/// g without its last inputs at `drop`; `values[i]` stands for such an input where it is a constant.
Result<ir::Graph> without_inputs(const ir::Graph& g, const std::vector<char>& drop, const std::vector<std::shared_ptr<const Tensor>>& values) {
  const auto input = [&](std::size_t i, op::Builder& b) -> op::Val {
    const ir::Value& x = g[g.inputs()[i]];
    if (!drop[i]) return b.input(x.type, x.name);
    if (!values[i]) return {};
    return b.constant(values[i], ir::tensor_type(values[i]->dtype, {values[i]->dims.begin(), values[i]->dims.end()}), x.name);
  };
  return op::rewrite(g, {}, input, g.outputs());
}
}  // namespace

Result<ir::Graph> close_over_constants(const ir::Graph& g, const Options&) {
  return op::rewrite(g, [](const ir::Graph&, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    auto first = is(&n, "SequenceMap") ? std::nullopt : op::first_capture(n);   // SequenceMap's captures are operands like any other
    if (!first || in.size() <= *first) return {};
    std::size_t captures = in.size() - *first;
    std::vector<char> drop(captures, 0);
    std::vector<std::shared_ptr<const Tensor>> value(captures);
    std::vector<char> read(captures, 0);
    for (const ir::NamedAttr& a : *n.attrs) {
      auto* sub = std::get_if<ir::GraphRef>(&a.value);
      if (!sub) continue;
      auto uses = (*sub)->use_counts();
      std::size_t formal = (*sub)->inputs().size() - captures;
      for (std::size_t i = 0; i < captures; ++i) read[i] |= uses[std::size_t((*sub)->inputs()[formal + i])] != 0;
    }
    bool any = false;
    for (std::size_t i = 0; i < captures; ++i) {
      op::Val v = in[*first + i];
      if (v && b.data(v)) value[i] = b.graph()[v.id].constant;
      drop[i] = value[i] || !read[i];
      any |= drop[i] != 0;
    }
    if (!any) return {};
    ir::Attrs attrs = *n.attrs;
    for (ir::NamedAttr& a : attrs) {
      auto* sub = std::get_if<ir::GraphRef>(&a.value);
      if (!sub) continue;
      std::size_t formal = (*sub)->inputs().size() - captures;
      std::vector<char> d(formal, 0);
      std::vector<std::shared_ptr<const Tensor>> v(formal);
      d.insert(d.end(), drop.begin(), drop.end());
      v.insert(v.end(), value.begin(), value.end());
      auto inner = without_inputs(**sub, d, v);
      if (!inner) return {};
      a.value = std::make_shared<const ir::Graph>(std::move(*inner));
    }
    op::Vals operands(in.begin(), in.begin() + std::ptrdiff_t(*first));
    for (std::size_t i = 0; i < captures; ++i) if (!drop[i]) operands.push_back(in[*first + i]);
    return b.ops(n.op, operands, attrs, n.num_results);
  });
}

Result<ir::Graph> resolve_branches(const ir::Graph& g, const Options&) {
  return op::rewrite(g, [](const ir::Graph&, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    if (!is(&n, "If")) return {};
    auto cond = uniform(b, in[0]);
    if (!cond) {
      const op::Known* k = b.known(in[0]);
      if (!k || k->size() != 1 || !(*k)[0].known()) return {};
      cond = double(*(*k)[0].known());
    }
    const ir::Graph& branch = **ir::attr<ir::GraphRef>(*n.attrs, *cond != 0 ? "then_branch" : "else_branch");
    return b.inline_graph(branch, op::Vals(in.begin() + 1, in.end()));
  });
}

}  // namespace saha::passes
