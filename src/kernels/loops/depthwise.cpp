// depthwise_f32: each output channel from one input channel. A piece is some planes; a plane is done in bands of rows, from a padded strip, as
// groups of output vectors that share each broadcast weight. Contract in kernels/conv.hpp.
#include "kernels/conv.hpp"

#include "kernels/loops/activate.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kGroup = 4;

struct Band {
  const float* strip;
  int64_t row_in, row_out;  ///< elements of the strip between output rows, and of Y
  int64_t rows, out_w;
  float* y;
  float* y_end;             ///< of the plane: up to here, what a whole vector writes too much is overwritten by the next
  const float* residual;
  float bias;
  const Epilogue* epilogue;
};

inline void put(const Band& b, V v, int64_t at, int64_t n) {
  v = v + splat(b.bias);
  if (b.residual) v = v + load_up_to(b.residual + at, n);
  const Epilogue& e = *b.epilogue;
  if (e.activation == Activation::clip)
    v = min(splat(e.p1), max(splat(e.p0), v));
  else if (e.activation != Activation::none)
    v = activate(v, e.activation, e.p0, e.p1);
  if (n >= W || b.y + at + W <= b.y_end)
    store(b.y + at, v);
  else
    store_n(b.y + at, v, static_cast<int>(n));
}

/// Walks the output vectors of a band, kGroup at a time, row by row: sums(from, acc) adds up the taps of G vectors.
template <class Sums>
inline void walk(const Band& b, const Sums& sums) {
  const float* from[kGroup];
  int64_t at[kGroup], n[kGroup];
  int filled = 0;
  for (int64_t r = 0; r < b.rows; ++r)
    for (int64_t x = 0; x < b.out_w; x += W) {
      from[filled] = b.strip + r * b.row_in + x;
      at[filled] = r * b.row_out + x, n[filled] = b.out_w - x;
      if (++filled < kGroup && !(r == b.rows - 1 && x + W >= b.out_w)) continue;
      for (int i = filled; i < kGroup; ++i) from[i] = from[0];
      V acc[kGroup] = {};
      sums(from, acc);
#pragma GCC unroll 4
      for (int i = 0; i < kGroup; ++i)
        if (i < filled) put(b, acc[i], at[i], n[i]);
      filled = 0;
    }
}

/// 3x3 with the weights in registers. Taps along x stand at 0, dx1, dx2; rows dy apart.
template <int kStride>
void three_by_three(const Band& b, const float* w, int64_t dy, int64_t phase) {
  V k[9];
#pragma GCC unroll 9
  for (int i = 0; i < 9; ++i) k[i] = splat(w[i]);
  const int64_t dx1 = kStride == 1 ? 1 : phase;
  const auto sums = [&](const float* const* from, V* acc) {
#pragma GCC unroll 4
    for (int i = 0; i < kGroup; ++i) {
      const float* p = from[i];
      V a = k[0] * load(p);
      a = fma(k[1], load(p + dx1), a);
      a = fma(k[2], load(p + (kStride == 1 ? 2 : 1)), a);
      p += dy;
      a = fma(k[3], load(p), a);
      a = fma(k[4], load(p + dx1), a);
      a = fma(k[5], load(p + (kStride == 1 ? 2 : 1)), a);
      p += dy;
      a = fma(k[6], load(p), a);
      a = fma(k[7], load(p + dx1), a);
      acc[i] = fma(k[8], load(p + (kStride == 1 ? 2 : 1)), a);
    }
  };
  walk(b, sums);
}

void any_taps(const Band& b, const float* w, const int32_t* tap, int taps) {
  walk(b, [&](const float* const* from, V* acc) {
    V a0{}, a1{}, a2{}, a3{};
    const float *p0 = from[0], *p1 = from[1], *p2 = from[2], *p3 = from[3];
    for (int t = 0; t < taps; ++t) {
      const V k = splat(w[t]);
      const int64_t d = tap[t];
      a0 = fma(k, load(p0 + d), a0);
      a1 = fma(k, load(p1 + d), a1);
      a2 = fma(k, load(p2 + d), a2);
      a3 = fma(k, load(p3 + d), a3);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
  });
}

void run_depthwise(const plan::Call& call) {
  const ConvParams& c = *static_cast<const ConvParams*>(call.params);
  const ConvShape& s = c.shape;
  const auto* x = static_cast<const float*>(call.operands[0]);
  const auto* weights = static_cast<const float*>(call.operands[1]);
  const auto* bias = static_cast<const float*>(call.operands[2]);
  const auto* residual = static_cast<const float*>(call.operands[3]);
  auto* y = static_cast<float*>(call.operands[4]);
  const int taps = static_cast<int>(s.kernel_h * s.kernel_w);
  auto* tap = reinterpret_cast<int32_t*>(call.scratch);
  float* strip = reinterpret_cast<float*>(call.scratch) + round_up(taps, 16);
  const int64_t row_step = s.kernel_h == 1 ? s.stride_h : 1, phases = s.kernel_w == 1 ? 1 : s.stride_w, phase_width = c.strip_width / phases;
  const int64_t stride = s.stride_h / row_step, points = s.out_h * s.out_w;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky)
    for (int64_t kx = 0; kx < s.kernel_w; ++kx)
      tap[ky * s.kernel_w + kx] = static_cast<int32_t>(ky * s.dilation_h * c.strip_width + kx * s.dilation_w % s.stride_w * phase_width + kx * s.dilation_w / s.stride_w);
  const bool fixed = s.kernel_h == 3 && s.kernel_w == 3 && s.dilation_w == 1 && s.stride_w <= 2;
  const int64_t planes = s.batch * s.out_channels, multiplier = s.out_channels / s.in_channels;
  const int64_t p1 = least(planes, int64_t{call.end} * c.m_block);
  for (int64_t p = int64_t{call.begin} * c.m_block; p < p1; ++p) {
    const int64_t m = p % s.out_channels;
    const float* plane = x + (p / s.out_channels * s.in_channels + m / multiplier) * s.in_h * s.in_w;
    for (int64_t oy = 0; oy < s.out_h; oy += c.n_block) {
      const int64_t rows = least<int64_t>(c.n_block, s.out_h - oy), strip_rows = (rows - 1) * stride + (s.kernel_h - 1) * s.dilation_h + 1;
      for (int64_t r = 0; r < strip_rows; ++r) {
        const int64_t iy = oy * s.stride_h - s.pad_top + r * row_step;
        float* to = strip + r * c.strip_width;
        if (iy < 0 || iy >= s.in_h) {
          fill_zero(to, c.strip_width);
          continue;
        }
        for (int64_t phase = 0; phase < phases; ++phase)
          copy_phase(plane + iy * s.in_w, s.in_w, s.pad_left, s.stride_w, phase, phase_width, to + phase * phase_width);
      }
      const int64_t at = p * points + oy * s.out_w;
      const Band b{strip, stride * c.strip_width, s.out_w, rows, s.out_w, y + at, y + (p + 1) * points, residual ? residual + at : nullptr,
                   bias ? bias[m] : 0, &c.epilogue};
      const float* w = weights + m * taps;
      if (fixed && s.stride_w == 1)
        three_by_three<1>(b, w, s.dilation_h * c.strip_width, phase_width);
      else if (fixed)
        three_by_three<2>(b, w, s.dilation_h * c.strip_width, phase_width);
      else
        any_taps(b, w, tap, taps);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_f32", run_depthwise}};

}  // namespace

extern const std::span<const Kernel> kDepthwise;
constinit const std::span<const Kernel> kDepthwise = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
