#pragma once
// The floating formats below 32 bits: one description each, one decoder, one encoder that rounds once, straight from double.
// Sources: IEEE 754 (float16), OCP 8-bit floating point (e4m3fn, e5m2), ONNX float8 page (fnuz), OCP microscaling (e2m1, e2m3, e3m2, e8m0).
#include <cstdint>

#include "tensor/dtype.hpp"

namespace saha {

/// What happens to a finite value beyond the largest one. ONNX Cast has `saturate`; stores of computed values do not saturate.
enum class Overflow : std::uint8_t { to_infinity_or_nan, saturate };
/// Cast to float8e8m0 has `round_mode`; every other conversion rounds to nearest, ties to even.
enum class RoundMode : std::uint8_t { nearest_even, up, down, nearest_up };

double decode(DType t, std::uint32_t bits);
std::uint32_t encode(DType t, double value, Overflow overflow = Overflow::to_infinity_or_nan, RoundMode mode = RoundMode::nearest_even);

}  // namespace saha
