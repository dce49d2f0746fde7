#pragma once
// Nodes of an ONNX file as onnxruntime names them, its own fused and blocked ones included, which no table of operators knows; and which values of the model
// those that its layouts rename are. Source: onnx.proto (field numbers); names of nodes as onnxruntime 1.32 gives them.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace saha::ort {

struct Node {
  std::string name, op, domain;
  std::vector<std::string> in, out;   ///< "": omitted
  bool activated = false;             ///< it has the attribute "activation"
};
struct NodeList {
  std::vector<Node> nodes;            ///< of the main graph, in the file's order
  std::vector<std::string> outputs;
};

/// Reads names only: no weights, no sub-graphs. Fails (invalid_model) where the bytes are no ONNX file.
Result<NodeList> read_nodes(std::span<const std::byte> file);

/// Gives values that `run` holds in blocks of channels, or under a name of its own, the names that they have in `model`. What is not certain keeps its name.
///   ReorderInput x -> e, ReorderOutput e -> x     e is x
///   a node "x_nchwc", "x_bn_nchwc"                its result is x, or what a fused sum and activation make of x
///   a node named as one of the model              its result is that node's
void restore_names(const NodeList& model, NodeList& run);

}  // namespace saha::ort
