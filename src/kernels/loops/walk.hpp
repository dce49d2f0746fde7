#pragma once
// The rows of a result of two operands with broadcasts (BinaryParams).
#include "kernels/elementwise.hpp"
#include "kernels/loops/vec.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {

/// Begin of the row in A, step, begin in B, step, begin in Y, n; and what the walk was given for it.
using RowOfTwo = void (*)(void* with, int64_t at_a, int64_t a_step, int64_t at_b, int64_t b_step, int64_t at, int64_t n);
/// row(with, ..) for the pieces [begin, end): the walk once, whatever is done with its rows.
[[gnu::noinline]] inline void walk_rows(const BinaryParams& p, int64_t begin, int64_t end, RowOfTwo row, void* with) {
  if (begin == end) return;  // a dim is 0
  const int last = p.rank - 1;
  if (p.rows_per_piece == 0) {
    const int64_t i = begin * kPieceElements, n = least(p.dim[0], end * kPieceElements) - i;
    return row(with, i * p.a_stride[0], p.a_stride[0], i * p.b_stride[0], p.b_stride[0], i, n);
  }
  int64_t rows = 1;
  for (int d = 0; d < last; ++d) rows *= p.dim[d];
  const int64_t r0 = begin * p.rows_per_piece, r1 = least(rows, end * p.rows_per_piece);
  int64_t index[kMaxRank], rest = r0, at_a = 0, at_b = 0;
  for (int d = last - 1; d >= 0; --d) {
    index[d] = rest % p.dim[d], rest /= p.dim[d];
    at_a += index[d] * p.a_stride[d], at_b += index[d] * p.b_stride[d];
  }
  for (int64_t r = r0; r < r1; ++r) {
    row(with, at_a, p.a_stride[last], at_b, p.b_stride[last], r * p.dim[last], p.dim[last]);
    for (int d = last - 1; d >= 0; --d) {
      at_a += p.a_stride[d], at_b += p.b_stride[d];
      if (++index[d] < p.dim[d]) break;
      at_a -= index[d] * p.a_stride[d], at_b -= index[d] * p.b_stride[d];
      index[d] = 0;
    }
  }
}
template <class F>
inline void walk_rows(const BinaryParams& p, int64_t begin, int64_t end, F row) {
  const RowOfTwo call = [](void* with, int64_t at_a, int64_t a_step, int64_t at_b, int64_t b_step, int64_t at, int64_t n) { (*static_cast<F*>(with))(at_a, a_step, at_b, b_step, at, n); };
  walk_rows(p, begin, end, call, &row);
}

}  // namespace saha::kernels::SAHA_ISA
