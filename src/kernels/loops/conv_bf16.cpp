// conv_bf16: points, rounded, times panels of packed weights. Pieces are (image, group, block of points, block of panels), panels fastest; consecutive pieces of one block of
// points share its rows. Contract in kernels/conv_bf16.hpp.
#include "kernels/conv_bf16.hpp"

#include "kernels/loops/gemm_tile.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/point_rows.hpp"
#if SAHA_ISA_LEVEL >= 4
#include "kernels/loops/point_tiles.hpp"
#endif

namespace saha::kernels::SAHA_ISA {

extern const std::span<const Kernel> kConvBf16;
#if SAHA_ISA_LEVEL < 4
constinit const std::span<const Kernel> kConvBf16 = {};
#else
namespace {

typedef std::uint32_t Words __attribute__((vector_size(W * 4)));
typedef std::uint16_t Halves __attribute__((vector_size(W * 2)));
typedef std::uint16_t UnalignedHalves __attribute__((vector_size(W * 2), aligned(2), may_alias));

/// The nearest bfloat16, of two the even one; NaN stays NaN.
inline Halves rounded(V v) {
  const Words u = reinterpret_cast<Words>(v), near = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
  return __builtin_convertvector(v == v ? near : nan, Halves);
}
void round_row(const float* from, int64_t n, std::uint16_t* to) {
  int64_t i = 0;
  for (; i + W <= n; i += W) *reinterpret_cast<UnalignedHalves*>(to + i) = rounded(load(from + i));
  if (i == n) return;
  const Halves rest = rounded(load_n(from + i, static_cast<int>(n - i)));
  memcpy(to + i, &rest, static_cast<size_t>(2 * (n - i)));
}

/// Sums of `rows` points, 2 W apart, to where `row` and `column` are.
void finish_rows(const float* sums, const Out& o, int64_t row, int rows, int64_t column, int columns) {
  constexpr int kFew = 8;
  for (; columns == 2 * W && rows >= kFew; rows -= kFew, row += kFew, sums += kFew * 2 * W) {
    V acc[kFew][2];
#pragma GCC unroll 8
    for (int i = 0; i < kFew; ++i) acc[i][0] = load(sums + i * 2 * W), acc[i][1] = load(sums + i * 2 * W + W);
    finish(acc, o, row, column, columns);
  }
  finish_any(sums, 2 * W, o, row, rows, column, columns);
}

void run_conv_bf16(const plan::Call& call) {
  const ConvBf16Params& c = *static_cast<const ConvBf16Params*>(call.params);
  const ConvShape& s = c.shape;
  if (c.pieces == 0) return;   // nothing has shapes of no tile
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const auto* packed = reinterpret_cast<const int32_t*>(weights);
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, tile = c.tile_points, stride = 4 * int64_t{c.units};
  alignas(64) constexpr int32_t kZeros[W] = {};
  alignas(64) float sums[32 * 2 * W];
  Tiles tiles(tile_shapes(c.tile_points, c.tile_units));
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t nb = piece % c.n_blocks, mb = piece / c.n_blocks % c.m_blocks, outer = piece / c.n_blocks / c.m_blocks;
    const std::uint32_t count = least(call.end - piece, c.n_blocks - nb);
    piece += count;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const int64_t m0 = int64_t{mb} * c.m_block, m1 = least(points, m0 + c.m_block), from = least(m0, points - tile);
    const int64_t p0 = int64_t{nb} * c.n_block, p1 = least<int64_t>(c.panels, p0 + int64_t{count} * c.n_block);
    auto* rows = reinterpret_cast<std::uint16_t*>(call.scratch);
    fill_point_rows(s, 2 * int64_t{c.units}, x + image * s.in_h * s.in_w * s.in_channels, group, from, m1, std::uint16_t{0}, rows, round_row);
    const int64_t out_at = image * points * s.out_channels + group * m;
    const Out out = make_out(y + out_at, s.out_channels, bias ? bias + group * m : nullptr, residual ? residual + out_at : nullptr, c.epilogue);
    for (int64_t p = p0; p < p1; ++p) {
      const int columns = static_cast<int>(least<int64_t>(2 * W, m - p * 2 * W));
      const int32_t* w = packed + (group * c.panels + p) * c.units * 2 * W;
      each_pair_of_tiles<TileNumbers::bfloats>(tiles, {c.units, c.tile_units, tile}, reinterpret_cast<const std::uint8_t*>(rows), stride, from, m0, m1, w, kZeros, kZeros, sums, [&](int64_t i, int64_t n, const float* of) { finish_rows(of, out, i, static_cast<int>(n), p * 2 * W, columns); });
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"conv_bf16", run_conv_bf16}};

}  // namespace

constinit const std::span<const Kernel> kConvBf16 = kRowsOfTable;
#endif

}  // namespace saha::kernels::SAHA_ISA
