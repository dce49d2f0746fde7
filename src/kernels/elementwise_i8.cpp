#include "kernels/elementwise_i8.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/split.hpp"

namespace saha::kernels {

PairOp real_pair_op(Isa isa, const PairParams& p) {
  if (isa == Isa::generic || !(p.y_scale > 0)) return PairOp::real;
  const float inverse = 1 / p.y_scale;
  for (int i = 0; i < 256; ++i)
    for (int j = 0; j < 256; ++j) {
      const float a = float((p.a_signed ? static_cast<std::int8_t>(i) : i) - p.a_zero) * p.a_scale, b = float((p.b_signed ? static_cast<std::int8_t>(j) : j) - p.b_zero) * p.b_scale;
      const float x = p.walk.op == Binary::add ? a + b : p.walk.op == Binary::sub ? a - b : a * b, exact = x / p.y_scale;
      const float q = x * inverse, corrected = std::fma(std::fma(-q, p.y_scale, x), inverse, q);
      if (!(std::abs(exact) < 1e9f) || !(std::abs(corrected) < 1e9f)) return PairOp::real;
      const auto stored = [&](float v) { return std::clamp(static_cast<std::int64_t>(std::nearbyint(v)) + p.store.zero, std::int64_t{p.store.lo}, std::int64_t{p.store.hi}); };
      if (stored(exact) != stored(corrected)) return PairOp::real;
    }
  return PairOp::real_by_inverse;
}

std::uint32_t grid(const TableParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const PairParams& p) { return p.walk.pieces; }
std::uint32_t grid(const QuantizeParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const DynamicParams& p) { return pieces_of_rows(p.rows, p.n); }
std::uint32_t grid(const DequantizeParams& p) { return pieces_of_rows(p.n, 1); }

}  // namespace saha::kernels
