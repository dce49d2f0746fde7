// Reshape(x, shape) where the elements of shape are known up to one: -> Reshape(x, constant) with -1 for that one and 0 for a dim of x at its
// own place.  Expand(x, shape): 1 where the result's dim is x's.  The arithmetic that made shape is then dead.
#include "passes/passes.hpp"

namespace saha::passes {

Result<ir::Graph> resolve_shapes(const ir::Graph& g, const Options&) {
  return op::rewrite(g, [](const ir::Graph&, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    bool reshape = is(&n, "Reshape"), expand = is(&n, "Expand");
    if ((!reshape && !expand) || in.size() < 2 || !in[1] || b.data(in[1])) return {};
    const op::Known* known = b.known(in[1]);
    const ir::Type& x = b.type(in[0]);
    if (!known || !x.is_tensor() || !x.ranked) return {};
    const auto* allow = ir::attr<std::int64_t>(*n.attrs, "allowzero");
    if (reshape && allow && *allow) return {};
    std::vector<std::int64_t> shape;
    int open = 0;
    for (std::size_t i = 0; i < known->size(); ++i) {
      const ir::Dim& d = (*known)[i];
      if (reshape) {
        if (d.known()) { shape.push_back(*d.known()); open += *d.known() == -1; }
        else if (i < x.dims.size() && d == x.dims[i]) shape.push_back(0);
        else { shape.push_back(-1); ++open; }
        continue;
      }
      std::size_t from = known->size() - i;   // counted from the end
      if (d.known()) shape.push_back(*d.known());
      else if (from <= x.dims.size() && d == x.dims[x.dims.size() - from]) shape.push_back(1);
      else return {};
    }
    if (open > 1) return {};
    return op::Vals{b.op(n.op, {in[0], b.ints(shape)}, *n.attrs)};
  });
}

}  // namespace saha::passes
