// Circular and hyperbolic functions and their inverses (Tanh is an activation). Source: ONNX operator specification, opset 28.
#include <cmath>

#include "op/elementwise.hpp"

namespace saha::op {
namespace {
struct SinF { double operator()(double x) const { return std::sin(x); } };
struct CosF { double operator()(double x) const { return std::cos(x); } };
struct TanF { double operator()(double x) const { return std::tan(x); } };
struct AsinF { double operator()(double x) const { return std::asin(x); } };
struct AcosF { double operator()(double x) const { return std::acos(x); } };
struct AtanF { double operator()(double x) const { return std::atan(x); } };
struct SinhF { double operator()(double x) const { return std::sinh(x); } };
struct CoshF { double operator()(double x) const { return std::cosh(x); } };
struct AsinhF { double operator()(double x) const { return std::asinh(x); } };
struct AcoshF { double operator()(double x) const { return std::acosh(x); } };
struct AtanhF { double operator()(double x) const { return std::atanh(x); } };

double asin_slope(double x, const Attrs&) { return 1 / std::sqrt(1 - x * x); }
double acos_slope(double x, const Attrs&) { return -1 / std::sqrt(1 - x * x); }
double atan_slope(double x, const Attrs&) { return 1 / (1 + x * x); }
double asinh_slope(double x, const Attrs&) { return 1 / std::sqrt(x * x + 1); }
double acosh_slope(double x, const Attrs&) { return 1 / std::sqrt(x * x - 1); }
double atanh_slope(double x, const Attrs&) { return 1 / (1 - x * x); }

Val of(const Site& s, ir::OpName f) { return s.b.op(f, {s.in[0]}); }
Val square(const Site& s) { return s.in[0] * s.in[0]; }
Val root(Val x) { return x.b->op("Sqrt", {x}); }
Val neg(Val x) { return x.b->op("Neg", {x}); }
Vals sin_vjp(const Site& s, const Vals& dy) { return {dy[0] * of(s, "Cos")}; }
Vals cos_vjp(const Site& s, const Vals& dy) { return {neg(dy[0] * of(s, "Sin"))}; }
Vals tan_body(const Site& s) { return {of(s, "Sin") / of(s, "Cos")}; }
Vals tan_vjp(const Site& s, const Vals& dy) { return {dy[0] * (s.out[0] * s.out[0] + 1.0)}; }
Vals asin_vjp(const Site& s, const Vals& dy) { return {dy[0] / root(1.0 - square(s))}; }
Vals acos_vjp(const Site& s, const Vals& dy) { return {neg(dy[0] / root(1.0 - square(s)))}; }
Vals atan_vjp(const Site& s, const Vals& dy) { return {dy[0] / (square(s) + 1.0)}; }
Vals sinh_vjp(const Site& s, const Vals& dy) { return {dy[0] * of(s, "Cosh")}; }
Vals cosh_vjp(const Site& s, const Vals& dy) { return {dy[0] * of(s, "Sinh")}; }
Vals asinh_vjp(const Site& s, const Vals& dy) { return {dy[0] / root(square(s) + 1.0)}; }
Vals acosh_vjp(const Site& s, const Vals& dy) { return {dy[0] / root(square(s) - 1.0)}; }
Vals atanh_vjp(const Site& s, const Vals& dy) { return {dy[0] / (1.0 - square(s))}; }

using Shape = Curve::Shape;
template <class F> constexpr Curve curve(double (*slope)(double, const Attrs&), Shape shape, int direction) {
  return {.f = curve_value<F>, .slope = slope, .shape = shape, .direction = direction, .ulp = 2};
}
constexpr OpDef function(ir::OpName name, const Blocks& blocks, Vals (*vjp)(const Site&, const Vals&), Curve c = {}, Vals (*body)(const Site&) = nullptr) {
  return {.name = name, .since_version = 22, .signature = "(input: T) -> (output: T) where T: float", .traits = kElementwise, .blocks = &blocks, .body = body, .vjp = vjp,
          .curve = c, .rounding = ErrorModel::ulp, .max_ulp = 4};
}

constexpr OpDef kOps[] = {
    function("Sin", kReal1<SinF>, sin_vjp),
    function("Cos", kReal1<CosF>, cos_vjp),
    function("Tan", kReal1<TanF>, tan_vjp, {}, tan_body),
    function("Asin", kReal1<AsinF>, asin_vjp, curve<AsinF>(asin_slope, Shape::concave_convex, 1)),
    function("Acos", kReal1<AcosF>, acos_vjp, curve<AcosF>(acos_slope, Shape::convex_concave, -1)),
    function("Atan", kReal1<AtanF>, atan_vjp, curve<AtanF>(atan_slope, Shape::convex_concave, 1)),
    function("Sinh", kReal1<SinhF>, sinh_vjp, curve<SinhF>(curve_value<CoshF>, Shape::concave_convex, 1)),
    function("Cosh", kReal1<CoshF>, cosh_vjp, curve<CoshF>(curve_value<SinhF>, Shape::convex, 0)),
    function("Asinh", kReal1<AsinhF>, asinh_vjp, curve<AsinhF>(asinh_slope, Shape::convex_concave, 1)),
    function("Acosh", kReal1<AcoshF>, acosh_vjp, curve<AcoshF>(acosh_slope, Shape::concave, 1)),
    function("Atanh", kReal1<AtanhF>, atanh_vjp, curve<AtanhF>(atanh_slope, Shape::concave_convex, 1)),
};
}  // namespace

std::span<const OpDef> trigonometry() { return kOps; }

}  // namespace saha::op
