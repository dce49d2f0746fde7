// pool_last_f32: for each place of the result the taps that lie in the image, some vectors of channels at a time. Contract in kernels/pool_last.hpp.
#include "kernels/pool_last.hpp"

#include "kernels/loops/taps.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

template <bool Max>
inline V join(V a, V x) {
  if constexpr (Max) return select(a != a, a, max(a, x));
  else return a + x;
}

/// A window: its first tap in the image, the steps to the next row and column of taps, and how many there are.
struct Window {
  const float* first;
  int64_t row_step, step, rows, columns;
  V count;
};

/// N vectors of channels, n channels of the last one.
template <bool Max, int N>
inline void block(const Window& w, int64_t c, int64_t n, float* y) {
  V a[N];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) a[i] = splat(Max ? -__builtin_inff() : 0.f);
  for (int64_t r = 0; r < w.rows; ++r) {
    const float* x = w.first + r * w.row_step + c;
    for (int64_t k = 0; k < w.columns; ++k, x += w.step)
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) a[i] = join<Max>(a[i], N > 1 ? load(x + i * W) : load_up_to(x, n));
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
    if constexpr (!Max) a[i] = a[i] / w.count;
    N > 1 ? store(y + c + i * W, a[i]) : store_up_to(y + c, a[i], n);
  }
}

template <bool Max>
void pool(const plan::Call& call) {
  const PoolLastParams& p = *static_cast<const PoolLastParams*>(call.params);
  const PoolShape& s = p.shape;
  const auto* x = static_cast<const float*>(call.operands[0]);
  auto* y = static_cast<float*>(call.operands[1]);
  const int64_t channels = p.channels;
  const bool padded = p.op == Pool::average_padded;
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t image = piece / p.bands, oy0 = int64_t{piece % p.bands} * p.rows, oy1 = least(s.out_h, oy0 + p.rows);
    for (int64_t oy = oy0; oy < oy1; ++oy) {
      const Taps h = taps_between(oy, s.stride_h, s.pad_top, s.kernel_h, s.dilation_h, 0, s.in_h);
      const Taps all_h = padded ? taps_between(oy, s.stride_h, s.pad_top, s.kernel_h, s.dilation_h, -s.pad_top, s.in_h + s.pad_bottom) : h;
      const int64_t top = oy * s.stride_h - s.pad_top + h.begin * s.dilation_h;
      for (int64_t ox = 0; ox < s.out_w; ++ox) {
        const Taps v = taps_between(ox, s.stride_w, s.pad_left, s.kernel_w, s.dilation_w, 0, s.in_w);
        const Taps all_v = padded ? taps_between(ox, s.stride_w, s.pad_left, s.kernel_w, s.dilation_w, -s.pad_left, s.in_w + s.pad_right) : v;
        const int64_t left = ox * s.stride_w - s.pad_left + v.begin * s.dilation_w;
        const Window w{x + ((image * s.in_h + top) * s.in_w + left) * channels, s.dilation_h * s.in_w * channels, s.dilation_w * channels, h.end - h.begin, v.end - v.begin,
                       splat(static_cast<float>((all_h.end - all_h.begin) * (all_v.end - all_v.begin)))};
        float* to = y + ((image * s.out_h + oy) * s.out_w + ox) * channels;
        int64_t c = 0;
        for (; c + 4 * W <= channels; c += 4 * W) block<Max, 4>(w, c, W, to);
        if (c + 3 * W <= channels) block<Max, 3>(w, c, W, to), c += 3 * W;
        if (c + 2 * W <= channels) block<Max, 2>(w, c, W, to), c += 2 * W;
        if (c + W <= channels) block<Max, 1>(w, c, W, to), c += W;
        if (c < channels) block<Max, 1>(w, most<int64_t>(0, channels - W), channels, to);   // reaches back where there are enough
      }
    }
  }
}

void run_pool_last(const plan::Call& call) {
  static_cast<const PoolLastParams*>(call.params)->op == Pool::max ? pool<true>(call) : pool<false>(call);
}

constexpr Kernel kRowsOfTable[] = {{"pool_last_f32", run_pool_last}};

}  // namespace

extern const std::span<const Kernel> kPoolLast;
constinit const std::span<const Kernel> kPoolLast = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
