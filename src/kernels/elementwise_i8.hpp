#pragma once
// Elementwise on 8-bit integers and on their sums.
//   "table_i8" (X, table, Y)     Y[i] = table[X[i]]: X's bytes count from 0 to 255 whatever they stand for; entries have 1 or 4 bytes.
//   "pair_i8" (A, B, constants, Y)   two operands with broadcasts, by a rule of rounding or by a table.
//   "quantize_i8" (X, Y)         float32 to bytes: x / scale to nearest, + zero, between lo and hi; NaN counts as 0. "quantize_i16": to 2 bytes each.
//   "quantize_rgb_i8" (X, Y)     the same of images of three channels, [N, 3, P] to [N, P, 3]. Y overlaps X nowhere.
//   "dequantize_i16" (X, Y)      2 bytes each to float32: (x - zero) * scale.
//   "dynamic_i8" (X, Y, scale, zero)   rows of float32 to bytes, each by the range of its own (tensor/dynamic_range.hpp).
// Y may be X where its elements are as wide, and A or B where it has Y's size.
#include <cstdint>
#include <span>

#include "kernels/elementwise.hpp"
#include "kernels/rescale.hpp"
#include "tensor/dynamic_range.hpp"

namespace saha::kernels {

struct TableParams {
  std::int64_t n = 0;
  std::int64_t entry_bytes = 1;
};
std::uint32_t grid(const TableParams& params);

enum class PairOp : std::int32_t {
  table,     ///< constants: 65536 bytes, Y = table[256 A + B]
  sum,       ///< rescaled(2^20 (A - a_zero)) +- rescaled(2^20 (B - b_zero)), rescaled; constants: three blocks
  product,   ///< (A - a_zero) (B - b_zero), rescaled; constants: one block
  real,      ///< dequantised, `binary` (add, sub, mul) in float32, quantised by y_scale
  real_by_inverse,  ///< the same without division or clamps, where that gives the same of all pairs there are
  linear,    ///< of add and sub: a_factor A + (b_factor B + offset), each sum rounded once, where that gives the same of all pairs; A and B as unsigned bytes, signed ones with 128 added
};
struct PairParams {
  BinaryParams walk;                           ///< its op is that of `real`; sub makes a difference of a sum
  PairOp op = PairOp::table;
  std::int32_t a_signed = 0, b_signed = 0, a_zero = 0, b_zero = 0;
  float a_scale = 1, b_scale = 1, y_scale = 1;
  float a_factor = 0, b_factor = 0, offset = 0;
  std::int32_t filler = 0;
  Store store;
};
std::uint32_t grid(const PairParams& params);
/// Sets op, of params that are otherwise made, to the least work among linear, real_by_inverse and real that gives what real does: tries all pairs, at levels whose products and sums are rounded once.
void set_real_op(Isa isa, PairParams& params);

struct QuantizeParams {
  std::int64_t n = 0;
  float scale = 1;
  std::int32_t away = 0;           ///< ties go away from zero, else to even
  std::int32_t zero = 0, lo = 0, hi = 0, filler = 0;
};
std::uint32_t grid(const QuantizeParams& params);

struct QuantizeRgbParams {
  std::int64_t images = 0, points = 0;
  QuantizeParams each;             ///< its n is that of all
};
inline constexpr std::int64_t kRgb = 3, kRgbPoints = 4096;   ///< points of a piece
std::uint32_t grid(const QuantizeRgbParams& params);

struct DynamicParams {
  std::int64_t rows = 0, n = 0;    ///< [rows, n]
  DynamicRange rule = DynamicRange::symmetric;
  std::int32_t filler = 0;
};
std::uint32_t grid(const DynamicParams& params);
/// float32 scales; zero points as int32, of rule onnx as bytes.
inline std::int64_t zero_bytes(const DynamicParams& p) { return p.rule == DynamicRange::onnx ? 1 : 4; }

struct DequantizeParams {
  std::int64_t n = 0;
  float scale = 1;
  std::int32_t zero = 0, is_signed = 0, filler = 0;
};
std::uint32_t grid(const DequantizeParams& params);

}  // namespace saha::kernels
