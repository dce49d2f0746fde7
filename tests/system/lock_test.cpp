#include "system/lock.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "system/file.hpp"

namespace saha::system {
namespace {

TEST(FolderLock, the_second_waits_says_for_whom_and_goes_on) {
  auto folder = TempFolder::make();
  std::string said;
  std::atomic<bool> waits{false};
  std::thread second;
  {
    auto first = FolderLock::acquire(folder->path() / "made");
    ASSERT_TRUE(first);
    second = std::thread([&] { EXPECT_TRUE(FolderLock::acquire(folder->path() / "made", [&](std::string_view who) { said = who, waits = true; })); });
    while (!waits) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the first goes only then
  }
  second.join();
  EXPECT_EQ(said, "process " + std::to_string(getpid()));
}
TEST(FolderLock, a_free_folder_is_taken_without_a_word) {
  auto folder = TempFolder::make();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(FolderLock::acquire(folder->path(), [](std::string_view) { FAIL(); }));
}
TEST(FolderLock, waiting_can_be_given_up) {
  auto folder = TempFolder::make();
  auto first = FolderLock::acquire(folder->path());
  auto second = FolderLock::acquire(folder->path(), {}, [] { return true; });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::cancelled);
}
TEST(FolderLock, a_place_that_cannot_be_written_is_an_error) { EXPECT_FALSE(FolderLock::acquire("/proc/none")); }

}  // namespace
}  // namespace saha::system
