#include "system/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <system_error>

#include "system/terminal.hpp"

namespace saha::system {

struct Log::State {
  LogOptions options;
  int fd = -1;
  std::mutex mutex;
  ~State() { if (fd >= 0) ::close(fd); }
};

namespace {
// Length of the UTF-8 sequence at the start of s; 0 where it is none (overlong and surrogate forms included).
std::size_t utf8_length(std::string_view s) {
  const auto b = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const std::size_t n = b(0) < 0x80 ? 1 : b(0) >= 0xc2 && b(0) < 0xe0 ? 2 : (b(0) & 0xf0) == 0xe0 ? 3 : b(0) >= 0xf0 && b(0) < 0xf5 ? 4 : 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((b(i) & 0xc0) != 0x80) return 0;
  if ((b(0) == 0xe0 && b(1) < 0xa0) || (b(0) == 0xed && b(1) >= 0xa0) || (b(0) == 0xf0 && b(1) < 0x90) || (b(0) == 0xf4 && b(1) >= 0x90)) return 0;
  return n;
}
std::string utc_now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  tm parts{};
  ::gmtime_r(&t.tv_sec, &parts);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof text - n, ".%03dZ", int(t.tv_nsec / 1'000'000));
  return text;
}
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a log that cannot be written must not stop the work
    text.remove_prefix(std::size_t(n));
  }
}
}  // namespace

std::string_view name(LogLevel level) {
  constexpr std::string_view kNames[] = {"error", "warning", "info", "verbose", "debug"};
  return kNames[std::size_t(level)];
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    const char c = text[0];
    if (n == 0) out += "\xef\xbf\xbd";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else out.append(text.substr(0, n));
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out + "\"";
}

Log::Log() = default;
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;
Log::~Log() = default;

Result<Log> Log::open(const LogOptions& options) {
  Log log;
  log.state_ = std::make_unique<State>();
  log.state_->options = options;
  if (!options.file.empty()) {
    log.state_->fd = ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log.state_->fd < 0) return Error{ErrorCode::io, "cannot write log '" + options.file.string() + "': " + std::generic_category().message(errno)};
  }
  return log;
}
bool Log::shows(LogLevel level) const { return state_ && level <= state_->options.level; }
void Log::write(LogLevel level, std::string_view message, Fields fields) const {
  if (!state_ || (!shows(level) && state_->fd < 0)) return;
  const std::lock_guard hold(state_->mutex);
  if (shows(level)) {
    std::string line;
    if (level == LogLevel::error) line = paint("error:", Ink::red, state_->options.color) + " ";
    if (level == LogLevel::warning) line = paint("warning:", Ink::yellow, state_->options.color) + " ";
    write_all(2, line.append(message) + "\n");
  }
  if (state_->fd >= 0) {
    std::string line = "{\"time\": \"" + utc_now() + "\", \"level\": \"" + std::string(name(level)) + "\", \"message\": " + json_quoted(message);
    for (const auto& [key, value] : fields) line += ", " + json_quoted(key) + ": " + json_quoted(value);
    write_all(state_->fd, line + "}\n");
  }
}

}  // namespace saha::system
