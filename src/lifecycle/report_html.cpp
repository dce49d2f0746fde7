// report.json -> one self-contained page.
#include "lifecycle/pipeline.hpp"

namespace saha::lifecycle {

std::string report_html(const Json& report) {
  std::string text = report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace), escaped;
  for (char c : text) {
    if (c == '<') escaped += "&lt;";
    else if (c == '&') escaped += "&amp;";
    else escaped += c;
  }
  return "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>saha report</title><pre>" + escaped + "</pre></html>\n";
}

}  // namespace saha::lifecycle
