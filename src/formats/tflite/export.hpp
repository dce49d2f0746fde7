#pragma once
// ir::Model -> TensorFlow Lite file, schema version 3. Inside, values stand channels last where that moves least; inputs and outputs keep the
// model's shapes unless `channels_last` is asked for. Stored integers are written as they are. The same model gives the same bytes.
#include <string>
#include <vector>

#include "ir/graph.hpp"

namespace saha::tflite {

struct ExportOptions {
  bool channels_last = false;  ///< inputs and outputs [N, C, H, W] and [N, C, D, H, W] become [N, H, W, C] and [N, D, H, W, C]
};
struct Exported {
  std::string bytes;
  std::vector<std::string> notes;  ///< what is otherwise than in the model, a sentence each
};
/// Fails (unsupported) naming the node that TensorFlow Lite has no kernel for, or the size where the file would pass 2 GiB. Threads: any.
Result<Exported> export_bytes(const ir::Model& model, const ExportOptions& options = {});
/// The same into a file, which appears whole or not at all. Returns the notes.
Result<std::vector<std::string>> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options = {});

}  // namespace saha::tflite
