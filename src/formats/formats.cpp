#include "formats/formats.hpp"

#include <filesystem>

#include "bundle/bundle.hpp"
#include "formats/onnx/onnx.hpp"
#include "formats/tflite/export.hpp"
#include "formats/tflite/tflite.hpp"
#include "system/file.hpp"

namespace saha::formats {

std::string_view format_of(std::span<const std::byte> bytes) { return tflite::is_tflite(bytes) ? "tflite" : bundle::is_bundle(bytes) ? "saha" : "onnx"; }

namespace {
Result<ir::Model> import_model(std::span<const std::byte> bytes, const std::string& folder) {
  return tflite::is_tflite(bytes) ? tflite::import_bytes(bytes) : onnx::import_bytes(bytes, folder);
}
Result<ir::Model> import_from(const bundle::Bundle& b) {
  SAHA_TRY(const auto bytes, b.section("model"));
  auto m = import_model(bytes, {});
  if (!m) return std::move(m.error()).within("section 'model'");
  return m;
}
}  // namespace

Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder) {
  if (!bundle::is_bundle(bytes)) return import_model(bytes, folder);
  SAHA_TRY(const auto b, bundle::Bundle::from_bytes(bytes));
  return import_from(*b);
}
Result<ir::Model> import_file(const std::string& path) {
  SAHA_TRY(auto file, system::map_file(path));
  if (bundle::is_bundle(file.bytes())) {
    SAHA_TRY(const auto b, bundle::Bundle::open(path));
    auto m = import_from(*b);
    if (!m) return b->named(std::move(m.error()));
    return m;
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  auto m = import_model(file.bytes(), folder.empty() ? "." : folder);
  if (!m) return std::move(m.error()).within(path);
  return m;
}
Result<std::string> self_contained(const std::string& path, const ir::Model& model) {
  SAHA_TRY(const auto file, system::map_file(path));
  if (bundle::is_bundle(file.bytes())) {
    SAHA_TRY(const auto b, bundle::Bundle::open(path));
    SAHA_TRY(const auto bytes, b->section("model"));
    return std::string(system::text_of(bytes));
  }
  if (import_model(file.bytes(), {})) return std::string(system::text_of(file.bytes()));
  return onnx::export_bytes(model);
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
