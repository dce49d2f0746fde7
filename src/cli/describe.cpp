#include "cli/describe.hpp"

#include "system/file.hpp"

namespace saha::cli {

Result<data::Preprocess> steps_of(const std::string& json) {
  auto p = data::Preprocess::parse(json);
  if (!p) return Error{ErrorCode::invalid_file, "--preprocess: " + p.error().message};
  return p;
}
Result<std::vector<std::string>> labels_of(const std::string& file) {
  SAHA_TRY(const std::string text, system::read_text(file));
  std::vector<std::string> labels(1);
  for (char c : text) if (c == '\n') labels.emplace_back(); else if (c != '\r') labels.back() += c;
  if (labels.back().empty()) labels.pop_back();
  return labels;
}

Result<data::Preprocess> stored_steps(const nlohmann::ordered_json& manifest, const std::string& input) {
  const auto all = manifest.find("preprocess");
  if (all == manifest.end() || !all->is_object() || !all->contains(input)) return data::Preprocess();
  auto p = data::Preprocess::parse((*all)[input].dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (!p) return Error{ErrorCode::invalid_file, "the manifest's preprocess." + input + ": " + p.error().message};
  return p;
}
std::vector<std::string> stored_labels(const nlohmann::ordered_json& manifest) {
  std::vector<std::string> labels;
  const auto list = manifest.find("labels");
  if (list != manifest.end() && list->is_array()) for (const auto& l : *list) labels.push_back(l.is_string() ? l.get<std::string>() : std::string());
  return labels;
}

}  // namespace saha::cli
