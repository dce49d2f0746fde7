// The rules that loops rely on, checked for the V of one level; compiled for each level, so nothing inline from outside is called here.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

bool same(float a, float b) { return __builtin_memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

/// Every lane of `got` is what `want(lane)` says; two NaNs are equal.
template <class Want>
bool lanes_are(V got, Want want) {
  for (int i = 0; i < W; ++i)
    if (!same(got[i], want(i))) return false;
  return true;
}

constexpr float kInf = __builtin_inff();
const float kOdd[] = {0.f, -0.f, 1.f, -1.f, kInf, -kInf, __builtin_nanf(""), 1e-45f, -1e-45f, 3.4e38f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.3f, -0.3f, 8388607.5f, -8388607.5f, 8388609.f, 16777217.f};

V counting(float from) {
  V v{};
  for (int i = 0; i < W; ++i) v[i] = from + float(i);
  return v;
}

const char* broken_in_arithmetic() {
  for (float x : kOdd) {
    if (!lanes_are(splat(x), [&](int) { return x; })) return "splat";
    if (!lanes_are(floor(splat(x)), [&](int) { return __builtin_floorf(x); })) return "floor";
    if (!lanes_are(ceil(splat(x)), [&](int) { return __builtin_ceilf(x); })) return "ceil";
    if (!lanes_are(round_even(splat(x)), [&](int) { return __builtin_nearbyintf(x); })) return "round_even";
    if (!lanes_are(sqrt(splat(x)), [&](int) { return __builtin_sqrtf(x); })) return "sqrt";
    if (!lanes_are(abs(splat(x)), [&](int) { return __builtin_fabsf(x); })) return "abs";
    if (!lanes_are(with_sign(abs(splat(x)), splat(-1.f)), [&](int) { return -__builtin_fabsf(x); })) return "with_sign";
    for (float y : kOdd) {
      if (!lanes_are(max(splat(x), splat(y)), [&](int) { return x > y ? x : y; })) return "max";
      if (!lanes_are(min(splat(x), splat(y)), [&](int) { return x < y ? x : y; })) return "min";
      if (!lanes_are(select(splat(x) < splat(y), splat(1.f), splat(2.f)), [&](int) { return x < y ? 1.f : 2.f; })) return "select";
    }
  }
  // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which two roundings lose.
  const V once = fma(splat(1.000244140625f), splat(1.000244140625f), splat(-1.00048828125f));
#if SAHA_ISA_LEVEL > 0 || SAHA_NEON > 0
  if (!lanes_are(once, [](int) { return 5.9604645e-8f; })) return "fma";
#else
  if (!lanes_are(once, [](int) { return 0.f; })) return "fma";
#endif
  if (!lanes_are(to_float(bits(splat(0.f)) - 7), [](int) { return -7.f; })) return "to_float";
  return nullptr;
}

/// Behind `end` lies memory that may not be touched, before it at least 4 * W elements.
const char* broken_in_memory(float* end) {
  for (int n = 0; n <= W; ++n) {
    for (int i = 1; i <= 2 * W; ++i) end[-i] = float(i);
    if (!lanes_are(load_n(end - n, n), [&](int i) { return i < n ? float(n - i) : 0.f; })) return "load_n";
    if (!lanes_are(load_up_to(end - n, n), [&](int i) { return i < n ? float(n - i) : 0.f; })) return "load_up_to";
    if (!lanes_are(load_masked(end - n, inside(0, n)), [&](int i) { return i < n ? float(n - i) : 0.f; })) return "load_masked";
    store_n(end - n, splat(-1.f), n);
    for (int i = 1; i <= 2 * W; ++i)
      if (end[-i] != (i <= n ? -1.f : float(i))) return "store_n";
    float* middle = end - 2 * W;
    for (int i = 0; i < 2 * W; ++i) middle[i] = 5;
    store_up_to(middle, splat(2.f), n);
    for (int i = 0; i < 2 * W; ++i)
      if (middle[i] != (i < n ? 2.f : 5.f)) return "store_up_to";
  }
  for (int start = -2 * W; start <= 2 * W; ++start)
    for (int n = 0; n <= W + 3; ++n) {
      const I mask = inside(start, n);
      for (int i = 0; i < W; ++i)
        if (mask[i] != (start + i >= 0 && start + i < n ? -1 : 0)) return "inside";
    }
  return nullptr;
}

const char* broken_in_order() {
  const V a = counting(0), b = counting(W);
  if (!lanes_are(even(a, b), [](int i) { return float(2 * i); })) return "even";
  if (!lanes_are(odd(a, b), [](int i) { return float(2 * i + 1); })) return "odd";
  if (!lanes_are(in_order(block_even(a, b)), [](int i) { return float(2 * i); })) return "block_even";
  if (!lanes_are(in_order(block_odd(a, b)), [](int i) { return float(2 * i + 1); })) return "block_odd";
  V rows[W];
  for (int i = 0; i < W; ++i) rows[i] = counting(float(i * W));
  transpose(rows);
  for (int i = 0; i < W; ++i)
    if (!lanes_are(rows[i], [&](int j) { return float(j * W + i); })) return "transpose";
  if (sum(a) != float(W * (W - 1) / 2)) return "sum";
  if (largest(a) != float(W - 1)) return "largest";
  for (int i = 0; i < W; ++i) {
    V v = a;
    v[i] = __builtin_nanf("");
    if (const float m = largest(v); m == m) return "largest of NaN";
  }
  return nullptr;
}

}  // namespace

extern const char* broken_rule(float* end);
/// The name of a function of vec.hpp that breaks its rule; nullptr if all keep theirs.
const char* broken_rule(float* end) {
  if (const char* name = broken_in_arithmetic()) return name;
  if (const char* name = broken_in_memory(end)) return name;
  return broken_in_order();
}

}  // namespace saha::kernels::SAHA_ISA
