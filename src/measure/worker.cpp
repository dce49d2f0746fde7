// The program's end of a worker: starts it, asks, reports how it ended. Source: posix_spawn(3), waitpid(2).
#include "measure/worker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "backends/engine/dynamic_library.hpp"

extern char** environ;

namespace saha::measure {
namespace {
constexpr int kReplies = 3;  // the worker's descriptor for answers: engines print on 1 and 2 as they like

void close_all(std::initializer_list<int> fds) {
  for (int fd : fds)
    if (fd >= 0) ::close(fd);
}

Message request(Request r) { return std::move(Message().put(std::uint64_t(r))); }

}  // namespace

Result<Worker> Worker::start() {
  const auto folder = engine::module_folder("saha_worker");
  if (folder.empty())
    return Error{ErrorCode::io, "saha_worker, the process in which an engine is measured, is neither beside " + engine::own_folder().string() + " nor in lib/saha above it",
                 "build the target saha_worker, or set SAHA_MODULES to the folder that holds it"};
  const std::string program = (folder / "saha_worker").string();
  int to[2] = {-1, -1}, from[2] = {-1, -1};
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
    const int code = errno;
    close_all({to[0], to[1], from[0], from[1]});
    return Error{ErrorCode::io, "no pipe for a worker: " + std::string(std::strerror(code))};
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // dup2 onto itself would keep close-on-exec, so a descriptor that is 3 already goes by way of a high one.
  const int reply = from[1] == kReplies ? ::fcntl(from[1], F_DUPFD_CLOEXEC, 64) : from[1];
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, reply, kReplies);
  const char* argv[] = {program.c_str(), nullptr};
  pid_t pid = -1;
  const int code = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  close_all({to[0], from[1], reply == from[1] ? -1 : reply});
  if (code != 0) {
    close_all({to[1], from[0]});
    return Error{ErrorCode::io, program + " cannot be started: " + std::strerror(code)};
  }
  Worker worker;
  worker.pid_ = pid;
  worker.to_ = to[1];
  worker.from_ = from[0];
  return worker;
}

Worker::Worker(Worker&& other) noexcept
    : timeout_ms(other.timeout_ms), pid_(std::exchange(other.pid_, -1)), to_(std::exchange(other.to_, -1)), from_(std::exchange(other.from_, -1)) {}

Worker::~Worker() {
  close_all({to_, from_});  // the end of its input ends it
  if (pid_ <= 0) return;
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
    ::usleep(5'000);
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Error Worker::ended() {
  close_all({std::exchange(to_, -1), std::exchange(from_, -1)});
  int status = 0;
  if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (WIFSIGNALED(status)) return {ErrorCode::internal, "its process was ended by signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")"};
  return {ErrorCode::internal, "its process ended with exit code " + std::to_string(WEXITSTATUS(status))};
}

// An answer is 1 and values, or 0 and an error.
Result<Message> Worker::ask(const Message& message) {
  if (to_ < 0) return Error{ErrorCode::internal, "its process has ended"};
  if (!send(to_, message)) return ended();
  auto answer = receive(from_, timeout_ms);
  if (!answer && answer.error().code == ErrorCode::cancelled) {
    ::kill(pid_, SIGKILL);
    ended();
    return std::move(answer.error());
  }
  if (!answer) return ended();
  if (answer->number() == 1) return answer;
  const auto code = ErrorCode(answer->number());
  std::string text = answer->text(), help = answer->text();
  return Error{code, std::move(text), std::move(help)};
}

Result<std::string> Worker::open(const std::string& backend) {
  SAHA_TRY(Message answer, ask(request(Request::open).put(std::string_view(backend))));
  return answer.text();
}

Result<Loaded> Worker::load(const Load& l) {
  Message m = request(Request::load);
  m.put(std::string_view(l.backend)).put(std::string_view(l.model)).put(std::uint64_t(l.threads)).put(std::string_view(l.precision)).put(std::uint64_t(l.profile)).put(std::uint64_t(l.pin)).put(l.names).put(l.inputs);
  SAHA_TRY(Message answer, ask(m));
  Loaded r;
  r.version = answer.text();
  r.precision = answer.text();
  r.notes = answer.texts();
  r.outputs = answer.texts();
  r.load_ms = answer.real();
  r.first_ms = answer.real();
  r.activation_bytes = std::int64_t(answer.number());
  r.pinned = answer.number() != 0;
  return r;
}

Result<Burst> Worker::burst(int runs, double settle_ms) {
  SAHA_TRY(Message answer, ask(request(Request::burst).put(std::uint64_t(runs)).put(settle_ms)));
  Burst b;
  b.wall_ms = answer.reals();
  b.cpu_ms = answer.reals();
  return b;
}

Result<std::vector<Datum>> Worker::outputs() {
  SAHA_TRY(Message answer, ask(request(Request::outputs)));
  auto data = answer.data();
  if (answer.failed()) return Error{ErrorCode::internal, "its results arrived damaged"};
  return data;
}

Result<std::uint64_t> Worker::peak_bytes() {
  SAHA_TRY(Message answer, ask(request(Request::memory)));
  return answer.number();
}

Result<std::vector<runtime::LayerTime>> Worker::profile(int runs) {
  SAHA_TRY(Message answer, ask(request(Request::profile).put(std::uint64_t(runs))));
  std::vector<runtime::LayerTime> layers(answer.count(sizeof(std::uint64_t)));
  for (auto& l : layers) {
    l.name = answer.text();
    l.op = answer.text();
    l.output = answer.text();
    l.kernel = answer.text();
    l.algorithm = answer.text();
    l.ms = answer.real();
    l.cpu_ms = answer.real();
    l.macs = answer.real();
    l.bytes = answer.real();
    l.reads = answer.lists();
    l.writes = answer.lists();
  }
  if (answer.failed()) return Error{ErrorCode::internal, "its profile arrived damaged"};
  return layers;
}

}  // namespace saha::measure
