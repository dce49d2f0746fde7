// lstm_i8: step by step, the gates' sums block by block, then element by element by tables. Contract in kernels/recurrent_i8.hpp.
#include "kernels/recurrent_i8.hpp"

#include "kernels/loops/rescale.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

struct Sums {
  I v[2];
};
/// One row of `units` pairs times a panel.
inline Sums product(const int32_t* x, int64_t units, const int32_t* w, const int32_t* t) {
  I a = load(t), b = load(t + kRescaleRows * W), c{}, d{};
  int64_t u = 0;
  for (; u + 2 <= units; u += 2, w += 2 * kBlock) add_unit(a, b, x[u], w), add_unit(c, d, x[u + 1], w + kBlock);   // two chains each
  if (u < units) add_unit(a, b, x[u], w);
  return {{plus(a, c), plus(b, d)}};
}
/// x / 2^n to nearest, ties away from zero; products of int16.
inline int32_t divided(int32_t x, int n) {
  const int32_t half = n > 0 ? int32_t{1} << (n - 1) : 0;
  return x < 0 ? -((half - x) >> n) : (x + half) >> n;
}
inline int32_t between(int32_t v, int32_t lo, int32_t hi) { return v < lo ? lo : v > hi ? hi : v; }

template <Rescaling Gates, Rescaling Out>
void steps(const plan::Call& call) {
  const RecurrentI8Params& p = *static_cast<const RecurrentI8Params*>(call.params);
  const auto* x = static_cast<const std::uint8_t*>(call.operands[0]);
  const auto* packed = static_cast<const int32_t*>(call.operands[1]);
  const auto* h0 = static_cast<const std::int8_t*>(call.operands[2]);
  const auto* c0 = static_cast<const std::int16_t*>(call.operands[3]);
  auto* y = static_cast<std::uint8_t*>(call.operands[4]);
  constexpr int64_t kRescale = 2 * kRescaleRows * W;
  const int64_t hidden = p.hidden, row = round_up(2 * p.state_units + kBlock, 64), cells = round_up(hidden + kBlock, 64);
  const int32_t *w = packed, *wt = w + p.blocks * p.input_units * kBlock, *r = wt + p.blocks * kRescale, *rt = r + p.blocks * p.state_units * kBlock, *ot = rt + p.blocks * kRescale;
  const auto* sigmoid = reinterpret_cast<const std::int16_t*>(ot + kRescale) + 32768;
  const std::int16_t *tanh = sigmoid + 65536, *squash = tanh + 65536;
  auto* data = reinterpret_cast<std::int16_t*>(call.scratch);
  std::int16_t* h = data + round_up(2 * p.input_units, 64);
  std::int16_t* c = h + p.batch * row;
  std::int16_t* gates = c + p.batch * cells;
  const Bounds bounds(p.store);
  data[2 * p.input_units - 1] = 0;
  for (int64_t b = 0; b < p.batch; ++b) {
    h[b * row + 2 * p.state_units - 1] = 0;
    for (int64_t j = 0; j < hidden; ++j) h[b * row + j] = h0[b * hidden + j], c[b * cells + j] = c0[b * hidden + j];
  }
  for (int64_t t = 0; t < p.steps; ++t)
    for (int64_t b = 0; b < p.batch; ++b) {
      const std::uint8_t* from = x + (t * p.batch + b) * p.input;
      for (int64_t i = 0; i < p.input; ++i) data[i] = p.x_signed ? static_cast<std::int8_t>(from[i]) : from[i];
      const auto* pairs = reinterpret_cast<const int32_t*>(data);
      const auto* state = reinterpret_cast<const int32_t*>(h + b * row);
      for (int64_t k = 0; k < p.blocks; ++k) {
        const int32_t *first = wt + k * kRescale, *second = rt + k * kRescale;
        const Sums in = product(pairs, p.input_units, w + k * p.input_units * kBlock, first);
        const S part = narrowed(rescaled<Gates>(in.v[0], first), rescaled<Gates>(in.v[1], first + kRescaleRows * W));
        const Sums back = product(state, p.state_units, r + k * p.state_units * kBlock, second);
        const I low = plus(rescaled<Gates>(back.v[0], second), beside_low(part, part) >> 16), high = plus(rescaled<Gates>(back.v[1], second + kRescaleRows * W), beside_high(part, part) >> 16);
        *reinterpret_cast<UnalignedS*>(gates + k * kBlock) = narrowed(low, high);
      }
      std::uint8_t* to = y + (t * p.batch + b) * hidden;
      std::int16_t *cell = c + b * cells, *next = h + b * row;
      for (int64_t j = 0; j < hidden; j += kBlock) {
        const int64_t n = least<int64_t>(kBlock, hidden - j);
        int32_t products[2][W] = {};
        for (int v = 0; v < 2; ++v)
          for (int l = 0; l < W; ++l) {
            const int64_t i = j + block_column(v, l);
            if (i >= hidden) continue;
            const int32_t input = sigmoid[gates[i]], output = sigmoid[gates[hidden + i]], forget = sigmoid[gates[2 * hidden + i]], fresh = tanh[gates[3 * hidden + i]];
            const int32_t sum = between(divided(forget * cell[i], 15) + divided(input * fresh, 30 - p.fraction), -32768, 32767);
            cell[i] = static_cast<std::int16_t>(between(sum, -p.cell_most, p.cell_most));
            products[v][l] = output * squash[cell[i]];
          }
        store_part(to + j, stored<Out>(load(products[0]), load(products[1]), ot, bounds), n);
        for (int64_t i = 0; i < n; ++i) next[j + i] = static_cast<std::int8_t>(to[j + i]);
      }
    }
}
void run_lstm(const plan::Call& call) {
  if (call.begin == call.end) return;
  const RecurrentI8Params& p = *static_cast<const RecurrentI8Params*>(call.params);
  const bool far = p.gates == Rescaling::near, out = p.store.rule == Rescaling::near;
  if (far) return out ? steps<Rescaling::near, Rescaling::near>(call) : steps<Rescaling::near, Rescaling::twice>(call);
  out ? steps<Rescaling::twice, Rescaling::near>(call) : steps<Rescaling::twice, Rescaling::twice>(call);
}

constexpr Kernel kRowsOfTable[] = {{"lstm_i8", run_lstm}};

}  // namespace

extern const std::span<const Kernel> kRecurrentI8;
constinit const std::span<const Kernel> kRecurrentI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
