// Softmax, reductions, normalisations and pools on the float32 kernels.
#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/rows.hpp"
#include "backends/native/rows_last.hpp"
#include "kernels/pool.hpp"
#include "kernels/rows.hpp"
#include "op/window.hpp"

namespace saha::native {
namespace {
using kernels::Reduce;

std::size_t axis_of(const NodeSite& s, std::size_t rank) {
  std::int64_t a = s.i("axis");
  return std::size_t(a < 0 ? a + std::int64_t(rank) : a);
}
std::int64_t product(const Dims& d, std::size_t from, std::size_t to) { return num_elements(std::span(d).subspan(from, to - from)); }

template <bool Log> std::optional<Prepared> softmax(const NodeSite& s) {
  Dims x = s.dims(0);
  if (!s.all_f32() || x.empty()) return {};
  std::size_t a = axis_of(s, x.size());
  kernels::SoftmaxParams p{product(x, 0, a), x[a], product(x, a + 1, x.size()), Log};
  return call("softmax_f32", p, {Operand::node(0)}, true);
}

std::optional<Prepared> reduce_dims(const NodeSite& s, Reduce op, const std::vector<bool>& reduced) {
  auto runs = reduced_runs(s, reduced);
  if (!runs) return {};
  return call("reduce_f32", kernels::ReduceParams{op, runs->outer, runs->n, runs->inner}, {Operand::node(0)});
}

template <Reduce O> std::optional<Prepared> reduce(const NodeSite& s) {
  if (s.dtype(0) != DType::f32 || s.out[0]->dtype != DType::f32) return {};
  auto reduced = reduced_axes(s);
  return reduced ? reduce_dims(s, O, *reduced) : std::nullopt;
}

template <Reduce O> std::optional<Prepared> global_pool(const NodeSite& s) {
  Dims x = s.dims(0);
  if (!s.all_f32() || x.size() < 3) return {};
  std::vector<bool> reduced(x.size(), true);
  reduced[0] = reduced[1] = false;
  return reduce_dims(s, O, reduced);
}

std::optional<Prepared> norm(const kernels::NormParams& p, bool bias) {
  return call("norm_f32", p, {Operand::node(0), Operand::node(1), bias ? Operand::node(2) : Operand::none()}, true);
}

template <bool Rms> std::optional<Prepared> layer_norm(const NodeSite& s) {
  if (!s.all_f32() || s.out.size() != 1 || s.i("stash_type") != 1) return {};
  Dims x = s.dims(0);
  std::size_t a = axis_of(s, x.size());
  kernels::NormParams p;
  p.rows = product(x, 0, a);
  p.n = product(x, a, x.size());
  p.epsilon = s.f("epsilon");
  p.rms = Rms;
  for (std::size_t i = 1; i < s.in.size(); ++i) if (s.has(i) && num_elements(s.dims(i)) != p.n) return {};
  return norm(p, s.has(2));
}
std::optional<Prepared> instance_norm(const NodeSite& s) {
  Dims x = s.dims(0);
  if (!s.all_f32() || x.size() < 3) return {};
  kernels::NormParams p;
  p.rows = x[0] * x[1];
  p.n = p.run = product(x, 2, x.size());
  p.row_period = x[1];
  p.row_step = 1;
  p.epsilon = s.f("epsilon");
  return norm(p, true);
}
std::optional<Prepared> group_norm(const NodeSite& s) {
  Dims x = s.dims(0);
  std::int64_t groups = s.i("num_groups");
  if (!s.all_f32() || x.size() < 3 || groups <= 0 || x[1] % groups || s.i("stash_type") != 1 || num_elements(s.dims(1)) != x[1]) return {};
  kernels::NormParams p;
  p.rows = x[0] * groups;
  p.run = product(x, 2, x.size());
  p.n = x[1] / groups * p.run;
  p.row_period = groups;
  p.row_step = x[1] / groups;
  p.epsilon = s.f("epsilon");
  return norm(p, true);
}

std::optional<Prepared> pool(const NodeSite& s, kernels::Pool op) {
  if (!s.all_f32()) return {};
  auto p = pool_shape(s);
  if (!p || (s.layout == ir::Layout::nhwc && s.constant[0])) return {};
  if (s.layout == ir::Layout::nhwc) return pool_last(*p, s.dims(0)[1], op);
  p->planes *= s.dims(0)[1];
  auto params = kernels::prepare_pool(s.isa, *p, op);
  return call("pool_f32", params, {Operand::node(0)});
}
std::optional<Prepared> max_pool(const NodeSite& s) { return pool(s, kernels::Pool::max); }
std::optional<Prepared> average_pool(const NodeSite& s) {
  const auto p = s.all_f32() ? pool_shape(s) : std::nullopt;   // one window over all
  if (p && p->out_h == 1 && p->out_w == 1 && p->kernel_h == p->in_h && p->kernel_w == p->in_w && p->dilation_h == 1 && p->dilation_w == 1 && p->pad_top + p->pad_bottom + p->pad_left + p->pad_right == 0) return global_pool<Reduce::mean>(s);
  return pool(s, s.i("count_include_pad") ? kernels::Pool::average_padded : kernels::Pool::average);
}

constexpr KernelDef kRows[] = {
    {"Softmax", softmax<false>}, {"LogSoftmax", softmax<true>}, {"ReduceSum", reduce<Reduce::sum>, true}, {"ReduceMean", reduce<Reduce::mean>, true},
    {"ReduceMax", reduce<Reduce::max>, true}, {"ReduceMin", reduce<Reduce::min>, true}, {"ReduceSumSquare", reduce<Reduce::sum_square>, true}, {"ReduceL1", reduce<Reduce::l1>, true},
    {"ReduceL2", reduce<Reduce::l2>, true}, {"ReduceProd", reduce<Reduce::prod>, true}, {"GlobalAveragePool", global_pool<Reduce::mean>, true}, {"GlobalMaxPool", global_pool<Reduce::max>, true},
    {"LayerNormalization", layer_norm<false>}, {"RMSNormalization", layer_norm<true>}, {"InstanceNormalization", instance_norm}, {"GroupNormalization", group_norm},
    {"MaxPool", max_pool, true}, {"AveragePool", average_pool, true},
};
}  // namespace

std::span<const KernelDef> reduction_rows() { return kRows; }

std::optional<std::vector<bool>> reduced_axes(const NodeSite& s) {
  if (s.has(1) && !s.constant[1]) return {};
  const auto axes = s.has(1) ? values<std::int64_t>(*s.constant[1]) : std::vector<std::int64_t>();
  if (axes.empty() && s.i("noop_with_empty_axes") != 0) return {};
  const auto rank = std::int64_t(s.in[0]->dims.size());
  std::vector<bool> reduced(std::size_t(rank), axes.empty());
  for (std::int64_t a : axes) reduced[std::size_t(a < 0 ? a + rank : a)] = true;
  return reduced;
}
std::optional<Runs> reduced_runs(const NodeSite& s, const std::vector<bool>& reduced) {
  const Dims x = s.dims(0), y = s.out_dims();
  Dims kept, result;               // axes of the operand that stay and are more than one, as operand and result have them in memory
  Dims source;                     // the axis of the operand that an axis of the result is
  for (std::size_t i = 0; i < x.size(); ++i) if (y.size() == x.size() || !reduced[i]) source.push_back(std::int64_t(i));
  if (source.size() != y.size()) return {};
  const auto in_order = [](std::size_t rank, ir::Layout layout) {
    Dims axes(rank);
    for (std::size_t i = 0; i < rank; ++i) axes[i] = std::int64_t(i);
    return in_memory(axes, layout);
  };
  Runs r;
  int stage = 0;  // before, in, after the reduced axes
  for (std::int64_t axis : in_order(x.size(), s.layout_of(0))) {
    const auto i = std::size_t(axis);
    if (x[i] == 1) continue;
    if (reduced[i] && stage == 2) return {};
    if (reduced[i]) stage = 1;
    else if (stage == 1) stage = 2;
    (stage == 0 ? r.outer : stage == 1 ? r.n : r.inner) *= x[i];
    if (!reduced[i]) kept.push_back(axis);
  }
  for (std::int64_t axis : in_order(y.size(), s.out_layout())) if (y[std::size_t(axis)] != 1) result.push_back(source[std::size_t(axis)]);
  return kept == result ? std::optional(r) : std::nullopt;
}

std::optional<kernels::PoolShape> pool_shape(const NodeSite& s) {
  Dims x = s.dims(0), y = s.out_dims();
  if (s.out.size() != 1 || x.size() < 3 || x.size() > 4) return {};
  std::size_t axes = x.size() - 2;
  auto w = op::read_window(s, s.op, axes);
  if (!w || !op::resolve(*w, s.op, std::span(x).subspan(2), w->kernel)) return {};
  kernels::PoolShape p;
  p.planes = x[0];
  std::size_t last = axes - 1;
  p.in_w = x.back(), p.out_w = y.back();
  p.kernel_w = w->kernel[last], p.stride_w = w->strides[last], p.dilation_w = w->dilations[last], p.pad_left = w->before[last], p.pad_right = w->after[last];
  if (axes == 2) {
    p.in_h = x[2], p.out_h = y[2];
    p.kernel_h = w->kernel[0], p.stride_h = w->strides[0], p.dilation_h = w->dilations[0], p.pad_top = w->before[0], p.pad_bottom = w->after[0];
  }
  if (p.pad_left < 0 || p.pad_top < 0 || p.pad_right < 0 || p.pad_bottom < 0) return {};
  return p;
}

}  // namespace saha::native
