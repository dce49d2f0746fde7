// Source: read(2), write(2), poll(2).
#include "measure/message.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "system/machine.hpp"

namespace saha::measure {

void Message::take(void* p, std::size_t n) {
  if (failed_ || n > bytes_.size() - at_) {
    failed_ = true;
    std::memset(p, 0, n);
    return;
  }
  std::memcpy(p, bytes_.data() + at_, n);
  at_ += n;
}

std::uint64_t Message::count(std::size_t least_bytes_each) {
  const std::uint64_t n = number();
  if (n <= (bytes_.size() - at_) / least_bytes_each) return n;
  failed_ = true;
  return 0;
}

std::string Message::text() {
  std::string s(count(1), '\0');
  take(s.data(), s.size());
  return s;
}

Message& Message::put(const Datum& d) {
  put(std::uint64_t(d.kind));
  if (d.kind == Datum::Kind::tensor) {
    const Tensor& t = d.tensor;
    put(std::uint64_t(t.dtype)).put(std::uint64_t(t.dims.size()));
    for (auto n : t.dims) put(std::uint64_t(n));
    if (t.dtype != DType::string) return put(std::string_view(reinterpret_cast<const char*>(t.data.get()), std::size_t(t.bytes())));
    return put(std::vector<std::string_view>(t.text->begin(), t.text->end()));
  }
  return d.kind == Datum::Kind::none ? *this : put(d.list());
}

Datum Message::datum() {
  const auto kind = Datum::Kind(number());
  if (kind == Datum::Kind::tensor) {
    const auto dtype = DType(number());
    Dims dims(count(sizeof(std::uint64_t)));
    for (auto& n : dims) n = std::int64_t(number());
    if (dtype == DType::string) {
      auto text = texts();
      return failed_ ? Datum() : Datum(Tensor::of_strings(std::move(dims), std::move(text)));
    }
    const std::string bytes = text();
    auto t = failed_ || int(dtype) >= kNumDTypes ? Result<Tensor>(Error{ErrorCode::internal, ""}) : Tensor::make(dtype, std::move(dims));
    if (!t || t->bytes() != std::int64_t(bytes.size())) return failed_ = true, Datum();
    if (!bytes.empty()) std::memcpy(t->data.get(), bytes.data(), bytes.size());
    return Datum(std::move(*t));
  }
  if (kind == Datum::Kind::none || failed_) return Datum();
  auto items = data();
  if (kind == Datum::Kind::sequence) return Datum::sequence(std::move(items));
  if (items.size() != 2) return failed_ = true, Datum();
  return Datum::map(std::move(items[0].tensor), std::move(items[1].tensor));
}

std::vector<Datum> Message::data() {
  std::vector<Datum> v(count(sizeof(std::uint64_t)));
  for (auto& d : v) d = datum();
  return v;
}

std::vector<double> Message::reals() {
  std::vector<double> v(count(sizeof(double)));
  for (auto& x : v) x = real();
  return v;
}

std::vector<std::string> Message::texts() {
  std::vector<std::string> v(count(sizeof(std::uint64_t)));
  for (auto& s : v) s = text();
  return v;
}

std::vector<std::vector<std::string>> Message::lists() {
  std::vector<std::vector<std::string>> v(count(sizeof(std::uint64_t)));
  for (auto& l : v) l = texts();
  return v;
}

bool send(int fd, const Message& message) {
  const std::uint64_t size = message.bytes().size();
  std::string all(reinterpret_cast<const char*>(&size), sizeof size);
  all += message.bytes();
  for (std::size_t at = 0; at < all.size();) {
    const ssize_t n = ::write(fd, all.data() + at, all.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += std::size_t(n);
  }
  return true;
}

Result<Message> receive(int fd, int timeout_ms) {
  const std::int64_t end = system::monotonic_ns() + std::int64_t(timeout_ms) * 1'000'000;
  const auto fill = [&](char* p, std::size_t n) -> Result<> {
    while (n > 0) {
      const std::int64_t left = timeout_ms < 0 ? -1 : std::max<std::int64_t>((end - system::monotonic_ns()) / 1'000'000, 0);
      pollfd ready{fd, POLLIN, 0};
      const int some = ::poll(&ready, 1, int(left));
      if (some < 0 && errno == EINTR) continue;
      if (some == 0) return Error{ErrorCode::cancelled, "no answer within " + std::to_string(timeout_ms / 1000) + " s"};
      const ssize_t got = ::read(fd, p, n);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return Error{ErrorCode::io, "the other end is closed"};
      p += got;
      n -= std::size_t(got);
    }
    return {};
  };
  std::uint64_t size = 0;
  SAHA_DO(fill(reinterpret_cast<char*>(&size), sizeof size));
  if (size > (std::uint64_t{1} << 40)) return Error{ErrorCode::io, "a message claims " + std::to_string(size) + " bytes"};
  std::string bytes(size, '\0');
  SAHA_DO(fill(bytes.data(), bytes.size()));
  return Message(std::move(bytes));
}

}  // namespace saha::measure
