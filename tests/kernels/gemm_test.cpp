#include "kernels/gemm.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Case {
  std::int64_t m, n, k;
  bool a_transposed = false, b_transposed = false, a_packed = false, b_packed = false, residual = false;
  Epilogue e = {};
  std::vector<std::int64_t> batch = {};
  bool a_broadcast = false, b_broadcast = false;
  std::int64_t c_pad = 0;
};

double activated(double x, const Epilogue& e) {
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  switch (e.activation) {
    case Activation::none: return x;
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::clip: return std::min<double>(std::max<double>(x, e.p0), e.p1);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::tanh: return std::tanh(x);
    case Activation::silu: return x * sigmoid(x);
    case Activation::hardsigmoid: return std::max(0., std::min(1., e.p0 * x + e.p1));
    case Activation::hardswish: return x * std::max(0., std::min(1., x / 6 + 0.5));
    case Activation::gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.)));
    case Activation::leakyrelu: return x < 0 ? e.p0 * x : x;
    case Activation::elu: return x < 0 ? e.p0 * std::expm1(x) : x;
  }
  return x;
}

void check(const Case& t) {
  std::int64_t batches = 1;
  for (auto d : t.batch) batches *= d;
  const std::int64_t a_count = t.a_broadcast || t.a_packed ? 1 : batches, b_count = t.b_broadcast || t.b_packed ? 1 : batches;
  const auto a = noise(a_count * t.m * t.k), b = noise(b_count * t.k * t.n);
  const auto bias = noise(t.e.bias == Bias::per_row ? t.m : t.n);
  GemmShape s;
  s.m = t.m, s.n = t.n, s.k = t.k, s.c_row = t.n + t.c_pad;
  s.a_row = t.a_transposed ? 1 : t.k, s.a_col = t.a_transposed ? t.m : 1;
  s.b_row = t.b_transposed ? 1 : t.n, s.b_col = t.b_transposed ? t.k : 1;
  s.batch_rank = static_cast<int>(t.batch.size());
  std::int64_t am = t.m * t.k, bm = t.k * t.n;
  for (int d = s.batch_rank - 1; d >= 0; --d) {
    s.batch[d] = t.batch[d];
    s.a_batch[d] = a_count == 1 ? 0 : am, s.b_batch[d] = b_count == 1 ? 0 : bm;
    am *= t.batch[d], bm *= t.batch[d];
  }
  const std::size_t c_size = static_cast<std::size_t>(batches * t.m * s.c_row);
  const auto residual = noise(static_cast<std::int64_t>(c_size));
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " m " << t.m << " n " << t.n << " k " << t.k << " at " << t.a_transposed << " bt " << t.b_transposed
                                    << " ap " << t.a_packed << " bp " << t.b_packed << " res " << t.residual << " act "
                                    << int(t.e.activation) << " bias " << int(t.e.bias) << " batches " << batches);
    const std::uint32_t blocks = (t.m + t.n) % 2 ? other_blocks() : 0;
    const GemmParams g = prepare_gemm(isa, s, t.e, t.a_packed, t.b_packed, blocks);
    Aligned<float> ap(t.a_packed ? packed_gemm_a_size(isa, t.m, t.k) : 0), bp(t.b_packed ? packed_gemm_b_size(isa, t.n, t.k) : 0);
    if (t.a_packed) pack_gemm_a(isa, a.data(), s.a_row, s.a_col, t.m, t.k, {ap.data(), ap.size()});
    if (t.b_packed) pack_gemm_b(isa, b.data(), s.b_row, s.b_col, t.k, t.n, {bp.data(), bp.size()});
    Aligned<float> c(c_size, 1), again(c_size);
    std::vector<const void*> operands = {t.a_packed ? ap.data() : a.data(), t.b_packed ? bp.data() : b.data(),
                                         t.e.bias == Bias::none ? nullptr : bias.data(), t.residual ? residual.data() : nullptr, c.data()};
    run_whole("gemm_f32", isa, g, operands, grid(g), scratch_bytes(g));
    operands[4] = again.data();
    run_pieces("gemm_f32", isa, g, operands, grid(g), scratch_bytes(g));
    ASSERT_TRUE(same_bits(c.data(), again.data(), c_size));
    for (std::int64_t q = 0; q < batches; ++q)
      for (std::int64_t i = 0; i < t.m; ++i)
        for (std::int64_t j = 0; j < t.n; ++j) {
          double sum = 0, size = 0;
          const float* aq = a.data() + (a_count == 1 ? 0 : q * t.m * t.k);
          const float* bq = b.data() + (b_count == 1 ? 0 : q * t.n * t.k);
          for (std::int64_t p = 0; p < t.k; ++p) {
            const double x = double(aq[i * s.a_row + p * s.a_col]) * double(bq[p * s.b_row + j * s.b_col]);
            sum += x, size += std::fabs(x);
          }
          sum *= t.e.alpha, size *= std::fabs(t.e.alpha);
          const double add = t.e.bias == Bias::per_row ? bias[i] : t.e.bias == Bias::per_column ? bias[j] : 0;
          const std::size_t at = static_cast<std::size_t>((q * t.m + i) * s.c_row + j);
          const double res = t.residual ? double(residual[at]) * t.e.residual_scale : 0;
          const double v = sum + add + res, y = activated(v, t.e);
          const double bound = 1.2 * dot_bound(t.k, size + std::fabs(add) + std::fabs(res)) + 4e-7 * (std::fabs(y) + (t.e.activation > Activation::clip ? 1 : 0));
          ASSERT_NEAR(c[at], y, bound) << q << "," << i << "," << j;
        }
  }
}

TEST(Gemm, equals_the_double_loop_over_odd_sizes) {
  for (std::int64_t m : {1, 2, 3, 4, 5, 8, 13, 33})
    for (std::int64_t n : {1, 2, 3, 4, 5, 8, 15, 16, 17, 24, 25, 27, 31, 33, 49, 100})
      for (std::int64_t k : {1, 2, 7, 64}) {
        Case t{m, n, k};
        t.a_packed = (m + n + k) % 3 == 1, t.b_packed = (m + n + k) % 3 == 2;
        t.a_transposed = (m + n) % 2, t.b_transposed = (n + k) % 2;
        check(t);
      }
}

TEST(Gemm, equals_the_double_loop_over_blocks_of_every_kind) {
  for (auto [m, n, k] : {std::array<std::int64_t, 3>{70, 300, 700}, {133, 49, 600}, {36, 1000, 300}, {5, 500, 640}, {150, 196, 300}})
    for (int kind = 0; kind < 6; ++kind) {
      Case t{m, n, k};
      t.a_packed = kind == 1, t.b_packed = kind == 2 || kind == 5, t.b_transposed = kind == 3 || kind == 5, t.a_transposed = kind == 4;
      t.e.bias = kind % 2 ? Bias::per_row : Bias::per_column;
      t.residual = kind % 3 == 0;
      t.c_pad = kind == 3 ? 7 : 0;
      if (kind == 2) t.e.activation = Activation::relu;
      check(t);
    }
}

TEST(Gemm, does_every_epilogue) {
  for (int act = 0; act <= static_cast<int>(Activation::elu); ++act)
    for (int bias = 0; bias < 3; ++bias)
      for (bool residual : {false, true}) {
        Case t{9, 55, 20};
        t.a_packed = residual;
        t.residual = residual;
        t.e = {static_cast<Activation>(act), static_cast<Bias>(bias), act == 6 ? 0.2f : -0.3f, act == 6 ? 0.5f : 0.7f, bias == 1 ? 0.5f : 1.f, residual && act % 2 ? 0.25f : 1.f};
        check(t);
      }
}

TEST(Gemm, broadcasts_batches) {
  for (int kind = 0; kind < 4; ++kind) {
    Case t{17, 29, 40};
    t.batch = {2, 3};
    t.a_broadcast = kind & 1, t.b_broadcast = kind & 2;
    t.residual = kind == 3;
    t.b_transposed = kind == 1;
    check(t);
    t.b_packed = true;
    check(t);
  }
}

TEST(Gemm, of_nothing_writes_nothing_or_the_bias) {
  check({0, 5, 3});
  check({5, 0, 3});
  Case t{5, 30, 0};
  t.e.bias = Bias::per_row;
  check(t);
}

TEST(Gemm, keeps_nan_and_inf) {
  const std::int64_t n = 49, k = 30;
  for (Isa isa : levels()) {
    std::vector<float> a(4 * k, 1.f), b(static_cast<std::size_t>(k * n), 1.f);
    b[3 * n + 7] = NAN, b[5 * n + 48] = NAN, b[6 * n + 20] = INFINITY;
    GemmShape s;
    s.m = 4, s.n = n, s.k = k, s.a_row = k, s.b_row = n, s.c_row = n;
    Epilogue e;
    e.activation = Activation::relu;
    const GemmParams g = prepare_gemm(isa, s, e, false, false);
    Aligned<float> c(4 * n);
    run_whole("gemm_f32", isa, g, {a.data(), b.data(), nullptr, nullptr, c.data()}, grid(g), scratch_bytes(g));
    for (int i = 0; i < 4; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const float v = c[static_cast<std::size_t>(i * n + j)];
        if (j == 7 || j == 48) EXPECT_TRUE(std::isnan(v));
        else if (j == 20) EXPECT_EQ(v, INFINITY);
        else EXPECT_EQ(v, 30.f);
      }
  }
}

}  // namespace
}  // namespace saha::kernels
