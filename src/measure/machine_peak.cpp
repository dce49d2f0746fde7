// Chains of independent multiply-adds in registers, as many as hide the latency, and sums over a buffer larger than the caches.
// On x86 each instruction set is a function compiled for it and called only where the processor has it.
#include "measure/machine_peak.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "system/machine.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace saha::measure {
namespace {

constexpr int kChains = 12;        // 2 units x up to 5 cycles of latency, within 16 registers
std::atomic<float> g_sink{0};      // what keeps a result from being removed; nobody reads it

// Each does `rounds` x kChains multiply-adds of its width and returns how many multiply-accumulates that were.
using Loop = double (*)(long rounds);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double avx512(long rounds) {
  __m512 a[kChains];
  const __m512 b = _mm512_set1_ps(0.999f), c = _mm512_set1_ps(1e-4f);
  for (int i = 0; i < kChains; ++i) a[i] = _mm512_set1_ps(float(i));
  for (long r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) a[i] = _mm512_fmadd_ps(a[i], b, c);
  __m512 s = a[0];
  for (int i = 1; i < kChains; ++i) s = _mm512_add_ps(s, a[i]);
  g_sink.store(_mm512_cvtss_f32(s), std::memory_order_relaxed);
  return double(rounds) * kChains * 16;
}
__attribute__((target("avx2,fma"))) double avx2(long rounds) {
  __m256 a[kChains];
  const __m256 b = _mm256_set1_ps(0.999f), c = _mm256_set1_ps(1e-4f);
  for (int i = 0; i < kChains; ++i) a[i] = _mm256_set1_ps(float(i));
  for (long r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) a[i] = _mm256_fmadd_ps(a[i], b, c);
  __m256 s = a[0];
  for (int i = 1; i < kChains; ++i) s = _mm256_add_ps(s, a[i]);
  g_sink.store(_mm256_cvtss_f32(s), std::memory_order_relaxed);
  return double(rounds) * kChains * 8;
}
double sse2(long rounds) {
  __m128 a[kChains];
  const __m128 b = _mm_set1_ps(0.999f), c = _mm_set1_ps(1e-4f);
  for (int i = 0; i < kChains; ++i) a[i] = _mm_set1_ps(float(i));
  for (long r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) a[i] = _mm_add_ps(_mm_mul_ps(a[i], b), c);
  __m128 s = a[0];
  for (int i = 1; i < kChains; ++i) s = _mm_add_ps(s, a[i]);
  g_sink.store(_mm_cvtss_f32(s), std::memory_order_relaxed);
  return double(rounds) * kChains * 4;
}
#elif defined(__aarch64__)
double neon(long rounds) {
  float32x4_t a[kChains];
  const float32x4_t b = vdupq_n_f32(0.999f), c = vdupq_n_f32(1e-4f);
  for (int i = 0; i < kChains; ++i) a[i] = vdupq_n_f32(float(i));
  for (long r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) a[i] = vfmaq_f32(c, a[i], b);
  float32x4_t s = a[0];
  for (int i = 1; i < kChains; ++i) s = vaddq_f32(s, a[i]);
  g_sink.store(vgetq_lane_f32(s, 0), std::memory_order_relaxed);
  return double(rounds) * kChains * 4;
}
#endif
double scalar(long rounds) {
  float a[kChains];
  for (int i = 0; i < kChains; ++i) a[i] = float(i);
  for (long r = 0; r < rounds; ++r)
    for (int i = 0; i < kChains; ++i) a[i] = a[i] * 0.999f + 1e-4f;
  float s = 0;
  for (float x : a) s += x;
  g_sink.store(s, std::memory_order_relaxed);
  return double(rounds) * kChains;
}

std::vector<std::pair<std::string, Loop>> loops() {
  std::vector<std::pair<std::string, Loop>> all;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) all.emplace_back("avx512f", avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.emplace_back("avx2+fma", avx2);
  all.emplace_back("sse2", sse2);
#elif defined(__aarch64__)
  all.emplace_back("neon", neon);
#endif
  if (all.empty()) all.emplace_back("scalar", scalar);
  return all;
}

double seconds() { return double(system::monotonic_ns()) * 1e-9; }

// Starts all threads at once, sums what each reaches per second; the best of `trials`.
template <class Work> double best_rate(int threads, int trials, Work work) {
  double best = 0;
  for (int t = 0; t < trials; ++t) {
    std::vector<double> rates(std::size_t(threads), 0);
    std::atomic<int> ready{0};
    const auto one = [&](int i) {
      ready.fetch_add(1);
      while (ready.load() < threads) std::this_thread::yield();
      const double start = seconds();
      const double done = work(i);
      rates[std::size_t(i)] = done / std::max(seconds() - start, 1e-9);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(one, i);
    one(0);
    for (auto& o : others) o.join();
    double sum = 0;
    for (double r : rates) sum += r;
    best = std::max(best, sum);
  }
  return best;
}

// Rounds that take about a millisecond.
long rounds_of_1ms(Loop loop) {
  long rounds = 1000;
  for (;;) {
    const double start = seconds();
    loop(rounds);
    const double taken = seconds() - start;
    if (taken > 2e-4) return std::max(1L, long(double(rounds) * 1e-3 / taken));
    rounds *= 4;
  }
}

// The sum is in a form that the compiler turns into wide loads; the reads, not the additions, are what takes time.
double read(const std::uint64_t* p, std::size_t n) {
  std::uint64_t s[8] = {};
  for (std::size_t i = 0; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) s[k] += p[i + std::size_t(k)];
  g_sink.store(float(s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7]), std::memory_order_relaxed);
  return double(n) * sizeof(std::uint64_t);
}

// Pieces are visited in turn, so each has left the caches when it comes again; short ones, so that some are read undisturbed.
double read_rate(int threads) {
  constexpr std::size_t kWords = (std::size_t{96} << 20) / sizeof(std::uint64_t), kPieces = 24;
  std::vector<std::vector<std::uint64_t>> buffers;
  for (int i = 0; i < threads; ++i) buffers.emplace_back(kWords / std::size_t(threads), 1);
  double best = 0;
  for (std::size_t k = 0; k < 3 * kPieces; ++k)
    best = std::max(best, best_rate(threads, 1, [&](int i) {
      const auto& buffer = buffers[std::size_t(i)];
      const std::size_t n = buffer.size() / kPieces;
      return read(buffer.data() + k % kPieces * n, n);
    }));
  return best;
}

}  // namespace

double MachinePeak::best_gmacs() const {
  double best = 0;
  for (const auto& i : isas) best = std::max(best, i.gmacs);
  return best;
}

MachinePeak measure_machine_peak(int threads) {
  MachinePeak peak;
  peak.threads = std::max(threads, 1);
  for (const auto& [name, loop] : loops()) {
    const long rounds = rounds_of_1ms(loop);
    peak.isas.push_back({name, best_rate(peak.threads, 40, [&, run = loop](int) { return run(rounds); }) * 1e-9});
  }
  peak.read_gbytes = read_rate(peak.threads) * 1e-9;
  return peak;
}

}  // namespace saha::measure
