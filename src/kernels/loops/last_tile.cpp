// The register tile of points: once a level, for convolutions as they are and by minimal filtering.
#include "kernels/loops/last_tile.hpp"

#include "kernels/last_panels.hpp"
#include "kernels/loops/ahead.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Tiles of R points by N vectors of channels over the segments, one after the other. `start`: what sums begin with.
template <int R, int N>
void point_tiles(const float* const* points, int64_t tiles, const Segment* begin, const Segment* end, const float* panel, const float* start, const Out& o, int64_t row, int64_t column, int columns, Ahead& ahead) {
  for (; tiles > 0; --tiles, points += R, row += R) {
    Ahead::Part next = ahead.steady();
    V acc[R][N];
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
      for (int j = 0; j < N; ++j) acc[i][j] = load(start + j * W);
    const float* b = panel;
    for (const Segment* s = begin; s != end; ++s) {
      const float* a[R];
#pragma GCC unroll 12
      for (int i = 0; i < R; ++i) a[i] = points[i] + s->offset;
      Ahead::each(s->depth, next, [&](int64_t p) __attribute__((always_inline)) {
        V bv[N];
#pragma GCC unroll 3
        for (int j = 0; j < N; ++j) bv[j] = load(b + j * W);
#pragma GCC unroll 12
        for (int i = 0; i < R; ++i) {
          const V av = splat(a[i][p]);
#pragma GCC unroll 3
          for (int j = 0; j < N; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
        }
        b += N * W;
      });
    }
    finish<R, N, false>(acc, o, row, column, columns);
  }
}

/// Most rows of a tile of so many vectors.
constexpr int most_rows_of(int vectors) { return kCompact ? 4 : last_tile_rows(vectors, W); }
using PointTiles = decltype(&point_tiles<1, 1>);
template <int N, int... R>
struct PointTilesOf {
  static constexpr PointTiles of[] = {point_tiles<R + 1, N>...};
};
template <int N, int... R>
constexpr PointTiles point_tiles_of(int rows, Lanes<R...>) { return PointTilesOf<N, R...>::of[rows - 1]; }
PointTiles point_tiles_of(int rows, int vectors) {
  switch (vectors) {
    case 3: return point_tiles_of<3>(rows, MakeLanes<most_rows_of(3)>::type{});
    case 2: return point_tiles_of<2>(rows, MakeLanes<most_rows_of(2)>::type{});
    default: return point_tiles_of<1>(rows, MakeLanes<most_rows_of(1)>::type{});
  }
}

}  // namespace

void multiply_points(const float* const* points, int64_t count, const Segment* s, const Segment* end, const float* b, int64_t depth, int vectors, const Out& all, int64_t row, int64_t column, int columns) {
  const int64_t most_rows = most_rows_of(vectors), size = depth * vectors * W;
  Ahead ahead(b + size, 4 * size, (count + most_rows - 1) / most_rows, Ahead::steady_requests(depth));
  each_even_tiles(count, most_rows, vectors, all, row, column, columns, [&](int rows, int64_t from, int64_t tiles, const float* start, const Out& o) {
    point_tiles_of(rows, vectors)(points + from, tiles, s, end, b, start, o, row + from, column, columns, ahead);
  });
}

}  // namespace saha::kernels::SAHA_ISA
