#include "kernels/conv.hpp"

#include "kernels/contract.hpp"
#include "kernels/conv_last.hpp"
#include "kernels/winograd.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

ConvShape shape(std::int64_t batch, std::int64_t c, std::int64_t h, std::int64_t w, std::int64_t m, std::int64_t k, std::int64_t stride, std::int64_t pad,
                std::int64_t groups = 1, std::int64_t dilation = 1) {
  ConvShape s;
  s.batch = batch, s.in_channels = c, s.in_h = h, s.in_w = w, s.out_channels = m, s.groups = groups;
  s.kernel_h = s.kernel_w = k, s.stride_h = s.stride_w = stride, s.dilation_h = s.dilation_w = dilation, s.pad_top = s.pad_left = pad;
  s.out_h = (h + 2 * pad - (k - 1) * dilation - 1) / stride + 1, s.out_w = (w + 2 * pad - (k - 1) * dilation - 1) / stride + 1;
  return s;
}

struct Case {
  const ConvShape& s;
  const Epilogue& e;
  std::int64_t gc, points, taps;
  std::vector<float> x, w, bias, res;
  std::vector<double> expected, bound;               ///< [N, M, OH, OW]
};

Case make_case(const ConvShape& s, const Epilogue& e, bool residual) {
  Case c{s, e, s.in_channels / s.groups, s.out_h * s.out_w, s.kernel_h * s.kernel_w, {}, {}, {}, {}, {}, {}};
  c.x = noise(s.batch * s.in_channels * s.in_h * s.in_w), c.w = noise(s.out_channels * c.gc * c.taps), c.bias = noise(s.out_channels);
  if (residual) c.res = noise(s.batch * s.out_channels * c.points);
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t m = 0; m < s.out_channels; ++m)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox) {
          const auto [sum, total] = window_sum(s, c.x.data(), c.w.data(), n, m, oy, ox);
          const double b = e.bias == Bias::none ? 0 : c.bias[static_cast<std::size_t>(m)], r = residual ? double(c.res[c.expected.size()]) : 0;
          double v = sum + b + r, bound = dot_bound(c.gc * c.taps, total + std::fabs(b) + std::fabs(r));
          v = activated(v, e);
          if (e.activation == Activation::silu) bound = 1.2 * bound + 1e-6;
          c.expected.push_back(v), c.bound.push_back(bound);
        }
  return c;
}

/// The kernel whole and in pieces; `last`: what it takes and gives has channels innermost.
template <class Params> void check(const Case& c, Isa isa, const Params& p, std::string_view kernel, const Aligned<float>& packed, bool last) {
  const ConvShape& s = c.s;
  const auto arranged = [&](const std::vector<float>& plain, std::int64_t channels, std::int64_t places) {
    Aligned<float> r(plain.size(), 1);
    for (std::int64_t i = 0; i < std::ssize(plain); ++i) {
      const std::int64_t place = i % places, channel = i / places % channels, n = i / places / channels;
      r.data()[last ? (n * places + place) * channels + channel : i] = plain[static_cast<std::size_t>(i)];
    }
    return r;
  };
  const Aligned<float> x = arranged(c.x, s.in_channels, s.in_h * s.in_w), res = arranged(c.res, s.out_channels, c.points);
  Aligned<float> y(c.expected.size(), 3), again(c.expected.size());
  std::vector<const void*> operands = {x.data(), packed.data(), c.e.bias == Bias::none ? nullptr : c.bias.data(), c.res.empty() ? nullptr : res.data(), y.data()};
  run_whole(kernel, isa, p, operands, grid(p), scratch_bytes(p));
  operands[4] = again.data();
  run_pieces(kernel, isa, p, operands, grid(p), scratch_bytes(p));
  ASSERT_TRUE(same_bits(y.data(), again.data(), c.expected.size()));
  for (std::int64_t i = 0; i < std::ssize(c.expected); ++i) {
    const std::int64_t place = i % c.points, channel = i / c.points % s.out_channels, n = i / c.points / s.out_channels;
    ASSERT_NEAR(y.data()[last ? (n * c.points + place) * s.out_channels + channel : i], c.expected[static_cast<std::size_t>(i)], c.bound[static_cast<std::size_t>(i)]) << kernel << " " << n << "," << channel << "," << place;
  }
}

void check(const ConvShape& s, Epilogue e = {}, bool residual = false) {
  const Case c = make_case(s, e, residual);
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " n " << s.batch << " c " << s.in_channels << " " << s.in_h << "x" << s.in_w << " m " << s.out_channels << " k "
                                    << s.kernel_h << "x" << s.kernel_w << " s " << s.stride_h << "," << s.stride_w << " d " << s.dilation_w << " p " << s.pad_top << ","
                                    << s.pad_left << " g " << s.groups << " act " << int(e.activation));
    const ConvParams plain = prepare_conv(isa, s, e);
    Aligned<float> packed(static_cast<std::size_t>(packed_conv_size(isa, plain)));
    pack_conv(isa, plain, c.w.data(), {packed.data(), packed.size()});
    ASSERT_NO_FATAL_FAILURE(check(c, isa, plain, kernel(plain), packed, false));
    Epilogue by_column = e;
    if (e.bias != Bias::none) by_column.bias = Bias::per_column;
    for (const std::uint32_t blocks : {0u, other_blocks()}) {
      SCOPED_TRACE(testing::Message() << "blocks " << blocks);
      const ConvLastParams last = prepare_conv_last(isa, s, by_column, blocks);
      Aligned<float> packed_last(static_cast<std::size_t>(packed_conv_last_size(isa, last)));
      pack_conv_last(isa, last, c.w.data(), {packed_last.data(), packed_last.size()});
      ASSERT_NO_FATAL_FAILURE(check(c, isa, last, "conv_last_f32", packed_last, true));
      if (!may_winograd(s)) continue;
      const WinogradParams winograd = prepare_winograd(isa, s, by_column, blocks);
      Aligned<float> transformed(static_cast<std::size_t>(packed_winograd_size(isa, winograd)));
      pack_winograd(isa, winograd, c.w.data(), {transformed.data(), transformed.size()});
      ASSERT_NO_FATAL_FAILURE(check(c, isa, winograd, "winograd_f32", transformed, true));
    }
  }
}

Epilogue with_bias(Activation a, float p0 = 0, float p1 = 0) {
  Epilogue e;
  e.activation = a, e.bias = Bias::per_row, e.p0 = p0, e.p1 = p1;
  return e;
}

TEST(Conv, pointwise_equals_the_double_loop) {
  for (std::int64_t hw : {1, 3, 7, 14, 17})
    for (std::int64_t m : {1, 5, 16, 50}) check(shape(2, 19, hw, hw, m, 1, 1, 0), with_bias(Activation::relu), m == 5);
  check(shape(1, 300, 14, 14, 130, 1, 1, 0), with_bias(Activation::silu));
  check(shape(1, 700, 7, 7, 300, 1, 1, 0), {}, true);
  check(shape(1, 64, 56, 56, 40, 1, 1, 0), with_bias(Activation::clip, 0, 6));
}

TEST(Conv, channels_that_fill_half_of_a_vector_equal_the_double_loop) {
  for (std::int64_t m : {7, 8, 9, 17, 24, 25, 33, 40, 41, 72, 104})
    for (std::int64_t hw : {7, 9}) check(shape(1, m == 40 ? 400 : 21, hw, hw, m, m == 24 ? 3 : 1, 1, m == 24), with_bias(m % 2 ? Activation::relu : Activation::gelu), m > 30);
  check(shape(1, 24, 14, 14, 24, 3, 1, 1, 3), with_bias(Activation::relu));
}

TEST(Conv, kernels_strides_pads_and_dilations_equal_the_double_loop) {
  for (std::int64_t k : {1, 2, 3, 5, 7})
    for (std::int64_t stride : {1, 2, 3})
      for (std::int64_t pad : {0, 1, 3})
        for (std::int64_t dilation : {1, 2}) {
          if (pad >= k * dilation + 2 || (k - 1) * dilation + 1 > 13 + 2 * pad) continue;
          check(shape(1, 3, 13, 17, 9, k, stride, pad, 1, dilation), with_bias(k == 3 ? Activation::clip : Activation::none, 0, 0.7f), k == 5);
        }
}

TEST(Conv, sizes_of_real_networks_equal_the_double_loop) {
  check(shape(1, 3, 40, 40, 32, 3, 2, 1), with_bias(Activation::clip, 0, 6));
  check(shape(1, 3, 30, 30, 64, 7, 2, 3), with_bias(Activation::relu));
  check(shape(1, 70, 7, 7, 140, 3, 1, 1), with_bias(Activation::relu), true);
  check(shape(1, 40, 28, 28, 33, 3, 2, 1));
  check(shape(1, 30, 15, 15, 20, 1, 2, 0));
  check(shape(3, 10, 56, 57, 8, 3, 1, 1));
}

TEST(Conv, minimal_filtering_equals_the_double_loop) {
  for (std::int64_t c : {16, 19})
    for (std::int64_t m : {16, 21, 24, 56})
      for (std::int64_t hw : {8, 11}) check(shape(1 + hw % 2, c, hw, hw + 1, m, 3, 1, hw % 3), with_bias(m == 21 ? Activation::silu : m == 24 ? Activation::clip : Activation::none, 0, 0.7f), m == 56);
  check(shape(1, 300, 8, 8, 210, 3, 1, 1), with_bias(Activation::relu), true);  // two blocks of depths, two of channels
  check(shape(1, 16, 41, 60, 16, 3, 1, 1));                                     // several blocks of tiles
}

TEST(Conv, groups_equal_the_double_loop) {
  check(shape(2, 12, 9, 11, 20, 3, 1, 1, 4), with_bias(Activation::relu));
  check(shape(1, 12, 9, 11, 8, 1, 1, 0, 2), with_bias(Activation::relu), true);
  check(shape(1, 6, 9, 9, 6, 5, 2, 2, 3));
}

TEST(Conv, depthwise_equals_the_double_loop) {
  for (std::int64_t hw : {1, 2, 5, 7, 8, 14, 15, 16, 33, 40})
    for (std::int64_t k : {1, 3, 5})
      for (std::int64_t stride : {1, 2, 3}) check(shape(2, 5, hw, hw + 1, 5, k, stride, k / 2, 5), with_bias(Activation::clip, 0, 1), hw % 2);
  check(shape(1, 3, 20, 20, 9, 3, 1, 1, 3), with_bias(Activation::silu));      // three outputs for each input
  check(shape(1, 4, 20, 20, 4, 3, 1, 2, 4, 2), with_bias(Activation::relu));   // dilated
  check(shape(1, 4, 150, 150, 4, 7, 1, 3, 4));                                 // more than one band
  check(shape(1, 4, 130, 200, 4, 3, 2, 1, 4));
}

TEST(Conv, one_dimension_and_uneven_kernels_equal_the_double_loop) {
  ConvShape s;
  s.in_channels = 8, s.in_w = 100, s.out_channels = 12, s.kernel_w = 5, s.pad_left = 4, s.out_w = 100;  // causal
  check(s, with_bias(Activation::relu));
  s.groups = 4;
  check(s);
  s.groups = 8, s.out_channels = 8;
  check(s);
  ConvShape t = shape(1, 3, 12, 12, 5, 3, 1, 1);
  t.kernel_w = 1, t.pad_left = 0;
  check(t);
  t.stride_w = 2, t.out_w = 6;
  check(t);
  t = shape(1, 3, 12, 12, 5, 3, 1, 1);
  t.kernel_h = 1, t.pad_top = 0, t.stride_h = 3, t.out_h = 4;
  check(t);
  t = shape(1, 3, 40, 40, 5, 1, 1, 0);
  t.kernel_h = t.kernel_w = 40, t.out_h = t.out_w = 1;  // more taps than a block of depths
  check(t);
  t = shape(1, 3, 5, 5, 2, 3, 1, 1);
  t.out_h = 8, t.out_w = 9;  // reads far beyond the lower right
  check(t);
}

TEST(Conv, a_bias_for_each_point_is_refused) {
  const ConvShape s = shape(1, 3, 9, 9, 4, 3, 1, 1);
  const auto taken = [](std::string_view kernel, const auto& p) { return needs(kernel, Isa::generic, std::as_bytes(std::span(&p, 1)), {}).has_value(); };
  for (Bias bias : {Bias::none, Bias::per_row, Bias::per_column}) {
    Epilogue e;
    e.bias = bias;
    EXPECT_EQ(taken("conv_f32", prepare_conv(Isa::generic, s, e)), bias != Bias::per_column);
    EXPECT_EQ(taken("conv_last_f32", prepare_conv_last(Isa::generic, s, e)), bias != Bias::per_row);
  }
}

TEST(Conv, blocks_that_there_are_not_are_refused) {
  ConvLastParams p = prepare_conv_last(Isa::generic, shape(1, 300, 9, 9, 64, 3, 1, 1), {}, kNumBlocks - 1);
  const auto taken = [&] { return needs("conv_last_f32", Isa::generic, std::as_bytes(std::span(&p, 1)), {}).has_value(); };
  EXPECT_TRUE(taken());
  p.blocks = 0;   // the params are those of other blocks
  EXPECT_FALSE(taken());
  p.blocks = kNumBlocks;
  EXPECT_FALSE(taken());
}

TEST(Conv, of_nothing_writes_nothing) {
  ConvShape s = shape(0, 3, 5, 5, 4, 3, 1, 1);
  check(s);
  s = shape(1, 3, 5, 5, 0, 3, 1, 1);
  check(s);
}

}  // namespace
}  // namespace saha::kernels
