#include "verify/property.hpp"

#include <algorithm>

namespace saha::verify {
namespace {

bool within(const Box& box, std::span<const double> x, double tolerance) {
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!(x[i] >= box.lo[i] - tolerance && x[i] <= box.hi[i] + tolerance)) return false;
  return true;
}

bool holds(const Row& row, std::span<const double> x, std::span<const double> y, double tolerance) {
  double sum = 0, slack = 0;
  for (auto [i, factor] : row.x) sum += factor * x[std::size_t(i)], slack += std::abs(factor) * tolerance;
  for (auto [i, factor] : row.y) sum += factor * y[std::size_t(i)];
  if (!row.y.empty()) slack = 0;
  return row.strict ? sum < row.bound + slack : sum <= row.bound + slack;
}

}  // namespace

std::optional<std::size_t> satisfied_case(const Property& property, std::span<const double> x, std::span<const double> y, double input_tolerance) {
  if (std::int64_t(x.size()) != property.inputs || std::int64_t(y.size()) != property.outputs) return {};
  for (std::size_t k = 0; k < property.cases.size(); ++k) {
    const Case& c = property.cases[k];
    if (within(*c.box, x, input_tolerance) && std::ranges::all_of(c.rows, [&](const Row& r) { return holds(r, x, y, input_tolerance); })) return k;
  }
  return {};
}

bool satisfies(const Property& property, std::span<const double> x, std::span<const double> y, double input_tolerance) {
  return satisfied_case(property, x, y, input_tolerance).has_value();
}

}  // namespace saha::verify
