#pragma once
// Vectors as blocks of four lanes: runs of four numbers that stand anywhere, and 4x4 transposes of such blocks.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

typedef float Quad __attribute__((vector_size(16)));
typedef float UnalignedQuad __attribute__((vector_size(16), aligned(4), may_alias));

/// Block l holds the four numbers at x + at[4 l].
template <int Width = W>
inline V load_quads(const float* x, const int32_t* at) {
  const auto quad = [&](int l) { return Quad(*reinterpret_cast<const UnalignedQuad*>(x + at[4 * l])); };
  if constexpr (Width == 4) {
    return quad(0);
  } else if constexpr (Width == 8) {
    return __builtin_shufflevector(quad(0), quad(1), 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    const auto low = __builtin_shufflevector(quad(0), quad(1), 0, 1, 2, 3, 4, 5, 6, 7), high = __builtin_shufflevector(quad(2), quad(3), 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
}
/// Block l to p + l * step.
template <int L = 0>
inline void store_quads(float* p, int64_t step, V v) {
  if constexpr (L < W / 4) {
    *reinterpret_cast<UnalignedQuad*>(p) = __builtin_shufflevector(v, v, 4 * L, 4 * L + 1, 4 * L + 2, 4 * L + 3);
    store_quads<L + 1>(p + step, step, v);
  }
}

template <int From, int... K>
inline V unpack(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, (K / 4 * 4 + From + K % 4 / 2 + K % 2 * W)...); }
template <int From, int... K>
inline V unpack_pairs(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, (K / 4 * 4 + From + K % 2 + K % 4 / 2 * W)...); }
/// r[i], block l, lane j: what was in r[j], block l, lane i.
inline void transpose_quads(V (&r)[4]) {
  constexpr AllLanes all;
  const V a = unpack<0>(r[0], r[1], all), b = unpack<2>(r[0], r[1], all), c = unpack<0>(r[2], r[3], all), d = unpack<2>(r[2], r[3], all);
  r[0] = unpack_pairs<0>(a, c, all), r[1] = unpack_pairs<2>(a, c, all), r[2] = unpack_pairs<0>(b, d, all), r[3] = unpack_pairs<2>(b, d, all);
}

// low(a, b) = a0 b0 a1 b1 .. of the first halves, high likewise of the second.
template <int... K>
inline V interleave_low(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, (K / 2 + K % 2 * W)...); }
template <int... K>
inline V interleave_high(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, (W / 2 + K / 2 + K % 2 * W)...); }
inline V interleave_low(V a, V b) { return interleave_low(a, b, AllLanes{}); }
inline V interleave_high(V a, V b) { return interleave_high(a, b, AllLanes{}); }

}  // namespace saha::kernels::SAHA_ISA
