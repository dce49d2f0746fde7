// Activations. Source: ONNX operator specification, opset 28. Those with a body have gradient and bounds through it; their blocks
// compute the same with fewer roundings.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "op/elementwise.hpp"
#include "op/integer_form.hpp"
#include "op/sum_to.hpp"

namespace saha::op {
namespace {
double number(const Attrs& a, std::string_view name) { return *ir::attr<float>(a, name); }

struct ReluF { template <class T> T operator()(const T& x) const { return x < T(0) ? T(0) : x; } };
struct SigmoidF {
  double operator()(double x) const {
    if (x >= 0) return 1 / (1 + std::exp(-x));
    double e = std::exp(x);
    return e / (1 + e);
  }
};
struct TanhF { double operator()(double x) const { return std::tanh(x); } };
struct EluF {
  double alpha = 1;
  void bind(const Attrs& a) { alpha = number(a, "alpha"); }
  double operator()(double x) const { return x < 0 ? alpha * std::expm1(x) : x; }
};
struct CeluF {
  double alpha = 1;
  void bind(const Attrs& a) { alpha = number(a, "alpha"); }
  double operator()(double x) const { return x < 0 ? alpha * std::expm1(x / alpha) : x; }
};
struct SeluF {
  double alpha = 1, gamma = 1;
  void bind(const Attrs& a) { alpha = number(a, "alpha"), gamma = number(a, "gamma"); }
  double operator()(double x) const { return gamma * (x < 0 ? alpha * std::expm1(x) : x); }
};
struct LeakyReluF {
  double alpha = 0;
  void bind(const Attrs& a) { alpha = number(a, "alpha"); }
  double operator()(double x) const { return x < 0 ? alpha * x : x; }
};
struct PReluF {
  template <class T> T operator()(const T& x, const T& slope) const {
    if constexpr (std::is_same_v<T, std::int64_t>) return x < 0 ? T(std::uint64_t(x) * std::uint64_t(slope)) : x;
    else return x < T(0) ? x * slope : x;
  }
};
struct ThresholdedReluF {
  double alpha = 1;
  void bind(const Attrs& a) { alpha = number(a, "alpha"); }
  double operator()(double x) const { return x <= alpha ? 0 : x; }
};
double unit_clamp(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }  // NaN stays
struct HardSigmoidF {
  double alpha = 0, beta = 0;
  void bind(const Attrs& a) { alpha = number(a, "alpha"), beta = number(a, "beta"); }
  double operator()(double x) const { return unit_clamp(alpha * x + beta); }
};
struct HardSwishF { double operator()(double x) const { return x * unit_clamp(x / 6 + 0.5); } };
struct SoftplusF { double operator()(double x) const { return std::log1p(std::exp(-std::fabs(x))) + (x < 0 ? 0 : x); } };
struct SoftsignF { double operator()(double x) const { return x / (1 + std::fabs(x)); } };
struct ErfF { double operator()(double x) const { return std::erf(x); } };
struct GeluF {
  bool tanh = false;
  void bind(const Attrs& a) { tanh = *ir::attr<std::string>(a, "approximate") == "tanh"; }
  double operator()(double x) const {
    if (tanh) return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
  }
};
struct MishF { double operator()(double x) const { return x * std::tanh(SoftplusF{}(x)); } };
struct SwishF {
  double alpha = 1;
  void bind(const Attrs& a) { alpha = number(a, "alpha"); }
  double operator()(double x) const { return x * SigmoidF{}(alpha * x); }
};
struct SwiGluF {
  SwishF swish;
  void bind(const Attrs& a) { swish.bind(a); }
  double operator()(double a, double b) const { return swish(a) * b; }
};
struct ShrinkF {
  double bias = 0, lambd = 0;
  void bind(const Attrs& a) { bias = number(a, "bias"), lambd = number(a, "lambd"); }
  template <class T> T operator()(const T& x) const {
    double v = double(x), s = v < -lambd ? bias : v > lambd ? -bias : 0;
    if (v >= -lambd && v <= lambd) return 0;
    if constexpr (std::is_same_v<T, double>) return v + s;
    else if (s == std::trunc(s) && std::fabs(s) < 0x1p63) return T(std::uint64_t(x) + std::uint64_t(std::int64_t(s)));  // exact, wraps
    else return std::fabs(v + s) < 0x1p63 ? T(std::int64_t(v + s)) : x;
  }
};

double relu_slope(double x, const Attrs&) { return x > 0; }
double sigmoid_slope(double x, const Attrs&) { double y = SigmoidF{}(x); return y * (1 - y); }
double tanh_slope(double x, const Attrs&) { double y = std::tanh(x); return 1 - y * y; }
double softplus_slope(double x, const Attrs&) { return SigmoidF{}(x); }
double softsign_slope(double x, const Attrs&) { double d = 1 + std::fabs(x); return 1 / (d * d); }
double celu_slope(double x, const Attrs& a) { return x < 0 ? std::exp(x / number(a, "alpha")) : 1; }
double erf_slope(double x, const Attrs&) { return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x); }

Val positive(const Site& s) { return s.b.op("Greater", {s.in[0], s.b.scalar(0, s.in[0])}); }
Val negative(const Site& s) { return s.b.op("Less", {s.in[0], s.b.scalar(0, s.in[0])}); }
Val choose(Val condition, Val a, Val b) { return a.b->op("Where", {condition, a, b}); }

Vals relu_vjp(const Site& s, const Vals& dy) { return {masked(positive(s), dy[0])}; }
Vals sigmoid_vjp(const Site& s, const Vals& dy) { return {dy[0] * (s.out[0] * (1.0 - s.out[0]))}; }
Vals tanh_vjp(const Site& s, const Vals& dy) { return {dy[0] * (1.0 - s.out[0] * s.out[0])}; }
// Below 0 these are c * exp(..) - c, so their slopes follow from the result and stay finite where exp of the operand would not.
Vals elu_vjp(const Site& s, const Vals& dy) { return {choose(negative(s), dy[0] * (s.out[0] + double(s.f("alpha"))), dy[0])}; }
Vals celu_vjp(const Site& s, const Vals& dy) { return {choose(negative(s), dy[0] * (s.out[0] / double(s.f("alpha")) + 1.0), dy[0])}; }
Vals selu_vjp(const Site& s, const Vals& dy) {
  double gamma = s.f("gamma"), alpha = s.f("alpha");
  return {choose(negative(s), dy[0] * (s.out[0] + gamma * alpha), dy[0] * gamma)};
}
Vals leaky_relu_vjp(const Site& s, const Vals& dy) { return {choose(negative(s), dy[0] * double(s.f("alpha")), dy[0])}; }
Vals prelu_vjp(const Site& s, const Vals& dy) {
  return {sum_to(choose(negative(s), dy[0] * s.in[1], dy[0]), s.in[0]), sum_to(masked(negative(s), dy[0] * s.in[0]), s.in[1])};
}
Vals thresholded_relu_vjp(const Site& s, const Vals& dy) { return {masked(s.b.op("Greater", {s.in[0], s.b.scalar(s.f("alpha"), s.in[0])}), dy[0])}; }
Vals softplus_vjp(const Site& s, const Vals& dy) { return {dy[0] * s.b.op("Sigmoid", {s.in[0]})}; }
Vals erf_vjp(const Site& s, const Vals& dy) { return {dy[0] * s.b.op("Exp", {s.b.op("Neg", {s.in[0] * s.in[0]})}) * (2 * std::numbers::inv_sqrtpi)}; }
Vals shrink_vjp(const Site& s, const Vals& dy) {
  return {masked(s.b.op("Greater", {s.b.op("Abs", {s.in[0]}), s.b.scalar(s.f("lambd"), s.in[0])}), dy[0])};
}

// A smooth part and the corner at 0.
Vals elu_body(const Site& s) {
  const double alpha = s.f("alpha");
  Val smooth = s.b.op("Celu", {s.in[0]});
  return {alpha == 1 ? smooth : smooth * alpha + s.b.op("Relu", {s.in[0]}) * (1 - alpha)};
}
Vals selu_body(const Site& s) { return {s.b.op("Elu", {s.in[0]}, {{"alpha", s.f("alpha")}}) * double(s.f("gamma"))}; }
Val unit_clip(Val x) { return x.b->op("Clip", {x, x.b->scalar(0, x), x.b->scalar(1, x)}); }
Vals hard_sigmoid_body(const Site& s) { return {unit_clip(s.in[0] * double(s.f("alpha")) + double(s.f("beta")))}; }
Vals hard_swish_body(const Site& s) { return {s.in[0] * unit_clip(s.in[0] / 6.0 + 0.5)}; }
Vals softsign_body(const Site& s) { return {s.in[0] / (s.b.op("Abs", {s.in[0]}) + 1.0)}; }
Vals gelu_body(const Site& s) {
  Val x = s.in[0];
  if (s.s("approximate") == "tanh") return {x * 0.5 * (s.b.op("Tanh", {(x + x * x * x * 0.044715) * std::sqrt(2 / std::numbers::pi)}) + 1.0)};
  return {x * 0.5 * (s.b.op("Erf", {x / std::numbers::sqrt2}) + 1.0)};
}
Vals mish_body(const Site& s) { return {s.in[0] * s.b.op("Tanh", {s.b.op("Softplus", {s.in[0]})})}; }
Vals swish_body(const Site& s) { return {s.in[0] * s.b.op("Sigmoid", {s.in[0] * double(s.f("alpha"))})}; }
Vals swiglu_body(const Site& s) { return {s.b.op("Swish", {s.in[0]}, {{"alpha", s.f("alpha")}}) * s.in[1]}; }

Result<> infer_gelu(Infer& c) {
  std::string a = c.s("approximate");
  if (a != "none" && a != "tanh") return c.fail("approximate is '" + a + "', none and tanh exist");
  return infer_elementwise(c);
}
Result<> infer_swiglu(Infer& c) {
  if (c.rank(0) != c.rank(1)) return c.fail("A has rank " + std::to_string(c.rank(0)) + ", B " + std::to_string(c.rank(1)) + "; their shapes are equal");
  return infer_elementwise(c);
}

constexpr std::string_view kReals = "(X: T) -> (Y: T) where T: float", kInputReals = "(input: T) -> (output: T) where T: float";
using Shape = Curve::Shape;
constexpr Curve kRelu{.f = curve_value<ReluF>, .slope = relu_slope, .shape = Shape::linear_pieces, .direction = 1};
constexpr Curve kSigmoid{.f = curve_value<SigmoidF>, .slope = sigmoid_slope, .shape = Shape::convex_concave, .direction = 1, .ulp = 4};
constexpr Curve kTanh{.f = curve_value<TanhF>, .slope = tanh_slope, .shape = Shape::convex_concave, .direction = 1, .ulp = 2};
constexpr Curve kSoftplus{.f = curve_value<SoftplusF>, .slope = softplus_slope, .shape = Shape::convex, .direction = 1, .ulp = 4};
constexpr Curve kSoftsign{.f = curve_value<SoftsignF>, .slope = softsign_slope, .shape = Shape::convex_concave, .direction = 1, .ulp = 2};
constexpr Curve kErf{.f = curve_value<ErfF>, .slope = erf_slope, .shape = Shape::convex_concave, .direction = 1, .ulp = 2};
constexpr Curve kCelu{.f = curve_value<CeluF>, .slope = celu_slope, .shape = Shape::convex, .direction = 1, .ulp = 2};
constexpr ErrorModel kUlp = ErrorModel::ulp;

// ---- on stored integers ------------------------------------------------------------------------------------------------------------------
Val relu_integer(const Site& s, const Type& result) { return clamped(s, s.type(0), result, 0, INFINITY); }
Val sigmoid_integer(const Site& s, const Type& result) { return tabulated_float(s, result, [](float x) { return 1.0f / (1.0f + std::exp(-x)); }); }
Val tanh_integer(const Site& s, const Type& result) { return tabulated_float(s, result, [](float x) { return std::tanh(x); }); }
Val leaky_relu_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  if (!fixed(s) || !x.quant || !result.quant || bits(x.dtype) > 16) return {};
  const float in = x.quant->scale[0], out = result.quant->scale[0], alpha = in * s.f("alpha") / out, same = in / out;
  const Requant r[] = {{Rounding::fixed_double, 0, fixed_scale(double(alpha))}, {Rounding::fixed_double, 0, fixed_scale(double(same))}};
  return tabulated(s, result, [&](std::int64_t v) {
    v -= x.quant->zero[0];
    return rescale(v, r[v >= 0]) + result.quant->zero[0];
  });
}
/// x * relu6(x + 3) / 6 in 16 bits: x on a scale 128 times finer, the other factor as a fraction of 2^15.
Val hard_swish_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  if (!fixed(s) || !x.quant || !result.quant || bits(x.dtype) > 8) return {};
  const float finer = x.quant->scale[0] / 128.0f;
  auto short_scale = [](float factor) {
    FixedScale f = fixed_scale(double(factor));
    return FixedScale{f.multiplier >= INT32_MAX - (1 << 15) ? INT16_MAX : (f.multiplier + (1 << 15)) >> 16, f.shift};
  };
  const FixedScale out = short_scale(finer / result.quant->scale[0]), gate = short_scale(finer / (3.0f / 32768.0f));
  if (out.shift > 0) return {};
  auto high = [](std::int64_t a, std::int64_t b) { return std::clamp<std::int64_t>((a * b + (a * b >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15), INT16_MIN, INT16_MAX); };
  auto left = [](std::int64_t v, int n) { return std::clamp<std::int64_t>(v * (std::int64_t{1} << n), INT16_MIN, INT16_MAX); };
  return tabulated(s, result, [&](std::int64_t v) {
    const std::int64_t fine = (v - x.quant->zero[0]) * 128;
    std::int64_t g = fine;
    if (gate.shift > 0) g = left(g, gate.shift - 1);
    g = high(g, gate.multiplier);
    if (gate.shift > 0) g = left(g, 1);
    if (gate.shift < 0) g = round_shift(std::int32_t(g), -gate.shift);
    g = (g + (1 << 15)) >> 1;
    const std::int64_t product = g * high(fine, out.multiplier) / (1 << 15);
    return std::int64_t{round_shift(std::int32_t(product), -out.shift)} + result.quant->zero[0];
  });
}

constexpr OpDef kOps[] = {
    {.name = "Relu", .since_version = 14, .signature = "(X: T) -> (Y: T) where T: float sint", .traits = kElementwise, .blocks = &kNumeric1<ReluF>, .vjp = relu_vjp, .curve = kRelu, .integer = relu_integer},
    {.name = "Sigmoid", .since_version = 13, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<SigmoidF>, .vjp = sigmoid_vjp, .curve = kSigmoid, .integer = sigmoid_integer, .rounding = kUlp, .max_ulp = 4},
    {.name = "Tanh", .since_version = 13, .signature = kInputReals, .traits = kElementwise, .blocks = &kReal1<TanhF>, .vjp = tanh_vjp, .curve = kTanh, .integer = tanh_integer, .rounding = kUlp, .max_ulp = 4},
    {.name = "Elu", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1", .traits = kElementwise, .blocks = &kReal1<EluF>, .body = elu_body, .vjp = elu_vjp, .rounding = kUlp, .max_ulp = 4},
    {.name = "Celu", .since_version = 28, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1", .traits = kElementwise, .blocks = &kReal1<CeluF>, .vjp = celu_vjp, .curve = kCelu, .rounding = kUlp, .max_ulp = 4},
    {.name = "Selu", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875",
     .traits = kElementwise, .blocks = &kReal1<SeluF>, .body = selu_body, .vjp = selu_vjp, .rounding = kUlp, .max_ulp = 4},
    {.name = "LeakyRelu", .since_version = 16, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 0.01", .traits = kElementwise, .blocks = &kReal1<LeakyReluF>, .vjp = leaky_relu_vjp, .integer = leaky_relu_integer},
    {.name = "PRelu", .since_version = 16, .signature = "(X: T, slope: T) -> (Y: T) where T: float uint32 uint64 int32 int64", .traits = kElementwise, .blocks = &kNumeric2<PReluF>, .vjp = prelu_vjp},
    {.name = "ThresholdedRelu", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1", .traits = kElementwise, .blocks = &kReal1<ThresholdedReluF>, .vjp = thresholded_relu_vjp},
    {.name = "HardSigmoid", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 0.2, beta: float = 0.5", .traits = kElementwise,
     .blocks = &kReal1<HardSigmoidF>, .body = hard_sigmoid_body, .rounding = kUlp, .max_ulp = 2},
    {.name = "HardSwish", .since_version = 22, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<HardSwishF>, .body = hard_swish_body, .integer = hard_swish_integer, .rounding = kUlp, .max_ulp = 4},
    {.name = "Softplus", .since_version = 22, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<SoftplusF>, .vjp = softplus_vjp, .curve = kSoftplus, .rounding = kUlp, .max_ulp = 4},
    {.name = "Softsign", .since_version = 22, .signature = kInputReals, .traits = kElementwise, .blocks = &kReal1<SoftsignF>, .body = softsign_body, .curve = kSoftsign, .rounding = kUlp, .max_ulp = 2},
    {.name = "Erf", .since_version = 13, .signature = kInputReals, .traits = kElementwise, .blocks = &kReal1<ErfF>, .vjp = erf_vjp, .curve = kErf, .rounding = kUlp, .max_ulp = 4},
    {.name = "Gelu", .since_version = 20, .signature = "(X: T) -> (Y: T) where T: float | approximate: string = none", .traits = kElementwise,
     .infer = infer_gelu, .blocks = &kReal1<GeluF>, .body = gelu_body, .rounding = kUlp, .max_ulp = 8},
    {.name = "Mish", .since_version = 22, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<MishF>, .body = mish_body, .rounding = kUlp, .max_ulp = 8},
    {.name = "Swish", .since_version = 24, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1", .traits = kElementwise, .blocks = &kReal1<SwishF>, .body = swish_body, .rounding = kUlp, .max_ulp = 8},
    {.name = "SwiGLU", .since_version = 28, .signature = "(A: T, B: T) -> (Y: T) where T: float | alpha: float = 1", .traits = kElementwise,
     .infer = infer_swiglu, .blocks = &kReal2<SwiGluF>, .body = swiglu_body, .rounding = kUlp, .max_ulp = 8},
    {.name = "Shrink", .since_version = 9, .signature = "(input: T) -> (output: T) where T: float16 float32 float64 int | bias: float = 0, lambd: float = 0.5", .traits = kElementwise,
     .blocks = &kNumeric1<ShrinkF>, .vjp = shrink_vjp},
};
}  // namespace

std::span<const OpDef> activation() { return kOps; }

}  // namespace saha::op
