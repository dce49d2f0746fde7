#pragma once
// CSV (RFC 4180): a header, rows of as many cells, quoting with "". LF and CRLF line ends; empty lines are skipped; a UTF-8 mark is ignored.
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "data/inflate.hpp"

namespace saha::data {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;                   ///< else the columns are named "0", "1", ..
  std::size_t max_columns = 100'000;
  std::size_t max_cells = 200'000'000;
};

/// A parsed file; copies share the text. Cells are views into it and live as long as any copy.
class Csv {
 public:
  /// Fails (invalid_data) with line and numbers where a row has too many or too few cells or a quote does not end.
  static Result<Csv> parse(Bytes bytes, const CsvOptions& options = {});

  std::size_t rows() const { return columns_ == 0 ? 0 : cells_->size() / columns_; }
  std::size_t columns() const { return columns_; }
  const std::vector<std::string>& names() const { return names_; }
  std::string_view cell(std::size_t row, std::size_t column) const {
    const Cell c = (*cells_)[row * columns_ + column];
    return {text_->data() + c.begin, c.size};
  }
  std::optional<std::size_t> find(std::string_view name) const;
  /// As find; the error names the column and those there are.
  Result<std::size_t> column(std::string_view name) const;

 private:
  struct Cell { std::uint64_t begin; std::uint32_t size; };
  std::shared_ptr<const std::string> text_;                ///< quoted cells are unquoted in place
  std::shared_ptr<const std::vector<Cell>> cells_ = std::make_shared<std::vector<Cell>>();
  std::vector<std::string> names_;
  std::size_t columns_ = 0;
};

/// A whole cell as a number (spaces around it allowed); nothing where it is none. "nan" and "inf" are numbers.
std::optional<double> number(std::string_view cell);

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
/// A column as numbers; empty cells and those in `missing` become kMissing. Fails with column, row (1 = the first after the header) and text.
Result<std::vector<double>> numbers(const Csv& csv, std::size_t column, const std::vector<std::string>& missing = {});

}  // namespace saha::data
