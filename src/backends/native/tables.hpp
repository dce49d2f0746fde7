#pragma once
// Functions of one or two 8-bit integers as tables, made by running the node once on all there are: whatever the operator, the quantisation and the
// rule of rounding, the table is right.
#include <optional>

#include "backends/native/kernel_table.hpp"

namespace saha::native {

struct TableOf {
  std::size_t operand = 0;   ///< which one is looked up; the others are constants
  Tensor table;              ///< 256 entries, by the operand's byte
};
/// Nothing: the node is no function of one 8-bit operand, element by element.
std::optional<TableOf> table_of(const NodeSite& s);
/// 256 * 256 bytes, by the byte of operand 0, then of operand 1. Nothing: the node is no elementwise function of two 8-bit operands.
std::optional<Tensor> pair_table_of(const NodeSite& s);

struct Clamp {
  std::int32_t lo, hi;
};
/// The bounds, where the table of a `dtype` keeps what lies between two bounds and takes the rest to the nearer one.
std::optional<Clamp> clamp_of(const Tensor& table, DType dtype);

}  // namespace saha::native
