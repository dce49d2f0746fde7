#include "front/stated.hpp"

#include <nlohmann/json.hpp>

namespace saha::front {
namespace {
using Json = nlohmann::ordered_json;
constexpr const char* kKey = "saha.preprocess";
constexpr int kMaxDepth = 16;

Json read(const std::map<std::string, std::string>& metadata) {
  const auto entry = metadata.find(kKey);
  if (entry == metadata.end()) return Json::object();
  bool too_deep = false;
  Json json = Json::parse(entry->second, [&too_deep](int depth, Json::parse_event_t, Json&) { too_deep |= depth > kMaxDepth; return !too_deep; }, false);
  return too_deep || !json.is_object() ? Json() : json;
}
}  // namespace

void state(std::map<std::string, std::string>& metadata, const std::string& input, const Stated& stated) {
  Json json = read(metadata);
  if (!json.is_object()) json = Json::object();
  json[input] = {{"steps", Json::parse(stated.steps.str())}, {"outside", Json::parse(stated.outside.str())}};
  metadata[kKey] = json.dump();
}
Result<std::optional<Stated>> stated(const std::map<std::string, std::string>& metadata, const std::string& input) {
  const Json json = read(metadata);
  const auto bad = [&](const std::string& why) { return Error{ErrorCode::invalid_model, "the model's metadata '" + std::string(kKey) + "' " + why}; };
  if (!json.is_object()) return bad("is no object");
  const auto it = json.find(input);
  if (it == json.end()) return std::optional<Stated>();
  Stated s;
  for (auto [key, to] : {std::pair{"steps", &s.steps}, {"outside", &s.outside}}) {
    if (!it->is_object() || !it->contains(key)) return bad("says of input '" + input + "' no '" + key + "'");
    auto p = data::Preprocess::parse((*it)[key].dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!p) return bad("of input '" + input + "': " + p.error().message);
    *to = std::move(*p);
  }
  return std::optional(std::move(s));
}

}  // namespace saha::front
