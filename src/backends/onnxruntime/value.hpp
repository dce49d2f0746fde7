#pragma once
// Datum <-> OrtValue. Tensors of numbers go in as views of saha's buffers and come out as copies; strings are copied both ways.
#include <memory>
#include <string>

#include "backends/onnxruntime/ort_abi.hpp"
#include "tensor/datum.hpp"

namespace saha::ort {

/// What every call needs: the table and the two objects that the library lends.
struct Context {
  Api api;
  Allocator* allocator;
  MemoryInfo* memory;

  /// The error of a failed call, released; nothing where it succeeded.
  Result<> check(Status* status) const;
};

struct Release {
  const Context* context = nullptr;
  void operator()(Value* v) const { context->api(kReleaseValue, v); }
  void operator()(TypeInfo* t) const { context->api(kReleaseTypeInfo, t); }
  void operator()(TensorInfo* t) const { context->api(kReleaseTensorInfo, t); }
  void operator()(Session* s) const { context->api(kReleaseSession, s); }
  void operator()(SessionOptions* o) const { context->api(kReleaseSessionOptions, o); }
  void operator()(IoBinding* b) const { context->api(kReleaseIoBinding, b); }
};
template <class T> using Handle = std::unique_ptr<T, Release>;

/// ONNXTensorElementDataType of t; fails where onnxruntime has none.
Result<int> element_type(DType t);
/// DType::none for what saha does not know.
DType dtype_of_element(int type);

/// The value reads the Datum's buffer, which must outlive it.
Result<Handle<Value>> make_value(const Context& context, const Datum& datum);
/// A null or empty value is an empty optional.
Result<Datum> read_value(const Context& context, const Value* value);

}  // namespace saha::ort
