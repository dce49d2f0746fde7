#pragma once
// How much a node does, from its types alone: modelled, not measured.
#include "op/op_def.hpp"

namespace saha::op {

struct Work {
  double macs = 0;          ///< multiply-accumulates of Conv, MatMul and their relatives; 0 for all else
  double bytes = 0;         ///< operands read once and results written once
};
/// Free dims count as 1.
Work work(const ir::Graph& g, const ir::Node& n);
/// "Conv 1x1", "Conv 3x3 dw", "MatMul": the operator and what tells its kinds apart.
std::string kind(const ir::Graph& g, const ir::Node& n);

}  // namespace saha::op
