#pragma once
// The vector type that every loop is written over, for the instruction set that this file is being compiled for:
// SAHA_ISA is the namespace, SAHA_ISA_LEVEL how far it goes on x86 (1 avx2, 2 avx512, 3 avx512vnni, 4 avx512bf16, 5 avx512amx) and SAHA_NEON on AArch64 (1 neon, 2 neon_dot,
// 3 neon_fp16, 4 neon_i8mm, 5 neon_bf16); the
// other one is 0, in generic both are. Nothing here is visible outside that namespace, so no instruction of a higher level can be linked into a
// lower one. With SAHA_ISA_EMULATED the lanes are the level's, the instructions the compiler's: so tests run a level's loops on a machine that lacks it.
#include <cstddef>
#include <cstdint>
#if SAHA_ISA_LEVEL > 0
#include <immintrin.h>
#elif SAHA_NEON > 0
#include <arm_neon.h>
#endif
#if !defined(SAHA_ISA_EMULATED)
#define SAHA_INTRINSICS SAHA_ISA_LEVEL
#else
#define SAHA_INTRINSICS 0
#endif

namespace saha::kernels::SAHA_ISA {

using std::int32_t;
using std::int64_t;

#if SAHA_ISA_LEVEL >= 2
inline constexpr int W = 16;  ///< lanes of a V
#elif SAHA_ISA_LEVEL == 1
inline constexpr int W = 8;
#else
inline constexpr int W = 4;
#endif

/// Generic: what every processor runs and hardly one has to. Loops leave out there what is the same once more, only faster.
inline constexpr bool kCompact = SAHA_ISA_LEVEL == 0 && SAHA_NEON == 0;

typedef float V __attribute__((vector_size(W * 4)));
typedef int32_t I __attribute__((vector_size(W * 4)));  ///< also a comparison's result: all bits of a lane, or none
typedef float UnalignedV __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef int32_t UnalignedI __attribute__((vector_size(W * 4), aligned(4), may_alias));

inline V load(const float* p) { return *reinterpret_cast<const UnalignedV*>(p); }
inline I load(const int32_t* p) { return *reinterpret_cast<const UnalignedI*>(p); }
inline void store(float* p, V v) { *reinterpret_cast<UnalignedV*>(p) = v; }
inline I bits(V v) { return reinterpret_cast<I>(v); }
inline V from_bits(I v) { return reinterpret_cast<V>(v); }
inline V select(I mask, V a, V b) { return mask ? a : b; }
inline V abs(V v) { return from_bits(bits(v) & 0x7fffffff); }
inline V with_sign(V magnitude, V sign) { return from_bits(bits(magnitude) | (bits(sign) & INT32_MIN)); }
inline V to_float(I v) { return __builtin_convertvector(v, V); }

// load_n, store_n: the first n lanes only, 0 <= n <= W; nothing else is read (it becomes 0) or written.
// max, min: the second operand where either is NaN, so that max(bound, x) keeps a NaN in x.
// fma: a * b + c, rounded once, in generic twice.
#if SAHA_INTRINSICS >= 2
inline V splat(float x) { return reinterpret_cast<V>(_mm512_set1_ps(x)); }
inline V fma(V a, V b, V c) { return reinterpret_cast<V>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c))); }
inline V max(V a, V b) { return reinterpret_cast<V>(_mm512_max_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b))); }
inline V min(V a, V b) { return reinterpret_cast<V>(_mm512_min_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b))); }
inline V sqrt(V a) { return reinterpret_cast<V>(_mm512_sqrt_ps(reinterpret_cast<__m512>(a))); }
inline V floor(V a) { return reinterpret_cast<V>(_mm512_roundscale_ps(reinterpret_cast<__m512>(a), 9)); }
inline V ceil(V a) { return reinterpret_cast<V>(_mm512_roundscale_ps(reinterpret_cast<__m512>(a), 10)); }
inline V round_even(V a) { return reinterpret_cast<V>(_mm512_roundscale_ps(reinterpret_cast<__m512>(a), 8)); }
inline V load_n(const float* p, int n) { return reinterpret_cast<V>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)); }
inline void store_n(float* p, V v, int n) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), reinterpret_cast<__m512>(v)); }
#elif SAHA_INTRINSICS == 1
inline V splat(float x) { return _mm256_set1_ps(x); }
inline V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
inline V max(V a, V b) { return _mm256_max_ps(a, b); }
inline V min(V a, V b) { return _mm256_min_ps(a, b); }
inline V sqrt(V a) { return _mm256_sqrt_ps(a); }
inline V floor(V a) { return _mm256_round_ps(a, 9); }
inline V ceil(V a) { return _mm256_round_ps(a, 10); }
inline V round_even(V a) { return _mm256_round_ps(a, 8); }
alignas(64) inline constexpr int32_t kFirst[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
inline __m256i first(int n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kFirst + 8 - n)); }
inline V load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
inline void store_n(float* p, V v, int n) {  // a masked store is a slow microcode loop on Zen
  if (n == W) return store(p, v);
  __m128 part = _mm256_castps256_ps128(v);
  if (n & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps(v, 1), p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), part);
    part = _mm_movehl_ps(part, part), p += 2;
  }
  if (n & 1) _mm_store_ss(p, part);
}
#elif SAHA_NEON > 0
inline V splat(float x) { return vdupq_n_f32(x); }
inline V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
inline V max(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // fmax has rules of its own for NaN and zeros
inline V min(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline V sqrt(V a) { return vsqrtq_f32(a); }
inline V floor(V a) { return vrndmq_f32(a); }
inline V ceil(V a) { return vrndpq_f32(a); }
inline V round_even(V a) { return vrndnq_f32(a); }
inline V load_n(const float* p, int n) {
  if (n == W) return load(p);
  if (n < 2) return n == 0 ? V{} : V(vld1q_lane_f32(p, V{}, 0));
  const float32x4_t v = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
  return n == 2 ? v : vld1q_lane_f32(p + 2, v, 2);
}
inline void store_n(float* p, V v, int n) {
  if (n == W) return store(p, v);
  if (n & 2) {
    vst1_f32(p, vget_low_f32(v));
    v = vextq_f32(v, v, 2), p += 2;
  }
  if (n & 1) vst1q_lane_f32(p, v, 0);
}
#else
inline V splat(float x) { return x - V{}; }  // x + 0 would lose the sign of -0
inline V fma(V a, V b, V c) {
#if SAHA_ISA_LEVEL >= 2  // emulated: by halves
  __m256 x[2], y[2], z[2];
  __builtin_memcpy(x, &a, sizeof a), __builtin_memcpy(y, &b, sizeof b), __builtin_memcpy(z, &c, sizeof c);
  z[0] = _mm256_fmadd_ps(x[0], y[0], z[0]), z[1] = _mm256_fmadd_ps(x[1], y[1], z[1]);
  __builtin_memcpy(&c, z, sizeof c);
  return c;
#else
  return a * b + c;
#endif
}
inline V max(V a, V b) { return a > b ? a : b; }
inline V min(V a, V b) { return a < b ? a : b; }
inline V sqrt(V a) {
  for (int i = 0; i < W; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
inline V round_even(V a) {  // adding 2^23 leaves no bits behind the point
  const V magic = with_sign(splat(8388608.f), a);
  return abs(a) < 8388608.f ? with_sign(abs((a + magic) - magic), a) : a;
}
inline V floor(V a) {
  const V r = round_even(a);
  return r > a ? r - 1.f : r;
}
inline V ceil(V a) {
  const V r = round_even(a);
  return r < a ? with_sign(abs(r + 1.f), a) : r;
}
inline V load_n(const float* p, int n) {
  V v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_n(float* p, V v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
#endif

/// Lane `Lane` of a times b, + c.
template <int Lane>
inline V fma_lane(V a, V b, V c) {
#if SAHA_NEON > 0
  return vfmaq_laneq_f32(c, b, a, Lane);
#else
  return fma(splat(a[Lane]), b, c);
#endif
}

/// The lanes of a load whose place `start` + lane lies in a row [0, n).
inline I inside(int64_t start, int64_t n) {
  I m;
  for (int i = 0; i < W; ++i) m[i] = start + i >= 0 && start + i < n ? -1 : 0;
  return m;
}
/// Only the lanes of the mask are read; the others become 0.
inline V load_masked(const float* p, I mask) {
#if SAHA_INTRINSICS >= 2
  return reinterpret_cast<V>(_mm512_maskz_loadu_ps(_mm512_movepi32_mask(reinterpret_cast<__m512i>(mask)), p));
#elif SAHA_INTRINSICS == 1
  return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(mask));
#else
  V v{};
  for (int i = 0; i < W; ++i)
    if (mask[i]) v[i] = p[i];
  return v;
#endif
}

/// Parts of vectors cost no more than whole ones.
inline constexpr bool kMasks = SAHA_INTRINSICS >= 2;

/// Load and store of a whole vector, or of its first n lanes where fewer are left.
inline V load_up_to(const float* p, int64_t n) { return n >= W ? load(p) : load_n(p, static_cast<int>(n)); }
inline void store_up_to(float* p, V v, int64_t n) { n >= W ? store(p, v) : store_n(p, v, static_cast<int>(n)); }

template <class T>
constexpr T least(T a, T b) { return b < a ? b : a; }
template <class T>
constexpr T most(T a, T b) { return a < b ? b : a; }
constexpr int64_t round_up(int64_t a, int64_t to) { return (a + to - 1) / to * to; }

// Shuffles: even(a, b) = a0 a2 .. b0 b2 .., odd likewise.
template <int... K>
struct Lanes {};
template <int N, int... K>
struct MakeLanes : MakeLanes<N - 1, N - 1, K...> {};
template <int... K>
struct MakeLanes<0, K...> { using type = Lanes<K...>; };
using AllLanes = MakeLanes<W>::type;

template <int... K>
inline I lanes_below(int n, Lanes<K...>) { return I{K...} < n; }
/// The first n lanes.
inline I first_lanes(int n) { return lanes_below(n, AllLanes{}); }

template <int... K>
inline V every_second(V a, V b, Lanes<K...>, int /*phase 0*/) { return __builtin_shufflevector(a, b, (2 * K)...); }
template <int... K>
inline V every_second(V a, V b, Lanes<K...>, long /*phase 1*/) { return __builtin_shufflevector(a, b, (2 * K + 1)...); }
inline V even(V a, V b) { return every_second(a, b, AllLanes{}, 0); }
inline V odd(V a, V b) { return every_second(a, b, AllLanes{}, 0L); }

// The same within blocks that cost one instruction; in_order() puts a function of such vectors into the order of even() and odd().
#if SAHA_INTRINSICS == 1
inline V block_even(V a, V b) { return _mm256_shuffle_ps(a, b, 0x88); }
inline V block_odd(V a, V b) { return _mm256_shuffle_ps(a, b, 0xdd); }
inline V in_order(V v) { return reinterpret_cast<V>(_mm256_permute4x64_epi64(reinterpret_cast<__m256i>(v), 0xd8)); }
#else
inline V block_even(V a, V b) { return even(a, b); }
inline V block_odd(V a, V b) { return odd(a, b); }
inline V in_order(V v) { return v; }
#endif

// Transposes W vectors in place, by exchanging blocks of 1, 2, 4, .. lanes.
template <int S, int... K>
inline V low_blocks(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, ((K / S) % 2 == 0 ? K : K - S + W)...); }
template <int S, int... K>
inline V high_blocks(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, ((K / S) % 2 == 0 ? K + S : K + W)...); }
template <int S>
inline void exchange(V* r) {
  if constexpr (S < W) {
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) {
      if (i & S) continue;
      const V a = r[i], b = r[i + S];
      r[i] = low_blocks<S>(a, b, AllLanes{});
      r[i + S] = high_blocks<S>(a, b, AllLanes{});
    }
    exchange<S * 2>(r);
  }
}
inline void transpose(V (&r)[W]) { exchange<1>(r); }

/// join(lane, lane S behind it) for S = W / 2, .. 1: what is in lane 0 has seen every lane.
template <int S, int... K>
inline V behind(V v, Lanes<K...>) { return __builtin_shufflevector(v, v, ((K + S) % W)...); }
template <int S = W / 2, class Join>
[[gnu::always_inline]] inline float across(V v, const Join& join) {
  if constexpr (S == 0) return v[0];
  else return across<S / 2>(join(v, behind<S>(v, AllLanes{})), join);
}
inline float sum(V v) {
  return across(v, [](V a, V b) { return a + b; });
}
/// The second operand where either is NaN, but the first where that is.
inline V max_nan(V a, V b) { return select(a != a, a, max(a, b)); }
/// NaN if any lane is NaN.
inline float largest(V v) { return across(v, max_nan); }

}  // namespace saha::kernels::SAHA_ISA
