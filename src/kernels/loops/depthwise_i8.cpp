// depthwise_i8: sums of a block of channels by pairs of taps, with VNNI by fours. 3x3 and 5x5 windows go by tiles of neighbouring results, which share what a column of the image is read as;
// any other one result at a time by pairs. A row of results has a table of the columns under it; what lies beyond the image points to a row of zero points. Pieces are bands of rows of
// the result. Contract in kernels/conv_i8.hpp.
#include "kernels/conv_i8.hpp"

#include "kernels/loops/rescale.hpp"

#if SAHA_ISA_LEVEL == 3
namespace saha::kernels::SAHA_ISA_BELOW {
void run_depthwise_i8(const plan::Call& call);
}
#endif

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kTile = kDepthwiseTile;
constexpr bool kFlips = depthwise_flips(W);

using Bytes = const std::uint8_t*;

/// One row of results.
struct Row {
  const ConvI8Params& c;
  const Bytes* columns;               ///< of the image, from the first window's on: kernel_h taps each
  const int32_t *weights, *tables;
  Bytes* taps;                        ///< for those of one window
  std::uint8_t* y;
  int64_t channels, bytes;            ///< of a result's number
  PutRows put;
  const Bounds& bounds;
  B flip;                             ///< by which X is read, where kFlips

  int64_t first_channel(int64_t block) const { return most<int64_t>(0, least(block * kBlock, channels - kBlock)); }
  const int32_t* weights_of(int64_t block) const { return weights + block * c.units * kBlock; }
  const int32_t* table_of(int64_t block) const { return tables + block * 2 * kRescaleRows * W; }
  /// Stores a block of n results from `ox` on.
  void put_block(const I (*sums)[2], int64_t ox, int64_t n, int64_t block) const {
    const int64_t c0 = first_channel(block);
    put(sums, n, table_of(block), bounds, y + (ox * channels + c0) * bytes, channels * bytes, least<int64_t>(kBlock, channels - c0));
  }
};

#if SAHA_ISA_LEVEL == 3
typedef int32_t Sums __attribute__((vector_size(32)));   // of 8 channels, in the order of interleaved()
inline Sums load_sums(const int32_t* p) { return reinterpret_cast<Sums>(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }

/// Bytes of four blocks beside one another: lane l of vector v is those of channel 16 (l / 4) + 4 v + l % 4.
inline void interleaved(const B (&rows)[4], Sums (&to)[4]) {
  const auto of = [&](int i) { return reinterpret_cast<__m256i>(rows[i]); };
  const __m256i low[2] = {_mm256_unpacklo_epi8(of(0), of(1)), _mm256_unpacklo_epi8(of(2), of(3))}, high[2] = {_mm256_unpackhi_epi8(of(0), of(1)), _mm256_unpackhi_epi8(of(2), of(3))};
  to[0] = reinterpret_cast<Sums>(_mm256_unpacklo_epi16(low[0], low[1])), to[1] = reinterpret_cast<Sums>(_mm256_unpackhi_epi16(low[0], low[1]));
  to[2] = reinterpret_cast<Sums>(_mm256_unpacklo_epi16(high[0], high[1])), to[3] = reinterpret_cast<Sums>(_mm256_unpackhi_epi16(high[0], high[1]));
}
inline Sums plus_product(Sums sum, Sums x, Sums w) {
#if SAHA_INTRINSICS >= 3
  return reinterpret_cast<Sums>(_mm256_dpbusd_epi32(reinterpret_cast<__m256i>(sum), reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(w)));
#else
  typedef std::int8_t Signed __attribute__((vector_size(32)));
  const B a = reinterpret_cast<B>(x);
  const Signed b = reinterpret_cast<Signed>(w);
  for (int i = 0; i < 32; ++i) sum[i / 4] = static_cast<int32_t>(static_cast<std::uint32_t>(sum[i / 4]) + static_cast<std::uint32_t>(int32_t{a[i]} * b[i]));
  return sum;
#endif
}

/// kTile results side by side, whose columns begin at `at`.
template <int K, int Stride>
inline void tile(const Bytes* at, int64_t channel, B flip, const int32_t* w, const int32_t* begin, Sums (&sums)[kTile][4]) {
  constexpr int kColumns = (kTile - 1) * Stride + K;
#pragma GCC unroll 4
  for (int i = 0; i < kTile; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[i][v] = load_sums(begin + 8 * v);
  const auto add = [&](int i, const Sums (&x)[4], int unit) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[i][v] = plus_product(sums[i][v], x[v], load_sums(w + unit * kBlock + 8 * v));
  };
  const auto load_tap = [&](int column, int row) { return load(at[column * K + row] + channel) ^ flip; };
#pragma GCC unroll 16
  for (int j = 0; j < kColumns; ++j) {
    Sums x[4];
    interleaved({load_tap(j, 0), load_tap(j, 1), load_tap(j, 2), load_tap(j, K == 3 ? 2 : 3)}, x);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i)
      if (const int k = j - i * Stride; k >= 0 && k < K) add(i, x, k);
  }
  if constexpr (K == 5) {   // the last row, by four columns
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; j += 4) {
      Sums x[4];
      interleaved({load_tap(j, 4), load_tap(least(j + 1, kColumns - 1), 4), load_tap(least(j + 2, kColumns - 1), 4), load_tap(least(j + 3, kColumns - 1), 4)}, x);
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) {
        const int first = i * Stride, unit = K + 2 * (first % 4);
        if (j == first / 4 * 4) add(i, x, unit);
        if (j == first / 4 * 4 + 4) add(i, x, unit + 1);
      }
    }
  }
}
/// A block of sums by the usual rule, real_near, as unsigned bytes, 0 to 255.
inline B stored_near(const Sums (&sums)[4], const int32_t* scales, const Bounds& bounds) {
  __m256i n[4];
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) n[v] = _mm256_cvtps_epi32(_mm256_cvtepi32_ps(reinterpret_cast<__m256i>(sums[v])) * _mm256_loadu_ps(reinterpret_cast<const float*>(scales + 8 * v)));
  const __m256i zero = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&bounds.narrow_zero));
  return reinterpret_cast<B>(_mm256_packus_epi16(_mm256_adds_epi16(_mm256_packs_epi32(n[0], n[1]), zero), _mm256_adds_epi16(_mm256_packs_epi32(n[2], n[3]), zero)));
}
/// Stores a tile by any other rule.
[[gnu::noinline]] void put_tile(const Row& r, const int32_t (&sums)[kTile][4][8], int64_t ox, int64_t block) {
  I of[kTile][2];   // in the order of rescaling
#pragma GCC unroll 1
  for (int i = 0; i < kTile * kBlock; ++i) {
    const int v = i / 8 % 4, l = i % 8;
    of[i / kBlock][v % 2][v / 2 * 4 + l / 4 * 8 + l % 4] = sums[i / kBlock][v][l];
  }
  r.put_block(of, ox, kTile, block);
}
template <int K, int Stride>
void row_by_tiles(const Row& r) {
  const int64_t out_w = r.c.shape.out_w;
  const bool near = r.c.store.rule == Rescaling::real_near && r.bounds.all_unsigned;
  for (int64_t ox = 0; ox < out_w; ox += kTile) {
    const int64_t at = least(ox, out_w - kTile);   // the last tile reaches back
    for (int64_t p = 0; p < r.c.panels; ++p) {
      const int64_t channel = r.first_channel(p);
      const int32_t *w = r.weights_of(p), *begin = w + (r.c.units - kDepthwiseTables) * kBlock;
      Sums sums[kTile][4];
      tile<K, Stride>(r.columns + at * Stride * K, channel, r.flip, w, begin, sums);
      std::uint8_t* y = r.y + at * r.channels + channel;
      if (near) {
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) store(y + i * r.channels, stored_near(sums[i], begin + kBlock, r.bounds));
        continue;
      }
      int32_t stored_sums[kTile][4][8];   // those above stay in registers
      memcpy(stored_sums, sums, sizeof sums);
      put_tile(r, stored_sums, at, p);
    }
  }
}
auto row_of(const ConvShape& s) -> void (*)(const Row&) {
  if (s.kernel_h == 3) return s.stride_w == 1 ? row_by_tiles<3, 1> : row_by_tiles<3, 2>;
  return s.stride_w == 1 ? row_by_tiles<5, 1> : row_by_tiles<5, 2>;
}
#else
template <bool Signed>
inline S read(B x, B flip) { return kFlips ? widened(x ^ flip, false) : widened(x, Signed); }
/// add_unit() where it stands: g++ would add products of all columns in an order of its own, and keep them in memory until then.
inline void add(I& a, I& b, const Beside& x, const int32_t* w) {
  add_unit(a, b, x, w);
  keep_place(a), keep_place(b);
}

/// kTile results side by side, whose columns begin at `at`.
template <bool Signed, int K, int Stride>
inline void tile(const Bytes* at, int64_t channel, B flip, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  constexpr int kColumns = (kTile - 1) * Stride + K, kPairs = K / 2;   // of a column, but for the last tap
  const I first = load(t), second = load(t + kRescaleRows * W);
  I a[kTile], b[kTile];
#pragma GCC unroll 4
  for (int i = 0; i < kTile; ++i) a[i] = first, b[i] = second;
  const auto load_tap = [&](int i) { return read<Signed>(load(at[i] + channel), flip); };
  S before{};   // the last tap of the column before
#pragma GCC unroll 16
  for (int j = 0; j <= kColumns; ++j) {
    if (j < kColumns) {
#pragma GCC unroll 2
      for (int v = 0; v < kPairs; ++v) {
        const Beside x = beside(load_tap(j * K + 2 * v), load_tap(j * K + 2 * v + 1));
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i)
          if (j - i * Stride >= 0 && j - i * Stride < K) add(a[i], b[i], x, w + ((j - i * Stride) * kPairs + v) * kBlock);
      }
    }
    // Last taps, a column and the next one: those of odd columns are seconds, behind the window by a weight of 0.
    const S last = j < kColumns ? load_tap(j * K + K - 1) : before;
    const Beside x = beside(before, last);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i)
      if (const int k = j - 1 - i * Stride; k >= 0 && k < K && k % 2 == 0) add(a[i], b[i], x, w + (K * kPairs + k / 2) * kBlock);
    before = last;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kTile; ++i) sums[i][0] = a[i], sums[i][1] = b[i];
}
template <bool Signed, int K, int Stride>
void row_by_tiles(const Row& r) {
  const int64_t out_w = r.c.shape.out_w;
  const bool near = r.c.store.rule == Rescaling::real_near;
  for (int64_t ox = 0; ox < out_w; ox += kTile) {
    const int64_t at = least(ox, out_w - kTile);   // the last tile reaches back
    for (int64_t p = 0; p < r.c.panels; ++p) {
      const int64_t channel = r.first_channel(p);
      const int32_t* t = r.table_of(p);
      I sums[kTile][2];
      tile<Signed, K, Stride>(r.columns + at * Stride * K, channel, r.flip, r.weights_of(p), t, sums);
      if (!near) {
        I stored_sums[kTile][2];   // those above stay in registers
        memcpy(stored_sums, sums, sizeof sums);
        r.put_block(stored_sums, at, kTile, p);
        continue;
      }
      put_near<kTile>(sums, t, r.bounds, r.y + at * r.channels + channel, r.channels);   // the usual rule, without a call
    }
  }
}

/// Any window. Its taps are found in the order of the packed weights (conv_i8.cpp, depthwise_taps).
template <bool Signed>
void row_by_taps(const Row& r) {
  const ConvShape& s = r.c.shape;
  const int64_t even = s.kernel_h / 2 * 2;
  for (int64_t ox = 0; ox < s.out_w; ++ox) {
    const Bytes* from = r.columns + ox * s.stride_w * s.kernel_h;
    Bytes* to = r.taps;
    const auto column = [&](int64_t kx) { return from + kx * s.dilation_w * s.kernel_h; };
    for (int64_t kx = 0; kx < s.kernel_w; ++kx)
      for (int64_t ky = 0; ky < even; ++ky) *to++ = column(kx)[ky];
    if (even < s.kernel_h)
      for (int64_t kx = 0; kx < s.kernel_w; ++kx) *to++ = column(kx)[even];
    if (s.kernel_h * s.kernel_w % 2 != 0) *to = r.taps[0];   // its weights are 0
    for (int64_t p = 0; p < r.c.panels; ++p) {
      const int32_t *w = r.weights_of(p), *t = r.table_of(p);
      const int64_t c0 = r.first_channel(p);
      I sums[1][2] = {{load(t), load(t + kRescaleRows * W)}};
      for (int64_t u = 0; u < r.c.units; ++u, w += kBlock) {
        const auto load_tap = [&](int64_t i) { return read<Signed>(load_part(r.taps[i] + c0, r.channels), r.flip); };
        add_unit(sums[0][0], sums[0][1], beside(load_tap(2 * u), load_tap(2 * u + 1)), w);
      }
      r.put_block(sums, ox, 1, p);
    }
  }
}

template <bool Signed>
auto row_of(const ConvShape& s) -> void (*)(const Row&) {
  const int64_t k = s.kernel_h, stride = s.stride_w;
  if constexpr (!kCompact) {
    if (k == s.kernel_w && s.dilation_w == 1 && s.out_w >= kTile && s.in_channels >= kBlock) {
      if (k == 3 && stride == 1) return row_by_tiles<Signed, 3, 1>;
      if (k == 3 && stride == 2) return row_by_tiles<Signed, 3, 2>;
      if (k == 5 && stride == 1) return row_by_tiles<Signed, 5, 1>;
      if (k == 5 && stride == 2) return row_by_tiles<Signed, 5, 2>;
    }
  }
  return row_by_taps<Signed>;
}
#endif

}  // namespace

void run_depthwise_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
#if SAHA_ISA_LEVEL == 3
  if (c.dot != Dot::quads) return SAHA_ISA_BELOW::run_depthwise_i8(call);
  const auto row = row_of(s);
#else
  const auto row = !kFlips && c.x_signed ? row_of<!kFlips>(s) : row_of<false>(s);
#endif
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  const int64_t channels = s.in_channels, columns = depthwise_columns(s), bytes = stored_bytes(c.store.rule);
  auto** table = reinterpret_cast<Bytes*>(call.scratch);
  auto** taps = table + columns * s.kernel_h;
  auto* outside = reinterpret_cast<std::uint8_t*>(taps + 2 * int64_t{c.units});
  memset(outside, c.x_zero & 0xff, static_cast<size_t>(channels));
  const Bounds bounds(c.store);
  const PutRows put = put_rows_of(c.store.rule);
  const auto flip = static_cast<std::uint8_t>(c.x_signed ? 128 : 0);
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t image = piece / c.m_blocks, oy0 = int64_t{piece % c.m_blocks} * c.m_block;
    for (int64_t oy = oy0; oy < least(s.out_h, oy0 + c.m_block); ++oy) {
      for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
        const int64_t at = oy * s.stride_h - s.pad_top + ky * s.dilation_h;
        const bool inside = at >= 0 && at < s.in_h;
        const std::uint8_t* from = x + (image * s.in_h + at) * s.in_w * channels;
        Bytes *to = table + ky, *const first = to + (inside ? least(s.pad_left, columns) : columns) * s.kernel_h, *const last = to + least(s.pad_left + s.in_w, columns) * s.kernel_h, *const end = to + columns * s.kernel_h;
        const auto fill = [&](Bytes* until, Bytes tap, int64_t step) {
          for (; to < until; to += s.kernel_h, tap += step) {
            keep_address(tap);   // vectors would be long code for it
            *to = tap;
          }
        };
        fill(first, outside, 0), fill(last, from, channels), fill(end, outside, 0);
      }
      row({c, table, packed, packed + c.tables, taps, y + (image * s.out_h + oy) * s.out_w * channels * bytes, channels, bytes, put, bounds, B{} + flip});
    }
  }
}

namespace {

constexpr Kernel kRowsOfTable[] = {{"depthwise_i8", run_depthwise_i8}};

}  // namespace

extern const std::span<const Kernel> kDepthwiseI8;
constinit const std::span<const Kernel> kDepthwiseI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
