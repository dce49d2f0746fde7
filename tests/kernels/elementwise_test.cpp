#include "kernels/elementwise.hpp"

#include <functional>

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

/// Floats of every size and sign, the special ones, and a dense sample of [-20, 20]; an odd number of them.
std::vector<float> samples() {
  std::vector<float> v = {0.f, -0.f, INFINITY, -INFINITY, NAN, 1e-45f, -1e-45f, 1.17549435e-38f, 3e-39f, -3e-39f, 3.4028235e38f, -3.4028235e38f,
                          88.72284f, 88.722839f, -87.33654f, -103.97208f, -103.972f, -104.5f, 89.5f, 1.f, -1.f, 0.5f, 1.5f, 2.5f, -0.5f, 8388607.5f, 8388609.f, 16777217.f};
  for (std::uint32_t b = 0; b < 0x7f800000u; b += 40009) {
    float f;
    std::memcpy(&f, &b, 4);
    v.push_back(f), v.push_back(-f);
  }
  for (float x : noise(40001, -20, 20)) v.push_back(x);
  for (float x : noise(20000, -1.2f, 1.2f)) v.push_back(x);
  return v;
}

void check_unary(UnaryParams p, const char* what, double max_ulps, double max_absolute, const std::function<double(double)>& f) {
  const std::vector<float> x = samples();
  p.n = static_cast<std::int64_t>(x.size());
  for (Isa isa : levels()) {
    Aligned<float> y(x.size(), 1), again(x.size());
    run_whole("unary_f32", isa, p, {x.data(), y.data()}, grid(p), 0);
    run_pieces("unary_f32", isa, p, {x.data(), again.data()}, grid(p), 0);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = f(x[i]), u = std::fabs(y[i] - want) <= max_absolute ? 0 : ulps(y[i], want);
      ASSERT_LE(u, max_ulps) << name(isa) << " " << what << "(" << x[i] << ") = " << y[i] << ", not " << want;
      worst = std::max(worst, u);
      const bool nans = std::isnan(y[i]) && std::isnan(again[i]);
      ASSERT_TRUE(nans || same_bits(&y[i], &again[i], 1)) << what << "(" << x[i] << ")";
    }
    std::printf("%s %s: %.2f ulp\n", std::string(name(isa)).c_str(), what, worst);
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::isnan(x) ? x : std::max(x, 0.) + std::log1p(std::exp(-std::fabs(x))); }
double clamp01(double x) { return std::isnan(x) ? x : std::max(0., std::min(1., x)); }

TEST(Elementwise, functions_stay_within_their_stated_error) {
  const auto op = [](Unary u) { UnaryParams p; p.op = u; return p; };
  check_unary(op(Unary::exp), "exp", 2, 0, [](double x) { return std::exp(x); });
  check_unary(op(Unary::log), "log", 2, 0, [](double x) { return std::log(x); });
  check_unary(op(Unary::sqrt), "sqrt", 0.5, 0, [](double x) { return std::sqrt(x); });
  check_unary(op(Unary::reciprocal), "reciprocal", 0.5, 0, [](double x) { return 1 / x; });
  check_unary(op(Unary::reciprocal_sqrt), "reciprocal_sqrt", 1.5, 0, [](double x) { return 1 / std::sqrt(x); });
  check_unary(op(Unary::neg), "neg", 0, 0, [](double x) { return -x; });
  check_unary(op(Unary::abs), "abs", 0, 0, [](double x) { return std::fabs(x); });
  check_unary(op(Unary::erf), "erf", 2, 0, [](double x) { return std::erf(x); });
  check_unary(op(Unary::sign), "sign", 0, 0, [](double x) { return x > 0 ? 1 : x < 0 ? -1 : x; });
  check_unary(op(Unary::floor), "floor", 0, 0, [](double x) { return std::floor(x); });
  check_unary(op(Unary::ceil), "ceil", 0, 0, [](double x) { return std::ceil(x); });
  check_unary(op(Unary::round_even), "round_even", 0, 0, [](double x) { return std::nearbyint(x); });
  check_unary(op(Unary::sin), "sin", 1, 0, [](double x) { return std::sin(x); });
  check_unary(op(Unary::cos), "cos", 1, 0, [](double x) { return std::cos(x); });
  check_unary(op(Unary::softplus), "softplus", 4, 0, softplus);
  check_unary(op(Unary::softsign), "softsign", 1.5, 0, [](double x) { return std::isinf(x) ? NAN : x / (1 + std::fabs(x)); });
  check_unary(op(Unary::square), "square", 0.5, 0, [](double x) { return x * x; });
}

TEST(Elementwise, activations_stay_within_their_stated_error) {
  const auto act = [](Activation a, float p0 = 0, float p1 = 0) { UnaryParams p; p.activation = a, p.p0 = p0, p.p1 = p1; return p; };
  check_unary(act(Activation::relu), "relu", 0, 0, [](double x) { return x > 0 || std::isnan(x) ? x : 0; });
  check_unary(act(Activation::clip, -0.5f, 6), "clip", 0, 0, [](double x) { return std::isnan(x) ? x : std::min(6., std::max(-0.5, x)); });
  check_unary(act(Activation::sigmoid), "sigmoid", 4, 0, sigmoid);
  check_unary(act(Activation::tanh), "tanh", 3, 0, [](double x) { return std::tanh(x); });
  check_unary(act(Activation::silu), "silu", 5, 2e-43, [](double x) { return x == -INFINITY ? NAN : x * sigmoid(x); });
  check_unary(act(Activation::hardsigmoid, 0.2f, 0.5f), "hardsigmoid", 1, 6e-8, [](double x) { return clamp01(double(0.2f) * x + 0.5); });
  check_unary(act(Activation::hardswish), "hardswish", 2, 4e-7, [](double x) { return x == -INFINITY ? NAN : x * clamp01(x / 6 + 0.5); });
  check_unary(act(Activation::leakyrelu, 0.1f), "leakyrelu", 0.5, 0, [](double x) { return x < 0 ? double(0.1f) * x : x; });
  check_unary(act(Activation::elu, 1.5f), "elu", 4, 0, [](double x) { return x < 0 ? 1.5 * std::expm1(x) : x; });
  check_unary(act(Activation::gelu), "gelu", 4, 1e-7, [](double x) { return x == -INFINITY ? NAN : 0.5 * x * std::erfc(-x / std::sqrt(2.)); });
}

double binary(Binary op, double a, double b) {
  switch (op) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::max: return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
    case Binary::min: return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
    case Binary::pow: return std::pow(a, b);
    case Binary::prelu: return a < 0 ? a * b : a;
  }
  return NAN;
}

void check_binary(Binary op, const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  const auto count = [](const std::vector<std::int64_t>& s) { std::int64_t n = 1; for (auto d : s) n *= d; return n; };
  const std::size_t rank = std::max(a.size(), b.size());
  std::vector<std::int64_t> y(rank);
  const auto at = [&](const std::vector<std::int64_t>& s, std::size_t i) { return i + s.size() < rank ? 1 : s[i + s.size() - rank]; };
  for (std::size_t i = 0; i < rank; ++i) y[i] = at(a, i) == 1 ? at(b, i) : at(a, i);
  auto va = noise(count(a), -3, 3), vb = noise(count(b), -3, 3);
  if (!va.empty()) va[va.size() / 2] = NAN;
  if (!vb.empty()) vb[vb.size() / 3] = NAN;
  const std::size_t n = static_cast<std::size_t>(count(y));
  for (Isa isa : levels())
    for (bool clipped : {false, true}) {
      const BinaryParams p = prepare_binary(op, a, b, clipped ? Activation::clip : Activation::none, -1, 1);
      Aligned<float> out(n, 1), again(n);
      run_whole("binary_f32", isa, p, {va.data(), vb.data(), out.data()}, grid(p), 0);
      run_pieces("binary_f32", isa, p, {va.data(), vb.data(), again.data()}, grid(p), 0);
      for (std::size_t i = 0; i < n; ++i) {
        std::int64_t rest = static_cast<std::int64_t>(i), ia = 0, ib = 0, sa = 1, sb = 1;
        for (std::size_t d = rank; d-- > 0;) {
          const std::int64_t k = rest % y[d];
          rest /= y[d];
          if (at(a, d) != 1) ia += k * sa;
          if (at(b, d) != 1) ib += k * sb;
          sa *= at(a, d), sb *= at(b, d);
        }
        double want = binary(op, va[static_cast<std::size_t>(ia)], vb[static_cast<std::size_t>(ib)]);
        if (clipped && !std::isnan(want)) want = std::min(1., std::max(-1., want));
        ASSERT_LE(ulps(out[i], want), op == Binary::pow ? 1 : 0.5) << name(isa) << " op " << int(op) << " rank " << rank << " at " << i << " got " << out[i];
        ASSERT_LE(ulps(again[i], want), op == Binary::pow ? 1 : 0.5);
      }
    }
}

TEST(Elementwise, binaries_with_every_broadcast_equal_the_double_loop) {
  for (int op = 0; op <= static_cast<int>(Binary::prelu); ++op) {
    const auto o = static_cast<Binary>(op);
    check_binary(o, {1003}, {1003});
    check_binary(o, {1003}, {1});
    check_binary(o, {}, {35});
    check_binary(o, {2, 5, 7, 7}, {5, 1, 1});
    check_binary(o, {5, 1, 1}, {2, 5, 7, 7});
    check_binary(o, {3, 4, 29}, {29});
    check_binary(o, {3, 1, 29}, {1, 6, 1});
    check_binary(o, {2, 3, 4, 5}, {2, 3, 1, 1});
    check_binary(o, {2, 1, 4, 1, 3}, {1, 3, 1, 5, 1});
    check_binary(o, {0, 4}, {4});
    check_binary(o, {}, {});
  }
  check_binary(Binary::add, {70001}, {70001});
  check_binary(Binary::mul, {1, 40, 50, 30}, {1, 40, 1, 1});
}

TEST(Elementwise, results_may_replace_an_operand) {
  for (Isa isa : levels()) {
    auto a = noise(501), b = noise(501), want = a;
    for (std::size_t i = 0; i < a.size(); ++i) want[i] = a[i] + b[i];
    const std::int64_t dims[] = {501};
    const BinaryParams p = prepare_binary(Binary::add, dims, dims);
    run_whole("binary_f32", isa, p, {a.data(), b.data(), a.data()}, grid(p), 0);
    EXPECT_TRUE(same_bits(a.data(), want.data(), a.size()));
  }
}

TEST(Elementwise, affine_equals_the_double_loop) {
  for (std::int64_t inner : {1, 7, 49, 20000})
    for (Isa isa : levels()) {
      AffineParams p;
      p.outer = 2, p.channels = 5, p.inner = inner, p.activation = Activation::relu;
      const auto x = noise(10 * inner), scale = noise(5), shift = noise(5);
      Aligned<float> y(x.size(), 1), again(x.size());
      run_whole("affine_f32", isa, p, {x.data(), scale.data(), shift.data(), y.data()}, grid(p), 0);
      run_pieces("affine_f32", isa, p, {x.data(), scale.data(), shift.data(), again.data()}, grid(p), 0);
      ASSERT_TRUE(same_bits(y.data(), again.data(), x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t c = i / static_cast<std::size_t>(inner) % 5;
        ASSERT_NEAR(y[i], std::max(0., double(x[i]) * scale[c] + shift[c]), 3e-7);
      }
    }
}

}  // namespace
}  // namespace saha::kernels
