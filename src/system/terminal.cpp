// Widths follow Unicode's East Asian Width property in ranges coarse enough for tables.
#include "system/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace saha::system {
namespace {

struct Glyph { int bytes, columns; };

int columns_of(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return 0;
  if ((c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) || (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff) return 0;
  if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0x303e) || (c >= 0x3041 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
      (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) || (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1f64f) || (c >= 0x1f900 && c <= 0x1f9ff) ||
      (c >= 0x20000 && c <= 0x3fffd))
    return 2;
  return 1;
}

// The first glyph of non-empty text: an escape sequence, a code point, or one byte that is not UTF-8.
Glyph first_glyph(std::string_view s) {
  const auto b = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  if (b(0) == 0x1b && b(1) == '[') {
    std::size_t i = 2;
    while (i < s.size() && !(b(i) >= 0x40 && b(i) <= 0x7e)) ++i;
    return {int(std::min(i + 1, s.size())), 0};
  }
  const auto follows = [&b](int n) { for (int i = 1; i <= n; ++i) if ((b(std::size_t(i)) & 0xc0) != 0x80) return false; return true; };
  if (b(0) < 0x80) return {1, columns_of(b(0))};
  if ((b(0) & 0xe0) == 0xc0 && follows(1)) return {2, columns_of((b(0) & 0x1f) << 6 | (b(1) & 0x3f))};
  if ((b(0) & 0xf0) == 0xe0 && follows(2)) return {3, columns_of((b(0) & 0x0f) << 12 | (b(1) & 0x3f) << 6 | (b(2) & 0x3f))};
  if ((b(0) & 0xf8) == 0xf0 && follows(3)) return {4, columns_of((b(0) & 0x07) << 18 | (b(1) & 0x3f) << 12 | (b(2) & 0x3f) << 6 | (b(3) & 0x3f))};
  return {1, 1};
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }
int terminal_width(int fd) {
  if (!is_terminal(fd)) return 0;
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}
bool use_color(ColorMode flag, int fd) {
  if (flag != ColorMode::automatic) return flag == ColorMode::always;
  if (is_set("NO_COLOR")) return false;
  if (is_set("FORCE_COLOR")) return std::string_view(std::getenv("FORCE_COLOR")) != "0";
  const char* term = std::getenv("TERM");
  return is_terminal(fd) && !(term && std::string_view(term) == "dumb");
}
std::string paint(std::string_view text, Ink ink, bool color) {
  if (!color || ink == Ink::plain || text.empty()) return std::string(text);
  constexpr const char* kCodes[] = {"0", "1", "2", "31", "32", "33", "34", "36"};
  return "\x1b[" + std::string(kCodes[std::size_t(ink)]) + "m" + std::string(text) + "\x1b[0m";
}
int display_width(std::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const Glyph g = first_glyph(text);
    columns += g.columns;
    text.remove_prefix(std::size_t(g.bytes));
  }
  return columns;
}
std::string fitted(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  if (width <= 0) return {};
  int columns = 0;
  std::size_t end = 0;
  bool escaped = false;
  while (end < text.size()) {
    const Glyph g = first_glyph(text.substr(end));
    if (columns + g.columns > width - 1) break;
    escaped |= text[end] == '\x1b';
    columns += g.columns;
    end += std::size_t(g.bytes);
  }
  return std::string(text.substr(0, end)) + (escaped ? "\x1b[0m~" : "~");
}

std::string wrapped(std::string_view text, int width, int indent) {
  if (width <= indent) return std::string(text);
  std::string lines;
  int column = indent;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const int columns = display_width(word);
    if (column > indent && column + 1 + columns > width) {
      lines += "\n" + std::string(std::size_t(indent), ' ');
      column = indent;
    } else if (at > 0) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += columns;
    at = end + 1;
  }
  return lines;
}

void Table::add(std::vector<std::string> cells, Ink ink) {
  cells.resize(std::max(cells.size(), columns_.size()));
  for (std::string& cell : cells)  // a row is a line, whatever a file or a node calls itself
    std::replace_if(cell.begin(), cell.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  rows_.push_back({std::move(cells), ink});
}
std::string Table::str(int width, bool color) const {
  const std::size_t n = columns_.size();
  std::vector<int> widths(n);
  std::vector<char> shown(n, 1);
  const bool titled = std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return !c.title.empty(); });
  int over = 2 * (int(n) - 1) - width;
  for (std::size_t c = 0; c < n; ++c) {
    widths[c] = display_width(columns_[c].title);
    for (const Row& row : rows_) widths[c] = std::max(widths[c], display_width(row.cells[c]));
    over += widths[c];
  }
  while (width > 0 && over > 0) {
    std::size_t least = n;
    for (std::size_t c = 0; c < n; ++c)
      if (shown[c] && columns_[c].missed > (least < n ? columns_[least].missed : 0)) least = c;
    if (least == n) break;
    shown[least] = 0;
    over -= widths[least] + 2;
  }
  if (width > 0 && over > 0) {
    std::ptrdiff_t widest = -1;
    for (std::size_t c = 0; c + 1 < n; ++c)
      if (shown[c] && columns_[c].align == Align::left && (widest < 0 || widths[c] > widths[std::size_t(widest)])) widest = std::ptrdiff_t(c);
    if (n && columns_[n - 1].align == Align::left) {  // the last column gives first while it is long: remarks are the least
      const int give = std::min(over, std::max(0, widths[n - 1] - 20));
      widths[n - 1] -= give, over -= give;
    }
    if (widest >= 0) widths[std::size_t(widest)] -= std::min(over, std::max(0, widths[std::size_t(widest)] - 12));
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells, Ink ink) {
    std::string row;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      if (c < n && !shown[c]) continue;
      if (c) row += "  ";
      if (c >= n) { row += cells[c]; continue; }
      const std::string cell = width > 0 ? fitted(cells[c], widths[c]) : cells[c];
      const std::string space(std::size_t(std::max(0, widths[c] - display_width(cell))), ' ');
      row += columns_[c].align == Align::right ? space + cell : cell + space;
    }
    row.erase(row.find_last_not_of(' ') + 1);
    if (width > 0) row = fitted(row, width);
    text += paint(row, ink, color) + "\n";
  };
  if (titled) {
    std::vector<std::string> titles;
    for (const Column& c : columns_) titles.push_back(c.title);
    line(titles, Ink::bold);
  }
  for (const Row& row : rows_) line(row.cells, row.ink);
  return text;
}

}  // namespace saha::system
