// One graph as one sub-graph of the file: tensors in the orders that the layout gives, an operator or several a node, and nothing that no
// result needs.
#include "formats/tflite/write.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace saha::tflite {
namespace {
using ir::ValueId;
using std::to_string;
constexpr int kDepth = 16;  // of sub-graphs that call each other; the import takes as many

/// Node n is one of the activations that kernels apply to their result.
fb::ActivationFunctionType activation_of(const ir::Graph& g, const ir::Node& n) {
  using A = fb::ActivationFunctionType;
  if (n.op == "Relu") return A::RELU;
  if (n.op != "Clip") return A::NONE;
  auto bound = [&](std::size_t i) {
    const ValueId v = g.operand(n, i);
    const Tensor* t = v == ValueId::none ? nullptr : g[v].constant.get();
    return t && t->size() == 1 && is_float(t->dtype) ? std::optional(t->at(0)) : std::nullopt;
  };
  const auto lo = bound(1), hi = bound(2);
  return lo == 0 && hi == 6 ? A::RELU6 : lo == -1 && hi == 1 ? A::RELU_N1_TO_1 : A::NONE;
}
/// Nodes whose kernels apply an activation to their result.
bool activates(const ir::Graph& g, const ir::Node& n) {
  if (n.op == "MatMul") {
    const ValueId w = g.operand(n, 1);
    return g[w].constant && g[w].constant->rank() == 2;
  }
  static constexpr ir::OpName kAll[] = {"Conv", "ConvTranspose", "Gemm", "Add", "Sub", "Mul", "Div", "MaxPool", "AveragePool"};
  return std::find(std::begin(kAll), std::end(kAll), n.op) != std::end(kAll);
}
bool newer(const std::string& a, const std::string& b) {
  auto numbers = [](const std::string& s) {
    std::vector<int> r(1, 0);
    for (char c : s) if (c == '.') r.push_back(0); else r.back() = r.back() * 10 + (c - '0');
    return r;
  };
  return numbers(a) > numbers(b);
}
}  // namespace

class SubGraph {
 public:
  SubGraph(File& file, const ir::Graph& g) : file_(file), g_(g), env_(g.values().size()) {}
  bool write(const std::string& name);
  std::unique_ptr<fb::SubGraphT> take() { return std::move(sub_); }

  std::int32_t tensor(const ir::Type& t, const Ints& order, const std::string& wish);
  std::int32_t constant(const Tensor& t, std::shared_ptr<const ir::Quant> q, const std::string& wish);
  std::int32_t get(ValueId v, const Ints& order);
  Placed any(ValueId v);
  /// RESHAPE; false where more than one extent is open.
  bool view(std::int32_t from, std::int32_t result, const ir::Type& type, const Ints& order, const std::string& who);
  void hold(ValueId v, Placed p) { env_[std::size_t(v)].push_back(std::move(p)); }
  void add(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, fb::BuiltinOptionsUnion options, const std::string& who);
  std::string name_of(ValueId v) const { return g_[v].name ? *g_[v].name : std::string(); }

  File& file_;
  const ir::Graph& g_;
  Layout layout_;
  std::vector<Placing> placing_;
  std::vector<fb::ActivationFunctionType> activation_;   // by node
  std::vector<std::optional<std::size_t>> glued_;        // by node: the activation that it applies
  std::unique_ptr<fb::SubGraphT> sub_ = std::make_unique<fb::SubGraphT>();

 private:
  bool place();
  void prune();
  /// The extents of t in this order, one of them open at most.
  std::optional<Ints> shape(const ir::Type& t, const Ints& order);
  std::int32_t small(const Ints& v);

  std::vector<std::vector<Placed>> env_;
  std::map<std::int32_t, std::vector<std::uint8_t>> bytes_;  // of constants
  std::map<Ints, std::int32_t> small_;
  std::set<std::string> names_;
};

// ---- tensors ---------------------------------------------------------------------------------------------------------------------------
std::vector<std::uint8_t> bytes_of(const Tensor& t) {
  std::vector<std::uint8_t> r;
  if (t.dtype != DType::string) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(t.data.get());
    r.assign(p, p + t.bytes());
    return r;
  }
  // A count, then as many offsets and one for the end, all int32; then the characters.
  auto number = [&](std::int64_t v) { for (int i = 0; i < 4; ++i) r.push_back(std::uint8_t(v >> (8 * i))); };
  std::int64_t at = 4 * (std::int64_t(t.text->size()) + 2);
  number(std::int64_t(t.text->size()));
  for (const std::string& s : *t.text) { number(at); at += std::int64_t(s.size()); }
  number(at);
  for (const std::string& s : *t.text) r.insert(r.end(), s.begin(), s.end());
  return r;
}
Undone undone(std::int64_t n, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t before) {
  return {before == 0 && out >= kernel && (out - kernel) / stride + 1 == n, before == same_pads(out, kernel, stride, 1).before && n == (out + stride - 1) / stride};
}

std::int32_t SubGraph::tensor(const ir::Type& t, const Ints& order, const std::string& wish) {
  auto r = std::make_unique<fb::TensorT>();
  std::string base = wish.empty() ? "t" + to_string(sub_->tensors.size()) : wish;
  r->name = base;
  for (int k = 1; !names_.insert(r->name).second; ++k) r->name = base + "_" + to_string(k);
  const auto type = tflite::tensor_type(t.dtype);
  if (!t.is_tensor() || !t.ranked || !type) file_.fail({ErrorCode::unsupported, "value '" + base + "' is " + ir::str(t) + ", which a TensorFlow Lite file does not hold"});
  r->type = type.value_or(fb::TensorType::FLOAT32);
  r->has_rank = true;
  bool open = false;
  for (std::int64_t a : order) {
    const auto n = t.dims[std::size_t(a)].known();
    if (n && *n > INT32_MAX) file_.fail({ErrorCode::unsupported, "value '" + base + "' is " + ir::str(t) + ", a TensorFlow Lite file holds extents below 2^31"});
    open |= !n;
    if (n == 0) file_.fail({ErrorCode::unsupported, "value '" + base + "' is " + ir::str(t) + ", which has no elements: a TensorFlow Lite file holds no such tensor"});
    r->shape.push_back(std::int32_t(n.value_or(1)));
    r->shape_signature.push_back(std::int32_t(n.value_or(-1)));
  }
  if (!open) r->shape_signature.clear();
  if (t.quant) {
    r->quantization = std::make_unique<fb::QuantizationParametersT>();
    r->quantization->scale = t.quant->scale;
    r->quantization->zero_point = t.quant->zero;
    if (t.quant->scale.size() > 1) r->quantization->quantized_dimension = place_of(order, t.quant->axis);
  }
  sub_->tensors.push_back(std::move(r));
  return std::int32_t(sub_->tensors.size() - 1);
}
std::int32_t SubGraph::constant(const Tensor& t, std::shared_ptr<const ir::Quant> q, const std::string& wish) {
  const std::int32_t r = tensor(*ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()}, std::move(q)), plain_order(t.rank()), wish);
  bytes_[r] = bytes_of(t);
  return r;
}
std::int32_t SubGraph::small(const Ints& v) {
  auto it = small_.find(v);
  if (it != small_.end()) return it->second;
  Tensor t = Tensor::zeros(DType::i32, {std::int64_t(v.size())});
  store(t, 0, t.size(), v.data());
  return small_[v] = constant(t, {}, "");
}
std::optional<Ints> SubGraph::shape(const ir::Type& t, const Ints& order) {
  Ints r;
  int open = 0;
  for (std::int64_t a : order) {
    const auto n = t.dims[std::size_t(a)].known();
    open += !n;
    r.push_back(n.value_or(-1));
  }
  if (open > 1) return {};
  return r;
}
Placed SubGraph::any(ValueId v) {
  auto& places = env_[std::size_t(v)];
  if (places.empty() && g_[v].constant) return {get(v, plain_order(g_.type(v).dims.size())), plain_order(g_.type(v).dims.size()), {}, {}};
  if (places.empty()) { file_.fail({ErrorCode::internal, "value '" + g_.name(v) + "' is read before it is written"}); return {}; }
  return places[0];
}
bool SubGraph::view(std::int32_t from, std::int32_t result, const ir::Type& type, const Ints& order, const std::string& who) {
  const auto extents = shape(type, order);
  if (!extents) return false;
  fb::ReshapeOptionsT options;
  options.new_shape.assign(extents->begin(), extents->end());
  fb::BuiltinOptionsUnion u;
  u.Set(std::move(options));
  add(Code::RESHAPE, {from, extents->empty() ? -1 : small(*extents)}, {result}, std::move(u), who);  // a scalar's shape has no elements to be kept
  return true;
}
std::int32_t SubGraph::get(ValueId v, const Ints& order) {
  if (file_.error()) return -1;
  auto& places = env_[std::size_t(v)];
  for (const Placed& p : places) if (p.order == order && p.flat.empty()) return p.tensor;
  const ir::Type& t = g_.type(v);
  if (g_[v].constant) {
    auto c = permuted_tensor(*g_[v].constant, order);
    if (!c) { file_.fail(std::move(c.error())); return -1; }
    const std::int32_t r = constant(*c, ir::along(t.quant, t.quant ? place_of(order, t.quant->axis) : 0), name_of(v));
    places.push_back({r, order, {}, {}});
    return r;
  }
  if (places.empty() || !places[0].flat.empty()) { file_.fail({ErrorCode::internal, "value '" + g_.name(v) + "' is read in an order that it does not have"}); return -1; }
  const Placed from = places[0];
  const std::int32_t r = tensor(t, order, name_of(v));
  const std::string who = "value '" + g_.name(v) + "'";
  if (moves_nothing(t, from.order, order) && shape(t, order)) {
    std::int32_t source = from.tensor;  // a view of a view is one view
    for (const auto& o : sub_->operators) if (o->outputs[0] == source && o->builtin_options.type == fb::BuiltinOptions::ReshapeOptions) { source = o->inputs[0]; break; }
    view(source, r, t, order, who);
  } else {
    Ints perm;
    for (std::int64_t a : order) perm.push_back(place_of(from.order, a));
    fb::BuiltinOptionsUnion u;
    u.Set(fb::TransposeOptionsT{});
    add(Code::TRANSPOSE, {from.tensor, small(perm)}, {r}, std::move(u), who);
  }
  places.push_back({r, order, {}, {}});
  return r;
}

void SubGraph::add(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, fb::BuiltinOptionsUnion options, const std::string& who) {
  if (file_.error()) return;
  auto at = [&](const std::vector<std::int32_t>& list) {
    std::vector<fb::TensorT*> r;
    for (std::int32_t t : list) r.push_back(t < 0 ? nullptr : sub_->tensors[std::size_t(t)].get());
    return r;
  };
  while (!in.empty() && in.back() < 0) in.pop_back();
  const Use use{code, at(in), at(out), options};
  if (const std::string no = kernel_refusal(use); !no.empty()) {
    file_.fail({ErrorCode::unsupported, who + " cannot be written: TensorFlow Lite's " + no, "cut the model before it, or write ONNX"});
    return;
  }
  const int version = kernel_version(use);
  if (const std::string needs = kernel_runtime(code, version); newer(needs, file_.runtime)) file_.runtime = needs;
  auto o = std::make_unique<fb::OperatorT>();
  o->opcode_index = file_.code(code, version);
  o->inputs = std::move(in);
  o->outputs = std::move(out);
  o->builtin_options = std::move(options);
  sub_->operators.push_back(std::move(o));
}

// ---- the graph --------------------------------------------------------------------------------------------------------------------------
bool SubGraph::place() {
  const auto uses = g_.use_counts();
  std::vector<std::size_t> reader(g_.values().size(), 0);
  for (std::size_t i = 0; i < g_.nodes().size(); ++i) for (ValueId v : g_.operands(g_.nodes()[i])) if (v != ValueId::none) reader[std::size_t(v)] = i;
  std::vector<char> is_output(g_.values().size(), 0);
  for (ValueId v : g_.outputs()) is_output[std::size_t(v)] = 1;
  placing_.resize(g_.nodes().size());
  activation_.assign(g_.nodes().size(), fb::ActivationFunctionType::NONE);
  glued_.assign(g_.nodes().size(), {});
  for (std::size_t i = 0; i < g_.nodes().size(); ++i) {
    const ir::Node& n = g_.nodes()[i];
    const WriteRule* rule = find_writer(n.op);
    if (!rule) {
      file_.fail({ErrorCode::unsupported, g_.describe(n) + " cannot be written: TensorFlow Lite has no operator for it", "cut the model before it, or write ONNX"});
      return false;
    }
    Placing& p = placing_[i];
    p.place = rule->where ? rule->where(g_, n) : rule->place;
    if (p.place == Place::first)
      for (std::size_t k = 1; k < n.num_operands; ++k) if (const ValueId v = g_.operand(n, k); v != ValueId::none && !g_[v].constant) p.place = Place::plain;
    p.takes_flat = (n.op == "Gemm" || n.op == "MatMul") && g_[g_.operand(n, 1)].constant && g_[g_.operand(n, 1)].constant->rank() == 2;
    if (p.place == Place::reduce) {
      const auto rank = std::int64_t(g_.type(g_.operand(n, 0)).dims.size());
      if (const auto* axis = ir::attr<std::int64_t>(*n.attrs, "axis")) p.axes = {*axis};
      else if (const ValueId v = g_.operand(n, 1); v != ValueId::none && g_[v].constant) p.axes = values<std::int64_t>(*g_[v].constant);
      for (std::int64_t& a : p.axes) if (a < 0) a += rank;
      std::sort(p.axes.begin(), p.axes.end());
    }
    // An activation that is all that reads a kernel's result, kept in the same way.
    const auto activation = activation_of(g_, n);
    const ValueId x = n.num_operands ? g_.operand(n, 0) : ValueId::none;
    if (activation == fb::ActivationFunctionType::NONE || x == ValueId::none || g_[x].producer < 0 || uses[std::size_t(x)] != 1 || is_output[std::size_t(x)]) continue;
    const auto maker = std::size_t(g_[x].producer);
    const ir::Type &before = g_.type(x), &after = g_.type(g_.result(n));
    if (!activates(g_, g_.nodes()[maker]) || before.dtype != after.dtype || bool(before.quant) != bool(after.quant) || (before.quant && !(*before.quant == *after.quant)) || (!before.quant && before.dtype != DType::f32)) continue;
    activation_[maker] = activation;
    glued_[maker] = i;
    p.glued_to = maker;
  }
  layout_ = solve_layout(g_, placing_);
  return true;
}

bool SubGraph::write(const std::string& name) {
  sub_->name = name;
  if (!place()) return false;
  for (ValueId v : g_.inputs()) {
    const Ints order = plain_order(g_.type(v).dims.size());
    const std::int32_t t = tensor(g_.type(v), order, name_of(v));
    hold(v, {t, order, {}, {}});
    sub_->inputs.push_back(t);
  }
  for (std::size_t i = 0; i < g_.nodes().size() && !file_.error(); ++i) {
    if (placing_[i].glued_to) continue;
    Writing w(*this, g_, i);
    const ir::Node& n = g_.nodes()[i];
    if (op::is_quantised(g_, n)) {
      const auto* rounding = ir::attr<std::string>(*n.attrs, "rounding");
      if (!rounding || *rounding == "float_even") file_.note("layers on stored integers round as TensorFlow Lite's kernels do: a result may differ by one step from the model's");
    }
    find_writer(n.op)->write(w);
  }
  if (file_.error()) return false;
  std::set<std::int32_t> given(sub_->inputs.begin(), sub_->inputs.end());
  for (ValueId v : g_.outputs()) {
    const ir::Type& t = g_.type(v);
    const Ints order = plain_order(t.dims.size());
    std::int32_t y = get(v, order);
    if (g_[v].constant || !given.insert(y).second) {  // an output is a result of its own
      const std::int32_t copy = tensor(t, order, name_of(v));
      const std::string who = "output '" + g_.name(v) + "'";
      if (!view(y, copy, t, order, who)) {
        const std::int32_t extents = tensor(*ir::tensor_type(DType::i32, {std::int64_t(t.dims.size())}), {0}, "");
        fb::BuiltinOptionsUnion u, r;
        fb::ShapeOptionsT options;
        options.out_type = fb::TensorType::INT32;
        u.Set(std::move(options));
        add(Code::SHAPE, {y}, {extents}, std::move(u), who);
        r.Set(fb::ReshapeOptionsT{});
        add(Code::RESHAPE, {y, extents}, {copy}, std::move(r), who);
      }
      y = copy;
      given.insert(y);
    }
    sub_->outputs.push_back(y);
  }
  prune();
  return !file_.error();
}

/// Only what leads to an output stays; outputs have the model's names.
void SubGraph::prune() {
  std::vector<char> needed(sub_->tensors.size(), 0);
  for (std::int32_t t : sub_->outputs) needed[std::size_t(t)] = 1;
  for (std::int32_t t : sub_->inputs) needed[std::size_t(t)] = 1;
  auto& ops = sub_->operators;
  std::vector<std::unique_ptr<fb::OperatorT>> kept;
  for (std::size_t i = ops.size(); i-- > 0;) {
    if (std::none_of(ops[i]->outputs.begin(), ops[i]->outputs.end(), [&](std::int32_t t) { return needed[std::size_t(t)]; })) continue;
    for (auto* list : {&ops[i]->inputs, &ops[i]->outputs, &ops[i]->intermediates}) for (std::int32_t t : *list) if (t >= 0) needed[std::size_t(t)] = 1;
    kept.push_back(std::move(ops[i]));
  }
  std::reverse(kept.begin(), kept.end());
  ops = std::move(kept);
  std::vector<std::int32_t> moved(sub_->tensors.size(), -1);
  std::vector<std::unique_ptr<fb::TensorT>> tensors;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (!needed[i]) continue;
    moved[i] = std::int32_t(tensors.size());
    if (auto it = bytes_.find(std::int32_t(i)); it != bytes_.end()) sub_->tensors[i]->buffer = file_.buffer(std::move(it->second));
    tensors.push_back(std::move(sub_->tensors[i]));
  }
  sub_->tensors = std::move(tensors);
  auto rename = [&](std::vector<std::int32_t>& list) { for (std::int32_t& t : list) if (t >= 0) t = moved[std::size_t(t)]; };
  rename(sub_->inputs);
  rename(sub_->outputs);
  for (auto& o : ops) { rename(o->inputs); rename(o->outputs); rename(o->intermediates); }
  // An output's own name goes to it, whoever took it before.
  std::map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < sub_->tensors.size(); ++i) by_name[sub_->tensors[i]->name] = i;
  for (std::size_t k = 0; k < sub_->outputs.size(); ++k) {
    const std::string wish = name_of(g_.outputs()[k]);
    const auto t = std::size_t(sub_->outputs[k]);
    if (wish.empty() || sub_->tensors[t]->name == wish) continue;
    auto it = by_name.find(wish);
    if (it == by_name.end()) { sub_->tensors[t]->name = wish; continue; }
    const bool border = std::count(sub_->inputs.begin(), sub_->inputs.end(), std::int32_t(it->second)) || std::count(sub_->outputs.begin(), sub_->outputs.end(), std::int32_t(it->second));
    if (!border) std::swap(sub_->tensors[it->second]->name, sub_->tensors[t]->name);
  }
}

// ---- File ---------------------------------------------------------------------------------------------------------------------------------
File::File() {
  model.version = 3;
  model.buffers.push_back(std::make_unique<fb::BufferT>());  // the first is nobody's
}
std::uint32_t File::code(Code c, int version) {
  auto [it, fresh] = codes_.try_emplace({c, version}, std::uint32_t(model.operator_codes.size()));
  if (fresh) {
    auto o = std::make_unique<fb::OperatorCodeT>();
    o->builtin_code = c;
    o->deprecated_builtin_code = std::int8_t(std::min(int(c), 127));  // all that older runtimes read
    o->version = version;
    model.operator_codes.push_back(std::move(o));
  }
  return it->second;
}
std::uint32_t File::buffer(std::vector<std::uint8_t> bytes) {
  auto b = std::make_unique<fb::BufferT>();
  b->data = std::move(bytes);
  model.buffers.push_back(std::move(b));
  return std::uint32_t(model.buffers.size() - 1);
}
std::size_t File::sub_graph(const ir::Graph& g, const std::string& name) {
  const std::size_t row = model.subgraphs.size();
  model.subgraphs.push_back(nullptr);
  if (++depth > kDepth) fail({ErrorCode::unsupported, "sub-graphs call each other deeper than " + to_string(kDepth)});
  SubGraph s(*this, g);
  if (!error_ && s.write(name)) model.subgraphs[row] = s.take();
  --depth;
  return row;
}

const WriteRule* find_writer(ir::OpName op) {
  for (auto rules : {layer_writers(), movement_writers(), math_writers(), control_writers()})
    for (const WriteRule& r : rules) if (r.op == op) return &r;
  return nullptr;
}

// ---- Writing -------------------------------------------------------------------------------------------------------------------------------
Writing::Writing(SubGraph& sub_graph, const ir::Graph& graph, std::size_t at)
    : AttrView{*graph.nodes()[at].attrs}, to(sub_graph), g(graph), n(graph.nodes()[at]), row(at) {
  const ValueId y = g.result(n);
  order_ = to.layout_.makes[row] ? to.layout_.other[std::size_t(y)] : plain_order(g.type(y).dims.size());
}
Ints Writing::ints(std::size_t i, std::string_view what) {
  if (const Tensor* t = data(i); t && is_int(t->dtype)) return values<std::int64_t>(*t);
  unsupported("takes " + std::string(what) + " as a constant only, and here that is computed");
  return {};
}
std::int64_t Writing::extent(const ir::Type& t, std::size_t axis) {
  if (axis < t.dims.size()) if (auto v = t.dims[axis].known()) return *v;
  unsupported("needs known extents, has " + ir::str(t), "give the shape: saha convert --shape NAME=...");
  return 1;
}
std::int32_t Writing::in(std::size_t i) {
  const ValueId v = operand(i);
  if (v == ValueId::none) return -1;
  const std::size_t r = g.type(v).dims.size();
  const Reads reads = to.layout_.reads[row];
  if (reads == Reads::plain || r < 2) return to.get(v, plain_order(r));
  if (to.placing_[row].place == Place::last) return to.get(v, channels_last_order(r));
  const Place place = to.placing_[row].place;
  if (r == order_.size() && (place == Place::tied || i == 0)) return to.get(v, order_);
  if (const Tensor* t = data(i); t && place == Place::tied && t->size() > 1) {  // fewer axes, which broadcast against the last ones
    Dims wide(order_.size() - r, 1);
    wide.insert(wide.end(), t->dims.begin(), t->dims.end());
    auto moved = permuted_tensor(t->reshaped(wide), order_);
    if (!moved) { unsupported(moved.error().message); return -1; }
    return to.constant(*moved, g.type(v).quant, to.name_of(v));
  }
  return to.get(v, plain_order(r));
}
std::int32_t Writing::in(std::size_t i, const Ints& order) { return has(i) ? to.get(operand(i), order) : -1; }
Placed Writing::any(std::size_t i) {
  const ValueId v = operand(i);
  const Reads reads = to.layout_.reads[row];
  if (reads == Reads::any) return to.any(v);
  const std::size_t rank = g.type(v).dims.size();
  const Place p = to.placing_[row].place;
  const Ints order = reads == Reads::plain ? plain_order(rank) : (p == Place::first || p == Place::tied) && rank == order_.size() ? order_ : !to.layout_.other[std::size_t(v)].empty() ? to.layout_.other[std::size_t(v)] : plain_order(rank);
  return {to.get(v, order), order, {}, {}};
}
std::int32_t Writing::out(std::size_t k) { return out_in(to.layout_.makes[row] ? order_ : plain_order(result(k).dims.size()), k); }
std::int32_t Writing::out_in(const Ints& order, std::size_t k) {
  ValueId v = g.result(n, k);
  if (k == 0 && to.glued_[row]) v = g.result(g.nodes()[*to.glued_[row]]);
  if (!g.type(v).is_tensor() || !g.type(v).ranked || g.type(v).dims.size() != order.size()) { unsupported("has a result of unknown rank, " + ir::str(g.type(v))); return -1; }
  const std::int32_t t = to.tensor(g.type(v), order, to.name_of(v));
  to.hold(v, {t, order, {}, {}});
  return t;
}
std::int32_t Writing::temporary(DType t, std::vector<ir::Dim> dims, std::shared_ptr<const ir::Quant> q) {
  const std::size_t rank = dims.size();
  return to.tensor(*ir::tensor_type(t, std::move(dims), std::move(q)), plain_order(rank), n.origin ? *n.origin + "/part" : std::string());
}
std::int32_t Writing::ints32(const Ints& v, const Dims& shape) {
  Tensor t = Tensor::zeros(DType::i32, shape);
  Ints clipped;
  for (std::int64_t x : v) clipped.push_back(std::clamp<std::int64_t>(x, INT32_MIN, INT32_MAX));
  store(t, 0, t.size(), clipped.data());
  return constant(t);
}
std::int32_t Writing::constant(const Tensor& t, std::shared_ptr<const ir::Quant> q) { return to.constant(t, std::move(q), ""); }
std::int32_t Writing::narrow(std::size_t i) {
  if (const Tensor* t = data(i)) {
    const Ints v = values<std::int64_t>(*t);
    if (t->dtype == DType::i32) return to.get(operand(i), plain_order(t->rank()));
    return ints32(v, t->dims);
  }
  return cast(to.get(operand(i), plain_order(rank(i))), DType::i32);
}
DType Writing::dtype_of(std::int32_t tensor) const {
  return tflite::dtype_of(to.sub_->tensors[std::size_t(std::max(tensor, 0))]->type);
}
std::int32_t Writing::cast(std::int32_t tensor, DType type) {
  if (failed() || dtype_of(tensor) == type) return tensor;
  const fb::TensorT& t = *to.sub_->tensors[std::size_t(tensor)];
  std::vector<ir::Dim> dims;
  for (std::size_t i = 0; i < t.shape.size(); ++i) {
    const std::int32_t d = t.shape_signature.empty() ? t.shape[i] : t.shape_signature[i];
    dims.push_back(d < 0 ? ir::Dim::symbol("d") : ir::Dim(d));
  }
  const std::int32_t r = temporary(type, std::move(dims));
  cast_into(tensor, r);
  return r;
}
void Writing::cast_into(std::int32_t tensor, std::int32_t result) {
  if (failed()) return;
  fb::CastOptionsT o;
  o.in_data_type = to.sub_->tensors[std::size_t(tensor)]->type;
  o.out_data_type = to.sub_->tensors[std::size_t(result)]->type;
  op(Code::CAST, {tensor}, {result}, std::move(o));
}
Placed Writing::flat(std::size_t i) {
  const Placed p = g[operand(i)].constant ? Placed{} : to.any(operand(i));
  if (!p.flat.empty()) return p;
  const Ints order = plain_order(rank(i));
  return {to.get(operand(i), order), order, {}, {}};
}
bool Writing::flattens() const { return to.layout_.flat[row]; }
void Writing::intermediates(std::vector<std::int32_t> tensors) {
  if (!failed()) to.sub_->operators.back()->intermediates = std::move(tensors);
}
std::int32_t Writing::variable(DType t, const Dims& dims, std::shared_ptr<const ir::Quant> q) {
  const std::int32_t r = temporary(t, {dims.begin(), dims.end()}, std::move(q));
  to.sub_->tensors[std::size_t(r)]->is_variable = true;
  return r;
}
void Writing::reshape(std::int32_t from, std::int32_t result, const ir::Type& type, const Ints& order) {
  if (!failed() && !to.view(from, result, type, order, g.describe(n))) unsupported("has several open extents in " + ir::str(type), "give the shape: saha convert --shape NAME=...");
}
std::int32_t Writing::get(ValueId v, const Ints& order) { return to.get(v, order); }
bool Writing::sized_by_shapes(std::size_t i) const {
  std::vector<ValueId> open = {operand(i)};
  for (std::size_t k = 0; k < open.size(); ++k) {
    if (k > 200) return false;
    if (g[open[k]].constant) continue;
    const ir::Node* p = g.producer(open[k]);
    if (!p) return false;
    if (p->op == "Shape" || p->op == "Size") continue;
    for (ValueId o : g.operands(*p)) if (o != ValueId::none) open.push_back(o);
  }
  return true;
}
File& Writing::file() { return to.file_; }
void Writing::alias(std::size_t k, Placed p) { to.hold(g.result(n, k), std::move(p)); }
fb::ActivationFunctionType Writing::activation() const { return to.activation_[row]; }
void Writing::unsupported(std::string what, std::string help) {
  to.file_.fail({ErrorCode::unsupported, g.describe(n) + " cannot be written for TensorFlow Lite: it " + std::move(what), help.empty() ? "cut the model before it, or write ONNX" : std::move(help)});
}
bool Writing::failed() const { return to.file_.error().has_value(); }
void Writing::add(Code code, std::vector<std::int32_t> in, std::vector<std::int32_t> out, fb::BuiltinOptionsUnion options) {
  to.add(code, std::move(in), std::move(out), std::move(options), g.describe(n));
}

}  // namespace saha::tflite
