// conv_last_f32: points, each a row of numbers for a row of taps, times panels of packed weights. Pieces are (image, group, block of points, block of output
// channels), channels fastest; consecutive pieces of one block of points share its strip. Contract in kernels/conv_last.hpp.
#include "kernels/conv_last.hpp"

#include "kernels/last_panels.hpp"
#include "kernels/loops/last_tile.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// The channels of a group of the pixels that the rows of points from `oy` on read, padded.
void fill_strip(const ConvLastParams& c, const float* x, int64_t oy, int64_t rows, float* to) {
  const ConvShape& s = c.shape;
  const int64_t channels = s.in_channels / s.groups, pixels = c.strip_width;
  for (int64_t r = 0; r < rows; ++r, to += pixels * channels) {
    const int64_t y = oy * s.stride_h - s.pad_top + r;
    const float* row = x + y * s.in_w * s.in_channels;
    if (y < 0 || y >= s.in_h) {
      fill_zero(to, pixels * channels);
    } else if (s.groups == 1) {
      copy_phase(row, s.in_w * channels, s.pad_left * channels, 1, 0, pixels * channels, to);
    } else {
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t ix = p - s.pad_left;
        if (ix >= 0 && ix < s.in_w) copy_row(row + ix * s.in_channels, to + p * channels, channels);
        else fill_zero(to + p * channels, channels);
      }
    }
  }
}

void run_conv_last(const plan::Call& call) {
  if (call.begin == call.end) return;   // of nothing there is no scratch
  const ConvLastParams& c = *static_cast<const ConvLastParams*>(call.params);
  const ConvShape& s = c.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int64_t group_c = s.in_channels / s.groups, group_m = s.out_channels / s.groups, points = s.out_h * s.out_w, k = group_c * s.kernel_h * s.kernel_w;
  const int64_t pixel = c.strip_width ? group_c : s.in_channels, line = c.strip_width ? c.strip_width * pixel : s.in_w * pixel;
  auto* segments = reinterpret_cast<Segment*>(call.scratch);
  auto* begin = reinterpret_cast<int32_t*>(segments + c.runs + c.k_blocks);  // of each block of depths, its first segment
  auto* at = reinterpret_cast<const float**>(call.scratch + round_up(16 * (int64_t{c.runs} + c.k_blocks) + 4 * (c.k_blocks + 1), 64));
  auto* strip = reinterpret_cast<float*>(reinterpret_cast<std::byte*>(at) + round_up(8 * int64_t{c.n_block}, 64));
  int32_t count = 0;
  for (int64_t b = 0; b < c.k_blocks; ++b) {
    begin[b] = count;
    for (int64_t p = b * c.k_block, end = least(k, p + c.k_block); p < end;) {
      const int64_t run = p / c.run, from = p % c.run, n = least(c.run - from, end - p);
      const int64_t ky = c.runs == s.kernel_h ? run : run / s.kernel_w, kx = c.runs == s.kernel_h ? 0 : run % s.kernel_w;
      segments[count++] = {ky * s.dilation_h * line + kx * s.dilation_w * pixel + from, n};
      p += n;
    }
  }
  begin[c.k_blocks] = count;
  const int64_t padded_m = last_panel_columns(group_m, W);
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t mb = piece % c.m_blocks, nb = piece / c.m_blocks % c.n_blocks, outer = piece / c.m_blocks / c.n_blocks;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const std::uint32_t pieces = least(call.end - piece, c.m_blocks - mb);
    piece += pieces;
    const int64_t m0 = int64_t{mb} * c.m_block, m1 = least(group_m, m0 + int64_t{pieces} * c.m_block);
    const int64_t n0 = int64_t{nb} * c.n_block, n1 = least(points, n0 + c.n_block), oy0 = n0 / s.out_w;
    const float* from = x + image * s.in_h * s.in_w * s.in_channels + group * group_c;
    if (c.strip_width) {
      fill_strip(c, from, oy0, ((n1 - 1) / s.out_w - oy0) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1, strip);
      from = strip - oy0 * s.stride_h * line;
    }
    const float* point = from + oy0 * s.stride_h * line + n0 % s.out_w * s.stride_w * pixel;
    const int64_t step = s.stride_w * pixel, next_row = s.stride_h * line - s.out_w * step;
    for (int64_t i = 0, left = s.out_w - n0 % s.out_w; i < n1 - n0; ++i, point += step) {
      if (left-- == 0) left = s.out_w - 1, point += next_row;
      at[i] = point;
    }
    const int64_t out_at = image * points * s.out_channels + group * group_m;
    Out out = make_out(y + out_at, s.out_channels, bias ? bias + group * group_m : nullptr, residual ? residual + out_at : nullptr, c.epilogue);
    const float* group_weights = weights + group * padded_m * k;
    for (int64_t b = 0; b < c.k_blocks; ++b) {
      const int64_t depth = least<int64_t>(c.k_block, k - b * c.k_block);
      const float* panels = group_weights + b * c.k_block * padded_m;
      out.first = b == 0, out.last = b + 1 == c.k_blocks;
      for (int64_t m = m0; m < m1;) {
        const int vectors = last_panel_vectors(group_m - m, W);
        multiply_points(at, n1 - n0, segments + begin[b], segments + begin[b + 1], panels + m * depth, depth, vectors, out, n0, m, static_cast<int>(least<int64_t>(vectors * W, group_m - m)));
        m += vectors * W;
      }
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"conv_last_f32", run_conv_last}};

}  // namespace

extern const std::span<const Kernel> kConvLast;
constinit const std::span<const Kernel> kConvLast = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
