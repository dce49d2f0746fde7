#pragma once
// Attention over its two products: in float32, or by a level that has others.
#include "kernels/loops/vec.hpp"
#include "plan/call.hpp"

namespace saha::kernels {

/// Of small matrices in a thread's scratch; n counts whole vectors, c is [m, n].
struct AttentionProducts {
  /// B[p][j] at b[p * row + j * column], one of which is 1, for multiply(): `depth` by n, in place of float32 at most.
  void (*pack)(const float* b, std::int64_t row, std::int64_t column, std::int64_t depth, std::int64_t n, float* out);
  /// c = a b: a row of A is dense, `a_row` from the next. What is left of A is of no use.
  void (*multiply)(float* a, std::int64_t a_row, std::int64_t m, const float* b, std::int64_t k, std::int64_t n, float* c);
};

}  // namespace saha::kernels

namespace saha::kernels::SAHA_ISA_FLOATS {
void run_attention(const plan::Call& call, const AttentionProducts& products);
}
