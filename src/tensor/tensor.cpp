#include "tensor/tensor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "tensor/float_format.hpp"
#include "tensor/limit.hpp"

namespace saha {
namespace {

// Decoding tables of the 4-, 6- and 8-bit formats; float16 has one of 65,536 entries. Made once, read only.
template <int kBits> const std::array<float, 1 << kBits>& table(DType t) {
  static const auto tables = [] {
    std::array<std::array<float, 1 << kBits>, kNumDTypes> all{};
    for (int d = 0; d < kNumDTypes; ++d)
      if (is_float(DType(d)) && bits(DType(d)) == kBits && DType(d) != DType::bf16)
        for (std::uint32_t b = 0; b < (1u << kBits); ++b) all[std::size_t(d)][b] = float(decode(DType(d), b));
    return all;
  }();
  return tables[std::size_t(t)];
}
const std::vector<float>& half_table() {
  static const auto values = [] {
    std::vector<float> v(65536);
    for (std::uint32_t b = 0; b < 65536; ++b) v[b] = float(decode(DType::f16, b));
    return v;
  }();
  return values;
}
// float -> integer is undefined in C++ beyond the target's range; here it saturates and NaN is 0.
template <class C> C from_real(double v) {
  if constexpr (std::is_same_v<C, double>) return v;
  else {
    if (std::isnan(v)) return 0;
    if (v <= double(std::numeric_limits<C>::min())) return std::numeric_limits<C>::min();
    if (v >= double(std::numeric_limits<C>::max())) return std::numeric_limits<C>::max();
    return C(v);
  }
}

struct Run { std::int64_t start, stride, n; };

// Elements below 8 bits; only those of 6 lie across bytes.
int packed_code(const std::uint8_t* q, int width, std::int64_t element) {
  const std::int64_t bit = element * width;
  const int shift = int(bit % 8);
  q += bit / 8;
  return (shift + width > 8 ? (q[0] | q[1] << 8) >> shift : q[0] >> shift) & ((1 << width) - 1);
}
void put_packed_code(std::uint8_t* q, int width, std::int64_t element, int code) {
  const std::int64_t bit = element * width;
  const int shift = int(bit % 8), mask = (1 << width) - 1;
  q += bit / 8;
  q[0] = std::uint8_t((q[0] & ~(mask << shift)) | (code & mask) << shift);
  if (shift + width > 8) q[1] = std::uint8_t((q[1] & ~(mask >> (8 - shift))) | (code & mask) >> (8 - shift));
}

template <class T, class C> void load_plain(const void* p, Run r, C* out) {
  const T* q = static_cast<const T*>(p) + r.start;
  for (std::int64_t i = 0; i < r.n; ++i) {
    if constexpr (std::is_floating_point_v<T>) out[i] = from_real<C>(q[i * r.stride]);
    else out[i] = C(q[i * r.stride]);
  }
}
template <class C> void load_packed(const Tensor& t, Run r, C* out) {
  const auto* q = t.as<const std::uint8_t>();
  const int width = bits(t.dtype);
  for (std::int64_t i = 0; i < r.n; ++i) {
    const int v = packed_code(q, width, r.start + i * r.stride);
    if (is_float(t.dtype)) out[i] = from_real<C>(width == 4 ? table<4>(t.dtype)[std::size_t(v)] : table<6>(t.dtype)[std::size_t(v)]);
    else out[i] = C(is_signed_int(t.dtype) && (v >> (width - 1)) ? v - (1 << width) : v);
  }
}
template <class U, class C, class F> void load_coded(const Tensor& t, Run r, C* out, F value) {
  const U* q = t.as<const U>() + r.start;
  for (std::int64_t i = 0; i < r.n; ++i) out[i] = from_real<C>(value(q[i * r.stride]));
}
template <class C> void load_any(const Tensor& t, Run r, C* o) {
  const void* p = t.data.get();
  switch (t.dtype) {
    case DType::f32: return load_plain<float>(p, r, o);
    case DType::f64: return load_plain<double>(p, r, o);
    case DType::i8: return load_plain<std::int8_t>(p, r, o);
    case DType::i16: return load_plain<std::int16_t>(p, r, o);
    case DType::i32: return load_plain<std::int32_t>(p, r, o);
    case DType::i64: return load_plain<std::int64_t>(p, r, o);
    case DType::u8: case DType::boolean: return load_plain<std::uint8_t>(p, r, o);
    case DType::u16: return load_plain<std::uint16_t>(p, r, o);
    case DType::u32: return load_plain<std::uint32_t>(p, r, o);
    case DType::u64: return load_plain<std::uint64_t>(p, r, o);
    case DType::f16: { const auto& h = half_table(); return load_coded<std::uint16_t>(t, r, o, [&h](std::uint16_t b) { return h[b]; }); }
    case DType::bf16: return load_coded<std::uint16_t>(t, r, o, [](std::uint16_t b) { return std::bit_cast<float>(std::uint32_t(b) << 16); });
    case DType::f8e4m3fn: case DType::f8e4m3fnuz: case DType::f8e5m2: case DType::f8e5m2fnuz: case DType::f8e8m0: {
      const auto& v = table<8>(t.dtype);
      return load_coded<std::uint8_t>(t, r, o, [&v](std::uint8_t b) { return v[b]; });
    }
    case DType::i4: case DType::u4: case DType::i2: case DType::u2: case DType::f4e2m1: case DType::f6e2m3: case DType::f6e3m2: return load_packed(t, r, o);
    default: SAHA_ASSERT(!"string and complex elements have no carrier");
  }
}

template <class T, class C> void store_plain(const Tensor& t, std::int64_t s, std::int64_t n, const C* in) {
  T* q = t.as<T>() + s;
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<C> && !std::is_floating_point_v<T>) q[i] = T(from_real<std::int64_t>(in[i]));
    else q[i] = T(in[i]);
  }
}
template <class C> void store_packed(const Tensor& t, std::int64_t s, std::int64_t n, const C* in) {
  const int width = bits(t.dtype);
  for (std::int64_t i = 0; i < n; ++i) {
    int v;
    if (is_float(t.dtype)) v = int(encode(t.dtype, double(in[i])));
    else if constexpr (std::is_floating_point_v<C>) v = int(from_real<std::int64_t>(in[i]) & 0xff);
    else v = int(std::uint64_t(in[i]) & 0xff);
    put_packed_code(t.as<std::uint8_t>(), width, s + i, v);
  }
}
template <class C> void store_any(const Tensor& t, std::int64_t s, std::int64_t n, const C* in) {
  switch (t.dtype) {
    case DType::f32: return store_plain<float>(t, s, n, in);
    case DType::f64: return store_plain<double>(t, s, n, in);
    case DType::i8: return store_plain<std::int8_t>(t, s, n, in);
    case DType::i16: return store_plain<std::int16_t>(t, s, n, in);
    case DType::i32: return store_plain<std::int32_t>(t, s, n, in);
    case DType::i64: return store_plain<std::int64_t>(t, s, n, in);
    case DType::u8: return store_plain<std::uint8_t>(t, s, n, in);
    case DType::u16: return store_plain<std::uint16_t>(t, s, n, in);
    case DType::u32: return store_plain<std::uint32_t>(t, s, n, in);
    case DType::u64:
      if constexpr (std::is_same_v<C, double>) { for (std::int64_t i = 0; i < n; ++i) t.as<std::uint64_t>()[s + i] = from_real<std::uint64_t>(in[i]); return; }
      return store_plain<std::uint64_t>(t, s, n, in);
    case DType::boolean: for (std::int64_t i = 0; i < n; ++i) t.as<std::uint8_t>()[s + i] = in[i] != C{}; return;
    case DType::f16: case DType::bf16: for (std::int64_t i = 0; i < n; ++i) t.as<std::uint16_t>()[s + i] = std::uint16_t(encode(t.dtype, double(in[i]))); return;
    case DType::f8e4m3fn: case DType::f8e4m3fnuz: case DType::f8e5m2: case DType::f8e5m2fnuz: case DType::f8e8m0:
      for (std::int64_t i = 0; i < n; ++i) t.as<std::uint8_t>()[s + i] = std::uint8_t(encode(t.dtype, double(in[i])));
      return;
    case DType::i4: case DType::u4: case DType::i2: case DType::u2: case DType::f4e2m1: case DType::f6e2m3: case DType::f6e3m2: return store_packed(t, s, n, in);
    default: SAHA_ASSERT(!"string and complex elements have no carrier");
  }
}
}  // namespace

std::optional<std::int64_t> checked_elements(std::span<const std::int64_t> dims) {
  std::int64_t n = 1;
  bool empty = false;
  for (std::int64_t d : dims) {
    if (d < 0) return {};
    if (d == 0) { empty = true; continue; }
    if (__builtin_mul_overflow(n, d, &n)) return {};
  }
  return empty ? 0 : n;
}
std::int64_t num_elements(std::span<const std::int64_t> dims) {
  std::int64_t n = 1;
  for (std::int64_t d : dims) n *= d;
  return n;
}
std::string str(std::span<const std::int64_t> dims) {
  std::string s = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + std::to_string(dims[i]);
  return s + "]";
}
std::int64_t storage_bytes(DType t, std::int64_t n) {
  const int b = bits(t);
  if (n > std::numeric_limits<std::int64_t>::max() / 128) return std::numeric_limits<std::int64_t>::max();
  return b >= 8 ? n * (b / 8) : (n * b + 7) / 8;
}

namespace {
/// The number that follows `key` in a file of the kernel, or the largest int64 where there is none ("max" in a cgroup's file).
std::int64_t number_in(const char* path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  std::int64_t n = 0;
  while (!key.empty() && file >> word) if (word == key) break;
  return file >> n && n >= 0 ? n : std::numeric_limits<std::int64_t>::max();
}
std::int64_t limit_here() {
  if (const char* given = std::getenv("SAHA_MAX_TENSOR_BYTES")) {
    std::int64_t n = 0;
    std::string_view s = given;
    if (std::from_chars(s.data(), s.data() + s.size(), n).ptr == s.data() + s.size() && n > 0) return std::min(n, kMaxTensorBytes);
  }
  std::int64_t free = number_in("/proc/meminfo", "MemAvailable:");
  if (free < std::numeric_limits<std::int64_t>::max() / 1024) free *= 1024;
  for (auto [most, used] : {std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
                            std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}}) {
    std::int64_t m = number_in(most, ""), u = number_in(used, "");
    if (m < std::numeric_limits<std::int64_t>::max()) free = std::min(free, m - std::min(m, u));
  }
  // Never so little that a small model could not run on a busy machine.
  return std::clamp(free / 2, std::int64_t{256} << 20, kMaxTensorBytes);
}
std::string sized(std::int64_t bytes) {
  return bytes >= std::int64_t{1} << 30 ? std::to_string(bytes >> 30) + " GiB" : std::to_string(bytes >> 20) + " MiB";
}
}  // namespace

std::int64_t max_tensor_bytes() {
  static const std::int64_t limit = limit_here();
  return limit;
}

Result<Tensor> Tensor::make(DType t, Dims dims) {
  auto n = checked_elements(dims);
  auto width = std::max(bits(t), t == DType::string ? int(8 * sizeof(std::string)) : 8);
  if (!n || *n > max_tensor_bytes() / (width / 8) || *n > kMaxTensorElements)
    return Error{ErrorCode::out_of_memory, "a tensor " + std::string(name(t)) + str(dims) + " is larger than the limit of " + sized(max_tensor_bytes()) + " or has a negative dimension"};
  Tensor r{t, std::move(dims), {}, {}};
  try {
    if (t == DType::string) { r.text = std::make_shared<std::vector<std::string>>(std::size_t(*n)); return r; }
    // calloc: large tensors get zero pages from the system, untouched until written.
    auto* p = static_cast<std::byte*>(std::calloc(std::size_t(storage_bytes(t, *n)) + 8, 1));
    if (!p) return Error{ErrorCode::out_of_memory, "no memory for a tensor " + std::string(name(t)) + str(r.dims)};
    r.data = std::shared_ptr<std::byte[]>(p, [](std::byte* q) { std::free(q); });
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory for a tensor " + std::string(name(t)) + str(r.dims)};
  }
  return r;
}
Tensor Tensor::zeros(DType t, Dims dims) {
  auto r = make(t, std::move(dims));
  SAHA_ASSERT(r);
  return std::move(*r);
}
Tensor Tensor::of(DType t, Dims dims, std::span<const double> v) {
  Tensor r = zeros(t, std::move(dims));
  SAHA_ASSERT(v.size() == 1 || std::int64_t(v.size()) == r.size());
  for (std::int64_t i = 0; i < r.size(); ++i) store(r, i, 1, &v[v.size() == 1 ? 0 : std::size_t(i)]);
  return r;
}
Tensor Tensor::of_ints(std::span<const std::int64_t> v) {
  Tensor r = zeros(DType::i64, {std::int64_t(v.size())});
  std::copy(v.begin(), v.end(), r.as<std::int64_t>());
  return r;
}
Tensor Tensor::of_strings(Dims dims, std::vector<std::string> v) {
  SAHA_ASSERT(std::int64_t(v.size()) == num_elements(dims));
  return {DType::string, std::move(dims), {}, std::make_shared<std::vector<std::string>>(std::move(v))};
}
Tensor Tensor::scalar_int(std::int64_t v) {
  Tensor r = zeros(DType::i64, {});
  *r.as<std::int64_t>() = v;
  return r;
}
double Tensor::at(std::int64_t i) const { double v; load(*this, i, 1, 1, &v); return v; }
std::int64_t Tensor::int_at(std::int64_t i) const { std::int64_t v; load(*this, i, 1, 1, &v); return v; }

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.dims != b.dims) return false;
  if (a.dtype == DType::string) return *a.text == *b.text;
  return a.data == b.data || std::memcmp(a.data.get(), b.data.get(), std::size_t(a.bytes())) == 0;
}

void load(const Tensor& t, std::int64_t s, std::int64_t d, std::int64_t n, double* o) { load_any(t, Run{s, d, n}, o); }
void load(const Tensor& t, std::int64_t s, std::int64_t d, std::int64_t n, std::int64_t* o) { load_any(t, Run{s, d, n}, o); }
void load(const Tensor& t, std::int64_t s, std::int64_t d, std::int64_t n, std::uint64_t* o) { load_any(t, Run{s, d, n}, o); }
void store(const Tensor& t, std::int64_t s, std::int64_t n, const double* i) { store_any(t, s, n, i); }
void store(const Tensor& t, std::int64_t s, std::int64_t n, const std::int64_t* i) { store_any(t, s, n, i); }
void store(const Tensor& t, std::int64_t s, std::int64_t n, const std::uint64_t* i) { store_any(t, s, n, i); }

void copy_elements(const Tensor& f, std::int64_t s, std::int64_t d, const Tensor& to, std::int64_t at, std::int64_t n) {
  SAHA_ASSERT(f.dtype == to.dtype);
  if (f.dtype == DType::string) {
    for (std::int64_t i = 0; i < n; ++i) (*to.text)[std::size_t(at + i)] = (*f.text)[std::size_t(s + i * d)];
    return;
  }
  const int b = bits(f.dtype);
  if (b < 8) {
    for (std::int64_t i = 0; i < n; ++i) put_packed_code(to.as<std::uint8_t>(), b, at + i, packed_code(f.as<const std::uint8_t>(), b, s + i * d));
    return;
  }
  const std::size_t w = std::size_t(b / 8);
  const std::byte* src = f.data.get() + std::size_t(s) * w;
  std::byte* dst = to.data.get() + std::size_t(at) * w;
  if (n <= 0) return;
  if (d == 1) { std::memcpy(dst, src, std::size_t(n) * w); return; }
  switch (w) {  // constant widths: the copies become single moves
    case 1: for (std::int64_t i = 0; i < n; ++i) std::memcpy(dst + i, src + i * d, 1); break;
    case 2: for (std::int64_t i = 0; i < n; ++i) std::memcpy(dst + i * 2, src + i * d * 2, 2); break;
    case 4: for (std::int64_t i = 0; i < n; ++i) std::memcpy(dst + i * 4, src + i * d * 4, 4); break;
    default: for (std::int64_t i = 0; i < n; ++i) std::memcpy(dst + i * std::int64_t(w), src + i * d * std::int64_t(w), w);
  }
}

}  // namespace saha
