// Pieces of a resize: rows of the result.
#include "kernels/resize.hpp"

#include "base/result.hpp"

namespace saha::kernels {

ResizeParams prepare_resize(std::int64_t planes, std::int64_t in_h, std::int64_t in_w, std::int64_t inner, std::span<const ResizeTap> rows, std::span<const ResizeTap> columns) {
  ResizeParams p{planes, in_h, in_w, static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(columns.size()), inner, 1};
  const auto check = [&](std::span<const ResizeTap> taps, std::int64_t n) {
    for (const ResizeTap& t : taps) {
      SAHA_ASSERT(t.first >= 0 && t.first < n && t.second >= 0 && t.second < n);
      if (t.weight != 0) p.nearest = 0;
    }
  };
  check(rows, in_h), check(columns, in_w);
  return p;
}

std::uint32_t grid(const ResizeParams& p) { return p.out_w * p.inner == 0 ? 0 : pieces_of_rows(p.planes * p.out_h, p.out_w * p.inner); }
std::uint64_t scratch_bytes(const ResizeParams& p) { return static_cast<std::uint64_t>(2 * p.out_w * p.inner + 32) * 4; }

}  // namespace saha::kernels
