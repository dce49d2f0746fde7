// elements: rows by chunks. Operands are read into a chunk of the type that is computed in, unless they lie there as such, the function is one loop over chunks, and the result is written as what Y holds: loops for
// types and for functions are added up, not multiplied. Contract in kernels/elements.hpp.
#include "kernels/elements.hpp"

#include <string.h>

#include <type_traits>

#include "kernels/loops/vec.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int64_t kChunk = 512;   // elements, whole vectors

/// Lanes of a vector of C, which is computed in: a register.
template <class C> constexpr int kLanes = W * 4 / static_cast<int>(sizeof(C));
template <class T, int N>
struct VectorOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N = kLanes<T>> using Vector = typename VectorOf<T, N>::type;
/// Integers that wrap; floats as they are.
template <class C> struct Wrapping { using type = C; };
template <> struct Wrapping<int32_t> { using type = std::uint32_t; };
template <> struct Wrapping<int64_t> { using type = std::uint64_t; };

template <int N, class T>
inline Vector<T, N> load_vector(const T* p) {
  Vector<T, N> v;
  memcpy(&v, p, sizeof v);
  return v;
}
template <int N, class T>
inline void store_vector(T* p, Vector<T, N> v) { memcpy(p, &v, sizeof v); }

template <int Bytes> struct Unsigned;
template <> struct Unsigned<2> { using type = std::uint16_t; };
template <> struct Unsigned<4> { using type = std::uint32_t; };
template <int Bytes> struct Signed;
template <> struct Signed<2> { using type = std::int16_t; };
template <> struct Signed<4> { using type = int32_t; };
/// Integers by steps of half or twice the width: g++ 12 makes scalar code of longer ones.
template <class To, class From, int N>
inline Vector<To, N> stepped(Vector<From, N> v) {
  if constexpr (std::is_integral_v<To> && std::is_integral_v<From> && 2 * sizeof(To) < sizeof(From)) {
    using Half = typename Unsigned<sizeof(From) / 2>::type;
    return stepped<To, Half, N>(__builtin_convertvector(v, Vector<Half, N>));
  } else if constexpr (std::is_integral_v<To> && std::is_integral_v<From> && sizeof(To) > 2 * sizeof(From)) {
    using Twice = typename std::conditional_t<std::is_signed_v<From>, Signed<2 * sizeof(From)>, Unsigned<2 * sizeof(From)>>::type;
    return stepped<To, Twice, N>(__builtin_convertvector(v, Vector<Twice, N>));
  } else {
    return __builtin_convertvector(v, Vector<To, N>);
  }
}

/// n elements of T from `from` on, `stride` apart, as numbers of C: where they lie if that is a whole number of vectors, else in `chunk`.
template <class T, class C>
const C* read(const T* from, int64_t stride, int64_t n, C* chunk) {
  constexpr int N = kLanes<C>;
  if (stride == 1) {
    if constexpr (std::is_same_v<T, C>)
      if (n % N == 0) return from;
    int64_t i = 0;
    for (; i + N <= n; i += N) store_vector<N>(chunk + i, stepped<C, T, N>(load_vector<N>(from + i)));
    for (; i < n; ++i) chunk[i] = static_cast<C>(from[i]);
  } else if (stride == 0) {
    const Vector<C> v = static_cast<C>(*from) - Vector<C>{};   // a sum would lose the sign of -0
    for (int64_t i = 0; i < n; i += N) store_vector<N>(chunk + i, v);
  } else {
    for (int64_t i = 0; i < n; ++i) chunk[i] = static_cast<C>(from[i * stride]);
  }
  return chunk;
}
template <class C>
const C* read(DType t, const void* operand, int64_t at, int64_t stride, int64_t n, C* chunk) {
  const auto as = [&]<class T>() { return read(static_cast<const T*>(operand) + at, stride, n, chunk); };
  if constexpr (std::is_floating_point_v<C>) {
    return as.template operator()<C>();
  } else {
    switch (t) {
      case DType::boolean: return as.template operator()<std::uint8_t>();
      case DType::u32: if constexpr (sizeof(C) == 8) return as.template operator()<std::uint32_t>(); break;
      case DType::i64:
      case DType::u64: if constexpr (sizeof(C) == 8) return as.template operator()<int64_t>(); break;
      case DType::i8: if constexpr (sizeof(C) == 4) return as.template operator()<std::int8_t>(); break;
      case DType::u8: if constexpr (sizeof(C) == 4) return as.template operator()<std::uint8_t>(); break;
      case DType::i16: if constexpr (sizeof(C) == 4) return as.template operator()<std::int16_t>(); break;
      case DType::u16: if constexpr (sizeof(C) == 4) return as.template operator()<std::uint16_t>(); break;
      default: if constexpr (sizeof(C) == 4) return as.template operator()<int32_t>(); break;
    }
    return chunk;
  }
}

/// A float cut to an integer of T, or to the nearer end of its range.
template <class T, class C>
inline T cut_to(C v) {
  constexpr T lo = std::is_signed_v<T> ? static_cast<T>(T{1} << (8 * sizeof(T) - 1)) : T{0}, hi = static_cast<T>(~lo);
  if (v != v) return 0;
  if (v <= static_cast<C>(lo)) return lo;
  return v >= static_cast<C>(hi) ? hi : static_cast<T>(v);   // as a float, hi may be one more than it is: beyond the range
}
template <class T, class C>
inline Vector<T, kLanes<C>> converted(Vector<C> v) {
  if constexpr (std::is_floating_point_v<C> && !std::is_floating_point_v<T>) {
    static_assert(sizeof(T) <= 2);   // whose ends are numbers of C
    const C lo = std::is_signed_v<T> ? -static_cast<C>(1 << (8 * sizeof(T) - 1)) : C{0}, hi = static_cast<C>((1 << (8 * sizeof(T) - std::is_signed_v<T>)) - 1);
    v = v == v ? v : Vector<C>{};
    v = v > lo ? v : Vector<C>{} + lo;
    v = v < hi ? v : Vector<C>{} + hi;
    return stepped<T, int32_t, kLanes<C>>(__builtin_convertvector(v, Vector<int32_t, kLanes<C>>));
  } else {
    return stepped<T, C, kLanes<C>>(v);
  }
}
struct Bool {};
template <class T, class C>
void write(const C* v, int64_t n, void* result, int64_t at) {
  using Stored = std::conditional_t<std::is_same_v<T, Bool>, std::uint8_t, T>;
  auto* to = static_cast<Stored*>(result) + at;
  if constexpr (std::is_floating_point_v<C> && std::is_integral_v<T> && sizeof(T) > 2) {
    for (int64_t i = 0; i < n; ++i) to[i] = cut_to<T>(v[i]);
  } else {
    constexpr int N = kLanes<C>;
    for (int64_t i = 0; i < n; i += N) {
      Vector<Stored, N> y;
      if constexpr (std::is_same_v<T, Bool>) y = stepped<std::uint8_t, std::conditional_t<sizeof(C) == 8, int64_t, int32_t>, N>((load_vector<N>(v + i) != 0) & 1);
      else y = converted<T, C>(load_vector<N>(v + i));
      if (i + N <= n) store_vector<N>(to + i, y);
      else memcpy(to + i, &y, static_cast<size_t>(n - i) * sizeof(Stored));
    }
  }
}
template <class C>
void write(DType t, const C* v, int64_t n, void* result, int64_t at) {
  const auto as = [&]<class T>() { write<T>(v, n, result, at); };
  switch (t) {
    case DType::boolean: return as.template operator()<Bool>();
    case DType::i8: return as.template operator()<std::int8_t>();
    case DType::u8: return as.template operator()<std::uint8_t>();
    case DType::i16: return as.template operator()<std::int16_t>();
    case DType::u16: return as.template operator()<std::uint16_t>();
    case DType::i32: return as.template operator()<int32_t>();
    case DType::u32: return as.template operator()<std::uint32_t>();
    case DType::i64:
    case DType::u64: return as.template operator()<int64_t>();   // floats never become uint64 here
    case DType::f32: return as.template operator()<float>();
    default: return as.template operator()<double>();
  }
}

/// y = f(a, b, c) of whole vectors; what stands behind n is any number.
template <class C>
void compute(Function f, const C* a, const C* b, const C* c, int64_t n, C* y) {
  constexpr int N = kLanes<C>;
  using V_ = Vector<C>;
  using U_ = Vector<typename Wrapping<C>::type>;
  const auto each = [&](auto of) {
    for (int64_t i = 0; i < n; i += N) store_vector<N>(y + i, reinterpret_cast<V_>(of(load_vector<N>(a + i), load_vector<N>(b + i))));
  };
  const auto wrapping = [&](auto of) { each([&](V_ u, V_ v) { return of(reinterpret_cast<U_>(u), reinterpret_cast<U_>(v)); }); };
  const auto truth = [&](auto of) { each([&](V_ u, V_ v) { return of(u, v) ? V_{} + C{1} : V_{}; }); };
  switch (f) {
    case Function::negate: return wrapping([](U_ u, U_) { return -u; });
    case Function::magnitude:
      if constexpr (std::is_floating_point_v<C>) return each([](V_ u, V_) { return u < 0 ? -u : u + C{0}; });
      else return each([](V_ u, V_) { return u < 0 ? reinterpret_cast<V_>(-reinterpret_cast<U_>(u)) : u; });
    case Function::logical_not: return truth([](V_ u, V_) { return u == 0; });
    case Function::add: return wrapping([](U_ u, U_ v) { return u + v; });
    case Function::sub: return wrapping([](U_ u, U_ v) { return u - v; });
    case Function::mul: return wrapping([](U_ u, U_ v) { return u * v; });
    case Function::max: return each([](V_ u, V_ v) { return ((u != u) | (u > v)) ? u : v; });
    case Function::min: return each([](V_ u, V_ v) { return ((u != u) | (u < v)) ? u : v; });
    case Function::equal: return truth([](V_ u, V_ v) { return u == v; });
    case Function::less: return truth([](V_ u, V_ v) { return u < v; });
    case Function::less_or_equal: return truth([](V_ u, V_ v) { return u <= v; });
    default: break;
  }
  if constexpr (!std::is_floating_point_v<C>) {
    switch (f) {
      case Function::bit_and: return each([](V_ u, V_ v) { return u & v; });
      case Function::bit_or: return each([](V_ u, V_ v) { return u | v; });
      case Function::bit_xor: return each([](V_ u, V_ v) { return u ^ v; });
      default:
        for (int64_t i = 0; i < n; i += N) store_vector<N>(y + i, load_vector<N>(a + i) != 0 ? load_vector<N>(b + i) : load_vector<N>(c + i));
    }
  }
}

/// n elements from element `at` of Y on, of which operand k begins at from[k] and steps by step[k].
template <class C>
void row(const ElementsParams& p, const plan::Call& call, const int64_t (&from)[kMaxOperands], const int64_t (&step)[kMaxOperands], int64_t at, int64_t n) {
  const auto type = static_cast<DType>(p.type), to = static_cast<DType>(p.to);
  const int operands = operands_of(p.function);
  alignas(64) C chunks[kMaxOperands][kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = least(kChunk, n - i);
    const C* x[kMaxOperands] = {chunks[0], chunks[0], chunks[0]};
    for (int k = 0; k < operands; ++k) x[k] = read<C>(p.function == Function::where && k == 0 ? DType::boolean : type, call.operands[k], from[k] + i * step[k], step[k], count, chunks[k]);
    if (operands == 1) x[1] = x[2] = x[0];
    if (p.function != Function::cast) {
      compute<C>(p.function, x[0], x[1], x[2], count, chunks[0]);
      x[0] = chunks[0];
    }
    write<C>(to, x[0], count, call.operands[operands], at + i);
  }
}
using Row = void (*)(const ElementsParams&, const plan::Call&, const int64_t (&)[kMaxOperands], const int64_t (&)[kMaxOperands], int64_t, int64_t);
[[gnu::noinline]] void each_row(const ElementsParams& p, const plan::Call& call, Row row) {
  if (call.begin == call.end) return;   // a dim is 0
  const int last = p.rank - 1;
  int64_t from[kMaxOperands] = {}, step[kMaxOperands];
  for (int k = 0; k < kMaxOperands; ++k) step[k] = p.stride[k][last];
  if (p.rows_per_piece == 0) {
    const int64_t i = int64_t{call.begin} * kPieceElements;
    for (int k = 0; k < kMaxOperands; ++k) from[k] = i * step[k];
    return row(p, call, from, step, i, least(p.dim[0], int64_t{call.end} * kPieceElements) - i);
  }
  int64_t count = 1;
  for (int d = 0; d < last; ++d) count *= p.dim[d];
  const int64_t r0 = int64_t{call.begin} * p.rows_per_piece, r1 = least(count, int64_t{call.end} * p.rows_per_piece);
  int64_t index[kMaxRank], rest = r0;
  const auto move = [&](int d, int64_t steps) {
    for (int k = 0; k < kMaxOperands; ++k) from[k] += steps * p.stride[k][d];
  };
  for (int d = last - 1; d >= 0; --d) index[d] = rest % p.dim[d], rest /= p.dim[d], move(d, index[d]);
  for (int64_t r = r0; r < r1; ++r) {
    row(p, call, from, step, r * p.dim[last], p.dim[last]);
    for (int d = last - 1; d >= 0; --d) {
      move(d, 1);
      if (++index[d] < p.dim[d]) break;
      move(d, -index[d]);
      index[d] = 0;
    }
  }
}
void run_elements(const plan::Call& call) {
  const ElementsParams& p = *static_cast<const ElementsParams*>(call.params);
  switch (static_cast<DType>(p.type)) {
    case DType::f32: return each_row(p, call, row<float>);
    case DType::f64: return each_row(p, call, row<double>);
    case DType::u32:
    case DType::i64:
    case DType::u64: return each_row(p, call, row<int64_t>);
    default: return each_row(p, call, row<int32_t>);
  }
}

constexpr Kernel kRowsOfTable[] = {{"elements", run_elements}};

}  // namespace

extern const std::span<const Kernel> kElements;
constinit const std::span<const Kernel> kElements = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
