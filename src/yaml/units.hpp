#pragma once
// Units: `90s`, `64MiB`, `5 ms`, `125 MHz`, `97 %`, `0.5 pp`, `3000 1/min`, `1145 ft/s`. 1 KiB = 1024 B, 1 KB = 1000 B.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::yaml {

/// A product of powers of base units: {"m": 1, "s": -1}. A pure number has none.
struct Dimension {
  std::map<std::string, int> powers;
  bool operator==(const Dimension&) const = default;
  bool pure() const { return powers.empty(); }
};
Dimension operator*(const Dimension& a, const Dimension& b);
Dimension operator/(const Dimension& a, const Dimension& b);
std::string print(const Dimension& d);  ///< "m/s", "1/s", "" for a pure number

struct Unit {
  double factor = 1;        ///< one of it in base units (s, B, J, m, kg, rad, 1)
  Dimension dimension;
  bool difference = false;  ///< pp: the difference of two percentages
};

/// value of the unit in base units, as the nearest double: 5 ms is 5 / 1000, since 5 * 0.001 need not be.
double in_base(double value, const Unit& unit);

/// The built-in units and those of one file. A name without meaning yet becomes a base unit of its own by `declare`.
class Units {
 public:
  /// "ms", "%", "m/s", "1/min"; invalid_argument with a suggestion as its help where a part is unknown.
  Result<Unit> find(std::string_view text) const;
  bool known(std::string_view name) const;
  /// Names a unit: kn = 0.514444 m/s. Fails where the name is taken or no name.
  Result<> define(const std::string& name, Unit unit);
  /// Makes every unknown name of "gray" or "beats/min" a base unit.
  Result<> declare(std::string_view text);
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Unit, std::less<>> own_;
};

/// A number and the unit written after it, "" if none: "5 ms" -> {5, "ms"}. Only finite decimal numbers.
struct Measure {
  double value;
  std::string unit;
};
Result<Measure> measure(std::string_view text);

Result<double> duration_s(std::string_view text);            ///< "90s", "2 h", "5 ms"; negative or without unit: an error
Result<std::int64_t> size_bytes(std::string_view text);      ///< "64MiB", "20 GiB", "512 B"
Result<double> frequency_hz(std::string_view text);          ///< "125 MHz"
Result<double> fraction(std::string_view text);              ///< "97 %" and "0.97" are 0.97, "0.5 pp" is 0.005

}  // namespace saha::yaml
