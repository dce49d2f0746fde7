#include "system/deadline.hpp"

#include <cstdlib>

namespace saha::system {

Deadline::Deadline(std::chrono::steady_clock::time_point at, std::function<int()> late)
    : thread_([this, at, late = std::move(late)] {
        std::unique_lock lock(mutex_);
        if (!ended_.wait_until(lock, at, [&] { return over_; })) std::_Exit(late());
      }) {}

Deadline::~Deadline() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

}  // namespace saha::system
