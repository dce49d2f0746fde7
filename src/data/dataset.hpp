#pragma once
// Dataset: samples in, tensors out. An immutable value: choosing, splitting and filtering give new ones that share what is loaded.
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "data/npy.hpp"
#include "data/preprocess.hpp"
#include "data/table.hpp"
#include "system/hash.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// Where samples are, in one of the layouts of saha.yaml. Paths are complete; what does not belong to the layout stays empty.
struct DataSpec {
  std::filesystem::path folder;                           ///< folder/<class>/*.{jpg,jpeg,png,bmp,wav,npy}; without class folders: no labels
  std::filesystem::path csv;                              ///< a row a sample; with `features`: a table, else `file` names a file; without that column: a table of numbers
  std::filesystem::path root;                             ///< of the files named in csv; empty: the csv's folder
  std::string file = "file", label = "label", accepted = "accepted";  ///< columns; "a|b" or "a;b" are other right answers
  std::vector<std::string> features;                      ///< columns of a table; {"*"}: all but target, label and slices; so too where neither it nor the column `file` is there
  std::string target;                                     ///< column of a table: numbers or words
  std::vector<std::string> slices;                        ///< columns to break results down by
  std::vector<std::string> missing;                       ///< words that mean "no value", beside the empty cell
  char delimiter = ',';
  std::map<std::string, std::filesystem::path> npy;       ///< array name -> file, [N, ...]; "y", "label", "labels" or "target" holds the labels, or [N, ...] masks
  std::filesystem::path npz;                              ///< the same in one file
  std::filesystem::path images, labels;                   ///< IDX, packed or not
  std::vector<std::string> classes;                       ///< names of the labels 0, 1, ..; empty: from the data
  std::string input = "x";                                ///< name of the only input, where the layout gives none
  std::optional<std::int64_t> take;
  std::uint64_t seed = 0;
  std::string where;

  /// The layout that the path tells: a folder, a .csv of files, an .npz.
  static DataSpec of(const std::filesystem::path& path);
};

struct SplitSpec {
  std::vector<std::pair<std::string, double>> parts;      ///< ("test", 0.2), ("val", 0.1): the rest is "train"
  std::string stratify;                                   ///< a column, or "label": each part has its share of each value
  std::string group;                                      ///< a column whose values never straddle two parts
  std::uint64_t seed = 0;
};

/// How a model wants one of its inputs.
struct InputSpec {
  std::string name;
  Preprocess steps;
  Dims shape;                 ///< with the batch dimension in front; -1 is free; empty: as it comes
  DType dtype = DType::none;  ///< none: as it comes
};

/// Every array of an npz, npy or IDX layout by name, the labels (of IDX: under `label`) among them. The elements of .npy files may stay mapped.
Result<std::vector<std::pair<std::string, Tensor>>> read_arrays(const DataSpec& spec);

struct DatasetStore;

/// SHA-256 over type, shape and elements.
system::Digest content_digest(const std::vector<Item>& items);

class Dataset {
 public:
  static Result<Dataset> open(const DataSpec& spec);
  /// Arrays [N, ...] by input name; labels: class numbers, or empty.
  static Result<Dataset> from_arrays(std::vector<NamedTensor> arrays, const Tensor& labels = {}, std::vector<std::string> classes = {});

  std::int64_t size() const { return std::int64_t(index_.size()); }
  const std::vector<std::string>& inputs() const;
  bool is_files() const;
  const std::vector<std::string>& slices() const;
  std::vector<std::string> columns() const;               ///< that where(), split() and column() know

  // What sample i is. i in [0, size()).
  bool has_labels() const;                                ///< class numbers
  bool has_targets() const;                               ///< numbers to predict
  bool has_truth() const;                                 ///< an array for each sample: a mask
  const std::vector<std::string>& classes() const;        ///< names of the labels; empty without labels
  int label(std::int64_t i) const;                        ///< -1: unknown
  std::vector<int> accepted(std::int64_t i) const;        ///< label(i) and the other right answers
  double target(std::int64_t i) const;                    ///< NaN: unknown
  Tensor truth(std::int64_t i) const;                     ///< without the dimension of samples; dtype none where there is none
  std::string column(std::string_view name, std::int64_t i) const;  ///< empty where there is no such column; "label" is the class name
  std::string title(std::int64_t i) const;                ///< the file, or "row 17" (from 1), for messages and reports
  std::filesystem::path path(std::int64_t i) const;       ///< of files, else empty
  std::int64_t origin(std::int64_t i) const { return index_[std::size_t(i)]; }  ///< its place in the whole set

  /// Decoded, before any preprocessing step but `decode`.
  Result<Item> raw(std::int64_t i, const ImageOptions& options = {}) const;
  Result<std::vector<Item>> raw_inputs(std::int64_t i) const;  ///< of every input
  /// By input name, ready for the model, without batch dimension. From any thread. It is prepared(items(i)).
  Result<std::vector<NamedTensor>> sample(std::int64_t i) const;
  /// What each input starts from: decoded as its steps say, nothing else done.
  Result<std::vector<Item>> items(std::int64_t i) const;
  /// The steps, shape and type that each input wants, done to such items.
  Result<std::vector<NamedTensor>> prepared(std::vector<Item> items) const;
  /// Samples as one [n, ...] tensor an input. Does not copy where arrays lie in a row and need no step.
  Result<std::vector<NamedTensor>> batch(std::int64_t first, std::int64_t n) const;
  /// SHA-256 of what was decoded (type, shape, elements), so that the same picture in two files is the same.
  Result<system::Digest> digest(std::int64_t i) const;

  /// The same samples as the model wants them. One input: its name does not matter. Fails where inputs are missing.
  Result<Dataset> for_inputs(const std::vector<InputSpec>& inputs) const;
  /// For tables: features made by these fitted steps.
  Result<Dataset> with_table_steps(const TableSteps& steps) const;
  const Table* table() const;                             ///< the raw columns of the whole set (see origin()), or null
  Table table_rows() const;                               ///< of these samples only

  /// n samples chosen by the seed, in the order of the set; all where there are fewer.
  Dataset take(std::int64_t n, std::uint64_t seed) const;
  Dataset select(std::span<const std::int64_t> positions) const;
  /// Samples for which a condition holds: "label != other", "light == dim and rpm >= 3000". Numbers compare as numbers.
  Result<Dataset> where(std::string_view condition) const;
  /// Parts by name, "train" last. Every sample is in one of them.
  Result<std::vector<std::pair<std::string, Dataset>>> split(const SplitSpec& spec) const;

 private:
  std::shared_ptr<const DatasetStore> store_;
  std::vector<std::int64_t> index_;
  std::vector<InputSpec> wanted_;
};

}  // namespace saha::data
