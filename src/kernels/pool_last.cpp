// Pieces of a pool with channels innermost: rows of the result.
#include "kernels/pool_last.hpp"

#include <algorithm>

#include "kernels/split.hpp"

namespace saha::kernels {

PoolLastParams prepare_pool_last(const PoolShape& s, std::int64_t channels, Pool op) {
  PoolLastParams p;
  p.shape = s;
  p.channels = channels;
  p.op = op;
  if (s.planes * s.out_h * s.out_w * channels == 0) return p;
  p.rows = static_cast<std::int32_t>(std::min(s.out_h, rows_per_piece(s.out_w * channels * std::min<std::int64_t>(8, s.kernel_h * s.kernel_w))));
  p.bands = static_cast<std::uint32_t>((s.out_h + p.rows - 1) / p.rows);
  p.pieces = static_cast<std::uint32_t>(s.planes) * p.bands;
  return p;
}

std::uint32_t grid(const PoolLastParams& params) { return params.pieces; }

}  // namespace saha::kernels
