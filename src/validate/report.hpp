#pragma once
// What a validation says, as a table for the terminal and as files: JSON (saha.validate/1), JUnit XML and SARIF 2.1.0.
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "validate/evaluate.hpp"

namespace saha::validate {

/// What the verdicts are about.
struct Subject {
  std::string version;            ///< of saha
  std::string requirements_file;
  std::vector<std::pair<std::string, std::string>> sha256;  ///< name of model or data set, hash
  std::string evidence_folder;    ///< where witnesses lie; "" if none were written
  bool strict = false;
};

struct TableLook {
  std::size_t width = 0;  ///< of the terminal; the evidence is wrapped to it; 0: not fitted
  bool color = false;
};
std::string table(std::span<const Outcome> outcomes, const Subject& subject, const TableLook& look = {});
std::string json(std::span<const Outcome> outcomes, const Subject& subject);
std::string junit(std::span<const Outcome> outcomes, const Subject& subject);
std::string sarif(std::span<const Outcome> outcomes, const Subject& subject);

}  // namespace saha::validate
