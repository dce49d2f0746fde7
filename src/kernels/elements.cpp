// Which functions there are of which types, and the walk over their operands.
#include "kernels/elements.hpp"

#include "base/result.hpp"
#include "kernels/merged_axes.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {
namespace {

bool is_plain(DType t) { return t == DType::f32 || t == DType::f64 || t == DType::boolean || (is_int(t) && bits(t) >= 8); }

}  // namespace

bool has_elements(Function f, DType type, DType to) {
  if (!is_plain(type) || !is_plain(to)) return false;
  const bool is_bool = type == DType::boolean, real = is_float(type), widest = type == DType::u64;
  switch (f) {
    case Function::cast: return !(widest && is_float(to)) && !(real && to == DType::u64);
    case Function::logical_not: return is_bool && to == type;
    case Function::add:
    case Function::sub:
    case Function::mul:
    case Function::negate: return !is_bool && to == type;
    case Function::magnitude:
    case Function::max:
    case Function::min: return !is_bool && !widest && to == type;
    case Function::equal: return to == DType::boolean;
    case Function::less:
    case Function::less_or_equal: return !is_bool && !widest && to == DType::boolean;
    case Function::bit_and:
    case Function::bit_or:
    case Function::bit_xor: return !real && to == type;
    case Function::where: return is_int(type) && to == type;
  }
  return false;
}

ElementsParams prepare_elements(Function function, DType type, DType to, std::span<const std::int64_t> y, std::span<const std::vector<std::int64_t>> strides) {
  ElementsParams p;
  p.function = function;
  p.type = static_cast<std::int32_t>(type), p.to = static_cast<std::int32_t>(to);
  const auto operands = strides.size();
  SAHA_ASSERT(operands == static_cast<std::size_t>(operands_of(function)));
  const auto axes = merged_axes(y, static_cast<int>(operands), [&](int k, std::size_t axis) { return strides[static_cast<std::size_t>(k)][axis]; });
  p.rank = static_cast<std::int32_t>(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    p.dim[i] = axes[i].dim;
    for (std::size_t k = 0; k < operands; ++k) p.stride[k][i] = axes[i].stride[k];
  }
  cut(p);
  return p;
}

void cut(ElementsParams& p) {
  const RowPieces cut = pieces_of_walk(p.dim, p.rank);
  p.rows_per_piece = cut.rows_per_piece, p.pieces = cut.pieces;
}

std::uint32_t grid(const ElementsParams& p) { return p.pieces; }

}  // namespace saha::kernels
