#pragma once
// The integer meaning of a product with quantised operands, from int32 primitives: (x - zero)(w - zero) summed exactly, then Rescale,
// the result's zero point, Saturate and Cast. QLinearConv, a QDQ Conv and TFLite's CONV_2D are this, each with its own `rounding`.
#include <algorithm>

#include "op/builder.hpp"

namespace saha::op {

/// Stored number minus zero point, in `wide` (int32; int64 for 16-bit operands, whose sums leave 32 bits).
inline Val centred(Val v, DType wide) {
  Builder& b = *v.b;
  const Type t = b.type(v);
  if (!t.quant) { b.fail({ErrorCode::invalid_model, "the integer form needs quantised operands, one is " + ir::str(t)}); return v; }
  Val x = b.op("Cast", {v}, {{"to", std::int64_t(wide)}});
  const auto& zero = t.quant->zero;
  if (std::all_of(zero.begin(), zero.end(), [](std::int64_t z) { return z == 0; })) return x;
  Dims shape(zero.size() == 1 ? 0 : t.dims.size(), 1);
  if (!shape.empty()) shape[std::size_t(t.quant->axis)] = std::int64_t(zero.size());
  Tensor z = Tensor::zeros(wide, shape);
  fill<std::int64_t>(z, zero);
  return x - b.constant(z);
}
/// The accumulator's dtype for operands of these types.
inline DType accumulator(const Type& x, const Type& w) { return bits(x.dtype) + bits(w.dtype) > 16 ? DType::i64 : DType::i32; }
/// The sum as the result's type stores it; channels of w's scales lie along `axis` of the sum.
inline Val requantized(const Site& s, Val sum, const Type& result, std::int64_t axis) {
  Builder& b = s.b;
  const Type x = s.type(0), w = s.type(1);
  if (!x.quant || !w.quant || !result.quant || x.quant->scale.size() != 1 || result.quant->scale.size() != 1) {
    b.fail({ErrorCode::unsupported, "the integer form needs one scale for X and one for the result; X is " + ir::str(x) + ", the result " + ir::str(result)});
    return sum;
  }
  Val y = b.op("Rescale", {sum}, {{"x_scale", x.quant->scale[0]}, {"w_scale", w.quant->scale}, {"y_scale", result.quant->scale[0]}, {"axis", axis},
                                  {"rounding", s.has_attr("rounding") ? s.s("rounding") : std::string("float_even")}});
  if (std::int64_t zero = result.quant->zero[0]) y = y + b.scalar(double(zero), y);
  Attrs to = {{"to", std::int64_t(result.dtype)}};
  return b.op("Cast", {b.op("Saturate", {y}, to)}, to);
}
/// The node's attributes, without the rule of rounding.
inline Attrs plain_attrs(const Site& s) {
  Attrs r;
  for (const ir::NamedAttr& a : s.attrs) if (a.name != "rounding") r.push_back(a);
  return r;
}

}  // namespace saha::op
