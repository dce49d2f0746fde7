#pragma once
// Window: what convolution and pooling share: kernel, strides, dilations, pads, auto_pad and ceil_mode of the spatial axes, for symbolic
// extents and for numbers, and the one walk over all pairs of output element and input element that a window joins.
#include "op/op_def.hpp"
#include "op/strides.hpp"

namespace saha::op {

enum class AutoPad : std::uint8_t { notset, valid, same_upper, same_lower };

struct Window {
  ir::Ints strides, dilations, before, after;   ///< one per spatial axis; before and after are the pads
  ir::Ints kernel;                              ///< kernel_shape where the node states it, else empty
  AutoPad auto_pad = AutoPad::notset;
  bool ceil = false;
  std::size_t axes() const { return strides.size(); }
};

/// The attributes of a node over `axes` spatial axes, completed and checked (counts, signs, sizes up to 2^30).
Result<Window> read_window(const AttrView& a, std::string_view op, std::size_t axes);
/// Kernel extents: of the attribute, else of W's spatial dims; fails where both are known and differ.
Result<std::vector<Dim>> kernel_dims(const Window& w, std::string_view op, std::span<const Dim> weight);

/// Extent of the result along one axis; below 1 where the window does not fit. VALID ignores ceil_mode, SAME is its own rounding.
template <class D> D window_extent(const Window& w, std::size_t axis, const D& in, const D& kernel) {
  using std::min;
  D stride(w.strides[axis]), one(1);
  if (w.auto_pad == AutoPad::same_upper || w.auto_pad == AutoPad::same_lower) return floor_div(in + stride - one, stride);
  D room = in + D(w.before[axis] + w.after[axis]) - (kernel - one) * D(w.dilations[axis]) - one;
  if (!w.ceil || w.auto_pad == AutoPad::valid) return floor_div(room, stride) + one;
  // A window that would start in the padding after the input is left out.
  return min(floor_div(room + stride - one, stride) + one, floor_div(in + D(w.before[axis]) + stride - one, stride));
}
/// All extents, symbolic; fails where a window is known not to fit.
Result<std::vector<Dim>> window_dims(const Window& w, std::string_view op, std::span<const Dim> in, std::span<const Dim> kernel);
/// All extents in numbers; auto_pad is resolved into before and after.
Result<Dims> resolve(Window& w, std::string_view op, std::span<const std::int64_t> in, std::span<const std::int64_t> kernel);

/// Stride 1, nothing padded, nothing cut: a plane is one run.
inline bool plain(const Window& w, std::span<const std::int64_t> in, std::span<const std::int64_t> out) {
  for (std::size_t i = 0; i < w.axes(); ++i) if (w.strides[i] != 1 || w.before[i] || in[i] != out[i]) return false;
  return true;
}

/// Calls f(y, x, k, n, dx) for every run of n output elements y, y+1, .. that kernel element k joins to the input elements x, x+dx, ..
/// of one plane. Kernel elements come in row-major order, and for each of them the output in row-major order.
template <class F>
void walk_window(const Window& w, std::span<const std::int64_t> in, std::span<const std::int64_t> out, std::span<const std::int64_t> kernel, F f) {
  const std::size_t r = w.axes();
  if (r == 0) { f(0, 0, 0, 1, 1); return; }
  for (std::size_t i = 0; i < r; ++i) if (!in[i] || !out[i] || !kernel[i]) return;
  std::int64_t count = num_elements(kernel);
  if (count == 1 && plain(w, in, out)) { f(0, 0, 0, num_elements(in), 1); return; }
  Dims a(r, 0), lo(r), hi(r), at(r), shift(r);
  const std::int64_t s = w.strides[r - 1];
  for (std::int64_t k = 0; k < count; ++k) {
    bool empty = false;
    for (std::size_t i = 0; i < r; ++i) {
      // Input position of output o is o * stride + shift; it lies inside for lo <= o < hi.
      shift[i] = a[i] * w.dilations[i] - w.before[i];
      lo[i] = shift[i] >= 0 ? 0 : floor_div(-shift[i] + w.strides[i] - 1, w.strides[i]);
      hi[i] = std::min(out[i], floor_div(in[i] - 1 - shift[i], w.strides[i]) + 1);
      empty |= lo[i] >= hi[i];
    }
    if (!empty) {
      at = lo;
      for (bool more = true; more;) {
        std::int64_t x = 0, y = 0;
        for (std::size_t i = 0; i < r; ++i) {
          x = x * in[i] + at[i] * w.strides[i] + shift[i];
          y = y * out[i] + at[i];
        }
        f(y, x, k, hi[r - 1] - lo[r - 1], s);
        more = false;
        for (std::size_t i = r - 1; i-- > 0;) {
          if (++at[i] < hi[i]) { more = true; break; }
          at[i] = lo[i];
        }
      }
    }
    for (std::size_t i = r; i-- > 0;) {
      if (++a[i] < kernel[i]) break;
      a[i] = 0;
    }
  }
}

}  // namespace saha::op
