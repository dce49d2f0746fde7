#pragma once
// --report F.html and F.json: a result of --json as one self-contained page. Every verb that prints an object has the page by it.
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"

namespace saha::cli {

/// The object as a page without network or scripts that it needs: single values as a list, a list of objects as a table with a column a key.
/// The unit of a key (`p50_ms`, `size_bytes`) is written with the value.
/// `figures`: HTML that stands above the tables.
std::string page(const nlohmann::ordered_json& object, const std::string& title, const std::string& figures = {});

/// The option of a verb whose report is the page.
inline constexpr Option kReportOption{"report", 0, "FILE", "also write the result to a file: .html or .json", true};

/// Writes each --report; an ending that is neither is an error.
Result<> write_reports(const Args& args, const nlohmann::ordered_json& object, const std::string& title, const std::string& figures = {});

}  // namespace saha::cli
