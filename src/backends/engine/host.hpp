#pragma once
// The border between saha and the shared object of a foreign engine: libsaha_backend_<engine>.so exports `saha_backend_open` and nothing
// else. Both sides are of one build, which is checked; only what is named here crosses.
#include <memory>
#include <string>

#include "base/result.hpp"
#include "runtime/backend.hpp"

namespace saha::engine {

/// What saha lends to an engine.
struct Host {
  const char* build = nullptr;  ///< build() of the caller
  /// The model as an ONNX file's bytes, for a model that does not stand unchanged on disk. Null: saha was built without an exporter.
  Result<std::string> (*onnx_bytes)(const ir::Model& model) = nullptr;
  /// As a TensorFlow Lite file's bytes, the same.
  Result<std::string> (*tflite_bytes)(const ir::Model& model) = nullptr;
};

/// Version, compiler and interface: equal on both sides, or the module is refused.
const char* build();
/// For the module: refuses a caller of another build.
Result<> check_build(const Host& host);

using OpenResult = Result<std::unique_ptr<runtime::Backend>>;
/// `variant` is the backend's name: one engine may serve several ("openvino", "openvino-bf16"). Writes *out, which holds an error before.
using OpenFunction = void(const Host* host, const char* variant, OpenResult* out);

/// Finds libsaha_backend_<engine>.so, loads it and opens the backend `variant`.
OpenResult open_module(const std::string& engine, const std::string& variant, const Host& host);

}  // namespace saha::engine

/// Stands once in each module, before its definition.
#define SAHA_BACKEND_EXPORT extern "C" __attribute__((visibility("default"))) void
