#pragma once
// TensorFlow Lite's C interface, the part that is used, as declared in its documentation (tensorflow/lite/c/c_api.h): opaque handles and functions that
// are looked up by name in the library.
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "backends/engine/dynamic_library.hpp"
#include "tensor/dtype.hpp"

namespace saha::tflite_engine {

struct Model;
struct Options;
struct Interpreter;
struct RawTensor;
struct Delegate;
constexpr int kOk = 0;

/// TfLiteType
constexpr DType dtype_of(int type) {
  switch (type) {
    case 1: return DType::f32;
    case 2: return DType::i32;
    case 3: return DType::u8;
    case 4: return DType::i64;
    case 6: return DType::boolean;
    case 7: return DType::i16;
    case 8: return DType::c64;
    case 9: return DType::i8;
    case 10: return DType::f16;
    case 11: return DType::f64;
    case 12: return DType::c128;
    case 13: return DType::u64;
    case 16: return DType::u32;
    case 17: return DType::u16;
    case 19: return DType::bf16;
    default: return DType::none;
  }
}

/// TfLiteXNNPackDelegateOptions, of which only the first member is set here; the rest, of a size that differs by version, is the library's
/// own default. It is returned through the caller's memory, so room for more than it fills does no harm.
struct XnnpackOptions {
  std::int32_t threads;
  std::byte rest[1020];
};

struct Api {
  const char* (*version)();
  Model* (*model_create)(const void* bytes, std::size_t size);   ///< the bytes must outlive the model
  void (*model_delete)(Model*);
  Options* (*options_create)();
  void (*options_delete)(Options*);
  void (*options_set_threads)(Options*, std::int32_t);
  void (*options_set_error_reporter)(Options*, void (*)(void* user, const char* format, std::va_list), void* user);
  Interpreter* (*interpreter_create)(const Model*, const Options*);
  void (*interpreter_delete)(Interpreter*);
  std::int32_t (*input_count)(const Interpreter*);
  RawTensor* (*input)(const Interpreter*, std::int32_t);
  int (*resize_input)(Interpreter*, std::int32_t, const int* dims, std::int32_t rank);
  int (*allocate)(Interpreter*);
  int (*invoke)(Interpreter*);
  int (*reset_variables)(Interpreter*);   ///< may be null
  std::int32_t (*output_count)(const Interpreter*);
  const RawTensor* (*output)(const Interpreter*, std::int32_t);
  int (*type)(const RawTensor*);
  std::int32_t (*rank)(const RawTensor*);
  std::int32_t (*dim)(const RawTensor*, std::int32_t);
  std::size_t (*bytes)(const RawTensor*);
  void* (*data)(const RawTensor*);
  const char* (*name)(const RawTensor*);
  // The fast kernels; a library without them has none of these.
  XnnpackOptions (*xnnpack_defaults)();
  Delegate* (*xnnpack_create)(const XnnpackOptions*);
  void (*xnnpack_delete)(Delegate*);
  void (*options_add_delegate)(Options*, Delegate*);
  bool has_xnnpack() const { return xnnpack_defaults && xnnpack_create && xnnpack_delete && options_add_delegate; }

  /// The name of a function that the library lacks; null: none.
  const char* load(const engine::DynamicLibrary& library);
};

}  // namespace saha::tflite_engine
