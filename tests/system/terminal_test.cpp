#include "system/terminal.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace saha::system {
namespace {

TEST(Terminal, color_flag_beats_no_color_beats_force_color) {
  unsetenv("NO_COLOR");
  setenv("FORCE_COLOR", "1", 1);
  EXPECT_TRUE(use_color(ColorMode::automatic, -1));
  setenv("FORCE_COLOR", "0", 1);
  EXPECT_FALSE(use_color(ColorMode::automatic, -1));
  setenv("FORCE_COLOR", "1", 1);
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(use_color(ColorMode::automatic, -1));
  EXPECT_TRUE(use_color(ColorMode::always, -1));
  setenv("NO_COLOR", "", 1);
  EXPECT_TRUE(use_color(ColorMode::automatic, -1));
  EXPECT_FALSE(use_color(ColorMode::never, -1));
  unsetenv("FORCE_COLOR");
  EXPECT_FALSE(use_color(ColorMode::automatic, -1));
}
TEST(Terminal, width_counts_columns_not_bytes) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("\xc3\xa4\xc3\xb6"), 2);                    // two umlauts
  EXPECT_EQ(display_width("a\xcc\x88"), 1);                           // a and a combining mark
  EXPECT_EQ(display_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);            // two wide characters
  EXPECT_EQ(display_width("\xf0\x9f\x98\x80"), 2);                    // an emoji
  EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3);
  EXPECT_EQ(display_width("\xff\xfe"), 2);                            // not UTF-8
  EXPECT_EQ(display_width("\xe6"), 1);                                // cut off
}
TEST(Terminal, wrapped_text_breaks_at_spaces_only) {
  EXPECT_EQ(wrapped("one two three", 0), "one two three");
  EXPECT_EQ(wrapped("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 9, 2), "one two\n  three");
  EXPECT_EQ(wrapped("incomprehensible is long", 8), "incomprehensible\nis long");
  EXPECT_EQ(wrapped("", 8), "");
}
TEST(Terminal, fitted_text_never_exceeds_the_width) {
  EXPECT_EQ(fitted("abcdef", 6), "abcdef");
  EXPECT_EQ(fitted("abcdef", 4), "abc~");
  EXPECT_EQ(fitted("\xe6\x97\xa5\xe6\x9c\xac", 3), "\xe6\x97\xa5~");
  EXPECT_EQ(fitted("abc", 0), "");
  EXPECT_EQ(display_width(fitted("\x1b[31mlong red text\x1b[0m", 5)), 5);
}
TEST(Table, aligns_columns_and_leaves_no_trailing_space) {
  Table table({{"backend"}, {"p50", Align::right}, {"note"}});
  table.add({"native", "6.20 ms", ""});
  table.add({"onnxruntime 1.32", "10.43 ms", "measured"});
  EXPECT_EQ(table.str(),
            "backend                p50  note\n"
            "native             6.20 ms\n"
            "onnxruntime 1.32  10.43 ms  measured\n");
}
TEST(Table, without_titles_has_no_title_line_and_keeps_a_row_on_a_line) {
  Table table({{""}, {""}});
  table.add({"a\nb"});
  EXPECT_EQ(table.str(), "a b\n");
}
TEST(Table, fits_a_terminal_and_only_a_terminal) {
  Table table({{"layer"}, {"ms", Align::right}, {"remark"}});
  table.add({"a/very/long/name/of/a/layer/in/a/network", "0.44", "compute bound, and a long remark on why"});
  for (int width : {100, 60, 40, 20})
    for (std::string text = table.str(width); !text.empty(); text.erase(0, text.find('\n') + 1))
      EXPECT_LE(display_width(text.substr(0, text.find('\n'))), width);
  EXPECT_NE(table.str(60).find("0.44"), std::string::npos);
  EXPECT_NE(table.str(0).find("long remark on why"), std::string::npos);
}
TEST(Table, leaves_out_what_may_be_missed_before_it_cuts) {
  Table table({{"engine"}, {"p50", Align::right}, {"load", Align::right, 2}, {"memory", Align::right, 1}});
  table.add({"native", "1.00 ms", "2.00 ms", "3.0 MiB"});
  EXPECT_EQ(table.str(40), "engine      p50     load   memory\nnative  1.00 ms  2.00 ms  3.0 MiB\n");
  EXPECT_EQ(table.str(30), "engine      p50   memory\nnative  1.00 ms  3.0 MiB\n");
  EXPECT_EQ(table.str(16), "engine      p50\nnative  1.00 ms\n");
}
TEST(Table, paints_whole_rows) {
  Table table({{"x"}});
  table.add({"bad"}, Ink::red);
  EXPECT_EQ(table.str(0, true), "\x1b[1mx\x1b[0m\n\x1b[31mbad\x1b[0m\n");
}

}  // namespace
}  // namespace saha::system
