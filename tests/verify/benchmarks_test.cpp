// Every property of the public benchmarks, where they are at hand (SAHA_SHARED), is read and has the numbers that its own lines say.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "data/inflate.hpp"
#include "system/file.hpp"
#include "verify/vnnlib.hpp"

using namespace saha;
using namespace saha::verify;

TEST(Benchmarks, all_are_read) {
  const char* shared = std::getenv("SAHA_SHARED");
  if (!shared || !std::filesystem::exists(std::filesystem::path(shared) / "data/vnn")) GTEST_SKIP() << "SAHA_SHARED names no folder with data/vnn";
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(shared) / "data/vnn")) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".vnnlib") && !path.ends_with(".vnnlib.gz")) continue;
    ++files;
    auto v = read_vnnlib(path);
    ASSERT_TRUE(v) << path << ": " << v.error().message << " " << v.error().line;
    auto bytes = *system::read_bytes(path);
    if (data::is_gzip(bytes)) bytes = *data::gunzip(bytes);
    const std::string_view text = system::text_of(bytes);
    auto occurrences = [&](std::string_view what) {
      std::int64_t n = 0;
      for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
      return n;
    };
    EXPECT_EQ(v->property.inputs, occurrences("(declare-const X_")) << path;
    EXPECT_EQ(v->property.outputs, occurrences("(declare-const Y_")) << path;
    EXPECT_EQ(v->property.empty_cases, 0) << path;
    for (const Case& c : v->property.cases) {
      EXPECT_FALSE(c.rows.empty()) << path;
      ASSERT_EQ(std::int64_t(c.box->lo.size()), v->property.inputs) << path;
    }
    // With one `or` of all, each of its branches is a case.
    const std::int64_t joins = occurrences("(or");
    if (joins < 2) {
      EXPECT_EQ(std::int64_t(v->property.cases.size()), joins == 0 ? 1 : occurrences("(and")) << path;
    }
  }
  EXPECT_GT(files, 300);
}
