#pragma once
// A product whose B lies in whole panels over its depth, as pack_gemm_b and the loops that pack for themselves leave it. Its sums are cut every 256 terms.
#include "kernels/loops/gemm_tile.hpp"

namespace saha::kernels::SAHA_ISA {

/// c[m, n] = a[m, k] b + bias: a row of A is dense, `a_row` from the next; n counts whole panels, which fill a row of C. No bias where it is null.
inline void packed_product(const float* a, int64_t a_row, int64_t m, const float* b, int64_t k, int64_t n, const float* bias, float* c) {
  constexpr int64_t kDepth = 256;
  Epilogue e;
  e.bias = bias ? Bias::per_column : Bias::none;
  Out out = make_out(c, n, bias, nullptr, e);
  for (int64_t p0 = 0; p0 < most<int64_t>(k, 1); p0 += kDepth) {
    const int64_t depth = least(kDepth, k - p0);
    out.first = p0 == 0, out.last = p0 + kDepth >= k;
    for (int64_t j = 0; j < n;) {
      Panel panels[kMaxPanels];
      int count = 0;
      for (; count < kMaxPanels && j < n; ++count) {
        const int vectors = panel_vectors(n - j, W, false);
        panels[count] = {b + j * k + p0 * vectors * W, vectors * W, j, vectors, vectors * W};
        j += vectors * W;
      }
      multiply({a + p0, a_row, 1, 0}, panels, count, depth, out, 0, m);
    }
  }
}

}  // namespace saha::kernels::SAHA_ISA
