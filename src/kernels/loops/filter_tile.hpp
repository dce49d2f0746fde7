#pragma once
// Tiles of minimal filtering F(4x4, 3x3): which products they have, and where they read an image with channels innermost.
#include <type_traits>

#include "kernels/conv.hpp"
#include "kernels/loops/vec.hpp"
#include "kernels/winograd.hpp"

namespace saha::kernels::SAHA_ISA {

inline constexpr int kTaps = kCompact ? 1 : 6, kResults = kCompact ? 1 : 4;   ///< of a row or column of a tile: loops over them are unrolled

/// A last tile of one or two results along an axis is one of F(2, 3): of the six points at which the polynomials are evaluated it needs four, 0, the first and its opposite, and infinity.
constexpr bool is_short(int64_t n) { return n % 4 == 1 || n % 4 == 2; }
/// The last tile of the others has no products at these points.
constexpr bool left_out(int64_t point) { return point == 3 || point == 4; }

/// Which axes a tile is short along: most are along none, and have loops that do not ask.
struct Whole {
  static constexpr bool low = false, narrow = false;
};
struct Short {
  bool low, narrow;
};
/// f(0) to f(5), a column or row of a tile each; one after the other in a loop where few tiles take it.
template <class Side, class F>
[[gnu::always_inline]] inline void each_of_six(Side, F f) {
  if constexpr (std::is_same_v<Side, Whole>) {
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) f(i);
  } else {
#pragma GCC unroll 1
    for (int i = 0; i < 6; ++i) f(i);
  }
}

/// The tiles of an image, row after row. Of each of the 36 matrices of products, of points i along columns and j along rows, tiles have a row in that order: all but the short ones that leave it out.
struct FilterTiles {
  int64_t wide, all;                ///< tiles of a row, of an image
  bool short_h, short_w;            ///< whether the last row and the last column of tiles are short
  explicit FilterTiles(const ConvShape& s) : wide(filter_tiles(s.out_w)), all(filter_tiles(s.out_h) * wide), short_h(is_short(s.out_h)), short_w(is_short(s.out_w)) {}

  template <class F>
  void with_side(int64_t t, F f) const {
    const bool low = short_h && t >= all - wide, narrow = short_w && t % wide == wide - 1;
    low || narrow ? f(Short{low, narrow}) : f(Whole{});
  }
  /// Rows that tiles [t0, t) have in a matrix of point j, not looking at i.
  int64_t row(int64_t j, int64_t t0, int64_t t) const { return t - t0 - (short_w && left_out(j) ? t / wide - t0 / wide : 0); }
  /// Looking at both: none, where all tiles are short and leave it out.
  int64_t rows(int64_t i, int64_t j, int64_t t0, int64_t t1) const { return row(j, t0, short_h && left_out(i) ? least(t1, most(t0, all - wide)) : t1); }
};

/// The 6x6 pixels of the tile whose results begin at (oy, ox); of those beyond the image `beyond`, a row of what is read there.
template <class T>
inline void find_pixels(const ConvShape& s, const T* image, int64_t oy, int64_t ox, const T* beyond, const T* (&pixel)[36]) {
  for (int64_t i = 0; i < 6; ++i)
    for (int64_t j = 0; j < 6; ++j) {
      const int64_t iy = oy - s.pad_top + i, ix = ox - s.pad_left + j;
      pixel[i * 6 + j] = iy >= 0 && ix >= 0 && iy < s.in_h && ix < s.in_w ? image + (iy * s.in_w + ix) * s.in_channels : beyond;
    }
}

}  // namespace saha::kernels::SAHA_ISA
