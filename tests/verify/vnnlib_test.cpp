#include "verify/vnnlib.hpp"

#include <gtest/gtest.h>

using namespace saha::verify;

TEST(Vnnlib, a_file_of_the_first_version_is_read) {
  auto v = parse_vnnlib("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1e-3))(assert (>= X_0 (- 1.0)))(assert (or (and (< Y_0 .5)) (>= Y_0 2)))", "a.vnnlib");
  ASSERT_TRUE(v) << v.error().message;
  ASSERT_EQ(v->property.cases.size(), 2u);
  EXPECT_EQ(v->property.cases[0].box, v->property.cases[1].box);
  EXPECT_EQ(v->property.cases[0].box->lo[0], -1);
  EXPECT_EQ(v->property.cases[0].box->hi[0], 1e-3);
}
