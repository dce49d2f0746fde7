#pragma once
#include "op/builder.hpp"
#include "op/op_def.hpp"

namespace saha::op {

/// LSTM on stored integers, as TensorFlow Lite computes its layer of 8-bit data and weights and a 16-bit cell. Empty: it is none of that kind.
Val lstm_integer(const Site& s, const Type& result);

// Parts of it, for layers that LSTM does not say.
/// The 65536 entries of sigmoid or tanh over int16 with so many integer bits, as int16 with 15 bits behind the point.
Val gate_table(Builder& b, bool tanh, int integer_bits);
/// An int32 divided by 2^n to nearest, ties away from zero.
Val divided(Val x, int n);
/// An int32 saturated to int16.
Val saturated_16(Val x);

// FixedLayerNorm: a row of gates of 16 bits brought to mean 0 and deviation 1, times `scale`, plus `B`, as steps of 2^-12.
Result<> infer_fixed_layer_norm(Infer& c);
Result<> eval_fixed_layer_norm(Eval& c);

}  // namespace saha::op
