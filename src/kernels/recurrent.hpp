#pragma once
// Whole sequences of LSTM and GRU, float32, ONNX gate order (LSTM i o f c, GRU z r h), sigmoid and tanh, no peepholes, every step of every
// row. Kernels "lstm_f32", "gru_f32", and with products in bfloat16 "lstm_bf16", "gru_bf16": operands
//   X [T, B, I], packed weights, initial h [D, B, H] or null, initial c (LSTM) or null,  Y [T, D, B, H] or null, Y_h or null, Y_c (LSTM) or null,  workspace.
//
// A piece is a block of hidden units of one direction with all their gates; a phase is a step, or half a step of a GRU whose reset gate stands before the product. So a piece reads the same
// weights in every phase, and of what other pieces wrote only the state. A sum of R's product has up to four interleaved parts over k; bits depend on the params and the level only.
//
// In bfloat16 X, W, R and the state, or what a GRU's reset gate leaves of it, are rounded as they are multiplied, as HalfProduct::dots says it, and parts are of pairs over k; the state that is kept, cells, biases, sums and gates are float32.
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "kernels/isa.hpp"

namespace saha::kernels {

struct RecurrentParams {
  std::int64_t steps = 0, batch = 0, input = 0, hidden = 0;
  std::int32_t gates = 4;                       ///< 4 LSTM, 3 GRU
  std::int32_t directions = 1;
  std::int32_t reversed[2] = {0, 0};            ///< the direction runs from the last step to the first
  std::int32_t reset_after = 0;                 ///< GRU: linear_before_reset
  std::int32_t outputs = 0;                     ///< how many of Y, Y_h, Y_c there are as operands
  float cell_bound = std::numeric_limits<float>::infinity();   ///< LSTM: the cell stays between its negative and it
  std::int32_t blocks = 1;                      ///< pieces of one direction
  std::int32_t bfloats = 0;                     ///< products in bfloat16
  std::int32_t x_rows = 0;                      ///< in bfloat16: of X that are rounded at once
  std::int64_t chunk = 1;                       ///< steps whose input products are made at once
  std::int64_t units = 0;                       ///< hidden units in whole vectors
};
RecurrentParams prepare_lstm(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, int outputs, bool bfloats = false);
RecurrentParams prepare_gru(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, bool reset_after, int outputs, bool bfloats = false);
std::string_view kernel(const RecurrentParams& params);
std::uint32_t grid(const RecurrentParams& params);
std::uint32_t phases(const RecurrentParams& params);
std::uint64_t scratch_bytes(const RecurrentParams& params);
std::uint64_t workspace_bytes(const RecurrentParams& params);

/// Elements of the packed weights of all directions; 64-byte aligned.
std::int64_t packed_recurrent_size(const RecurrentParams& params);
/// W [D, gates H, I], R [D, gates H, H], B [D, 2 gates H] or null, as ONNX has them.
void pack_recurrent(Isa isa, const RecurrentParams& params, const float* w, const float* r, const float* b, std::span<float> out);

/// Pairs of numbers in bfloat16, in the place of one of float32 each.
[[maybe_unused]] static constexpr std::int64_t pairs(std::int64_t n) { return (n + 1) / 2; }
/// Where things begin, in elements. Columns of W, of its bias and of its product stand unit vector by unit vector, in each gate by gate; so do those of R, a unit vector's panel [H][gates][lanes] on its own.
/// In bfloat16 W lies like R, and panels are [pairs][gates][lanes] pairs.
/// Internal linkage: each level compiles a copy of its own.
struct RecurrentLayout {
  std::int64_t r, n, bias, last, zeros, direction;   ///< of a direction's weights: W at 0, R, R of the GRU's new gate where it stands apart, biases, the new gate's second bias, a row of zeros
  std::int64_t h, c, workspace;                      ///< of the workspace: the input's products at 0, two states [2, D, B, H], the cell or a GRU's reset state [D, B, H]
};
[[maybe_unused]] static constexpr RecurrentLayout recurrent_layout(const RecurrentParams& p) {
  const auto up = [](std::int64_t n) { return (n + 15) / 16 * 16; };
  const std::int64_t apart = p.gates == 3 && !p.reset_after ? 1 : 0, state = p.directions * p.batch * p.hidden;
  const std::int64_t input = p.bfloats ? pairs(p.input) : p.input, hidden = p.bfloats ? pairs(p.hidden) : p.hidden;
  RecurrentLayout l{};
  l.r = up(p.gates * p.units * input);
  l.n = l.r + up((p.gates - apart) * p.units * hidden);
  l.bias = l.n + up(apart * p.units * hidden);
  l.last = l.bias + up(p.gates * p.units);
  l.zeros = l.last + up(p.units);
  l.direction = l.zeros + up(p.hidden);
  l.h = up(p.directions * p.chunk * p.batch * p.gates * p.units);
  l.c = l.h + up(2 * state);
  l.workspace = l.c + up(state);
  return l;
}

}  // namespace saha::kernels
