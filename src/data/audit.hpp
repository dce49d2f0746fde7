#pragma once
// Audit: what is in a set of samples, and what is wrong with it, before anything is trained or measured on it.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "data/dataset.hpp"

namespace saha::data {

struct Audit {
  /// A column of a table, a channel of pictures, or one array.
  struct Range {
    std::string name;
    double min = 0, max = 0, mean = 0, std = 0;
    std::int64_t count = 0, missing = 0;             ///< values present; values that are absent or NaN
    std::vector<std::pair<std::string, std::int64_t>> words;  ///< of a column of words: each with its count, most frequent first, at most 50
  };
  struct Unreadable { std::int64_t sample; std::string title, reason; };
  struct Duplicate { std::int64_t first, second; bool same_label; };

  std::int64_t samples = 0;
  std::vector<std::pair<std::string, std::int64_t>> per_class;   ///< in the order of the classes; unlabelled samples last, as ""
  std::vector<Range> ranges;
  std::vector<std::pair<std::string, std::int64_t>> shapes;      ///< "uint8[28, 28, 1]" and how many, most frequent first
  std::vector<Unreadable> unreadable;
  std::vector<Duplicate> duplicates;                             ///< each later copy with the first of its content
  std::vector<system::Digest> digests;                           ///< by sample; all zero where unreadable
};

struct AuditOptions {
  std::function<void(std::int64_t done)> on_progress = {};
  std::function<bool()> stop = {};  ///< true: the audit fails with `cancelled`
};
Result<Audit> audit(const Dataset& dataset, const AuditOptions& options = {});

/// Samples with the same content in both sets: (place in train, place in test), one for each such test sample.
struct Leak { std::int64_t train, test; bool same_label; };
std::vector<Leak> leaks(const Dataset& train, const Audit& train_audit, const Dataset& test, const Audit& test_audit);

/// The samples that can be read. Fails (invalid_data) with the first names where more than `skip_bad` of them (0.01 is 1 %) cannot.
Result<Dataset> readable(const Dataset& dataset, const Audit& audit, double skip_bad = 0);

}  // namespace saha::data
