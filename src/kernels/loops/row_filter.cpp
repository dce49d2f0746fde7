// row_filter_f32: rows of the image as values at the points, then tiles of R output channels by N vectors of tiles of results, point by point. Contract in kernels/row_filter.hpp.
#include "kernels/row_filter.hpp"

#include "kernels/loops/activate.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/quads.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kMostPoints = 8;
constexpr int kMostChannels = 18;   ///< whose sums are finished together

/// What polynomials are multiplied by that have one of the points, or one pair, for zeros no longer: of x^2, lowest power first.
template <int Pairs>
struct Factors {
  float point[Pairs] = {}, all[Pairs + 1] = {1}, without[Pairs][Pairs] = {};
  constexpr Factors() {
    for (int i = 0; i < Pairs; ++i) {
      point[i] = row_filter_point(Pairs, i);
      times(all, i + 1, point[i]);
      without[i][0] = 1;
      for (int j = 0, degree = 0; j < Pairs; ++j)
        if (j != i) times(without[i], ++degree, row_filter_point(Pairs, j));
    }
  }
  static constexpr void times(float* c, int degree, float p) {
    for (int k = degree; k >= 0; --k) c[k] = (k > 0 ? c[k - 1] : 0) - (k < degree ? p * p * c[k] : 0);
  }
};
template <int Pairs>
constexpr Factors<Pairs> kFactors;

/// a * x + y.
inline V add_times(float a, V x, V y) { return a == 1 ? y + x : a == -1 ? y - x : fma(splat(a), x, y); }

/// The sum of c[k] d[2 k], of which the last factor is 1.
template <int N>
inline V even_sum(const float (&c)[N], const V* d) {
  V v = d[2 * (N - 1)];
#pragma GCC unroll 4
  for (int k = N - 2; k >= 0; --k) v = add_times(c[k], d[2 * k], v);
  return v;
}

/// Values of the polynomial with coefficients d at the points, up to the factors that the weights hold.
template <int Pairs>
inline void transform_input(const V (&d)[2 * Pairs + 2], V (&t)[2 * Pairs + 2]) {
  constexpr const Factors<Pairs>& f = kFactors<Pairs>;
  t[0] = even_sum(f.all, d), t[2 * Pairs + 1] = even_sum(f.all, d + 1);
#pragma GCC unroll 4
  for (int i = 0; i < Pairs; ++i) {
    const V even = even_sum(f.without[i], d + 2), odd = even_sum(f.without[i], d + 1);
    t[2 * i + 1] = add_times(f.point[i], odd, even), t[2 * i + 2] = add_times(-f.point[i], odd, even);
  }
}
template <int Pairs>
inline void transform_output(const V (&m)[2 * Pairs + 2], V (&y)[4]) {
  y[0] = m[0], y[1] = V{}, y[2] = V{}, y[3] = m[2 * Pairs + 1];
#pragma GCC unroll 4
  for (int i = 0; i < Pairs; ++i) {
    const float a = kFactors<Pairs>.point[i];
    const V sum = m[2 * i + 1] + m[2 * i + 2], difference = m[2 * i + 1] - m[2 * i + 2];
    y[0] = y[0] + sum;
    y[1] = i == 0 ? splat(a) * difference : add_times(a, difference, y[1]);
    y[2] = i == 0 ? splat(a * a) * sum : add_times(a * a, sum, y[2]);
    y[3] = add_times(a * a * a, difference, y[3]);
  }
}

/// A group of an image, and what is done with its sums.
struct Job {
  const RowFilterParams& p;
  const float* planes;      ///< [channels][points][plane]
  const int32_t* at;        ///< of each channel and row of the window, where its plane is read; pooled: then the same of odd rows
  int64_t depth;
  const float *bias, *residual;
  float* y;
  int64_t count;            ///< tiles that are done at once: of all rows, or of all pairs of rows
  int64_t block, wider;     ///< channels that are done at once, and how many blocks have one more
};

/// The channels of a group at all points.
template <int Pairs>
void transform_image(const RowFilterParams& p, const float* x, int64_t x_channel, const int32_t* where, int64_t vectors, float* to) {
  constexpr int kPoints = 2 * Pairs + 2;
  for (int64_t c = p.shape.in_channels / p.shape.groups; c > 0; --c, x += x_channel, to += kPoints * p.plane) {
    for (int64_t v = 0; v < vectors; ++v) {
      V low[4], high[4], d[kPoints], t[kPoints];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) low[k] = load_quads(x, where + v * W + k), high[k] = load_quads(x + kPoints - 4, where + v * W + k);
      transpose_quads(low), transpose_quads(high);
#pragma GCC unroll 8
      for (int k = 0; k < kPoints; ++k) d[k] = k < 4 ? low[k & 3] : high[(k - kPoints + 4) & 3];
      transform_input<Pairs>(d, t);
#pragma GCC unroll 8
      for (int k = 0; k < kPoints; ++k) store(to + k * p.plane + v * W, t[k]);
    }
    for (int64_t i = vectors * W; i < p.plane; i += W)
      for (int k = 0; k < kPoints; ++k) store(to + k * p.plane + i, V{});
  }
}

template <int R, int N>
inline void add_products(V (&acc)[R][N], const float* w, const V (&x)[N]) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    const V wv = splat(w[i]);
#pragma GCC unroll 3
    for (int j = 0; j < N; ++j) acc[i][j] = fma(wv, x[j], acc[i][j]);
  }
}
/// Height: rows of the window of a pool, whose two rows of results share what they read; 0: any, without one.
template <int R, int N, int Height>
void multiply(const Job& b, int64_t tile, const float* w, float* sums, int64_t blocks) {
  const int64_t channel_sums = int64_t{b.p.points} * N * W;
  for (; blocks > 0; --blocks, sums += R * channel_sums) {
    const float* x = b.planes + tile;
    float* to = sums;
    for (int point = 0; point < b.p.points; ++point, x += b.p.plane, to += N * W) {
      V acc[R][N] = {};
      if constexpr (Height > 0) {
        const float* from = x;
        const int32_t *even = b.at, *odd = b.at + b.depth;
        const int64_t channel = int64_t{b.p.points} * b.p.plane;
#pragma GCC unroll 1
        for (int64_t d = b.depth; d > 0; d -= Height, from += channel) {
          V rows[2] = {{}, load(from + even[0])};
#pragma GCC unroll 5
          for (int ky = 0; ky < Height; ++ky, w += R) {
            rows[0] = rows[1], rows[1] = load(from + odd[ky]);
            add_products<R, 2>(acc, w, rows);
          }
        }
      } else {
#pragma GCC unroll 1
        for (int64_t d = 0; d < b.depth; ++d, w += R) {
          V xv[N];
#pragma GCC unroll 3
          for (int j = 0; j < N; ++j) xv[j] = load(x + b.at[d] + j * W);
          add_products<R, N>(acc, w, xv);
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) store(to + i * channel_sums + j * W, acc[i][j]);
    }
  }
}
using Multiply = void (*)(const Job& b, int64_t tile, const float* w, float* sums, int64_t blocks);
template <int N, int Height, int R>
constexpr Multiply multiply_of() {
  constexpr int kMost = row_filter_channels(Height > 0, W);
  if constexpr (R <= kMost && R >= row_filter_fewest_channels(kMost)) return multiply<R, N, Height>;
  else return nullptr;
}
/// By channels, less one.
template <int N, int Height>
constexpr Multiply kMultiply[8] = {multiply_of<N, Height, 1>(), multiply_of<N, Height, 2>(), multiply_of<N, Height, 3>(), multiply_of<N, Height, 4>(),
                                   multiply_of<N, Height, 5>(), multiply_of<N, Height, 6>(), multiply_of<N, Height, 7>(), multiply_of<N, Height, 8>()};

/// The activations but none, relu and clip, factors, residuals, and tiles that are cut off: results of one channel, `each` of every tile, from tile `first` on.
[[gnu::noinline]] void finish_any(const Job& b, float* results, int64_t each, int64_t first, int64_t channel) {
  const RowFilterParams& p = b.p;
  const Epilogue& e = p.epilogue;
  const int64_t width = p.pool ? p.shape.out_w / 2 : p.shape.out_w, height = p.pool ? p.shape.out_h / 2 : p.shape.out_h;
  for (int64_t t = 0; t < least<int64_t>(W, b.count - first); ++t, results += each) {
    const int64_t column = (first + t) % p.tiles * each, n = least(each, width - column), to = (channel * height + (first + t) / p.tiles) * width + column;
    if (n <= 0) continue;
    V v = load_n(results, static_cast<int>(n));
    if (b.residual) v = fma(load_n(b.residual + to, static_cast<int>(n)), splat(e.residual_scale), v);
    if (e.activation > Activation::clip || b.residual) v = activate_any(v, e.activation, e.p0, e.p1);
    store_n(b.y + to, v, static_cast<int>(n));
  }
}

inline V larger(V a, V b) { return select(a != a, a, max(a, b)); }

/// Sums at the points, [channels][points][n vectors], to results. Of a pool n is 2.
template <int Pairs, bool Pool>
void finish(const Job& b, int64_t tile, const float* sums, int64_t n, int channels, int64_t channel) {
  constexpr int kPoints = 2 * Pairs + 2;
  const int64_t vectors = Pool ? 2 : n;
  const Epilogue& e = b.p.epilogue;
  const ConvShape& s = b.p.shape;
  const bool clamps = (e.activation == Activation::relu || e.activation == Activation::clip) && !b.residual;
  const bool plain = e.activation <= Activation::clip && !b.residual;
  const V alpha = splat(e.alpha), lowest = splat(e.activation == Activation::clip ? e.p0 : 0), highest = splat(e.activation == Activation::clip ? e.p1 : __builtin_inff());
  const int64_t tiles_step = int64_t{b.p.tiles};
  for (int i = 0; i < channels; ++i, sums += kPoints * vectors * W, ++channel) {
    const V bias = splat(e.bias == Bias::per_row ? b.bias[channel] : 0);
    const auto bounded = [&](V v) {
      v = fma(v, alpha, bias);
      if (clamps) v = max(lowest, v);
      return e.activation == Activation::clip ? min(highest, v) : v;
    };
    const auto results_of = [&](int64_t j, V (&y)[4]) {
      V m[kPoints];
#pragma GCC unroll 8
      for (int k = 0; k < kPoints; ++k) m[k] = load(sums + (k * vectors + j) * W);
      transform_output<Pairs>(m, y);
    };
    if constexpr (Pool) {
      V left{}, right{};
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        V y[4];
        results_of(j, y);
        const V l = max(y[1], y[0]), r = max(y[2], y[3]);   // a NaN is in the outer ones
        left = j == 0 ? l : larger(left, l), right = j == 0 ? r : larger(right, r);
      }
      left = bounded(left), right = bounded(right);
      const bool whole = s.out_w == 4 * tiles_step && tile + W <= b.count;
      float results[2 * W + 2];
      float* to = whole ? b.y + channel * (s.out_h / 2) * (s.out_w / 2) + 2 * tile : results;
      store(to, interleave_low(left, right)), store(to + W, interleave_high(left, right));
      if (!whole) finish_any(b, results, 2, tile, channel);
    } else {
      for (int64_t j = 0; j < vectors; ++j) {
        const int64_t first = tile + j * W;
        V y[4];
        results_of(j, y);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) y[k] = bounded(y[k]);
        transpose_quads(y);
        const bool whole = plain && s.out_w == 4 * tiles_step && first + W <= b.count;
        float results[4 * W];
        float* to = whole ? b.y + channel * s.out_h * s.out_w + 4 * first : results;
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) store_quads(to + 4 * k, 16, y[k]);
        if (!whole) finish_any(b, results, 4, first, channel);
      }
    }
  }
}
using Finish = void (*)(const Job& b, int64_t tile, const float* sums, int64_t vectors, int channels, int64_t channel);

/// Some vectors of tiles of all output channels of the group.
[[gnu::noinline]] void all_channels(const Job& b, int64_t tile, const float* w, int64_t channels, int64_t vectors, const Multiply* multiply_by, Finish finish_sums) {
  alignas(64) float sums[kMostPoints * kMostChannels * 3 * W];
  const int64_t blocks = (channels - b.wider) / b.block, most_blocks = kMostChannels / (b.block + (b.wider > 0));
  for (int64_t m = 0, block = 0; block < blocks;) {
    const int64_t together = least(most_blocks, blocks - block), wide = most<int64_t>(0, least(together, b.wider - block)), n = together * b.block + wide;
    const float* rest = w + wide * (b.block + 1) * b.depth * b.p.points;
    if (wide > 0) multiply_by[b.block](b, tile, w, sums, wide);
    if (together > wide) multiply_by[b.block - 1](b, tile, rest, sums + wide * (b.block + 1) * b.p.points * vectors * W, together - wide);
    finish_sums(b, tile, sums, vectors, static_cast<int>(n), m);
    m += n, block += together, w += n * b.depth * b.p.points;
  }
}

template <int Pairs>
void filter(const plan::Call& call) {
  const RowFilterParams& p = *static_cast<const RowFilterParams*>(call.params);
  const ConvShape& s = p.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int64_t channels = s.in_channels / s.groups, m = s.out_channels / s.groups, depth = channels * s.kernel_h, phases = p.pool + 1, below = (p.rows + p.pool) >> p.pool;
  const int64_t tiles = p.tiles, vectors = (phases * below * tiles + W - 1) / W, results = p.pool ? (s.out_h / 2) * (s.out_w / 2) : s.out_h * s.out_w;
  auto* where = reinterpret_cast<int32_t*>(call.scratch);   // each tile begins in the image
  int32_t* at = where + round_up(vectors * W, 16);
  float* planes = reinterpret_cast<float*>(at + round_up(phases * depth, 16));
  float* image = planes + channels * p.points * p.plane;
  // Each row of a phase from the one before: the tables take as long to make as a part of the products.
  const int64_t half = below * tiles, row_step = int64_t{p.width} << p.pool;
  for (int64_t t = 0; t < tiles; ++t) where[t] = static_cast<int32_t>(4 * t);
  for (int64_t i = tiles; i < half; ++i) where[i] = static_cast<int32_t>(where[i - tiles] + row_step);
  for (int64_t i = half; i < phases * half; ++i) where[i] = where[i - half] + p.width;
  for (int64_t i = phases * half - (p.rows & p.pool) * tiles; i < vectors * W; ++i) where[i] = 0;   // no tile, or a row too many where they are odd
  for (int64_t phase = 0; phase < phases; ++phase, at += depth) {
    for (int64_t ky = 0, row = phase; ky < s.kernel_h; ++ky, row += s.dilation_h) at[ky] = static_cast<int32_t>(((row & p.pool) * below + (row >> p.pool)) * tiles);
    for (int64_t i = s.kernel_h; i < depth; ++i) at[i] = at[i - s.kernel_h] + p.points * p.plane;
  }
  at -= phases * depth;
  const int64_t most_channels = row_filter_channels(p.pool != 0, W), blocks = (m + most_channels - 1) / most_channels;
  for (int64_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t group = piece % s.groups;
    const float* from = x + piece * channels * s.in_h * s.in_w;
    if (!p.in_place) copy_padded(s, from, channels, p.rows, p.width, image);
    transform_image<Pairs>(p, p.in_place ? from : image, p.in_place ? s.in_h * s.in_w : int64_t{p.rows} * p.width, where, vectors, planes);
    const int64_t out_at = piece * m * results;
    const Job job = {p, planes, at, depth, bias ? bias + group * m : nullptr, residual ? residual + out_at : nullptr, y + out_at, (p.pool ? s.out_h / 2 : s.out_h) * tiles, m / blocks, m % blocks};
    const float* w = weights + group * m * depth * p.points;
    if (p.pool) {
      for (int64_t t = 0; t < job.count; t += W) all_channels(job, t, w, m, 2, kMultiply<2, 2 * Pairs - 1>, finish<Pairs, true>);
      continue;
    }
    const auto some = [&](int64_t first, int64_t n, const Multiply* multiply_by) { all_channels(job, first, w, m, n, multiply_by, finish<Pairs, false>); };
    int64_t t = 0;
    for (; t + 2 * W < job.count; t += 3 * W) some(t, 3, kMultiply<3, 0>);
    if (t + W < job.count) some(t, 2, kMultiply<2, 0>);
    else if (t < job.count) some(t, 1, kMultiply<1, 0>);
  }
}

void run_row_filter(const plan::Call& call) { static_cast<const RowFilterParams*>(call.params)->points == 6 ? filter<2>(call) : filter<3>(call); }

constexpr Kernel kRowsOfTable[] = {{"row_filter_f32", run_row_filter}};

}  // namespace

extern const std::span<const Kernel> kRowFilter;
constinit const std::span<const Kernel> kRowFilter = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
