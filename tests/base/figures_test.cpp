#include "base/figures.hpp"

#include <gtest/gtest.h>

#include <limits>

using namespace saha::figures;

namespace {
const double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
}

TEST(Figures, sentences_have_no_zeros_at_the_end_and_columns_keep_them) {
  EXPECT_EQ(percent(0.8472), "84.7 %");
  EXPECT_EQ(percent(0.5), "50 %");
  EXPECT_EQ(column::percent(0.5), "50.0 %");
  EXPECT_EQ(duration(0.0062), "6.2 ms");
  EXPECT_EQ(column::duration(0.0062), "6.20 ms");
  EXPECT_EQ(duration(0.00041), "410 us");
  EXPECT_EQ(column::duration(0.00041), "410 us");
  EXPECT_EQ(duration(211), "211 s");
  EXPECT_EQ(column::duration(1.0321), "1032 ms");
  EXPECT_EQ(column::duration(12.34), "12.3 s");
  EXPECT_EQ(bytes(65536), "64 KiB");
  EXPECT_EQ(column::bytes(65536), "64.0 KiB");
  EXPECT_EQ(column::bytes(9216), "9216 B");
}
TEST(Figures, a_share_below_one_never_reads_100_percent) {
  EXPECT_EQ(percent(0.9997), "99.97 %");
  EXPECT_EQ(percent(0.9999999), "99.99999 %");
  EXPECT_EQ(percent(1), "100 %");
}
TEST(Figures, zero_is_zero_in_a_unit) {
  EXPECT_EQ(percent(0), "0 %");
  EXPECT_EQ(duration(0), "0 s");
  EXPECT_EQ(bytes(0), "0 B");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(column::bytes(0), "0 B");
  EXPECT_EQ(column::duration(0), "0.00 us");
}
TEST(Figures, what_rounds_up_to_the_next_unit_is_written_in_it) {
  EXPECT_EQ(duration(999.95e-6), "1 ms");
  EXPECT_EQ(column::duration(999.95e-6), "1.00 ms");
  EXPECT_EQ(duration(999.4e-6), "999 us");
  EXPECT_EQ(duration(0.99996), "1 s");
  EXPECT_EQ(duration(99.96), "100 s");
  EXPECT_EQ(bytes(1023.99 * 1024), "1 MiB");
  EXPECT_EQ(bytes(1023.4 * 1024), "1023 KiB");
  EXPECT_EQ(column::bytes(1023.99 * 1024), "1.00 MiB");
  EXPECT_EQ(column::bytes(1023.9 * 1024), "1023.9 KiB");
  EXPECT_EQ(column::bytes(9.99 * 1048576), "9.99 MiB");
  EXPECT_EQ(column::bytes(10 * 1048576.0), "10.0 MiB");
}
TEST(Figures, negative_values_are_scaled_as_positive_ones) {
  EXPECT_EQ(duration(-0.0062), "-6.2 ms");
  EXPECT_EQ(column::duration(-0.0062), "-6.20 ms");
  EXPECT_EQ(column::bytes(-65536), "-64.0 KiB");
  EXPECT_EQ(bytes(-65536), "-64 KiB");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
}
TEST(Figures, what_is_no_number_says_so_without_commas_or_signs) {
  EXPECT_EQ(grouped(kNan), "nan");
  EXPECT_EQ(fixed(-kNan, 2), "nan");
  EXPECT_EQ(duration(kNan), "nan s");
  EXPECT_EQ(bytes(kNan), "nan GiB");
  EXPECT_EQ(percent(kNan), "nan %");
  EXPECT_EQ(duration(kInf), "inf s");
  EXPECT_EQ(grouped(-kInf), "-inf");
}
TEST(Figures, large_values_are_written_whole) {
  EXPECT_EQ(grouped(1e18), "1,000,000,000,000,000,000");
  EXPECT_EQ(fixed(1e18, 1), "1000000000000000000.0");
  EXPECT_EQ(duration(1e11), "100000000000 s");
  EXPECT_EQ(fixed(std::numeric_limits<double>::max(), 0).size(), 309u);
}
TEST(Figures, the_shortest_text_reads_back) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(significant(0.14329, 3), "0.143");
  EXPECT_EQ(counted(1, "thread"), "1 thread");
  EXPECT_EQ(counted(0, "thread"), "0 threads");
}
