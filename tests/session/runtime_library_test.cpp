// libsaha_runtime.so, by a program in plain C.
#include <sys/wait.h>

#include <cstdio>
#include <sstream>

#include "system/file.hpp"
#include "tests/bundle/bundle_testing.hpp"

namespace saha {
namespace {
using test::Bytes;

struct Said {
  int code = -1;
  std::string text;   ///< stdout and stderr
};
Said program(const std::string& arguments) {
  Said said;
  std::FILE* pipe = ::popen((std::string(SAHA_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  if (!pipe) return said;
  char line[512];
  while (std::fgets(line, sizeof line, pipe)) said.text += line;
  const int status = ::pclose(pipe);
  said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return said;
}

class RuntimeLibrary : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = system::TempFolder::make();
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(std::move(*folder));
    at = folder_->path().string() + "/";
    model = test::picture_net();
    bytes = test::packed(model, {{{1, 3, 9, 9}}}).bytes;
    ASSERT_TRUE(system::write_file(at + "net.saha", system::Bytes(bytes)));
  }
  std::string write(const std::string& name, const Bytes& b) {
    EXPECT_TRUE(system::write_file(at + name, system::Bytes(b)));
    return at + name;
  }
  std::string at;
  ir::Model model;
  Bytes bytes;

 private:
  std::optional<system::TempFolder> folder_;
};

TEST_F(RuntimeLibrary, gives_the_bits_that_sahas_own_session_gives) {
  const Tensor x = test::noise({1, 3, 9, 9}, 7);
  ASSERT_TRUE(system::write_file(at + "in", system::Bytes(x.data.get(), std::size_t(x.bytes()))));
  const Said said = program(at + "net.saha run " + at + "in " + at + "out");
  ASSERT_EQ(said.code, 0) << said.text;
  EXPECT_NE(said.text.find(": float32[1, 3, 9, 9] -> float32[1, 5]"), std::string::npos) << said.text;
  const auto got = system::read_bytes(at + "out");
  ASSERT_TRUE(got) << got.error().message;
  for (const auto& network : {test::open_and_run(bytes, {Datum(x)}), test::run(native::network_of(model.graph, kernels::detect_isa()), {Datum(x)})}) {
    ASSERT_TRUE(network) << network.error().message;
    const Tensor& want = (*network)[0].tensor;
    ASSERT_EQ(got->size(), std::size_t(want.bytes()));
    EXPECT_EQ(std::memcmp(got->data(), want.data.get(), got->size()), 0);
  }
}

TEST_F(RuntimeLibrary, says_what_a_caller_did_wrong) {
  const Said said = program(at + "net.saha wrong");
  EXPECT_EQ(said.code, 0) << said.text;
  const auto name = model.graph.name(model.graph.outputs()[0]);
  EXPECT_EQ(said.text,
            "invalid-argument: input 'image' was not given\n"
            "invalid-argument: the model has no input 'picture'; it has 'image'\n"
            "invalid-argument: input 'image' takes float32[1, 3, 9, 9], 3 elements were given, 243 are needed\n"
            "invalid-argument: input 'image' takes float32[1, 3, 9, 9], [2, 3, 9, 9] was given\n"
            "invalid-argument: the model has no output 'scores'; it has '" + name + "'\n"
            "invalid-argument: output '" + name + "' has 20 bytes, there is room for 12\n"
            "invalid-argument: the model has 1 outputs, number 7 was asked for\n"
            "invalid-argument: context is NULL\n");
}

TEST_F(RuntimeLibrary, says_what_is_wrong_with_a_file) {
  const auto opened = [&](const std::string& path, const std::string& level = "") {
    const Said said = program(path + " open " + level);
    EXPECT_EQ(said.code, 1) << said.text;
    EXPECT_EQ(std::ranges::count(said.text, '\n'), 1) << said.text;
    return said.text;
  };
  EXPECT_EQ(program(at + "net.saha open").code, 0);
  EXPECT_EQ(program(at + "net.saha open " + std::string(kernels::name(kernels::detect_isa()))).code, 0);
  Bytes cut(bytes.begin(), bytes.begin() + 200);
  EXPECT_NE(opened(write("cut.saha", cut)).find("its header says"), std::string::npos);
  const auto onnx = onnx::export_bytes(model);
  ASSERT_TRUE(onnx);
  ASSERT_TRUE(system::write_file(at + "net.onnx", std::string_view(*onnx)));
  EXPECT_EQ(opened(at + "net.onnx"), "invalid-model: " + at + "net.onnx: it does not begin as a bundle does\n");
  EXPECT_NE(opened(at + "net.saha", "avx1024").find("unsupported: this processor does not run level 'avx1024'; it runs generic"), std::string::npos);
  const Bytes other = test::with_manifest(bytes, [](bundle::Json& m) { m["plans"][0]["kernels"] = "0123456789abcdef"; });
  EXPECT_NE(opened(write("other.saha", other)).find("unsupported: " + at + "other.saha: there is no plan of level "), std::string::npos);
}

TEST_F(RuntimeLibrary, finds_damage_before_it_runs) {
  const auto b = bundle::Bundle::from_bytes(bytes);
  ASSERT_TRUE(b);
  for (const std::string name : {"weights", "plan/0"}) {
    const bundle::Section* s = (*b)->find(name);
    ASSERT_NE(s, nullptr) << name;
    Bytes damaged = bytes;
    damaged[std::size_t(s->offset)] ^= std::byte{1};
    const Said said = program(write("damaged.saha", damaged) + " wrong");   // fails where the context is made
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.text.find("damaged.saha: section '" + name + "' at byte "), std::string::npos) << said.text;
    EXPECT_NE(said.text.find("; damaged, not loaded"), std::string::npos) << said.text;
  }
}

TEST_F(RuntimeLibrary, runs_plans_of_lower_levels) {
  const Bytes generic = test::packed(model, {{{1, 3, 9, 9}}}, {kernels::Isa::generic}).bytes;
  const Tensor x = test::noise({1, 3, 9, 9}, 7);
  ASSERT_TRUE(system::write_file(at + "in", system::Bytes(x.data.get(), std::size_t(x.bytes()))));
  const Said said = program(write("generic.saha", generic) + " run " + at + "in " + at + "out");
  ASSERT_EQ(said.code, 0) << said.text;
  const auto got = system::read_bytes(at + "out");
  const auto want = test::open_and_run(generic, {Datum(x)}, kernels::Isa::generic);
  ASSERT_TRUE(got && want);
  EXPECT_EQ(std::memcmp(got->data(), (*want)[0].tensor.data.get(), got->size()), 0);
}

TEST_F(RuntimeLibrary, exports_its_functions_and_needs_the_system_alone) {
  const auto lines = [](const std::string& command) {
    std::string text;
    if (std::FILE* pipe = ::popen(command.c_str(), "r")) {
      char line[512];
      while (std::fgets(line, sizeof line, pipe)) text += line;
      ::pclose(pipe);
    }
    return text;
  };
  const std::string functions = lines("nm -D --defined-only " SAHA_LIBRARY " | awk '{print $3}'"), needed = lines("readelf -d " SAHA_LIBRARY " | sed -n 's/.*NEEDED.*\\[\\(.*\\)\\]/\\1/p'");
  EXPECT_NE(functions.find("saha_session_open\n"), std::string::npos) << functions;
  std::istringstream each(functions), each_needed(needed);
  for (std::string name; each >> name;) EXPECT_EQ(name.rfind("saha_", 0), 0u) << name;
  if (std::string_view(SAHA_SANITIZE) != "") GTEST_SKIP() << "a sanitized library needs the sanitizer's as well";
  EXPECT_NE(needed.find("libc.so"), std::string::npos) << needed;
  for (std::string name; each_needed >> name;)
    EXPECT_TRUE(name.rfind("libc.so", 0) == 0 || name.rfind("libm.so", 0) == 0 || name.rfind("libstdc++.so", 0) == 0 || name.rfind("libgcc_s.so", 0) == 0 || name.rfind("ld-linux", 0) == 0 || name.rfind("libpthread.so", 0) == 0) << name;
}
}  // namespace
}  // namespace saha
