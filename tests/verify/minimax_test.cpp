// Both numbers that minimax() gives hold, meet, and are those of a dense grid.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "verify/minimax.hpp"

using namespace saha::verify;

namespace {
struct Example {
  std::size_t rows, variables;
  double off;                                        // of the constants
};

void look(const Example& e, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<double> rows, constants, lo, hi;
  for (std::size_t i = 0; i < e.rows * e.variables; ++i) rows.push_back(random() % 4 ? normal(random) : 0);
  for (std::size_t i = 0; i < e.rows; ++i) constants.push_back(normal(random) + e.off);
  for (std::size_t d = 0; d < e.variables; ++d) lo.push_back(normal(random)), hi.push_back(lo.back() + (random() % 5 ? std::fabs(normal(random)) : 0));
  const Minimax m = minimax(rows, constants, lo, hi);
  ASSERT_EQ(m.weight.size(), e.rows);
  ASSERT_EQ(m.point.size(), e.variables);
  double lower = 0, upper = -INFINITY, sum = 0;
  for (std::size_t i = 0; i < e.rows; ++i) {
    EXPECT_GE(m.weight[i], 0);
    double v = constants[i];
    for (std::size_t d = 0; d < e.variables; ++d) v += rows[i * e.variables + d] * m.point[d];
    upper = std::max(upper, v), lower += m.weight[i] * constants[i], sum += m.weight[i];
  }
  for (std::size_t d = 0; d < e.variables; ++d) {
    EXPECT_GE(m.point[d], lo[d]);
    EXPECT_LE(m.point[d], hi[d]);
    double s = 0;
    for (std::size_t i = 0; i < e.rows; ++i) s += m.weight[i] * rows[i * e.variables + d];
    lower += std::min(s * lo[d], s * hi[d]);
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_NEAR(lower, m.lower, 1e-9);
  EXPECT_NEAR(upper, m.upper, 1e-9);
  EXPECT_TRUE(m.upper - m.lower < 1e-6 || m.lower > 0 || m.upper < 0) << m.lower << " " << m.upper;
}
}  // namespace

TEST(Minimax, gives_a_point_and_weights_that_decide_the_sign) {
  std::mt19937_64 random(1);
  for (const Example& e : {Example{1, 1, 0}, Example{1, 4, 1}, Example{2, 1, 0}, Example{3, 2, 0}, Example{5, 5, 0}, Example{20, 6, 0}, Example{20, 6, 1}, Example{60, 30, 0}, Example{60, 30, 2}, Example{7, 200, 0}})
    for (int round = 0; round < 20; ++round) look(e, random);
}
