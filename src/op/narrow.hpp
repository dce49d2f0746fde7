#pragma once
// Rounding inside a function-bodied operator: float16 and bfloat16 round where ONNX's function rounds, after each of its steps, since at
// 16 bits that shows; wider types keep double and are rounded once, at the store.
#include <cmath>

#include "tensor/float_format.hpp"
#include "tensor/tensor.hpp"

namespace saha::op {

inline bool is_narrow(DType t) { return t == DType::f16 || t == DType::bf16; }
inline double narrow(DType t, double v) { return is_narrow(t) ? decode(t, encode(t, v)) : v; }
inline void narrow(DType t, std::vector<double>& v) {
  if (is_narrow(t)) for (double& x : v) x = decode(t, encode(t, x));
}
/// e^(v - most) over its sum, in place, in the precision t. `most` is the maximum of the line.
inline void softmax_line(DType t, double* v, std::int64_t n, double most) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    v[i] = narrow(t, std::exp(narrow(t, v[i] == most ? 0 : v[i] - most)));  // equal infinities differ by 0
    sum += v[i];
    if (t == DType::bf16) sum = narrow(t, sum);
  }
  sum = narrow(t, sum);
  if (sum != 0) for (std::int64_t i = 0; i < n; ++i) v[i] = narrow(t, v[i] / sum);
}

}  // namespace saha::op
