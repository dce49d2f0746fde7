#include "system/machine.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <vector>

namespace saha::system {
namespace {

TEST(Machine, counts_processors_within_the_affinity) {
  const Cpu all = cpu();
  EXPECT_GE(all.physical, 1);
  EXPECT_LE(all.physical, all.logical);
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const Cpu single = cpu();
  sched_setaffinity(0, sizeof before, &before);
  EXPECT_EQ(single.logical, 1);
  EXPECT_EQ(single.physical, 1);
}
TEST(Machine, memory_is_there_and_less_is_free_than_exists) {
  const Memory m = memory();
  EXPECT_GT(m.total_bytes, 64u << 20);
  EXPECT_GT(m.available_bytes, 0u);
  EXPECT_LE(m.available_bytes, m.total_bytes);
}
TEST(Machine, the_peak_follows_what_is_touched_and_can_be_reset) {
  constexpr std::size_t kSize = 64u << 20;
  const bool can_reset = reset_peak_rss();
  const std::uint64_t before = peak_rss_bytes();
  {
    std::vector<char> block(kSize);
    std::memset(block.data(), 1, kSize);
    EXPECT_GE(peak_rss_bytes(), before);
    EXPECT_GE(rss_bytes(), kSize);
    EXPECT_EQ(block[kSize / 2], 1);
  }
  const std::uint64_t peak = peak_rss_bytes();
  if (!can_reset) GTEST_SKIP() << "/proc/self/clear_refs is not writable here";
  EXPECT_GE(peak, before + kSize / 2);
  ASSERT_TRUE(reset_peak_rss());
  EXPECT_LT(peak_rss_bytes(), peak);
}
TEST(Machine, clocks_run_forward) {
  const auto wall = monotonic_ns(), thread = thread_cpu_ns(), process = process_cpu_ns();
  volatile double x = 1;
  for (int i = 0; i < 1'000'000; ++i) x = x * 1.0000001;
  EXPECT_GT(monotonic_ns(), wall);
  EXPECT_GT(thread_cpu_ns(), thread);
  EXPECT_GT(process_cpu_ns(), process);
  EXPECT_GE(load_average(), 0);
}

}  // namespace
}  // namespace saha::system
