#include "formats/onnx/tensor_proto.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "system/file.hpp"
#include "tensor/float_format.hpp"
#include "tensor/limit.hpp"

namespace saha::onnx {
namespace {
Error bad(const ::onnx::TensorProto& p, std::string what) {
  return {ErrorCode::invalid_model, "tensor '" + p.name() + "' " + std::move(what)};
}

Result<Tensor> external(const ::onnx::TensorProto& p, DType t, Dims dims, std::int64_t bytes, ExternalFiles& files) {
  std::string location;
  std::int64_t offset = 0, length = -1;
  for (const auto& e : p.external_data()) {
    const std::string& v = e.value();
    if (e.key() == "location") location = v;
    else if (e.key() == "offset" || e.key() == "length") {
      std::int64_t& n = e.key() == "offset" ? offset : length;
      auto [end, err] = std::from_chars(v.data(), v.data() + v.size(), n);
      if (err != std::errc{} || end != v.data() + v.size() || n < 0) return bad(p, "has external data with " + e.key() + " '" + v + "'");
    }
  }
  if (files.folder.empty()) return bad(p, "has external data in '" + location + "', but the model was not read from a folder");
  if (length < 0) length = bytes;
  if (length != bytes) return bad(p, "has " + std::to_string(length) + " bytes of external data, its shape takes " + std::to_string(bytes));
  if (bytes == 0) return Tensor::make(t, std::move(dims));
  auto wants = [&](Error e) {
    e = std::move(e).within("tensor '" + p.name() + "' wants " + std::to_string(bytes) + " bytes at " + std::to_string(offset) + " of '" + location + "'");
    e.help = "keep " + location + " beside the model; the exporter writes both";
    return e;
  };
  auto it = files.mapped.find(location);
  if (it == files.mapped.end()) {
    auto path = system::resolve_inside(files.folder, location);
    if (!path) return wants(std::move(path.error()));
    auto mapped = system::map_file(*path);
    if (!mapped) return wants(std::move(mapped.error()));
    it = files.mapped.emplace(location, std::move(*mapped)).first;
  }
  const system::MappedFile& file = it->second;
  if (offset > std::int64_t(file.size) || bytes > std::int64_t(file.size) - offset)
    return wants({ErrorCode::invalid_data, "the file has " + std::to_string(file.size) + " bytes"});
  // Elements may lie at any offset; those that are not aligned for their type are copied.
  std::byte* at = file.data.get() + offset;
  if (reinterpret_cast<std::uintptr_t>(at) % std::size_t(std::max(1, std::min(8, bits(t) / 8)))) {
    SAHA_TRY(Tensor copy, Tensor::make(t, std::move(dims)));
    std::memcpy(copy.data.get(), at, std::size_t(bytes));
    return copy;
  }
  return Tensor{t, std::move(dims), std::shared_ptr<std::byte[]>(file.data, at), {}};
}

/// Elements that stand in one of the typed repeated fields.
template <class T, class Field> void copy_field(const Tensor& t, const Field& f) {
  for (int i = 0; i < f.size(); ++i) t.as<T>()[i] = static_cast<T>(f[i]);
}
}  // namespace

Result<Tensor> tensor_from(const ::onnx::TensorProto& p, ExternalFiles& files) {
  if (p.data_type() <= 0 || p.data_type() >= kNumDTypes) return bad(p, "has data type " + std::to_string(p.data_type()) + ", which is not known");
  if (p.has_segment()) return bad(p, "is stored in segments, which are not supported");
  DType t = static_cast<DType>(p.data_type());
  Dims dims(p.dims().begin(), p.dims().end());
  if (dims.size() > 255) return bad(p, "has " + std::to_string(dims.size()) + " dimensions, at most 255 are taken");
  auto n = checked_elements(dims);
  if (!n || *n > kMaxTensorElements) return bad(p, "has shape " + str(dims) + ", which no tensor can have");
  std::int64_t bytes = storage_bytes(t, *n);
  if (p.data_location() == ::onnx::TensorProto::EXTERNAL) {
    if (t == DType::string) return bad(p, "holds strings as external data, which the format does not allow");
    return external(p, t, std::move(dims), bytes, files);
  }
  if (p.has_raw_data()) {
    if (t == DType::string) return bad(p, "holds strings as raw data, which the format does not allow");
    if (std::int64_t(p.raw_data().size()) != bytes) return bad(p, "holds " + std::to_string(p.raw_data().size()) + " bytes, its shape " + str(dims) + " takes " + std::to_string(bytes));
    SAHA_TRY(Tensor r, Tensor::make(t, std::move(dims)));
    std::memcpy(r.data.get(), p.raw_data().data(), p.raw_data().size());
    return r;
  }
  // Count what is there before memory is taken for what the shape promises.
  std::int64_t have = 0, want = *n;
  switch (t) {
    case DType::f32: have = p.float_data_size(); break;
    case DType::c64: have = p.float_data_size(); want *= 2; break;
    case DType::f64: have = p.double_data_size(); break;
    case DType::c128: have = p.double_data_size(); want *= 2; break;
    case DType::i64: have = p.int64_data_size(); break;
    case DType::u64: case DType::u32: have = p.uint64_data_size(); break;
    case DType::string: have = p.string_data_size(); break;
    default: have = p.int32_data_size(); if (is_packed(t) && bits(t) != 6) want = bytes; break;
  }
  if (have != want) return bad(p, "holds " + std::to_string(have) + " elements, its shape " + str(dims) + " takes " + std::to_string(want));
  SAHA_TRY(Tensor r, Tensor::make(t, std::move(dims)));
  switch (t) {
    case DType::f32: case DType::c64: copy_field<float>(r, p.float_data()); break;
    case DType::f64: case DType::c128: copy_field<double>(r, p.double_data()); break;
    case DType::i64: copy_field<std::int64_t>(r, p.int64_data()); break;
    case DType::u64: copy_field<std::uint64_t>(r, p.uint64_data()); break;
    case DType::u32: copy_field<std::uint32_t>(r, p.uint64_data()); break;
    case DType::string: r.text->assign(p.string_data().begin(), p.string_data().end()); break;
    case DType::i32: copy_field<std::int32_t>(r, p.int32_data()); break;
    case DType::i16: case DType::u16: case DType::f16: case DType::bf16: copy_field<std::uint16_t>(r, p.int32_data()); break;
    case DType::f6e2m3: case DType::f6e3m2:  // one element each
      for (int i = 0; i < p.int32_data_size(); ++i) {
        if (p.int32_data(i) < 0 || p.int32_data(i) > 63) return bad(p, "holds " + std::to_string(p.int32_data(i)) + " at element " + std::to_string(i) + ", which is no code of 6 bits");
        const double v = decode(t, std::uint32_t(p.int32_data(i)));
        store(r, i, 1, &v);
      }
      break;
    default: copy_field<std::uint8_t>(r, p.int32_data()); break;
  }
  return r;
}

namespace {
/// Small numbers take less room as a list of varints than as they lie in memory: whether they do.
template <class T>
bool shorter_as_list(const Tensor& t) {
  std::int64_t bytes = 0;
  for (std::int64_t i = 0; i < t.size(); ++i) {
    const std::int64_t v = t.as<T>()[i];
    bytes += v < 0 ? 10 : (std::int64_t(std::bit_width(std::uint64_t(v | 1))) + 6) / 7;
  }
  return bytes < t.bytes();
}
constexpr std::int64_t kMostListed = 1 << 16;   // bytes; what is larger is read as it lies
}  // namespace

::onnx::TensorProto proto_from(const Tensor& t) {
  ::onnx::TensorProto p;
  p.set_data_type(int(t.dtype));
  for (std::int64_t d : t.dims) p.add_dims(d);
  if (t.dtype == DType::i64 && t.bytes() <= kMostListed && shorter_as_list<std::int64_t>(t)) {
    p.mutable_int64_data()->Assign(t.as<std::int64_t>(), t.as<std::int64_t>() + t.size());
    return p;
  }
  if (t.dtype == DType::i32 && t.bytes() <= kMostListed && shorter_as_list<std::int32_t>(t)) {
    p.mutable_int32_data()->Assign(t.as<std::int32_t>(), t.as<std::int32_t>() + t.size());
    return p;
  }
  if (t.dtype == DType::string) for (const std::string& s : *t.text) p.add_string_data(s);
  else p.set_raw_data(t.data.get(), std::size_t(t.bytes()));
  return p;
}

Result<ir::TypeRef> type_from(const ::onnx::TypeProto& p, const std::string& owner) {
  switch (p.value_case()) {
    case ::onnx::TypeProto::kTensorType: {
      const auto& t = p.tensor_type();
      if (t.elem_type() < 0 || t.elem_type() >= kNumDTypes) return Error{ErrorCode::invalid_model, "value '" + owner + "' has data type " + std::to_string(t.elem_type()) + ", which is not known"};
      DType d = static_cast<DType>(t.elem_type());
      if (!t.has_shape()) return ir::unranked_type(d);
      std::vector<ir::Dim> dims;
      for (const auto& x : t.shape().dim()) {
        std::int64_t axis = std::int64_t(dims.size());
        if (x.has_dim_value() && x.dim_value() >= 0) dims.emplace_back(x.dim_value());
        else if (x.has_dim_value() && x.dim_value() < -1) return Error{ErrorCode::invalid_model, "value '" + owner + "' has dimension " + std::to_string(x.dim_value()) + " at axis " + std::to_string(axis)};
        else if (x.has_dim_param() && !x.dim_param().empty() && x.dim_param() != "?" && x.dim_param().size() < 200) dims.push_back(ir::Dim::symbol(x.dim_param()));
        else dims.push_back(ir::Dim::symbol(owner + "." + std::to_string(axis)));
      }
      return ir::tensor_type(d, std::move(dims));
    }
    case ::onnx::TypeProto::kSequenceType: {
      SAHA_TRY(auto e, type_from(p.sequence_type().elem_type(), owner));
      return ir::sequence_type(std::move(e));
    }
    case ::onnx::TypeProto::kOptionalType: {
      SAHA_TRY(auto e, type_from(p.optional_type().elem_type(), owner));
      return ir::optional_type(std::move(e));
    }
    case ::onnx::TypeProto::kMapType: {
      SAHA_TRY(auto e, type_from(p.map_type().value_type(), owner));
      if (p.map_type().key_type() <= 0 || p.map_type().key_type() >= kNumDTypes) return Error{ErrorCode::invalid_model, "value '" + owner + "' is a map with an unknown type of keys"};
      return ir::map_type(static_cast<DType>(p.map_type().key_type()), std::move(e));
    }
    case ::onnx::TypeProto::VALUE_NOT_SET: return ir::unranked_type(DType::none);
    default: return Error{ErrorCode::unsupported, "value '" + owner + "' has a type that is not supported (sparse or opaque)"};
  }
}

::onnx::TypeProto proto_from(const ir::Type& t) {
  ::onnx::TypeProto p;
  switch (t.kind) {
    case ir::Type::Kind::sequence: *p.mutable_sequence_type()->mutable_elem_type() = t.element ? proto_from(*t.element) : ::onnx::TypeProto(); break;
    case ir::Type::Kind::optional: *p.mutable_optional_type()->mutable_elem_type() = t.element ? proto_from(*t.element) : ::onnx::TypeProto(); break;
    case ir::Type::Kind::map:
      p.mutable_map_type()->set_key_type(int(t.dtype));
      *p.mutable_map_type()->mutable_value_type() = t.element ? proto_from(*t.element) : ::onnx::TypeProto();
      break;
    case ir::Type::Kind::tensor: {
      auto* x = p.mutable_tensor_type();
      x->set_elem_type(int(t.dtype));
      if (!t.ranked) break;
      auto* shape = x->mutable_shape();
      for (const ir::Dim& d : t.dims) {
        auto* e = shape->add_dim();
        if (d.known()) e->set_dim_value(*d.known());
        else if (auto s = d.symbol_name()) e->set_dim_param(*s);
        else e->set_dim_param(d.str());
      }
    }
  }
  return p;
}

}  // namespace saha::onnx
