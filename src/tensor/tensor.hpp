#pragma once
// Tensor: a dtype, a shape and a shared buffer. Elements below 8 bits are a stream of bits, first element and lowest bit first; strings have a buffer of their own.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tensor/dtype.hpp"

namespace saha {

using Dims = std::vector<std::int64_t>;

/// Product of the dims; nothing where a dim is negative or the product overflows int64.
std::optional<std::int64_t> checked_elements(std::span<const std::int64_t> dims);
/// Product of dims known to be sound.
std::int64_t num_elements(std::span<const std::int64_t> dims);
/// "[1, 3, 224, 224]"
std::string str(std::span<const std::int64_t> dims);
/// Bytes of n elements, packed; 0 for string.
std::int64_t storage_bytes(DType t, std::int64_t n);

/// No single tensor may take more; a model that asks for more is refused by name instead of exhausting the machine.
inline constexpr std::int64_t kMaxTensorBytes = std::int64_t{1} << 36;

/// A buffer is written only by the function that made it; once a Tensor is handed on, its elements do not change.
struct Tensor {
  DType dtype = DType::none;
  Dims dims;
  std::shared_ptr<std::byte[]> data;                ///< null for string and none
  std::shared_ptr<std::vector<std::string>> text;   ///< only for string

  /// Zeroed. Fails (out_of_memory) on negative dims and above kMaxTensorBytes.
  static Result<Tensor> make(DType t, Dims dims);
  /// As make(), for sizes the caller has checked; stops the program otherwise.
  static Tensor zeros(DType t, Dims dims);
  /// Elements from doubles, converted to t; values.size() must be the number of elements (or 1: repeated).
  static Tensor of(DType t, Dims dims, std::span<const double> values);
  static Tensor of(DType t, Dims dims, std::initializer_list<double> values) { return of(t, std::move(dims), std::span(values.begin(), values.size())); }
  static Tensor of_ints(std::span<const std::int64_t> values);    ///< int64, rank 1
  static Tensor of_strings(Dims dims, std::vector<std::string> values);
  static Tensor scalar(DType t, double value) { return of(t, {}, {value}); }
  static Tensor scalar_int(std::int64_t value);                   ///< int64, rank 0

  std::int64_t size() const { return num_elements(dims); }        ///< number of elements
  std::int64_t bytes() const { return storage_bytes(dtype, size()); }
  std::size_t rank() const { return dims.size(); }
  template <class T> T* as() const { return reinterpret_cast<T*>(data.get()); }
  double at(std::int64_t i) const;                                ///< element i as double, for tests and messages
  std::int64_t int_at(std::int64_t i) const;                      ///< element i as int64
  Tensor reshaped(Dims d) const { Tensor t = *this; t.dims = std::move(d); return t; }  ///< shares the buffer
};

/// Same dtype, dims and bits (strings: characters).
bool identical(const Tensor& a, const Tensor& b);

// A carrier is a type wide enough to compute many dtypes exactly: double for every float up to 64 bits (+ - * / sqrt
// rounded once more give the same bits as the narrow operation), int64 and uint64 for the integers (mod 2^n at the store).
// One conversion pair per (dtype, carrier), compiled once, in tensor.cpp. start and stride count elements.
void load(const Tensor& t, std::int64_t start, std::int64_t stride, std::int64_t n, double* out);
void load(const Tensor& t, std::int64_t start, std::int64_t stride, std::int64_t n, std::int64_t* out);
void load(const Tensor& t, std::int64_t start, std::int64_t stride, std::int64_t n, std::uint64_t* out);
void store(const Tensor& t, std::int64_t start, std::int64_t n, const double* in);
void store(const Tensor& t, std::int64_t start, std::int64_t n, const std::int64_t* in);
void store(const Tensor& t, std::int64_t start, std::int64_t n, const std::uint64_t* in);
/// All elements in a carrier.
template <class C> std::vector<C> values(const Tensor& t) {
  std::vector<C> v(static_cast<std::size_t>(t.size()));
  load(t, 0, 1, t.size(), v.data());
  return v;
}
template <class C> void fill(const Tensor& t, std::span<const C> v) { store(t, 0, std::int64_t(v.size()), v.data()); }
/// Copies n elements of `from` (start, start + stride, ...) to `to` (at, at + 1, ...), whatever their type. Same dtype.
void copy_elements(const Tensor& from, std::int64_t start, std::int64_t stride, const Tensor& to, std::int64_t at, std::int64_t n);

}  // namespace saha
