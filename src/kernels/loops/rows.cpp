// softmax_f32, reduce_f32, norm_f32. Where the axis is the last one, lanes lie along it; else lanes are neighbours behind the axis.
// Contract in kernels/rows.hpp.
#include "kernels/rows.hpp"

#include "kernels/loops/math.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Folds a contiguous row by four independent vectors; lanes beyond the end hold `neutral`.
template <class Map, class Join>
inline V fold(const float* x, int64_t n, float neutral, const Map& map, const Join& join) {
  V a[4] = {splat(neutral), splat(neutral), splat(neutral), splat(neutral)};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) a[j] = join(a[j], map(load(x + i + j * W)));
  for (; i + W <= n; i += W) a[0] = join(a[0], map(load(x + i)));
  if (const auto rest = static_cast<int>(n - i); rest > 0) a[1] = join(a[1], select(first_lanes(rest), map(load_n(x + i, rest)), splat(neutral)));
  return join(join(a[0], a[1]), join(a[2], a[3]));
}

inline V plus(V a, V b) { return a + b; }
inline V same(V a) { return a; }

inline float row_max(const float* x, int64_t n) { return largest(fold(x, n, -__builtin_inff(), same, max_nan)); }
inline float row_sum(const float* x, int64_t n) { return sum(fold(x, n, 0, same, plus)); }

void softmax_row(const float* x, float* y, int64_t n, bool log_form) {
  const V m = splat(row_max(x, n));
  V total{};
  for (int64_t i = 0; i < n; i += W) {
    const V e = exp(load_up_to(x + i, n - i) - m);
    if (!log_form) store_up_to(y + i, e, n - i);
    total = total + (n - i >= W ? e : from_bits(bits(e) & first_lanes(static_cast<int>(n - i))));
  }
  if (log_form) {
    const V shift = log(splat(sum(total)));
    for (int64_t i = 0; i < n; i += W) store_up_to(y + i, load_up_to(x + i, n - i) - m - shift, n - i);
  } else {
    const V scale = splat(1.f / sum(total));
    for (int64_t i = 0; i < n; i += W) store_up_to(y + i, load_up_to(y + i, n - i) * scale, n - i);
  }
}

void softmax_lanes(const float* x, float* y, int64_t n, int64_t step, int64_t lanes, bool log_form) {
  for (int64_t j = 0; j < lanes; j += W) {
    const int64_t left = lanes - j;
    V m = splat(-__builtin_inff()), total{};
    for (int64_t i = 0; i < n; ++i) m = max_nan(m, load_up_to(x + i * step + j, left));
    for (int64_t i = 0; i < n; ++i) {
      const V e = exp(load_up_to(x + i * step + j, left) - m);
      if (!log_form) store_up_to(y + i * step + j, e, left);
      total = total + e;
    }
    const V shift = log_form ? m + log(total) : 1.f / total;
    if (log_form) {
      const V l = log(total);
      for (int64_t i = 0; i < n; ++i) store_up_to(y + i * step + j, load_up_to(x + i * step + j, left) - m - l, left);
    } else {
      for (int64_t i = 0; i < n; ++i) store_up_to(y + i * step + j, load_up_to(y + i * step + j, left) * shift, left);
    }
  }
}

void run_softmax(const plan::Call& call) {
  const SoftmaxParams& p = *static_cast<const SoftmaxParams*>(call.params);
  const auto* x = static_cast<const float*>(call.operands[0]);
  auto* y = static_cast<float*>(call.operands[1]);
  if (p.inner == 1) {
    const int64_t per = rows_per_piece(p.n), end = least(p.outer, int64_t{call.end} * per);
    for (int64_t r = int64_t{call.begin} * per; r < end; ++r) softmax_row(x + r * p.n, y + r * p.n, p.n, p.log);
    return;
  }
  const int64_t blocks = lane_blocks(p.inner), per = rows_per_piece(p.n * kLaneBlock), end = least(p.outer * blocks, int64_t{call.end} * per);
  for (int64_t r = int64_t{call.begin} * per; r < end; ++r) {
    const int64_t j = r % blocks * kLaneBlock, at = r / blocks * p.n * p.inner + j;
    softmax_lanes(x + at, y + at, p.n, p.inner, least(kLaneBlock, p.inner - j), p.log);
  }
}

/// Stores `count` results; mean and l2 end what are another's sums. Once for all rules.
[[gnu::noinline]] void put(const V* v, Reduce op, int64_t n, float* y, int64_t count) {
  for (; count > 0; ++v, y += W, count -= W) store_up_to(y, op == Reduce::mean ? *v / static_cast<float>(n) : op == Reduce::l2 ? sqrt(*v) : *v, count);
}
/// How one reduction starts, maps and joins.
template <Reduce O>
struct Rule {
  static constexpr float kNeutral = O == Reduce::max ? -__builtin_inff() : O == Reduce::min ? __builtin_inff() : O == Reduce::prod ? 1.f : 0.f;
  static V map(V v) {
    if constexpr (O == Reduce::sum_square) return v * v;
    else if constexpr (O == Reduce::l1) return abs(v);
    else return v;
  }
  static V join(V a, V b) {
    if constexpr (O == Reduce::max) return max_nan(a, b);
    else if constexpr (O == Reduce::min) return select(a != a, a, min(a, b));
    else if constexpr (O == Reduce::prod) return a * b;
    else return a + b;
  }
  static float across(V v) {
    if constexpr (O == Reduce::max) return largest(v);
    else if constexpr (O == Reduce::min) return -largest(-v);
    else if constexpr (O == Reduce::prod) {
      float s[W], r = 1;
      store(s, v);
      for (float f : s) r *= f;
      return r;
    } else return sum(v);
  }
};

/// N vectors of neighbours, `left` lanes from the first one on, of which a single vector may use a part.
template <Reduce O, int N>
void reduce_lanes(const float* from, int64_t n, int64_t step, int64_t left, float* y, Reduce op) {
  using R = Rule<O>;
  V total[N];
#pragma GCC unroll 4
  for (V& t : total) t = splat(R::kNeutral);
  for (int64_t i = 0; i < n;) {  // sums of 128, then a sum of those: the error grows with the block, not with n
    V part[N];
#pragma GCC unroll 4
    for (V& t : part) t = splat(R::kNeutral);
    for (const int64_t stop = least(n, i + 128); i < stop; ++i)
#pragma GCC unroll 4
      for (int k = 0; k < N; ++k) part[k] = R::join(part[k], R::map(N > 1 ? load(from + i * step + k * W) : load_up_to(from + i * step, left)));
#pragma GCC unroll 4
    for (int k = 0; k < N; ++k) total[k] = R::join(total[k], part[k]);
  }
  put(total, op, n, y, least<int64_t>(left, N * W));
}

template <Reduce O>
void reduce(const ReduceParams& p, const float* x, float* y, int64_t begin, int64_t end) {
  using R = Rule<O>;
  if (p.inner == 1) {
    const int64_t per = rows_per_piece(p.n), last = least(p.outer, end * per);
    for (int64_t r = begin * per; r < last; ++r) {
      const V v = splat(R::across(fold(x + r * p.n, p.n, R::kNeutral, R::map, R::join)));
      put(&v, p.op, p.n, y + r, 1);
    }
    return;
  }
  const int64_t blocks = lane_blocks(p.inner), per = rows_per_piece(p.n * kLaneBlock), last = least(p.outer * blocks, end * per);
  for (int64_t r = begin * per; r < last; ++r) {
    const int64_t j0 = r % blocks * kLaneBlock, j1 = least(p.inner, j0 + kLaneBlock);
    const float* from = x + r / blocks * p.n * p.inner;
    float* to = y + r / blocks * p.inner;
    int64_t j = j0;
    for (; j + 4 * W <= j1; j += 4 * W) reduce_lanes<O, 4>(from + j, p.n, p.inner, j1 - j, to + j, p.op);
    for (; j < j1; j += W) reduce_lanes<O, 1>(from + j, p.n, p.inner, j1 - j, to + j, p.op);
  }
}

void run_reduce(const plan::Call& call) {
  const ReduceParams& p = *static_cast<const ReduceParams*>(call.params);
  const auto* x = static_cast<const float*>(call.operands[0]);
  auto* y = static_cast<float*>(call.operands[1]);
  switch (p.op) {
#define SAHA_CASE(o, as) case Reduce::o: return reduce<Reduce::as>(p, x, y, call.begin, call.end);
    SAHA_CASE(sum, sum) SAHA_CASE(mean, sum) SAHA_CASE(max, max) SAHA_CASE(min, min) SAHA_CASE(sum_square, sum_square) SAHA_CASE(l2, sum_square) SAHA_CASE(l1, l1) SAHA_CASE(prod, prod)
#undef SAHA_CASE
  }
}

void run_norm(const plan::Call& call) {
  const NormParams& p = *static_cast<const NormParams*>(call.params);
  const auto* x = static_cast<const float*>(call.operands[0]);
  const auto* scale = static_cast<const float*>(call.operands[1]);
  const auto* bias = static_cast<const float*>(call.operands[2]);
  auto* y = static_cast<float*>(call.operands[3]);
  const int64_t per = rows_per_piece(p.n), end = least(p.rows, int64_t{call.end} * per);
  const float count = static_cast<float>(p.n);
  for (int64_t r = int64_t{call.begin} * per; r < end; ++r) {
    const float* from = x + r * p.n;
    float* to = y + r * p.n;
    const V mean = splat(p.rms ? 0 : row_sum(from, p.n) / count);
    const float square = sum(fold(from, p.n, 0, [&](V v) { const V d = v - mean; return d * d; }, plus));
    const V inverse = splat(1.f / __builtin_sqrtf(square / count + p.epsilon));
    const int64_t first = r % p.row_period * p.row_step;
    for (int64_t i = 0; i < p.n;) {
      if (p.run == 1) {
        const V v = (load_up_to(from + i, p.n - i) - mean) * inverse;
        const V k = scale ? load_up_to(scale + first + i, p.n - i) : splat(1.f), b = bias ? load_up_to(bias + first + i, p.n - i) : V{};
        store_up_to(to + i, fma(v, k, b), p.n - i);
        i += W;
        continue;
      }
      const V k = splat(scale ? scale[first + i / p.run] : 1.f), b = splat(bias ? bias[first + i / p.run] : 0.f);
      const int64_t stop = least(p.n, (i / p.run + 1) * p.run);
      for (; i < stop; i += W) store_up_to(to + i, fma((load_up_to(from + i, stop - i) - mean) * inverse, k, b), stop - i);
      i = stop;
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"softmax_f32", run_softmax}, {"reduce_f32", run_reduce}, {"norm_f32", run_norm}};

}  // namespace

extern const std::span<const Kernel> kRows;
constinit const std::span<const Kernel> kRows = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
