#include "check_proof/certificate.hpp"

#include <nlohmann/json.hpp>

#include "system/hash.hpp"

namespace saha::check_proof {
namespace {
using Json = nlohmann::ordered_json;
constexpr std::size_t kMostHeader = 1 << 16;
static_assert(std::endian::native == std::endian::little);

Error damaged(std::string why) { return {ErrorCode::invalid_data, "no certificate of saha, or a damaged one: " + std::move(why)}; }
}  // namespace

Result<Certificate> parse(std::string_view bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 4) return damaged("it does not begin with 'saha-proof'");
  std::uint32_t size;
  std::memcpy(&size, bytes.data() + kMagic.size(), 4);
  bytes.remove_prefix(kMagic.size() + 4);
  if (size > kMostHeader || size > bytes.size()) return damaged("its header has " + std::to_string(size) + " bytes");
  const Json j = Json::parse(bytes.substr(0, size), nullptr, false);
  auto text = [&](const char* key) { return j.is_object() && j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : std::string(); };
  if (text("schema") != kSchema) return damaged("its schema is '" + text("schema") + "', this checker reads " + std::string(kSchema));
  Certificate c{text("saha"), text("model_sha256"), text("property_sha256"), text("arithmetic") != "real", std::string(bytes.substr(size))};
  if (text("arithmetic") != "real" && text("arithmetic") != "float32") return damaged("its arithmetic is '" + text("arithmetic") + "'");
  if (text("payload_sha256") != system::sha256_hex(c.payload)) return damaged("its bytes are not those that were written");
  return c;
}

}  // namespace saha::check_proof
