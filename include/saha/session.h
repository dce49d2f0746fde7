#pragma once
// Runs a model in this process. A Session is the model, immutable and shared; each thread that runs it has a Context of its own.
//
// Example:
//   #include <saha/session.h>
//   #include <algorithm>
//
//   saha::Result<size_t> classify(const saha::Session& session, std::span<const float> pixels) {
//     SAHA_TRY(saha::Context context, session.make_context());     // takes the memory of a run
//     SAHA_DO(context.set_input("image", pixels));                 // checks type and count; a view, no copy
//     SAHA_DO(context.run());                                      // no allocation, no lock
//     SAHA_TRY(auto score, context.output<float>("score"));        // span, holds until the next run
//     return static_cast<size_t>(std::ranges::max_element(score) - score.begin());
//   }
//
//   saha::Result<size_t> classify_file(const std::string& model, std::span<const float> pixels) {
//     SAHA_TRY(saha::Session session, saha::Session::open(model, {.threads = 1}));
//     return classify(session, pixels);
//   }
// End of example.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <saha/dtype.h>
#include <saha/export.h>
#include <saha/result.h>

namespace saha {

/// The version of the library, "0.1.0".
SAHA_API const char* version();

struct SessionOptions {
  int threads = 1;        ///< that one run uses, the caller's own counted; they are shared by the contexts of a session
  bool simplify = true;   ///< the graph is simplified before it is planned; results differ by rounding only. Says nothing of a bundle
  bool pin = false;       ///< each thread that the session makes stays on a core of its own, the second of those allowed and on; callers are left where they are
  std::string precision = "";   ///< "" and "float32": strict; "bfloat16": convolutions, products by constants, recurrent layers and attention, with sums of float32, on processors with AVX512-BF16 or AMX only (x86)
  std::string level = "";       ///< of the kernels: "avx2", ..; "": the highest that this processor runs
};

/// An input or output of a model.
struct ValueInfo {
  std::string name;
  DType dtype = DType::none;             ///< none: not a tensor (a sequence, an optional, a map), or not known
  bool ranked = true;                    ///< false: not even the number of dims is known
  std::vector<std::int64_t> dims;        ///< -1 where free
  std::vector<std::string> dim_names;    ///< the name of a free dim, else ""
  std::string str;                       ///< "float32[N, 3, 224, 224]"
};

/// The element types that C++ has a type for; a `bool` is a byte.
template <class T> inline constexpr DType kDTypeOf = DType::none;
template <> inline constexpr DType kDTypeOf<float> = DType::f32;
template <> inline constexpr DType kDTypeOf<double> = DType::f64;
template <> inline constexpr DType kDTypeOf<bool> = DType::boolean;
template <> inline constexpr DType kDTypeOf<std::int8_t> = DType::i8;
template <> inline constexpr DType kDTypeOf<std::int16_t> = DType::i16;
template <> inline constexpr DType kDTypeOf<std::int32_t> = DType::i32;
template <> inline constexpr DType kDTypeOf<std::int64_t> = DType::i64;
template <> inline constexpr DType kDTypeOf<std::uint8_t> = DType::u8;
template <> inline constexpr DType kDTypeOf<std::uint16_t> = DType::u16;
template <> inline constexpr DType kDTypeOf<std::uint32_t> = DType::u32;
template <> inline constexpr DType kDTypeOf<std::uint64_t> = DType::u64;
template <class T> concept Element = kDTypeOf<T> != DType::none;

class Context;

/// A model ready to run. Copies share it; every member may be called from several threads at once.
class SAHA_API Session {
 public:
  /// Opens a bundle (*.saha), an ONNX or a TensorFlow Lite file. A bundle starts from its stored plan where one fits this processor and the shapes. Fails with the
  /// reader's errors: io, invalid_model (damaged), invalid_data, unsupported (an operator or element type, a newer format).
  static Result<Session> open(const std::string& path, const SessionOptions& options = {});
  /// The same from memory; such a model has no external data.
  static Result<Session> from_bytes(std::span<const std::byte> bytes, const SessionOptions& options = {});

  std::span<const ValueInfo> inputs() const;
  std::span<const ValueInfo> outputs() const;
  /// What one thread needs for its runs. Where all input shapes are fixed it takes all memory there will be; else the first run of a
  /// shape does. It keeps the model alive, so the Session may go first.
  Result<Context> make_context() const;

  struct Impl;

 private:
  explicit Session(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// One thread's runs of a session. Not to be used from two threads at once.
class SAHA_API Context {
 public:
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  /// Gives an input by view: `data` must hold until the results of the run have been read; it stays given for later runs. Without `dims` the
  /// model's own are taken; one free dim follows from the count. Fails (invalid_argument) on an unknown name and on a type, shape or count
  /// that does not fit, saying what would.
  template <Element T> Result<> set_input(std::string_view name, std::span<const T> data) { return set(name, kDTypeOf<T>, data.data(), data.size_bytes(), nullptr); }
  template <Element T> Result<> set_input(std::string_view name, std::span<const T> data, std::span<const std::int64_t> dims) {
    return set(name, kDTypeOf<T>, data.data(), data.size_bytes(), &dims);
  }
  /// The same from a contiguous container, which must outlive the run.
  template <class C> requires Element<typename C::value_type>
  Result<> set_input(std::string_view name, const C& data) { return set_input(name, std::span<const typename C::value_type>(data)); }
  template <class C> requires Element<typename C::value_type>
  Result<> set_input(std::string_view name, const C& data, std::span<const std::int64_t> dims) { return set_input(name, std::span<const typename C::value_type>(data), dims); }
  /// Elements of any type, as they lie in memory: float16 and the 8-bit formats as their bits, 2- and 4-bit types packed, low element first.
  Result<> set_input_bytes(std::string_view name, std::span<const std::byte> data) { return set(name, DType::none, data.data(), data.size(), nullptr); }
  Result<> set_input_bytes(std::string_view name, std::span<const std::byte> data, std::span<const std::int64_t> dims) { return set(name, DType::none, data.data(), data.size(), &dims); }
  /// Strings are copied.
  Result<> set_input_strings(std::string_view name, std::span<const std::string> data, std::span<const std::int64_t> dims);

  /// Runs once. No allocation and no lock, but for: the first run of a shape, operators whose result's size depends on the data, and
  /// operators that have no fast kernel. Fails (invalid_argument) where an input was not given.
  Result<> run();

  /// The elements of an output of the last run: a view that holds until the next run. Fails on an unknown name, another type, or before a run.
  template <Element T> Result<std::span<const T>> output(std::string_view name) const {
    auto bytes = get(name, kDTypeOf<T>);
    if (!bytes) return std::move(bytes.error());
    return std::span<const T>(reinterpret_cast<const T*>(bytes->data()), bytes->size() / sizeof(T));
  }
  Result<std::span<const std::byte>> output_bytes(std::string_view name) const { return get(name, DType::none); }
  Result<std::vector<std::string>> output_strings(std::string_view name) const;
  Result<std::vector<std::int64_t>> output_dims(std::string_view name) const;

  struct Impl;

 private:
  friend class Session;
  explicit Context(std::unique_ptr<Impl> impl);
  Result<> set(std::string_view name, DType dtype, const void* data, std::size_t bytes, const std::span<const std::int64_t>* dims);
  Result<std::span<const std::byte>> get(std::string_view name, DType dtype) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace saha
