// conv_f32: the product of packed weights [M, C/g * taps] with panels of points. Pieces are (image, group, block of points, block of output
// channels), channels fastest; consecutive pieces of one block of points share its panels. Contract in kernels/conv.hpp.
#include "kernels/conv.hpp"

#include "kernels/loops/gemm_tile.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kMaxCopies = 3 * W + 3;

/// Rows of some channels that the points [n0, n1) read, padded.
struct Strip {
  float* p;
  int64_t row_step;      ///< image rows per strip row: with one kernel row, the rows between strides are left out
  int64_t first_oy, rows, width, phase_width, channel;

  /// Where the first tap of a point stands in a channel of the strip.
  int64_t at(const ConvShape& s, int64_t point) const {
    return (point / s.out_w - first_oy) * (s.stride_h / row_step) * width + point % s.out_w;
  }
};

Strip plan_strip(const ConvParams& c, int64_t n0, int64_t n1, float* memory) {
  const ConvShape& s = c.shape;
  Strip t;
  t.p = memory;
  t.row_step = s.kernel_h == 1 ? s.stride_h : 1;
  t.first_oy = n0 / s.out_w;
  const int64_t last_oy = (n1 - 1) / s.out_w;
  t.rows = (last_oy - t.first_oy) * (s.stride_h / t.row_step) + (s.kernel_h - 1) * s.dilation_h + 1;
  t.width = c.strip_width;
  t.phase_width = s.kernel_w == 1 ? c.strip_width : c.strip_width / s.stride_w;
  t.channel = t.rows * t.width;
  return t;
}

void fill_strip(const ConvParams& c, const Strip& t, const float* x, int64_t channels) {
  const ConvShape& s = c.shape;
  const int64_t top = t.first_oy * s.stride_h - s.pad_top;
  for (int64_t ic = 0; ic < channels; ++ic)
    for (int64_t r = 0; r < t.rows; ++r) {
      const int64_t y = top + r * t.row_step;
      float* to = t.p + ic * t.channel + r * t.width;
      if (y < 0 || y >= s.in_h) {
        fill_zero(to, t.width);
        continue;
      }
      const float* row = x + (ic * s.in_h + y) * s.in_w;
      if (s.stride_w == 1 || s.kernel_w == 1) {
        copy_phase(row, s.in_w, s.pad_left, s.stride_w, 0, t.phase_width, to);
        continue;
      }
      for (int64_t phase = 0; phase < s.stride_w; ++phase)
        copy_phase(row, s.in_w, s.pad_left, s.stride_w, phase, t.phase_width, to + phase * t.phase_width);
    }
}

/// One panel as vectors to copy per tap: whole vectors, of which what is too much is overwritten by what follows.
struct Copies {
  int count = 0;
  int32_t from[kMaxCopies], to[kMaxCopies];
};

Copies plan_copies(const ConvShape& s, const Strip& t, int64_t n, int columns) {
  Copies k;
  for (int done = 0; done < columns;) {
    const int64_t run = least<int64_t>(columns - done, s.out_w - (n + done) % s.out_w), at = t.at(s, n + done);
    for (int64_t i = 0; i < run; i += W) {
      k.from[k.count] = static_cast<int32_t>(at + i), k.to[k.count] = static_cast<int32_t>(done + i);
      ++k.count;
    }
    done += static_cast<int>(run);
  }
  return k;
}

template <int N>
void copy_taps(const Copies& k, const float* strip, int64_t channel, int64_t channels, const int32_t* tap, int taps, int width, float* out) {
  const int count = N > 0 ? N : k.count;
  int64_t from[N > 0 ? N : 1], to[N > 0 ? N : 1];
  if constexpr (N > 0)
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) from[i] = k.from[i], to[i] = k.to[i];
  for (int64_t ic = 0; ic < channels; ++ic, strip += channel)
    for (int t = 0; t < taps; ++t, out += width) {
      const float* at = strip + tap[t];
      if constexpr (N > 0) {
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) store(out + to[i], load(at + from[i]));
      } else {
        for (int i = 0; i < count; ++i) store(out + k.to[i], load(at + k.from[i]));
      }
    }
}

void fill_panel(const Copies& k, const float* strip, int64_t channel, int64_t channels, const int32_t* tap, int taps, int width, float* out) {
  switch (k.count) {
    case 1: return copy_taps<1>(k, strip, channel, channels, tap, taps, width, out);
    case 2: return copy_taps<2>(k, strip, channel, channels, tap, taps, width, out);
    case 3: return copy_taps<3>(k, strip, channel, channels, tap, taps, width, out);
    case 4: return copy_taps<4>(k, strip, channel, channels, tap, taps, width, out);
    case 5: return copy_taps<5>(k, strip, channel, channels, tap, taps, width, out);
    case 6: return copy_taps<6>(k, strip, channel, channels, tap, taps, width, out);
    default: return copy_taps<0>(k, strip, channel, channels, tap, taps, width, out);
  }
}

struct Columns {
  Panel panels[kMaxPanels];
  int count = 0;
};

/// Cuts the points [n0, n1) into panels whose memory begins at `memory`.
void cut(Columns& q, int64_t n0, int64_t n1, int64_t depth, float* memory) {
  q.count = 0;
  for (int64_t n = n0; n < n1; ++q.count) {
    const int vectors = panel_vectors(n1 - n, W, true);
    q.panels[q.count] = {memory, vectors * W, n, vectors, static_cast<int>(least<int64_t>(vectors * W, n1 - n))};
    memory += depth * vectors * W;
    n += vectors * W;
  }
}

/// Panels of a pointwise convolution: rows of the image, in place where they fill the panel.
void fill_from_image(const ConvParams& c, Columns& q, const float* x, int64_t channels) {
  const int64_t plane = c.shape.in_h * c.shape.in_w;
  if (!c.direct) return pack_panels(x + q.panels[0].column, plane, channels, q.panels, q.count);
  for (int j = 0; j < q.count; ++j) {
    Panel& p = q.panels[j];
    if (p.columns == p.vectors * W)
      p.b = x + p.column, p.step = plane;
    else
      pack_rows(x + p.column, plane, channels, p.vectors, p.columns, const_cast<float*>(p.b));
  }
}

void run_conv(const plan::Call& call) {
  const ConvParams& c = *static_cast<const ConvParams*>(call.params);
  const ConvShape& s = c.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int64_t group_c = s.in_channels / s.groups, group_m = s.out_channels / s.groups, points = s.out_h * s.out_w;
  const int taps = static_cast<int>(s.kernel_h * s.kernel_w);
  const int64_t k = group_c * taps;
  auto* tap = reinterpret_cast<int32_t*>(call.scratch);  // where each tap stands from the first one, in the strip
  float* scratch = reinterpret_cast<float*>(call.scratch) + round_up(taps, 16);
  const int64_t strip_size = c.method == ConvMethod::panels ? round_up(int64_t{c.c_block} * c.strip_rows * c.strip_width + W, 16) : 0;
  float* panel_memory = scratch + strip_size;
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t mb = piece % c.m_blocks, nb = piece / c.m_blocks % c.n_blocks, outer = piece / c.m_blocks / c.n_blocks;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const std::uint32_t count = least(call.end - piece, c.m_blocks - mb);
    piece += count;
    const int64_t m0 = int64_t{mb} * c.m_block, m1 = least(group_m, m0 + int64_t{count} * c.m_block);
    const int64_t n0 = int64_t{nb} * c.n_block, n1 = least(points, n0 + c.n_block);
    const int64_t out_at = (image * s.out_channels + group * group_m) * points;
    Out out = make_out(y + out_at, points, bias ? bias + group * group_m : nullptr, residual ? residual + out_at : nullptr, c.epilogue);
    const float* image_x = x + (image * s.in_channels + group * group_c) * s.in_h * s.in_w;
    const float* a = weights + group * round_up(group_m, kPackRows) * k;
    Columns q;
    Strip strip{};
    if (c.method == ConvMethod::panels) {
      strip = plan_strip(c, n0, n1, scratch);
      for (int64_t ky = 0; ky < s.kernel_h; ++ky)
        for (int64_t kx = 0; kx < s.kernel_w; ++kx)
          tap[ky * s.kernel_w + kx] = static_cast<int32_t>(ky * s.dilation_h * strip.width + kx * s.dilation_w % s.stride_w * strip.phase_width +
                                                           kx * s.dilation_w / s.stride_w);
    }
    for (int64_t c0 = 0; c0 < group_c; c0 += c.c_block) {
      const int64_t channels = least<int64_t>(c.c_block, group_c - c0), depth = channels * taps;
      const float* from = image_x + c0 * s.in_h * s.in_w;
      cut(q, n0, n1, depth, panel_memory);
      if (c.method == ConvMethod::pointwise) {
        fill_from_image(c, q, from, channels);
      } else {
        fill_strip(c, strip, from, channels);
        for (int j = 0; j < q.count; ++j) {
          const Panel& p = q.panels[j];
          fill_panel(plan_copies(s, strip, p.column, p.columns), strip.p, strip.channel, channels, tap, taps, p.vectors * W, const_cast<float*>(p.b));
        }
      }
      out.first = c0 == 0, out.last = c0 + c.c_block >= group_c;
      multiply({a + c0 * taps * round_up(group_m, kPackRows), 1, kPackRows, depth * kPackRows}, q.panels, q.count, depth, out, m0, m1);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"conv_f32", run_conv}};

}  // namespace

extern const std::span<const Kernel> kConv;
constinit const std::span<const Kernel> kConv = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
