#include "kernels/elementwise_i8.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/split.hpp"

namespace saha::kernels {

namespace {

/// All pairs of bytes, pair 256 i + j of byte i of A and byte j of B, and what `real` makes of them.
class Pairs {
 public:
  explicit Pairs(const PairParams& p) : p_(p) {
    for (int at = 0; at < kPairs; ++at) {
      const float a = number(at / 256, p.a_signed, p.a_zero, p.a_scale), b = number(at % 256, p.b_signed, p.b_zero, p.b_scale);
      const float sum = p.walk.op == Binary::add ? a + b : p.walk.op == Binary::sub ? a - b : a * b, exact = sum / p.y_scale;
      within_ = std::abs(exact) < kMost;
      if (!within_) return;
      sums_.push_back(sum), stored_.push_back(stored(exact)), all_.push_back(at);
      if (std::abs(std::abs(exact - rounded(exact)) - 0.5f) < kClose) close_.push_back(at);
    }
  }
  float sum(int at) const { return sums_[static_cast<std::size_t>(at)]; }
  /// What f(pair) says is stored as `real` stores it, always. Those close to a tie are looked at first.
  template <class F>
  bool same(F f) const {
    const auto as_real = [&](int at) {
      const float v = f(at);
      return std::abs(v) < kMost && stored(v) == stored_[static_cast<std::size_t>(at)];
    };
    return within_ && std::ranges::all_of(close_, as_real) && std::ranges::all_of(all_, as_real);
  }

 private:
  static constexpr int kPairs = 65536;
  static constexpr float kMost = 1e9f, kClose = 1e-3f;   // within int32
  static float number(int byte, bool is_signed, std::int32_t zero, float scale) { return float((is_signed ? static_cast<std::int8_t>(byte) : byte) - zero) * scale; }
  static float rounded(float v) {   // to nearest, ties to even; what is larger is stored as a bound anyway
    constexpr float kLarge = 4e6f, kUnits = 12582912;
    return (std::clamp(v, -kLarge, kLarge) + kUnits) - kUnits;
  }
  std::int32_t stored(float v) const { return std::clamp(static_cast<std::int32_t>(rounded(v)) + p_.store.zero, p_.store.lo, p_.store.hi); }

  const PairParams& p_;
  std::vector<float> sums_;
  std::vector<std::int32_t> stored_;
  std::vector<int> all_, close_;
  bool within_ = true;
};

float stepped(float v, int ulps) {
  for (; ulps > 0; --ulps) v = std::nextafter(v, INFINITY);
  for (; ulps < 0; ++ulps) v = std::nextafter(v, -INFINITY);
  return v;
}
/// Factors and an offset that store all pairs alike. Where the nearest ones fall on the wrong side of a tie, some that lie beside them may not.
bool set_linear(const Pairs& pairs, PairParams& p) {
  if (p.walk.op == Binary::mul) return false;
  constexpr int kBeside = 2;
  const double sign = p.walk.op == Binary::sub ? -1 : 1, a = double(p.a_scale) / double(p.y_scale), b = sign * double(p.b_scale) / double(p.y_scale);
  const int a_flip = p.a_signed ? 128 : 0, b_flip = p.b_signed ? 128 : 0;
  for (int i = -kBeside; i <= kBeside; ++i)
    for (int j = -kBeside; j <= kBeside; ++j) {
      p.a_factor = stepped(float(a), i), p.b_factor = stepped(float(b), j);
      const float offset = float(-double(p.a_factor) * (p.a_zero + a_flip) - double(p.b_factor) * (p.b_zero + b_flip));
      for (int k = -kBeside; k <= kBeside; ++k) {
        p.offset = stepped(offset, k);
        if (pairs.same([&](int at) { return std::fma(float(at / 256 ^ a_flip), p.a_factor, std::fma(float(at % 256 ^ b_flip), p.b_factor, p.offset)); })) return true;
      }
    }
  p.a_factor = p.b_factor = p.offset = 0;
  return false;
}

}  // namespace

void set_real_op(Isa isa, PairParams& p) {
  p.op = PairOp::real;
  if (isa == Isa::generic || !(p.y_scale > 0)) return;
  const Pairs pairs(p);
  const float inverse = 1 / p.y_scale;
  const auto corrected = [&](int at) {
    const float x = pairs.sum(at), q = x * inverse;
    return std::fma(std::fma(-q, p.y_scale, x), inverse, q);
  };
  if (set_linear(pairs, p)) p.op = PairOp::linear;
  else if (pairs.same(corrected)) p.op = PairOp::real_by_inverse;
}

std::uint32_t grid(const TableParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const PairParams& p) { return p.walk.pieces; }
std::uint32_t grid(const QuantizeParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const QuantizeRgbParams& p) { return static_cast<std::uint32_t>(p.images * ((p.points + kRgbPoints - 1) / kRgbPoints)); }
std::uint32_t grid(const DynamicParams& p) { return pieces_of_rows(p.rows, p.n); }
std::uint32_t grid(const DequantizeParams& p) { return pieces_of_rows(p.n, 1); }

}  // namespace saha::kernels
