// Preparation of elementwise kernels: collapsing of broadcasts, pieces.
#include "kernels/elementwise.hpp"

#include <algorithm>
#include <vector>

#include "base/result.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const UnaryParams& p) { return pieces_of_rows(p.n, 1); }

BinaryParams prepare_binary_strided(Binary op, std::span<const std::int64_t> y, std::span<const std::int64_t> a_strides, std::span<const std::int64_t> b_strides) {
  BinaryParams p;
  p.op = op;
  std::int64_t total = 1;
  int count = 0;  // dims from the innermost on, merged where both operands step on
  std::int64_t dim[kMaxRank] = {}, as[kMaxRank] = {}, bs[kMaxRank] = {};
  for (std::size_t i = y.size(); i-- > 0;) {
    total *= y[i];
    if (y[i] == 1) continue;
    if (count > 0 && a_strides[i] == as[count - 1] * dim[count - 1] && b_strides[i] == bs[count - 1] * dim[count - 1]) {
      dim[count - 1] *= y[i];
      continue;
    }
    SAHA_ASSERT(count < kMaxRank);
    dim[count] = y[i], as[count] = a_strides[i], bs[count] = b_strides[i];
    ++count;
  }
  if (count == 0) dim[0] = total, as[0] = bs[0] = 0, count = 1;
  p.rank = count;
  for (int i = 0; i < count; ++i) p.dim[i] = dim[count - 1 - i], p.a_stride[i] = as[count - 1 - i], p.b_stride[i] = bs[count - 1 - i];
  cut(p);
  return p;
}

BinaryParams prepare_binary(Binary op, std::span<const std::int64_t> a, std::span<const std::int64_t> b, Activation activation, float p0, float p1) {
  const std::size_t rank = std::max(a.size(), b.size());
  std::vector<std::int64_t> y(rank), a_strides(rank), b_strides(rank);
  const auto at = [&](std::span<const std::int64_t> s, std::size_t i) { return i + s.size() < rank ? 1 : s[i + s.size() - rank]; };
  std::int64_t a_step = 1, b_step = 1;
  for (std::size_t i = rank; i-- > 0;) {
    const std::int64_t da = at(a, i), db = at(b, i);
    SAHA_ASSERT(da == db || da == 1 || db == 1);
    y[i] = da == 1 ? db : da;
    a_strides[i] = da == 1 ? 0 : a_step, b_strides[i] = db == 1 ? 0 : b_step;
    a_step *= da, b_step *= db;
  }
  BinaryParams p = prepare_binary_strided(op, y, a_strides, b_strides);
  p.activation = activation, p.p0 = p0, p.p1 = p1;
  return p;
}

void cut(BinaryParams& p) {
  std::int64_t total = 1;
  for (int i = 0; i < p.rank; ++i) total *= p.dim[i];
  p.rows_per_piece = 1, p.pieces = 0;
  if (total == 0) return;
  const std::int64_t row = p.dim[p.rank - 1];
  if (p.rank == 1 && row > kPieceElements) {  // one long row: cut it, the last part may be shorter
    p.rows_per_piece = 0;
    p.pieces = pieces_of_rows(row, 1);
    return;
  }
  p.rows_per_piece = rows_per_piece(row);
  p.pieces = pieces_of_rows(total / row, row);
}

std::uint32_t grid(const BinaryParams& p) { return p.pieces; }
std::uint32_t grid(const AffineParams& p) { return p.inner == 0 ? 0 : p.inner == 1 ? pieces_of_rows(p.outer, p.channels) : pieces_of_rows(p.outer * p.channels, p.inner); }

}  // namespace saha::kernels
