#include "yaml/units.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "yaml/diagnostic.hpp"

namespace saha::yaml {
namespace {

// One row a unit: what one of it is in base units.
struct UnitRow {
  std::string_view name;
  double factor;
  std::string_view base, per;  // base unit above and below the fraction bar
};
constexpr double kPi = 3.14159265358979323846;
constexpr UnitRow kUnits[] = {
    {"%", 0.01, "", ""},
    {"pp", 0.01, "", ""},
    {"ns", 1e-9, "s", ""},
    {"us", 1e-6, "s", ""},
    {"ms", 1e-3, "s", ""},
    {"s", 1, "s", ""},
    {"min", 60, "s", ""},
    {"h", 3600, "s", ""},
    {"d", 86400, "s", ""},
    {"B", 1, "B", ""},
    {"KB", 1e3, "B", ""},
    {"MB", 1e6, "B", ""},
    {"GB", 1e9, "B", ""},
    {"KiB", 1024, "B", ""},
    {"MiB", 1048576, "B", ""},
    {"GiB", 1073741824, "B", ""},
    {"nJ", 1e-9, "J", ""},
    {"uJ", 1e-6, "J", ""},
    {"mJ", 1e-3, "J", ""},
    {"J", 1, "J", ""},
    {"kJ", 1e3, "J", ""},
    {"Wh", 3600, "J", ""},
    {"uW", 1e-6, "J", "s"},
    {"mW", 1e-3, "J", "s"},
    {"W", 1, "J", "s"},
    {"Hz", 1, "", "s"},
    {"kHz", 1e3, "", "s"},
    {"MHz", 1e6, "", "s"},
    {"GHz", 1e9, "", "s"},
    {"um", 1e-6, "m", ""},
    {"mm", 1e-3, "m", ""},
    {"cm", 1e-2, "m", ""},
    {"m", 1, "m", ""},
    {"km", 1e3, "m", ""},
    {"inch", 0.0254, "m", ""},
    {"ft", 0.3048, "m", ""},
    {"nmi", 1852, "m", ""},
    {"g", 1e-3, "kg", ""},
    {"kg", 1, "kg", ""},
    {"rad", 1, "rad", ""},
    {"deg", kPi / 180, "rad", ""},
    {"dB", 1, "dB", ""},
};

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool name_like(std::string_view s) {
  return !s.empty() && letter(s[0]) && std::ranges::all_of(s, [](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

Dimension combined(const Dimension& a, const Dimension& b, int sign) {
  Dimension d = a;
  for (const auto& [unit, power] : b.powers) {
    if ((d.powers[unit] += sign * power) == 0) d.powers.erase(unit);
  }
  return d;
}

// A number in the unit's base, checked to have the one dimension that is wanted.
Result<double> in_base(std::string_view text, std::string_view what, std::string_view example, const Dimension& wanted) {
  SAHA_TRY(Measure m, measure(text));
  if (m.unit.empty()) {
    return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' has no unit; " + std::string(what) + " is wanted",
                 "write '" + std::string(text) + " " + std::string(example.substr(example.find(' ') + 1)) + "'"};
  }
  SAHA_TRY(Unit u, Units().find(m.unit));
  if (u.dimension != wanted || u.difference) {
    return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' is not " + std::string(what),
                 "for example '" + std::string(example) + "'"};
  }
  double value = saha::yaml::in_base(m.value, u);
  if (!(value >= 0) || !std::isfinite(value)) {
    return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' is negative or too large for " + std::string(what)};
  }
  return value;
}

}  // namespace

Dimension operator*(const Dimension& a, const Dimension& b) { return combined(a, b, 1); }
Dimension operator/(const Dimension& a, const Dimension& b) { return combined(a, b, -1); }

double in_base(double value, const Unit& unit) {
  double per = 1 / unit.factor;
  bool divides = unit.factor < 1 && std::abs(per - std::round(per)) < 1e-9 * per;
  return divides ? value / std::round(per) : value * unit.factor;
}

std::string print(const Dimension& d) {
  std::string above, below;
  for (const auto& [unit, power] : d.powers) {
    std::string& side = power > 0 ? above : below;
    for (int i = 0; i < std::abs(power); ++i) side += (side.empty() ? "" : " ") + unit;
  }
  if (below.empty()) return above;
  return (above.empty() ? "1" : above) + "/" + below;
}

bool Units::known(std::string_view name) const {
  return own_.contains(name) || std::ranges::find(kUnits, name, &UnitRow::name) != std::end(kUnits);
}

Result<Unit> Units::find(std::string_view text) const {
  auto single = [&](std::string_view name) -> Result<Unit> {
    if (auto own = own_.find(name); own != own_.end()) return own->second;
    auto row = std::ranges::find(kUnits, name, &UnitRow::name);
    if (row == std::end(kUnits)) {
      return Error{ErrorCode::invalid_argument, "unknown unit '" + std::string(name) + "'", did_you_mean(name, names())};
    }
    Unit u{row->factor, {}, name == "pp"};
    if (!row->base.empty()) u.dimension.powers[std::string(row->base)] = 1;
    if (!row->per.empty()) u.dimension.powers[std::string(row->per)] = -1;
    return u;
  };
  std::size_t bar = text.find('/');
  if (bar == std::string_view::npos) return single(text);
  Unit above;
  if (text.substr(0, bar) != "1") {
    SAHA_TRY(above, single(text.substr(0, bar)));
  }
  SAHA_TRY(Unit below, single(text.substr(bar + 1)));
  if (above.difference || below.difference)
    return Error{ErrorCode::invalid_argument, "'pp' stands alone, not in '" + std::string(text) + "'"};
  return Unit{above.factor / below.factor, above.dimension / below.dimension, false};
}

Result<> Units::define(const std::string& name, Unit unit) {
  if (!name_like(name)) return Error{ErrorCode::invalid_argument, "'" + name + "' is no name for a unit: letters, digits and _ only"};
  if (known(name)) return Error{ErrorCode::invalid_argument, "unit '" + name + "' exists already"};
  if (!(unit.factor > 0) || !std::isfinite(unit.factor))
    return Error{ErrorCode::invalid_argument, "unit '" + name + "' must be a positive amount"};
  own_.emplace(name, std::move(unit));
  return {};
}

Result<> Units::declare(std::string_view text) {
  std::size_t bar = text.find('/');
  std::string_view parts[2] = {text.substr(0, bar), bar == std::string_view::npos ? "" : text.substr(bar + 1)};
  for (int i = 0; i < 2; ++i) {
    if ((i == 1 && bar == std::string_view::npos) || (i == 0 && bar != std::string_view::npos && parts[0] == "1") || known(parts[i]))
      continue;
    std::string name(parts[i]);
    SAHA_DO(define(name, Unit{1, {{{name, 1}}}, false}));
  }
  return {};
}

std::vector<std::string> Units::names() const {
  std::vector<std::string> all;
  for (const UnitRow& row : kUnits) all.emplace_back(row.name);
  for (const auto& [name, unit] : own_) all.push_back(name);
  return all;
}

Result<Measure> measure(std::string_view text) {
  std::string_view s = trimmed(text);
  if (s.starts_with('+')) s.remove_prefix(1);
  double value = 0;
  auto [end, fault] = std::from_chars(s.data(), s.data() + s.size(), value);
  bool digit_first = !s.empty() && (s[0] == '-' || s[0] == '.' || (s[0] >= '0' && s[0] <= '9'));
  if (fault != std::errc() || !digit_first || !std::isfinite(value)) {
    return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' does not begin with a number"};
  }
  return Measure{value, std::string(trimmed(s.substr(static_cast<std::size_t>(end - s.data()))))};
}

Result<double> duration_s(std::string_view text) { return in_base(text, "a duration", "90 s", Dimension{{{"s", 1}}}); }

Result<std::int64_t> size_bytes(std::string_view text) {
  SAHA_TRY(double bytes, in_base(text, "a size", "64 MiB", Dimension{{{"B", 1}}}));
  if (bytes > 0x1p62 || bytes != std::floor(bytes)) {
    return Error{ErrorCode::invalid_file,
                 "'" + std::string(text) + "' is " + (bytes > 0x1p62 ? "too large for a size" : "no whole number of bytes")};
  }
  return static_cast<std::int64_t>(bytes);
}

Result<double> frequency_hz(std::string_view text) { return in_base(text, "a frequency", "125 MHz", Dimension{{{"s", -1}}}); }

Result<double> fraction(std::string_view text) {
  SAHA_TRY(Measure m, measure(text));
  if (m.unit.empty()) return m.value;
  if (m.unit == "%" || m.unit == "pp") return m.value / 100;
  return Error{ErrorCode::invalid_file, "'" + std::string(text) + "' is not a fraction", "for example '97 %' or 0.97"};
}

}  // namespace saha::yaml
