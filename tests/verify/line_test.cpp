// Lines and ranges of every curve of the operator table hold at samples, judged in long double, with the error that an engine's evaluation may have.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "verify/sweep.hpp"

using namespace saha;
using namespace saha::verify;

namespace {
double square(double x, const ir::Attrs&) { return x * x; }
double square_slope(double x, const ir::Attrs&) { return 2 * x; }
constexpr op::Curve kSquare{.f = square, .slope = square_slope, .shape = op::Curve::Shape::convex};

struct Function {
  std::string name;
  Unary unary;
};
/// Every curve with the attributes it has by default, and what lower() makes besides.
std::vector<Function> functions() {
  std::vector<Function> all;
  for (const op::Entry& e : op::entries()) {
    const op::OpDef& d = *e.def;
    if (!d.curve.f) continue;
    ir::Attrs attrs;
    for (const op::AttrParam& p : e.signature.attrs) if (p.initial) attrs.push_back({std::string(p.name), *p.initial});
    const bool stair = d.curve.shape == op::Curve::Shape::none;
    all.push_back({std::string(d.name.str()), {.kind = stair ? Unary::Kind::stair : Unary::Kind::curve, .curve = &d.curve, .attrs = std::make_shared<const ir::Attrs>(attrs), .ulp = stair ? 0.0f : float(2 * std::max(d.max_ulp, 1))}});
  }
  const auto none = std::make_shared<const ir::Attrs>();
  all.push_back({"Reciprocal", {.kind = Unary::Kind::reciprocal, .ulp = 1}});
  all.push_back({"sine", {.kind = Unary::Kind::sine, .ulp = 4}});
  all.push_back({"cosine", {.kind = Unary::Kind::sine, .shift = std::acos(0.0), .ulp = 4}});
  all.push_back({"square", {.kind = Unary::Kind::curve, .curve = &kSquare, .attrs = none, .ulp = 1}});
  all.push_back({"Relu", {}});
  return all;
}

/// Where functions are easily got wrong: tiny, huge, degenerate, across the bend, far tails.
std::pair<float, float> interval(std::mt19937_64& random) {
  auto unit = [&] { return std::uniform_real_distribution<double>(0, 1)(random); };
  auto size = [&](double from, double to) { return std::pow(10.0, from + (to - from) * unit()); };
  auto sign = [&] { return random() & 1 ? 1.0 : -1.0; };
  double a = 0, b = 0;
  switch (random() % 9) {
    case 0: a = sign() * size(-3, 1), b = a + size(-8, 1); break;
    case 1: a = -size(-6, 2), b = size(-6, 2); break;                // across 0
    case 2: a = sign() * size(0, 12), b = a * (1 + sign() * size(-8, 0)); break;
    case 3: a = b = sign() * size(-4, 3); break;
    case 4: a = sign() * size(-30, -5), b = sign() * size(-30, -5); break;
    case 5: a = sign() * size(0, 2.2), b = a + size(-5, 2); break;   // tails
    case 6: a = 0, b = sign() * size(-20, 3); break;
    case 7: a = 2 * unit() - 1, b = 2 * unit() - 1; break;
    default: a = sign() * 1.0, b = sign() * unit(); break;           // where Asin, Acosh and Atanh end
  }
  const float x = float(a), y = float(b);
  return {std::min(x, y), std::max(x, y)};
}
}  // namespace

TEST(Line, and_range_hold_at_samples_of_any_interval) {
  std::mt19937_64 random(7);
  for (const Function& f : functions()) {
    int good = 0;
    std::string wrong;
    for (int trial = 0; trial < 600 && wrong.empty(); ++trial) {
      const auto [lo, hi] = interval(random);
      const Line l = line_of(f.unary, double(lo), double(hi));
      const auto [least, most] = range_of(f.unary, double(lo), double(hi));
      good += l.ok;
      auto at = [&](double x, double error) {
        const long double y = f.unary.value(x), off = (long double)error * 0x1p-24L * std::fabs(y);
        auto say = [&](const char* what) { wrong = std::string(what) + " on [" + std::to_string(lo) + " " + std::to_string(hi) + "], width " + std::to_string(double(hi) - double(lo)) + ", at " + std::to_string(x) + ": " + std::to_string(double(y)); };
        if (!std::isfinite(double(y))) {
          if (l.ok) say("no finite value, but lines");
          return;
        }
        if (!(y - off >= least && y + off <= most) && std::isfinite(least)) say("the range");
        if (!l.ok) return;
        // y may be off the truth by some units in the last place of float64, itself below what is allowed for.
        const long double slack = 4e-16L * (std::fabs(y) + std::fabs((long double)l.al * x) + std::fabs((long double)l.au * x));
        if (!((long double)l.al * x + l.cl <= y - off + slack)) say("the lower line");
        if (!((long double)l.au * x + l.cu >= y + off - slack)) say("the upper line");
      };
      const int samples = lo == hi ? 1 : 60;
      for (int i = 0; i <= samples; ++i) {
        const double t = i < 30 ? double(i) / 29 : std::uniform_real_distribution<double>(0, 1)(random), x = std::clamp(double(lo) + t * (double(hi) - double(lo)), double(lo), double(hi));
        for (double v : {x, double(std::clamp(float(x), lo, hi))}) at(v, double(f.unary.ulp));
      }
      // Towards the ends and the bend in ever smaller steps.
      for (double from : {double(lo), double(hi), std::clamp(f.unary.curve ? f.unary.curve->bend : 0.0, double(lo), double(hi))})
        for (double step = double(hi) - double(lo); step > 1e-6 * (double(hi) - double(lo)); step *= 0.1)
          for (double s : {-1.0, 1.0}) at(std::clamp(from + s * step, double(lo), double(hi)), double(f.unary.ulp));
    }
    EXPECT_EQ(wrong, "") << f.name;
    EXPECT_GT(good, 20) << f.name;
  }
}

TEST(Line, planes_lie_above_the_difference_of_two_relus) {
  std::mt19937_64 random(5);
  auto uniform = [&](double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(random); };
  for (int k = 0; k < 4000; ++k) {
    const double size = std::pow(10.0, uniform(-6, 4)), apart = std::pow(10.0, uniform(-4, 0)) * size;
    auto interval = [&](double s) {
      const double a = uniform(-s, s), b = random() % 8 ? uniform(-s, s) : a;
      return Interval{float(std::min(a, b)), float(std::max(a, b))};
    };
    const Interval x = interval(size), y = random() % 2 ? interval(size) : Interval{x.lo - float(apart), x.hi + float(apart)};
    const double less = double(x.lo) - double(y.hi), more = double(x.hi) - double(y.lo), from = uniform(less, more), to = uniform(from, more);
    const Interval d{float(from), float(to)};
    Plane next;
    const Plane p = above_difference(x, y, d, &next);
    ASSERT_TRUE(std::fabs(p.a) <= 1 && std::fabs(p.b) <= 1 && std::isfinite(p.c));
    ASSERT_TRUE(std::fabs(next.a) <= 1 && std::fabs(next.b) <= 1 && std::isfinite(next.c));
    for (int i = 0; i < 60; ++i) {
      const double a = i % 4 ? uniform(double(x.lo), double(x.hi)) : double(i % 8 ? x.lo : x.hi), b = i % 3 ? uniform(double(y.lo), double(y.hi)) : std::clamp(a - double(i % 2 ? d.lo : d.hi), double(y.lo), double(y.hi));
      if (a - b < double(d.lo) || a - b > double(d.hi)) continue;
      for (const Plane& above : {p, next})
        EXPECT_GE(double(above.a) * a + double(above.b) * b + double(above.c), std::max(a, 0.0) - std::max(b, 0.0)) << "x in [" << x.lo << ", " << x.hi << "], y in [" << y.lo << ", " << y.hi << "], x - y in [" << d.lo << ", " << d.hi << "]";
    }
  }
}

TEST(Line, has_none_where_the_function_is_not_finite) {
  auto none = [](const char* name, double lo, double hi) {
    const op::OpDef& d = *op::find(name)->def;
    const Unary u{.kind = Unary::Kind::curve, .curve = &d.curve, .attrs = std::make_shared<const ir::Attrs>(), .ulp = 2};
    const auto [least, most] = range_of(u, lo, hi);
    return !line_of(u, lo, hi).ok && std::isinf(least) && std::isinf(most);
  };
  EXPECT_TRUE(none("Log", 0, 1));
  EXPECT_TRUE(none("Log", -1, 1));
  EXPECT_TRUE(none("Sqrt", -1e-30, 1));
  EXPECT_TRUE(none("Exp", 0, 1000));
  EXPECT_TRUE(none("Exp", -INFINITY, 0));
  EXPECT_TRUE(none("Asin", -1, 1.5));
  EXPECT_TRUE(none("Acosh", 0.5, 3));
  EXPECT_TRUE(none("Atanh", 0, 1));
  EXPECT_TRUE(none("Tanh", NAN, 1));
  EXPECT_TRUE(none("Tanh", 0, INFINITY));
  EXPECT_TRUE(none("Tanh", 2, 1));
  const Unary reciprocal{.kind = Unary::Kind::reciprocal};
  EXPECT_FALSE(line_of(reciprocal, -1, 1).ok);
  EXPECT_FALSE(line_of(reciprocal, 0, 1).ok);
  EXPECT_FALSE(line_of(reciprocal, -1, 0).ok);
  EXPECT_TRUE(line_of(reciprocal, 1e-20, 1).ok);
}
