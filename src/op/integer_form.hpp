#pragma once
// The integer meaning of operators whose values are quantised, from int32 primitives: stored numbers minus their zero points, exact
// arithmetic, then Rescale, the result's zero point, Saturate and Cast. QLinearConv, a QDQ Conv and TFLite's CONV_2D are the same node, each with
// its own `rounding` (tensor/requant.hpp). Sources: ONNX QLinear operators; TensorFlow Lite's quantisation specification and reference kernels.
#include <algorithm>
#include <cmath>
#include <functional>

#include "op/builder.hpp"
#include "tensor/requant.hpp"

namespace saha::op {

inline std::string rounding(const Site& s) { return s.has_attr("rounding") ? s.s("rounding") : std::string("float_even"); }
/// The rule is one of fixed-point multipliers; rules of operators beside the linear ones exist for these only: by the other, the operator
/// computes in float between dequantising and quantising.
inline bool fixed(const Site& s) { return rounding(s) != "float_even"; }
/// The node's data are real numbers, rounded to 8 bits in each run; its weights are stored integers, its result is real. The rule says how a row is stored.
inline bool dynamic(const Site& s) { return rounding(s).starts_with("dynamic_"); }
inline Val cast(Val v, DType t) { return v.b->type(v).dtype == t ? v : v.b->op("Cast", {v}, {{"to", std::int64_t(t)}}); }
/// The same shape, as far as it is known, of other elements.
inline TypeRef with_elements(const Type& shape, DType t, std::shared_ptr<const ir::Quant> quant = {}) {
  Type r = shape;
  r.dtype = t;
  r.quant = std::move(quant);
  return std::make_shared<const Type>(std::move(r));
}
/// A node's attributes without those that only the integer form has: the rule of rounding, the bound that a stored cell of an LSTM keeps to.
inline Attrs plain_attrs(const Attrs& attrs) {
  Attrs r;
  for (const ir::NamedAttr& a : attrs) if (a.name != "rounding" && a.name != "cell_clip") r.push_back(a);
  return r;
}

/// A per-channel vector in the shape that broadcasts along the quantised axis of a value of the given rank; rank 0 for one entry.
template <class C> Tensor along_axis(DType t, const std::vector<C>& v, const ir::Quant& q, std::size_t rank) {
  Dims shape(v.size() == 1 ? 0 : rank, 1);
  if (!shape.empty()) shape[std::size_t(q.axis)] = std::int64_t(v.size());
  Tensor r = Tensor::zeros(t, shape);
  for (std::size_t i = 0; i < v.size(); ++i) {
    if constexpr (std::is_same_v<C, float>) { double d = v[i]; store(r, std::int64_t(i), 1, &d); }
    else { std::int64_t d = v[i]; store(r, std::int64_t(i), 1, &d); }
  }
  return r;
}
/// Stored integers as the real numbers they stand for.
inline Tensor reals(const Tensor& t, const ir::Quant& q) {
  Tensor r = Tensor::zeros(DType::f32, t.dims);
  const std::int64_t n = std::int64_t(q.scale.size());
  std::int64_t inner = 1;
  for (std::size_t i = std::size_t(q.axis) + 1; i < t.rank(); ++i) inner *= t.dims[i];
  for (std::int64_t i = 0; i < t.size(); ++i) {
    const auto k = std::size_t(n > 1 ? i / inner % n : 0);
    r.as<float>()[i] = float(double(t.int_at(i) - q.zero[k]) * double(q.scale[k]));
  }
  return r;
}
/// A stored value as the real number it stands for.
inline Val dequantised(Val v) {
  Builder& b = *v.b;
  if (b.failed()) return v;
  const Type t = b.type(v);
  if (t.dtype == DType::i64) {   // sums beside 16-bit data; DequantizeLinear takes 32 bits at most
    if (const Tensor* c = b.data(v)) return b.constant(reals(*c, *t.quant));
    auto along = [&](const auto& e) { return b.constant(along_axis(DType::f64, e, *t.quant, t.dims.size())); };
    return cast((cast(v, DType::f64) - along(t.quant->zero)) * along(t.quant->scale), DType::f32);
  }
  auto vector = [&](DType d, const auto& e) { return b.constant(along_axis(d, e, ir::Quant{{}, {}, 0}, 1)); };
  return b.op("DequantizeLinear", {v, vector(DType::f32, t.quant->scale), vector(t.dtype, t.quant->zero)}, {{"axis", std::int64_t(t.quant->axis)}});
}
/// Stored number minus zero point, in `wide` (int32; int64 for 16-bit operands, whose sums leave 32 bits).
inline Val centred(Val v, DType wide) {
  Builder& b = *v.b;
  if (b.failed()) return v;
  const Type t = b.type(v);
  if (!t.quant) { b.fail({ErrorCode::invalid_model, "the integer form needs quantised operands, one is " + ir::str(t)}); return v; }
  Val x = cast(v, wide);
  const auto& zero = t.quant->zero;
  if (std::all_of(zero.begin(), zero.end(), [](std::int64_t z) { return z == 0; })) return x;
  return x - b.constant(along_axis(wide, zero, *t.quant, t.dims.size()));
}
/// How sums of products are kept: X's scale times each of W's, no zero point.
inline std::shared_ptr<const ir::Quant> quant_of_products(const ir::Quant& x, const ir::Quant& w) {
  ir::Quant q{{}, std::vector<std::int64_t>(w.scale.size(), 0), 0};
  for (float s : w.scale) q.scale.push_back(x.scale[0] * s);
  return std::make_shared<const ir::Quant>(std::move(q));
}
/// The accumulator's dtype for operands of these types.
inline DType accumulator(const Type& x, const Type& w) { return bits(x.dtype) + bits(w.dtype) > 16 ? DType::i64 : DType::i32; }

/// How a node Rescale rounds, for all channels or each: from the model's scales; or, for a factor that is no plain quotient of three scales, the fixed-point number itself.
Result<std::vector<Requant>> rescaling(const AttrView& attrs);
/// acc * factor by the node's fixed-point rule.
inline Val rescaled(Val acc, double factor, const Site& s) {
  const FixedScale f = fixed_scale(factor);
  return acc.b->op("Rescale", {acc}, {{"multiplier", ir::Ints{f.multiplier}}, {"shift", ir::Ints{f.shift}}, {"rounding", rounding(s)}});
}
/// An int32 that counts steps of the result's scale from its zero point, as the result's type stores it.
inline Val stored(Val y, const Type& result) {
  if (y.b->failed()) return y;
  if (std::int64_t zero = result.quant->zero[0]) y = y + y.b->scalar(double(zero), y);
  Attrs to = {{"to", std::int64_t(result.dtype)}};
  return cast(y.b->op("Saturate", {y}, to), result.dtype);
}
/// The sum of products as the result's type stores it; channels of w's scales lie along `axis` of the sum.
inline Val requantized(const Site& s, Val sum, const Type& result, std::int64_t axis) {
  Builder& b = s.b;
  const Type x = s.type(0), w = s.type(1);
  if (!x.quant || !w.quant || !result.quant || x.quant->scale.size() != 1 || result.quant->scale.size() != 1) {
    b.fail({ErrorCode::unsupported, "the integer form needs one scale for X and one for the result; X is " + ir::str(x) + ", the result " + ir::str(result)});
    return sum;
  }
  return stored(b.op("Rescale", {sum}, {{"x_scale", x.quant->scale[0]}, {"w_scale", w.quant->scale}, {"y_scale", result.quant->scale[0]}, {"axis", axis}, {"rounding", rounding(s)}}), result);
}

/// Operand and result store the same number in the same way, so that what keeps order (a maximum, a choice) works on stored numbers.
inline bool same_storage(const Type& x, const Type& y) { return x.quant && y.quant && x.dtype == y.dtype && *x.quant == *y.quant; }
/// A real number as a stored one, to nearest, ties away from zero, before saturation.
inline std::int64_t step_of(double real, const ir::Quant& q) { return std::int64_t(std::clamp(std::round(double(float(real) / q.scale[0])), -1e15, 1e15)) + q.zero[0]; }
/// The operand, kept as the result is, between two real bounds.
inline Val clamped(const Site& s, const Type& x, const Type& result, double lo, double hi) {
  if (!x.quant || !result.quant || (!same_storage(x, result) && !fixed(s))) return {};
  const IntRange all = int_range(result.dtype);
  const double least = double(std::isfinite(lo) ? std::max(step_of(lo, *result.quant), all.lo) : all.lo), most = double(std::isfinite(hi) ? std::min(step_of(hi, *result.quant), all.hi) : all.hi);
  Val y = same_storage(x, result) ? s.in[0] : stored(rescaled(centred(s.in[0], DType::i32), double(x.quant->scale[0] / result.quant->scale[0]), s), result);
  return s.b.op("Clip", {y, s.b.scalar(least, result.dtype), s.b.scalar(most, result.dtype)});
}

// ---- layers whose data are rounded in each run ------------------------------------------------------------------------------------------
/// Stored numbers as plain ones of 8 bits.
inline Val plain_bytes(Val v) {
  Builder& b = *v.b;
  if (b.failed()) return v;
  const Type t = b.type(v);
  if (t.dtype == DType::i8 && b.data(v)) return b.constant(*b.data(v));
  return cast(cast(v, DType::i32), DType::i8);
}
/// Y = float(sum) * (scale of the row * scale of the weights), the sum over (q - zero of the row) * w; what is padded is 0. `weights`: their scales in the
/// shape that broadcasts along the result's channels. Three factors in float32, in the order that LiteRT's reference kernels multiply them.
enum class Factors : std::uint8_t { scales_first, weights_first };
template <class Sum> Val dynamic_product(const Site& s, std::int64_t axis, Factors factors, Val weights, Sum sum) {
  Builder& b = s.b;
  const bool symmetric = rounding(s) == "dynamic_symmetric";
  const auto& zero = s.type(1).quant->zero;
  if (s.type(0).dtype != DType::f32 || !std::all_of(zero.begin(), zero.end(), [](std::int64_t z) { return z == 0; }) || bits(s.type(1).dtype) > 8) {
    b.fail({ErrorCode::unsupported, "data that are rounded in each run go with float32 data and symmetric weights of 8 bits; they are " + ir::str(s.type(0)) + " and " + ir::str(s.type(1))});
    return s.in[0];
  }
  Vals x = b.ops("DynamicQuantize", {s.in[0]}, {{"axis", axis}, {"symmetric", std::int64_t(symmetric)}}, 3);
  Val w = plain_bytes(s.in[1]), total = sum(x[0], w);
  if (!symmetric) {   // the weights' own sum, of one row
    const auto& d = s.type(0).dims;
    Dims row(d.size(), 1);
    bool known = true;
    for (std::size_t i = std::size_t(axis); i < d.size(); ++i) { row[i] = d[i].known().value_or(1); known &= d[i].known().has_value(); }
    Val ones;
    if (known && checked_elements(row).value_or(INT64_MAX) < std::int64_t{1} << 31) {   // a constant, where one is known
      Tensor t = Tensor::zeros(DType::i8, row);
      std::fill_n(t.as<std::int8_t>(), t.size(), std::int8_t{1});
      ones = b.constant(std::move(t));
    } else {
      Val one = b.op("Slice", {x[0], b.ints(ir::Ints(std::size_t(axis), 0)), b.ints(ir::Ints(std::size_t(axis), 1))});
      ones = b.op("ConstantOfShape", {b.op("Shape", {one})}, {{"value", Tensor::of(DType::i8, {1}, {1.0})}});
    }
    total = total - x[2] * sum(ones, w);
  }
  total = cast(total, DType::f32);
  return factors == Factors::weights_first ? (total * weights) * x[1] : total * (x[1] * weights);
}

/// A function of one 8-bit operand is a table of 256 entries, here of stored numbers.
inline Val tabulated(const Site& s, const Type& result, const std::function<std::int64_t(std::int64_t stored)>& f) {
  const DType t = s.type(0).dtype;
  const IntRange range = int_range(t);
  Tensor table = Tensor::zeros(result.dtype, {range.hi - range.lo + 1});
  for (std::int64_t v = range.lo; v <= range.hi; ++v) {
    const std::int64_t y = saturate(f(v), bits(result.dtype), is_signed_int(result.dtype));
    store(table, v - range.lo, 1, &y);
  }
  return s.b.op("Lookup", {s.in[0], s.b.constant(std::move(table))});
}
/// The table of a float32 function: dequantised, computed, quantised to nearest, ties away from zero. The steps are the rule's own, each in float32.
inline Val tabulated_float(const Site& s, const Type& result, float (*f)(float)) {
  const Type x = s.type(0);
  if (!fixed(s) || !x.quant || !result.quant || bits(x.dtype) > 8) return {};
  const float in = x.quant->scale[0], inverse = 1 / result.quant->scale[0];
  const std::int64_t x_zero = x.quant->zero[0], y_zero = result.quant->zero[0];
  return tabulated(s, result, [&](std::int64_t v) { return std::int64_t(std::round(f(in * float(v - x_zero)) * inverse) + float(y_zero)); });
}

}  // namespace saha::op
