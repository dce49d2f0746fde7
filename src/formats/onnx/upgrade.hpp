#pragma once
// Older opsets -> the operator table's one version (opset 28). History is a fact about files, so it lives here and not in the table.
#include "op/builder.hpp"

namespace saha::onnx {

inline constexpr std::int64_t kNewestOpset = 28;

/// A node as its file has it. Sub-graphs are closed already: captures are the last operands.
struct OldNode {
  std::string domain, op;          ///< domain "" is ai.onnx
  std::int64_t opset = 0;          ///< of the domain, as the file states it
  std::vector<op::Val> in;
  op::Attrs attrs;
  int num_out = 1;
};

/// Adds what the node means in today's operators; returns its results. An unknown or no longer expressible operator is told by b.error().
op::Vals upgrade(OldNode node, op::Builder& b);

}  // namespace saha::onnx
