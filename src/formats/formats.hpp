#pragma once
// A model file of any format that is read, told by its first bytes.
#include <span>
#include <string>

#include "ir/graph.hpp"

namespace saha::formats {

/// "onnx", "tflite"
std::string_view format_of(std::span<const std::byte> bytes);
/// External data of an ONNX model must lie in the file's own folder.
Result<ir::Model> import_file(const std::string& path);
/// `folder` is where external data is looked for; empty: there may be none.
Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder = {});

}  // namespace saha::formats
