#pragma once
// OpDef: all that saha knows of one operator: facts, and rules that build graphs. A family file (op/<family>.cpp) holds a constexpr table
// of them at its end, the functions above it in its order; op::tables() lists the families. Source of the semantics: ONNX operator
// specification, opset 28, unless the family file says otherwise.
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>

#include "base/result.hpp"
#include "ir/graph.hpp"
#include "op/signature.hpp"
#include "tensor/datum.hpp"

namespace saha::op {
using ir::Attrs;
using ir::Dim;
using ir::Type;
using ir::TypeRef;
using ir::ValueId;
struct OpDef;
class Builder;

/// The attributes of a node. Defaults have been written out, so a rule states none; what is optional is asked for by has_attr.
struct AttrView {
  const Attrs& attrs;
  bool has_attr(std::string_view n) const { return ir::find_attr(attrs, n) != nullptr; }
  std::int64_t i(std::string_view n) const { auto* p = ir::attr<std::int64_t>(attrs, n); return p ? *p : 0; }
  float f(std::string_view n) const { auto* p = ir::attr<float>(attrs, n); return p ? *p : 0; }
  std::string s(std::string_view n) const { auto* p = ir::attr<std::string>(attrs, n); return p ? *p : std::string(); }
  ir::Ints is(std::string_view n) const { auto* p = ir::attr<ir::Ints>(attrs, n); return p ? *p : ir::Ints(); }
  ir::Floats fs(std::string_view n) const { auto* p = ir::attr<ir::Floats>(attrs, n); return p ? *p : ir::Floats(); }
  ir::Strings ss(std::string_view n) const { auto* p = ir::attr<ir::Strings>(attrs, n); return p ? *p : ir::Strings(); }
  const Tensor* tensor(std::string_view n) const { return ir::attr<Tensor>(attrs, n); }
  const ir::Graph& graph(std::string_view n) const { return **ir::attr<ir::GraphRef>(attrs, n); }
};

// ---- shape inference ---------------------------------------------------------------------------------------------------
/// The elements of a small integer tensor, as far as they are known: constants or expressions over dimensions.
using Known = std::vector<Dim>;

struct Infer : AttrView {
  const OpDef& def;
  const Signature& sig;
  Builder& b;                              ///< asked for known values and fresh symbols
  std::span<const ValueId> ids;            ///< operands as values of b's graph
  std::span<const TypeRef> in;             ///< null: omitted
  int num_out = 1;                         ///< how many results the node asks for
  std::vector<TypeRef> out = {};           ///< what the rule gives, one per result

  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  DType dtype(std::size_t i) const { return in[i]->dtype; }
  std::size_t rank(std::size_t i) const { return in[i]->dims.size(); }
  const std::vector<Dim>& dims(std::size_t i) const { return in[i]->dims; }
  /// Elements of operand i as expressions; null where not known (or omitted). Holds until the builder's next node.
  const Known* known(std::size_t i) const;
  /// The constant that operand i is, or null.
  const Tensor* data(std::size_t i) const;
  /// Elements of operand i where each is a number.
  std::optional<std::vector<std::int64_t>> numbers(std::size_t i) const;
  Error fail(std::string what) const;      ///< "Conv: " + what
  Dim fresh(std::string_view what) const;  ///< a new symbol: a size that only the data decides
  Result<> give(DType t, std::vector<Dim> d) { out.push_back(ir::tensor_type(t, std::move(d))); return {}; }
  Result<> give(TypeRef t) { out.push_back(std::move(t)); return {}; }
  Result<> give_unranked(DType t) { out.push_back(ir::unranked_type(t)); return {}; }
  /// Axis in [0, rank) from one in [-rank, rank); fails naming both. `extra` 1 for operators that insert an axis.
  Result<std::size_t> axis(std::int64_t a, std::size_t rank, std::string_view what = "axis") const;
};

// ---- reference semantics -----------------------------------------------------------------------------------------------
/// What a run may still spend, in elementary steps: an element that is read or written, a product that is added. All that a run calls
/// takes from the same budget, so that a model of unknown origin ends in known time.
struct Budget {
  double steps = 0;                        ///< that are left
  bool refused = false;                    ///< something asked for more
};

struct Eval : AttrView {
  const OpDef& def;
  std::span<const Datum* const> in;        ///< null: omitted
  int num_out = 1;
  Budget* budget = nullptr;                ///< null: no limit
  std::vector<Datum> out = {};

  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  const Tensor& x(std::size_t i) const { return in[i]->tensor; }
  std::vector<std::int64_t> ints(std::size_t i) const { return values<std::int64_t>(x(i)); }
  /// Zeroed; fails above the limit on tensors, or where the budget has too few steps for it. The way to make every result whose size the
  /// data decides.
  Result<Tensor> make(DType t, Dims d) const;
  /// Takes from the budget; fails where it has less. Stands before every loop whose length is not the operands' size and the results' together.
  Result<> spend(double steps) const;
  Result<> give(Datum d) { out.push_back(std::move(d)); return {}; }
  Error fail(std::string what) const;
  Result<std::size_t> axis(std::int64_t a, std::size_t rank, std::string_view what = "axis") const;
};

/// One scalar definition, compiled for each carrier it serves. A null entry: the operator refuses those dtypes.
template <class T> using Block = void (*)(const T* const* in, int num_in, std::int64_t n, T* out, const Attrs& attrs);
enum class ResultType : std::uint8_t { same, boolean };
struct Blocks {
  Block<double> real = nullptr;
  Block<std::int64_t> integer = nullptr;
  Block<std::uint64_t> natural = nullptr;                  ///< bool too
  /// The same arithmetic on expressions: shape values. Nothing where the result cannot be told (a division by 0, an open comparison).
  std::optional<Dim> (*dim)(const Dim* const* in, int num_in, const Attrs& attrs) = nullptr;
  ResultType result = ResultType::same;                    ///< same: the dtype of operand 0
};

// ---- building graphs: bodies, gradients, integer forms --------------------------------------------------------------------
/// A value of the graph that a Builder makes. Empty: an omitted operand, a gradient that is zero.
struct Val {
  Builder* b = nullptr;
  ValueId id = ValueId::none;
  explicit operator bool() const { return id != ValueId::none; }
};
using Vals = std::vector<Val>;

/// What a rule sees of the node it explains: operands and results as values of the graph that is being built.
struct Site : AttrView {
  Builder& b;
  Vals in, out;
  int num_out = 1;
  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  const Type& type(std::size_t i) const;
};

// ---- facts -----------------------------------------------------------------------------------------------------------------
/// In which operands the operator is linear. Joint (Add, Concat): in all of them at once. Bilinear (Mul, MatMul, Conv): in either of a
/// pair while the other stands still; `operands` then lists those that are added on top (Conv's bias).
struct Linearity {
  enum class Kind : std::uint8_t { none, joint, bilinear } kind = Kind::none;
  std::uint32_t operands = 0;
  std::uint8_t first = 0, second = 0;
  bool in(std::size_t i) const { return kind != Kind::none && (i >= 32 ? operands == ~0u : (operands >> i & 1) || (kind == Kind::bilinear && (i == first || i == second))); }
};
constexpr Linearity joint(std::initializer_list<int> operands) {
  Linearity l{Linearity::Kind::joint};
  for (int i : operands) l.operands |= 1u << i;
  return l;
}
inline constexpr Linearity kJointAll{Linearity::Kind::joint, ~0u};
constexpr Linearity bilinear(int a, int b, std::initializer_list<int> added = {}) {
  Linearity l = joint(added);
  l.kind = Linearity::Kind::bilinear;
  l.first = std::uint8_t(a);
  l.second = std::uint8_t(b);
  return l;
}

/// Facts about a function of one variable. verify/ turns them into interval and linear bounds, once for all.
struct Curve {
  double (*f)(double x, const Attrs&) = nullptr;
  double (*slope)(double x, const Attrs&) = nullptr;
  enum class Shape : std::uint8_t { none, convex, concave, convex_concave, concave_convex, linear_pieces } shape = Shape::none;
  double bend = 0;        ///< where the curvature changes, or the only corner
  int direction = 0;      ///< +1 never falls, -1 never rises, 0 neither
  int ulp = 0;            ///< how far f's own evaluation may be from the truth
};

enum Trait : std::uint32_t {
  kElementwise = 1,       ///< broadcasting, one result, element by element
  kCommutative = 2,
  kMovement = 4,          ///< copies elements of the operands in `linear`, computes nothing: shape values flow through eval
  kRandom = 8,            ///< two equal nodes are not one
  kDataShape = 16,        ///< the size of a result depends on the data
  kControl = 32,          ///< has sub-graphs that it runs
  kView = 64,             ///< result 0 may be operand 0's buffer with other dims
  kTakesUnranked = 128,   ///< infer copes with operands of unknown rank
  kSideEffect = 256,
};
/// How a kernel may differ from eval: not at all, by max_ulp, or by the error of a sum of products.
enum class ErrorModel : std::uint8_t { exact, ulp, dot, random };

// ---- the entry -----------------------------------------------------------------------------------------------------------
struct OpDef {
  ir::OpName name;                                    ///< unique over all domains
  std::string_view domain = {};                       ///< "" is ai.onnx
  int since_version = 1;                              ///< the newest version of the domain's operator set that changed it
  std::string_view signature;                         ///< see signature.hpp
  std::uint32_t traits = 0;
  Result<> (*infer)(Infer&) = nullptr;                ///< types and symbolic shapes
  Result<> (*eval)(Eval&) = nullptr;                  ///< reference
  const Blocks* blocks = nullptr;                     ///< elementwise only: replaces infer and eval, carries shape values
  Vals (*body)(const Site&) = nullptr;                ///< in terms of other operators; serves every field that is missing
  Linearity linear = {};
  Val (*adjoint)(const Site&, std::size_t operand, Val dy) = nullptr;  ///< <dy, op(dx)> = <adjoint(dy), dx>
  Vals (*vjp)(const Site&, const Vals& dy) = nullptr; ///< one per operand; an empty Val is zero; only where adjoint does not say it
  Curve curve = {};
  Val (*integer)(const Site&, const Type& result) = nullptr;           ///< the integer result from int32 primitives; empty: none by this rule of rounding
  ErrorModel rounding = ErrorModel::exact;
  int max_ulp = 0;
  std::string_view no_gradient = {}, no_bounds = {}, no_integer = {};  ///< why such a fact cannot exist; empty: given, or missing
};

struct Entry {
  const OpDef* def;
  Signature signature;
};
std::span<const std::span<const OpDef>> tables();
/// Null: not known. Names are unique over all domains.
const Entry* find(std::string_view name);
/// All entries, by domain and name.
std::span<const Entry> entries();

// ---- what follows from an entry alone --------------------------------------------------------------------------------------
/// Runs the entry: eval, blocks or body, in this order. Missing attributes are an internal error; use Builder to complete them. With a
/// budget it fails (cancelled) before a loop that needs more than is left.
Result<std::vector<Datum>> run(const OpDef& def, std::span<const Datum* const> in, const Attrs& attrs, int num_out, Budget* budget = nullptr);
/// Runs a graph node by node through the references; intermediate values are dropped after their last use.
Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum* const> in, Budget* budget = nullptr);
Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum> in, Budget* budget = nullptr);

}  // namespace saha::op
