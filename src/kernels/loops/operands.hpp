#pragma once
// The operands of float32 products and convolutions, in the order that all of them have.
#include "plan/call.hpp"

namespace saha::kernels::SAHA_ISA {

struct Operands {
  const float *x, *weights, *bias, *residual;   ///< bias and residual may be null
  float* y;
};
inline Operands operands_of(const plan::Call& call) {
  const auto read = [&](int i) { return static_cast<const float*>(call.operands[i]); };
  return {read(0), read(1), read(2), read(3), static_cast<float*>(call.operands[4])};
}

}  // namespace saha::kernels::SAHA_ISA
