// Preparation of elementwise kernels: collapsing of broadcasts, pieces.
#include "kernels/elementwise.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const UnaryParams& p) { return pieces_of_rows(p.n, 1); }

BinaryParams prepare_binary(Binary op, std::span<const std::int64_t> a, std::span<const std::int64_t> b, Activation activation, float p0, float p1) {
  BinaryParams p;
  p.op = op, p.activation = activation, p.p0 = p0, p.p1 = p1;
  const std::size_t rank = std::max(a.size(), b.size());
  const auto at = [&](std::span<const std::int64_t> s, std::size_t i) { return i + s.size() < rank ? 1 : s[i + s.size() - rank]; };
  std::int64_t a_step = 1, b_step = 1, total = 1;
  int count = 0;  // dims from the innermost on, merged where both operands step on
  std::int64_t dim[kMaxRank] = {}, as[kMaxRank] = {}, bs[kMaxRank] = {};
  for (std::size_t i = rank; i-- > 0;) {
    const std::int64_t da = at(a, i), db = at(b, i), d = da == 1 ? db : da;
    SAHA_ASSERT(da == db || da == 1 || db == 1);
    total *= d;
    const std::int64_t sa = da == 1 ? 0 : a_step, sb = db == 1 ? 0 : b_step;
    a_step *= da, b_step *= db;
    if (d == 1) continue;
    if (count > 0 && sa == as[count - 1] * dim[count - 1] && sb == bs[count - 1] * dim[count - 1] ) {
      dim[count - 1] *= d;
      continue;
    }
    SAHA_ASSERT(count < kMaxRank);
    dim[count] = d, as[count] = sa, bs[count] = sb;
    ++count;
  }
  if (count == 0) dim[0] = total, as[0] = bs[0] = 0, count = 1;
  p.rank = count;
  for (int i = 0; i < count; ++i) p.dim[i] = dim[count - 1 - i], p.a_stride[i] = as[count - 1 - i], p.b_stride[i] = bs[count - 1 - i];
  cut(p);
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
std::uint32_t grid(const AffineParams& p) { return p.inner == 0 ? 0 : pieces_of_rows(p.outer * p.channels, p.inner); }

}  // namespace saha::kernels
