#include "ir/graph.hpp"

namespace saha::ir {
namespace {
bool same(const Attr& a, const Attr& b) {
  if (a.index() != b.index()) return false;
  if (auto* t = std::get_if<Tensor>(&a)) return identical(*t, *std::get_if<Tensor>(&b));
  if (auto* g = std::get_if<GraphRef>(&a)) return *g == *std::get_if<GraphRef>(&b) || same_structure(**g, **std::get_if<GraphRef>(&b));
  if (auto* t = std::get_if<TypeRef>(&a)) return **t == **std::get_if<TypeRef>(&b);
  if (auto* x = std::get_if<std::int64_t>(&a)) return *x == *std::get_if<std::int64_t>(&b);
  if (auto* x = std::get_if<float>(&a)) return *x == *std::get_if<float>(&b);
  if (auto* x = std::get_if<std::string>(&a)) return *x == *std::get_if<std::string>(&b);
  if (auto* x = std::get_if<Ints>(&a)) return *x == *std::get_if<Ints>(&b);
  if (auto* x = std::get_if<Floats>(&a)) return *x == *std::get_if<Floats>(&b);
  return *std::get_if<Strings>(&a) == *std::get_if<Strings>(&b);
}
}  // namespace

const Attr* find_attr(const Attrs& attrs, std::string_view name) {
  for (const NamedAttr& a : attrs)
    if (a.name == name) return &a.value;
  return nullptr;
}
bool same_attrs(const Attrs& a, const Attrs& b) {
  if (a.size() != b.size()) return false;
  for (const NamedAttr& x : a) {
    const Attr* y = find_attr(b, x.name);
    if (!y || !same(x.value, *y)) return false;
  }
  return true;
}

Name make_name(std::string s) { return s.empty() ? Name{} : std::make_shared<const std::string>(std::move(s)); }

std::string Graph::name(ValueId v) const {
  if (v == ValueId::none) return "_";
  const Name& n = values_[std::size_t(v)].name;
  return n ? *n : "%" + std::to_string(std::uint32_t(v));
}
std::string Graph::describe(const Node& n) const {
  std::string who = n.origin ? "'" + *n.origin + "'" : std::to_string(&n - nodes_.data());
  return "node " + who + " (" + std::string(n.op.str()) + ")";
}
std::vector<std::uint32_t> Graph::use_counts() const {
  std::vector<std::uint32_t> n(values_.size(), 0);
  for (ValueId v : operands_) if (v != ValueId::none) ++n[std::size_t(v)];
  for (ValueId v : outputs_) ++n[std::size_t(v)];
  return n;
}

ValueId Builder::input(TypeRef type, Name name) {
  g_.values_.push_back({std::move(type), {}, std::move(name), -1, 0});
  g_.inputs_.push_back(ValueId(g_.values_.size() - 1));
  return g_.inputs_.back();
}
ValueId Builder::constant(std::shared_ptr<const Tensor> t, TypeRef type, Name name) {
  g_.values_.push_back({std::move(type), std::move(t), std::move(name), -1, 0});
  return ValueId(g_.values_.size() - 1);
}
ValueId Builder::add(OpName op, std::span<const ValueId> in, std::shared_ptr<const Attrs> attrs, std::span<const TypeRef> results, Name origin) {
  SAHA_ASSERT(attrs && in.size() < 65536 && results.size() < 65536);
  Node n{op, std::uint32_t(g_.operands_.size()), std::uint32_t(g_.values_.size()), std::uint16_t(in.size()), std::uint16_t(results.size()), std::move(attrs), std::move(origin)};
  g_.operands_.insert(g_.operands_.end(), in.begin(), in.end());
  for (std::size_t k = 0; k < results.size(); ++k) g_.values_.push_back({results[k], {}, {}, std::int32_t(g_.nodes_.size()), std::uint32_t(k)});
  g_.nodes_.push_back(std::move(n));
  return ValueId(g_.nodes_.back().first_result);
}

Result<> verify(const Graph& g) {
  auto bad = [](std::string what) { return Error{ErrorCode::internal, "the graph is not sound: " + std::move(what)}; };
  std::size_t count = g.values().size();
  for (const Value& v : g.values()) if (!v.type) return bad("a value has no type");
  for (const Node& n : g.nodes()) {
    if (!n.attrs) return bad(g.describe(n) + " has no attributes");
    if (n.first_result + std::size_t(n.num_results) > count) return bad(g.describe(n) + " has results that do not exist");
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const Value& v = g[g.result(n, k)];
      if (v.producer != &n - g.nodes().data() || v.result != k) return bad(g.describe(n) + " does not own its result " + std::to_string(k));
    }
    for (ValueId v : g.operands(n)) {
      if (v == ValueId::none) continue;
      if (std::size_t(v) >= count) return bad(g.describe(n) + " uses a value that does not exist");
      if (std::uint32_t(v) >= n.first_result && g[v].producer >= 0) return bad(g.describe(n) + " uses '" + g.name(v) + "' before it is made");
    }
    for (const NamedAttr& a : *n.attrs)
      if (auto* sub = std::get_if<GraphRef>(&a.value)) {
        if (!*sub) return bad(g.describe(n) + " has an empty sub-graph '" + a.name + "'");
        SAHA_DO(verify(**sub));
      }
  }
  for (ValueId v : g.outputs()) if (std::size_t(v) >= count) return bad("an output does not exist");
  return {};
}

std::size_t count_nodes(const Graph& g) {
  std::size_t n = g.nodes().size();
  for (const Node& node : g.nodes())
    for (const NamedAttr& a : *node.attrs)
      if (auto* sub = std::get_if<GraphRef>(&a.value)) n += count_nodes(**sub);
  return n;
}

bool same_structure(const Graph& a, const Graph& b) {
  if (a.nodes().size() != b.nodes().size() || a.inputs().size() != b.inputs().size() || a.outputs().size() != b.outputs().size()) return false;
  std::vector<std::uint32_t> to(a.values().size(), 0xffffffffu);  // value of a -> value of b
  auto match = [&](ValueId x, ValueId y) {
    if (x == ValueId::none || y == ValueId::none) return x == y;
    if (a[x].constant || b[y].constant) return a[x].constant && b[y].constant && (a[x].constant == b[y].constant || identical(*a[x].constant, *b[y].constant));
    return to[std::size_t(x)] == std::uint32_t(y);
  };
  for (std::size_t i = 0; i < a.inputs().size(); ++i) {
    if (!(a.type(a.inputs()[i]) == b.type(b.inputs()[i]))) return false;
    to[std::size_t(a.inputs()[i])] = std::uint32_t(b.inputs()[i]);
  }
  for (std::size_t q = 0; q < a.nodes().size(); ++q) {
    const Node &n = a.nodes()[q], &m = b.nodes()[q];
    if (!(n.op == m.op) || n.num_operands != m.num_operands || n.num_results != m.num_results) return false;
    if (n.attrs != m.attrs && !same_attrs(*n.attrs, *m.attrs)) return false;
    for (std::size_t i = 0; i < n.num_operands; ++i) if (!match(a.operand(n, i), b.operand(m, i))) return false;
    for (std::size_t k = 0; k < n.num_results; ++k) to[n.first_result + k] = m.first_result + std::uint32_t(k);
  }
  for (std::size_t i = 0; i < a.outputs().size(); ++i) if (!match(a.outputs()[i], b.outputs()[i])) return false;
  return true;
}

}  // namespace saha::ir
