#pragma once
// A regular expression matched in linear time: a Thompson automaton over code points, no backtracking, whatever the pattern and text.
// Syntax: RE2's, without Unicode classes beyond code points and without captures. What is not supported is an error that names it.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::op {

class Regex {
 public:
  /// Fails (invalid_argument) on a pattern that is wrong or too large, (unsupported) on syntax that is not known here.
  static Result<Regex> compile(std::string_view pattern);
  /// The whole text, UTF-8. A byte that is not UTF-8 counts as one code point.
  bool full_match(std::string_view text) const;

  struct Range { std::uint32_t lo, hi; };
  struct Step {
    enum class Kind : std::uint8_t { set, jump, split, begin, end, word_edge, no_word_edge, match } kind;
    bool negated = false;                 ///< of a set
    std::vector<Range> ranges = {};
    std::uint32_t next = 0, other = 0;
  };

 private:
  std::vector<Step> steps_;
  std::uint32_t start_ = 0;
};
/// The code points of UTF-8 text; a byte that does not fit stands for itself.
std::vector<std::uint32_t> code_points(std::string_view text);

}  // namespace saha::op
