#include "backends/native/layout.hpp"

#include <algorithm>

#include "backends/native/kernel_table.hpp"

namespace saha::native {
namespace {
/// `n` permutes axes as `in_memory` does.
bool permutes(const ir::Graph& g, const ir::Node& n, bool to_last) {
  if (n.op != ir::OpName("Transpose") || !has_layouts(g.type(g.operand(n, 0)))) return false;
  const auto* perm = ir::attr<ir::Ints>(*n.attrs, "perm");
  const std::size_t rank = g.type(g.operand(n, 0)).dims.size();
  Dims order(rank);
  for (std::size_t i = 0; i < rank; ++i) order[i] = std::int64_t(i);
  if (to_last) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  else std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return perm && std::equal(perm->begin(), perm->end(), order.begin(), order.end());
}
}  // namespace

bool fits_slot(const ir::Type& t) {
  if (!ir::is_static(t) || t.dtype == DType::string || t.dtype == DType::none) return false;
  const auto n = checked_elements(NodeSite::numbers(t));
  return n && *n <= kMaxTensorBytes && storage_bytes(t.dtype, *n) <= kMaxTensorBytes;
}
bool has_layouts(const ir::Type& t) {
  if (!t.is_tensor() || !ir::is_static(t) || t.dims.size() < 3 || t.dims.size() > 4 || t.dtype == DType::string || t.dtype == DType::none) return false;
  const std::int64_t b = bits(t.dtype);
  return b == 8 || b == 16 || b == 32 || b == 64;
}
bool may_be_channels_last(const ir::Type& t) { return has_layouts(t) && (bits(t.dtype) == 8 || t.dtype == DType::f32); }
bool layouts_coincide(const Dims& d) {
  if (d.size() < 3 || d[1] == 1) return true;
  return std::all_of(d.begin() + 2, d.end(), [](std::int64_t n) { return n == 1; });
}
Dims in_memory(const Dims& d, ir::Layout layout) {
  Dims r = d;
  if (layout == ir::Layout::nhwc && d.size() > 2) std::rotate(r.begin() + 1, r.begin() + 2, r.end());
  return r;
}
Dims strides_of(const Dims& d, ir::Layout layout) {
  Dims s(d.size(), 1);
  const Dims m = in_memory(d, layout);
  for (std::size_t i = m.size(); i-- > 1;) s[i - 1] = s[i] * m[i];
  if (layout == ir::Layout::nhwc && d.size() > 2) std::rotate(s.begin() + 1, s.end() - 1, s.end());
  return s;
}
bool takes_channels_last(const ir::Graph& g, const ir::Node& n) { return permutes(g, n, true); }
bool brings_channels_first(const ir::Graph& g, const ir::Node& n) { return permutes(g, n, false); }
Convolution convolution_of(const ir::Graph& g, const ir::Node& n) {
  if (n.op == ir::OpName("Conv")) return {&g, &n};
  if (n.op != ir::OpName("Fused")) return {};
  const ir::Graph& body = **ir::attr<ir::GraphRef>(*n.attrs, "body");
  return body.nodes().empty() ? Convolution{} : convolution_of(body, body.nodes()[0]);
}
bool prefers_channels_last(const ir::Graph& g, const ir::Node& n) {
  const ir::Type& y = g.type(g.result(n));
  return y.dtype == DType::f32 && has_layouts(y) && convolution_of(g, n).node;
}

}  // namespace saha::native
