// unary_f32, binary_f32, affine_f32. Contract in kernels/elementwise.hpp.
#include "kernels/elementwise.hpp"

#include <math.h>

#include "kernels/loops/activate.hpp"
#include "kernels/loops/walk.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

template <float (*F)(float)>
inline V each_lane(V x) {
  float s[W];
  store(s, x);
#pragma GCC unroll 1
  for (float& v : s) v = F(v);
  return load(s);
}

template <class F>
inline void map(const float* x, float* y, int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {  // two at a time hide the latency of a chain
    const V a = f(load(x + i)), b = f(load(x + i + W));
    store(y + i, a);
    store(y + i + W, b);
  }
  for (; i < n; i += W) store_up_to(y + i, f(load_up_to(x + i, n - i)), n - i);
}

template <class F>
struct Alone {
  V operator()(V v, float, float) const { return F()(v); }
};
Map unary(const UnaryParams& p) {
  const auto of = []<class F>(F) -> Map { return map_vectors<Alone<F>>; };
  switch (p.op) {
    case Unary::activation: return map_of(p.activation);
    case Unary::exp: return of([](V v) { return exp(v); });
    case Unary::log: return of([](V v) { return log(v); });
    case Unary::sqrt: return of([](V v) { return sqrt(v); });
    case Unary::reciprocal_sqrt: return of([](V v) { return 1.f / sqrt(v); });
    case Unary::reciprocal: return of([](V v) { return 1.f / v; });
    case Unary::neg: return of([](V v) { return -v; });
    case Unary::abs: return of([](V v) { return abs(v); });
    case Unary::erf: return of([](V v) { return erf(v); });
    case Unary::sign: return of([](V v) { return select(v > 0.f, splat(1.f), select(v < 0.f, splat(-1.f), v)); });
    case Unary::floor: return of([](V v) { return floor(v); });
    case Unary::ceil: return of([](V v) { return ceil(v); });
    case Unary::round_even: return of([](V v) { return round_even(v); });
    case Unary::sin: return of([](V v) { return each_lane<::sinf>(v); });
    case Unary::cos: return of([](V v) { return each_lane<::cosf>(v); });
    case Unary::softplus: return of([](V v) { return softplus(v); });
    case Unary::softsign: return of([](V v) { return v / (1.f + abs(v)); });
    case Unary::gelu_tanh:
      return of([](V v) { return 0.5f * v * (1.f + tanh(0.797884561f * fma(0.044715f * v * v, v, v))); });
    case Unary::mish: return of([](V v) { return v * tanh(softplus(v)); });
    case Unary::square: return of([](V v) { return v * v; });
  }
  return nullptr;
}

void run_unary(const plan::Call& call) {
  const UnaryParams& p = *static_cast<const UnaryParams*>(call.params);
  const int64_t begin = int64_t{call.begin} * kPieceElements, end = least(p.n, int64_t{call.end} * kPieceElements);
  map_rows(unary(p), static_cast<const float*>(call.operands[0]) + begin, static_cast<float*>(call.operands[1]) + begin, 0, 1, end - begin, p.p0, p.p1);
}

inline V power(V a, V b) {
  float x[W], y[W];
  store(x, a), store(y, b);
#pragma GCC unroll 1
  for (int i = 0; i < W; ++i) x[i] = ::powf(x[i], y[i]);
  return load(x);
}

template <Binary O>
inline V apply(V a, V b) {
  switch (O) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
    case Binary::max: return select(a != a, a, max(a, b));
    case Binary::min: return select(a != a, a, min(a, b));
    case Binary::pow: return power(a, b);
    case Binary::prelu: return select(a < 0.f, a * b, a);
  }
}

/// One row of n results; strides 0 and 1 are vectors, any other is gathered.
template <Binary O>
void row(const float* a, int64_t sa, const float* b, int64_t sb, float* y, int64_t n, const BinaryParams& p) {
  const bool clamps = p.activation != Activation::none;
  const V low = splat(p.activation == Activation::clip ? p.p0 : 0), high = splat(p.activation == Activation::clip ? p.p1 : __builtin_inff());
  const auto put = [&](V v, int64_t i) { store_up_to(y + i, clamps ? min(high, max(low, v)) : v, n - i); };
  if (sa == 1 && sb == 1) {
    for (int64_t i = 0; i < n; i += W) put(apply<O>(load_up_to(a + i, n - i), load_up_to(b + i, n - i)), i);
  } else if (sa == 1 && sb == 0) {
    const V v = splat(*b);
    for (int64_t i = 0; i < n; i += W) put(apply<O>(load_up_to(a + i, n - i), v), i);
  } else if (sa == 0 && sb == 1) {
    const V v = splat(*a);
    for (int64_t i = 0; i < n; i += W) put(apply<O>(v, load_up_to(b + i, n - i)), i);
  } else {
    for (int64_t i = 0; i < n; i += W) {
      float x[W] = {}, z[W] = {};
      for (int64_t j = 0; j < least<int64_t>(W, n - i); ++j) x[j] = a[(i + j) * sa], z[j] = b[(i + j) * sb];
      put(apply<O>(load(x), load(z)), i);
    }
  }
}

void run_binary(const plan::Call& call) {
  const BinaryParams& p = *static_cast<const BinaryParams*>(call.params);
  const auto* a = static_cast<const float*>(call.operands[0]);
  const auto* b = static_cast<const float*>(call.operands[1]);
  auto* y = static_cast<float*>(call.operands[2]);
  const auto rows = [&](auto one) {
    walk_rows(p, call.begin, call.end, [&](int64_t at_a, int64_t sa, int64_t at_b, int64_t sb, int64_t at, int64_t n) { one(a + at_a, sa, b + at_b, sb, y + at, n, p); });
  };
  switch (p.op) {
#define SAHA_CASE(o) case Binary::o: return rows(row<Binary::o>);
    SAHA_CASE(add) SAHA_CASE(sub) SAHA_CASE(mul) SAHA_CASE(div) SAHA_CASE(max) SAHA_CASE(min) SAHA_CASE(pow) SAHA_CASE(prelu)
#undef SAHA_CASE
  }
}

void run_affine(const plan::Call& call) {
  const AffineParams& p = *static_cast<const AffineParams*>(call.params);
  const auto* x = static_cast<const float*>(call.operands[0]);
  const auto* scale = static_cast<const float*>(call.operands[1]);
  const auto* shift = static_cast<const float*>(call.operands[2]);
  auto* y = static_cast<float*>(call.operands[3]);
  if (p.inner == 1) {
    const int64_t per = rows_per_piece(p.channels), end = least(p.outer, int64_t{call.end} * per);
    for (int64_t r = int64_t{call.begin} * per; r < end; ++r)
      for (int64_t c = 0; c < p.channels; c += W) {
        const int64_t n = p.channels - c, at = r * p.channels + c;
        const V v = fma(load_up_to(x + at, n), load_up_to(scale + c, n), shift ? load_up_to(shift + c, n) : V{});
        store_up_to(y + at, activate(v, p.activation, p.p0, p.p1), n);
      }
    return;
  }
  const int64_t per = rows_per_piece(p.inner), end = least(p.outer * p.channels, int64_t{call.end} * per);
  for (int64_t r = int64_t{call.begin} * per; r < end; ++r) {
    const V k = splat(scale[r % p.channels]), c = splat(shift ? shift[r % p.channels] : 0);
    map(x + r * p.inner, y + r * p.inner, p.inner, [&](V v) { return activate(fma(v, k, c), p.activation, p.p0, p.p1); });
  }
}

constexpr Kernel kRowsOfTable[] = {{"unary_f32", run_unary}, {"binary_f32", run_binary}, {"affine_f32", run_affine}};

}  // namespace

extern const std::span<const Kernel> kElementwise;
constinit const std::span<const Kernel> kElementwise = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
