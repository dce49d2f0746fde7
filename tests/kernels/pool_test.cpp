#include "kernels/pool.hpp"
#include "kernels/resize.hpp"

#include "tests/kernels/harness.hpp"
#include "tests/kernels/pool_window.hpp"

namespace saha::kernels {
namespace {
using namespace test;

void check(const PoolShape& s, Pool op, bool with_nan = false) {
  auto x = noise(s.planes * s.in_h * s.in_w);
  if (with_nan) x[x.size() / 2] = NAN;
  const auto size = static_cast<std::size_t>(s.planes * s.out_h * s.out_w);
  for (Isa isa : levels()) {
    const PoolParams p = prepare_pool(isa, s, op);
    Aligned<float> y(size, 1), again(size);
    run_whole("pool_f32", isa, p, {x.data(), y.data()}, grid(p), scratch_bytes(p));
    run_pieces("pool_f32", isa, p, {x.data(), again.data()}, grid(p), scratch_bytes(p));
    ASSERT_TRUE(same_bits(y.data(), again.data(), size));
    for (std::int64_t c = 0; c < s.planes; ++c)
      for (std::int64_t oy = 0; oy < s.out_h; ++oy)
        for (std::int64_t ox = 0; ox < s.out_w; ++ox) {
          const auto [sum, total, high, count, padded] = pool_window(s, oy, ox, [&](std::int64_t iy, std::int64_t ix) { return double(x[static_cast<std::size_t>((c * s.in_h + iy) * s.in_w + ix)]); });
          const float got = y[static_cast<std::size_t>((c * s.out_h + oy) * s.out_w + ox)];
          const double n = double(op == Pool::average ? count : padded);
          if (op == Pool::max) ASSERT_TRUE(got == high || (std::isnan(got) && std::isnan(high))) << oy << "," << ox;
          else ASSERT_NEAR(got, sum / n, dot_bound(count, total / n)) << oy << "," << ox;
        }
  }
}

TEST(Pool, equals_the_double_loop) {
  for (std::int64_t k : {1, 2, 3, 5})
    for (std::int64_t stride : {1, 2, 3})
      for (std::int64_t hw : {5, 7, 14, 33}) {
        if (hw < k) continue;
        const std::int64_t pad = k / 2;
        PoolShape s{3, hw, hw + 1, (hw + 2 * pad - k) / stride + 1, (hw + 1 + 2 * pad - k) / stride + 1, k, k, stride, stride, 1, 1, pad, pad, pad, pad};
        check(s, Pool::max);
        check(s, Pool::max, true);
        check(s, Pool::average);
        check(s, Pool::average_padded);
      }
  check({2, 112, 112, 56, 56, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1}, Pool::max);
  check({1, 9, 12, 3, 5, 3, 3, 3, 2, 2, 2, 1, 1, 0, 1}, Pool::max);             // dilated
  check({2, 4, 4, 2, 2, 3, 3, 2, 2, 1, 1, 0, 0, 0, 0}, Pool::average_padded);   // dims rounded up: the last window hangs over
  for (std::int64_t w : {2, 3, 7, 8, 16, 17, 24, 34})                           // two columns wide, in place
    for (std::int64_t kernel : {1, 2, 3})
      for (Pool op : {Pool::max, Pool::average, Pool::average_padded}) {
        check({5, 9, w, (9 - kernel) / 2 + 1, w / 2, kernel, 2, 2, 2, 1, 1, 0, 0, 0, 0}, op);
        check({3, 9, w, 9 - 2 * (kernel - 1), w / 2, kernel, 2, 1, 2, 2, 1, 0, 0, 0, 0}, op, op == Pool::max);
        check({3, 9, w, 5, (w + 1) / 2, kernel, 2, 2, 2, 1, 1, 0, 0, 0, 0}, op);  // hangs over
      }
  check({2, 1, 50, 1, 24, 1, 3, 1, 2, 1, 1, 0, 0, 0, 0}, Pool::average);        // one dimension
  check({0, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0}, Pool::max);
}

TEST(Resize, equals_the_double_loop) {
  for (bool nearest : {true, false})
    for (auto [ih, iw, oh, ow, inner] : {std::array<std::int64_t, 5>{5, 7, 10, 14, 1}, {9, 9, 4, 5, 1}, {1, 3, 6, 40, 1}, {20, 30, 20, 31, 1}, {5, 7, 10, 14, 3}, {9, 9, 4, 5, 8}, {1, 3, 6, 40, 21}, {20, 30, 20, 31, 64}, {5, 7, 10, 14, 33}}) {
      const auto make = [&](std::int64_t in, std::int64_t out) {
        std::vector<ResizeTap> taps;
        for (std::int64_t i = 0; i < out; ++i) {
          const double at = std::min<double>(std::max<double>((i + 0.5) * double(in) / double(out) - 0.5, 0), double(in - 1));
          const auto first = static_cast<std::int32_t>(at);
          taps.push_back({first, std::min<std::int32_t>(first + 1, static_cast<std::int32_t>(in - 1)), nearest ? 0.f : static_cast<float>(at - first)});
        }
        return taps;
      };
      const auto rows = make(ih, oh), columns = make(iw, ow);
      auto tables = rows;
      tables.insert(tables.end(), columns.begin(), columns.end());
      const std::int64_t planes = 5;
      const auto x = noise(planes * ih * iw * inner);
      for (Isa isa : levels()) {
        const ResizeParams p = prepare_resize(planes, ih, iw, inner, rows, columns);
        Aligned<float> y(static_cast<std::size_t>(planes * oh * ow * inner), 1), again(y.size());
        run_whole("resize_f32", isa, p, {x.data(), tables.data(), y.data()}, grid(p), scratch_bytes(p));
        run_pieces("resize_f32", isa, p, {x.data(), tables.data(), again.data()}, grid(p), scratch_bytes(p));
        ASSERT_TRUE(same_bits(y.data(), again.data(), y.size()));
        for (std::int64_t c = 0; c < planes; ++c)
          for (std::int64_t i = 0; i < oh; ++i)
            for (std::int64_t j = 0; j < ow * inner; ++j) {
              const ResizeTap &r = rows[static_cast<std::size_t>(i)], &q = columns[static_cast<std::size_t>(j / inner)];
              const auto at = [&](std::int64_t a, std::int64_t b) { return double(x[static_cast<std::size_t>(((c * ih + a) * iw + b) * inner + j % inner)]); };
              const double wr = r.weight, wq = q.weight;
              const double want = (at(r.first, q.first) * (1 - wq) + at(r.first, q.second) * wq) * (1 - wr) + (at(r.second, q.first) * (1 - wq) + at(r.second, q.second) * wq) * wr;
              ASSERT_NEAR(y[static_cast<std::size_t>((c * oh + i) * ow * inner + j)], want, 1e-6);
            }
      }
    }
}

}  // namespace
}  // namespace saha::kernels
