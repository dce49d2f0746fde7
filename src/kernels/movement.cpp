// Preparation of moves: dims are collapsed, then the move is rows of memcpy, rows of strided elements, or planes to transpose.
#include "kernels/movement.hpp"

#include <algorithm>
#include <vector>

#include "base/result.hpp"
#include "kernels/split.hpp"
#include "tensor/tensor.hpp"

namespace saha::kernels {

MoveParams prepare_move(int element_bytes, std::span<const std::int64_t> dims, std::span<const std::int64_t> strides, std::int64_t offset) {
  MoveParams p;
  p.element = element_bytes;
  p.offset = offset;
  const std::int64_t total = num_elements(dims);
  if (total == 0) return p;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (p.rank > 0 && p.stride[p.rank - 1] == strides[i] * dims[i]) {
      p.dim[p.rank - 1] *= dims[i], p.stride[p.rank - 1] = strides[i];
      continue;
    }
    SAHA_ASSERT(p.rank < kMaxMoveRank);
    p.dim[p.rank] = dims[i], p.stride[p.rank] = strides[i];
    ++p.rank;
  }
  if (p.rank == 0) p.rank = 1, p.dim[0] = 1, p.stride[0] = 1;
  const int last = p.rank - 1;
  if (p.stride[last] != 1)
    for (int i = 0; i < last; ++i)
      if (p.stride[i] == 1) p.contiguous = i;
  if (p.contiguous >= 0) {  // planes of 16 lines along the contiguous dim
    const std::int64_t blocks = (p.dim[p.contiguous] + 15) / 16;
    p.rows = total / p.dim[last] / p.dim[p.contiguous] * blocks;
    p.rows_per_piece = rows_per_piece(p.dim[last] * 16);
  } else {
    p.rows = total / p.dim[last];
    p.rows_per_piece = rows_per_piece(p.dim[last]);
    if (p.rows == 1 && p.stride[last] == 1 && p.dim[last] >= 2 * kPieceElements) {  // one long row: cut it where it divides
      std::int64_t parts = std::min<std::int64_t>(64, p.dim[last] / kPieceElements);
      while (p.dim[last] % parts != 0) --parts;
      if (parts > 1) {
        p.dim[1] = p.dim[0] / parts, p.stride[1] = 1, p.dim[0] = parts, p.stride[0] = p.dim[1];
        p.rank = 2, p.rows = parts, p.rows_per_piece = 1;
      }
    }
  }
  return p;
}

MoveParams prepare_transpose(int element_bytes, std::span<const std::int64_t> x, std::span<const std::int64_t> perm) {
  std::vector<std::int64_t> dims(perm.size()), strides(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const auto axis = static_cast<std::size_t>(perm[i]);
    dims[i] = x[axis], strides[i] = 1;
    for (std::size_t j = axis + 1; j < x.size(); ++j) strides[i] *= x[j];
  }
  return prepare_move(element_bytes, dims, strides);
}

PadParams prepare_pad(int element_bytes, std::span<const std::int64_t> x, std::span<const std::int64_t> before, std::span<const std::int64_t> y, std::uint64_t value) {
  PadParams p;
  p.element = element_bytes;
  p.value = value;
  const std::int64_t total = num_elements(y);
  if (total == 0) return p;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool whole = before[i] == 0 && x[i] == y[i];
    if (p.rank > 0 && whole) {   // within the axis before it
      const int last = p.rank - 1;
      p.dim[last] *= y[i], p.x_dim[last] *= x[i], p.before[last] *= x[i];
      continue;
    }
    SAHA_ASSERT(p.rank < kMaxMoveRank);
    p.dim[p.rank] = y[i], p.x_dim[p.rank] = x[i], p.before[p.rank] = before[i];
    ++p.rank;
  }
  if (p.rank == 0) p.rank = 1, p.dim[0] = p.x_dim[0] = 1;
  p.rows = total / p.dim[p.rank - 1];
  p.rows_per_piece = rows_per_piece(p.dim[p.rank - 1]);
  return p;
}
std::uint32_t grid(const PadParams& p) { return static_cast<std::uint32_t>((p.rows + p.rows_per_piece - 1) / p.rows_per_piece); }

std::string_view kernel(const MoveParams& p) { return p.contiguous >= 0 ? "transpose" : "copy"; }
std::uint32_t grid(const MoveParams& p) { return static_cast<std::uint32_t>((p.rows + p.rows_per_piece - 1) / p.rows_per_piece); }
std::uint32_t grid(const ConcatParams& p) { return static_cast<std::uint32_t>(p.outer == 1 ? p.parts : std::min<std::int64_t>(p.outer, 64)); }
std::uint32_t grid(const GatherParams& p) {
  return p.outer * p.count == 0 ? 0 : static_cast<std::uint32_t>(std::clamp<std::int64_t>(p.outer * p.count * p.bytes / 65536, 1, std::min<std::int64_t>(64, p.outer * p.count)));
}

}  // namespace saha::kernels
