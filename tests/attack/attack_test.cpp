// Attacks on models whose worst input is known in closed form.
#include "attack/attack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "attack/losses.hpp"
#include "data/shuffle.hpp"

namespace saha::attack {
namespace {

/// outputs = W x: the margin's maximum over a ball is known.
struct Linear {
  std::int64_t size, width;
  std::vector<float> w;
  Linear(std::int64_t n, std::int64_t m, std::uint64_t seed) : size(n), width(m) {
    data::Random random(seed);
    for (std::int64_t i = 0; i < n * m; ++i) w.push_back(float(random.normal()));
  }
  Model model(bool with_slopes = true) const {
    Model m{size, width, {}, {}};
    m.outputs = [this](std::span<const float> x) -> Result<std::vector<float>> {
      std::vector<float> y;
      for (std::size_t r = 0; r < x.size() / std::size_t(size); ++r)
        for (std::int64_t o = 0; o < width; ++o) {
          double sum = 0;
          for (std::int64_t i = 0; i < size; ++i) sum += double(w[std::size_t(o * size + i)]) * x[r * std::size_t(size) + std::size_t(i)];
          y.push_back(float(sum));
        }
      return y;
    };
    if (with_slopes)
      m.slopes = [this](std::span<const float> x, std::span<const float> d) -> Result<std::vector<float>> {
        std::vector<float> g(x.size(), 0);
        for (std::size_t r = 0; r < x.size() / std::size_t(size); ++r)
          for (std::int64_t o = 0; o < width; ++o)
            for (std::int64_t i = 0; i < size; ++i) g[r * std::size_t(size) + std::size_t(i)] += d[r * std::size_t(width) + std::size_t(o)] * w[std::size_t(o * size + i)];
        return g;
      };
    return m;
  }
};
Goal goal(std::int64_t label, bool never = false) {
  return {[=](std::size_t, std::span<const float> y, std::span<float> slope) { return margin(y, label, slope); },
          [=](std::size_t, std::span<const float> y) { return !never && margin(y, label, {}) > 0; }, {}};
}
void expect_inside(const Region& r, const std::vector<float>& p, double slack = 1e-6) {
  double d = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_GE(p[i], r.low[i]);
    EXPECT_LE(p[i], r.high[i]);
    d += (double(p[i]) - r.centre[i]) * (double(p[i]) - r.centre[i]);
  }
  EXPECT_LE(std::sqrt(d), r.radius * (1 + slack));
}
std::vector<float> middle(std::int64_t n, float v = 0.5f) { return std::vector<float>(std::size_t(n), v); }

TEST(Attack, every_attack_reaches_the_corner_that_is_worst_for_a_linear_model) {
  const Linear l(48, 2, 1);
  const Region box = linf_ball(middle(48), 0.125, 0, 1);
  double worst = 0, worst_l2 = 0;
  for (std::size_t i = 0; i < 48; ++i) {
    const double d = double(l.w[48 + i]) - l.w[i];
    worst += 0.5 * d + 0.125 * std::abs(d);
    worst_l2 += d * d;
  }
  double base = 0;
  for (std::size_t i = 0; i < 48; ++i) base += 0.5 * (double(l.w[48 + i]) - l.w[i]);
  const auto a = pgd(l.model(), std::span(&box, 1), goal(0, true), {.step = 0.1});
  ASSERT_TRUE(a);
  EXPECT_NEAR((*a)[0].loss, worst, 1e-4);
  EXPECT_EQ((*a)[0].runs, 41);
  const auto b = apgd(l.model(), std::span(&box, 1), goal(0, true));
  ASSERT_TRUE(b);
  EXPECT_NEAR((*b)[0].loss, worst, 1e-4);
  const auto c = square(l.model(false), std::span(&box, 1), goal(0, true), {4, 4, 3, true}, {.steps = 3000});
  ASSERT_TRUE(c);
  EXPECT_NEAR((*c)[0].loss, worst, 0.02 * std::abs(worst - base));
  for (const auto* f : {&*a, &*b, &*c}) expect_inside(box, (*f)[0].point);

  const Region ball = l2_ball(middle(48), 0.25, 0, 1);   // no number comes to a border
  worst_l2 = base + 0.25 * std::sqrt(worst_l2);
  const auto d = pgd(l.model(), std::span(&ball, 1), goal(0, true), {.step = 0.1});
  const auto e = apgd(l.model(), std::span(&ball, 1), goal(0, true));
  ASSERT_TRUE(d);
  ASSERT_TRUE(e);
  EXPECT_NEAR((*d)[0].loss, worst_l2, 5e-3);
  EXPECT_NEAR((*e)[0].loss, worst_l2, 1e-3);
  const auto f = square(l.model(false), std::span(&ball, 1), goal(0, true), {4, 4, 3, false}, {.steps = 3000});
  ASSERT_TRUE(f);
  EXPECT_GT((*f)[0].loss, base + 0.5 * (worst_l2 - base));
  for (const auto* g : {&*d, &*e, &*f}) expect_inside(ball, (*g)[0].point);
}

TEST(Attack, a_broken_row_is_left_alone_and_seeds_repeat_the_search) {
  const Linear l(20, 3, 2);
  data::Random random(3);
  std::vector<Region> regions;
  std::vector<std::int64_t> labels;
  for (int r = 0; r < 12; ++r) {
    std::vector<float> x;
    for (int i = 0; i < 20; ++i) x.push_back(float(random.uniform()));
    const auto y = *l.model().outputs(x);
    labels.push_back(std::ranges::max_element(y) - y.begin());
    regions.push_back(linf_ball(std::move(x), r < 6 ? 1e-4 : 0.5, 0, 1));
  }
  const Goal g{[&](std::size_t r, std::span<const float> y, std::span<float> s) { return cross_entropy(y, labels[r], s); },
               [&](std::size_t r, std::span<const float> y) { return margin(y, labels[r], {}) > 0; }, {}};
  const auto a = pgd(l.model(), regions, g, {.restarts = 2, .seed = 7}), b = pgd(l.model(), regions, g, {.restarts = 2, .seed = 7});
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  for (std::size_t r = 0; r < 12; ++r) {
    EXPECT_EQ((*a)[r].broken, r >= 6) << r;
    EXPECT_EQ((*a)[r].point, (*b)[r].point);
    expect_inside(regions[r], (*a)[r].point);
    EXPECT_EQ((*a)[r].broken, margin(*l.model().outputs((*a)[r].point), labels[r], {}) > 0);
    if (r >= 6) { EXPECT_LT((*a)[r].runs, 41); }
    else { EXPECT_EQ((*a)[r].runs, 82); }
  }
  int left = 5;
  Goal cut = g;
  cut.go_on = [&] { return left-- > 0; };
  const auto c = apgd(l.model(), std::span(regions).first(6), cut);
  ASSERT_TRUE(c);
  EXPECT_EQ((*c)[0].runs, 5);
}

TEST(Attack, momentum_and_a_region_cut_by_the_domain_stay_inside) {
  const Linear l(30, 2, 4);
  const Region edge = linf_ball(middle(30, 0.02f), 0.1, 0, 1);
  EXPECT_EQ(edge.low[0], 0);
  for (const Region& region : {edge, l2_ball(middle(30, 0.02f), 0.3, 0, 1)}) {
    const auto f = pgd(l.model(), std::span(&region, 1), goal(1, true), {.momentum = 0.9});
    ASSERT_TRUE(f);
    expect_inside(region, (*f)[0].point);
    for (std::uint64_t seed = 0; seed < 50; ++seed) expect_inside(region, random_point(region, seed));
  }
  const auto none = pgd(l.model(false), std::span(&edge, 1), goal(1));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "PGD needs slopes of the model, and there are none");
  EXPECT_FALSE(apgd(l.model(false), std::span(&edge, 1), goal(1)));
}

TEST(Losses, slopes_are_the_central_differences) {
  data::Random random(5);
  for (const std::size_t n : {2, 3, 10})
    for (const bool shares : {false, true})
      for (auto* loss : {&margin, &cross_entropy, &dlr}) {
        std::vector<float> y;
        float sum = 0;
        for (std::size_t i = 0; i < n; ++i) y.push_back(shares ? 0.05f + float(random.uniform()) : float(3 * random.normal())), sum += y.back();
        if (shares) for (float& v : y) v /= sum;
        std::vector<float> slope(n), none(n);
        loss(y, 1, slope);
        for (std::size_t i = 0; i < n; ++i) {
          auto up = y, down = y;
          const float h = 1e-4f;   // small enough that the shares' sum still is one
          up[i] += h, down[i] -= h;
          EXPECT_NEAR(slope[i], (loss(up, 1, {}) - loss(down, 1, {})) / (double(up[i]) - down[i]), 0.01 * (1 + std::abs(slope[i]))) << n << shares << i;
        }
      }
}

TEST(Losses, of_shares_that_are_all_but_sure_keep_their_slope) {
  const std::vector<float> y = {1, 1e-30f, 0};
  std::vector<float> slope(3);
  EXPECT_NEAR(margin(y, 0, slope), -1, 1e-6);
  EXPECT_GT(dlr(y, 0, slope), -1.001);
  for (float s : slope) EXPECT_TRUE(std::isfinite(s));
  EXPECT_GT(slope[1], 1e20);
}

}  // namespace
}  // namespace saha::attack
