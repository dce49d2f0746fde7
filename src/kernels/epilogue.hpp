#pragma once
// What GEMM and convolution do with a sum before they store it:  y = act(alpha * sum + bias + residual_scale * residual).
#include <cstdint>

namespace saha::kernels {

enum class Activation : std::int32_t {
  none,
  relu,
  clip,        ///< p0 lowest, p1 highest
  sigmoid,
  tanh,
  silu,        ///< x sigmoid(x)
  hardsigmoid, ///< max(0, min(1, p0 x + p1))
  hardswish,   ///< x max(0, min(1, x / 6 + 1/2))
  gelu,        ///< x/2 (1 + erf(x / sqrt 2))
  leakyrelu,   ///< p0 x below zero
  elu,         ///< p0 (e^x - 1) below zero
};

enum class Bias : std::int32_t { none, per_row, per_column };

struct Epilogue {
  Activation activation = Activation::none;
  Bias bias = Bias::none;
  float p0 = 0, p1 = 0;
  float alpha = 1;
  float residual_scale = 1;
};

}  // namespace saha::kernels
