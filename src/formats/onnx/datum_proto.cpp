// ONNX's test-data form: what input_N.pb and output_N.pb hold, chosen by the value's type. Source: onnx-data.proto.
#include "formats/onnx/onnx.hpp"
#include "formats/onnx/tensor_proto.hpp"
#include "onnx/onnx-data.pb.h"

namespace saha::onnx {
namespace {
Error damaged(const char* what) { return {ErrorCode::invalid_data, std::string("the data is not ") + what + " of ONNX, or it is damaged"}; }

Result<Datum> from(const ::onnx::SequenceProto& p, int depth);
Result<Datum> from(const ::onnx::MapProto& p) {
  ExternalFiles none{""};
  Tensor keys;
  if (p.string_keys_size()) keys = Tensor::of_strings({p.string_keys_size()}, {p.string_keys().begin(), p.string_keys().end()});
  else {
    ir::Ints k(p.keys().begin(), p.keys().end());
    keys = Tensor::of_ints(k);
  }
  if (p.values().elem_type() != ::onnx::SequenceProto::TENSOR) return damaged("a map of tensors");
  std::int64_t n = p.values().tensor_values_size();
  if (n != keys.size()) return damaged("a map");
  Tensor values = Tensor::zeros(DType::f32, {n});
  for (std::int64_t i = 0; i < n; ++i) {
    SAHA_TRY(Tensor t, tensor_from(p.values().tensor_values(int(i)), none));
    if (t.size() != 1) return damaged("a map of numbers");
    double v = t.at(0);
    store(values, i, 1, &v);
  }
  return Datum::map(std::move(keys), std::move(values));
}
Result<Datum> from(const ::onnx::OptionalProto& p, int depth) {
  ExternalFiles none{""};
  switch (p.elem_type()) {
    case ::onnx::OptionalProto::TENSOR: {
      SAHA_TRY(Tensor t, tensor_from(p.tensor_value(), none));
      return Datum(std::move(t));
    }
    case ::onnx::OptionalProto::SEQUENCE: return from(p.sequence_value(), depth + 1);
    case ::onnx::OptionalProto::MAP: return from(p.map_value());
    case ::onnx::OptionalProto::UNDEFINED: return Datum();
    default: return damaged("an optional");
  }
}
Result<Datum> from(const ::onnx::SequenceProto& p, int depth) {
  if (depth > 32) return damaged("a sequence");
  ExternalFiles none{""};
  std::vector<Datum> items;
  for (const auto& t : p.tensor_values()) { SAHA_TRY(Tensor x, tensor_from(t, none)); items.emplace_back(std::move(x)); }
  for (const auto& s : p.sequence_values()) { SAHA_TRY(Datum x, from(s, depth + 1)); items.push_back(std::move(x)); }
  for (const auto& m : p.map_values()) { SAHA_TRY(Datum x, from(m)); items.push_back(std::move(x)); }
  for (const auto& o : p.optional_values()) { SAHA_TRY(Datum x, from(o, depth + 1)); items.push_back(std::move(x)); }
  return Datum::sequence(std::move(items));
}
::onnx::MapProto map_proto(const Datum& d) {
  ::onnx::MapProto p;
  const Tensor &keys = d.list()[0].tensor, &mapped = d.list()[1].tensor;
  p.set_key_type(int(keys.dtype));
  if (keys.dtype == DType::string) for (const auto& k : *keys.text) p.add_string_keys(k);
  else for (std::int64_t i = 0; i < keys.size(); ++i) p.add_keys(keys.int_at(i));
  p.mutable_values()->set_elem_type(::onnx::SequenceProto::TENSOR);
  for (std::int64_t i = 0; i < mapped.size(); ++i) {
    Tensor one = Tensor::zeros(mapped.dtype, {});
    copy_elements(mapped, i, 1, one, 0, 1);
    *p.mutable_values()->add_tensor_values() = proto_from(one);
  }
  return p;
}
::onnx::SequenceProto sequence_proto(const Datum& d) {
  ::onnx::SequenceProto p;
  p.set_elem_type(::onnx::SequenceProto::TENSOR);
  for (const Datum& x : d.list()) {
    if (x.is_tensor()) *p.add_tensor_values() = proto_from(x.tensor);
    else if (x.kind == Datum::Kind::sequence) { p.set_elem_type(::onnx::SequenceProto::SEQUENCE); *p.add_sequence_values() = sequence_proto(x); }
    else if (x.kind == Datum::Kind::map) { p.set_elem_type(::onnx::SequenceProto::MAP); *p.add_map_values() = map_proto(x); }
  }
  return p;
}
}  // namespace

Result<Datum> read_datum(std::span<const std::byte> bytes, const ir::Type& type) {
  if (bytes.size() > std::size_t(INT32_MAX)) return damaged("a tensor");
  auto parse = [&](auto& p) { return p.ParseFromArray(bytes.data(), int(bytes.size())); };
  if (type.kind == ir::Type::Kind::sequence) {
    ::onnx::SequenceProto p;
    return parse(p) ? from(p, 0) : damaged("a sequence");
  }
  if (type.kind == ir::Type::Kind::optional) {
    ::onnx::OptionalProto p;
    return parse(p) ? from(p, 0) : damaged("an optional");
  }
  if (type.kind == ir::Type::Kind::map) {
    ::onnx::MapProto p;
    return parse(p) ? from(p) : damaged("a map");
  }
  ::onnx::TensorProto p;
  if (!parse(p)) return damaged("a tensor");
  ExternalFiles none{""};
  SAHA_TRY(Tensor t, tensor_from(p, none));
  return Datum(std::move(t));
}

Result<std::string> write_datum(const Datum& d, const ir::Type& type) {
  std::string out;
  bool ok = false;
  if (type.kind == ir::Type::Kind::optional) {
    ::onnx::OptionalProto p;
    p.set_elem_type(::onnx::OptionalProto::UNDEFINED);
    if (d.is_tensor()) { p.set_elem_type(::onnx::OptionalProto::TENSOR); *p.mutable_tensor_value() = proto_from(d.tensor); }
    if (d.kind == Datum::Kind::sequence) { p.set_elem_type(::onnx::OptionalProto::SEQUENCE); *p.mutable_sequence_value() = sequence_proto(d); }
    ok = p.SerializeToString(&out);
  } else if (d.kind == Datum::Kind::sequence) ok = sequence_proto(d).SerializeToString(&out);
  else if (d.kind == Datum::Kind::map) ok = map_proto(d).SerializeToString(&out);
  else if (d.is_tensor()) ok = proto_from(d.tensor).SerializeToString(&out);
  if (!ok) return Error{ErrorCode::internal, "a value of type " + ir::str(type) + " could not be written"};
  return out;
}

}  // namespace saha::onnx
