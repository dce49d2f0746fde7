#pragma once
// Kernels that move elements of 1, 2, 4 or 8 bytes and never look at them:
//   "transpose" (X, Y)    Y[i, j, k] = X with axes permuted
//   "copy" (X, Y)         a box of X into a box of Y, any strides: Slice, Pad's inside, Expand
//   "concat" (X0 .. , Y)  blocks of bytes side by side;  "split" (X, Y0 ..)  the reverse
//   "pad" (X, Y)          X in a larger or smaller box, the rest filled with one element
//   "gather" (X, indices, Y)  blocks of bytes by index
#include <cstdint>
#include <span>

#include "kernels/isa.hpp"

namespace saha::kernels {

inline constexpr int kMaxMoveRank = 8;

/// Y is dense with dims `dim`, outermost first; X has strides `stride`, in elements. Also does Expand (stride 0) and Slice (any stride).
struct MoveParams {
  std::int32_t rank = 0, element = 4;                ///< bytes of an element: 1, 2, 4 or 8
  std::int32_t filler = 0;
  std::int32_t contiguous = -1;                      ///< the dim with stride 1 in X that is not the last one; -1: none
  std::int64_t offset = 0;                           ///< of Y's first element in X
  std::int64_t dim[kMaxMoveRank] = {}, stride[kMaxMoveRank] = {};
  std::int64_t rows = 0, rows_per_piece = 1;         ///< a row is the last dim, or a block of a plane of the last dim and the contiguous one
};
/// `dims` of Y, its strides in X in elements. Dims of 1 vanish, dims that step alike become one. Rank after that at most kMaxMoveRank.
MoveParams prepare_move(int element_bytes, std::span<const std::int64_t> dims, std::span<const std::int64_t> strides, std::int64_t offset = 0);
/// Y has dims x[perm[0]], x[perm[1]], ..
MoveParams prepare_transpose(int element_bytes, std::span<const std::int64_t> x, std::span<const std::int64_t> perm);
/// "transpose" where a contiguous dim of X becomes another one, else "copy".
std::string_view kernel(const MoveParams& params);
std::uint32_t grid(const MoveParams& params);

inline constexpr int kMaxParts = 64;

/// outer blocks of each part follow one another: Y[o] = X0[o] X1[o] ..
struct ConcatParams {
  std::int64_t outer = 0;
  std::int64_t parts = 0;
  std::int64_t bytes[kMaxParts] = {};                ///< of one block of each part
};
std::uint32_t grid(const ConcatParams& params);

/// Y has dims `dim`, X `x_dim`; X's first element stands at `before` in Y, which may be negative. Rows are the last dim.
struct PadParams {
  std::int32_t rank = 0, element = 4;                ///< bytes of an element: 1, 2, 4 or 8
  std::uint64_t value = 0;                           ///< the element that fills, in its low bytes
  std::int64_t dim[kMaxMoveRank] = {}, x_dim[kMaxMoveRank] = {}, before[kMaxMoveRank] = {};
  std::int64_t rows = 0, rows_per_piece = 1;
};
/// Axes that are not padded join their neighbours. Rank after that at most kMaxMoveRank.
PadParams prepare_pad(int element_bytes, std::span<const std::int64_t> x, std::span<const std::int64_t> before, std::span<const std::int64_t> y, std::uint64_t value);
std::uint32_t grid(const PadParams& params);

/// Y[o, i, :] = X[o, index[i], :]. A negative index counts from the end; one outside [-n, n) gives a block of zero bytes.
struct GatherParams {
  std::int64_t outer = 0, n = 0, count = 0, bytes = 0;
  std::int64_t wide = 1;                             ///< indices are int64, else int32
};
std::uint32_t grid(const GatherParams& params);

}  // namespace saha::kernels
