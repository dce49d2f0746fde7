#pragma once
#include "op/builder.hpp"

namespace saha::op {

/// LSTM on stored integers, as TensorFlow Lite computes its layer of 8-bit data and weights and a 16-bit cell. Empty: it is none of that kind.
Val lstm_integer(const Site& s, const Type& result);

}  // namespace saha::op
