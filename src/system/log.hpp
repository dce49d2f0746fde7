#pragma once
// The conversation on stderr by level, and the same as JSON lines in a file (--log FILE). Passed down, never global.
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace saha::system {

enum class LogLevel : std::uint8_t { error, warning, info, verbose, debug };  ///< -q error; default info; -v verbose; -vv debug
std::string_view name(LogLevel level);

struct LogOptions {
  LogLevel level = LogLevel::info;       ///< what stderr shows; the file gets everything
  bool color = false;
  std::filesystem::path file = {};       ///< empty: none; appended to
};

/// Threads may share it: a line is written whole.
class Log {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  Log();                                 ///< silent
  static Result<Log> open(const LogOptions& options);
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;
  ~Log();

  bool shows(LogLevel level) const;      ///< on stderr
  /// "error: " and "warning: " go in front of those; fields appear in the file only.
  void write(LogLevel level, std::string_view message, Fields fields = {}) const;
  void error(std::string_view message, Fields fields = {}) const { write(LogLevel::error, message, fields); }
  void warning(std::string_view message, Fields fields = {}) const { write(LogLevel::warning, message, fields); }
  void info(std::string_view message, Fields fields = {}) const { write(LogLevel::info, message, fields); }
  void verbose(std::string_view message, Fields fields = {}) const { write(LogLevel::verbose, message, fields); }
  void debug(std::string_view message, Fields fields = {}) const { write(LogLevel::debug, message, fields); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace saha::system
