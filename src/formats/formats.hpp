#pragma once
// A model file of any format: read as its first bytes tell, written as the ending of its name asks for.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.hpp"

namespace saha::formats {

/// "onnx", "tflite", "openvino", "saha": a bundle, which holds a model of one of the others.
std::string_view format_of(std::span<const std::byte> bytes);
Result<std::string_view> format_of_file(const std::string& path);
/// External data of an ONNX model must lie in the file's own folder; the weights of an OpenVINO IR are the .bin beside the .xml.
Result<ir::Model> import_file(const std::string& path);
/// Bytes of a model's file, of an .xml those of the .bin beside it too; 0 where it cannot be looked at.
std::uint64_t file_bytes(const std::string& path);
/// `folder` is where external data is looked for; empty: there may be none. An OpenVINO IR from bytes has no weights.
Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder = {});
/// The model of a file as bytes that need no other file: those of the file, of a bundle those of its model; with data in another file an export of `model`, which was
/// read from it.
Result<std::string> self_contained(const std::string& path, const ir::Model& model);
/// Such bytes of a model that was changed after it was read: TensorFlow Lite where it was that, as its stored integers keep their rules there, else ONNX.
Result<std::string> self_contained(const ir::Model& model);

struct ExportOptions {
  std::int64_t opset = 0;       ///< of ONNX; 0: the model's own
  bool channels_last = false;   ///< of TensorFlow Lite: pictures at inputs and outputs as [N, H, W, C]
  int ir = 0;                   ///< version of OpenVINO IR; 0: the newest that is written
};
/// "onnx", "tflite", "openvino" by the ending of a name; fails (invalid_file) naming those that exist.
Result<std::string_view> format_to_write(const std::string& path);
/// The file appears whole or not at all. Returns what is otherwise than in the model, a sentence each. Fails naming the node that the format
/// has no form for, and on options of another format.
Result<std::vector<std::string>> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options = {});

}  // namespace saha::formats
