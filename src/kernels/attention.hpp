#pragma once
// Attention of heads in one pass  Y[b, h, i] = sum over j of p[j] V[b, h / group, j],  p = softmax over j of (scale * Q[b, h, i] . K[b, h / group, j] + mask[b, h, i, j]),  float32, any strides.
// Kernels "attention_f32", "attention_bf16": operands Q, K, V, mask or null, Y. In the second one scale * Q, K, p before it is divided by the sum of all, and V are rounded to bfloat16, and products summed in float32 as
// HalfProduct::dots says (kernels/conv_half.hpp); all else is float32.
//
// A piece is a part of the queries of one head, whose scores never leave the thread's scratch. A key whose mask is -inf has no part, whatever its score; a query all of whose scores
// are -inf becomes sums of 0 V. NaN in a score makes its row NaN. Probabilities below 2^-126 of the largest are 0. Sums over E and over j are cut every 256 terms, not so in bfloat16; bits depend on the
// params and the level only. Y overlaps no operand.
#include <cstdint>

#include "kernels/isa.hpp"
#include "kernels/panels.hpp"

namespace saha::kernels {

/// Where a value of heads lies in an operand, in elements: its first one, and from one batch, head, row and column to the next.
struct HeadStrides {
  std::int64_t first = 0, batch = 0, head = 0, row = 0, column = 1;
};
struct AttentionShape {
  std::int64_t batch = 1, heads = 1, group = 1;       ///< `group` heads of Q share one of K and V
  std::int64_t queries = 0, keys = 0;
  std::int64_t depth = 0, values = 0;                 ///< columns of Q and K, of V and Y
  HeadStrides q, k, v, y, mask;                       ///< K and V have 1 along rows or columns, Y along columns; those of a mask may be 0
};
struct AttentionParams {
  AttentionShape shape;
  float scale = 1;
  std::int32_t masked = 0;
  std::int64_t rows = 1;                              ///< queries whose scores are held at a time
  std::int64_t cuts = 1;                              ///< pieces of one head
  std::uint64_t scratch = 0;
};

AttentionParams prepare_attention(Isa isa, const AttentionShape& shape, float scale, bool masked);
std::uint32_t grid(const AttentionParams& params);
std::uint64_t scratch_bytes(const AttentionParams& params);

/// Where things begin in scratch, in elements: packed keys at 0, packed values; of some queries themselves times the scale, scores, sums. Rows of scores and sums are whole panels.
/// Internal linkage: each level compiles a copy of its own.
struct AttentionLayout {
  std::int64_t key_columns, value_columns;
  std::int64_t values, queries, scores, sums, all;
};
[[maybe_unused]] static constexpr AttentionLayout attention_layout(const AttentionShape& s, std::int64_t rows, int lanes) {
  const auto up = [](std::int64_t n) { return (n + 15) / 16 * 16; };
  AttentionLayout l{};
  l.key_columns = panel_columns(s.keys, lanes, false), l.value_columns = panel_columns(s.values, lanes, false);
  l.values = up(l.key_columns * s.depth);
  l.queries = l.values + up(l.value_columns * s.keys);
  l.scores = l.queries + up(rows * s.depth);
  l.sums = l.scores + up(rows * l.key_columns);
  l.all = l.sums + up(rows * l.value_columns);
  return l;
}

}  // namespace saha::kernels
