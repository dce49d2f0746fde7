#include "formats/onnx/names.hpp"

#include <string>

namespace saha::onnx {
namespace {
constexpr std::size_t kLongestName = 4096;

/// Length in bytes of the UTF-8 character at `at`, 0 where there is none (RFC 3629: no overlong forms, no surrogates).
std::size_t character(const std::string& s, std::size_t at) {
  auto byte = [&](std::size_t i) { return at + i < s.size() ? static_cast<unsigned char>(s[at + i]) : 0u; };
  unsigned a = byte(0), b = byte(1);
  auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) return tail(1) && tail(2) && !(a == 0xE0 && b < 0xA0) && !(a == 0xED && b > 0x9F) ? 3 : 0;
  if (a >= 0xF0 && a <= 0xF4) return tail(1) && tail(2) && tail(3) && !(a == 0xF0 && b < 0x90) && !(a == 0xF4 && b > 0x8F) ? 4 : 0;
  return 0;
}
/// What is wrong with the name; empty: nothing.
std::string fault(const std::string& s) {
  if (s.size() > kLongestName) return "has " + std::to_string(s.size()) + " bytes, at most " + std::to_string(kLongestName) + " are taken";
  for (std::size_t i = 0; i < s.size();) {
    std::size_t n = character(s, i);
    if (n == 0) return "is not UTF-8 at byte " + std::to_string(i);
    auto c = static_cast<unsigned char>(s[i]);
    if (c < 0x20 || c == 0x7F) return "holds the control character " + std::to_string(c) + " at byte " + std::to_string(i);
    i += n;
  }
  return {};
}
/// The beginning of a name with what cannot be shown as \xHH.
std::string shown(const std::string& s) {
  std::string r;
  for (std::size_t i = 0; i < s.size() && r.size() < 60;) {
    std::size_t n = character(s, i);
    auto c = static_cast<unsigned char>(s[i]);
    if (n == 0 || c < 0x20 || c == 0x7F) {
      constexpr const char* kHex = "0123456789abcdef";
      r += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      ++i;
    } else {
      r.append(s, i, n);
      i += n;
    }
  }
  return r.size() < s.size() && r.size() >= 60 ? r + ".." : r;
}
Result<> check(const std::string& name, const std::string& what) {
  if (std::string f = fault(name); !f.empty()) return Error{ErrorCode::invalid_model, what + " '" + shown(name) + "' " + f};
  return {};
}

Result<> check_type(const ::onnx::TypeProto& t, const std::string& owner) {
  for (const auto& d : t.tensor_type().shape().dim()) { SAHA_DO(check(d.dim_param(), "value '" + owner + "': the dimension")); }
  return {};
}
Result<> check_graph(const ::onnx::GraphProto& g, int depth);

Result<> check_node(const ::onnx::NodeProto& n, int depth) {
  SAHA_DO(check(n.name(), "the name of a node " + shown(n.op_type())));
  std::string who = "node '" + (n.name().empty() && n.output_size() ? shown(n.output(0)) : n.name()) + "': ";
  SAHA_DO(check(n.op_type(), who + "the operator"));
  SAHA_DO(check(n.domain(), who + "the domain"));
  for (const auto& s : n.input()) { SAHA_DO(check(s, who + "the input")); }
  for (const auto& s : n.output()) { SAHA_DO(check(s, who + "the output")); }
  for (const auto& a : n.attribute()) {
    SAHA_DO(check(a.name(), who + "the attribute"));
    if (a.has_s() && fault(a.s()).find("UTF-8") != std::string::npos) { SAHA_DO(check(a.s(), who + "the text of attribute " + a.name())); }
    if (a.has_t()) { SAHA_DO(check(a.t().name(), who + "the tensor")); }
    if (depth <= 0) continue;
    if (a.has_g()) { SAHA_DO(check_graph(a.g(), depth - 1)); }
    for (const auto& g : a.graphs()) { SAHA_DO(check_graph(g, depth - 1)); }
  }
  return {};
}
Result<> check_graph(const ::onnx::GraphProto& g, int depth) {
  SAHA_DO(check(g.name(), "the graph"));
  for (const auto* list : {&g.input(), &g.output(), &g.value_info()})
    for (const auto& v : *list) {
      SAHA_DO(check(v.name(), "the value"));
      SAHA_DO(check_type(v.type(), v.name()));
    }
  for (const auto& t : g.initializer()) { SAHA_DO(check(t.name(), "the tensor")); }
  for (const auto& t : g.sparse_initializer()) { SAHA_DO(check(t.values().name(), "the tensor")); }
  for (const auto& n : g.node()) { SAHA_DO(check_node(n, depth)); }
  return {};
}
}  // namespace

Result<> check_names(const ::onnx::ModelProto& model, int depth) {
  for (const auto& o : model.opset_import()) { SAHA_DO(check(o.domain(), "the domain")); }
  for (const auto& f : model.functions()) {
    SAHA_DO(check(f.name(), "the function"));
    SAHA_DO(check(f.domain(), "the domain"));
    for (const auto* list : {&f.input(), &f.output(), &f.attribute()})
      for (const auto& s : *list) { SAHA_DO(check(s, "function '" + f.name() + "': the name")); }
    for (const auto& n : f.node()) { SAHA_DO(check_node(n, depth)); }
  }
  return check_graph(model.graph(), depth);
}

}  // namespace saha::onnx
