// Comparison and logic. Source: ONNX operator specification, opset 28. A comparison with NaN is false.
#include <cmath>

#include "op/elementwise.hpp"

namespace saha::op {
namespace {
using Truth = std::optional<Dim>;  // 1, 0 or not told
bool positive(const Dim& d) { return d.at_least().value_or(0) >= 1; }
bool not_negative(const Dim& d) { return d.at_least().value_or(-1) >= 0; }
Truth less(const Dim& a, const Dim& b) {
  if (positive(b - a)) return Dim(1);
  if (not_negative(a - b)) return Dim(0);
  return {};
}
Truth opposite(Truth t) { return t ? Truth(Dim(t->is(0) ? 1 : 0)) : t; }

struct EqualF {
  template <class T> T operator()(const T& a, const T& b) const { return T(a == b); }
  Truth operator()(const Dim& a, const Dim& b) const {
    if (a == b) return Dim(1);
    return (a - b).known() || positive(a - b) || positive(b - a) ? Truth(Dim(0)) : Truth();
  }
};
struct LessF {
  template <class T> T operator()(const T& a, const T& b) const { return T(a < b); }
  Truth operator()(const Dim& a, const Dim& b) const { return less(a, b); }
};
struct GreaterF {
  template <class T> T operator()(const T& a, const T& b) const { return T(a > b); }
  Truth operator()(const Dim& a, const Dim& b) const { return less(b, a); }
};
struct LessOrEqualF {
  template <class T> T operator()(const T& a, const T& b) const { return T(a <= b); }
  Truth operator()(const Dim& a, const Dim& b) const { return opposite(less(b, a)); }
};
struct GreaterOrEqualF {
  template <class T> T operator()(const T& a, const T& b) const { return T(a >= b); }
  Truth operator()(const Dim& a, const Dim& b) const { return opposite(less(a, b)); }
};
struct AndF {
  std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return a && b; }
  Truth operator()(const Dim& a, const Dim& b) const { return a.known() && b.known() ? Truth(Dim(!a.is(0) && !b.is(0))) : Truth(); }
};
struct OrF {
  std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return a || b; }
  Truth operator()(const Dim& a, const Dim& b) const { return a.known() && b.known() ? Truth(Dim(!a.is(0) || !b.is(0))) : Truth(); }
};
struct XorF {
  std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return !a != !b; }
  Truth operator()(const Dim& a, const Dim& b) const { return a.known() && b.known() ? Truth(Dim(a.is(0) != b.is(0))) : Truth(); }
};
struct NotF {
  std::uint64_t operator()(std::uint64_t a) const { return !a; }
  Truth operator()(const Dim& a) const { return a.known() ? Truth(Dim(a.is(0))) : Truth(); }
};
struct IsNaNF { double operator()(double x) const { return std::isnan(x); } };
struct IsInfF {
  bool negative = true, positive = true;
  void bind(const Attrs& a) {
    negative = *ir::attr<std::int64_t>(a, "detect_negative") != 0;
    positive = *ir::attr<std::int64_t>(a, "detect_positive") != 0;
  }
  double operator()(double x) const { return std::isinf(x) && (x < 0 ? negative : positive); }
};

/// Strings have no carrier; all else goes by blocks.
Result<> eval_equal(Eval& c) {
  const Tensor &a = c.x(0), &b = c.x(1);
  if (a.dtype != DType::string || b.dtype != DType::string) return eval_elementwise(c);
  SAHA_TRY(Dims d, broadcast(c));
  SAHA_TRY(Tensor y, c.make(DType::boolean, d));
  Dims sa = broadcast_strides(a.dims, d), sb = broadcast_strides(b.dims, d), at(d.size(), 0);
  std::int64_t i = 0, j = 0;
  for (std::int64_t k = 0; k < y.size(); ++k) {
    y.as<std::uint8_t>()[k] = (*a.text)[std::size_t(i)] == (*b.text)[std::size_t(j)];
    for (std::size_t q = d.size(); q-- > 0;) {
      i += sa[q];
      j += sb[q];
      if (++at[q] < d[q]) break;
      at[q] = 0;
      i -= sa[q] * d[q];
      j -= sb[q] * d[q];
    }
  }
  return c.give(std::move(y));
}

constexpr std::string_view kCompare = "(A: T, B: T) -> (C: bool) where T: number", kLogic = "(A: bool, B: bool) -> (C: bool)";
constexpr std::string_view kTruth = "its result is a truth value";
constexpr std::string_view kTest = "(X: T) -> (Y: bool) where T: float float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz";

constexpr OpDef kOps[] = {
    {.name = "Equal", .since_version = 19, .signature = "(A: T, B: T) -> (C: bool) where T: bool number string", .traits = kElementwise | kCommutative,
     .eval = eval_equal, .blocks = &kCompare2<EqualF>, .no_gradient = kTruth},
    {.name = "Less", .since_version = 13, .signature = kCompare, .traits = kElementwise, .blocks = &kCompare2<LessF>, .no_gradient = kTruth},
    {.name = "Greater", .since_version = 13, .signature = kCompare, .traits = kElementwise, .blocks = &kCompare2<GreaterF>, .no_gradient = kTruth},
    {.name = "LessOrEqual", .since_version = 16, .signature = kCompare, .traits = kElementwise, .blocks = &kCompare2<LessOrEqualF>, .no_gradient = kTruth},
    {.name = "GreaterOrEqual", .since_version = 16, .signature = kCompare, .traits = kElementwise, .blocks = &kCompare2<GreaterOrEqualF>, .no_gradient = kTruth},
    {.name = "And", .since_version = 7, .signature = kLogic, .traits = kElementwise | kCommutative, .blocks = &kLogic2<AndF>, .no_gradient = kTruth},
    {.name = "Or", .since_version = 7, .signature = kLogic, .traits = kElementwise | kCommutative, .blocks = &kLogic2<OrF>, .no_gradient = kTruth},
    {.name = "Xor", .since_version = 7, .signature = kLogic, .traits = kElementwise | kCommutative, .blocks = &kLogic2<XorF>, .no_gradient = kTruth},
    {.name = "Not", .since_version = 1, .signature = "(X: bool) -> (Y: bool)", .traits = kElementwise, .blocks = &kLogic1<NotF>, .no_gradient = kTruth},
    {.name = "IsNaN", .since_version = 20, .signature = kTest, .traits = kElementwise, .blocks = &kTest1<IsNaNF>, .no_gradient = kTruth},
    {.name = "IsInf", .since_version = 20,
     .signature = "(X: T) -> (Y: bool) where T: float float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz | detect_negative: int = 1, detect_positive: int = 1",
     .traits = kElementwise, .blocks = &kTest1<IsInfF>, .no_gradient = kTruth},
};
}  // namespace

std::span<const OpDef> comparison() { return kOps; }

}  // namespace saha::op
