// winograd_f32. Pieces are (image, block of tiles, block of output channels), channels fastest; consecutive pieces of one block of tiles share its transform. Contract in
// kernels/winograd.hpp.
#include "kernels/winograd.hpp"

#include "kernels/last_panels.hpp"
#include "kernels/loops/filter_tile.hpp"
#include "kernels/loops/last_tile.hpp"
#include "kernels/loops/operands.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr float kA = 0.75f, kB = 1.25f, kA2 = kA * kA, kB2 = kB * kB;  ///< the points beside 0 and infinity, and their opposites
constexpr int64_t kDepth = 288;

/// Values of the polynomial with coefficients d at the six points, up to the factors that the weights hold; of a short one with four coefficients at 0, both kA and infinity, times what those factors have of kB.
inline void transform_input(const V (&d)[6], V (&t)[6], bool is_short) {
  if (is_short) {
    const V even = splat(kA2 - kB2) * d[2], odd = splat((kA2 - kB2) * kA) * d[1];
    t[0] = fma(splat(kA2 * kB2), d[0], splat(-kB2) * d[2]);
    t[1] = even + odd, t[2] = even - odd, t[3] = t[4] = V{};
    t[5] = fma(splat(-kA2), d[1], d[3]);
    return;
  }
  const V ea = fma(splat(-kB2), d[2], d[4]), oa = splat(kA) * fma(splat(-kB2), d[1], d[3]), eb = fma(splat(-kA2), d[2], d[4]), ob = splat(kB) * fma(splat(-kA2), d[1], d[3]);
  t[0] = fma(splat(kA2 * kB2), d[0], fma(splat(-kA2 - kB2), d[2], d[4]));
  t[1] = ea + oa, t[2] = ea - oa, t[3] = eb + ob, t[4] = eb - ob;
  t[5] = fma(splat(kA2 * kB2), d[1], fma(splat(-kA2 - kB2), d[3], d[5]));
}
inline void transform_output(const V (&m)[6], V (&y)[4], bool is_short) {
  const V sa = m[1] + m[2], da = m[1] - m[2];
  if (is_short) {
    y[0] = m[0] + sa, y[1] = fma(splat(kA), da, m[5]), y[2] = y[3] = V{};
    return;
  }
  const V sb = m[3] + m[4], db = m[3] - m[4];
  y[0] = m[0] + sa + sb;
  y[1] = fma(splat(kA), da, splat(kB) * db);
  y[2] = fma(splat(kA2), sa, splat(kB2) * sb);
  y[3] = fma(splat(kA2 * kA), da, fma(splat(kB2 * kB), db, m[5]));
}

/// One tile of the image to its rows of 36 matrices, `matrix` apart: row[0], or row[1] of those that a narrow one leaves out. `pixel`: where its 6x6 pixels are; of those beyond the image a row of zeros.
template <class Side>
void transform_tile(const float* const (&pixel)[36], int64_t channels, Side side, float* const (&row)[2], int64_t matrix) {
  for (int64_t c = 0; c < channels; c += W) {
    V half[6][6];
    each_of_six(side, [&](int j) __attribute__((always_inline)) {
      V d[6], t[6];
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) d[i] = load_up_to(pixel[i * 6 + j] + c, channels - c);
      transform_input(d, t, side.low);
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) half[i][j] = t[i];
    });
    each_of_six(side, [&](int i) __attribute__((always_inline)) {
      if (side.low && left_out(i)) return;
      V t[6];
      transform_input(half[i], t, side.narrow);
#pragma GCC unroll kTaps
      for (int j = 0; j < 6; ++j)
        if (!side.narrow || !left_out(j)) store(row[left_out(j)] + (i * 6 + j) * matrix + c, t[j]);
    });
  }
}

/// One tile of the products, some vectors of channels, from its rows of matrices as above, to 4x4 pixels of Y, of which `rows` and `columns` are in the image.
template <class Side>
void finish_tile(const float* const (&from)[2], int64_t matrix, Side side, int vectors, const Out& o, int64_t row, int64_t line, int64_t rows, int64_t columns, int64_t channel, int64_t channels) {
  const Epilogue& e = *o.epilogue;
  for (int v = 0; v < vectors; ++v) {
    const int64_t n = channels - v * W;
    V half[4][6], y[4][4];
    each_of_six(side, [&](int j) __attribute__((always_inline)) {
      V m[6], t[4];
      if (side.narrow && left_out(j)) return;
#pragma GCC unroll kTaps
      for (int i = 0; i < 6; ++i) m[i] = side.low && left_out(i) ? V{} : load(from[left_out(j)] + (i * 6 + j) * matrix + v * W);
      transform_output(m, t, side.low);
#pragma GCC unroll kResults
      for (int i = 0; i < 4; ++i) half[i][j] = t[i];
    });
#pragma GCC unroll kResults
    for (int i = 0; i < 4; ++i) transform_output(half[i], y[i], side.narrow);
    const V bias = o.bias ? load_up_to(o.bias + channel + v * W, n) : V{};
    const auto each = [&](auto f) {
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) f(y[i][j], (row + i * line + j) * o.c_row + channel + v * W);
    };
    each([&](V& s, int64_t) { s = o.plain ? s + bias : fma(s, splat(e.alpha), bias); });
    if (o.residual) each([&](V& s, int64_t at) { s = fma(load_up_to(o.residual + at, n), splat(e.residual_scale), s); });
    if (o.clamps) each([&](V& s, int64_t) { s = min(splat(o.high), max(splat(o.low), s)); });
    each([&](V& s, int64_t at) { store_up_to(o.c + at, s, n); });
  }
}

/// The activation of results of tiles [t0, t1), some neighbouring channels of them: those of tiles that are neighbours lie in four rows.
void activate_tiles(const Out& o, const ConvShape& s, int64_t tiles_w, int64_t t0, int64_t t1, int64_t channel, int64_t channels) {
  for (int64_t t = t0; t < t1;) {
    const int64_t oy = t / tiles_w * 4, ox = t % tiles_w * 4, n = least(t1 - t, tiles_w - t % tiles_w);
    for (int64_t y = oy; y < least(s.out_h, oy + 4); ++y) activate_rows(o.c + (y * s.out_w + ox) * o.c_row + channel, o.c_row, least(s.out_w - ox, 4 * n), channels, *o.epilogue);
    t += n;
  }
}

void run_winograd(const plan::Call& call) {
  const WinogradParams& p = *static_cast<const WinogradParams*>(call.params);
  const ConvShape& s = p.shape;
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const FilterTiles tiles(s);
  const int64_t c = s.in_channels, padded_c = round_up(c, W), matrix = p.t_block * padded_c;
  auto** at = reinterpret_cast<const float**>(call.scratch);
  auto* in = reinterpret_cast<float*>(call.scratch + round_up(8 * int64_t{36} * p.t_block, 64));
  float* out = in + 36 * matrix;
  float* zeros = out + 36 * p.t_block * 3 * W;
  for (int64_t i = 0; i < padded_c; i += W) store(zeros + i, V{});
  for (int64_t i = 0; i < 36; ++i)
    for (int64_t t = 0; t < p.t_block; ++t) at[i * p.t_block + t] = in + i * matrix + t * padded_c;
  const Epilogue sums;
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t mb = piece % p.m_blocks, tb = piece / p.m_blocks % p.t_blocks;
    const int64_t image = piece / p.m_blocks / p.t_blocks;
    const std::uint32_t pieces = least(call.end - piece, p.m_blocks - mb);
    piece += pieces;
    const int64_t m0 = int64_t{mb} * p.m_block, m1 = least(s.out_channels, m0 + int64_t{pieces} * p.m_block);
    const int64_t t0 = int64_t{tb} * p.t_block, t1 = least(t0 + p.t_block, tiles.all);
    const float* from = x + image * s.in_h * s.in_w * c;
    for (int64_t t = t0; t < t1; ++t) {
      const float* pixel[36];
      find_pixels(s, from, t / tiles.wide * 4, t % tiles.wide * 4, zeros, pixel);
      const auto row = [&](int64_t j) { return in + tiles.row(j, t0, t) * padded_c; };
      tiles.with_side(t, [&](auto side) { transform_tile(pixel, c, side, {row(0), row(3)}, matrix); });
    }
    const int64_t out_at = image * s.out_h * s.out_w * s.out_channels;
    const Out o = make_out(y + out_at, s.out_channels, bias, residual ? residual + out_at : nullptr, p.epilogue);
    for (int64_t m = m0; m < m1;) {
      const int vectors = last_panel_vectors(s.out_channels - m, W);
      const float* panel = weights + 36 * c * m;
      for (int64_t i = 0; i < 36; ++i) {
        const int64_t count = tiles.rows(i / 6, i % 6, t0, t1);
        if (count == 0) continue;
        Out product = make_out(out + i * p.t_block * vectors * W, vectors * W, nullptr, nullptr, sums);
        for (int64_t c0 = 0; c0 < c; c0 += kDepth) {
          const Segment segment{c0, least(kDepth, c - c0)};
          product.first = c0 == 0, product.last = c0 + kDepth >= c;
          multiply_points(at + i * p.t_block, count, &segment, &segment + 1, panel + (i * c + c0) * vectors * W, segment.depth, vectors, product, 0, 0, vectors * W);
        }
      }
      for (int64_t t = t0; t < t1; ++t) {
        const int64_t oy = t / tiles.wide * 4, ox = t % tiles.wide * 4;
        const auto row = [&](int64_t j) { return out + tiles.row(j, t0, t) * vectors * W; };
        tiles.with_side(t, [&](auto side) {
          finish_tile({row(0), row(3)}, p.t_block * vectors * W, side, vectors, o, oy * s.out_w + ox, s.out_w, least<int64_t>(4, s.out_h - oy), least<int64_t>(4, s.out_w - ox), m, s.out_channels - m);
        });
      }
      if (o.later) activate_tiles(o, s, tiles.wide, t0, t1, m, least(s.out_channels - m, int64_t{vectors} * W));
      m += vectors * W;
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"winograd_f32", run_winograd}};

}  // namespace

extern const std::span<const Kernel> kWinograd;
constinit const std::span<const Kernel> kWinograd = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
