// ir::Model -> tflite Model: the graph in canonical form, said in the file's operators, laid out, written. Source: schema.fbs.
#include "formats/tflite/export.hpp"

#include <algorithm>

#include "formats/tflite/write.hpp"
#include "passes/gather_quantised.hpp"
#include "passes/simplify.hpp"
#include "system/file.hpp"

namespace saha::tflite {
namespace {
constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - (std::int64_t{1} << 20);  // offsets in the file have 32 bits, one of them the sign

std::int64_t constant_bytes(const ir::Graph& g) {
  std::int64_t n = 0;
  for (const ir::Value& v : g.values()) if (v.constant) n += v.constant->bytes();
  for (const ir::Node& node : g.nodes())
    for (const ir::NamedAttr& a : *node.attrs) if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) n += constant_bytes(**sub);
  return n;
}
bool is_picture(const ir::Type& t) { return t.is_tensor() && t.ranked && (t.dims.size() == 4 || t.dims.size() == 5); }

/// The same graph with pictures at its ends channels last; which ends those are goes into the notes.
Result<ir::Graph> with_channels_last(const ir::Graph& g, std::vector<std::string>& notes) {
  op::Builder b;
  Vals in;
  for (ir::ValueId v : g.inputs()) {
    const ir::Type& t = g.type(v);
    if (!is_picture(t)) { in.push_back(b.input(g[v].type, g[v].name)); continue; }
    const Ints order = channels_last_order(t.dims.size());
    std::vector<ir::Dim> dims;
    for (std::int64_t a : order) dims.push_back(t.dims[std::size_t(a)]);
    Val x = b.input(ir::tensor_type(t.dtype, dims, t.quant), g[v].name);
    notes.push_back("input '" + g.name(v) + "' is channels last: " + ir::str(b.type(x)));
    in.push_back(b.op("Transpose", {x}, {{"perm", inverse(order)}}));
  }
  Vals out = b.inline_graph(g, in);
  for (std::size_t k = 0; k < out.size() && !b.failed(); ++k) {
    const ir::ValueId v = g.outputs()[k];
    if (is_picture(g.type(v))) {
      out[k] = b.op("Transpose", {out[k]}, {{"perm", channels_last_order(g.type(v).dims.size())}});
      notes.push_back("output '" + g.name(v) + "' is channels last: " + (b.failed() ? std::string() : ir::str(b.type(out[k]))));
    } else if (!b.producer(out[k]) || std::count_if(out.begin(), out.begin() + std::ptrdiff_t(k), [&](Val o) { return o.id == out[k].id; })) out[k] = b.op("Identity", {out[k]});
    b.rename(out[k], g[v].name);
  }
  return std::move(b).build(out);
}

/// What follows from constants is one, once the graph is said in the file's operators; nothing here joins what was taken apart for them.
Result<ir::Graph> settled(const ir::Graph& g) {
  static const std::vector<std::string> kOnly = {"remove_dead", "close_over_constants", "fold_constants", "resolve_shapes", "remove_identities", "merge_common", "remove_dead_again"};
  SAHA_TRY(auto s, passes::simplify(g, {.opset = 20}, {}, kOnly));
  return std::move(s.graph);
}
}  // namespace

Result<Exported> export_bytes(const ir::Model& model, const ExportOptions& options) {
  Exported r;
  ir::Graph g = model.graph;
  if (const std::int64_t n = constant_bytes(g); n > kLargest)
    return Error{ErrorCode::unsupported, "the model has " + std::to_string(n) + " bytes of weights, a TensorFlow Lite file holds " + std::to_string(kLargest), "write ONNX, or quantise the weights first"};
  if (options.channels_last) { SAHA_TRY(g, with_channels_last(g, r.notes)); }
  SAHA_TRY(g, passes::gather_quantised(g));
  SAHA_TRY(auto simple, passes::simplify(g, {.opset = 20}));  // 20: Gelu and HardSwish have kernels; Attention and Swish have none
  SAHA_TRY(g, said(simple.graph, model.format != "TFLite"));
  SAHA_TRY(g, signed_bytes(g));
  SAHA_TRY(g, settled(g));
  if (const std::int64_t n = constant_bytes(g); n > kLargest)
    return Error{ErrorCode::unsupported, "written for TensorFlow Lite the model has " + std::to_string(n) + " bytes of weights, a file holds " + std::to_string(kLargest), "write ONNX instead"};
  File file;
  file.notes = std::move(r.notes);
  file.sub_graph(g, model.name.empty() ? "main" : model.name);
  if (file.error()) return Error(*file.error());

  fb::ModelT& m = file.model;
  m.description = model.doc;
  auto signature = std::make_unique<fb::SignatureDefT>();
  signature->signature_key = "serving_default";
  const fb::SubGraphT& top = *m.subgraphs[0];
  auto ends = [&](const std::vector<std::int32_t>& tensors, auto& list) {
    for (std::int32_t t : tensors) {
      auto e = std::make_unique<fb::TensorMapT>();
      e->name = top.tensors[std::size_t(t)]->name;
      e->tensor_index = std::uint32_t(t);
      list.push_back(std::move(e));
    }
  };
  ends(top.inputs, signature->inputs);
  ends(top.outputs, signature->outputs);
  m.signature_defs.push_back(std::move(signature));
  auto metadata = [&](const std::string& name, std::vector<std::uint8_t> bytes) {
    auto e = std::make_unique<fb::MetadataT>();
    e->name = name;
    e->buffer = file.buffer(std::move(bytes));
    m.metadata.push_back(std::move(e));
  };
  std::vector<std::uint8_t> oldest(16, 0);  // the runtime reads 16 bytes
  std::copy_n(file.runtime.begin(), std::min<std::size_t>(file.runtime.size(), 15), oldest.begin());
  metadata("min_runtime_version", std::move(oldest));
  for (const auto& [name, value] : model.metadata) if (name != "min_runtime_version") metadata(name, {value.begin(), value.end()});

  flatbuffers::FlatBufferBuilder builder(1 << 20);
  builder.Finish(fb::Model::Pack(builder, &m), fb::ModelIdentifier());
  r.bytes.assign(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  r.notes = std::move(file.notes);
  return r;
}
Result<std::vector<std::string>> export_file(const ir::Model& model, const std::string& path, const ExportOptions& options) {
  SAHA_TRY(Exported e, export_bytes(model, options));
  SAHA_DO(system::write_file(path, e.bytes));
  return std::move(e.notes);
}

}  // namespace saha::tflite
