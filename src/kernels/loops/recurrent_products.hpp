#pragma once
// What a level with products of bfloat16 has of its own of a recurrent layer: rounding and products. Steps and gates are those of the level whose loops on float32 it takes (recurrent.cpp).
#include <cstdint>

#include "plan/call.hpp"

namespace saha::kernels {

struct RecurrentProducts {
  /// n numbers, and a zero behind an odd one.
  void (*round)(const float* from, std::int64_t n, std::uint16_t* to);
  /// [vectors - 1]: rows of `pairs` pairs times a panel [pairs][vectors][lanes] of pairs; as many of `rows` as it takes at once, which it returns. Sums [row][vectors][lanes].
  int (*multiply[4])(const std::uint16_t* a, std::int64_t pairs, const float* panel, std::int64_t rows, float* sums);
};
constexpr int kMostRecurrentRows = 8;   // that are taken at once

}  // namespace saha::kernels

namespace saha::kernels::SAHA_ISA_FLOATS {
void run_recurrent(const plan::Call& call, const RecurrentProducts* products);   ///< null: of float32
}
