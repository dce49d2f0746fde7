#include "formats/onnx/upgrade.hpp"

namespace saha::onnx {

op::Vals upgrade(OldNode n, op::Builder& b) {
  const op::Entry* e = op::find(n.op);
  if (!e || e->def->domain != n.domain) {
    std::string who = b.origin ? "node '" + *b.origin + "' " : std::string();
    b.fail({ErrorCode::unsupported, who + "(" + (n.domain.empty() ? "" : n.domain + ".") + n.op + ") is not an operator saha knows"});
    return op::Vals(std::size_t(n.num_out), op::Val{});
  }
  return b.ops(e->def->name, std::move(n.in), std::move(n.attrs), n.num_out);
}

}  // namespace saha::onnx
