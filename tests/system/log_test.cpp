#include "system/log.hpp"

#include <gtest/gtest.h>

#include "system/file.hpp"
#include "system/interrupt.hpp"

#include <signal.h>

namespace saha::system {
namespace {

TEST(Log, shows_levels_up_to_its_own_and_files_everything) {
  auto folder = TempFolder::make();
  LogOptions options;
  options.level = LogLevel::warning;
  options.file = folder->path() / "log";
  testing::internal::CaptureStderr();
  {
    auto log = Log::open(options);
    ASSERT_TRUE(log);
    log->error("bad");
    log->warning("hm");
    log->info("said \"x\"\n", {{"node", "conv\xff"}});
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "error: bad\nwarning: hm\n");
  const std::string text = *read_text(options.file);
  EXPECT_NE(text.find("\"level\": \"info\", \"message\": \"said \\\"x\\\"\\n\", \"node\": \"conv\xef\xbf\xbd\"}\n"), std::string::npos) << text;
  options.file = folder->path() / "none/log";
  EXPECT_FALSE(Log::open(options));
}
TEST(Log, json_text_is_valid_whatever_the_bytes) {
  EXPECT_EQ(json_quoted("a\"\\\n\t\x01\x7f"), "\"a\\\"\\\\\\n\\t\\u0001\\u007f\"");
  EXPECT_EQ(json_quoted("\xc3\xa4"), "\"\xc3\xa4\"");
  EXPECT_EQ(json_quoted("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // a surrogate is no character
  EXPECT_EQ(json_quoted("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                  // overlong
}
TEST(Interrupt, the_first_signal_asks_the_second_ends) {
  {
    InterruptGuard guard;
    EXPECT_FALSE(interrupted());
    raise(SIGINT);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(interrupt_exit_code(), 130);
  }
  EXPECT_EXIT({ InterruptGuard guard; raise(SIGTERM); raise(SIGTERM); }, testing::ExitedWithCode(143), "");
}

}  // namespace
}  // namespace saha::system
