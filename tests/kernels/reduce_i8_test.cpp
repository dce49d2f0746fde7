#include "kernels/reduce_i8.hpp"

#include "tests/kernels/harness.hpp"
#include "tests/kernels/pool_window.hpp"

namespace saha::kernels {
namespace {
using namespace test;

void check_pool(const PoolShape& s, std::int64_t channels, Pool op, bool is_signed) {
  const auto size = static_cast<std::size_t>(s.planes * s.out_h * s.out_w * channels);
  Aligned<std::uint8_t> x(static_cast<std::size_t>(s.planes * s.in_h * s.in_w * channels));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(random()());
  const auto number = [&](std::uint8_t v) { return is_signed ? std::int64_t{static_cast<std::int8_t>(v)} : std::int64_t{v}; };
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " n " << s.planes << " c " << channels << " " << s.in_h << "x" << s.in_w << " k " << s.kernel_h << "x" << s.kernel_w << " op " << int(op));
    const PoolI8Params p{s, channels, op, is_signed};
    Aligned<std::uint8_t> y(size, 3), again(size, 5);
    run_whole("pool_i8", isa, p, {x.data(), y.data()}, grid(p), 0);
    run_pieces("pool_i8", isa, p, {x.data(), again.data()}, grid(p), 0);
    ASSERT_EQ(std::memcmp(y.data(), again.data(), size), 0);
    std::size_t at = 0;
    for (std::int64_t image = 0; image < s.planes; ++image)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox)
          for (std::int64_t c = 0; c < channels; ++c, ++at) {
            const PoolWindow w = pool_window(s, oy, ox, [&](std::int64_t iy, std::int64_t ix) { return double(number(x[static_cast<std::size_t>(((image * s.in_h + iy) * s.in_w + ix) * channels + c)])); });
            const double largest = w.count == 0 ? (is_signed ? -128 : 0) : w.high, mean = w.count == 0 ? 0 : std::round(w.sum / double(w.count));
            ASSERT_EQ(double(number(y[at])), op == Pool::max ? largest : mean) << oy << "," << ox << "," << c;
          }
  }
}

TEST(PoolI8, equals_the_double_loop) {
  for (bool is_signed : {false, true})
    for (Pool op : {Pool::max, Pool::average}) {
      for (std::int64_t c : {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 130, 257}) check_pool({1, 7, 6, 4, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1}, c, op, is_signed);
      for (std::int64_t k : {1, 2, 5}) check_pool({2, 9, 8, 9 - k + 1, 8 - k + 1, k, k, 1, 1, 1, 1, 0, 0, 0, 0}, 40, op, is_signed);
      check_pool({1, 9, 12, 3, 5, 3, 3, 3, 2, 2, 2, 1, 1, 0, 1}, 70, op, is_signed);   // dilated
      check_pool({2, 3, 2, 5, 6, 2, 2, 1, 1, 3, 4, 3, 4, 2, 5}, 66, op, is_signed);    // some windows have no tap in the image
      check_pool({2, 1, 50, 1, 24, 1, 3, 1, 2, 1, 1, 0, 0, 0, 0}, 20, op, is_signed);  // one dimension
      check_pool({0, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, 8, op, is_signed);
      check_pool({1, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, 0, op, is_signed);
    }
}

TEST(MeanI8, is_that_of_float32_numbers) {
  for (bool is_signed : {false, true})
    for (auto [outer, n, inner] : {std::array<std::int64_t, 3>{1, 49, 1280}, {2, 7, 100}, {3, 5, 33}, {1, 4, 7}, {2, 1, 16}, {4, 50, 1}, {0, 3, 4}}) {
      const std::int64_t lo = is_signed ? -128 : 0;
      MeanI8Params p{outer, n, inner, is_signed, static_cast<std::int32_t>(lo + random()() % 256), 0.0173f, 0.0049f, {Rescaling::real, static_cast<std::int32_t>(lo + random()() % 256), static_cast<std::int32_t>(lo), static_cast<std::int32_t>(lo + 255)}};
      Aligned<std::uint8_t> x(static_cast<std::size_t>(outer * n * inner));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(random()());
      const auto number = [&](std::uint8_t v) { return is_signed ? std::int32_t{static_cast<std::int8_t>(v)} : std::int32_t{v}; };
      for (Isa isa : levels()) {
        SCOPED_TRACE(testing::Message() << name(isa) << " " << outer << " " << n << " " << inner);
        Aligned<std::uint8_t> y(static_cast<std::size_t>(outer * inner), 3), again(y.size(), 5);
        run_whole("mean_i8", isa, p, {x.data(), y.data()}, grid(p), 0);
        run_pieces("mean_i8", isa, p, {x.data(), again.data()}, grid(p), 0);
        ASSERT_EQ(std::memcmp(y.data(), again.data(), y.size()), 0);
        for (std::int64_t o = 0; o < outer; ++o)
          for (std::int64_t c = 0; c < inner; ++c) {
            double sum = 0;
            for (std::int64_t i = 0; i < n; ++i) sum += double(static_cast<float>(number(x[static_cast<std::size_t>((o * n + i) * inner + c)]) - p.x_zero) * p.x_scale);
            const float steps = std::nearbyint(static_cast<float>(sum / double(n)) / p.y_scale);
            ASSERT_EQ(number(y[static_cast<std::size_t>(o * inner + c)]), std::clamp(static_cast<std::int32_t>(steps) + p.store.zero, p.store.lo, p.store.hi)) << o << "," << c;
          }
      }
    }
}

}  // namespace
}  // namespace saha::kernels
