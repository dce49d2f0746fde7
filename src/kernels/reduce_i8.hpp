#pragma once
// Pools and sums of 8-bit integers.
//   "pool_i8" (X, Y)              windows of an image with channels innermost: the largest number, or the mean of those inside, ties away from zero.
//   "sum_i8" (X, constants, Y)    over [outer, n, inner]: sums that begin with what the constants (one block, kernels/rescale.hpp) say, stored.
//   "mean_i8" (X, Y)              over [outer, n, inner]: the mean in float64 of float32 numbers (X - x_zero) * x_scale, in float32 divided by y_scale, to nearest, ties to even.
//   "softmax_i8" (X, exps, Y)     over [outer, n, inner] in fixed point (tensor/fixed_point.hpp), the same loop at every level.
#include <cstdint>
#include <span>

#include "kernels/pool.hpp"
#include "kernels/rescale.hpp"

namespace saha::kernels {

struct PoolI8Params {
  PoolShape shape;                 ///< planes: images
  std::int64_t channels = 0;
  Pool op = Pool::max;             ///< max, or average over at most kMaxAveraged numbers
  std::int32_t is_signed = 0;
};
inline constexpr std::int64_t kMaxAveraged = 32768;
/// What a row of the result costs: by it grid() and the loops cut the work. Internal linkage, as kernels/split.hpp.
[[maybe_unused]] static constexpr std::int64_t row_work(const PoolI8Params& p) {
  const std::int64_t taps = p.shape.kernel_h * p.shape.kernel_w;
  return p.shape.out_w * p.channels * (taps < 8 ? taps : 8);
}
std::uint32_t grid(const PoolI8Params& params);

struct SumI8Params {
  std::int64_t outer = 0, n = 0, inner = 1;
  std::int32_t is_signed = 0, filler = 0;
  Store store;
};
[[maybe_unused]] static constexpr std::int64_t row_work(const SumI8Params& p) { return p.n * p.inner; }
std::uint32_t grid(const SumI8Params& params);

/// Sums of so many numbers in float64 are exact, in whatever order: each is a multiple of a float32's last place, and less than 256 times as large as that float32.
inline constexpr std::int64_t kMostOfMean = std::int64_t{1} << 20;
struct MeanI8Params {
  std::int64_t outer = 0, n = 1, inner = 1;
  std::int32_t is_signed = 0, x_zero = 0;
  float x_scale = 1, y_scale = 1;
  Store store;                     ///< rule real
};
[[maybe_unused]] static constexpr std::int64_t row_work(const MeanI8Params& p) { return p.n * p.inner; }
std::uint32_t grid(const MeanI8Params& params);

struct SoftmaxI8Params {
  std::int64_t outer = 0, n = 0, inner = 1;
  std::int32_t is_signed = 0;
  std::int32_t least = 0;          ///< differences below it count as nothing
  std::int32_t lo = 0, hi = 0;     ///< of the result, whose scale is 1 / 256 and whose zero point is lo
};
std::uint32_t grid(const SoftmaxI8Params& params);
/// exps[d] = exp of a number d steps below the largest, in fixed point; 256 of them. The multiplier and shift make a step a number with 5 integer bits.
void softmax_exps(std::int32_t multiplier, int shift, std::span<std::int32_t, 256> exps);

}  // namespace saha::kernels
