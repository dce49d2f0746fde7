// Element by element, comparisons, reductions, changes of type.
#include <algorithm>
#include <limits>

#include "formats/tflite/operators.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;
using A = fb::ActivationFunctionType;

/// Operands as they stand, or all channels first where one of rank 4 was; the second is true then. A vector over the channels gets its place there.
std::pair<Vals, bool> aligned(Site& s) {
  Vals in = s.in;
  if (s.b.failed()) return {in, false};
  bool any = false, all = true;
  for (const Val& v : in) {
    if (!v) continue;
    const std::size_t rank = s.b.type(v).dims.size();
    any |= rank == 4 && was_channels_first(v);
    all &= (rank == 4 && (was_channels_first(v) || s.b.data(v))) || rank == 0 || (rank == 1 && s.b.data(v));
  }
  if (!any || !all) return {in, false};
  for (Val& v : in) {
    if (!v) continue;
    const ir::Type& t = s.b.type(v);
    if (t.dims.size() == 4) v = channels_first(v);
    else if (t.dims.size() == 1 && !t.dims[0].is(1)) v = s.b.op("Reshape", {v, s.b.ints({1, -1, 1, 1})});
  }
  return {in, true};
}
template <class F> Vals elementwise(Site& s, F f) {
  auto [in, first] = aligned(s);
  Val y = f(in);
  return {first && !s.b.failed() ? channels_last(y) : y};
}
template <auto* kOp> Vals unary(Site& s) { return elementwise(s, [&](const Vals& in) { return s.node(*kOp, {in[0]}); }); }
Vals two(Site& s, ir::OpName op, A activation = A::NONE) {
  if (s.in.size() < 2) { s.fail("takes two operands"); return {}; }
  return elementwise(s, [&](const Vals& in) { return s.activated(s.node(op, {in[0], in[1]}), activation); });
}

Vals add(Site& s) { return two(s, "Add", s.options<fb::AddOptions>().fused_activation_function()); }
Vals sub(Site& s) { return two(s, "Sub", s.options<fb::SubOptions>().fused_activation_function()); }
Vals mul(Site& s) { return two(s, "Mul", s.options<fb::MulOptions>().fused_activation_function()); }
Vals div(Site& s) { return two(s, "Div", s.options<fb::DivOptions>().fused_activation_function()); }
Vals pow(Site& s) { return two(s, "Pow"); }
Vals maximum(Site& s) { return two(s, "Max"); }
Vals minimum(Site& s) { return two(s, "Min"); }
Vals add_n(Site& s) {
  Val y = s.in[0];
  for (std::size_t i = 1; i < s.in.size(); ++i) y = y + s.in[i];
  return {y};
}
Vals squared_difference(Site& s) {
  return elementwise(s, [&](const Vals& in) {
    if (s.out[0].quant) return s.b.failed() ? in[0] : (s.unsupported("is not taken on stored integers"), in[0]);
    Val d = in[0] - in[1];
    return d * d;
  });
}
bool real_only(Site& s) {
  if (!s.b.failed() && s.out[0].quant) s.unsupported("is not taken on stored integers");
  return !s.b.failed();
}
Vals floor_div(Site& s) {
  if (!real_only(s)) return {};
  return elementwise(s, [&](const Vals& in) {
    op::Builder& b = s.b;
    if (is_float(b.type(in[0]).dtype)) return b.op("Floor", {in[0] / in[1]});
    // Truncated, then one less where a remainder has the other sign.
    Val q = in[0] / in[1], rest = in[0] - q * in[1], zero = b.scalar(0, in[0]);
    Val below = b.op("And", {b.op("Not", {b.op("Equal", {rest, zero})}), b.op("Xor", {b.op("Less", {in[0], zero}), b.op("Less", {in[1], zero})})});
    return q - s.cast(below, b.type(in[0]).dtype);
  });
}
Vals floor_mod(Site& s) {
  if (!real_only(s)) return {};
  return elementwise(s, [&](const Vals& in) { return s.b.op("Mod", {in[0], in[1]}); });
}
Vals square(Site& s) {
  if (!real_only(s)) return {};
  return elementwise(s, [&](const Vals& in) { return in[0] * in[0]; });
}
Vals rsqrt(Site& s) {
  if (!real_only(s)) return {};
  return elementwise(s, [&](const Vals& in) { return s.b.op("Reciprocal", {s.b.op("Sqrt", {in[0]})}); });
}
Vals atan2(Site& s) {
  if (!real_only(s)) return {};
  op::Builder& b = s.b;
  Val y = s.in[0], x = s.in[1], zero = b.scalar(0, x);
  Val base = b.op("Atan", {y / x}), left = b.op("Less", {x, zero}), up = b.op("GreaterOrEqual", {y, zero});
  Val turn = b.op("Where", {up, b.scalar(3.14159265358979323846, x), b.scalar(-3.14159265358979323846, x)});
  return {b.op("Where", {left, base + turn, base})};
}
Vals bounded(Site& s, double lo, double hi) {
  return elementwise(s, [&](const Vals& in) { return s.node("Clip", {in[0], s.b.scalar(lo, DType::f32), s.b.scalar(hi, DType::f32)}); });
}
Vals relu6(Site& s) { return bounded(s, 0, 6); }
Vals relu_n1_to_1(Site& s) { return bounded(s, -1, 1); }
Vals relu_0_to_1(Site& s) { return bounded(s, 0, 1); }
Vals leaky_relu(Site& s) {
  return elementwise(s, [&](const Vals& in) { return s.node("LeakyRelu", {in[0]}, {{"alpha", s.options<fb::LeakyReluOptions>().alpha()}}); });
}
Vals gelu(Site& s) {
  const std::string how = s.options<fb::GeluOptions>().approximate() ? "tanh" : "none";
  return elementwise(s, [&](const Vals& in) { return s.node("Gelu", {in[0]}, {{"approximate", how}}); });
}
Vals prelu(Site& s) { return two(s, "PRelu"); }

template <auto* kOp> Vals compare(Site& s) {
  return elementwise(s, [&](const Vals& in) { return s.kept(*kOp, {in[0], in[1]}, {}, s.out[0]); });
}
Vals not_equal(Site& s) { return elementwise(s, [&](const Vals& in) { return s.b.op("Not", {s.kept("Equal", {in[0], in[1]}, {}, s.out[0])}); }); }
Vals select(Site& s) {
  Val condition = s.in[0];
  if (s.op.builtin_options_type() == fb::BuiltinOptions::SelectOptions && s.rank(0) == 1 && s.rank(1) > 1) {  // SELECT takes whole rows by a vector
    Ints shape(s.rank(1), 1);
    shape[0] = -1;
    condition = s.b.op("Reshape", {condition, s.b.ints(shape)});
  }
  return {s.b.op("Where", {condition, s.in[1], s.in[2]})};
}
Vals where(Site& s) { return {s.cast(s.b.op("Transpose", {s.b.op("NonZero", {s.in[0]})}, {{"perm", Ints{1, 0}}}), s.out[0].dtype)}; }

template <auto* kOp> Vals reduce(Site& s) {
  const bool keep = s.options<fb::ReducerOptions>().keep_dims();
  Ints axes = s.ints(1, "the axes");
  Val x = s.in[0];
  if (s.b.failed()) return {};
  for (std::int64_t& a : axes) if (a < 0) a += std::int64_t(s.rank());
  std::sort(axes.begin(), axes.end());
  const bool first = was_channels_first(x) && s.rank() == 4 && axes == Ints{1, 2};  // the mean over a picture
  if (first) { x = channels_first(x); axes = {2, 3}; }
  Val y = s.node(*kOp, {x, s.b.ints(axes)}, {{"keepdims", std::int64_t{keep}}});
  return {first && keep ? channels_last(y) : y};
}
/// bool, as sums of ones.
template <bool kAll> Vals reduce_bool(Site& s) {
  const bool keep = s.options<fb::ReducerOptions>().keep_dims();
  Val x = s.cast(s.in[0], DType::i32);
  return {s.cast(s.b.op(kAll ? ir::OpName("ReduceMin") : ir::OpName("ReduceMax"), {x, s.b.ints(s.ints(1, "the axes"))}, {{"keepdims", std::int64_t{keep}}}), DType::boolean)};
}
template <bool kMax> Vals arg(Site& s) {
  const Ints axis = s.ints(1, "the axis");
  if (axis.size() != 1) { s.fail("takes one axis"); return {}; }
  Val y = s.kept(kMax ? ir::OpName("ArgMax") : ir::OpName("ArgMin"), {s.in[0]}, {{"axis", axis[0]}, {"keepdims", std::int64_t{0}}}, Stored{});
  return {s.cast(y, s.out[0].dtype)};
}
Vals cumsum(Site& s) {
  const auto& o = s.options<fb::CumsumOptions>();
  return {s.b.op("CumSum", {s.in[0], s.in[1]}, {{"exclusive", std::int64_t{o.exclusive()}}, {"reverse", std::int64_t{o.reverse()}}})};
}
Vals one_hot(Site& s) {
  Val values = s.b.op("Concat", {s.b.op("Reshape", {s.in[3], s.b.ints({1})}), s.b.op("Reshape", {s.in[2], s.b.ints({1})})}, {{"axis", std::int64_t{0}}});
  return {s.b.op("OneHot", {s.in[0], s.in[1], values}, {{"axis", std::int64_t(s.options<fb::OneHotOptions>().axis())}})};
}
Vals bitwise_xor(Site& s) { return two(s, "BitwiseXor"); }
/// Of signed numbers the sign is shifted in; what would shift further than the type is wide shifts all out.
Vals right_shift(Site& s) {
  return elementwise(s, [&](const Vals& in) { return s.b.op("BitShift", {in[0], in[1]}, {{"direction", std::string("RIGHT")}}); });
}
Vals bitcast(Site& s) { return {s.b.op("BitCast", {s.in[0]}, {{"to", std::int64_t(s.out[0].dtype)}})}; }
/// How many of the boundaries do not lie above x.
Vals bucketize(Site& s) {
  op::Builder& b = s.b;
  const auto* given = s.options<fb::BucketizeOptions>().boundaries();
  Tensor t = Tensor::zeros(DType::f32, {std::int64_t(given ? given->size() : 0)});
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = given->Get(flatbuffers::uoffset_t(i));
  Val at = b.op("GreaterOrEqual", {b.op("Unsqueeze", {s.cast(s.in[0], DType::f32), b.ints({-1})}), b.constant(std::move(t))});
  return {b.op("ReduceSum", {s.cast(at, DType::i32), b.ints({-1})}, {{"keepdims", std::int64_t{0}}})};
}
Vals range(Site& s) { return {s.b.op("Range", {s.in[0], s.in[1], s.in[2]})}; }

Vals cast(Site& s) {
  if (s.b.failed() || s.type(0).dtype == s.out[0].dtype) return {s.in[0]};
  return {s.b.op("Cast", {s.in[0]}, {{"to", std::int64_t(s.out[0].dtype)}})};
}
/// Real to stored, stored to stored otherwise, stored to real: the same number, kept in another way.
Vals quantize(Site& s) {
  if (s.out[0].quant) return elementwise(s, [&](const Vals& in) { return s.node("Requantize", {in[0]}); });
  s.fail("its result states no scale");
  return {};
}
Vals dequantize(Site& s) {
  if (s.b.failed()) return {};
  if (!s.type(0).quant) return cast(s);  // 16-bit weights
  return elementwise(s, [&](const Vals& in) { return s.kept("Requantize", {in[0]}, {}, Stored{}); });
}
Vals fake_quant(Site& s) {
  const auto& o = s.options<fb::FakeQuantOptions>();
  if (!(o.max() > o.min()) || o.num_bits() < 2 || o.num_bits() > 16) { s.fail("has the range [" + std::to_string(o.min()) + ", " + std::to_string(o.max()) + "] and " + std::to_string(o.num_bits()) + " bits"); return {}; }
  const double lo = o.narrow_range() ? 1 : 0, hi = double((1 << o.num_bits()) - 1), scale = (double(o.max()) - double(o.min())) / (hi - lo);
  const double zero = std::clamp(double(std::int64_t(lo - double(o.min()) / scale + 0.5)), lo, hi);
  Val q = s.b.op("Clip", {s.b.op("Floor", {s.in[0] / scale + (0.5 + zero)}), s.b.scalar(lo, DType::f32), s.b.scalar(hi, DType::f32)});
  return {(q - zero) * scale};
}

#define SAHA_OP(name) inline constexpr ir::OpName k##name = #name;
SAHA_OP(Relu) SAHA_OP(Sigmoid) SAHA_OP(Tanh) SAHA_OP(HardSwish) SAHA_OP(Elu) SAHA_OP(Exp) SAHA_OP(Log) SAHA_OP(Sqrt) SAHA_OP(Neg) SAHA_OP(Abs) SAHA_OP(Sin) SAHA_OP(Cos)
SAHA_OP(Floor) SAHA_OP(Ceil) SAHA_OP(Round) SAHA_OP(Sign) SAHA_OP(Not) SAHA_OP(Equal) SAHA_OP(Less) SAHA_OP(LessOrEqual) SAHA_OP(Greater) SAHA_OP(GreaterOrEqual) SAHA_OP(And) SAHA_OP(Or)
SAHA_OP(ReduceSum) SAHA_OP(ReduceMean) SAHA_OP(ReduceMax) SAHA_OP(ReduceMin) SAHA_OP(ReduceProd)
#undef SAHA_OP

constexpr Rule kRules[] = {
    {BuiltinOperator::ADD, add, 2},
    {BuiltinOperator::SUB, sub, 2},
    {BuiltinOperator::MUL, mul, 2},
    {BuiltinOperator::DIV, div, 2},
    {BuiltinOperator::POW, pow, 2},
    {BuiltinOperator::MAXIMUM, maximum, 2},
    {BuiltinOperator::MINIMUM, minimum, 2},
    {BuiltinOperator::ADD_N, add_n, kAll},
    {BuiltinOperator::SQUARED_DIFFERENCE, squared_difference, 2},
    {BuiltinOperator::FLOOR_DIV, floor_div, 2},
    {BuiltinOperator::FLOOR_MOD, floor_mod, 2},
    {BuiltinOperator::SQUARE, square},
    {BuiltinOperator::RSQRT, rsqrt},
    {BuiltinOperator::ATAN2, atan2, 2},
    {BuiltinOperator::RELU, unary<&kRelu>},
    {BuiltinOperator::RELU6, relu6},
    {BuiltinOperator::RELU_N1_TO_1, relu_n1_to_1},
    {BuiltinOperator::RELU_0_TO_1, relu_0_to_1},
    {BuiltinOperator::LEAKY_RELU, leaky_relu},
    {BuiltinOperator::PRELU, prelu, 2},
    {BuiltinOperator::GELU, gelu},
    {BuiltinOperator::LOGISTIC, unary<&kSigmoid>},
    {BuiltinOperator::TANH, unary<&kTanh>},
    {BuiltinOperator::HARD_SWISH, unary<&kHardSwish>},
    {BuiltinOperator::ELU, unary<&kElu>},
    {BuiltinOperator::EXP, unary<&kExp>},
    {BuiltinOperator::LOG, unary<&kLog>},
    {BuiltinOperator::SQRT, unary<&kSqrt>},
    {BuiltinOperator::NEG, unary<&kNeg>},
    {BuiltinOperator::ABS, unary<&kAbs>},
    {BuiltinOperator::SIN, unary<&kSin>},
    {BuiltinOperator::COS, unary<&kCos>},
    {BuiltinOperator::FLOOR, unary<&kFloor>},
    {BuiltinOperator::CEIL, unary<&kCeil>},
    {BuiltinOperator::ROUND, unary<&kRound>},
    {BuiltinOperator::SIGN, unary<&kSign>},
    {BuiltinOperator::LOGICAL_NOT, unary<&kNot>},
    {BuiltinOperator::LOGICAL_AND, compare<&kAnd>, 2},
    {BuiltinOperator::LOGICAL_OR, compare<&kOr>, 2},
    {BuiltinOperator::EQUAL, compare<&kEqual>, 2},
    {BuiltinOperator::NOT_EQUAL, not_equal, 2},
    {BuiltinOperator::LESS, compare<&kLess>, 2},
    {BuiltinOperator::LESS_EQUAL, compare<&kLessOrEqual>, 2},
    {BuiltinOperator::GREATER, compare<&kGreater>, 2},
    {BuiltinOperator::GREATER_EQUAL, compare<&kGreaterOrEqual>, 2},
    {BuiltinOperator::SELECT, select, 3},
    {BuiltinOperator::SELECT_V2, select, 3},
    {BuiltinOperator::WHERE, where},
    {BuiltinOperator::SUM, reduce<&kReduceSum>, 2},
    {BuiltinOperator::MEAN, reduce<&kReduceMean>, 2},
    {BuiltinOperator::REDUCE_MAX, reduce<&kReduceMax>, 2},
    {BuiltinOperator::REDUCE_MIN, reduce<&kReduceMin>, 2},
    {BuiltinOperator::REDUCE_PROD, reduce<&kReduceProd>, 2},
    {BuiltinOperator::REDUCE_ANY, reduce_bool<false>, 2},
    {BuiltinOperator::REDUCE_ALL, reduce_bool<true>, 2},
    {BuiltinOperator::ARG_MAX, arg<true>, 2},
    {BuiltinOperator::ARG_MIN, arg<false>, 2},
    {BuiltinOperator::CUMSUM, cumsum, 2},
    {BuiltinOperator::ONE_HOT, one_hot, 4},
    {BuiltinOperator::RANGE, range, 3},
    {BuiltinOperator::BITWISE_XOR, bitwise_xor, 2},
    {BuiltinOperator::RIGHT_SHIFT, right_shift, 2},
    {BuiltinOperator::BUCKETIZE, bucketize},
    {BuiltinOperator::BITCAST, bitcast},
    {BuiltinOperator::CAST, cast},
    {BuiltinOperator::QUANTIZE, quantize},
    {BuiltinOperator::DEQUANTIZE, dequantize},
    {BuiltinOperator::FAKE_QUANT, fake_quant},
    {BuiltinOperator::DENSIFY, cast},
};
}  // namespace

std::span<const Rule> math_rules() { return kRules; }

}  // namespace saha::tflite
