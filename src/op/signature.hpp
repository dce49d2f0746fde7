#pragma once
// Signature: the one-line declaration of an operator's operands, results, dtypes and attributes, parsed.
//
//   (X: T, W: T, B: T?) -> (Y: T) where T: float int32 | strides: ints, group: int = 1, auto_pad: string = NOTSET
//
//   operand   name ": " type suffixes;  suffix  ? optional   ... variadic (the last one)   ! the value decides the shape
//   type      a variable of the where clause | set | seq(type) | opt(type) | value (a tensor, sequence, optional or map)
//   set       float (float16 bfloat16 float32 float64)  float8  float6  sint (int8..int64)  uint (uint8..uint64)  int (sint uint)
//             number (float int)  packed (int2 int4 uint2 uint4 float4e2m1)  bool  string  complex  any (every dtype) | a dtype's name
//   attribute name ": " int|float|string|ints|floats|strings|tensor|graph|type  ["?" optional | "= " default]; without either: required
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace saha::op {

using DTypeSet = std::uint32_t;  ///< bit per DType
inline bool holds(DTypeSet s, DType t) { return s >> unsigned(t) & 1; }

struct TypeExpr {
  enum class Kind : std::uint8_t { tensor, sequence, optional, value } kind = Kind::tensor;
  std::string_view variable;   ///< empty: the set stands inline
  DTypeSet set = 0;
  std::string_view text;       ///< as written
};
struct Param {
  std::string_view name;
  TypeExpr type;
  bool optional = false, variadic = false, value = false;
};
enum class AttrKind : std::uint8_t { i, f, s, is, fs, ss, tensor, graph, type };
struct AttrParam {
  std::string_view name;
  AttrKind kind;
  bool optional = false;
  std::optional<ir::Attr> initial;   ///< the default, written out by op::Builder
};
struct Signature {
  std::vector<Param> in, out;
  std::vector<AttrParam> attrs;
  std::size_t min_in = 0;            ///< operands up to the last required one
  const Param* param(std::size_t i) const;   ///< the declaration of operand i (a variadic one repeats)
  const Param* result(std::size_t k) const;
  const AttrParam* attr(std::string_view name) const;
};

/// Fails with the place where the text does not parse; a test parses every entry's.
Result<Signature> parse_signature(std::string_view text);
std::string_view name(AttrKind kind);
/// "float32, float64 or int32"
std::string dtype_names(DTypeSet set);

}  // namespace saha::op
