// ir::Model -> .xml and .bin. Each node is written by its row (layers.hpp), or, where no row says it, through its function body. What only saha has
// (stored integers, Fused) is written as what it means. The same model gives the same bytes.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "formats/openvino/layers.hpp"
#include "system/file.hpp"
#include "tensor/float_format.hpp"

namespace saha::openvino {
namespace {
using ir::ValueId;
using std::to_string;
constexpr std::uint64_t kAlignment = 64;   // of a tensor in .bin, so that it can be used where it lies

/// float32 as float16: to nearest; what is finite stays finite.
Tensor halved(const Tensor& t) {
  Tensor r = Tensor::zeros(DType::f16, t.dims);
  const float* x = t.as<float>();
  auto* y = r.as<std::uint16_t>();
  for (std::int64_t i = 0; i < t.size(); ++i) y[i] = std::uint16_t(encode(DType::f16, double(x[i]), std::isinf(x[i]) ? Overflow::to_infinity_or_nan : Overflow::saturate));
  return r;
}
/// float16 as float32, exactly.
Tensor widened(const Tensor& t) {
  Tensor r = Tensor::zeros(DType::f32, t.dims);
  fill<double>(r, values<double>(t));
  return r;
}
}  // namespace

Result<std::uint64_t> Pieces::place(const Tensor& t, bool half) {
  const std::pair<const void*, std::int64_t> key{t.data.get(), t.bytes()};
  if (auto it = seen_.find(key); it != seen_.end() && t.bytes() && all_[it->second].origin.dtype == t.dtype) return all_[it->second].offset;
  const std::uint64_t offset = (size_ + kAlignment - 1) / kAlignment * kAlignment;
  Tensor written = half && t.dtype == DType::f32 ? halved(t) : t;
  size_ = offset + std::uint64_t(written.bytes());
  seen_[key] = all_.size();
  all_.push_back({offset, std::move(written), t});
  return offset;
}
const Tensor* Pieces::at(std::uint64_t offset) const {
  auto it = std::lower_bound(all_.begin(), all_.end(), offset, [](const Piece& p, std::uint64_t o) { return p.offset < o; });
  while (it != all_.end() && it->offset == offset && it->written.bytes() == 0 && std::next(it) != all_.end() && std::next(it)->offset == offset) ++it;
  return it != all_.end() && it->offset == offset ? &it->written : nullptr;
}

// ---- Writer ------------------------------------------------------------------------------------------------------------------
std::string Writer::fresh(const std::string& wish) {
  int& n = taken_[wish];
  if (n++ == 0) return wish;
  std::string name;
  do name = wish + "_" + to_string(n - 1);
  while (taken_.count(name) && ++n);
  taken_[name] = 1;
  return name;
}
void Writer::append(Layer l, const Vals& made) {
  l.id = std::int64_t(net_.layers.size());
  for (std::size_t k = 0; k < made.size(); ++k) {
    Port& p = l.out[k];
    if (!made[k] || failed()) continue;
    const ir::Type& t = type(made[k]);
    if (!t.is_tensor() || element_type(t.dtype).empty()) {
      b.fail({ErrorCode::unsupported, "a value of " + (origin.empty() ? l.type : "'" + origin + "'") + " is " + ir::str(t) + ", a type that IR does not have"});
      return;
    }
    p.precision = precision(version_ == 10 && t.dtype == DType::f32 ? DType::f16 : t.dtype);
    for (const ir::Dim& d : t.dims) p.dims.push_back(d.known().value_or(-1));
    placed_[std::uint32_t(made[k].id)] = {int(l.id), int(k)};
  }
  net_.layers.push_back(std::move(l));
}
From Writer::place(Val v) {
  if (failed() || !v) {
    b.fail({ErrorCode::internal, "'" + origin + "': a layer has no operand"});
    return {};
  }
  if (auto it = placed_.find(std::uint32_t(v.id)); it != placed_.end()) return it->second;
  const ir::Value& value = b.graph()[v.id];
  if (!value.constant) {
    b.fail({ErrorCode::internal, "'" + origin + "': a value was made by no layer"});
    return {};
  }
  const Tensor& t = *value.constant;
  const std::string_view type = element_type(t.dtype);
  if (type.empty() || t.dtype == DType::string) {
    b.fail({ErrorCode::unsupported, "constant " + (value.name ? "'" + *value.name + "'" : "of '" + origin + "'") + " is " + std::string(saha::name(t.dtype)) + ", which no constant of IR is"});
    return {};
  }
  auto offset = pieces_.place(t, version_ == 10);
  if (!offset) { b.fail(std::move(offset.error())); return {}; }
  Layer l;
  l.type = "Constant";
  l.opset = 1;
  l.name = fresh(value.name ? *value.name : "Constant");
  l.data = {{"element_type", element(t.dtype)}, {"shape", join(t.dims)}, {"offset", to_string(*offset)}, {"size", to_string(pieces_.at(*offset) ? storage_bytes(*dtype_from(element(t.dtype)), t.size()) : 0)}};
  l.out.resize(1);
  append(std::move(l), {v});
  return placed_[std::uint32_t(v.id)];
}
Vals Writer::layers(std::string_view type, Vals in, Data data, int num_out, int opset, std::vector<Inner> inner) {
  if (failed()) return Vals(std::size_t(num_out));
  const Row* row = find_row(type, opset ? opset : newest());
  if (!row) {
    b.fail({ErrorCode::unsupported, "'" + origin + "' needs the layer " + std::string(type) + ", which operator sets up to " + to_string(newest()) + " do not have", version_ == 10 ? "leave --ir 10 away" : ""});
    return Vals(std::size_t(num_out));
  }
  Layer l;
  for (Val v : in) l.in.push_back(place(v));
  if (failed()) return Vals(std::size_t(num_out));
  l.name = fresh(origin.empty() ? std::string(type) : origin);
  l.type = type;
  l.opset = row->since;
  l.version = "opset" + to_string(row->since);
  l.data = std::move(data);
  l.inner = std::move(inner);
  l.out.resize(std::size_t(num_out));
  for (std::size_t i = 0; i < in.size() + std::size_t(num_out); ++i) {
    if (i < in.size()) l.in_ids.push_back(std::int64_t(i));
    else l.out[i - in.size()].id = std::int64_t(i);
  }
  Vals y = read_layer(l, in, b, context_);
  append(std::move(l), y);
  return y;
}
Val Writer::constant(const std::shared_ptr<const Tensor>& t, const ir::TypeRef& type, const ir::Name& name) {
  if (version_ != 10 || t->dtype != DType::f16) return b.constant(t, type, name);
  return b.constant(widened(*t), name ? *name : std::string());   // in IR 10 both are FP16, and computed as the device does
}
Val Writer::cast(Val v, DType t) { return failed() || b.type(v).dtype == t ? v : layer("Convert", {v}, {{"destination_type", element(t)}}); }
Val Writer::reshape(Val v, const Ints& dims) {
  if (failed()) return v;
  if (const Tensor* t = b.data(v)) {
    Ints d = dims;
    std::int64_t rest = 1;
    for (std::int64_t x : d) if (x > 0) rest *= x;
    for (std::int64_t& x : d) if (x == -1) x = t->size() / rest;
    if (checked_elements(d) == t->size()) {
      Val r = b.constant(t->reshaped(d));
      b.rename(r, b.graph()[v.id].name);
      return r;
    }
  }
  return layer("Reshape", {v, ints(dims)}, {{"special_zero", "false"}});
}
Val Writer::mat_mul(Val x, Val y, bool transpose_x, bool transpose_y) { return layer("MatMul", {x, y}, {{"transpose_a", text(transpose_x)}, {"transpose_b", text(transpose_y)}}); }
Val Writer::extent_of(Val v, std::int64_t axis) {
  const std::int64_t have = failed() ? -1 : extent(type(v), std::size_t(axis));
  if (have >= 0) return b.constant(Tensor::scalar_int(have));
  return layer("Gather", {shape_of(v), b.constant(Tensor::scalar_int(axis)), b.constant(Tensor::scalar_int(0))}, {{"batch_dims", "0"}});
}
Val Writer::part(Val list, std::int64_t from, std::int64_t to) {
  const bool open = to >= kFar;
  return layer("StridedSlice", {list, ints({from}), ints({open ? 0 : to}), ints({1})}, {{"begin_mask", "0"}, {"end_mask", open ? "1" : "0"}, {"new_axis_mask", "0"}, {"shrink_axis_mask", "0"}, {"ellipsis_mask", "0"}}, 1);
}
Ints Writer::all_axes(Val v) const {
  Ints r(failed() ? 0 : type(v).dims.size());
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = std::int64_t(i);
  return r;
}
Val Writer::parameter(const ir::TypeRef& t, const std::string& name, const std::string* shape) {
  Layer l;
  l.type = "Parameter";
  l.opset = 1;
  l.name = fresh(name);
  std::string dims;
  for (const ir::Dim& d : t->dims) dims += (dims.empty() ? "" : ",") + (d.known() ? to_string(*d.known()) : std::string("?"));
  l.data = {{"shape", shape ? *shape : t->ranked ? dims : "..."}, {"element_type", element(t->dtype)}};
  l.out.resize(1);
  const bool half = version_ == 10 && t->dtype == DType::f16;
  Val v = b.input(half ? (t->ranked ? ir::tensor_type(DType::f32, t->dims) : ir::unranked_type(DType::f32)) : t);
  append(std::move(l), {v});
  name_tensor(v, name);
  return v;
}
void Writer::name_tensor(Val v, const std::string& name) {
  if (failed() || !v || name.empty()) return;
  auto it = placed_.find(std::uint32_t(v.id));
  if (it == placed_.end() || !tensors_.insert(name).second) return;
  net_.layers[std::size_t(it->second.layer)].out[std::size_t(it->second.port)].names.push_back(name);
}
void Writer::result(Val v, const std::string& name) {
  From f = place(v);
  if (!failed() && net_.layers[std::size_t(f.layer)].type == "Parameter" && !nested() && newest() >= 16) f = place(layer("Identity", {v}));   // else its name goes over to the input
  if (failed()) return;
  name_tensor(v, name);
  Layer& source = net_.layers[std::size_t(f.layer)];
  // Before 2022 an output goes by the name of the layer that makes it.
  if (version_ == 10 && !name.empty() && source.out.size() == 1 && source.type != "Parameter" && source.name != name && !taken_.count(name)) source.name = fresh(name);
  Layer l;
  l.type = "Result";
  l.opset = 1;
  l.name = fresh(name.empty() ? "Result" : name + "/result");
  l.in = {f};
  if (!name.empty()) l.output_names = {name};
  append(std::move(l), {});
}
std::optional<Writer::Body> Writer::body(const std::vector<ir::TypeRef>& inputs, const std::function<Vals(Writer&, const Vals&)>& inside) {
  if (failed()) return {};
  if (++context_.depth > context_.limits.depth) b.fail({ErrorCode::unsupported, "'" + origin + "': bodies stand in each other deeper than " + to_string(context_.limits.depth)});
  Body r;
  Writer w(r.net, context_, pieces_, version_);
  Vals in;
  for (std::size_t i = 0; i < inputs.size() && !failed(); ++i) {
    r.parameters.push_back(std::int64_t(r.net.layers.size()));
    in.push_back(w.parameter(inputs[i], "in" + to_string(i)));
  }
  Vals out;
  if (!failed()) out = inside(w, in);
  for (std::size_t k = 0; k < out.size() && !w.failed() && !failed(); ++k) {
    w.result(out[k], "");
    r.results.push_back(std::int64_t(r.net.layers.size()) - 1);
  }
  --context_.depth;
  if (w.b.error()) b.fail(Error(*w.b.error()));
  if (failed()) return {};
  return r;
}

Vals Writer::node(const ir::Graph& g, const ir::Node& n, const Vals& in, Val before) {
  const op::Entry* entry = op::find(n.op.str());
  if (!entry) { b.fail({ErrorCode::unsupported, g.describe(n) + " cannot be written: the operator is not known"}); return {}; }
  if (const Row* row = find_row_for(n.op.str(), newest())) {
    Saying s{{*n.attrs}, *this, g, n, *row, in, before};
    Vals y = row->write ? row->write(s) : layers(row->type, in, s.listed(), n.num_results);
    if (failed() || !y.empty()) return y;
  }
  if (!entry->def->body) {
    if (auto y = computed(g, n, in)) return *y;
    b.fail({ErrorCode::unsupported, g.describe(n) + " is said by no layer of operator sets up to " + to_string(newest()),
            version_ == 10 ? "leave --ir 10 away, or write an .onnx file" : "write an .onnx file, which OpenVINO reads, too"});
    return {};
  }
  return spelt(g.describe(n), in, [&](op::Builder& body, const Vals& formal) { return entry->def->body({{*n.attrs}, body, formal, {}, n.num_results}); });
}
std::optional<Vals> Writer::computed(const ir::Graph& g, const ir::Node& n, const Vals& in) {
  std::vector<Datum> values(in.size());
  std::vector<const Datum*> operands;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] && !b.data(in[i])) return {};
    if (in[i]) values[i] = *b.data(in[i]);
    operands.push_back(in[i] ? &values[i] : nullptr);
  }
  if (failed() || in.empty()) return {};
  for (std::size_t k = 0; k < n.num_results; ++k) {
    const Ints dims = extents(g.type(g.result(n, k)));
    if (std::count(dims.begin(), dims.end(), -1) || checked_elements(dims).value_or(kMaxMade) >= kMaxMade) return {};
  }
  op::Budget budget{.steps = 0x1p28};
  auto y = op::run(*op::find(n.op.str())->def, operands, *n.attrs, n.num_results, &budget);
  if (!y) return {};
  Vals r;
  for (Datum& v : *y) {
    if (!v.is_tensor()) return {};
    r.push_back(b.constant(std::move(v.tensor)));
  }
  return r;
}

Vals Writer::spelt(const std::string& who, const Vals& in, const std::function<Vals(op::Builder&, const Vals&)>& build) {
  if (failed()) return {};
  op::Builder body;
  Vals formal, actual;
  for (Val v : in) {
    if (!v) formal.push_back({});
    else if (b.data(v)) formal.push_back(body.constant(b.graph()[v.id].constant, b.type_ref(v)));
    else { formal.push_back(body.input(b.type_ref(v))); actual.push_back(v); }
  }
  Vals y = build(body, formal), out;
  std::vector<std::size_t> present;
  for (std::size_t k = 0; k < y.size(); ++k) if (y[k]) { present.push_back(k); out.push_back(y[k]); }
  auto graph_of = std::move(body).build(out);
  if (!graph_of) { b.fail(std::move(graph_of.error()).within(who)); return {}; }
  Vals said = graph(*graph_of, actual, false), r(y.size());
  for (std::size_t k = 0; k < said.size(); ++k) r[present[k]] = said[k];
  return r;
}

Vals Writer::graph(const ir::Graph& g, const Vals& in, bool names) {
  Vals env(g.values().size());
  for (std::size_t i = 0; i < in.size() && i < g.inputs().size(); ++i) env[std::size_t(g.inputs()[i])] = in[i];
  const auto uses = g.use_counts();
  auto at = [&](ValueId v) -> Val {
    if (v == ValueId::none) return {};
    Val& x = env[std::size_t(v)];
    if (!x && g[v].constant) x = constant(g[v].constant, g[v].type, g[v].name);
    return x;
  };
  // A value that is quantised and only dequantised again is said by one layer, on its way back.
  auto quantised = [&](const ir::Node& n) -> const ir::Node* {
    const ir::Node* q = n.op == ir::OpName("DequantizeLinear") ? g.producer(g.operand(n, 0)) : nullptr;
    return q && q->op == ir::OpName("QuantizeLinear") && same_grid(g, *q, n) ? q : nullptr;
  };
  std::vector<std::uint32_t> ways_back(g.values().size(), 0);
  for (const ir::Node& n : g.nodes()) if (const ir::Node* q = quantised(n)) ++ways_back[std::size_t(g.result(*q))];
  const std::string outer = origin;
  for (const ir::Node& n : g.nodes()) {
    if (failed()) break;
    const std::size_t first = std::size_t(g.result(n));
    if (ways_back[first] && ways_back[first] == uses[first]) continue;
    if (names) origin = n.origin ? *n.origin : g[g.result(n)].name ? *g[g.result(n)].name : std::string(n.op.str());
    Vals operands;
    const ir::Node* q = quantised(n);
    for (std::size_t i = 0; i < n.num_operands; ++i) operands.push_back(q && i == 0 ? Val{} : at(g.operand(n, i)));
    while (!operands.empty() && !operands.back()) operands.pop_back();
    Vals y = node(g, n, operands, q ? at(g.operand(*q, 0)) : Val{});
    for (std::size_t k = 0; k < n.num_results && !failed(); ++k) {
      const ValueId v = g.result(n, k);
      if (k >= y.size() || !y[k]) {
        if (uses[std::size_t(v)]) b.fail({ErrorCode::unsupported, g.describe(n) + ": result " + to_string(k) + " is said by no layer"});
        continue;
      }
      const DType has = type(y[k]).dtype, wanted = g.type(v).dtype;
      const bool same = has == wanted || wanted == DType::none || (version_ == 10 && wanted == DType::f16 && has == DType::f32);
      if (!same) b.fail({ErrorCode::internal, g.describe(n) + " was said as " + ir::str(type(y[k])) + ", it is " + ir::str(g.type(v))});
      env[std::size_t(v)] = y[k];
      if (names && g[v].name) name_tensor(y[k], *g[v].name);
    }
  }
  origin = outer;
  Vals out;
  for (ValueId v : g.outputs()) out.push_back(failed() ? Val{} : at(v));
  return out;
}

// ---- Saying ------------------------------------------------------------------------------------------------------------------
std::optional<double> Saying::number(std::size_t i) const {
  const Tensor* t = has(i) ? w.b.data(in[i]) : nullptr;
  if (!t || t->size() != 1 || t->dtype == DType::string || is_complex(t->dtype)) return {};
  return t->at(0);
}

// ---- the file ----------------------------------------------------------------------------------------------------------------
namespace {
constexpr std::string_view kMetadata = "openvino.", kShape = "openvino.shape.";

struct File {
  Net net;
  Pieces pieces;
};
Result<> said(const ir::Model& model, const ExportOptions& options, File& file) {
  if (options.version != 10 && options.version != 11) return Error{ErrorCode::invalid_argument, "IR version " + to_string(options.version) + " is not one of 10 and 11"};
  SAHA_TRY(const ir::Graph g, prepared(model.graph));
  file.net.name = model.name.empty() ? "graph" : model.name;
  file.net.version = options.version;
  for (const auto& [key, value] : model.metadata)
    if (key.starts_with(kOwn)) file.net.rt_info.emplace_back(key, value);
    else if (key.rfind(kMetadata, 0) == 0 && key.rfind(kShape, 0) != 0) file.net.rt_info.emplace_back(key.substr(kMetadata.size()), value);
  Context context;
  context.half_is_float = options.version == 10;
  context.constant = [&](const Layer& l) -> Result<Tensor> {
    const Tensor* t = file.pieces.at(std::uint64_t(integer(*find(l.data, "offset")).value_or(0)));
    return t ? t->reshaped(*integers(*find(l.data, "shape"))) : Tensor::zeros(*dtype_from(*find(l.data, "element_type")), *integers(*find(l.data, "shape")));
  };
  Writer w(file.net, context, file.pieces, options.version);
  Vals in;
  for (ValueId v : g.inputs()) {
    const auto& t = g[v].type;
    if (!t->is_tensor() || t->dtype == DType::none || element_type(t->dtype).empty()) return Error{ErrorCode::unsupported, "input '" + g.name(v) + "' is " + ir::str(*t) + ", a type that IR does not have"};
    auto shape = model.metadata.find(std::string(kShape) + g.name(v));
    in.push_back(w.parameter(t, g.name(v), shape == model.metadata.end() ? nullptr : &shape->second));
  }
  Vals out = w.graph(g, in, true);
  for (std::size_t k = 0; k < out.size() && !w.failed(); ++k) w.result(out[k], g.name(g.outputs()[k]));
  if (w.b.error()) return Error(*w.b.error());
  return {};
}
}  // namespace

Result<Written> export_bytes(const ir::Model& model, const ExportOptions& options) {
  File file;
  SAHA_DO(said(model, options, file));
  Written r;
  r.xml = write_net(file.net);
  for (const Pieces::Piece& p : file.pieces.all()) {
    r.bin.resize(p.offset);
    r.bin.append(reinterpret_cast<const char*>(p.written.data.get()), std::size_t(p.written.bytes()));
  }
  return r;
}
Result<> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options) {
  File file;
  SAHA_DO(said(model, options, file));
  const std::filesystem::path beside = std::filesystem::path(path).replace_extension(".bin");
  if (beside == std::filesystem::path(path)) return Error{ErrorCode::invalid_argument, "'" + path + "' does not end in .xml"};
  SAHA_TRY(auto bin, system::FileWriter::open(beside));
  const std::string gap(kAlignment, '\0');
  for (const Pieces::Piece& p : file.pieces.all()) {
    SAHA_DO(bin.write(std::string_view(gap).substr(0, std::size_t(p.offset - bin.size_bytes()))));
    SAHA_DO(bin.write(std::as_bytes(std::span(p.written.data.get(), std::size_t(p.written.bytes())))));
  }
  SAHA_TRY(auto xml, system::FileWriter::open(path));
  SAHA_DO(xml.write(write_net(file.net)));
  SAHA_DO(bin.commit());
  return xml.commit();
}

}  // namespace saha::openvino
