#include "formats/formats.hpp"

#include <filesystem>

#include "formats/onnx/onnx.hpp"
#include "formats/tflite/tflite.hpp"
#include "system/file.hpp"

namespace saha::formats {

std::string_view format_of(std::span<const std::byte> bytes) { return tflite::is_tflite(bytes) ? "tflite" : "onnx"; }

Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder) {
  return tflite::is_tflite(bytes) ? tflite::import_bytes(bytes) : onnx::import_bytes(bytes, folder);
}
Result<ir::Model> import_file(const std::string& path) {
  SAHA_TRY(auto file, system::map_file(path));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  auto m = import_bytes({file.data.get(), std::size_t(file.size)}, folder.empty() ? "." : folder);
  if (!m) return std::move(m.error()).within(path);
  return m;
}

}  // namespace saha::formats
