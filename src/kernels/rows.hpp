#pragma once
// Kernels over [outer, n, inner]: "softmax_f32" (X, Y), "reduce_f32" (X, Y[outer, inner]); over rows of n: "norm_f32" (X, scale or null,
// bias or null, Y). Y of softmax and norm may be X.
#include <cstdint>

#include "kernels/isa.hpp"

namespace saha::kernels {

struct SoftmaxParams {
  std::int64_t outer = 0, n = 0, inner = 1;
  std::int64_t log = 0;  ///< LogSoftmax
};
std::uint32_t grid(const SoftmaxParams& params);

enum class Reduce : std::int64_t { sum, mean, max, min, sum_square, l1, l2, prod };

struct ReduceParams {
  Reduce op = Reduce::sum;
  std::int64_t outer = 0, n = 0, inner = 1;
};
std::uint32_t grid(const ReduceParams& params);

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias for each row; `rms` leaves the mean out.
/// Element i of row r takes scale and bias number  r % row_period * row_step + i / run:
///   LayerNormalization, RMSNormalization  row_period 1, run 1;   InstanceNormalization  row_period C, row_step 1, run n;
///   GroupNormalization  row_period G, row_step C / G, run n / (C / G).
struct NormParams {
  std::int64_t rows = 0, n = 0;
  std::int64_t row_period = 1, row_step = 0, run = 1;
  float epsilon = 1e-5f;
  std::int32_t rms = 0;
};
std::uint32_t grid(const NormParams& params);

}  // namespace saha::kernels
