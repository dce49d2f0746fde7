#pragma once
// Deadline: a limit that holds also where the work looks at no clock.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace saha::system {

/// Where the object still lives at that time, `late` is called, from a thread of its own, and the process ends at once with the exit code that it
/// returns: no destructors, no buffers but those that `late` writes out. The destructor waits for `late`, if it has begun, which means for ever.
class Deadline {
 public:
  Deadline(std::chrono::steady_clock::time_point at, std::function<int()> late);
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline();

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace saha::system
