#pragma once
// Whole sequences of LSTM on stored integers, forward, in ONNX's order of gates (i o f c): data, weights and output of 8 bits, a cell of 16, as op/recurrent_integer.cpp
// says it. Kernel "lstm_i8": operands X [T, B, I], packed constants, first h [B, H], first c [B, H] int16, Y [T, B, H].
#include <cstdint>
#include <span>

#include "kernels/rescale.hpp"

namespace saha::kernels {

struct RecurrentI8Params {
  std::int64_t steps = 0, batch = 0, input = 0, hidden = 0;
  std::int32_t x_signed = 0, fraction = 0;          ///< bits of the cell behind the point
  std::int32_t cell_most = 32767;                   ///< the cell lies between this and its negative; 32768: it is not bounded
  Rescaling gates = Rescaling::twice;               ///< of both products
  Store store;                                      ///< of the output
  std::int64_t input_units = 0, state_units = 0;    ///< pairs of a row of X, of h
  std::int64_t blocks = 0;                          ///< of columns of the four gates
  std::uint64_t scratch = 0;
};
RecurrentI8Params prepare_lstm_i8(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, bool x_signed, int fraction, std::int32_t cell_most, Rescaling gates, const Store& store);
std::uint32_t grid(const RecurrentI8Params& params);
std::uint64_t scratch_bytes(const RecurrentI8Params& params);

/// Where the parts of the packed constants begin, in int32: weights of the input and their rescaling, those of the state, the rescaling of the output, then 65536
/// entries of int16 each of sigmoid, tanh of a gate and tanh of the cell.
struct RecurrentI8Layout {
  std::int64_t input = 0, input_rescale = 0, state = 0, state_rescale = 0, output_rescale = 0, tables = 0, size = 0;
};
RecurrentI8Layout layout(Isa isa, const RecurrentI8Params& params);

struct RecurrentI8Constants {
  std::span<const std::int16_t> w, r;               ///< dense [4H, I], [4H, H], zero points removed
  std::span<const std::int32_t> w_begin, r_begin;   ///< [4H]: what sums begin with: bias less zero point times sum of weights
  std::span<const Requant> w_scale, r_scale;        ///< [4H]
  Requant output;
};
/// The buffer is 64-byte aligned, of layout().size elements.
void pack_lstm_i8(Isa isa, const RecurrentI8Params& params, const RecurrentI8Constants& c, std::span<std::int32_t> out);

}  // namespace saha::kernels
