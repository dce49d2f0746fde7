#include "kernels/pool_last.hpp"

#include "kernels/contract.hpp"
#include "tests/kernels/harness.hpp"
#include "tests/kernels/pool_window.hpp"

namespace saha::kernels {
namespace {
using namespace test;

void check(const PoolShape& s, std::int64_t channels, Pool op, float odd = 0) {
  auto x = noise(s.planes * s.in_h * s.in_w * channels);
  if (odd != 0) x[x.size() / 2] = odd;
  Aligned<float> exact_x(x.size(), 1);
  std::copy(x.begin(), x.end(), exact_x.data());
  const auto size = static_cast<std::size_t>(s.planes * s.out_h * s.out_w * channels);
  for (Isa isa : levels()) {
    SCOPED_TRACE(testing::Message() << name(isa) << " n " << s.planes << " c " << channels << " " << s.in_h << "x" << s.in_w << " k " << s.kernel_h << "x" << s.kernel_w << " s " << s.stride_h << " d " << s.dilation_h << " p " << s.pad_top
                                    << " op " << int(op));
    const PoolLastParams p = prepare_pool_last(s, channels, op);
    const auto n = needs("pool_last_f32", isa, {reinterpret_cast<const std::byte*>(&p), sizeof p}, {});
    ASSERT_TRUE(n);
    ASSERT_EQ(n->reads[0].bytes, x.size() * 4);
    Aligned<float> y(size, 3), again(size);
    run_whole("pool_last_f32", isa, p, {exact_x.data(), y.data()}, grid(p), 0);
    run_pieces("pool_last_f32", isa, p, {exact_x.data(), again.data()}, grid(p), 0);
    ASSERT_TRUE(same_bits(y.data(), again.data(), size));
    std::size_t at = 0;
    for (std::int64_t image = 0; image < s.planes; ++image)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox)
          for (std::int64_t c = 0; c < channels; ++c, ++at) {
            const auto [sum, total, high, count, padded] = pool_window(s, oy, ox, [&](std::int64_t iy, std::int64_t ix) { return double(x[static_cast<std::size_t>(((image * s.in_h + iy) * s.in_w + ix) * channels + c)]); });
            const double want = op == Pool::max ? high : sum / double(op == Pool::average ? count : padded);
            if (std::isfinite(want)) ASSERT_NEAR(y[at], want, op == Pool::max ? 0 : dot_bound(count, total / double(op == Pool::average ? count : padded))) << oy << "," << ox << "," << c;
            else ASSERT_TRUE(double(y[at]) == want || (std::isnan(y[at]) && std::isnan(want))) << oy << "," << ox << "," << c;
          }
  }
}

TEST(PoolLast, equals_the_double_loop) {
  for (std::int64_t k : {1, 2, 3, 5})
    for (std::int64_t stride : {1, 2, 3})
      for (std::int64_t hw : {5, 7, 14}) {
        if (hw < k) continue;
        const std::int64_t pad = k / 2;
        PoolShape s{2, hw, hw + 1, (hw + 2 * pad - k) / stride + 1, (hw + 1 + 2 * pad - k) / stride + 1, k, k, stride, stride, 1, 1, pad, pad, pad, pad};
        for (Pool op : {Pool::max, Pool::average, Pool::average_padded})
          for (float odd : {0.f, NAN, INFINITY, -INFINITY}) check(s, 16 + hw, op, odd);
      }
  for (std::int64_t c : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100})
    for (Pool op : {Pool::max, Pool::average, Pool::average_padded}) check({1, 6, 6, 3, 3, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0}, c, op, NAN);
  check({1, 112, 112, 56, 56, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1}, 64, Pool::max);
  check({1, 9, 12, 3, 5, 3, 3, 3, 2, 2, 2, 1, 1, 0, 1}, 20, Pool::max);             // dilated
  check({2, 4, 4, 2, 2, 3, 3, 2, 2, 1, 1, 0, 0, 0, 0}, 20, Pool::average_padded);   // dims rounded up: the last window hangs over
  check({2, 3, 2, 5, 6, 2, 2, 1, 1, 3, 4, 3, 4, 2, 5}, 12, Pool::max);              // some windows have no tap in the image
  check({2, 1, 50, 1, 24, 1, 3, 1, 2, 1, 1, 0, 0, 0, 0}, 40, Pool::average);        // one dimension
  check({0, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, 8, Pool::max);
  check({1, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, 0, Pool::max);
}

TEST(PoolLast, its_contract_refuses_what_no_preparation_makes) {
  const auto refused = [](PoolLastParams p) { return !needs("pool_last_f32", Isa::generic, {reinterpret_cast<const std::byte*>(&p), sizeof p}, {}); };
  const PoolLastParams p = prepare_pool_last({2, 9, 9, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1}, 20, Pool::max);
  ASSERT_FALSE(refused(p));
  PoolLastParams q = p;
  q.rows += 1;
  EXPECT_TRUE(refused(q));
  q = p, q.channels = -1;
  EXPECT_TRUE(refused(q));
  q = p, q.channels = std::int64_t{1} << 40;
  EXPECT_TRUE(refused(q));
  q = p, q.op = Pool(7);
  EXPECT_TRUE(refused(q));
}

}  // namespace
}  // namespace saha::kernels
