#pragma once
// AVX-512 BF16 (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; MXCSR counts for none of it). With SAHA_ISA_EMULATED the same by float32's multiply-adds.
#include <string.h>

#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

typedef std::uint16_t Halves __attribute__((vector_size(W * 2)));

/// Denormal lanes become zeros of their sign.
inline V no_denormals(V v) {
#if SAHA_INTRINSICS >= 2
  const __m512 x = reinterpret_cast<__m512>(v);
  return reinterpret_cast<V>(_mm512_mask_and_ps(x, _mm512_fpclass_ps_mask(x, 0x20), x, _mm512_set1_ps(-0.f)));
#else
  return select(abs(v) < splat(0x1p-126f), from_bits(bits(v) & INT32_MIN), v);
#endif
}
#if !SAHA_INTRINSICS
/// a * b + c of numbers that are not denormal, rounded once; a result below the least normal number is 0, and so is one that only the coarser steps down there would raise to it.
inline V fma_without_denormals(V a, V b, V c) {
  const V r = fma(a, b, c), exact = fma(a * splat(0x1p32f), b * splat(0x1p32f), c * splat(0x1p64f));   // by the steps of any exponent; what overflows is not that small
  return no_denormals(select((abs(r) == splat(0x1p-126f)) & (abs(exact) < splat(0x1p-62f)), with_sign(V{}, r), r));
}
#endif
/// Two bfloat16, as a lane of a product has them.
inline int32_t unit(const std::uint16_t* x) {
  int32_t u;
  memcpy(&u, x, 4);
  return u;
}
/// vdpbf16ps: acc + x.upper * w.upper, then + x.lower * w.lower, of the bfloat16 in the halves of each lane; each rounded once to the nearest. Denormal numbers and results are 0.
inline V plus_dots(V acc, I x, I w) {
#if SAHA_INTRINSICS >= 4
  return reinterpret_cast<V>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(acc), reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w)));
#else
  const auto upper = [](I v) { return no_denormals(from_bits(v & static_cast<int32_t>(0xffff0000))); };
  const auto lower = [](I v) { return no_denormals(from_bits(v << 16)); };
  return fma_without_denormals(lower(x), lower(w), fma_without_denormals(upper(x), upper(w), no_denormals(acc)));
#endif
}
/// vcvtneps2bf16: the nearest bfloat16, of two the even one; NaN stays NaN, denormal numbers become 0.
inline Halves to_bfloats(V v) {
#if SAHA_INTRINSICS >= 4
  return reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v)));
#else
  typedef std::uint32_t Words __attribute__((vector_size(W * 4)));
  const Words u = reinterpret_cast<Words>(no_denormals(v)), near = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
  return __builtin_convertvector(v == v ? near : nan, Halves);
#endif
}

/// Rounds n numbers, and puts a zero beside an odd last one. `to` may begin where `from` does.
inline void round_pairs(const float* from, int64_t n, std::uint16_t* to) {
  typedef std::uint16_t Unaligned __attribute__((vector_size(W * 2), aligned(2), may_alias));
  for (; n >= W; n -= W, from += W, to += W) *reinterpret_cast<Unaligned*>(to) = to_bfloats(load(from));
  if (n == 0) return;
  const Halves rest = to_bfloats(load_n(from, static_cast<int>(n)));
  memcpy(to, &rest, static_cast<size_t>(2 * round_up(n, 2)));
}

}  // namespace saha::kernels::SAHA_ISA
