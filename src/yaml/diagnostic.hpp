#pragma once
// Diagnostics of hand-written files: all faults of a text in one go, each with file, line, column, source line and caret.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::yaml {

/// The bytes [begin, end) of source number `source` of a Diagnostics; source -1: nowhere in a text.
struct Span {
  int source = -1;
  std::size_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

/// Where a span begins: lines and columns count from 1, columns in characters (UTF-8 code points). Line 0: nowhere.
struct Location {
  std::string file;
  int line = 0, column = 0;
};

struct Diagnostic {
  enum class Severity : std::uint8_t { error, warning };
  Severity severity = Severity::error;
  std::string message;  ///< one sentence with names and numbers, no final stop
  std::string hint;     ///< stands beside the caret: "did you mean 'argmax'?"; may be empty
  Span at;
};

/// The faults of any number of texts, with the texts themselves, so that they can be shown. At most kMost are kept; one that is told twice counts once.
class Diagnostics {
 public:
  static constexpr std::size_t kMost = 200;

  /// Keeps a text; the number returned is what Span::source means, the same for a text that is read again.
  int add_source(std::string file, std::string text);
  std::string_view text(int source) const { return sources_[static_cast<std::size_t>(source)].text; }
  std::string_view text(Span at) const;
  const std::string& file(int source) const { return sources_[static_cast<std::size_t>(source)].file; }

  void error(Span at, std::string message, std::string hint = {});
  void warning(Span at, std::string message, std::string hint = {});
  bool ok() const { return errors_ == 0; }
  std::size_t errors() const { return errors_; }
  std::size_t warnings() const { return warnings_; }
  std::span<const Diagnostic> list() const { return list_; }
  Location locate(Span at) const;

  /// The look of the terminal: each fault with its source line and caret, in the order of the text, then
  /// "2 errors, 1 warning; nothing was run". Empty where there is nothing to say.
  std::string render(std::string_view ending = "nothing was run") const;
  /// {"schema": "saha.error/1", "error": {..the first..}, "errors": [..], "warnings": [..]}
  std::string json() const;
  /// The first error as ErrorCode::invalid_file; its message says how many more there are. Only where !ok().
  Error first() const;

 private:
  struct Source {
    std::string file, text;
    std::vector<std::size_t> line_starts;
  };
  void add(Diagnostic d);
  std::vector<std::size_t> order() const;

  std::vector<Source> sources_;
  std::vector<Diagnostic> list_;
  std::size_t errors_ = 0, warnings_ = 0;
};

/// The candidate that `word` most likely means: at most a third of its letters differ (Damerau-Levenshtein), or they are the same in another order; case ignored.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);
/// "did you mean 'x'?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace saha::yaml
