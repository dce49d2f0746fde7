#pragma once
// A window of a pool by double loops.
#include <cmath>

#include "kernels/pool.hpp"

namespace saha::kernels::test {

struct PoolWindow {
  double sum = 0, total = 0, high = -INFINITY;   ///< total: of magnitudes; high: NaN where one is
  std::int64_t count = 0, padded = 0;            ///< elements of the image; of the image and its padding
};
/// `at(y, x)`: an element of the image.
template <class At> PoolWindow pool_window(const PoolShape& s, std::int64_t oy, std::int64_t ox, At at) {
  PoolWindow w;
  for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
    for (std::int64_t kx = 0; kx < s.kernel_w; ++kx) {
      const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
      w.padded += iy >= -s.pad_top && iy < s.in_h + s.pad_bottom && ix >= -s.pad_left && ix < s.in_w + s.pad_right;
      if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
      const double v = at(iy, ix);
      ++w.count, w.sum += v, w.total += std::fabs(v);
      w.high = std::isnan(w.high) || std::isnan(v) ? NAN : std::max(w.high, v);
    }
  return w;
}

}  // namespace saha::kernels::test
