#include "backends/native/strided.hpp"

#include <numeric>

#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"

namespace saha::native {
namespace {

void append(Strided::Axis& axis, Strided::Step s) {
  if (s.n == 1) return;
  if (!axis.empty() && axis.back().stride == s.n * s.stride) axis.back() = {axis.back().n * s.n, s.stride};
  else axis.push_back(s);
}

/// The same elements in the same order under other dims; nothing where a step would have to be cut at no whole number.
std::optional<std::vector<Strided::Axis>> reshaped(const Strided& x, const Dims& to) {
  Strided::Axis all;
  for (const Strided::Axis& a : x.axes) all.insert(all.end(), a.begin(), a.end());
  std::vector<Strided::Axis> axes;
  std::size_t at = 0;
  for (std::int64_t left : to) {
    axes.emplace_back();
    while (left > 1) {
      if (at == all.size()) return {};
      Strided::Step& s = all[at];
      const std::int64_t taken = std::min(left, s.n);
      if (left % taken || s.n % taken) return {};
      append(axes.back(), {taken, s.stride * (s.n / taken)});
      left /= taken, s.n /= taken;
      if (s.n == 1) ++at;
    }
  }
  if (at != all.size()) return {};
  return axes;
}

std::optional<Strided> after(const ir::Graph& g, const ir::Node& n, ir::ValueId y, Strided x) {
  const Dims to = NodeSite::numbers(g.type(y));
  const op::AttrView a{*n.attrs};
  if (num_elements(to) == 0) return {};
  if (n.op == "Transpose") {
    std::vector<std::int64_t> perm = a.is("perm");
    if (perm.empty()) perm.resize(to.size()), std::iota(perm.rbegin(), perm.rend(), 0);
    std::vector<Strided::Axis> axes;
    for (std::int64_t p : perm) axes.push_back(x.axes[std::size_t(p)]);
    x.axes = std::move(axes);
    return x;
  }
  if (n.op == "Split") {
    const std::int64_t axis = a.i("axis");
    const auto at = std::size_t(axis < 0 ? axis + std::int64_t(to.size()) : axis);
    if (x.axes[at].size() > 1) return {};
    const std::int64_t stride = x.axes[at].empty() ? 0 : x.axes[at][0].stride;
    for (std::size_t k = 0; k < n.num_results && g.result(n, k) != y; ++k) x.first += NodeSite::numbers(g.type(g.result(n, k)))[at] * stride;
    x.axes[at].clear();
    append(x.axes[at], {to[at], stride});
    return x;
  }
  if (!rearranges(n)) return {};
  auto axes = reshaped(x, to);
  if (!axes) return {};
  x.axes = std::move(*axes);
  return x;
}

}  // namespace

Dims Strided::dims() const {
  Dims d;
  for (const Axis& a : axes) d.push_back(std::accumulate(a.begin(), a.end(), std::int64_t{1}, [](std::int64_t n, const Step& s) { return n * s.n; }));
  return d;
}
std::optional<Dims> Strided::strides() const {
  Dims s;
  for (const Axis& a : axes) {
    if (a.size() > 1) return {};
    s.push_back(a.empty() ? 1 : a[0].stride);
  }
  return s;
}

Strided dense(ir::ValueId v, const ir::Type& type, ir::Layout layout) {
  const Dims d = NodeSite::numbers(type), strides = strides_of(d, has_layouts(type) ? layout : ir::Layout::plain);
  Strided x{v, {}, 0};
  for (std::size_t i = 0; i < d.size(); ++i) append(x.axes.emplace_back(), {d[i], strides[i]});
  return x;
}

bool rearranges(const ir::Node& n) { return n.op == "Transpose" || (op::find(n.op.str())->def->traits & op::kView); }

Strided strided(const ir::Graph& g, ir::ValueId v, const std::function<bool(const ir::Node&)>& through, ir::Layout layout) {
  const ir::Node* n = g.producer(v);
  if (n && n->num_operands > 0 && g.operand(*n, 0) != ir::ValueId::none && through(*n))
    if (auto r = after(g, *n, v, strided(g, g.operand(*n, 0), through, layout))) return *r;
  return dense(v, g.type(v), layout);
}

}  // namespace saha::native
