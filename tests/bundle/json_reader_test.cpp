#include "bundle/json_reader.hpp"

#include <gtest/gtest.h>

#include <random>

namespace saha::bundle {
namespace {

/// As nlohmann's parser, which is held to be right.
void expect_same(const std::string& text) {
  const Json expected = Json::parse(text, nullptr, false);
  const auto j = read_json(text);
  ASSERT_EQ(j.has_value(), !expected.is_discarded()) << text;
  if (!j) return;
  EXPECT_EQ(*j, expected) << text;
  EXPECT_EQ(j->type(), expected.type()) << text;   // 1, 1u and 1.0 are equal
  EXPECT_EQ(j->dump(), expected.dump()) << text;
}

TEST(JsonReader, reads_what_is_json_and_refuses_what_is_not) {
  for (const char* text : {
           "", " ", "null", "true", "false", " [ ] ", "{}", "nul", "nulls", "True", "[", "]", "{", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1}x", "[1]\n", "// no\n1", "{\"a\":1,\"b\":2,\"a\":3}",
           "0", "-0", "-", "01", "1.", ".5", "1.5", "-1.5e3", "1e", "1e+", "1E-2", "+1", "0x10", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "1e400", "NaN", "Infinity",
           "0.1", "123456789.123456789", "2.2250738585072014e-308", "5e-324", "1.7976931348623157e308",
           "\"\"", "\"a", "\"a\nb\"", "\"\t\"", "\"\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "\"\\x\"", "\"\\", "\"\\u\"", "\"\\u00e4\\u20ac\\uD83D\\ude00\"", "\"\\u0000\"", "\"\\uD83D\"", "\"\\uD83Dx\"", "\"\\uD83D\\u0041\"", "\"\\uDE00\"",
           "\"\\u00g0\"", "\"\\u-001\"", "\"\xc3\xa4\"", "\"\xe2\x82\xac\"", "\"\xf0\x9f\x98\x80\"", "\"\xc0\x80\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe0\x80\x80\"", "\"\xff\"", "\"\x7f\""})
    expect_same(text);
  expect_same(std::string("\"a\0b\"", 5));
}

TEST(JsonReader, reads_what_is_left_of_a_manifest_that_was_damaged) {
  const std::string whole = R"({"format": "saha", "inputs": [{"name": "image", "dims": [1, 3, null, "N", -7]}], "metrics": {"p90": 1.25e-3, "text": "\u00e4 \\ \""}, "sections": [], "ok": true})";
  expect_same(whole);
  std::mt19937 random(38);
  for (int n = 0; n < 5000; ++n) {
    std::string text = whole;
    for (int changes = 1 + int(random() % 3); changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text.erase(at, 1 + random() % 4); break;
        case 1: text[at] = "{}[]\",:\\u0129-+.eE \x80\xc3"[random() % 22]; break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 8));
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_same(text));
  }
}

TEST(JsonReader, goes_so_deep_and_no_deeper) {
  const auto nested = [](int depth) { return std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']'); };
  EXPECT_TRUE(read_json(nested(kMostJsonDepth)));
  EXPECT_FALSE(read_json(nested(kMostJsonDepth + 1)));
  EXPECT_FALSE(read_json(std::string(1 << 20, '[')));
}

}  // namespace
}  // namespace saha::bundle
