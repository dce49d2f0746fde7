#pragma once
// Elementwise float32. Kernels "unary_f32" (operands X, Y), "binary_f32" (A, B, Y), "affine_f32" (X, scale, shift or null, Y).
// Y may be the same buffer as an operand of the same size, never a part of it.
#include <cstdint>
#include <span>

#include "kernels/epilogue.hpp"
#include "kernels/isa.hpp"

namespace saha::kernels {

enum class Unary : std::int32_t {
  activation,  ///< the Activation of the params with p0, p1
  exp, log, sqrt, reciprocal_sqrt, reciprocal, neg, abs, erf, sign, floor, ceil, round_even,
  sin, cos,    ///< by the C library, lane by lane
  softplus,    ///< log(1 + e^x)
  softsign,    ///< x / (1 + |x|)
  gelu_tanh,   ///< x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  mish,        ///< x tanh(softplus(x))
  square,
};

struct UnaryParams {
  Unary op = Unary::activation;
  Activation activation = Activation::none;
  float p0 = 0, p1 = 0;
  std::int64_t n = 0;
};
std::uint32_t grid(const UnaryParams& params);

enum class Binary : std::int32_t { add, sub, mul, div, max, min, pow, prelu /* a, or a b where a < 0 */ };

inline constexpr int kMaxRank = 8;

/// y[i] = act(op(a[i . a_stride], b[i . b_stride])) over a dense y of dims `dim`, outermost first; stride 0 broadcasts.
struct BinaryParams {
  Binary op = Binary::add;
  Activation activation = Activation::none;  ///< none, relu or clip
  float p0 = 0, p1 = 0;
  std::int64_t rank = 0;
  std::int64_t dim[kMaxRank] = {}, a_stride[kMaxRank] = {}, b_stride[kMaxRank] = {};
  std::int64_t rows_per_piece = 1;           ///< the last dim is a row
  std::uint32_t pieces = 0, filler = 0;      ///< no byte of params is padding: contract.hpp
};
/// Operands with fewer dims than the result are read as if 1s stood in front. Neighbouring dims that step alike become one.
BinaryParams prepare_binary(Binary op, std::span<const std::int64_t> a, std::span<const std::int64_t> b, Activation activation = Activation::none,
                            float p0 = 0, float p1 = 0);
/// The same over dims of y in the order of memory, outermost first, with the operands' strides along them.
BinaryParams prepare_binary_strided(Binary op, std::span<const std::int64_t> y, std::span<const std::int64_t> a_strides, std::span<const std::int64_t> b_strides);
/// Chooses rows_per_piece and pieces by `dim`.
void cut(BinaryParams& params);
std::uint32_t grid(const BinaryParams& params);

/// y = act(x * scale[c] + shift[c]) over [outer, channels, inner]: BatchNormalization at inference. inner 1: channels last.
struct AffineParams {
  std::int64_t outer = 1, channels = 0, inner = 0;
  Activation activation = Activation::none;
  float p0 = 0, p1 = 0;
  std::uint32_t filler = 0;
};
std::uint32_t grid(const AffineParams& params);

}  // namespace saha::kernels
