#include "measure/difference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace saha::measure {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Extremes {
  double difference = 0, magnitude = 0, signal = 0, noise = 0;
  void add(double a, double b) {
    if (std::isfinite(a)) magnitude = std::max(magnitude, std::fabs(a)), signal += a * a;
    if (a == b || (std::isnan(a) && std::isnan(b))) return;
    const double d = std::fabs(a - b);
    difference = std::max(difference, std::isnan(d) ? kInfinity : d);
    noise += d * d;
  }
};

void compare(const Tensor& a, const Tensor& b, Extremes& e) {
  if (a.dtype != b.dtype || a.dims != b.dims) return void(e.difference = kInfinity);
  if (a.dtype == DType::string) {
    if (*a.text != *b.text) e.difference = kInfinity;
  } else if (is_complex(a.dtype)) {
    for (std::int64_t i = 0; i < 2 * a.size(); ++i)
      a.dtype == DType::c64 ? e.add(double(a.as<float>()[i]), double(b.as<float>()[i])) : e.add(a.as<double>()[i], b.as<double>()[i]);
  } else {
    constexpr std::int64_t kPiece = 4096;
    double x[kPiece], y[kPiece];
    for (std::int64_t at = 0; at < a.size(); at += kPiece) {
      const auto n = std::min(kPiece, a.size() - at);
      load(a, at, 1, n, x);
      load(b, at, 1, n, y);
      for (std::int64_t i = 0; i < n; ++i) e.add(x[i], y[i]);
    }
  }
}

void compare(const Datum& a, const Datum& b, Extremes& e) {
  if (a.kind != b.kind) return void(e.difference = kInfinity);
  if (a.kind == Datum::Kind::tensor) return compare(a.tensor, b.tensor, e);
  if (a.kind == Datum::Kind::none) return;
  if (a.list().size() != b.list().size()) return void(e.difference = kInfinity);
  for (std::size_t i = 0; i < a.list().size(); ++i) compare(a.list()[i], b.list()[i], e);
}

}  // namespace

Difference difference(const Datum& reference, const Datum& other) {
  Extremes e;
  compare(reference, other, e);
  const double noise = std::isinf(e.difference) ? kInfinity : e.noise == 0 ? 0 : e.noise / e.signal;
  return {e.difference, e.difference / std::max(1.0, e.magnitude), noise};
}

Difference difference(std::span<const Datum> reference, std::span<const Datum> other) {
  if (reference.size() != other.size()) return {kInfinity, kInfinity, kInfinity};
  Difference worst;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const Difference d = difference(reference[i], other[i]);
    worst = {std::max(worst.absolute, d.absolute), std::max(worst.relative, d.relative), std::max(worst.noise, d.noise)};
  }
  return worst;
}

}  // namespace saha::measure
