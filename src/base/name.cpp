#include "base/name.hpp"

namespace saha {
namespace {
constexpr std::size_t kLongestName = 4096;

/// Length in bytes of the UTF-8 character at `at`, 0 where there is none (RFC 3629: no overlong forms, no surrogates).
std::size_t character(std::string_view s, std::size_t at) {
  auto byte = [&](std::size_t i) { return at + i < s.size() ? static_cast<unsigned char>(s[at + i]) : 0u; };
  unsigned a = byte(0), b = byte(1);
  auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) return tail(1) && tail(2) && !(a == 0xE0 && b < 0xA0) && !(a == 0xED && b > 0x9F) ? 3 : 0;
  if (a >= 0xF0 && a <= 0xF4) return tail(1) && tail(2) && tail(3) && !(a == 0xF0 && b < 0x90) && !(a == 0xF4 && b > 0x8F) ? 4 : 0;
  return 0;
}
}  // namespace

std::string fault_of_name(std::string_view s) {
  if (s.size() > kLongestName) return "has " + std::to_string(s.size()) + " bytes, at most " + std::to_string(kLongestName) + " are taken";
  for (std::size_t i = 0; i < s.size();) {
    std::size_t n = character(s, i);
    if (n == 0) return "is not UTF-8 at byte " + std::to_string(i);
    auto c = static_cast<unsigned char>(s[i]);
    if (c < 0x20 || c == 0x7F) return "holds the control character " + std::to_string(c) + " at byte " + std::to_string(i);
    i += n;
  }
  return {};
}
std::string shown(std::string_view s) {
  std::string r;
  for (std::size_t i = 0; i < s.size() && r.size() < 60;) {
    std::size_t n = character(s, i);
    auto c = static_cast<unsigned char>(s[i]);
    if (n == 0 || c < 0x20 || c == 0x7F) {
      constexpr const char* kHex = "0123456789abcdef";
      r += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      ++i;
    } else {
      r.append(s.substr(i, n));
      i += n;
    }
  }
  return r.size() < s.size() && r.size() >= 60 ? r + ".." : r;
}
Result<> check_name(std::string_view name, std::string_view what) {
  if (const std::string f = fault_of_name(name); !f.empty()) return Error{ErrorCode::invalid_model, std::string(what) + " '" + shown(name) + "' " + f};
  return {};
}

}  // namespace saha
