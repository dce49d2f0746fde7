#pragma once
// Elementwise on plain numbers of any type of 8 to 64 bits, and on bool, with broadcasts. Kernel "elements": operands as many as the function takes, then Y. Numbers are computed in int32, int64, float32 or
// float64, whichever holds their type. Y may be operand 0 where both have as many elements of as many bytes, never a part of one.
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/elementwise.hpp"
#include "tensor/dtype.hpp"

namespace saha::kernels {

enum class Function : std::int32_t {
  cast,            ///< floats are cut towards zero; beyond an integer's range they give its nearer end, NaN 0
  negate, magnitude, logical_not,
  add, sub, mul,   ///< integers modulo their range
  max, min,        ///< NaN where an operand is NaN
  equal, less, less_or_equal,      ///< bool
  bit_and, bit_or, bit_xor,        ///< integers and bool
  where,           ///< operand 0, of bool, chooses between operands 1 and 2; bits are moved, `type` is an integer of that size
};
[[maybe_unused]] static constexpr int operands_of(Function f) { return f == Function::where ? 3 : f >= Function::add ? 2 : 1; }

inline constexpr int kMaxOperands = 3;
struct ElementsParams {
  Function function = Function::cast;
  std::int32_t type = 0, to = 0;             ///< DType of the numbers, and of Y
  std::int32_t rank = 1;
  std::int64_t dim[kMaxRank] = {};           ///< of Y, which is dense, outermost first
  std::int64_t stride[kMaxOperands][kMaxRank] = {};   ///< of each operand along them; 0 broadcasts
  std::int64_t rows_per_piece = 1;           ///< the last dim is a row
  std::uint32_t pieces = 0, filler = 0;
};
/// Whether the kernel computes it: booleans are compared and joined only; where uint64 would be ordered or become a float, or the other way about, it is not.
bool has_elements(Function function, DType type, DType to);
/// Over dims of Y in the order of memory, outermost first, with each operand's strides along them. Neighbouring dims that step alike become one.
ElementsParams prepare_elements(Function function, DType type, DType to, std::span<const std::int64_t> y, std::span<const std::vector<std::int64_t>> strides);
/// Chooses rows_per_piece and pieces by `dim`.
void cut(ElementsParams& params);
std::uint32_t grid(const ElementsParams& params);

}  // namespace saha::kernels
