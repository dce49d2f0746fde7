// Intervals and linear bounds of functions of one variable, from the facts of their curve. A slope may be any number; what makes a line sound is its constant, the
// largest distance of f from slope * x, which lies at an end or where f's slope is the line's.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "verify/sweep.hpp"

namespace saha::verify {
namespace {
using Shape = op::Curve::Shape;
constexpr double kHuge = 1e30, kUnit = 0x1p-24;

/// Where f's slope is s between a and b, on which it changes one way. The nearer end where it is not reached.
double where_slope(const Unary& f, double s, double a, double b) {
  const bool rises = f.slope(b) > f.slope(a);
  for (int i = 0; i < 60 && b - a > 1e-14 * (std::fabs(a) + std::fabs(b)); ++i) {
    const double m = 0.5 * (a + b);
    ((f.slope(m) < s) == rises ? a : b) = m;
  }
  return 0.5 * (a + b);
}

/// Points of [lo, hi] among which f - s x has its extremes, but for a distance that kSafety covers.
int extremes(const Unary& f, double s, double lo, double hi, double* at) {
  int n = 0;
  at[n++] = lo, at[n++] = hi;
  if (f.kind == Unary::Kind::sine) {
    if (std::fabs(s) > 1) return n;
    const double a = std::acos(s), turn = 2 * std::numbers::pi;
    for (double root : {a, -a}) {                  // cos(x + shift) = s
      const double first = std::ceil((lo + f.shift - root) / turn);
      for (int k = 0; k < 2; ++k)                  // extremes repeat with the line's drift: the outermost ones are enough
        if (double x = root + (first + k) * turn - f.shift; x > lo && x < hi) at[n++] = x;
      const double last = std::floor((hi + f.shift - root) / turn);
      if (double x = root + last * turn - f.shift; x > lo && x < hi) at[n++] = x;
    }
    return n;
  }
  if (f.kind == Unary::Kind::relu) {
    if (lo < 0 && hi > 0) at[n++] = 0;
    return n;
  }
  const Shape shape = f.kind == Unary::Kind::reciprocal ? Shape::convex : f.curve->shape;
  if (shape == Shape::convex || shape == Shape::concave) {
    at[n++] = where_slope(f, s, lo, hi);
  } else if (shape == Shape::convex_concave || shape == Shape::concave_convex) {
    const double bend = std::clamp(f.curve->bend, lo, hi);
    if (bend > lo) at[n++] = where_slope(f, s, lo, bend);
    if (bend < hi) at[n++] = where_slope(f, s, bend, hi);
  } else if (f.curve->bend > lo && f.curve->bend < hi) {
    at[n++] = f.curve->bend;
  }
  return n;
}

bool defined(const Unary& f, double lo, double hi) {
  if (!(lo >= -kHuge && hi <= kHuge && lo <= hi)) return false;
  if (f.kind == Unary::Kind::reciprocal && lo <= 0 && hi >= 0) return false;
  const double a = f.value(lo), b = f.value(hi);
  return std::fabs(a) <= kHuge && std::fabs(b) <= kHuge;
}

/// The tangent that a side of the curve takes: at x where it meets f only there, between `from` (an end on the other side of the bend) and `to`.
double tangent_from(const Unary& f, double from, double a, double b) {
  // The tangent at t goes through (from, f(from)): find the sign change of f(t) + f'(t)(from - t) - f(from).
  auto miss = [&](double t) { return f.value(t) + f.slope(t) * (from - t) - f.value(from); };
  const bool sign = miss(b) > 0;
  if ((miss(a) > 0) == sign) return b;
  for (int i = 0; i < 40; ++i) {
    const double m = 0.5 * (a + b);
    ((miss(m) > 0) == sign ? b : a) = m;
  }
  return 0.5 * (a + b);
}
}  // namespace

std::pair<double, double> range_of(const Unary& f, double lo, double hi) {
  if (f.kind == Unary::Kind::relu) return {std::max(lo, 0.0), std::max(hi, 0.0)};
  if (!defined(f, lo, hi)) return {-INFINITY, INFINITY};
  double at[12], least = INFINITY, most = -INFINITY;
  const bool stair = f.kind == Unary::Kind::stair;
  const int n = stair ? 2 : extremes(f, 0, lo, hi, at);
  if (stair) at[0] = lo, at[1] = hi;
  for (int i = 0; i < n; ++i) least = std::min(least, f.value(at[i])), most = std::max(most, f.value(at[i]));
  const double off = stair ? 0 : (f.ulp * kUnit + 1e-13) * std::max(std::fabs(least), std::fabs(most)) + 1e-37;
  return {least - off, most + off};
}

Plane above_difference(Interval x, Interval y, Interval d, Plane* second) {
  // What bounds x, y and x - y, with the edges of both ReLUs, cuts the plane into pieces on which the difference is linear: a plane is above where it is above at their corners.
  double px[32], py[32], f[32];
  int n = 0;
  const double tiny = 1e-12 * (std::fabs(double(x.lo)) + std::fabs(double(x.hi)) + std::fabs(double(y.lo)) + std::fabs(double(y.hi)));
  auto corner = [&](double a, double b, bool any = false) {
    if (!any && (a < double(x.lo) - tiny || a > double(x.hi) + tiny || b < double(y.lo) - tiny || b > double(y.hi) + tiny || a - b < double(d.lo) - tiny || a - b > double(d.hi) + tiny)) return;
    px[n] = a, py[n] = b, f[n++] = std::max(a, 0.0) - std::max(b, 0.0);
  };
  for (double a : {double(x.lo), 0.0, double(x.hi)}) {
    for (double b : {double(y.lo), 0.0, double(y.hi)}) corner(a, b);
    for (double e : {double(d.lo), double(d.hi)}) corner(a, a - e);
  }
  for (double b : {double(y.lo), 0.0, double(y.hi)}) for (double e : {double(d.lo), double(d.hi)}) corner(b + e, b);
  if (n == 0) for (double a : {double(x.lo), double(x.hi)}) for (double b : {double(y.lo), double(y.hi)}) corner(a, b, true);  // they meet but for rounding
  auto chord = [](double lo, double hi) { return lo >= 0 ? 1.0 : hi <= 0 ? 0.0 : hi / (hi - lo); };
  const double u = chord(double(x.lo), double(x.hi)), v = chord(double(y.lo), double(y.hi)), w = chord(double(d.lo), double(d.hi));
  const std::pair<double, double> slopes[] = {{w, -w}, {u, 0}, {u, -1}, {u, -v}, {u, -u}, {v, -v}, {1, -1}, {0, 0}};
  double cx = 0, cy = 0;
  for (int i = 0; i < n; ++i) cx += px[i] / n, cy += py[i] / n;
  Plane best, next;
  double least = INFINITY, then = INFINITY;
  for (auto [a, b] : slopes) {                       // the plane that is least in the middle
    const float s = float(a), t = float(b);
    double most = -INFINITY, off = 0;
    for (int i = 0; i < n; ++i) {
      const double rest = f[i] - double(s) * px[i] - double(t) * py[i];
      most = std::max(most, rest), off -= rest / n;
    }
    const double middle = most + double(s) * cx + double(t) * cy;
    const Plane plane{s, t, std::nextafter(float(most + 4 * tiny), float(INFINITY)), float(most + off)};
    if (middle < least) next = best, then = least, best = plane, least = middle;
    else if (middle < then && (s != best.a || t != best.b)) next = plane, then = middle;
  }
  if (second) *second = then < INFINITY ? next : best;
  return best;
}

Line line_of(const Steps::Table& t, bool whole, std::size_t a, std::size_t b, double lo, double hi) {
  // Each line goes along an edge of the hull of the steps' ends over the middle, where it leaves least between; of many steps some are enough to choose its slope. Its constant is then found from all.
  struct Point {
    double x, y;
  };
  constexpr std::size_t kSome = 16;
  Point ends[2 * kSome + 4], hull[2 * kSome + 4];
  auto from = [&](std::size_t i) { return i == a ? lo : double(t.at[i - 1]); };
  auto to = [&](std::size_t i) { return i == b ? hi : double(t.at[i]) - (whole ? 1 : 0); };
  std::size_t n = 0;
  const std::size_t stride = (b - a + kSome - 1) / kSome;
  for (std::size_t i = a;; i = std::min(b, i + stride)) {  // from left to right
    ends[n++] = {from(i), double(t.value[i])}, ends[n++] = {to(i), double(t.value[i])};
    if (i == b) break;
  }
  Line l;
  const double middle = 0.5 * (lo + hi);
  double largest = 0;
  for (std::size_t i = a; i <= b; ++i) largest = std::max(largest, std::fabs(double(t.value[i])));
  for (double sign : {1.0, -1.0}) {                  // above, then below
    std::size_t m = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const Point p{ends[k].x, ends[k].y * sign};
      if (m > 0 && hull[m - 1].x >= p.x) {           // a jump: the upper of both
        if (hull[m - 1].y >= p.y) continue;
        --m;
      }
      while (m > 1) {
        const Point &u = hull[m - 2], &v = hull[m - 1];
        if ((v.y - u.y) * (p.x - u.x) > (p.y - u.y) * (v.x - u.x)) break;
        --m;
      }
      hull[m++] = p;
    }
    std::size_t i = 1;
    while (i + 1 < m && hull[i].x < middle) ++i;
    const float slope = m > 1 ? float(sign * (hull[i].y - hull[i - 1].y) / (hull[i].x - hull[i - 1].x)) : 0.0f;
    // Of a step the end that lies farther out.
    const double s = double(slope);
    const bool left = sign * s >= 0;
    double most = std::max(sign * (double(t.value[a]) - s * (left ? lo : to(a))), sign * (double(t.value[b]) - s * (left ? from(b) : hi)));
    const float *at = t.at.data(), *value = t.value.data();
    const double back = whole ? 1 : 0;
    if (left) for (std::size_t k = a + 1; k < b; ++k) most = std::max(most, sign * (double(value[k]) - s * double(at[k - 1])));
    else for (std::size_t k = a + 1; k < b; ++k) most = std::max(most, sign * (double(value[k]) - s * (double(at[k]) - back)));
    most += 1e-13 * (largest + std::fabs(s) * std::max(std::fabs(lo), std::fabs(hi)));
    if (sign > 0) l.au = slope, l.cu = std::nextafter(float(most), float(INFINITY));
    else l.al = slope, l.cl = std::nextafter(float(-most), -INFINITY);
  }
  l.ok = std::isfinite(l.al) && std::isfinite(l.au) && std::isfinite(l.cl) && std::isfinite(l.cu);
  return l;
}

Line line_of(const Unary& f, double lo, double hi) {
  Line l;
  if (!defined(f, lo, hi)) return {0, 0, 0, 0, false};
  const double a = f.value(lo), b = f.value(hi), width = hi - lo;
  const auto [least, most] = range_of(f, lo, hi);
  auto flat = [&] { return Line{0, std::nextafter(float(least), -INFINITY), 0, std::nextafter(float(most), float(INFINITY)), true}; };
  if (f.kind == Unary::Kind::stair) {
    // A line through the corners would lie on the wrong side of a step in between: only flat bounds hold for any stair.
    return flat();
  }
  if (width < 1e-7 * (std::fabs(lo) + std::fabs(hi)) + 1e-30) return flat();
  const double chord = (b - a) / width, middle = 0.5 * (lo + hi);
  double below = chord, above = chord;
  const Shape shape = f.kind == Unary::Kind::reciprocal ? (lo > 0 ? Shape::convex : Shape::concave) : f.kind == Unary::Kind::sine ? Shape::none : f.kind == Unary::Kind::relu ? Shape::linear_pieces : f.curve->shape;
  if (shape == Shape::convex) below = f.slope(middle);
  if (shape == Shape::concave) above = f.slope(middle);
  if (shape == Shape::convex_concave || shape == Shape::concave_convex) {
    const double bend = f.curve->bend;
    const bool convex_first = shape == Shape::convex_concave;
    // On one side of the bend it is convex or concave; across it each line touches its own side, from the far end.
    if (hi <= bend) (convex_first ? below : above) = f.slope(middle);
    else if (lo >= bend) (convex_first ? above : below) = f.slope(middle);
    else {
      double& first = convex_first ? below : above;   // touches left of the bend, from hi
      double& second = convex_first ? above : below;  // touches right of it, from lo
      first = f.slope(tangent_from(f, hi, bend, lo));
      second = f.slope(tangent_from(f, lo, bend, hi));
      if (tangent_from(f, hi, bend, lo) == lo) first = chord;
      if (tangent_from(f, lo, bend, hi) == hi) second = chord;
    }
  }
  if (shape == Shape::none) {                        // sine: the chord, or the tangent's slope where it curves one way
    const double s0 = f.value(lo), s1 = f.value(hi);
    if (width < std::numbers::pi && s0 > 0 && s1 > 0) above = f.slope(middle);
    else if (width < std::numbers::pi && s0 < 0 && s1 < 0) below = f.slope(middle);
    else if (width > 4) below = above = 0;
  }
  if (shape == Shape::linear_pieces) below = std::fabs(lo) > std::fabs(hi) ? f.slope(lo) : f.slope(hi);
  l.al = float(below), l.au = float(above);
  double at[12], down = INFINITY, up = -INFINITY, size = 0;
  for (int side = 0; side < 2; ++side) {
    const double s = side ? double(l.au) : double(l.al);
    const int n = extremes(f, s, lo, hi, at);
    for (int i = 0; i < n; ++i) {
      const double v = f.value(at[i]) - s * at[i];
      size = std::max({size, std::fabs(f.value(at[i])), std::fabs(s * at[i])});
      (side ? up : down) = side ? std::max(up, v) : std::min(down, v);
    }
  }
  const double off = 1e-11 * size + f.ulp * kUnit * std::max(std::fabs(least), std::fabs(most)) + 1e-37;
  l.cl = std::nextafter(float(down - off), -INFINITY), l.cu = std::nextafter(float(up + off), float(INFINITY));
  if (!std::isfinite(l.cl) || !std::isfinite(l.cu) || !std::isfinite(l.al) || !std::isfinite(l.au)) l.ok = false;
  return l;
}

}  // namespace saha::verify
