#include "backends/onnxruntime/nodes.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace saha::ort {
namespace {

/// One field after the other of a message in protobuf's binary form. Of each: its number, and its bytes where it has a length.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}
  int number = 0;
  std::string_view bytes;

  bool next() {
    bytes = {};
    if (rest_.empty() || failed_) return false;
    const std::uint64_t key = varint();
    number = int(key >> 3);
    switch (key & 7) {
      case 0: varint(); break;
      case 1: skip(8); break;
      case 2: bytes = skip(varint()); break;
      case 5: skip(4); break;
      default: failed_ = true;
    }
    return !failed_;
  }
  bool failed() const { return failed_; }

 private:
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      v |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    failed_ = true;
    return 0;
  }
  std::string_view skip(std::uint64_t n) {
    if (n > rest_.size()) failed_ = true, n = 0;
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::string_view rest_;
  bool failed_ = false;
};

std::string_view field(std::string_view message, int number) {
  for (Fields f(message); f.next();)
    if (f.number == number) return f.bytes;
  return {};
}

std::optional<Node> read_node(std::string_view message) {
  Node n;
  Fields f(message);
  while (f.next()) {
    if (f.number == 1) n.in.emplace_back(f.bytes);
    if (f.number == 2) n.out.emplace_back(f.bytes);
    if (f.number == 3) n.name = f.bytes;
    if (f.number == 4) n.op = f.bytes;
    if (f.number == 5) n.activated |= field(f.bytes, 1) == "activation";
    if (f.number == 7) n.domain = f.bytes;
  }
  return f.failed() ? std::nullopt : std::optional(std::move(n));
}

bool blocked(const Node& n) { return n.domain == "com.microsoft.nchwc"; }
bool is_activation(const Node& n) {
  constexpr std::string_view kOps[] = {"Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid"};
  return std::ranges::find(kOps, n.op) != std::end(kOps);
}

/// `text` without `ending`, where it ends so.
std::string_view without(std::string_view text, std::string_view ending) {
  if (text.ends_with(ending)) text.remove_suffix(ending.size());
  return text;
}
/// "Relu_token_12" -> "Relu": a number that makes a name unique.
std::string_view without_token(std::string_view name) {
  const auto at = name.rfind("_token_");
  const bool number = at != name.npos && name.size() > at + 7 && name.find_first_not_of("0123456789", at + 7) == name.npos;
  return number ? name.substr(0, at) : name;
}
/// "a/QuickGeluFusion/" -> "a".
std::string_view without_fusion(std::string_view name) {
  if (!name.ends_with("Fusion/")) return name;
  const auto at = name.rfind('/', name.size() - 2);
  return at == name.npos ? name : name.substr(0, at);
}

class Model {
 public:
  explicit Model(const NodeList& list) {
    for (const Node& n : list.nodes) {
      if (!n.name.empty()) (named_.count(n.name) ? twice_ : named_)[n.name] = &n;
      for (const auto& v : n.out) if (!v.empty()) maker_[v] = &n;
      for (const auto& v : n.in) if (!v.empty()) readers_[v].push_back(&n);
    }
    for (const auto& v : list.outputs) readers_[v].push_back(nullptr);
  }
  bool has(std::string_view value) const { return maker_.count(value) || readers_.count(value); }
  const Node* maker(std::string_view value) const { return find(maker_, value); }
  /// The node of that name, where one has it.
  const Node* named(std::string_view name) const { return twice_.count(name) ? nullptr : find(named_, name); }
  /// The one node that reads it; null where others do, or it is a result.
  const Node* reader(std::string_view value) const {
    const auto at = readers_.find(value);
    return at != readers_.end() && at->second.size() == 1 ? at->second.front() : nullptr;
  }

 private:
  using Nodes = std::map<std::string, const Node*, std::less<>>;
  static const Node* find(const Nodes& nodes, std::string_view key) {
    const auto at = nodes.find(key);
    return at == nodes.end() ? nullptr : at->second;
  }
  Nodes maker_, named_, twice_;
  std::map<std::string, std::vector<const Node*>, std::less<>> readers_;
};

/// What the node's name says that it makes; "": nothing.
std::string claimed(const Model& model, const Node& n) {
  const std::string_view name = without_token(n.name), value = without(name, "_nchwc");
  if (value != name)
    for (std::string_view v : {value, without(value, "_bn")})
      if (model.has(v)) return std::string(v);
  const Node* same = model.named(without_fusion(name));
  return same && same->out.size() == 1 ? same->out[0] : std::string();
}

/// The result of the one node that reads x, if it is of that kind and `run` makes it nowhere else; "": there is none.
template <class Kind> std::string fused(const Model& model, const std::set<std::string>& made, const std::string& x, Kind kind) {
  const Node* r = model.reader(x);
  return r && r->out.size() == 1 && kind(*r) && !made.count(r->out[0]) ? r->out[0] : std::string();
}

}  // namespace

Result<NodeList> read_nodes(std::span<const std::byte> file) {
  const Error damaged{ErrorCode::invalid_model, "onnxruntime: a file that it wrote or reads is no ONNX model"};
  NodeList list;
  Fields model({reinterpret_cast<const char*>(file.data()), file.size()});
  while (model.next()) {
    if (model.number != 7) continue;
    Fields graph(model.bytes);
    while (graph.next()) {
      if (graph.number == 1) {
        auto n = read_node(graph.bytes);
        if (!n) return damaged;
        list.nodes.push_back(std::move(*n));
      }
      if (graph.number == 12) list.outputs.emplace_back(field(graph.bytes, 1));
    }
    if (graph.failed()) return damaged;
  }
  if (model.failed()) return damaged;
  return list;
}

void restore_names(const NodeList& list, NodeList& run) {
  const Model model(list);
  std::map<std::string, std::string> names;   // run's -> the model's
  for (const Node& n : run.nodes)
    if (blocked(n) && n.op == "ReorderOutput" && !n.in.empty() && !n.out.empty() && model.has(n.out[0])) names.emplace(n.in[0], n.out[0]);
  std::map<std::string, std::pair<const Node*, std::string>> claims;   // a value without a name -> its node, and what the node is named after
  std::set<std::string> made;
  for (const Node& n : run.nodes) {
    if (n.op == "ReorderInput" && blocked(n)) continue;
    for (const auto& v : n.out)
      if (model.has(v)) made.insert(v);
      else if (const auto known = names.find(v); known != names.end()) made.insert(known->second);
      else if (std::string x = n.out.size() == 1 ? claimed(model, n) : std::string(); !x.empty()) made.insert(x), claims[v] = {&n, std::move(x)};
  }
  for (const auto& [v, claim] : claims) {
    auto [n, x] = claim;
    const bool convolution = blocked(*n) && n->op == "Conv";
    if (convolution && n->in.size() > 3 && !n->in[3].empty()) x = fused(model, made, x, [](const Node& r) { return r.op == "Add" || r.op == "Sum"; });
    if (!x.empty() && convolution && n->activated && !(model.maker(x) && is_activation(*model.maker(x)))) x = fused(model, made, x, is_activation);
    if (!x.empty()) names.emplace(v, x);
  }
  const auto name = [&](const std::string& v) { const auto at = names.find(v); return at == names.end() ? v : at->second; };
  for (const Node& n : run.nodes)
    if (blocked(n) && n.op == "ReorderInput" && !n.in.empty() && !n.out.empty()) names.emplace(n.out[0], name(n.in[0]));
  for (Node& n : run.nodes) {
    for (auto& v : n.in) v = name(v);
    for (auto& v : n.out) v = name(v);
  }
}

}  // namespace saha::ort
