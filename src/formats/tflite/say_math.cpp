// Element by element: what TensorFlow Lite has no kernel for, by those that it has.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
using Said = std::optional<Vals>;

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

Said mod(const Saying& s) {
  const DType t = s.type(0).dtype;
  if (s.i("fmod") == 0 && (t == DType::i32 || t == DType::i64)) return {};
  if (s.i("fmod") == 0 || !is_float(t)) return {};
  // The remainder of the magnitudes, with the sign of what was divided.
  Val a = s.in[0];
  Val r = s.b.op("Mod", {s.b.op("Abs", {a}), s.b.op("Abs", {s.in[1]})}, {{"fmod", std::int64_t{1}}});
  const ir::Node* known = s.b.producer(a);
  if (known && known->op == "Abs") return {};  // that is what is left to be written
  return Vals{s.b.op("Where", {s.b.op("Less", {a, s.b.scalar(0, a)}), s.b.op("Neg", {r}), r})};
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
/// A power of 2 or of one half has kernels of its own; others stay.
Said pow(const Saying& s) {
  if (s.type(0).dtype == s.type(1).dtype) return {};
  return Vals{s.b.op("Pow", {s.in[0], s.b.op("Cast", {s.in[1]}, {{"to", std::int64_t(s.type(0).dtype)}})})};
}

constexpr SayRule kRules[] = {
    {"Max", max},           {"Min", min},               {"Sum", sum},         {"Mean", mean},         {"Clip", clip, true},       {"Relu", relu, true},
    {"Softplus", softplus}, {"Selu", selu},             {"Celu", celu},       {"Elu", elu, true},     {"ThresholdedRelu", thresholded_relu},
    {"Shrink", shrink},     {"Tan", tan},               {"Cosh", cosh},       {"Mod", mod},           {"IsNaN", is_nan},          {"IsInf", is_inf},
    {"BitwiseNot", bitwise_not},                        {"Size", size},       {"ArgMax", arg, true},  {"ArgMin", arg, true},      {"OneHot", one_hot},
    {"Pow", pow},           {"ReduceSum", reduce, true},                      {"ReduceMean", reduce, true},                       {"ReduceMax", reduce, true},
    {"ReduceMin", reduce, true},                        {"ReduceProd", reduce, true},
};
}  // namespace

std::span<const SayRule> math_sayings() { return kRules; }

}  // namespace saha::tflite
