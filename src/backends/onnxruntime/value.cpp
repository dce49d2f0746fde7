// Source: onnxruntime's C interface, the sections on OrtValue (tensors, strings, sequences, maps, optionals).
#include "backends/onnxruntime/value.hpp"

#include <cstring>

namespace saha::ort {

Result<> Context::check(Status* status) const {
  if (status == nullptr) return {};
  std::string message = api(kGetErrorMessage, status);
  api(kReleaseStatus, status);
  while (!message.empty() && (message.back() == '\n' || message.back() == '.')) message.pop_back();
  return Error{ErrorCode::invalid_model, "onnxruntime: " + message};
}

// Both number the types as onnx.proto did until float4e2m1 (23); onnxruntime skips float8e8m0 and goes on with the 2-bit types.
Result<int> element_type(DType t) {
  if (t == DType::none || t == DType::f8e8m0 || t == DType::f6e2m3 || t == DType::f6e3m2) return Error{ErrorCode::unsupported, "onnxruntime has no element type " + std::string(name(t))};
  if (t == DType::u2) return 24;
  if (t == DType::i2) return 25;
  return int(t);
}

DType dtype_of_element(int type) {
  if (type == 24) return DType::u2;
  if (type == 25) return DType::i2;
  return type >= 1 && type <= int(DType::f4e2m1) ? DType(type) : DType::none;
}

namespace {

Result<Handle<Value>> make_tensor(const Context& c, const Tensor& t) {
  SAHA_TRY(const int type, element_type(t.dtype));
  Value* raw = nullptr;
  if (t.dtype != DType::string) {
    static std::byte nothing[8];  // an empty tensor has no buffer, but the call refuses a null one
    void* data = t.data ? t.data.get() : nothing;
    SAHA_DO(c.check(c.api(kCreateTensorOver, c.memory, data, std::size_t(t.bytes()), t.dims.data(), t.dims.size(), type, &raw)));
    return Handle<Value>(raw, Release{&c});
  }
  SAHA_DO(c.check(c.api(kCreateTensor, c.allocator, t.dims.data(), t.dims.size(), type, &raw)));
  Handle<Value> value(raw, Release{&c});
  std::vector<const char*> text;
  for (const auto& s : *t.text) text.push_back(s.c_str());
  if (!text.empty()) { SAHA_DO(c.check(c.api(kFillStrings, raw, text.data(), text.size()))); }
  return value;
}

Result<Datum> read_tensor(const Context& c, const Value* value) {
  TensorInfo* raw = nullptr;
  SAHA_DO(c.check(c.api(kTensorInfo, value, &raw)));
  Handle<TensorInfo> info(raw, Release{&c});
  int type = 0;
  std::size_t rank = 0;
  SAHA_DO(c.check(c.api(kElementType, raw, &type)));
  SAHA_DO(c.check(c.api(kRank, raw, &rank)));
  Dims dims(rank);
  SAHA_DO(c.check(c.api(kDims, raw, dims.data(), rank)));
  const DType dtype = dtype_of_element(type);
  if (dtype == DType::none) return Error{ErrorCode::unsupported, "onnxruntime gave a tensor of its element type " + std::to_string(type) + ", which saha does not know"};
  if (dtype != DType::string) {
    SAHA_TRY(Tensor t, Tensor::make(dtype, std::move(dims)));
    void* data = nullptr;
    SAHA_DO(c.check(c.api(kTensorData, const_cast<Value*>(value), &data)));
    if (t.bytes() > 0) std::memcpy(t.data.get(), data, std::size_t(t.bytes()));
    return Datum(std::move(t));
  }
  const auto n = std::size_t(num_elements(dims));
  std::size_t bytes = 0;
  std::vector<std::string> text(n);
  if (n > 0) {
    SAHA_DO(c.check(c.api(kStringsLength, value, &bytes)));
    std::string all(bytes, '\0');
    std::vector<std::size_t> starts(n);
    SAHA_DO(c.check(c.api(kStringsContent, value, all.data(), bytes, starts.data(), n)));
    for (std::size_t i = 0; i < n; ++i) text[i] = all.substr(starts[i], (i + 1 < n ? starts[i + 1] : bytes) - starts[i]);
  }
  return Datum(Tensor::of_strings(std::move(dims), std::move(text)));
}

}  // namespace

Result<Handle<Value>> make_value(const Context& c, const Datum& datum) {
  if (datum.kind == Datum::Kind::tensor) return make_tensor(c, datum.tensor);
  if (datum.kind == Datum::Kind::none) return Error{ErrorCode::unsupported, "an empty optional cannot be handed to onnxruntime"};
  std::vector<Handle<Value>> items;
  std::vector<const Value*> raw_items;
  for (const auto& item : datum.list()) {
    SAHA_TRY(auto value, make_value(c, item));
    raw_items.push_back(value.get());
    items.push_back(std::move(value));
  }
  Value* raw = nullptr;
  SAHA_DO(c.check(c.api(kCreateValue, raw_items.data(), raw_items.size(), datum.kind == Datum::Kind::map ? kMap : kSequence, &raw)));
  return Handle<Value>(raw, Release{&c});
}

Result<Datum> read_value(const Context& c, const Value* value) {
  if (value == nullptr) return Datum();
  int has = 1, kind = kUnknownKind;
  SAHA_DO(c.check(c.api(kHasValue, value, &has)));
  if (!has) return Datum();
  SAHA_DO(c.check(c.api(kKindOfValue, value, &kind)));
  if (kind == kTensor) return read_tensor(c, value);
  if (kind != kSequence && kind != kMap) return Error{ErrorCode::unsupported, "onnxruntime gave a value of its kind " + std::to_string(kind) + ", which saha does not know"};
  std::size_t count = 0;
  SAHA_DO(c.check(c.api(kItemCount, value, &count)));
  std::vector<Datum> items;
  for (std::size_t i = 0; i < count; ++i) {
    Value* raw = nullptr;
    SAHA_DO(c.check(c.api(kItem, value, int(i), c.allocator, &raw)));
    Handle<Value> item(raw, Release{&c});
    SAHA_TRY(Datum d, read_value(c, raw));
    items.push_back(std::move(d));
  }
  if (kind == kSequence) return Datum::sequence(std::move(items));
  if (items.size() != 2 || !items[0].is_tensor() || !items[1].is_tensor()) return Error{ErrorCode::unsupported, "onnxruntime gave a map whose keys and values are not tensors"};
  return Datum::map(std::move(items[0].tensor), std::move(items[1].tensor));
}

}  // namespace saha::ort
