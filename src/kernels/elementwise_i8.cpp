#include "kernels/elementwise_i8.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/split.hpp"

namespace saha::kernels {

namespace {

/// What `real` makes of all pairs of bytes, byte of A by byte of B.
struct Pairs {
  const PairParams& p;

  float number(int byte, bool is_signed, std::int32_t zero, float scale) const { return float((is_signed ? static_cast<std::int8_t>(byte) : byte) - zero) * scale; }
  float sum(int i, int j) const {
    const float a = number(i, p.a_signed, p.a_zero, p.a_scale), b = number(j, p.b_signed, p.b_zero, p.b_scale);
    return p.walk.op == Binary::add ? a + b : p.walk.op == Binary::sub ? a - b : a * b;
  }
  std::int32_t stored(float v) const { return static_cast<std::int32_t>(std::clamp(static_cast<std::int64_t>(std::nearbyint(v)) + p.store.zero, std::int64_t{p.store.lo}, std::int64_t{p.store.hi})); }
  /// f(i, j) is stored as what the sum of each pair of `pairs` comes to is.
  template <class F>
  bool same(const std::vector<std::pair<int, int>>& pairs, F f) const {
    return std::ranges::all_of(pairs, [&](const auto& at) {
      const float exact = sum(at.first, at.second) / p.y_scale, v = f(at.first, at.second);
      return std::abs(exact) < kMost && std::abs(v) < kMost && stored(exact) == stored(v);
    });
  }
  static constexpr float kMost = 1e9f;   // within int32
};

float stepped(float v, int ulps) {
  for (; ulps > 0; --ulps) v = std::nextafter(v, INFINITY);
  for (; ulps < 0; ++ulps) v = std::nextafter(v, -INFINITY);
  return v;
}
/// Factors and an offset that store all pairs alike. Where the nearest ones fall on the wrong side of a tie, some that lie beside them may not.
bool set_linear(const Pairs& all, const std::vector<std::pair<int, int>>& pairs, PairParams& p) {
  if (p.walk.op == Binary::mul) return false;
  constexpr int kBeside = 2;
  const double sign = p.walk.op == Binary::sub ? -1 : 1, a = double(p.a_scale) / double(p.y_scale), b = sign * double(p.b_scale) / double(p.y_scale);
  std::vector<std::pair<int, int>> close;   // to a tie
  for (const auto& at : pairs)
    if (const float v = all.sum(at.first, at.second) / p.y_scale; std::abs(std::abs(v - std::nearbyint(v)) - 0.5f) < 1e-3f) close.push_back(at);
  for (int i = -kBeside; i <= kBeside; ++i)
    for (int j = -kBeside; j <= kBeside; ++j) {
      p.a_factor = stepped(float(a), i), p.b_factor = stepped(float(b), j);
      const float offset = float(-double(p.a_factor) * (p.a_zero + (p.a_signed ? 128 : 0)) - double(p.b_factor) * (p.b_zero + (p.b_signed ? 128 : 0)));
      for (int k = -kBeside; k <= kBeside; ++k) {
        p.offset = stepped(offset, k);
        const auto v = [&](int x, int y) { return std::fma(float(p.a_signed ? x ^ 128 : x), p.a_factor, std::fma(float(p.b_signed ? y ^ 128 : y), p.b_factor, p.offset)); };
        if (all.same(close, v) && all.same(pairs, v)) return true;
      }
    }
  p.a_factor = p.b_factor = p.offset = 0;
  return false;
}

}  // namespace

void set_real_op(Isa isa, PairParams& p) {
  p.op = PairOp::real;
  if (isa == Isa::generic || !(p.y_scale > 0)) return;
  const Pairs all{p};
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < 256; ++i)
    for (int j = 0; j < 256; ++j) pairs.emplace_back(i, j);
  if (set_linear(all, pairs, p)) {
    p.op = PairOp::linear;
    return;
  }
  const float inverse = 1 / p.y_scale;
  const auto corrected = [&](int i, int j) {
    const float x = all.sum(i, j), q = x * inverse;
    return std::fma(std::fma(-q, p.y_scale, x), inverse, q);
  };
  if (all.same(pairs, corrected)) p.op = PairOp::real_by_inverse;
}

std::uint32_t grid(const TableParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const PairParams& p) { return p.walk.pieces; }
std::uint32_t grid(const QuantizeParams& p) { return pieces_of_rows(p.n, 1); }
std::uint32_t grid(const DynamicParams& p) { return pieces_of_rows(p.rows, p.n); }
std::uint32_t grid(const DequantizeParams& p) { return pieces_of_rows(p.n, 1); }

}  // namespace saha::kernels
