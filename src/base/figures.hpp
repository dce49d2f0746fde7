#pragma once
// How figures are written for people, wherever they stand: the one place. 1 KiB = 1024 B; a value that is no number is "nan".
#include <cstdint>
#include <string>
#include <string_view>

namespace saha::figures {

std::string fixed(double value, int places);         ///< fixed(0.5, 2): "0.50"
std::string significant(double value, int digits);   ///< at most so many, no zeros at the end: "0.143"
std::string scientific(double value);                ///< "2.1e-06"
std::string shortest(double value);                  ///< the shortest text that reads back as the same double
std::string grouped(double value);                   ///< a whole number: "1,431"
std::string counted(std::int64_t n, std::string_view what);   ///< "1 thread", "2 threads"

/// In sentences: three digits, four of sizes, no zeros at the end: "84.7 %", "6.2 ms", "64 KiB". A share below one never reads "100 %".
std::string percent(double share);
std::string duration(double seconds);
std::string bytes(double bytes);

/// In columns, which are compared by eye: the zeros stay: "84.0 %", "6.20 ms", "64.0 KiB", and bytes below 10 KiB are exact.
namespace column {
std::string percent(double share);
std::string duration(double seconds);
std::string bytes(double bytes);
}  // namespace column

}  // namespace saha::figures
