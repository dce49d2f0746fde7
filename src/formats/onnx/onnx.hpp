#pragma once
// ONNX files <-> ir::Model. All opsets 1..28 are read (older operators are upgraded: upgrade.hpp); sub-graphs are closed on the way in
// and opened on the way out; model-local functions are inlined. Source: ONNX specification, IR version 14.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "tensor/datum.hpp"

namespace saha::onnx {

/// What a file may ask for before it is refused.
struct Limits {
  std::int64_t file_bytes = std::int64_t{1} << 31;      ///< protobuf's own limit; weights beyond it are external data
  std::int64_t nodes = 2'000'000;                       ///< after functions are inlined
  int depth = 64;                                       ///< of nested sub-graphs and function calls
};

/// Reads a model file. External data must lie in the file's own folder; it is mapped, not copied.
Result<ir::Model> import_file(const std::string& path, const Limits& limits = {});
/// As import_file, from memory. `folder` is where external data is looked for; empty: there may be none.
Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder = {}, const Limits& limits = {});

struct ExportOptions {
  std::int64_t opset = 0;                                     ///< 0: the model's own; ai.onnx
  std::int64_t external_above = std::int64_t{1} << 31;        ///< a model larger than this writes its weights to PATH.data
};
/// Deterministic: the same model gives the same bytes. Fails naming the node that the opset cannot express.
Result<std::string> export_bytes(const ir::Model& model, const ExportOptions& options = {});
Result<> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options = {});

/// ONNX's test-data form: a serialised TensorProto, SequenceProto or OptionalProto, by the value's type.
Result<Datum> read_datum(std::span<const std::byte> bytes, const ir::Type& type);
Result<std::string> write_datum(const Datum& d, const ir::Type& type);

}  // namespace saha::onnx
