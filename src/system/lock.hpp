#pragma once
// One process at a time in a folder: flock(2) on a file in it. The lock goes with the process, also after kill -9.
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace saha::system {

class FolderLock {
 public:
  /// Waits until the folder (made where missing) is free. `on_wait` is called once, if there is a wait, with who holds it
  /// ("process 4121"). `stop` is asked ten times a second; true gives the error `cancelled`.
  static Result<FolderLock> acquire(const std::filesystem::path& folder, const std::function<void(std::string_view holder)>& on_wait = {},
                                    const std::function<bool()>& stop = {});
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace saha::system
