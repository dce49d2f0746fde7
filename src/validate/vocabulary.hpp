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

/// A statistic is of a model on data, a comparison of data with data.
enum class WordGroup : std::uint8_t { statistic, comparison, measurement, region, transform, function };

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
  field,        ///< a field of the input
  share,        ///< a share between 0 % and 100 %
  whole,        ///< a whole number above 0
  word,         ///< one of the words listed
  output_name,  ///< the name of an output
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

/// An argument with its name: level=90 %.
struct NamedArgument {
  std::string_view name;
  Argument kind;
  std::string_view english;                    ///< " at level {}"; stands where the word's English has "{name}", else at its end
  bool required = false;
  std::vector<std::string_view> words = {};    ///< of kind word
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
  std::vector<NamedArgument> named = {};

  const NamedArgument* named_argument(std::string_view argument) const;
};

std::span<const Word> vocabulary();
/// p50, p90, p99 and every other pNN share one row.
const Word* find_word(std::string_view name);
std::vector<std::string> word_names();
/// The argument of a call that stands under this name, or null.
const Expr* argument_of(const Expr& call, std::string_view name);
/// 0.9 of "p90"; 0 where the name is none.
double percentile_of(std::string_view name);

}  // namespace saha::validate
