#pragma once
// Vectors of int32 sums to stored integers, bit for bit as tensor/requant.hpp: constants by lane from kernels/rescale.hpp. And the vectors of
// 8, 16 and 64 bits that loops on stored integers share.
#include <string.h>

#include "kernels/loops/vec.hpp"
#include "kernels/rescale.hpp"

namespace saha::kernels::SAHA_ISA {

typedef int64_t L __attribute__((vector_size(W * 4)));
typedef std::uint64_t UL __attribute__((vector_size(W * 4)));
typedef std::int16_t S __attribute__((vector_size(W * 4)));       ///< a block of 2 W columns
typedef std::uint8_t B __attribute__((vector_size(W * 2)));       ///< the same, narrowed
typedef std::int8_t SignedB __attribute__((vector_size(W * 2)));
typedef std::int16_t UnalignedS __attribute__((vector_size(W * 4), aligned(2), may_alias));
typedef std::uint8_t UnalignedB __attribute__((vector_size(W * 2), aligned(1), may_alias));
inline constexpr int kBlock = 2 * W;

inline void store(int32_t* p, I v) { *reinterpret_cast<UnalignedI*>(p) = v; }
inline B load(const std::uint8_t* p) { return *reinterpret_cast<const UnalignedB*>(p); }
inline void store(std::uint8_t* p, B v) { *reinterpret_cast<UnalignedB*>(p) = v; }
inline I splat(int32_t x) { return I{} + x; }
typedef std::uint32_t U __attribute__((vector_size(W * 4)));
/// Sums modulo 2^32.
inline I plus(I a, I b) { return reinterpret_cast<I>(reinterpret_cast<U>(a) + reinterpret_cast<U>(b)); }
inline I minus(I a, I b) { return reinterpret_cast<I>(reinterpret_cast<U>(a) - reinterpret_cast<U>(b)); }
inline I times(I a, I b) { return reinterpret_cast<I>(reinterpret_cast<U>(a) * reinterpret_cast<U>(b)); }
inline S widened(B v, bool is_signed) {  // g++ 12 makes four instructions of a conversion
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<S>(is_signed ? _mm512_cvtepi8_epi16(reinterpret_cast<__m256i>(v)) : _mm512_cvtepu8_epi16(reinterpret_cast<__m256i>(v)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<S>(is_signed ? _mm256_cvtepi8_epi16(reinterpret_cast<__m128i>(v)) : _mm256_cvtepu8_epi16(reinterpret_cast<__m128i>(v)));
#elif SAHA_NEON > 0
  return is_signed ? S(vmovl_s8(reinterpret_cast<int8x8_t>(v))) : reinterpret_cast<S>(vmovl_u8(v));
#else
  return is_signed ? __builtin_convertvector(reinterpret_cast<SignedB>(v), S) : __builtin_convertvector(v, S);
#endif
}
#if SAHA_INTRINSICS >= 2
inline __mmask32 first_bytes(int64_t n) { return static_cast<__mmask32>((std::uint64_t{1} << n) - 1); }
inline B load_less(const std::uint8_t* p, int64_t n) { return reinterpret_cast<B>(_mm256_maskz_loadu_epi8(first_bytes(n), p)); }
inline void store_less(std::uint8_t* p, B v, int64_t n) { _mm256_mask_storeu_epi8(p, first_bytes(n), reinterpret_cast<__m256i>(v)); }
#else
/// Up to 8 bytes as a word; none beyond n are read.
inline std::uint64_t load_word(const std::uint8_t* p, int64_t n) {
  std::uint64_t v = 0;
  if (n >= 8) {
    memcpy(&v, p, 8);
  } else if (n >= 4) {
    std::uint32_t first, last;
    memcpy(&first, p, 4), memcpy(&last, p + n - 4, 4);
    v = first | std::uint64_t{last} << (8 * (n - 4));
  } else if (n > 0) {
    v = p[0] | std::uint64_t{p[n / 2]} << (8 * (n / 2)) | std::uint64_t{p[n - 1]} << (8 * (n - 1));
  }
  return v;
}
inline void store_word(std::uint8_t* p, std::uint64_t v, int64_t n) {
  if (n >= 8) return static_cast<void>(memcpy(p, &v, 8));
  for (; n >= 4; n -= 4, p += 4, v >>= 32) memcpy(p, &v, 4);
  for (; n > 0; --n, ++p, v >>= 8) *p = static_cast<std::uint8_t>(v);
}
typedef std::uint64_t Words __attribute__((vector_size(W * 2)));
/// By words in registers: a vector that is read where its parts were written is a stall. Once for all loops of a level: inlined, it would be half of their code.
[[gnu::noinline]] inline B load_less(const std::uint8_t* p, int64_t n) {
  Words v{};
  for (int i = 0; i < W / 4; ++i) v[i] = load_word(p + 8 * i, n - 8 * i);
  return reinterpret_cast<B>(v);
}
[[gnu::noinline]] inline void store_less(std::uint8_t* p, B v, int64_t n) {
  const Words words = reinterpret_cast<Words>(v);
  for (int i = 0; i < W / 4; ++i) store_word(p + 8 * i, words[i], n - 8 * i);
}
#endif
/// The first n bytes, n > 0; the others are 0, or are left as they are. From 2 W on a whole block.
inline B load_part(const std::uint8_t* p, int64_t n) { return n >= kBlock ? load(p) : load_less(p, n); }
inline void store_part(std::uint8_t* p, B v, int64_t n) { n >= kBlock ? store(p, v) : store_less(p, v, n); }

/// Products of the lanes 0, 2, 4, ..
inline L mul_even(I a, I b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<L>(_mm512_mul_epi32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<L>(_mm256_mul_epi32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_NEON > 0
  return vmull_s32(vmovn_s64(reinterpret_cast<int64x2_t>(a)), vmovn_s64(reinterpret_cast<int64x2_t>(b)));
#else
  L r;
  for (int i = 0; i < W / 2; ++i) r[i] = int64_t{a[2 * i]} * b[2 * i];
  return r;
#endif
}
/// Even lanes from the low halves of a, odd ones from the high halves of b.
inline I halves(UL a, UL b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<I>(_mm512_mask_blend_epi32(0xaaaa, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<I>(_mm256_blend_epi32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b), 0xaa));
#else
  return reinterpret_cast<I>((a & 0xffffffffu) | (b & ~std::uint64_t{0xffffffffu}));
#endif
}
inline I odd_lanes(I v) { return reinterpret_cast<I>(reinterpret_cast<UL>(v) >> 32); }
/// To nearest, ties to even; lanes lie within int32.
inline I to_int(V v) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<I>(_mm512_cvtps_epi32(reinterpret_cast<__m512>(v)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<I>(_mm256_cvtps_epi32(v));
#elif SAHA_NEON > 0
  return vcvtnq_s32_f32(v);
#else
  return __builtin_convertvector(round_even(v), I);
#endif
}
/// Products of pairs of int16, the two of a pair added.
inline I multiply_pairs(I a, I b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<I>(_mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<I>(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_ISA_LEVEL >= 2  // emulated: by halves
  __m256i x[2], y[2];
  __builtin_memcpy(x, &a, sizeof a), __builtin_memcpy(y, &b, sizeof b);
  x[0] = _mm256_madd_epi16(x[0], y[0]), x[1] = _mm256_madd_epi16(x[1], y[1]);
  __builtin_memcpy(&a, x, sizeof a);
  return a;
#elif defined(__SSE2__)
  typedef short Short __attribute__((vector_size(16)));
  return reinterpret_cast<I>(__builtin_ia32_pmaddwd128(reinterpret_cast<Short>(a), reinterpret_cast<Short>(b)));
#else
  const S x = reinterpret_cast<S>(a), y = reinterpret_cast<S>(b);
  I r;
  for (int i = 0; i < W; ++i) r[i] = int32_t{x[2 * i]} * y[2 * i] + int32_t{x[2 * i + 1]} * y[2 * i + 1];
  return r;
#endif
}
/// Groups of four lanes of a and b in turn, saturated to int16.
inline S narrowed(I a, I b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<S>(_mm512_packs_epi32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<S>(_mm256_packs_epi32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_NEON > 0
  return vqmovn_high_s32(vqmovn_s32(a), b);
#else
  S r;
  for (int i = 0; i < W; ++i) {
    const int32_t x = a[i], y = b[i];
    r[block_column(0, i)] = static_cast<std::int16_t>(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
    r[block_column(1, i)] = static_cast<std::int16_t>(y > 32767 ? 32767 : y < -32768 ? -32768 : y);
  }
  return r;
#endif
}
// Two int16 of a and b beside one another, in the order of the columns of a block.
inline I beside_low(S a, S b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<I>(_mm512_unpacklo_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<I>(_mm256_unpacklo_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_NEON > 0
  return reinterpret_cast<I>(vzip1q_s16(a, b));
#else
  S r;
  for (int i = 0; i < W; ++i) r[2 * i] = a[block_column(0, i)], r[2 * i + 1] = b[block_column(0, i)];
  return reinterpret_cast<I>(r);
#endif
}
inline I beside_high(S a, S b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<I>(_mm512_unpackhi_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<I>(_mm256_unpackhi_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_NEON > 0
  return reinterpret_cast<I>(vzip2q_s16(a, b));
#else
  S r;
  for (int i = 0; i < W; ++i) r[2 * i] = a[block_column(1, i)], r[2 * i + 1] = b[block_column(1, i)];
  return reinterpret_cast<I>(r);
#endif
}

/// A block of numbers as two vectors of int32, in the order of the columns of a block.
inline void widen(B v, bool is_signed, I& low, I& high) {
  const S s = widened(v, is_signed);
  low = beside_low(s, s) >> 16, high = beside_high(s, s) >> 16;
}

// Sums of a block of columns plus what one unit of pairs (kernels/rescale.hpp, pair_place) adds: a's columns, then b's.
#if SAHA_NEON > 0
inline S row_of(const int32_t* w, int h) { return *reinterpret_cast<const UnalignedS*>(w + h * W); }
/// Two numbers for each column, as they are multiplied.
struct Beside {
  S first, second;
};
inline Beside beside(S first, S second) { return {first, second}; }
inline void add_unit(I& a, I& b, Beside x, const int32_t* w) {
  const S w0 = row_of(w, 0), w1 = row_of(w, 1);
  a = vmlal_s16(a, vget_low_s16(x.first), vget_low_s16(w0)), b = vmlal_high_s16(b, x.first, w0);
  a = vmlal_s16(a, vget_low_s16(x.second), vget_low_s16(w1)), b = vmlal_high_s16(b, x.second, w1);
}
/// Two numbers for all columns.
inline void add_unit(I& a, I& b, int32_t both, const int32_t* w) {
  const S w0 = row_of(w, 0), w1 = row_of(w, 1), x = reinterpret_cast<S>(splat(both));
  a = vmlal_laneq_s16(a, vget_low_s16(w0), x, 0), b = vmlal_high_laneq_s16(b, w0, x, 0);
  a = vmlal_laneq_s16(a, vget_low_s16(w1), x, 1), b = vmlal_high_laneq_s16(b, w1, x, 1);
}
#else
struct Beside {
  I low, high;
};
inline Beside beside(S first, S second) { return {beside_low(first, second), beside_high(first, second)}; }
inline void add_unit(I& a, I& b, Beside x, const int32_t* w) { a = plus(a, multiply_pairs(x.low, load(w))), b = plus(b, multiply_pairs(x.high, load(w + W))); }
inline void add_unit(I& a, I& b, int32_t both, const int32_t* w) {
  const I x = splat(both);
  a = plus(a, multiply_pairs(x, load(w))), b = plus(b, multiply_pairs(x, load(w + W)));
}
#endif

/// The value, which the compiler does not see through: sums before it are made before it.
inline void keep_place([[maybe_unused]] I& v) {
#if SAHA_ISA_LEVEL > 0 && !defined(SAHA_ISA_EMULATED)
  asm("" : "+v"(v));
#elif SAHA_NEON > 0
  asm("" : "+w"(v));
#endif
}

/// The address, likewise: it stays in a register, and what it points to is not read before.
template <class T>
inline void keep_address([[maybe_unused]] T*& p) { asm("" : "+r"(p)); }

/// Sums, kept within int16.
inline S plus_saturated(S a, S b) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<S>(_mm512_adds_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif SAHA_INTRINSICS == 1
  return reinterpret_cast<S>(_mm256_adds_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif SAHA_NEON > 0
  return vqaddq_s16(a, b);
#else
  S r;
  for (int i = 0; i < 2 * W; ++i) {
    const int32_t sum = int32_t{a[i]} + b[i];
    r[i] = static_cast<std::int16_t>(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
  }
  return r;
#endif
}
/// The low bytes.
inline B low_bytes(S v) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<B>(_mm512_cvtepi16_epi8(reinterpret_cast<__m512i>(v)));
#elif SAHA_INTRINSICS == 1
  const __m256i even = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1));
  return reinterpret_cast<B>(_mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(v), even), 0x08)));
#elif SAHA_NEON > 0
  return reinterpret_cast<B>(vmovn_s16(v));
#else
  return __builtin_convertvector(v, B);
#endif
}
#if SAHA_INTRINSICS >= 1
/// Two blocks as unsigned bytes, saturated.
inline void narrowed_to_bytes(S a, S b, B& low, B& high) {
#if SAHA_INTRINSICS >= 2
  const __m512i both = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packus_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
  low = reinterpret_cast<B>(_mm512_castsi512_si256(both)), high = reinterpret_cast<B>(_mm512_extracti64x4_epi64(both, 1));
#else
  const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)), 0xd8);
  low = reinterpret_cast<B>(_mm256_castsi256_si128(both)), high = reinterpret_cast<B>(_mm256_extracti128_si256(both, 1));
#endif
}
#endif

/// High halves of 2 a m, to nearest; the multipliers of the odd lanes stand in the even lanes of `odd`.
inline I high_product(I a, I m, [[maybe_unused]] I odd) {
#if SAHA_NEON > 0
  return vqrdmulhq_s32(a, m);  // the multiplier is positive: nothing saturates
#else
  constexpr std::uint64_t half = std::uint64_t{1} << 30;
  return halves((reinterpret_cast<UL>(mul_even(a, m)) + half) >> 31, (reinterpret_cast<UL>(mul_even(odd_lanes(a), odd)) + half) << 1);
#endif
}
/// One vector of sums; `t`: its kRescaleRows vectors of constants.
template <Rescaling R>
inline I rescaled(I acc, const int32_t* t) {
  const auto row = [&](int i) { return load(t + i * W); };
  const auto wide = [&](int i) { return reinterpret_cast<UL>(load(t + i * W)); };
  if constexpr (R == Rescaling::real_near) {
    return to_int(to_float(acc) * from_bits(row(1)));
  } else if constexpr (R == Rescaling::real) {
    constexpr float kFar = 16777216;
    const V v = to_float(acc) * from_bits(row(1));
    return to_int(min(max(v, splat(-kFar)), splat(kFar)));
  } else if constexpr (R == Rescaling::twice) {
    acc = acc << row(3);
    const I x = high_product(acc, row(1), row(2));
    return minus(x >> row(4), (x & row(5)) > row(6) - (x >> 31));  // a comparison is -1 where it holds
  } else if constexpr (R == Rescaling::near) {  // the zero point is added before the shift
    const I x = high_product(acc, row(1), row(2));
    return (x + (x >> 31) + row(4)) >> row(3);
  } else if constexpr (R == Rescaling::once) {
    const UL even = (reinterpret_cast<UL>(mul_even(acc, row(1))) + wide(3)) >> wide(5), odd = (reinterpret_cast<UL>(mul_even(odd_lanes(acc), row(2))) + wide(4)) >> wide(6);
    return minus(halves(even, odd << 32), row(7));
  } else {
    return acc;
  }
}

/// Store's numbers in every lane.
struct Bounds {
  I zero;
  S narrow_zero, lo, hi;
  bool all_unsigned;      ///< 0 to 255
  explicit Bounds(const Store& s) : zero(splat(s.zero)), narrow_zero(S{} + static_cast<std::int16_t>(s.zero)), lo(S{} + static_cast<std::int16_t>(s.lo)), hi(S{} + static_cast<std::int16_t>(s.hi)), all_unsigned(s.lo == 0 && s.hi == 255) {}
};
/// A block of scaled numbers that keep clear of the ends of int32, + zero, as stored integers.
template <bool HasZero = false>
inline B kept(I a, I b, const Bounds& s) {
  S y = narrowed(a, b);
  if constexpr (!HasZero) y = plus_saturated(y, s.narrow_zero);
  y = y < s.lo ? s.lo : y;
  y = y > s.hi ? s.hi : y;
  return low_bytes(y);
}
/// A block of sums as stored integers.
template <Rescaling R>
inline B stored(I a, I b, const int32_t* t, const Bounds& s) {
  a = rescaled<R>(a, t), b = rescaled<R>(b, t + kRescaleRows * W);
  if constexpr (R == Rescaling::real_near) return kept(a, b, s);
  if constexpr (R != Rescaling::near) a = plus(a, s.zero), b = plus(b, s.zero);
  return kept<true>(a, b, s);
}
/// The first n columns of a block, n <= 2 W, to `to`: bytes, or int32 where nothing is rescaled.
template <Rescaling R>
inline void put(I a, I b, const int32_t* t, const Bounds& s, void* to, int64_t n) {
  if constexpr (R == Rescaling::none) {
    int32_t all[kBlock];
    for (int i = 0; i < W; ++i) all[block_column(0, i)] = a[i], all[block_column(1, i)] = b[i];
    memcpy(to, all, static_cast<size_t>(n) * 4);
  } else {
    store_part(static_cast<std::uint8_t*>(to), stored<R>(a, b, t, s), n);
  }
}

/// put(r, block) for R rows by the usual rule, real_near. Inlined wherever it is used: the sums are in registers.
template <int R, bool AllUnsigned = false, class Put>
[[gnu::always_inline]] inline void each_near(const I (&sums)[R][2], const int32_t* t, const Bounds& s, Put put) {
#if SAHA_INTRINSICS >= 1
  if (AllUnsigned || s.all_unsigned) {   // narrowing by saturation bounds them; two rows at once
    const auto numbers = [&](int r) {
      const I a = rescaled<Rescaling::real_near>(sums[r][0], t), b = rescaled<Rescaling::real_near>(sums[r][1], t + kRescaleRows * W);
      return plus_saturated(narrowed(a, b), s.narrow_zero);
    };
#pragma GCC unroll 14
    for (int r = 0; r < R; r += 2) {
      B low, high;
      narrowed_to_bytes(numbers(r), numbers(least(r + 1, R - 1)), low, high);
      put(r, low);
      if (r + 1 < R) put(r + 1, high);
    }
    return;
  }
#endif
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) put(r, stored<Rescaling::real_near>(sums[r][0], sums[r][1], t, s));
}
/// Whole blocks to rows `stride` bytes apart.
template <int R>
[[gnu::always_inline]] inline void put_near(const I (&sums)[R][2], const int32_t* t, const Bounds& s, std::uint8_t* to, int64_t stride) {
  each_near<R>(sums, t, s, [&](int, B row) { store(to, row), to += stride; });
}

#if SAHA_INTRINSICS == 1
/// The same of 8 columns of 2 R rows, the halves of each vector those of a row and the next one.
template <int R>
inline void put_near_halves(const I (&sums)[R][2], const int32_t* t, const Bounds& s, std::uint8_t* to, int64_t stride) {
  static_assert(R % 2 == 0);
  const auto numbers = [&](int r) {
    S y = plus_saturated(narrowed(rescaled<Rescaling::real_near>(sums[r][0], t), rescaled<Rescaling::real_near>(sums[r][1], t + kRescaleRows * W)), s.narrow_zero);
    if (!s.all_unsigned) y = y < s.lo ? s.lo : y, y = (y > s.hi ? s.hi : y) & 0xff;
    return reinterpret_cast<__m256i>(y);
  };
#pragma GCC unroll 6
  for (int r = 0; r < R; r += 2, to += 4 * stride) {
    const __m256i rows = _mm256_packus_epi16(numbers(r), numbers(r + 1));
    const __m128i low = _mm256_castsi256_si128(rows), high = _mm256_extracti128_si256(rows, 1);
    const auto put = [&](int i, __m128i v) { _mm_storel_epi64(reinterpret_cast<__m128i*>(to + i * stride), v); };
    put(0, low), put(1, high), put(2, _mm_unpackhi_epi64(low, low)), put(3, _mm_unpackhi_epi64(high, high));
  }
}
#endif

/// put() of n rows of sums, `stride` bytes apart.
template <Rescaling R>
[[gnu::noinline]] void put_rows(const I (*sums)[2], int64_t n, const int32_t* t, const Bounds& s, std::uint8_t* to, int64_t stride, int64_t columns) {
  if constexpr (R != Rescaling::none) {
    if (columns == kBlock) {
      const Bounds bounds = s;
      for (int64_t r = 0; r < n; ++r, to += stride) store(to, stored<R>(sums[r][0], sums[r][1], t, bounds));
      return;
    }
  }
  for (int64_t r = 0; r < n; ++r, to += stride) put<R>(sums[r][0], sums[r][1], t, s, to, columns);
}

/// f with the rule as a template argument.
template <class F>
inline void with_rule(Rescaling r, F f) {
  switch (r) {
    case Rescaling::none: return f.template operator()<Rescaling::none>();
    case Rescaling::real: return f.template operator()<Rescaling::real>();
    case Rescaling::real_near: return f.template operator()<Rescaling::real_near>();
    case Rescaling::twice: return f.template operator()<Rescaling::twice>();
    case Rescaling::near: return f.template operator()<Rescaling::near>();
    case Rescaling::once: return f.template operator()<Rescaling::once>();
  }
}

/// put_rows() of a rule, for loops that it is all the rule says to; and the bytes of what it stores.
using PutRows = decltype(&put_rows<Rescaling::none>);
inline PutRows put_rows_of(Rescaling r) {
  PutRows put = nullptr;
  with_rule(r, [&]<Rescaling R>() { put = put_rows<R>; });
  return put;
}
constexpr int stored_bytes(Rescaling r) { return r == Rescaling::none ? 4 : 1; }

}  // namespace saha::kernels::SAHA_ISA
