#pragma once
// Messages between the program and its workers: a 64-bit length, then values as they lie in memory. Both ends are one build on one machine.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tensor/datum.hpp"

namespace saha::measure {

class Message {
 public:
  Message() = default;
  explicit Message(std::string bytes) : bytes_(std::move(bytes)) {}
  const std::string& bytes() const { return bytes_; }

  Message& put(std::uint64_t v) { return raw(&v, sizeof v); }
  Message& put(double v) { return raw(&v, sizeof v); }
  Message& put(std::string_view s) { put(std::uint64_t(s.size())); return raw(s.data(), s.size()); }
  Message& put(const Datum& d);
  template <class T> Message& put(const std::vector<T>& v) {
    put(std::uint64_t(v.size()));
    for (const auto& x : v) put(x);
    return *this;
  }

  // Reading, in the order of writing. After the end everything is empty and failed() is true.
  std::uint64_t number() { std::uint64_t v = 0; take(&v, sizeof v); return v; }
  double real() { double v = 0; take(&v, sizeof v); return v; }
  std::string text();
  Datum datum();
  std::vector<Datum> data();
  std::vector<double> reals();
  std::vector<std::string> texts();
  std::vector<std::vector<std::string>> lists();
  /// A number of items that the rest of the message can hold.
  std::uint64_t count(std::size_t least_bytes_each);
  bool failed() const { return failed_; }

 private:
  Message& raw(const void* p, std::size_t n) { bytes_.append(static_cast<const char*>(p), n); return *this; }
  void take(void* p, std::size_t n);
  std::string bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

/// Writes all of it. False where the other end is closed.
bool send(int fd, const Message& message);
/// Waits for a whole message, at most `timeout_ms` (-1: for ever). Fails (io) at the end of the stream, (cancelled) on time.
Result<Message> receive(int fd, int timeout_ms = -1);

}  // namespace saha::measure
