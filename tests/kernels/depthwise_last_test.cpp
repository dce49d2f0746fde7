#include "kernels/depthwise_last.hpp"

#include <functional>

#include "kernels/contract.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

ConvShape shape(std::int64_t batch, std::int64_t c, std::int64_t h, std::int64_t w, std::int64_t k, std::int64_t stride, std::int64_t pad, std::int64_t dilation = 1) {
  ConvShape s;
  s.batch = batch, s.in_channels = s.out_channels = s.groups = c, s.in_h = h, s.in_w = w;
  s.kernel_h = s.kernel_w = k, s.stride_h = s.stride_w = stride, s.dilation_h = s.dilation_w = dilation, s.pad_top = s.pad_left = pad;
  s.out_h = (h + 2 * pad - (k - 1) * dilation - 1) / stride + 1, s.out_w = (w + 2 * pad - (k - 1) * dilation - 1) / stride + 1;
  return s;
}

Epilogue epilogue(Activation a, float p0 = 0, float p1 = 0) {
  Epilogue e;
  e.activation = a, e.bias = Bias::per_row, e.p0 = p0, e.p1 = p1;
  return e;
}

struct Data {
  std::vector<float> x, w, bias, residual;
};
Data data(const ConvShape& s) {
  return {noise(s.batch * s.in_h * s.in_w * s.in_channels), noise(s.out_channels * s.kernel_h * s.kernel_w), noise(s.out_channels), noise(s.batch * s.out_h * s.out_w * s.out_channels)};
}

/// Y at every level, whole and by pieces; each operand ends where its memory ends.
void run_levels(const ConvShape& s, const Epilogue& e, const Data& d, bool residual, const std::function<void(const Aligned<float>&)>& look) {
  Aligned<float> x(d.x.size(), 1), bias(d.bias.size(), 3), res(d.residual.size(), 2);
  std::copy(d.x.begin(), d.x.end(), x.data()), std::copy(d.bias.begin(), d.bias.end(), bias.data()), std::copy(d.residual.begin(), d.residual.end(), res.data());
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " n " << s.batch << " c " << s.in_channels << " " << s.in_h << "x" << s.in_w << " -> " << s.out_h << "x" << s.out_w << " k " << s.kernel_h << "x" << s.kernel_w
                                    << " s " << s.stride_h << "," << s.stride_w << " d " << s.dilation_w << " p " << s.pad_top << "," << s.pad_left << " act " << int(e.activation));
    const DepthwiseLastParams p = prepare_depthwise_last(isa, s, e);
    const auto* bytes = reinterpret_cast<const std::byte*>(&p);
    const auto n = needs("depthwise_last_f32", isa, {bytes, sizeof p}, {});
    ASSERT_TRUE(n);
    ASSERT_EQ(n->grid, grid(p));
    ASSERT_EQ(n->reads[1].bytes, std::uint64_t(packed_depthwise_last_size(isa, p)) * 4);
    Aligned<float> packed(static_cast<std::size_t>(packed_depthwise_last_size(isa, p)));
    pack_depthwise_last(isa, p, d.w.data(), {packed.data(), packed.size()});
    Aligned<float> y(d.residual.size(), 3), again(d.residual.size());
    std::vector<const void*> operands = {x.data(), packed.data(), e.bias == Bias::none ? nullptr : bias.data(), residual ? res.data() : nullptr, y.data()};
    run_whole("depthwise_last_f32", isa, p, operands, grid(p), 0);
    operands[4] = again.data();
    run_pieces("depthwise_last_f32", isa, p, operands, grid(p), 0);
    ASSERT_TRUE(same_bits(y.data(), again.data(), y.size()));
    look(y);
  }
}

void check(const ConvShape& s, const Epilogue& e = {}, bool residual = false) {
  const Data d = data(s);
  run_levels(s, e, d, residual, [&](const Aligned<float>& y) {
    for (std::int64_t n = 0, at = 0; n < s.batch; ++n)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox)
          for (std::int64_t c = 0; c < s.out_channels; ++c, ++at) {
            double sum = 0, total = 0;
            for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
              for (std::int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
                if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
                const double v = double(d.x[static_cast<std::size_t>(((n * s.in_h + iy) * s.in_w + ix) * s.in_channels + c)]) * double(d.w[static_cast<std::size_t>((c * s.kernel_h + ky) * s.kernel_w + kx)]);
                sum += v, total += std::fabs(v);
              }
            const double b = e.bias == Bias::none ? 0 : d.bias[static_cast<std::size_t>(c)], r = residual ? double(e.residual_scale) * double(d.residual[static_cast<std::size_t>(at)]) : 0;
            const double bound = dot_bound(s.kernel_h * s.kernel_w + 2, std::fabs(double(e.alpha)) * total + std::fabs(b) + std::fabs(r));
            const bool exact = e.activation == Activation::none || e.activation == Activation::relu || e.activation == Activation::clip;
            ASSERT_NEAR(y[static_cast<std::size_t>(at)], activated(double(e.alpha) * sum + b + r, e), exact ? bound : 1.2 * bound + 1e-6) << n << "," << oy << "," << ox << "," << c;
          }
  });
}

TEST(DepthwiseLast, kernels_strides_pads_and_dilations_equal_the_double_loop) {
  for (std::int64_t k : {1, 2, 3, 4, 5, 7})
    for (std::int64_t stride : {1, 2, 3})
      for (std::int64_t pad : {std::int64_t{0}, std::int64_t{1}, k / 2, k})
        for (std::int64_t dilation : {1, 2}) {
          if ((k - 1) * dilation + 1 > 11 + 2 * pad) continue;
          check(shape(1, 19, 11, 13, k, stride, pad, dilation), epilogue(k == 3 ? Activation::clip : Activation::none, 0, 0.7f), k == 5);
        }
}

TEST(DepthwiseLast, every_width_and_number_of_channels_equals_the_double_loop) {
  for (std::int64_t hw : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 20, 29})
    for (std::int64_t k : {3, 5})
      for (std::int64_t stride : {1, 2}) check(shape(hw < 9 ? 2 : 1, 8 + hw, hw, hw + 1, k, stride, k / 2), epilogue(Activation::relu), hw % 2);
  for (std::int64_t c : {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 72, 130}) {
    check(shape(1, c, 9, 9, 3, 1, 1), epilogue(Activation::relu), c % 2);
    check(shape(1, c, 6, 10, 3, 1, 2, 2), epilogue(Activation::hardswish), c % 2);
  }
}

TEST(DepthwiseLast, edges_that_differ_equal_the_double_loop) {
  for (std::int64_t k : {3, 5, 7})
    for (std::int64_t stride : {1, 2})
      for (std::int64_t before : {0, 1, 2, 3})
        for (std::int64_t beyond : {0, 1, 2, 4}) {   // the window of the last output reaches this far
          ConvShape s = shape(1, 17, 16, 16, k, stride, 0);
          s.pad_top = s.pad_left = before;
          s.out_h = s.out_w = (16 + before + beyond - k) / stride + 1;
          check(s);
          s.pad_left = 0, s.in_w = 15;
          check(s);
        }
  ConvShape s = shape(1, 20, 5, 5, 3, 1, 1);
  s.out_h = 8, s.out_w = 9;   // whole windows beyond the lower right
  check(s, epilogue(Activation::none));
  s.pad_top = s.pad_left = 6;   // and beyond the upper left
  check(s, epilogue(Activation::silu));
}

TEST(DepthwiseLast, one_dimension_and_uneven_kernels_equal_the_double_loop) {
  ConvShape s;
  s.in_channels = s.out_channels = s.groups = 12, s.in_w = 100, s.kernel_w = 5, s.pad_left = 4, s.out_w = 100;   // causal
  check(s, epilogue(Activation::relu));
  s = shape(2, 12, 12, 12, 3, 1, 1);
  s.kernel_w = 1, s.pad_left = 0;
  check(s);
  s = shape(2, 12, 12, 12, 3, 1, 1);
  s.kernel_h = 1, s.pad_top = 0, s.stride_h = 3, s.out_h = 4;
  check(s, epilogue(Activation::elu, 0.5f), true);
  check(shape(1, 10, 9, 9, 9, 1, 0), epilogue(Activation::none));   // a window over all
}

TEST(DepthwiseLast, sizes_of_real_networks_equal_the_double_loop) {
  check(shape(1, 32, 112, 112, 3, 1, 1), epilogue(Activation::clip, 0, 6));
  check(shape(1, 144, 56, 56, 5, 2, 2), epilogue(Activation::silu));
  check(shape(2, 576, 14, 14, 3, 2, 1), epilogue(Activation::clip, 0, 6));
  check(shape(1, 960, 7, 7, 3, 1, 1), epilogue(Activation::hardswish), true);
  check(shape(1, 96, 14, 14, 7, 1, 3));
}

TEST(DepthwiseLast, every_activation_and_scale_equals_the_double_loop) {
  for (Activation a : {Activation::none, Activation::relu, Activation::clip, Activation::sigmoid, Activation::tanh, Activation::silu, Activation::hardsigmoid, Activation::hardswish, Activation::gelu, Activation::leakyrelu, Activation::elu}) {
    Epilogue e = epilogue(a, 0.2f, 0.5f);
    e.alpha = 1.5f, e.residual_scale = -0.5f;
    check(shape(2, 21, 9, 9, 3, 1, 1), e, true);
    check(shape(1, 3, 5, 5, 2, 1, 1), e, true);
    e.bias = Bias::none;
    check(shape(1, 64, 8, 8, 5, 2, 2), e);
  }
}

TEST(DepthwiseLast, what_is_not_finite_stays_in_the_windows_and_the_channel_that_read_it) {
  for (std::int64_t k : {3, 4, 5, 7})
    for (float bad : {NAN, INFINITY}) {
      const ConvShape s = shape(1, 20, 15, 15, k, 1, k / 2);
      Data d = data(s);
      d.x[static_cast<std::size_t>((7 * 15 + 6) * 20 + 18)] = bad;
      d.w[static_cast<std::size_t>(5 * k * k)] = INFINITY;   // the first tap of channel 5: beyond the image for the first row and column
      run_levels(s, epilogue(Activation::none), d, false, [&](const Aligned<float>& y) {
        for (std::int64_t oy = 0, at = 0; oy < s.out_h; ++oy)
          for (std::int64_t ox = 0; ox < s.out_w; ++ox)
            for (std::int64_t c = 0; c < 20; ++c, ++at) {
              const std::int64_t top = oy - k / 2, left = ox - k / 2;
              const bool reads = c == 18 && top <= 7 && 7 < top + k && left <= 6 && 6 < left + k, tap = c == 5 && top >= 0 && left >= 0;
              ASSERT_EQ(std::isfinite(y[static_cast<std::size_t>(at)]), !reads && !tap) << k << " at " << oy << "," << ox << "," << c;
            }
      });
    }
}

TEST(DepthwiseLast, of_nothing_writes_nothing) {
  check(shape(0, 8, 5, 5, 3, 1, 1));
  ConvShape s = shape(1, 8, 5, 5, 3, 1, 1);
  s.out_h = 0;
  check(s);
}

TEST(DepthwiseLast, its_contract_refuses_what_no_preparation_makes) {
  const auto refused = [](DepthwiseLastParams p) { return !needs("depthwise_last_f32", Isa::generic, {reinterpret_cast<const std::byte*>(&p), sizeof p}, {}); };
  const DepthwiseLastParams p = prepare_depthwise_last(Isa::generic, shape(1, 8, 15, 15, 3, 1, 1), {});
  ASSERT_FALSE(refused(p));
  DepthwiseLastParams q = p;
  q.bands += 1;
  EXPECT_TRUE(refused(q));
  q = p, q.shape.out_channels = 16;
  EXPECT_TRUE(refused(q));
  q = p, q.shape.pad_left = -1;
  EXPECT_TRUE(refused(q));
  q = p, q.epilogue.activation = Activation(99);
  EXPECT_TRUE(refused(q));
  q = p, q.shape.batch = std::int64_t{1} << 40;
  EXPECT_TRUE(refused(q));
}

}  // namespace
}  // namespace saha::kernels
