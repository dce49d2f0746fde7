// Verdicts on tiny random networks against their least values, by both ways to split.
#include <algorithm>

#include "bounds_testing.hpp"
#include "verify/verify.hpp"

using namespace saha;
using namespace saha::verify;
using namespace saha::verify::testing;

namespace {
/// The least output of a net of few inputs: a grid, then steps that shrink from its best points. In float64; never below the true one.
std::pair<double, std::vector<float>> least_of(const Net& net, const std::vector<std::pair<float, float>>& box, std::mt19937_64& random) {
  const std::size_t n = box.size();
  const int per = n == 2 ? 60 : 16;
  auto value = [&](const std::vector<float>& x) { return layer_values(net, x, false, random).back()[0]; };
  std::vector<std::pair<double, std::vector<float>>> best;
  for (int at = 0, count = int(std::lround(std::pow(per, double(n)))); at < count; ++at) {
    std::vector<float> x;
    for (std::size_t i = 0, rest = std::size_t(at); i < n; ++i, rest /= std::size_t(per)) x.push_back(box[i].first + (box[i].second - box[i].first) * float(rest % std::size_t(per)) / float(per - 1));
    best.emplace_back(value(x), x);
  }
  std::sort(best.begin(), best.end());
  best.resize(12);
  for (auto& [y, x] : best)
    for (float step = 1.0f / float(per); step > 1e-6f; step *= 0.7f)
      for (int k = 0; k < 6; ++k) {
        std::vector<float> next = x;
        for (std::size_t i = 0; i < n; ++i) next[i] = std::clamp(x[i] + step * (box[i].second - box[i].first) * float(std::uniform_real_distribution<double>(-1, 1)(random)), box[i].first, box[i].second);
        if (double v = value(next); v < y) y = v, x = next;
      }
  return *std::min_element(best.begin(), best.end());
}
}  // namespace

TEST(Verdicts, of_random_networks_never_contradict_their_least_value) {
  int proved = 0, asked = 0;
  for (std::uint64_t seed = 0; seed < 14; ++seed) {
    std::mt19937_64 random(seed + 1);
    Maker m{{}, random};
    const std::int64_t n = 2 + std::int64_t(seed % 2), wide = 5 + std::int64_t(seed % 4);
    op::Val x = m.x({1, n}, -1, 1), h = m.op("Relu", {m.op("Gemm", {x, m.c({n, wide}), m.c({wide})})});
    if (seed % 3) h = m.op("Relu", {m.op("Gemm", {h, m.c({wide, wide}), m.c({wide})})});
    if (seed % 5 == 4) h = h + m.op("Gemm", {x, m.c({n, wide})});
    auto g = std::move(m.b).build({m.op("Gemm", {h, m.c({wide, 1}), m.c({1})})});
    ASSERT_TRUE(g);
    auto net = lower(*g);
    ASSERT_TRUE(net) << net.error().message;
    const auto [least, where] = least_of(*net, m.region, random);
    const Execution execution(*g);
    for (Method method : {Method::inputs, Method::activations})
      for (double off : {-0.05, -0.002, 1e-5, 0.05}) {
        Box box;
        for (auto [lo, hi] : m.region) box.lo.push_back(double(lo)), box.hi.push_back(double(hi));
        Property p;
        p.inputs = n, p.outputs = 1;
        p.cases.push_back({std::make_shared<const Box>(box), {{.y = {{0, 1.0}}, .bound = least + off}}});
        auto o = prove(*g, p, {.timeout_s = 2, .threads = 1, .seed = seed, .method = method});
        ASSERT_TRUE(o) << o.error().message;
        const std::string what = "seed " + std::to_string(seed) + (method == Method::inputs ? ", input splits" : ", activation splits") + ", least " + std::to_string(least) + ", off " + std::to_string(off);
        if (off > 0) {
          EXPECT_NE(o->verdict, Verdict::holds) << what;
        } else {
          EXPECT_NE(o->verdict, Verdict::violated) << what;
          ++asked, proved += o->verdict == Verdict::holds;
        }
        if (std::fabs(off) > 1e-3) {                 // where every sign is fixed the rest is a linear program
          EXPECT_NE(o->verdict, Verdict::unknown) << what;
        }
        if (off > 0.01) {
          EXPECT_EQ(o->verdict, Verdict::violated) << what;
        }
        if (o->verdict == Verdict::violated) {
          EXPECT_TRUE(satisfies(p, std::vector<double>(o->x.begin(), o->x.end()), std::vector<double>(o->y.begin(), o->y.end()), 1e-6)) << what;
          EXPECT_NEAR(double(execution.run(o->x, random)[0]), double(o->y[0]), 1e-5) << what;
        }
      }
  }
  EXPECT_GE(proved, asked - 4);                      // the rest may need more time than they have
}

TEST(Verdicts, end_early_where_rows_hold_or_not_by_roundings_alone) {
  std::mt19937_64 random(3);
  Maker m{{}, random};
  const op::Val x = m.x({2, 1}, -1, 1);               // f at two points, the first not above the second; f rises
  op::Val h = m.op("Relu", {m.op("Gemm", {x, m.c({1, 6}, 0.1, 1), m.c({6})})});
  h = m.op("Relu", {m.op("Gemm", {h, m.c({6, 6}, 0.1, 1), m.c({6})})});
  auto g = std::move(m.b).build({m.op("Gemm", {h, m.c({6, 1}, 0.1, 1), m.c({1})})});
  ASSERT_TRUE(g);
  Property p;
  p.inputs = 2, p.outputs = 2;
  p.cases.push_back({std::make_shared<const Box>(Box{{-1, -1}, {1, 1}}), {{.x = {{0, 1.0}, {1, -1.0}}}, {.y = {{0, -1.0}, {1, 1.0}}, .strict = true}}});
  auto o = prove(*g, p, {.timeout_s = 60, .threads = 1});
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->verdict, Verdict::unknown);
  EXPECT_LT(o->seconds, 20);
  EXPECT_NE(o->why.find("as small as float32 can tell apart"), std::string::npos) << o->why;
}

TEST(Verdicts, counterexamples_are_found_through_steps_and_a_softmax) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    std::mt19937_64 random(seed + 50);
    Maker m{{}, random};
    const op::Val x = m.x({1, 20}, -4, 4);
    op::Val h = m.op("Sign", {m.op("Gemm", {x, m.c({20, 60}), m.c({60})})});
    h = m.op("Sign", {m.op("Gemm", {h, m.c({60, 60}), m.c({60})})});
    auto g = std::move(m.b).build({m.op("Softmax", {m.op("Gemm", {h, m.c({60, 3}, -40, 40)})})});
    ASSERT_TRUE(g);
    const std::vector<float> middle(20, 0.0f), y = Execution(*g).run(middle, random);
    const std::int32_t top = std::int32_t(std::max_element(y.begin(), y.end()) - y.begin());
    Property p;
    p.inputs = 20, p.outputs = 3;
    const auto box = std::make_shared<const Box>(Box{std::vector<double>(20, -1.0), std::vector<double>(20, 1.0)});
    for (std::int32_t k = 0; k < 3; ++k) if (k != top) p.cases.push_back({box, {{.y = k < top ? std::vector<std::pair<std::int32_t, double>>{{k, -1.0}, {top, 1.0}} : std::vector<std::pair<std::int32_t, double>>{{top, 1.0}, {k, -1.0}}}}});
    auto o = prove(*g, p, {.timeout_s = 3, .threads = 1, .seed = seed});
    ASSERT_TRUE(o) << o.error().message;
    EXPECT_NE(o->verdict, Verdict::holds);
    found += o->method == "attack";
  }
  EXPECT_GE(found, 3);
}

TEST(Verdicts, of_two_networks_are_those_of_their_executions) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    std::mt19937_64 random(seed + 1);
    Maker m{{}, random};
    const std::int64_t wide = 8, classes = 3;
    const double apart = seed % 2 ? 0.1 : 0.004;
    op::Val x = m.x({1, 2}, -1, 1);
    op::Vals y;
    const Tensor weights[] = {m.tensor({2, wide}), m.tensor({wide, wide}), m.tensor({wide, classes})}, biases[] = {m.tensor({wide}), m.tensor({wide}), m.tensor({classes})};
    for (int net = 0; net < 2; ++net) {
      op::Val h = x;
      for (int k = 0; k < 3; ++k) {
        auto moved = [&](const Tensor& of) {
          Tensor t = Tensor::of(DType::f32, of.dims, values<double>(of));
          for (std::int64_t i = 0; net && i < t.size(); ++i) t.as<float>()[i] += float(m.uniform(-apart, apart));
          return m.b.constant(t);
        };
        h = m.op("Gemm", {h, moved(weights[k]), moved(biases[k])});
        if (k < 2) h = m.op("Relu", {h});
      }
      y.push_back(h);
    }
    auto g = std::move(m.b).build(y);
    ASSERT_TRUE(g);
    const Execution execution(*g);
    double apart_most = 0, margin_most = 0;            // over a grid: the outputs' largest difference, and the largest lead that the second network turns round
    for (int i = 0; i <= 100; ++i)
      for (int j = 0; j <= 100; ++j) {
        const std::vector<float> out = execution.run(std::vector{float(i) / 50 - 1, float(j) / 50 - 1}, random, false);
        std::vector<double> f(out.begin(), out.begin() + classes), d(out.begin() + classes, out.end());
        for (int c = 0; c < classes; ++c) apart_most = std::max(apart_most, std::fabs(f[std::size_t(c)] - d[std::size_t(c)]));
        const std::size_t top = std::size_t(std::ranges::max_element(f) - f.begin()), other = std::size_t(std::ranges::max_element(d) - d.begin());
        if (top == other) continue;
        std::ranges::sort(f);
        margin_most = std::max(margin_most, f[classes - 1] - f[classes - 2]);
      }
    const auto box = std::make_shared<const Box>(Box{{-1, -1}, {1, 1}});
    auto close = [&](double eps) {
      Property p{2, 2 * classes, {}, 0};
      for (std::int32_t c = 0; c < classes; ++c)
        for (double sign : {1.0, -1.0}) p.cases.push_back({box, {{.y = {{c, sign}, {c + std::int32_t(classes), -sign}}, .bound = -eps}}});
      return p;
    };
    auto same_class = [&](double margin) {
      Property p{2, 2 * classes, {}, 0};
      for (std::int32_t c = 0; c < classes; ++c)
        for (std::int32_t k = 0; k < classes; ++k) {
          if (k == c) continue;
          Case one{box, {}};
          for (std::int32_t j = 0; j < classes; ++j) {
            if (j != c) one.rows.push_back({.y = j < c ? std::vector<std::pair<std::int32_t, double>>{{j, 1.0}, {c, -1.0}} : std::vector<std::pair<std::int32_t, double>>{{c, -1.0}, {j, 1.0}}, .bound = -margin});
            const std::int32_t a = j + std::int32_t(classes), b = k + std::int32_t(classes);
            if (j != k) one.rows.push_back({.y = a < b ? std::vector<std::pair<std::int32_t, double>>{{a, 1.0}, {b, -1.0}} : std::vector<std::pair<std::int32_t, double>>{{b, -1.0}, {a, 1.0}}});
          }
          p.cases.push_back(std::move(one));
        }
      return p;
    };
    auto verdict = [&](const Property& p, std::int64_t* regions, Method method = Method::automatic) {
      auto o = prove(*g, p, {.timeout_s = 20, .threads = 1, .seed = seed, .method = method});
      EXPECT_TRUE(o);
      if (!o) return Verdict::unknown;
      *regions = o->regions;
      if (o->verdict == Verdict::violated) {
        EXPECT_TRUE(satisfies(p, std::vector<double>(o->x.begin(), o->x.end()), std::vector<double>(o->y.begin(), o->y.end()), 1e-6));
      }
      return o->verdict;
    };
    std::int64_t regions = 0;
    EXPECT_EQ(verdict(close(0.9 * apart_most), &regions), Verdict::violated) << "seed " << seed;
    EXPECT_EQ(verdict(close(1.2 * apart_most), &regions), Verdict::holds) << "seed " << seed;
    if (seed < 4) {
      EXPECT_EQ(verdict(close(0.9 * apart_most), &regions, Method::activations), Verdict::violated) << "seed " << seed;
      EXPECT_EQ(verdict(close(2 * apart_most), &regions, Method::activations), Verdict::holds) << "seed " << seed;
    }
    if (margin_most > 0) {
      EXPECT_EQ(verdict(same_class(0.5 * margin_most), &regions), Verdict::violated) << "seed " << seed;
    }
    // Where both differ by less than half the margin the class is the same: each of the mirrored rows alone takes splits along every border between classes, their sum hardly any.
    EXPECT_EQ(verdict(same_class(2.4 * apart_most), &regions), Verdict::holds) << "seed " << seed;
    EXPECT_LT(regions, 400) << "seed " << seed;
  }
}
