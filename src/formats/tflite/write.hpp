#pragma once
// How operators of the table are written by those of TensorFlow Lite. First a graph is said in the operators that have a form in the file
// (say.cpp: pads that no kernel takes become Pad, function bodies what they mean), then layouts are solved (layout.hpp), then each node is
// written by one rule. A rule sees its node through Writing.
#include <algorithm>
#include <map>

#include "formats/tflite/conventions.hpp"
#include "op/builder.hpp"
#include "tflite/schema_generated.h"

namespace saha::tflite {
using op::Attrs;
using op::Val;
using op::Vals;
using Code = fb::BuiltinOperator;

/// The file while it is written. The first error sticks.
class File {
 public:
  File();
  /// Writes g as a sub-graph; the row under which it is called. Errors stick.
  std::size_t sub_graph(const ir::Graph& g, const std::string& name);
  /// A kernel's version in the list of operator codes.
  std::uint32_t code(Code c, int version);
  std::uint32_t buffer(std::vector<std::uint8_t> bytes);
  void fail(Error e) { if (!error_) error_ = std::move(e); }
  const std::optional<Error>& error() const { return error_; }
  void note(std::string s) { if (std::find(notes.begin(), notes.end(), s) == notes.end()) notes.push_back(std::move(s)); }

  fb::ModelT model;
  std::vector<std::string> notes;
  std::string runtime = "1.5.0";  ///< the oldest that has all kernels
  int depth = 0;

 private:
  std::map<std::pair<Code, int>, std::uint32_t> codes_;
  std::optional<Error> error_;
};

/// A value in the file: one of the tensors that hold it.
struct Placed {
  std::int32_t tensor = -1;
  Ints order;
  Ints flat;  ///< not empty: a matrix whose columns list these dims in the order `flat_order`
  Ints flat_order;
};

class SubGraph;
/// One node while it is written.
class Writing : public op::AttrView {
 public:
  Writing(SubGraph& sub_graph, const ir::Graph& graph, std::size_t at);
  SubGraph& to;
  const ir::Graph& g;
  const ir::Node& n;
  std::size_t row;

  ir::ValueId operand(std::size_t i) const { return g.operand(n, i); }
  bool has(std::size_t i) const { return operand(i) != ir::ValueId::none; }
  const ir::Type& type(std::size_t i = 0) const { return g.type(operand(i)); }
  const ir::Type& result(std::size_t k = 0) const { return g.type(g.result(n, k)); }
  std::size_t rank(std::size_t i = 0) const { return type(i).dims.size(); }
  const Tensor* data(std::size_t i) const { return has(i) ? g[operand(i)].constant.get() : nullptr; }
  /// Integers that operand i holds; fails where it is computed.
  Ints ints(std::size_t i, std::string_view what);
  /// Extent, which has to be known.
  std::int64_t extent(const ir::Type& t, std::size_t axis);
  /// The order in which the node's results stand, and its operands where they follow it.
  const Ints& order() const { return order_; }
  /// Place in memory of an axis of the result.
  std::int64_t place(std::int64_t axis) const { return place_of(order_, axis); }

  std::int32_t in(std::size_t i);                        ///< operand i in the node's order
  std::int32_t in(std::size_t i, const Ints& order);     ///< in this one
  Placed any(std::size_t i);                             ///< in an order that it already has
  std::int32_t out(std::size_t k = 0);                   ///< result k in the node's order; of what is glued to it
  std::int32_t out_in(const Ints& order, std::size_t k = 0);
  std::int32_t temporary(DType t, std::vector<ir::Dim> dims, std::shared_ptr<const ir::Quant> q = {});
  std::int32_t ints32(const Ints& v) { return ints32(v, {std::int64_t(v.size())}); }
  std::int32_t ints32(const Ints& v, const Dims& shape);
  std::int32_t scalar32(std::int64_t v) { return ints32({v}, {}); }
  std::int32_t constant(const Tensor& t, std::shared_ptr<const ir::Quant> q = {});
  /// The operand as int32 in the plain order: a constant is written so, a computed value is cast where shapes prove that it fits.
  std::int32_t narrow(std::size_t i);
  /// A tensor of int64 or int32 in another of the two.
  std::int32_t cast(std::int32_t tensor, DType to);
  DType dtype_of(std::int32_t tensor) const;
  void cast_into(std::int32_t tensor, std::int32_t result);
  /// The operand, whose columns may stand in another order than the graph's.
  Placed flat(std::size_t i);
  /// The node makes a matrix whose columns stand as its operand does.
  bool flattens() const;
  /// A tensor that keeps what it holds from one run to the next; zero at first.
  std::int32_t variable(DType t, const Dims& dims, std::shared_ptr<const ir::Quant> q = {});
  /// How the operator that was written last keeps what stands between its steps.
  void intermediates(std::vector<std::int32_t> tensors);
  /// `from` as a tensor of this type in this order; one extent may be open.
  void reshape(std::int32_t from, std::int32_t result, const ir::Type& type, const Ints& order);
  std::int32_t get(ir::ValueId v, const Ints& order);
  /// Operand i is computed from constants and extents alone.
  bool sized_by_shapes(std::size_t i) const;
  File& file();
  /// Says a value that is a tensor already.
  void alias(std::size_t k, Placed p);

  void op(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out) { add(code, std::move(in), std::move(out), {}); }
  template <class O> void op(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, O options) {
    fb::BuiltinOptionsUnion u;
    u.Set(std::move(options));
    add(code, std::move(in), std::move(out), std::move(u));
  }
  fb::ActivationFunctionType activation() const;
  void unsupported(std::string what, std::string help = {});
  bool failed() const;

 private:
  void add(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, fb::BuiltinOptionsUnion options);
  Ints order_;
};

struct WriteRule {
  ir::OpName op;
  void (*write)(Writing&);
  Place place = Place::plain;
  bool stored = false;                                                   ///< there is a kernel on stored integers
  Place (*where)(const ir::Graph&, const ir::Node&) = nullptr;           ///< instead of `place`, where that depends on the node
};
std::span<const WriteRule> layer_writers();
std::span<const WriteRule> movement_writers();
std::span<const WriteRule> math_writers();
std::span<const WriteRule> control_writers();
const WriteRule* find_writer(ir::OpName op);

/// A node that is said by operators nearer to the file's.
struct Saying : op::Site {
  const ir::Graph& from;
  const ir::Node& n;
  bool wraps;  ///< indices below 0 count from the end, as they do in ONNX

  const ir::Type& result(std::size_t k = 0) const { return from.type(from.result(n, k)); }
  bool stored() const { return op::is_quantised(from, n); }
  std::size_t rank(std::size_t i = 0) const { return type(i).dims.size(); }
  const Tensor* data(std::size_t i) const { return has(i) ? b.data(in[i]) : nullptr; }
  /// The elements of a constant of integers.
  std::optional<Ints> ints(std::size_t i) const;
  /// A node like this one on other operands: its results are kept as they were.
  Vals same(ir::OpName op, Vals operands, Attrs attributes) const;
  /// The node on real numbers, between dequantising and quantising.
  Vals on_reals() const;
  /// The meaning that the table states.
  Vals meant() const;
};
struct SayRule {
  ir::OpName op;
  std::optional<Vals> (*say)(const Saying&);  ///< nothing: it is written as it stands
  bool stored = false;                        ///< holds on stored integers, too
};
std::span<const SayRule> layer_sayings();
std::span<const SayRule> movement_sayings();
std::span<const SayRule> math_sayings();
std::span<const SayRule> control_sayings();
/// g in operators that have a rule to be written, as far as that is possible. `wraps`: see Saying.
Result<ir::Graph> said(const ir::Graph& g, bool wraps);

/// g with int8 in place of uint8 where a node has both, or a scale a channel in uint8. The ends of g keep their types.
Result<ir::Graph> signed_bytes(const ir::Graph& g);

/// Every number that v is computed from is a constant or an extent.
bool from_shapes(Val v);
/// Extents where all are known.
std::optional<Dims> known_dims(const ir::Type& t);
/// Axis in [0, rank).
inline std::int64_t axis_in(std::int64_t a, std::size_t rank) { return a < 0 ? a + std::int64_t(rank) : a; }
/// v with another axis of extent 1; a constant keeps its scales.
Val unsqueezed(Val v, std::int64_t axis);
Val squeezed(Val v, std::int64_t axis);
Val transposed(Val v, const Ints& perm);
/// v with these pads before and after each axis, filled with the real 0 or `value` (a stored number where v is quantised).
Val padded_by(Val v, const Ints& before, const Ints& after, std::optional<double> value = {});
/// Attributes without those that are named.
Attrs without(const Attrs& attrs, std::initializer_list<std::string_view> names);

/// Whether windows at n places undo a convolution over `out` elements that pads by VALID or SAME.
struct Undone { bool valid, same; };
Undone undone(std::int64_t n, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t before);

/// What is known of a kernel: the version that a use needs, the runtime that brought it, what it takes.
struct Use {
  Code code;
  const std::vector<fb::TensorT*> in, out;       ///< null: omitted
  const fb::BuiltinOptionsUnion& options;
};
int kernel_version(const Use& use);
std::string kernel_runtime(Code code, int version);
/// A sentence on what the kernel does not take of this use; empty: it takes it.
std::string kernel_refusal(const Use& use);

/// Elements as they lie in a buffer.
std::vector<std::uint8_t> bytes_of(const Tensor& t);

}  // namespace saha::tflite
