#pragma once
// Child processes: a command with a chosen environment and folder, its output line by line, a time limit that ends its whole process group.
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::system {

struct ProcessOptions {
  std::filesystem::path folder;                              ///< where the command runs; empty: here
  std::vector<std::string> inherit = {"PATH", "HOME", "LANG"};  ///< the only variables that pass from this process
  std::map<std::string, std::string> environment;            ///< set in addition; wins over `inherit`
  std::function<void(std::string_view line)> on_stdout;      ///< called in this thread, without the line end; null: the output is dropped
  std::function<void(std::string_view line)> on_stderr;
  std::optional<std::chrono::milliseconds> timeout;          ///< then SIGTERM, and SIGKILL after `grace`
  std::chrono::milliseconds grace{30'000};
  std::function<bool()> stop;                                ///< asked about 50 times a second; true ends the command as a timeout does
};

struct ProcessResult {
  int exit_code = 0;        ///< 0..255; 128 + signal where a signal ended it
  int signal = 0;           ///< 0: it ended by itself
  bool timed_out = false;
  bool stopped = false;     ///< `stop` asked for the end
  double seconds = 0;
  bool ok() const { return exit_code == 0 && !timed_out && !stopped; }
};
/// "exit code 3", "signal 11 (Segmentation fault)", "no end after 2.0 s", "stopped"
std::string str(const ProcessResult& result);

/// Runs argv[0] (looked up in PATH) and waits for its end. The child has a process group of its own and reads /dev/null; what is
/// left of the group when the child ends is killed, so nothing runs on. A line longer than 1 MiB is delivered in pieces.
/// Fails (io) where the command cannot be started; a command that fails is a result, not an error.
Result<ProcessResult> run_process(const std::vector<std::string>& argv, const ProcessOptions& options = {});
/// The same for `/bin/sh -c command`.
Result<ProcessResult> run_shell(std::string_view command, const ProcessOptions& options = {});
/// A word as /bin/sh reads it back: quoted where it must be.
std::string shell_quoted(std::string_view word);

}  // namespace saha::system
