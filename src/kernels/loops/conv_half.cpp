// conv_bf16, conv_f16, row_bands_bf16: points, rounded, times panels of packed weights. Pieces are (image, group, block of points, block of panels), panels fastest; consecutive pieces of one block of
// points share its rows. Contract in kernels/conv_half.hpp.
#include "kernels/loops/half_tile.hpp"

#include "kernels/loops/ahead.hpp"
#include "kernels/loops/gemm_tile.hpp"
#include "kernels/loops/operands.hpp"
#include "kernels/loops/point_rows.hpp"
#include "kernels/loops/row_bands.hpp"
#if SAHA_ISA_LEVEL >= 5
#include "kernels/loops/point_tiles.hpp"
#endif

namespace saha::kernels::SAHA_ISA_FLOATS {
extern const std::span<const Kernel> kConvLast, kDepthwiseLast;
}
namespace saha::kernels::SAHA_ISA {
namespace {

typedef std::uint16_t Numbers __attribute__((vector_size(W * 2)));
typedef std::uint16_t UnalignedNumbers __attribute__((vector_size(W * 2), aligned(2), may_alias));

template <Half H>
Numbers rounded(V v) {
#if SAHA_NEON == 0
  return to_bfloats(v);
#else
  if constexpr (H == Half::float16) return reinterpret_cast<Numbers>(vcvt_f16_f32(v));
#if SAHA_NEON >= 5
  else return reinterpret_cast<Numbers>(vcvt_bf16_f32(v));
#endif
#endif
}
template <Half H>
struct RoundRow {
  static constexpr int64_t kShort = 2 * W;
  void operator()(const float* from, int64_t n, std::uint16_t* to) const {
    int64_t i = 0;
    for (; i + W <= n; i += W) *reinterpret_cast<UnalignedNumbers*>(to + i) = rounded<H>(load(from + i));
    if (i == n) return;
    const Numbers rest = rounded<H>(load_n(from + i, static_cast<int>(n - i)));
    memcpy(to + i, &rest, static_cast<size_t>(2 * (n - i)));
  }
  template <int kBlocks>
  void blocks(const float* from, std::uint16_t* to) const {
    for (int i = 0; i < kBlocks; ++i) *reinterpret_cast<UnalignedNumbers*>(to + i * W) = rounded<H>(load(from + i * W));
  }
};

/// Sums of `rows` points, `stride` apart, to where `row` and `column` are.
[[maybe_unused]] void finish_rows(const float* sums, int64_t stride, const Out& o, int64_t row, int rows, int64_t column, int columns) {
  constexpr int kFew = 8;
  for (; columns > 0; columns -= 2 * W, column += 2 * W, sums += 2 * W) {
    const int n = least(columns, 2 * W);
    int i = 0;
    for (; n == 2 * W && i + kFew <= rows; i += kFew) {
      V acc[kFew][2];
#pragma GCC unroll 8
      for (int k = 0; k < kFew; ++k) acc[k][0] = load(sums + (i + k) * stride), acc[k][1] = load(sums + (i + k) * stride + W);
      finish<kFew, 2, false>(acc, o, row + i, column, n);
    }
    finish_any(sums + i * stride, stride, o, row + i, rows - i, column, n);
  }
}

/// Points [m0, m1) of an image and a group, of which `rows` has those from `from` on, times a panel.
struct Block {
  const ConvHalfParams& c;
  const std::uint16_t* rows;
  int64_t from, m0, m1;
  const float* panel;
  const Out& out;
  int64_t column;
  int columns;
};
#if SAHA_NEON > 0
template <class F>
void each_tile(const Block& b, F tile) {
  const int64_t size = int64_t{b.c.units} * panel_columns(b.c.product);
  Ahead ahead(b.panel + size, 4 * size, (b.m1 - b.m0 + kTileRows - 1) / kTileRows);
  for (int64_t i = b.m0; i < b.m1; i += kTileRows) with_rows(least<int64_t>(kTileRows, b.m1 - i), [&]<int R>() { tile.template operator()<R>(b.rows + (i - b.from) * 2 * b.c.units, i, ahead); });
}
#endif

#if SAHA_ISA_LEVEL >= 5
struct ByTiles {
  static constexpr Half kHalf = Half::bfloat16;
  Tiles tiles;
  explicit ByTiles(const ConvHalfParams& c) : tiles(tile_shapes(c.tile_points, c.tile_units)) {}
  void operator()(const Block& b) {
    alignas(64) static constexpr int32_t kZeros[W] = {};
    alignas(64) float sums[32 * 2 * W];
    each_pair_of_tiles<TileNumbers::bfloats>(tiles, {b.c.units, b.c.tile_units, b.c.tile_points}, reinterpret_cast<const std::uint8_t*>(b.rows), 4 * int64_t{b.c.units}, b.from, b.m0, b.m1,
                                             reinterpret_cast<const int32_t*>(b.panel), kZeros, kZeros, sums,
                                             [&](int64_t i, int64_t n, const float* of) { finish_rows(of, 2 * W, b.out, i, static_cast<int>(n), b.column, b.columns); });
  }
};
using Products = ByTiles;
#elif SAHA_ISA_LEVEL == 4
struct ByDots {
  static constexpr Half kHalf = Half::bfloat16;
  explicit ByDots(const ConvHalfParams&) {}
  void operator()(const Block& b) {
    const int64_t units = b.c.units, size = units * panel_vectors(HalfProduct::dots, b.columns) * W, count = b.m1 - b.m0;
    Ahead ahead(b.panel + size, 4 * size, (count + kTileRows - 1) / kTileRows, units);
    multiply_dots(b.rows + (b.m0 - b.from) * 2 * units, count, units, reinterpret_cast<const int32_t*>(b.panel), b.out, b.m0, b.column, b.columns, ahead);
  }
};
using Products = ByDots;
#endif
#if SAHA_NEON >= 3
struct ByLanes {
  static constexpr Half kHalf = Half::float16;
  explicit ByLanes(const ConvHalfParams&) {}
  void operator()(const Block& b) {
    each_tile(b, [&]<int R>(const std::uint16_t* x, int64_t i, Ahead& ahead) {
      ahead.ask();
      float sums[R * 16];
      lane_tile<R>(x, b.c.units, b.c.tile_units, reinterpret_cast<const std::uint16_t*>(b.panel), b.panel + int64_t{b.c.units} * 16, sums);
      finish_rows(sums, 16, b.out, i, R, b.column, b.columns);
    });
  }
};
#endif
#if SAHA_NEON >= 5
struct ByMatrices {
  static constexpr Half kHalf = Half::bfloat16;
  explicit ByMatrices(const ConvHalfParams&) {}
  void operator()(const Block& b) {
    each_tile(b, [&]<int R>(const std::uint16_t* x, int64_t i, Ahead& ahead) {
      ahead.ask();
      V sums[R][2];
      matrix_tile<R>(x, b.c.units, reinterpret_cast<const int32_t*>(b.panel), sums);
      finish(sums, b.out, i, b.column, b.columns);
    });
  }
};
using Products = ByMatrices;
#endif

template <class P>
void convolve(const plan::Call& call) {
  const ConvHalfParams& c = *static_cast<const ConvHalfParams*>(call.params);
  const ConvShape& s = c.shape;
  if (c.pieces == 0) return;   // nothing has shapes of no tile
  const auto [x, weights, bias, residual, y] = operands_of(call);
  const int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, columns = panel_columns(c.product), panel = int64_t{c.units} * columns + (c.product == HalfProduct::lanes ? columns : 0);
  P multiply(c);
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t nb = piece % c.n_blocks, mb = piece / c.n_blocks % c.m_blocks, outer = piece / c.n_blocks / c.m_blocks;
    const std::uint32_t count = least(call.end - piece, c.n_blocks - nb);
    piece += count;
    const int64_t group = outer % s.groups, image = outer / s.groups;
    const int64_t m0 = int64_t{mb} * c.m_block, m1 = least(points, m0 + c.m_block), from = least<int64_t>(m0, points - c.tile_points);
    const int64_t p0 = int64_t{nb} * c.n_block, p1 = least<int64_t>(c.panels, p0 + int64_t{count} * c.n_block);
    auto* rows = reinterpret_cast<std::uint16_t*>(call.scratch);
    fill_point_rows(s, 2 * int64_t{c.units}, x + image * s.in_h * s.in_w * s.in_channels, group, from, m1, std::uint16_t{0}, rows, RoundRow<P::kHalf>());
    const int64_t out_at = image * points * s.out_channels + group * m;
    const Out out = make_out(y + out_at, s.out_channels, bias ? bias + group * m : nullptr, residual ? residual + out_at : nullptr, c.epilogue);
    for (int64_t p = p0; p < p1; ++p)
      multiply({c, rows, from, m0, m1, weights + (group * c.panels + p) * panel, out, p * columns, static_cast<int>(least<int64_t>(columns, m - p * columns))});
  }
}

#if SAHA_ISA_LEVEL >= 4 || SAHA_NEON >= 5
void run_row_bands(const plan::Call& call) {
  const RowBandsParams& p = *static_cast<const RowBandsParams*>(call.params);
  const auto rows = [](const ConvLastParams& whole, const ConvHalfParams& half, Beside beside, int64_t begin, int64_t end, const Constants& c, const float* x, const float* residual, float* y, std::byte* scratch) {
    if (beside == Beside::bfloat16) call_rows(convolve<Products>, of_rows(half, begin, end), c, x, residual, y, scratch);
    else call_rows(SAHA_ISA_FLOATS::kConvLast[0].run, of_rows(whole, begin, end), c, x, residual, y, scratch);
  };
  each_band(call, SAHA_ISA_FLOATS::kDepthwiseLast[0].run,
            [&](int64_t begin, int64_t end, const Constants& c, const float* x, float* y, std::byte* scratch) { rows(p.first, p.first_half, p.has_first, begin, end, c, x, nullptr, y, scratch); },
            [&](int64_t begin, int64_t end, const Constants& c, const float* x, const float* residual, float* y, std::byte* scratch) { rows(p.last, p.last_half, p.has_last, begin, end, c, x, residual, y, scratch); });
}
#endif

constexpr Kernel kRowsOfTable[] = {
#if SAHA_ISA_LEVEL >= 4 || SAHA_NEON >= 5
    {"conv_bf16", convolve<Products>},
    {"row_bands_bf16", run_row_bands},
#endif
#if SAHA_NEON >= 3
    {"conv_f16", convolve<ByLanes>},
#endif
};

}  // namespace

extern const std::span<const Kernel> kConvHalf;
constinit const std::span<const Kernel> kConvHalf = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
