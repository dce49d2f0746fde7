#pragma once
// Progress of long work on stderr: a bar that redraws itself on a terminal, elsewhere one line every 30 s without carriage returns.
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace saha::system {

enum class ProgressMode : std::uint8_t { automatic, plain, none };  ///< --progress auto|plain|none

struct ProgressOptions {
  ProgressMode mode = ProgressMode::automatic;
  bool quiet = false;                                             ///< -q: nothing is printed
  std::chrono::milliseconds plain_every{30'000};
  // What a test replaces. Empty: stderr, its width (0: no terminal) and the steady clock.
  std::function<void(std::string_view)> write = {};
  std::optional<int> width = {};
  std::function<std::chrono::steady_clock::time_point()> now = {};
};

/// One piece of work of `total` steps (0: unknown), used from one thread. Redraws at most ten times a second; a step costs one clock reading.
class Progress {
 public:
  Progress(std::string label, std::int64_t total, ProgressOptions options = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  ///< takes the bar away; what is left on the screen is what the caller prints

  void advance(std::int64_t steps = 1) { set(done_ + steps); }
  void set(std::int64_t done);
  void total(std::int64_t total) { total_ = total; }
  void note(std::string text) { note_ = std::move(text); }  ///< shown after the numbers, e.g. "layer 'conv1'"
  void print(std::string_view line);                        ///< a line above the bar
  void finish();                                            ///< as the destructor; later calls do nothing

 private:
  using Clock = std::chrono::steady_clock;
  void show(Clock::time_point now);
  std::string status(Clock::time_point now) const;
  std::string label_, note_;
  std::int64_t total_, done_ = 0;
  ProgressOptions options_;
  int width_ = 0;
  bool bar_ = false, lines_ = false, shown_ = false;
  Clock::time_point start_, last_;
};

/// "45 s", "2 min 05 s", "3 h 10 min": for remaining and elapsed times.
std::string short_duration(double seconds);

}  // namespace saha::system
