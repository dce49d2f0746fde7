#pragma once
// "resize_f32": planes [planes, H, W, inner] to [planes, OH, OW, inner] by tables (operands X, tables, Y); `inner` are the channels of an image with channels innermost, else 1. Each output row is a weighted sum of two
// input rows, each output column of two input columns; nearest neighbour is weight 1 and 0.
#include <cstdint>
#include <span>

#include "kernels/isa.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {

/// y = x[first] * (1 - weight) + x[second] * weight; weight 0 leaves x[second] out, be it NaN.
struct ResizeTap {
  std::int32_t first, second;
  float weight;
};

struct ResizeParams {
  std::int64_t planes = 0, in_h = 1, in_w = 0, out_h = 1, out_w = 0;
  std::int64_t inner = 1;
  std::int64_t nearest = 0;                          ///< every weight is 0
};
/// The tables are out_h taps, then out_w taps.
ResizeParams prepare_resize(std::int64_t planes, std::int64_t in_h, std::int64_t in_w, std::int64_t inner, std::span<const ResizeTap> rows, std::span<const ResizeTap> columns);
/// Rows of the result in a piece. Internal linkage, as kernels/split.hpp.
[[maybe_unused]] static constexpr std::int64_t rows_of_piece(const ResizeParams& p) { return rows_per_piece(p.out_w * p.inner); }
std::uint32_t grid(const ResizeParams& params);
std::uint64_t scratch_bytes(const ResizeParams& params);

}  // namespace saha::kernels
