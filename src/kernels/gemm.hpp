#pragma once
// Matrix product  C[M, N] = act(alpha * A[M, K] B[K, N] + bias + residual_scale * residual), float32, batched, any strides.
// Kernel "gemm_f32": operands A, B, bias or null, residual or null, C.
//
// Every element of C is one sum over k in ascending order, cut every `k_block` terms; its bits depend on the params and the level only,
// never on the pieces or the threads. C overlaps no operand.
#include <cstdint>
#include <span>

#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

namespace saha::kernels {

inline constexpr int kMaxBatchRank = 6;

struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t a_row = 0, a_col = 1;       ///< A[i][p] stands at i * a_row + p * a_col: any transposition
  std::int64_t b_row = 0, b_col = 1;       ///< B[p][j] at p * b_row + j * b_col
  std::int64_t c_row = 0;                  ///< C[i][j] and residual[i][j] at i * c_row + j
  std::int64_t batch_rank = 0;
  std::int64_t batch[kMaxBatchRank] = {};  ///< C's batch dims, outermost first; C is dense over them with m * c_row elements each
  std::int64_t a_batch[kMaxBatchRank] = {}, b_batch[kMaxBatchRank] = {};  ///< strides in elements; 0 broadcasts
};

struct GemmParams {
  GemmShape shape;
  Epilogue epilogue;
  std::int32_t a_packed = 0;               ///< A is what pack_gemm_a made (then batch_rank is 0 or all of a_batch is 0)
  std::int32_t b_packed = 0;               ///< B is what pack_gemm_b made (the same for b_batch)
  std::int32_t b_direct = 0;               ///< B is read in place: b_col is 1 and packing would not pay
  std::int32_t m_block = 0, n_block = 0, k_block = 0;
  std::uint32_t m_blocks = 0, n_blocks = 0, batches = 0;
  std::uint32_t blocks = 0;                ///< by which entry of kernels/blocks.hpp
  std::uint64_t scratch = 0;
};

/// Elements of a packed operand; the buffer is 64-byte aligned.
std::int64_t packed_gemm_a_size(Isa isa, std::int64_t m, std::int64_t k);
std::int64_t packed_gemm_b_size(Isa isa, std::int64_t n, std::int64_t k);
/// Lays out a constant operand for one level. `out` has the size above; `row` and `col` are strides as in GemmShape.
void pack_gemm_a(Isa isa, const float* a, std::int64_t row, std::int64_t col, std::int64_t m, std::int64_t k, std::span<float> out);
void pack_gemm_b(Isa isa, const float* b, std::int64_t row, std::int64_t col, std::int64_t k, std::int64_t n, std::span<float> out);

GemmParams prepare_gemm(Isa isa, const GemmShape& shape, const Epilogue& epilogue, bool a_packed, bool b_packed, std::uint32_t blocks = 0);
std::uint64_t scratch_bytes(const GemmParams& params);
std::uint32_t grid(const GemmParams& params);

}  // namespace saha::kernels
