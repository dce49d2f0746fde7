#include "system/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>

#include "system/file.hpp"

namespace saha::system {

Result<FolderLock> FolderLock::acquire(const std::filesystem::path& folder, const std::function<void(std::string_view)>& on_wait,
                                       const std::function<bool()>& stop) {
  SAHA_DO(make_folders(folder));
  const auto path = folder / ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return Error{ErrorCode::io, "cannot lock '" + path.string() + "': " + std::generic_category().message(errno)};
  FolderLock lock(fd);
  bool told = false;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return Error{ErrorCode::io, "cannot lock '" + path.string() + "': " + std::generic_category().message(errno)};
    char id[32] = {};
    const ssize_t n = ::pread(fd, id, sizeof id - 1, 0);
    const std::string holder = n > 0 ? "process " + std::string(id, std::size_t(n)) : "another process";
    if (!std::exchange(told, true) && on_wait) on_wait(holder);
    if (stop && stop()) return Error{ErrorCode::cancelled, "stopped while waiting for '" + folder.string() + "', which " + holder + " holds"};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const std::string id = std::to_string(::getpid());
  // Only for the message above; a full disk must not stop a run here.
  if (::ftruncate(fd, 0) == 0 && ::pwrite(fd, id.data(), id.size(), 0) < 0) {}
  return lock;
}
FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);  // closing gives the lock up; the file stays, for a waiter may hold it open
}

}  // namespace saha::system
