// Layers that compute element by element, compare, choose, convert and reduce.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

// ---- two operands ------------------------------------------------------------------------------------------------------------
Vals paired(Site& s) { return {s.op(s.row.op, aligned(s))}; }
Vals not_equal(Site& s) { return {s.op("Not", {s.op("Equal", aligned(s))})}; }
Vals squared_difference(Site& s) {
  Vals in = aligned(s);
  if (s.b.failed()) return {};
  Val d = in[0] - in[1];
  return {d * d};
}
/// Python's rounding of a quotient of whole numbers, unless the layer says C's.
Vals divide(Site& s) {
  Vals in = aligned(s);
  if (s.b.failed()) return {};
  if (!is_signed_int(s.type(0).dtype) || !s.flag("m_pythondiv", true)) return {in[0] / in[1]};
  return {(in[0] - s.op("Mod", in)) / in[1]};
}
Vals say_divide(const Saying& s) { return {s.w.div(s.in[0], s.in[1])}; }
/// The remainder as C has it: of the dividend's sign.
Vals mod(Site& s) { return {s.op("Mod", aligned(s), {{"fmod", std::int64_t{1}}})}; }
Vals floor_mod(Site& s) {
  Vals in = aligned(s);
  if (s.b.failed()) return {};
  if (!is_float(s.type(0).dtype)) return {s.op("Mod", in)};
  return {in[0] - in[1] * s.op("Floor", {in[0] / in[1]})};
}
Vals say_mod(const Saying& s) { return {s.w.layer(s.i("fmod") ? "Mod" : "FloorMod", s.in, Writer::broadcast())}; }
/// Any number of operands, two by two.
Vals say_chain(const Saying& s) {
  Val y = s.in[0];
  for (std::size_t i = 1; i < s.in.size(); ++i) y = s.w.layer(s.row.type, {y, s.in[i]}, Writer::broadcast());
  return {y};
}
Vals say_sum(const Saying& s) {
  Val y = s.in[0];
  for (std::size_t i = 1; i < s.in.size(); ++i) y = s.w.add(y, s.in[i]);
  return {y};
}
Vals say_mean(const Saying& s) {
  Val y = say_sum(s)[0];
  return {s.in.size() == 1 ? y : s.w.div(y, s.w.scalar(double(s.in.size()), y))};
}
/// Base and exponent have one type there.
Vals say_power(const Saying& s) {
  if (s.w.failed()) return {};
  const DType base = s.type(0).dtype, exponent = s.type(1).dtype;
  if (base == exponent || is_float(base)) return {s.w.layer("Power", {s.in[0], s.w.cast(s.in[1], base)}, Writer::broadcast())};
  const DType common = is_float(exponent) ? exponent : base;
  return {s.w.cast(s.w.layer("Power", {s.w.cast(s.in[0], common), s.w.cast(s.in[1], common)}, Writer::broadcast()), base)};
}
Vals select(Site& s) { return {s.op("Where", s.in)}; }

Vals shift(Site& s) {
  return {s.op("BitShift", aligned(s), {{"direction", std::string(s.layer.type == "BitwiseLeftShift" ? "LEFT" : "RIGHT")}})};
}
/// By what is no place in the number, everything goes: the layer leaves that open.
Vals say_shift(const Saying& s) {
  if (s.w.failed()) return {};
  Writer& w = s.w;
  const DType t = s.type(0).dtype;
  const bool left = s.s("direction") == "LEFT";
  const std::string_view type = left ? "BitwiseLeftShift" : "BitwiseRightShift";
  Val x = s.in[0], by = s.in[1], zero = w.scalar(0, x);
  if (auto n = s.known(1); n && std::all_of(n->begin(), n->end(), [&](std::int64_t v) { return v >= 0 && v < bits(t); })) return {w.layer(type, {x, by}, Writer::broadcast())};
  Val within = w.layer("Less", {by, w.scalar(bits(t), by)}, Writer::broadcast()), gone = zero;
  if (is_signed_int(t)) {
    within = w.layer("LogicalAnd", {within, w.layer("GreaterEqual", {by, w.scalar(0, by)}, Writer::broadcast())}, Writer::broadcast());
    if (!left) gone = w.select(w.layer("Less", {x, zero}, Writer::broadcast()), w.scalar(-1, x), zero);
  }
  return {w.select(within, w.layer(type, {x, w.select(within, by, w.scalar(0, by))}, Writer::broadcast()), gone)};
}

// ---- one operand -------------------------------------------------------------------------------------------------------------
/// Rounding operators leave whole numbers as they are; ours take real ones only.
Vals real_only(Site& s) { return {is_float(s.type(0).dtype) ? s.op(s.row.op, {s.in[0]}) : s.in[0]}; }
Vals round_layer(Site& s) {
  Val x = s.in[0];
  if (s.b.failed() || !is_float(s.type(0).dtype)) return {x};
  if (s.s("mode", "half_to_even") == "half_to_even") return {s.op("Round", {x})};
  return {s.op("Sign", {x}) * s.op("Floor", {s.op("Abs", {x}) + 0.5})};
}
Vals say_round(const Saying& s) { return {s.w.layer("Round", s.in, {{"mode", "half_to_even"}})}; }
Vals say_reciprocal(const Saying& s) { return {s.w.div(s.w.scalar(1, s.in[0]), s.in[0])}; }
Vals is_finite(Site& s) { return {s.op("Not", {s.op("Or", {s.op("IsNaN", {s.in[0]}), s.op("IsInf", {s.in[0]})})})}; }
Vals gelu(Site& s) { return {s.op("Gelu", {s.in[0]}, {{"approximate", std::string(s.s("approximation_mode", "erf") == "tanh" ? "tanh" : "none")}})}; }
Vals say_gelu(const Saying& s) { return {s.w.layer("Gelu", s.in, {{"approximation_mode", s.s("approximate") == "tanh" ? "TANH" : "ERF"}})}; }
Vals clamp(Site& s) {
  const DType t = s.type(0).dtype;
  double lo = s.f("min", -INFINITY), hi = s.f("max", INFINITY);
  if (!is_float(t)) {
    const IntRange r = int_range(t);
    lo = std::clamp(std::ceil(lo), double(r.lo), double(r.hi));
    hi = std::clamp(std::floor(hi), double(r.lo), double(r.hi));
  }
  return {s.op("Clip", {s.in[0], s.b.scalar(lo, s.in[0]), s.b.scalar(hi, s.in[0])})};
}
Vals say_clip(const Saying& s) {
  auto lo = s.number(1), hi = s.number(2);
  Val x = s.in[0];
  if (s.w.failed()) return {};
  if (lo && hi && *lo < *hi && is_float(s.type(0).dtype)) return {s.w.layer("Clamp", {x}, {{"min", text(*lo)}, {"max", text(*hi)}})};
  if (s.has(1)) x = s.w.layer("Maximum", {x, s.in[1]}, Writer::broadcast());
  if (s.has(2)) x = s.w.layer("Minimum", {x, s.in[2]}, Writer::broadcast());
  return {x};
}
/// The slope of one axis lies along the channels; any other broadcasts.
Vals prelu(Site& s) {
  Val x = s.in[0], slope = s.in[1];
  if (s.b.failed()) return {};
  if (auto alpha = s.number(1); alpha && is_float(s.type(0).dtype)) return {s.op("LeakyRelu", {x}, {{"alpha", float(*alpha)}})};
  const auto& dims = s.type(0).dims;
  if (s.rank(1) == 1 && dims.size() > 1 && !s.type(1).dims[0].is(1) && dims[1] == s.type(1).dims[0]) {
    Ints shape(dims.size() - 1, 1);
    shape[0] = -1;
    slope = reshaped(slope, shape);
  }
  return {s.op("PRelu", {x, slope})};
}
Vals say_leaky(const Saying& s) {
  if (s.w.failed()) return {};
  return {s.w.layer("PRelu", {s.in[0], s.w.b.constant(Tensor::of(s.type(0).dtype, {1}, {double(s.f("alpha"))}))})};
}
Vals say_prelu(const Saying& s) {
  if (s.w.failed()) return {};
  Val x = s.in[0], slope = s.in[1];
  const auto& d = s.type(1).dims;
  const std::size_t rank = s.rank(0);
  std::size_t wide = 0, at = 0;
  for (std::size_t i = 0; i < d.size(); ++i) if (!d[i].is(1)) { ++wide; at = rank - d.size() + i; }
  if (wide == 0) return {s.w.layer("PRelu", {x, s.w.reshape(slope, {1})})};
  if (wide == 1 && at == 1 && rank > 1) return {s.w.layer("PRelu", {x, s.w.reshape(slope, {-1})})};
  Val zero = s.w.scalar(0, x);
  Val kept = s.w.layer("Maximum", {x, zero}, Writer::broadcast()), scaled = s.w.mul(slope, s.w.layer("Minimum", {x, zero}, Writer::broadcast()));
  return {s.w.add(kept, scaled)};
}
Vals hard_sigmoid(Site& s) {
  auto alpha = s.number(1), beta = s.number(2);
  if (alpha && beta) return {s.op("HardSigmoid", {s.in[0]}, {{"alpha", float(*alpha)}, {"beta", float(*beta)}})};
  if (s.b.failed()) return {};
  Val y = s.in[0] * s.in[1] + s.in[2];
  return {s.op("Clip", {y, s.b.scalar(0, y), s.b.scalar(1, y)})};
}
Vals say_hard_sigmoid(const Saying& s) { return {s.w.layer("HardSigmoid", {s.in[0], s.w.scalar(s.f("alpha"), s.in[0]), s.w.scalar(s.f("beta"), s.in[0])})}; }
Vals hsigmoid(Site& s) { return {s.op("HardSigmoid", {s.in[0]}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}})}; }
Vals selu(Site& s) {
  auto alpha = s.number(1), gamma = s.number(2);
  if (alpha && gamma) return {s.op("Selu", {s.in[0]}, {{"alpha", float(*alpha)}, {"gamma", float(*gamma)}})};
  if (s.b.failed()) return {};
  Val x = s.in[0], zero = s.b.scalar(0, x);
  return {s.in[2] * s.op("Where", {s.op("Greater", {x, zero}), x, s.in[1] * (s.op("Exp", {x}) - 1)})};
}
Vals say_selu(const Saying& s) { return {s.w.layer("Selu", {s.in[0], s.w.scalar(s.f("alpha"), s.in[0]), s.w.scalar(s.f("gamma"), s.in[0])})}; }
Vals swish(Site& s) {
  if (!s.has(1)) return {s.op("Swish", {s.in[0]})};
  if (auto beta = s.number(1)) return {s.op("Swish", {s.in[0]}, {{"alpha", float(*beta)}})};
  if (s.b.failed()) return {};
  return {s.in[0] * s.op("Sigmoid", {s.in[0] * s.in[1]})};
}
Vals say_swish(const Saying& s) { return {s.w.layer("Swish", {s.in[0], s.w.scalar(s.f("alpha"), s.in[0])})}; }
/// alpha (e^(x/alpha) - 1) below zero
Vals say_celu(const Saying& s) {
  if (s.w.failed()) return {};
  Val x = s.in[0], alpha = s.w.scalar(s.f("alpha"), x);
  if (s.f("alpha") == 0) return {};
  return {s.w.mul(s.w.layer("Elu", {s.w.div(x, alpha)}, {{"alpha", "1"}}), alpha)};
}
Vals say_thresholded(const Saying& s) {
  Val x = s.in[0];
  return {s.w.select(s.w.layer("Greater", {x, s.w.scalar(s.f("alpha"), x)}, Writer::broadcast()), x, s.w.scalar(0, x))};
}
Vals say_shrink(const Saying& s) {
  Val x = s.in[0], bias = s.w.scalar(s.f("bias"), x);
  auto compare = [&](const char* how, double v) { return s.w.layer(how, {x, s.w.scalar(v, x)}, Writer::broadcast()); };
  return {s.w.select(compare("Less", -double(s.f("lambd"))), s.w.add(x, bias), s.w.select(compare("Greater", s.f("lambd")), s.w.sub(x, bias), s.w.scalar(0, x)))};
}
Vals identity(Site& s) { return {s.in[0]}; }
Vals say_identity(const Saying& s) { return {s.in[0]}; }
Vals say_dropout(const Saying& s) {
  auto training = s.number(2);
  if (s.has(2) && !(training && *training == 0)) { s.unsupported("drops values at random, which no layer does"); return {}; }
  if (s.n.num_results < 2) return {s.in[0]};
  Val all = s.w.layer("Broadcast", {s.w.b.scalar(1, DType::boolean), s.w.layer("ShapeOf", {s.in[0]}, {{"output_type", "i64"}})}, {{"mode", "numpy"}});
  return {s.in[0], all};
}

// ---- types -------------------------------------------------------------------------------------------------------------------
Vals convert(Site& s) {
  const DType to = s.dtype("destination_type", DType::none);
  if (to == DType::none) { s.fail("has no destination_type"); return {}; }
  if (is_float(to) && bits(to) == 8 && to != DType::f8e8m0 && !s.b.failed() && s.type(0).dtype != to) return {s.op("Cast", {s.in[0]}, {{"to", std::int64_t(to)}, {"saturate", std::int64_t{0}}})};
  return {s.op_cast(s.in[0], to)};
}
Vals convert_like(Site& s) { return {s.op_cast(s.in[0], s.type(1).dtype)}; }
Vals say_cast(const Saying& s) {
  if (s.w.failed()) return {};
  const auto to = DType(s.i("to"));
  const DType from = s.type(0).dtype;
  if (element_type(to).empty()) { s.unsupported("makes " + std::string(saha::name(to)) + ", a type that IR does not have"); return {}; }
  if (from == DType::string || to == DType::string) { s.unsupported("reads or writes numbers as text, which no layer does"); return {}; }
  if (to == from || (s.w.version() == 10 && to == DType::f16 && from == DType::f32)) return {s.in[0]};
  if (to == DType::boolean && is_float(from)) {   // what is not zero is true, 0.5 too
    return {s.w.layer("NotEqual", {s.in[0], s.w.scalar(0, s.in[0])}, Writer::broadcast())};
  }
  Val x = s.in[0];
  if (is_float(to) && bits(to) == 8 && to != DType::f8e8m0 && s.i("saturate"))   // the layer makes what is too large infinite or no number
    x = s.w.layer("Clamp", {is_float(from) ? x : s.w.cast(x, DType::f32)}, {{"min", text(-largest(to))}, {"max", text(largest(to))}});
  return {s.w.layer("Convert", {x}, {{"destination_type", s.w.element(to)}})};
}

// ---- reductions --------------------------------------------------------------------------------------------------------------
Vals reduce(Site& s) { return {s.op(s.row.op, {s.in[0], s.wide_list(1)}, {{"keepdims", std::int64_t(s.flag("keep_dims"))}, {"noop_with_empty_axes", std::int64_t{1}}})}; }
/// A list of axes that is empty whatever it holds: all axes, or none.
bool no_axes(const Saying& s) {
  if (!s.has(1) || s.w.failed()) return !s.has(1);
  const ir::Type& t = s.type(1);
  return t.ranked && t.dims.size() == 1 && t.dims[0].is(0);
}
Vals say_reduced(const Saying& s, std::string_view type, Val x) {
  if (s.w.failed()) return {};
  Val axes = s.has(1) ? s.in[1] : Val{};
  if (no_axes(s)) {
    if (s.i("noop_with_empty_axes")) return {x};
    axes = s.w.ints(s.w.all_axes(x));
    if (s.rank() == 0) return {x};
  }
  return {s.w.layer(type, {x, axes}, {{"keep_dims", text(s.i("keepdims") != 0)}})};
}
Vals say_reduce(const Saying& s) {
  if (s.w.failed()) return {};
  const bool some = !no_axes(s);
  if (!s.type(0).ranked && !some) { s.unsupported("reduces all axes of a value of unknown rank"); return {}; }
  const bool self = s.rank() == 0 || (!some && s.i("noop_with_empty_axes"));   // nothing is summed: |x| of ReduceL1 and the square of others are still to be taken
  if (self && s.n.op != ir::OpName("ReduceSum") && s.n.op != ir::OpName("ReduceMean") && s.n.op != ir::OpName("ReduceMax") && s.n.op != ir::OpName("ReduceMin") && s.n.op != ir::OpName("ReduceProd")) return {s.w.layer("Abs", {s.in[0]})};
  if (s.type(0).dtype != DType::boolean) return say_reduced(s, s.row.type, s.in[0]);
  Val y = say_reduced(s, s.row.type, s.w.cast(s.in[0], DType::u8))[0];   // devices lack ReduceLogicalOr and And in cases
  return {s.w.cast(y, DType::boolean)};
}
/// The first (or last) largest; TopK with ties in the order of their places.
Vals say_arg(const Saying& s) {
  if (s.w.failed()) return {};
  const auto rank = std::int64_t(s.rank());
  const std::int64_t axis = s.i("axis") < 0 ? s.i("axis") + rank : s.i("axis");
  const char* mode = s.n.op == ir::OpName("ArgMax") ? "max" : "min";
  if (rank == 0) return {s.w.b.constant(Tensor::scalar_int(0))};
  Val x = s.in[0], best;
  if (s.w.newest() < 11 || s.i("select_last_index")) {
    // The best value's places, and of these the least or largest.
    Val extreme = s.w.layer(std::string_view(mode) == "max" ? "ReduceMax" : "ReduceMin", {x, s.w.ints({axis})}, {{"keep_dims", "true"}});
    const auto n = s.type(0).dims[std::size_t(axis)].known();
    if (!n) { s.unsupported("needs the extent of axis " + to_string(axis)); return {}; }
    Tensor places = Tensor::zeros(DType::i64, {*n});
    for (std::int64_t i = 0; i < *n; ++i) places.as<std::int64_t>()[i] = i;
    Ints shape(std::size_t(rank), 1);
    shape[std::size_t(axis)] = *n;
    Val place = s.w.b.constant(places.reshaped(shape)), hit = s.w.layer("Equal", {x, extreme}, Writer::broadcast());
    Val chosen = s.w.select(hit, place, s.w.b.constant(Tensor::scalar_int(s.i("select_last_index") ? -1 : *n)));
    return {s.w.layer(s.i("select_last_index") ? "ReduceMax" : "ReduceMin", {chosen, s.w.ints({axis})}, {{"keep_dims", text(s.i("keepdims") != 0)}})};
  }
  best = s.w.layers("TopK", {x, s.w.b.constant(Tensor::scalar_int(1))}, {{"axis", to_string(axis)}, {"mode", mode}, {"sort", "value"}, {"index_element_type", "i64"}, {"stable", "true"}}, 2)[1];
  return {s.i("keepdims") ? best : s.w.layer("Squeeze", {best, s.w.ints({axis})})};
}

constexpr Row kRows[] = {
    {"Add", 1, "Add", {}, paired, say_paired, 2},
    {"Subtract", 1, "Sub", {}, paired, say_paired, 2},
    {"Divide", 1, "Div", {}, divide, say_divide, 2},
    {"Power", 1, "Pow", {}, paired, say_power, 2},
    {"Maximum", 1, "Max", {}, paired, say_chain, 2},
    {"Minimum", 1, "Min", {}, paired, say_chain, 2},
    {"Mod", 1, "Mod", {}, mod, say_mod, 2},
    {"FloorMod", 1, "Mod", {}, floor_mod, nullptr, 2, false},
    {"SquaredDifference", 1, "", {}, squared_difference, nullptr, 2, false},
    {"", 1, "Sum", {}, nullptr, say_sum},
    {"", 1, "Mean", {}, nullptr, say_mean},
    {"Equal", 1, "Equal", {}, paired, say_paired, 2},
    {"NotEqual", 1, "", {}, not_equal, nullptr, 2, false},
    {"Greater", 1, "Greater", {}, paired, say_paired, 2},
    {"GreaterEqual", 1, "GreaterOrEqual", {}, paired, say_paired, 2},
    {"Less", 1, "Less", {}, paired, say_paired, 2},
    {"LessEqual", 1, "LessOrEqual", {}, paired, say_paired, 2},
    {"LogicalAnd", 1, "And", {}, paired, say_paired, 2},
    {"LogicalOr", 1, "Or", {}, paired, say_paired, 2},
    {"LogicalXor", 1, "Xor", {}, paired, say_paired, 2},
    {"LogicalNot", 1, "Not"},
    {"Select", 1, "Where", {}, select, say_paired, 3},
    {"Xor", 1, "Xor", {}, paired, nullptr, 2, false},
    {"Identity", 16, "", {}, identity, nullptr, 1, false},
    {"BitwiseAnd", 13, "BitwiseAnd", {}, paired, say_paired, 2},
    {"BitwiseOr", 13, "BitwiseOr", {}, paired, say_paired, 2},
    {"BitwiseXor", 13, "BitwiseXor", {}, paired, say_paired, 2},
    {"BitwiseNot", 13, "BitwiseNot"},
    {"BitwiseLeftShift", 15, "BitShift", {}, shift, say_shift, 2},
    {"BitwiseRightShift", 15, "BitShift", {}, shift, nullptr, 2, false},
    {"Abs", 1, "Abs"},
    {"Acos", 1, "Acos"},
    {"Acosh", 4, "Acosh"},
    {"Asin", 1, "Asin"},
    {"Asinh", 4, "Asinh"},
    {"Atan", 1, "Atan"},
    {"Atanh", 4, "Atanh"},
    {"Ceiling", 1, "Ceil", {}, real_only},
    {"Cos", 1, "Cos"},
    {"Cosh", 1, "Cosh"},
    {"Erf", 1, "Erf"},
    {"Exp", 1, "Exp"},
    {"Floor", 1, "Floor", {}, real_only},
    {"Log", 1, "Log"},
    {"Negative", 1, "Neg"},
    {"Relu", 1, "Relu"},
    {"Sigmoid", 1, "Sigmoid"},
    {"Sign", 1, "Sign"},
    {"Sin", 1, "Sin"},
    {"Sinh", 1, "Sinh"},
    {"Sqrt", 1, "Sqrt"},
    {"Tan", 1, "Tan"},
    {"Tanh", 1, "Tanh"},
    {"Round", 5, "Round", {}, round_layer, say_round},
    {"Elu", 1, "Elu", "alpha"},
    {"Gelu", 2, "", {}, gelu, nullptr, 1, false},
    {"Gelu", 7, "Gelu", {}, gelu, say_gelu},
    {"HardSigmoid", 1, "HardSigmoid", {}, hard_sigmoid, say_hard_sigmoid, 3},
    {"HSigmoid", 5, "", {}, hsigmoid, nullptr, 1, false},
    {"HSwish", 4, "HardSwish"},
    {"Mish", 4, "Mish"},
    {"Selu", 1, "Selu", {}, selu, say_selu, 3},
    {"SoftPlus", 4, "Softplus"},
    {"SoftSign", 9, "Softsign"},
    {"Swish", 4, "Swish", {}, swish, say_swish},
    {"Clamp", 1, "Clip", {}, clamp, say_clip},
    {"PRelu", 1, "PRelu", {}, prelu, say_prelu, 2},
    {"", 1, "LeakyRelu", {}, nullptr, say_leaky},
    {"", 1, "Celu", {}, nullptr, say_celu},
    {"", 1, "ThresholdedRelu", {}, nullptr, say_thresholded},
    {"", 1, "Shrink", {}, nullptr, say_shrink},
    {"", 1, "Reciprocal", {}, nullptr, say_reciprocal},
    {"", 1, "Identity", {}, nullptr, say_identity},
    {"", 1, "Dropout", {}, nullptr, say_dropout},
    {"IsNaN", 10, "IsNaN"},
    {"IsInf", 10, "IsInf", "detect_negative?, detect_positive?"},
    {"IsFinite", 10, "", {}, is_finite, nullptr, 1, false},
    {"Convert", 1, "Cast", {}, convert, say_cast},
    {"ConvertLike", 1, "", {}, convert_like, nullptr, 2, false},
    {"Softmax", 1, "Softmax", "axis", nullptr, nullptr, 1, false},
    {"Softmax", 8, "Softmax", "axis"},
    {"LogSoftmax", 5, "LogSoftmax", "axis"},
    {"ReduceMax", 1, "ReduceMax", {}, reduce, say_reduce, 2},
    {"ReduceMin", 1, "ReduceMin", {}, reduce, say_reduce, 2},
    {"ReduceMean", 1, "ReduceMean", {}, reduce, say_reduce, 2},
    {"ReduceSum", 1, "ReduceSum", {}, reduce, say_reduce, 2},
    {"ReduceProd", 1, "ReduceProd", {}, reduce, say_reduce, 2},
    {"ReduceL1", 4, "ReduceL1", {}, reduce, say_reduce, 2},
    {"ReduceL2", 4, "ReduceL2", {}, reduce, say_reduce, 2},
    {"ReduceLogicalAnd", 1, "ReduceMin", {}, reduce, nullptr, 2, false},
    {"ReduceLogicalOr", 1, "ReduceMax", {}, reduce, nullptr, 2, false},
    {"", 1, "ArgMax", {}, nullptr, say_arg},
    {"", 1, "ArgMin", {}, nullptr, say_arg},
};
}  // namespace

Vals aligned(Site& s) {
  const std::string mode = s.s("auto_broadcast", "numpy");
  Vals in = s.in;
  if (mode != "pdpd" || s.b.failed()) return in;
  const std::size_t rank = s.rank(0), other = s.rank(1);
  std::int64_t axis = s.i("axis", -1);
  if (axis == -1) axis = std::int64_t(rank) - std::int64_t(other);
  if (axis < 0 || std::size_t(axis) + other > rank) { s.fail("has axis " + to_string(axis) + " for operands of rank " + to_string(rank) + " and " + to_string(other)); return in; }
  Ints after;
  for (std::size_t i = other; i + std::size_t(axis) < rank; ++i) after.push_back(std::int64_t(i));
  if (!after.empty()) in[1] = s.op("Unsqueeze", {in[1], s.b.ints(after)});
  return in;
}
Vals say_paired(const Saying& s) { return {s.w.layer(s.row.type, s.in, Writer::broadcast())}; }

std::span<const Row> math_rows() { return kRows; }

}  // namespace saha::openvino
