#include "formats/onnx/names.hpp"

#include <string>

#include "base/name.hpp"

namespace saha::onnx {
namespace {
Result<> check_type(const ::onnx::TypeProto& t, const std::string& owner) {
  for (const auto& d : t.tensor_type().shape().dim()) { SAHA_DO(check_name(d.dim_param(), "value '" + owner + "': the dimension")); }
  return {};
}
Result<> check_graph(const ::onnx::GraphProto& g, int depth);

Result<> check_node(const ::onnx::NodeProto& n, int depth) {
  SAHA_DO(check_name(n.name(), "the name of a node " + shown(n.op_type())));
  std::string who = "node '" + (n.name().empty() && n.output_size() ? shown(n.output(0)) : n.name()) + "': ";
  SAHA_DO(check_name(n.op_type(), who + "the operator"));
  SAHA_DO(check_name(n.domain(), who + "the domain"));
  for (const auto& s : n.input()) { SAHA_DO(check_name(s, who + "the input")); }
  for (const auto& s : n.output()) { SAHA_DO(check_name(s, who + "the output")); }
  for (const auto& a : n.attribute()) {
    SAHA_DO(check_name(a.name(), who + "the attribute"));
    if (a.has_s() && fault_of_name(a.s()).find("UTF-8") != std::string::npos) { SAHA_DO(check_name(a.s(), who + "the text of attribute " + a.name())); }
    if (a.has_t()) { SAHA_DO(check_name(a.t().name(), who + "the tensor")); }
    if (depth <= 0) continue;
    if (a.has_g()) { SAHA_DO(check_graph(a.g(), depth - 1)); }
    for (const auto& g : a.graphs()) { SAHA_DO(check_graph(g, depth - 1)); }
  }
  return {};
}
Result<> check_graph(const ::onnx::GraphProto& g, int depth) {
  SAHA_DO(check_name(g.name(), "the graph"));
  for (const auto* list : {&g.input(), &g.output(), &g.value_info()})
    for (const auto& v : *list) {
      SAHA_DO(check_name(v.name(), "the value"));
      SAHA_DO(check_type(v.type(), v.name()));
    }
  for (const auto& t : g.initializer()) { SAHA_DO(check_name(t.name(), "the tensor")); }
  for (const auto& t : g.sparse_initializer()) { SAHA_DO(check_name(t.values().name(), "the tensor")); }
  for (const auto& n : g.node()) { SAHA_DO(check_node(n, depth)); }
  return {};
}
}  // namespace

Result<> check_names(const ::onnx::ModelProto& model, int depth) {
  for (const auto& o : model.opset_import()) { SAHA_DO(check_name(o.domain(), "the domain")); }
  for (const auto& f : model.functions()) {
    SAHA_DO(check_name(f.name(), "the function"));
    SAHA_DO(check_name(f.domain(), "the domain"));
    for (const auto* list : {&f.input(), &f.output(), &f.attribute()})
      for (const auto& s : *list) { SAHA_DO(check_name(s, "function '" + f.name() + "': the name")); }
    for (const auto& n : f.node()) { SAHA_DO(check_node(n, depth)); }
  }
  return check_graph(model.graph(), depth);
}

}  // namespace saha::onnx
