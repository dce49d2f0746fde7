#pragma once
// What a terminal can show: is there one, how wide, with colour; and tables of text for every command.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace saha::system {

bool is_terminal(int fd);
/// Columns of the terminal at fd; 0 where there is none.
int terminal_width(int fd);

enum class ColorMode : std::uint8_t { automatic, always, never };
/// --color always|never decides; else NO_COLOR (set, not empty) says no; else FORCE_COLOR (set, not "0") says yes; else: is fd a terminal?
bool use_color(ColorMode flag, int fd);

enum class Ink : std::uint8_t { plain, bold, dim, red, green, yellow, blue, cyan };
/// The text in that ink where `color`, else as it is. Colour never carries meaning alone.
std::string paint(std::string_view text, Ink ink, bool color);

/// Columns that a terminal uses for UTF-8 text: 0 for combining marks and escape sequences, 2 for East Asian wide and emoji.
/// Bytes that are not UTF-8 count one each.
int display_width(std::string_view text);
/// The text cut to at most `width` columns, the last of them a '~' where something was cut.
std::string fitted(std::string_view text, int width);
/// The text broken at spaces into lines of at most `width` columns, each but the first behind `indent` spaces; the first begins at column
/// `indent` too. A word that is longer stays whole. Width 0 (no terminal): the text as it is.
std::string wrapped(std::string_view text, int width, int indent = 0);

enum class Align : std::uint8_t { left, right };

/// Rows of text in columns two spaces apart; numbers to the right. Printed with `width` 0 (not a terminal) nothing is cut;
/// else the columns that may be missed leave first, the highest `missed` before the others; then the widest left-aligned column but the last is
/// shortened until the row fits, then the last is cut.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
    int missed = 0;   ///< above 0: left out where the rows would be too wide
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Missing cells are empty; cells beyond the columns are an unaligned remark at the end of the row.
  void add(std::vector<std::string> cells, Ink ink = Ink::plain);
  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  /// With the titles as first line where any is not empty. Every line ends in a newline and has no spaces before it.
  std::string str(int width = 0, bool color = false) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Ink ink;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace saha::system
