#pragma once
// Where a tile of minimal filtering F(4x4, 3x3) reads an image with channels innermost.
#include "kernels/conv.hpp"
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

inline constexpr int kTaps = kCompact ? 1 : 6, kResults = kCompact ? 1 : 4;   ///< of a row or column of a tile: loops over them are unrolled

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
