#pragma once
// Products whose rows are points with channels innermost: each row begins at a place of its own.
#include "kernels/loops/gemm_tile.hpp"

namespace saha::kernels::SAHA_ISA {

/// A part of the depth: so far from where a point begins, so many elements.
struct Segment {
  int64_t offset, depth;
};

/// Points [0, count), which stand from row `row` on, times one panel of `depth`; tiles are as alike as their number allows, since a tile of one point costs as much as one of four. A bias of columns that
/// nothing scales is what sums begin with; an activation that is no clamp follows when the sums of many tiles are stored.
void multiply_points(const float* const* points, int64_t count, const Segment* s, const Segment* end, const float* b, int64_t depth, int vectors, const Out& all, int64_t row, int64_t column, int columns);

}  // namespace saha::kernels::SAHA_ISA
