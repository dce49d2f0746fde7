#pragma once
// KernelDef: which fast kernel does which node. accepts-and-prepare in one function that sees the node at known shapes; it runs when a plan
// is made, never in a run. A row is chosen in the order of the table: the special before the general.
#include <optional>

#include "kernels/contract.hpp"
#include "kernels/conv_half.hpp"
#include "op/op_def.hpp"
#include "plan/plan.hpp"

namespace saha::native {

class Picker;

/// What products by constants may be computed in, where there is a kernel for it; all else is float32.
enum class Precision : std::uint8_t { float32, bfloat16, float16 };
std::string_view name(Precision p);
/// Nothing: float32.
constexpr std::optional<kernels::Half> half_of(Precision p) {
  return p == Precision::float32 ? std::nullopt : std::optional(p == Precision::bfloat16 ? kernels::Half::bfloat16 : kernels::Half::float16);
}

/// A node at known shapes, as a kernel's preparation sees it.
struct NodeSite : op::AttrView {
  std::string_view op;
  std::span<const ir::TypeRef> in, out;          ///< null: omitted; all static tensors
  std::span<const Tensor* const> constant;       ///< null: not a constant
  kernels::Isa isa;
  ir::Layout layout = ir::Layout::plain;         ///< of operands of rank 3 and more that are no constants, and of results
  Precision precision = Precision::float32;
  bool convolves = false;                        ///< its graph's float32 convolutions take channels last
  const Picker* picker = nullptr;                ///< ways.hpp; null: rows decide by themselves
  bool convolved = false;                        ///< result 0 is what a convolution of stored integers reads
  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  Dims dims(std::size_t i) const { return numbers(*in[i]); }
  Dims out_dims(std::size_t k = 0) const { return numbers(*out[k]); }
  DType dtype(std::size_t i) const { return in[i]->dtype; }
  /// How an operand or a result lies: as `layout` says where it may lie in two ways.
  ir::Layout layout_of(std::size_t i) const;
  ir::Layout out_layout(std::size_t k = 0) const;
  /// Every operand that is there and every result is float32.
  bool all_f32() const;
  static Dims numbers(const ir::Type& t);
};

/// Where a kernel's operand comes from: an operand of the node, a constant made by the preparation, nothing, or a result.
struct Operand {
  enum class From : std::uint8_t { node, packed, none } from = From::none;
  std::uint32_t index = 0;
  static Operand node(std::size_t i) { return {From::node, std::uint32_t(i)}; }
  static Operand packed(std::size_t i) { return {From::packed, std::uint32_t(i)}; }
  static Operand none() { return {}; }
};
struct Prepared {
  std::string kernel;                      ///< name in kernels::find
  std::vector<std::byte> params;           ///< the kernel's plain struct
  std::vector<Operand> operands;           ///< what the kernel reads, in its order; the node's results follow
  std::vector<Tensor> packed;              ///< constants made here, e.g. reordered weights
  std::vector<std::int64_t> dims;          ///< Call::dims
  std::uint32_t grid = 1, phases = 1;
  std::uint64_t scratch = 0;
  std::uint64_t workspace = 0;             ///< bytes that all pieces share, an operand behind the results; 0: none
  std::string layer = {};                  ///< where a picker was asked: what it was told (ways.hpp)
  bool in_place = false;                   ///< result 0 may be operand 0's buffer
  std::optional<ir::Layout> result = {};   ///< where results lie otherwise than operands
};
template <class Params> std::vector<std::byte> bytes_of(const Params& p) {
  static_assert(kernels::all_bytes_are_fields<Params>());
  auto* b = reinterpret_cast<const std::byte*>(&p);
  return {b, b + sizeof p};
}
/// A call of a kernel whose params say its grid and, where it has any, its phases and memory.
template <class Params> Prepared call(std::string_view kernel, const Params& params, std::vector<Operand> operands, bool in_place = false) {
  Prepared r;
  r.kernel = kernel;
  r.params = bytes_of(params);
  r.operands = std::move(operands);
  r.grid = grid(params);
  if constexpr (requires { scratch_bytes(params); }) r.scratch = scratch_bytes(params);
  if constexpr (requires { phases(params); }) r.phases = phases(params);
  if constexpr (requires { workspace_bytes(params); }) r.workspace = workspace_bytes(params);
  r.in_place = in_place;
  return r;
}
/// A float32 buffer for packed weights, 64-byte aligned.
Result<Tensor> packed_buffer(std::int64_t elements);

struct KernelDef {
  std::string_view op;                                             ///< the operator it serves; "" any
  std::optional<Prepared> (*prepare)(const NodeSite&);             ///< nothing: does not accept
  bool any_layout = false;                                         ///< it looks at NodeSite::layout; others see plain nodes only
};
/// The rows of all files, by operator in order of preference.
std::span<const std::span<const KernelDef>> kernel_tables();
/// There is a row for the operator; whether it accepts a node is another question.
bool has_kernel(std::string_view op);
/// The first row that accepts the node; nothing: the reference runs it.
std::optional<Prepared> choose(const NodeSite& site);

}  // namespace saha::native
