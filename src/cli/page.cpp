#include "cli/page.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/figures.hpp"
#include "lifecycle/html.hpp"
#include "system/file.hpp"

namespace saha::cli {
namespace {
namespace html = lifecycle::html;
using Json = nlohmann::ordered_json;

struct Unit {
  std::string_view ending;
  std::string (*print)(double);
};
constexpr Unit kUnits[] = {
    {"_ms", [](double v) { return figures::column::duration(v * 1e-3); }},
    {"_seconds", figures::column::duration},
    {"_bytes", figures::column::bytes},
};
const Unit* unit_of(std::string_view key) {
  for (const Unit& u : kUnits) if (key.ends_with(u.ending) || key == u.ending.substr(1)) return &u;
  return nullptr;
}
// "peak_activation_bytes" -> "peak activation"
std::string heading(std::string key) {
  if (const Unit* u = unit_of(key); u && key.ends_with(u->ending)) key.resize(key.size() - u->ending.size());
  std::replace(key.begin(), key.end(), '_', ' ');
  return html::escape(key);
}
bool is_hash(const std::string& s) { return s.size() == 64 && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isxdigit(c); }); }
bool is_verdict(const std::string& s) { return s == "passed" || s == "violated" || s == "inconclusive"; }

bool says_nothing(const Json& v) { return v.is_null() || v == "" || v == false || (v.is_structured() && v.empty()); }

std::string cell(const std::string& key, const Json& v) {
  if (const Unit* u = unit_of(key); u && v.is_number()) return u->print(v.get<double>());
  if (v.is_number_float() && std::abs(v.get<double>()) < 1e15 && v.get<double>() == std::floor(v.get<double>())) return figures::grouped(v.get<double>());
  if (v.is_string()) {
    const auto& s = v.get_ref<const std::string&>();
    if (is_hash(s)) return "<span class=\"mono\">" + s + "</span>";
    if (is_verdict(s)) return "<span class=\"badge " + s + "\">" + s + "</span>";
  }
  if (!v.is_structured()) return html::text(v);
  // What has a name reads as a phrase: "lower bound 0.957 bound"; other keys stand before their values, a text or an object on a line of its own.
  const bool phrase = v.is_object() && v.contains("name");
  std::string text;
  for (const auto& [name, part] : v.items()) {
    if (says_nothing(part)) continue;
    const bool line = part.is_structured() || (v.is_object() && part.is_string());
    text += (text.empty() ? "" : phrase ? " " : line ? "<br>" : ", ") + (v.is_object() && !phrase ? heading(name) + " " : std::string()) + cell(v.is_object() ? name : "", part);
  }
  return text.empty() ? "-" : text;
}
bool is_table(const Json& v) { return v.is_array() && !v.empty() && std::all_of(v.begin(), v.end(), [](const Json& x) { return x.is_object(); }); }

std::string table(const std::string& title, const Json& rows) {
  html::Table t;
  t.caption = title;
  std::vector<std::string> keys;
  for (const Json& row : rows)
    for (const auto& [key, value] : row.items())
      if (!says_nothing(value) && std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  for (const std::string& key : keys) {
    t.head.push_back(heading(key));
    t.numeric.push_back(std::all_of(rows.begin(), rows.end(), [&](const Json& row) { return !row.contains(key) || row[key].is_null() || row[key].is_number(); }));
  }
  for (const Json& row : rows) {
    auto& cells = t.rows.emplace_back();
    for (const std::string& key : keys) cells.push_back(row.contains(key) ? cell(key, row[key]) : "-");
  }
  return t.str();
}
}  // namespace

std::string page(const Json& object, const std::string& title, const std::string& figures) {
  std::string single, tables;
  for (const auto& [key, value] : object.items()) {
    if (key == "schema" || says_nothing(value)) continue;
    if (is_table(value)) tables += html::section(key, heading(key), "", table(figures::counted(std::int64_t(value.size()), "row"), value));
    else single += "<tr><th scope=\"row\">" + heading(key) + "</th><td>" + cell(key, value) + "</td></tr>";
  }
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>" +
         html::escape(title) + "</title><style>" + html::kStyle + "</style></head><body><header><h1>" + html::escape(title) + "</h1></header><main>" + "<div class=\"scroll\"><table><caption>" +
         html::text(object.value("schema", Json())) + "</caption><tbody>" + single + "</tbody></table></div>" + figures + tables + "</main><script>" + html::kScript + "</script></body></html>\n";
}

Result<> write_reports(const Args& args, const Json& object, const std::string& title, const std::string& figures) {
  for (const std::string& out : args.all("report")) {
    const bool as_page = out.ends_with(".html");
    if (!as_page && !out.ends_with(".json")) return Error{ErrorCode::invalid_file, "--report is '" + out + "', a name that ends in .html or .json is taken"};
    SAHA_DO(system::write_file(out, as_page ? page(object, title, figures) : object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
    say(args, "wrote " + out);
  }
  return {};
}

}  // namespace saha::cli
