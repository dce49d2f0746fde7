// posix_spawn rather than fork: safe with threads running. The child is reaped after its group is killed, so its id cannot be reused in between.
#include "system/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace saha::system {
namespace {
using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxLine = std::size_t{1} << 20;

struct Pipe {
  int read = -1, write = -1;
  ~Pipe() { close_read(); close_write(); }
  void close_read() { if (read >= 0) ::close(std::exchange(read, -1)); }
  void close_write() { if (write >= 0) ::close(std::exchange(write, -1)); }
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0], write = ends[1];
    return ::fcntl(read, F_SETFL, O_NONBLOCK) == 0;
  }
};

// Cuts a stream into lines for one callback.
struct Lines {
  const std::function<void(std::string_view)>& call;
  std::string partial = {};
  void add(std::string_view piece) {
    if (!call) return;
    for (std::size_t end; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
      partial.append(piece.substr(0, end));
      flush();
    }
    partial.append(piece);
    if (partial.size() >= kMaxLine) flush();
  }
  void flush() {
    if (!partial.empty() && partial.back() == '\r') partial.pop_back();
    call(partial);
    partial.clear();
  }
  void finish() { if (call && !partial.empty()) flush(); }
};

// Takes what is there; closes the pipe at its end.
void drain(Pipe& pipe, Lines& lines) {
  std::array<char, 16384> buffer;
  while (pipe.read >= 0) {
    const ssize_t n = ::read(pipe.read, buffer.data(), buffer.size());
    if (n > 0) { lines.add({buffer.data(), std::size_t(n)}); continue; }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    pipe.close_read();
  }
}

std::vector<std::string> child_environment(const ProcessOptions& options) {
  std::map<std::string, std::string> all = options.environment;
  for (const std::string& name : options.inherit)
    if (const char* value = std::getenv(name.c_str())) all.emplace(name, value);
  std::vector<std::string> list;
  for (const auto& [name, value] : all) list.push_back(name + "=" + value);
  return list;
}
std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

Result<pid_t> spawn(const std::vector<std::string>& argv, const ProcessOptions& options, Pipe& out, Pipe& err) {
  const auto environment = child_environment(options);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write, 2);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  for (int s : {SIGKILL, SIGSTOP}) sigdelset(&all, s);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, short(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  pid_t child = -1;
  const int code = ::posix_spawnp(&child, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (code != 0) {
    const std::string where = options.folder.empty() ? "" : " in '" + options.folder.string() + "'";
    return Error{ErrorCode::io, "cannot start '" + argv[0] + "'" + where + ": " + std::generic_category().message(code)};
  }
  return child;
}

bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, id_t(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& argv, const ProcessOptions& options) {
  if (argv.empty() || argv[0].empty()) return Error{ErrorCode::invalid_argument, "a command is empty"};
  Pipe out, err;
  if (!out.open() || !err.open()) return Error{ErrorCode::io, "cannot start '" + argv[0] + "': " + std::generic_category().message(errno)};
  const auto start = Clock::now();
  SAHA_TRY(const pid_t child, spawn(argv, options, out, err));
  out.close_write();
  err.close_write();

  ProcessResult result;
  Lines out_lines{options.on_stdout}, err_lines{options.on_stderr};
  std::optional<Clock::time_point> terminated;
  bool killed = false;
  while (!has_ended(child)) {
    pollfd fds[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
    ::poll(fds, 2, out.read < 0 && err.read < 0 ? 2 : 20);  // both closed: the end is near
    drain(out, out_lines);
    drain(err, err_lines);
    const auto now = Clock::now();
    if (!terminated) {
      result.timed_out = options.timeout && now - start >= *options.timeout;
      result.stopped = !result.timed_out && options.stop && options.stop();
      if (result.timed_out || result.stopped) {
        ::kill(-child, SIGTERM);
        ::kill(-child, SIGCONT);  // a stopped process must wake up to hear it
        terminated = now;
      }
    } else if (!killed && now - *terminated >= options.grace) {
      ::kill(-child, SIGKILL);
      killed = true;
    }
  }
  drain(out, out_lines);
  drain(err, err_lines);
  ::kill(-child, SIGKILL);  // grandchildren that stayed behind; the zombie child keeps the group's number taken until the next line
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  drain(out, out_lines);
  drain(err, err_lines);
  out_lines.finish();
  err_lines.finish();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status), result.exit_code = 128 + result.signal;
  else result.exit_code = WEXITSTATUS(status);
  return result;
}

Result<ProcessResult> run_shell(std::string_view command, const ProcessOptions& options) {
  return run_process({"/bin/sh", "-c", std::string(command)}, options);
}

std::string str(const ProcessResult& result) {
  std::string seconds = std::to_string(result.seconds);
  seconds.resize(seconds.find('.') + 2);
  if (result.timed_out) return "no end after " + seconds + " s";
  if (result.stopped) return "stopped";
  if (result.signal) return "signal " + std::to_string(result.signal) + " (" + ::strsignal(result.signal) + ")";
  return "exit code " + std::to_string(result.exit_code);
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace saha::system
