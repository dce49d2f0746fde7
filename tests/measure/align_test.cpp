#include "measure/align.hpp"

#include <gtest/gtest.h>

namespace saha::measure {
namespace {
using runtime::LayerTime;
using Names = std::vector<std::string>;
using Rows = std::vector<std::size_t>;

LayerTime layer(double ms, std::vector<Names> reads, std::vector<Names> writes) {
  LayerTime l;
  l.ms = ms;
  l.reads = std::move(reads);
  l.writes = std::move(writes);
  return l;
}

double sum(const std::vector<Segment>& segments, double Segment::*ms) {
  double s = 0;
  for (const auto& x : segments) s += x.*ms;
  return s;
}

TEST(Align, layers_that_write_the_same_values_stand_side_by_side) {
  const std::vector<LayerTime> a{layer(1, {{"x"}}, {{"h"}}), layer(2, {{"h"}}, {{"y"}})}, b{layer(3, {{"x"}}, {{"h"}}), layer(4, {{"h"}}, {{"y"}})};
  const auto s = align(a, b);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].values, Names{"h"});
  EXPECT_EQ(s[0].left, Rows{0});
  EXPECT_EQ(s[0].right, Rows{0});
  EXPECT_EQ(s[1].values, Names{"y"});
  EXPECT_EQ(s[1].left_ms, 2);
  EXPECT_EQ(s[1].right_ms, 4);
}

TEST(Align, what_one_engine_fuses_stands_beside_all_layers_of_the_other) {
  // Left fuses a convolution with its activation, right an activation with what follows: only y is in both.
  const std::vector<LayerTime> a{layer(1, {{"x"}}, {{"relu"}}), layer(1, {{"relu"}}, {{"y"}}), layer(1, {{"y"}}, {{"z"}})};
  const std::vector<LayerTime> b{layer(1, {{"x"}}, {{"conv"}}), layer(1, {{"conv"}}, {{"y"}}), layer(1, {{"y"}}, {{"z"}})};
  const auto s = align(a, b);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].values, Names{"y"});
  EXPECT_EQ(s[0].left, (Rows{0, 1}));
  EXPECT_EQ(s[0].right, (Rows{0, 1}));
  EXPECT_EQ(s[1].left, Rows{2});
}

TEST(Align, branches_stay_apart_where_their_values_are_in_both) {
  const std::vector<LayerTime> a{layer(1, {{"x"}}, {{"p"}}), layer(1, {{"x"}}, {{"q"}}), layer(1, {{"p"}, {"q"}}, {{"y"}})};
  // Right adds q within the layer that would have written p.
  const std::vector<LayerTime> b{layer(1, {{"x"}}, {{"q"}}), layer(1, {{"x"}, {"w"}, {"q"}}, {{"y"}})};
  const auto s = align(a, b);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].values, Names{"y"});
  EXPECT_EQ(s[0].left, (Rows{0, 2}));
  EXPECT_EQ(s[0].right, Rows{1});
  EXPECT_EQ(s[1].values, Names{"q"});
}

TEST(Align, a_view_is_the_value_that_it_shows) {
  // Left reads "flat", a view of h; right copies h to flat.
  const std::vector<LayerTime> a{layer(1, {{"x"}}, {{"h", "flat"}}), layer(1, {{"h", "flat"}}, {{"y"}})};
  const std::vector<LayerTime> b{layer(1, {{"x"}}, {{"h"}}), layer(1, {{"h"}}, {{"flat"}}), layer(1, {{"flat"}}, {{"y"}})};
  const auto s = align(a, b);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].values, (Names{"h", "flat"}));
  EXPECT_EQ(s[0].right, (Rows{0, 1}));
  // A view that the other engine does not have hides nothing.
  const std::vector<LayerTime> c{layer(1, {{"x"}}, {{"h"}}), layer(1, {{"h"}}, {{"y"}})};
  EXPECT_EQ(align(a, c).size(), 2u);
}

TEST(Align, layers_without_a_counterpart_are_told_as_such_and_every_time_counts_once) {
  const std::vector<LayerTime> a{layer(1, {{"x"}}, {{"(slot 1)"}}), layer(2, {{"(slot 1)"}}, {{"y"}}), layer(5, {{"x"}}, {{"only left"}})};
  const std::vector<LayerTime> b{layer(3, {{"x"}}, {{"y"}}), layer(7, {{"y"}}, {{"only right"}}), layer(9, {}, {})};
  const auto s = align(a, b);
  ASSERT_EQ(s.size(), 4u);
  EXPECT_TRUE(s[0].aligned());
  EXPECT_EQ(s[0].left, (Rows{0, 1}));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_FALSE(s[i].aligned());
    EXPECT_TRUE(s[i].values.empty());
  }
  EXPECT_EQ(s[1].left, Rows{2});
  EXPECT_EQ(s[2].right, Rows{1});
  EXPECT_EQ(s[3].right, Rows{2});
  EXPECT_EQ(sum(s, &Segment::left_ms), 8);
  EXPECT_EQ(sum(s, &Segment::right_ms), 19);
}

}  // namespace
}  // namespace saha::measure
