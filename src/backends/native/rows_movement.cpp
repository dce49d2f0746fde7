// Transpose, Concat, Split, Slice, Expand, Pad and Gather of any dtype whose elements are whole bytes.
#include <algorithm>
#include <cstring>

#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/strided.hpp"
#include "kernels/movement.hpp"

namespace saha::native {
namespace {

/// Bytes of an element that a kernel moves; 0 for packed types, strings and complex128.
int element(DType t) {
  if (t == DType::string || t == DType::none || bits(t) < 8) return 0;
  std::int64_t b = storage_bytes(t, 1);
  return b == 1 || b == 2 || b == 4 || b == 8 ? int(b) : 0;
}
std::size_t axis_of(const NodeSite& s, std::size_t rank) {
  std::int64_t a = s.i("axis");
  return std::size_t(a < 0 ? a + std::int64_t(rank) : a);
}

std::optional<Prepared> move(const NodeSite& s, const Dims& dims, const Dims& strides, std::int64_t offset) {
  int bytes = element(s.dtype(0));
  if (!bytes || dims.size() > std::size_t(kernels::kMaxMoveRank)) return {};
  auto p = kernels::prepare_move(bytes, dims, strides, offset);
  return call(kernels::kernel(p), p, {Operand::node(0)});
}

std::optional<Prepared> transpose(const NodeSite& s) {
  Dims x = s.dims(0), from = strides_of(x), dims, strides;
  auto perm = s.is("perm");
  if (perm.empty()) for (std::size_t i = x.size(); i-- > 0;) perm.push_back(std::int64_t(i));
  for (std::int64_t a : perm) {
    dims.push_back(x[std::size_t(a)]);
    strides.push_back(from[std::size_t(a)]);
  }
  return move(s, dims, strides, 0);
}

std::optional<Prepared> slice(const NodeSite& s) {
  Dims x = s.dims(0), strides = strides_of(x, s.layout), y = s.out_dims();
  for (std::size_t i = 1; i < s.in.size(); ++i) if (s.has(i) && !s.constant[i]) return {};
  if (s.layout != ir::Layout::plain && s.constant[0]) return {};
  if (!s.has(1) || !s.has(2) || x.empty()) return {};
  auto starts = values<std::int64_t>(*s.constant[1]), axes = s.has(3) ? values<std::int64_t>(*s.constant[3]) : std::vector<std::int64_t>();
  auto steps = s.has(4) ? values<std::int64_t>(*s.constant[4]) : std::vector<std::int64_t>(starts.size(), 1);
  std::int64_t offset = 0;
  for (std::size_t k = 0; k < starts.size(); ++k) {
    auto a = std::size_t(!s.has(3) ? std::int64_t(k) : axes[k] < 0 ? axes[k] + std::int64_t(x.size()) : axes[k]);
    std::int64_t n = x[a], start = starts[k] < 0 ? starts[k] + n : starts[k];
    start = steps[k] > 0 ? std::clamp<std::int64_t>(start, 0, n) : std::clamp<std::int64_t>(start, 0, std::max<std::int64_t>(0, n - 1));
    offset += start * strides[a];
    strides[a] *= y[a] > 1 ? steps[k] : 1;
  }
  return move(s, in_memory(y, s.layout), in_memory(strides, s.layout), offset);
}

std::optional<Prepared> expand(const NodeSite& s) {
  Dims x = s.dims(0), y = s.out_dims(), from = strides_of(x), strides(y.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::size_t at = y.size() - x.size() + i;
    strides[at] = x[i] == 1 ? 0 : from[i];
  }
  return move(s, y, strides, 0);
}

std::optional<kernels::ConcatParams> parts(const Dims& whole, std::size_t axis, std::span<const ir::TypeRef> types, ir::Layout layout = ir::Layout::plain) {
  kernels::ConcatParams p;
  if (types.size() > std::size_t(kernels::kMaxParts) || !element(types[0]->dtype)) return {};
  p.parts = std::int32_t(types.size());
  p.outer = num_elements(std::span(whole).subspan(0, axis));
  for (std::size_t i = 0; i < types.size(); ++i) {
    Dims d = in_memory(NodeSite::numbers(*types[i]), layout);
    p.bytes[i] = num_elements(std::span(d).subspan(axis)) * storage_bytes(types[i]->dtype, 1);
  }
  return p;
}
/// Of the node's axis, in the order of memory.
std::size_t place_of_axis(const NodeSite& s, std::size_t rank) {
  const std::size_t axis = axis_of(s, rank);
  return s.layout == ir::Layout::plain || axis == 0 ? axis : axis == 1 ? rank - 1 : axis - 1;
}
std::optional<Prepared> concat(const NodeSite& s) {
  Dims y = s.out_dims();
  for (std::size_t i = 0; i < s.in.size(); ++i) if (!s.in[i] || (s.layout != ir::Layout::plain && s.constant[i])) return {};
  auto p = parts(in_memory(y, s.layout), place_of_axis(s, y.size()), s.in, s.layout);
  if (!p) return {};
  std::vector<Operand> parts_of;
  for (std::size_t i = 0; i < s.in.size(); ++i) parts_of.push_back(Operand::node(i));
  return call("concat", *p, std::move(parts_of));
}
std::optional<Prepared> split(const NodeSite& s) {
  Dims x = s.dims(0);
  if (s.layout != ir::Layout::plain && s.constant[0]) return {};
  auto p = parts(in_memory(x, s.layout), place_of_axis(s, x.size()), s.out, s.layout);
  if (!p) return {};
  return call("split", *p, {Operand::node(0)});
}

/// Rearrangements one after the other are one copy, from whichever layout the operand is at hand in. The result of a graph that convolves lies channels last where only so elements come side by side.
std::optional<Prepared> rearranged(const NodeSite& s) {
  const ir::Graph& g = s.graph("body");
  if (s.out.size() != 1 || !std::ranges::all_of(g.nodes(), rearranges)) return {};
  const Strided x = strided(g, g.outputs()[0], [](const ir::Node&) { return true; }, s.layout);
  const auto root = std::ranges::find(g.inputs(), x.root);
  if (root == g.inputs().end()) return {};
  const auto operand = std::size_t(root - g.inputs().begin());
  const int bytes = element(s.dtype(operand));
  if (s.constant[operand] || !bytes) return {};
  const auto last_in = [&](ir::Layout layout) {
    std::vector<Strided::Axis> axes = x.axes;
    if (layout == ir::Layout::nhwc) std::rotate(axes.begin() + 1, axes.begin() + 2, axes.end());
    Strided::Axis steps;
    for (const Strided::Axis& a : axes) steps.insert(steps.end(), a.begin(), a.end());
    return steps;
  };
  const auto side_by_side = [](const Strided::Axis& steps) { return steps.empty() || steps.back().stride == 1; };
  Strided::Axis steps = last_in(ir::Layout::plain);
  ir::Layout result = ir::Layout::plain;
  if (s.convolves && !side_by_side(steps) && may_be_channels_last(*s.out[0]))
    if (Strided::Axis last = last_in(ir::Layout::nhwc); side_by_side(last)) steps = std::move(last), result = ir::Layout::nhwc;
  if (s.layout == ir::Layout::nhwc && !side_by_side(steps)) return {};   // single elements: whole rows of a plain operand are faster, its reordering included
  if (steps.size() > std::size_t(kernels::kMaxMoveRank)) return {};
  Dims dims = {1}, strides = {1};
  for (const Strided::Step& step : steps) dims.push_back(step.n), strides.push_back(step.stride);
  const auto move = kernels::prepare_move(bytes, dims, strides, x.first);
  Prepared p = call(kernels::kernel(move), move, {Operand::node(operand)});
  p.result = result;
  return p;
}

/// Filled with one constant element, in whichever layout the operand is at hand.
std::optional<Prepared> pad(const NodeSite& s) {
  const int bytes = element(s.dtype(0));
  if (!bytes || s.s("mode") != "constant" || !s.has(1) || !s.constant[1] || (s.has(2) && (!s.constant[2] || s.constant[2]->size() != 1 || s.dtype(2) != s.dtype(0))) || (s.has(3) && !s.constant[3])) return {};
  const Dims x = s.dims(0), y = s.out_dims();
  const auto pads = values<std::int64_t>(*s.constant[1]), axes = s.has(3) ? values<std::int64_t>(*s.constant[3]) : std::vector<std::int64_t>();
  Dims before(x.size(), 0);
  for (std::size_t k = 0; k < pads.size() / 2; ++k) {
    const std::int64_t a = !s.has(3) ? std::int64_t(k) : k < axes.size() ? axes[k] < 0 ? axes[k] + std::int64_t(x.size()) : axes[k] : -1;
    if (a < 0 || a >= std::int64_t(x.size())) return {};
    before[std::size_t(a)] = pads[k];
  }
  std::uint64_t value = 0;
  if (s.has(2)) std::memcpy(&value, s.constant[2]->data.get(), std::size_t(bytes));
  if (y.size() != x.size() || x.size() > std::size_t(kernels::kMaxMoveRank)) return {};
  return call("pad", kernels::prepare_pad(bytes, in_memory(x, s.layout), in_memory(before, s.layout), in_memory(y, s.layout), value), {Operand::node(0)});
}

/// Constant indices only, so that one out of range is told by the reference.
std::optional<Prepared> gather(const NodeSite& s) {
  Dims x = s.dims(0);
  if (!element(s.dtype(0)) || !s.constant[1] || (s.dtype(1) != DType::i64 && s.dtype(1) != DType::i32) || x.empty()) return {};
  std::size_t a = axis_of(s, x.size());
  for (std::int64_t i : values<std::int64_t>(*s.constant[1])) if (i < -x[a] || i >= x[a]) return {};
  kernels::GatherParams p;
  p.outer = num_elements(std::span(x).subspan(0, a));
  p.n = x[a];
  p.count = s.constant[1]->size();
  p.bytes = num_elements(std::span(x).subspan(a + 1)) * storage_bytes(s.dtype(0), 1);
  p.wide = s.dtype(1) == DType::i64;
  return call("gather", p, {Operand::node(0), Operand::node(1)});
}

constexpr KernelDef kRows[] = {{"Transpose", transpose}, {"Slice", slice, true}, {"Expand", expand}, {"Pad", pad, true}, {"Concat", concat, true}, {"Split", split, true}, {"Gather", gather}, {"Fused", rearranged, true}};
}  // namespace

std::span<const KernelDef> movement_rows() { return kRows; }

}  // namespace saha::native
