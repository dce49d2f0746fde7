#include "formats/formats.hpp"

#include <filesystem>

#include "bundle/bundle.hpp"
#include "formats/onnx/onnx.hpp"
#include "formats/openvino/openvino.hpp"
#include "formats/tflite/export.hpp"
#include "formats/tflite/tflite.hpp"
#include "system/file.hpp"

namespace saha::formats {

std::string_view format_of(std::span<const std::byte> bytes) { return tflite::is_tflite(bytes) ? "tflite" : bundle::is_bundle(bytes) ? "saha" : openvino::is_openvino(bytes) ? "openvino" : "onnx"; }
Result<std::string_view> format_of_file(const std::string& path) {
  SAHA_TRY(const auto file, system::map_file(path));
  return format_of(file.bytes());
}

namespace {
Result<ir::Model> import_model(std::span<const std::byte> bytes, const std::string& folder) {
  if (openvino::is_openvino(bytes)) return openvino::import_bytes(bytes, {});
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
  if (file.bytes().empty()) return Error{ErrorCode::invalid_model, path + ": the file is empty"};
  if (bundle::is_bundle(file.bytes())) {
    SAHA_TRY(const auto b, bundle::Bundle::open(path));
    auto m = import_from(*b);
    if (!m) return b->named(std::move(m.error()));
    return m;
  }
  if (openvino::is_openvino(file.bytes())) return openvino::import_file(path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  auto m = import_model(file.bytes(), folder.empty() ? "." : folder);
  if (!m) return std::move(m.error()).within(path);
  return m;
}
std::uint64_t file_bytes(const std::string& path) {
  auto bytes = [](const std::filesystem::path& p) -> std::uint64_t {
    std::error_code failed;
    const auto n = std::filesystem::file_size(p, failed);
    return failed ? 0 : n;
  };
  return bytes(path) + (path.ends_with(".xml") ? bytes(std::filesystem::path(path).replace_extension(".bin")) : 0);
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
Result<std::string> self_contained(const ir::Model& model) {
  if (model.format != "TFLite") return onnx::export_bytes(model);
  SAHA_TRY(auto exported, tflite::export_bytes(model));
  return std::move(exported.bytes);
}

Result<std::string_view> format_to_write(const std::string& path) {
  constexpr std::pair<std::string_view, std::string_view> kEndings[] = {{".onnx", "onnx"}, {".tflite", "tflite"}, {".xml", "openvino"}};
  for (auto [ending, format] : kEndings) if (path.ends_with(ending)) return format;
  return Error{ErrorCode::invalid_file, "'" + path + "' is of no format that saha writes", "write to a name that ends in .onnx, .tflite or .xml"};
}
Result<std::vector<std::string>> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options) {
  SAHA_TRY(const std::string_view format, format_to_write(path));
  auto foreign = [&](const char* what, const char* of, const char* option) { return Error{ErrorCode::invalid_argument, std::string(what) + " is of " + of + "; '" + path + "' is none", std::string("leave ") + option + " out"}; };
  if (options.opset && format != "onnx") return foreign("an opset", "ONNX files", "--opset");
  if (options.channels_last && format != "tflite") return foreign("a layout of inputs and outputs", "TensorFlow Lite files", "--layout");
  if (options.ir && format != "openvino") return foreign("an IR version", "OpenVINO IR files", "--ir");
  if (format == "tflite") return tflite::export_file(model, path, {.channels_last = options.channels_last});
  if (format == "openvino") {
    openvino::ExportOptions ours;
    if (options.ir) ours.version = options.ir;
    SAHA_DO(openvino::export_file(model, path, ours));
  } else {
    SAHA_DO(onnx::export_file(model, path, {.opset = options.opset}));
  }
  return std::vector<std::string>();
}

}  // namespace saha::formats
