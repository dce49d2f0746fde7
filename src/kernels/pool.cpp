// Bands and pieces of a pool.
#include "kernels/pool.hpp"

#include <algorithm>

#include "kernels/split.hpp"

namespace saha::kernels {

PoolParams prepare_pool(Isa isa, const PoolShape& s, Pool op) {
  PoolParams p;
  p.shape = s;
  p.op = op;
  if (s.planes * s.out_h * s.out_w == 0) return p;
  const bool inside = s.pad_top == 0 && s.pad_left == 0 && (s.out_h - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h < s.in_h && 2 * s.out_w <= s.in_w;
  p.in_place = inside && s.kernel_w == 2 && s.stride_w == 2 && s.dilation_w == 1;
  const std::int64_t phase_width = s.out_w + (s.kernel_w - 1) * s.dilation_w / s.stride_w;
  p.strip_width = phase_width * s.stride_w;
  const auto rows = [&](std::int64_t band) { return (band - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1; };
  std::int64_t band = s.out_h;
  while (band > 4 && rows(band) * p.strip_width * 4 > 16 << 10) band = (band + 1) / 2;
  p.band = static_cast<std::int32_t>(band);
  const std::int64_t per_plane = std::max<std::int64_t>(1, s.out_h * s.out_w * std::min<std::int64_t>(8, s.kernel_h * s.kernel_w));
  p.planes_per_piece = rows_per_piece(per_plane);
  p.pieces = pieces_of_rows(s.planes, per_plane);
  if (!p.in_place) p.scratch = static_cast<std::uint64_t>((s.kernel_h * s.kernel_w + 15) / 16 * 16 + s.out_w + rows(band) * p.strip_width + 4 * lanes(isa)) * 4;
  return p;
}

std::uint32_t grid(const PoolParams& params) { return params.pieces; }
std::uint64_t scratch_bytes(const PoolParams& params) { return params.scratch; }

}  // namespace saha::kernels
