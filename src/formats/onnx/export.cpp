// ir::Model -> onnx.ModelProto, in the opset that the model came in. Sub-graphs are opened: what was a captured operand is used by its
// name again. The same model gives the same bytes. Source: ONNX IR specification, version 14.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "formats/onnx/downgrade.hpp"
#include "formats/onnx/onnx.hpp"
#include "formats/onnx/tensor_proto.hpp"
#include "formats/onnx/upgrade.hpp"
#include "op/builder.hpp"
#include "op/captures.hpp"
#include "system/file.hpp"

namespace saha::onnx {
namespace {
using ir::ValueId;

/// Names of one graph's values; shared by all graphs of the model so that no name is made twice.
class Names {
 public:
  std::string fresh(const std::string& wish, const char* otherwise) {
    std::string base = wish.empty() ? otherwise : wish, name = base;
    for (int k = 1; !taken_.insert(name).second; ++k) name = base + "_" + std::to_string(k);
    return name;
  }

 private:
  std::set<std::string> taken_;
};

class Exporter {
 public:
  Exporter(const ir::Model& m, const ExportOptions& o) : model_(m), options_(o) {}
  Result<::onnx::ModelProto> run();

 private:
  using Env = std::vector<std::string>;   // name of each value of a graph
  Result<> body(const ir::Graph& g, Env& env, ::onnx::GraphProto& p, bool top);
  Result<> node(const ir::Graph& g, const ir::Node& n, Env& env, ::onnx::GraphProto& p);
  static void attribute(const ir::NamedAttr& a, ::onnx::AttributeProto& p);
  /// g as the body of a node: the last inputs are captures, which have the outer names `captured`.
  Result<> sub_graph(const ir::Graph& g, std::span<const std::string> captured, ::onnx::GraphProto& p);
  void state_type(const ir::Type& t, ::onnx::ValueInfoProto& v) const;
  const std::string& name(const ir::Graph& g, ValueId v, Env& env) {
    std::string& s = env[std::size_t(v)];
    if (s.empty()) s = names_.fresh(g[v].name ? *g[v].name : std::string(), "v");
    return s;
  }

  const ir::Model& model_;
  ExportOptions options_;
  std::int64_t opset_ = kNewestOpset;
  std::map<std::string, std::int64_t> opsets_;
  std::set<std::string> unnamed_;   ///< symbols that the import made for dims of inputs without a name
  bool plain_ = false;              ///< whether a node of ai.onnx was written
  Names names_, node_names_;
};

void Exporter::state_type(const ir::Type& t, ::onnx::ValueInfoProto& v) const {
  if (t.is_tensor() && t.dtype == DType::none) return;
  *v.mutable_type() = proto_from(t);
  if (!t.is_tensor() || !t.ranked) return;
  auto* shape = v.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (int i = 0; i < shape->dim_size(); ++i) {  // a symbol of saha's own says nothing to a reader
    const std::string& s = shape->dim(i).dim_param();
    if (s.find('#') != std::string::npos || s == v.name() + "." + std::to_string(i) || unnamed_.count(s)) shape->mutable_dim(i)->clear_dim_param();
  }
}

void Exporter::attribute(const ir::NamedAttr& a, ::onnx::AttributeProto& p) {
  using P = ::onnx::AttributeProto;
  p.set_name(a.name);
  struct Write {
    P& p;
    void operator()(std::int64_t v) const { p.set_type(P::INT); p.set_i(v); }
    void operator()(float v) const { p.set_type(P::FLOAT); p.set_f(v); }
    void operator()(const std::string& v) const { p.set_type(P::STRING); p.set_s(v); }
    void operator()(const ir::Ints& v) const { p.set_type(P::INTS); for (auto x : v) p.add_ints(x); }
    void operator()(const ir::Floats& v) const { p.set_type(P::FLOATS); for (auto x : v) p.add_floats(x); }
    void operator()(const ir::Strings& v) const { p.set_type(P::STRINGS); for (const auto& x : v) p.add_strings(x); }
    void operator()(const Tensor& v) const { p.set_type(P::TENSOR); *p.mutable_t() = proto_from(v); }
    void operator()(const ir::TypeRef& v) const { p.set_type(P::TYPE_PROTO); *p.mutable_tp() = proto_from(*v); }
    void operator()(const ir::GraphRef&) const { SAHA_ASSERT(!"sub-graphs are written by sub_graph()"); }
  };
  std::visit(Write{p}, a.value);
}

Result<> Exporter::sub_graph(const ir::Graph& g, std::span<const std::string> captured, ::onnx::GraphProto& p) {
  if (captured.size() > g.inputs().size()) return Error{ErrorCode::internal, "a sub-graph has " + std::to_string(g.inputs().size()) + " inputs for " + std::to_string(captured.size()) + " captures"};
  Env env(g.values().size());
  std::size_t formal = g.inputs().size() - captured.size();
  for (std::size_t i = 0; i < captured.size(); ++i) env[std::size_t(g.inputs()[formal + i])] = captured[i];
  for (std::size_t i = 0; i < formal; ++i) {
    auto* v = p.add_input();
    v->set_name(name(g, g.inputs()[i], env));
    state_type(g.type(g.inputs()[i]), *v);
  }
  p.set_name("body");
  return body(g, env, p, false);
}

/// How many operands come before the captures of a node with sub-graphs.
std::size_t formal_operands(const ir::Node& n) {
  if (auto first = op::first_capture(n)) return std::min<std::size_t>(n.num_operands, *first);
  // Others: what the sub-graphs take beyond their formal inputs was captured; their formal inputs are one each.
  std::size_t captures = 0;
  for (const ir::NamedAttr& a : *n.attrs)
    if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) captures = std::max(captures, (*sub)->inputs().empty() ? 0 : (*sub)->inputs().size() - 1);
  return n.num_operands - std::min<std::size_t>(captures, n.num_operands);
}

Result<> Exporter::node(const ir::Graph& g, const ir::Node& n, Env& env, ::onnx::GraphProto& p) {
  const op::Entry* entry = op::find(n.op.str());
  if (!entry) return Error{ErrorCode::unsupported, g.describe(n) + " cannot be written: the operator is not known"};
  std::string domain(entry->def->domain);
  std::int64_t opset = domain.empty() ? opset_ : opsets_.count(domain) ? opsets_[domain] : entry->def->since_version;
  auto record = downgrade(g, n, opset, model_.opsets.count("com.microsoft") != 0);
  if (!record) return std::move(record.error());
  plain_ |= record->domain.empty();
  opsets_.emplace(record->domain, record->domain.empty() ? opset_ : record->domain == domain ? opset : 1);
  // Constants that only the older form needs come first.
  std::vector<std::string> inputs;
  bool control = false;
  for (const ir::NamedAttr& a : record->attrs) control |= std::holds_alternative<ir::GraphRef>(a.value);
  for (auto& x : record->in) {
    if (auto* t = std::get_if<Tensor>(&x)) {
      std::string made = names_.fresh("", "c");
      *p.add_initializer() = proto_from(*t);
      p.mutable_initializer(p.initializer_size() - 1)->set_name(made);
      inputs.push_back(made);
    } else inputs.push_back(std::get<ValueId>(x) == ValueId::none ? std::string() : name(g, std::get<ValueId>(x), env));
  }
  std::vector<std::string> captured;
  if (control) {
    std::size_t formal = std::min(formal_operands(n), inputs.size());
    captured.assign(inputs.begin() + std::ptrdiff_t(formal), inputs.end());
    inputs.resize(formal);
  }
  auto* q = p.add_node();
  int place = p.node_size() - 1;
  q->set_op_type(record->op);
  if (!record->domain.empty()) q->set_domain(record->domain);
  // A node without a name of its own goes by its output; one node of an older file may have become several.
  if (n.origin && *n.origin != name(g, g.result(n), env)) q->set_name(node_names_.fresh(*n.origin, "node"));
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  for (const auto& i : inputs) q->add_input(i);
  for (std::size_t k = 0; k < std::size_t(record->num_out); ++k) q->add_output(k < n.num_results ? name(g, g.result(n, k), env) : "");
  for (const ir::NamedAttr& a : record->attrs) {
    if (a.name == "carried" || a.name == "formal") continue;   // saha's own bookkeeping of closed sub-graphs
    const op::AttrParam* declared = entry->signature.attr(a.name);
    const bool same_default = !record->older || domain == "ai.onnx.ml";   // defaults of that domain never changed
    if (same_default && declared && declared->initial && ir::same_attrs({a}, {{a.name, *declared->initial}})) continue;
    auto* attr = p.mutable_node(place)->add_attribute();
    if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) {
      attr->set_name(a.name);
      attr->set_type(::onnx::AttributeProto::GRAPH);
      SAHA_DO(sub_graph(**sub, captured, *attr->mutable_g()));
    } else attribute(a, *attr);
  }
  return {};
}

Result<> Exporter::body(const ir::Graph& g, Env& env, ::onnx::GraphProto& p, bool top) {
  // Outputs have their names first, so that nothing inside takes them.
  std::set<std::uint32_t> given;
  std::vector<std::pair<std::string, ValueId>> copies;  // outputs that are no node's own result
  for (ValueId v : g.outputs()) {
    auto* o = p.add_output();
    bool own = g.producer(v) && given.insert(std::uint32_t(v)).second && env[std::size_t(v)].empty();
    if (own) o->set_name(name(g, v, env));
    else {
      o->set_name(names_.fresh(g[v].name ? *g[v].name + "_out" : std::string(), "out"));
      copies.emplace_back(o->name(), v);
    }
    state_type(g.type(v), *o);
  }
  (void)top;
  std::vector<char> used(g.values().size(), 0);
  for (const ir::Node& n : g.nodes()) for (ValueId v : g.operands(n)) if (v != ValueId::none) used[std::size_t(v)] = 1;
  for (auto& [_, v] : copies) used[std::size_t(v)] = 1;
  for (std::size_t i = 0; i < g.values().size(); ++i) {
    const ir::Value& v = g.values()[i];
    if (!v.constant || !used[i] || !env[i].empty()) continue;
    *p.add_initializer() = proto_from(*v.constant);
    p.mutable_initializer(p.initializer_size() - 1)->set_name(name(g, ValueId(i), env));
  }
  for (const ir::Node& n : g.nodes()) SAHA_DO(node(g, n, env, p));
  for (auto& [out, v] : copies) {
    auto* q = p.add_node();
    q->set_op_type("Identity");
    q->add_input(name(g, v, env));
    q->add_output(out);
  }
  // A constant may have become an attribute of an older form: initialisers that nobody reads are dropped.
  std::set<std::string> read;
  auto collect = [&](auto&& self, const ::onnx::GraphProto& q) -> void {
    for (const auto& n : q.node()) {
      read.insert(n.input().begin(), n.input().end());
      for (const auto& a : n.attribute()) if (a.has_g()) self(self, a.g());
    }
    for (const auto& o : q.output()) read.insert(o.name());
  };
  collect(collect, p);
  auto* all = p.mutable_initializer();
  auto unread = std::remove_if(all->begin(), all->end(), [&](const auto& t) { return !read.count(t.name()); });
  all->DeleteSubrange(int(unread - all->begin()), int(all->end() - unread));
  return {};
}

Result<::onnx::ModelProto> Exporter::run() {
  ::onnx::ModelProto m;
  opsets_ = model_.opsets;
  auto own = opsets_.find("");
  opset_ = options_.opset ? options_.opset : own != opsets_.end() ? own->second : kNewestOpset;
  if (opset_ < 1 || opset_ > kNewestOpset) return Error{ErrorCode::invalid_argument, "opset " + std::to_string(opset_) + " is not one of 1 to " + std::to_string(kNewestOpset)};
  opsets_[""] = opset_;
  m.set_ir_version(model_.ir_version ? model_.ir_version : 10);
  m.set_producer_name(model_.producer.empty() ? "saha" : model_.producer);
  if (!model_.producer_version.empty()) m.set_producer_version(model_.producer_version);   // an empty field takes two bytes
  if (!model_.doc.empty()) m.set_doc_string(model_.doc);
  // What only saha has (stored integers, Fused, adjoints) is written as what it means.
  const auto values = model_.graph.values();
  ir::Graph said = model_.graph;
  if (std::any_of(values.begin(), values.end(), [](const ir::Value& v) { return bool(v.type->quant); })) { SAHA_TRY(said, op::spelt_out(said)); }
  SAHA_TRY(ir::Graph g, op::rewrite(said, [](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    const op::Entry* e = op::find(n.op.str());
    const bool ours = e && (e->def->domain == "saha" || ir::find_attr(*n.attrs, "cell_clip"));   // an LSTM that bounds its cell is saha's, too
    if (!ours || !e->def->body) return {};
    (void)from;
    return e->def->body({{*n.attrs}, b, in, {}, n.num_results});
  }));
  auto* p = m.mutable_graph();
  p->set_name(model_.name.empty() ? "graph" : model_.name);
  Env env(g.values().size());
  for (ValueId v : g.inputs())
    for (std::size_t i = 0; i < g.type(v).dims.size(); ++i)
      if (auto s = g.type(v).dims[i].symbol_name(); s && *s == g.name(v) + "." + std::to_string(i)) unnamed_.insert(*s);
  for (ValueId v : g.inputs()) {
    auto* i = p->add_input();
    i->set_name(name(g, v, env));
    state_type(g.type(v), *i);
  }
  SAHA_DO(body(g, env, *p, true));
  if (!plain_ && !model_.opsets.count("") && opsets_.size() > 1) opsets_.erase("");
  for (const auto& [d, v] : opsets_) {
    auto* o = m.add_opset_import();
    o->set_domain(d);
    o->set_version(v);
  }
  for (const auto& [k, v] : model_.metadata) {
    auto* e = m.add_metadata_props();
    e->set_key(k);
    e->set_value(v);
  }
  return m;
}

constexpr std::int64_t kSmallWeight = 1024;  // bytes that stay in the file when the others go beside it

/// Moves the weights into one file beside the model; returns its bytes.
std::string split_off(::onnx::GraphProto& g, const std::string& location) {
  std::string data;
  for (auto& t : *g.mutable_initializer()) {
    if (!t.has_raw_data() || std::int64_t(t.raw_data().size()) < kSmallWeight) continue;
    data.resize((data.size() + 63) / 64 * 64);
    auto entry = [&](const char* key, const std::string& value) { auto* e = t.add_external_data(); e->set_key(key); e->set_value(value); };
    entry("location", location);
    entry("offset", std::to_string(data.size()));
    entry("length", std::to_string(t.raw_data().size()));
    data += t.raw_data();
    t.clear_raw_data();
    t.set_data_location(::onnx::TensorProto::EXTERNAL);
  }
  return data;
}
std::int64_t constant_bytes(const ir::Graph& g) {
  std::int64_t n = 0;
  for (const ir::Value& v : g.values()) if (v.constant) n += v.constant->bytes();
  return n;
}
}  // namespace

Result<std::string> export_bytes(const ir::Model& model, const ExportOptions& options) {
  if (constant_bytes(model.graph) > INT32_MAX - (1 << 20)) return Error{ErrorCode::unsupported, "the model is larger than 2 GiB and can only be written to a file, with its weights beside it"};
  SAHA_TRY(auto proto, Exporter(model, options).run());
  std::string out;
  if (!proto.SerializeToString(&out)) return Error{ErrorCode::internal, "the model could not be serialised"};
  return out;
}

Result<> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options) {
  SAHA_TRY(auto proto, Exporter(model, options).run());
  std::int64_t weights = constant_bytes(model.graph);
  if (weights > options.external_above || weights > INT32_MAX - (1 << 20)) {
    std::string location = std::filesystem::path(path).filename().string() + ".data";
    std::string data = split_off(*proto.mutable_graph(), location);
    SAHA_DO(system::write_file(path + ".data", data));
  }
  std::string out;
  if (!proto.SerializeToString(&out)) return Error{ErrorCode::internal, "the model could not be serialised"};
  return system::write_file(path, out);
}

}  // namespace saha::onnx
