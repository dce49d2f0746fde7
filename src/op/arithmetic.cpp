// Arithmetic, element by element. Source: ONNX operator specification, opset 28. Integers wrap modulo 2^n; an integer divided by 0,
// which the specification leaves open, gives 0 (as does its remainder), so that no model can stop the program.
#include <algorithm>
#include <cmath>

#include "op/elementwise.hpp"
#include "op/integer_form.hpp"
#include "op/sum_to.hpp"

namespace saha::op {
namespace {
template <class T> constexpr bool kSigned = std::is_same_v<T, std::int64_t>;
template <class T> constexpr bool kReal = std::is_same_v<T, double>;

// int64 goes through uint64, where overflow is defined.
struct AddF {
  template <class T> T operator()(const T& a, const T& b) const { if constexpr (kSigned<T>) return T(std::uint64_t(a) + std::uint64_t(b)); else return a + b; }
};
struct SubF {
  template <class T> T operator()(const T& a, const T& b) const { if constexpr (kSigned<T>) return T(std::uint64_t(a) - std::uint64_t(b)); else return a - b; }
};
struct MulF {
  template <class T> T operator()(const T& a, const T& b) const { if constexpr (kSigned<T>) return T(std::uint64_t(a) * std::uint64_t(b)); else return a * b; }
};
struct DivF {
  template <class T> T operator()(const T& a, const T& b) const {
    if constexpr (kReal<T>) return a / b;
    else if (b == 0) return 0;
    else if constexpr (kSigned<T>) return b == -1 ? SubF{}(T(0), a) : a / b;
    else return a / b;
  }
  // Integer division truncates, an expression's floors: they agree where the operands are not negative, as sizes are.
  std::optional<Dim> operator()(const Dim& a, const Dim& b) const {
    auto n = a.known(), d = b.known();
    if (n && d) return *d ? std::optional<Dim>(Dim((*this)(*n, *d))) : std::nullopt;
    if (d && *d <= 0) return {};
    return floor_div(a, b);
  }
};
struct ModF {
  bool truncated = false;
  void bind(const Attrs& a) { truncated = *ir::attr<std::int64_t>(a, "fmod") != 0; }
  template <class T> T operator()(const T& a, const T& b) const {
    if constexpr (kReal<T>) {
      double r = std::fmod(a, b);
      if (truncated || std::isnan(r)) return r;
      if (r == 0) return std::copysign(0.0, b);
      return std::signbit(r) != std::signbit(b) ? r + b : r;
    } else {
      if (b == 0) return 0;
      if constexpr (kSigned<T>) {
        if (b == -1) return 0;
        T r = a % b;
        return !truncated && r != 0 && (r < 0) != (b < 0) ? r + b : r;
      } else return a % b;
    }
  }
  std::optional<Dim> operator()(const Dim& a, const Dim& b) const {
    auto n = a.known(), d = b.known();
    if (n && d) return *d ? std::optional<Dim>(Dim((*this)(*n, *d))) : std::nullopt;
    if (!b.at_least() || *b.at_least() < 1 || (truncated && a.at_least().value_or(-1) < 0)) return {};
    return a - floor_div(a, b) * b;
  }
};
// One of two where the other is NaN: NaN.
struct MaxF {
  template <class T> T operator()(const T& a, const T& b) const { if constexpr (kReal<T>) return std::isnan(a) || a > b ? a : b; else return a > b ? a : b; }
  Dim operator()(const Dim& a, const Dim& b) const { return max(a, b); }
};
struct MinF {
  template <class T> T operator()(const T& a, const T& b) const { if constexpr (kReal<T>) return std::isnan(a) || a < b ? a : b; else return a < b ? a : b; }
  Dim operator()(const Dim& a, const Dim& b) const { return min(a, b); }
};
void mean_block(const double* const* in, int k, std::int64_t n, double* out, const Attrs&) {
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = in[0][i];
    for (int j = 1; j < k; ++j) sum += in[j][i];
    out[i] = sum / k;
  }
}
constexpr Blocks kMean{mean_block};
struct NegF {
  template <class T> T operator()(const T& x) const { if constexpr (kReal<T>) return -x; else return SubF{}(T(0), x); }
  Dim operator()(const Dim& x) const { return x * Dim(-1); }
};
struct AbsF {
  template <class T> T operator()(const T& x) const {
    if constexpr (kReal<T>) return std::fabs(x);
    else if constexpr (kSigned<T>) return x < 0 ? NegF{}(x) : x;
    else return x;
  }
  std::optional<Dim> operator()(const Dim& x) const {
    if (auto v = x.known()) return Dim((*this)(*v));
    return x.at_least().value_or(-1) >= 0 ? std::optional<Dim>(x) : std::nullopt;
  }
};
struct SignF { template <class T> T operator()(const T& x) const { return x > 0 ? T(1) : x < 0 ? T(-1) : x; } };  // NaN and -0 stay
struct SqrtF { double operator()(double x) const { return std::sqrt(x); } };
struct ReciprocalF { double operator()(double x) const { return 1 / x; } };
struct ExpF { double operator()(double x) const { return std::exp(x); } };
struct LogF { double operator()(double x) const { return std::log(x); } };
struct CeilF { double operator()(double x) const { return std::ceil(x); } };
struct FloorF { double operator()(double x) const { return std::floor(x); } };
struct RoundF { double operator()(double x) const { return std::nearbyint(x); } };  // ties to even: the default rounding mode

double abs_slope(double x, const Attrs&) { return x < 0 ? -1 : 1; }
double sqrt_slope(double x, const Attrs&) { return 0.5 / std::sqrt(x); }
double log_slope(double x, const Attrs&) { return 1 / x; }

Val neg(Val x) { return x.b->op("Neg", {x}); }
Vals add_vjp(const Site& s, const Vals& dy) { return {sum_to(dy[0], s.in[0]), sum_to(dy[0], s.in[1])}; }
Vals sub_vjp(const Site& s, const Vals& dy) { return {sum_to(dy[0], s.in[0]), neg(sum_to(dy[0], s.in[1]))}; }
Vals mul_vjp(const Site& s, const Vals& dy) { return {sum_to(dy[0] * s.in[1], s.in[0]), sum_to(dy[0] * s.in[0], s.in[1])}; }
Vals div_vjp(const Site& s, const Vals& dy) {
  Val q = dy[0] / s.in[1];
  return {sum_to(q, s.in[0]), neg(sum_to(q * s.out[0], s.in[1]))};
}
/// Between its jumps Mod(a, b) is a - q * b with a constant q.
Vals mod_vjp(const Site& s, const Vals& dy) {
  Val q = s.b.op("Round", {(s.in[0] - s.out[0]) / s.in[1]});
  return {sum_to(dy[0], s.in[0]), neg(sum_to(dy[0] * q, s.in[1]))};
}
Vals sum_vjp(const Site& s, const Vals& dy) {
  Vals d;
  for (Val x : s.in) d.push_back(sum_to(dy[0], x));
  return d;
}
Vals mean_vjp(const Site& s, const Vals& dy) {
  Val part = dy[0] / double(s.in.size());
  Vals d;
  for (Val x : s.in) d.push_back(sum_to(part, x));
  return d;
}
/// The operand that was chosen takes it all; of equal ones the first.
Vals selection_vjp(const Site& s, const Vals& dy) {
  Val left = dy[0];
  Vals d;
  for (Val x : s.in) {
    Val chosen = s.b.op("Equal", {x, s.out[0]});
    d.push_back(sum_to(masked(chosen, left), x));
    left = unless(chosen, left);
  }
  return d;
}
Val neg_adjoint(const Site&, std::size_t, Val dy) { return neg(dy); }
Vals abs_vjp(const Site& s, const Vals& dy) { return {dy[0] * s.b.op("Sign", {s.in[0]})}; }
Vals sqrt_vjp(const Site& s, const Vals& dy) { return {dy[0] * 0.5 / s.out[0]}; }
Vals reciprocal_vjp(const Site& s, const Vals& dy) { return {neg(dy[0] * s.out[0] * s.out[0])}; }
Vals exp_vjp(const Site& s, const Vals& dy) { return {dy[0] * s.out[0]}; }
Vals log_vjp(const Site& s, const Vals& dy) { return {dy[0] / s.in[0]}; }

// ---- Pow: base and exponent may differ in dtype -----------------------------------------------------------------------------
struct RealPowF { double operator()(double x, double y) const { return std::pow(x, y); } };
/// x^n modulo 2^64; a negative exponent gives the truncated quotient (0 for |x| > 1; 0 for x = 0, where it is not defined).
std::int64_t integer_power(std::int64_t x, std::uint64_t n, bool negative) {
  if (negative) return x == 1 ? 1 : x == -1 ? (n & 1 ? -1 : 1) : 0;
  std::uint64_t r = 1, b = std::uint64_t(x);
  for (; n; n >>= 1, b *= b) if (n & 1) r *= b;
  return std::int64_t(r);
}
struct SintPowF { std::int64_t operator()(std::int64_t x, std::int64_t y) const { return integer_power(x, y < 0 ? 0 - std::uint64_t(y) : std::uint64_t(y), y < 0); } };
struct UintPowF { std::int64_t operator()(std::int64_t x, std::int64_t y) const { return integer_power(x, std::uint64_t(y), false); } };
Result<> eval_pow(Eval& c) {
  SAHA_TRY(Dims d, broadcast(c));
  SAHA_TRY(Tensor z, c.make(c.x(0).dtype, std::move(d)));
  const Tensor* in[] = {&c.x(0), &c.x(1)};
  DType y = c.x(1).dtype;
  if (is_float(z.dtype) || is_float(y)) sweep<double>(in, binary<RealPowF, double>, c.attrs, z);
  else if (is_signed_int(y)) sweep<std::int64_t>(in, binary<SintPowF, std::int64_t>, c.attrs, z);
  else sweep<std::int64_t>(in, binary<UintPowF, std::int64_t>, c.attrs, z);
  return c.give(std::move(z));
}
Vals pow_vjp(const Site& s, const Vals& dy) {
  Val x = s.in[0], y = s.in[1];
  auto cast = [&](Val v) { return s.type(0).dtype == s.type(1).dtype ? v : s.b.op("Cast", {v}, {{"to", std::int64_t(s.type(0).dtype)}}); };
  // y * x^(y-1), and 0 where y is 0, also at x = 0.
  Val zero = s.b.op("Equal", {y, s.b.scalar(0, y)});
  Val dx = unless(zero, dy[0] * cast(y) * s.b.op("Pow", {x, y - 1.0}));
  Val positive = s.b.op("Greater", {x, s.b.scalar(0, x)});
  Val log = s.b.op("Log", {s.b.op("Where", {positive, x, s.b.scalar(1, x)})});
  return {sum_to(dx, x), is_float(s.type(1).dtype) ? sum_to(dy[0] * s.out[0] * log, y) : Val{}};
}

// ---- Clip: bounds are scalars, either may be omitted ----------------------------------------------------------------------------
Result<> infer_clip(Infer& c) { return c.give(c.dtype(0), c.dims(0)); }
template <class T> void clip_block(const T* const* in, int, std::int64_t n, T* out, const Attrs&) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = MinF{}(MaxF{}(in[0][i], in[1][i]), in[2][i]);
}
template <class T> void clip(std::span<const Tensor* const> in, bool lower, const Tensor& y) {
  sweep<T>(in, in.size() == 3 ? clip_block<T> : lower ? binary<MaxF, T> : binary<MinF, T>, {}, y);
}
Result<> eval_clip(Eval& c) {
  std::vector<const Tensor*> in = {&c.x(0)};
  std::vector<Tensor> bounds;
  for (std::size_t i : {1, 2}) {
    if (!c.has(i)) continue;
    if (c.x(i).size() != 1) return c.fail((i == 1 ? "min" : "max") + std::string(" has ") + std::to_string(c.x(i).size()) + " elements, 1 is needed");
    bounds.push_back(c.x(i).reshaped({}));
  }
  if (bounds.empty()) return c.give(c.x(0));
  for (const Tensor& t : bounds) in.push_back(&t);
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, c.x(0).dims));
  if (is_float(y.dtype)) clip<double>(in, c.has(1), y);
  else if (is_signed_int(y.dtype)) clip<std::int64_t>(in, c.has(1), y);
  else clip<std::uint64_t>(in, c.has(1), y);
  return c.give(std::move(y));
}
Vals clip_body(const Site& s) {
  Val y = s.in[0];
  if (s.has(1)) y = s.b.op("Max", {y, s.in[1]});
  if (s.has(2)) y = s.b.op("Min", {y, s.in[2]});
  return {y};
}

// ---- on stored integers ----------------------------------------------------------------------------------------------------------------
/// Both operands on a common finer scale, twice the larger of theirs over 2^20 (16 bits: 2^15), then added or subtracted, then on the result's.
template <bool kSub> Val sum_integer(const Site& s, const Type& result) {
  const Type a = s.type(0), b = s.type(1);
  if (!fixed(s) || !a.quant || !b.quant || !result.quant) return {};
  const int finer = bits(result.dtype) > 8 ? 15 : 20;
  const double twice = 2 * std::max(double(a.quant->scale[0]), double(b.quant->scale[0])), step = double(1 << finer);
  auto operand = [&](std::size_t i, const Type& t) { return rescaled(centred(s.in[i], DType::i32) * step, double(t.quant->scale[0]) / twice, s); };
  Val x = operand(0, a), y = operand(1, b);
  return stored(rescaled(kSub ? x - y : x + y, twice / (step * double(result.quant->scale[0])), s), result);
}
Val mul_integer(const Site& s, const Type& result) {
  const Type a = s.type(0), b = s.type(1);
  if (!fixed(s) || !a.quant || !b.quant || !result.quant) return {};
  const float factor = a.quant->scale[0] * b.quant->scale[0] / result.quant->scale[0];  // in float32: the rule's own order
  return stored(rescaled(centred(s.in[0], DType::i32) * centred(s.in[1], DType::i32), double(factor), s), result);
}
template <bool kMax> Val choice_integer(const Site& s, const Type& result) {
  for (const Val& v : s.in) if (!same_storage(s.b.type(v), result)) return {};
  return s.b.op(kMax ? ir::OpName("Max") : ir::OpName("Min"), s.in);
}
/// Bounds in the result's steps; where operand and result are stored alike only these remain.
Val clip_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  for (std::size_t i = 1; i < 3; ++i) if (s.has(i) && (!s.b.data(s.in[i]) || s.b.data(s.in[i])->size() != 1)) return {};
  return clamped(s, x, result, s.has(1) ? s.b.data(s.in[1])->at(0) : -INFINITY, s.has(2) ? s.b.data(s.in[2])->at(0) : INFINITY);
}

constexpr std::string_view kBinary = "(A: T, B: T) -> (C: T) where T: number";
constexpr std::string_view kNumbers = "(X: T) -> (Y: T) where T: number", kReals = "(X: T) -> (Y: T) where T: float";
constexpr std::string_view kInputReals = "(input: T) -> (output: T) where T: float";
constexpr std::string_view kSteps = "piecewise constant: the gradient is 0 wherever it exists";
using Shape = Curve::Shape;
constexpr Curve kAbsCurve{.f = curve_value<AbsF>, .slope = abs_slope, .shape = Shape::linear_pieces};
constexpr Curve kSqrtCurve{.f = curve_value<SqrtF>, .slope = sqrt_slope, .shape = Shape::concave, .direction = 1};
constexpr Curve kExpCurve{.f = curve_value<ExpF>, .slope = curve_value<ExpF>, .shape = Shape::convex, .direction = 1, .ulp = 1};
constexpr Curve kLogCurve{.f = curve_value<LogF>, .slope = log_slope, .shape = Shape::concave, .direction = 1, .ulp = 1};
template <class F> constexpr Curve kStairs{.f = curve_value<F>, .direction = 1};

constexpr OpDef kOps[] = {
    {.name = "Add", .since_version = 14, .signature = kBinary, .traits = kElementwise | kCommutative, .blocks = &kNumeric2Dim<AddF>, .linear = joint({0, 1}), .vjp = add_vjp, .integer = sum_integer<false>},
    {.name = "Sub", .since_version = 14, .signature = kBinary, .traits = kElementwise, .blocks = &kNumeric2Dim<SubF>, .linear = joint({0, 1}), .vjp = sub_vjp, .integer = sum_integer<true>},
    {.name = "Mul", .since_version = 14, .signature = kBinary, .traits = kElementwise | kCommutative, .blocks = &kNumeric2Dim<MulF>, .linear = bilinear(0, 1), .vjp = mul_vjp, .integer = mul_integer},
    {.name = "Div", .since_version = 14, .signature = kBinary, .traits = kElementwise, .blocks = &kNumeric2Dim<DivF>, .linear = joint({0}), .vjp = div_vjp},
    {.name = "Mod", .since_version = 28, .signature = "(A: T, B: T) -> (C: T) where T: number | fmod: int = 0", .traits = kElementwise, .blocks = &kNumeric2Dim<ModF>, .vjp = mod_vjp},
    {.name = "Pow", .since_version = 15, .signature = "(X: T, Y: T1) -> (Z: T) where T: float int32 int64, T1: number", .traits = kElementwise,
     .infer = infer_elementwise, .eval = eval_pow, .vjp = pow_vjp, .rounding = ErrorModel::ulp, .max_ulp = 2},
    {.name = "Max", .since_version = 13, .signature = "(data_0: T...) -> (max: T) where T: number", .traits = kElementwise | kCommutative, .blocks = &kNumericNDim<MaxF>, .vjp = selection_vjp, .integer = choice_integer<true>},
    {.name = "Min", .since_version = 13, .signature = "(data_0: T...) -> (min: T) where T: number", .traits = kElementwise | kCommutative, .blocks = &kNumericNDim<MinF>, .vjp = selection_vjp, .integer = choice_integer<false>},
    {.name = "Sum", .since_version = 13, .signature = "(data_0: T...) -> (sum: T) where T: float", .traits = kElementwise | kCommutative, .blocks = &kRealN<AddF>, .linear = kJointAll,
     .vjp = sum_vjp, .rounding = ErrorModel::dot},
    {.name = "Mean", .since_version = 13, .signature = "(data_0: T...) -> (mean: T) where T: float", .traits = kElementwise | kCommutative, .blocks = &kMean, .linear = kJointAll,
     .vjp = mean_vjp, .rounding = ErrorModel::dot},
    {.name = "Neg", .since_version = 13, .signature = "(X: T) -> (Y: T) where T: float sint", .traits = kElementwise, .blocks = &kNumeric1Dim<NegF>, .linear = joint({0}), .adjoint = neg_adjoint},
    {.name = "Abs", .since_version = 13, .signature = kNumbers, .traits = kElementwise, .blocks = &kNumeric1Dim<AbsF>, .vjp = abs_vjp, .curve = kAbsCurve},
    {.name = "Sign", .since_version = 13, .signature = "(input: T) -> (output: T) where T: number", .traits = kElementwise, .blocks = &kNumeric1<SignF>, .curve = kStairs<SignF>, .no_gradient = kSteps},
    {.name = "Sqrt", .since_version = 13, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<SqrtF>, .vjp = sqrt_vjp, .curve = kSqrtCurve},
    {.name = "Reciprocal", .since_version = 13, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<ReciprocalF>, .vjp = reciprocal_vjp},
    {.name = "Exp", .since_version = 13, .signature = kInputReals, .traits = kElementwise, .blocks = &kReal1<ExpF>, .vjp = exp_vjp, .curve = kExpCurve, .rounding = ErrorModel::ulp, .max_ulp = 2},
    {.name = "Log", .since_version = 13, .signature = kInputReals, .traits = kElementwise, .blocks = &kReal1<LogF>, .vjp = log_vjp, .curve = kLogCurve, .rounding = ErrorModel::ulp, .max_ulp = 2},
    {.name = "Ceil", .since_version = 13, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<CeilF>, .curve = kStairs<CeilF>, .no_gradient = kSteps},
    {.name = "Floor", .since_version = 13, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<FloorF>, .curve = kStairs<FloorF>, .no_gradient = kSteps},
    {.name = "Round", .since_version = 22, .signature = kReals, .traits = kElementwise, .blocks = &kReal1<RoundF>, .curve = kStairs<RoundF>, .no_gradient = kSteps},
    {.name = "Clip", .since_version = 13, .signature = "(input: T, min: T?, max: T?) -> (output: T) where T: number", .infer = infer_clip, .eval = eval_clip, .body = clip_body, .integer = clip_integer},
};
}  // namespace

std::span<const OpDef> arithmetic() { return kOps; }

}  // namespace saha::op
