#pragma once
// What a convolution with channels innermost multiplies: for each point its taps, row of the kernel by row, channels innermost.
#include "kernels/conv.hpp"
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

template <class T>
void fill(T* to, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) to[i] = value;
}

/// Of n points side by side, `step` elements apart in the image: `height` runs of `whole` elements, `line` apart.
template <class X>
struct Windows {
  const X* from;
  int64_t n, step, height, line, whole, width;
};
/// Their rows. A function of its own: its numbers are in registers.
template <int kBlocks, class X, class T, class Copy>
[[gnu::noinline]] void copy_windows(const Windows<X>& of, T* rows, const Copy& copy) {
  const Windows<X> w = of;
  const Copy by = copy;
  const X* from = w.from;
  for (int64_t i = 0; i < w.n; ++i, from += w.step, rows += w.width) {
    const X* tap = from;
    T* to = rows;
    for (int64_t ky = 0; ky < w.height; ++ky, tap += w.line, to += w.whole) by.template blocks<kBlocks>(tap, to);
  }
}

/// Rows of the points [m0, m1) of an image, `width` numbers each: what copy(from, n, to) makes of X, `beyond` outside of the image, zeros behind the last tap. A copy that has blocks<n>() copies n blocks,
/// of two of which it may read kShort elements where fewer are wanted: within the image, and what is written beyond a row is written over, or is multiplied by 0.
template <class X, class T, class Copy>
void fill_point_rows(const ConvShape& s, int64_t width, const X* x, int64_t group, int64_t m0, int64_t m1, T beyond, T* rows, Copy copy) {
  const int64_t channels = s.in_channels / s.groups, depth = channels * s.kernel_h * s.kernel_w;
  x += group * channels;
  if (is_pointwise(s) && s.groups == 1 && width == depth) return copy(x + m0 * channels, (m1 - m0) * channels, rows);
  const int64_t whole = s.kernel_w * channels;
  const bool neighbours = s.dilation_w == 1 && s.groups == 1;   // the taps of a row, in memory
  const int64_t end_left = s.out_w * s.stride_w - s.pad_left;
  int64_t top = m0 / s.out_w * s.stride_h - s.pad_top, left = m0 % s.out_w * s.stride_w - s.pad_left;
  const auto pass = [&](int64_t n) {   // a division for each point would cost more than its copy
    if ((left += n * s.stride_w) == end_left) left = -s.pad_left, top += s.stride_h;
  };
  const int64_t line = s.dilation_h * s.in_w * channels;
  for (int64_t m = m0; m < m1; ++m, rows += width, pass(1)) {
    T* to = rows;
    if constexpr (requires { Copy::kShort; })
      if (neighbours && whole <= Copy::kShort && top >= 0 && left >= 0) {
        // Points from here on whose windows lie inside, and what is read behind them, too.
        const int64_t at = top * s.in_w * channels, room = s.in_h * s.in_w * channels - at - (s.kernel_h - 1) * line - Copy::kShort;
        const int64_t last = room < 0 ? -1 : least(s.in_w - s.kernel_w, room / channels);
        if (const int64_t n = last < left ? 0 : least(least((last - left) / s.stride_w + 1, (end_left - left) / s.stride_w), m1 - m); n > 0) {
          const Windows<X> windows{x + at + left * channels, n, s.stride_w * channels, s.kernel_h, line, whole, width};
          whole <= Copy::kShort / 2 ? copy_windows<1>(windows, rows, copy) : copy_windows<2>(windows, rows, copy);
          m += n - 1, rows += (n - 1) * width, pass(n - 1);
          continue;
        }
      }
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      const int64_t y = top + ky * s.dilation_h;
      if (y < 0 || y >= s.in_h) {
        fill(to, whole, beyond), to += whole;
        continue;
      }
      const X* row = x + y * s.in_w * s.in_channels;
      if (neighbours) {
        const int64_t first = least(s.kernel_w, most<int64_t>(0, -left)), last = most(first, least(s.kernel_w, s.in_w - left));
        copy(row + (left + first) * channels, (last - first) * channels, to + first * channels);
        if (last - first < s.kernel_w) fill(to, first * channels, beyond), fill(to + last * channels, (s.kernel_w - last) * channels, beyond);
        to += whole;
        continue;
      }
      for (int64_t kx = 0; kx < s.kernel_w; ++kx, to += channels) {
        const int64_t at = left + kx * s.dilation_w;
        if (at < 0 || at >= s.in_w) fill(to, channels, beyond);
        else copy(row + at * s.in_channels, channels, to);
      }
    }
    fill(to, width - depth, T{0});
  }
}

}  // namespace saha::kernels::SAHA_ISA
