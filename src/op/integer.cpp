// Bits of integers. Source: ONNX operator specification, opset 28.
#include "op/elementwise.hpp"

namespace saha::op {
namespace {
// A narrow integer stands sign- or zero-extended in its carrier, so shifts past its own width come out right at the store.
struct BitShiftF {
  bool left = false;
  void bind(const Attrs& a) { left = *ir::attr<std::string>(a, "direction") == "LEFT"; }
  std::int64_t operator()(std::int64_t x, std::int64_t n) const {
    if (n < 0 || n > 63) return !left && x < 0 ? -1 : 0;
    return left ? std::int64_t(std::uint64_t(x) << n) : x >> n;
  }
  std::uint64_t operator()(std::uint64_t x, std::uint64_t n) const { return n > 63 ? 0 : left ? x << n : x >> n; }
};
struct BitwiseAndF { template <class T> T operator()(T a, T b) const { return a & b; } };
struct BitwiseOrF { template <class T> T operator()(T a, T b) const { return a | b; } };
struct BitwiseXorF { template <class T> T operator()(T a, T b) const { return a ^ b; } };
struct BitwiseNotF { template <class T> T operator()(T a) const { return ~a; } };

Result<> infer_shift(Infer& c) {
  std::string d = c.s("direction");
  if (d != "LEFT" && d != "RIGHT") return c.fail("direction is '" + d + "', LEFT and RIGHT exist");
  return infer_elementwise(c);
}

constexpr std::string_view kBinary = "(A: T, B: T) -> (C: T) where T: int";
constexpr std::string_view kIntegers = "its operands are integers";

constexpr OpDef kOps[] = {
    {.name = "BitShift", .since_version = 28, .signature = "(X: T, Y: T) -> (Z: T) where T: int | direction: string", .traits = kElementwise,
     .infer = infer_shift, .blocks = &kInt2<BitShiftF>, .no_gradient = kIntegers},
    {.name = "BitwiseAnd", .since_version = 18, .signature = kBinary, .traits = kElementwise | kCommutative, .blocks = &kInt2<BitwiseAndF>, .no_gradient = kIntegers},
    {.name = "BitwiseOr", .since_version = 18, .signature = kBinary, .traits = kElementwise | kCommutative, .blocks = &kInt2<BitwiseOrF>, .no_gradient = kIntegers},
    {.name = "BitwiseXor", .since_version = 18, .signature = kBinary, .traits = kElementwise | kCommutative, .blocks = &kInt2<BitwiseXorF>, .no_gradient = kIntegers},
    {.name = "BitwiseNot", .since_version = 18, .signature = "(X: T) -> (Y: T) where T: int", .traits = kElementwise, .blocks = &kInt1<BitwiseNotF>, .no_gradient = kIntegers},
};
}  // namespace

std::span<const OpDef> integer() { return kOps; }

}  // namespace saha::op
