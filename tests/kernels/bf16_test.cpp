// Convolutions in bfloat16 equal sums of rounded numbers within the bound of a float32 sum, whole and piece by piece, at the level that has them, by tiles or their emulation.
#include <bit>

#include "kernels/contract.hpp"
#include "kernels/conv_bf16.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

/// The nearest bfloat16, by its neighbours.
float nearest(float v) {
  const float below = std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & 0xffff0000u), above = std::bit_cast<float>((std::bit_cast<std::uint32_t>(v) & 0xffff0000u) + 0x10000u);
  const double to_below = std::fabs(double(v) - below), to_above = std::fabs(double(above) - v);
  if (to_below != to_above) return to_below < to_above ? below : above;
  return std::bit_cast<std::uint32_t>(below) >> 16 & 1 ? above : below;
}
bool is_here(Isa isa) { return runs(detect_isa(), isa) || emulated(isa); }

void check(const ConvShape& s, const Epilogue& e, bool with_residual) {
  SCOPED_TRACE(testing::Message() << "C " << s.in_channels << " M " << s.out_channels << " groups " << s.groups << " k " << s.kernel_h << "x" << s.kernel_w << " points " << s.out_h << "x" << s.out_w);
  constexpr Isa isa = Isa::avx512amx;
  ASSERT_TRUE(suits_conv_bf16(isa, s));
  const std::int64_t gc = s.in_channels / s.groups, gm = s.out_channels / s.groups, out = s.batch * s.out_h * s.out_w * s.out_channels;
  const auto x = noise(s.batch * s.in_h * s.in_w * s.in_channels), w = noise(s.out_channels * gc * s.kernel_h * s.kernel_w), bias = noise(s.out_channels), residual = noise(out);
  const auto p = prepare_conv_bf16(isa, s, e);
  Aligned<float> packed(static_cast<std::size_t>(packed_conv_bf16_size(isa, p))), exact(x.size()), y(static_cast<std::size_t>(out)), again(y.size());
  pack_conv_bf16(isa, p, w.data(), {packed.data(), packed.size()});
  std::copy(x.begin(), x.end(), exact.data());
  const float *b = e.bias == Bias::none ? nullptr : bias.data(), *r = with_residual ? residual.data() : nullptr;
  run_whole("conv_bf16", isa, p, {exact.data(), packed.data(), b, r, y.data()}, grid(p), scratch_bytes(p));
  run_pieces("conv_bf16", isa, p, {exact.data(), packed.data(), b, r, again.data()}, grid(p), scratch_bytes(p));
  ASSERT_TRUE(same_bits(y.data(), again.data(), y.size()));
  std::size_t at = 0;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t oy = 0; oy < s.out_h; ++oy)
      for (std::int64_t ox = 0; ox < s.out_w; ++ox)
        for (std::int64_t m = 0; m < s.out_channels; ++m, ++at) {
          double sum = 0, size = 0;
          for (std::int64_t k = 0; k < gc; ++k)
            for (std::int64_t ky = 0; ky < s.kernel_h; ++ky)
              for (std::int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const std::int64_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h, ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
                if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
                const double product = double(nearest(x[static_cast<std::size_t>(((n * s.in_h + iy) * s.in_w + ix) * s.in_channels + m / gm * gc + k)])) *
                                       double(nearest(w[static_cast<std::size_t>(((m * gc + k) * s.kernel_h + ky) * s.kernel_w + kx)]));
                sum += product, size += std::fabs(product);
              }
          sum *= e.alpha, size *= std::fabs(e.alpha);
          if (b) sum += b[m], size += std::fabs(b[m]);
          if (r) sum += double(e.residual_scale) * r[at], size += std::fabs(e.residual_scale * r[at]);
          if (e.activation == Activation::relu) sum = std::max(sum, 0.0);
          if (e.activation == Activation::leakyrelu) sum = sum < 0 ? e.p0 * sum : sum;
          ASSERT_LE(std::fabs(y[at] - sum), dot_bound(gc * s.kernel_h * s.kernel_w + 4, size)) << "element " << at;
        }
}
ConvShape shape(std::int64_t batch, std::int64_t c, std::int64_t hw, std::int64_t m, std::int64_t k, std::int64_t stride, std::int64_t groups = 1, std::int64_t dilation = 1) {
  ConvShape s;
  s.batch = batch, s.in_channels = c, s.in_h = hw, s.in_w = hw + 2, s.out_channels = m, s.kernel_h = s.kernel_w = k, s.stride_h = s.stride_w = stride, s.dilation_h = s.dilation_w = dilation, s.groups = groups;
  s.pad_top = s.pad_left = (k - 1) * dilation / 2;
  s.out_h = (s.in_h + 2 * s.pad_top - (k - 1) * dilation - 1) / stride + 1, s.out_w = (s.in_w + 2 * s.pad_left - (k - 1) * dilation - 1) / stride + 1;
  return s;
}

TEST(ConvBf16, equals_sums_of_rounded_numbers) {
  if (!is_here(Isa::avx512amx)) GTEST_SKIP() << "this CPU has neither AMX nor AVX2, which emulates it";
  const Epilogue none, relu{Activation::relu, Bias::per_column, 0, 0, 1, 1}, odd{Activation::leakyrelu, Bias::per_column, 0.1f, 0, 0.5f, -2};
  for (std::int64_t points : {4, 8, 15, 16, 17, 33, 49, 64})
    for (std::int64_t c : {33, 48, 64, 301}) {
      ConvShape s;
      s.in_w = s.out_w = points, s.in_channels = c, s.out_channels = 5 + c % 64;
      if (!suits_conv_bf16(Isa::avx512amx, s)) continue;
      check(s, none, false), check(s, relu, true), check(s, odd, true);
    }
  check(shape(2, 64, 5, 64, 1, 1), relu, true);
  check(shape(1, 3, 12, 40, 3, 2), relu, false);
  check(shape(2, 18, 7, 33, 3, 1), odd, true);
  check(shape(1, 24, 9, 32, 3, 1, 1, 2), relu, false);
  check(shape(2, 40, 6, 70, 3, 1, 2), odd, true);
  ConvShape deep;
  deep.in_w = deep.out_w = 75, deep.in_channels = 4098, deep.out_channels = 3;   // blocks of 32, 32 and 11 points
  check(deep, relu, true);
  check(shape(0, 64, 5, 64, 1, 1), relu, false);
}

TEST(ConvBf16, rounds_to_the_nearest_and_keeps_nan_and_infinity) {
  if (!is_here(Isa::avx512amx)) GTEST_SKIP() << "this CPU has neither AMX nor AVX2, which emulates it";
  // A product by one: what comes out is the rounded number.
  std::vector<float> x = {1.00390625f, 1.01171875f, 1.003907f, -1.00390625f, 3.4e38f, -3.4e38f, INFINITY, -INFINITY, NAN, 1e-40f, 0.1f, -0.f, 7, std::bit_cast<float>(0x7f800001u), 2.5f, 1e-30f};
  ConvShape s;
  s.in_channels = 16, s.in_w = s.out_w = 16, s.out_channels = 1;
  ASSERT_TRUE(suits_conv_bf16(Isa::avx512amx, s));
  std::vector<float> image(256), w(16), y(16);
  for (std::size_t i = 0; i < 16; ++i) image[16 * i + 3] = x[i];
  w[3] = 1;
  const auto p = prepare_conv_bf16(Isa::avx512amx, s, {});
  Aligned<float> packed(static_cast<std::size_t>(packed_conv_bf16_size(Isa::avx512amx, p)));
  pack_conv_bf16(Isa::avx512amx, p, w.data(), {packed.data(), packed.size()});
  run_whole("conv_bf16", Isa::avx512amx, p, {image.data(), packed.data(), nullptr, nullptr, y.data()}, grid(p), scratch_bytes(p));
  const float want[] = {1, 1.015625f, 1.0078125f, -1, INFINITY, -INFINITY, INFINITY, -INFINITY, NAN, 0, 0.10009765625f, 0, 7, NAN, 2.5f, nearest(1e-30f)};
  for (std::size_t i = 0; i < 16; ++i) EXPECT_TRUE(y[i] == want[i] || (std::isnan(y[i]) && std::isnan(want[i]))) << x[i] << " became " << y[i];
}

TEST(ConvBf16, has_a_contract_at_its_level_alone) {
  const ConvShape s = shape(1, 64, 5, 64, 3, 1);
  const auto p = prepare_conv_bf16(Isa::avx512amx, s, {});
  const auto bytes = std::as_bytes(std::span(&p, 1));
  const auto n = needs("conv_bf16", Isa::avx512amx, bytes, {});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->grid, grid(p));
  EXPECT_EQ(n->reads[0].bytes, std::uint64_t(5 * 7 * 64 * 4));
  EXPECT_EQ(n->reads[1].bytes, std::uint64_t(packed_conv_bf16_size(Isa::avx512amx, p) * 4));
  for (Isa isa : kLevels) EXPECT_EQ(needs("conv_bf16", isa, bytes, {}).has_value(), isa == Isa::avx512amx) << name(isa);
  ConvBf16Params damaged = p;
  ++damaged.tile_points;
  EXPECT_FALSE(needs("conv_bf16", Isa::avx512amx, std::as_bytes(std::span(&damaged, 1)), {}));
  damaged = p, damaged.scratch -= 4;
  EXPECT_FALSE(needs("conv_bf16", Isa::avx512amx, std::as_bytes(std::span(&damaged, 1)), {}));
}

}  // namespace
}  // namespace saha::kernels
