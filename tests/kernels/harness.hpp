#pragma once
// Runs kernels at every level, whole and piece by piece, and makes data.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <vector>

#include "kernels/blocks.hpp"
#include "kernels/conv.hpp"
#include "kernels/isa.hpp"
#include "kernels/tables.hpp"

#if defined(__x86_64__)
SAHA_KERNEL_TABLES(avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512vnni_by_avx2, avx512vnni_by_avx2, avx512vnni_by_avx2, without, without, avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512bf16_by_avx2, avx512vnni_by_avx2, avx512vnni_by_avx2, avx512bf16_by_avx2, avx512bf16_by_avx2, avx512_by_avx2)
SAHA_KERNEL_TABLES_OVER(avx512amx_by_avx2, avx512amx_by_avx2, avx512vnni_by_avx2, avx512amx_by_avx2, avx512bf16_by_avx2, avx512_by_avx2)
#endif

namespace saha::kernels::test {

/// AVX-512's kernels are here twice: where this CPU has AVX2 but not AVX-512, or not its VNNI, BF16 or AMX, their 16 lanes are worked on by AVX2's instructions.
inline bool emulated(Isa isa) { return lanes(isa) == 16 && runs(detect_isa(), Isa::avx2) && !runs(detect_isa(), isa); }

/// Every level that this CPU can run, in its own instructions or by those of the level below.
inline std::vector<Isa> levels() {
  std::vector<Isa> all;
  for (Isa isa : kLevels)
    if (runs(detect_isa(), isa) || emulated(isa)) all.push_back(isa);
  return all;
}

/// Of kernels/blocks.hpp, another at each call, never 0.
inline std::uint32_t other_blocks() {
  static std::uint32_t turn = 0;
  return 1 + turn++ % (kNumBlocks - 1);
}

inline std::span<const std::span<const Kernel>> tables(Isa isa) {
#if defined(__x86_64__)
  if (emulated(isa)) return isa == Isa::avx512 ? avx512_by_avx2::tables() : isa == Isa::avx512vnni ? avx512vnni_by_avx2::tables() : isa == Isa::avx512bf16 ? avx512bf16_by_avx2::tables() : avx512amx_by_avx2::tables();
#endif
  return kernels(isa);
}

/// Elements at an alignment of 64 bytes plus `offset` elements, on the heap with nothing behind them, so that a sanitizer sees every overrun.
template <class T>
class Aligned {
 public:
  explicit Aligned(std::size_t n, std::size_t offset = 0) : offset_(offset), size_(n) {
    const std::size_t bytes = (n + offset) * sizeof(T);
    void* memory = nullptr;
    if (::posix_memalign(&memory, 64, std::max<std::size_t>(bytes, 1)) != 0) std::abort();
    memory_.reset(static_cast<T*>(memory));
    std::memset(memory, 0xff, bytes);  // NaN where nothing is written
  }
  T* data() { return memory_.get() + offset_; }
  const T* data() const { return memory_.get() + offset_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> memory_;
  std::size_t offset_, size_;
};

inline std::mt19937& random() {
  static std::mt19937 engine(7);
  return engine;
}

inline std::vector<float> noise(std::int64_t n, float low = -1, float high = 1) {
  std::uniform_real_distribution<float> d(low, high);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = d(random());
  return v;
}

/// Calls a kernel on its whole grid.
template <class Params>
void run_whole(std::string_view kernel, Isa isa, const Params& params, std::vector<const void*> operands, std::uint32_t grid, std::uint64_t scratch) {
  plan::Run run = find(kernel, tables(isa));
  ASSERT_NE(run, nullptr) << kernel << " " << name(isa);
  Aligned<std::byte> s(scratch);
  std::vector<void*> o;
  for (const void* p : operands) o.push_back(const_cast<void*>(p));
  run({o.data(), nullptr, &params, 0, grid, s.data()});
}

/// Calls a kernel piece by piece, last piece first.
template <class Params>
void run_pieces(std::string_view kernel, Isa isa, const Params& params, std::vector<const void*> operands, std::uint32_t grid, std::uint64_t scratch) {
  plan::Run run = find(kernel, tables(isa));
  ASSERT_NE(run, nullptr) << kernel << " " << name(isa);
  std::vector<void*> o;
  for (const void* p : operands) o.push_back(const_cast<void*>(p));
  for (std::uint32_t i = grid; i-- > 0;) {
    Aligned<std::byte> s(scratch);
    run({o.data(), nullptr, &params, i, i + 1, s.data()});
  }
}

/// Phase after phase, in each piece by piece, the last one first.
template <class Params>
void run_phases(std::string_view kernel, Isa isa, const Params& params, std::vector<const void*> operands, std::uint32_t grid, std::uint32_t phases, std::uint64_t scratch = 0) {
  plan::Run run = find(kernel, tables(isa));
  ASSERT_NE(run, nullptr) << kernel << " " << name(isa);
  std::vector<void*> o;
  for (const void* p : operands) o.push_back(const_cast<void*>(p));
  for (std::uint32_t phase = 0; phase < phases; ++phase)
    for (std::uint32_t i = grid; i-- > 0;) {
      Aligned<std::byte> s(scratch);
      run({o.data(), nullptr, &params, i, i + 1, s.data(), phase, phase + 1});
    }
}

/// a and b have the same bits.
inline bool same_bits(const float* a, const float* b, std::size_t n) { return n == 0 || std::memcmp(a, b, n * sizeof(float)) == 0; }

/// The error bound of a float32 sum of k products in any order, with a few roundings more: gamma_(k+4) times the sum of absolute values.
inline double dot_bound(std::int64_t k, double sum_abs) {
  const double u = std::ldexp(1, -24), n = static_cast<double>(k + 4);
  return n * u / (1 - n * u) * sum_abs + 1e-44;
}

inline double activated(double v, const Epilogue& e) {
  const auto hard = [](double x, double a, double b) { return std::min(1., std::max(0., a * x + b)); };
  switch (e.activation) {
    case Activation::none: return v;
    case Activation::relu: return std::max(v, 0.);
    case Activation::clip: return std::min<double>(std::max<double>(v, e.p0), e.p1);
    case Activation::sigmoid: return 1 / (1 + std::exp(-v));
    case Activation::tanh: return std::tanh(v);
    case Activation::silu: return v / (1 + std::exp(-v));
    case Activation::hardsigmoid: return hard(v, e.p0, e.p1);
    case Activation::hardswish: return v * hard(v, 1. / 6, 0.5);
    case Activation::gelu: return v / 2 * (1 + std::erf(v / std::sqrt(2.)));
    case Activation::leakyrelu: return v < 0 ? double(e.p0) * v : v;
    case Activation::elu: return v < 0 ? double(e.p0) * std::expm1(v) : v;
  }
  return v;
}

struct Sum {
  double sum = 0, magnitude = 0;   ///< of the products, and of their sizes
};
/// Of the window of result (n, m, oy, ox) of a convolution of planes, x [N, C, H, W] and w [M, C / groups, KH, KW].
inline Sum window_sum(const ConvShape& s, const float* x, const float* w, std::int64_t n, std::int64_t m, std::int64_t oy, std::int64_t ox) {
  const std::int64_t gc = s.in_channels / s.groups, gm = s.out_channels / s.groups;
  Sum r;
  for (std::int64_t c = 0; c < gc; ++c)
    for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
      for (std::int64_t kx = 0; kx < s.kernel_w; ++kx) {
        const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
        if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
        const double v = double(x[((n * s.in_channels + m / gm * gc + c) * s.in_h + iy) * s.in_w + ix]) * double(w[((m * gc + c) * s.kernel_h + ky) * s.kernel_w + kx]);
        r.sum += v, r.magnitude += std::fabs(v);
      }
  return r;
}

/// Distance in units in the last place of the float32 nearest to `expected`.
inline double ulps(float got, double expected) {
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) == std::isnan(expected) ? 0 : INFINITY;
  const float near = static_cast<float>(expected);
  if (std::isinf(got) || std::isinf(near)) {
    if (got == near) return 0;
    if (std::isinf(got) && std::isinf(near)) return INFINITY;
    // One of them overflowed: measure as if the exponent went on.
    const double wide = std::isinf(got) ? std::copysign(std::ldexp(1, 128), got) : got;
    return std::fabs(wide - (std::isinf(near) ? std::copysign(std::min(std::fabs(expected), std::ldexp(1, 128)), expected) : expected)) / std::ldexp(1, 104);
  }
  int e;
  std::frexp(std::fabs(near), &e);
  const double ulp = std::ldexp(1, std::max(e - 24, -149));
  return std::fabs(got - expected) / ulp;
}

}  // namespace saha::kernels::test
