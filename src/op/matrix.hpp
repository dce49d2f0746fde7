#pragma once
// The matrix product that every reference shares: cache-friendly, each element's sum in ascending order of k.
#include <algorithm>
#include <cstdint>

namespace saha::op {

/// y[m, n] += a[m, k] b[k, n], all dense. T is a carrier. The block of b (kBlockK x kBlockN) stays in the second cache for all rows of a.
template <class T> void multiply(const T* a, const T* b, T* y, std::int64_t m, std::int64_t k, std::int64_t n) {
  constexpr std::int64_t kBlockK = 64, kBlockN = 512;
  for (std::int64_t j0 = 0; j0 < n; j0 += kBlockN)
    for (std::int64_t p0 = 0; p0 < k; p0 += kBlockK) {
      std::int64_t width = std::min(kBlockN, n - j0), end = std::min(k, p0 + kBlockK);
      for (std::int64_t i = 0; i < m; ++i) {
        T* __restrict out = y + i * n + j0;
        for (std::int64_t p = p0; p < end; ++p) {
          const T f = a[i * k + p];
          const T* __restrict row = b + p * n + j0;
          for (std::int64_t j = 0; j < width; ++j) out[j] += f * row[j];
        }
      }
    }
}

}  // namespace saha::op
