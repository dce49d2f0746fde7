#pragma once
// Type: what is known of a value before it exists: its kind, dtype, symbolic shape, quantisation and layout.
#include <memory>
#include <string>
#include <vector>

#include "ir/dim.hpp"
#include "tensor/dtype.hpp"

namespace saha::ir {

/// How the elements of a [N, C, ...] tensor lie in memory; set only by the layout pass, dims stay logical.
enum class Layout : std::uint8_t { plain, nhwc, c8, c16 };

/// real = scale[c] * (stored - zero[c]), c along `axis`; one entry: per tensor.
struct Quant {
  std::vector<float> scale;
  std::vector<std::int64_t> zero;
  int axis = 0;
  friend bool operator==(const Quant&, const Quant&) = default;
};

/// The same scales along another axis, as after a transpose; one scale for all has none. Null stays null.
std::shared_ptr<const Quant> along(const std::shared_ptr<const Quant>& quant, int axis);

struct Type;
using TypeRef = std::shared_ptr<const Type>;

struct Type {
  enum class Kind : std::uint8_t { tensor, sequence, optional, map };
  Kind kind = Kind::tensor;
  DType dtype = DType::none;            ///< of a tensor; of a map: of its keys; none: not known
  Layout layout = Layout::plain;
  bool ranked = true;                   ///< false: not even the number of dims is known
  std::vector<Dim> dims;
  TypeRef element;                      ///< of a sequence, an optional, a map's values; null: not known
  std::shared_ptr<const Quant> quant;   ///< null: the numbers are what they say

  bool is_tensor() const { return kind == Kind::tensor; }
};

TypeRef tensor_type(DType t, std::vector<Dim> dims, std::shared_ptr<const Quant> quant = {});
TypeRef unranked_type(DType t);
TypeRef sequence_type(TypeRef element);
TypeRef optional_type(TypeRef element);
TypeRef map_type(DType key, TypeRef mapped);
bool operator==(const Type& a, const Type& b);
/// "float32[N, 3, 224, 224]", "float32[*]" (unranked), "seq(int64[])", "opt(..)", "map(string, float32[])"
std::string str(const Type& t);
/// Every dim is a number.
bool is_static(const Type& t);

}  // namespace saha::ir
