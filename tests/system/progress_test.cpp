#include "system/progress.hpp"

#include <gtest/gtest.h>

namespace saha::system {
namespace {
using namespace std::chrono_literals;

struct Screen {
  std::string text;
  std::chrono::steady_clock::time_point time{};
  ProgressOptions options(int width) {
    ProgressOptions o;
    o.write = [this](std::string_view t) { text += t; };
    o.now = [this] { return time; };
    o.width = width;
    return o;
  }
};

TEST(Progress, on_a_terminal_is_one_line_that_goes_away) {
  Screen screen;
  {
    Progress p("measure", 100, screen.options(80));
    p.advance();
    EXPECT_EQ(screen.text, "") << "short work shows no bar";
    for (int i = 0; i < 49; ++i) screen.time += 100ms, p.advance();
  }
  EXPECT_NE(screen.text.find("\r\x1b[Kmeasure  [############............] 50 of 100, about 5 s left"), std::string::npos) << screen.text;
  EXPECT_EQ(screen.text.find('\n'), std::string::npos);
  EXPECT_TRUE(screen.text.ends_with("\r\x1b[K"));
}
TEST(Progress, elsewhere_is_a_line_every_30_s_without_carriage_returns) {
  Screen screen;
  Progress p("measure", 120, screen.options(0));
  for (int i = 0; i < 65; ++i) screen.time += 1s, p.advance();
  EXPECT_EQ(screen.text, "measure: 25 %, 30 of 120, about 1 min 30 s left\nmeasure: 50 %, 60 of 120, about 1 min 00 s left\n");
  Screen forced;
  auto options = forced.options(80);
  options.mode = ProgressMode::plain;
  Progress q("x", 0, options);
  q.note("layer 'a'");
  forced.time += 31s, q.advance(5);
  EXPECT_EQ(forced.text, "x: 5, 31 s, layer 'a'\n");
}
TEST(Progress, says_nothing_when_quiet_or_none) {
  Screen screen;
  auto quiet = screen.options(80);
  quiet.quiet = true;
  auto none = screen.options(80);
  none.mode = ProgressMode::none;
  for (const auto& options : {quiet, none}) {
    Progress p("x", 10, options);
    for (int i = 0; i < 10; ++i) screen.time += 60s, p.advance();
  }
  EXPECT_EQ(screen.text, "");
}
TEST(Progress, durations_are_short) {
  EXPECT_EQ(short_duration(0.4), "0 s");
  EXPECT_EQ(short_duration(59.7), "1 min 00 s");
  EXPECT_EQ(short_duration(125), "2 min 05 s");
  EXPECT_EQ(short_duration(11'400), "3 h 10 min");
}

}  // namespace
}  // namespace saha::system
