// pool_i8, sum_i8, mean_i8. Contract in kernels/reduce_i8.hpp.
#include "kernels/reduce_i8.hpp"

#include "kernels/loops/rescale.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// A block added to two vectors of sums.
inline void add(B v, bool is_signed, I& low, I& high) {
  I a, b;
  widen(v, is_signed, a, b);
  low = plus(low, a), high = plus(high, b);
}

template <bool Signed>
B larger(B a, B b) {
  if constexpr (Signed) {
    const auto x = reinterpret_cast<SignedB>(a), y = reinterpret_cast<SignedB>(b);
    return reinterpret_cast<B>(x > y ? x : y);
  } else {
    return a > b ? a : b;
  }
}

/// The largest numbers of N blocks of channels, of a window of rows by columns of taps.
template <bool Signed, int N>
void largest(const std::uint8_t* x, int64_t rows, int64_t row, int64_t columns, int64_t column, std::uint8_t* y) {
  const std::uint8_t lowest = Signed ? 128 : 0;
  B m[N];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) m[i] = B{} + lowest;
  for (; rows > 0; --rows, x += row) {
    const std::uint8_t* at = x;
    for (int64_t k = 0; k < columns; ++k, at += column)
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) m[i] = larger<Signed>(m[i], load(at + i * kBlock));
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) store(y + i * kBlock, m[i]);
}

template <bool Signed>
void pool(const plan::Call& call) {
  const PoolI8Params& p = *static_cast<const PoolI8Params*>(call.params);
  const PoolShape& s = p.shape;
  const int64_t row = s.in_w * p.channels;
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  auto* y = static_cast<std::uint8_t*>(call.operands[1]);
  const int64_t per = rows_per_piece(row_work(p));
  // The first and the end of the steps of a window that lie in [0, n).
  const auto inside = [](int64_t at, int64_t dilation, int64_t kernel, int64_t n, int64_t& first, int64_t& last) {
    first = at >= 0 ? 0 : (-at + dilation - 1) / dilation;
    last = at >= n ? 0 : least(kernel, (n - at + dilation - 1) / dilation);
  };
  for (int64_t r = call.begin * per; r < least(s.planes * s.out_h, call.end * per); ++r) {
    const std::uint8_t* image = x + r / s.out_h * s.in_h * row;
    const int64_t top = r % s.out_h * s.stride_h - s.pad_top;
    int64_t y0, y1;
    inside(top, s.dilation_h, s.kernel_h, s.in_h, y0, y1);
    for (int64_t ox = 0; ox < s.out_w; ++ox) {
      const int64_t left = ox * s.stride_w - s.pad_left;
      int64_t x0, x1;
      inside(left, s.dilation_w, s.kernel_w, s.in_w, x0, x1);
      const int64_t count = most<int64_t>(0, y1 - y0) * most<int64_t>(0, x1 - x0);
      std::uint8_t* to = y + (r * s.out_w + ox) * p.channels;
      if (p.op == Pool::max && p.channels >= kBlock) {
        constexpr int kBlocks = 4;
        const std::uint8_t* from = image + (top + y0 * s.dilation_h) * row + (left + x0 * s.dilation_w) * p.channels;
        const auto blocks = [&]<int N>(int64_t c) { largest<Signed, N>(from + c, y1 - y0, s.dilation_h * row, x1 - x0, s.dilation_w * p.channels, to + c); };
        int64_t c = 0;
        for (; c + kBlocks * kBlock <= p.channels; c += kBlocks * kBlock) blocks.template operator()<kBlocks>(c);
        for (; c < p.channels; c += kBlock) blocks.template operator()<1>(least(c, p.channels - kBlock));   // the last block reaches back
        continue;
      }
      for (int64_t c = 0; c < p.channels; c += kBlock) {
        const int64_t left_over = p.channels - c;
        const auto each = [&](auto f) {
          for (int64_t ky = y0; ky < y1; ++ky)
            for (int64_t kx = x0; kx < x1; ++kx) f(load_part(image + (top + ky * s.dilation_h) * row + (left + kx * s.dilation_w) * p.channels + c, left_over));
        };
        if (p.op == Pool::max) {
          const std::uint8_t lowest = Signed ? 128 : 0;
          B m = B{} + lowest;
          each([&](B v) { m = larger<Signed>(m, v); });
          store_part(to + c, m, left_over);
          continue;
        }
        I sums[2] = {};
        each([&](B v) { add(v, Signed, sums[0], sums[1]); });
        const float n = static_cast<float>(most<int64_t>(1, count));
        const auto half = static_cast<int32_t>(count / 2);
        // A quotient of numbers of less than 24 bits, whose divisor has at most 16, is never rounded up to a whole number.
        for (I& v : sums) v = __builtin_convertvector(to_float(v > 0 ? v + half : v - half) / splat(n), I);
        store_part(to + c, low_bytes(narrowed(sums[0], sums[1])), left_over);
      }
    }
  }
}
void run_pool(const plan::Call& call) { static_cast<const PoolI8Params*>(call.params)->is_signed ? pool<true>(call) : pool<false>(call); }

template <Rescaling R>
void sum(const plan::Call& call) {
  const SumI8Params& p = *static_cast<const SumI8Params*>(call.params);
  const auto* t = static_cast<const int32_t*>(call.operands[1]);
  const Bounds bounds(p.store);
  const int64_t per = rows_per_piece(row_work(p));
  for (int64_t o = call.begin * per; o < least(p.outer, call.end * per); ++o) {
    const auto* x = static_cast<const std::uint8_t*>(call.operands[0]) + o * p.n * p.inner;
    auto* y = static_cast<std::uint8_t*>(call.operands[2]) + o * p.inner;
    if (p.inner == 1) {  // along the row: blocks, then their lanes
      I low{}, high{};
      for (int64_t i = 0; i < p.n; i += kBlock) add(load_part(x + i, p.n - i), p.is_signed, low, high);
      low = plus(low, high);
      std::uint32_t total = 0;
      for (int i = 0; i < W; ++i) total += static_cast<std::uint32_t>(low[i]);
      put<R>(plus(load(t), splat(static_cast<int32_t>(total))), I{}, t, bounds, y, 1);
      continue;
    }
    for (int64_t c = 0; c < p.inner; c += kBlock) {
      I low = load(t), high = load(t + kRescaleRows * W);
      for (int64_t i = 0; i < p.n; ++i) add(load_part(x + i * p.inner + c, p.inner - c), p.is_signed, low, high);
      put<R>(low, high, t, bounds, y + c, p.inner - c);
    }
  }
}
void run_sum(const plan::Call& call) {
  with_rule(static_cast<const SumI8Params*>(call.params)->store.rule, [&]<Rescaling R>() { sum<R>(call); });
}

typedef float Half __attribute__((vector_size(W * 2)));
typedef double D __attribute__((vector_size(W * 4)));
template <int First, int... K>
inline Half half(V v, Lanes<K...>) { return __builtin_shufflevector(v, v, (First + K)...); }
/// Sums of a vector of float32 in float64.
struct Doubles {
  using HalfLanes = MakeLanes<W / 2>::type;
  D low{}, high{};
  void add(V v) { low += __builtin_convertvector(half<0>(v, HalfLanes{}), D), high += __builtin_convertvector(half<W / 2>(v, HalfLanes{}), D); }
  /// Divided by n.
  V mean(double n) const {
    V v;
    for (int i = 0; i < W / 2; ++i) v[i] = static_cast<float>(low[i] / n), v[W / 2 + i] = static_cast<float>(high[i] / n);
    return v;
  }
  double sum() const {
    double total = 0;
    for (int i = 0; i < W / 2; ++i) total += low[i] + high[i];
    return total;
  }
};
void run_mean(const plan::Call& call) {
  const MeanI8Params& p = *static_cast<const MeanI8Params*>(call.params);
  const Bounds bounds(p.store);
  const V scale = splat(p.x_scale), step = splat(p.y_scale), far = splat(16777216.f);
  const I zero = splat(p.x_zero);
  const auto count = static_cast<double>(p.n);
  const auto add = [&](const std::uint8_t* from, int64_t n, Doubles& a, Doubles& b) {
    I low, high;
    widen(load_part(from, n), p.is_signed, low, high);
    a.add(to_float(minus(low, zero)) * scale), b.add(to_float(minus(high, zero)) * scale);
  };
  const auto put = [&](V a, V b, std::uint8_t* to, int64_t n) {
    const auto steps = [&](V v) { return plus(to_int(min(max(v / step, -far), far)), bounds.zero); };
    store_part(to, kept<true>(steps(a), steps(b), bounds), n);
  };
  const int64_t per = rows_per_piece(row_work(p));
  for (int64_t o = call.begin * per; o < least(p.outer, call.end * per); ++o) {
    const auto* x = static_cast<const std::uint8_t*>(call.operands[0]) + o * p.n * p.inner;
    auto* y = static_cast<std::uint8_t*>(call.operands[1]) + o * p.inner;
    if (p.inner == 1) {
      Doubles a, b;
      int64_t i = 0;
      for (; i + kBlock <= p.n; i += kBlock) add(x + i, kBlock, a, b);
      double total = a.sum() + b.sum();
      for (; i < p.n; ++i) total += static_cast<double>(static_cast<float>((p.is_signed ? static_cast<std::int8_t>(x[i]) : x[i]) - p.x_zero) * p.x_scale);
      put(splat(static_cast<float>(total / count)), V{}, y, 1);
      continue;
    }
    for (int64_t c = 0; c < p.inner; c += kBlock) {
      Doubles a, b;
      for (int64_t i = 0; i < p.n; ++i) add(x + i * p.inner + c, p.inner - c, a, b);
      put(a.mean(count), b.mean(count), y + c, p.inner - c);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"pool_i8", run_pool}, {"sum_i8", run_sum}, {"mean_i8", run_mean}};

}  // namespace

extern const std::span<const Kernel> kReduceI8;
constinit const std::span<const Kernel> kReduceI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
