#pragma once
#include "formats/onnx/downgrade.hpp"
#include "op/op_def.hpp"
namespace saha::onnx {
/// The node as written; today's form until older ones can be written.
inline Result<OldRecord> record_of(const ir::Graph& g, const ir::Node& n, std::int64_t) {
  const op::Entry* e = op::find(n.op.str());
  OldRecord r{std::string(e->def->domain), std::string(n.op.str()), *n.attrs, {}, n.num_results};
  for (ir::ValueId v : g.operands(n)) r.in.emplace_back(v);
  return r;
}
}  // namespace saha::onnx
