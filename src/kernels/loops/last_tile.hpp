#pragma once
// Products whose rows are points with channels innermost: each row begins at a place of its own.
#include "kernels/loops/gemm_tile.hpp"

namespace saha::kernels::SAHA_ISA {

/// A part of the depth: so far from where a point begins, so many elements.
struct Segment {
  int64_t offset, depth;
};

/// Rows [0, count) of a panel's product, which stand from row `row` on, in tiles of `most_rows` at most, as alike as their number allows, since a tile of one row costs as much as one of four:
/// tiles(rows, from, number, start, out) does that many from row `from` on. `start`: what sums begin with, a bias of columns that nothing scales. An activation that is no clamp follows when the sums of many are stored.
template <class F>
void each_even_tiles(int64_t count, int64_t most_rows, int vectors, const Out& all, int64_t row, int64_t column, int columns, F tiles) {
  alignas(64) static constexpr float kNothing[3 * W] = {};
  constexpr int64_t kActivated = 96;   // rows: their results stay in a first-level cache
  alignas(64) float biases[3 * W];
  const float* start = kNothing;
  Out changed;
  const Out* out = &all;
  const bool later = activates_later(all, columns, vectors);
  if (later || (all.plain && all.bias)) changed = all, out = &changed, changed.later &= !later;
  if (all.plain && all.bias) {
    if (all.first) {
      for (int j = 0; j < vectors; ++j) store(biases + j * W, load_up_to(all.bias + column + j * W, most(0, columns - j * W)));
      start = biases;
    }
    changed.bias = nullptr;
  }
  for (int64_t from = 0, n; from < count; from += n) {
    n = later ? least(count - from, kActivated) : count;
    const int64_t number = (n + most_rows - 1) / most_rows, rows = n / number, longer = n % number;
    if (longer > 0) tiles(static_cast<int>(rows + 1), from, longer, start, *out);
    if (number > longer) tiles(static_cast<int>(rows), from + longer * (rows + 1), number - longer, start, *out);
    if (later) activate_rows(all.c + (row + from) * all.c_row + column, all.c_row, n, columns, *all.epilogue);
  }
}

/// Points [0, count), which stand from row `row` on, times one panel of `depth`.
void multiply_points(const float* const* points, int64_t count, const Segment* s, const Segment* end, const float* b, int64_t depth, int vectors, const Out& all, int64_t row, int64_t column, int columns);

}  // namespace saha::kernels::SAHA_ISA
