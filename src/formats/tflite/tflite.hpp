#pragma once
// TensorFlow Lite files -> ir::Model. Channels-last operators become ONNX's channels-first ones; transposes that would undo each other are never
// made. Integer models keep their stored numbers: a value's quantisation is part of its type, and a node on such values has the attribute
// `rounding` of TensorFlow Lite's reference kernels. Source: the TensorFlow Lite schema, version 3, and its quantisation specification.
#include <span>
#include <string>

#include "ir/graph.hpp"

namespace saha::tflite {

/// What a file may ask for before it is refused.
struct Limits {
  std::int64_t file_bytes = std::int64_t{1} << 31;  ///< of the format itself
  std::int64_t tensors = 2'000'000;                 ///< over all sub-graphs
  int depth = 16;                                   ///< of sub-graphs that call each other
};

/// The bytes begin like a TensorFlow Lite model.
bool is_tflite(std::span<const std::byte> bytes);
Result<ir::Model> import_file(const std::string& path, const Limits& limits = {});
Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const Limits& limits = {});

}  // namespace saha::tflite
