#pragma once
// The text form of a graph: what tests, `saha inspect` and people read and write. It stands here and not in ir, because types of
// results may be left out and are then inferred.
//
//   graph (x: float32[N, 3], "odd name": seq(int64[*])) {
//     w: float32[3, 2] = float32[3, 2] {1, 2, 3, 4, 5, 6}        # a constant; many elements: float32[1000] hex"..", little-endian
//     y: float32[N, 2] = MatMul(x, w) @ "layer/matmul"             # @: the model's node that it stands for
//     v, %7 = TopK(y, int64[1] {1}, _) {axis = 1, largest = 0}     # _: an omitted operand; %7: a value without a name
//     z = If(c, y) {then_branch = graph (y: float32[N, 2]) { return y }, else_branch = graph (..) {..}}
//     return v, z
//   }
//
//   type   dtype[dims] | seq(type) | opt(type) | map(dtype, type) | * inside those: not known;  float32[*]: rank not known
//          then  quant(axis = 0, scale = [..], zero = [..])  layout(nhwc)
//   dims   integers and expressions over symbols: 4*H + 1, (N + 3)/4 (floor), min(A, B), max(A, B); odd symbols are quoted
//   names  letters, digits, _ . / or any UTF-8 in quotes with \" \\ \n \t \xHH
#include <string>
#include <string_view>

#include "op/builder.hpp"

namespace saha::op {

struct PrintOptions {
  bool types = true;                 ///< of results
  bool origins = true;
  std::int64_t max_elements = -1;    ///< constants with more are cut short; such a text does not parse
};
/// The graph as text. parse() of it gives the same graph: structure, types, names and origins; constants that nothing uses are left out.
std::string print(const ir::Graph& g, const PrintOptions& options = {});
std::string print(const Type& t);

struct ParseLimits {
  std::size_t bytes = std::size_t{1} << 30;
  std::size_t values = std::size_t{1} << 24;
  int depth = 64;                    ///< of sub-graphs, types and expressions within each other
};
/// Reads the text form from any bytes. The error tells line and column, and what is wrong there.
Result<ir::Graph> parse(std::string_view text, const ParseLimits& limits = {});
Result<TypeRef> parse_type(std::string_view text);

}  // namespace saha::op
