// Resize of the spatial axes in either layout, nearest or linear, by tables. The coordinate rules stand in the operator's reference only: the tables are what
// it makes of a ramp 0, 1, 2, .. along each axis.
#include <cmath>

#include "backends/native/kernel_table.hpp"
#include "kernels/resize.hpp"

namespace saha::native {
namespace {

/// The place in the input of each output element of the last axis; empty where the reference refuses.
std::vector<double> places(const NodeSite& s, std::int64_t in, const Tensor* scale, const Tensor* size) {
  Tensor ramp = Tensor::zeros(DType::f64, {in});
  for (std::int64_t i = 0; i < in; ++i) ramp.as<double>()[i] = double(i);
  ir::Attrs attrs = s.attrs;
  std::erase_if(attrs, [](const ir::NamedAttr& a) { return a.name == "axes"; });
  const Datum x(ramp), scales(scale ? *scale : Tensor()), sizes(size ? *size : Tensor());
  const Datum* operands[] = {&x, nullptr, scale ? &scales : nullptr, size ? &sizes : nullptr};
  auto y = op::run(*op::find("Resize")->def, operands, attrs, 1);
  if (!y) return {};
  return values<double>((*y)[0].tensor);
}

std::optional<Prepared> resize(const NodeSite& s) {
  Dims x = s.dims(0), y = s.out_dims();
  const std::string mode = s.s("mode");
  if (s.dtype(0) != DType::f32 || x.size() < 3 || num_elements(y) == 0 || (mode != "nearest" && mode != "linear") || s.i("antialias") || s.i("exclude_outside") ||
      s.s("coordinate_transformation_mode") == "tf_crop_and_resize" || s.s("keep_aspect_ratio_policy") != "stretch") return {};
  const std::size_t spatial = x.size() == 3 ? 1 : 2, first = x.size() - spatial;
  for (std::size_t i = 0; i < first; ++i) if (x[i] != y[i]) return {};
  std::vector<std::int64_t> axes = s.is("axes");
  if (axes.empty()) for (std::size_t i = 0; i < x.size(); ++i) axes.push_back(std::int64_t(i));
  const Tensor* scales = s.has(2) ? s.constant[2] : nullptr;
  const Tensor* sizes = s.has(3) ? s.constant[3] : nullptr;
  if (!scales || scales->size() == 0) scales = nullptr;
  if (!sizes || sizes->size() == 0) sizes = nullptr;
  if (!scales == !sizes) return {};
  std::vector<kernels::ResizeTap> taps[2] = {{{0, 0, 0}}, {}};   // rows, columns
  for (std::size_t k = 0; k < spatial; ++k) {
    const std::size_t axis = first + k;
    std::vector<double> at;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (std::size_t(axes[i] < 0 ? axes[i] + std::int64_t(x.size()) : axes[i]) != axis) continue;
      const Tensor scale = scales ? Tensor::of(DType::f32, {1}, {scales->at(std::int64_t(i))}) : Tensor(), size = Tensor::of_ints(std::vector<std::int64_t>{y[axis]});
      at = places(s, x[axis], scales ? &scale : nullptr, scales ? nullptr : &size);
    }
    if (at.empty() && x[axis] == y[axis]) for (std::int64_t i = 0; i < x[axis]; ++i) at.push_back(double(i));
    if (std::int64_t(at.size()) != y[axis]) return {};
    auto& table = taps[spatial == 1 ? 1 : k];
    table.clear();
    for (double p : at) {
      const auto low = std::int32_t(std::floor(p + 1e-9));
      table.push_back({low, std::min(low + 1, std::int32_t(x[axis] - 1)), float(std::max(0.0, p - low))});
      if (low < 0 || low >= x[axis] || (mode == "nearest" && table.back().weight > 1e-6f)) return {};
      if (mode == "nearest") table.back().weight = 0;
    }
  }
  const bool last = s.layout == ir::Layout::nhwc;
  if (last && (s.constant[0] || first != 2)) return {};
  auto p = kernels::prepare_resize(last ? x[0] : num_elements(std::span(x).subspan(0, first)), spatial == 1 ? 1 : x[2], x.back(), last ? x[1] : 1, taps[0], taps[1]);
  auto buffer = packed_buffer(std::int64_t(3 * (taps[0].size() + taps[1].size())));
  if (!buffer) return {};
  static_assert(sizeof(kernels::ResizeTap) == 12);
  auto* to = reinterpret_cast<kernels::ResizeTap*>(buffer->data.get());
  std::copy(taps[1].begin(), taps[1].end(), std::copy(taps[0].begin(), taps[0].end(), to));
  Prepared r = call("resize_f32", p, {Operand::node(0), Operand::packed(0)});
  r.packed.push_back(std::move(*buffer));
  return r;
}

constexpr KernelDef kRows[] = {{"Resize", resize, true}};
}  // namespace

std::span<const KernelDef> resize_rows() { return kRows; }

}  // namespace saha::native
