#include "kernels/stencil.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Case {
  std::int64_t batch, c, h, w, m, kernel_h, kernel_w, pad = 0, dilation = 1, groups = 1;
  Epilogue e = {};
  bool residual = false;
  std::int64_t more = 0;   ///< columns of the result that the image does not reach
};

/// Levels at which it suits.
int check(const Case& t) {
  ConvShape s;
  s.batch = t.batch, s.in_channels = t.c, s.in_h = t.h, s.in_w = t.w, s.out_channels = t.m, s.groups = t.groups, s.kernel_h = t.kernel_h, s.kernel_w = t.kernel_w;
  s.dilation_h = s.dilation_w = t.dilation, s.pad_top = s.pad_left = t.pad;
  s.out_h = t.h + 2 * t.pad - (t.kernel_h - 1) * t.dilation, s.out_w = t.w + 2 * t.pad - (t.kernel_w - 1) * t.dilation + t.more;
  const std::int64_t gc = t.c / t.groups, points = s.out_h * s.out_w, taps = t.kernel_h * t.kernel_w;
  const auto w = noise(t.m * gc * taps), bias = noise(t.m);
  const auto size = static_cast<std::size_t>(t.batch * t.m * points);
  const auto res = noise(static_cast<std::int64_t>(size));
  const auto values = noise(t.batch * t.c * t.h * t.w);
  Aligned<float> x(values.size(), 1);   // with nothing behind it
  std::copy(values.begin(), values.end(), x.data());
  int suited = 0;
  for (Isa isa : levels()) {
    if (!suits_stencil(isa, s)) continue;
    SCOPED_TRACE(testing::Message() << name(isa) << " c " << t.c << " " << t.h << "x" << t.w << " m " << t.m << " k " << t.kernel_h << "x" << t.kernel_w << " p " << t.pad << " d " << t.dilation << " act " << int(t.e.activation));
    ++suited;
    const StencilParams p = prepare_stencil(isa, s, t.e);
    Aligned<float> packed(static_cast<std::size_t>(packed_stencil_size(p))), y(size, 3), again(size);
    pack_stencil(isa, p, w.data(), {packed.data(), packed.size()});
    std::vector<const void*> operands = {x.data(), packed.data(), t.e.bias == Bias::none ? nullptr : bias.data(), t.residual ? res.data() : nullptr, y.data()};
    run_whole("stencil_f32", isa, p, operands, grid(p), scratch_bytes(p));
    operands[4] = again.data();
    run_pieces("stencil_f32", isa, p, operands, grid(p), scratch_bytes(p));
    EXPECT_TRUE(same_bits(y.data(), again.data(), size));
    for (std::int64_t at = 0; at < static_cast<std::int64_t>(size); ++at) {
      const std::int64_t ox = at % s.out_w, oy = at / s.out_w % s.out_h, m = at / points % t.m, n = at / points / t.m;
      const auto [sum, total] = window_sum(s, x.data(), w.data(), n, m, oy, ox);
      const double b = t.e.bias == Bias::none ? 0 : double(bias[static_cast<std::size_t>(m)]), r = t.residual ? double(res[static_cast<std::size_t>(at)]) * t.e.residual_scale : 0;
      double v = sum * t.e.alpha + b + r, bound = dot_bound(gc * taps, total * std::fabs(t.e.alpha) + std::fabs(b) + std::fabs(r));
      v = activated(v, t.e);
      if (t.e.activation == Activation::tanh) bound += 1e-6;
      EXPECT_NEAR(y[static_cast<std::size_t>(at)], v, bound) << at;
      if (testing::Test::HasFailure()) return suited;
    }
  }
  return suited;
}

TEST(Stencil, equals_the_double_loop) {
  int suited = 0;
  for (std::int64_t w : {4, 6, 7, 8, 12, 13, 16, 17, 26, 34})
    for (std::int64_t kernel : {2, 3, 5})
      for (std::int64_t pad : {0, 1, 2})
        for (std::int64_t m : {1, 2, 3, 4, 6, 8, 13})
          if (w + 2 * pad >= kernel) suited += check({1, m % 3 + 1, 7, w, m, kernel, kernel, pad, 1, 1, {.activation = m % 2 ? Activation::relu : Activation::none, .bias = m % 4 < 2 ? Bias::per_row : Bias::none}});
  EXPECT_GT(suited, 500);
}

TEST(Stencil, does_groups_batches_dilations_uneven_windows_and_every_kind_of_epilogue) {
  int suited = 0;
  for (std::int64_t w : {8, 11, 16, 24, 30}) {
    suited += check({2, 6, 9, w, 8, 3, 3, 1, 1, 2, {.activation = Activation::clip, .bias = Bias::per_row, .p0 = -0.2f, .p1 = 0.7f}});
    suited += check({1, 3, 9, w, 9, 3, 2, 2, 2, 1, {.activation = Activation::tanh, .bias = Bias::per_row, .alpha = 0.5f, .residual_scale = 2}, true});
    suited += check({3, 2, 1, w, 5, 1, 5, 0, 1, 1, {.bias = Bias::per_row}});
    suited += check({1, 4, 8, w, 7, 3, 1, 0, 1, 1, {}, true});
    suited += check({1, 4, 8, w, 7, 3, 3, 1, 1, 1, {.activation = Activation::relu}, false, 3});
  }
  EXPECT_GE(suited, 50);
  EXPECT_GE(check({1, 1, 28, 28, 8, 5, 5, 0, 1, 1, {.activation = Activation::relu, .bias = Bias::per_row}}), 1);   // LeNet
  EXPECT_GE(check({1, 8, 12, 12, 16, 5, 5, 0, 1, 1, {.activation = Activation::relu, .bias = Bias::per_row}}), 1);
}

TEST(Stencil, is_for_small_images_at_stride_1) {
  ConvShape s;
  s.in_channels = 8, s.out_channels = 8, s.kernel_h = s.kernel_w = 3, s.in_h = s.in_w = 18, s.out_h = s.out_w = 16;
  EXPECT_TRUE(suits_stencil(Isa::avx2, s));
  for (auto change : {+[](ConvShape& c) { c.stride_w = 2; }, +[](ConvShape& c) { c.out_w = 9; }, +[](ConvShape& c) { c.in_channels = 200; }, +[](ConvShape& c) { c.groups = 8; }, +[](ConvShape& c) { c.out_channels = 0; },
                      +[](ConvShape& c) { c.kernel_h = c.kernel_w = 1; }, +[](ConvShape& c) { c.out_channels = 4000; }}) {
    ConvShape other = s;
    change(other);
    EXPECT_FALSE(suits_stencil(Isa::avx2, other));
  }
}

TEST(Stencil, keeps_nan_and_inf) {
  ConvShape s;
  s.in_channels = 1, s.out_channels = 5, s.kernel_h = s.kernel_w = 3, s.in_h = 6, s.in_w = s.out_w = 16, s.out_h = 6, s.pad_top = s.pad_left = 1;
  for (Isa isa : levels())
    for (Activation act : {Activation::none, Activation::relu, Activation::clip}) {
      std::vector<float> x(6 * 16, 1.f);
      x[2 * 16 + 3] = NAN, x[3 * 16 + 11] = INFINITY;
      const std::vector<float> w(5 * 9, 1.f);
      const StencilParams p = prepare_stencil(isa, s, {.activation = act, .p0 = -50, .p1 = 50});
      Aligned<float> packed(w.size()), y(5 * 6 * 16);
      pack_stencil(isa, p, w.data(), {packed.data(), packed.size()});
      run_whole("stencil_f32", isa, p, {x.data(), packed.data(), nullptr, nullptr, y.data()}, grid(p), scratch_bytes(p));
      for (std::size_t i = 0; i < y.size(); ++i) {
        const auto oy = static_cast<int>(i / 16 % 6), ox = static_cast<int>(i % 16);
        if (std::abs(oy - 2) <= 1 && std::abs(ox - 3) <= 1) EXPECT_TRUE(std::isnan(y[i])) << i;
        else if (std::abs(oy - 3) <= 1 && std::abs(ox - 11) <= 1) EXPECT_EQ(y[i], act == Activation::clip ? 50.f : INFINITY) << i;
        else EXPECT_LE(y[i], 9.f) << i;
      }
    }
}

}  // namespace
}  // namespace saha::kernels
