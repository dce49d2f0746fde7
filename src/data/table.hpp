#pragma once
// Tables: named columns of numbers or words, and the steps that make a row of float32 features of them.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "data/csv.hpp"
#include "tensor/tensor.hpp"

namespace saha::data {

/// One column. All of `numbers` (a missing value is NaN) where every cell is a number or missing, else all of `words`.
struct Column {
  std::string name;
  std::vector<double> numbers;
  std::vector<std::string> words;
  bool is_number() const { return words.empty(); }
};
struct Table {
  std::vector<Column> columns;
  std::size_t rows = 0;
};

/// The named columns of a CSV file, in that order (none: all). A column is words where any cell is neither a number nor missing.
Result<Table> make_table(const Csv& csv, const std::vector<std::string>& names = {}, const std::vector<std::string>& missing = {});
Table select_rows(const Table& table, const std::vector<std::int64_t>& rows);

/// What is done to a table, and, after fit(), with which numbers. Order: impute, standardize, onehot.
struct TableSteps {
  enum class Impute : std::uint8_t { none, mean, median, zero };
  Impute impute = Impute::none;
  bool standardize = false;                                    ///< (x - mean) / std, the population's; a constant column becomes 0
  std::map<std::string, std::vector<std::string>> onehot;      ///< column -> its words, in the order of the features

  struct Fitted { double fill = 0, mean = 0, std = 1; };
  std::map<std::string, Fitted> fitted;                        ///< by number column
  bool is_fitted() const { return !fitted.empty(); }
};
/// Takes fills, means and deviations from the training table.
Result<TableSteps> fit(TableSteps steps, const Table& train);
/// float32 [rows, features]. Fails by column and row where a value is missing and not imputed, a word has no onehot or is not listed.
Result<Tensor> features(const Table& table, const TableSteps& steps);
/// The names of the features: the column's, or "column=word" of a onehot.
std::vector<std::string> feature_names(const Table& table, const TableSteps& steps);

}  // namespace saha::data
