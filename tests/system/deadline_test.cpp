#include "system/deadline.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <tuple>

using namespace saha::system;
using namespace std::chrono_literals;

TEST(Deadline, work_that_ends_in_time_is_left_alone) {
  bool called = false;
  { Deadline d(std::chrono::steady_clock::now() + 1h, [&] { called = true; return 1; }); }
  EXPECT_FALSE(called);
}

TEST(DeadlineDeathTest, work_that_does_not_end_is_ended_with_the_code_of_what_is_told) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Deadline d(std::chrono::steady_clock::now() + 20ms, [] {
          std::ignore = write(STDERR_FILENO, "late", 4);
          return 3;
        });
        for (;;) std::this_thread::sleep_for(1s);
      },
      testing::ExitedWithCode(3), "late");
}
