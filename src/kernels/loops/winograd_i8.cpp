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
  Ahead ahead(w + units * AddedPairs::kStep, 4 * units * AddedPairs::kStep, most<int64_t>(2, (count + kMostRows - 1) / kMostRows), units);   // a line with each unit at most
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

/// Values of the polynomial with coefficients d at 0, 1, -1, 2, -2 and infinity, up to factors: 4, -6, -6, 24, 24 and 1 times those that a convolution takes. Of a short one with four coefficients at 0, 1, -1 and
/// infinity: 1, 2, 2 and 1 times those.
inline void transform_input(const S (&d)[6], S (&t)[6], bool is_short) {
  if (is_short) {
    t[0] = d[0] - d[2], t[1] = d[1] + d[2], t[2] = d[2] - d[1], t[3] = t[4] = S{}, t[5] = d[3] - d[1];
    return;
  }
  const S even = d[4] - (d[2] << 2), odd = d[3] - (d[1] << 2), e = d[4] - d[2], o = (d[3] - d[1]) << 1;
  t[0] = ((d[0] - d[2]) << 2) + e;
  t[1] = even + odd, t[2] = even - odd, t[3] = e + o, t[4] = e - o;
  t[5] = d[5] - d[3] - (o << 1);
}
/// 24, 12, 6 and 6 times the four results of a row or column; 12 times the two of a short one.
inline void transform_output(const I (&m)[6], I (&y)[4], bool is_short) {
  const auto six = [](I v) { return plus(v << 2, v << 1); };
  if (is_short) {
    y[0] = six(plus(plus(m[1], m[2]), m[0] << 1)), y[1] = six(plus(minus(m[1], m[2]), m[5] << 1)), y[2] = y[3] = I{};
    return;
  }
  const I s1 = plus(m[1], m[2]), d1 = minus(m[1], m[2]), s2 = plus(m[3], m[4]), d2 = minus(m[3], m[4]);
  const I three = plus(m[0], m[0] << 1), last = plus(m[5], m[5] << 1);
  y[0] = plus(minus(three << 1, s1 << 2), s2);
  y[1] = minus(d2, d1 << 1);
  y[2] = minus(s2, s1);
  y[3] = minus(plus(d2, last) << 1, d1);
}
/// Of two, by which those results are short of 24.
constexpr int power(int i, bool is_short) { return is_short ? 1 : least(i, 2); }
constexpr int32_t kNinth = 0x38e38e39;                  ///< 9 times this is 1, modulo 2^32

/// One tile of the image to its rows of 36 matrices, `matrix` apart: row[0], or row[1] of those that a narrow one leaves out. `pixel`: where its 6x6 pixels are; of those beyond the image a row of zero points.
template <class Side>
void transform_tile(const std::uint8_t* const (&pixel)[36], int64_t channels, bool is_signed, S zero, Side side, std::int16_t* const (&row)[2], int64_t matrix) {
  for (int64_t c = 0; c < channels; c += kBlock) {
    const bool whole = channels - c >= kBlock;
    S half[6][6];
    each_of_six(side, [&](int j) __attribute__((always_inline)) {
      S d[6], t[6];
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) d[i] = widened(whole ? load(pixel[i * 6 + j] + c) : load_part(pixel[i * 6 + j] + c, channels - c), is_signed) - zero;
      transform_input(d, t, side.low);
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) half[i][j] = t[i];
    });
    each_of_six(side, [&](int i) __attribute__((always_inline)) {
      if (side.low && left_out(i)) return;
      S t[6];
      transform_input(half[i], t, side.narrow);
#pragma GCC unroll kTaps
      for (int j = 0; j < 6; ++j)
        if (!side.narrow || !left_out(j)) *reinterpret_cast<UnalignedS*>(row[left_out(j)] + (i * 6 + j) * matrix + c) = t[j];
    });
  }
}

/// Where the results of a tile go: `rows` x `columns` of them are in the image.
struct Results {
  std::uint8_t* to;
  int64_t line, pixel, rows, columns, channels;
};
/// One tile of the products of a panel, from its rows of matrices as above, to 4x4 pixels of Y.
template <class Side>
void finish_tile(const int32_t* const (&row)[2], int64_t matrix, Side side, const int32_t* t, const Bounds& bounds, PutRows put_sums, bool near, const Results& y) {
  I half[2][4][6];
  for (int v = 0; v < 2; ++v) {
    each_of_six(side, [&](int j) __attribute__((always_inline)) {
      if (side.narrow && left_out(j)) return;
      I m[6], r[4];
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) m[i] = side.low && left_out(i) ? I{} : load(row[left_out(j)] + (i * 6 + j) * matrix + v * W);
      transform_output(m, r, side.low);
#pragma GCC unroll kResults
      for (int i = 0; i < 4; ++i) half[v][i][j] = r[i];
    });
  }
  for (int i = 0; i < y.rows; ++i) {
    I sums[4][2];
    for (int v = 0; v < 2; ++v) {
      const I begin = load(t + v * kRescaleRows * W);
      I r[4];
      transform_output(half[v][i], r, side.narrow);
#pragma GCC unroll kResults
      for (int j = 0; j < 4; ++j) sums[j][v] = plus(times(r[j], splat(kNinth)) >> (6 - power(i, side.low) - power(j, side.narrow)), begin);
    }
    std::uint8_t* to = y.to + i * y.line;
    if (near) each_near<4, true>(sums, t, bounds, [&](int j, B block) { if (j < y.columns) store(to + j * y.pixel, block); });
    else put_sums(sums, y.columns, t, bounds, to, y.pixel, y.channels);
  }
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
  const bool near = p.store.rule == Rescaling::real_near && bounds.all_unsigned;
  const FilterTiles tiles(s);
  const int64_t c = s.in_channels, together = int64_t{p.t_block} * p.t_at_once, matrix = together * p.units, sums_matrix = together * kBlock;
  auto* in = reinterpret_cast<int32_t*>(call.scratch);
  int32_t* out = in + 36 * matrix;
  auto* zeros = reinterpret_cast<std::uint8_t*>(out + 36 * sums_matrix);
  memset(zeros, p.x_zero, static_cast<size_t>(c));
  const S zero = S{} + static_cast<std::int16_t>(p.x_zero);
  each_together(call.begin, call.end, p.t_blocks, p.n_blocks, p.t_at_once, [&](const Together& of) {
    const int64_t p0 = of.second * p.n_block, p1 = least<int64_t>(p.panels, p0 + of.seconds * p.n_block);
    const int64_t t0 = of.first * p.t_block, t1 = least(t0 + of.firsts * p.t_block, tiles.all);
    const std::uint8_t* from = x + of.outer * s.in_h * s.in_w * c;
    for (int64_t t = t0; t < t1; ++t) {
      const std::uint8_t* pixel[36];
      find_pixels(s, from, t / tiles.wide * 4, t % tiles.wide * 4, zeros, pixel);
      const auto row = [&](int64_t j) { return reinterpret_cast<std::int16_t*>(in + tiles.row(j, t0, t) * p.units); };
      tiles.with_side(t, [&](auto side) { transform_tile(pixel, c, p.x_signed != 0, zero, side, {row(0), row(3)}, 2 * matrix); });
    }
    const int64_t pixel = s.out_channels * bytes, line = s.out_w * pixel;
    for (int64_t panel = p0; panel < p1; ++panel) {
      const int32_t *w = packed + panel * 36 * p.units * Pairs::kStep, *t = packed + p.tables + panel * 2 * kRescaleRows * W;
      for (int64_t i = 0; i < 36; ++i, w += p.units * Pairs::kStep)
        if (const int64_t rows = tiles.rows(i / 6, i % 6, t0, t1); rows > 0) multiply(in + i * matrix, rows, p.units, w, reinterpret_cast<I(*)[2]>(out + i * sums_matrix));
      const int64_t channels = least<int64_t>(kBlock, s.out_channels - panel * kBlock);
      for (int64_t i = t0; i < t1; ++i) {
        const int64_t oy = i / tiles.wide * 4, ox = i % tiles.wide * 4;
        const auto row = [&](int64_t j) { return out + tiles.row(j, t0, i) * kBlock; };
        const Results to{y + (of.outer * s.out_h + oy) * line + ox * pixel + panel * kBlock * bytes, line, pixel, least<int64_t>(4, s.out_h - oy), least<int64_t>(4, s.out_w - ox), channels};
        tiles.with_side(i, [&](auto side) { finish_tile({row(0), row(3)}, sums_matrix, side, t, bounds, put_sums, near && channels == kBlock, to); });
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
