#pragma once
// A command that the user wrote in saha.yaml: its placeholders, and the same values in its environment.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "system/process.hpp"

namespace saha::lifecycle {

struct UserCommand {
  std::string where;                           ///< its key, for messages: "train.command"
  std::string shell;                           ///< for /bin/sh, values quoted; or
  std::vector<std::string> argv;               ///< executed as it is
  std::filesystem::path folder;                ///< where it runs
  std::vector<std::string> inherit;            ///< variables that pass beside PATH, HOME, LANG and those of a Python environment
  std::map<std::string, std::string> values;   ///< by placeholder: "data.train" is {data.train} and SAHA_DATA_TRAIN

  /// Runs it once; `options` says what happens to its output, and when it is stopped. {{ and }} are braces.
  /// Fails (invalid_file) on a placeholder without a value.
  Result<system::ProcessResult> run(system::ProcessOptions options) const;

 private:
  Result<std::string> filled(const std::string& text, bool quote) const;
};

}  // namespace saha::lifecycle
