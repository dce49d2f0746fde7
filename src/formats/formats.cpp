#include "formats/formats.hpp"

#include <filesystem>

#include "formats/onnx/onnx.hpp"
#include "formats/tflite/export.hpp"
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

Result<std::string_view> format_to_write(const std::string& path) {
  if (path.ends_with(".onnx")) return std::string_view("onnx");
  if (path.ends_with(".tflite")) return std::string_view("tflite");
  return Error{ErrorCode::invalid_file, "'" + path + "' is of no format that saha writes", "write to a name that ends in .onnx or .tflite"};
}
Result<std::vector<std::string>> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options) {
  SAHA_TRY(const std::string_view format, format_to_write(path));
  if (format == "tflite") {
    if (options.opset) return Error{ErrorCode::invalid_argument, "an opset is of ONNX; '" + path + "' is a TensorFlow Lite file", "leave --opset out"};
    return tflite::export_file(model, path, {.channels_last = options.channels_last});
  }
  if (options.channels_last) return Error{ErrorCode::invalid_argument, "ONNX files are channels first; only TensorFlow Lite files take --layout nhwc", "leave --layout out"};
  SAHA_DO(onnx::export_file(model, path, {.opset = options.opset}));
  return std::vector<std::string>();
}

}  // namespace saha::formats
