#include "system/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "system/terminal.hpp"

namespace saha::system {
namespace {
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::milliseconds kFirst{300};  // short work never flickers
constexpr int kBar = 24;

void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(2, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(std::size_t(n));
  }
}
}  // namespace

std::string short_duration(double seconds) {
  const auto pad = [](std::int64_t v) { return (v < 10 ? "0" : "") + std::to_string(v); };
  const auto s = std::int64_t(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " min " + pad(s % 60) + " s";
  return std::to_string(s / 3600) + " h " + pad(s / 60 % 60) + " min";
}

Progress::Progress(std::string label, std::int64_t total, ProgressOptions options) : label_(std::move(label)), total_(total), options_(std::move(options)) {
  if (!options_.write) options_.write = write_stderr;
  if (!options_.now) options_.now = Clock::now;
  width_ = options_.width ? *options_.width : terminal_width(2);
  if (!options_.quiet && options_.mode != ProgressMode::none) {
    bar_ = options_.mode == ProgressMode::automatic && width_ > 0;
    lines_ = !bar_;
  }
  start_ = options_.now();
  last_ = bar_ ? start_ + kFirst - kRedraw : start_;
}
Progress::~Progress() { finish(); }

void Progress::set(std::int64_t done) {
  done_ = done;
  if (!bar_ && !lines_) return;
  const auto now = options_.now();
  if (bar_ ? now - last_ >= kRedraw : now - last_ >= options_.plain_every) show(now);
}
std::string Progress::status(Clock::time_point now) const {
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  std::string text;
  if (total_ > 0) {
    text = std::to_string(done_) + " of " + std::to_string(total_);
    if (done_ > 0 && done_ < total_ && elapsed > 0.5) text += ", about " + short_duration(elapsed * double(total_ - done_) / double(done_)) + " left";
    else text += ", " + short_duration(elapsed);
  } else {
    text = (done_ > 0 ? std::to_string(done_) + ", " : "") + short_duration(elapsed);
  }
  return note_.empty() ? text : text + ", " + note_;
}
void Progress::show(Clock::time_point now) {
  last_ = now;
  if (lines_) {
    const std::string percent = total_ > 0 ? std::to_string(std::int64_t(100.0 * double(done_) / double(total_))) + " %, " : "";
    options_.write(label_ + ": " + percent + status(now) + "\n");
    return;
  }
  std::string line = label_ + "  ";
  if (total_ > 0) {
    const int full = int(std::clamp(double(done_) / double(total_), 0.0, 1.0) * kBar);
    line += "[" + std::string(std::size_t(full), '#') + std::string(std::size_t(kBar - full), '.') + "] ";
  }
  options_.write("\r\x1b[K" + fitted(line + status(now), width_ - 1));
  shown_ = true;
}
void Progress::print(std::string_view line) {
  if (options_.quiet) return;
  options_.write((shown_ ? "\r\x1b[K" : "") + std::string(line) + "\n");
  if (shown_) show(options_.now());
}
void Progress::finish() {
  if (shown_) options_.write("\r\x1b[K");
  bar_ = lines_ = shown_ = false;
}

}  // namespace saha::system
