// Between real numbers and quantised ones, and the integer primitives of which every quantised operator is made (domain saha).
// y = saturate(rint(x / scale) + zero); scales per tensor, per axis or per block. Source: ONNX operator specification, opset 28.
#include <cmath>

#include "op/builder.hpp"
#include "op/integer_form.hpp"
#include "tensor/dynamic_range.hpp"
#include "tensor/float_format.hpp"
#include "tensor/requant.hpp"

namespace saha::op {

Result<std::vector<Requant>> rescaling(const AttrView& a) {
  std::vector<Requant> r;
  const auto rule = rounding_of(a.s("rounding"));
  const auto w = a.fs("w_scale");
  const auto multiplier = a.is("multiplier"), shift = a.is("shift");
  if (!rule || w.empty() == multiplier.empty() || multiplier.size() != shift.size())
    return Error{ErrorCode::invalid_model, "Rescale: needs a rounding, and either w_scale or as many multipliers as shifts"};
  for (float s : w) r.push_back(requant(*rule, a.f("x_scale"), s, a.f("y_scale")));
  for (std::size_t i = 0; i < multiplier.size(); ++i) {
    if (*rule == Rounding::float_even || multiplier[i] < 0 || multiplier[i] > INT32_MAX || shift[i] < -31 || shift[i] > 30)
      return Error{ErrorCode::invalid_model, "Rescale: multiplier " + std::to_string(multiplier[i]) + " with shift " + std::to_string(shift[i]) + " and rounding " + a.s("rounding") + " is none"};
    r.push_back({*rule, 0, {std::int32_t(multiplier[i]), int(shift[i])}});
  }
  return r;
}

namespace {

// ---- granularity -----------------------------------------------------------------------------------------------------------
/// x seen as [outer, length, inner]; which scale element (o, a, i) uses.
struct Granularity {
  enum class Kind : std::uint8_t { tensor, axis, block } kind = Kind::tensor;
  std::int64_t outer = 1, length = 1, inner = 1, block = 1, blocks = 1;
};
Result<Granularity> granularity(const Eval& c, const Dims& x, const Dims& s) {
  Granularity g;
  std::int64_t block = c.i("block_size");
  if (block < 0) return c.fail("block_size " + std::to_string(block) + " is negative");
  bool scalar = num_elements(s) == 1 && (s.size() <= 1 || block == 0);
  if (scalar || x.empty()) {
    if (num_elements(s) != 1) return c.fail("a scale " + str(s) + " for a tensor " + str(x));
    g.length = num_elements(x);
    return g;
  }
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), x.size()));
  for (std::size_t i = 0; i < axis; ++i) g.outer *= x[i];
  for (std::size_t i = axis + 1; i < x.size(); ++i) g.inner *= x[i];
  g.length = x[axis];
  if (block == 0) {
    if (s.size() != 1 || s[0] != g.length) return c.fail("a scale " + str(s) + " does not fit axis " + std::to_string(axis) + " of a tensor " + str(x));
    g.kind = Granularity::Kind::axis;
    return g;
  }
  bool fits = s.size() == x.size();
  for (std::size_t i = 0; fits && i < x.size(); ++i) fits = i == axis ? s[i] == g.length / block + (g.length % block != 0) : s[i] == x[i];
  if (!fits) return c.fail("a scale " + str(s) + " does not fit blocks of " + std::to_string(block) + " along axis " + std::to_string(axis) + " of a tensor " + str(x));
  g.kind = Granularity::Kind::block;
  g.block = block;
  g.blocks = s[axis];
  return g;
}
/// f(element, element of the scale), in order of the elements.
template <class F> void walk(const Granularity& g, F f) {
  std::int64_t e = 0;
  for (std::int64_t o = 0; o < g.outer; ++o)
    for (std::int64_t a = 0; a < g.length; ++a) {
      std::int64_t s = g.kind == Granularity::Kind::tensor ? 0 : g.kind == Granularity::Kind::axis ? a : (o * g.blocks + a / g.block) * g.inner;
      const std::int64_t step = g.kind == Granularity::Kind::block ? 1 : 0;
      for (std::int64_t i = 0; i < g.inner; ++i, ++e, s += step) f(std::size_t(e), std::size_t(s));
    }
}
/// v as a number of type t would be; the products and quotients below are exact enough in double to be rounded only here.
double rounded(DType t, double v) {
  if (t == DType::f64) return v;
  return t == DType::f32 ? double(float(v)) : decode(t, encode(t, v));
}
/// Zero points as numbers, all zero where the operand is omitted. A single one serves all scales.
Result<std::vector<double>> zero_points(const Eval& c, std::size_t operand, std::int64_t scales) {
  std::vector<double> z(std::size_t(scales), 0.0);
  if (!c.has(operand)) return z;
  const Tensor& t = c.x(operand);
  if (t.size() != 1 && t.size() != scales) return c.fail("a zero point " + str(t.dims) + " beside a scale of " + std::to_string(scales) + " elements");
  auto v = values<double>(t);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = v[v.size() == 1 ? 0 : i];
  return z;
}

// ---- QuantizeLinear --------------------------------------------------------------------------------------------------------
Result<> give_like(Infer& c, DType t) { return c.in[0]->ranked ? c.give(t, c.dims(0)) : c.give_unranked(t); }
Result<DType> quantized_type(const AttrView& a, const Signature& sig, std::optional<DType> zero, std::string_view op) {
  auto t = DType(a.i("output_dtype"));
  if (zero && a.i("output_dtype") && t != *zero)
    return Error{ErrorCode::invalid_model, std::string(op) + ": output_dtype is " + std::to_string(a.i("output_dtype")) + ", the zero point is " + std::string(name(*zero))};
  if (zero) return *zero;
  if (a.i("output_dtype") == 0) return DType::u8;
  if (a.i("output_dtype") < 0 || a.i("output_dtype") >= kNumDTypes || !holds(sig.out[0].type.set, t))
    return Error{ErrorCode::unsupported, std::string(op) + ": output_dtype " + std::to_string(a.i("output_dtype")) + " is not " + dtype_names(sig.out[0].type.set)};
  return t;
}
/// A scale that is known stands for something: no zero, no NaN, no infinity, and as every other format asks, not negative.
Result<> check_scale(const Infer& c) {
  const Tensor* scale = c.data(1);
  if (!scale || !is_float(scale->dtype) || bits(scale->dtype) < 16) return {};
  const auto v = values<double>(*scale);
  for (std::size_t i = 0; i < v.size(); ++i)
    if (!(v[i] > 0) || !std::isfinite(v[i])) return c.fail("scale " + (v[i] == 0 ? "0" : v[i] != v[i] ? "NaN" : !std::isfinite(v[i]) ? "infinity" : std::to_string(v[i])) + (v.size() > 1 ? " at " + std::to_string(i) : "") + " stands for nothing");
  return {};
}
Result<> infer_quantize_linear(Infer& c) {
  SAHA_DO(check_scale(c));
  SAHA_TRY(DType t, quantized_type(c, c.sig, c.has(2) ? std::optional(c.dtype(2)) : std::nullopt, c.def.name.str()));
  return give_like(c, t);
}
/// The quotient is rounded to the precision that the model states before it is rounded to an integer: ties depend on it.
DType division_type(const Eval& c) {
  DType t = c.i("precision") > 0 && c.i("precision") < kNumDTypes ? DType(c.i("precision")) : c.x(1).dtype;
  return t == DType::f16 || t == DType::bf16 || t == DType::f64 ? t : DType::f32;
}
Result<> eval_quantize_linear(Eval& c) {
  const Tensor &x = c.x(0), &scale = c.x(1);
  SAHA_TRY(Granularity g, granularity(c, x.dims, scale.dims));
  SAHA_TRY(auto zero, zero_points(c, 2, scale.size()));
  SAHA_TRY(DType t, quantized_type(c, find("QuantizeLinear")->signature, c.has(2) ? std::optional(c.x(2).dtype) : std::nullopt, "QuantizeLinear"));
  SAHA_TRY(Tensor y, c.make(t, x.dims));
  DType p = division_type(c);
  auto v = values<double>(x), s = values<double>(scale);
  if (p != x.dtype) for (double& e : v) e = rounded(p, e);
  if (p != scale.dtype) for (double& e : s) e = rounded(p, e);
  if (is_float(t)) {
    const auto overflow = c.i("saturate") ? Overflow::saturate : Overflow::to_infinity_or_nan;
    const bool packed = is_packed(t);
    walk(g, [&](std::size_t e, std::size_t k) { v[e] = rounded(p, v[e] / s[k]) + (packed ? zero[k] : 0); });
    if (packed) fill(y, std::span<const double>(v));
    else for (std::size_t e = 0; e < v.size(); ++e) y.as<std::uint8_t>()[e] = std::uint8_t(encode(t, v[e], overflow));
    return c.give(std::move(y));
  }
  const auto [lo, hi] = int_range(t);
  std::vector<std::int64_t> q(v.size());
  walk(g, [&](std::size_t e, std::size_t k) {
    double r = std::nearbyint(rounded(p, v[e] / s[k]));
    if (std::isnan(r)) r = 0;
    r += zero[k];
    q[e] = r <= double(lo) ? lo : r >= double(hi) ? hi : std::int64_t(r);
  });
  fill(y, std::span<const std::int64_t>(q));
  return c.give(std::move(y));
}
/// The scale of every element of operand 0: what dequantising ones gives.
Val spread(const Site& s, Val scale, Val like, double number, DType t, Val zero) {
  Val ones = s.b.op("ConstantOfShape", {s.b.op("Shape", {like})}, {{"value", Tensor::of(t, {1}, {number})}});
  return s.b.op("DequantizeLinear", {ones, scale, zero}, {{"axis", s.i("axis")}, {"block_size", s.i("block_size")}});
}
/// Straight through: rounding is taken as the identity, and saturation cuts the gradient. Scales are not trained.
Vals quantize_linear_vjp(const Site& s, const Vals& dy) {
  Val dx = dy[0] / spread(s, s.in[1], s.in[0], 1, DType::i8, {});
  DType t = s.b.type(s.out[0]).dtype;
  if (is_float(t)) return {dx};
  Val zero = s.has(2) ? s.in[2] : Val{};
  Val lo = spread(s, s.in[1], s.in[0], double(int_range(t).lo), t, zero), hi = spread(s, s.in[1], s.in[0], double(int_range(t).hi), t, zero);
  Val inside = s.b.op("And", {s.b.op("GreaterOrEqual", {s.in[0], lo}), s.b.op("LessOrEqual", {s.in[0], hi})});
  return {dx * s.b.op("Cast", {inside}, {{"to", std::int64_t(s.type(0).dtype)}})};
}

// ---- DequantizeLinear ------------------------------------------------------------------------------------------------------
Result<> infer_dequantize_linear(Infer& c) {
  SAHA_DO(check_scale(c));
  std::int64_t to = c.i("output_dtype");
  DType t = to ? DType(to) : c.dtype(1);
  if (to < 0 || to >= kNumDTypes || !holds(c.sig.out[0].type.set, t))
    return c.fail(to ? "output_dtype " + std::to_string(to) + " is not " + dtype_names(c.sig.out[0].type.set) : "output_dtype is needed where the scale is " + std::string(name(t)));
  return give_like(c, t);
}
/// (x - zero) * scale with one rounding, to the result's type; int32 is first rounded to it, as the product is in that precision.
Result<> eval_dequantize_linear(Eval& c) {
  const Tensor &x = c.x(0), &scale = c.x(1);
  SAHA_TRY(Granularity g, granularity(c, x.dims, scale.dims));
  SAHA_TRY(auto zero, zero_points(c, 2, scale.size()));
  DType t = c.i("output_dtype") ? DType(c.i("output_dtype")) : scale.dtype;
  SAHA_TRY(Tensor y, c.make(t, x.dims));
  auto v = values<double>(x), s = values<double>(scale);
  const bool wide = x.dtype == DType::i32;
  walk(g, [&](std::size_t e, std::size_t k) {
    double d = v[e] - zero[k];
    v[e] = (wide ? rounded(t, d) : d) * s[k];
  });
  fill(y, std::span<const double>(v));
  return c.give(std::move(y));
}
Vals dequantize_linear_vjp(const Site& s, const Vals& dy) { return {dy[0] * spread(s, s.in[1], s.in[0], 1, DType::i8, {})}; }

// ---- DynamicQuantizeLinear -------------------------------------------------------------------------------------------------
Result<> infer_dynamic_quantize(Infer& c) {
  SAHA_DO(give_like(c, DType::u8));
  SAHA_DO(c.give(DType::f32, {}));
  return c.give(DType::u8, {});
}
/// The bounds of a row, 0 among them; NaN bounds nothing.
std::pair<float, float> bounds(const float* v, std::int64_t n) {
  float lo = 0, hi = 0;
  for (std::int64_t i = 0; i < n; ++i) { lo = std::fmin(lo, v[i]); hi = std::fmax(hi, v[i]); }
  return {lo, hi};
}
/// All in float32; a range of nothing but zeros has scale 1 / 255, so that nothing is divided by 0.
Result<> eval_dynamic_quantize(Eval& c) {
  const Tensor& x = c.x(0);
  const float* v = x.as<const float>();
  const std::int64_t n = x.size();
  const auto [lo, hi] = bounds(v, n);
  const DynamicScale s = dynamic_scale(lo, hi, DynamicRange::onnx);
  const float scale = s.scale, zero = float(s.zero);
  SAHA_TRY(Tensor y, c.make(DType::u8, x.dims));
  for (std::int64_t i = 0; i < n; ++i) {
    float q = std::nearbyint(v[i] / scale) + zero;
    y.as<std::uint8_t>()[i] = std::uint8_t(std::isnan(q) ? zero : std::fmin(255.0f, std::fmax(0.0f, q)));
  }
  SAHA_DO(c.give(std::move(y)));
  SAHA_DO(c.give(Tensor::scalar(DType::f32, double(scale))));
  return c.give(Tensor::scalar(DType::u8, double(zero)));
}

// ---- DynamicQuantize: rows of stored numbers whose scales are found in them -------------------------------------------------------
// Each index of the axes before `axis` is a row with a scale of its own. symmetric: the largest magnitude is 127 steps, no zero point; else the row's range, 0
// in it, is 255 steps. Ties away from zero, before the zero point is added. Source: LiteRT's reference kernels of layers with real data and stored weights.
Result<> infer_dynamic_rows(Infer& c) {
  std::vector<Dim> rows = c.dims(0);
  const std::int64_t axis = c.i("axis");
  if (axis < 0 || axis > std::int64_t(rows.size())) return c.fail("axis is " + std::to_string(axis) + ", x has " + std::to_string(rows.size()) + " axes");
  for (std::size_t i = std::size_t(axis); i < rows.size(); ++i) rows[i] = Dim(1);
  SAHA_DO(c.give(DType::i8, c.dims(0)));
  SAHA_DO(c.give(DType::f32, rows));
  return c.give(DType::i32, rows);
}
Result<> eval_dynamic_rows(Eval& c) {
  const Tensor& x = c.x(0);
  const bool symmetric = c.i("symmetric") != 0;
  const std::int64_t axis = c.i("axis");
  if (axis < 0 || axis > std::int64_t(x.rank())) return c.fail("axis is " + std::to_string(axis) + ", x is " + str(x.dims));
  Dims rows = x.dims;
  std::fill(rows.begin() + axis, rows.end(), 1);
  SAHA_TRY(Tensor y, c.make(DType::i8, x.dims));
  SAHA_TRY(Tensor scale, c.make(DType::f32, rows));
  SAHA_TRY(Tensor zero, c.make(DType::i32, rows));
  const std::int64_t count = scale.size(), n = count ? x.size() / count : 0;
  for (std::int64_t r = 0; r < count; ++r) {
    const float* v = x.as<const float>() + r * n;
    const auto [lo, hi] = bounds(v, n);
    const DynamicScale s = dynamic_scale(lo, hi, symmetric ? DynamicRange::symmetric : DynamicRange::asymmetric);
    for (std::int64_t i = 0; i < n; ++i) {
      const float steps = std::round(v[i] * s.inverse);
      y.as<std::int8_t>()[r * n + i] = std::int8_t(std::clamp((steps == steps ? steps : 0) + float(s.zero), symmetric ? -127.f : -128.f, 127.f));
    }
    scale.as<float>()[r] = s.scale;
    zero.as<std::int32_t>()[r] = s.zero;
  }
  SAHA_DO(c.give(std::move(y)));
  SAHA_DO(c.give(std::move(scale)));
  return c.give(std::move(zero));
}
/// The same by operators of ONNX, for files.
Vals dynamic_rows_body(const Site& s) {
  Builder& b = s.b;
  if (b.failed()) return {s.in[0]};
  const Val x = s.in[0];
  const bool symmetric = s.i("symmetric") != 0;
  ir::Ints axes;
  for (std::int64_t a = s.i("axis"); a < std::int64_t(s.type(0).dims.size()); ++a) axes.push_back(a);
  auto over_row = [&](ir::OpName op, Val v) { return axes.empty() ? b.op("Identity", {v}) : b.op(op, {v, b.ints(axes)}); };
  auto number = [&](double v, DType t = DType::f32) { return b.scalar(v, t); };
  auto wide = [&](Val v) { return cast(v, DType::f64); };
  auto rounded = [&](Val v) { return b.op("Floor", {b.op("Abs", {v}) + 0.5}) * b.op("Sign", {v}); };
  auto within = [&](Val v, double lo) { return b.op("Clip", {v, number(lo, DType::f64), number(127, DType::f64)}); };
  if (symmetric) {
    Val most = over_row("ReduceMax", b.op("Abs", {x})), flat = b.op("Equal", {most, number(0)});
    Val some = b.op("Where", {flat, number(1), most});
    Val y = cast(within(rounded(wide(x * (number(127) / some))), -127), DType::i8);
    return {y, b.op("Where", {flat, number(1), some / number(127)}), b.op("ConstantOfShape", {b.op("Shape", {most})}, {{"value", Tensor::of(DType::i32, {1}, {0.0})}})};
  }
  Val lo = b.op("Min", {over_row("ReduceMin", x), number(0)}), hi = b.op("Max", {over_row("ReduceMax", x), number(0)});
  Val flat = b.op("Equal", {lo, hi}), step = wide(b.op("Where", {flat, number(255), hi - lo})) / number(255, DType::f64);
  Val below = wide(lo) / step, above = wide(hi) / step;
  Val first = b.op("Less", {b.op("Abs", {below}) + 128, b.op("Abs", {above}) + 127});
  Val zero = within(rounded(b.op("Where", {first, number(-128, DType::f64) - below, number(127, DType::f64) - above})), -128);
  zero = b.op("Where", {flat, number(0, DType::f64), zero});
  Val scale = cast(step, DType::f32);
  return {cast(within(rounded(wide(x * (number(1) / scale))) + zero, -128), DType::i8), scale, cast(zero, DType::i32)};
}

// ---- QLinearConv, QLinearMatMul: operands hold the scales, so they may be computed at run time -------------------------------
Val to_f32(Val v) { return v.b->type(v).dtype == DType::f32 ? v : v.b->op("Cast", {v}, {{"to", std::int64_t(DType::f32)}}); }
/// A per-channel vector as a column that broadcasts along `axis` of a tensor of the given rank; scalars as they are.
Val along(Val v, std::size_t axis, std::size_t rank) {
  if (v.b->failed() || v.b->type(v).dims.size() != 1 || v.b->type(v).dims[0].is(1)) return v;
  std::vector<std::int64_t> shape(rank, 1);
  shape[axis] = -1;
  return v.b->op("Reshape", {v, v.b->ints(shape)});
}
/// saturate(rint(sum * multiplier) + zero): the rule float_even, in the order (x_scale * w_scale) / y_scale.
Val requantized(Val sum, Val multiplier, Val zero) {
  return sum.b->op("QuantizeLinear", {to_f32(sum) * to_f32(multiplier), sum.b->scalar(1, DType::f32), zero});
}
Vals qlinear_conv_body(const Site& s) {
  if (s.b.failed()) return {s.in[0]};
  std::size_t rank = s.type(0).dims.size();
  if (rank < 3) { s.b.fail({ErrorCode::invalid_model, "QLinearConv: X has rank " + std::to_string(rank) + ", at least 3 is needed"}); return {s.in[0]}; }
  Val sum = s.b.op("ConvInteger", {s.in[0], s.in[3], s.in[2], s.in[5]}, s.attrs);
  if (s.has(8)) sum = sum + along(s.in[8], 1, rank);
  return {requantized(sum, s.in[1] * along(s.in[4], 1, rank) / s.in[6], s.in[7])};
}
Vals qlinear_matmul_body(const Site& s) {
  if (s.b.failed()) return {s.in[0]};
  Val multiplier = along(s.in[1], 0, 2) * s.in[4] / along(s.in[6], 0, 2);
  if (!is_float(s.type(0).dtype) && !is_float(s.type(3).dtype))
    return {requantized(s.b.op("MatMulInteger", {s.in[0], s.in[3], s.in[2], s.in[5]}), multiplier, s.in[7])};
  Val a = to_f32(s.in[0]) - along(to_f32(s.in[2]), 0, 2), b = to_f32(s.in[3]) - to_f32(s.in[5]);
  return {requantized(s.b.op("MatMul", {a, b}), multiplier, s.in[7])};
}

// ---- Rescale, Saturate, Lookup ----------------------------------------------------------------------------------------------
Result<> infer_rescale(Infer& c) {
  if (!rounding_of(c.s("rounding"))) return c.fail("rounding '" + c.s("rounding") + "' is not float_even, fixed_double, fixed_single, fixed_wide or fixed_legacy");
  SAHA_TRY(auto w, rescaling(c));
  if (w.size() > 1) {
    SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), c.rank(0)));
    if (auto n = c.dims(0)[axis].known(); n && *n != std::int64_t(w.size())) return c.fail(std::to_string(w.size()) + " scales for " + std::to_string(*n) + " channels");
  }
  return c.give(DType::i32, c.dims(0));
}
Result<> eval_rescale(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::vector<Requant> r, rescaling(c));
  Granularity g;
  g.length = x.size();
  if (r.size() > 1) {
    SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), x.dims.size()));
    if (x.dims[axis] != std::int64_t(r.size())) return c.fail(std::to_string(r.size()) + " scales for " + std::to_string(x.dims[axis]) + " channels");
    g.kind = Granularity::Kind::axis;
    g.length = x.dims[axis];
    for (std::size_t i = 0; i < axis; ++i) g.outer *= x.dims[i];
    for (std::size_t i = axis + 1; i < x.dims.size(); ++i) g.inner *= x.dims[i];
  }
  auto v = values<std::int64_t>(x);
  SAHA_TRY(Tensor y, c.make(DType::i32, x.dims));
  walk(g, [&](std::size_t e, std::size_t k) { y.as<std::int32_t>()[e] = rescale(v[e], r[k]); });
  return c.give(std::move(y));
}
Result<DType> saturation(const AttrView& a) {
  auto to = a.i("to");
  if (to <= 0 || to >= kNumDTypes || !is_int(DType(to)) || bits(DType(to)) > 32)
    return Error{ErrorCode::invalid_model, "Saturate: to is " + std::to_string(to) + ", an integer type of at most 32 bits is needed"};
  return DType(to);
}
Result<> infer_saturate(Infer& c) {
  SAHA_DO(saturation(c));
  return c.give(c.dtype(0), c.dims(0));
}
Result<> eval_saturate(Eval& c) {
  SAHA_TRY(DType t, saturation(c));
  auto v = values<std::int64_t>(c.x(0));
  for (std::int64_t& e : v) e = saturate(e, bits(t), is_signed_int(t));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, c.x(0).dims));
  fill(y, std::span<const std::int64_t>(v));
  return c.give(std::move(y));
}
Result<> infer_lookup(Infer& c) {
  auto n = std::int64_t{1} << bits(c.dtype(0));
  if (c.rank(1) != 1 || (c.dims(1)[0].known() && !c.dims(1)[0].is(n))) return c.fail("a table " + ir::str(*c.in[1]) + " for " + std::string(name(c.dtype(0))) + ", " + std::to_string(n) + " entries are needed");
  return c.give(c.dtype(1), c.dims(0));
}
/// table[x - smallest x]: entry 0 belongs to the smallest number of the type.
Result<> eval_lookup(Eval& c) {
  const Tensor &x = c.x(0), &table = c.x(1);
  if (table.dims != Dims{std::int64_t{1} << bits(x.dtype)}) return c.fail("a table " + str(table.dims) + " for " + std::string(name(x.dtype)));
  SAHA_TRY(Tensor y, c.make(table.dtype, x.dims));
  auto v = values<std::int64_t>(x);
  const std::int64_t lo = int_range(x.dtype).lo;
  for (std::size_t e = 0; e < v.size(); ++e) copy_elements(table, v[e] - lo, 1, y, std::int64_t(e), 1);
  return c.give(std::move(y));
}

// ---- Requantize: the same real number, kept otherwise -------------------------------------------------------------------------------
Val requantize_integer(const Site& s, const Type& result) {
  const Type& x = s.type(0);
  if (!x.quant || !result.quant || !fixed(s)) return {};
  const double factor = double(x.quant->scale[0]) / double(result.quant->scale[0]);
  return stored(rescaled(centred(s.in[0], DType::i32), factor, s), result);
}

constexpr std::string_view kStored = "it reads and writes integers";
constexpr OpDef kOps[] = {
    {.name = "QuantizeLinear", .since_version = 28,
     .signature = "(x: T1, y_scale: T2, y_zero_point: T3?) -> (y: T3) where T1: float32 float16 bfloat16 int32, T2: float32 float16 bfloat16 int32 float8e8m0, "
                  "T3: int8 uint8 int16 uint16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float6 packed | axis: int = 1, block_size: int = 0, output_dtype: int = 0, precision: int = 0, saturate: int = 1",
     .traits = kTakesUnranked, .infer = infer_quantize_linear, .eval = eval_quantize_linear, .vjp = quantize_linear_vjp},
    {.name = "DequantizeLinear", .since_version = 28,
     .signature = "(x: T1, x_scale: T2, x_zero_point: T1?) -> (y: T3) where T1: int8 uint8 int16 uint16 int32 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float6 packed, "
                  "T2: float32 float16 bfloat16 float8e8m0, T3: float32 float16 bfloat16 | axis: int = 1, block_size: int = 0, output_dtype: int = 0",
     .traits = kTakesUnranked, .infer = infer_dequantize_linear, .eval = eval_dequantize_linear, .vjp = dequantize_linear_vjp},
    {.name = "DynamicQuantizeLinear", .since_version = 11, .signature = "(x: float32) -> (y: uint8, y_scale: float32, y_zero_point: uint8)",
     .traits = kTakesUnranked, .infer = infer_dynamic_quantize, .eval = eval_dynamic_quantize, .no_gradient = "its range follows the data, its result is an integer"},
    {.name = "DynamicQuantize", .domain = "saha", .signature = "(x: float32) -> (y: int8, y_scale: float32, y_zero_point: int32) | axis: int = 1, symmetric: int = 0",
     .infer = infer_dynamic_rows, .eval = eval_dynamic_rows, .body = dynamic_rows_body, .no_gradient = "its range follows the data, its result is an integer"},
    {.name = "QLinearConv", .since_version = 10,
     .signature = "(x: T1, x_scale: float32, x_zero_point: T1, w: T2, w_scale: float32, w_zero_point: T2, y_scale: float32, y_zero_point: T3, B: int32?) -> (y: T3) "
                  "where T1: int8 uint8, T2: int8 uint8, T3: int8 uint8 | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, pads: ints?, strides: ints?",
     .body = qlinear_conv_body, .no_gradient = kStored},
    {.name = "QLinearMatMul", .since_version = 21,
     .signature = "(a: T1, a_scale: TS, a_zero_point: T1, b: T2, b_scale: TS, b_zero_point: T2, y_scale: TS, y_zero_point: T3) -> (y: T3) where TS: float32 float16 bfloat16, "
                  "T1: int8 uint8 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz, T2: int8 uint8 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz, "
                  "T3: int8 uint8 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz",
     .body = qlinear_matmul_body, .no_gradient = kStored},
    {.name = "Rescale", .domain = "saha",
     .signature = "(X: T) -> (Y: int32) where T: int32 int64 | w_scale: floats?, x_scale: float = 1, y_scale: float = 1, multiplier: ints?, shift: ints?, axis: int = 1, rounding: string = float_even",
     .infer = infer_rescale, .eval = eval_rescale, .no_gradient = kStored},
    {.name = "Requantize", .domain = "saha", .signature = "(X: T) -> (Y: T) where T: float32",
     .body = [](const Site& s) { return Vals{s.b.op("Identity", {s.in[0]})}; }, .adjoint = [](const Site&, std::size_t, Val dy) { return dy; }, .integer = requantize_integer},
    {.name = "Saturate", .domain = "saha", .signature = "(X: T) -> (Y: T) where T: int32 int64 | to: int", .infer = infer_saturate, .eval = eval_saturate, .no_gradient = kStored},
    {.name = "Lookup", .domain = "saha", .signature = "(X: T, table: V) -> (Y: V) where T: int8 uint8 int16 uint16 int4 uint4 int2 uint2, V: int8 uint8 int16 uint16 int32 float32",
     .infer = infer_lookup, .eval = eval_lookup, .no_gradient = kStored},
};
}  // namespace

std::span<const OpDef> quantize() { return kOps; }

}  // namespace saha::op
