// table_i8, pair_i8, quantize_i8, quantize_rgb_i8, dynamic_i8, quantize_i16, dequantize_i16. Contract in kernels/elementwise_i8.hpp.
#include "kernels/elementwise_i8.hpp"

#include "kernels/loops/rescale.hpp"
#include "kernels/loops/walk.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

template <class T>
void look_up(const std::uint8_t* x, const T* table, T* y, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    T v[8];
    for (int j = 0; j < 8; ++j) v[j] = table[x[i + j]];
    memcpy(y + i, v, sizeof v);
  }
  for (; i < n; ++i) y[i] = table[x[i]];
}
void run_table(const plan::Call& call) {
  const TableParams& p = *static_cast<const TableParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * kPieceElements, n = least(p.n, int64_t{call.end} * kPieceElements) - begin;
  const auto as = [&](auto type) {
    using T = decltype(type);
    look_up(static_cast<const std::uint8_t*>(call.operands[0]) + begin, static_cast<const T*>(call.operands[1]), static_cast<T*>(call.operands[2]) + begin, n);
  };
  p.entry_bytes == 1 ? as(std::uint8_t{}) : as(std::uint32_t{});
}

/// Y's blocks are block(A's, B's); an operand with one element in a row is in all lanes. What is less than a block goes by memory of its own, so that there is one loop, which asks nothing.
template <class F>
void walk_bytes(const PairParams& p, const plan::Call& call, F block) {
  const auto *a = static_cast<const std::uint8_t*>(call.operands[0]), *b = static_cast<const std::uint8_t*>(call.operands[1]);
  auto* y = static_cast<std::uint8_t*>(call.operands[3]);
  walk_rows(p.walk, call.begin, call.end, [&](int64_t at_a, int64_t sa, int64_t at_b, int64_t sb, int64_t at, int64_t n) {
    const F f = block;   // what it holds, in registers
    std::uint8_t part_a[kBlock], part_b[kBlock], part[kBlock];
    const std::uint8_t *from_a = a + at_a, *from_b = b + at_b;
    const int64_t step_a = sa * kBlock, step_b = sb * kBlock, rest = n % kBlock;
    if (sa == 0) store(part_a, B{} + *from_a), from_a = part_a;
    if (sb == 0) store(part_b, B{} + *from_b), from_b = part_b;
    std::uint8_t *to = y + at, *last = nullptr;
    for (int64_t blocks = n / kBlock;; blocks = 1) {
#pragma GCC unroll 1
      for (; blocks > 0; --blocks, from_a += step_a, from_b += step_b, to += kBlock) store(to, f(load(from_a), load(from_b)));
      if (last || rest == 0) break;
      if (sa != 0) store(part_a, load_less(from_a, rest)), from_a = part_a;
      if (sb != 0) store(part_b, load_less(from_b, rest)), from_b = part_b;
      last = to, to = part;
    }
    if (last) store_less(last, load(part), rest);
  });
}
/// A block of a row as numbers without their zero point, in the order of the columns of a block: two vectors.
struct Numbers {
  I v[2];
};
template <class F>
void walk_blocks(const PairParams& p, const plan::Call& call, F block) {
  const auto numbers = [](B b, bool is_signed, std::int32_t zero) {
    const S s = widened(b, is_signed) - static_cast<std::int16_t>(zero);
    return Numbers{{beside_low(s, s) >> 16, beside_high(s, s) >> 16}};
  };
  walk_bytes(p, call, [&](B u, B v) { return block(numbers(u, p.a_signed != 0, p.a_zero), numbers(v, p.b_signed != 0, p.b_zero)); });
}

template <Rescaling R>
void pair(const PairParams& p, const plan::Call& call) {
  const auto* t = static_cast<const int32_t*>(call.operands[2]);
  const Bounds bounds(p.store);
  constexpr int kTable = 2 * kRescaleRows * W;
  if (p.op == PairOp::product) return walk_blocks(p, call, [&](const Numbers& a, const Numbers& b) { return stored<R>(a.v[0] * b.v[0], a.v[1] * b.v[1], t, bounds); });
  const bool difference = p.walk.op == Binary::sub;
  walk_blocks(p, call, [&](const Numbers& a, const Numbers& b) {
    I sum[2];
    for (int k = 0; k < 2; ++k) {
      const I x = rescaled<R>(a.v[k] << 20, t), z = rescaled<R>(b.v[k] << 20, t + kTable);
      sum[k] = difference ? minus(x, z) : plus(x, z);
    }
    return stored<R>(sum[0], sum[1], t + 2 * kTable, bounds);
  });
}

/// x to nearest, + zero, between lo and hi, as int32; NaN counts as 0.
inline I rounded(V x, int32_t zero, int32_t lo, int32_t hi, bool away = false) {
  V r = round_even(x);
  if (away) {
    const V whole = floor(abs(x));
    r = with_sign(select(abs(x) - whole >= 0.5f, whole + 1.f, whole), x);
  }
  r = select(r == r, r, V{});
  return to_int(min(max(r, splat(static_cast<float>(lo - zero))), splat(static_cast<float>(hi - zero)))) + splat(zero);
}

void pair_real(const PairParams& p, const plan::Call& call) {
  const V a_scale = splat(p.a_scale), b_scale = splat(p.b_scale), y_scale = splat(p.y_scale), inverse = splat(1 / p.y_scale);
  const Bounds bounds(p.store);
  const auto each = [&](auto f) {
    if (p.op == PairOp::real_by_inverse)
      return walk_blocks(p, call, [&](const Numbers& a, const Numbers& b) {
        I y[2];
        for (int k = 0; k < 2; ++k) {
          const V x = f(to_float(a.v[k]) * a_scale, to_float(b.v[k]) * b_scale), q = x * inverse;
          y[k] = to_int(fma(fma(-q, y_scale, x), inverse, q));
        }
        return kept(y[0], y[1], bounds);
      });
    walk_blocks(p, call, [&](const Numbers& a, const Numbers& b) {
      I y[2];
      for (int k = 0; k < 2; ++k) y[k] = rounded(f(to_float(a.v[k]) * a_scale, to_float(b.v[k]) * b_scale) / y_scale, p.store.zero, p.store.lo, p.store.hi);
      return low_bytes(narrowed(y[0], y[1]));
    });
  };
  switch (p.walk.op) {
    case Binary::add: return each([](V a, V b) { return a + b; });
    case Binary::sub: return each([](V a, V b) { return a - b; });
    default: return each([](V a, V b) { return a * b; });
  }
}

void pair_linear(const PairParams& p, const plan::Call& call) {
  const auto a_sign = static_cast<std::uint8_t>(p.a_signed ? 128 : 0), b_sign = static_cast<std::uint8_t>(p.b_signed ? 128 : 0);
  const B a_flip = B{} + a_sign, b_flip = B{} + b_sign;
  const V a_factor = splat(p.a_factor), b_factor = splat(p.b_factor), offset = splat(p.offset);
  const Bounds bounds(p.store);
  walk_bytes(p, call, [=](B u, B v) {
    const S s = widened(u ^ a_flip, false), t = widened(v ^ b_flip, false);
    const auto of = [&](I first, I second) { return to_int(fma(to_float(first), a_factor, fma(to_float(second), b_factor, offset))); };
    return kept(of(beside_low(s, S{}), beside_low(t, S{})), of(beside_high(s, S{}), beside_high(t, S{})), bounds);
  });
}

void run_pair(const plan::Call& call) {
  const PairParams& p = *static_cast<const PairParams*>(call.params);
  if (p.op == PairOp::table) {
    const auto* a = static_cast<const std::uint8_t*>(call.operands[0]);
    const auto* b = static_cast<const std::uint8_t*>(call.operands[1]);
    const auto* table = static_cast<const std::uint8_t*>(call.operands[2]);
    auto* y = static_cast<std::uint8_t*>(call.operands[3]);
    return walk_rows(p.walk, call.begin, call.end, [&](int64_t at_a, int64_t sa, int64_t at_b, int64_t sb, int64_t at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) y[at + i] = table[256 * a[at_a + i * sa] + b[at_b + i * sb]];
    });
  }
  if (p.op == PairOp::linear) return pair_linear(p, call);
  if (p.op == PairOp::real || p.op == PairOp::real_by_inverse) return pair_real(p, call);
  with_rule(p.store.rule, [&]<Rescaling R>() { pair<R>(p, call); });
}

/// Vector v of a block, in the order in which narrowing puts its columns back.
template <int Vector, int... K>
inline V columns(V a, V b, Lanes<K...>) { return __builtin_shufflevector(a, b, block_column(Vector, K)...); }

/// A block of two vectors of numbers.
template <class F>
inline B block_of(V a, V b, F quantized) { return low_bytes(narrowed(quantized(columns<0>(a, b, AllLanes{})), quantized(columns<1>(a, b, AllLanes{})))); }
/// y[i] = quantized(x[i]), n of them.
template <class F>
void each_byte(const float* x, std::uint8_t* y, int64_t n, F quantized) {
  for (int64_t i = 0; i < n; i += kBlock) store_part(y + i, block_of(load_up_to(x + i, n - i), load_up_to(x + least(i + W, n), most<int64_t>(0, n - i - W)), quantized), n - i);
}
void run_quantize(const plan::Call& call) {
  const QuantizeParams& p = *static_cast<const QuantizeParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * kPieceElements, n = least(p.n, int64_t{call.end} * kPieceElements) - begin;
  const V scale = splat(p.scale);
  each_byte(static_cast<const float*>(call.operands[0]) + begin, static_cast<std::uint8_t*>(call.operands[1]) + begin, n, [&](V v) { return rounded(v / scale, p.zero, p.lo, p.hi, p.away); });
}

/// Byte j of block Part of three blocks of channels beside one another: number j % 3 of point j / 3.
template <int Part, int... K>
inline B beside_three(B r, B g, B b, Lanes<K...>) {
  const B two = __builtin_shufflevector(r, g, ((Part * kBlock + K) % 3 == 1 ? kBlock : 0) + (Part * kBlock + K) / 3 ...);
  return __builtin_shufflevector(two, b, ((Part * kBlock + K) % 3 == 2 ? kBlock + (Part * kBlock + K) / 3 : K)...);
}
void run_quantize_rgb(const plan::Call& call) {
  const QuantizeRgbParams& p = *static_cast<const QuantizeRgbParams*>(call.params);
  const QuantizeParams& q = p.each;
  const V scale = splat(q.scale);
  const int64_t parts = (p.points + kRgbPoints - 1) / kRgbPoints;
  const auto quantized = [&](V v) { return rounded(v / scale, q.zero, q.lo, q.hi, q.away); };
  using Block = MakeLanes<kBlock>::type;
  for (int64_t piece = call.begin; piece < call.end; ++piece) {
    const auto* x = static_cast<const float*>(call.operands[0]) + piece / parts * kRgb * p.points;
    auto* y = static_cast<std::uint8_t*>(call.operands[1]) + piece / parts * kRgb * p.points;
    const int64_t begin = piece % parts * kRgbPoints, end = least(p.points, begin + kRgbPoints);
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t n = least<int64_t>(kBlock, end - i);
      B channel[kRgb];
      for (int c = 0; c < kRgb; ++c) {
        const float* from = x + c * p.points + i;
        channel[c] = n == kBlock ? block_of(load(from), load(from + W), quantized) : block_of(load_up_to(from, n), load_up_to(from + least<int64_t>(W, n), most<int64_t>(0, n - W)), quantized);
      }
      std::uint8_t* to = y + i * kRgb;
      const B all[kRgb] = {beside_three<0>(channel[0], channel[1], channel[2], Block{}), beside_three<1>(channel[0], channel[1], channel[2], Block{}), beside_three<2>(channel[0], channel[1], channel[2], Block{})};
      if (n == kBlock) memcpy(to, all, sizeof all);
      else memcpy(to, all, static_cast<size_t>(n * kRgb));
    }
  }
}

/// The bounds of n numbers, 0 among them; NaN bounds nothing.
struct Range {
  float lo = 0, hi = 0;
};
Range range_of(const float* x, int64_t n) {
  V lo{}, hi{};
  for (int64_t i = 0; i < n; i += W) {
    const V v = load_up_to(x + i, n - i);
    lo = min(v, lo), hi = max(v, hi);
  }
  Range r;
  for (int l = 0; l < W; ++l) r.lo = lo[l] < r.lo ? lo[l] : r.lo, r.hi = hi[l] > r.hi ? hi[l] : r.hi;
  return r;
}
void run_dynamic(const plan::Call& call) {
  const DynamicParams& p = *static_cast<const DynamicParams*>(call.params);
  const int64_t step = rows_per_piece(p.n);
  const bool onnx = p.rule == DynamicRange::onnx;
  const int32_t lo = onnx ? 0 : p.rule == DynamicRange::symmetric ? -127 : -128, hi = onnx ? 255 : 127;
  for (int64_t r = call.begin * step; r < least(p.rows, call.end * step); ++r) {
    const auto* x = static_cast<const float*>(call.operands[0]) + r * p.n;
    auto* y = static_cast<std::uint8_t*>(call.operands[1]) + r * p.n;
    const Range range = range_of(x, p.n);
    const DynamicScale s = dynamic_scale(range.lo, range.hi, p.rule);
    if (onnx) {
      const V scale = splat(s.scale);
      each_byte(x, y, p.n, [&](V v) { return rounded(v / scale, s.zero, lo, hi); });
      static_cast<std::uint8_t*>(call.operands[3])[r] = static_cast<std::uint8_t>(s.zero);
    } else {
      const V inverse = splat(s.inverse);
      each_byte(x, y, p.n, [&](V v) { return rounded(v * inverse, s.zero, lo, hi, true); });
      static_cast<int32_t*>(call.operands[3])[r] = s.zero;
    }
    static_cast<float*>(call.operands[2])[r] = s.scale;
  }
}

void run_quantize_i16(const plan::Call& call) {
  const QuantizeParams& p = *static_cast<const QuantizeParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * kPieceElements, n = least(p.n, int64_t{call.end} * kPieceElements) - begin;
  const auto* x = static_cast<const float*>(call.operands[0]) + begin;
  auto* y = static_cast<std::uint16_t*>(call.operands[1]) + begin;
  const V scale = splat(p.scale);
  for (int64_t i = 0; i < n; i += W) {
    const I q = rounded(load_up_to(x + i, n - i) / scale, p.zero, p.lo, p.hi, p.away);
    for (int64_t k = 0; k < least<int64_t>(W, n - i); ++k) y[i + k] = static_cast<std::uint16_t>(q[k]);
  }
}
template <class T> void dequantize(const DequantizeParams& p, const T* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(std::int32_t{x[i]} - p.zero) * p.scale;
}
void run_dequantize_i16(const plan::Call& call) {
  const DequantizeParams& p = *static_cast<const DequantizeParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * kPieceElements, n = least(p.n, int64_t{call.end} * kPieceElements) - begin;
  auto* y = static_cast<float*>(call.operands[1]) + begin;
  if (p.is_signed) dequantize(p, static_cast<const std::int16_t*>(call.operands[0]) + begin, y, n);
  else dequantize(p, static_cast<const std::uint16_t*>(call.operands[0]) + begin, y, n);
}

constexpr Kernel kRowsOfTable[] = {{"table_i8", run_table}, {"pair_i8", run_pair}, {"quantize_i8", run_quantize}, {"quantize_rgb_i8", run_quantize_rgb}, {"dynamic_i8", run_dynamic}, {"quantize_i16", run_quantize_i16}, {"dequantize_i16", run_dequantize_i16}};

}  // namespace

extern const std::span<const Kernel> kElementwiseI8;
constinit const std::span<const Kernel> kElementwiseI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
