#pragma once
// The register tile of products whose rows are points with channels innermost: each row begins at a place of its own.
#include "kernels/last_panels.hpp"
#include "kernels/loops/gemm_tile.hpp"

namespace saha::kernels::SAHA_ISA {

/// A part of the depth: so far from where a point begins, so many elements.
struct Segment {
  int64_t offset, depth;
};

/// R points by N vectors of channels over the segments.
template <int R, int N>
inline void point_tile(const float* const* points, const Segment* s, const Segment* end, const float* b, const Out& o, int64_t row, int64_t column, int columns) {
  V acc[R][N] = {};
  for (; s != end; ++s) {
    const float* a[R];
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) a[i] = points[i] + s->offset;
    const int64_t depth = s->depth;
#pragma GCC unroll 2
    for (int64_t p = 0; p < depth; ++p, b += N * W) {
      V bv[N];
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) bv[j] = load(b + j * W);
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i][p]);
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
    }
  }
  finish<R, N, false>(acc, o, row, column, columns);
}

using PointTile = decltype(&point_tile<1, 1>);
template <int N, int... R>
struct PointTiles {
  static constexpr PointTile of[] = {point_tile<R + 1, N>...};
};
template <int N, int... R>
constexpr PointTile point_tile_of(int rows, Lanes<R...>) { return PointTiles<N, R...>::of[rows - 1]; }
inline PointTile point_tile_of(int rows, int vectors) {
  switch (vectors) {
    case 3: return point_tile_of<3>(rows, MakeLanes<last_tile_rows(3, W)>::type{});
    case 2: return point_tile_of<2>(rows, MakeLanes<last_tile_rows(2, W)>::type{});
    default: return point_tile_of<1>(rows, MakeLanes<last_tile_rows(1, W)>::type{});
  }
}

/// Points [0, count), which stand from row `row` on, times one panel of `depth`; tiles are as alike as their number allows, since a tile of one point costs as much as one of four.
inline void multiply_points(const float* const* points, int64_t count, const Segment* s, const Segment* end, const float* b, int64_t depth, int vectors, const Out& o, int64_t row, int64_t column, int columns) {
  const int64_t most_rows = last_tile_rows(vectors, W), tiles = (count + most_rows - 1) / most_rows, rows = count / tiles, longer = count % tiles;
  const int64_t size = depth * vectors * W;
  Ahead ahead(b + size, 4 * size, tiles);
  for (int part = 0; part < 2; ++part) {
    const int64_t n = part == 0 ? longer : tiles - longer, r = part == 0 ? rows + 1 : rows;
    if (n == 0) continue;
    const PointTile tile = point_tile_of(static_cast<int>(r), vectors);
    for (int64_t t = 0; t < n; ++t, points += r, row += r) {
      ahead.ask();
      tile(points, s, end, b, o, row, column, columns);
    }
  }
}

}  // namespace saha::kernels::SAHA_ISA
