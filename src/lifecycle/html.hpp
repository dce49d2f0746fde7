#pragma once
// Pieces of the report's page: text made safe, tables, figures. Charts are inline SVG with a title, and their data stand in a table below.
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/store.hpp"

namespace saha::lifecycle::html {

std::string escape(std::string_view text);
/// A string, number or null of a report, as text; null is "-".
std::string text(const Json& v);
std::string short_hash(const std::string& h);  ///< its first 8 digits

/// Cells are HTML already. `numeric` columns are aligned right; a click on a heading sorts where scripts run.
struct Table {
  std::string caption;
  std::vector<std::string> head;
  std::vector<bool> numeric;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row_class;
  std::string str() const;
};
/// A heading with what the part answers, and its content. Empty content: nothing.
std::string section(const std::string& id, const std::string& title, const std::string& question, const std::string& content);
std::string details(const std::string& summary, const std::string& content);

extern const char* const kStyle;
extern const char* const kScript;

}  // namespace saha::lifecycle::html
