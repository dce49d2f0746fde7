// Another project finds an installed saha and runs a model by the examples that stand in the public headers.
#include <cstdlib>

#include "backends/native/pack.hpp"
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
  auto packed = native::pack(api_testing::classifier(1), api_testing::bytes_of(api_testing::classifier(1)), {{}, {{{1, 4}}}, bundle::Json::object(), {}});
  ASSERT_TRUE(packed) << packed.error().message;
  ASSERT_TRUE(system::write_file(at + "/person.saha", system::Bytes(packed->bytes)));
  for (const char* component : {"sdk", "runtime"}) ASSERT_TRUE(shell(cmake + " --install " SAHA_BUILD_DIR " --component " + component + " --prefix " + at + "/prefix"));
  ASSERT_TRUE(shell(cmake + " -G Ninja -S " SAHA_SOURCE_DIR "/tests/api/consumer -B " + at + "/build -DCMAKE_PREFIX_PATH=" + at + "/prefix -DCMAKE_CXX_COMPILER=" SAHA_CXX " -DCMAKE_C_COMPILER=" SAHA_CC));
  ASSERT_TRUE(shell(cmake + " --build " + at + "/build"));
  ASSERT_TRUE(shell(at + "/build/consumer " + at + "/person.onnx"));
  ASSERT_TRUE(shell(at + "/build/runtime_consumer " + at + "/person.saha"));
  auto said = system::read_text(log);
  ASSERT_TRUE(said);
  EXPECT_NE(said->find("the C++ and the C example agree"), std::string::npos) << *said;
  EXPECT_NE(said->find("the examples on the runtime library agree"), std::string::npos) << *said;
  ASSERT_TRUE(shell("test -z \"$(nm -DC --defined-only " + at + "/prefix/lib/libsaha.so | awk '{print $3}' | grep -v -e '^saha_' -e '^saha::')\""));
}

TEST(Install, pkg_config_finds_the_runtime_library) {
  if (std::string_view(SAHA_SANITIZE) != "") GTEST_SKIP() << "a sanitized library needs a sanitized program";
  if (std::system("pkg-config --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "pkg-config is not here";
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder) << folder.error().message;
  const std::string at = folder->path().string();
  ASSERT_TRUE(system::write_file(at + "/main.c", "#include <saha/c_api.h>\nint main(void) { return saha_version()[0] == 0; }\n"));
  const std::string command = std::string(SAHA_CMAKE) + " --install " SAHA_BUILD_DIR " --component runtime --prefix " + at + "/prefix >/dev/null && export PKG_CONFIG_PATH=" + at +
                              "/prefix/lib/pkgconfig && " SAHA_CC " " + at + "/main.c -o " + at + "/main $(pkg-config --cflags --libs saha_runtime) && LD_LIBRARY_PATH=" + at + "/prefix/lib " + at + "/main";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}
}  // namespace
}  // namespace saha
