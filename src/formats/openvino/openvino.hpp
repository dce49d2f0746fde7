#pragma once
// OpenVINO IR (a .xml of layers and edges, a .bin of weights beside it) <-> ir::Model. Versions 10 and 11 are read and written; each layer type of
// opset 1 to 16 is a row of one table (layers.hpp). Source: OpenVINO's "IR format" and "Available operation sets" pages, and the files that its
// own serialiser writes.
#include <cstddef>
#include <span>
#include <string>

#include "ir/graph.hpp"

namespace saha::openvino {

/// What a file may ask for before it is refused.
struct Limits {
  std::int64_t xml_bytes = std::int64_t{1} << 26;
  std::int64_t layers = 1'000'000;      ///< over all bodies
  std::int64_t ports = 1 << 16;         ///< of one layer
  int depth = 16;                       ///< of TensorIterator, Loop and If in each other
  std::int64_t shared = 16;             ///< all Constants together may want so many times the bytes of the .bin, and 64 MiB
};

/// The bytes begin like an IR: a <net> element, perhaps after an XML declaration and comments.
bool is_openvino(std::span<const std::byte> bytes);
/// The weights are the file of the same name that ends in .bin, in the same folder; it is mapped, not copied.
Result<ir::Model> import_file(const std::string& path, const Limits& limits = {});
/// As import_file, from memory. A tensor made from `weights` shares them where `keep` is given.
Result<ir::Model> import_bytes(std::span<const std::byte> xml, std::span<const std::byte> weights, const Limits& limits = {}, std::shared_ptr<std::byte[]> keep = {});

struct ExportOptions {
  int version = 11;  ///< 10: float32 becomes float16, operator sets 1 to 8 only: the dialect of OpenVINO 2022.3 and before, and of its MYRIAD plugin
};
struct Written {
  std::string xml, bin;
};
/// Deterministic: the same model gives the same bytes. Fails naming the node that no layer says.
Result<Written> export_bytes(const ir::Model& model, const ExportOptions& options = {});
/// Writes `path`, which ends in .xml, and the .bin beside it; nothing is written where something fails.
Result<> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options = {});

}  // namespace saha::openvino
