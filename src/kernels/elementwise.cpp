// Preparation of elementwise kernels: collapsing of broadcasts, pieces.
#include "kernels/elementwise.hpp"

#include <algorithm>
#include <vector>

#include "base/result.hpp"
#include "kernels/merged_axes.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const UnaryParams& p) { return pieces_of_rows(p.n, 1); }

BinaryParams prepare_binary_strided(Binary op, std::span<const std::int64_t> y, std::span<const std::int64_t> a_strides, std::span<const std::int64_t> b_strides) {
  BinaryParams p;
  p.op = op;
  const auto axes = merged_axes(y, 2, [&](int k, std::size_t axis) { return (k ? b_strides : a_strides)[axis]; });
  p.rank = static_cast<std::int32_t>(axes.size());
  for (std::size_t at = 0; at < axes.size(); ++at) p.dim[at] = axes[at].dim, p.a_stride[at] = axes[at].stride[0], p.b_stride[at] = axes[at].stride[1];
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
  const RowPieces cut = pieces_of_walk(p.dim, p.rank);
  p.rows_per_piece = cut.rows_per_piece, p.pieces = cut.pieces;
}

std::uint32_t grid(const BinaryParams& p) { return p.pieces; }
std::uint32_t grid(const AffineParams& p) { return p.inner == 0 ? 0 : p.inner == 1 ? pieces_of_rows(p.outer, p.channels) : pieces_of_rows(p.outer * p.channels, p.inner); }

}  // namespace saha::kernels
