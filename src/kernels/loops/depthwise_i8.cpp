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

template <bool Signed, Rescaling R>
void depthwise(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  constexpr int kBytes = R == Rescaling::none ? 4 : 1;
  const int64_t channels = s.in_channels;
  auto** taps = reinterpret_cast<const std::uint8_t**>(call.scratch);
  auto* outside = reinterpret_cast<std::uint8_t*>(taps + 2 * c.units);
  memset(outside, c.x_zero & 0xff, static_cast<size_t>(channels));
  taps[2 * c.units - 1] = outside;
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t image = piece / c.m_blocks, oy0 = int64_t{piece % c.m_blocks} * c.m_block, oy1 = least(s.out_h, oy0 + c.m_block);
    const std::uint8_t* from = x + image * s.in_h * s.in_w * channels;
    for (int64_t oy = oy0; oy < oy1; ++oy)
      for (int64_t ox = 0; ox < s.out_w; ++ox) {
        find_taps(s, from, oy, ox, outside, taps);
        std::uint8_t* to = y + ((image * s.out_h + oy) * s.out_w + ox) * channels * kBytes;
        const int32_t *w = packed, *t = packed + c.tables;
        for (int64_t p = 0; p < c.panels; ++p, t += 2 * kRescaleRows * W) {
          const int64_t c0 = most<int64_t>(0, least<int64_t>(p * kBlock, channels - kBlock)), n = least<int64_t>(kBlock, channels - c0);
          I a = load(t), b = load(t + kRescaleRows * W);
          const auto add = [&](B first, B second) {
            const S v0 = widened(first, Signed), v1 = widened(second, Signed);
            a += multiply_pairs(beside_low(v0, v1), load(w)), b += multiply_pairs(beside_high(v0, v1), load(w + W));
            w += 2 * W;
          };
          if (n == kBlock)
            for (int32_t u = 0; u < c.units; ++u) add(load(taps[2 * u] + c0), load(taps[2 * u + 1] + c0));
          else
            for (int32_t u = 0; u < c.units; ++u) add(load_part(taps[2 * u], n), load_part(taps[2 * u + 1], n));
          put<R>(a, b, t, c.store, to + c0 * kBytes, n);
        }
      }
  }
}

void run_depthwise_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  with_rule(c.store.rule, [&]<Rescaling R>() { c.x_signed ? depthwise<true, R>(call) : depthwise<false, R>(call); });
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_i8", run_depthwise_i8}};

}  // namespace

extern const std::span<const Kernel> kDepthwiseI8;
constinit const std::span<const Kernel> kDepthwiseI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
