// Kernels alone: GFLOP/s and percent of the measured peak, minimum over repeated runs, 1 and 2 threads.
//   kernels_bench [gemm|...] [threads]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/peak.hpp"
#include "kernels/gemm.hpp"
#include "system/thread_pool.hpp"

namespace {

using namespace saha;
using namespace saha::kernels;
using bench::seconds;

struct Buffer {
  explicit Buffer(std::int64_t n) : p(static_cast<float*>(std::aligned_alloc(64, static_cast<std::size_t>((n * 4 + 127) / 64 * 64))), std::free), size(n) {
    for (std::int64_t i = 0; i < n; ++i) p.get()[i] = static_cast<float>((i * 37 % 101) - 50) / 64;
  }
  std::shared_ptr<float> p;
  std::int64_t size;
  operator float*() const { return p.get(); }
};

struct Machine {
  Isa isa;
  double peak;
  unsigned threads;
  system::ThreadPool& pool;
};

/// Smallest time of a kernel over its whole grid, in seconds.
double time_kernel(const Machine& m, const char* kernel, const void* params, std::vector<void*> operands, std::uint32_t grid, std::uint64_t scratch) {
  const plan::Run run = find(kernel, m.isa);
  const std::uint64_t each = (scratch + 127) / 64 * 64;
  std::unique_ptr<std::byte, decltype(&std::free)> memory(static_cast<std::byte*>(std::aligned_alloc(64, each * m.threads)), std::free);
  double best = 1e9;
  const double until = seconds() + 0.15;
  for (int i = 0; i < 5 || (seconds() < until && i < 2000); ++i) {
    const double start = seconds();
    system::parallel(m.pool, grid, [&](unsigned thread, std::uint32_t begin, std::uint32_t end) {
      run({operands.data(), nullptr, params, begin, end, memory.get() + each * thread});
    });
    best = std::min(best, seconds() - start);
  }
  return best;
}

void print(const Machine& m, const std::string& what, double flops, double s) {
  std::printf("%-44s %9.1f us %7.1f GFLOP/s %5.1f %%\n", what.c_str(), s * 1e6, flops / s / 1e9, 100 * flops / s / 1e9 / (m.peak * m.threads));
}

void bench_gemm(const Machine& m) {
  struct Shape {
    std::int64_t m, n, k;
    int kind;  // 0: nothing packed, 1: A packed, 2: B packed, 3: B transposed
  };
  for (const Shape& s : {Shape{512, 512, 512, 0}, {512, 512, 512, 1}, {512, 512, 512, 2}, {512, 512, 512, 3}, {1024, 1024, 1024, 2}, {128, 768, 768, 2},
                         {128, 3072, 768, 2}, {128, 768, 3072, 2}, {197, 192, 192, 2}, {197, 197, 64, 3}, {1, 1000, 1280, 2}, {1, 4096, 4096, 2}, {1, 4096, 4096, 0}}) {
    GemmShape g;
    g.m = s.m, g.n = s.n, g.k = s.k, g.a_row = s.k, g.b_row = s.kind == 3 ? 1 : s.n, g.b_col = s.kind == 3 ? s.k : 1, g.c_row = s.n;
    const GemmParams p = prepare_gemm(m.isa, g, {}, s.kind == 1, s.kind == 2);
    Buffer a(packed_gemm_a_size(m.isa, s.m, s.k)), b(packed_gemm_b_size(m.isa, s.n, s.k)), c(s.m * s.n);
    const double t = time_kernel(m, "gemm_f32", &p, {a, b, nullptr, nullptr, c}, grid(p), scratch_bytes(p));
    const char* kinds[] = {"", " A packed", " B packed", " B transposed"};
    print(m, "gemm " + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) + kinds[s.kind], 2.0 * double(s.m * s.n) * double(s.k), t);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const Isa isa = std::getenv("SAHA_ISA") ? static_cast<Isa>(std::atoi(std::getenv("SAHA_ISA"))) : detect_isa();
  const double peak = std::max(1.0, bench::peak_gflops(isa));
  std::printf("%s, peak of one thread %.1f GFLOP/s (measured)\n", std::string(name(isa)).c_str(), peak);
  for (unsigned threads : {1u, 2u}) {
    if (argc > 2 && threads != static_cast<unsigned>(std::atoi(argv[2]))) continue;
    system::ThreadPool pool(threads);
    const Machine m{isa, peak, threads, pool};
    std::printf("-- %u thread%s\n", threads, threads > 1 ? "s" : "");
    if (what == "all" || what == "gemm") bench_gemm(m);
  }
}
