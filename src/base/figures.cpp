#include "base/figures.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <span>

namespace saha::figures {
namespace {

std::string text(double value, std::chars_format format, int precision) {
  if (std::isnan(value)) return "nan";   // without the sign that some have
  char buffer[400];                      // fixed notation of the largest double takes 309
  auto [end, fault] = std::to_chars(buffer, buffer + sizeof buffer, value, format, precision);
  return fault == std::errc() ? std::string(buffer, end) : "?";
}

struct Step {
  double factor;
  std::string_view unit;
};
// In the largest unit that leaves at least 1 once rounded: 1023.99 KiB is 1 MiB.
std::string scaled(double value, int digits, std::span<const Step> steps) {
  if (value == 0 || !std::isfinite(value)) return significant(value, digits) + " " + std::string(value == 0 ? steps.back().unit : steps.front().unit);
  for (const Step& s : steps) {
    std::string t = significant(value / s.factor, digits);
    if (std::abs(std::strtod(t.c_str(), nullptr)) >= 1 || &s == &steps.back()) return t + " " + std::string(s.unit);
  }
  return {};
}

}  // namespace

std::string fixed(double value, int places) { return text(value, std::chars_format::fixed, places); }
std::string significant(double value, int digits) { return text(value, std::chars_format::general, digits); }
std::string scientific(double value) { return text(value, std::chars_format::scientific, 1); }
std::string shortest(double value) {
  char buffer[64];
  auto [end, fault] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return fault == std::errc() ? std::string(buffer, end) : "?";
}
std::string grouped(double value) {
  std::string s = fixed(value, 0);
  if (!std::isfinite(value)) return s;
  for (int at = int(s.size()) - 3; at > (s[0] == '-' ? 1 : 0); at -= 3) s.insert(std::size_t(at), ",");
  return s;
}
std::string counted(std::int64_t n, std::string_view what) { return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s"); }

std::string percent(double share) {
  const double p = share * 100;
  int digits = 3;
  std::string t = significant(p, digits);
  while (p < 100 && t == "100" && digits < 11) t = significant(p, ++digits);
  return t + " %";
}
std::string duration(double seconds) {
  static constexpr Step kSteps[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
  if (seconds == 0) return "0 s";
  return std::abs(seconds) >= 100 && std::isfinite(seconds) ? significant(std::round(seconds), 12) + " s" : scaled(seconds, 3, kSteps);
}
std::string bytes(double bytes) {
  static constexpr Step kSteps[] = {{0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}, {1, "B"}};
  return scaled(bytes, 4, kSteps);
}

namespace column {
std::string percent(double share) { return fixed(share * 100, 1) + " %"; }
std::string duration(double seconds) {
  const double ms = std::abs(seconds) * 1e3;
  const auto in = [&](double factor, const char* unit) {
    const double v = seconds * factor, a = std::abs(v);
    return fixed(v, a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2) + unit;
  };
  return ms < 0.9995 ? in(1e6, " us") : ms < 9999.5 ? in(1e3, " ms") : in(1, " s");
}
std::string bytes(double bytes) {
  const double b = std::abs(bytes);
  return b < 0x1p10 * 10 ? fixed(bytes, 0) + " B" : b < 0x1p10 * 1023.95 ? fixed(bytes / 0x1p10, 1) + " KiB" : fixed(bytes / 0x1p20, b < 0x1p20 * 9.995 ? 2 : 1) + " MiB";
}
}  // namespace column

}  // namespace saha::figures
