// tflite Model -> ir::Model: buffers become constants, tensors values, each operator the nodes of its rule (operators.hpp).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>

#include "base/name.hpp"
#include "formats/tflite/operators.hpp"
#include "formats/tflite/tflite.hpp"
#include "system/file.hpp"

namespace saha::tflite {
namespace {
constexpr std::size_t kMetadata = 1 << 16;   // bytes of an entry that is read
using std::to_string;

Error invalid(std::string what) { return {ErrorCode::invalid_model, std::move(what)}; }
/// A name of the file; control characters, which a damaged one has, are no part of it.
std::string text(const flatbuffers::String* s) {
  std::string r = s ? s->str() : std::string();
  for (char& c : r) if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return r;
}

fb::BuiltinOperator code_of(const fb::OperatorCode& c) {
  return fb::BuiltinOperator(std::max(std::int32_t(c.builtin_code()), std::int32_t(c.deprecated_builtin_code())));
}

class Importer {
 public:
  Importer(const fb::Model& m, std::span<const std::byte> file, const Limits& limits) : model_(m), file_(file), limits_(limits) {}
  Result<ir::Model> run();

 private:
  struct Info {
    std::string name;
    DType dtype = DType::none;
    Dims shape;                                ///< -1: free
    std::shared_ptr<const ir::Quant> quant;
    bool constant = false;
    std::optional<std::string> variable;       ///< that this handle names
  };
  Result<Info> info(const fb::SubGraph& g, std::size_t i);
  Result<std::shared_ptr<const ir::Quant>> quant(const fb::Tensor& t, const Info& about);
  Result<Tensor> constant(const fb::SubGraph& g, std::size_t i, const Info& about);
  Result<std::span<const std::byte>> buffer(const fb::Tensor& t, const std::string& name) const;
  Result<Tensor> dense(const fb::SparsityParameters& s, std::span<const std::byte> data, const Info& about) const;
  Result<std::vector<std::string>> strings(std::span<const std::byte> data, const Info& about) const;
  ir::TypeRef type(const Info& about, bool batch) const;
  /// Appends sub-graph i on these operands; `names`: values get the tensors' names.
  Vals body(std::size_t i, op::Builder& b, const Vals& in, bool names);
  Result<Vals> body_of(std::size_t i, op::Builder& b, const Vals& in, bool names);
  Result<> node(const fb::SubGraph& g, const fb::Operator& o, std::size_t row, op::Builder& b, Vals& env, std::vector<Info>& infos);
  /// Tensor i as a value; fails where nothing before it makes it.
  Result<Val> value(const fb::SubGraph& g, std::size_t i, const std::string& who, op::Builder& b, Vals& env, const std::vector<Info>& infos);
  Result<> variable(const fb::SubGraph& g, const fb::Operator& o, fb::BuiltinOperator code, const std::string& who, op::Builder& b, Vals& env, std::vector<Info>& infos);
  void starts_anew() { if (std::find(notes_.begin(), notes_.end(), kAnew) == notes_.end()) notes_.emplace_back(kAnew); }

  static constexpr const char* kAnew = "states start anew in each run, as they do in the first run of a fresh interpreter";
  const fb::Model& model_;
  std::span<const std::byte> file_;
  Limits limits_;
  const op::Builder* top_ = nullptr;      ///< of the graph that is no sub-graph
  std::map<std::string, Val> variables_;  ///< what each holds so far, in that graph
  std::vector<std::string> notes_;
  std::int64_t tensors_ = 0;
  int depth_ = 0;
};

Result<std::shared_ptr<const ir::Quant>> Importer::quant(const fb::Tensor& t, const Info& about) {
  const fb::QuantizationParameters* q = t.quantization();
  if (!q || !q->scale() || q->scale()->size() == 0 || !is_int(about.dtype)) return std::shared_ptr<const ir::Quant>();
  const std::string who = "tensor '" + about.name + "'";
  if (q->details_type() != fb::QuantizationDetails::NONE) return Error{ErrorCode::unsupported, who + " is quantised in blocks or by a custom scheme, which is not taken"};
  ir::Quant r;
  r.scale.assign(q->scale()->begin(), q->scale()->end());
  if (const auto* zero = q->zero_point()) {  // a damaged file has 64-bit numbers at places that are no multiple of 8
    r.zero.resize(zero->size());
    if (zero->size()) std::memcpy(r.zero.data(), zero->Data(), zero->size() * sizeof(std::int64_t));
  }
  if (r.zero.empty()) r.zero.assign(r.scale.size(), 0);
  if (r.zero.size() == 1 && r.scale.size() > 1) r.zero.assign(r.scale.size(), r.zero[0]);
  if (r.zero.size() != r.scale.size()) return invalid(who + " has " + to_string(r.scale.size()) + " scales and " + to_string(r.zero.size()) + " zero points");
  for (float s : r.scale) if (!(s > 0) || !std::isfinite(s)) return invalid(who + " has scale " + to_string(s) + ", a positive number is needed");
  const IntRange range = int_range(about.dtype);
  for (std::int64_t z : r.zero) if (z < range.lo || z > range.hi) return invalid(who + " has zero point " + to_string(z) + " outside " + std::string(saha::name(about.dtype)));
  if (r.scale.size() > 1) {
    r.axis = q->quantized_dimension();
    auto fits = [&](std::int64_t axis) { return axis >= 0 && std::size_t(axis) < about.shape.size() && about.shape[std::size_t(axis)] == std::int64_t(r.scale.size()); };
    if (!fits(r.axis)) {  // files of 2019 name axes that their tensors do not have
      const std::int64_t last = std::int64_t(about.shape.size()) - 1;
      if (!fits(last) && !fits(0)) return invalid(who + " has " + to_string(r.scale.size()) + " scales along axis " + to_string(r.axis) + " of " + str(about.shape));
      const int taken = fits(last) ? int(last) : 0;
      notes_.push_back(who + str(about.shape) + " states axis " + to_string(r.axis) + " for its " + to_string(r.scale.size()) + " scales; they are taken along axis " + to_string(taken));
      r.axis = taken;
    }
  }
  return std::make_shared<const ir::Quant>(std::move(r));
}

Result<Importer::Info> Importer::info(const fb::SubGraph& g, std::size_t i) {
  const fb::Tensor& t = *g.tensors()->Get(flatbuffers::uoffset_t(i));
  Info r;
  r.name = text(t.name());
  constexpr std::size_t kLong = 1000;
  if (r.name.size() > kLong) r.name.erase(0, r.name.rfind(';') + 1);   // a fused operator's tensor lists the names that it was fused from
  SAHA_DO(check_name(r.name, "the name of tensor " + to_string(i)));
  if (r.name.empty()) r.name = "#" + to_string(i);
  r.dtype = dtype_of(t.type());
  if (t.type() == fb::TensorType::RESOURCE) return r;   // a handle: no value
  if (r.dtype == DType::none) return Error{ErrorCode::unsupported, "tensor '" + r.name + "' has type " + fb::EnumNameTensorType(t.type()) + " (" + to_string(int(t.type())) + "), which is not taken"};
  const auto* shape = t.shape_signature() && t.shape_signature()->size() ? t.shape_signature() : t.shape();
  if (shape) r.shape.assign(shape->begin(), shape->end());
  if (r.shape.size() > 64) return invalid("tensor '" + r.name + "' has " + to_string(r.shape.size()) + " dims");
  for (std::int64_t d : r.shape) if (d < -1) return invalid("tensor '" + r.name + "' has shape " + str(r.shape));
  SAHA_TRY(auto bytes, buffer(t, r.name));
  r.constant = !bytes.empty() && !t.is_variable();
  if (r.constant && t.shape()) r.shape.assign(t.shape()->begin(), t.shape()->end());
  SAHA_TRY(r.quant, quant(t, r));
  return r;
}

Result<std::span<const std::byte>> Importer::buffer(const fb::Tensor& t, const std::string& name) const {
  const auto* buffers = model_.buffers();
  if (!buffers || t.buffer() >= buffers->size()) {
    if (t.buffer() == 0) return std::span<const std::byte>();
    return invalid("tensor '" + name + "' names buffer " + to_string(t.buffer()) + " of " + to_string(buffers ? buffers->size() : 0));
  }
  const fb::Buffer* b = buffers->Get(t.buffer());
  if (b->data() && b->data()->size()) return std::as_bytes(std::span(b->data()->data(), b->data()->size()));
  if (b->offset() > 1 && b->size()) {  // behind the tables, in files above 2 GiB
    if (b->offset() > file_.size() || b->size() > file_.size() - b->offset())
      return invalid("tensor '" + name + "' wants " + to_string(b->size()) + " bytes at " + to_string(b->offset()) + " of a file of " + to_string(file_.size()));
    return file_.subspan(b->offset(), b->size());
  }
  return std::span<const std::byte>();
}

/// Sparse rows (compressed along one dimension after the other) to a dense tensor. Source: the schema's SparsityParameters.
Result<Tensor> Importer::dense(const fb::SparsityParameters& s, std::span<const std::byte> data, const Info& about) const {
  const std::string who = "sparse tensor '" + about.name + "'";
  const int width = bits(about.dtype) / 8;
  if (width == 0 || bits(about.dtype) % 8) return Error{ErrorCode::unsupported, who + " has type " + std::string(saha::name(about.dtype))};
  if (!s.traversal_order() || !s.dim_metadata() || s.traversal_order()->size() != s.dim_metadata()->size()) return invalid(who + " has no traversal order");
  const std::size_t levels = s.traversal_order()->size(), rank = about.shape.size(), blocks = s.block_map() ? s.block_map()->size() : 0;
  if (levels != rank + blocks) return invalid(who + " of rank " + to_string(rank) + " has " + to_string(levels) + " levels");
  struct Level { bool compressed; std::int64_t size; std::vector<std::int64_t> segments, indices; };
  std::vector<Level> level;
  auto vector = [](const auto* owner, fb::SparseIndexVector kind, const void* v) {
    std::vector<std::int64_t> r;
    (void)owner;
    if (!v) return r;
    if (kind == fb::SparseIndexVector::Int32Vector) { if (auto* x = static_cast<const fb::Int32Vector*>(v)->values()) r.assign(x->begin(), x->end()); }
    else if (kind == fb::SparseIndexVector::Uint16Vector) { if (auto* x = static_cast<const fb::Uint16Vector*>(v)->values()) r.assign(x->begin(), x->end()); }
    else if (kind == fb::SparseIndexVector::Uint8Vector) { if (auto* x = static_cast<const fb::Uint8Vector*>(v)->values()) r.assign(x->begin(), x->end()); }
    return r;
  };
  for (std::size_t i = 0; i < levels; ++i) {
    const fb::DimensionMetadata* d = s.dim_metadata()->Get(flatbuffers::uoffset_t(i));
    level.push_back({d->format() == fb::DimensionType::SPARSE_CSR, d->dense_size(), vector(d, d->array_segments_type(), d->array_segments()), vector(d, d->array_indices_type(), d->array_indices())});
    const std::int64_t order = s.traversal_order()->Get(flatbuffers::uoffset_t(i));
    if (order < 0 || order >= std::int64_t(levels)) return invalid(who + " has level " + to_string(order) + " of " + to_string(levels));
  }
  // Extents: a dimension that is cut into blocks is block count times block size.
  std::vector<std::int64_t> block_size(rank, 1), at(levels, 0);
  for (std::size_t k = 0; k < blocks; ++k) {
    const std::int64_t d = s.block_map()->Get(flatbuffers::uoffset_t(k));
    if (d < 0 || d >= std::int64_t(rank)) return invalid(who + " cuts dim " + to_string(d) + " of " + to_string(rank));
    for (std::size_t i = 0; i < levels; ++i) if (s.traversal_order()->Get(flatbuffers::uoffset_t(i)) == std::int64_t(rank + k)) block_size[std::size_t(d)] = level[i].size;
  }
  SAHA_TRY(Tensor y, Tensor::make(about.dtype, about.shape));
  std::int64_t next = 0;
  const std::int64_t available = std::int64_t(data.size()) / width;
  std::optional<Error> bad;
  auto walk = [&](auto& self, std::size_t depth, std::int64_t position) -> void {
    if (bad) return;
    if (depth == levels) {
      std::vector<std::int64_t> index(rank, 0);
      for (std::size_t i = 0; i < levels; ++i) {
        const auto d = std::size_t(s.traversal_order()->Get(flatbuffers::uoffset_t(i)));
        if (d < rank) index[d] += at[i] * block_size[d];
        else index[std::size_t(s.block_map()->Get(flatbuffers::uoffset_t(d - rank)))] += at[i];
      }
      std::int64_t flat = 0;
      for (std::size_t d = 0; d < rank; ++d) {
        if (index[d] < 0 || index[d] >= about.shape[d]) { bad = invalid(who + " has an element outside " + str(about.shape)); return; }
        flat = flat * about.shape[d] + index[d];
      }
      if (position >= available) { bad = invalid(who + " has " + to_string(available) + " elements, more are named"); return; }
      std::copy_n(data.data() + position * width, width, y.data.get() + flat * width);
      ++next;
      return;
    }
    const Level& l = level[depth];
    if (!l.compressed) {
      if (l.size < 0 || (l.size > 0 && position > (std::int64_t{1} << 40) / l.size)) { bad = invalid(who + " has a level of size " + to_string(l.size)); return; }
      for (at[depth] = 0; at[depth] < l.size && !bad; ++at[depth]) self(self, depth + 1, position * l.size + at[depth]);
      return;
    }
    if (position < 0 || position + 1 >= std::int64_t(l.segments.size())) { bad = invalid(who + " has " + to_string(l.segments.size()) + " segments, segment " + to_string(position) + " is named"); return; }
    for (std::int64_t i = l.segments[std::size_t(position)]; i < l.segments[std::size_t(position) + 1] && !bad; ++i) {
      if (i < 0 || i >= std::int64_t(l.indices.size())) { bad = invalid(who + " has " + to_string(l.indices.size()) + " indices, index " + to_string(i) + " is named"); return; }
      at[depth] = l.indices[std::size_t(i)];
      self(self, depth + 1, i);
    }
  };
  walk(walk, 0, 0);
  if (bad) return std::move(*bad);
  return y;
}

/// A count, then as many offsets and one for the end, all int32; then the characters.
Result<std::vector<std::string>> Importer::strings(std::span<const std::byte> data, const Info& about) const {
  auto number = [&](std::size_t i) { return std::int64_t(flatbuffers::ReadScalar<std::int32_t>(data.data() + i * 4)); };
  auto bad = [&] { return invalid("tensor '" + about.name + "' of strings is damaged"); };
  if (data.size() < 8) return bad();
  const std::int64_t n = number(0);
  if (n < 0 || std::size_t(n) > data.size() / 4 - 2) return bad();
  std::vector<std::string> r;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t from = number(std::size_t(i) + 1), to = number(std::size_t(i) + 2);
    if (from < 0 || to < from || std::size_t(to) > data.size()) return bad();
    r.emplace_back(reinterpret_cast<const char*>(data.data()) + from, std::size_t(to - from));
  }
  return r;
}

Result<Tensor> Importer::constant(const fb::SubGraph& g, std::size_t i, const Info& about) {
  const fb::Tensor& t = *g.tensors()->Get(flatbuffers::uoffset_t(i));
  SAHA_TRY(auto bytes, buffer(t, about.name));
  auto n = checked_elements(about.shape);
  if (!n) return invalid("tensor '" + about.name + "' has shape " + str(about.shape));
  if (about.dtype == DType::string) {
    SAHA_TRY(auto s, strings(bytes, about));
    if (std::int64_t(s.size()) != *n) return invalid("tensor '" + about.name + "' has " + to_string(s.size()) + " strings, its shape is " + str(about.shape));
    return Tensor::of_strings(about.shape, std::move(s));
  }
  if (t.sparsity()) return dense(*t.sparsity(), bytes, about);
  const std::int64_t needed = storage_bytes(about.dtype, *n);
  if (std::int64_t(bytes.size()) < needed) return invalid("tensor '" + about.name + "' " + std::string(saha::name(about.dtype)) + str(about.shape) + " needs " + to_string(needed) + " bytes, its buffer has " + to_string(bytes.size()));
  SAHA_TRY(Tensor x, Tensor::make(about.dtype, about.shape));
  std::copy_n(bytes.data(), needed, x.data.get());
  return x;
}

ir::TypeRef Importer::type(const Info& about, bool batch) const {
  std::vector<ir::Dim> dims;
  for (std::size_t i = 0; i < about.shape.size(); ++i)
    dims.push_back(about.shape[i] >= 0 ? ir::Dim(about.shape[i]) : ir::Dim::symbol(i == 0 && batch ? "N" : about.name + "." + to_string(i)));
  return ir::tensor_type(about.dtype, std::move(dims), about.quant);
}

Result<Val> Importer::value(const fb::SubGraph& g, std::size_t i, const std::string& who, op::Builder& b, Vals& env, const std::vector<Info>& infos) {
  Val& v = env[i];
  const Info& about = infos[i];
  if (v) return v;
  if (about.dtype == DType::none) return Error{ErrorCode::unsupported, who + " reads tensor '" + about.name + "', a handle, which only READ_VARIABLE and ASSIGN_VARIABLE do here"};
  auto constant_of = [&](Tensor x) {
    std::vector<ir::Dim> dims(x.dims.begin(), x.dims.end());
    v = b.constant(std::make_shared<const Tensor>(std::move(x)), ir::tensor_type(about.dtype, std::move(dims), about.quant), ir::make_name(about.name));
    return v;
  };
  const bool empty = about.dtype != DType::string && std::count(about.shape.begin(), about.shape.end(), 0);   // no bytes, no buffer
  if (about.constant || empty) {
    SAHA_TRY(Tensor x, constant(g, i, about));
    return constant_of(std::move(x));
  }
  if (g.tensors()->Get(flatbuffers::uoffset_t(i))->is_variable()) {  // a state: zero before the first call
    SAHA_TRY(Tensor zero, Tensor::make(about.dtype, about.shape));
    if (about.quant && about.quant->zero[0]) for (std::int64_t k = 0; k < zero.size(); ++k) store(zero, k, 1, &about.quant->zero[0]);
    starts_anew();
    return constant_of(std::move(zero));
  }
  return invalid(who + " reads tensor '" + about.name + "', which nothing before it makes");
}

/// Variables hold what was assigned last: within a run they are values like others. CALL_ONCE gives them their first ones.
Result<> Importer::variable(const fb::SubGraph& g, const fb::Operator& o, fb::BuiltinOperator code, const std::string& who, op::Builder& b, Vals& env, std::vector<Info>& infos) {
  using C = fb::BuiltinOperator;
  auto tensor = [&](const flatbuffers::Vector<std::int32_t>* list, std::size_t k) -> Result<std::size_t> {
    const std::int32_t i = list && k < list->size() ? list->Get(flatbuffers::uoffset_t(k)) : -1;
    if (i < 0 || std::size_t(i) >= infos.size()) return invalid(who + " names tensor " + to_string(i) + " of " + to_string(infos.size()));
    return std::size_t(i);
  };
  if (code == C::CALL_ONCE) {
    const auto* options = o.builtin_options_as_CallOnceOptions();
    SAHA_TRY(auto nothing, body_of(std::size_t(options ? options->init_subgraph_index() : 0), b, {}, false));
    return {};
  }
  if (code == C::VAR_HANDLE) {
    const auto* options = o.builtin_options_as_VarHandleOptions();
    SAHA_TRY(const std::size_t handle, tensor(o.outputs(), 0));
    infos[handle].variable = options ? text(options->container()) + "/" + text(options->shared_name()) : std::string();
    SAHA_DO(check_name(*infos[handle].variable, who + ": the variable"));
    return {};
  }
  if (&b != top_) return Error{ErrorCode::unsupported, who + " stands in a branch or a loop, where variables are not taken"};
  SAHA_TRY(const std::size_t handle, tensor(o.inputs(), 0));
  if (!infos[handle].variable) return Error{ErrorCode::unsupported, who + " reads the handle '" + infos[handle].name + "', which no VAR_HANDLE beside it makes"};
  Val& held = variables_[*infos[handle].variable];
  if (code == C::ASSIGN_VARIABLE) {
    SAHA_TRY(const std::size_t from, tensor(o.inputs(), 1));
    SAHA_TRY(held, value(g, from, who, b, env, infos));
    return {};
  }
  if (!held) return Error{ErrorCode::unsupported, who + " reads variable '" + *infos[handle].variable + "', which holds nothing yet"};
  SAHA_TRY(const std::size_t result, tensor(o.outputs(), 0));
  env[result] = held;
  starts_anew();
  return {};
}

Result<> Importer::node(const fb::SubGraph& g, const fb::Operator& o, std::size_t row, op::Builder& b, Vals& env, std::vector<Info>& infos) {
  const auto* codes = model_.operator_codes();
  if (!codes || o.opcode_index() >= codes->size()) return invalid("operator " + to_string(row) + " has code " + to_string(o.opcode_index()) + " of " + to_string(codes ? codes->size() : 0));
  const fb::OperatorCode& code = *codes->Get(o.opcode_index());
  const fb::BuiltinOperator builtin = code_of(code);
  const std::string custom = text(code.custom_code());
  SAHA_DO(check_name(custom, "the custom operator " + to_string(row)));
  std::string first = "#" + to_string(row);
  const auto count = std::int64_t(g.tensors() ? g.tensors()->size() : 0);
  std::vector<std::size_t> results;
  if (o.outputs())
    for (std::int32_t i : *o.outputs()) {
      if (i < 0 || i >= count) return invalid("operator " + to_string(row) + " gives tensor " + to_string(i) + " of " + to_string(count));
      results.push_back(std::size_t(i));
    }
  if (!results.empty()) first = infos[results[0]].name;
  const bool is_custom = builtin == fb::BuiltinOperator::CUSTOM;
  const std::string kind = is_custom ? "custom operator '" + custom + "'" : std::string(fb::EnumNameBuiltinOperator(builtin));
  const std::string who = (kind.empty() ? "operator " + to_string(int(builtin)) : kind) + " of '" + first + "'";
  if (is_custom && custom == "edgetpu-custom-op")
    return Error{ErrorCode::unsupported, "the model is compiled for an Edge TPU (edgetpu-custom-op): its layers are that chip's code and run nowhere else", "take the .tflite file that it was compiled from"};
  using C = fb::BuiltinOperator;
  if (builtin == C::CALL_ONCE || builtin == C::VAR_HANDLE || builtin == C::READ_VARIABLE || builtin == C::ASSIGN_VARIABLE) return variable(g, o, builtin, who, b, env, infos);
  const Rule* rule = is_custom ? find_custom(custom) : find_rule(builtin);
  if (!rule) return Error{ErrorCode::unsupported, who + " is not an operator saha knows" + (is_custom ? ", it belongs to the program that made the file" : ""), "cut the model before it: the tensors that it reads can be outputs"};
  Site site{b, o, {}, {}, {}, who, notes_, [&](std::size_t i, op::Builder& into, const Vals& in) { return body(i, into, in, false); }, "fixed_double", {}};
  if (o.intermediates())
    for (std::int32_t i : *o.intermediates()) {
      if (i < -1 || i >= count) return invalid(who + " keeps tensor " + to_string(i) + " of " + to_string(count) + " between its steps");
      site.between.push_back(i < 0 ? op::Stored{} : op::Stored{infos[std::size_t(i)].dtype, infos[std::size_t(i)].quant});
    }
  if (o.inputs())
    for (std::int32_t i : *o.inputs()) {
      if (i == -1) { site.in.push_back({}); continue; }
      if (i < 0 || i >= count) return invalid(who + " reads tensor " + to_string(i) + " of " + to_string(count));
      SAHA_TRY(Val v, value(g, std::size_t(i), who, b, env, infos));
      site.in.push_back(v);
    }
  const std::size_t needed = rule->needs == kAll ? std::max<std::size_t>(site.in.size(), 1) : std::size_t(rule->needs);
  for (std::size_t i = 0; i < needed; ++i) if (!site.has(i)) return invalid(who + " has no operand " + to_string(i));
  for (std::size_t i : results) {
    site.out.push_back({infos[i].dtype, infos[i].quant});
    site.out_shape.push_back(infos[i].shape);
  }
  if (site.out.empty()) return invalid(who + " has no result");
  b.origin = ir::make_name(first.substr(first.rfind(';') + 1));  // a fused operator's tensor lists the names that it was fused from
  Vals y = rule->build(site);
  b.origin = {};
  if (b.error()) return Error(*b.error());
  for (std::size_t k = 0; k < results.size() && k < y.size(); ++k) if (y[k]) env[results[k]] = y[k];
  return {};
}

Vals Importer::body(std::size_t i, op::Builder& b, const Vals& in, bool names) {
  auto r = body_of(i, b, in, names);
  if (r) return std::move(*r);
  b.fail(std::move(r.error()));
  return {};
}
Result<Vals> Importer::body_of(std::size_t i, op::Builder& b, const Vals& in, bool names) {
  const auto* graphs = model_.subgraphs();
  if (!graphs || i >= graphs->size()) return invalid("sub-graph " + to_string(i) + " of " + to_string(graphs ? graphs->size() : 0) + " is called");
  if (depth_ >= limits_.depth) return invalid("sub-graphs call each other deeper than " + to_string(limits_.depth));
  ++depth_;
  const fb::SubGraph& g = *graphs->Get(flatbuffers::uoffset_t(i));
  const std::size_t count = g.tensors() ? g.tensors()->size() : 0;
  if ((tensors_ += std::int64_t(count)) > limits_.tensors) return invalid("the model has more than " + to_string(limits_.tensors) + " tensors");
  std::vector<Info> infos;
  for (std::size_t k = 0; k < count; ++k) { SAHA_TRY(infos.emplace_back(), info(g, k)); }
  Vals env(count);
  const std::size_t inputs = g.inputs() ? g.inputs()->size() : 0;
  if (in.size() != inputs) return invalid("sub-graph " + to_string(i) + " takes " + to_string(inputs) + " values, " + to_string(in.size()) + " are given");
  for (std::size_t k = 0; k < inputs; ++k) {
    const std::int32_t t = g.inputs()->Get(flatbuffers::uoffset_t(k));
    if (t < 0 || std::size_t(t) >= count) return invalid("input " + to_string(k) + " is tensor " + to_string(t) + " of " + to_string(count));
    env[std::size_t(t)] = in[k];
  }
  if (g.operators())
    for (std::size_t k = 0; k < g.operators()->size(); ++k) SAHA_DO(node(g, *g.operators()->Get(flatbuffers::uoffset_t(k)), k, b, env, infos));
  Vals out;
  if (g.outputs())
    for (std::int32_t t : *g.outputs()) {
      if (t < 0 || std::size_t(t) >= count) return invalid("output " + to_string(out.size()) + " is tensor " + to_string(t) + " of " + to_string(count));
      Val y = env[std::size_t(t)];
      const Info& about = infos[std::size_t(t)];
      if (!y && about.constant) {
        SAHA_TRY(Tensor x, constant(g, std::size_t(t), about));
        y = b.constant(std::move(x));
      }
      if (!y) return invalid("output '" + about.name + "' is made nowhere");
      if (names) {
        const bool taken = std::any_of(out.begin(), out.end(), [&](Val x) { return x.id == y.id; });
        if (taken || !b.producer(y) || b.graph()[y.id].name) y = b.op("Identity", {y});
        b.rename(y, about.name);
      }
      out.push_back(y);
    }
  --depth_;
  return out;
}

Result<ir::Model> Importer::run() {
  if (model_.version() != 3) return Error{ErrorCode::unsupported, "the file has schema version " + to_string(model_.version()) + ", version 3 is read"};
  if (!model_.subgraphs() || model_.subgraphs()->size() == 0) return invalid("the model has no sub-graph");
  const fb::SubGraph& g = *model_.subgraphs()->Get(0);
  ir::Model m;
  m.name = text(g.name());
  SAHA_DO(check_name(m.name, "the graph"));
  m.doc = model_.description() ? model_.description()->str() : std::string();
  m.format = "TFLite";
  m.opsets[""] = 21;  // the first with all that is said here; other engines know it
  if (model_.metadata())
    for (const fb::Metadata* e : *model_.metadata()) {
      if (!model_.buffers() || e->buffer() >= model_.buffers()->size()) continue;
      const auto* data = model_.buffers()->Get(e->buffer())->data();
      if (!data || data->size() > kMetadata || m.metadata.size() >= 1000) continue;
      std::string value(data->begin(), data->end());
      while (!value.empty() && value.back() == '\0') value.pop_back();
      if (fault_of_name(text(e->name())).empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= 32 && c < 127; })) m.metadata[text(e->name())] = value;
    }
  op::Builder b;
  Vals in;
  if (g.inputs())
    for (std::int32_t t : *g.inputs()) {
      if (t < 0 || !g.tensors() || std::size_t(t) >= g.tensors()->size()) return invalid("input " + to_string(in.size()) + " is tensor " + to_string(t));
      SAHA_TRY(Info about, info(g, std::size_t(t)));
      if (about.dtype == DType::none) return Error{ErrorCode::unsupported, "input '" + about.name + "' is the handle of a variable, which is not taken"};
      in.push_back(b.input(type(about, true), about.name));
    }
  top_ = &b;
  SAHA_TRY(Vals out, body_of(0, b, in, true));
  if (out.empty()) return invalid("the model has no outputs");
  SAHA_TRY(m.graph, std::move(b).build(out));
  m.notes = std::move(notes_);
  return m;
}
}  // namespace

bool is_tflite(std::span<const std::byte> bytes) { return bytes.size() >= 8 && fb::ModelBufferHasIdentifier(bytes.data()); }

Result<ir::Model> import_bytes(std::span<const std::byte> bytes, const Limits& limits) {
  if (std::int64_t(bytes.size()) > limits.file_bytes) return invalid("the file has " + to_string(bytes.size()) + " bytes, at most " + to_string(limits.file_bytes) + " are read");
  // Numbers in the file are aligned to its beginning, so that has to be aligned itself.
  std::vector<std::max_align_t> aligned;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::max_align_t)) {
    aligned.resize(bytes.size() / sizeof(std::max_align_t) + 1);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(aligned.data()));
    bytes = {reinterpret_cast<const std::byte*>(aligned.data()), bytes.size()};
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), 64, 100'000'000);
  if (!is_tflite(bytes) || !fb::VerifyModelBuffer(verifier)) return invalid("the file is not a TensorFlow Lite model, or it is damaged");
  try {
    return Importer(*fb::GetModel(bytes.data()), bytes, limits).run();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to import the model"};
  }
}
Result<ir::Model> import_file(const std::string& path, const Limits& limits) {
  SAHA_TRY(auto file, system::map_file(path));
  auto m = import_bytes({file.data.get(), std::size_t(file.size)}, limits);
  if (!m) return std::move(m.error()).within(path);
  return m;
}

}  // namespace saha::tflite
