// winograd_i8. Pieces are (image, block of tiles, block of panels), panels fastest; those of one block of tiles share its transform. Contract in kernels/winograd_i8.hpp.
#include "kernels/winograd_i8.hpp"

#include "kernels/loops/filter_tile.hpp"
#include "kernels/loops/integer_tile.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
/// Sums of `count` rows of units times a panel, two vectors a row.
using MultiplyRows = void (*)(const int32_t* rows, int64_t count, int64_t units, const int32_t* w, I (*sums)[2]);
}  // namespace saha::kernels::SAHA_ISA
#if SAHA_ISA_LEVEL == 3
namespace saha::kernels::SAHA_ISA_BELOW {
void filter(const plan::Call& call, SAHA_ISA::MultiplyRows multiply);
}
#endif

namespace saha::kernels::SAHA_ISA {
namespace {

#if SAHA_ISA_LEVEL == 3
using SAHA_ISA_BELOW::filter;   // whose transforms are as fast
void multiply_rows(const int32_t* rows, int64_t count, int64_t units, const int32_t* w, I (*sums)[2]) {
  const I zeros[kRescaleRows + 1] = {};
  Ahead ahead(w + units * AddedPairs::kStep, 4 * units * AddedPairs::kStep, (count + kMostRows - 1) / kMostRows, units);
  const RowPanel panel{w, reinterpret_cast<const int32_t*>(zeros), units, ahead};
  for (int64_t i = 0; i < count;) {
    const RowTiles& tile = next_tiles(kRowTiles<AddedPairs>, count - i, count);
    const int64_t at = least(i, count - tile.rows);
    tile.multiply(reinterpret_cast<const std::uint8_t*>(rows + at * units), 4 * units, panel, nullptr, sums + at, 1);
    i = at + tile.rows;
  }
}
#else
void multiply_rows(const int32_t* rows, int64_t count, int64_t units, const int32_t* w, I (*sums)[2]) {
  Ahead ahead(w + units * Pairs::kStep, 4 * units * Pairs::kStep, (count + kRows - 1) / kRows, requests(units));
  for (int64_t i = 0; i < count; i += kRows) tile_of<Pairs>(least<int64_t>(kRows, count - i), rows + i * units, units, w, I{}, I{}, ahead, sums + i);
}

/// Values of the polynomial with coefficients d at 0, 1, -1, 2, -2 and infinity, up to factors: 4, -6, -6, 24, 24 and 1 times those that a convolution takes.
inline void transform_input(const S (&d)[6], S (&t)[6]) {
  const S even = d[4] - (d[2] << 2), odd = d[3] - (d[1] << 2), e = d[4] - d[2], o = (d[3] - d[1]) << 1;
  t[0] = ((d[0] - d[2]) << 2) + e;
  t[1] = even + odd, t[2] = even - odd, t[3] = e + o, t[4] = e - o;
  t[5] = d[5] - d[3] - (o << 1);
}
/// 24, 12, 6 and 6 times the four results of a row or column.
inline void transform_output(const I (&m)[6], I (&y)[4]) {
  const I s1 = plus(m[1], m[2]), d1 = minus(m[1], m[2]), s2 = plus(m[3], m[4]), d2 = minus(m[3], m[4]);
  const I three = plus(m[0], m[0] << 1), last = plus(m[5], m[5] << 1);
  y[0] = plus(minus(three << 1, s1 << 2), s2);
  y[1] = minus(d2, d1 << 1);
  y[2] = minus(s2, s1);
  y[3] = minus(plus(d2, last) << 1, d1);
}
constexpr int kPower[4] = {0, 1, 2, 2};                 ///< of two, by which those results are short of 24
constexpr int32_t kNinth = 0x38e38e39;                  ///< 9 times this is 1, modulo 2^32

/// One tile of the image to row `to` of 36 matrices, `matrix` apart. `pixel`: where its 6x6 pixels are; of those beyond the image a row of zero points.
void transform_tile(const std::uint8_t* const (&pixel)[36], int64_t channels, bool is_signed, S zero, std::int16_t* to, int64_t matrix) {
  for (int64_t c = 0; c < channels; c += kBlock) {
    const bool whole = channels - c >= kBlock;
    S half[6][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      S d[6], t[6];
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) d[i] = widened(whole ? load(pixel[i * 6 + j] + c) : load_part(pixel[i * 6 + j] + c, channels - c), is_signed) - zero;
      transform_input(d, t);
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) half[i][j] = t[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      S t[6];
      transform_input(half[i], t);
#pragma GCC unroll kTaps
      for (int j = 0; j < 6; ++j) *reinterpret_cast<UnalignedS*>(to + (i * 6 + j) * matrix + c) = t[j];
    }
  }
}

/// One tile of the products of a panel, `matrix` apart, to 4x4 pixels of Y, of which `rows` and `columns` are in the image.
void finish_tile(const int32_t* from, int64_t matrix, const int32_t* t, const Bounds& bounds, PutRows put_sums, std::uint8_t* to, int64_t line, int64_t pixel, int64_t rows, int64_t columns, int64_t channels) {
  I y[4][4][2];
  for (int v = 0; v < 2; ++v) {
    I half[4][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      I m[6], r[4];
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) m[i] = load(from + (i * 6 + j) * matrix + v * W);
      transform_output(m, r);
#pragma GCC unroll kResults
      for (int i = 0; i < 4; ++i) half[i][j] = r[i];
    }
    const I begin = load(t + v * kRescaleRows * W);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      I r[4];
      transform_output(half[i], r);
#pragma GCC unroll kResults
      for (int j = 0; j < 4; ++j) y[i][j][v] = plus(times(r[j], splat(kNinth)) >> (6 - kPower[i] - kPower[j]), begin);
    }
  }
  for (int64_t i = 0; i < rows; ++i) put_sums(y[i], columns, t, bounds, to + i * line, pixel, channels);
}

}  // namespace

void filter(const plan::Call& call, MultiplyRows multiply) {
  const WinogradI8Params& p = *static_cast<const WinogradI8Params*>(call.params);
  const ConvShape& s = p.shape;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[2]);
  const int bytes = stored_bytes(p.store.rule);
  const PutRows put_sums = put_rows_of(p.store.rule);
  const Bounds bounds(p.store);
  const int64_t c = s.in_channels, tiles = int64_t{p.tiles_h} * p.tiles_w, together = int64_t{p.t_block} * p.t_at_once, matrix = together * p.units, sums_matrix = together * kBlock;
  auto* in = reinterpret_cast<int32_t*>(call.scratch);
  int32_t* out = in + 36 * matrix;
  auto* zeros = reinterpret_cast<std::uint8_t*>(out + 36 * sums_matrix);
  memset(zeros, p.x_zero, static_cast<size_t>(c));
  const S zero = S{} + static_cast<std::int16_t>(p.x_zero);
  each_together(call.begin, call.end, p.t_blocks, p.n_blocks, p.t_at_once, [&](const Together& of) {
    const int64_t p0 = of.second * p.n_block, p1 = least<int64_t>(p.panels, p0 + of.seconds * p.n_block);
    const int64_t t0 = of.first * p.t_block, count = least(of.firsts * p.t_block, tiles - t0);
    const std::uint8_t* from = x + of.outer * s.in_h * s.in_w * c;
    for (int64_t t = 0; t < count; ++t) {
      const std::uint8_t* pixel[36];
      find_pixels(s, from, (t0 + t) / p.tiles_w * 4, (t0 + t) % p.tiles_w * 4, zeros, pixel);
      transform_tile(pixel, c, p.x_signed != 0, zero, reinterpret_cast<std::int16_t*>(in + t * p.units), 2 * matrix);
    }
    const int64_t pixel = s.out_channels * bytes, line = s.out_w * pixel;
    for (int64_t panel = p0; panel < p1; ++panel) {
      const int32_t *w = packed + panel * 36 * p.units * Pairs::kStep, *t = packed + p.tables + panel * 2 * kRescaleRows * W;
      for (int64_t i = 0; i < 36; ++i, w += p.units * Pairs::kStep) multiply(in + i * matrix, count, p.units, w, reinterpret_cast<I(*)[2]>(out + i * sums_matrix));
      for (int64_t i = 0; i < count; ++i) {
        const int64_t oy = (t0 + i) / p.tiles_w * 4, ox = (t0 + i) % p.tiles_w * 4;
        finish_tile(out + i * kBlock, sums_matrix, t, bounds, put_sums, y + of.outer * s.out_h * line + oy * line + ox * pixel + panel * kBlock * bytes, line, pixel, least<int64_t>(4, s.out_h - oy),
                       least<int64_t>(4, s.out_w - ox), least<int64_t>(kBlock, s.out_channels - panel * kBlock));
      }
    }
  });
}

namespace {
#endif

void run_winograd_i8(const plan::Call& call) { filter(call, multiply_rows); }

constexpr Kernel kRowsOfTable[] = {{"winograd_i8", run_winograd_i8}};

}  // namespace

extern const std::span<const Kernel> kWinogradI8;
constinit const std::span<const Kernel> kWinogradI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
