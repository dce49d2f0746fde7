// pool_f32: bands of rows from a padded strip, as depthwise convolution without weights; windows of two columns in place. Contract in kernels/pool.hpp.
#include "kernels/pool.hpp"

#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Elements that the window at output place `o` covers of [from, to).
inline int64_t covered(int64_t o, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation, int64_t from, int64_t to) {
  int64_t n = 0;
  for (int64_t k = 0; k < kernel; ++k) {
    const int64_t i = o * stride - pad + k * dilation;
    n += i >= from && i < to;
  }
  return n;
}

template <bool Max>
inline V join(V a, V x) {
  if constexpr (Max) return select(a != a, a, max(a, x));
  else return a + x;
}

template <bool Max>
void pool(const plan::Call& call) {
  const PoolParams& p = *static_cast<const PoolParams*>(call.params);
  const PoolShape& s = p.shape;
  const auto* x = static_cast<const float*>(call.operands[0]);
  auto* y = static_cast<float*>(call.operands[1]);
  const int taps = static_cast<int>(s.kernel_h * s.kernel_w);
  auto* tap = reinterpret_cast<int32_t*>(call.scratch);
  float* counts = reinterpret_cast<float*>(call.scratch) + round_up(taps, 16);
  float* strip = counts + s.out_w + W;
  const int64_t phase_width = p.strip_width / s.stride_w, row_in = s.stride_h * p.strip_width;
  const bool padded = p.op == Pool::average_padded;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky)
    for (int64_t kx = 0; kx < s.kernel_w; ++kx)
      tap[ky * s.kernel_w + kx] = static_cast<int32_t>(ky * s.dilation_h * p.strip_width + kx * s.dilation_w % s.stride_w * phase_width + kx * s.dilation_w / s.stride_w);
  if constexpr (!Max)
    for (int64_t ox = 0; ox < s.out_w; ++ox)
      counts[ox] = static_cast<float>(covered(ox, s.stride_w, s.pad_left, s.kernel_w, s.dilation_w, padded ? -s.pad_left : 0, s.in_w + (padded ? s.pad_right : 0)));
  const V neutral = splat(Max ? -__builtin_inff() : 0.f);
  const int64_t end = least(s.planes, int64_t{call.end} * p.planes_per_piece);
  for (int64_t plane = int64_t{call.begin} * p.planes_per_piece; plane < end; ++plane) {
    const float* from = x + plane * s.in_h * s.in_w;
    float* to = y + plane * s.out_h * s.out_w;
    for (int64_t oy = 0; oy < s.out_h; oy += p.band) {
      const int64_t rows = least<int64_t>(p.band, s.out_h - oy), strip_rows = (rows - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1;
      for (int64_t r = 0; r < strip_rows; ++r) {
        const int64_t iy = oy * s.stride_h - s.pad_top + r;
        float* row = strip + r * p.strip_width;
        if (iy < 0 || iy >= s.in_h)
          fill(row, p.strip_width, neutral);
        else
          for (int64_t phase = 0; phase < s.stride_w; ++phase)
            copy_phase(from + iy * s.in_w, s.in_w, s.pad_left, s.stride_w, phase, phase_width, row + phase * phase_width, neutral);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const float row_count = Max ? 1 : static_cast<float>(covered(oy + r, s.stride_h, s.pad_top, s.kernel_h, s.dilation_h, padded ? -s.pad_top : 0, s.in_h + (padded ? s.pad_bottom : 0)));
        for (int64_t ox = 0; ox < s.out_w; ox += W) {
          const float* at = strip + r * row_in + ox;
          V a = load(at + tap[0]);
          for (int t = 1; t < taps; ++t) a = join<Max>(a, load(at + tap[t]));
          if constexpr (!Max) a = a / (load_up_to(counts + ox, s.out_w - ox) * row_count);
          store_up_to(to + (oy + r) * s.out_w + ox, a, s.out_w - ox);
        }
      }
    }
  }
}

/// PoolParams::in_place: the rows of a window are joined first, then neighbours.
template <bool Max>
void halve(const plan::Call& call) {
  const PoolParams& p = *static_cast<const PoolParams*>(call.params);
  const PoolShape& s = p.shape;
  const int64_t begin = int64_t{call.begin} * p.planes_per_piece, end = least(s.planes, int64_t{call.end} * p.planes_per_piece);
  const float* from = static_cast<const float*>(call.operands[0]) + begin * s.in_h * s.in_w;
  float* to = static_cast<float*>(call.operands[1]) + begin * s.out_h * s.out_w;
  const int64_t row = s.dilation_h * s.in_w;
  const V count = splat(static_cast<float>(2 * s.kernel_h));
  for (int64_t plane = begin; plane < end; ++plane, from += s.in_h * s.in_w)
    for (int64_t oy = 0; oy < s.out_h; ++oy, to += s.out_w)
      for (int64_t ox = 0; ox < s.out_w; ox += W) {
        const int64_t left = s.out_w - ox, above = 2 * left - W;   // outputs; elements beyond the first vector
        const float* at = from + oy * s.stride_h * s.in_w + 2 * ox;
        V low = load_up_to(at, 2 * left), high = above > 0 ? load_up_to(at + W, above) : V{};
        for (int64_t ky = 1; ky < s.kernel_h; ++ky) {
          at += row;
          low = join<Max>(low, load_up_to(at, 2 * left));
          if (above > 0) high = join<Max>(high, load_up_to(at + W, above));
        }
        V v = in_order(join<Max>(block_even(low, high), block_odd(low, high)));
        if constexpr (!Max) v = v / count;
        store_up_to(to + ox, v, left);
      }
}

void run_pool(const plan::Call& call) {
  if (call.begin >= call.end) return;   // of nothing: there is no scratch either
  const PoolParams& p = *static_cast<const PoolParams*>(call.params);
  if (p.in_place) return p.op == Pool::max ? halve<true>(call) : halve<false>(call);
  p.op == Pool::max ? pool<true>(call) : pool<false>(call);
}

constexpr Kernel kRowsOfTable[] = {{"pool_f32", run_pool}};

}  // namespace

extern const std::span<const Kernel> kPool;
constinit const std::span<const Kernel> kPool = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
