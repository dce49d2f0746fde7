#include "verify/steps.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace saha::verify {

namespace {
/// Rises with x, and so do its roundings.
std::size_t part_of(const Steps::Table& t, double x) {
  return std::min(t.start.size() - 1, std::size_t((x - double(t.at.front())) * t.parts));
}
}  // namespace

void Steps::Table::divide() {
  start.clear();
  if (at.size() < 4) return;
  start.assign(2 * at.size() + 1, 0);
  parts = double(2 * at.size()) / (double(at.back()) - double(at.front()));
  for (float x : at) {
    const std::size_t part = part_of(*this, double(x));
    if (part + 1 < start.size()) ++start[part + 1];
  }
  for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
}

void Steps::Table::round_at(float by) {
  if (at.empty() || !(by > 0) || value.front() > value.back()) return;
  auto rounded = [&](float x) { return std::nearbyint(x * by); };
  base = value[1] - rounded(at[0]);
  for (std::size_t i = 0; i < at.size(); ++i)        // rounding never falls either: what agrees at both ends of a step agrees between
    if (std::clamp(rounded(at[i]) + base, value.front(), value.back()) != value[i + 1] || std::clamp(rounded(at[i] - 1) + base, value.front(), value.back()) != value[i]) return;
  scale = by;
}

std::size_t Steps::Table::index(double x) const {
  if (start.empty()) return std::size_t(std::upper_bound(at.begin(), at.end(), x) - at.begin());
  if (!(x >= double(at.front()))) return 0;
  if (x >= double(at.back())) return at.size();
  std::size_t i = std::size_t(start[part_of(*this, x)]);
  i += double(at[i]) <= x;                           // a part mostly has one
  while (double(at[i]) <= x) ++i;
  return i;
}
double Steps::Table::least() const { return double(*std::min_element(value.begin(), value.end())); }
double Steps::Table::most() const { return double(*std::max_element(value.begin(), value.end())); }

namespace {
/// The keys of [lo, hi] at which f rises, and the values from there on; the first value is f(lo).
template <class F> bool rises(std::int64_t lo, std::int64_t hi, std::size_t most, F f, std::vector<std::int64_t>& keys, std::vector<std::int64_t>& found) {
  const std::int64_t end = f(hi);
  std::int64_t v = f(lo), at = lo;
  found.push_back(v);
  const std::int64_t stride = std::max<std::int64_t>(1, (hi - lo) / std::max<std::int64_t>(1, end - v));
  while (v < end) {
    if (found.size() == most) return false;
    std::int64_t below = at, above = hi;             // f(below) <= v < f(above)
    for (std::int64_t span = stride; above - below > span; span *= 2) {
      if (f(below + span) > v) above = below + span;
      else below += span;
    }
    while (above - below > 1) {
      const std::int64_t middle = below + (above - below) / 2;
      (f(middle) > v ? above : below) = middle;
    }
    at = above, v = f(above);
    keys.push_back(at), found.push_back(v);
  }
  return true;
}
/// float32 numbers in order, as integers.
float float_at(std::int64_t key) { return key >= 0 ? std::bit_cast<float>(std::int32_t(key)) : -std::bit_cast<float>(std::int32_t(-key)); }
}  // namespace

Steps::Table steps_of(std::int64_t lo, std::int64_t hi, std::size_t most, const std::function<std::int64_t(std::int64_t)>& f) {
  std::vector<std::int64_t> keys, found;
  if (!rises(lo, hi, most, f, keys, found)) return {};
  return {{keys.begin(), keys.end()}, {found.begin(), found.end()}};
}

Steps::Table steps_of_float(std::size_t most, const std::function<std::int64_t(float)>& f) {
  constexpr std::int64_t kEnd = 0x7F7FFFFF;          // the largest float32
  std::vector<std::int64_t> keys, found;
  if (!rises(-kEnd, kEnd, most, [&](std::int64_t k) { return f(float_at(k)); }, keys, found)) return {};
  Steps::Table t;
  for (std::int64_t k : keys) t.at.push_back(float_at(k));
  t.value.assign(found.begin(), found.end());
  return t;
}

void map_values(Steps::Table& t, const std::function<std::int64_t(std::int64_t)>& f) {
  Steps::Table r;
  for (std::size_t i = 0; i < t.value.size(); ++i) {
    const float v = float(f(std::int64_t(t.value[i])));
    if (!r.value.empty() && r.value.back() == v) continue;
    if (i > 0) r.at.push_back(t.at[i - 1]);
    r.value.push_back(v);
  }
  t = std::move(r);
}

Factor factor_of(const Requant& r, double largest) {
  const double fixed = std::ldexp(double(r.fixed.multiplier), r.fixed.shift - 31);
  switch (r.rule) {
    case Rounding::float_even: return {double(r.scale), 0.5 + largest * double(r.scale) * 0x1.01p-23};  // the sum, then the product, in float32
    case Rounding::fixed_double:
    case Rounding::fixed_legacy: return {fixed, 0.5 + (r.fixed.shift < 0 ? std::ldexp(0.5, r.fixed.shift) : 0)};
    case Rounding::fixed_single: return {fixed, 0.5};
    case Rounding::fixed_wide: {
      const std::int64_t m = r.fixed.multiplier < 0x7FFF0000 ? (std::int64_t(r.fixed.multiplier) + (1 << 15)) >> 16 : 0x7FFF;
      return {std::ldexp(double(m), r.fixed.shift - 15), 0.5};
    }
  }
  return {};
}

}  // namespace saha::verify
