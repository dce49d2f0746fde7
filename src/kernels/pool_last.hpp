#pragma once
// "pool_last_f32": max or average over windows of images with channels innermost [planes, H, W, C] (operands X, Y), as "pool_f32" does it (kernels/pool.hpp).
#include <cstdint>

#include "kernels/pool.hpp"

namespace saha::kernels {

struct PoolLastParams {
  PoolShape shape;                ///< planes: images
  std::int64_t channels = 0;
  Pool op = Pool::max;
  std::int32_t rows = 0;          ///< of the result in a piece
  std::uint32_t bands = 0;        ///< pieces of an image
  std::uint32_t pieces = 0;
};
PoolLastParams prepare_pool_last(const PoolShape& shape, std::int64_t channels, Pool op);
std::uint32_t grid(const PoolLastParams& params);

}  // namespace saha::kernels
