// lstm_f32, gru_f32, and the steps of lstm_bf16 and gru_bf16: the input's products for some steps at once, then step by step the state's product, whose sums become the gates as soon as they are made.
// Contract in kernels/recurrent.hpp.
#include "kernels/recurrent.hpp"

#include <string.h>

#include "kernels/loops/math.hpp"
#include "kernels/loops/packed_product.hpp"
#include "kernels/loops/recurrent_products.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Rows of a tile: their sums fill what the operands leave of 16 registers, or of 32.
template <int N>
constexpr int tile_rows_of() { return (W == 16 || kByLane ? 24 : 12) / N; }

/// Interleaved parts of a sum: few sums alone would wait for one another.
constexpr int parts(int sums) { return kCompact ? 1 : sums <= 3 ? 4 : sums <= 6 ? 2 : 1; }

/// sums[i][j] = row i of `a` times column vector j of a panel [k][N W].
template <int R, int N>
[[gnu::always_inline]] inline void multiply_panel(const float* a, int64_t row, int64_t k, const float* panel, V (*sums)[N]) {
  constexpr int U = parts(R * N);
  V acc[U][R][N] = {};
  int64_t p = k;
#pragma GCC unroll 1
  for (; p >= U; p -= U)
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u, ++a, panel += N * W)
#pragma GCC unroll 24
      for (int i = 0; i < R; ++i) {
        const V av = splat(a[i * row]);
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) acc[u][i][j] = fma(av, load(panel + j * W), acc[u][i][j]);
      }
  if constexpr (U > 1)
#pragma GCC unroll 1
    for (; p > 0; --p, ++a, panel += N * W)
#pragma GCC unroll 24
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) acc[0][i][j] = fma(splat(a[i * row]), load(panel + j * W), acc[0][i][j]);
#pragma GCC unroll 24
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      if constexpr (U == 4) sums[i][j] = (acc[0][i][j] + acc[2][i][j]) + (acc[1][i][j] + acc[3][i][j]);
      else if constexpr (U == 2) sums[i][j] = acc[0][i][j] + acc[1][i][j];
      else sums[i][j] = acc[0][i][j];
    }
}

/// The same for R rows, or as many of 4, 3, 2, 1 as are there. Returns how many.
template <int N, int R = tile_rows_of<N>()>
[[gnu::noinline]] int multiply_some(const float* a, int64_t row, int64_t k, const float* panel, int64_t rows, V (*sums)[N]) {
  if (rows >= R) return multiply_panel<R, N>(a, row, k, panel, sums), R;
  if constexpr (R > 1) return multiply_some<N, (R > 4 ? 4 : R - 1)>(a, row, k, panel, rows, sums);
  return 0;
}

/// A block of units of one direction in one phase.
struct Block {
  const RecurrentParams& p;
  int64_t step, time, d;
  int64_t first, end;                                    ///< of units, in whole vectors
  const float* weights;                                  ///< of the direction
  RecurrentLayout at;
  const float* before;                                   ///< state of the direction before the step, `before_row` from row to row
  int64_t before_row;
  const float* xw;                                       ///< the input's products of this step: row after row the block's columns
  float *after, *c;                                      ///< state after it, and cell or reset state, of the direction
  float *y, *y_last, *c_last;                            ///< where they go as well; null: nowhere
  int64_t next;                                          ///< units to those that come next
  const RecurrentProducts* bfloat;                       ///< null: products are of float32
  const std::uint16_t* rounded;                          ///< what is multiplied in this phase, in rows of whole pairs

  const float* products(int64_t row, int64_t unit) const { return xw + (row * (end - first) + unit - first) * p.gates; }
  void keep(int64_t row, int64_t unit, V state) const {
    const int64_t i = row * p.hidden + unit, n = p.hidden - unit;
    store_up_to(after + i, state, n);
    if (y) store_up_to(y + i, state, n);
    if (y_last) store_up_to(y_last + i, state, n);
  }
};

/// A level above takes these steps with products of its own.
constexpr bool kHalves = SAHA_ISA_LEVEL == 2;
constexpr int kLinesAhead = 8;

/// Calls done(row, sums[N]) for the rows of `a` times the panel of a vector of units, of those that begin at `panel`.
template <int N, class Done>
inline void each_row(const Block& b, const float* a, int64_t row, int64_t panel, int64_t unit, const Done& done) {
  const bool bfloats = kHalves && b.bfloat;
  const int64_t k = b.p.hidden, size = N * (bfloats ? pairs(k) : k), rows = b.p.batch;
  const float *w = b.weights + panel + unit * size, *next = w + b.next * size;
  V sums[most(tile_rows_of<N>(), kMostRecurrentRows)][N];
  for (int64_t first = 0; first < rows;) {
    int n = 1;
    if (bfloats) n = b.bfloat->multiply[N - 1](b.rounded + first * 2 * pairs(k), pairs(k), w, rows - first, reinterpret_cast<float*>(sums));
    else if (rows == 1) multiply_some<N, 1>(a, row, k, w, 1, sums);   // the usual one
    else n = multiply_some<N>(a + first * row, row, k, w, rows - first, sums);
#pragma GCC unroll 1
    for (int line = 0; line < kLinesAhead; ++line) __builtin_prefetch(next + line * 16);   // while gates are made no weights would come
#pragma GCC unroll 1
    for (int i = 0; i < n; ++i) done(first + i, sums[i]);
    first += n;
  }
}

void lstm_step(const Block& b, int64_t unit) {
  const int64_t n = b.p.hidden - unit;
  const V bound = splat(b.p.cell_bound);
  each_row<4>(b, b.before, b.before_row, b.at.r, unit, [&](int64_t row, const V (&s)[4]) {
    const float* x = b.products(row, unit);
    float* c = b.c + row * b.p.hidden + unit;
    const V i = sigmoid(s[0] + load(x)), o = sigmoid(s[1] + load(x + W)), f = sigmoid(s[2] + load(x + 2 * W));
    const V cell = min(bound, max(-bound, fma(f, load_up_to(c, n), i * tanh(s[3] + load(x + 3 * W)))));
    store_up_to(c, cell, n);
    if (b.c_last) store_up_to(b.c_last + row * b.p.hidden + unit, cell, n);
    b.keep(row, unit, o * tanh(cell));
  });
}

/// z before + (1 - z) fresh.
inline V mixed(V z, V before, V fresh) { return fma(z, before - fresh, fresh); }

void gru_step(const Block& b, int64_t unit) {
  const int64_t n = b.p.hidden - unit;
  const V last = load(b.weights + b.at.last + unit);
  each_row<3>(b, b.before, b.before_row, b.at.r, unit, [&](int64_t row, const V (&s)[3]) {
    const float* x = b.products(row, unit);
    const V z = sigmoid(s[0] + load(x)), r = sigmoid(s[1] + load(x + W)), fresh = tanh(fma(r, s[2] + last, load(x + 2 * W)));
    b.keep(row, unit, mixed(z, load_up_to(b.before + row * b.before_row + unit, n), fresh));
  });
}

/// The first half of a step whose reset gate stands before the product: z takes the place of its sum, the state times r goes to c.
void gru_gates(const Block& b, int64_t unit) {
  const int64_t n = b.p.hidden - unit;
  each_row<2>(b, b.before, b.before_row, b.at.r, unit, [&](int64_t row, const V (&s)[2]) {
    auto* x = const_cast<float*>(b.products(row, unit));
    const V r = sigmoid(s[1] + load(x + W));
    store(x, sigmoid(s[0] + load(x)));
    store_up_to(b.c + row * b.p.hidden + unit, r * load_up_to(b.before + row * b.before_row + unit, n), n);
  });
}
void gru_rest(const Block& b, int64_t unit) {
  const int64_t n = b.p.hidden - unit;
  const V last = load(b.weights + b.at.last + unit);
  each_row<1>(b, b.c, b.p.hidden, b.at.n, unit, [&](int64_t row, const V (&s)[1]) {
    const float* x = b.products(row, unit);
    b.keep(row, unit, mixed(load(x), load_up_to(b.before + row * b.before_row + unit, n), tanh(s[0] + last + load(x + 2 * W))));
  });
}

/// The input's products of a block, `x_rows` rows rounded at a time.
void multiply_bfloats(const Block& b, const float* x, int64_t rows, std::uint16_t* rounded, float* xw) {
  const RecurrentParams& p = b.p;
  const int64_t depth = pairs(p.input), width = (b.end - b.first) * p.gates;
  const float* bias = b.weights + b.at.bias + b.first * p.gates;
  V sums[kMostRecurrentRows * 4];
  for (int64_t at = 0; at < rows; at += p.x_rows) {
    const int64_t count = least<int64_t>(p.x_rows, rows - at);
    for (int64_t i = 0; i < count; ++i) b.bfloat->round(x + (at + i) * p.input, p.input, rounded + i * 2 * depth);
    for (int64_t j = 0; j < width; j += p.gates * W)
      for (int64_t i = 0; i < count;) {
        const int n = b.bfloat->multiply[p.gates - 1](rounded + i * 2 * depth, depth, b.weights + (b.first * p.gates + j) * depth, count - i, reinterpret_cast<float*>(sums));
        for (const V* sum = sums; sum < sums + n * p.gates; sum += p.gates, ++i)
          for (int g = 0; g < p.gates; ++g) store(xw + (at + i) * width + j + g * W, sum[g] + load(bias + j + g * W));
      }
  }
}

/// `rounded_of`: the direction whose rows of this phase the scratch holds, rounded.
void run_phase(const plan::Call& call, const RecurrentProducts* products, std::uint32_t phase, std::uint32_t piece, int64_t& rounded_of) {
  const RecurrentParams& p = *static_cast<const RecurrentParams*>(call.params);
  const bool lstm = p.gates == 4, halves = !lstm && !p.reset_after;
  const int64_t vectors = p.units / W, block = piece % p.blocks, state = p.batch * p.hidden, all = p.directions * state;
  const int inputs = lstm ? 4 : 3;
  const auto read = [&](int k) { return static_cast<const float*>(call.operands[k]); };
  const auto output = [&](int k) { return k < p.outputs ? static_cast<float*>(call.operands[inputs + k]) : nullptr; };
  auto* workspace = static_cast<float*>(call.operands[inputs + p.outputs]);
  Block b{p, halves ? phase / 2 : phase, 0, piece / p.blocks, vectors * block / p.blocks * W, vectors * (block + 1) / p.blocks * W, nullptr, recurrent_layout(p), nullptr, p.hidden, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, phase % 2 == 0 ? W : -W, products, nullptr};
  b.weights = read(1) + b.d * b.at.direction;
  const float *h0 = read(2) ? read(2) + b.d * state : nullptr, *c0 = lstm && read(3) ? read(3) + b.d * state : nullptr;
  b.c = workspace + b.at.c + b.d * state;
  float *y_last = output(1) ? output(1) + b.d * state : nullptr, *c_last = output(2) ? output(2) + b.d * state : nullptr;
  const int64_t columns = least(b.end, p.hidden) - b.first;
  const auto copy = [&](float* to, const float* from) {
    for (int64_t i = 0; to && i < p.batch; ++i) {
      const int64_t at = i * p.hidden + b.first;
      from ? (void)memcpy(to + at, from + at, static_cast<size_t>(columns) * 4) : (void)memset(to + at, 0, static_cast<size_t>(columns) * 4);
    }
  };
  if (p.steps == 0) return copy(y_last, h0), copy(c_last, c0);
  const bool begins = !halves || phase % 2 == 0;
  if (b.step == 0 && lstm) copy(b.c, c0);
  b.time = p.reversed[b.d] ? p.steps - 1 - b.step : b.step;
  const int64_t from = b.step / p.chunk * p.chunk, count = least(p.chunk, p.steps - from), time0 = p.reversed[b.d] ? p.steps - from - count : from, width = (b.end - b.first) * p.gates;
  float* xw = workspace + (b.d * p.units + b.first) * p.gates * p.chunk * p.batch;
  auto* rounded = reinterpret_cast<std::uint16_t*>(call.scratch);
  const float* x = read(0) + time0 * p.batch * p.input;
  if (b.step == from && begins) {
    if (kHalves && products) multiply_bfloats(b, x, count * p.batch, rounded + p.batch * 2 * pairs(p.hidden), xw);
    else packed_product(x, p.input, count * p.batch, b.weights + b.first * p.gates * p.input, p.input, width, b.weights + b.at.bias + b.first * p.gates, xw);
  }
  b.xw = xw + (b.time - time0) * p.batch * width;
  float* states = workspace + b.at.h + b.d * state;
  b.after = states + (b.step + 1) % 2 * all;
  b.before = b.step > 0 ? states + b.step % 2 * all : h0;
  if (!b.before) b.before = b.weights + b.at.zeros, b.before_row = 0;
  if (kHalves && products) {
    b.rounded = rounded;
    for (int64_t i = 0; i < p.batch && rounded_of != b.d; ++i) products->round(begins ? b.before + i * b.before_row : b.c + i * p.hidden, p.hidden, rounded + i * 2 * pairs(p.hidden));
    rounded_of = b.d;
  }
  if (output(0)) b.y = output(0) + (b.time * p.directions + b.d) * state;
  if (b.step + 1 == p.steps) b.y_last = y_last, b.c_last = c_last;
  const auto each = [&](auto part) {  // by turns from either end, as the pool takes pieces
    for (int64_t i = b.first; i < b.end; i += W) part(b, b.next < 0 ? b.first + b.end - W - i : i);
  };
  if (lstm) each(lstm_step);
  else if (!halves) each(gru_step);
  else if (begins) each(gru_gates);
  else each(gru_rest);
}

void run(const plan::Call& call) { run_recurrent(call, nullptr); }

constexpr Kernel kRowsOfTable[] = {{"lstm_f32", run}, {"gru_f32", run}};

}  // namespace

void run_recurrent(const plan::Call& call, const RecurrentProducts* products) {
  for (std::uint32_t phase = call.phase; phase < call.phase_end; ++phase) {
    int64_t rounded_of = -1;
    for (std::uint32_t i = call.begin; i < call.end; ++i) run_phase(call, products, phase, phase % 2 == 0 ? i : call.begin + call.end - 1 - i, rounded_of);
  }
}

extern const std::span<const Kernel> kRecurrent;
constinit const std::span<const Kernel> kRecurrent = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
