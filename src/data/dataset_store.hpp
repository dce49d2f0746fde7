#pragma once
// What a Dataset holds: files to read, or arrays and tables; labels, columns. Shared by the copies of a set and never changed.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/csv.hpp"
#include "data/dataset.hpp"

namespace saha::data {

struct DatasetStore {
  std::vector<std::string> inputs;
  std::filesystem::path root;
  bool confined = false;                        ///< names come from a file and must not lead out of root
  std::vector<std::string> files;               ///< by sample, relative to root; empty for arrays
  std::vector<NamedTensor> arrays;              ///< by input, [N, ...]
  std::optional<Table> table;
  std::optional<Error> no_features;             ///< why the table has no arrays yet
  std::vector<int> labels;
  std::vector<double> targets;
  Tensor truth;                                 ///< [N, ...] with more than one value a sample, else empty
  std::map<std::int64_t, std::vector<int>> accepted;
  std::vector<std::string> classes, slices;
  std::optional<Csv> csv;

  std::int64_t count() const;
  void make_features(const TableSteps& steps);
  Result<Item> item(std::int64_t origin, std::size_t input, const ImageOptions& options) const;
  static Tensor row(const Tensor& all, std::int64_t i);  ///< sample i of [N, ...], sharing the buffer where it can
};

}  // namespace saha::data
