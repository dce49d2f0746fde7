#pragma once
// How figures are written in the one line that a stage says.
#include <cstdint>
#include <cstdio>
#include <string>

namespace saha::lifecycle {

inline std::string percent(double v) { char b[32]; std::snprintf(b, sizeof b, "%.1f %%", v * 100); return b; }
inline std::string number(double v, const char* unit) { char b[64]; std::snprintf(b, sizeof b, "%.3g%s%s", v, *unit ? " " : "", unit); return b; }
inline std::string counted(std::int64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }
inline std::string duration(double ms) { return ms < 1 ? number(ms * 1e3, "us") : number(ms, "ms"); }

}  // namespace saha::lifecycle
