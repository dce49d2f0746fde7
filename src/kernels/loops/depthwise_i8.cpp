// depthwise_i8: sums of a block of channels by pairs of taps. 3x3 and 5x5 windows go by tiles of neighbouring results, which share the pairs of a column of the image;
// any other one result at a time. A row of results has a table of the columns under it; what lies beyond the image points to a row of zero points. Pieces are bands of rows of
// the result. Contract in kernels/conv_i8.hpp.
#include "kernels/conv_i8.hpp"

#include "kernels/loops/rescale.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kTile = 4;              // results of a tile: with two vectors of sums each

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

  int64_t first_channel(int64_t block) const { return most<int64_t>(0, least(block * kBlock, channels - kBlock)); }
  const int32_t* weights_of(int64_t block) const { return weights + block * c.units * kBlock; }
  const int32_t* table_of(int64_t block) const { return tables + block * 2 * kRescaleRows * W; }
  /// Stores a block of n results from `ox` on.
  void put_block(const I (*sums)[2], int64_t ox, int64_t n, int64_t block) const {
    const int64_t c0 = first_channel(block);
    put(sums, n, table_of(block), bounds, y + (ox * channels + c0) * bytes, channels * bytes, least<int64_t>(kBlock, channels - c0));
  }
};

/// add_unit() where it stands: g++ would add products of all columns in an order of its own, and keep them in memory until then.
inline void add(I& a, I& b, const Beside& x, const int32_t* w) {
  add_unit(a, b, x, w);
  keep_place(a), keep_place(b);
}

/// kTile results side by side, whose columns begin at `at`.
template <bool Signed, int K, int Stride>
inline void tile(const Bytes* at, int64_t channel, const int32_t* w, const int32_t* t, I (*sums)[2]) {
  constexpr int kColumns = (kTile - 1) * Stride + K, kPairs = K / 2;   // of a column, but for the last tap
  const I first = load(t), second = load(t + kRescaleRows * W);
  I a[kTile], b[kTile];
#pragma GCC unroll 4
  for (int i = 0; i < kTile; ++i) a[i] = first, b[i] = second;
  const auto load_tap = [&](int i) { return widened(load(at[i] + channel), Signed); };
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
      tile<Signed, K, Stride>(r.columns + at * Stride * K, channel, r.weights_of(p), t, sums);
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
        const auto load_tap = [&](int64_t i) { return widened(load_part(r.taps[i] + c0, r.channels), Signed); };
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

void run_depthwise_i8(const plan::Call& call) {
  const ConvI8Params& c = *static_cast<const ConvI8Params*>(call.params);
  const ConvShape& s = c.shape;
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
  const auto row = c.x_signed ? row_of<true>(s) : row_of<false>(s);
  for (std::uint32_t piece = call.begin; piece < call.end; ++piece) {
    const int64_t image = piece / c.m_blocks, oy0 = int64_t{piece % c.m_blocks} * c.m_block;
    for (int64_t oy = oy0; oy < least(s.out_h, oy0 + c.m_block); ++oy) {
      for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
        const int64_t at = oy * s.stride_h - s.pad_top + ky * s.dilation_h;
        const std::uint8_t* from = x + (image * s.in_h + at) * s.in_w * channels;
        for (int64_t j = 0; j < columns; ++j) {
          const int64_t ix = j - s.pad_left;
          table[j * s.kernel_h + ky] = at < 0 || at >= s.in_h || ix < 0 || ix >= s.in_w ? outside : from + ix * channels;
        }
      }
      row({c, table, packed, packed + c.tables, taps, y + (image * s.out_h + oy) * s.out_w * channels * bytes, channels, bytes, put, bounds});
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"depthwise_i8", run_depthwise_i8}};

}  // namespace

extern const std::span<const Kernel> kDepthwiseI8;
constinit const std::span<const Kernel> kDepthwiseI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
