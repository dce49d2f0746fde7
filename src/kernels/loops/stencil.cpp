// stencil_f32: tiles of R output channels by N vectors of points, over all channels and taps. Contract in kernels/stencil.hpp.
#include "kernels/stencil.hpp"

#include "kernels/loops/activate.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kVectors = 3;

/// A group of an image, and what is done with its sums.
struct Job {
  const StencilParams& p;
  const float* x;           ///< first tap of the first point
  int64_t x_channel;        ///< from one channel to the next
  const int32_t* tap;       ///< where each tap stands from the first one
  int64_t channels, taps, points;
  const float *bias, *residual;
  float* y;
  int columns;              ///< lanes that are points: fewer than W where a row is shorter
};

/// Vectors of points: where they stand in the padded image and in Y. The last one of a row ends with it, over points that are done already.
struct Place {
  int64_t x[kVectors], y[kVectors];
};

/// The epilogues that finish() leaves out, and rows shorter than a vector.
[[gnu::noinline]] void finish_any(const float* sums, int vectors, const Job& b, const Place& at, int64_t channel, int channels) {
  const Epilogue& e = b.p.epilogue;
  for (int i = 0; i < channels; ++i)
    for (int j = 0; j < vectors; ++j) {
      const int64_t to = (channel + i) * b.points + at.y[j];
      V v = load(sums + (i * vectors + j) * W) * splat(e.alpha);
      if (e.bias == Bias::per_row) v = v + splat(b.bias[channel + i]);
      if (b.residual) v = fma(load_up_to(b.residual + to, b.columns), splat(e.residual_scale), v);
      store_up_to(b.y + to, activate_any(v, e.activation, e.p0, e.p1), b.columns);
    }
}

template <int R, int N>
void tile(const Job& b, const Place& at, const float* w, int64_t channel) {
  V acc[R][N] = {};
  const float* x = b.x;
  const int64_t taps = b.taps;
  for (int64_t c = b.channels; c > 0; --c, x += b.x_channel)
#pragma GCC unroll 1
    for (int64_t t = 0; t < taps; ++t, w += R) {
      const float* from = x + b.tap[t];
      V xv[N];
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) xv[j] = load(from + at.x[j]);
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        const V wv = splat(w[i]);
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) acc[i][j] = fma(wv, xv[j], acc[i][j]);
      }
    }
  const Epilogue& e = b.p.epilogue;
  if (e.alpha != 1 || b.residual || e.activation > Activation::clip || b.columns != W) {
    alignas(64) float sums[R * N * W];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) store(sums + (i * N + j) * W, acc[i][j]);
    return finish_any(sums, N, b, at, channel, R);
  }
  if (e.bias == Bias::per_row)
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const V bias = splat(b.bias[channel + i]);
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) acc[i][j] = acc[i][j] + bias;
    }
  clamp(acc, e);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) store(b.y + (channel + i) * b.points + at.y[j], acc[i][j]);
}

/// N vectors of all output channels of the group.
template <int N>
void all_channels(const Job& b, const Place& at, const float* w, int64_t channels) {
  const int64_t k = b.channels * b.taps;
  for (int64_t m = 0, n; m < channels; m += n, w += n * k) {
    n = stencil_block(channels - m, W);
    switch (n) {
      case 1: tile<1, N>(b, at, w, m); break;
      case 2: tile<2, N>(b, at, w, m); break;
      case 3: tile<3, N>(b, at, w, m); break;
      case 4: tile<4, N>(b, at, w, m); break;
#if SAHA_ISA_LEVEL >= 2
      case 8: tile<8, N>(b, at, w, m); break;
#endif
      default: __builtin_unreachable();
    }
  }
}

void run_stencil(const plan::Call& call) {
  const StencilParams& p = *static_cast<const StencilParams*>(call.params);
  const ConvShape& s = p.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int64_t channels = s.in_channels / s.groups, m = s.out_channels / s.groups, taps = s.kernel_h * s.kernel_w, points = s.out_h * s.out_w;
  auto* tap = reinterpret_cast<int32_t*>(call.scratch);
  float* image = reinterpret_cast<float*>(call.scratch) + round_up(taps, 16);
  for (int64_t ky = 0; ky < s.kernel_h; ++ky)
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) tap[ky * s.kernel_w + kx] = static_cast<int32_t>(ky * s.dilation_h * p.width + kx * s.dilation_w);
  for (int64_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t group = piece % s.groups;
    const float* from = x + piece * channels * s.in_h * s.in_w;
    if (!p.in_place) copy_padded(s, from, channels, p.rows, p.width, image);
    const int64_t out_at = piece * m * points;
    const Job job = {p, p.in_place ? from : image, p.in_place ? s.in_h * s.in_w : int64_t{p.rows} * p.width, tap, channels, taps, points,
                     bias ? bias + group * m : nullptr, residual ? residual + out_at : nullptr, y + out_at, static_cast<int>(least<int64_t>(W, s.out_w))};
    const float* w = weights + group * m * channels * taps;
    Place at;
    int n = 0;
    for (int64_t oy = 0; oy < s.out_h; ++oy)
      for (int64_t ox = 0; ox < s.out_w; ox += W) {
        const int64_t begin = most<int64_t>(0, least<int64_t>(ox, s.out_w - W));
        at.x[n] = oy * p.width + begin, at.y[n] = oy * s.out_w + begin;
        if (++n < kVectors) continue;
        all_channels<kVectors>(job, at, w, m);
        n = 0;
      }
    if (n == 2) all_channels<2>(job, at, w, m);
    if (n == 1) all_channels<1>(job, at, w, m);
  }
}

constexpr Kernel kRowsOfTable[] = {{"stencil_f32", run_stencil}};

}  // namespace

extern const std::span<const Kernel> kStencil;
constinit const std::span<const Kernel> kStencil = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
