#pragma once
// How each layer type of IR is said by operators of the table, and back: one row each, in both directions where one row can tell both.
//
// What a row writes is read back at once by the row of the layer type that it wrote: the types of ports come from there, a layer that saha could not
// read itself is never written, and a value while it is written is the Val of what was read back.
#include <functional>
#include <map>
#include <set>

#include "formats/openvino/net.hpp"
#include "op/builder.hpp"

namespace saha::openvino {
using op::Attrs;
using op::Val;
using op::Vals;
using Ints = std::vector<std::int64_t>;
struct Row;

/// A variable of ReadValue and Assign.
struct State {
  Val read, next;
};
/// What the layers of one file share while they are read.
struct Context {
  Limits limits;
  bool half_is_float = false;                                  ///< IR 10: FP16 is how numbers are kept, not how they are computed
  std::function<Result<Tensor>(const Layer&)> constant;        ///< elements of a Constant
  op::Builder* top = nullptr;                                  ///< of the outermost net: states are its inputs
  std::map<std::string, State> states;
  std::vector<std::string> notes;
  int depth = 0;

  void note(std::string sentence);
};

/// One layer while it is read: its operands as values of the graph that is made, its attributes, and ways to build.
class Site {
 public:
  op::Builder& b;
  Context& context;
  const Layer& layer;
  const Row& row;
  Vals in;                              ///< empty: an input port without an edge
  std::string name;                     ///< "Convolution 'conv1'", for messages
  int num_out = 1;

  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  const ir::Type& type(std::size_t i) const { return b.type(in[i]); }
  std::size_t rank(std::size_t i = 0) const { return b.failed() ? 0 : type(i).dims.size(); }
  void fail(std::string what) { b.fail({ErrorCode::invalid_model, name + " " + std::move(what)}); }
  void unsupported(std::string what, std::string help = {}) { b.fail({ErrorCode::unsupported, name + ": " + std::move(what), std::move(help)}); }

  // Attributes. One that is missing is `otherwise`; one that does not parse fails.
  std::string s(std::string_view attribute, std::string otherwise = {}) const;
  std::int64_t i(std::string_view attribute, std::int64_t otherwise = 0);
  double f(std::string_view attribute, double otherwise = 0);
  bool flag(std::string_view attribute, bool otherwise = false);
  Ints is(std::string_view attribute, Ints otherwise = {});
  /// One number an axis; fails where the layer states another count of them.
  Ints per_axis(std::string_view attribute, std::size_t axes, std::int64_t otherwise);
  DType dtype(std::string_view attribute, DType otherwise);

  /// Elements of operand i, where they are known when the model is read.
  std::optional<Ints> known(std::size_t i) const;
  /// The same; fails where they are not, or where there are not `count` of them (-1: any).
  Ints ints(std::size_t i, std::string_view what, std::int64_t count = -1);
  /// The one number that constant operand i holds.
  std::optional<double> number(std::size_t i) const;
  std::size_t axis(std::int64_t a, std::size_t rank);
  Val wide(std::size_t i) { return op_cast(in[i], DType::i64); }
  Val wide_list(std::size_t i);         ///< int64, rank 1; a scalar is a list of one
  Val op_cast(Val v, DType t);
  Val op(ir::OpName o, Vals v, Attrs a = {}) { return b.op(o, std::move(v), std::move(a)); }
  /// The attributes that the row lists, as the operator has them.
  Attrs listed();
};

std::int64_t extent(const ir::Type& t, std::size_t axis);          ///< -1: not known
Ints extents(const ir::Type& t, std::size_t from = 0);
/// from, from + 1, .. : n numbers.
Ints counted(std::size_t n, std::int64_t from = 0);
bool all_of(const Ints& v, std::int64_t x);
inline Ints filled(Ints v, std::size_t n, std::int64_t with) { v.resize(n, with); return v; }
constexpr std::int64_t kFar = std::int64_t{1} << 31;               ///< ends of slices from here on are open
constexpr std::int64_t kMaxMade = 1 << 24;                         ///< elements of a constant that a layer or node is said by

/// v under other dims or with its axes in another order: done now to a constant and to a constant that is cast, else by a node.
Val reshaped(Val v, const Ints& dims);
Val permuted(Val v, const Ints& perm);
std::optional<Ints> known_ints(op::Builder& b, Val v);
/// The constant that v is, or the one that it is a cast of.
std::shared_ptr<const Tensor> constant_behind(op::Builder& b, Val v);

/// Appends what l says to b; `in` stands for its input ports.
Vals read_layer(const Layer& l, Vals in, op::Builder& b, Context& c);
/// Appends all of n; `parameter` says what stands for a Parameter. Gives a value per row; of a Result, what it hands out.
std::vector<Val> read_net_into(const Net& n, op::Builder& b, Context& c, const std::function<Val(const Layer&)>& parameter);
/// Type of a Parameter. Its free dims are "`name`.1"; dim 0 of the model's first input is "N".
Result<ir::TypeRef> parameter_type(const Layer& l, const std::string& name, bool first, bool half_is_float);

/// QuantizeLinear and DequantizeLinear nodes with the same constants as scale and zero point.
bool same_grid(const ir::Graph& g, const ir::Node& a, const ir::Node& b);
/// The graph in the form in which it is written: without stored integers in its types, each quantised value dequantised once.
Result<ir::Graph> prepared(const ir::Graph& graph);

/// The .bin that is written: its tensors in their order, each buffer once.
class Pieces {
 public:
  struct Piece {
    std::uint64_t offset;
    Tensor written, origin;   ///< float16 where the origin's float32 is written so
  };
  Result<std::uint64_t> place(const Tensor& t, bool half);
  const std::vector<Piece>& all() const { return all_; }
  std::uint64_t size() const { return size_; }
  const Tensor* at(std::uint64_t offset) const;

 private:
  std::vector<Piece> all_;
  std::map<std::pair<const void*, std::int64_t>, std::size_t> seen_;   ///< buffer and bytes
  std::uint64_t size_ = 0;
};

/// Writes one net: the layers of a graph, or of a body.
class Writer {
 public:
  op::Builder b;                        ///< holds what has been written, read back
  Writer(Net& net, Context& context, Pieces& pieces, int version) : net_(net), context_(context), pieces_(pieces), version_(version) {}

  int newest() const { return version_ == 10 ? 8 : 16; }   ///< operator set
  int version() const { return version_; }
  bool nested() const { return context_.depth > 0; }   ///< it writes the body of a layer
  /// Layers of one type; its newest form, or that of `opset` or before.
  Vals layers(std::string_view type, Vals in, Data data, int num_out, int opset = 0, std::vector<Inner> inner = {});
  Val layer(std::string_view type, Vals in, Data data = {}, int opset = 0) { return layers(type, std::move(in), std::move(data), 1, opset)[0]; }
  Val ints(const Ints& v) { return b.ints(v); }
  Val scalar(double v, Val like) { return b.scalar(v, like); }
  Val cast(Val v, DType t);
  /// v under other dims; through a layer where it is no constant.
  Val reshape(Val v, const Ints& dims);
  Val add(Val x, Val y) { return layer("Add", {x, y}, broadcast()); }
  Val sub(Val x, Val y) { return layer("Subtract", {x, y}, broadcast()); }
  Val mul(Val x, Val y) { return layer("Multiply", {x, y}, broadcast()); }
  Val div(Val x, Val y) { return layer("Divide", {x, y}, {{"auto_broadcast", "numpy"}, {"m_pythondiv", "false"}}); }
  Val mat_mul(Val x, Val y, bool transpose_x = false, bool transpose_y = false);
  Val shape_of(Val v) { return layer("ShapeOf", {v}, {{"output_type", "i64"}}, 3); }
  /// The extent of an axis, int64 without dims: a constant where it is known.
  Val extent_of(Val v, std::int64_t axis);
  /// The elements [from, to) of a list.
  Val part(Val list, std::int64_t from, std::int64_t to);
  Val concat(Vals v, std::int64_t axis = 0) { return v.size() == 1 ? v[0] : layer("Concat", std::move(v), {{"axis", std::to_string(axis)}}); }
  Val as_scalar(Val v) { return failed() || type(v).dims.empty() ? v : reshape(v, {}); }
  Val select(Val c, Val x, Val y) { return layer("Select", {c, x, y}, broadcast()); }
  static Data broadcast() { return {{"auto_broadcast", "numpy"}}; }
  /// Axes 0 .. rank - 1 of v.
  Ints all_axes(Val v) const;
  std::string element(DType t) const { return std::string(element_type(version_ == 10 && t == DType::f32 ? DType::f16 : t)); }
  const ir::Type& type(Val v) const { return b.type(v); }
  bool failed() const { return b.failed(); }

  /// Layers Parameter and Result. `shape`: as the file that the model came from states it.
  Val parameter(const ir::TypeRef& type, const std::string& name, const std::string* shape = nullptr);
  void result(Val v, const std::string& name);
  void name_tensor(Val v, const std::string& name);
  /// A constant of the graph that is written.
  Val constant(const std::shared_ptr<const Tensor>& t, const ir::TypeRef& type, const ir::Name& name);
  /// A net of its own; ids of its Parameters and Results.
  struct Body {
    Net net;
    std::vector<std::int64_t> parameters, results;
  };
  /// `inside` builds the body on its Parameters and gives its results.
  std::optional<Body> body(const std::vector<ir::TypeRef>& inputs, const std::function<Vals(Writer&, const Vals&)>& inside);
  /// Says what `build` makes of operators; constants among `in` stay constants. `who`: for messages.
  Vals spelt(const std::string& who, const Vals& in, const std::function<Vals(op::Builder&, const Vals&)>& build);
  /// Says all nodes of g; `in` stands for its inputs. Gives what stands for its outputs.
  Vals graph(const ir::Graph& g, const Vals& in, bool names);
  std::string origin;                   ///< layers that are made are named after it

 private:
  From place(Val v);
  std::string fresh(const std::string& wish);
  /// Appends a layer whose results are `made`.
  void append(Layer l, const Vals& made);
  Vals node(const ir::Graph& g, const ir::Node& n, const Vals& in, Val before);
  /// The node's results where all its operands are constants and its dims are known: made now.
  std::optional<Vals> computed(const ir::Graph& g, const ir::Node& n, const Vals& in);
  Net& net_;
  Context& context_;
  Pieces& pieces_;
  int version_;
  std::map<std::uint32_t, From> placed_;
  std::map<std::string, int> taken_;    ///< names of layers
  std::set<std::string> tensors_;       ///< names of tensors
};

/// One node while it is said by layers.
struct Saying : op::AttrView {
  Writer& w;
  const ir::Graph& g;
  const ir::Node& n;
  const Row& row;
  Vals in;
  Val before = {};   ///< of a DequantizeLinear behind a QuantizeLinear of the same grid: what is quantised
  bool has(std::size_t i) const { return i < in.size() && in[i]; }
  const ir::Type& type(std::size_t i) const { return w.b.type(in[i]); }
  std::size_t rank(std::size_t i = 0) const { return w.failed() ? 0 : type(i).dims.size(); }
  const ir::Type& result(std::size_t k = 0) const { return g.type(g.result(n, k)); }
  /// An axis of operand k counted from the front.
  std::int64_t axis(std::int64_t a, std::size_t k = 0) const { return a < 0 ? a + std::int64_t(rank(k)) : a; }
  std::optional<Ints> known(std::size_t i) const { return has(i) ? known_ints(w.b, in[i]) : std::optional<Ints>(); }
  /// The numbers that a constant operand holds.
  std::optional<double> number(std::size_t i) const;
  void unsupported(std::string what, std::string help = {}) const { w.b.fail({ErrorCode::unsupported, g.describe(n) + " " + std::move(what), std::move(help)}); }
  Data listed() const;
};
/// The largest finite number of a floating type.
double largest(DType t);
std::string text(double v);
inline std::string text(bool v) { return v ? "true" : "false"; }

/// Operands that broadcast as auto_broadcast says: numpy's way, or, for pdpd, the second one's axes lie along `axis` and after of the first's.
Vals aligned(Site& s);
Vals say_paired(const Saying& s);
/// Windows over `axes` spatial axes as attributes of a layer; every one is stated.
Data window(const Saying& s, std::size_t axes, bool dilated = true);

using Read = Vals (*)(Site&);
using Write = Vals (*)(const Saying&);   ///< empty: this row does not say it, its function body may
struct Row {
  std::string_view type;                ///< "": several layers say the operator, none is read as it
  int since = 1;                        ///< the first operator set with this form
  ir::OpName op = "";                   ///< the operator that it says
  std::string_view attrs = {};          ///< that go over as they are: "alpha, block_size=blocksize, reverse?" (?: true and false there, 1 and 0 here)
  Read read = nullptr;                  ///< null: the operator `op` on all operands
  Write write = nullptr;                ///< null: the layer on all operands, where `op` is named and `writes`
  std::uint8_t needs = 1;               ///< so many operands are there when `read` is called
  bool writes = true;
};
std::span<const Row> math_rows();        ///< elementwise, comparison, logic, types, reductions
std::span<const Row> network_rows();     ///< convolution, pooling, products, norms, attention
std::span<const Row> resize_rows();      ///< resizing, grids
std::span<const Row> quantise_rows();    ///< FakeQuantize; quantised operators
std::span<const Row> movement_rows();    ///< shapes, slices, pads, copies, blocks
std::span<const Row> indexing_rows();    ///< gathers, scatters, sorting, tables
std::span<const Row> detection_rows();   ///< boxes and regions
std::span<const Row> signal_rows();      ///< Fourier transforms, columns of pictures
std::span<const Row> control_rows();     ///< recurrent layers, bodies, states
/// Of a layer type, the newest form that is not newer than `opset`; null: none.
const Row* find_row(std::string_view type, int opset);
/// By which an operator is said in operator sets up to `opset`.
const Row* find_row_for(std::string_view op, int opset);

}  // namespace saha::openvino
