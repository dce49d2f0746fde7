#pragma once
// Command: a verb of the command line as data. From the table of commands come parsing, help, completion and docs/cli.md.
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "system/progress.hpp"

namespace saha::cli {

struct Option {
  std::string_view name;        ///< without the dashes: "threads"; of one letter: there is only the letter
  char letter = 0;              ///< -t; 0: none
  std::string_view value = {};  ///< metavariable, "N"; empty: a switch
  std::string_view sentence;
  bool repeat = false;          ///< may be given several times
  std::string_view initial = {};
};
struct Argument {
  std::string_view name;        ///< "MODEL"
  std::string_view sentence;
  bool optional = false, repeat = false;
};

/// What the user typed, checked against the command's table. Precedence flags > SAHA_* > default is applied here.
class Args {
 public:
  std::vector<std::string> arguments;
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> rest;   ///< after "--"

  std::set<std::string, std::less<>> defaulted;   ///< options whose value is the table's

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  /// Typed, or stated by SAHA_*.
  bool given(std::string_view option) const { return has(option) && !defaulted.contains(option); }
  std::string get(std::string_view option, std::string_view otherwise = {}) const;
  std::vector<std::string> all(std::string_view option) const;
  /// A whole number in [lo, hi]; the option's default where it is not given.
  Result<std::int64_t> integer(std::string_view option, std::int64_t lo, std::int64_t hi) const;
  Result<double> number(std::string_view option, double lo, double hi) const;
  bool json() const { return has("json"); }
  bool quiet() const { return has("quiet"); }
  int verbose() const;
};

/// Exit codes: 0 done, 1 the work or a requirement failed, 2 the command line or a hand-written file is wrong, 3 inconclusive.
struct Command {
  std::string_view name, sentence;
  std::span<const Argument> arguments;
  std::span<const Option> options;       ///< its own; the global ones are in command.cpp
  std::string_view example;              ///< one line as typed, without "saha "
  Result<int> (*run)(const Args&);
  std::string_view text = {};            ///< further paragraphs for --help
};

/// In life-cycle order.
std::span<const Command> commands();
std::span<const Option> global_options();
std::string spelled(const Option& option);   ///< "-s, --set KEY=VALUE"

/// Parses, runs, prints an error as the product prints it; returns the exit code.
int main(std::span<const std::string> words);
/// Prints to stdout; a reader that closes the pipe is no error.
void print(std::string_view text);
/// Prints to stderr unless -q; for notes, next steps and progress of the conversation.
void say(const Args& args, std::string_view text);
/// As --color says, of what goes to stdout.
bool color_of(const Args& args);
/// As --threads says: 0 is the physical cores.
Result<int> threads_of(const Args& args);
/// As --progress and -q say.
system::ProgressOptions progress_options(const Args& args);
/// What stands between commas; of no text one empty word.
std::vector<std::string> words_of(std::string_view list);

}  // namespace saha::cli
