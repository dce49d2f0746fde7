#pragma once
// op::Builder appends nodes to a graph: checks them against their signature, writes out default attributes, infers the types of
// results and knows the elements of shape values. The first error sticks and is told by build(): a rule needs no error handling.
#include <memory>
#include <unordered_map>

#include "op/op_def.hpp"

namespace saha::op {

/// How a result of a quantised node is kept.
struct Stored {
  DType dtype = DType::none;
  std::shared_ptr<const ir::Quant> quant;
};

class Builder {
 public:
  Val input(TypeRef t, std::string name = {}) { return input(std::move(t), ir::make_name(std::move(name))); }
  Val input(TypeRef t, ir::Name name);
  Val constant(Tensor t, std::string name = {});
  Val constant(std::shared_ptr<const Tensor> t, TypeRef type, ir::Name name = {}) { return {this, core_.constant(std::move(t), std::move(type), std::move(name))}; }
  Val scalar(double v, Val like);                      ///< of like's dtype, rank 0
  Val scalar(double v, DType t) { return constant(Tensor::scalar(t, v)); }
  Val ints(const std::vector<std::int64_t>& v);        ///< int64, rank 1
  Val op(ir::OpName name, Vals in, Attrs attrs = {}) { return ops(name, std::move(in), std::move(attrs), 1)[0]; }
  Vals ops(ir::OpName name, Vals in, Attrs attrs, int num_out) { return add(name, std::move(in), std::move(attrs), num_out, {}); }
  /// A node that computes on stored integers: operands whose types carry quantisation stand for real numbers, result k is stored as `stored[k]`
  /// says (no dtype: as inferred). An attribute `rounding` (tensor/requant.hpp) may be stated beside the operator's own.
  Vals quantised(ir::OpName name, Vals in, Attrs attrs, std::span<const Stored> stored) { return add(name, std::move(in), std::move(attrs), int(stored.size()), stored); }
  Val quantised(ir::OpName name, Vals in, Attrs attrs, const Stored& stored) { return quantised(name, std::move(in), std::move(attrs), std::span(&stored, 1))[0]; }
  /// Copies a node of another graph whose operands stand here as `in`. Types are taken over where the operands' types are the same.
  Vals copy(const ir::Graph& from, const ir::Node& n, const Vals& in);
  /// Appends all of g; `in` stands for its inputs. Returns what stands for its outputs.
  Vals inline_graph(const ir::Graph& g, const Vals& in);

  const Type& type(Val v) const { return core_.graph().type(v.id); }
  const TypeRef& type_ref(Val v) const { return core_.graph()[v.id].type; }
  const Tensor* data(Val v) const { return v ? core_.graph()[v.id].constant.get() : nullptr; }  ///< null: not a constant
  /// Elements as expressions, computed when first asked for: Shape gives them, movement moves them, elementwise integer operators
  /// compute them. Null where not known. At most 64 elements.
  const Known* known(Val v);
  Dim fresh(std::string_view what) { return Dim::symbol(std::string(what) + "#" + std::to_string(next_symbol_++)); }
  const ir::Node* producer(Val v) const { return core_.graph().producer(v.id); }
  const ir::Graph& graph() const { return core_.graph(); }

  void rename(Val v, std::string name) { core_.rename(v.id, ir::make_name(std::move(name))); }
  void rename(Val v, ir::Name name) { core_.rename(v.id, std::move(name)); }
  void retype(Val v, TypeRef t);  ///< a caller knows more than inference (a model's value_info)
  bool failed() const { return error_.has_value(); }
  const Error* error() const { return error_ ? &*error_ : nullptr; }
  void fail(Error e) { if (!error_) error_ = std::move(e); }
  Result<ir::Graph> build(const Vals& outputs) &&;

  ir::Name origin;  ///< given to every node that is added
  int loops = 0;    ///< how many loop bodies this graph stands in, while one is inferred for the operands that it has

 private:
  Vals add(ir::OpName name, Vals in, Attrs attrs, int num_out, std::span<const Stored> stored);
  void reserve_symbols(const Type& t);  ///< fresh() will make none of those that t holds
  std::unique_ptr<Known> propagate(const ir::Node& n, std::size_t result, int depth);
  std::unique_ptr<Known> folded(const ir::Node& n, std::size_t result, int depth);
  const Known* known_at(ValueId v, int depth);
  ir::Builder core_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Known>> known_;
  std::optional<Error> error_;
  std::uint64_t next_symbol_ = 0;
};

inline Val operator+(Val a, Val b) { return a.b->op("Add", {a, b}); }
inline Val operator-(Val a, Val b) { return a.b->op("Sub", {a, b}); }
inline Val operator*(Val a, Val b) { return a.b->op("Mul", {a, b}); }
inline Val operator/(Val a, Val b) { return a.b->op("Div", {a, b}); }
inline Val operator+(Val a, double c) { return a + a.b->scalar(c, a); }
inline Val operator-(Val a, double c) { return a - a.b->scalar(c, a); }
inline Val operator*(Val a, double c) { return a * a.b->scalar(c, a); }
inline Val operator/(Val a, double c) { return a / a.b->scalar(c, a); }
inline Val operator-(double c, Val a) { return a.b->scalar(c, a) - a; }
inline const Type& Site::type(std::size_t i) const { return b.type(in[i]); }

/// dtype and shape of the result are inferred as if the node were added; used by tests and by composite entries.
Result<> infer_types(Infer& c);
/// Gradients of `of` with respect to `wrt`, given dy: vjp, or adjoint per linear operand, or through the body. An empty Val is zero.
Result<Vals> gradients(Builder& b, Val of, Val dy, const Vals& wrt);
/// The node computes on stored integers: an operand or a result carries quantisation, and it does not merely move or reinterpret them,
/// or run a sub-graph that says itself what it means.
bool is_quantised(const ir::Graph& g, const ir::Node& n);
/// What such a node means, as a graph of plain integer operators; inputs are its operands that are no constants. Its own rule where the entry has one, else operands are
/// dequantised, the float operator runs, and its results are quantised again (rounding float_even, or half away from zero for the others).
Result<ir::Graph> integer_form(const ir::Graph& g, const ir::Node& n);
/// The same for operands whose dims are known by now (null: omitted or a constant): rules that need numbers find them.
Result<ir::Graph> integer_form(const ir::Graph& g, const ir::Node& n, std::span<const Datum* const> actual);
/// Every quantised node as DequantizeLinear, the float operator, QuantizeLinear; the values keep their stored numbers, the types no longer say what
/// they stand for. Where the node rounds by another rule than float_even, a result may differ by one step.
Result<ir::Graph> spelt_out(const ir::Graph& g);
/// The entry's own integer rule.
Result<ir::Graph> integer_form(const OpDef& def, std::span<const TypeRef> in, const TypeRef& result, const Attrs& attrs);
/// The body of a composite node as a graph of its own; fails where the entry has none.
Result<ir::Graph> expand(const OpDef& def, std::span<const TypeRef> in, const Attrs& attrs, int num_out);

/// Rebuilds g node by node. `rule` sees a node of g and its operands already mapped; it adds nodes to the builder and returns what
/// stands for the results, or nothing to copy the node. Sub-graphs are left alone. Names of values, inputs and outputs are kept.
/// A rule about real numbers does not hold for stored integers: it sees quantised nodes only where `quantised` is see.
using Rule = std::function<std::optional<Vals>(const ir::Graph& g, const ir::Node& n, const Vals& in, Builder& b)>;
enum class Quantised : bool { skip, see };
Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule, Quantised quantised = Quantised::skip);
/// The same with other ends: `input` says what stands for input i (by default an input of its type and name), `outputs` are values of g.
/// Without a rule every node is copied.
using Input = std::function<Val(std::size_t i, Builder& b)>;
Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule, const Input& input, std::span<const ValueId> outputs, Quantised quantised = Quantised::skip);

}  // namespace saha::op
