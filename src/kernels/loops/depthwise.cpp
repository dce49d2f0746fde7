// depthwise_f32: each output channel from one input channel; a piece is some planes. 3x3 and 5x5 with stride 1 or 2 read the image in place, with
// masks at the left and right edge and a row of zeros above and below. Every other kernel works on padded strips of some rows, on groups of
// output vectors that share each broadcast weight. Contract in kernels/conv.hpp.
#include "kernels/conv.hpp"

#include "kernels/loops/activate.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/strip.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int64_t kMaxColumns = 32;
constexpr int64_t kBandBytes = 8 << 10;  // of the image, walked column by column

struct Finish {
  float bias;
  const Epilogue* epilogue;
  const float* residual;  ///< of the plane, or null
  float* y;               ///< the plane
  int64_t points;         ///< in it: up to here, what a whole vector writes too much is overwritten by the next

  /// Stores n lanes at `at`; where n < W, what follows in the plane is stored later.
  void operator()(V v, int64_t at, int64_t n) const {
    v = v + splat(bias);
    if (residual) v = v + load_up_to(residual + at, n);
    if (epilogue->activation == Activation::clip)
      v = min(splat(epilogue->p1), max(splat(epilogue->p0), v));
    else if (epilogue->activation != Activation::none)
      v = activate_any(v, epilogue->activation, epilogue->p0, epilogue->p1);
    if (n >= W || at + W <= points)
      store(y + at, v);
    else
      store_n(y + at, v, static_cast<int>(n));
  }
};

// ---- 3x3 and 5x5 in place: columns of W outputs from the top down, so that each input row is loaded once

/// The loads of one row for W outputs. Stride 1: K vectors, one element apart. Stride 2: pairs (p, p + W), two elements apart, from which the
/// even and the odd elements are taken.
template <int K, int kStride>
inline constexpr int kLoads = kStride == 1 ? K : K + 1;
template <int kStride>
constexpr int64_t load_at(int i) { return kStride == 1 ? i : i / 2 * 2 + i % 2 * W; }
/// The loads that leave the row at its left and right edge, where the padding is at most K / 2.
template <int K, int kStride>
constexpr bool at_left(int i) { return kStride == 1 ? i < K / 2 : i % 2 == 0 && i < K - 1; }
template <int K, int kStride>
constexpr bool at_right(int i) { return kStride == 1 ? i > K / 2 : i % 2 == 1 && i > 1; }

/// The K taps along x of one row. Left, Right: the loads at that edge are masked.
template <int K>
struct Row {
  V v[K];
};
template <int K, int kStride, bool Left, bool Right, bool All>
inline Row<K> load_row(const float* p, const I* mask) {
  V l[kLoads<K, kStride>];
#pragma GCC unroll 6
  for (int i = 0; i < kLoads<K, kStride>; ++i) {
    const bool masked = All || (Left && at_left<K, kStride>(i)) || (Right && at_right<K, kStride>(i));
    l[i] = masked ? load_masked(p + load_at<kStride>(i), mask[i]) : load(p + load_at<kStride>(i));
  }
  Row<K> r;
#pragma GCC unroll 5
  for (int i = 0; i < K; ++i) r.v[i] = kStride == 1 ? l[i] : i % 2 == 0 ? block_even(l[i], l[i + 1]) : block_odd(l[i - 1], l[i]);
  return r;
}

template <int K>
inline V add_row(const V* k, const Row<K>& r, V a) {
#pragma GCC unroll 5
  for (int i = 0; i < K; ++i) a = fma(k[i], r.v[i], a);
  return a;
}

template <int K>
inline V first_row(const V* k, const Row<K>& r) {
  V a = k[0] * r.v[0];
#pragma GCC unroll 5
  for (int i = 1; i < K; ++i) a = fma(k[i], r.v[i], a);
  return a;
}

template <bool B>
struct Flag {
  static constexpr bool value = B;
};

template <int K, int kStride, bool Left, bool Right, bool All>
void column(const ConvShape& s, const float* x, const float* zeros, const V* k, const I* mask, int64_t ox, int64_t oy0, int64_t oy1, const Finish& finish) {
  const int64_t shift = ox * kStride - s.pad_left, n = s.out_w - ox;
  const auto row = [&](int64_t r) {
    const int64_t iy = r - s.pad_top;
    return load_row<K, kStride, Left, Right, All>((iy >= 0 && iy < s.in_h ? x + iy * s.in_w : zeros) + shift, mask);
  };
  // Sums of outputs that are not complete, the oldest first. Rows come in steps of the stride; a step completes the oldest.
  constexpr int kOpen = (K - 1) / kStride;
  V a[kOpen] = {};
  const auto step = [&](int64_t y, auto complete) __attribute__((always_inline)) {
    const Row<K> r = row(y * kStride);
    V done{};
    if constexpr (complete.value) done = add_row<K>(k + (K - 1) * K, r, a[0]);
    if constexpr (kStride == 1) {
#pragma GCC unroll 4
      for (int j = 1; j < kOpen; ++j) a[j - 1] = add_row<K>(k + (K - 1 - j) * K, r, a[j]);
      a[kOpen - 1] = first_row<K>(k, r);
    } else {
      const Row<K> q = row(y * kStride + 1);
#pragma GCC unroll 2
      for (int j = 1; j < kOpen; ++j) a[j - 1] = add_row<K>(k + (K - 2 * j) * K, q, add_row<K>(k + (K - 1 - 2 * j) * K, r, a[j]));
      a[kOpen - 1] = add_row<K>(k + K, q, first_row<K>(k, r));
    }
    if constexpr (complete.value) finish(kStride == 1 ? done : in_order(done), (y - kOpen) * s.out_w + ox, n);
  };
  for (int64_t y = oy0; y < oy0 + kOpen; ++y) step(y, Flag<false>{});
  for (int64_t y = oy0 + kOpen; y < oy1 + kOpen; ++y) step(y, Flag<true>{});
}

/// Columns of one geometry: where they begin and which loads need a mask.
struct Column {
  int64_t ox;
  int kind;  // 0 none, 1 those at the left, 2 at the right, 3 all
  I mask[6];
};

template <int K, int kStride>
Column plan_column(const ConvShape& s, int64_t ox) {
  Column c;
  c.ox = ox;
  bool left_only = true, right_only = true, none = true;
  for (int i = 0; i < kLoads<K, kStride>; ++i) {
    const int64_t start = ox * kStride - s.pad_left + load_at<kStride>(i);
    c.mask[i] = inside(start, s.in_w);
    const bool whole = start >= 0 && start + W <= s.in_w;
    none &= whole;
    left_only &= whole || at_left<K, kStride>(i);
    right_only &= whole || at_right<K, kStride>(i);
  }
  c.kind = none ? 0 : left_only ? 1 : right_only ? 2 : 3;
  return c;
}

template <int K, int kStride>
void plane(const ConvShape& s, const Column* columns, int64_t count, const float* x, const float* zeros, const float* w, const Finish& finish) {
  V k[K * K];
#pragma GCC unroll 25
  for (int i = 0; i < K * K; ++i) k[i] = splat(w[i]);
  const int64_t rows = most<int64_t>(4, kBandBytes / 4 / (kStride * s.in_w));
  for (int64_t y0 = 0; y0 < s.out_h; y0 += rows) {
    const int64_t y1 = least(s.out_h, y0 + rows);
    for (int64_t i = 0; i < count; ++i) {
      const Column& c = columns[i];
      switch (c.kind) {
        case 0: column<K, kStride, false, false, false>(s, x, zeros, k, c.mask, c.ox, y0, y1, finish); break;
        case 1: column<K, kStride, true, false, false>(s, x, zeros, k, c.mask, c.ox, y0, y1, finish); break;
        case 2: column<K, kStride, false, true, false>(s, x, zeros, k, c.mask, c.ox, y0, y1, finish); break;
        default: column<K, kStride, false, false, true>(s, x, zeros, k, c.mask, c.ox, y0, y1, finish); break;
      }
    }
  }
}

struct InPlace {
  Column (*plan)(const ConvShape&, int64_t ox) = nullptr;
  void (*plane)(const ConvShape&, const Column*, int64_t, const float*, const float*, const float*, const Finish&) = nullptr;
};
InPlace in_place(const ConvShape& s) {
  if (kCompact || s.kernel_h != s.kernel_w || s.dilation_w != 1 || s.dilation_h != 1 || s.stride_w != s.stride_h || s.out_w > (kMaxColumns - 1) * W) return {};
  if (s.kernel_w == 3 && s.stride_w == 1) return {plan_column<3, 1>, plane<3, 1>};
  if (s.kernel_w == 3 && s.stride_w == 2) return {plan_column<3, 2>, plane<3, 2>};
  if (s.kernel_w == 5 && s.stride_w == 1) return {plan_column<5, 1>, plane<5, 1>};
  if (s.kernel_w == 5 && s.stride_w == 2) return {plan_column<5, 2>, plane<5, 2>};
  return {};
}

// ---- any kernel, from strips

constexpr int kGroup = 4;

/// Output vectors of a band: where their first tap stands in the strip, where they go in the band.
struct Places {
  int32_t from, at, n;
};

int64_t plan_places(const ConvParams& c, int64_t rows, int64_t row_in, Places* places) {
  int64_t count = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t x = 0; x < c.shape.out_w; x += W)
      places[count++] = {static_cast<int32_t>(r * row_in + x), static_cast<int32_t>(r * c.shape.out_w + x), static_cast<int32_t>(c.shape.out_w - x)};
  const int64_t whole = count;
  for (; count % kGroup != 0; ++count) places[count] = places[0];  // computed, not stored
  return whole;
}

void band(const float* strip, const Places* places, int64_t count, const float* w, const int32_t* tap, int taps, const Finish& finish, int64_t at) {
  for (int64_t i = 0; i < count; i += kGroup) {
    V a0{}, a1{}, a2{}, a3{};
    const float *p0 = strip + places[i].from, *p1 = strip + places[i + 1].from, *p2 = strip + places[i + 2].from, *p3 = strip + places[i + 3].from;
    for (int t = 0; t < taps; ++t) {
      const V k = splat(w[t]);
      const int64_t d = tap[t];
      a0 = fma(k, load(p0 + d), a0);
      a1 = fma(k, load(p1 + d), a1);
      a2 = fma(k, load(p2 + d), a2);
      a3 = fma(k, load(p3 + d), a3);
    }
    finish(a0, at + places[i].at, places[i].n);
    if (i + 1 < count) finish(a1, at + places[i + 1].at, places[i + 1].n);
    if (i + 2 < count) finish(a2, at + places[i + 2].at, places[i + 2].n);
    if (i + 3 < count) finish(a3, at + places[i + 3].at, places[i + 3].n);
  }
}

void fill_band(const ConvParams& c, const float* plane, int64_t oy, int64_t strip_rows, float* strip) {
  const ConvShape& s = c.shape;
  const int64_t row_step = s.kernel_h == 1 ? s.stride_h : 1, phases = s.kernel_w == 1 ? 1 : s.stride_w, phase_width = c.strip_width / phases;
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
}

void run_depthwise(const plan::Call& call) {
  const ConvParams& c = *static_cast<const ConvParams*>(call.params);
  const ConvShape& s = c.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int taps = static_cast<int>(s.kernel_h * s.kernel_w);
  const int64_t points = s.out_h * s.out_w, planes = s.batch * s.out_channels, multiplier = s.out_channels / s.in_channels;
  const int64_t begin = int64_t{call.begin} * c.m_block, end = least(planes, int64_t{call.end} * c.m_block);
  const InPlace fast = in_place(s);
  auto* scratch = reinterpret_cast<float*>(call.scratch);

  const int64_t stride = s.kernel_h == 1 ? 1 : s.stride_h, phases = s.kernel_w == 1 ? 1 : s.stride_w, phase_width = c.strip_width / phases;
  auto* tap = reinterpret_cast<int32_t*>(scratch);
  auto* places = reinterpret_cast<Places*>(scratch + round_up(taps, 16));
  float* strip = scratch + round_up(taps, 16) + round_up(3 * (c.n_block * ((s.out_w + W - 1) / W) + kGroup), 16);
  Column columns[kMaxColumns];
  int64_t planned_rows = -1, count = 0;
  if (fast.plane) {
    fill_zero(scratch, s.in_w + 4 * W);
    for (int64_t ox = 0; ox < s.out_w; ox += W) columns[count++] = fast.plan(s, most<int64_t>(0, least(ox, s.out_w - W)));
  } else {
    for (int64_t ky = 0; ky < s.kernel_h; ++ky)
      for (int64_t kx = 0; kx < s.kernel_w; ++kx)
        tap[ky * s.kernel_w + kx] = static_cast<int32_t>(ky * s.dilation_h * c.strip_width + kx * s.dilation_w % s.stride_w * phase_width + kx * s.dilation_w / s.stride_w);
  }
  for (int64_t p = begin; p < end; ++p) {
    const int64_t m = p % s.out_channels;
    const float* image = x + (p / s.out_channels * s.in_channels + m / multiplier) * s.in_h * s.in_w;
    const float* w = weights + m * taps;
    const Finish finish{bias ? bias[m] : 0, &c.epilogue, residual ? residual + p * points : nullptr, y + p * points, points};
    if (fast.plane) {
      fast.plane(s, columns, count, image, scratch + W, w, finish);
      continue;
    }
    for (int64_t oy = 0; oy < s.out_h; oy += c.n_block) {
      const int64_t rows = least<int64_t>(c.n_block, s.out_h - oy);
      if (rows != planned_rows) count = plan_places(c, rows, stride * c.strip_width, places), planned_rows = rows;
      fill_band(c, image, oy, (rows - 1) * stride + (s.kernel_h - 1) * s.dilation_h + 1, strip);
      band(strip, places, count, w, tap, taps, finish, oy * s.out_w);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_f32", run_depthwise}};

}  // namespace

extern const std::span<const Kernel> kDepthwise;
constinit const std::span<const Kernel> kDepthwise = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
