#pragma once
// Whole sequences of LSTM and GRU, float32, ONNX gate order (LSTM i o f c, GRU z r h), sigmoid and tanh, no peepholes, every step of every
// row. A piece is one direction. Kernels "lstm_f32" and "gru_f32": operands
//   X [T, B, I], packed weights, initial h [D, B, H] or null, initial c (LSTM) or null,  Y [T, D, B, H] or null, Y_h or null, Y_c (LSTM) or null.
#include <cstdint>
#include <limits>
#include <span>

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
  std::int32_t filler = 0;                      ///< no byte of params is padding: contract.hpp
  std::int64_t chunk = 1;                       ///< steps whose input products are made at once
  std::int64_t packed_w = 0, packed_r = 0, packed_n = 0;  ///< elements of the parts of one direction's weights: W, R, R of the GRU's new gate
  std::uint64_t scratch = 0;
};
RecurrentParams prepare_lstm(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, int outputs);
RecurrentParams prepare_gru(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, bool reset_after, int outputs);
std::uint32_t grid(const RecurrentParams& params);
std::uint64_t scratch_bytes(const RecurrentParams& params);

/// Elements of the packed weights of all directions; 64-byte aligned.
std::int64_t packed_recurrent_size(const RecurrentParams& params);
/// W [D, gates H, I], R [D, gates H, H], B [D, 2 gates H] or null, as ONNX has them.
void pack_recurrent(Isa isa, const RecurrentParams& params, const float* w, const float* r, const float* b, std::span<float> out);

}  // namespace saha::kernels
