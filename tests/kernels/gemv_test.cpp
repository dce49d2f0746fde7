#include "kernels/gemv.hpp"

#include "kernels/gemm.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Case {
  std::int64_t m, n, k;
  Epilogue e = {};
  bool residual = false, a_transposed = false, b_transposed = false;
};

/// The product itself against a sum in float64; epilogues against gemm_f32, whose tests say what they are.
void check(const Case& t) {
  const auto a = noise(t.m * t.k), b = noise(t.k * t.n), bias = noise(t.e.bias == Bias::per_row ? t.m : t.n), residual = noise(t.m * t.n);
  GemmShape whole;
  whole.m = t.m, whole.n = t.n, whole.k = t.k, whole.c_row = t.n;
  whole.a_row = t.a_transposed ? 1 : t.k, whole.a_col = t.a_transposed ? t.m : 1;
  whole.b_row = t.b_transposed ? 1 : t.n, whole.b_col = t.b_transposed ? t.k : 1;
  const std::size_t size = static_cast<std::size_t>(t.m * t.n);
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " m " << t.m << " n " << t.n << " k " << t.k << " act " << int(t.e.activation) << " bias " << int(t.e.bias) << " res " << t.residual);
    const GemvParams g = prepare_gemv(isa, {t.m, t.n, t.k, whole.a_row, whole.a_col}, t.e);
    Aligned<float> packed(static_cast<std::size_t>(packed_gemv_size(isa, g))), c(size, 1), again(size), expected(size);
    pack_gemv(isa, g, b.data(), whole.b_row, whole.b_col, {packed.data(), packed.size()});
    std::vector<const void*> operands = {a.data(), packed.data(), t.e.bias == Bias::none ? nullptr : bias.data(), t.residual ? residual.data() : nullptr, c.data()};
    run_whole("gemv_f32", isa, g, operands, grid(g), 0);
    operands[4] = again.data();
    run_pieces("gemv_f32", isa, g, operands, grid(g), 0);
    ASSERT_TRUE(same_bits(c.data(), again.data(), size));
    const GemmParams reference = prepare_gemm(isa, whole, t.e, false, false);
    operands[1] = b.data(), operands[4] = expected.data();
    run_whole("gemm_f32", isa, reference, operands, grid(reference), scratch_bytes(reference));
    for (std::int64_t i = 0; i < t.m; ++i)
      for (std::int64_t j = 0; j < t.n; ++j) {
        double sum = 0, total = 1;
        for (std::int64_t p = 0; p < t.k; ++p) {
          const double x = double(a[static_cast<std::size_t>(i * whole.a_row + p * whole.a_col)]) * double(b[static_cast<std::size_t>(p * whole.b_row + j * whole.b_col)]);
          sum += x, total += std::fabs(x);
        }
        const auto at = static_cast<std::size_t>(i * t.n + j);
        if (t.e.activation == Activation::none && t.e.bias == Bias::none && !t.residual && t.e.alpha == 1) {
          ASSERT_NEAR(c[at], sum, dot_bound(t.k, total)) << i << "," << j;
        }
        ASSERT_NEAR(c[at], expected[at], 4 * dot_bound(t.k, total) + 1e-6) << i << "," << j;
      }
  }
}

TEST(Gemv, equals_the_double_loop_over_odd_sizes) {
  for (std::int64_t m = 1; m <= kGemvRows; ++m)
    for (std::int64_t n : {1, 3, 5, 8, 15, 16, 17, 25, 32, 33, 50, 56, 57, 64, 65, 100, 130})
      for (std::int64_t k : {1, 2, 5, 7, 16, 33, 50, 300}) check({m, n, k, {}, false, (m + n) % 2 == 0, (n + k) % 2 == 0});
}

TEST(Gemv, is_the_same_in_pieces) {
  for (std::int64_t m = 1; m <= kGemvRows; ++m) check({m, 1000, 1280, {}, m == 2});
  check({1, 1 << 16, 9});
}

TEST(Gemv, does_every_epilogue) {
  for (int act = 0; act <= static_cast<int>(Activation::elu); ++act)
    for (int bias = 0; bias < 3; ++bias)
      for (bool residual : {false, true})
        check({1 + act % 4, 55, 20, {static_cast<Activation>(act), static_cast<Bias>(bias), act == 6 ? 0.2f : -0.3f, act == 6 ? 0.5f : 0.7f, bias == 1 ? 0.5f : 1.f, residual && act % 2 ? 0.25f : 1.f}, residual});
}

TEST(Gemv, keeps_nan_and_inf) {
  const std::int64_t n = 49, k = 30;
  for (Isa isa : levels())
    for (Activation act : {Activation::none, Activation::relu, Activation::clip}) {
      std::vector<float> a(k, 1.f), b(static_cast<std::size_t>(k * n), 1.f);
      b[3 * n + 7] = NAN, b[5 * n + 48] = NAN, b[6 * n + 20] = INFINITY;
      const GemvParams g = prepare_gemv(isa, {1, n, k, k, 1}, {.activation = act, .p0 = -50, .p1 = 50});
      Aligned<float> packed(static_cast<std::size_t>(packed_gemv_size(isa, g))), c(static_cast<std::size_t>(n), 3);
      pack_gemv(isa, g, b.data(), n, 1, {packed.data(), packed.size()});
      run_whole("gemv_f32", isa, g, {a.data(), packed.data(), nullptr, nullptr, c.data()}, grid(g), 0);
      for (std::int64_t j = 0; j < n; ++j) {
        const float v = c[static_cast<std::size_t>(j)];
        if (j == 7 || j == 48) EXPECT_TRUE(std::isnan(v)) << j;
        else EXPECT_EQ(v, j == 20 ? (act == Activation::clip ? 50.f : INFINITY) : 30.f) << j;
      }
    }
}

}  // namespace
}  // namespace saha::kernels
