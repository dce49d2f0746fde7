#pragma once
// "pool_f32": max or average over windows of planes [planes, H, W] (operands X, Y). Max keeps a NaN. Global pools are reduce_f32.
#include <cstdint>

#include "kernels/isa.hpp"

namespace saha::kernels {

struct PoolShape {
  std::int64_t planes = 0, in_h = 1, in_w = 0, out_h = 1, out_w = 0;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

enum class Pool : std::int32_t {
  max,
  average,         ///< over the elements of the image in a window
  average_padded,  ///< over the elements of the image and its padding in a window (count_include_pad); never beyond the padding
};

struct PoolParams {
  PoolShape shape;
  Pool op = Pool::max;
  std::int32_t band = 1;          ///< output rows of a strip
  std::int64_t strip_width = 0;
  std::int64_t planes_per_piece = 1;
  std::uint32_t pieces = 0;
  std::uint32_t in_place = 0;     ///< windows two columns wide that stand side by side inside the image: no strip
  std::uint64_t scratch = 0;
};
/// Output dims are the caller's (floor or ceil); what lies beyond the padding counts for nothing.
PoolParams prepare_pool(Isa isa, const PoolShape& shape, Pool op);
std::uint32_t grid(const PoolParams& params);
std::uint64_t scratch_bytes(const PoolParams& params);

}  // namespace saha::kernels
