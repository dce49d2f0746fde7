#include "data/csv.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saha::data {
namespace {

Result<Csv> parse(const std::string& text, CsvOptions options = {}) { return Csv::parse(system::bytes_of(text), options); }
std::vector<std::string> row(const Csv& csv, std::size_t r) {
  std::vector<std::string> cells;
  for (std::size_t c = 0; c < csv.columns(); ++c) cells.emplace_back(csv.cell(r, c));
  return cells;
}
using Row = std::vector<std::string>;

TEST(Csv, reads_what_rfc_4180_allows) {
  auto csv = parse("\xef\xbb\xbf name ,note\r\na,\"x, \"\"y\"\"\"\r\n\r\n\"two\nlines\",\r\nlast,z");
  ASSERT_TRUE(csv);
  EXPECT_EQ(csv->names(), (Row{"name", "note"}));
  ASSERT_EQ(csv->rows(), 3u);
  EXPECT_EQ(row(*csv, 0), (Row{"a", "x, \"y\""}));
  EXPECT_EQ(row(*csv, 1), (Row{"two\nlines", ""}));
  EXPECT_EQ(row(*csv, 2), (Row{"last", "z"}));
}
TEST(Csv, empty_cells_other_delimiters_and_no_header) {
  auto csv = parse("1;;3\n;;\n;5;", {.delimiter = ';', .header = false});
  ASSERT_TRUE(csv);
  EXPECT_EQ(csv->names(), (Row{"0", "1", "2"}));
  EXPECT_EQ(row(*csv, 1), (Row{"", "", ""}));
  EXPECT_EQ(row(*csv, 2), (Row{"", "5", ""}));
  EXPECT_EQ(parse("only\n")->rows(), 0u);
}
TEST(Csv, errors_name_line_and_numbers) {
  EXPECT_EQ(parse("a,b\n1,2\n\n1,2,3\n").error().message, "CSV line 4: 3 cells, the header has 2");
  EXPECT_EQ(parse("a,b\n\"x\ny\",2\n1\n").error().message, "CSV line 4: 1 cells, the header has 2");
  EXPECT_EQ(parse("a,b\n1,\"2\n").error().message, "CSV line 2: a quote does not end");
  EXPECT_EQ(parse("a,b\n\"1\"x,2\n").error().message, "CSV line 2: text follows a closing quote");
  EXPECT_EQ(parse("a,a\n").error().message, "CSV line 1: two columns are named 'a'");
  EXPECT_EQ(parse("\n\n").error().message, "CSV: the file is empty");
  EXPECT_EQ(parse("1,2,3", {.max_columns = 2}).error().code, ErrorCode::out_of_memory);
  EXPECT_EQ(parse("a\n1\n2\n3\n", {.max_cells = 2}).error().code, ErrorCode::out_of_memory);
  auto csv = parse("a,b\n1,x\n");
  EXPECT_EQ(csv->column("c").error().message, "CSV: no column 'c'; there are a, b");
  EXPECT_EQ(numbers(*csv, 1).error().message, "CSV column 'b', row 1: 'x' is not a number");
}
TEST(Csv, numbers_and_missing_values) {
  EXPECT_EQ(*number(" +1.5e3 "), 1500);
  EXPECT_TRUE(std::isnan(*number("nan")));
  EXPECT_FALSE(number("1.5x"));
  EXPECT_FALSE(number("0x10"));
  EXPECT_FALSE(number(""));
  auto csv = parse("a\n1\nNA\n\"\"\n-9\n");
  auto v = numbers(*csv, 0, {"NA", "-9"});
  ASSERT_TRUE(v);
  EXPECT_EQ((*v)[0], 1);
  for (std::size_t i : {1, 2, 3}) EXPECT_TRUE(std::isnan((*v)[i]));
}
TEST(Csv, any_cells_survive_quoting) {
  std::mt19937 random(3);
  const std::string letters = "ab,\"\n\r ;\xc3";
  for (int round = 0; round < 300; ++round) {
    const std::size_t rows = 1 + random() % 4, columns = 1 + random() % 4;
    std::vector<Row> table(rows, Row(columns));
    std::string text = "h0";
    for (std::size_t c = 1; c < columns; ++c) text += ",h" + std::to_string(c);
    for (Row& r : table) {
      text += random() % 2 ? "\n" : "\r\n";
      for (std::size_t c = 0; c < columns; ++c) {
        for (unsigned k = random() % 5; k > 0; --k) r[c] += letters[random() % letters.size()];
        std::string quoted = "\"";
        for (char x : r[c]) quoted += x == '"' ? std::string("\"\"") : std::string(1, x);
        text += (c ? "," : "") + quoted + "\"";
      }
    }
    auto csv = parse(text);
    ASSERT_TRUE(csv) << text;
    ASSERT_EQ(csv->rows(), rows);
    for (std::size_t r = 0; r < rows; ++r) EXPECT_EQ(row(*csv, r), table[r]);
  }
}
TEST(Csv, noise_never_crashes) {
  std::mt19937 random(4);
  const std::string letters = "a1,\"\n\r";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (unsigned k = random() % 20; k > 0; --k) text += letters[random() % letters.size()];
    auto csv = parse(text);
    for (std::size_t r = 0; csv && r < csv->rows(); ++r) EXPECT_EQ(row(*csv, r).size(), csv->columns());
  }
}

}  // namespace
}  // namespace saha::data
