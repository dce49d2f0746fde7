#include "system/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "system/file.hpp"

namespace saha::system {
namespace {
using namespace std::chrono_literals;

std::vector<std::string> lines_of(const std::string& command, ProcessOptions options = {}) {
  std::vector<std::string> lines;
  options.on_stdout = [&lines](std::string_view line) { lines.emplace_back(line); };
  EXPECT_TRUE(run_shell(command, options));
  return lines;
}

TEST(Process, delivers_both_streams_by_line_and_the_exit_code) {
  std::vector<std::string> out, err;
  ProcessOptions options;
  options.on_stdout = [&out](std::string_view line) { out.emplace_back(line); };
  options.on_stderr = [&err](std::string_view line) { err.emplace_back(line); };
  auto r = run_shell("echo one; echo two >&2; printf 'three\\r\\n\\nno end'; exit 7", options);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->exit_code, 7);
  EXPECT_FALSE(r->ok());
  EXPECT_EQ(str(*r), "exit code 7");
  EXPECT_EQ(out, (std::vector<std::string>{"one", "three", "", "no end"}));
  EXPECT_EQ(err, std::vector<std::string>{"two"});
}
TEST(Process, loses_nothing_of_much_output) {
  std::size_t count = 0;
  ProcessOptions options;
  options.on_stdout = [&count](std::string_view) { ++count; };
  ASSERT_TRUE(run_shell("seq 1 200000", options)->ok());
  EXPECT_EQ(count, 200'000u);
}
TEST(Process, passes_arguments_as_they_are) {
  std::vector<std::string> out;
  ProcessOptions options;
  options.on_stdout = [&out](std::string_view line) { out.emplace_back(line); };
  ASSERT_TRUE(run_process({"printf", "%s\\n", "a b", "$HOME", "'"}, options));
  EXPECT_EQ(out, (std::vector<std::string>{"a b", "$HOME", "'"}));
}
TEST(Process, lets_only_allowed_variables_pass) {
  setenv("SAHA_TEST_SECRET", "s3cret", 1);
  setenv("SAHA_TEST_OPEN", "open", 1);
  ProcessOptions options;
  options.inherit.push_back("SAHA_TEST_OPEN");
  options.environment["SAHA_MODEL"] = "m.onnx";
  EXPECT_EQ(lines_of("echo \"[$SAHA_TEST_SECRET] $SAHA_TEST_OPEN $SAHA_MODEL\"", options), std::vector<std::string>{"[] open m.onnx"});
}
TEST(Process, runs_in_the_given_folder) {
  auto folder = TempFolder::make();
  ProcessOptions options;
  options.folder = folder->path();
  EXPECT_EQ(lines_of("pwd -P", options), std::vector<std::string>{std::filesystem::canonical(folder->path()).string()});
  options.folder = "/no/such/folder";
  auto r = run_shell("true", options);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "cannot start '/bin/sh' in '/no/such/folder': No such file or directory");
}
TEST(Process, a_command_that_does_not_exist_is_an_error_by_name) {
  auto r = run_process({"no-such-command-of-saha"});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "cannot start 'no-such-command-of-saha': No such file or directory");
  EXPECT_FALSE(run_process({}));
}
TEST(Process, reports_the_signal) {
  auto r = run_shell("kill -SEGV $$");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->signal, SIGSEGV);
  EXPECT_EQ(r->exit_code, 139);
  EXPECT_EQ(str(*r), "signal 11 (Segmentation fault)");
}
TEST(Process, a_timeout_asks_first_then_kills_the_whole_group) {
  std::vector<std::string> out;
  ProcessOptions options;
  options.timeout = 200ms;
  options.grace = 30s;
  options.on_stdout = [&out](std::string_view line) { out.emplace_back(line); };
  auto polite = run_shell("trap 'echo bye; exit 3' TERM; sleep 60 & wait", options);
  ASSERT_TRUE(polite);
  EXPECT_TRUE(polite->timed_out);
  EXPECT_EQ(polite->exit_code, 3);
  EXPECT_EQ(out, std::vector<std::string>{"bye"});
  EXPECT_LT(polite->seconds, 30);
  options.grace = 200ms;
  options.on_stdout = nullptr;
  auto stubborn = run_shell("trap '' TERM; while :; do sleep 0.05; done", options);
  ASSERT_TRUE(stubborn);
  EXPECT_EQ(stubborn->signal, SIGKILL);
  EXPECT_LT(stubborn->seconds, 30);
}
TEST(Process, nothing_stays_behind) {
  auto folder = TempFolder::make();
  ProcessOptions options;
  options.folder = folder->path();
  auto r = run_shell("sleep 60 & echo $! > id", options);  // a grandchild that holds our pipes
  ASSERT_TRUE(r);
  EXPECT_LT(r->seconds, 30);
  const pid_t id = pid_t(std::stoi(*read_text(folder->path() / "id")));
  bool gone = false;
  for (int i = 0; i < 1000 && !gone; ++i) {  // an orphan is reaped by its new parent a little later; a zombie no longer runs
    std::ifstream stat("/proc/" + std::to_string(id) + "/stat");
    std::string word;
    char state = 'X';
    stat >> word >> word >> state;
    gone = !stat || state == 'Z' || state == 'X';
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(gone);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child, not even a zombie, is left";
}
TEST(Process, stops_when_asked) {
  ProcessOptions options;
  int asked = 0;
  options.stop = [&asked] { return ++asked > 5; };
  auto r = run_shell("sleep 60", options);
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->stopped);
  EXPECT_EQ(str(*r), "stopped");
}
TEST(Process, quoted_words_survive_the_shell) {
  for (const std::string word : {"plain", "two words", "it's", "", "$HOME;`id`\\", "a\nb"}) {
    std::string joined;
    for (const auto& line : lines_of("printf '%s' " + shell_quoted(word))) joined += (joined.empty() ? "" : "\n") + line;
    EXPECT_EQ(joined, word);
  }
}

}  // namespace
}  // namespace saha::system
