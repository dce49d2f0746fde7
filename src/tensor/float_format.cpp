#include "tensor/float_format.hpp"

#include <bit>
#include <cmath>

#include "base/result.hpp"

namespace saha {
namespace {
enum class Specials : std::uint8_t {
  ieee,         // all-ones exponent: infinity and NaN
  all_ones,     // only the all-ones pattern is NaN, no infinity
  minus_zero,   // only the pattern of -0 is NaN, no infinity (fnuz)
  none,         // neither
};
struct Format { int exponent, mantissa, bias; Specials specials; };

Format format(DType t) {
  switch (t) {
    case DType::f16: return {5, 10, 15, Specials::ieee};
    case DType::bf16: return {8, 7, 127, Specials::ieee};
    case DType::f8e4m3fn: return {4, 3, 7, Specials::all_ones};
    case DType::f8e4m3fnuz: return {4, 3, 8, Specials::minus_zero};
    case DType::f8e5m2: return {5, 2, 15, Specials::ieee};
    case DType::f8e5m2fnuz: return {5, 2, 16, Specials::minus_zero};
    case DType::f4e2m1: return {2, 1, 1, Specials::none};
    case DType::f6e2m3: return {2, 3, 1, Specials::none};
    case DType::f6e3m2: return {3, 2, 3, Specials::none};
    default: SAHA_ASSERT(!"a small float format"); return {};
  }
}
// float8e8m0: 2^(b - 127), no sign, no zero; 255 is NaN.
std::uint32_t encode_e8m0(double v, Overflow overflow, RoundMode mode) {
  if (std::isnan(v)) return 255;
  double a = std::fabs(v);
  if (std::isinf(a)) return overflow == Overflow::saturate ? 254 : 255;
  if (a < std::ldexp(1.0, -127)) return 0;
  int e = std::ilogb(a);
  double m = std::ldexp(a, -e);  // [1, 2)
  bool up = m > 1 && (mode == RoundMode::up || (mode != RoundMode::down && m >= 1.5));
  e += up;
  if (e > 127) return overflow == Overflow::saturate ? 254 : 255;
  return std::uint32_t(e + 127);
}
}  // namespace

double decode(DType t, std::uint32_t b) {
  if (t == DType::bf16) return std::bit_cast<float>(b << 16);
  if (t == DType::f8e8m0) return b == 255 ? NAN : std::ldexp(1.0, int(b) - 127);
  Format f = format(t);
  std::uint32_t man = b & ((1u << f.mantissa) - 1), ones = (1u << f.exponent) - 1, ex = (b >> f.mantissa) & ones;
  bool negative = (b >> (f.exponent + f.mantissa)) & 1;
  double s = negative ? -1.0 : 1.0;
  if (f.specials == Specials::ieee && ex == ones) return man ? NAN : s * INFINITY;
  if (f.specials == Specials::all_ones && ex == ones && man == (1u << f.mantissa) - 1) return NAN;
  if (f.specials == Specials::minus_zero && negative && !ex && !man) return NAN;
  return ex ? s * std::ldexp(double((1u << f.mantissa) + man), int(ex) - f.bias - f.mantissa)
            : s * std::ldexp(double(man), 1 - f.bias - f.mantissa);
}

std::uint32_t encode(DType t, double x, Overflow overflow, RoundMode mode) {
  if (t == DType::f8e8m0) return encode_e8m0(x, overflow, mode);
  Format f = format(t);
  std::uint32_t top = 1u << (f.exponent + f.mantissa), ones = ((1u << f.exponent) - 1) << f.mantissa, frac = (1u << f.mantissa) - 1;
  std::uint32_t sign = std::signbit(x) ? top : 0, nan = 0, largest = 0;
  switch (f.specials) {
    case Specials::ieee: nan = ones | (1u << (f.mantissa - 1)); largest = ones - 1; break;
    case Specials::all_ones: nan = ones | frac; largest = nan - 1; break;
    case Specials::minus_zero: nan = top; largest = ones | frac; break;
    case Specials::none: nan = top; largest = ones | frac; break;  // neither: NaN becomes -0 and -NaN +0, as in ONNX's cases
  }
  if (std::isnan(x)) return f.specials == Specials::minus_zero ? nan : sign ^ nan;
  double a = std::fabs(x);
  int ex = a > 0 && !std::isinf(a) ? std::max(std::ilogb(a), 1 - f.bias) : 1 - f.bias;
  double q = std::isinf(a) ? INFINITY : std::nearbyint(std::ldexp(a, f.mantissa - ex));  // in units of the last place
  double limit = std::fabs(decode(t, largest));
  if (!(std::ldexp(q, ex - f.mantissa) <= limit)) {
    bool clamp = overflow == Overflow::saturate || f.specials == Specials::none;
    if (clamp) return sign | largest;
    if (f.specials == Specials::ieee) return sign | ones;
    return f.specials == Specials::minus_zero ? nan : sign | nan;
  }
  std::uint32_t v = std::uint32_t(q) + (std::uint32_t(ex + f.bias - 1) << f.mantissa);  // subnormals fall out: q < 2^m, ex = 1 - bias
  if (f.specials == Specials::minus_zero && v == 0) return 0;
  return sign | v;
}

}  // namespace saha
