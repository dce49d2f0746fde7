#include "data/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

namespace saha::data {
namespace {

std::string_view trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : s.substr(first, s.find_last_not_of(" \t") - first + 1);
}
Error at_line(std::size_t line, std::string message, ErrorCode code = ErrorCode::invalid_data) {
  return {code, "CSV line " + std::to_string(line) + ": " + std::move(message)};
}
std::string shown(std::string_view cell) { return "'" + std::string(cell.substr(0, 60)) + (cell.size() > 60 ? "..." : "") + "'"; }

}  // namespace

Result<Csv> Csv::parse(Bytes bytes, const CsvOptions& options) try {
  std::string_view raw = system::text_of(bytes);
  if (raw.starts_with("\xef\xbb\xbf")) raw.remove_prefix(3);
  auto text = std::make_shared<std::string>(raw);
  auto cells = std::make_shared<std::vector<Cell>>();
  char* const t = text->data();
  const std::size_t size = text->size();
  Csv csv;
  std::size_t columns = 0, line = 1, row_line = 1, row_cells = 0;
  std::vector<Cell> first;  // the header row, kept apart

  const auto end_row = [&]() -> Result<> {
    if (columns == 0) {
      columns = row_cells;
      if (options.header) first.swap(*cells);
      cells->reserve(std::min<std::size_t>(options.max_cells, size / 4 + 16));
    } else if (row_cells != columns) {
      return at_line(row_line, std::to_string(row_cells) + " cells, the " + (options.header ? "header" : "first row") + " has " + std::to_string(columns));
    }
    row_cells = 0;
    return {};
  };
  for (std::size_t i = 0; i < size;) {
    if (row_cells == 0) {
      row_line = line;
      const std::size_t skip = t[i] == '\n' ? 1 : t[i] == '\r' && i + 1 < size && t[i + 1] == '\n' ? 2 : 0;
      if (skip) { i += skip, ++line; continue; }
    }
    Cell cell{i, 0};
    std::size_t length = 0;
    if (t[i] == '"') {
      cell.begin = ++i;
      std::size_t to = i;
      for (;;) {
        if (i >= size) return at_line(row_line, "a quote does not end");
        if (t[i] == '"') {
          if (i + 1 < size && t[i + 1] == '"') ++i;
          else break;
        }
        line += t[i] == '\n';
        t[to++] = t[i++];
      }
      length = to - cell.begin;
      ++i;
      if (i < size && t[i] != options.delimiter && t[i] != '\n' && t[i] != '\r') return at_line(line, "text follows a closing quote");
    } else {
      while (i < size && t[i] != options.delimiter && t[i] != '\n') ++i;
      length = i - cell.begin;
      if (length && t[i - 1] == '\r' && (i == size || t[i] == '\n')) --length;
    }
    if (length > 0x7fffffff) return at_line(row_line, "a cell of " + std::to_string(length) + " bytes", ErrorCode::out_of_memory);
    cell.size = std::uint32_t(length);
    cells->push_back(cell);
    if (++row_cells > options.max_columns) return at_line(row_line, "more than " + std::to_string(options.max_columns) + " cells", ErrorCode::out_of_memory);
    if (cells->size() > options.max_cells) return at_line(row_line, "more than " + std::to_string(options.max_cells) + " cells in all", ErrorCode::out_of_memory);
    if (i < size && t[i] == '\r') ++i;
    if (i >= size) break;
    const bool row_ends = t[i] == '\n';
    ++i;
    if (row_ends) {
      ++line;
      SAHA_DO(end_row());
    } else if (i == size) {  // the file ends after a delimiter: one more, empty cell
      cells->push_back(Cell{i, 0});
      ++row_cells;
    }
  }
  if (row_cells > 0) {
    SAHA_DO(end_row());
  }
  if (columns == 0) return Error{ErrorCode::invalid_data, "CSV: the file is empty"};
  for (std::size_t c = 0; c < columns; ++c)
    csv.names_.push_back(options.header ? std::string(trimmed({t + first[c].begin, first[c].size})) : std::to_string(c));
  for (std::size_t c = 0; c < columns && options.header && columns <= 1000; ++c)
    if (std::find(csv.names_.begin(), csv.names_.begin() + std::ptrdiff_t(c), csv.names_[c]) != csv.names_.begin() + std::ptrdiff_t(c))
      return at_line(1, "two columns are named " + shown(csv.names_[c]));
  csv.columns_ = columns;
  csv.text_ = std::move(text);
  csv.cells_ = std::move(cells);
  return csv;
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::out_of_memory, "CSV: no memory for a file of " + std::to_string(bytes.size()) + " bytes"};
}

std::optional<std::size_t> Csv::find(std::string_view name) const {
  const auto it = std::find(names_.begin(), names_.end(), name);
  return it == names_.end() ? std::nullopt : std::optional(std::size_t(it - names_.begin()));
}
Result<std::size_t> Csv::column(std::string_view name) const {
  if (const auto c = find(name)) return *c;
  std::string all;
  for (std::size_t c = 0; c < names_.size() && c < 20; ++c) all += (c ? ", " : "") + names_[c];
  return Error{ErrorCode::invalid_data, "CSV: no column '" + std::string(name) + "'; there are " + all + (names_.size() > 20 ? ", .." : "")};
}

std::optional<double> number(std::string_view cell) {
  cell = trimmed(cell);
  if (cell.starts_with('+')) cell.remove_prefix(1);
  double v = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), v);
  if (cell.empty() || code != std::errc() || end != cell.data() + cell.size()) return {};
  return v;
}

Result<std::vector<double>> numbers(const Csv& csv, std::size_t column, const std::vector<std::string>& missing) {
  std::vector<double> out(csv.rows());
  for (std::size_t r = 0; r < out.size(); ++r) {
    const std::string_view cell = csv.cell(r, column);
    if (const auto v = number(cell); v && (missing.empty() || std::find(missing.begin(), missing.end(), cell) == missing.end())) out[r] = *v;
    else if (trimmed(cell).empty() || std::find(missing.begin(), missing.end(), cell) != missing.end()) out[r] = kMissing;
    else return Error{ErrorCode::invalid_data, "CSV column '" + csv.names()[column] + "', row " + std::to_string(r + 1) + ": " + shown(cell) + " is not a number"};
  }
  return out;
}

}  // namespace saha::data
