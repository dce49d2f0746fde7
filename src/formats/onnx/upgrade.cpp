// Applies the rows of history.cpp to a node, oldest first, then adds it as the operator table knows it.
#include "formats/onnx/upgrade.hpp"

#include <algorithm>

#include "formats/onnx/history.hpp"

namespace saha::onnx {
namespace {
Error invalid(const OldNode& n, const op::Builder& b, std::string what) {
  std::string who = b.origin ? "node '" + *b.origin + "' (" : "(";
  return {ErrorCode::invalid_model, who + (n.domain.empty() ? "" : n.domain + ".") + n.op + " of opset " + std::to_string(n.opset) + ") " + std::move(what)};
}
/// An attribute becomes an operand; an operand that is there already stays (Split-1 takes both).
void move_to_operand(const Row& r, OldNode& n, op::Builder& b) {
  auto it = std::find_if(n.attrs.begin(), n.attrs.end(), [&](const ir::NamedAttr& a) { return a.name == r.attr; });
  if (it == n.attrs.end()) return;
  auto slot = std::size_t(r.slot);
  op::Val v;
  if (auto* is = std::get_if<ir::Ints>(&it->value); is && r.form == Form::vector) v = b.ints(*is);
  else if (auto* i = std::get_if<std::int64_t>(&it->value); i && r.form == Form::one) v = b.ints({*i});
  else if (auto* f = std::get_if<float>(&it->value); f && r.form == Form::like && !n.in.empty() && n.in[0]) v = b.scalar(double(*f), n.in[0]);
  else return b.fail(invalid(n, b, "has an attribute '" + std::string(r.attr) + "' of a kind that it does not take"));
  n.attrs.erase(it);
  if (n.in.size() <= slot) n.in.resize(slot + 1);
  if (!n.in[slot]) n.in[slot] = v;
}
}  // namespace

op::Vals upgrade(OldNode n, op::Builder& b) {
  const auto nothing = op::Vals(std::size_t(n.num_out), op::Val{});
  if (n.domain == "com.microsoft") return import_microsoft(std::move(n), b);
  if (n.domain.empty() || n.domain == "ai.onnx.ml")
    for (const Row* row : history_of(n.op)) {
      const Row& r = *row;
      if (n.opset >= r.before) continue;
      auto it = std::find_if(n.attrs.begin(), n.attrs.end(), [&](const ir::NamedAttr& a) { return a.name == r.attr; });
      switch (r.kind) {
        case RowKind::drop: if (it != n.attrs.end()) n.attrs.erase(it); break;
        case RowKind::set: case RowKind::meant: if (it == n.attrs.end()) n.attrs.push_back({std::string(r.attr), attr_of(r.value)}); break;
        case RowKind::added: break;
        case RowKind::renamed: if (it != n.attrs.end()) it->name = r.other; break;
        case RowKind::operand: move_to_operand(r, n, b); break;
        case RowKind::function:
          if (!r.up) break;
          if (auto y = r.up(n, b)) {
            if (b.failed()) return nothing;
            y->resize(std::size_t(n.num_out));
            return std::move(*y);
          }
          break;
      }
      if (b.failed()) return nothing;
    }
  const op::Entry* e = op::find(n.op);
  if (!e || e->def->domain != n.domain) {
    std::string who = b.origin ? "node '" + *b.origin + "' " : std::string();
    b.fail({ErrorCode::unsupported, who + "(" + (n.domain.empty() ? "" : n.domain + ".") + n.op + ") is not an operator saha knows"});
    return nothing;
  }
  return b.ops(e->def->name, std::move(n.in), std::move(n.attrs), n.num_out);
}

}  // namespace saha::onnx
