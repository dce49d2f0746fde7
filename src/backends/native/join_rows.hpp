#pragma once
// Neighbouring convolutions of a plan that one kernel does by bands of rows (kernels/row_bands.hpp).
#include <vector>

#include "backends/native/kernel_table.hpp"

namespace saha::native {

struct Join {
  std::vector<std::uint32_t> instructions;   ///< neighbours, in order
  Prepared call;                             ///< without operands
  std::vector<std::uint32_t> reads;          ///< its operands' slots
  double macs = 0, bytes = 0;
};

/// What is better done together. `buffers`: by slot, the memory it lies in, -1 where the plan gives it none; slots of one buffer are views of one another.
std::vector<Join> joins_of_rows(const plan::Plan& p, std::span<const std::int64_t> buffers, kernels::Isa isa);

}  // namespace saha::native
