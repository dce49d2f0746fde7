// lstm_f32, gru_f32: the input's products for some steps at once, then step by step the state's product with them as residual, and the gates.
// Contract in kernels/recurrent.hpp.
#include "kernels/recurrent.hpp"

#include <string.h>

#include "kernels/loops/gemm_tile.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int64_t kDepth = 256;

inline int64_t up(int64_t n) { return round_up(n, 16); }

/// c[m, n] = a[m, k] b + bias + residual, b packed.
void product(const float* a, int64_t a_row, int64_t m, const float* b, int64_t k, int64_t n, const float* bias, const float* residual, float* c, int64_t c_row) {
  Epilogue e;
  e.bias = bias ? Bias::per_column : Bias::none;
  Out out = make_out(c, c_row, bias, residual, e);
  for (int64_t p0 = 0; p0 < most<int64_t>(k, 1); p0 += kDepth) {
    const int64_t depth = least(kDepth, k - p0);
    out.first = p0 == 0, out.last = p0 + kDepth >= k;
    for (int64_t j = 0; j < n;) {
      Panel panels[kMaxPanels];
      int count = 0;
      for (; count < kMaxPanels && j < n; ++count) {
        const int vectors = panel_vectors(n - j, W, false);
        panels[count] = {b + j * k + p0 * vectors * W, vectors * W, j, vectors, static_cast<int>(least<int64_t>(vectors * W, n - j))};
        j += vectors * W;
      }
      multiply({a + p0, a_row, 1, 0}, panels, count, depth, out, 0, m);
    }
  }
}

struct Weights {
  const float *w, *r, *n, *bias, *last;
};
Weights weights_of(const RecurrentParams& p, const float* packed, int64_t direction) {
  const int64_t bias = up(p.gates * p.hidden), each = p.packed_w + p.packed_r + p.packed_n + bias + up(p.hidden);
  const float* at = packed + direction * each;
  return {at, at + p.packed_w, at + p.packed_w + p.packed_r, at + p.packed_w + p.packed_r + p.packed_n, at + each - up(p.hidden)};
}

/// Gates of one row [i o f c]; the cell state is updated, the new state written to h.
void lstm_gates(const float* g, int64_t hidden, float bound, float* c, float* h) {
  for (int64_t j = 0; j < hidden; j += W) {
    const int64_t n = hidden - j;
    const V i = sigmoid(load_up_to(g + j, n)), o = sigmoid(load_up_to(g + hidden + j, n)), f = sigmoid(load_up_to(g + 2 * hidden + j, n));
    const V cell = min(splat(bound), max(splat(-bound), fma(f, load_up_to(c + j, n), i * tanh(load_up_to(g + 3 * hidden + j, n)))));
    store_up_to(c + j, cell, n);
    store_up_to(h + j, o * tanh(cell), n);
  }
}

template <int Gates>
void run(const plan::Call& call) {
  const RecurrentParams& p = *static_cast<const RecurrentParams*>(call.params);
  const int64_t hidden = p.hidden, batch = p.batch, width = Gates * hidden, state = batch * hidden;
  const auto* x = static_cast<const float*>(call.operands[0]);
  const auto* packed = static_cast<const float*>(call.operands[1]);
  constexpr int kInputs = Gates == 4 ? 4 : 3;
  const auto* h0 = static_cast<const float*>(call.operands[2]);
  const auto* c0 = Gates == 4 ? static_cast<const float*>(call.operands[3]) : nullptr;
  const auto output = [&](int k) { return k < p.outputs ? static_cast<float*>(call.operands[kInputs + k]) : nullptr; };
  auto* xw = reinterpret_cast<float*>(call.scratch);
  float* gates = xw + up(p.chunk * batch * width);
  float* h = gates + up(batch * width);
  float* c = h + up(state);
  float* reset = c + up(state);
  for (int64_t d = call.begin; d < call.end; ++d) {
    const Weights w = weights_of(p, packed, d);
    h0 ? (void)memcpy(h, h0 + d * state, static_cast<size_t>(state) * 4) : (void)memset(h, 0, static_cast<size_t>(state) * 4);
    c0 ? (void)memcpy(c, c0 + d * state, static_cast<size_t>(state) * 4) : (void)memset(c, 0, static_cast<size_t>(state) * 4);
    for (int64_t s = 0; s < p.steps; s += p.chunk) {
      const int64_t count = least(p.chunk, p.steps - s), first = p.reversed[d] ? p.steps - s - count : s;  // steps first .. first + count - 1
      product(x + first * batch * p.input, p.input, count * batch, w.w, p.input, width, w.bias, nullptr, xw, width);
      for (int64_t q = 0; q < count; ++q) {
        const int64_t t = p.reversed[d] ? first + count - 1 - q : first + q;
        const float* from = xw + (t - first) * batch * width;
        if constexpr (Gates == 4) {
          product(h, hidden, batch, w.r, hidden, width, nullptr, from, gates, width);
          for (int64_t b = 0; b < batch; ++b) lstm_gates(gates + b * width, hidden, p.cell_bound, c + b * hidden, h + b * hidden);
        } else {
          product(h, hidden, batch, w.r, hidden, 2 * hidden, nullptr, from, gates, width);  // z r
          if (p.reset_after) product(h, hidden, batch, w.n, hidden, hidden, w.last, nullptr, gates + 2 * hidden, width);
          for (int64_t b = 0; b < batch; ++b)
            for (int64_t j = 0; j < hidden; j += W) {
              const int64_t n = hidden - j;
              float* g = gates + b * width + j;
              const V r = sigmoid(load_up_to(g + hidden, n));
              store_up_to(g, sigmoid(load_up_to(g, n)), n);
              if (p.reset_after)
                store_up_to(g + 2 * hidden, fma(r, load_up_to(g + 2 * hidden, n), load_up_to(from + b * width + 2 * hidden + j, n)), n);
              else
                store_up_to(reset + b * hidden + j, r * load_up_to(h + b * hidden + j, n), n);
            }
          if (!p.reset_after) product(reset, hidden, batch, w.n, hidden, hidden, w.last, from + 2 * hidden, gates + 2 * hidden, width);
          for (int64_t b = 0; b < batch; ++b)
            for (int64_t j = 0; j < hidden; j += W) {
              const int64_t n = hidden - j;
              const float* g = gates + b * width + j;
              const V z = load_up_to(g, n), fresh = tanh(load_up_to(g + 2 * hidden, n));
              store_up_to(h + b * hidden + j, fma(z, load_up_to(h + b * hidden + j, n) - fresh, fresh), n);
            }
        }
        if (float* y = output(0)) memcpy(y + (t * p.directions + d) * state, h, static_cast<size_t>(state) * 4);
      }
    }
    if (float* y = output(1)) memcpy(y + d * state, h, static_cast<size_t>(state) * 4);
    if (float* y = output(2)) memcpy(y + d * state, c, static_cast<size_t>(state) * 4);
  }
}

constexpr Kernel kRowsOfTable[] = {{"lstm_f32", run<4>}, {"gru_f32", run<3>}};

}  // namespace

extern const std::span<const Kernel> kRecurrent;
constinit const std::span<const Kernel> kRecurrent = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
