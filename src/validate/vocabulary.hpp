#pragma once
// The words of the assertion language: one row each, with its arguments, its result and its English. The checker, the lint,
// the suggestions, `--explain` and the documents read this table; what saha cannot evaluate yet says here why.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "validate/language.hpp"

namespace saha::validate {

enum class WordGroup : std::uint8_t { statistic, measurement, region, transform, function };

/// What an argument must be. `name_*`: a bare word, not a value.
enum class Argument : std::uint8_t {
  data,         ///< a data set or a slice
  point,        ///< an input: x, d, t(x)
  output,       ///< the values of an output, or a number
  number,       ///< a number without unit
  radius,       ///< a number in the unit of the input
  fraction,     ///< a pure number
  angle,
  label,        ///< an index or name of a class
  column,       ///< a column name
  word_latency, word_ram,
};

enum class Gives : std::uint8_t {
  fraction,
  output_unit,
  seconds,
  bytes,
  joules,
  per_second,
  count,
  label,
  number,
  boolean,
  region,
  transform
};

struct Word {
  std::string_view name;
  WordGroup group;
  Gives gives;
  std::vector<Argument> arguments;  ///< in order
  std::size_t least;                ///< how many must be given; the last argument repeats where `repeats`
  bool repeats;
  std::string_view english;         ///< "{0}" and "{1}" are the arguments, "{m}" the model
  std::string_view missing;         ///< "" or what a verdict waits for: "'map' is not measured by this version"
};

std::span<const Word> vocabulary();
/// p50, p90, p99 and every other pNN share one row.
const Word* find_word(std::string_view name);
std::vector<std::string> word_names();
/// 0.9 of "p90"; 0 where the name is none.
double percentile_of(std::string_view name);

}  // namespace saha::validate
