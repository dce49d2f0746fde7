#pragma once
// Points, a row of units of four bytes each, times a panel of two vectors of columns, by AMX's tiles.
#include "kernels/loops/tiles.hpp"

namespace saha::kernels::SAHA_ISA {

/// Units of a row, and of a register; points of a register.
struct TileCut {
  int64_t units, tile_units, tile_points;
};
/// Registers: 0 to 3 sums of two tiles of points by the two vectors of a panel, 4 and 5 points, 6 and 7 columns.
inline TileShapes tile_shapes(int points, int units) {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) {
    shapes.rows[t] = static_cast<std::uint8_t>(t < 6 ? points : units);
    shapes.row_bytes[t] = static_cast<std::uint16_t>(t == 4 || t == 5 ? 4 * units : 4 * W);
  }
  return shapes;
}
/// Sums of two tiles of points that begin at `first` and `second`, or of one: one point after the other, each two vectors, which begin with `begin`.
template <TileNumbers N, bool Two>
inline void multiply_tiles(Tiles& tiles, const TileCut& c, const std::uint8_t* first, [[maybe_unused]] const std::uint8_t* second, int64_t stride, const int32_t* w, const void* begin0, const void* begin1, void* sums) {
  constexpr int64_t kRow = 8 * W;   // bytes of two vectors
  auto* to = static_cast<std::byte*>(sums);
  tiles.load<0>(begin0, 0), tiles.load<1>(begin1, 0);
  if constexpr (Two) tiles.load<2>(begin0, 0), tiles.load<3>(begin1, 0);
  for (int64_t u = 0; u < c.units; u += c.tile_units, w += c.tile_units * 2 * W) {
    tiles.load<6>(w, kRow), tiles.load<4>(first + 4 * u, stride);
    tiles.multiply<N, 0, 4, 6>();
    tiles.load<7>(w + W, kRow);
    tiles.multiply<N, 1, 4, 7>();
    if constexpr (Two) {
      tiles.load<5>(second + 4 * u, stride);
      tiles.multiply<N, 2, 5, 6>(), tiles.multiply<N, 3, 5, 7>();
    }
  }
  tiles.store<0>(to, kRow), tiles.store<1>(to + kRow / 2, kRow);
  if constexpr (Two) tiles.store<2>(to + c.tile_points * kRow, kRow), tiles.store<3>(to + c.tile_points * kRow + kRow / 2, kRow);
}

/// The points [m0, m1) times a panel, two tiles at a time. `rows`: those of the points from `from` on, `stride` bytes apart; m1 - from is a tile at least. Tiles are all of one size, so the last one reaches back where it
/// would reach beyond. `sums`: of two tiles. take(i, n, sums) for n points from i on, each once.
template <TileNumbers N, class Sum, class Take>
inline void each_pair_of_tiles(Tiles& tiles, const TileCut& c, const std::uint8_t* rows, int64_t stride, int64_t from, int64_t m0, int64_t m1, const int32_t* w, const void* begin0, const void* begin1, Sum* sums, Take take) {
  const int64_t tile = c.tile_points;
  const auto begin_of = [&](int64_t i) { return least(i, m1 - tile); };
  for (int64_t i = m0; i < m1; i += 2 * tile) {
    const int64_t second = i + tile;
    const std::uint8_t *x0 = rows + (begin_of(i) - from) * stride, *x1 = rows + (begin_of(second) - from) * stride;
    second < m1 ? multiply_tiles<N, true>(tiles, c, x0, x1, stride, w, begin0, begin1, sums) : multiply_tiles<N, false>(tiles, c, x0, nullptr, stride, w, begin0, begin1, sums);
    take(i, least(tile, m1 - i), sums + (i - begin_of(i)) * 2 * W);
    if (second < m1) take(second, least(tile, m1 - second), sums + (tile + second - begin_of(second)) * 2 * W);
  }
}

}  // namespace saha::kernels::SAHA_ISA
