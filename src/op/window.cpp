#include "op/window.hpp"

#include <algorithm>

namespace saha::op {
namespace {
constexpr std::int64_t kMost = std::int64_t{1} << 30, kMostExtent = std::int64_t{1} << 40;  // sums of their products stay below 2^63

Error bad(std::string_view op, std::string what) { return {ErrorCode::invalid_model, std::string(op) + ": " + std::move(what)}; }

Result<ir::Ints> per_axis(const AttrView& a, std::string_view op, std::string_view name, std::size_t count, std::int64_t least, std::int64_t initial) {
  if (!a.has_attr(name)) return ir::Ints(count, initial);
  ir::Ints v = a.is(name);
  if (v.size() != count) return bad(op, std::string(name) + " has " + std::to_string(v.size()) + " entries, " + std::to_string(count) + " are needed");
  for (std::int64_t x : v)
    if (x < least || x > kMost) return bad(op, std::string(name) + " has the entry " + std::to_string(x) + " outside " + std::to_string(least) + " .. 2^30");
  return v;
}
}  // namespace

Result<Window> read_window(const AttrView& a, std::string_view op, std::size_t axes) {
  Window w;
  SAHA_TRY(w.strides, per_axis(a, op, "strides", axes, 1, 1));
  SAHA_TRY(w.dilations, per_axis(a, op, "dilations", axes, 1, 1));
  SAHA_TRY(ir::Ints pads, per_axis(a, op, "pads", 2 * axes, 0, 0));
  std::string mode = a.has_attr("auto_pad") ? a.s("auto_pad") : "NOTSET";
  if (mode == "VALID") w.auto_pad = AutoPad::valid;
  else if (mode == "SAME_UPPER") w.auto_pad = AutoPad::same_upper;
  else if (mode == "SAME_LOWER") w.auto_pad = AutoPad::same_lower;
  else if (mode != "NOTSET" && !mode.empty()) return bad(op, "auto_pad '" + mode + "' is not NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  if (w.auto_pad != AutoPad::notset) std::fill(pads.begin(), pads.end(), 0);
  w.before.assign(pads.begin(), pads.begin() + std::ptrdiff_t(axes));
  w.after.assign(pads.begin() + std::ptrdiff_t(axes), pads.end());
  if (a.has_attr("kernel_shape")) { SAHA_TRY(w.kernel, per_axis(a, op, "kernel_shape", axes, 1, 1)); }
  w.ceil = a.i("ceil_mode") != 0;
  return w;
}

Result<std::vector<Dim>> kernel_dims(const Window& w, std::string_view op, std::span<const Dim> weight) {
  std::vector<Dim> k(weight.begin(), weight.end());
  for (std::size_t i = 0; i < w.kernel.size() && i < k.size(); ++i) {
    if (k[i].known() && !k[i].is(w.kernel[i])) return bad(op, "kernel_shape is " + str(w.kernel) + ", the weight's is " + ir::str(k));
    k[i] = w.kernel[i];
  }
  return k;
}

namespace {
Error does_not_fit(std::string_view op, std::size_t axis, const std::string& kernel, const Window& w, const std::string& in) {
  return bad(op, "a window of " + kernel + " (dilation " + std::to_string(w.dilations[axis]) + ") does not fit into spatial axis " + std::to_string(axis) + " of size " + in +
                     " with pads " + std::to_string(w.before[axis]) + " and " + std::to_string(w.after[axis]));
}
}  // namespace

Result<std::vector<Dim>> window_dims(const Window& w, std::string_view op, std::span<const Dim> in, std::span<const Dim> kernel) {
  std::vector<Dim> out;
  for (std::size_t i = 0; i < w.axes(); ++i) {
    out.push_back(window_extent(w, i, in[i], kernel[i]));
    if (auto n = out.back().known(); n && *n < 1 && !in[i].is(0)) return does_not_fit(op, i, kernel[i].str(), w, in[i].str());
    if (auto n = out.back().known(); n && *n < 0) out.back() = 0;
  }
  return out;
}

Result<Dims> resolve(Window& w, std::string_view op, std::span<const std::int64_t> in, std::span<const std::int64_t> kernel) {
  Dims out;
  for (std::size_t i = 0; i < w.axes(); ++i) {
    if (kernel[i] > kMost || in[i] > kMostExtent) return bad(op, "a kernel of " + std::to_string(kernel[i]) + " over " + std::to_string(in[i]) + " along spatial axis " + std::to_string(i) + " is larger than 2^30 over 2^40");
    std::int64_t n = window_extent<std::int64_t>(w, i, in[i], kernel[i]);
    if (n < 1 && in[i] != 0) return does_not_fit(op, i, std::to_string(kernel[i]), w, std::to_string(in[i]));
    out.push_back(std::max<std::int64_t>(n, 0));
    if (w.auto_pad == AutoPad::same_upper || w.auto_pad == AutoPad::same_lower) {
      std::int64_t total = std::max<std::int64_t>(0, (n - 1) * w.strides[i] + (kernel[i] - 1) * w.dilations[i] + 1 - in[i]);
      w.before[i] = w.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
      w.after[i] = total - w.before[i];
    }
  }
  return out;
}

}  // namespace saha::op
