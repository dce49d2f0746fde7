#pragma once
// Graph: a value in SSA form. Node order is execution order; a node uses only values made before it, so a cycle cannot be written
// down. Sub-graphs are closed: what ONNX captures by name is an explicit operand here, so every pass sees the whole data flow.
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "ir/type.hpp"
#include "tensor/tensor.hpp"

namespace saha::ir {

enum class ValueId : std::uint32_t { none = 0xffffffff };  ///< none stands for an omitted optional operand

/// The name of an operator, unique over all domains. Only a literal or the operator table makes one, so it never dangles.
class OpName {
 public:
  template <std::size_t N> consteval OpName(const char (&s)[N]) : s_(s, N - 1) {}
  constexpr std::string_view str() const { return s_; }
  friend constexpr bool operator==(OpName a, OpName b) { return a.s_ == b.s_; }
 private:
  std::string_view s_;
};

class Graph;
using GraphRef = std::shared_ptr<const Graph>;
using Name = std::shared_ptr<const std::string>;  ///< shared, since copies of a graph keep their names; null: no name

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Strings = std::vector<std::string>;
using Attr = std::variant<std::int64_t, float, std::string, Ints, Floats, Strings, Tensor, GraphRef, TypeRef>;
struct NamedAttr {
  std::string name;
  Attr value;
};
using Attrs = std::vector<NamedAttr>;

const Attr* find_attr(const Attrs& attrs, std::string_view name);
template <class T> const T* attr(const Attrs& attrs, std::string_view name) {
  const Attr* a = find_attr(attrs, name);
  return a ? std::get_if<T>(a) : nullptr;
}
bool same_attrs(const Attrs& a, const Attrs& b);  ///< in any order; tensors by content, sub-graphs by structure

struct Node {
  OpName op;
  std::uint32_t first_operand, first_result;
  std::uint16_t num_operands, num_results;
  std::shared_ptr<const Attrs> attrs;      ///< never null; copies share it
  Name origin;                             ///< the model's nodes that this one stands for: "a", "a+b"; with the call path "f/a"
};

struct Value {
  TypeRef type;                            ///< never null
  std::shared_ptr<const Tensor> constant;  ///< the elements of a constant
  Name name;
  std::int32_t producer = -1;              ///< row of nodes(), or -1: graph input or constant
  std::uint32_t result = 0;                ///< which result of the producer
};

class Graph {
 public:
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const Value> values() const { return values_; }
  std::span<const ValueId> inputs() const { return inputs_; }
  std::span<const ValueId> outputs() const { return outputs_; }
  std::span<const ValueId> operands(const Node& n) const { return {operands_.data() + n.first_operand, n.num_operands}; }
  ValueId operand(const Node& n, std::size_t i) const { return i < n.num_operands ? operands_[n.first_operand + i] : ValueId::none; }
  ValueId result(const Node& n, std::size_t k = 0) const { return ValueId(n.first_result + std::uint32_t(k)); }
  const Value& operator[](ValueId v) const { return values_[std::size_t(v)]; }
  const Type& type(ValueId v) const { return *values_[std::size_t(v)].type; }
  const Node* producer(ValueId v) const {
    auto p = values_[std::size_t(v)].producer;
    return p < 0 ? nullptr : &nodes_[std::size_t(p)];
  }
  /// The value's name, or "%12" where it has none.
  std::string name(ValueId v) const;
  /// "node 'conv1' (Conv)", or "node 17 (Conv)" where it has no name.
  std::string describe(const Node& n) const;
  /// How often each value is used as an operand or a graph output; one linear walk.
  std::vector<std::uint32_t> use_counts() const;

 private:
  friend class Builder;
  std::vector<Node> nodes_;
  std::vector<ValueId> operands_;
  std::vector<Value> values_;
  std::vector<ValueId> inputs_, outputs_;
};

/// What a model file holds beside its graph.
struct Model {
  Graph graph;
  std::string format = "ONNX";                    ///< of the file: "ONNX", "TFLite"
  std::string name, doc, producer, producer_version;
  std::int64_t ir_version = 0;
  std::map<std::string, std::int64_t> opsets;     ///< as the file states them; "" is ai.onnx
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notes;                 ///< what import changed or left out, a sentence each
};

/// Appends to a graph. Knows no operator: the types of the results are given (op::Builder infers them).
class Builder {
 public:
  Builder() = default;
  explicit Builder(Graph g) : g_(std::move(g)) {}
  ValueId input(TypeRef type, Name name = {});
  ValueId constant(std::shared_ptr<const Tensor> t, TypeRef type, Name name = {});
  /// The first result; the others follow it.
  ValueId add(OpName op, std::span<const ValueId> operands, std::shared_ptr<const Attrs> attrs, std::span<const TypeRef> results, Name origin = {});
  void output(ValueId v) { g_.outputs_.push_back(v); }
  void rename(ValueId v, Name name) { g_.values_[std::size_t(v)].name = std::move(name); }
  void retype(ValueId v, TypeRef type) { g_.values_[std::size_t(v)].type = std::move(type); }
  const Graph& graph() const { return g_; }
  Graph build() && { return std::move(g_); }

 private:
  Graph g_;
};

Name make_name(std::string s);
/// Checks the invariants: operands exist and come earlier, results are consecutive, sub-graphs are sound.
Result<> verify(const Graph& g);
/// Nodes, with those of sub-graphs.
std::size_t count_nodes(const Graph& g);
/// Structure, constants and attributes are the same; names may differ.
bool same_structure(const Graph& a, const Graph& b);

}  // namespace saha::ir
