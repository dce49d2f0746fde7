#pragma once
// The machine's limits, measured: fused multiply-adds of one thread, by twelve independent chains.
#include <chrono>
#include <cstdint>
#include <ctime>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/isa.hpp"

namespace saha::bench {

/// Time of the whole machine; and of the calling thread alone, which other programs on the machine lengthen less.
inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
inline double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma"), gnu::noinline]] inline void fma_chains_avx2(long n) {
  __m256 a[12] = {}, b = _mm256_set1_ps(0.99f), c = _mm256_set1_ps(1e-3f);
  for (long i = 0; i < n; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) asm volatile("vfmadd213ps %2, %1, %0" : "+x"(a[j]) : "x"(b), "x"(c));
  }
}
[[gnu::target("avx512f"), gnu::noinline]] inline void fma_chains_avx512(long n) {
  __m512 a[12] = {}, b = _mm512_set1_ps(0.99f), c = _mm512_set1_ps(1e-3f);
  for (long i = 0; i < n; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) asm volatile("vfmadd213ps %2, %1, %0" : "+v"(a[j]) : "v"(b), "v"(c));
  }
}
#endif

/// GFLOP/s of one thread at that level, best of 40 runs of a millisecond; 0 where it is not known how to measure.
inline double peak_gflops(kernels::Isa isa) {
  double best = 0;
#if defined(__x86_64__)
  if (isa == kernels::Isa::generic) return 0;
  const long n = 200000;
  for (int i = 0; i < 40; ++i) {
    const double start = thread_seconds();
    kernels::lanes(isa) == 16 ? fma_chains_avx512(n) : fma_chains_avx2(n);
    const double took = thread_seconds() - start;
    const double rate = double(n) * 12 * 2 * kernels::lanes(isa) / took / 1e9;
    best = rate > best ? rate : best;
  }
#endif
  return best;
}

}  // namespace saha::bench
