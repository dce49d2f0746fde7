// Another project finds an installed saha and runs a model by the examples that stand in the public headers.
#include <cstdlib>

#include "system/file.hpp"
#include "tests/api/api_testing.hpp"

namespace saha {
namespace {
TEST(Install, a_project_builds_the_headers_examples_against_it) {
  if (std::string_view(SAHA_SANITIZE) != "") GTEST_SKIP() << "a sanitized library needs a sanitized program";
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder) << folder.error().message;
  const std::string at = folder->path().string(), log = at + "/log";
  auto shell = [&](const std::string& command) {
    int code = std::system(("(" + command + ") >>" + log + " 2>&1").c_str());
    if (code == 0) return true;
    auto text = system::read_text(log);
    ADD_FAILURE() << command << "\n" << (text ? *text : text.error().message);
    return false;
  };
  ASSERT_TRUE(onnx::export_file(api_testing::classifier(1), at + "/person.onnx"));
  const std::string cmake = SAHA_CMAKE;
  ASSERT_TRUE(shell(cmake + " --install " SAHA_BUILD_DIR " --component sdk --prefix " + at + "/prefix"));
  ASSERT_TRUE(shell(cmake + " -G Ninja -S " SAHA_SOURCE_DIR "/tests/api/consumer -B " + at + "/build -DCMAKE_PREFIX_PATH=" + at + "/prefix -DCMAKE_CXX_COMPILER=" SAHA_CXX " -DCMAKE_C_COMPILER=" SAHA_CC));
  ASSERT_TRUE(shell(cmake + " --build " + at + "/build"));
  ASSERT_TRUE(shell(at + "/build/consumer " + at + "/person.onnx"));
  auto said = system::read_text(log);
  ASSERT_TRUE(said);
  EXPECT_NE(said->find("the C++ and the C example agree"), std::string::npos) << *said;
  ASSERT_TRUE(shell("test -z \"$(nm -DC --defined-only " + at + "/prefix/lib/libsaha.so | awk '{print $3}' | grep -v -e '^saha_' -e '^saha::')\""));
}
}  // namespace
}  // namespace saha
