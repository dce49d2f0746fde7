#pragma once
// Product of a few rows by a constant matrix  C[M, N] = act(alpha * A[M, K] B[K, N] + bias + residual_scale * residual), float32, 1 <= M <= kGemvRows.
// Kernel "gemv_f32": operands A, what pack_gemv made of B, bias or null, residual or null, C.
//
// The sums of a panel of columns stay in registers over the whole depth, so that B is read once, as one stream, and nothing is stored in between. Every element
// of C is up to eight interleaved sums over k, added in pairs, or a sum of each lane, added in halves; its bits depend on the params and the level only, never on the pieces. C overlaps no operand.
#include <cstdint>
#include <span>

#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

namespace saha::kernels {

inline constexpr std::int64_t kGemvRows = 4;

struct GemvShape {
  std::int64_t m = 1, n = 1, k = 1;
  std::int64_t a_row = 0, a_step = 1;   ///< A[i][p] stands at i * a_row + p * a_step; C and residual are dense
};

struct GemvParams {
  GemvShape shape;
  Epilogue epilogue;
  std::uint32_t panels = 0, pieces = 0; ///< the columns are cut into panels, these shared out among the pieces
  std::uint32_t vectors = 0, wider = 0; ///< of columns in a panel; the first `wider` panels have one more
  std::uint32_t apart = 0, unused = 0;  ///< so many last columns are no part of a panel, whose rows would lie across two lines each: they lie along the depth
};

GemvParams prepare_gemv(Isa isa, const GemvShape& shape, const Epilogue& epilogue);
std::uint32_t grid(const GemvParams& params);

/// Elements of the packed B; the buffer is 64-byte aligned.
std::int64_t packed_gemv_size(Isa isa, const GemvParams& params);
/// B[p][j] stands at p * row + j * col.
void pack_gemv(Isa isa, const GemvParams& params, const float* b, std::int64_t row, std::int64_t col, std::span<float> out);

/// A column that stands apart, filled up to whole vectors.
[[maybe_unused]] static constexpr std::int64_t gemv_column(std::int64_t k, int lanes) { return (k + lanes - 1) / lanes * lanes; }
/// Most vectors of a panel, by rows and lanes: the sums fill what a row's operand and those of B leave of 16 registers; with 32, as many as hide the latency of a sum, for more would only
/// read A less often. Internal linkage, so that each level compiles a copy of its own.
[[maybe_unused]] static constexpr int gemv_most_vectors(std::int64_t rows, int lanes) {
  constexpr int kMost[2][kGemvRows] = {{8, 6, 4, 3}, {6, 6, 4, 4}};
  return kMost[lanes == 16][rows - 1];
}

}  // namespace saha::kernels
