// Element by element: what TensorFlow Lite has no kernel for, by those that it has.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
using Said = std::optional<Vals>;

/// An infinite constant may be part of v. Kernels that add or take a maximum keep to finite numbers, so there what is infinite is chosen.
bool may_be_infinite(Val v, int depth = 8) {
  op::Builder& b = *v.b;
  if (!v || b.failed() || depth == 0) return false;
  if (const Tensor* t = b.data(v)) {
    if (!is_float(t->dtype)) return false;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(t->size(), 1 << 16); ++i) if (std::isinf(t->at(i))) return true;
    return false;
  }
  const ir::Node* n = b.producer(v);
  if (!n) return false;
  std::vector<ir::ValueId> operands(b.graph().operands(*n).begin(), b.graph().operands(*n).end());
  if (n->op == "Where") {  // infinite numbers have been taken out of it
    const ir::Node* test = b.graph().producer(operands[0]);
    if (test && test->op == "Equal" && may_be_infinite({&b, b.graph().operand(*test, 1)}, 1) && !may_be_infinite({&b, operands[1]}, depth - 1)) return false;
  }
  static constexpr ir::OpName kPass[] = {"Where", "Reshape", "Unsqueeze", "Squeeze", "Expand", "Slice", "Concat", "Transpose", "Cast", "Gather", "Pad", "Tile", "Identity", "Add"};
  if (std::find(std::begin(kPass), std::end(kPass), n->op) == std::end(kPass)) return false;
  return std::any_of(operands.begin(), operands.end(), [&](ir::ValueId o) { return o != ir::ValueId::none && may_be_infinite({&b, o}, depth - 1); });
}
Said folded(const Saying& s, ir::OpName two) {
  if (s.in.size() == 2) return {};
  Val y = s.in[0];
  for (std::size_t i = 1; i < s.in.size(); ++i) y = s.b.op(two, {y, s.in[i]});
  return Vals{s.in.size() == 1 ? s.b.op("Identity", {y}) : y};
}
Said max(const Saying& s) { return folded(s, "Max"); }
Said min(const Saying& s) { return folded(s, "Min"); }
Said sum(const Saying& s) {
  Val y = s.in[0];
  for (std::size_t i = 1; i < s.in.size(); ++i) y = y + s.in[i];
  return Vals{s.in.size() == 1 ? s.b.op("Identity", {y}) : y};
}
Said mean(const Saying& s) {
  Val y = (*sum(s))[0];
  return Vals{s.in.size() == 1 ? y : y * (1 / double(s.in.size()))};
}

/// The bounds that kernels know stay; any other is a maximum and a minimum.
Said clip(const Saying& s) {
  auto bound = [&](std::size_t i, double open) -> std::optional<double> {
    if (!s.has(i)) return open;
    const Tensor* t = s.data(i);
    if (!t || t->size() != 1) return {};
    return t->at(0);
  };
  const auto lo = bound(1, -std::numeric_limits<double>::infinity()), hi = bound(2, std::numeric_limits<double>::infinity());
  const bool real = is_float(s.type(0).dtype) || s.stored();
  if (real && lo && hi && ((*lo == 0 && *hi == 6) || (*lo == -1 && *hi == 1) || (*lo == 0 && *hi == 1))) return {};
  if (s.stored()) {
    if (lo && hi && *lo == 0 && std::isinf(*hi)) return s.same("Relu", {s.in[0]}, {});
    return s.on_reals();
  }
  Val y = s.in[0];
  if (s.has(1)) y = s.b.op("Max", {y, s.in[1]});
  if (s.has(2)) y = s.b.op("Min", {y, s.in[2]});
  if (!s.has(1) && !s.has(2)) y = s.b.op("Identity", {y});
  return Vals{y};
}
Said relu(const Saying& s) {
  if (is_float(s.type(0).dtype) || s.stored()) return {};
  return Vals{s.b.op("Max", {s.in[0], s.b.scalar(0, s.in[0])})};
}
/// Where x is above a bound, one value, else the other.
Val choose(const Saying& s, double bound, Val above, Val below) { return s.b.op("Where", {s.b.op("Greater", {s.in[0], s.b.scalar(bound, s.in[0])}), above, below}); }
Said softplus(const Saying& s) {
  Val x = s.in[0], zero = s.b.scalar(0, x);
  return Vals{s.b.op("Max", {x, zero}) + s.b.op("Log", {s.b.op("Exp", {s.b.op("Neg", {s.b.op("Abs", {x})})}) + 1.0})};
}
Said selu(const Saying& s) {
  Val x = s.in[0];
  const double alpha = double(s.f("alpha")), gamma = double(s.f("gamma"));
  return Vals{choose(s, 0, x, s.b.op("Exp", {s.b.op("Min", {x, s.b.scalar(0, x)})}) * alpha - alpha) * gamma};
}
Said celu(const Saying& s) {
  Val x = s.in[0];
  const double alpha = double(s.f("alpha"));
  return Vals{s.b.op("Max", {x, s.b.scalar(0, x)}) + s.b.op("Min", {s.b.op("Exp", {x / alpha}) * alpha - alpha, s.b.scalar(0, x)})};
}
Said elu(const Saying& s) {
  if (s.f("alpha") == 1) return {};
  if (s.stored()) return s.on_reals();
  Val x = s.in[0];
  return Vals{choose(s, 0, x, s.b.op("Elu", {x}) * double(s.f("alpha")))};
}
Said thresholded_relu(const Saying& s) { return Vals{choose(s, double(s.f("alpha")), s.in[0], s.b.scalar(0, s.in[0]))}; }
Said shrink(const Saying& s) {
  Val x = s.in[0], zero = s.b.scalar(0, x);
  const double bias = double(s.f("bias")), lambda = double(s.f("lambd"));
  if (!is_float(s.type(0).dtype)) return {};
  Val low = s.b.op("Where", {s.b.op("Less", {x, s.b.scalar(-lambda, x)}), x + bias, zero});
  return Vals{choose(s, lambda, x - bias, low)};
}
Said tan(const Saying& s) { return Vals{s.b.op("Sin", {s.in[0]}) / s.b.op("Cos", {s.in[0]})}; }
Said cosh(const Saying& s) { return Vals{(s.b.op("Exp", {s.in[0]}) + s.b.op("Exp", {s.b.op("Neg", {s.in[0]})})) * 0.5}; }

Said sinh(const Saying& s) { return Vals{s.b.op("Tanh", {s.in[0]}) * s.b.op("Cosh", {s.in[0]})}; }
Said asin(const Saying& s) {
  Val x = s.in[0];
  return Vals{s.b.op("Atan", {x / s.b.op("Sqrt", {1.0 - x * x})})};
}
Said acos(const Saying& s) { return Vals{1.5707963267948966 - s.b.op("Asin", {s.in[0]})}; }
Said acosh(const Saying& s) {
  Val x = s.in[0];
  return Vals{s.b.op("Log", {x + s.b.op("Sqrt", {x * x - 1.0})})};
}
Said atanh(const Saying& s) { return Vals{s.b.op("Log", {(s.in[0] + 1.0) / (1.0 - s.in[0])}) * 0.5}; }

/// With fmod the remainder has the sign of what is divided: that of the magnitudes, with that sign.
Said mod(const Saying& s) {
  op::Builder& b = s.b;
  if (s.i("fmod") == 0) return {};
  const bool real = is_float(s.type(0).dtype);
  const ir::Node* made = b.producer(s.in[0]);
  if (real && made && made->op == "Abs") return {};  // what is left to be written
  auto magnitude = [&](Val v) { return real ? b.op("Abs", {v}) : b.op("Max", {v, b.op("Neg", {v})}); };
  Val a = s.in[0], r = b.op("Mod", {magnitude(a), magnitude(s.in[1])}, {{"fmod", std::int64_t{real}}});
  return Vals{b.op("Where", {b.op("Less", {a, b.scalar(0, a)}), b.op("Neg", {r}), r})};
}
/// The kernel divides int32; extents and what is made of them have 31 bits.
Said div(const Saying& s) {
  if (s.type(0).dtype != DType::i64 || !from_shapes(s.in[0]) || !from_shapes(s.in[1])) return {};
  auto narrow = [&](Val v) { return s.b.op("Cast", {v}, {{"to", std::int64_t(DType::i32)}}); };
  return Vals{s.b.op("Cast", {narrow(s.in[0]) / narrow(s.in[1])}, {{"to", std::int64_t(DType::i64)}})};
}
Said add(const Saying& s) {
  if (s.type(0).dtype != DType::f32 || s.stored()) return {};
  const bool first = may_be_infinite(s.in[0]), second = may_be_infinite(s.in[1]);
  if (!first && !second) return {};
  op::Builder& b = s.b;
  // Finite numbers are added; where one is infinite, the sum is that one.
  const double inf = std::numeric_limits<double>::infinity();
  Val infinite[2], finite[2];
  for (std::size_t i = 0; i < 2; ++i) {
    if (!(i ? second : first)) { finite[i] = s.in[i]; continue; }
    infinite[i] = b.op("Equal", {b.op("Abs", {s.in[i]}), b.scalar(inf, DType::f32)});
    finite[i] = b.op("Where", {infinite[i], b.scalar(0, DType::f32), s.in[i]});
  }
  Val y = finite[0] + finite[1];
  for (std::size_t i = 0; i < 2; ++i) if (infinite[i]) y = b.op("Where", {infinite[i], s.in[i], y});
  return Vals{y};
}
Said is_nan(const Saying& s) { return Vals{s.b.op("Not", {s.b.op("Equal", {s.in[0], s.in[0]})})}; }
Said is_inf(const Saying& s) {
  Val x = s.in[0];
  const double inf = std::numeric_limits<double>::infinity();
  const bool up = s.i("detect_positive") != 0, down = s.i("detect_negative") != 0;
  if (up && down) return Vals{s.b.op("Equal", {s.b.op("Abs", {x}), s.b.scalar(inf, x)})};
  if (!up && !down) return {};
  return Vals{s.b.op("Equal", {x, s.b.scalar(up ? inf : -inf, x)})};
}
Said bitwise_not(const Saying& s) { return is_signed_int(s.type(0).dtype) ? Said(Vals{s.b.op("BitwiseXor", {s.in[0], s.b.scalar(-1, s.in[0])})}) : std::nullopt; }
Said size(const Saying& s) { return Vals{s.b.op("ReduceProd", {s.b.op("Shape", {s.in[0]})}, {{"keepdims", std::int64_t{0}}})}; }

/// Axes are written out; sums of truth values are not theirs.
Said reduce(const Saying& s) {
  auto axes = s.ints(1);
  if (s.has(1) && !axes) return {};
  const bool all = !axes || axes->empty();
  if (all && s.i("noop_with_empty_axes")) return Vals{s.b.op("Identity", {s.in[0]})};
  if (!s.type(0).ranked) return {};
  if (s.type(0).dtype == DType::boolean) {
    Attrs to = {{"to", std::int64_t(DType::i32)}}, back = {{"to", std::int64_t(DType::boolean)}};
    Vals in = s.in;
    in[0] = s.b.op("Cast", {in[0]}, to);
    return Vals{s.b.op("Cast", {s.b.op(s.n.op, in, s.attrs)}, back)};
  }
  if (!all && s.type(0).dtype == DType::f32 && (s.n.op == "ReduceMax" || s.n.op == "ReduceMin") && may_be_infinite(s.in[0])) {
    // Of nothing but infinite numbers the kernel gives the largest finite one.
    const double inf = std::numeric_limits<double>::infinity(), end = double(std::numeric_limits<float>::max());
    Val x = s.in[0], hit = s.b.op("Equal", {s.b.op("Abs", {x}), s.b.scalar(inf, x)});
    Vals in = s.in;
    in[0] = s.b.op("Where", {hit, s.b.op("Where", {s.b.op("Greater", {x, s.b.scalar(0, x)}), s.b.scalar(end, x), s.b.scalar(-end, x)}), x});
    Val y = s.b.op(s.n.op, in, s.attrs);
    Val low = s.b.op("LessOrEqual", {y, s.b.scalar(-end, y)}), high = s.b.op("GreaterOrEqual", {y, s.b.scalar(end, y)});
    return Vals{s.b.op("Where", {low, s.b.scalar(-inf, y), s.b.op("Where", {high, s.b.scalar(inf, y), y})})};
  }
  if (!all) return {};
  Ints every = plain_order(s.rank());
  if (every.empty()) return Vals{s.b.op("Identity", {s.in[0]})};
  return s.same(s.n.op, {s.in[0], s.b.ints(every)}, s.attrs);
}
/// The kernel drops the axis.
Said arg(const Saying& s) {
  if (s.i("select_last_index") != 0) return {};
  const std::int64_t axis = axis_in(s.i("axis"), s.rank());
  if (s.i("keepdims") == 0) return {};
  Attrs a = without(s.attrs, {"keepdims", "axis"});
  a.push_back({"keepdims", std::int64_t{0}});
  a.push_back({"axis", axis});
  Vals y = s.same(s.n.op, s.in, a);
  return Vals{s.b.op("Unsqueeze", {y[0], s.b.ints({axis})})};
}
Said one_hot(const Saying& s) {
  const auto depth = s.data(1);
  if (!depth || depth->size() != 1) return {};
  Vals in = s.in;
  bool changed = false;
  if (!is_int(s.type(0).dtype)) { in[0] = s.b.op("Cast", {in[0]}, {{"to", std::int64_t(DType::i64)}}); changed = true; }
  const ir::Node* made = s.b.producer(in[0]);
  if (s.wraps && !(made && made->op == "Where")) {  // an index below 0 counts from the end
    Val zero = s.b.scalar(0, in[0]);
    in[0] = s.b.op("Where", {s.b.op("Less", {in[0], zero}), in[0] + depth->at(0), in[0]});
    changed = true;
  }
  if (!changed) return {};
  return Vals{s.b.op("OneHot", in, s.attrs)};
}
Said hardmax(const Saying& s) {
  const std::int64_t axis = axis_in(s.i("axis"), s.rank());
  const auto n = s.type(0).dims[std::size_t(axis)].known();
  if (!n) return {};
  Val at = s.b.op("ArgMax", {s.in[0]}, {{"axis", axis}, {"keepdims", std::int64_t{0}}});
  return Vals{s.b.op("OneHot", {at, s.b.constant(Tensor::scalar_int(*n)), s.b.constant(Tensor::of(s.type(0).dtype, {2}, {0, 1}))}, {{"axis", axis}})};
}
/// sign(x) (1 - (a1 t + .. + a5 t^5) exp(-x x)), t = 1 / (1 + p |x|), within 1.5e-7. Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
Said erf(const Saying& s) {
  if (s.type(0).dtype != DType::f32) return {};
  constexpr double kP = 0.3275911, kA[] = {1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592};
  Val x = s.in[0], t = s.b.scalar(1, x) / (s.b.op("Abs", {x}) * kP + 1.0), sum = t * kA[0];
  for (int i = 1; i < 5; ++i) sum = (sum + kA[i]) * t;
  return Vals{s.b.op("Sign", {x}) * (1.0 - sum * s.b.op("Exp", {s.b.op("Neg", {x * x})}))};
}
Said dropout(const Saying& s) {
  const Tensor* training = s.data(2);
  if (s.has(2) && (!training || training->at(0) != 0)) return {};
  Vals y = {s.b.op("Identity", {s.in[0]})};
  if (s.num_out > 1) y.push_back(s.b.op("Expand", {s.b.constant(Tensor::scalar(DType::boolean, 1)), s.b.op("Shape", {s.in[0]})}));
  return y;
}

// ---- between real numbers and stored ones ---------------------------------------------------------------------------------------------------------
/// A scale or zero point beside a tensor of this rank: along its axis.
Val along(const Saying& s, Val v, std::size_t rank) {
  if (s.b.failed() || s.b.type(v).dims.size() != 1 || s.b.type(v).dims[0].is(1)) return v;
  Ints shape(rank, 1);
  shape[std::size_t(axis_in(s.i("axis"), rank))] = -1;
  return s.b.op("Reshape", {v, s.b.ints(shape)});
}
Val real(Val v) { return v.b->failed() || v.b->type(v).dtype == DType::f32 ? v : v.b->op("Cast", {v}, {{"to", std::int64_t(DType::f32)}}); }
Said quantize_linear(const Saying& s) {
  op::Builder& b = s.b;
  const ir::Type& y = s.result();
  if (y.quant) return Vals{b.quantised("Requantize", {s.in[0]}, {{"rounding", std::string("float_even")}}, op::Stored{y.dtype, y.quant})};
  if (!is_int(y.dtype) || bits(y.dtype) < 8 || s.i("block_size") || s.type(0).dtype != DType::f32 || s.type(1).dtype != DType::f32) return {};
  const IntRange range = int_range(y.dtype);
  Val v = b.op("Round", {s.in[0] / along(s, s.in[1], s.rank())});
  if (s.has(2)) v = v + along(s, real(s.in[2]), s.rank());
  v = b.op("Min", {b.op("Max", {v, b.scalar(double(range.lo), DType::f32)}), b.scalar(double(range.hi), DType::f32)});
  return Vals{b.op("Cast", {v}, {{"to", std::int64_t(y.dtype)}})};
}
/// The node reads stored numbers by the scale and zero point that they are kept by, not by others.
bool read_as_kept(const Saying& s) {
  const ir::Quant& q = *s.type(0).quant;
  const Tensor *scale = s.data(1), *zero = s.data(2);
  return scale && scale->size() == 1 && scale->dtype == DType::f32 && scale->as<float>()[0] == q.scale[0] && (zero ? zero->size() == 1 && zero->int_at(0) == q.zero[0] : !s.has(2) && q.zero[0] == 0);
}
Said dequantize_linear(const Saying& s) {
  op::Builder& b = s.b;
  if (s.type(0).quant && s.type(0).quant->scale.size() == 1 && read_as_kept(s)) return Vals{b.quantised("Requantize", {s.in[0]}, {{"rounding", std::string("float_even")}}, op::Stored{})};
  if (!is_int(s.type(0).dtype) || bits(s.type(0).dtype) < 8 || bits(s.type(0).dtype) > 16 || s.i("block_size") || s.type(1).dtype != DType::f32) return {};
  Val v = real(s.in[0]);
  if (s.has(2)) v = v - along(s, real(s.in[2]), s.rank());
  return Vals{v * along(s, s.in[1], s.rank())};
}
/// Both operands of one type.
Said pow(const Saying& s) {
  if (s.type(0).dtype == s.type(1).dtype) return {};
  return Vals{s.b.op("Pow", {s.in[0], s.b.op("Cast", {s.in[1]}, {{"to", std::int64_t(s.type(0).dtype)}})})};
}

constexpr SayRule kRules[] = {
    {"Max", max},           {"Min", min},               {"Sum", sum},         {"Mean", mean},         {"Clip", clip, true},       {"Relu", relu, true},
    {"Softplus", softplus}, {"Selu", selu},             {"Celu", celu},       {"Elu", elu, true},     {"ThresholdedRelu", thresholded_relu},
    {"Shrink", shrink},     {"Tan", tan},               {"Cosh", cosh},       {"Mod", mod},           {"IsNaN", is_nan},          {"IsInf", is_inf},
    {"BitwiseNot", bitwise_not}, {"Sinh", sinh}, {"Asin", asin}, {"Acos", acos}, {"Acosh", acosh}, {"Atanh", atanh}, {"Div", div}, {"Add", add}, {"Hardmax", hardmax},
    {"Erf", erf},           {"Dropout", dropout},   {"QuantizeLinear", quantize_linear, true},        {"DequantizeLinear", dequantize_linear, true},
                          {"Size", size},       {"ArgMax", arg, true},  {"ArgMin", arg, true},      {"OneHot", one_hot},
    {"Pow", pow},           {"ReduceSum", reduce, true},                      {"ReduceMean", reduce, true},                       {"ReduceMax", reduce, true},
    {"ReduceMin", reduce, true},                        {"ReduceProd", reduce, true},
};
}  // namespace

std::span<const SayRule> math_sayings() { return kRules; }

}  // namespace saha::tflite
