// depthwise_i8: one tap after another, by pairs, for a block of channels of one point. Taps beyond the image point to a row of zero points, and
// so does the partner of an odd last one, whose weights are 0. Pieces are bands of rows of the result. Contract in kernels/conv_i8.hpp.
#include "kernels/conv_i8.hpp"

#include "kernels/loops/rescale.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Taps of one point of the result; those beyond the image are `outside`.
void find_taps(const ConvShape& s, const std::uint8_t* x, int64_t oy, int64_t ox, const std::uint8_t* outside, const std::uint8_t** taps) {
  const int64_t top = oy * s.stride_h - s.pad_top, left = ox * s.stride_w - s.pad_left;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    const int64_t y = top + ky * s.dilation_h;
    const std::uint8_t* row = x + (y * s.in_w + left) * s.in_channels;
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
      const int64_t at = left + kx * s.dilation_w;
      *taps++ = y < 0 || y >= s.in_h || at < 0 || at >= s.in_w ? outside : row + kx * s.dilation_w * s.in_channels;
    }
  }
}

/// Sums of a block of channels over pairs of taps; `load_tap` gives a tap's bytes. `Units` 0: as many as `units` says.
template <bool Signed, int Units, class F>
inline void add_taps(int64_t units, const int32_t* w, F load_tap, I& a, I& b) {
  const auto add = [&](int64_t u) {
    const S first = widened(load_tap(2 * u), Signed), second = widened(load_tap(2 * u + 1), Signed);
    add_unit(a, b, first, second, w + u * kBlock);
  };
  if constexpr (Units > 0) {
#pragma GCC unroll 8
    for (int u = 0; u < Units; ++u) add(u);
  } else {
    for (int64_t u = 0; u < units; ++u) add(u);
  }
}

template <bool Signed, Rescaling R, int Units>
void depthwise(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape s = c.shape;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  constexpr int kBytes = R == Rescaling::none ? 4 : 1;
  const Bounds bounds(c.store);
  const int64_t channels = s.in_channels, units = c.units, panels = c.panels, count = s.kernel_h * s.kernel_w;
  auto** taps = reinterpret_cast<const std::uint8_t**>(call.scratch);
  auto* offsets = reinterpret_cast<int64_t*>(taps + 2 * units);  // of the taps of a window, from its first one
  auto* outside = reinterpret_cast<std::uint8_t*>(offsets + 2 * units);
  memset(outside, c.x_zero & 0xff, static_cast<size_t>(channels));
  taps[2 * units - 1] = outside;
  for (int64_t ky = 0, i = 0; ky < s.kernel_h; ++ky)
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) offsets[i++] = (ky * s.dilation_h * s.in_w + kx * s.dilation_w) * channels;
  const int64_t reach_h = (s.kernel_h - 1) * s.dilation_h, reach_w = (s.kernel_w - 1) * s.dilation_w;
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t image = piece / c.m_blocks, oy0 = int64_t{piece % c.m_blocks} * c.m_block, oy1 = least(s.out_h, oy0 + c.m_block);
    const std::uint8_t* from = x + image * s.in_h * s.in_w * channels;
    for (int64_t oy = oy0; oy < oy1; ++oy)
      for (int64_t ox = 0; ox < s.out_w; ++ox) {
        const int64_t top = oy * s.stride_h - s.pad_top, left = ox * s.stride_w - s.pad_left;
        if (top >= 0 && top + reach_h < s.in_h && left >= 0 && left + reach_w < s.in_w) {
          const std::uint8_t* first = from + (top * s.in_w + left) * channels;
          for (int64_t i = 0; i < count; ++i) taps[i] = first + offsets[i];
        } else {
          find_taps(s, from, oy, ox, outside, taps);
        }
        std::uint8_t* to = y + ((image * s.out_h + oy) * s.out_w + ox) * channels * kBytes;
        const int32_t *w = packed, *t = packed + c.tables;
        for (int64_t p = 0; p < panels; ++p, w += units * kBlock, t += 2 * kRescaleRows * W) {
          I a = load(t), b = load(t + kRescaleRows * W);
          if (channels >= kBlock) {
            const int64_t c0 = least<int64_t>(p * kBlock, channels - kBlock);
            add_taps<Signed, Units>(units, w, [&](int64_t i) { return load(taps[i] + c0); }, a, b);
            put<R>(a, b, t, bounds, to + c0 * kBytes, kBlock);
          } else {
            add_taps<Signed, Units>(units, w, [&](int64_t i) { return load_part(taps[i], channels); }, a, b);
            put<R>(a, b, t, bounds, to, channels);
          }
        }
      }
  }
}

void run_depthwise_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  with_rule(c.store.rule, [&]<Rescaling R>() {
    if (c.units == 5) c.x_signed ? depthwise<true, R, 5>(call) : depthwise<false, R, 5>(call);  // 3x3
    else c.x_signed ? depthwise<true, R, 0>(call) : depthwise<false, R, 0>(call);
  });
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_i8", run_depthwise_i8}};

}  // namespace

extern const std::span<const Kernel> kDepthwiseI8;
constinit const std::span<const Kernel> kDepthwiseI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
