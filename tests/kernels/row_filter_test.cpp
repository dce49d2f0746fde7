#include "kernels/row_filter.hpp"

#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace {
using namespace test;

struct Case {
  std::int64_t batch, c, h, w, m, kernel_h, kernel_w, pad = 0, dilation_h = 1, groups = 1;
  Epilogue e = {};
  bool pool = false, residual = false;
  std::int64_t more = 0;   ///< columns of the result that the image does not reach
};

ConvShape shape_of(const Case& t) {
  ConvShape s;
  s.batch = t.batch, s.in_channels = t.c, s.in_h = t.h, s.in_w = t.w, s.out_channels = t.m, s.groups = t.groups, s.kernel_h = t.kernel_h, s.kernel_w = t.kernel_w;
  s.dilation_h = t.dilation_h, s.pad_top = s.pad_left = t.pad;
  s.out_h = t.h + 2 * t.pad - (t.kernel_h - 1) * t.dilation_h, s.out_w = t.w + 2 * t.pad - t.kernel_w + 1 + t.more;
  return s;
}

/// Levels with vectors that run here: generic rows are never transformed.
int vector_levels() { return static_cast<int>(levels().size()) - 1; }

/// Levels at which it suits. Transforms enlarge roundings: beside the bound of a plain sum, some units in the last place of the sum of magnitudes of the whole tile's products.
int check(const Case& t) {
  const ConvShape s = shape_of(t);
  if (s.out_h <= 0 || s.out_w <= 0) return 0;
  const std::int64_t gc = t.c / t.groups, taps = t.kernel_h * t.kernel_w, q = t.pool ? 2 : 1, yh = s.out_h / q, yw = s.out_w / q;
  const auto w = noise(t.m * gc * taps), bias = noise(t.m), values = noise(t.batch * t.c * t.h * t.w);
  const auto size = static_cast<std::size_t>(t.batch * t.m * yh * yw);
  const auto res = noise(static_cast<std::int64_t>(size));
  Aligned<float> x(values.size(), 1);   // with nothing behind it
  std::copy(values.begin(), values.end(), x.data());
  const auto sum_at = [&](std::int64_t n, std::int64_t m, std::int64_t oy, std::int64_t ox, double& total) {
    const Sum sum = window_sum(s, x.data(), w.data(), n, m, oy, ox);
    total += sum.magnitude;
    return sum.sum;
  };
  int suited = 0;
  for (Isa isa : levels()) {
    if (!suits_row_filter(isa, s, t.pool)) continue;
    SCOPED_TRACE(testing::Message() << name(isa) << " c " << t.c << " " << t.h << "x" << t.w << " m " << t.m << " k " << t.kernel_h << "x" << t.kernel_w << " p " << t.pad << " d " << t.dilation_h << " act " << int(t.e.activation) << " pool " << t.pool);
    ++suited;
    const RowFilterParams p = prepare_row_filter(isa, s, t.e, t.pool);
    Aligned<float> packed(static_cast<std::size_t>(packed_row_filter_size(p))), y(size, 3), again(size);
    pack_row_filter(isa, p, w.data(), {packed.data(), packed.size()});
    std::vector<const void*> operands = {x.data(), packed.data(), t.e.bias == Bias::none ? nullptr : bias.data(), t.residual ? res.data() : nullptr, y.data()};
    run_whole("row_filter_f32", isa, p, operands, grid(p), scratch_bytes(p));
    operands[4] = again.data();
    run_pieces("row_filter_f32", isa, p, operands, grid(p), scratch_bytes(p));
    EXPECT_TRUE(same_bits(y.data(), again.data(), size));
    for (std::int64_t at = 0; at < static_cast<std::int64_t>(size); ++at) {
      const std::int64_t ox = at % yw, oy = at / yw % yh, m = at / (yh * yw) % t.m, n = at / (yh * yw) / t.m;
      double v = -INFINITY, total = 0;
      for (std::int64_t i = 0; i < q * q; ++i) v = std::max(v, sum_at(n, m, oy * q + i / 2, ox * q + i % 2, total));
      for (std::int64_t k = 0; k < 4; ++k) sum_at(n, m, oy * q, ox * q / 4 * 4 + k, total);   // the tile
      const double b = t.e.bias == Bias::none ? 0 : double(bias[static_cast<std::size_t>(m)]), r = t.residual ? double(res[static_cast<std::size_t>(at)]) * t.e.residual_scale : 0;
      double bound = 2 * dot_bound(gc * taps, total * std::fabs(t.e.alpha) + std::fabs(b) + std::fabs(r) + 1);
      v = v * t.e.alpha + b + r;
      v = activated(v, t.e);
      if (t.e.activation == Activation::tanh) bound += 1e-6;
      EXPECT_NEAR(y[static_cast<std::size_t>(at)], v, bound) << at;
      if (testing::Test::HasFailure()) return suited;
    }
  }
  return suited;
}

TEST(RowFilter, equals_the_double_loop) {
  int suited = 0;
  for (std::int64_t w : {7, 8, 12, 13, 16, 17, 26, 34})
    for (std::int64_t kernel : {3, 5})
      for (std::int64_t pad : {0, 1, 2})
        for (std::int64_t m : {8, 9, 11, 13, 16, 19})
          for (bool pool : {false, true})
            suited += check({1, m % 3 + 2, 8 + m % 2, w, m, kernel, kernel, pad, 1, 1, {.activation = m % 2 ? Activation::relu : Activation::none, .bias = m % 4 < 2 ? Bias::per_row : Bias::none}, pool});
  EXPECT_GE(suited, 250 * vector_levels());
}

TEST(RowFilter, does_groups_batches_dilated_rows_uneven_windows_and_every_kind_of_epilogue) {
  int suited = 0;
  for (std::int64_t w : {8, 11, 16, 24, 30})
    for (bool pool : {false, true}) {
      suited += check({2, 8, 9, w, 18, 3, 3, 1, 1, 2, {.activation = Activation::clip, .bias = Bias::per_row, .p0 = -0.2f, .p1 = 0.7f}, pool});
      suited += check({1, 4, 11, w, 9, 3, 5, 2, 2, 1, {.activation = Activation::relu, .bias = Bias::per_row}, pool});
      suited += check({1, 4, 8, w, 10, 2, 5, 0, 3, 1, {}, pool});
      suited += check({1, 4, 8, w, 8, 3, 3, 1, 1, 1, {.activation = Activation::relu}, pool, false, 3});
      if (pool) continue;
      suited += check({1, 3, 9, w, 9, 2, 5, 2, 2, 1, {.activation = Activation::tanh, .bias = Bias::per_row, .alpha = 0.5f, .residual_scale = 2}, false, true});
      suited += check({1, 3, 9, w, 9, 3, 5, 2, 1, 1, {.activation = Activation::relu, .bias = Bias::per_row, .alpha = 0.5f}, false, true});
      suited += check({3, 8, 1, 4 * w, 8, 1, 5, 0, 1, 1, {.bias = Bias::per_row}});
    }
  EXPECT_GE(suited, 30 * vector_levels());
  for (bool pool : {false, true}) {
    EXPECT_GE(check({1, 1, 28, 28, 8, 5, 5, 0, 1, 1, {.activation = Activation::relu, .bias = Bias::per_row}, pool}), 1);   // LeNet
    EXPECT_GE(check({1, 8, 12, 12, 16, 5, 5, 0, 1, 1, {.activation = Activation::relu, .bias = Bias::per_row}, pool}), 1);
  }
}

TEST(RowFilter, is_for_small_images_and_enough_products) {
  const ConvShape s = shape_of({1, 8, 12, 12, 16, 5, 5});
  EXPECT_TRUE(suits_row_filter(Isa::avx2, s, false));
  EXPECT_TRUE(suits_row_filter(Isa::avx2, s, true));
  for (auto change : {+[](ConvShape& c) { c.stride_h = 2; }, +[](ConvShape& c) { c.dilation_w = 2; }, +[](ConvShape& c) { c.kernel_w = 4; }, +[](ConvShape& c) { c.out_channels = 4; }, +[](ConvShape& c) { c.out_w = 5; },
                      +[](ConvShape& c) { c.in_channels = 1, c.kernel_h = c.kernel_w = 3; }}) {
    ConvShape other = s;
    change(other);
    EXPECT_FALSE(suits_row_filter(Isa::avx2, other, false));
  }
  ConvShape uneven = s;
  uneven.kernel_h = 3;
  EXPECT_TRUE(suits_row_filter(Isa::avx2, uneven, false));
  EXPECT_FALSE(suits_row_filter(Isa::avx2, uneven, true));
  EXPECT_FALSE(suits_row_filter(Isa::generic, s, false));
}

/// The error on random data, against that of a sum of products in order in float32: root mean square of both.
TEST(RowFilter, enlarges_roundings_by_little) {
  for (const auto& [t, most] : {std::pair{Case{1, 8, 12, 12, 16, 5, 5}, 3.0}, std::pair{Case{1, 1, 28, 28, 8, 5, 5}, 5.0}, std::pair{Case{1, 8, 18, 18, 16, 3, 3}, 2.0}}) {
    const ConvShape s = shape_of(t);
    const auto w = noise(t.m * t.c * t.kernel_h * t.kernel_w), x = noise(t.c * t.h * t.w);
    for (Isa isa : levels()) {
      if (!suits_row_filter(isa, s, false)) continue;
      const RowFilterParams p = prepare_row_filter(isa, s, {}, false);
      Aligned<float> packed(static_cast<std::size_t>(packed_row_filter_size(p))), y(static_cast<std::size_t>(t.m * s.out_h * s.out_w));
      pack_row_filter(isa, p, w.data(), {packed.data(), packed.size()});
      run_whole("row_filter_f32", isa, p, {x.data(), packed.data(), nullptr, nullptr, y.data()}, grid(p), scratch_bytes(p));
      double own = 0, plain = 0;
      for (std::int64_t at = 0; at < static_cast<std::int64_t>(y.size()); ++at) {
        const std::int64_t ox = at % s.out_w, oy = at / s.out_w % s.out_h, m = at / s.out_w / s.out_h;
        double exact = 0;
        float sum = 0;
        for (std::int64_t k = 0; k < t.c * t.kernel_h * t.kernel_w; ++k) {
          const float a = x[static_cast<std::size_t>((k / t.kernel_w / t.kernel_h * t.h + oy + k / t.kernel_w % t.kernel_h) * t.w + ox + k % t.kernel_w)], b = w[static_cast<std::size_t>(m * t.c * t.kernel_h * t.kernel_w + k)];
          exact += double(a) * double(b), sum = std::fma(a, b, sum);
        }
        own += std::pow(double(y[static_cast<std::size_t>(at)]) - exact, 2), plain += std::pow(double(sum) - exact, 2);
      }
      EXPECT_LT(std::sqrt(own / plain), most) << name(isa) << " " << t.c << " " << t.kernel_w;
    }
  }
}

TEST(RowFilter, keeps_nan_in_its_tiles) {
  const Case t{1, 2, 12, 16, 8, 5, 5, 2};
  const ConvShape s = shape_of(t);
  int suited = 0;
  for (Isa isa : levels())
    for (bool pool : {false, true})
      for (Activation act : {Activation::none, Activation::relu, Activation::clip})
        for (std::int64_t column : {0, 3, 6, 7, 15}) {
          if (!suits_row_filter(isa, s, pool)) continue;
          ++suited;
          std::vector<float> x(2 * 12 * 16, 1.f);
          x[16 * 12 + 5 * 16 + static_cast<std::size_t>(column)] = NAN;
          const std::vector<float> w(8 * 2 * 25, 1.f);
          const RowFilterParams p = prepare_row_filter(isa, s, {.activation = act, .p0 = -50, .p1 = 60}, pool);
          const std::int64_t q = pool ? 2 : 1, yh = s.out_h / q, yw = s.out_w / q;
          Aligned<float> packed(static_cast<std::size_t>(packed_row_filter_size(p))), y(static_cast<std::size_t>(8 * yh * yw));
          pack_row_filter(isa, p, w.data(), {packed.data(), packed.size()});
          run_whole("row_filter_f32", isa, p, {x.data(), packed.data(), nullptr, nullptr, y.data()}, grid(p), scratch_bytes(p));
          for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i) {
            const std::int64_t ox = i % yw, oy = i / yw % yh;
            bool within = false, row = false;   // a window of it has the NaN; one has its row
            for (std::int64_t k = 0; k < q * q; ++k) {
              const bool at_row = std::abs(oy * q + k / 2 - 5) <= 2;
              row |= at_row, within |= at_row && std::abs(ox * q + k % 2 - column) <= 2;
            }
            const float v = y[static_cast<std::size_t>(i)];
            if (within) { EXPECT_TRUE(std::isnan(v)) << i; }
            if (!row || ox * q / 4 * 4 + 3 < column - 2 || ox * q / 4 * 4 > column + 2) { EXPECT_FALSE(std::isnan(v)) << i; }
          }
        }
  EXPECT_GT(suited, 0);
}

}  // namespace
}  // namespace saha::kernels
