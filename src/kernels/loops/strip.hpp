#pragma once
// A padded copy of some rows of an image. With stride s along x, a row is stored as s phases one after another: phase p holds the elements
// p, p + s, p + 2 s, .. of the padded row, so that the inputs of neighbouring outputs are neighbours for every tap.
#include "kernels/conv.hpp"
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

// Both write whole vectors: up to W - 1 elements beyond the last. Rows are therefore filled in ascending order, with a vector to spare after
// the last one.
inline void fill(float* p, int64_t n, V value) {
  for (int64_t i = 0; i < n; i += W) store(p + i, value);
}
inline void fill_zero(float* p, int64_t n) { fill(p, n, V{}); }
inline void copy_row(const float* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, load(from + i));
  if (i == n) return;
  if (n >= W)
    store(to + n - W, load(from + n - W));
  else
    store(to, load_n(from, static_cast<int>(n)));
}

/// Every `stride`-th element of a row of `in_w` behind `pad` elements of padding, from element `phase` on: `width` elements, padding beyond the row.
inline void copy_phase(const float* row, int64_t in_w, int64_t pad, int64_t stride, int64_t phase, int64_t width, float* to, V padding = V{}) {
  const int64_t skipped = most<int64_t>(0, pad - phase);
  const int64_t first = least(width, (skipped + stride - 1) / stride);              // zeros in front
  const int64_t source = first * stride + phase - pad;                                // of element `first`
  const int64_t count = source < in_w ? least(width - first, (in_w - source + stride - 1) / stride) : 0;
  fill(to, first, padding);
  if (count > 0) {
    const float* from = row + source;
    if (stride == 1) {
      copy_row(from, to + first, count);
    } else if (stride == 2) {
      int64_t i = 0;
      for (; i + W < count; i += W) store(to + first + i, even(load(from + 2 * i), load(from + 2 * i + W)));
      for (; i < count; ++i) to[first + i] = from[2 * i];
    } else {
      for (int64_t i = 0; i < count; ++i) to[first + i] = from[i * stride];
    }
  }
  fill(to + first + count, width - first - count, padding);
}

/// Planes of an image with their padding: `rows` rows of `width` of each channel.
inline void copy_padded(const ConvShape& s, const float* image, int64_t channels, int64_t rows, int64_t width, float* to) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t r = 0; r < rows; ++r, to += width) {
      const int64_t y = r - s.pad_top;
      if (y < 0 || y >= s.in_h) fill_zero(to, width);
      else copy_phase(image + (c * s.in_h + y) * s.in_w, s.in_w, s.pad_left, 1, 0, width, to);
    }
}

}  // namespace saha::kernels::SAHA_ISA
