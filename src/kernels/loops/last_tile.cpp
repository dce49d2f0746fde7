// The register tile of points: once a level, for convolutions as they are and by minimal filtering.
#include "kernels/loops/last_tile.hpp"

#include "kernels/last_panels.hpp"
#include "kernels/loops/ahead.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

#if SAHA_ISA_LEVEL >= 2
constexpr bool kHalves = true;
typedef float Half __attribute__((vector_size(W * 2)));   ///< a product of it takes half as long where a vector of 512 bits is done by two units, or in two turns
Half half_of(V v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7); }
V whole_of(Half v) { return __builtin_shufflevector(v, Half{}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
Half fma_half(Half a, Half b, Half c) { return _mm256_fmadd_ps(a, b, c); }
#else
constexpr bool kHalves = false;
using Half = V;
Half half_of(V v) { return v; }
V whole_of(Half v) { return v; }
#endif

/// Tiles of R points by N vectors of channels over the segments, one after the other; of the last vector its first half only, where H says so. `start`: what sums begin with.
template <int R, int N, bool H>
void point_tiles(const float* const* points, int64_t tiles, const Segment* begin, const Segment* end, const float* panel, const float* start, const Out& o, int64_t row, int64_t column, int columns, Ahead& ahead) {
  for (; tiles > 0; --tiles, points += R, row += R) {
    Ahead::Part next = ahead.steady();
    constexpr int kWhole = H ? N - 1 : N;
    V acc[R][N];
    Half half[R];
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 3
      for (int j = 0; j < kWhole; ++j) acc[i][j] = load(start + j * W);
      if constexpr (H) half[i] = half_of(load(start + kWhole * W));
    }
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
          for (int j = 0; j < kWhole; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
          if constexpr (H) half[i] = fma_half(half_of(av), half_of(bv[N - 1]), half[i]);
        }
        b += N * W;
      });
    }
#pragma GCC unroll 12
    for (int i = 0; H && i < R; ++i) acc[i][N - 1] = whole_of(half[i]);
    finish<R, N, false>(acc, o, row, column, columns);
  }
}

/// Most rows of a tile of so many vectors.
constexpr int most_rows_of(int vectors) { return kCompact ? 4 : last_tile_rows(vectors, W); }
using PointTiles = decltype(&point_tiles<1, 1, false>);
template <int N, int... R>
struct PointTilesOf {
  static constexpr PointTiles of[] = {point_tiles<R + 1, N, false>...};
};
template <int N, int... R>
constexpr PointTiles point_tiles_of(int rows, [[maybe_unused]] bool half, Lanes<R...>) {
  if constexpr (kHalves) {   // for the tiles that images have most of
    constexpr int kMost = sizeof...(R);
    if (half && rows >= kMost - 1) return rows == kMost ? point_tiles<kMost, N, true> : point_tiles<kMost - 1, N, true>;
  }
  return PointTilesOf<N, R...>::of[rows - 1];
}
PointTiles point_tiles_of(int rows, int vectors, int columns) {
  const bool half = (vectors - 1) * W + W / 2 >= columns;
  switch (vectors) {
    case 3: return point_tiles_of<3>(rows, half, MakeLanes<most_rows_of(3)>::type{});
    case 2: return point_tiles_of<2>(rows, half, MakeLanes<most_rows_of(2)>::type{});
    default: return point_tiles_of<1>(rows, half, MakeLanes<most_rows_of(1)>::type{});
  }
}

}  // namespace

void multiply_points(const float* const* points, int64_t count, const Segment* s, const Segment* end, const float* b, int64_t depth, int vectors, const Out& all, int64_t row, int64_t column, int columns) {
  const int64_t most_rows = most_rows_of(vectors), size = depth * vectors * W;
  Ahead ahead(b + size, 4 * size, (count + most_rows - 1) / most_rows, Ahead::steady_requests(depth));
  each_even_tiles(count, most_rows, vectors, all, row, column, columns, [&](int rows, int64_t from, int64_t tiles, const float* start, const Out& o) {
    point_tiles_of(rows, vectors, columns)(points + from, tiles, s, end, b, start, o, row + from, column, columns, ahead);
  });
}

}  // namespace saha::kernels::SAHA_ISA
