// Pieces of the kernels over rows: some 16,000 elements each.
#include "kernels/rows.hpp"

#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const SoftmaxParams& p) { return p.n * p.inner == 0 ? 0 : pieces_of_rows(p.inner == 1 ? p.outer : p.outer * lane_blocks(p.inner), p.inner == 1 ? p.n : p.n * kLaneBlock); }
std::uint32_t grid(const ReduceParams& p) { return p.inner == 0 ? 0 : pieces_of_rows(p.inner == 1 ? p.outer : p.outer * lane_blocks(p.inner), p.inner == 1 ? p.n : p.n * kLaneBlock); }
std::uint32_t grid(const NormParams& p) { return p.n == 0 ? 0 : pieces_of_rows(p.rows, p.n); }

}  // namespace saha::kernels
