#include "backends/native/strided.hpp"

#include <numeric>

#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"

namespace saha::native {
namespace {

/// The same elements in the same order under other dims; nothing where one dim would need two strides.
std::optional<Dims> reshaped(const Strided& x, const Dims& to) {
  Dims strides(to.size(), 0);
  std::size_t i = 0, j = 0;
  while (i < x.dims.size() || j < to.size()) {
    // The shortest runs of dims of either that have equally many elements.
    std::size_t i1 = i, j1 = j;
    std::int64_t a = i1 < x.dims.size() ? x.dims[i1++] : 1, b = j1 < to.size() ? to[j1++] : 1;
    while (a != b)
      if (a < b && i1 < x.dims.size()) a *= x.dims[i1++];
      else if (b < a && j1 < to.size()) b *= to[j1++];
      else return {};
    std::int64_t inner = 1, step = 0;
    bool any = false;
    for (std::size_t k = i1; k-- > i;) {   // a run must be one row of elements, `inner` apart
      if (x.dims[k] == 1) continue;
      if (!any) inner = x.strides[k], step = inner;
      else if (x.strides[k] != step) return {};
      any = true, step *= x.dims[k];
    }
    std::int64_t stride = inner;
    for (std::size_t k = j1; k-- > j;) strides[k] = stride, stride *= to[k];
    i = i1, j = j1;
  }
  return strides;
}

std::optional<Strided> after(const ir::Graph& g, const ir::Node& n, ir::ValueId y, Strided x) {
  const Dims to = NodeSite::numbers(g.type(y));
  const op::AttrView a{*n.attrs};
  if (num_elements(to) == 0) return {};
  if (n.op == "Transpose") {
    std::vector<std::int64_t> perm = a.is("perm");
    if (perm.empty()) perm.resize(to.size()), std::iota(perm.rbegin(), perm.rend(), 0);
    Strided r{x.root, to, {}, x.first};
    for (std::int64_t p : perm) r.strides.push_back(x.strides[std::size_t(p)]);
    return r;
  }
  if (n.op == "Split") {
    const std::int64_t axis = a.i("axis");
    const auto at = std::size_t(axis < 0 ? axis + std::int64_t(to.size()) : axis);
    for (std::size_t k = 0; k < n.num_results && g.result(n, k) != y; ++k) x.first += NodeSite::numbers(g.type(g.result(n, k)))[at] * x.strides[at];
    x.dims = to;
    return x;
  }
  if (!(op::find(n.op.str())->def->traits & op::kView)) return {};
  auto strides = reshaped(x, to);
  if (!strides) return {};
  return Strided{x.root, to, std::move(*strides), x.first};
}

}  // namespace

Strided dense(ir::ValueId v, const ir::Type& type) {
  const Dims d = NodeSite::numbers(type);
  return {v, d, strides_of(d), 0};
}

Strided strided(const ir::Graph& g, ir::ValueId v, const std::function<bool(const ir::Node&)>& through) {
  const ir::Node* n = g.producer(v);
  if (n && n->num_operands > 0 && g.operand(*n, 0) != ir::ValueId::none && through(*n))
    if (auto r = after(g, *n, v, strided(g, g.operand(*n, 0), through))) return *r;
  return dense(v, g.type(v));
}

}  // namespace saha::native
