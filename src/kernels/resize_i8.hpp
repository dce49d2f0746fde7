#pragma once
// Stored integers of 8 bits, channels innermost.
//   "resize_i8" (X, taps, Y)   [images, H, W, C] to [images, OH, OW, C], bilinear, by ResizeBlend. The taps are out_h rows, then out_w columns.
//   "argmax_i8" (X, Y)         over [outer, n, inner]: the place, int64, of the largest number along n, or of the smallest.
#include <cstdint>

#include "kernels/isa.hpp"
#include "plan/call.hpp"

namespace saha::kernels {

/// steps: weights sum to 1024, a sum's half is rounded away from zero; cut: in float32, down after adding a half; even: in float32, to nearest, halves to even.
enum class ResizeBlend : std::int32_t { steps, cut, even };
/// The weights of the two elements: int32, or the bits of float32 that sum to 1.
struct ResizeI8Tap {
  std::int32_t first = 0, second = 0, first_weight = 0, second_weight = 0;
};
struct ResizeI8Params {
  std::int64_t images = 0, in_h = 1, in_w = 1, out_h = 0, out_w = 0, channels = 0;
  std::int32_t is_signed = 0;
  ResizeBlend blend = ResizeBlend::steps;
};
[[maybe_unused]] static constexpr std::int64_t row_work(const ResizeI8Params& p) { return p.out_w * (p.channels + 16); }
std::uint32_t grid(const ResizeI8Params& params);

struct ArgMaxI8Params {
  std::int64_t outer = 0, n = 1, inner = 1;
  std::int32_t is_signed = 0, smallest = 0, last = 0, filler = 0;   ///< last: of equal ones the last, else the first
};
[[maybe_unused]] static constexpr std::int64_t row_work(const ArgMaxI8Params& p) { return p.n * p.inner; }
std::uint32_t grid(const ArgMaxI8Params& params);

}  // namespace saha::kernels
