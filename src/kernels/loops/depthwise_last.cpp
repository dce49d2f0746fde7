// depthwise_last_f32: tiles of neighbouring outputs times a vector of channels, channels innermost; each input vector is loaded once for a row of taps
// of all outputs of its tile. 3x3 and 5x5 with stride 1 or 2, and 7x7 with stride 1, are unrolled; all else goes by loops over the taps that lie in
// the image. Contract in kernels/depthwise_last.hpp.
#include "kernels/depthwise_last.hpp"

#include "kernels/loops/activate.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/taps.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Where rows of an image stand that lie in a ring: rows from `first_low` on stand `size` elements before where they would.
struct Ring {
  int64_t first_low, size;
};

/// One piece: an image and some blocks of its channels.
struct Part {
  const ConvShape& s;
  const float *x, *weights, *bias, *residual;   ///< bias and residual may be null
  float* y;
  int64_t begin, end;                           ///< blocks
  Ring ring;
  const Epilogue& e;
  bool clips;                                   ///< the activation is a clip to [low, high]; else it follows when the sums are in Y
  float low, high;

  int64_t channels() const { return s.out_channels; }
  int64_t first_channel(int64_t block) const { return most<int64_t>(0, least(block * W, channels() - W)); }
  int64_t point(int64_t oy, int64_t ox) const { return (oy * s.out_w + ox) * channels(); }
};

/// Stores sums, n channels of each, at elements place(i) of Y. One branch for all: each would be a place to which the compiler moves sums.
template <int N, class Place>
inline void put(const Part& p, V (&a)[N], int64_t n, Place place) {
  if (p.residual) {
    const V scale = splat(p.e.residual_scale);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) a[i] = fma(load_up_to(p.residual + place(i), n), scale, a[i]);
  }
  const V low = splat(p.low), high = splat(p.high);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) store_up_to(p.y + place(i), min(high, max(low, a[i])), n);
}

/// The activation of some outputs from (oy, ox) on, whose sums are in Y.
void finish(const Part& p, int64_t oy, int64_t ox, int outputs) {
  const int64_t begin = p.begin * W, end = least(p.channels(), p.end * W), each = end - begin;
  const bool whole = each == p.channels();   // neighbours are one row
  const int64_t runs = whole ? 1 : outputs, n = whole ? outputs * each : each;
  activate_rows(p.y + p.point(oy, ox) + begin, p.channels(), runs, n, p.e);
}

// ---- unrolled

/// T outputs side by side from (oy, ox) on, and those below them, in R rows. Edge: their windows may leave the image, by up to K / 2 columns on either side.
template <int K, int S, int T, int R, bool Edge>
void tile(const Part& p, int64_t oy, int64_t ox) {
  constexpr int kColumns = (T - 1) * S + K, kRows = (R - 1) * S + K;
  const ConvShape& s = p.s;
  const int64_t channels = p.channels(), row_step = s.in_w * channels;
  const int64_t top = oy * S - s.pad_top, left = ox * S - s.pad_left;
  const int first_row = static_cast<int>(most<int64_t>(0, -top)), last_row = static_cast<int>(least<int64_t>(kRows, s.in_h - top));
  const int first_column = static_cast<int>(most<int64_t>(0, -left)), last_column = static_cast<int>(least<int64_t>(kColumns, s.in_w - left));
  const int64_t low = p.ring.first_low - top;   // of the rows
  const float* image = p.x + (top * s.in_w + left) * channels - (low <= 0 ? p.ring.size : 0);
  const int64_t at = p.point(oy, ox);
  for (int64_t b = p.begin; b < p.end; ++b) {
    const int64_t c = least(b * W, channels - W);
    const float *row = image + c, *w = p.weights + b * (K * K * W);
    const V begin = p.bias ? load(p.bias + c) : V{};
    V a[R * T];
#pragma GCC unroll 16
    for (int t = 0; t < R * T; ++t) a[t] = begin;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r, row += r == low ? row_step - p.ring.size : row_step) {
      if (Edge && (r < first_row || r >= last_row)) continue;
      V k[K];
      if constexpr (R == 1)
#pragma GCC unroll 8
        for (int i = 0; i < K; ++i) k[i] = load(w + (r * K + i) * W);
      const float* x = row;
#pragma GCC unroll 24
      for (int j = 0; j < kColumns; ++j, x += channels) {
        if (Edge && ((j < K / 2 && j < first_column) || (j >= kColumns - K / 2 && j >= last_column))) continue;
        const V v = load(x);
#pragma GCC unroll 2
        for (int o = 0; o < R; ++o)
#pragma GCC unroll 8
          for (int t = 0; t < T; ++t)
            if (r - o * S >= 0 && r - o * S < K && j - t * S >= 0 && j - t * S < K) a[o * T + t] = fma(v, R == 1 ? k[j - t * S] : load(w + ((r - o * S) * K + j - t * S) * W), a[o * T + t]);
      }
    }
    put(p, a, W, [&](int t) { return at + c + (t / T * s.out_w + t % T) * channels; });
  }
  if (!p.clips)
    for (int o = 0; o < R; ++o) finish(p, oy + o, ox, T);
}

template <int K, int S, int T>
void band(const Part& p, int64_t oy0, int64_t oy1) {
  constexpr int kRows = W == 16 && K == 3 && S == 1 ? 2 : 1;   // where there are registers for their sums: what they read alike is loaded once
  constexpr bool kInside = W < 16 && K == 3;                   // elsewhere asking for edges takes no time
  const ConvShape& s = p.s;
  for (int64_t oy = oy0; oy < oy1;) {
    const int64_t top = oy * S - s.pad_top;
    [[maybe_unused]] const bool rows_inside = top >= 0 && top + K <= s.in_h;
    const bool together = oy + kRows <= oy1;
    for (int64_t ox = 0; ox < s.out_w; ox += T) {
      const int64_t at = least(ox, s.out_w - T);   // the last tile reaches back
      [[maybe_unused]] const int64_t left = at * S - s.pad_left;
      if constexpr (kInside)
        if (rows_inside && left >= 0 && left + (T - 1) * S + K <= s.in_w) {
          tile<K, S, T, 1, false>(p, oy, at);
          continue;
        }
      if (together) tile<K, S, T, kRows, true>(p, oy, at);
      else if constexpr (kRows > 1) tile<K, S, T, 1, true>(p, oy, at);
    }
    oy += together ? kRows : 1;
  }
}

constexpr int kWide = 7, kNarrow = 4;   // outputs of a tile: as many as there are registers for, beside the taps of a row; and what fits other widths better, but for windows of 7x7, which few networks have

using Band = void (*)(const Part&, int64_t oy0, int64_t oy1);
/// Null where a window is not unrolled, or leaves the image further than a tile's edge can.
template <int T>
Band unrolled(const ConvShape& s) {
  const int64_t k = s.kernel_w;
  if (s.out_channels < W || s.kernel_h != k || s.stride_h != s.stride_w || s.dilation_h != 1 || s.dilation_w != 1) return nullptr;
  if (s.pad_left > k / 2 || (s.out_w - 1) * s.stride_w - s.pad_left + k - s.in_w > k / 2) return nullptr;
  if constexpr (!kCompact) {
    if (k == 3 && s.stride_w == 1) return band<3, 1, T>;
    if (k == 3 && s.stride_w == 2) return band<3, 2, T>;
    if (k == 5 && s.stride_w == 1) return band<5, 1, T>;
    if (k == 5 && s.stride_w == 2) return band<5, 2, T>;
    if constexpr (T == kWide)
      if (k == 7 && s.stride_w == 1) return band<7, 1, T>;
  }
  return nullptr;
}

// ---- any window

/// The taps that outputs side by side have in common: the first one of the first output, and the steps from one to the next, in elements.
struct Window {
  const float *x, *weights;
  int64_t rows, columns;
  int64_t low, low_row;   ///< the row before which x goes another way than by x_row, and by how much
  int64_t x_row, x_column, x_output, weights_row, weights_block;
  int64_t at;  ///< of the first output in Y
};

/// T outputs times N blocks from b on. Few: there are fewer channels than a vector has.
template <int T, int N, bool Few>
inline void sums(const Part& p, const Window& w, int64_t b) {
  const int64_t channels = p.channels(), n = Few ? channels : W;
  int64_t c[N];
  V a[T * N];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
    c[i] = p.first_channel(b + i);
    const V begin = p.bias ? load_up_to(p.bias + c[i], n) : V{};
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) a[t * N + i] = begin;
  }
  const float *row = w.x, *k_row = w.weights + b * w.weights_block;
  for (int64_t r = 0; r < w.rows; ++r, row += r == w.low ? w.low_row : w.x_row, k_row += w.weights_row) {
    const float *x = row, *k = k_row;
    for (int64_t j = w.columns; j > 0; --j, x += w.x_column, k += W)
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) {
        const V v = load(k + i * w.weights_block);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) a[t * N + i] = fma(load_up_to(x + t * w.x_output + c[i], n), v, a[t * N + i]);
      }
  }
  put(p, a, n, [&](int i) { return w.at + i / N * channels + c[i % N]; });
}

template <int T, int N>
void outputs(const Part& p, int64_t oy, int64_t ox, Taps h, Taps v) {
  const ConvShape& s = p.s;
  const int64_t channels = p.channels(), top = oy * s.stride_h - s.pad_top + h.begin * s.dilation_h, left = ox * s.stride_w - s.pad_left + v.begin * s.dilation_w;
  const int64_t before = p.ring.first_low - top, low = before <= 0 ? 0 : (before + s.dilation_h - 1) / s.dilation_h, x_row = s.dilation_h * s.in_w * channels;
  const Window w{p.x + (top * s.in_w + left) * channels - (low == 0 ? p.ring.size : 0), p.weights + (h.begin * s.kernel_w + v.begin) * W, h.end - h.begin, v.end - v.begin,
                 low, x_row - p.ring.size, x_row, s.dilation_w * channels, s.stride_w * channels, s.kernel_w * W, s.kernel_h * s.kernel_w * W, p.point(oy, ox)};
  int64_t b = p.begin;
  if (channels < W) {
    sums<T, 1, true>(p, w, b);
  } else {
    for (; b + N <= p.end; b += N) sums<T, N, false>(p, w, b);
    for (; b < p.end; ++b) sums<T, 1, false>(p, w, b);
  }
  if (!p.clips) finish(p, oy, ox, T);
}

template <int T>
void any_band(const Part& p, int64_t oy0, int64_t oy1) {
  const ConvShape& s = p.s;
  const auto columns = [&](int64_t ox) { return taps_between(ox, s.stride_w, s.pad_left, s.kernel_w, s.dilation_w, 0, s.in_w); };
  for (int64_t oy = oy0; oy < oy1; ++oy) {
    const Taps h = taps_between(oy, s.stride_h, s.pad_top, s.kernel_h, s.dilation_h, 0, s.in_h);
    for (int64_t ox = 0; ox < s.out_w;) {
      const Taps w = columns(ox), last = columns(ox + T - 1);
      if (ox + T <= s.out_w && w.begin == last.begin && w.end == last.end) outputs<T, 1>(p, oy, ox, h, w), ox += T;
      else outputs<1, 4>(p, oy, ox, h, w), ++ox;
    }
  }
}

Band band_of(const ConvShape& s) {
  const bool wide = s.out_w >= kWide && (s.kernel_w == 7 || 7 * round_up(s.out_w, kWide) <= 8 * round_up(s.out_w, kNarrow));
  const Band fast = wide ? unrolled<kWide>(s) : s.out_w >= kNarrow ? unrolled<kNarrow>(s) : nullptr;
  return fast ? fast : wide ? any_band<kWide> : any_band<kNarrow>;
}

void run_depthwise_last(const plan::Call& call) {
  const DepthwiseLastParams& p = *static_cast<const DepthwiseLastParams*>(call.params);
  const ConvShape& s = p.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const Activation act = p.epilogue.activation;
  const bool relu = act == Activation::relu, clip = act == Activation::clip;
  const Band band = band_of(s);
  const int64_t blocks = (s.out_channels + W - 1) / W, in_size = s.in_h * s.in_w * s.in_channels, out_size = s.out_h * s.out_w * s.out_channels;
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t part = piece % p.parts, oy = int64_t{piece / p.parts % p.bands} * p.rows, image = piece / p.parts / p.bands;
    const Part at{s, x + image * in_size, weights, bias, residual ? residual + image * out_size : nullptr, y + image * out_size, part * blocks / p.parts, (part + 1) * blocks / p.parts,
                  {s.in_h - p.low_rows, p.ring_rows * s.in_w * s.in_channels}, p.epilogue, relu || clip || act == Activation::none, relu ? 0 : clip ? p.epilogue.p0 : -__builtin_inff(), clip ? p.epilogue.p1 : __builtin_inff()};
    band(at, oy, least(s.out_h, oy + p.rows));
  }
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_last_f32", run_depthwise_last}};

}  // namespace

extern const std::span<const Kernel> kDepthwiseLast;
constinit const std::span<const Kernel> kDepthwiseLast = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
