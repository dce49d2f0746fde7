#include "kernels/elementwise_i8.hpp"

#include "kernels/split.hpp"

namespace saha::kernels {

std::uint32_t grid(const TableParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const PairParams& p) { return p.walk.pieces; }
std::uint32_t grid(const QuantizeParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const DynamicParams& p) { return pieces_of_rows(p.rows, p.n); }
std::uint32_t grid(const RealParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const DequantizeParams& p) { return pieces_of_rows(p.n, 1); }

}  // namespace saha::kernels
