// Activations over rows of numbers, each a loop of its own.
#include "kernels/loops/activate.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {
template <Activation A>
struct Activated {
  V operator()(V v, float p0, float p1) const { return activate(v, A, p0, p1); }
};
}  // namespace

V activate_any(V x, Activation activation, float p0, float p1) { return activate(x, activation, p0, p1); }

/// What is left of a row goes by memory of its own, so that there is no second copy of f.
void map_rows(Map map, const float* x, float* y, int64_t step, int64_t rows, int64_t n, float p0, float p1) {
  const int64_t rest = n % W;
  if (rest < n) map(x, y, step, rows, n - rest, p0, p1);
  if (rest == 0) return;
  for (x += n - rest, y += n - rest; rows > 0; --rows, x += step, y += step) {
    float v[W];
    store(v, load_n(x, static_cast<int>(rest)));
    map(v, v, 0, 1, W, p0, p1);
    store_n(y, load(v), static_cast<int>(rest));
  }
}

Map map_of(Activation activation) {
  switch (activation) {
#define SAHA_CASE(a) case Activation::a: return map_vectors<Activated<Activation::a>>;
    SAHA_CASE(none) SAHA_CASE(relu) SAHA_CASE(clip) SAHA_CASE(sigmoid) SAHA_CASE(tanh) SAHA_CASE(silu)
    SAHA_CASE(hardsigmoid) SAHA_CASE(hardswish) SAHA_CASE(gelu) SAHA_CASE(leakyrelu) SAHA_CASE(elu)
#undef SAHA_CASE
  }
  return nullptr;
}

void activate_rows(float* y, int64_t step, int64_t rows, int64_t n, const Epilogue& e) { map_rows(map_of(e.activation), y, y, step, rows, n, e.p0, e.p1); }

}  // namespace saha::kernels::SAHA_ISA
