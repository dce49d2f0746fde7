// onnx.ModelProto -> ir::Model. Names become values in one walk over scopes; sub-graphs are closed (captures become operands),
// calls of model-local functions are replaced by the function's nodes. Source: ONNX IR specification, version 14.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "formats/onnx/names.hpp"
#include "formats/onnx/onnx.hpp"
#include "formats/onnx/tensor_proto.hpp"
#include "formats/onnx/upgrade.hpp"
#include "op/builder.hpp"
#include "system/file.hpp"

namespace saha::onnx {
namespace {
using op::Val;
using op::Vals;
using Opsets = std::map<std::string, std::int64_t>;

std::string domain_of(const std::string& d) { return d == "ai.onnx" ? std::string() : d; }
std::string label(const ::onnx::NodeProto& n) {
  return "node '" + (n.name().empty() && n.output_size() ? n.output(0) : n.name()) + "' (" + (n.domain().empty() ? "" : n.domain() + ".") + n.op_type() + ")";
}
Error invalid(std::string what) { return {ErrorCode::invalid_model, std::move(what)}; }

/// Names visible at a place: those of this graph, then those of the graphs around it.
struct Scope {
  const Scope* outer = nullptr;
  op::Builder* b = nullptr;
  std::unordered_map<std::string, Val> values = {};
  const Val* find(const std::string& name) const {
    auto it = values.find(name);
    return it == values.end() ? nullptr : &it->second;
  }
};

/// Attributes of the calling node, which the nodes of a function refer to.
using Bindings = std::unordered_map<std::string, const ::onnx::AttributeProto*>;

class Importer {
 public:
  Importer(const ::onnx::ModelProto& m, std::string folder, const Limits& limits) : model_(m), files_{std::move(folder)}, limits_(limits) {}
  Result<ir::Model> run();

 private:
  Result<> graph_body(const ::onnx::GraphProto& g, Scope& scope, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth);
  Result<> node(const ::onnx::NodeProto& n, Scope& scope, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth);
  Result<bool> gradient(const ::onnx::NodeProto& n, Scope& scope, const Bindings& bound);
  Result<> call(const ::onnx::FunctionProto& f, const ::onnx::NodeProto& n, Scope& scope, const Bindings& bound, const std::string& path, int depth);
  Result<ir::GraphRef> closed(const ::onnx::GraphProto& g, Scope& scope, std::span<const ir::TypeRef> formal, const std::vector<std::string>& captures, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth);
  Result<> captured_names(const ::onnx::GraphProto& g, std::vector<std::string>& names, std::set<std::string>& seen, std::set<std::string> defined, int depth) const;
  Result<ir::Attr> attribute(const ::onnx::AttributeProto& a) const;
  Result<std::optional<Tensor>> constant(const ::onnx::NodeProto& n, const Bindings& bound) const;
  Result<Tensor> densify(const ::onnx::SparseTensorProto& s) const;
  const ::onnx::FunctionProto* function(const ::onnx::NodeProto& n) const;
  Result<> bind(Scope& scope, const std::string& name, Val v) const;

  const ::onnx::ModelProto& model_;
  mutable ExternalFiles files_;
  Limits limits_;
  std::int64_t nodes_ = 0;
  std::map<std::string, const ::onnx::FunctionProto*> functions_;
  std::vector<std::string> notes_;
};

const ::onnx::AttributeProto* find_attribute(const ::onnx::NodeProto& n, const std::string& name, const Bindings& bound) {
  for (const auto& a : n.attribute()) {
    if (a.name() != name) continue;
    if (a.ref_attr_name().empty()) return &a;
    auto it = bound.find(a.ref_attr_name());
    return it == bound.end() ? nullptr : it->second;
  }
  return nullptr;
}

Result<> Importer::bind(Scope& scope, const std::string& name, Val v) const {
  if (name.empty()) return {};
  if (!scope.values.emplace(name, v).second) return invalid("value '" + name + "' is made twice; the graph is not in SSA form");
  if (!scope.b->graph()[v.id].name) scope.b->rename(v, name);
  return {};
}

Result<Tensor> Importer::densify(const ::onnx::SparseTensorProto& s) const {
  SAHA_TRY(Tensor values, tensor_from(s.values(), files_));
  SAHA_TRY(Tensor indices, tensor_from(s.indices(), files_));
  Dims dims(s.dims().begin(), s.dims().end());
  SAHA_TRY(Tensor r, Tensor::make(values.dtype, dims));
  std::int64_t count = values.size();
  bool linear = indices.rank() == 1;
  if (indices.dtype != DType::i64 || indices.size() != count * (linear ? 1 : std::int64_t(dims.size())))
    return invalid("sparse tensor '" + s.values().name() + "' has " + std::to_string(indices.size()) + " indices for " + std::to_string(count) + " values");
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = 0;
    if (linear) at = indices.int_at(i);
    else for (std::size_t k = 0; k < dims.size(); ++k) {
      std::int64_t x = indices.int_at(i * std::int64_t(dims.size()) + std::int64_t(k));
      if (x < 0 || x >= dims[k]) return invalid("sparse tensor '" + s.values().name() + "' has index " + std::to_string(x) + " at axis " + std::to_string(k));
      at = at * dims[k] + x;
    }
    if (at < 0 || at >= r.size()) return invalid("sparse tensor '" + s.values().name() + "' has index " + std::to_string(at));
    copy_elements(values, i, 1, r, at, 1);
  }
  return r;
}

Result<ir::Attr> Importer::attribute(const ::onnx::AttributeProto& a) const {
  using P = ::onnx::AttributeProto;
  switch (a.type()) {
    case P::INT: return ir::Attr(std::int64_t(a.i()));
    case P::FLOAT: return ir::Attr(a.f());
    case P::STRING: return ir::Attr(a.s());
    case P::INTS: return ir::Attr(ir::Ints(a.ints().begin(), a.ints().end()));
    case P::FLOATS: return ir::Attr(ir::Floats(a.floats().begin(), a.floats().end()));
    case P::STRINGS: return ir::Attr(ir::Strings(a.strings().begin(), a.strings().end()));
    case P::TENSOR: {
      SAHA_TRY(Tensor t, tensor_from(a.t(), files_));
      return ir::Attr(std::move(t));
    }
    case P::SPARSE_TENSOR: {
      SAHA_TRY(Tensor t, densify(a.sparse_tensor()));
      return ir::Attr(std::move(t));
    }
    case P::TYPE_PROTO: {
      SAHA_TRY(auto t, type_from(a.tp(), a.name()));
      return ir::Attr(std::move(t));
    }
    default: return Error{ErrorCode::unsupported, "attribute '" + a.name() + "' is of a kind that is not supported (" + P::AttributeType_Name(a.type()) + ")"};
  }
}

/// The value of a Constant node; nothing for any other node.
Result<std::optional<Tensor>> Importer::constant(const ::onnx::NodeProto& n, const Bindings& bound) const {
  if (n.op_type() != "Constant" || !domain_of(n.domain()).empty()) return std::optional<Tensor>{};
  if (n.attribute_size() != 1) return invalid(label(n) + " has " + std::to_string(n.attribute_size()) + " attributes, one is taken");
  const auto* a = find_attribute(n, n.attribute(0).name(), bound);
  if (!a) return invalid(label(n) + " refers to an attribute that the call does not have");
  SAHA_TRY(ir::Attr value, attribute(*a));
  if (auto* t = std::get_if<Tensor>(&value)) return std::optional(std::move(*t));
  if (auto* v = std::get_if<std::int64_t>(&value)) return std::optional(Tensor::scalar_int(*v));
  if (auto* v = std::get_if<float>(&value)) return std::optional(Tensor::scalar(DType::f32, *v));
  if (auto* v = std::get_if<std::string>(&value)) return std::optional(Tensor::of_strings({}, {std::move(*v)}));
  if (auto* v = std::get_if<ir::Ints>(&value)) return std::optional(Tensor::of_ints(*v));
  if (auto* v = std::get_if<ir::Strings>(&value)) { auto k = std::int64_t(v->size()); return std::optional(Tensor::of_strings({k}, std::move(*v))); }
  if (auto* v = std::get_if<ir::Floats>(&value)) {
    Tensor t = Tensor::zeros(DType::f32, {std::int64_t(v->size())});
    std::copy(v->begin(), v->end(), t.as<float>());
    return std::optional(std::move(t));
  }
  return invalid(label(n) + " has no value");
}

const ::onnx::FunctionProto* Importer::function(const ::onnx::NodeProto& n) const {
  auto it = functions_.find(domain_of(n.domain()) + "\n" + n.op_type() + "\n" + n.overload());
  return it == functions_.end() ? nullptr : it->second;
}

/// Names that g uses and does not make, in the order of first use.
Result<> Importer::captured_names(const ::onnx::GraphProto& g, std::vector<std::string>& names, std::set<std::string>& seen, std::set<std::string> defined, int depth) const {
  if (depth > limits_.depth) return invalid("sub-graphs are nested deeper than " + std::to_string(limits_.depth));
  for (const auto& i : g.input()) defined.insert(i.name());
  for (const auto& i : g.initializer()) defined.insert(i.name());
  for (const auto& i : g.sparse_initializer()) defined.insert(i.values().name());
  auto use = [&](const std::string& name) { if (!name.empty() && !defined.count(name) && seen.insert(name).second) names.push_back(name); };
  for (const auto& n : g.node()) {
    for (const auto& i : n.input()) use(i);
    for (const auto& a : n.attribute()) {
      if (a.has_g()) { SAHA_DO(captured_names(a.g(), names, seen, defined, depth + 1)); }
      for (const auto& s : a.graphs()) { SAHA_DO(captured_names(s, names, seen, defined, depth + 1)); }
    }
    for (const auto& o : n.output()) defined.insert(o);
  }
  for (const auto& o : g.output()) use(o.name());
  return {};
}

/// A sub-graph as a graph of its own: inputs are the formal ones, then the captures.
Result<ir::GraphRef> Importer::closed(const ::onnx::GraphProto& g, Scope& scope, std::span<const ir::TypeRef> formal, const std::vector<std::string>& captures, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth) {
  op::Builder b;
  Scope inner{&scope, &b};
  if (std::size_t(g.input_size()) != formal.size()) return invalid("a sub-graph has " + std::to_string(g.input_size()) + " inputs where " + std::to_string(formal.size()) + " are given");
  for (std::size_t i = 0; i < formal.size(); ++i) {
    SAHA_DO(bind(inner, g.input(int(i)).name(), b.input(formal[i], g.input(int(i)).name())));
  }
  for (const std::string& name : captures) {
    const Val* v = scope.find(name);
    if (!v) return invalid("value '" + name + "' is used in a sub-graph but made nowhere before it");
    SAHA_DO(bind(inner, name, b.input(scope.b->type_ref(*v), name)));
  }
  SAHA_DO(graph_body(g, inner, opsets, bound, path, depth + 1));
  Vals out;
  for (const auto& o : g.output()) {
    const Val* v = inner.find(o.name());
    if (!v) return invalid("output '" + o.name() + "' of a sub-graph is made nowhere");
    out.push_back(*v);
  }
  SAHA_TRY(auto graph, std::move(b).build(out));
  return std::make_shared<const ir::Graph>(std::move(graph));
}

/// Types of a Loop body's carried values: what the first value and the body's result agree on.
ir::TypeRef widened(const ir::TypeRef& a, const ir::TypeRef& b, op::Builder& fresh) {
  if (*a == *b || !a->is_tensor() || !b->is_tensor()) return a;
  DType t = a->dtype == DType::none ? b->dtype : a->dtype;
  if (!a->ranked || !b->ranked || a->dims.size() != b->dims.size()) return ir::unranked_type(t);
  auto dims = a->dims;
  for (std::size_t i = 0; i < dims.size(); ++i) if (!(dims[i] == b->dims[i])) dims[i] = fresh.fresh("loop");
  return ir::tensor_type(t, std::move(dims));
}

ir::TypeRef sliced(const ir::Type& t, std::int64_t axis) {  // one step of a Scan
  if (!t.is_tensor() || !t.ranked || t.dims.empty()) return ir::unranked_type(t.dtype);
  auto d = t.dims;
  if (axis < 0) axis += std::int64_t(d.size());
  if (axis < 0 || axis >= std::int64_t(d.size())) return ir::unranked_type(t.dtype);
  d.erase(d.begin() + axis);
  return ir::tensor_type(t.dtype, std::move(d));
}

Result<> Importer::call(const ::onnx::FunctionProto& f, const ::onnx::NodeProto& n, Scope& scope, const Bindings& bound, const std::string& path, int depth) {
  if (depth > limits_.depth) return invalid(label(n) + ": functions call each other deeper than " + std::to_string(limits_.depth));
  Scope inner{nullptr, scope.b};
  for (int i = 0; i < f.input_size(); ++i) {
    Val v;
    if (i < n.input_size() && !n.input(i).empty()) {
      const Val* found = scope.find(n.input(i));
      if (!found) return invalid(label(n) + " uses '" + n.input(i) + "', which is made nowhere before it");
      v = *found;
    }
    inner.values.emplace(f.input(i), v);
  }
  Bindings own;
  for (const auto& a : f.attribute_proto()) own[a.name()] = &a;
  for (const auto& a : n.attribute())
    if (const auto* x = find_attribute(n, a.name(), bound)) own[a.name()] = x;
  Opsets opsets;
  for (const auto& o : f.opset_import()) opsets[domain_of(o.domain())] = o.version();
  std::string inside = path + (n.name().empty() ? n.op_type() : n.name()) + "/";
  for (const auto& m : f.node()) SAHA_DO(node(m, inner, opsets, own, inside, depth + 1));
  for (int i = 0; i < n.output_size() && i < f.output_size(); ++i) {
    if (n.output(i).empty()) continue;
    const Val* v = inner.find(f.output(i));
    if (!v || !*v) return invalid(label(n) + ": function output '" + f.output(i) + "' is made nowhere");
    if (!scope.values.emplace(n.output(i), *v).second) return invalid("value '" + n.output(i) + "' is made twice; the graph is not in SSA form");
  }
  return {};
}

/// A Gradient node names values of the graph, so it becomes the nodes that compute it. Its operands must be the values that xs and zs
/// name: the graph is not computed a second time at another point. False for any other node.
Result<bool> Importer::gradient(const ::onnx::NodeProto& n, Scope& scope, const Bindings& bound) {
  if (n.op_type() != "Gradient" || n.domain() != "ai.onnx.preview.training") return false;
  op::Builder& b = *scope.b;
  const auto *xs = find_attribute(n, "xs", bound), *zs = find_attribute(n, "zs", bound), *y = find_attribute(n, "y", bound);
  if (!xs || !y) return invalid(label(n) + " needs the attributes xs and y");
  std::vector<std::string> names(xs->strings().begin(), xs->strings().end());
  if (zs) names.insert(names.end(), zs->strings().begin(), zs->strings().end());
  if (int(names.size()) != n.input_size() || xs->strings_size() != n.output_size()) return invalid(label(n) + " has " + std::to_string(n.input_size()) + " operands and " + std::to_string(n.output_size()) + " results, xs and zs name " + std::to_string(names.size()));
  Vals wrt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Val *named = scope.find(names[i]), *given = scope.find(n.input(int(i)));
    if (!named || !given) return invalid(label(n) + ": value '" + (named ? n.input(int(i)) : names[i]) + "' is made nowhere before it");
    if (named->id != given->id) return Error{ErrorCode::unsupported, label(n) + ": operand '" + n.input(int(i)) + "' is not the value '" + names[i] + "' that it stands for"};
    if (int(i) < xs->strings_size()) wrt.push_back(*named);
  }
  const Val* of = scope.find(y->s());
  if (!of) return invalid(label(n) + ": value '" + y->s() + "' is made nowhere before it");
  b.origin = ir::make_name(n.name());
  auto filled = [&](Val like, double v) { return b.op("ConstantOfShape", {b.op("Shape", {like})}, {{"value", Tensor::of(b.type(like).dtype, {1}, {v})}}); };
  SAHA_TRY(Vals d, op::gradients(b, *of, filled(*of, 1), wrt));
  for (std::size_t i = 0; i < d.size(); ++i) SAHA_DO(bind(scope, n.output(int(i)), d[i] ? d[i] : filled(wrt[i], 0)));
  b.origin = {};
  if (b.error()) return *b.error();
  return true;
}

Result<> Importer::node(const ::onnx::NodeProto& n, Scope& scope, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth) {
  if (++nodes_ > limits_.nodes) return invalid("the model has more than " + std::to_string(limits_.nodes) + " nodes");
  if (const auto* f = function(n)) return call(*f, n, scope, bound, path, depth);
  op::Builder& b = *scope.b;
  SAHA_TRY(bool is_gradient, gradient(n, scope, bound));
  if (is_gradient) return {};
  SAHA_TRY(auto value, constant(n, bound));
  if (value) {
    if (n.output_size() != 1) return invalid(label(n) + " has " + std::to_string(n.output_size()) + " outputs, one is made");
    return bind(scope, n.output(0), b.constant(std::move(*value)));
  }
  OldNode old{domain_of(n.domain()), n.op_type(), 0, {}, {}, std::max(1, n.output_size())};
  auto version = opsets.find(old.domain);
  if (version == opsets.end() && old.domain.empty()) return invalid(label(n) + ": the model states no opset for ai.onnx");
  old.opset = version == opsets.end() ? 1 : version->second;
  for (const auto& name : n.input()) {
    if (name.empty()) { old.in.push_back({}); continue; }
    const Val* v = scope.find(name);
    if (!v) return invalid(label(n) + " uses '" + name + "', which is made nowhere before it");
    old.in.push_back(*v);
  }
  b.origin = ir::make_name(path + (n.name().empty() && n.output_size() ? n.output(0) : n.name()));

  // Sub-graphs: the names they capture become operands after the formal ones.
  std::vector<std::string> captures;
  std::set<std::string> seen;
  std::vector<const ::onnx::AttributeProto*> graphs;
  for (const auto& a : n.attribute()) {
    const auto* x = find_attribute(n, a.name(), bound);
    if (!x) continue;  // refers to an optional attribute that the call does not have
    if (x->has_g()) {
      SAHA_DO(captured_names(x->g(), captures, seen, {}, depth));
      graphs.push_back(x);
      continue;
    }
    auto v = attribute(*x);
    if (!v) return std::move(v.error()).within(label(n));
    old.attrs.push_back({a.name(), std::move(*v)});
  }
  auto type_of = [&](std::size_t i) -> ir::TypeRef { return i < old.in.size() && old.in[i] ? b.type_ref(old.in[i]) : ir::unranked_type(DType::none); };
  std::vector<ir::TypeRef> formal;
  std::size_t carried = 0;
  auto body_inputs = graphs.empty() ? 0 : std::size_t(graphs[0]->g().input_size());
  if (!graphs.empty() && old.op == "Loop") {
    carried = old.in.size() < 2 ? 0 : old.in.size() - 2;
    formal = {ir::tensor_type(DType::i64, {}), ir::tensor_type(DType::boolean, {})};
    for (std::size_t i = 0; i < carried; ++i) formal.push_back(type_of(2 + i));
    old.in.resize(2 + carried);
    old.attrs.push_back({"carried", std::int64_t(carried)});
  } else if (!graphs.empty() && old.op == "Scan") {
    std::int64_t scans = 0;
    if (auto* p = ir::attr<std::int64_t>(old.attrs, "num_scan_inputs")) scans = *p;
    if (scans < 0 || std::size_t(scans) > body_inputs) return invalid(label(n) + " has num_scan_inputs " + std::to_string(scans) + ", its body has " + std::to_string(body_inputs) + " inputs");
    carried = body_inputs - std::size_t(scans);
    std::size_t first = old.opset < 9 ? 1 : 0;  // Scan-8 has sequence_lens in front and a batch axis
    auto axes = ir::attr<ir::Ints>(old.attrs, "scan_input_axes");
    for (std::size_t i = 0; i < body_inputs; ++i) {
      if (i < carried) formal.push_back(first ? sliced(*type_of(first + i), 0) : type_of(i));
      else {
        auto axis = axes && i - carried < axes->size() ? (*axes)[i - carried] : 0;
        formal.push_back(first ? sliced(*sliced(*type_of(first + i), 0), 0) : sliced(*type_of(i), axis));
      }
    }
    old.attrs.push_back({"carried", std::int64_t(carried)});
  } else if (!graphs.empty() && old.op == "SequenceMap") {
    for (std::size_t i = 0; i < body_inputs; ++i) {
      auto t = type_of(i);
      formal.push_back(t->kind == ir::Type::Kind::sequence ? (t->element ? t->element : ir::unranked_type(DType::none)) : t);
    }
    old.attrs.push_back({"formal", std::int64_t(body_inputs)});
  } else if (!graphs.empty()) {  // If has no formal inputs; others (FlexAttention) take what the body declares
    for (std::size_t i = 0; i < body_inputs; ++i) {
      SAHA_TRY(auto t, type_from(graphs[0]->g().input(int(i)).type(), graphs[0]->g().input(int(i)).name()));
      formal.push_back(std::move(t));
    }
  }
  for (const auto* x : graphs) {
    std::string inside = path + (n.name().empty() ? n.op_type() : n.name()) + "/";
    ir::Name keep = b.origin;
    auto g = closed(x->g(), scope, formal, captures, opsets, bound, inside, depth);
    for (int again = 0; again < 3 && g && carried && (old.op == "Loop" || old.op == "Scan"); ++again) {  // carried values whose type the body changes
      bool changed = false;
      std::size_t in0 = old.op == "Loop" ? 2 : 0, out0 = old.op == "Loop" ? 1 : 0;
      for (std::size_t i = 0; i < carried && out0 + i < (*g)->outputs().size(); ++i) {
        auto t = widened(formal[in0 + i], (**g)[(*g)->outputs()[out0 + i]].type, b);
        if (again == 2 && !(*t == *formal[in0 + i])) t = ir::unranked_type(t->dtype);
        changed |= !(*t == *formal[in0 + i]);
        formal[in0 + i] = t;
      }
      if (!changed) break;
      g = closed(x->g(), scope, formal, captures, opsets, bound, inside, depth);
    }
    if (!g) return std::move(g.error()).within(label(n));
    b.origin = keep;
    old.attrs.push_back({x->name(), std::move(*g)});
  }
  if (!captures.empty()) {
    for (const std::string& name : captures) {
      const Val* v = scope.find(name);
      if (!v) return invalid(label(n) + ": value '" + name + "' is used in a sub-graph but made nowhere before it");
      old.in.push_back(*v);
    }
  }
  // A random node that leaves its seed open gets one of its own, so runs repeat and two such nodes differ.
  if (const op::Entry* e = old.domain.empty() ? op::find(old.op) : nullptr; e && e->def->traits & op::kRandom && !ir::find_attr(old.attrs, "seed"))
    if (const op::AttrParam* seed = e->signature.attr("seed"); seed && seed->kind == op::AttrKind::f) old.attrs.push_back({"seed", float(nodes_)});
  Vals y = upgrade(std::move(old), b);
  b.origin = {};
  if (b.error()) return *b.error();
  for (int i = 0; i < n.output_size() && std::size_t(i) < y.size(); ++i)
    if (y[std::size_t(i)]) SAHA_DO(bind(scope, n.output(i), y[std::size_t(i)]));
  return {};
}

/// Initialisers and nodes; inputs have been bound.
Result<> Importer::graph_body(const ::onnx::GraphProto& g, Scope& scope, const Opsets& opsets, const Bindings& bound, const std::string& path, int depth) {
  if (depth > limits_.depth) return invalid("sub-graphs are nested deeper than " + std::to_string(limits_.depth));
  for (const auto& t : g.initializer()) {
    if (scope.values.count(t.name())) continue;  // an input that the caller gives
    SAHA_TRY(Tensor x, tensor_from(t, files_));
    SAHA_DO(bind(scope, t.name(), scope.b->constant(std::move(x), t.name())));
  }
  for (const auto& t : g.sparse_initializer()) {
    SAHA_TRY(Tensor x, densify(t));
    SAHA_DO(bind(scope, t.values().name(), scope.b->constant(std::move(x), t.values().name())));
  }
  std::unordered_map<std::string, const ::onnx::ValueInfoProto*> stated;
  for (const auto& v : g.value_info()) stated.emplace(v.name(), &v);
  for (const auto& v : g.output()) stated.emplace(v.name(), &v);
  for (const auto& n : g.node()) {
    SAHA_DO(node(n, scope, opsets, bound, path, depth));
    // What the file states of a value serves where inference knows nothing.
    for (const auto& o : n.output()) {
      auto it = stated.find(o);
      const Val* v = scope.find(o);
      if (it == stated.end() || !v || !it->second->has_type()) continue;
      const ir::Type& have = scope.b->type(*v);
      if (have.is_tensor() && have.ranked && have.dtype != DType::none) continue;
      if (have.kind == ir::Type::Kind::optional) {   // a file that says the value is there is believed
        SAHA_TRY(auto present, type_from(it->second->type(), o));
        if (present->kind != ir::Type::Kind::optional) scope.b->retype(*v, std::move(present));
        continue;
      }
      if (!have.is_tensor()) continue;
      SAHA_TRY(auto t, type_from(it->second->type(), o));
      if (have.dtype != DType::none && t->is_tensor() && t->dtype != have.dtype) continue;
      scope.b->retype(*v, std::move(t));
    }
  }
  return {};
}

Result<ir::Model> Importer::run() {
  if (!model_.has_graph()) return invalid("the model has no graph");
  ir::Model m;
  m.ir_version = model_.ir_version();
  m.name = model_.graph().name();
  m.doc = model_.doc_string();
  m.producer = model_.producer_name();
  m.producer_version = model_.producer_version();
  for (const auto& p : model_.metadata_props()) m.metadata[p.key()] = p.value();
  for (const auto& o : model_.opset_import()) {
    std::string d = domain_of(o.domain());
    if (d.empty() && (o.version() < 1 || o.version() > kNewestOpset))
      return Error{ErrorCode::unsupported, "the model uses ai.onnx opset " + std::to_string(o.version()) + ", saha knows 1 to " + std::to_string(kNewestOpset)};
    m.opsets[d] = o.version();
  }
  if (m.opsets.empty()) m.opsets[""] = 1;  // IR versions 1 and 2 state none
  for (const auto& f : model_.functions()) functions_[domain_of(f.domain()) + "\n" + f.name() + "\n" + f.overload()] = &f;

  const auto& g = model_.graph();
  op::Builder b;
  Scope scope{nullptr, &b};
  std::set<std::string> initial;
  for (const auto& t : g.initializer()) initial.insert(t.name());
  std::size_t listed = 0;
  for (const auto& i : g.input()) {
    if (initial.count(i.name())) { ++listed; continue; }
    SAHA_TRY(auto t, type_from(i.type(), i.name()));
    SAHA_DO(bind(scope, i.name(), b.input(std::move(t), i.name())));
  }
  if (listed && m.ir_version >= 4) notes_.push_back(std::to_string(listed) + " inputs have a default value in the file and are taken as constants");
  SAHA_DO(graph_body(g, scope, m.opsets, {}, "", 0));
  Vals out;
  if (g.output_size() == 0) return invalid("the graph has no outputs");
  for (const auto& o : g.output()) {
    const Val* v = scope.find(o.name());
    if (!v) return invalid("output '" + o.name() + "' is made nowhere");
    Val y = *v;
    // An output keeps its own name: a value that has another one (an input, a constant, a second output) passes through Identity.
    const ir::Name& name = b.graph()[y.id].name;
    bool taken = std::any_of(out.begin(), out.end(), [&](Val x) { return x.id == y.id; });
    if (taken || (name && *name != o.name()) || !b.producer(y)) {
      y = b.op("Identity", {y});
      b.rename(y, o.name());
    }
    out.push_back(y);
  }
  SAHA_TRY(m.graph, std::move(b).build(out));
  m.notes = std::move(notes_);
  return m;
}
}  // namespace

Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const std::string& folder, const Limits& limits) {
  if (std::int64_t(bytes.size()) > limits.file_bytes || bytes.size() > std::size_t(INT32_MAX))
    return invalid("the file has " + std::to_string(bytes.size()) + " bytes, at most " + std::to_string(std::min<std::int64_t>(limits.file_bytes, INT32_MAX)) + " are read; larger models keep their weights as external data");
  ::onnx::ModelProto model;
  google::protobuf::io::ArrayInputStream raw(bytes.data(), int(bytes.size()));
  google::protobuf::io::CodedInputStream in(&raw);
  in.SetTotalBytesLimit(INT32_MAX);
  in.SetRecursionLimit(limits.depth * 4 + 32);
  if (!model.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage()) return invalid("the file is not an ONNX model, or it is damaged");
  SAHA_DO(check_names(model, limits.depth));
  try {
    return Importer(model, folder, limits).run();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to import the model"};
  }
}

Result<ir::Model> import_file(const std::string& path, const Limits& limits) {
  auto file = system::map_file(path);
  if (!file) return std::move(file.error());
  std::string folder = std::filesystem::path(path).parent_path().string();
  auto m = import_bytes({file->data.get(), std::size_t(file->size)}, folder.empty() ? "." : folder, limits);
  if (!m) return std::move(m.error()).within(path);
  return m;
}

}  // namespace saha::onnx
