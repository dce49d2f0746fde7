#include "kernels/rescale.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace saha::kernels {
namespace {

/// The rule of which `r` is a variant.
Rescaling general(Rescaling r) { return r == Rescaling::near ? Rescaling::twice : r == Rescaling::real_near ? Rescaling::real : r; }

}  // namespace

std::optional<Rescaling> rescaling(const Requant& r, std::int64_t bound, std::int32_t zero, bool wraps) {
  constexpr double kInt32 = 2147483648.0;
  const double sum = double(std::min<std::int64_t>(bound, std::int64_t{1} << 31));
  switch (r.rule) {
    case Rounding::float_even:
      if (!std::isfinite(r.scale) || !(r.scale > 0)) return {};
      // Vectors clamp long before int32 ends; where the zero point then wraps, that would be seen.
      if (wraps && sum * double(r.scale) * (1 + 1e-6) + std::abs(zero) + 1 >= kInt32) return {};
      return sum * double(r.scale) * (1 + 1e-6) + std::abs(zero) + 1 < kInt32 ? Rescaling::real_near : Rescaling::real;
    case Rounding::fixed_double:
    case Rounding::fixed_legacy: {
      if (!wraps) return {};
      // near: x + 2^(n - 1) + (zero << n), with x no larger than the sum, stays within int32.
      const int right = -r.fixed.shift;
      const bool room = right >= 1 && right <= 22 && sum + std::ldexp(std::abs(zero) + 1.0, right) < kInt32;
      return room ? Rescaling::near : Rescaling::twice;
    }
    case Rounding::fixed_single:
      // Shifts of 31 and more leave no product beyond int32; others are not clamped.
      if (!wraps || (r.fixed.shift > 0 && std::ldexp(sum * r.fixed.multiplier, r.fixed.shift - 31) + 1 >= kInt32)) return {};
      return Rescaling::once;
    case Rounding::fixed_wide: break;
  }
  return {};
}

std::optional<Rescaling> rescaling(std::span<const Requant> r, std::int64_t bound, std::int32_t zero, bool wraps) {
  std::optional<Rescaling> common;
  for (const Requant& q : r) {
    const auto rule = rescaling(q, bound, zero, wraps);
    if (!rule || (common && general(*rule) != general(*common))) return {};
    common = common ? std::min(*common, *rule) : *rule;  // a rule stands before its variant with fewer steps
  }
  return common;
}

void pack_rescale_block(Isa isa, const Store& store, std::span<const Requant> r, std::span<const std::int32_t> begin, int n, std::int32_t* out) {
  const int w = lanes(isa);
  std::fill_n(out, rescale_block_size(isa), 0);
  const auto put64 = [&](std::int32_t* row, int pair, std::uint64_t v) { std::memcpy(row + 2 * pair, &v, sizeof v); };
  for (int v = 0; v < 2; ++v)
    for (int l = 0; l < w; ++l) {
      std::int32_t* rows = out + v * kRescaleRows * w;
      const auto row = [&](int i) { return rows + i * w; };
      const int c = block_column(v, l);
      if (c < n && !begin.empty()) row(0)[l] = begin[std::size_t(c)];
      if (r.empty()) continue;
      const Requant& q = r[r.size() == 1 ? 0 : std::size_t(std::min(c, n - 1))];
      const int shift = q.fixed.shift;
      switch (q.rule) {
        case Rounding::float_even: std::memcpy(row(1) + l, &q.scale, sizeof q.scale); break;
        case Rounding::fixed_double:
        case Rounding::fixed_legacy: {
          const int right = shift < 0 ? -shift : 0;
          const auto mask = std::int32_t((std::int64_t{1} << right) - 1);
          row(1)[l] = q.fixed.multiplier;
          if (l % 2) row(2)[l - 1] = q.fixed.multiplier;
          if (store.rule == Rescaling::near) {
            row(3)[l] = right, row(4)[l] = (1 << (right - 1)) + store.zero * (1 << right);
            break;
          }
          row(3)[l] = shift > 0 ? shift : 0, row(4)[l] = right, row(5)[l] = mask, row(6)[l] = mask >> 1;
          break;
        }
        case Rounding::fixed_single: {
          const int right = 31 - shift;
          row(1)[l] = q.fixed.multiplier;
          if (l % 2) row(2)[l - 1] = q.fixed.multiplier;
          put64(row(3 + l % 2), l / 2, (std::uint64_t{1} << (right - 1)) + (std::uint64_t{1} << 62));  // half, and what makes every sum positive
          put64(row(5 + l % 2), l / 2, std::uint64_t(right));
          row(7)[l] = std::int32_t(std::uint32_t(std::uint64_t{1} << (62 - right)));
          break;
        }
        case Rounding::fixed_wide: break;
      }
    }
}

}  // namespace saha::kernels
