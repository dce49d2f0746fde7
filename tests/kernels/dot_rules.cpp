// vdpbf16ps and vcvtneps2bf16 against their definition, one lane at a time; compiled for avx512bf16 and for its emulation, so nothing inline from outside is called here.
#include "kernels/loops/dots.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr float kTiny = 0x1p-126f;   // the least number that is not denormal
constexpr float kNan = __builtin_nanf(""), kInf = __builtin_inff();
struct Dot {
  std::uint16_t x[2], w[2];   ///< lower, upper
  float acc, sum;
};
constexpr Dot kDots[] = {
    {{0x3f80, 0}, {0x4000, 0}, 1, 3},                               // 1 * 2 + 1
    {{0x3f80, 0x4040}, {0x4000, 0xc080}, 0.5f, -9.5f},              // -12 + 2 + 0.5
    {{0x3f81, 0}, {0x3f81, 0}, 0, 1.01568603515625f},               // (1 + 2^-7)^2, exact
    {{0x3f80, 0x3f80}, {0x3f80, 0xcb80}, 16777216, 1},              // the upper product first: -2^24 + 2^24, then 1
    {{0xcb80, 0x3f80}, {0x3f80, 0x3f80}, 16777216, 0},              // 2^24 + 1 is a tie and stays 2^24, then -2^24
    {{0x3f80, 0x4040}, {0x3f80, 0x3f80}, 16777216, 16777220},       // 2^24 + 3 is one, too: to 2^24 + 4; then + 1 another, to even
    {{0x0040, 0}, {0x7f00, 0}, 0, 0},                               // a denormal number is 0, however large its partner
    {{0, 0x3f80}, {0, 0x0040}, 0, 0},
    {{0x0040, 0}, {0x7f80, 0}, 0, kNan},                            // and that 0 times infinity is NaN
    {{0x3f00, 0}, {0x0080, 0}, 0, 0},                               // a denormal product becomes 0
    {{0x3f00, 0}, {0x8080, 0}, 0, -0.f},                            // of its sign
    {{0x0080, 0x8081}, {0x3f80, 0x3f80}, 0, -0.f},                  // -(1 + 2^-7) 2^-126 + 2^-126 is denormal
    {{0, 0}, {0, 0}, kTiny / 2, 0},                                 // so is this sum
    {{0x0080, 0}, {0x3f80, 0}, 0, kTiny},
    {{0x0080, 0}, {0x3f80, 0}, kTiny / 2, kTiny},                   // which counted as 0
    {{0x2b80, 0}, {0x8800, 0}, kTiny, kTiny},                       // 2^-126 - 2^-151 is rounded to 2^-126
    {{0x2b80, 0}, {0x8880, 0}, kTiny, 0},                           // 2^-126 - 2^-150 has 24 digits, and is too small
    {{0x7f80, 0}, {0x3f80, 0}, 1, kInf},
    {{0x7f00, 0x7f00}, {0x7f00, 0xff00}, 0, -kInf},                 // -2^254 is beyond float32, and 2^254, a product that is not rounded, does not bring it back
    {{0x7f80, 0}, {0, 0}, 1, kNan},
    {{0x7fc0, 0}, {0, 0}, 1, kNan},
    {{0, 0}, {0, 0}, -0.f, 0},                                      // -0 + 0
};
bool same(float a, float b) { return __builtin_memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }
int32_t pair(const std::uint16_t (&of)[2]) { return static_cast<int32_t>(std::uint32_t{of[1]} << 16 | of[0]); }

struct Rounded {
  float v;
  std::uint16_t bfloat;
};
constexpr Rounded kRounded[] = {
    {1, 0x3f80}, {1.00390625f, 0x3f80}, {1.01171875f, 0x3f82}, {1.003907f, 0x3f81}, {-1.00390625f, 0xbf80}, {3.4e38f, 0x7f80}, {-3.4e38f, 0xff80}, {kInf, 0x7f80}, {-kInf, 0xff80}, {kNan, 0x7fc0},
    {0, 0}, {-0.f, 0x8000}, {kTiny, 0x0080}, {1e-40f, 0}, {-1e-40f, 0x8000}, {0x1.fffffcp-127f, 0},   // the largest denormal number would be rounded to 2^-126
};

}  // namespace

extern const char* broken_dot_rule();
/// The rule that is broken; nullptr if all are kept.
const char* broken_dot_rule() {
  for (const Dot& d : kDots) {
    const V got = plus_dots(splat(d.acc), I{} + pair(d.x), I{} + pair(d.w));
    for (int i = 0; i < W; ++i)
      if (!same(got[i], d.sum)) return "vdpbf16ps";
  }
  V acc{};   // lanes stay apart
  I x{}, w{};
  for (int i = 0; i < W; ++i) acc[i] = static_cast<float>(i), x[i] = 0x3f804000, w[i] = i % 2 ? 0x40003f80 : 0x3f800000;
  const V got = plus_dots(acc, x, w);
  for (int i = 0; i < W; ++i)
    if (got[i] != static_cast<float>(i + (i % 2 ? 4 : 1))) return "vdpbf16ps";
  for (const Rounded& r : kRounded) {
    const Halves h = to_bfloats(splat(r.v));
    for (int i = 0; i < W; ++i)
      if (h[i] != r.bfloat) return "vcvtneps2bf16";
  }
  return nullptr;
}

}  // namespace saha::kernels::SAHA_ISA
